"""The pages: each reads what it shows at once, and reads it anew when something has happened."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from alerts import words
from alerts.console import looking
from alerts.console.guard import Refusal
from alerts.console.live import FullError
from alerts.console.looking import Wanted
from alerts.console.scene import Scene, alarm_path
from alerts.console.views import alarms as rows
from alerts.console.views import detail as details
from alerts.console.views import health, kpis, oncall, sensors, text, trend
from alerts.console.views.sensors import Search
from alerts.console.views.times import moment
from alerts.console.wiring import Wired
from park.alarms import State
from park.catalogue import Catalogue
from park.evaluate import GATEWAY_OFFLINE
from park.floods import Flood
from park.kpis import PARK
from park.words import Names, Priority
from storage.influx import InfluxUnavailable, LinesRejected
from storage.users import Role

pages = APIRouter(include_in_schema=False)

_LONGEST_SEARCH = 200
_JOURNAL_SHOWN = 50
_TOLD_SHOWN = 50
_QUARANTINE_SHOWN = 200
_HOUR = 3_600_000
_SPANS = {1: "hour_1", 8: "hours_8", 24: "hours_24"}


@pages.get("/events")
async def events(wired: Wired) -> Response:
    """Stream transitions and signs of life to a page."""
    try:
        stream = wired.hub.open()
    except FullError:
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "full", text.WORDS["full"]).response()
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What the list of alarms was asked to show; empty: everything."""

    zone: str
    priority: str
    q: str

    @property
    def selects(self) -> bool:
        """Whether anything is left out."""
        return bool(self.zone or self.priority or self.q)

    def href(self, **changes: str) -> str:
        """Return the address of the list with ``changes``."""
        fields = {"zone": self.zone, "priority": self.priority, "q": self.q, **changes}
        kept = {name: value for name, value in fields.items() if value}
        return f"/?{urlencode(kept)}" if kept else "/"

    @property
    def wanted(self) -> Wanted:
        """The same for the search."""
        return Wanted(self.zone or None, None, Priority(self.priority) if self.priority else None, self.q)


def _asked(request: Request, catalogue: Catalogue) -> Asked:
    """Read the list's address; what makes no sense in it counts as not there."""
    query = request.query_params
    zone, priority = query.get("zone", ""), query.get("priority", "")
    return Asked(
        zone=zone if zone in catalogue.zones else "",
        priority=priority if priority in set(Priority) else "",
        q=query.get("q", "").strip()[:_LONGEST_SEARCH],
    )


@pages.get("/")
def live_page(request: Request) -> Response:
    """Serve the list of alarms."""
    if linked := request.query_params.get("alarm"):
        return RedirectResponse(alarm_path(linked[:400]), HTTPStatus.SEE_OTHER)
    scene = Scene.of(request)
    catalogue, language = scene.wired.catalogue, scene.language
    asked = _asked(request, catalogue)
    snapshots = scene.wired.states.alarms()
    listed = [snapshot for snapshot in snapshots if snapshot.state in rows.IN_LIST]
    alarms = looking.wanted(looking.shown(listed, scene.wired.overview, scene.wired.console_url), asked.wanted)
    in_zone = [alarm for alarm in listed if asked.zone in {"", alarm.zone}]
    in_priority = [alarm for alarm in listed if asked.priority in {"", alarm.priority.value}]
    return scene.render(
        "alarms.html",
        "alarms",
        snapshots,
        asked=asked,
        rows=[rows.row(alarm, language, scene.now) for alarm in alarms],
        zones=rows.zone_tabs(in_priority, catalogue, language),
        priorities=rows.priority_tabs(in_zone, language),
        floods=_floods(scene.wired.desk.floods(), catalogue, language, scene.now),
        choices=details.shelve_choices(catalogue.settings.shelve_at_most, language, scene.now),
    )


@pages.get("/alarms")
def alarms_page() -> Response:
    """Lead to the list."""
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


