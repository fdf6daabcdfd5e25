"""One connection to an agent instance that lasts over many sockets."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from dataclasses import dataclass
from typing import Awaitable, Callable, List, Optional, Union

from .closes import AFTER_CLOSE, Then
from .errors import ConnectionLost, TicketRefused, TicketUnavailable, refusal
from .sockets import DROPPED, Socket, open_socket, receive, send
from .tickets import TicketProvider

#: Seconds. A socket that stayed open for so long was admitted and is no part of a loop.
_LASTED = 10
#: Seconds between two renewals, so that forged warnings of the agent cause no more requests for tickets.
_RENEWAL_PAUSE = 10
#: Seconds. An agent that restarts loses all its sockets at once, so they come back spread over this time.
_AFTER_LOSS = 3
#: Seconds. The longest pause between two attempts.
_LONGEST_PAUSE = 30
#: Of the closes of the agent worker 4001 stands for 401, and so on. 1008 is a limit.
_STATUS_OF_CLOSE = 3600
_LIMIT = 1008
#: How a frame of the renewal begins. Every frame is tested, and some are large: no other is parsed here.
_OF_RENEWAL = re.compile(r'\s*\{\s*"type"\s*:\s*"ticket\.(expiring|renewed|refused)"')


@dataclass(frozen=True)
class Ports:
    """Clock, sleep and random numbers. Tests pass their own."""

    #: Seconds; only differences matter.
    clock: Callable[[], float] = time.monotonic
    #: From 0 up to 1.
    chance: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Connection:
    """Mints, opens, reads, renews, and opens again as the close code says; ends with a lasting refusal.

    :param on_frame: gets each frame but those of the renewal.
    :param on_change: called when a socket has opened or ended, and when the connection has ended.
    """

    def __init__(
        self,
        tickets: TicketProvider,
        on_frame: Callable[[Union[str, bytes]], None],
        on_change: Callable[[Optional[ConnectionLost]], None],
        ports: Ports,
    ) -> None:
        self._tickets = tickets
        self._on_frame = on_frame
        self._on_change = on_change
        self._ports = ports
        self._socket: Optional[Socket] = None
        self._task: Optional["asyncio.Task[None]"] = None
        self._renewal: Optional["asyncio.Task[None]"] = None
        self._next_renewal = float("-inf")
        self._failures = 0
        self._closing = False
        #: Set while a caller waits for a socket.
        self._wanted: asyncio.Event
        self._waiting: List["asyncio.Future[None]"] = []
        #: Why there will be no further socket.
        self.ended: Optional[Exception] = None
        #: Why the last attempt failed, for a person.
        self.failure = "no answer yet"
        #: Scopes of the session, separated by spaces; those of the last ticket after a renewal.
        self.scope = ""

    def start(self) -> None:
        self._wanted = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Ends the connection for good."""
        self._closing = True
        for task in (self._renewal, self._task):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._end(ConnectionLost(1000, "closed here"))

    async def opened(self) -> None:
        """Waits for a socket. Raises the error that has ended the connection."""
        while self._socket is None:
            if self.ended is not None:
                raise self.ended.with_traceback(None)
            self._wanted.set()
            await self._change()

    async def send(self, text: str) -> None:
        """Sends a frame on the socket that is open. Raises ``ConnectionLost`` where none is."""
        if self._socket is None:
            raise ConnectionLost(DROPPED, "no socket is open")
        await send(self._socket, text)

    async def _change(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _changed(self, lost: Optional[ConnectionLost] = None) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._on_change(lost)

    def _end(self, why: Exception) -> None:
        if self.ended is None:
            self.ended = why
            self._changed(ConnectionLost(1000, "the connection has ended"))

    async def _run(self) -> None:
        try:
            while True:
                await self._ports.sleep(await self._attempt())
        except Exception as error:  # All that wait for the connection get it, a bug of a credential included.
            self._end(error)

    async def _attempt(self) -> float:
        """One ticket and one socket, to its end. Returns the seconds to wait for the next; raises a lasting refusal."""
        try:
            ticket = await self._tickets.mint()
        except TicketUnavailable as unavailable:
            self._failures += 1
            self.failure = str(unavailable)
            return max(self._pause(), unavailable.retry_after + self._ports.chance())
        if self._closing:
            # Before Python 3.12 `wait_for` loses a cancellation that comes together with its result.
            raise asyncio.CancelledError
        since = self._ports.clock()
        try:
            await self._use(await open_socket(ticket), ticket.scope)
        except ConnectionLost as end:
            lost = end
        self.failure = str(lost)
        lasted = self._ports.clock() - since >= _LASTED
        self._failures = 0 if lasted else self._failures + 1
        self._changed(lost)
        then = AFTER_CLOSE.get(lost.code, Then.STOP if 4000 <= lost.code <= 4999 else Then.BACK_OFF)
        if then is Then.STOP:
            raise _end_of(lost)
        if then is Then.WHEN_USED:
            await self._wanted.wait()
            return 0
        if lasted:
            return 0 if then is Then.AT_ONCE else self._ports.chance() * _AFTER_LOSS
        return self._pause()

    def _pause(self) -> float:
        most = min(_LONGEST_PAUSE, 2.0 ** min(self._failures, 10))
        return most * (0.5 + self._ports.chance() / 2)

    async def _use(self, socket: Socket, scope: str) -> None:
        """Reads a socket until it ends, and raises the end as an exception."""
        self._socket = socket
        self._wanted.clear()
        self.scope = scope
        self._changed()
        try:
            while True:
                frame = await receive(socket)
                if not self._is_of_renewal(frame, socket):
                    self._on_frame(frame)
        finally:
            self._socket = None
            if self._renewal is not None:
                self._renewal.cancel()
            await socket.close()

    def _is_of_renewal(self, frame: Union[str, bytes], socket: Socket) -> bool:
        """Handles the frames of the renewal in band."""
        if not (isinstance(frame, str) and _OF_RENEWAL.match(frame)):
            return False
        try:
            members = json.loads(frame)
        except (ValueError, RecursionError):
            return False
        if members["type"] == "ticket.expiring":
            now = self._ports.clock()
            if not self._tickets.is_anonymous and now >= self._next_renewal:
                self._next_renewal = now + _RENEWAL_PAUSE
                self._renewal = asyncio.create_task(self._renew(socket))
        elif members["type"] == "ticket.renewed" and isinstance(members.get("scope"), str):
            self.scope = members["scope"]
        return True

    async def _renew(self, socket: Socket) -> None:
        """Sends a new ticket on the same socket. Without one the session ends with 3000 at its time, and then the
        answer of the broker counts."""
        try:
            while True:
                try:
                    ticket = await self._tickets.mint()
                    await send(socket, json.dumps({"type": "ticket.renew", "ticket": ticket.text}))
                    return
                except TicketUnavailable as unavailable:
                    await self._ports.sleep(max(5 + 3 * self._ports.chance(), unavailable.retry_after))
        except (TicketRefused, ConnectionLost):
            return
        except Exception as error:  # A bug of a credential must not be lost with this task.
            self._end(error)
            await socket.close()


def _end_of(lost: ConnectionLost) -> Exception:
    """The error for a close after which the client stops. A code of the agent's own is no refusal of a ticket."""
    if lost.code == _LIMIT:
        return refusal(429, lost.reason)
    return refusal(lost.code - _STATUS_OF_CLOSE, lost.reason) if lost.code in AFTER_CLOSE else lost
