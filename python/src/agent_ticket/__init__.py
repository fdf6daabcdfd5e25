"""Tickets for Cloudflare Agents, and WebSockets that are opened, renewed and opened again with them."""

from .client import AgentClient
from .credentials import Credential, github_actions, service_token, token_file
from .errors import (
    CallFailed,
    ConnectionLost,
    Forbidden,
    SignInRequired,
    TicketRefused,
    TicketUnavailable,
)
from .tickets import Ticket, TicketProvider

__all__ = [
    "AgentClient",
    "CallFailed",
    "ConnectionLost",
    "Credential",
    "Forbidden",
    "SignInRequired",
    "Ticket",
    "TicketProvider",
    "TicketRefused",
    "TicketUnavailable",
    "github_actions",
    "service_token",
    "token_file",
]
