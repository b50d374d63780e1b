"""What alarms mean to each other: which was the first of its group, and which are suppressed by design.

Both look at the alarms of one site, which one shard's worker knows all of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import msgspec

from park.alarms import Alarm, Event, State, Transition, alarm_id
from park.evaluate import Record
from park.limits import Limit, Side
from park.readings import split_series
from park.words import Names

Group = tuple[str, str, str]
"""Zone, site and name of a group of alarms."""


class Which(msgspec.Struct, frozen=True):
    """Alarms of some limits at some places; an empty tuple means any."""

    limits: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()

    def covers(self, series: str, limit: str) -> bool:
        """Whether the alarm of ``limit`` on ``series`` is one of them."""
        zone, site, sensor, _ = split_series(series)
        return (
            (not self.limits or limit in self.limits)
            and (not self.zones or zone in self.zones)
            and (not self.sites or site in self.sites)
            and (not self.sensors or sensor in self.sensors)
        )


class WhileAlarm(msgspec.Struct, frozen=True, tag="alarm"):
    """While one of the alarms of ``limits`` (at ``sensors``, if named) is active at the same site."""

    limits: tuple[str, ...]
    sensors: tuple[str, ...] = ()


class WhileState(msgspec.Struct, frozen=True, tag="state"):
    """While a sensor of the same site says that ``quantity`` is beyond ``at`` (canonical unit), and says so now."""

    sensor: str
    quantity: str
    side: Side
    at: float


class Suppression(msgspec.Struct, frozen=True):
    """``alarms`` are suppressed by design while ``cause`` holds at their site, and for ``linger`` ms after."""

    id: str
    names: Names
    alarms: Which
    cause: WhileAlarm | WhileState
    linger: int = 0


class Known(msgspec.Struct, frozen=True):
    """A series and what is known of it; ``fresh`` if it has spoken within the time after which it is silent."""

    series: str
    record: Record
    fresh: bool = True


def group_of(series: str, group: str) -> Group:
    """Return the group an alarm belongs to: groups are told apart by site."""
    zone, site, _, _ = split_series(series)
    return zone, site, group


def standing_groups(known: Mapping[str, Record], grouped: Mapping[str, Limit]) -> dict[Group, set[str]]:
    """Return the alarms that stand, by group; ``grouped`` are the limits that have one, by id.

    What is out of service says nothing of the process, so it is nobody's cause.
    """
    found: defaultdict[Group, set[str]] = defaultdict(set)
    for series, record in known.items():
        for limit, alarm in record.alarms.items():
            if limit in grouped and alarm.stands and not alarm.out_of_service:
                found[group_of(series, grouped[limit].group)].add(alarm_id(series, limit))
    return dict(found)


def first_ups(
    entries: Iterable[Transition], standing: Mapping[Group, Collection[str]], grouped: Mapping[str, Limit]
) -> frozenset[tuple[str, int]]:
    """Return alarm and occurrence of what was raised as the first of its group, none of which stood then.

    ``standing`` are the alarms that stood before, by group. By event time, since a batch may hold several.
    """
    stand = {group: set(alarms) for group, alarms in standing.items()}
    found = set()
    for entry in sorted((entry for entry in entries if entry.limit in grouped), key=lambda entry: entry.t):
        limit = grouped[entry.limit]
        others = stand.setdefault(group_of(entry.series, limit.group), set())
        if entry.event is Event.RAISED and entry.after is not State.OOSRV:
            if not others:
                found.add((entry.alarm, entry.occurrence))
            others.add(entry.alarm)
        elif entry.event is Event.RETURNED and not limit.latching:
            others.discard(entry.alarm)
    return frozenset(found)


def in_circle(rules: Iterable[Suppression]) -> frozenset[str]:
    """Return the limits whose alarms would suppress themselves by way of others: all active, and nobody hears any."""
    suppressed: defaultdict[str, set[str]] = defaultdict(set)
    for rule in rules:
        for limit in rule.cause.limits if isinstance(rule.cause, WhileAlarm) else ():
            suppressed[limit].update(rule.alarms.limits)
    return frozenset(limit for limit in [*suppressed] if limit in _reached(suppressed, limit))


def _reached(edges: Mapping[str, Collection[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [*edges.get(start, ())]
    while waiting:
        limit = waiting.pop()
        if limit not in found:
            found.add(limit)
            waiting += edges.get(limit, ())
    return found


def holds(cause: WhileAlarm | WhileState, known: Iterable[Known]) -> frozenset[tuple[str, str]]:
    """Return zone and site of the places where ``cause`` holds.

    Doubt never suppresses: not an alarm on data that has become bad or silent, not a state that nobody confirms.
    """
    return frozenset(
        split_series(each.series)[:2]
        for each in known
        if each.fresh and each.record.quality.usable and _is_cause(cause, each)
    )


def _is_cause(cause: WhileAlarm | WhileState, known: Known) -> bool:
    sensor, quantity = split_series(known.series)[2:]
    if isinstance(cause, WhileAlarm):
        named = not cause.sensors or sensor in cause.sensors
        return named and any(_active(known.record.alarms.get(limit)) for limit in cause.limits)
    if (sensor, quantity) != (cause.sensor, cause.quantity) or known.record.value is None:
        return False
    return known.record.value > cause.at if cause.side is Side.HIGH else known.record.value < cause.at


def _active(alarm: Alarm | None) -> bool:
    # An instrument that is being calibrated sees test gas: out of service, it explains nothing.
    return alarm is not None and alarm.level > 0 and not alarm.out_of_service