def _floods(floods: dict[str, Flood], catalogue: Catalogue, language: str, now: int) -> list[str]:
    said = text.WORDS["flood"].get(language)
    return [
        said.format(
            zone=catalogue.zones[zone].names.get(language) if zone in catalogue.zones else zone,
            count=flood.count,
            since=moment(flood.since, now).clock,
        )
        for zone, flood in sorted(floods.items())
    ]


@pages.get("/alarms/{alarm}")
def alarm_page(request: Request, alarm: str) -> Response:
    """Serve everything about one alarm, one that is normal included."""
    scene = Scene.of(request)
    wired, language, now = scene.wired, scene.language, scene.now
    try:
        shown = looking.one(wired.states.alarm(alarm), alarm, wired.overview, wired.console_url)
    except KeyError:
        return unknown_page(scene, alarm)
    hours = _hours(request.query_params.get("hours", ""))
    trace = wired.traces.of(alarm, _JOURNAL_SHOWN)
    return scene.render(
        "alarm.html",
        "alarm",
        here_path=alarm_path(alarm),
        alarm=details.detail(shown, wired.overview.record(shown.series), wired.catalogue, language, now),
        doable=details.doable(shown, scene.role),
        choices=details.shelve_choices(wired.catalogue.settings.shelve_at_most, language, now),
        hours=hours,
        spans=[(value, text.WORDS[key].get(language)) for value, key in _SPANS.items()],
        drawing=_drawing(scene, shown, hours),
        frame=trend.FRAME,
        journal=details.journal(trace.transitions, wired.catalogue, language, now),
        journal_whole=trace.whole,
        told=details.told(wired.overview.told_of(alarm, _TOLD_SHOWN), wired.catalogue, language, now),
    )


def unknown_page(scene: Scene, alarm: str) -> Response:
    """Say that there is no such alarm."""
    said = text.WORDS["unknown_alarm"].get(scene.language)
    return scene.render("trouble.html", "alarm", None, HTTPStatus.NOT_FOUND, text=said, what=alarm, back="/")


def _hours(asked: str) -> int:
    return int(asked) if asked in {str(hours) for hours in _SPANS} else 1


def _drawing(scene: Scene, shown: rows.Shown, hours: int) -> trend.Drawing | None:
    try:
        found = scene.wired.trend(shown.series, scene.now - hours * _HOUR, scene.now)
    except (InfluxUnavailable, LinesRejected):
        # The page says so; alarms don't depend on it.
        return None
    return looking.trend_of(shown, scene.wired.catalogue, found, scene.wired.overview)


@dataclass(frozen=True, slots=True)
class _Away:
    """A list of alarms that do not reach people."""

    name: str
    sign: str
    word: str
    none: str
    action: str
    may: bool
    rows: list[rows.Row]


_LISTS = (
    (State.SHLVD, "shelved", "unshelve"),
    (State.DSUPR, "suppressed", ""),
    (State.OOSRV, "removed", "restore"),
)


@pages.get("/shelved")
def shelved_page(request: Request) -> Response:
    """Serve what is shelved, suppressed by design and out of service."""
    scene = Scene.of(request)
    snapshots = scene.wired.states.alarms()
    away = [snapshot for snapshot in snapshots if snapshot.state in rows.AWAY]
    shown = looking.shown(away, scene.wired.overview, scene.wired.console_url)
    known = {rule.id: rule.names for rule in scene.wired.catalogue.suppressions}
    suppressed = {snapshot.alarm for snapshot in away if snapshot.state is State.DSUPR}
    rules = rows.Rules(
        {**known, GATEWAY_OFFLINE: Names("网关离线", "the gateway is offline")},
        scene.wired.overview.suppressed_since(suppressed) if suppressed else {},
    )
    may = {"unshelve": scene.role.may(Role.OPERATOR), "restore": scene.role.may(Role.ENGINEER)}
    lists = [
        _Away(
            name=name,
            sign=words.STATE_SIGNS[state],
            word=text.WORDS[f"list_{name}"].get(scene.language),
            none=text.WORDS[f"none_{name}"].get(scene.language),
            action=action,
            may=may.get(action, False),
            rows=[rows.away_row(each, scene.language, scene.now, rules) for each in shown if each.state is state],
        )
        for state, name, action in _LISTS
    ]
    return scene.render("shelved.html", "shelved", snapshots, lists=lists)


