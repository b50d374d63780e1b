"""The alarm console: JSON API and a plain live page.

Reading and acknowledging only; shelving, roster, trends and log-in have their places in the same app. Until there
is a log-in, it listens on loopback unless told otherwise, and :mod:`alerts.console.guard` keeps other sites' pages out.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlsplit

import jinja2
import msgspec
import redis as redis_sync
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from alerts import words
from alerts.console import view
from alerts.console.guard import LOOPBACK, Guard, Refusal
from alerts.console.live import ALIVE_EVERY, FullError, Hub, JournalFeed
from alerts.console.view import Shown
from alerts.messages import LANGUAGES, park_time, rfc3339
from alerts.tasks import cancel
from park.alarms import StaleAcknowledgement, State, Transition
from park.catalogue import Catalogue
from park.words import Priority
from storage.clock import Clock, SystemClock
from storage.directory import Directory
from storage.names import heartbeat
from storage.outbox import Counts, Outbox, connect
from storage.settings import Settings
from storage.states import Acknowledged, ParkStates, Snapshot

HERE = FilePath(__file__).resolve().parent
DEFAULT_PORT = 8100
_BEAT_EVERY = 5.0


class States(Protocol):
    """Alarms and journal (:class:`storage.states.ParkStates`); raises ``RedisError`` while Redis is away."""

    def alarms(self) -> list[Snapshot]:
        """Every alarm that is not normal."""
        ...

    def journal(self, since: int = 0, most: int = 1000) -> list[Transition]:
        """Transitions, newest first."""
        ...

    def acknowledge(
        self, alarm: str, *, occurrence: int, version: int, by: str, comment: str, now: int
    ) -> Acknowledged:
        """Acknowledge; raises ``KeyError`` or ``StaleAcknowledgement``."""
        ...


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the console works with.

    ``find`` returns a sensor by ``zone/site/sensor``; ``counts`` and ``delivering`` say how delivery stands (its
    numbers, whether its process lives); ``beat`` tells others that the console lives; ``hosts`` are its own names.
    """

    states: States
    catalogue: Catalogue
    find: view.Find
    hub: Hub
    counts: Callable[[], Awaitable[Counts]]
    delivering: Callable[[], Awaitable[bool]]
    beat: Callable[[], Awaitable[None]]
    clock: Clock
    console_url: str
    hosts: frozenset[str] = LOOPBACK


class Json(Response):
    """A response from anything msgspec can encode."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - as the class it overrides
        """Encode."""
        return msgspec.json.encode(content)


class AcknowledgeBody(BaseModel):
    """What a person saw and says; ``occurrence`` and ``version`` as the alarm showed them."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)

    occurrence: int = Field(ge=1, le=2**53)
    version: int = Field(ge=1, le=2**53)
    by: str = Field(min_length=1, max_length=80, pattern=r"^\P{Cc}*$")
    comment: str = Field(default="", max_length=500, pattern=r"^\P{Cc}*$")


def _dependencies(request: Request) -> Dependencies:
    found: Dependencies = request.app.state.dependencies
    return found


Wired = Annotated[Dependencies, Depends(_dependencies)]
AlarmId = Annotated[str, Path(max_length=400, description="zone.site.sensor.quantity.limit")]
ZoneFilter = Annotated[str | None, Query(max_length=63, description="only this zone")]
StateFilter = Annotated[State | None, Query(description="only this ISA-18.2 state")]
PriorityFilter = Annotated[Priority | None, Query(description="only this priority")]
Language = Annotated[Literal["zh", "en"] | None, Query(description="zh or en; else what the browser prefers")]

api = APIRouter(prefix="/api", default_response_class=Json)
pages = APIRouter(include_in_schema=False)


@api.get("/alarms")
def list_alarms(
    wired: Wired, zone: ZoneFilter = None, state: StateFilter = None, priority: PriorityFilter = None
) -> Response:
    """Alarms that are not normal, the most urgent first, then the latest."""
    return Json(_alarms(wired, zone, state, priority))


@api.get("/alarms/{alarm}")
def get_alarm(wired: Wired, alarm: AlarmId) -> Response:
    """One alarm that is not normal; 404 if there is none."""
    found = next((shown for shown in _alarms(wired) if shown.alarm == alarm), None)
    return Json(found) if found else _unknown(alarm)


