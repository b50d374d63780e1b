"""Log-in and who may do what: what the console plugs in.

How to plug it in (``app.py``)::

    auth = wire_auth(settings, client, clock)      # client: a synchronous redis.Redis; once, in wire()
    install(app, auth, hosts, taps)                # in create_app(), instead of app.add_middleware(Guard, ...)

``install`` adds the pages ``/login`` and ``/logout`` (and ``/tap/...`` if ``taps`` is given, see
:mod:`alerts.console.taps`), and two middlewares: :class:`alerts.console.guard.Guard` (host, origin, size, headers) and
:class:`Gate`. The gate refuses **everything** that is not in ``OPEN`` unless somebody is logged in, and everything that
changes something (not GET, HEAD, OPTIONS) without the session's CSRF token or from a viewer: a route that forgets its
``require`` is not open to the world.

In routes::

    user: Annotated[User, Depends(require(Role.OPERATOR))]    # 403 if the role is too small
    user = current_user(request)                              # User, or None on the open pages
    csrf_token(request)                                       # for <meta name="csrf"> and <input name="csrf">

What is refused answers with JSON ``{"error", "detail"}`` (401 ``login``, 403 ``role`` or ``csrf``, 503
``redis-away``), or, to a browser that opens a page, by 303 to ``/login?next=...`` or a small page of its own. A fetch
of a part of a page gets the JSON 401: reload then, which leads to the log-in.

State-changing requests carry ``x-csrf-token: <token>`` (scripts) or the field ``csrf`` (forms, urlencoded).

uvicorn has to run with ``proxy_headers=False``: whom to believe about addresses is ours
(:func:`alerts.console.addresses.client_address`).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from urllib.parse import quote

import anyio
import redis
from fastapi import APIRouter, FastAPI, Request
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerts.console import taps as one_tap
from alerts.console.addresses import Networks, client_address, networks
from alerts.console.attempts import Attempts
from alerts.console.bare import form, language_of, opens_page, own_path, page, refusal
from alerts.console.guard import MAP, SAFE, TAP, Guard, Refusal
from alerts.console.sessions import LONGEST, Sessions, csrf_of
from alerts.console.taps import Taps
from alerts.console.views.text import WORDS as ROLE_WORDS
from park.words import Names
from storage.clock import Clock
from storage.settings import Settings
from storage.users import LONGEST_PASSWORD, Role, User, Users, tidy_name

log = logging.getLogger("parkwatch.login")

OPEN = ("/login", "/api/health", "/static/", MAP, TAP)
"""What needs no log-in: paths, and beginnings of paths with a slash at the end."""
LOGOUT = "/logout"

_RECHECK = 30_000
_SECOND = 1000
_LONGEST_NAME = 100
_HASHES_AT_ONCE = 2
_NONCE_LENGTH = 43


@dataclass(frozen=True, slots=True)
class Auth:
    """What log-in works with; ``key`` signs its form, ``proxies`` are believed about their clients' addresses."""

    users: Users
    sessions: Sessions
    attempts: Attempts
    clock: Clock
    key: str
    proxies: Networks
    https: bool
    # Each takes 64 MiB and a core: more at once would only let strangers press the console against the wall.
    hashing: anyio.CapacityLimiter

    @property
    def cookie(self) -> str:
        """The session cookie's name; by its prefix browsers take it over https only, for this host only."""
        return "__Host-parkwatch-session" if self.https else "parkwatch-session"

    @property
    def form_cookie(self) -> str:
        """The name of the cookie that belongs to a log-in form."""
        return "__Host-parkwatch-login" if self.https else "parkwatch-login"


def wire_auth(settings: Settings, client: redis.Redis, clock: Clock) -> Auth:
    """Return log-in on ``settings``' users and ``client``'s Redis."""
    users = Users(settings.users_file)
    return Auth(
        users=users,
        sessions=Sessions(client, users, clock),
        attempts=Attempts(client),
        clock=clock,
        # Without a key, log-in forms that were open when the console restarted are asked to be sent again.
        key=settings.secret_key or secrets.token_urlsafe(),
        proxies=networks(settings.console_proxies),
        https=settings.console_url.startswith("https://"),
        hashing=anyio.CapacityLimiter(_HASHES_AT_ONCE),
    )


