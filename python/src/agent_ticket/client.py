"""A client of one agent instance: its methods, its state, its chat, and all other frames."""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import asynccontextmanager, suppress
from typing import Any, AsyncIterator, Dict, List, Mapping, Optional, Sequence, Set, Union

from .connection import Connection, Ports
from .errors import CallFailed, ConnectionLost, TicketUnavailable
from .tickets import TicketProvider

#: Frames that wait for a reader. A reader that is further behind gets a ``BufferError``: waiting for it would delay
#: renewals.
_MAX_WAITING = 10_000

Frame = Mapping[str, Any]
_Item = Union[Frame, Exception]


class AgentClient:
    """An async context manager: on entry it waits for the first socket, on exit it closes socket and provider.

    A lost socket is opened again with a new ticket, after a pause that grows, until the broker or the agent refuses for
    good. Sessions are renewed in band, except anonymous ones. A socket that the agent closed as idle is opened again by
    the next frame that is sent.

    :param timeout: seconds to wait for a socket and for the result of a call. Default 60.

    Does NOT repeat a call whose socket was lost, nor keep tickets or credentials anywhere but in memory.
    """

    def __init__(self, tickets: TicketProvider, *, timeout: float = 60, ports: Ports = Ports()) -> None:
        self._tickets = tickets
        self._timeout = timeout
        self._connection = Connection(tickets, self._receive, self._on_change, ports)
        self._answers: Dict[str, "asyncio.Queue[_Item]"] = {}
        self._readers: Set["asyncio.Queue[_Item]"] = set()
        self._state_readers: Set["asyncio.Queue[_Item]"] = set()
        self._state: Any = None

    async def __aenter__(self) -> "AgentClient":
        self._connection.start()
        try:
            await self._opened()
        except BaseException:
            await self.close()
            raise
        return self

    async def _opened(self) -> None:
        try:
            await asyncio.wait_for(self._connection.opened(), self._timeout)
        except asyncio.TimeoutError:
            failure = self._connection.failure
        else:
            return
        raise TicketUnavailable(f"no connection within {self._timeout:g} s: {failure}")

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._connection.close()
        await self._tickets.__aexit__()

    @property
    def scope(self) -> str:
        """The scopes of the session, separated by spaces."""
        return self._connection.scope

    @property
    def state(self) -> Any:
        """The last state that came; ``None`` before one has, and without the scope ``agent:state:read``."""
        return self._state

    async def set_state(self, state: Any) -> None:
        """Replaces the state for everybody. The agent may refuse it; ``frames()`` then yields the refusal."""
        await self.send({"type": "cf_agent_state", "state": state})
        self._state = state

    async def states(self) -> AsyncIterator[Any]:
        """Yields each state that arrives from now on."""
        async for frame in self._read(self._state_readers):
            yield frame["state"]

    async def frames(self) -> AsyncIterator[Frame]:
        """Yields each later JSON object that belongs to no call, state, chat or renewal."""
        async for frame in self._read(self._readers):
            yield frame

    async def send(self, frame: Frame) -> None:
        """Sends a frame as soon as a socket is open. Raises the error that ended the connection, if it has ended."""
        await self._opened()
        await self._connection.send(json.dumps(frame))

    async def call(self, method: str, *args: Any, timeout: Optional[float] = None) -> Any:
        """Calls a method of the agent. Raises ``CallFailed``, ``ConnectionLost`` or ``asyncio.TimeoutError``."""
        return await asyncio.wait_for(self._call(method, args), self._timeout if timeout is None else timeout)

    async def _call(self, method: str, args: Sequence[Any]) -> Any:
        async with self._asked(_rpc(method, args)) as answers:
            while True:
                frame = _checked(method, await answers.get())
                if frame.get("done") is not False:
                    return frame.get("result")

    async def stream(self, method: str, *args: Any) -> AsyncIterator[Any]:
        """Calls a streaming method of the agent and yields each of its pieces as it comes. Raises as ``call`` does, but
        waits for a piece as long as the socket lasts."""
        async with self._asked(_rpc(method, args)) as answers:
            while True:
                frame = _checked(method, await answers.get())
                if frame.get("result") is not None:
                    yield frame["result"]
                if frame.get("done") is not False:
                    return

    async def chat(self, messages: Sequence[Frame]) -> AsyncIterator[Frame]:
        """Asks an ``AIChatAgent`` and yields the parts of its answer (UI message chunks of the AI SDK) as they come.
        Closing the iterator stops the answer.

        :param messages: the whole conversation with the new question last, as ``chat_messages`` gives it: the agent
            stores it in place of its own.
        """
        body = json.dumps({"messages": list(messages), "trigger": "submit-message"})
        question = {"type": "cf_agent_use_chat_request", "init": {"method": "POST", "body": body}}
        async with self._asked(question, cancel="cf_agent_chat_request_cancel") as answers:
            while True:
                item = await answers.get()
                if isinstance(item, Exception):
                    raise item
                text = item.get("body")
                if item.get("error"):
                    raise CallFailed(f"chat: {text}")
                if isinstance(text, str) and text.strip():
                    yield json.loads(text)
                if item.get("done"):
                    return

    async def chat_messages(self) -> List[Dict[str, Any]]:
        """The conversation of an ``AIChatAgent``, by a plain request with a ticket of its own."""
        answer = await self._tickets.get("/get-messages")
        messages = answer.json()
        if not isinstance(messages, list):
            raise CallFailed("the agent stores no conversation")
        return messages

    @asynccontextmanager
    async def _asked(self, question: Frame, cancel: Optional[str] = None) -> AsyncIterator["asyncio.Queue[_Item]"]:
        """Sends a question with an id of its own; the queue gets the frames with that id, and the loss of the socket.

        :param cancel: the type of the frame that stops an answer that nobody waits for any more.
        """
        identifier = str(uuid.uuid4())
        answers: "asyncio.Queue[_Item]" = asyncio.Queue(_MAX_WAITING)
        await self._opened()
        self._answers[identifier] = answers
        try:
            await self._connection.send(json.dumps({**question, "id": identifier}))
            yield answers
        except (GeneratorExit, asyncio.CancelledError):
            if cancel is not None:
                with suppress(ConnectionLost):
                    await self._connection.send(json.dumps({"type": cancel, "id": identifier}))
            raise
        finally:
            del self._answers[identifier]

    async def _read(self, readers: Set["asyncio.Queue[_Item]"]) -> AsyncIterator[Frame]:
        queue: "asyncio.Queue[_Item]" = asyncio.Queue(_MAX_WAITING)
        readers.add(queue)
        try:
            while True:
                if queue.empty() and self._connection.ended is not None:
                    raise self._connection.ended.with_traceback(None)
                item = await queue.get()
                if not isinstance(item, Exception):
                    yield item
                elif isinstance(item, BufferError):
                    raise item
        finally:
            readers.discard(queue)

    def _receive(self, text: Union[str, bytes]) -> None:
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):  # The latter of a frame that is nested too deep.
            return
        if not isinstance(frame, dict):
            return
        kind = frame.get("type")
        if kind == "rpc" or kind == "cf_agent_use_chat_response":
            answers = self._answers.get(str(frame.get("id")))
            if answers is not None:
                _put(answers, frame)
        elif kind == "cf_agent_state":
            self._state = frame.get("state")
            for reader in self._state_readers:
                _put(reader, {"state": self._state})
        else:
            for reader in self._readers:
                _put(reader, frame)

    def _on_change(self, lost: Optional[ConnectionLost]) -> None:
        """Answers cannot come after the end of their socket. Readers learn of the end of the connection."""
        if lost is None:
            return
        for answers in self._answers.values():
            _put(answers, lost)
        if self._connection.ended is not None:
            for reader in (*self._readers, *self._state_readers):
                _put(reader, lost)


def _rpc(method: str, args: Sequence[Any]) -> Frame:
    return {"type": "rpc", "method": method, "args": list(args)}


def _checked(method: str, item: _Item) -> Frame:
    if isinstance(item, Exception):
        raise item
    if item.get("success") is not True:
        raise CallFailed(f"{method}: {item.get('error')}")
    return item


def _put(queue: "asyncio.Queue[_Item]", item: _Item) -> None:
    if queue.full():
        # Room for the error: its reader has lost frames in any case.
        queue.get_nowait()
        item = BufferError(f"more than {_MAX_WAITING} frames were not read in time")
    queue.put_nowait(item)