@pages.get("/sensors")
def sensors_page(request: Request) -> Response:
    """Serve the series that fit a search."""
    scene = Scene.of(request)
    query = request.query_params
    number = query.get("page", "1")
    search = Search(
        text=query.get("q", "").strip()[:_LONGEST_SEARCH],
        doubtful=query.get("doubtful") == "1",
        page=int(number) if number.isascii() and number.isdigit() and 0 < len(number) < len("1000000") else 1,
    )
    snapshots = scene.wired.states.alarms()
    found = looking.sensors(scene.wired.overview, snapshots, scene.now, search)
    return scene.render(
        "sensors.html",
        "sensors",
        snapshots,
        search=search,
        total=text.WORDS["series_found"].get(scene.language).format(count=found.total),
        lines=[sensors.line(one, scene.wired.catalogue, scene.language, scene.now) for one in found.sensors],
        page=found.page,
        page_count=found.pages,
        previous=_page_link(search, found.page - 1, found.pages),
        next=_page_link(search, found.page + 1, found.pages),
    )


def _page_link(search: Search, page: int, pages_: int) -> str:
    if not 1 <= page <= pages_:
        return ""
    fields = {"q": search.text, "doubtful": "1" if search.doubtful else "", "page": str(page)}
    return f"/sensors?{urlencode({name: value for name, value in fields.items() if value})}"


@pages.get("/quarantine")
def quarantine_page(request: Request) -> Response:
    """Serve messages that could not be taken."""
    scene = Scene.of(request)
    entries = scene.wired.quarantine.newest(_QUARANTINE_SHOWN)
    counts = sorted(scene.wired.quarantine.counts().items(), key=lambda pair: -pair[1])
    shown = [(moment(entry.at, scene.now), entry) for entry in entries]
    return scene.render("quarantine.html", "quarantine", entries=shown, counts=counts)


@pages.get("/oncall")
def oncall_page(request: Request) -> Response:
    """Serve who is on call."""
    scene = Scene.of(request)
    roster = oncall.roster(scene.wired.catalogue, scene.now)
    return scene.render(
        "oncall.html",
        "oncall",
        known=bool(scene.wired.catalogue.oncall.chains),
        rotas=oncall.rota_lines(roster, scene.language),
        zones=oncall.zone_lines(roster, scene.wired.catalogue, scene.language),
    )


@pages.get("/kpis")
def kpis_page(request: Request) -> Response:
    """Serve the figures of the alarm system."""
    scene = Scene.of(request)
    latest, language = scene.wired.desk.kpis(), scene.language
    if latest is None:
        return scene.render("kpis.html", "kpis", scopes=())
    asked = request.query_params.get("zone", PARK)
    scope = asked if asked in latest.zones else next(iter(latest.zones), "")
    return scene.render(
        "kpis.html",
        "kpis",
        scopes=kpis.scopes(latest, scene.wired.catalogue, language),
        scope=scope,
        computed=moment(latest.at, scene.now).full,
        windows=[kpis.WINDOWS[window].get(language) for window in kpis.windows(latest, scope)],
        lines=kpis.lines(latest, scope, language) if scope else (),
        often=kpis.most_often(latest, scope) if scope else (),
    )


@pages.get("/health")
async def health_page(request: Request) -> Response:
    """Serve how parkwatch itself is."""
    scene = await run_in_threadpool(Scene.of, request)
    counts, alive = await scene.wired.counts(), await scene.wired.delivering()
    watched = await run_in_threadpool(scene.wired.desk.watched)
    return await run_in_threadpool(
        lambda: scene.render(
            "health.html",
            "health",
            checks=health.checks(watched, scene.wired.catalogue, scene.language, scene.now),
            delivery=health.delivery(counts, scene.language, alive=alive),
        )
    )