def install(app: FastAPI, auth: Auth, hosts: frozenset[str], taps: Taps | None = None) -> None:
    """Put log-in before everything that ``app`` serves; ``hosts`` are the console's own names."""
    app.state.auth = auth
    app.include_router(router)
    if taps:
        app.state.taps = taps
        app.include_router(one_tap.router)
    app.add_exception_handler(RefusedError, _refused)
    app.add_middleware(Gate, auth=auth)
    app.add_middleware(Guard, hosts=hosts, https=auth.https)


# -- for routes ----------------------------------------------------------------------------------------------------


class RefusedError(Exception):
    """The request is refused; becomes the answer that fits who asked."""

    def __init__(self, refused: Refusal) -> None:
        super().__init__(refused.texts.en)
        self.refused = refused


def current_user(request: Request) -> User | None:
    """Who is logged in; ``None`` can only be on what is open to all."""
    user: User | None = getattr(request.state, "user", None)
    return user


def csrf_token(request: Request) -> str:
    """The session's CSRF token; empty if nobody is logged in."""
    token: str = getattr(request.state, "csrf", "")
    return token


def require(role: Role) -> Callable[[Request], Awaitable[User]]:
    """Return a dependency that gives the user if the role is ``role`` or above."""

    async def user_with_role(request: Request) -> User:
        user = current_user(request)
        if user is None:
            raise RefusedError(_NOT_LOGGED_IN)
        if not user.role.may(role):
            raise RefusedError(_too_small(user.role, role))
        return user

    return user_with_role


RESPONSES: dict[int | str, dict[str, object]] = {
    401: {"description": "nobody is logged in"},
    403: {"description": "the role is too small, the CSRF token is missing, or the request is another site's"},
    503: {"description": "Redis does not answer"},
}
"""For ``responses=`` of the routers behind the gate."""


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)  # noqa: S101 - what it was registered for
    return refusal(request, error.refused)


_NOT_LOGGED_IN = Refusal(HTTPStatus.UNAUTHORIZED, "login", Names("请先登录：/login", "log in first: /login"))
_NO_TOKEN = Refusal(
    HTTPStatus.FORBIDDEN,
    "csrf",
    Names(
        "请附上会话令牌：请求头 x-csrf-token，或表单字段 csrf；在页面上操作时请重新加载页面。",
        "send the session's token: header x-csrf-token, or the field csrf of a form",
    ),
)
_AWAY = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "redis-away",
    Names(
        "Redis 无响应，无法识别用户，报警状态未知；看不到报警不等于没有报警。",
        "Redis does not answer, so nobody can be recognised and alarms are not known; not seeing one does not mean "
        "there is none",
    ),
)


def _too_small(role: Role, needed: Role) -> Refusal:
    texts = Names(
        f"此操作需要“{_named(needed)}”角色，您的角色是“{_named(role)}”；请工程师调整。",
        f"this takes the role {needed.value}, yours is {role.value}; an engineer can give you another",
    )
    return Refusal(HTTPStatus.FORBIDDEN, "role", texts)


def _named(role: Role) -> str:
    return ROLE_WORDS[f"role_{role.value}"].zh


# -- the gate ------------------------------------------------------------------------------------------------------


class _SessionEnded(OSError):
    """The session of a stream has ended; as from a send to a client that has gone."""


