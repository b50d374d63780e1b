"""What stands before the console: who may talk to it from where, and the headers that keep its pages tight.

There is no log-in yet, so a web page of somebody else's must not be able to act through an operator's browser:

- ``Host`` has to be one of the console's own names, or a foreign name pointed at us (DNS rebinding) could read it;
- what changes something has to be JSON, which no form can send, and, if a browser sends it, from our own origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LARGEST_BODY = 65_536

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let in; ``error`` is for programs, ``detail`` for people."""

    status: HTTPStatus
    error: str
    detail: str

    def response(self) -> Response:
        """Return it as JSON."""
        body = msgspec.json.encode({"error": self.error, "detail": self.detail})
        return Response(body, self.status.value, media_type="application/json")


class Guard:
    """ASGI middleware; ``hosts`` are the console's own names (without port)."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let in and add the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_tight(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = refuse(scope["method"], Headers(scope=scope), self._hosts)
        app = refusal.response() if refusal else self._app
        await app(scope, receive, send_tight)


def refuse(method: str, headers: Headers, hosts: frozenset[str]) -> Refusal | None:
    """Return why the request is not let in, or ``None``."""
    host = headers.get("host", "")
    if _name(host) not in hosts:
        return Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            "host",
            f"this console does not answer to the name {host!r}; if it should, set PARKWATCH_CONSOLE_URL to it",
        )
    return None if method in _SAFE else _refuse_change(headers, host)


def _refuse_change(headers: Headers, host: str) -> Refusal | None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    length = headers.get("content-length", "")
    if not _from_here(headers, host):
        return Refusal(HTTPStatus.FORBIDDEN, "origin", "requests from other sites' pages are refused")
    if kind != "application/json":
        return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-type", "send JSON: content-type application/json")
    if not length.isdigit():
        return Refusal(HTTPStatus.LENGTH_REQUIRED, "length", "send a content-length")
    if int(length) > LARGEST_BODY:
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "size", f"at most {LARGEST_BODY} bytes")
    return None


def _from_here(headers: Headers, host: str) -> bool:
    """Whether no other site's page is behind it; what is no browser (curl) sends neither header."""
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "none")
    return site in _OWN_SITES and (origin is None or _authority(origin) == host.lower())


def _authority(origin: str) -> str:
    """Host and port of an origin; empty for ``null`` and whatever else is none."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc.lower() if parts.scheme in {"http", "https"} else ""


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
