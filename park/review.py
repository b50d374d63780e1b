"""Alarms of a span of time for people who were not there: what they were about, and how soon somebody took them up.

An *alarm* here is an occurrence that people were told of: from its first page until it is over. What was not announced
(shelved, suppressed, collapsed because it chattered) is not among them; the KPIs count it (:mod:`park.kpis`).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from park.alarms import Event, Notify, State, Transition
from park.words import Names, Priority

_AWAY = frozenset({State.SHLVD, State.DSUPR, State.OOSRV})


class Told(msgspec.Struct, frozen=True):
    """An occurrence that people were told of; times are the server's (ms).

    ``priority``, ``severity``, ``at``, ``value`` and ``set_point`` (canonical; times ``scale`` in ``unit``) are
    those of its first page at its most urgent priority, ``first`` is when its first page of all left. ``answered``:
    acknowledged after ``at``, by whom and with which words; ``aside``: nobody had to any more, because it was shelved,
    suppressed, taken out of service or withdrawn. ``ended``: back inside the limit.
    """

    alarm: str
    series: str
    limit: str
    occurrence: int
    priority: Priority
    severity: str
    first: int
    at: int
    value: float | None
    set_point: float | None
    unit: str
    scale: float
    source: str
    clause: Names
    pages: int = 1
    answered: int | None = None
    by: str = ""
    why: str = ""
    aside: int | None = None
    ended: int | None = None

    @property
    def wait(self) -> int | None:
        """How long (ms) it took to be acknowledged; ``None`` if it was not."""
        return None if self.answered is None else self.answered - self.at

    def timely(self, within: int | None, now: int) -> bool | None:
        """Whether it was acknowledged ``within`` ms; ``None`` if that can't be said (yet)."""
        if within is None:
            return None
        if self.wait is not None:
            return self.wait <= within
        end = now if self.aside is None else min(now, self.aside)
        return False if end - self.at > within else None


def told(entries: Iterable[Transition], begin: int, end: int) -> list[Told]:
    """Return what people were first told of in ``begin <= t < end`` (ms), by time; ``entries`` oldest first.

    What became of it is told as far as ``entries`` go.
    """
    found: dict[tuple[str, int], Told] = {}
    waiting: dict[str, set[int]] = {}
    for entry in entries:
        key = entry.alarm, entry.occurrence
        if entry.notify is Notify.PAGE and not entry.chattering:
            known = found.get(key)
            found[key] = _again(known, entry) if known else _first(entry)
            waiting.setdefault(entry.alarm, set()).add(entry.occurrence)
        elif entry.event is Event.ACKNOWLEDGED:
            for occurrence in waiting.pop(entry.alarm, ()):
                _change(found, (entry.alarm, occurrence), answered=entry.at, by=entry.by, why=entry.why)
        if entry.event is Event.WITHDRAWN or entry.after in _AWAY:
            for occurrence in waiting.pop(entry.alarm, ()):
                _change(found, (entry.alarm, occurrence), aside=entry.at)
        if entry.event in {Event.RETURNED, Event.WITHDRAWN} and key in found:
            _change(found, key, ended=entry.at)
    return sorted((each for each in found.values() if begin <= each.first < end), key=lambda each: each.first)


def _first(entry: Transition) -> Told:
    return Told(
        alarm=entry.alarm,
        series=entry.series,
        limit=entry.limit,
        occurrence=entry.occurrence,
        priority=entry.priority,
        severity=entry.severity,
        first=entry.at,
        at=entry.at,
        value=entry.value,
        set_point=entry.set_point,
        unit=entry.unit,
        scale=entry.scale,
        source=entry.source,
        clause=entry.clause,
    )


def _again(known: Told, entry: Transition) -> Told:
    """A further page of the same occurrence: what is more urgent has to be answered for itself."""
    if known.aside is not None and known.answered is None:
        # While it was put aside nobody had to answer: the wait begins when people are told again.
        known = msgspec.structs.replace(known, at=entry.at, aside=None)
    if entry.priority.rank >= known.priority.rank:
        return msgspec.structs.replace(known, pages=known.pages + 1)
    return msgspec.structs.replace(_first(entry), first=known.first, pages=known.pages + 1)


def _change(found: dict[tuple[str, int], Told], key: tuple[str, int], **changes: object) -> None:
    known = found[key]
    if "answered" in changes and known.answered is not None:
        # It was acknowledged before, and asked for attention again since: the first answer counts.
        return
    found[key] = msgspec.structs.replace(known, **changes)


class PriorityLine(msgspec.Struct, frozen=True):
    """The alarms of a priority: how many, of how many kinds, how long (ms) until they were acknowledged.

    ``late``: acknowledged after the time to respond, or past it and not acknowledged. ``open``: nobody has yet.
    """

    priority: Priority
    count: int
    kinds: int
    median: float | None
    longest: int | None
    late: int
    open: int


def by_priority(alarms: Sequence[Told], respond_within: Mapping[str, int], now: int) -> list[PriorityLine]:
    """Return a line per priority, the most urgent first; ``respond_within`` is the time (ms) to respond by limit."""
    return [
        _line(priority, [each for each in alarms if each.priority is priority], respond_within, now)
        for priority in Priority
    ]


def _line(priority: Priority, theirs: Sequence[Told], respond_within: Mapping[str, int], now: int) -> PriorityLine:
    waits = [each.wait for each in theirs if each.wait is not None]
    return PriorityLine(
        priority=priority,
        count=len(theirs),
        kinds=len({each.alarm for each in theirs}),
        median=statistics.median(waits) if waits else None,
        longest=max(waits, default=None),
        late=sum(each.timely(respond_within.get(each.limit), now) is False for each in theirs),
        open=sum(each.answered is None and each.aside is None for each in theirs),
    )


def per_day(alarms: Iterable[Told], days: Sequence[int]) -> dict[Priority, list[int]]:
    """Return how many alarms were first announced on each of ``days`` (their beginnings, ms, in order)."""
    counts = {priority: [0] * len(days) for priority in Priority}
    places = {day: index for index, day in enumerate(days)}
    for each in alarms:
        begin = max((day for day in days if day <= each.first), default=None)
        if begin is not None:
            counts[each.priority][places[begin]] += 1
    return counts
