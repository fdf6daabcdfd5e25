"""Errors: there is no ticket, no connection or no result. No error has a ticket or a credential in it."""

from __future__ import annotations

from typing import Optional


class TicketRefused(Exception):
    """A lasting refusal: the same request would get the same answer, so nothing repeats it.

    This class itself means a mistake in the set-up, such as an agent that does not exist, or a limit of the agent on
    size or number of frames (status 429).
    """

    def __init__(self, status: int, code: str, request_id: Optional[str] = None) -> None:
        named = "" if request_id is None else f", request {request_id}"
        super().__init__(f"{status} {code}{named}")
        #: HTTP status of the broker, or the one that the close code of a socket corresponds to.
        self.status = status
        #: The broker's error code (``FORBIDDEN``), or the close reason of the agent worker (``forbidden``).
        self.code = code
        #: Identifies the refusal in the broker's log; its operator will ask for it.
        self.request_id = request_id


class SignInRequired(TicketRefused):
    """401: the credential is missing, wrong, expired or revoked."""


class Forbidden(TicketRefused):
    """403: the principal is known and lacks the right, or its session was ended."""


class TicketUnavailable(Exception):
    """No answer in time: broker or network are unavailable. Not a refusal; an ``AgentClient`` tries again."""

    def __init__(self, message: str, retry_after: float = 0) -> None:
        super().__init__(message)
        #: The broker's ``Retry-After``, in seconds; 0 without one.
        self.retry_after = retry_after


class ConnectionLost(Exception):
    """The socket ended before an answer came. The agent may have executed the call."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".rstrip())
        #: Close code; 1006 where none came.
        self.code = code
        #: As the agent worker, or the agent itself, gave it.
        self.reason = reason


class CallFailed(Exception):
    """The agent answered with an error: its method failed, or the ticket lacks the scope for it."""


def refusal(status: int, code: str, request_id: Optional[str] = None) -> TicketRefused:
    """The error of a lasting refusal with this status."""
    kind = {401: SignInRequired, 403: Forbidden}.get(status, TicketRefused)
    return kind(status, code, request_id)