@api.post("/alarms/{alarm}/ack")
def acknowledge(wired: Wired, alarm: AlarmId, body: AcknowledgeBody) -> Response:
    """Acknowledge what a person saw; 409 says what is current if that is no longer what was seen."""
    try:
        result = wired.states.acknowledge(
            alarm,
            occurrence=body.occurrence,
            version=body.version,
            by=body.by,
            comment=body.comment,
            now=wired.clock.now(),
        )
    except KeyError:
        return _unknown(alarm)
    except StaleAcknowledgement as stale:
        return Json({"error": "stale", "detail": str(stale), "current": _current(stale)}, HTTPStatus.CONFLICT)
    return Json(msgspec.to_builtins(result))


@api.get("/journal")
def journal(wired: Wired, limit: Annotated[int, Query(ge=1, le=10_000)] = 100) -> Response:
    """Latest transitions, newest first."""
    return Json(wired.states.journal(most=limit))


@api.get("/health")
async def health(wired: Wired) -> Response:
    """Report how delivery stands; 503 while Redis is away."""
    counts = await wired.counts()
    delivering = await wired.delivering()
    status = "ok" if delivering and not counts.overdue else "degraded"
    return Json({"status": status, "redis": "up", "delivery": {"alive": delivering, **msgspec.to_builtins(counts)}})


@pages.get("/events")
async def events(wired: Wired) -> Response:
    """Stream transitions and signs of life to a page."""
    try:
        stream = wired.hub.open()
    except FullError:
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "full", "too many pages are open").response()
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


