"""Tickets of a broker: one request, one ticket, good for one connection."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any, Awaitable, Dict, Mapping, Optional, Tuple, TypeVar

import httpx

from .credentials import Credential
from .errors import TicketUnavailable, refusal

#: Offered before the ticket in ``Sec-WebSocket-Protocol``; the agent worker answers with it alone.
SUBPROTOCOL = "agent-ticket.v1"

#: Seconds. A broker that takes longer counts as unavailable.
_TIMEOUT = 10
#: A longer answer is no ticket: the broker's is a few KiB.
_MAX_BYTES = 64 * 1024
#: Client errors that are temporary.
_TEMPORARY = {408, 425, 429}
#: Seconds. A longer ``Retry-After`` counts as a mistake.
_RETRY_AFTER_MAX = 300
#: The characters of a JWT, so that a token cannot add a header of its own.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
_TICKET = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_TICKET_MAX_CHARS = 2048
#: Any other address would expose credential or ticket to the network.
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|\[?::1\]?")


_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Ticket:
    """One ticket. Its text is not in its ``repr``."""

    #: Good for one connection until ``expires_in`` is over.
    text: str = field(repr=False)
    #: Of the socket, without the ticket.
    url: str
    #: Seconds from the request on.
    expires_in: int
    #: Scopes, separated by spaces.
    scope: str

    @property
    def protocols(self) -> Tuple[str, str]:
        """The subprotocols to offer."""
        return (SUBPROTOCOL, self.text)


def _require_safe(address: str, secure: str, plain: str) -> None:
    url = httpx.URL(address)
    if url.scheme != secure and not (url.scheme == plain and _LOOPBACK.fullmatch(url.host)):
        raise ValueError(f"not {secure}, nor {plain} on loopback")


class TicketProvider:
    """Gets tickets for one agent instance. An async context manager: it holds a connection to the broker.

    :param broker: base address; https, or http on loopback. ``ValueError`` for any other.
    :param credential: see ``credentials.py``; ``None`` for public agents.
    :param scope: scopes, separated by spaces; narrows what the role allows. Default: all of it.
    :param expires_in: seconds of a ticket's life, 5 to 300. Default: the broker's 60.
    :param http: for a proxy or certificates of your own. Closed by the one who made it.
    """

    def __init__(
        self,
        broker: str,
        agent: str,
        instance: str = "default",
        *,
        credential: Optional[Credential],
        scope: Optional[str] = None,
        expires_in: Optional[int] = None,
        http: Optional[httpx.AsyncClient] = None,
    ) -> None:
        _require_safe(broker, "https", "http")
        self._url = broker.rstrip("/") + "/tickets"
        self._credential = credential
        self._body: Dict[str, Any] = {"agent": agent, "instance": instance}
        if scope is not None:
            self._body["scope"] = scope
        if expires_in is not None:
            self._body["expires_in"] = expires_in
        self._http = httpx.AsyncClient(timeout=_TIMEOUT) if http is None else http
        self._closes_http = http is None

    @property
    def is_anonymous(self) -> bool:
        return self._credential is None

    async def __aenter__(self) -> "TicketProvider":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._closes_http:
            await self._http.aclose()

    async def mint(self, transport: str = "websocket") -> Ticket:
        """One ticket. Raises ``TicketRefused`` or ``TicketUnavailable``.

        :param transport: ``websocket``, or ``http`` for plain requests (``Authorization: Bearer``).
        """
        headers = await self._headers()
        status, got, content = await _in_time(self._post({**self._body, "transport": transport}, headers))
        answer = _object_of(content)
        if status == 201:
            return self._read(answer)
        if status < 400 or status >= 500 or status in _TEMPORARY:
            raise TicketUnavailable(f"the broker answered {status}", _seconds(got.get("retry-after", "")))
        error_body = answer.get("error")
        code = error_body.get("code") if isinstance(error_body, dict) else None
        raise refusal(status, code if isinstance(code, str) else "UNKNOWN", got.get("x-request-id"))

    async def get(self, path: str) -> httpx.Response:
        """A plain request to the agent instance with a ticket of its own. Raises as ``mint`` does.

        :param path: below the instance, such as ``/get-messages``. The status of the answer is the caller's to check.
        """
        ticket = await self.mint("http")
        url = "http" + ticket.url[len("ws") :] + path
        headers = {"Authorization": f"Bearer {ticket.text}"}
        return await _in_time(self._http.get(url, headers=headers, follow_redirects=False))

    async def _headers(self) -> Dict[str, str]:
        if self._credential is None:
            return {}
        token = await self._credential()
        if not token:
            raise refusal(401, "UNAUTHORIZED")
        if not _TOKEN.fullmatch(token):
            raise ValueError("the credential is no bearer token")
        return {"Authorization": f"Bearer {token}"}

    async def _post(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Tuple[int, Mapping[str, str], bytes]:
        content = b""
        sent = self._http.stream("POST", self._url, json=body, headers=dict(headers), follow_redirects=False)
        async with sent as answer:
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > _MAX_BYTES:
                    raise httpx.DecodingError("the answer is too large")
            return answer.status_code, answer.headers, content

    def _read(self, answer: Mapping[str, Any]) -> Ticket:
        """Strict in the members that are used. Does NOT verify the ticket: the agent worker does."""
        text, url, expires_in, scope = (answer.get(name) for name in ("ticket", "url", "expires_in", "scope"))
        if (
            not (isinstance(text, str) and len(text) <= _TICKET_MAX_CHARS and _TICKET.fullmatch(text))
            or not (isinstance(expires_in, int) and 0 < expires_in <= 300)
            or not (isinstance(url, str) and isinstance(scope, str))
            or any(answer.get(name) != self._body[name] for name in ("agent", "instance"))
        ):
            raise TicketUnavailable("the answer has no ticket for this agent instance")
        address = url.partition("?")[0]
        _require_safe(address, "wss", "ws")
        return Ticket(text, address, expires_in, scope)


async def _in_time(request: Awaitable[_Answer]) -> _Answer:
    """The answer to a request. The exceptions of httpx have the request in them, with its ``Authorization``, so only
    their kind goes on."""
    try:
        return await asyncio.wait_for(request, _TIMEOUT)
    except asyncio.TimeoutError:
        failed = "no answer in time"
    except httpx.HTTPError as error:
        failed = f"no answer: {type(error).__name__}"
    raise TicketUnavailable(failed)


def _object_of(content: bytes) -> Mapping[str, Any]:
    """The members of a JSON object; none for anything else, such as the page of a proxy."""
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(retry_after: str) -> float:
    return float(min(int(retry_after), _RETRY_AFTER_MAX)) if re.fullmatch(r"[0-9]{1,9}", retry_after) else 0.0
