"""The list of alarms: snapshots with everything known of them, rows, counts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from alerts import words
from alerts.console.views import text
from alerts.console.views.times import Moment, age, moment
from alerts.messages import (
    BAD,
    NO_CLAUSE,
    Labels,
    Stuck,
    alarm_link,
    duration,
    known_limit,
    labels,
    number,
    short_cited,
    stuck,
    tidy,
)
from park.alarms import Acknowledgement, State
from park.catalogue import Catalogue
from park.limits import Guidance, Limit
from park.sensors import Sensor
from park.words import Names, Priority
from storage.states import Snapshot

Find = Callable[[str], Sensor | None]
"""Returns the sensor ``zone/site/sensor``."""

NEW_FOR = 120_000
"""How long (ms) an alarm that was raised is marked as new."""

IN_LIST = frozenset({State.UNACK, State.ACKED, State.RTNUN})
"""States of the live list; the others have a page of their own, and a count on every page."""

AWAY = (State.SHLVD, State.DSUPR, State.OOSRV)
"""States in which an alarm does not reach people."""


class Shown(Snapshot, frozen=True, kw_only=True):
    """An alarm as ``GET /api/alarms`` lists it: the snapshot with its names, source, guidance and link.

    ``value`` and ``set_point`` are in ``unit``; ``raised_t`` and ``t`` are event times, ``raised_at`` and ``at``
    server times, all ms.
    """

    labels: Labels
    source: str
    clause: Names
    provenance: str
    guidance: Guidance | None
    link: str
    stuck: Stuck | None = None


class Flag(msgspec.Struct, frozen=True):
    """Something to know about an alarm: a shape and a word."""

    kind: str
    sign: str
    word: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a list and an alarm's own page say alike, in one language, ready to be escaped and shown."""

    alarm: str
    occurrence: int
    version: int
    priority: str
    priority_sign: str
    priority_word: str
    state: str
    state_sign: str
    state_word: str
    zone: str
    site: str
    sensor: str
    quantity: str
    value: str
    compared: str
    flags: tuple[Flag, ...]

    @property
    def place(self) -> str:
        """Where it is."""
        return f"{self.zone} › {self.site}"


class Row(Head, frozen=True, kw_only=True):
    """One alarm in a list."""

    limit: str
    cited: str
    since: Moment
    acknowledged_by: str
    waiting: bool
    response: str
    within: str
    why: str = ""
    by: str = ""
    until: Moment | None = None
    left: str = ""
    condition: str = ""


class Tab(msgspec.Struct, frozen=True):
    """A filter with what it holds: how many alarms in all, and how many that nobody has acknowledged."""

    name: str
    sign: str
    word: str
    waiting: int
    count: int


class Strip(msgspec.Struct, frozen=True):
    """What stands on every page: unacknowledged alarms by priority, and what is not in the list."""

    waiting: int
    count: int
    priorities: tuple[Tab, ...]
    away: tuple[Tab, ...]


def show(snapshot: Snapshot, catalogue: Catalogue, find: Find, console_url: str) -> Shown:
    """Return ``snapshot`` with everything that the configuration and the directory know."""
    limit = known_limit(catalogue, snapshot.limit)
    sensor = find(snapshot.series.rpartition("/")[0])
    known = {name: getattr(snapshot, name) for name in Snapshot.__struct_fields__}
    return Shown(
        **{
            **known,
            "value": None if snapshot.value is None else tidy(snapshot.value),
            "set_point": None if snapshot.set_point is None else tidy(snapshot.set_point),
        },
        labels=labels(catalogue, snapshot.series, snapshot.limit, sensor, limit),
        source=limit.source if limit else "",
        clause=limit.clause if limit else NO_CLAUSE,
        provenance=limit.provenance if limit else "",
        guidance=limit.guidance if limit else None,
        link=alarm_link(console_url, snapshot.alarm),
        stuck=stuck(catalogue, snapshot.quantity, snapshot.stuck_at, _unchanged(snapshot, limit)),
    )