class Gate:
    """ASGI middleware: nothing passes without a session but what is open to all, and no change without its token."""

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app = app
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, with the user in the request's state, or refuse."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and _is_open(scope["path"])):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._admit(scope, receive, send)
        else:
            # There are no websockets; if one is added, it needs a gate of its own.
            await send({"type": "websocket.close", "code": 1008})

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        token = request.cookies.get(self._auth.cookie, "")
        try:
            user = await run_in_threadpool(self._auth.sessions.user, token) if token else None
        except RedisError:
            await refusal(request, _AWAY)(scope, receive, send)
            return
        if user is None:
            await _to_login(request)(scope, receive, send)
            return
        request.state.user, request.state.csrf = user, csrf_of(token)
        if request.method not in SAFE:
            body = await request.body()
            receive = _again(body, receive)
            if refused := _refuse_change(request, user, body):
                await refusal(request, refused)(scope, receive, send)
                return
        await self._answer(token, scope, receive, send)

    async def _answer(self, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer; a stream of events ends with its session, and keeps that from being idle."""
        checked = self._auth.clock.now()
        ended = False

        async def watched(message: Message) -> None:
            nonlocal checked, ended
            now = self._auth.clock.now()
            if message.get("more_body") and now - checked >= _RECHECK:
                checked = now
                ended = await self._has_ended(token)
                if ended:
                    raise _SessionEnded
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            # However the app passes on that its client has gone, the answer is complete now.
            if not ended:
                raise
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _has_ended(self, token: str) -> bool:
        try:
            return await run_in_threadpool(self._auth.sessions.user, token) is None
        except RedisError:
            # Not known, and the stream itself tells that Redis is away.
            return False


def _is_open(path: str) -> bool:
    return any(path == known or (known.endswith("/") and path.startswith(known)) for known in OPEN)


def _to_login(request: Request) -> Response:
    if not opens_page(request.headers):
        return _NOT_LOGGED_IN.response()
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = own_path(wanted) if request.method in SAFE else "/"
    return RedirectResponse(f"/login?next={quote(back, safe='/')}", HTTPStatus.SEE_OTHER)


def _refuse_change(request: Request, user: User, body: bytes) -> Refusal | None:
    if not secrets.compare_digest(_sent_token(request, body).encode(), csrf_token(request).encode()):
        return _NO_TOKEN
    if user.role is Role.VIEWER and request.url.path != LOGOUT:
        return _too_small(user.role, Role.OPERATOR)
    return None


def _sent_token(request: Request, body: bytes) -> str:
    sent = request.headers.get("x-csrf-token")
    if sent is not None:
        return sent
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return ""
    try:
        return form(body).get("csrf", "")
    except ValueError:
        return ""


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body that was read already, then what comes after it."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


# -- the pages -----------------------------------------------------------------------------------------------------

router = APIRouter(include_in_schema=False)

_TEXTS = {
    "wrong": Names("用户名或密码不正确。", "Wrong user name or password."),
    "again": Names("页面已过期，请重新登录。", "The page was too old; please log in again."),
    "wait": Names(
        "登录失败次数过多，请 {minutes} 分钟后再试。其他地址不受影响。",
        "Too many failed log-ins: try again in {minutes} min. Other addresses are not affected.",
    ),
    "away": Names(
        "现在无法登录：Redis 无响应。看不到报警不等于没有报警。",
        "Nobody can log in now: Redis does not answer. Not seeing an alarm does not mean there is none.",
    ),
}


@router.get("/login")
async def login_page(request: Request) -> Response:
    """Serve the log-in form; who is logged in already goes on."""
    auth = _auth(request)
    wanted = own_path(request.query_params.get("next", "/"))
    token = request.cookies.get(auth.cookie, "")
    try:
        user = await run_in_threadpool(auth.sessions.user, token) if token else None
    except RedisError:
        return _form_page(request, wanted, "away", HTTPStatus.SERVICE_UNAVAILABLE)
    return RedirectResponse(wanted, HTTPStatus.SEE_OTHER) if user else _form_page(request, wanted)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Begin a session if the password is right."""
    auth = _auth(request)
    try:
        fields = form(await request.body())
    except ValueError:
        fields = {}
    wanted = own_path(fields.get("next", "/"))
    nonce = request.cookies.get(auth.form_cookie, "")
    if not nonce or not secrets.compare_digest(fields.get("csrf", "").encode(), _form_token(auth, nonce).encode()):
        return _form_page(request, wanted, "again", HTTPStatus.FORBIDDEN)
    name = tidy_name(fields.get("name", "")[:_LONGEST_NAME])
    password = fields.get("password", "")[: LONGEST_PASSWORD + 1]
    try:
        return await _attempt(request, name, password, wanted)
    except RedisError:
        return _form_page(request, wanted, "away", HTTPStatus.SERVICE_UNAVAILABLE)


@router.post(LOGOUT)
async def log_out(request: Request) -> Response:
    """End the session (the gate has checked its token)."""
    auth = _auth(request)
    await run_in_threadpool(auth.sessions.end, request.cookies.get(auth.cookie, ""))
    user = current_user(request)
    log.info("%s logged out", user.name if user else "")
    answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(auth.cookie, path="/", secure=auth.https, httponly=True, samesite="lax")
    return answer


async def _attempt(request: Request, name: str, password: str, wanted: str) -> Response:
    auth = _auth(request)
    address = client_address(request.scope, auth.proxies)
    wait = await run_in_threadpool(auth.attempts.take, name, address)
    if wait:
        log.warning("log-in of %s from %s refused: too many failures", _logged(auth, name), address)
        return _wait_page(request, wanted, wait)
    user = await anyio.to_thread.run_sync(auth.users.verify, name, password, limiter=auth.hashing)
    if user is None:
        log.warning("log-in of %s from %s refused: wrong name or password", _logged(auth, name), address)
        return _form_page(request, wanted, "wrong", HTTPStatus.UNAUTHORIZED)
    await run_in_threadpool(auth.attempts.forgive, name, address)
    log.info("%s (%s) logged in from %s", user.name, user.role.value, address)
    return await _begin(request, user, wanted)


async def _begin(request: Request, user: User, wanted: str) -> Response:
    auth = _auth(request)
    if before := request.cookies.get(auth.cookie):
        await run_in_threadpool(auth.sessions.end, before)
    token = await run_in_threadpool(auth.sessions.begin, user)
    answer = RedirectResponse(wanted, HTTPStatus.SEE_OTHER)
    # Lax: Strict would show the log-in to who follows a link from a chat though they are logged in. A change from
    # another site comes without the cookie either way, and no GET changes anything.
    answer.set_cookie(
        auth.cookie, token, max_age=LONGEST // _SECOND, path="/", secure=auth.https, httponly=True, samesite="lax"
    )
    answer.delete_cookie(auth.form_cookie, path="/", secure=auth.https, httponly=True, samesite="lax")
    return answer


def _wait_page(request: Request, wanted: str, wait: int) -> Response:
    minutes = ceil(wait / (60 * _SECOND))
    answer = _form_page(request, wanted, "wait", HTTPStatus.TOO_MANY_REQUESTS, minutes)
    answer.headers["retry-after"] = str(ceil(wait / _SECOND))
    return answer


def _form_page(
    request: Request, wanted: str, trouble: str = "", status: HTTPStatus = HTTPStatus.OK, minutes: int = 0
) -> Response:
    auth = _auth(request)
    language = language_of(request)
    text = _TEXTS[trouble].get(language).format(minutes=minutes) if trouble else ""
    nonce = request.cookies.get(auth.form_cookie, "")
    if len(nonce) != _NONCE_LENGTH:
        nonce = secrets.token_urlsafe()
    answer = page("login.html", language, status, next=wanted, csrf=_form_token(auth, nonce), trouble=text)
    answer.set_cookie(auth.form_cookie, nonce, path="/", secure=auth.https, httponly=True, samesite="lax")
    return answer


def _form_token(auth: Auth, nonce: str) -> str:
    """What a form has to send beside the cookie ``nonce``; only we can tell it."""
    return hmac.new(auth.key.encode(), b"parkwatch log-in form " + nonce.encode(), hashlib.sha256).hexdigest()


def _logged(auth: Auth, name: str) -> str:
    # What is no user's name may be a password in the wrong field.
    return name if auth.users.get(name) else "an unknown user"


def _auth(request: Request) -> Auth:
    auth: Auth = request.app.state.auth
    return auth
