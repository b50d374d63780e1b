"""What the console works with, and how it is made of settings and configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Annotated, Protocol
from urllib.parse import urlsplit

import msgspec
import redis as redis_sync
from fastapi import Depends, Request

from alerts.console.guard import LOOPBACK
from alerts.console.live import Hub, JournalFeed
from alerts.console.login import Auth, wire_auth
from alerts.console.looking import standing
from alerts.console.taps import Taps
from park.actions import Action
from park.alarms import Transition
from park.catalogue import Catalogue
from park.floods import Flood
from park.kpis import Latest
from storage import figures, names, stored, watch
from storage.clock import Clock
from storage.history import History
from storage.influx import Influx
from storage.names import heartbeat
from storage.outbox import Counts, Outbox, connect
from storage.overview import Overview
from storage.quarantine import Quarantine
from storage.settings import Settings
from storage.states import Done, ParkStates, Snapshot
from storage.traces import Traces
from storage.trends import Trend, trend

DEFAULT_PORT = 8100
_INFLUX_PATIENCE_MS = 3_000


class States(Protocol):
    """Alarms and journal (:class:`storage.states.ParkStates`); raises ``RedisError`` while Redis is away."""

    catalogue: Catalogue

    def alarms(self) -> list[Snapshot]:
        """Every alarm that is not normal."""
        ...

    def alarm(self, alarm: str) -> Snapshot | None:
        """One alarm, ``None`` if it is normal."""
        ...

    def journal(self, since: int = 0, most: int = 1000) -> list[Transition]:
        """Transitions, newest first."""
        ...

    def act(self, alarm: str, action: Action, *, by: str, why: str, now: int) -> Done:
        """Do what a person asks; raises ``KeyError`` or ``Refused``."""
        ...


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the console works with.

    ``overview``, ``quarantine`` and ``desk`` read what Redis holds, ``trend`` reads InfluxDB, ``traces`` both;
    ``counts``, ``overdue`` and ``delivering`` say how delivery stands (its numbers, one of them, whether its process
    lives); ``beat`` tells others that the console lives; ``hosts`` are its own names. ``auth`` and ``taps`` are log-in
    and one-tap links.
    """

    states: States
    overview: Overview
    quarantine: Quarantine
    desk: Desk
    trend: Callable[[str, int, int], Trend]
    traces: Traces
    catalogue: Catalogue
    hub: Hub
    counts: Callable[[], Awaitable[Counts]]
    overdue: Callable[[], Awaitable[int]]
    delivering: Callable[[], Awaitable[bool]]
    beat: Callable[[], Awaitable[None]]
    clock: Clock
    console_url: str
    auth: Auth
    taps: Taps | None
    hosts: frozenset[str] = LOOPBACK

    def adopt(self, catalogue: Catalogue) -> Dependencies:
        """Return the same with another catalogue; what looks at Redis works by it at once."""
        self.states.catalogue = self.overview.catalogue = catalogue
        return replace(self, catalogue=catalogue)


class Desk:
    """What other pieces leave in Redis for people to see; every method raises ``RedisError`` while Redis is away."""

    def __init__(self, client: redis_sync.Redis) -> None:
        self._client = client

    def floods(self) -> dict[str, Flood]:
        """The floods that last, by zone."""
        found = stored.everything(self._client, names.FLOODS)
        return {zone.decode(): msgspec.json.decode(flood, type=Flood) for zone, flood in found.items()}

    def kpis(self) -> Latest | None:
        """The newest figures of the alarm system."""
        return figures.latest_kpis(self._client)

    def watched(self) -> watch.Watched | None:
        """What the watchdog has found lately."""
        return watch.get(self._client)


def dependencies(request: Request) -> Dependencies:
    """Return what the app was made with."""
    found: Dependencies = request.app.state.dependencies
    return found


Wired = Annotated[Dependencies, Depends(dependencies)]


def wire(settings: Settings, catalogue: Catalogue, clock: Clock) -> tuple[Dependencies, Callable[[], Awaitable[None]]]:
    """Return what the console works with on ``settings``' servers, and how to close it."""
    client = redis_sync.Redis.from_url(settings.redis_url, socket_connect_timeout=2.0, socket_timeout=5.0)
    influx = Influx(settings.influx_url, settings.influx_db, settings.influx_token, timeout_ms=_INFLUX_PATIENCE_MS)
    watching = connect(settings.redis_url)
    outbox = Outbox(watching, "console")

    async def delivering() -> bool:
        return bool(await watching.exists(heartbeat("delivery")))

    async def close() -> None:
        await watching.aclose()
        client.close()
        influx.close()

    auth, links = wire_auth(settings, client, clock), bool(settings.secret_key)
    states, overview = ParkStates(client, catalogue), Overview(client, catalogue)
    wired = Dependencies(
        states=states,
        overview=overview,
        quarantine=Quarantine(client, catalogue.settings.quarantine_size),
        desk=Desk(client),
        trend=lambda series, begin, end: trend(influx, series, begin, end),
        traces=Traces(client, History(influx)),
        catalogue=catalogue,
        hub=Hub(JournalFeed(watching), clock),
        counts=lambda: outbox.counts(clock.now()),
        overdue=lambda: outbox.overdue(clock.now()),
        delivering=delivering,
        beat=lambda: outbox.beat("console", {"at": clock.now(), "users": auth.users.count(), "links": links}),
        clock=clock,
        console_url=settings.console_url,
        auth=auth,
        taps=_taps(settings, states, overview, clock),
        hosts=own_names(settings),
    )
    return wired, close


def _taps(settings: Settings, states: ParkStates, overview: Overview, clock: Clock) -> Taps:
    catalogue = overview.catalogue
    return Taps(
        secret_key=settings.secret_key,
        standing=lambda alarm, language: standing(states.alarm(alarm), overview, language, clock.now()),
        person=catalogue.oncall.people.get,
        acknowledge=states.acknowledge,
        clock=clock,
        valid_for=catalogue.alerts.grouping.tap_valid,
    )


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