@pages.get("/")
async def live_page(
    request: Request,
    lang: Language = None,
    zone: ZoneFilter = None,
    priority: PriorityFilter = None,
    alarm: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """Serve the live page."""
    return await _render(request, "page.html", _Asked(_language(request, lang), zone, priority, alarm))


@pages.get("/alarms")
async def live_part(
    request: Request,
    lang: Language = None,
    zone: ZoneFilter = None,
    priority: PriorityFilter = None,
    alarm: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """Serve the part of the page that changes."""
    return await _render(request, "alarms.html", _Asked(_language(request, lang), zone, priority, alarm))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a page was asked to show."""

    language: str
    zone: str | None
    priority: Priority | None
    alarm: str | None


def create_app(wired: Dependencies) -> FastAPI:
    """Return the console."""
    # The interactive documentation would load its parts from elsewhere.
    app = FastAPI(
        title="parkwatch console", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json", lifespan=_lifespan
    )
    app.state.dependencies = wired
    app.state.templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    app.include_router(api)
    app.include_router(pages)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.add_exception_handler(RedisError, _redis_away)
    app.add_middleware(Guard, hosts=wired.hosts)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    wired: Dependencies = app.state.dependencies
    tasks = [asyncio.create_task(wired.hub.run()), asyncio.create_task(_beat(wired))]
    try:
        yield
    finally:
        wired.hub.close()
        await cancel(tasks)


async def _beat(wired: Dependencies) -> None:
    while True:
        # While Redis is away nobody could read it; the hub says so in the log.
        with contextlib.suppress(RedisError, OSError):
            await wired.beat()
        await asyncio.sleep(_BEAT_EVERY)


def _alarms(
    wired: Dependencies, zone: str | None = None, state: State | None = None, priority: Priority | None = None
) -> list[Shown]:
    wanted = (
        snapshot
        for snapshot in wired.states.alarms()
        if zone in {None, snapshot.zone}
        and state in {None, snapshot.state}
        and priority in {None, Priority(snapshot.priority)}
    )
    return view.in_order(view.show(snapshot, wired.catalogue, wired.find, wired.console_url) for snapshot in wanted)


def _unknown(alarm: str) -> Response:
    detail = f"there is no alarm {alarm!r} that is not normal; GET /api/alarms lists those there are"
    return Json({"error": "unknown", "detail": detail}, HTTPStatus.NOT_FOUND)


def _current(stale: StaleAcknowledgement) -> dict[str, object]:
    alarm = stale.current
    return {
        "occurrence": alarm.occurrence,
        "version": alarm.version,
        "state": alarm.state.value,
        "acknowledged_by": alarm.acknowledged_by,
    }


async def _redis_away(_: Request, error: Exception) -> Response:
    detail = f"Redis does not answer, so alarms are not known; not seeing one does not mean there is none ({error})"
    return Json({"error": "redis-away", "detail": detail}, HTTPStatus.SERVICE_UNAVAILABLE)


async def _render(request: Request, template: str, asked: _Asked) -> Response:
    wired = _dependencies(request)
    try:
        alarms = await run_in_threadpool(_alarms, wired, asked.zone, None, asked.priority)
    except RedisError:
        alarms = None
    content = request.app.state.templates.get_template(template).render(_scene(wired, asked, alarms))
    status = HTTPStatus.SERVICE_UNAVAILABLE if alarms is None else HTTPStatus.OK
    return Response(content, status.value, media_type="text/html")


def _scene(wired: Dependencies, asked: _Asked, alarms: list[Shown] | None) -> dict[str, object]:
    """Return what the templates show; ``rows`` is ``None`` if the alarms are not known."""
    rows = None if alarms is None else [view.row(alarm, asked.language) for alarm in alarms]
    active = {alarm.alarm for alarm in alarms or ()}
    zones = [(name, zone.names.get(asked.language)) for name, zone in wired.catalogue.zones.items()]
    priorities = [(priority.value, names.get(asked.language)) for priority, names in words.PRIORITIES.items()]
    return {
        "language": asked.language,
        "words": view.page_words(asked.language),
        "rows": rows,
        "as_of": park_time(rfc3339(wired.clock.now())),
        "asked": asked,
        "zones": zones,
        "priorities": priorities,
        "gone": asked.alarm if alarms is not None and asked.alarm not in active else None,
        "alive_every": ALIVE_EVERY,
    }


def _language(request: Request, asked: str | None) -> str:
    if asked:
        return asked
    preferred = request.headers.get("accept-language", "").strip().lower()[:2]
    return preferred if preferred in LANGUAGES else "en"


# -- running it --------------------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """uvicorn, leaving signals to us: open event streams have to be ended first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def address(settings: Settings) -> tuple[str, int]:
    """Return host and port to listen on: ``console_bind``, else the console's URL if it is loopback's.

    Raises ``ValueError`` if there is no port to be read.
    """
    url = urlsplit(settings.console_url)
    if settings.console_bind:
        bind = urlsplit(f"//{settings.console_bind}")
        return bind.hostname or "127.0.0.1", bind.port or url.port or DEFAULT_PORT
    host = url.hostname or ""
    return (host if host in LOOPBACK else "127.0.0.1"), url.port or DEFAULT_PORT


def own_names(settings: Settings) -> frozenset[str]:
    """Return the names that the console answers to: loopback's, its URL's, and the address it listens on."""
    bound = address(settings)[0]
    listens_on = {bound} if not _is_any(bound) else set()
    return LOOPBACK | {urlsplit(settings.console_url).hostname or ""} | listens_on


def _is_any(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ip_address(host).is_unspecified
    return False


def serve(settings: Settings, catalogue: Catalogue) -> None:
    """Run the console until SIGTERM or SIGINT."""
    asyncio.run(_serve(settings, catalogue))


async def _serve(settings: Settings, catalogue: Catalogue) -> None:
    host, port = address(settings)
    wired, close = wire(settings, catalogue, SystemClock())
    config = uvicorn.Config(
        create_app(wired),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)

    def stop() -> None:
        wired.hub.close()
        server.should_exit = True

    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop)
    try:
        await server.serve()
    finally:
        await close()


def wire(settings: Settings, catalogue: Catalogue, clock: Clock) -> tuple[Dependencies, Callable[[], Awaitable[None]]]:
    """Return what the console works with on ``settings``' Redis, and how to close it."""
    client = redis_sync.Redis.from_url(settings.redis_url, socket_connect_timeout=2.0, socket_timeout=5.0)
    watching = connect(settings.redis_url)
    outbox = Outbox(watching, "console")

    async def delivering() -> bool:
        return bool(await watching.exists(heartbeat("delivery")))

    async def close() -> None:
        await watching.aclose()
        client.close()

    wired = Dependencies(
        states=ParkStates(client, catalogue),
        catalogue=catalogue,
        find=Directory(client).get,
        hub=Hub(JournalFeed(watching), clock),
        counts=lambda: outbox.counts(clock.now()),
        delivering=delivering,
        beat=lambda: outbox.beat("console", {"at": clock.now()}),
        clock=clock,
        console_url=settings.console_url,
        hosts=own_names(settings),
    )
    return wired, close
