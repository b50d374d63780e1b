"""Safety: what people were told of, how soon they took it up, floods, and the alarms that came most often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from park import kpis
from park.alarms import Notify
from park.kpis import Count, Flood
from park.oncall import operators
from park.readings import split_series
from park.review import PriorityLine, Told, by_priority, per_day, told
from park.words import Priority
from reports.material import Material

_WORST = 10
#: A list of critical alarms that nobody reads to its end is cut, and says so.
_MOST = 40


class ZoneFlood(msgspec.Struct, frozen=True):
    """A flood of alarms in a zone."""

    zone: str
    flood: Flood


class Safety(msgspec.Struct, frozen=True):
    """The section. ``critical`` are the critical alarms by time, ``unlisted`` so many more.

    ``before`` is how many alarms the month before had, ``None`` if the journal tells nothing of the month before.
    """

    lines: tuple[PriorityLine, ...]
    total: int
    before: int | None
    critical: tuple[Told, ...]
    unlisted: int
    within: dict[str, int]
    floods: tuple[ZoneFlood, ...]
    worst: tuple[Count, ...]
    daily: dict[Priority, list[int]]
    open: tuple[Told, ...]


def safety(material: Material) -> Safety:
    """Return the figures of the section."""
    question = material.question
    within = {limit.id: limit.guidance.respond_within_s * 1000 for limit in material.catalogue.limits}
    alarms = told(material.journal, question.begin, question.until)
    earlier = told(material.journal, question.before, question.begin)
    critical = [each for each in alarms if each.priority is Priority.CRITICAL]
    knows_before = bool(material.journal) and material.journal[0].at < question.begin
    return Safety(
        lines=tuple(by_priority(alarms, within, question.now)),
        total=len(alarms),
        before=len(earlier) if knows_before else None,
        critical=tuple(critical[:_MOST]),
        unlisted=max(0, len(critical) - _MOST),
        within=within,
        floods=tuple(_floods(material)),
        worst=_worst(alarms),
        daily=per_day(alarms, question.days),
        open=tuple(each for each in alarms if each.answered is None and each.aside is None),
    )


def _worst(alarms: Sequence[Told]) -> tuple[Count, ...]:
    counts = Counter(each.alarm for each in alarms)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Count(*each) for each in ranked[:_WORST])


def _floods(material: Material) -> list[ZoneFlood]:
    question, oncall = material.question, material.catalogue.oncall
    found = []
    for zone in question.zones:
        pages = sorted(
            entry.at
            for entry in material.journal
            if entry.notify is Notify.PAGE and not entry.chattering and split_series(entry.series)[0] == zone
        )
        people = operators(oncall, zone, question.until)
        found += [
            ZoneFlood(zone, flood)
            for flood in kpis.floods(pages, people)
            if flood.begin < question.until and flood.end > question.begin
        ]
    return sorted(found, key=lambda each: each.flood.begin)
