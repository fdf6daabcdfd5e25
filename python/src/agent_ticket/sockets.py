"""WebSockets of the package ``websockets``: its client since version 13, and the one of the versions before."""

from __future__ import annotations

import asyncio
import importlib
import logging
from typing import Any, Optional, Protocol, Set, Tuple, Union

from websockets.exceptions import ConnectionClosed, WebSocketException

from .errors import ConnectionLost
from .tickets import SUBPROTOCOL, Ticket

#: No code came: the network or a proxy dropped the connection, or it never opened (RFC 6455 §7.4.1).
DROPPED = 1006
#: Seconds.
_OPEN_TIMEOUT = 20
_PING_INTERVAL = 30
_PING_TIMEOUT = 30
#: The agent worker's own limit of a frame is far below; a longer frame closes the socket with 1009.
_MAX_BYTES = 16 * 1024 * 1024

#: The package writes the headers of a handshake and all frames at level DEBUG, tickets among them. This logger is
#: never at that level, whatever an app sets.
_LOGGER = logging.Logger("agent_ticket.sockets", logging.INFO)
_LOGGER.parent = logging.getLogger("agent_ticket")


class Socket(Protocol):
    """The members that both clients have."""

    @property
    def subprotocol(self) -> Optional[str]: ...

    async def recv(self) -> Union[str, bytes]: ...

    async def send(self, message: str) -> None: ...

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


def _connect_class() -> Any:
    try:
        return importlib.import_module("websockets.asyncio.client").connect
    except ModuleNotFoundError:
        return importlib.import_module("websockets.legacy.client").connect


class _Connect(_connect_class()):  # type: ignore[misc]
    """Follows no redirect: it would send the ticket to another server than its own."""

    def handle_redirect(self, uri: str) -> None:
        raise WebSocketException("redirected")

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def open_socket(ticket: Ticket) -> Socket:
    """Opens one socket. Raises ``ConnectionLost`` where that fails, without the exception of the package as its cause:
    it may have the offered ticket in it."""
    failed: str
    opening = asyncio.ensure_future(_open(ticket))
    try:
        # A handshake that is cancelled would leave its connection open.
        socket = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unused)
        raise
    except (OSError, asyncio.TimeoutError, EOFError, WebSocketException) as error:
        failed = type(error).__name__
    else:
        if socket.subprotocol == SUBPROTOCOL:
            return socket
        await socket.close()
        failed = "the server did not choose the subprotocol " + SUBPROTOCOL
    raise ConnectionLost(DROPPED, failed)


async def _open(ticket: Ticket) -> Socket:
    socket: Socket = await _Connect(
        ticket.url,
        subprotocols=list(ticket.protocols),
        open_timeout=_OPEN_TIMEOUT,
        ping_interval=_PING_INTERVAL,
        ping_timeout=_PING_TIMEOUT,
        max_size=_MAX_BYTES,
        logger=_LOGGER,
    )
    return socket


#: Closing handshakes that nobody waits for; the event loop itself would forget them.
_closing: Set["asyncio.Future[None]"] = set()


def _close_unused(opening: "asyncio.Future[Socket]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        closing = asyncio.ensure_future(opening.result().close())
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)


async def receive(socket: Socket) -> Union[str, bytes]:
    """The next frame. Raises ``ConnectionLost`` with code and reason of the close."""
    try:
        return await socket.recv()
    except ConnectionClosed as error:
        code, reason = _end_of(error)
    raise ConnectionLost(code, reason)


async def send(socket: Socket, text: str) -> None:
    """Sends a frame. Raises ``ConnectionLost`` where the socket has ended."""
    try:
        await socket.send(text)
        return
    except ConnectionClosed as error:
        code, reason = _end_of(error)
    raise ConnectionLost(code, reason)


def _end_of(error: ConnectionClosed) -> Tuple[int, str]:
    return (DROPPED, "") if error.rcvd is None else (error.rcvd.code, error.rcvd.reason)


