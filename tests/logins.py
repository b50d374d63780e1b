"""Users of a console under test, and browsers: of an app without a server, logged in without the cost of a hash."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

import httpx
import msgspec
from starlette.types import ASGIApp

from alerts.console.login import Auth
from alerts.console.sessions import csrf_of
from park.words import Names
from storage import users
from storage.users import Role, User

PASSWORD = "copper-lantern-42"
USERS = {
    "chen": User("chen", Names("陈静", "Chen Jing"), Role.VIEWER, "", "1"),
    "li": User("li", Names("李伟", "Li Wei"), Role.OPERATOR, "", "1"),
    "wang": User("wang", Names("王芳", "Wang Fang"), Role.ENGINEER, "", "1"),
}
"""A viewer, an operator, an engineer; their password is ``PASSWORD``."""


@functools.cache
def _hash() -> str:
    return users._hash(PASSWORD)


def write_users(file: Path) -> Path:
    """Write ``USERS`` to ``file``."""
    content = {"users": [msgspec.structs.replace(user, hash=_hash()) for user in USERS.values()]}
    file.write_bytes(msgspec.json.encode(content))
    file.chmod(0o600)
    return file


def log_in(web: httpx.Client, auth: Auth, name: str = "li") -> str:
    """Give ``web`` a session of that user and the CSRF token as a header; return the session's token."""
    user = auth.users.get(name)
    assert user, f"no user {name}"
    token = auth.sessions.begin(user)
    web.cookies.set(auth.cookie, token, web.base_url.host)
    web.headers["x-csrf-token"] = csrf_of(token)
    return token


class _Called(httpx.BaseTransport):
    """Calls the app for each request, as from the address ``client``; exceptions of the app are the test's."""

    def __init__(self, app: ASGIApp, client: str) -> None:
        self._transport = httpx.ASGITransport(app, client=(client, 50_000))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        return asyncio.run(self._answer(sent))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())


def visit(app: ASGIApp, base_url: str, address: str = "192.0.2.7", **headers: str) -> httpx.Client:
    """Return a new browser at ``address``, without cookies, that stays where it is led."""
    return httpx.Client(transport=_Called(app, address), base_url=base_url, headers=headers)
