"""A broker that answers what a test sets, and an agent worker on loopback with real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Awaitable, Callable, Dict, List, Optional, Union

import httpx
import websockets
from agent_ticket import AgentClient, Credential, TicketProvider, service_token
from agent_ticket.connection import Ports

SECRET = "atk_0123456789abcdefghijkl_secret"
#: In every ticket, so that a test finds each text that has one in it.
MARK = "c2VjcmV0LXRpY2tldA"

Answer = Union[httpx.Response, Callable[[], httpx.Response]]


class FakeBroker:
    """Mints tickets in order: ``e30.<MARK>.1`` is the first. ``answers`` come before that, one for each request."""

    def __init__(self, url: str = "ws://127.0.0.1:9/agents/counter/team") -> None:
        self.url = url
        self.requests: List[httpx.Request] = []
        self.answers: List[Answer] = []

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await request.aread()
        if self.answers:
            answer = self.answers.pop(0)
            return answer() if callable(answer) else answer
        return httpx.Response(201, json=self.ticket())

    def ticket(self, **changed: Any) -> Dict[str, Any]:
        text = f"e30.{MARK}.{len(self.requests)}"
        members = {"ticket": text, "url": f"{self.url}?ticket={text}", "expires_in": 60, "scope": "agent:connect"}
        return {**members, "agent": "counter", "instance": "team", **changed}

    def provider(self, credential: Optional[Credential] = service_token(SECRET), **options: Any) -> TicketProvider:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.handle))
        broker = "https://broker.example"
        return TicketProvider(broker, "counter", "team", credential=credential, http=http, **options)


class FakeTime:
    """A clock that only ``sleep`` moves; a sleep ends at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: List[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    @property
    def ports(self) -> Ports:
        return Ports(clock=lambda: self.now, chance=lambda: 0.5, sleep=self.sleep)


Behaviour = Callable[[Any, int], Awaitable[None]]


class FakeWorker:
    """An agent worker: ``behave`` gets each socket with its number, from 1. It closes when that returns."""

    def __init__(self, behave: Behaviour, protocols: Optional[List[str]] = None) -> None:
        self._behave = behave
        self._protocols = ["agent-ticket.v1"] if protocols is None else protocols
        self.sockets = 0
        self.broker = FakeBroker()
        self.time = FakeTime()

    async def __aenter__(self) -> "FakeWorker":
        self._server = await websockets.serve(self._handle, "127.0.0.1", 0, subprotocols=self._protocols)
        port = next(iter(self._server.sockets)).getsockname()[1]
        self.broker.url = f"ws://127.0.0.1:{port}/agents/counter/team"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _handle(self, socket: Any) -> None:
        self.sockets += 1
        await self._behave(socket, self.sockets)

    def client(self, credential: Optional[Credential] = service_token(SECRET)) -> AgentClient:
        return AgentClient(self.broker.provider(credential), timeout=5, ports=self.time.ports)

    def impatient_client(self) -> AgentClient:
        """By the real clock, so that an attempt that fails is not repeated at once, and again."""
        return AgentClient(self.broker.provider(), timeout=0.3)


async def eventually(holds: Callable[[], bool]) -> None:
    """Waits for a condition, five seconds at most."""
    for _ in range(5000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


async def until_closed(socket: Any) -> None:
    async for _ in socket:
        pass


async def frame_of(socket: Any) -> Dict[str, Any]:
    frame = json.loads(await socket.recv())
    assert isinstance(frame, dict)
    return frame


def closing_with(code: int, reason: str) -> Behaviour:
    """Closes the first socket with this code; answers the calls of all others with 1."""

    async def behave(socket: Any, number: int) -> None:
        if number == 1:
            await socket.close(code, reason)
        else:
            await answer_calls(socket)

    return behave


async def answer_calls(socket: Any, others: Optional[List[Dict[str, Any]]] = None) -> None:
    """Answers each call with 1. Adds the other frames to a list."""
    async for text in socket:
        frame = json.loads(text)
        if frame["type"] != "rpc":
            if others is not None:
                others.append(frame)
        else:
            await socket.send(json.dumps({"type": "rpc", "id": frame["id"], "success": True, "result": 1}))