def _unchanged(snapshot: Snapshot, limit: Limit | None) -> float | None:
    """Return for how long (ms) a value had not changed, if that is what its alarm is about."""
    return None if limit is None or snapshot.value is None else snapshot.value / limit.shown_per_canonical


def in_order(alarms: Iterable[Shown]) -> list[Shown]:
    """Sort by priority, what nobody has acknowledged first, then the latest activation first."""
    return sorted(alarms, key=lambda alarm: (alarm.priority.rank, not waits(alarm), -alarm.raised_at, alarm.alarm))


def waits(alarm: Snapshot) -> bool:
    """Whether the alarm waits for somebody to take note."""
    return alarm.state in {State.UNACK, State.RTNUN}


def matches(alarm: Shown, search: str) -> bool:
    """Whether every word of ``search`` stands somewhere in the alarm's id or names."""
    named = alarm.labels
    parts = (named.zone, named.site, named.sensor, named.quantity, named.limit)
    whole = " ".join([alarm.alarm, *(f"{part.zh} {part.en}" for part in parts)]).casefold()
    return all(word in whole for word in search.casefold().split())


def head(alarm: Shown, language: str, now: int) -> dict[str, Any]:
    """Return the fields of :class:`Head` of ``alarm`` in the words of ``language``, as it stands at ``now`` (ms)."""
    named = alarm.labels
    return {
        "alarm": alarm.alarm,
        "occurrence": alarm.occurrence,
        "version": alarm.version,
        "priority": alarm.priority.value,
        "priority_sign": words.PRIORITY_SIGNS[alarm.priority],
        "priority_word": words.PRIORITIES[alarm.priority].get(language),
        "state": alarm.state.value,
        "state_sign": words.STATE_SIGNS[alarm.state],
        "state_word": text.STATES[alarm.state].get(language),
        "zone": named.zone.get(language),
        "site": named.site.get(language),
        "sensor": named.sensor.get(language),
        "quantity": named.quantity.get(language),
        "value": measured(alarm, language),
        "compared": compared(alarm),
        "flags": flags(alarm, language, now),
    }


def row(alarm: Shown, language: str, now: int) -> Row:
    """Return ``alarm`` in the words of ``language``, as it stands at ``now`` (ms)."""
    # A list has room for the instruction of what can't wait; the others have theirs on their own pages.
    pressing = alarm.guidance if waits(alarm) and alarm.priority is Priority.CRITICAL else None
    return Row(
        **head(alarm, language, now),
        limit=f"{words.severity(alarm.severity).get(language)} · {alarm.labels.limit.get(language)}",
        cited=short_cited(alarm.source, alarm.clause.get(language)),
        since=moment(alarm.raised_at, now),
        acknowledged_by=alarm.acknowledged_by if alarm.state is State.ACKED else "",
        waiting=alarm.acknowledgement == Acknowledgement.UNACKNOWLEDGED,
        response=pressing.response.get(language) if pressing else "",
        within=duration(pressing.respond_within_s).get(language) if pressing else "",
    )


class Rules(msgspec.Struct, frozen=True):
    """What suppresses alarms by design: the rules' names, and since when (ms) alarms are suppressed, if known."""

    names: dict[str, Names]
    since: dict[str, int]


def away_row(alarm: Shown, language: str, now: int, rules: Rules) -> Row:
    """Return the row of an alarm that is shelved, suppressed or out of service: by whom, why, since, until."""
    until = alarm.shelved.until if alarm.shelved and alarm.state is State.SHLVD else 0
    by, why, since = _absence(alarm, language, rules)
    return msgspec.structs.replace(
        row(alarm, language, now),
        by=by,
        why=why,
        since=moment(since, now),
        until=moment(until, now) if until else None,
        left=age(until - now).get(language) if until else "",
        condition=text.CONDITIONS[alarm.condition].get(language),  # type: ignore[index]  # a StrEnum's value is its equal
    )


