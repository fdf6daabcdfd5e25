"""Requests for tickets: the request, the accepted answers, and the error for each refusal."""

import asyncio
import logging
import os
import tempfile
import traceback
import unittest
from unittest import mock

import httpx
from agent_ticket import (
    Forbidden,
    SignInRequired,
    TicketProvider,
    TicketRefused,
    TicketUnavailable,
    github_actions,
    service_token,
    token_file,
)

from fakes import MARK, SECRET, FakeBroker


def refused(status, code="SOME_CODE", **headers):
    body = {"error": {"code": code, "message": "text", "request_id": "r1"}}
    return httpx.Response(status, json=body, headers={"x-request-id": "r1", **headers})


class Minting(unittest.IsolatedAsyncioTestCase):
    async def test_a_ticket_of_the_narrowed_scope(self):
        broker = FakeBroker()
        async with broker.provider(scope="agent:connect", expires_in=30) as tickets:
            ticket = await tickets.mint()
        [request] = broker.requests
        self.assertEqual(str(request.url), "https://broker.example/tickets")
        self.assertEqual(request.headers["authorization"], f"Bearer {SECRET}")
        self.assertEqual(
            request.content.decode().replace(" ", ""),
            '{"agent":"counter","instance":"team","scope":"agent:connect","expires_in":30,"transport":"websocket"}',
        )
        self.assertEqual(ticket.url, "ws://127.0.0.1:9/agents/counter/team")
        self.assertEqual(ticket.protocols, ("agent-ticket.v1", f"e30.{MARK}.1"))

    async def test_a_refusal_has_its_class_and_the_name_of_the_request(self):
        table = [(401, SignInRequired), (403, Forbidden), (404, TicketRefused), (400, TicketRefused), (415, TicketRefused)]
        for status, kind in table:
            with self.subTest(status=status):
                broker = FakeBroker()
                broker.answers = [refused(status)]
                with self.assertRaises(TicketRefused) as raised:
                    await broker.provider().mint()
                self.assertIs(type(raised.exception), kind)
                self.assertEqual(str(raised.exception), f"{status} SOME_CODE, request r1")

    async def test_an_outage_is_no_refusal(self):
        def unreachable():
            raise httpx.ConnectError("refused")

        redirect = httpx.Response(302, headers={"location": "https://elsewhere.example"})
        table = [refused(429), refused(503), refused(500), refused(408), redirect, httpx.Response(200), unreachable]
        for answer in table:
            with self.subTest(answer=answer):
                broker = FakeBroker()
                broker.answers = [answer]
                with self.assertRaises(TicketUnavailable):
                    await broker.provider().mint()
                self.assertEqual(len(broker.requests), 1)

    async def test_retry_after_counts_up_to_five_minutes(self):
        for text, seconds in [("7", 7), ("86400", 300), ("soon", 0), ("-1", 0), ("", 0)]:
            with self.subTest(text=text):
                broker = FakeBroker()
                broker.answers = [refused(429, **{"retry-after": text})]
                with self.assertRaises(TicketUnavailable) as raised:
                    await broker.provider().mint()
                self.assertEqual(raised.exception.retry_after, seconds)

    async def test_an_answer_without_a_ticket_for_this_instance_is_none(self):
        broker = FakeBroker()
        table = [
            {"ticket": "not a ticket"},
            {"ticket": "e30.e30." + "x" * 2048},
            {"ticket": 1},
            {"expires_in": 301},
            {"expires_in": 0},
            {"url": None},
            {"agent": "chat"},
            {"instance": "other"},
        ]
        for changed in table:
            with self.subTest(changed=changed):
                broker.answers = [httpx.Response(201, json=broker.ticket(**changed))]
                with self.assertRaises(TicketUnavailable):
                    await broker.provider().mint()
        for content in [b"<html>", b"[]", b"\xff", b"x" * 70_000]:
            with self.subTest(content=content[:8]):
                broker.answers = [httpx.Response(201, content=content)]
                with self.assertRaises(TicketUnavailable):
                    await broker.provider().mint()

    async def test_neither_credential_nor_ticket_is_sent_in_the_clear(self):
        for broker in ["http://broker.example", "ftp://localhost", "http://127.0.0.1.example", "broker.example"]:
            with self.subTest(broker=broker), self.assertRaises(ValueError):
                TicketProvider(broker, "counter", credential=None)
        fake = FakeBroker("ws://agents.example/agents/counter/team")
        with self.assertRaises(ValueError):
            await fake.provider().mint()

    async def test_a_broker_that_never_ends_its_answer_is_unavailable(self):
        async def slowly(request):
            await asyncio.Event().wait()

        http = httpx.AsyncClient(transport=httpx.MockTransport(slowly))
        with mock.patch("agent_ticket.tickets._TIMEOUT", 0.01):
            with self.assertRaisesRegex(TicketUnavailable, "no answer in time"):
                await TicketProvider("https://broker.example", "counter", credential=None, http=http).mint()

    async def test_a_plain_request_has_a_ticket_of_its_own(self):
        broker = FakeBroker("wss://agents.example/agents/counter/team")
        broker.answers = [httpx.Response(201, json=broker.ticket()), httpx.Response(200, json=[])]
        answer = await broker.provider().get("/get-messages")
        self.assertEqual(answer.json(), [])
        self.assertEqual(str(broker.requests[1].url), "https://agents.example/agents/counter/team/get-messages")
        self.assertEqual(broker.requests[1].headers["authorization"], f"Bearer e30.{MARK}.0")
        self.assertIn(b'"transport": "http"', broker.requests[0].content.replace(b'":"', b'": "'))


