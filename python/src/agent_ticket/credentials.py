"""Credentials: functions that answer the bearer token for one request to the broker."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Awaitable, Callable, Optional, Union

import httpx

from .errors import TicketUnavailable

#: Called before each request for a ticket, so that a short-lived token is a new one each time. ``None`` and an empty
#: text mean that there is none now: the client raises ``SignInRequired``. An exception of the function reaches
#: the caller, except ``TicketUnavailable``, after which the client tries again.
Credential = Callable[[], Awaitable[Optional[str]]]

#: Seconds. A platform that takes longer counts as unavailable.
_TIMEOUT = 10


def service_token(secret: str) -> Credential:
    """A service token of the broker, by its secret (``atk_…``), which names the token."""
    if not secret.startswith("atk_"):
        raise ValueError("the secret of a service token begins with atk_")

    async def get() -> str:
        return secret

    return get


def token_file(path: Union[str, "os.PathLike[str]"]) -> Credential:
    """A token that the platform keeps in a file and replaces, as Kubernetes does with projected tokens."""

    async def get() -> str:
        content = await asyncio.to_thread(Path(path).read_bytes)
        # Not decoded strictly: the exception for a wrong byte has the whole content in it.
        return content.decode("ascii", "replace").strip()

    return get


def github_actions(audience: str) -> Credential:
    """The OIDC token of a job of GitHub Actions with ``permissions: id-token: write``.

    :param audience: as the broker's registration of the issuer has it; usually the broker's address.
    """

    async def get() -> str:
        try:
            url = httpx.URL(os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"]).copy_merge_params({"audience": audience})
            headers = {"Authorization": "Bearer " + os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]}
        except KeyError as missing:
            raise LookupError(f"{missing.args[0]} is not set: the job needs permissions: id-token: write") from None
        value = await _ask_github(url, headers)
        if not isinstance(value, str):
            raise TicketUnavailable("GitHub gave no identity token")
        return value

    return get


async def _ask_github(url: httpx.URL, headers: dict[str, str]) -> object:
    """The identity token, or ``None``. Exceptions of httpx have the headers of the request in them, so none leaves
    this function."""
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT) as http:
            answer = await http.get(url, headers=headers)
        value = answer.json() if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError):
        return None
    return value.get("value") if isinstance(value, dict) else None