def _absence(alarm: Shown, language: str, rules: Rules) -> tuple[str, str, int]:
    """By whom, why and since when the alarm does not reach people."""
    if alarm.out_of_service and alarm.state is State.OOSRV:
        return alarm.out_of_service.by, alarm.out_of_service.why, alarm.out_of_service.at
    if alarm.state is State.DSUPR:
        rule = rules.names.get(alarm.suppressed, Names(alarm.suppressed, alarm.suppressed)).get(language)
        return "parkwatch", rule, rules.since.get(alarm.alarm, alarm.at)
    if alarm.shelved:
        return alarm.shelved.by, alarm.shelved.why, alarm.shelved.at
    return "", "", alarm.at


def measured(alarm: Shown, language: str) -> str:
    """Return the value with its unit, or why there is none to quote."""
    if alarm.stuck:
        return alarm.stuck.text(language)
    if alarm.value is None or alarm.severity == BAD:
        doubt = words.severity(alarm.severity).get(language)
        return words.reason(alarm.why).get(language) if alarm.why else doubt
    return f"{number(alarm.value, alarm.set_point)} {alarm.unit}".rstrip()


def compared(alarm: Shown) -> str:
    """Return the way the set-point is passed, and the set-point; empty without one."""
    if alarm.set_point is None or alarm.severity == BAD:
        return ""
    low = alarm.severity.startswith("low")
    value = alarm.value if alarm.value is not None else alarm.set_point
    # An alarm that has eased, or waits out its off-delay, stands although its value is back inside.
    beyond = value < alarm.set_point if low else value > alarm.set_point
    sign = {(True, True): "<", (True, False): "≥", (False, True): ">", (False, False): "≤"}[low, beyond]
    # Beside a value that does not change stands for how long that may be: in a unit of its own.
    return f"{sign} {number(alarm.set_point)} {alarm.unit if alarm.stuck else ''}".rstrip()


def flags(alarm: Snapshot, language: str, now: int) -> tuple[Flag, ...]:
    """Return what to know of ``alarm`` beside its state."""
    raised_lately = waits(alarm) and now - alarm.raised_at < NEW_FOR
    known = {
        "new": raised_lately,
        "first-up": alarm.first_up,
        "chattering": alarm.chattering,
        "latched": alarm.latched,
    }
    return tuple(
        Flag(kind, text.FLAGS[kind][0], text.FLAGS[kind][1].get(language)) for kind, there in known.items() if there
    )


# -- counts --------------------------------------------------------------------------------------------------


def strip(alarms: Sequence[Snapshot], language: str) -> Strip:
    """Count what stands: for the strip on every page."""
    listed = [alarm for alarm in alarms if alarm.state in IN_LIST]
    states = Counter(alarm.state for alarm in alarms)
    away = tuple(
        Tab(state.value, words.STATE_SIGNS[state], text.STATES[state].get(language), 0, states[state]) for state in AWAY
    )
    return Strip(sum(waits(alarm) for alarm in listed), len(listed), priority_tabs(listed, language), away)


def priority_tabs(alarms: Iterable[Snapshot], language: str) -> tuple[Tab, ...]:
    """Count by priority."""
    count, waiting = _counted((alarm.priority.value, waits(alarm)) for alarm in alarms)
    return tuple(
        Tab(each.value, words.PRIORITY_SIGNS[each], names.get(language), waiting[each.value], count[each.value])
        for each, names in words.PRIORITIES.items()
    )


def zone_tabs(alarms: Iterable[Snapshot], catalogue: Catalogue, language: str) -> tuple[Tab, ...]:
    """Count by zone."""
    count, waiting = _counted((alarm.zone, waits(alarm)) for alarm in alarms)
    return tuple(
        Tab(name, "", zone.names.get(language), waiting[name], count[name]) for name, zone in catalogue.zones.items()
    )


def _counted(pairs: Iterable[tuple[str, bool]]) -> tuple[Counter[str], Counter[str]]:
    count: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    for name, waits_ in pairs:
        count[name] += 1
        waiting[name] += waits_
    return count, waiting