class Credentials(unittest.IsolatedAsyncioTestCase):
    async def test_a_public_agent_gets_no_credential(self):
        broker = FakeBroker()
        await broker.provider(None).mint()
        self.assertNotIn("authorization", broker.requests[0].headers)

    async def test_none_now_is_a_sign_in_without_a_request(self):
        async def nobody():
            return None

        broker = FakeBroker()
        with self.assertRaises(SignInRequired):
            await broker.provider(nobody).mint()
        self.assertEqual(broker.requests, [])

    async def test_a_file_is_read_for_each_request(self):
        broker = FakeBroker()
        with tempfile.NamedTemporaryFile("w", suffix=".jwt") as file:
            tickets = broker.provider(token_file(file.name))
            for text in ["first", "second\n"]:
                file.seek(0)
                file.write(text)
                file.flush()
                await tickets.mint()
        sent = [request.headers["authorization"] for request in broker.requests]
        self.assertEqual(sent, ["Bearer first", "Bearer second"])

    async def test_what_is_no_token_is_not_sent_and_not_shown(self):
        broker = FakeBroker()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "token")
            for content in [b"hidden\r\nX-Other: 1", b"hid\xffden", b"hidden text"]:
                with open(path, "wb") as file:
                    file.write(content)
                with self.subTest(content=content), self.assertRaises(ValueError) as raised:
                    await broker.provider(token_file(path)).mint()
                self.assertNotIn("hidden", "".join(traceback.format_exception(None, raised.exception, None)))
        self.assertEqual(broker.requests, [])

    async def test_what_a_credential_raises_itself_reaches_the_caller(self):
        async def broken():
            raise LookupError("no such variable")

        with self.assertRaises(LookupError):
            await FakeBroker().provider(broken).mint()
        with self.assertRaises(LookupError), mock.patch.dict(os.environ, clear=True):
            await github_actions("https://broker.example")()

    async def test_a_secret_that_is_none_is_refused_at_once(self):
        with self.assertRaises(ValueError):
            service_token("svc_0123456789abcdefghijkl")


class Secrecy(unittest.IsolatedAsyncioTestCase):
    async def test_neither_secret_nor_ticket_is_in_a_text_of_ours(self):
        broker = FakeBroker()
        tickets = broker.provider()
        ticket = await tickets.mint()
        texts = [repr(tickets), repr(ticket), str(ticket), repr(service_token(SECRET))]

        def unreachable():
            raise httpx.ConnectError("refused", request=broker.requests[0])

        with self.assertLogs(level=logging.DEBUG) as logs:
            logging.getLogger("agent_ticket").debug("one line at least")
            for answer in [refused(401), refused(503), unreachable]:
                broker.answers = [answer]
                with self.assertRaises((TicketRefused, TicketUnavailable)) as raised:
                    await tickets.mint()
                error = raised.exception
                texts += ["".join(traceback.format_exception(type(error), error, error.__traceback__)), repr(vars(error))]
                self.assertIsNone(error.__cause__)
                self.assertIsNone(error.__context__)
        for text in [*texts, *logs.output]:
            self.assertNotIn(MARK, text)
            self.assertNotIn(SECRET, text)


if __name__ == "__main__":
    unittest.main()
