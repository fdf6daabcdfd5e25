"""Connections over real sockets on loopback: the reaction to each close, renewal, calls, state and chat."""

import asyncio
import json
import logging
import traceback
import unittest

import httpx
from agent_ticket import CallFailed, ConnectionLost, Forbidden, SignInRequired, TicketRefused, TicketUnavailable
from agent_ticket.closes import AFTER_CLOSE, Then

from fakes import MARK, FakeWorker, answer_calls, closing_with, eventually, frame_of, until_closed

EXPIRING = '{"type":"ticket.expiring","session_expires_at":"2001-01-01T00:00:00.000Z"}'


class Closes(unittest.IsolatedAsyncioTestCase):
    async def test_a_lasting_refusal_ends_the_client(self):
        table = [
            (4000, "bad_request", TicketRefused, "400 bad_request"),
            (4001, "unauthorized", SignInRequired, "401 unauthorized"),
            (4003, "forbidden", Forbidden, "403 forbidden"),
            (4004, "not_found", TicketRefused, "404 not_found"),
            (1008, "too_many_messages", TicketRefused, "429 too_many_messages"),
            (4321, "the agent's own", ConnectionLost, "4321 the agent's own"),
        ]
        stops = {code for code, then in AFTER_CLOSE.items() if then is Then.STOP}
        self.assertLessEqual(stops, {code for code, *_ in table})
        for code, reason, kind, text in table:
            with self.subTest(code=code):
                async with FakeWorker(closing_with(code, reason)) as worker:
                    with self.assertRaises(kind) as raised:
                        async with worker.client() as agent:
                            await eventually(lambda: agent._connection.ended is not None)
                            await agent.call("count")
                    self.assertEqual(str(raised.exception), text)
                    await asyncio.sleep(0.01)
                    self.assertEqual(worker.sockets, 1)

    async def test_after_every_other_close_a_new_ticket_opens_the_next_socket(self):
        passing = [code for code, then in AFTER_CLOSE.items() if then in (Then.AT_ONCE, Then.BACK_OFF)]
        for code in [*passing, 1000, 1001, 1006]:
            with self.subTest(code=code):
                behave = self.dropping if code == 1006 else closing_with(code, "x")
                async with FakeWorker(behave) as worker:
                    async with worker.client() as agent:
                        await self.patiently(agent)
                        self.assertEqual(worker.sockets, 2)
                        self.assertEqual(len(worker.broker.requests), 2)
                        # None had lasted, so there is a pause whatever the code.
                        self.assertEqual(worker.time.slept, [1.5])

    @staticmethod
    async def dropping(socket, number):
        if number == 1:
            socket.transport.abort()
        else:
            await answer_calls(socket)

    @staticmethod
    async def patiently(agent):
        for _ in range(3):
            try:
                return await agent.call("count")
            except ConnectionLost:
                continue
        raise AssertionError("no socket opened")

    async def test_a_session_that_lasted_goes_on_at_once_after_its_end(self):
        for code, pauses in [(3000, [0]), (1012, [1.5])]:
            with self.subTest(code=code):

                async def behave(socket, number):
                    if number == 1:
                        worker.time.now += 3600
                        await socket.close(code, "session_expired")
                    else:
                        await answer_calls(socket)

                async with FakeWorker(behave) as worker:
                    async with worker.client() as agent:
                        await self.patiently(agent)
                        self.assertEqual(worker.time.slept, pauses)

    async def test_the_pauses_grow_while_sockets_do_not_last(self):
        async def behave(socket, number):
            if number < 8:
                await socket.close(3000, "ticket_used")
            else:
                await answer_calls(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                for _ in range(20):
                    try:
                        await agent.call("count")
                        break
                    except ConnectionLost:
                        continue
            self.assertEqual(worker.time.slept, [1.5, 3, 6, 12, 22.5, 22.5, 22.5])

    async def test_an_idle_socket_opens_again_with_the_next_frame_and_not_before(self):
        async def behave(socket, number):
            frame = await frame_of(socket)
            await socket.send(json.dumps({"type": "rpc", "id": frame["id"], "success": True, "result": number}))
            await socket.close(4008, "idle")

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                self.assertEqual(await agent.call("count"), 1)
                await eventually(lambda: agent._connection.failure == "4008 idle")
                await asyncio.sleep(0.02)
                self.assertEqual(worker.sockets, 1)
                self.assertEqual(await agent.call("count"), 2)

    async def test_the_broker_is_waited_for_as_long_as_it_asks(self):
        async with FakeWorker(closing_with(1000, "")) as worker:
            worker.broker.answers = [httpx.Response(503, headers={"retry-after": "40"})]
            async with worker.client():
                self.assertEqual(worker.time.slept[0], 40.5)

    async def test_a_refusal_of_the_broker_is_raised_on_entry(self):
        async with FakeWorker(closing_with(1000, "")) as worker:
            worker.broker.answers = [httpx.Response(403, json={"error": {"code": "FORBIDDEN"}})]
            with self.assertRaises(Forbidden):
                async with worker.client():
                    self.fail("it was refused")
            self.assertEqual(worker.sockets, 0)

    async def test_without_any_server_the_entry_says_why(self):
        async with FakeWorker(closing_with(1000, "")) as worker:
            pass
        with self.assertRaisesRegex(TicketUnavailable, "no connection within 0.3 s: 1006"):
            async with worker.impatient_client():
                self.fail("there is no server")

    async def test_what_a_credential_raises_ends_the_client(self):
        async def broken():
            raise LookupError("no such variable")

        async with FakeWorker(closing_with(1000, "")) as worker:
            with self.assertRaises(LookupError):
                async with worker.client(broken):
                    self.fail("there is no credential")


class Tickets(unittest.IsolatedAsyncioTestCase):
    async def test_the_ticket_is_offered_beside_the_marker_and_is_in_no_address(self):
        seen = []

        async def behave(socket, _):
            request = getattr(socket, "request", None)
            headers = request.headers if request else socket.request_headers
            seen.append((request.path if request else socket.path, headers["Sec-WebSocket-Protocol"]))
            await until_closed(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client():
                pass
        [(path, offer)] = seen
        self.assertEqual(path, "/agents/counter/team")
        self.assertEqual(offer.replace(" ", ""), f"agent-ticket.v1,e30.{MARK}.1")

    async def test_a_server_that_chooses_another_subprotocol_than_the_marker_gets_no_frame(self):
        for protocols in [[f"e30.{MARK}.1", f"e30.{MARK}.2"], []]:
            received = []

            async def behave(socket, _):
                async for frame in socket:
                    received.append(frame)

            async with FakeWorker(behave, protocols) as worker:
                with self.subTest(protocols=len(protocols)), self.assertRaises(TicketUnavailable):
                    async with worker.impatient_client():
                        self.fail("it was opened")
                self.assertEqual(received, [])

    async def test_a_redirect_is_not_followed(self):
        asked = []

        async def elsewhere(reader, writer):
            asked.append(await reader.read(10))
            writer.close()

        other = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
        port = other.sockets[0].getsockname()[1]

        async def redirect(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:{port}/\r\nContent-Length: 0\r\n\r\n".encode())
            writer.close()

        first = await asyncio.start_server(redirect, "127.0.0.1", 0)
        async with other, first:
            async with FakeWorker(closing_with(1000, "")) as worker:
                worker.broker.url = f"ws://127.0.0.1:{first.sockets[0].getsockname()[1]}/"
                with self.assertRaises(TicketUnavailable):
                    async with worker.impatient_client():
                        self.fail("it was opened")
        self.assertEqual(asked, [])

    async def test_no_ticket_is_in_a_log_or_an_exception(self):
        async def behave(socket, number):
            await socket.send(EXPIRING)
            self.assertEqual((await frame_of(socket))["type"], "ticket.renew")
            await socket.close(4003, "forbidden")

        # The server in this process may write all that it receives.
        for name in ("websockets", "websockets.server"):
            logging.getLogger(name).setLevel(logging.INFO)
            self.addCleanup(logging.getLogger(name).setLevel, logging.NOTSET)
        with self.assertLogs(level=logging.DEBUG) as logs:
            logging.getLogger("agent_ticket").debug("one line at least")
            logging.getLogger("agent_ticket.sockets").setLevel(logging.DEBUG)
            logging.getLogger("websockets.client").setLevel(logging.DEBUG)
            async with FakeWorker(behave) as worker:
                with self.assertRaises(Forbidden) as raised:
                    async with worker.client() as agent:
                        async for _ in agent.frames():
                            pass
        text = "".join(traceback.format_exception(None, raised.exception, raised.exception.__traceback__))
        for each in [text, *logs.output]:
            self.assertNotIn(MARK, each)


class Renewal(unittest.IsolatedAsyncioTestCase):
    async def test_a_warning_is_answered_with_a_new_ticket_on_the_same_socket(self):
        frames = []

        async def behave(socket, _):
            await socket.send(EXPIRING)
            frames.append(await frame_of(socket))
            await socket.send('{"type":"ticket.renewed","scope":"agent:connect agent:message","session_expires_at":"x"}')
            await answer_calls(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                await eventually(lambda: agent.scope == "agent:connect agent:message")
                self.assertEqual(frames, [{"type": "ticket.renew", "ticket": f"e30.{MARK}.2"}])
                self.assertEqual(worker.sockets, 1)

    async def test_a_flood_of_warnings_mints_one_ticket(self):
        async def behave(socket, _):
            for _ in range(100):
                await socket.send(EXPIRING)
            await answer_calls(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                # The answer comes after the warnings.
                await agent.call("count")
                self.assertEqual(len(worker.broker.requests), 2)

    async def test_a_broker_that_is_away_is_asked_again(self):
        frames = []

        async def behave(socket, _):
            worker.broker.answers = [httpx.Response(503), httpx.Response(503)]
            await socket.send(EXPIRING)
            await answer_calls(socket, frames)

        async with FakeWorker(behave) as worker:
            async with worker.client():
                await eventually(lambda: len(frames) == 1)
                self.assertEqual(frames, [{"type": "ticket.renew", "ticket": f"e30.{MARK}.4"}])
                self.assertEqual(worker.time.slept, [6.5, 6.5])

    async def test_a_refusal_leaves_the_session_until_its_end(self):
        async def behave(socket, _):
            worker.broker.answers = [httpx.Response(401), httpx.Response(401)]
            await socket.send(EXPIRING)
            self.assertEqual((await frame_of(socket))["type"], "rpc")
            await socket.close(3000, "session_expired")

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                with self.assertRaises(ConnectionLost):
                    await agent.call("count")
                with self.assertRaises(SignInRequired):
                    await agent.call("count")

    async def test_an_anonymous_session_is_not_renewed(self):
        async def behave(socket, _):
            await socket.send(EXPIRING)
            await answer_calls(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client(None) as agent:
                await agent.call("count")
                self.assertEqual(len(worker.broker.requests), 1)

    async def test_a_frame_that_only_mentions_the_warning_is_a_frame(self):
        frames = [{"type": "said", "text": EXPIRING}, {"text": "x", "type": "ticket.expiring"}, {"type": "ticket.other"}]

        async def behave(socket, _):
            await socket.recv()
            for frame in frames:
                await socket.send(json.dumps(frame))
            await until_closed(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                reader = agent.frames()
                first = asyncio.ensure_future(reader.__anext__())
                await asyncio.sleep(0)
                await agent.send({"type": "ready"})
                self.assertEqual([await first, await reader.__anext__(), await reader.__anext__()], frames)
                self.assertEqual(len(worker.broker.requests), 1)


class Frames(unittest.IsolatedAsyncioTestCase):
    async def test_answers_find_their_calls_in_any_order(self):
        async def behave(socket, _):
            asked = [await frame_of(socket) for _ in range(3)]
            for frame in reversed(asked):
                answer = {"type": "rpc", "id": frame["id"], "success": True, "result": frame["args"]}
                await socket.send(json.dumps(answer))
            await until_closed(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                results = await asyncio.gather(*(agent.call("echo", number) for number in range(3)))
                self.assertEqual(results, [[0], [1], [2]])

    async def test_an_error_of_the_agent_is_raised(self):
        async def behave(socket, _):
            frame = await frame_of(socket)
            await socket.send(json.dumps({"type": "rpc", "id": frame["id"], "success": False, "error": "forbidden"}))
            await until_closed(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                with self.assertRaisesRegex(CallFailed, "^reset: forbidden$"):
                    await agent.call("reset")

    async def test_a_call_whose_socket_is_lost_is_not_repeated(self):
        calls = []

        async def behave(socket, _):
            calls.append(await frame_of(socket))
            await socket.close(1012, "restarting")

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                with self.assertRaises(ConnectionLost) as raised:
                    await agent.call("increment")
                self.assertEqual(raised.exception.code, 1012)
                self.assertEqual([call["method"] for call in calls], ["increment"])

    async def test_a_call_without_an_answer_ends_in_time(self):
        async with FakeWorker(lambda socket, _: until_closed(socket)) as worker:
            async with worker.client() as agent:
                with self.assertRaises(asyncio.TimeoutError):
                    await agent.call("wait", timeout=0.01)
                self.assertEqual(agent._answers, {})

    async def test_the_pieces_of_a_streaming_method(self):
        async def behave(socket, _):
            frame = await frame_of(socket)
            for result, done in [("a", False), ("b", False), (None, True)]:
                answer = {"type": "rpc", "id": frame["id"], "success": True, "result": result, "done": done}
                await socket.send(json.dumps(answer))
            await until_closed(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                self.assertEqual([piece async for piece in agent.stream("tell")], ["a", "b"])

    async def test_states_come_in_order_and_the_last_is_held(self):
        async def behave(socket, _):
            await socket.recv()
            for count in (1, 2):
                await socket.send(json.dumps({"type": "cf_agent_state", "state": {"count": count}}))
            await until_closed(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                states = agent.states()
                first = asyncio.ensure_future(states.__anext__())
                await asyncio.sleep(0)
                await agent.set_state({"count": 0})
                self.assertEqual(agent.state, {"count": 0})
                self.assertEqual([await first, await states.__anext__()], [{"count": 1}, {"count": 2}])
                self.assertEqual(agent.state, {"count": 2})

    async def test_a_chat_yields_the_parts_of_its_answer(self):
        async def behave(socket, _):
            frame = await frame_of(socket)
            asked = json.loads(frame["init"]["body"])
            self.assertEqual(asked, {"messages": [{"role": "user"}], "trigger": "submit-message"})
            for body, done in [('{"type":"text-delta","delta":"hi"}', False), ("", True)]:
                answer = {"type": "cf_agent_use_chat_response", "id": frame["id"], "body": body, "done": done}
                await socket.send(json.dumps(answer))
            await until_closed(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                parts = [part async for part in agent.chat([{"role": "user"}])]
                self.assertEqual(parts, [{"type": "text-delta", "delta": "hi"}])

    async def test_an_answer_of_a_chat_that_is_left_is_stopped(self):
        stopped = asyncio.Event()

        async def behave(socket, _):
            frame = await frame_of(socket)
            answer = {"type": "cf_agent_use_chat_response", "id": frame["id"], "body": "{}", "done": False}
            await socket.send(json.dumps(answer))
            self.assertEqual(await frame_of(socket), {"type": "cf_agent_chat_request_cancel", "id": frame["id"]})
            stopped.set()

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                answer = agent.chat([])
                await answer.__anext__()
                await answer.aclose()
                await asyncio.wait_for(stopped.wait(), 5)

    async def test_a_reader_that_is_too_slow_is_told_and_holds_up_nothing(self):
        async def behave(socket, _):
            await socket.recv()
            for _ in range(10_010):
                await socket.send('{"type":"said"}')
            await answer_calls(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                frames = agent.frames()
                first = asyncio.ensure_future(frames.__anext__())
                await asyncio.sleep(0)
                await agent.send({"type": "ready"})
                await first
                await agent.call("count")
                with self.assertRaises(BufferError):
                    async for _ in frames:
                        pass

    async def test_what_is_no_object_is_ignored(self):
        async def behave(socket, _):
            deep = "[" * 100_000
            broken = ["not json", "[]", '{"type":"rpc"}', '{"type":"ticket.expiring"', b"\xff"]
            for text in [*broken, deep, '{"type":"ticket.expiring","a":' + deep]:
                await socket.send(text)
            await answer_calls(socket)

        async with FakeWorker(behave) as worker:
            async with worker.client() as agent:
                self.assertEqual(await agent.call("count"), 1)
                self.assertEqual(worker.sockets, 1)


if __name__ == "__main__":
    unittest.main()
