"""Looking: what is read from Redis and InfluxDB for one request, put together with what the configuration knows.

Everything here blocks, and raises ``redis.RedisError`` while Redis is away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from alerts.console.taps import Standing
from alerts.console.views import alarms as rows
from alerts.console.views import detail as details
from alerts.console.views.alarms import Shown
from alerts.console.views.sensors import Found, Known, Search, find
from alerts.console.views.trend import Drawing, Level, draw
from alerts.messages import known_limit, number, tidy
from park.alarms import Acknowledgement, State
from park.catalogue import Catalogue
from park.words import Priority
from storage.overview import Overview
from storage.states import Snapshot
from storage.trends import Trend


class Wanted(msgspec.Struct, frozen=True):
    """Which alarms; what is empty or ``None`` leaves none out."""

    zone: str | None = None
    state: State | None = None
    priority: Priority | None = None
    search: str = ""

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.zone or self.state or self.priority or self.search)


def shown(snapshots: Iterable[Snapshot], overview: Overview, console_url: str) -> list[Shown]:
    """Return ``snapshots`` with all that is known of them, the most urgent first."""
    listed = list(snapshots)
    sensors = overview.sensors({snapshot.series.rpartition("/")[0] for snapshot in listed})
    return rows.in_order(rows.show(snapshot, overview.catalogue, sensors.get, console_url) for snapshot in listed)


def wanted(alarms: Iterable[Shown], asked: Wanted) -> list[Shown]:
    """Return those that were asked for."""
    return [
        alarm
        for alarm in alarms
        if asked.zone in {None, alarm.zone}
        and asked.state in {None, alarm.state}
        and asked.priority in {None, alarm.priority}
        and rows.matches(alarm, asked.search)
    ]


def one(snapshot: Snapshot | None, alarm: str, overview: Overview, console_url: str) -> Shown:
    """Return one alarm, one that is normal included; raises ``KeyError`` if there can't be one of that name."""
    return shown([snapshot or overview.normal(alarm)], overview, console_url)[0]


def sensors(overview: Overview, snapshots: Iterable[Snapshot], now: int, asked: Search) -> Found:
    """Return one page of the series that were asked for."""
    directory = overview.directory
    open_alarms = Counter(snapshot.series for snapshot in snapshots if snapshot.state in rows.IN_LIST)
    known = Known(overview.records(), directory.all(), directory.gateways(), open_alarms, now)
    return find(known, overview.catalogue, asked)


def trend_of(alarm: Shown, catalogue: Catalogue, trend: Trend, overview: Overview) -> Drawing:
    """Return the drawing of ``trend`` with the set-points of the alarm's limit."""
    limit = known_limit(catalogue, alarm.limit)
    sensor = overview.directory.get(alarm.series.rpartition("/")[0])
    interval = (sensor.interval if sensor else None) or catalogue.settings.interval
    gap = int(interval * catalogue.settings.stale_after_intervals)
    quantity = catalogue.quantities.get(alarm.quantity)
    if limit is None or not limit.of_value:
        return draw(trend, 1.0, (), quantity.unit if quantity else "", gap)
    levels = [
        Level(tidy(limit.shown(point.at)), point.severity, f"{number(tidy(limit.shown(point.at)))} {limit.unit}")
        for point in limit.set_points
    ]
    return draw(trend, limit.shown_per_canonical, levels, limit.unit, gap)


def standing(snapshot: Snapshot | None, overview: Overview, language: str, now: int) -> Standing | None:
    """Return how an alarm stands, for a one-tap link; ``None`` if it is normal."""
    if snapshot is None:
        return None
    alarm = one(snapshot, snapshot.alarm, overview, "")
    shown_ = details.detail(alarm, overview.record(alarm.series), overview.catalogue, language, now)
    facts = (*shown_.stands[:1], *shown_.times[:1], *shown_.guidance[:2], *shown_.about[:3])
    compared = f" {shown_.compared}" if shown_.compared else ""
    return Standing(
        occurrence=alarm.occurrence,
        version=alarm.version,
        waiting=alarm.acknowledgement == Acknowledgement.UNACKNOWLEDGED,
        headline=f"{shown_.priority_sign} {shown_.priority_word}: {shown_.sensor}, {shown_.value}{compared}",
        lines=((shown_.quantity, shown_.place), *((fact.label, fact.text) for fact in facts)),
        chattering=alarm.collapsed > 0,
    )
