"""What stands before the console: who may talk to it from where, and the headers that keep its pages tight.

A web page of somebody else's must not be able to act through an operator's browser. Beside the log-in's own means
(:mod:`alerts.console.login`: the cookie's ``SameSite``, a token with every change) this is what holds:

- ``Host`` has to be one of the console's own names, or a foreign name pointed at us (DNS rebinding) could read it;
- what changes something has to be JSON or a plain form, of modest size, and, if a browser sends it, from our origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from park.words import Names

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LARGEST_BODY = 65_536

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_OWN_SITES = frozenset({"same-origin", "none"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    # What can't read the policy above.
    "x-frame-options": "DENY",
    # With no-referrer, browsers would send our own forms with "Origin: null", as from anywhere.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_HTTPS_HEADERS = {"strict-transport-security": "max-age=31536000"}
_STATIC = "/static/"
_KINDS = frozenset({"application/json", "application/x-www-form-urlencoded"})

MAP = "/map/zones.geojson"
"""Where the map of the park is: anybody may read it, under any name."""

TAP = "/tap/"
"""Where one-tap links lead: they carry their right with them, and their page sends no origin (``no-referrer``)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let in; ``error`` is for programs, ``texts`` are for people."""

    status: HTTPStatus
    error: str
    texts: Names

    def response(self) -> Response:
        """Return it as JSON, as the API tells its troubles."""
        body = msgspec.json.encode({"error": self.error, "detail": self.texts.en, "texts": self.texts})
        return Response(body, self.status.value, media_type="application/json")


class Guard:
    """ASGI middleware; ``hosts`` are the console's own names (without port), ``https`` says how it is reached."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], *, https: bool = False) -> None:
        self._app = app
        self._hosts = hosts
        self._headers = {**_HEADERS, **(_HTTPS_HEADERS if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let in and add the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_tight(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                # What is the same for everybody may be kept, and is asked for again; all else is somebody's.
                headers.setdefault("cache-control", "no-cache" if scope["path"].startswith(_STATIC) else "no-store")
            await send(message)

        by_link = scope["path"].startswith(TAP)
        to_all = scope["path"] == MAP and scope["method"] in SAFE
        refusal = None if to_all else refuse(scope["method"], Headers(scope=scope), self._hosts, by_link=by_link)
        app = refusal.response() if refusal else self._app
        await app(scope, receive, send_tight)


def refuse(method: str, headers: Headers, hosts: frozenset[str], *, by_link: bool = False) -> Refusal | None:
    """Return why the request is not let in, or ``None``; ``by_link``: its address itself is the right to act."""
    host = headers.get("host", "")
    if _name(host) not in hosts:
        return Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            "host",
            Names(
                f"报警台不以 {host!r} 为名提供服务；如需使用该名称，请将 PARKWATCH_CONSOLE_URL 设为它。",
                f"this console does not answer to the name {host!r}; if it should, set PARKWATCH_CONSOLE_URL to it",
            ),
        )
    return None if method in SAFE else _refuse_change(headers, host, by_link=by_link)


def _refuse_change(headers: Headers, host: str, *, by_link: bool) -> Refusal | None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    length = headers.get("content-length", "")
    if not _from_here(headers, host, by_link=by_link):
        return Refusal(HTTPStatus.FORBIDDEN, "origin", _ELSEWHERE)
    if kind not in _KINDS:
        return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-type", _NO_JSON)
    if not length.isdigit():
        return Refusal(HTTPStatus.LENGTH_REQUIRED, "length", _NO_LENGTH)
    if int(length) > LARGEST_BODY:
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "size", _TOO_LARGE)
    return None


_ELSEWHERE = Names("拒绝来自其他网站页面的请求。", "requests from other sites' pages are refused")
_NO_JSON = Names("请发送 JSON：content-type 为 application/json。", "send JSON: content-type application/json")
_NO_LENGTH = Names("请求缺少 content-length。", "send a content-length")
_TOO_LARGE = Names(f"请求过大，最多 {LARGEST_BODY} 字节。", f"at most {LARGEST_BODY} bytes")


def _from_here(headers: Headers, host: str, *, by_link: bool) -> bool:
    """Whether no other site's page is behind it; what is no browser (curl) sends neither header."""
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "none")
    known = origin is None or _authority(origin) == host.lower() or (by_link and origin == "null")
    return site in _OWN_SITES and known


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
