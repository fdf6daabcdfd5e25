"""The client with a real broker and a real agent worker, which the environment names. Not part of ``discover``."""

import asyncio
import json
import os
import unittest
import urllib.request
import uuid

from agent_ticket import (
    AgentClient,
    CallFailed,
    Forbidden,
    SignInRequired,
    TicketProvider,
    TicketRefused,
    service_token,
)

BROKER = os.environ["BROKER"]


def post(url, body, headers=None):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def as_operator(path, body):
    return post(f"{BROKER}{path}", body, {"Authorization": "Bearer " + os.environ["ADMIN_SECRET"]})


def person(name, seconds=3600):
    """A person who signs in anew for each ticket. Each sign-in lasts for ``seconds``."""

    async def get():
        made = await asyncio.to_thread(post, os.environ["TOKEN_URL"], {"sub": f"auth0|{name}", "expiresIn": seconds})
        return made["token"]

    return get


def counter(instance, **options):
    credential = service_token(os.environ["CLIENT_SECRET"])
    return TicketProvider(BROKER, "counter", instance, credential=credential, **options)


class OnAStack(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.instance = f"python-{uuid.uuid4()}"

    async def test_a_call_changes_the_state_that_another_client_sees(self):
        async with AgentClient(counter(self.instance)) as one, AgentClient(counter(self.instance)) as other:
            states = other.states()
            seen = asyncio.ensure_future(states.__anext__())
            await other.call("whoami")
            self.assertEqual(await one.call("increment"), 1)
            while (state := await asyncio.wait_for(seen, 10)) != {"count": 1}:
                seen = asyncio.ensure_future(states.__anext__())
            self.assertEqual(state, other.state)
            await one.set_state({"count": 40})
            self.assertEqual(await other.call("increment"), 41)

    async def test_scopes_can_be_narrowed_and_one_that_lacks_fails_its_call(self):
        async with AgentClient(counter(self.instance, scope="agent:connect agent:rpc:whoami")) as agent:
            self.assertEqual(agent.scope, "agent:connect agent:rpc:whoami")
            self.assertEqual((await agent.call("whoami"))["role"], "admin")
            with self.assertRaises(CallFailed):
                await agent.call("increment")

    async def test_refusals_of_the_broker_have_their_classes(self):
        wrong = TicketProvider(BROKER, "counter", credential=service_token("atk_wrong"))
        unknown = TicketProvider(BROKER, "no-such-agent", credential=service_token(os.environ["CLIENT_SECRET"]))
        for tickets, kind in [(wrong, SignInRequired), (unknown, TicketRefused), (counter("a", scope="agent:rpc:*"), Forbidden)]:
            with self.subTest(kind=kind), self.assertRaises(kind):
                async with AgentClient(tickets):
                    self.fail("it was admitted")

    async def test_a_session_that_an_operator_ends_is_forbidden_and_stays_so(self):
        async with AgentClient(counter(self.instance)) as agent:
            await agent.call("whoami")
            target = {"agent": "counter", "instance": self.instance}
            await asyncio.to_thread(as_operator, "/admin/locks", {"target": {"kind": "instance", **target}, "reason": "test"})
            with self.assertRaises(Forbidden):
                async for _ in agent.frames():
                    pass
            with self.assertRaises(Forbidden):
                await agent.call("whoami")

    async def test_a_session_is_renewed_in_band(self):
        credential = person("renewing", 10)
        async with AgentClient(TicketProvider(BROKER, "counter", self.instance, credential=credential)) as agent:
            first = await agent.call("whoami")
            await asyncio.sleep(12)
            self.assertEqual((await agent.call("whoami"))["session"], first["session"])

    async def test_a_chat_answers_and_keeps_the_conversation(self):
        tickets = TicketProvider(BROKER, "chat", self.instance, credential=person("chatting"))
        async with AgentClient(tickets) as agent:
            self.assertEqual(await agent.chat_messages(), [])
            question = {"id": "1", "role": "user", "parts": [{"type": "text", "text": "What time is it in Tokyo?"}]}
            kinds = [part["type"] async for part in agent.chat([question])]
            self.assertIn("text-delta", kinds)
            self.assertEqual([message["role"] for message in await agent.chat_messages()], ["user", "assistant"])


if __name__ == "__main__":
    unittest.main()
