"""KPIs of the alarm system itself (ISA-18.2, IEC 62682, EEMUA 191), from the journal.

A :class:`Ledger` takes the journal's transitions one after the other and keeps what the figures need: announcements,
floods, chattering, how long alarms stood or were kept from people. :meth:`Ledger.figures` computes the figures of a
zone, or of the whole park, for spans of time. docs/kpis.md says what each of them means. Times and durations are in ms.
"""

from __future__ import annotations

import itertools
import math
import statistics
from bisect import bisect_left, insort
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from park.alarms import CHATTER_COUNT, CHATTER_WITHIN, Event, Notify, State, Transition
from park.readings import split_series
from park.words import Names, Priority

MINUTE = 60_000
#: What an operator can take in is counted in periods of ten minutes.
PERIOD = 600_000
HOUR = 3_600_000
DAY = 86_400_000
#: A flood begins with more alarms than this per operator within a period, and ends with fewer than that.
FLOOD_BEGINS = 10
FLOOD_ENDS = 5
#: An alarm that stands for longer is stale.
STALE_AFTER = DAY
TOP = 10
#: The zone that stands for all of them; no zone can be called that.
PARK = "_park"
#: A day's window; the others are rolling and end at the minute.
DAILY = "day"
ROLLING = {"10m": PERIOD, "1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
#: How far back a ledger has to know the journal: the longest window, and the day it begins in.
HORIZON = 31 * DAY
#: Days are China's, which has one time and no summer time.
_UTC_8 = 8 * HOUR

_STANDS = "stands"
_SHELVED, _SUPPRESSED, _OUT_OF_SERVICE = "shelved", "suppressed", "out_of_service"
_KINDS = {
    State.UNACK: _STANDS,
    State.ACKED: _STANDS,
    State.SHLVD: _SHELVED,
    State.DSUPR: _SUPPRESSED,
    State.OOSRV: _OUT_OF_SERVICE,
}
_KEPT_FROM_PEOPLE = frozenset({_SHELVED, _SUPPRESSED, _OUT_OF_SERVICE})


class Span(msgspec.Struct, frozen=True):
    """A half-open stretch of time (ms) and the name of its window."""

    window: str
    since: int
    until: int


def rolling_spans(now: int) -> list[Span]:
    """Return the rolling windows that end at the minute of ``now``."""
    until = now // MINUTE * MINUTE
    return [Span(window, until - length, until) for window, length in ROLLING.items()]


def day_of(at: int) -> int:
    """Return when (ms) the day (UTC+8) began in which ``at`` lies."""
    return (at + _UTC_8) // DAY * DAY - _UTC_8


def day_span(at: int, now: int) -> Span:
    """Return the day (UTC+8) in which ``at`` lies, up to the minute of ``now`` if that is today."""
    begin = day_of(at)
    return Span(DAILY, begin, min(begin + DAY, now // MINUTE * MINUTE))


class Count(msgspec.Struct, frozen=True):
    """An alarm and how often it did what the list is about."""

    alarm: str
    count: int


class Standing(msgspec.Struct, frozen=True):
    """An alarm and how long (ms) it has stood."""

    alarm: str
    duration: int


class Figures(msgspec.Struct, frozen=True):
    """The figures of one zone (or :data:`PARK`) in one span; durations in ms, shares from 0 to 1.

    ``None``: there was nothing to take the figure of. :data:`KPIS` tells what each of them means and its target.
    """

    zone: str
    window: str
    since: int
    until: int
    operators: int
    announced: int
    average: float
    maximum: float
    flooded_periods: float
    floods: int
    flood_share: float
    flood_longest: int
    flood_peak: int
    chattering: int
    collapsed: int
    stale: int
    top_share: float | None
    critical_share: float | None
    high_share: float | None
    medium_share: float | None
    low_share: float | None
    acknowledged: int
    acknowledge_median: float | None
    acknowledge_p90: float | None
    acknowledged_in_time: float | None
    unacknowledged: int
    overdue: int
    shelved: int
    shelved_longest: int
    suppressed: int
    suppressed_longest: int
    out_of_service: int
    out_of_service_longest: int
    top: tuple[Count, ...] = ()
    chatterers: tuple[Count, ...] = ()
    stale_alarms: tuple[Standing, ...] = ()


# --- what is kept of the journal -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Page:
    """An announcement; ``answered`` when it was acknowledged, ``moot`` when nobody had to any more."""

    at: int
    alarm: str
    limit: str
    priority: Priority
    answered: int | None = None
    moot: int | None = None


@dataclass(slots=True)
class _Episode:
    """An alarm stood, or was kept from people in one way."""

    alarm: str
    kind: str
    begin: int
    end: int | None = None

    def overlaps(self, span: Span) -> bool:
        return self.begin < span.until and (self.end is None or self.end > span.since)

    def duration(self, until: int) -> int:
        return (until if self.end is None else min(self.end, until)) - self.begin


_at = attrgetter("at")


@dataclass(slots=True)
class _Zone:
    pages: list[_Page] = field(default_factory=list)
    waiting: defaultdict[str, list[_Page]] = field(default_factory=lambda: defaultdict(list))
    current: dict[str, _Episode | None] = field(default_factory=dict)
    episodes: list[_Episode] = field(default_factory=list)
    raised: dict[str, deque[int]] = field(default_factory=dict)
    #: Activations that were the third or a later one within a minute, and those that were not announced: (at, alarm).
    bursts: list[tuple[int, str]] = field(default_factory=list)
    collapsed: list[tuple[int, str]] = field(default_factory=list)

    def add(self, entry: Transition, begin: int) -> None:
        self._move(entry, begin)
        if entry.event is Event.RAISED:
            self._raise(entry)
        if entry.notify is Notify.PAGE and not entry.chattering:
            self._announce(entry)
        elif entry.event is Event.ACKNOWLEDGED:
            for page in self.waiting.pop(entry.alarm, ()):
                page.answered = entry.at
        elif entry.event is Event.WITHDRAWN or _KINDS.get(entry.after) in _KEPT_FROM_PEOPLE:
            for page in self.waiting.pop(entry.alarm, ()):
                page.moot = entry.at

    def _announce(self, entry: Transition) -> None:
        page = _Page(entry.at, entry.alarm, entry.limit, entry.priority)
        # Shards and people write side by side, so times may be a little out of order.
        insort(self.pages, page, key=_at)
        self.waiting[entry.alarm].append(page)

    def _raise(self, entry: Transition) -> None:
        recent = self.raised.setdefault(entry.alarm, deque(maxlen=CHATTER_COUNT))
        recent.append(entry.t)
        if len(recent) == CHATTER_COUNT and 0 <= recent[-1] - recent[0] <= CHATTER_WITHIN:
            insort(self.bursts, (entry.at, entry.alarm))
        if entry.chattering:
            insort(self.collapsed, (entry.at, entry.alarm))

    def _move(self, entry: Transition, begin: int) -> None:
        if entry.alarm not in self.current:
            # What it was when the journal begins, it was since then at least.
            self.place(entry.alarm, entry.before, begin)
        self.place(entry.alarm, entry.after, entry.at)

    def place(self, alarm: str, state: State, at: int) -> None:
        """Note that ``alarm`` is in ``state`` since ``at``."""
        kind, episode = _KINDS.get(state), self.current.get(alarm)
        if episode is not None and episode.kind == kind:
            return
        if episode is not None:
            episode.end = at
        self.current[alarm] = None if kind is None else _Episode(alarm, kind, at)
        if fresh := self.current[alarm]:
            self.episodes.append(fresh)

    def forget(self, before: int) -> None:
        # Somebody may still have to answer for an old one.
        self.pages = [page for page in self.pages if page.at >= before or _open(page, before)]
        del self.bursts[: bisect_left(self.bursts, (before, ""))]
        del self.collapsed[: bisect_left(self.collapsed, (before, ""))]
        self.episodes = [episode for episode in self.episodes if _matters(episode, before)]


def _matters(episode: _Episode, before: int) -> bool:
    if episode.end is None:
        return True
    # Thousands of alarms stand for a moment; only those that stood long can count.
    short = episode.kind == _STANDS and episode.end - episode.begin <= STALE_AFTER
    return episode.end > before and not short


class Ledger:
    """What the figures need of the journal from ``begin`` (ms) on; it grows with the journal and forgets on request.

    The figures depend on the transitions and their order, not on how many come at a time.
    """

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self._zones: defaultdict[str, _Zone] = defaultdict(_Zone)

    def stood(self, series: str, alarm: str, state: State, since: int) -> None:
        """Note that an alarm has been in ``state`` since ``since``, for one that the journal does not tell of."""
        zone, _, _, _ = split_series(series)
        self._zones[zone].place(alarm, state, since)

    def add(self, entries: Iterable[Transition]) -> None:
        """Take the journal's next entries, oldest first."""
        for entry in entries:
            zone, _, _, _ = split_series(entry.series)
            self._zones[zone].add(entry, self.begin)

    def forget(self, before: int) -> None:
        """Forget what only spans that begin before ``before`` could need."""
        self.begin = max(self.begin, before)
        for zone in self._zones.values():
            zone.forget(before)

    def figures(
        self, zone: str, spans: Iterable[Span], operators: int, respond_within: Mapping[str, int]
    ) -> list[Figures]:
        """Return the figures of ``zone``, or of :data:`PARK`, for each span.

        ``operators``: how many people share the alarms. ``respond_within`` is the time (ms) to respond by limit id.
        """
        zones = list(self._zones.values()) if zone == PARK else [self._zones[zone]]
        scope = _Scope(zone, zones, max(1, operators), respond_within)
        return [scope.figures(span) for span in spans]


# --- floods --------------------------------------------------------------------------------------------------


class Flood(msgspec.Struct, frozen=True):
    """More announcements than people can take in; ``peak`` is the most within ten minutes."""

    begin: int
    end: int
    peak: int


def _counts(times: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield how many of ``times`` lie in the ten minutes up to a moment (half open), whenever that changes."""
    arrived = left = 0
    while left < len(times):
        leaves = times[left] + PERIOD
        now = min(times[arrived], leaves) if arrived < len(times) else leaves
        while arrived < len(times) and times[arrived] <= now:
            arrived += 1
        while left < arrived and times[left] + PERIOD <= now:
            left += 1
        yield now, arrived - left


def floods(times: Sequence[int], operators: int = 1) -> list[Flood]:
    """Return the floods among announcements at ``times`` (ms, ascending).

    A flood begins when more than ten per operator were announced in ten minutes, and ends when fewer than five were;
    the end of one that goes on is when it would end if nothing more came.
    """
    found: list[Flood] = []
    begin: int | None = None
    peak = 0
    for now, count in _counts(times):
        if begin is None and count > FLOOD_BEGINS * operators:
            begin, peak = now, count
        elif begin is not None and count < FLOOD_ENDS * operators:
            found.append(Flood(begin, now, peak))
            begin = None
        peak = max(peak, count)
    return found


def most_within_a_period(times: Sequence[int]) -> int:
    """Return the most of ``times`` (ascending) that lie in any ten minutes (half open)."""
    return max((count for _, count in _counts(times)), default=0)


# --- the figures of a zone or the park -----------------------------------------------------------------------


class _Scope:
    """Zones taken together."""

    def __init__(self, name: str, zones: Sequence[_Zone], operators: int, respond_within: Mapping[str, int]) -> None:
        self._name = name
        self._operators = operators
        self._respond_within = respond_within
        self._pages = sorted(itertools.chain.from_iterable(zone.pages for zone in zones), key=_at)
        self._times = [page.at for page in self._pages]
        self._floods = floods(self._times, operators)
        self._episodes = list(itertools.chain.from_iterable(zone.episodes for zone in zones))
        self._bursts = sorted(itertools.chain.from_iterable(zone.bursts for zone in zones))
        self._collapsed = sorted(itertools.chain.from_iterable(zone.collapsed for zone in zones))
        self._waiting_at: dict[int, tuple[int, int]] = {}

    def figures(self, span: Span) -> Figures:
        first, last = bisect_left(self._times, span.since), bisect_left(self._times, span.until)
        pages, times = self._pages[first:last], self._times[first:last]
        chatterers = Counter(alarm for _, alarm in _within(self._bursts, span))
        stale = self._stale(span)
        known: dict[str, Any] = {
            **self._rate(times, span),
            **self._flood(span),
            "announced": len(pages),
            "chattering": len(chatterers),
            "chatterers": _ranked(chatterers),
            "collapsed": len(_within(self._collapsed, span)),
            "stale": len(stale),
            "stale_alarms": tuple(stale),
            **_distribution(pages),
            **self._answers(pages, span.until),
            **self._kept_from_people(span),
        }
        return Figures(self._name, span.window, span.since, span.until, self._operators, **known)

    def _rate(self, times: Sequence[int], span: Span) -> dict[str, float]:
        length = max(span.until - span.since, PERIOD)
        periods = Counter((at - span.since) // PERIOD for at in times)
        flooded = sum(count > FLOOD_BEGINS * self._operators for count in periods.values())
        return {
            "average": len(times) * PERIOD / length / self._operators,
            "maximum": most_within_a_period(times) / self._operators,
            "flooded_periods": flooded / math.ceil(length / PERIOD),
        }

    def _flood(self, span: Span) -> dict[str, float]:
        theirs = [flood for flood in self._floods if flood.begin < span.until and flood.end > span.since]
        lengths = [min(flood.end, span.until) - max(flood.begin, span.since) for flood in theirs]
        return {
            "floods": len(theirs),
            "flood_share": sum(lengths) / max(span.until - span.since, 1),
            "flood_longest": max(lengths, default=0),
            "flood_peak": max((flood.peak for flood in theirs), default=0),
        }

    def _stale(self, span: Span) -> list[Standing]:
        """Alarms that stand at the end of ``span`` and have for longer than a day, the longest first."""
        standing = [
            Standing(episode.alarm, span.until - episode.begin)
            for episode in self._episodes
            if episode.kind == _STANDS
            and span.until - episode.begin > STALE_AFTER
            and (episode.end is None or episode.end >= span.until)
        ]
        return sorted(standing, key=lambda each: (-each.duration, each.alarm))

    def _answers(self, pages: Sequence[_Page], until: int) -> dict[str, float | None]:
        waits = sorted(page.answered - page.at for page in pages if page.answered is not None and page.answered < until)
        judged = [timely for page in pages if (timely := self._timely(page, until)) is not None]
        unacknowledged, overdue = self._waiting(until)
        return {
            "acknowledged": len(waits),
            "acknowledge_median": statistics.median(waits) if waits else None,
            "acknowledge_p90": waits[math.ceil(0.9 * len(waits)) - 1] if waits else None,
            "acknowledged_in_time": sum(judged) / len(judged) if judged else None,
            "unacknowledged": unacknowledged,
            "overdue": overdue,
        }

    def _timely(self, page: _Page, until: int) -> bool | None:
        """Whether it was acknowledged within its time to respond; ``None`` if that can't be said (yet)."""
        within = self._respond_within.get(page.limit)
        if within is None:
            return None
        if page.answered is not None and page.answered < until:
            return page.answered - page.at <= within
        end = until if page.moot is None else min(page.moot, until)
        return False if end - page.at > within else None

    def _waiting(self, until: int) -> tuple[int, int]:
        """How many alarms wait for somebody at ``until``, and how many of them for longer than they may."""
        if until not in self._waiting_at:
            open_ = [page for page in self._pages if page.at < until and _open(page, until)]
            overdue = {page.alarm for page in open_ if self._timely(page, until) is False}
            self._waiting_at[until] = len({page.alarm for page in open_}), len(overdue)
        return self._waiting_at[until]

    def _kept_from_people(self, span: Span) -> dict[str, int]:
        known: dict[str, int] = {}
        for kind in (_SHELVED, _SUPPRESSED, _OUT_OF_SERVICE):
            theirs = [each for each in self._episodes if each.kind == kind and each.overlaps(span)]
            known[kind] = len({episode.alarm for episode in theirs})
            known[f"{kind}_longest"] = max((episode.duration(span.until) for episode in theirs), default=0)
        return known


def _open(page: _Page, until: int) -> bool:
    answered = page.answered is not None and page.answered < until
    moot = page.moot is not None and page.moot < until
    return not answered and not moot


def _within(events: Sequence[tuple[int, str]], span: Span) -> Sequence[tuple[int, str]]:
    return events[bisect_left(events, (span.since, "")) : bisect_left(events, (span.until, ""))]


def _distribution(pages: Sequence[_Page]) -> dict[str, Any]:
    top = _ranked(Counter(page.alarm for page in pages))[:TOP]
    priorities = Counter(page.priority for page in pages)
    shares = {f"{priority}_share": priorities[priority] / len(pages) if pages else None for priority in Priority}
    return {"top": top, "top_share": sum(each.count for each in top) / len(pages) if pages else None, **shares}


def _ranked(counts: Counter[str]) -> tuple[Count, ...]:
    """Return the counts, the highest first; equal ones by name, so that the order says nothing by chance."""
    return tuple(Count(*each) for each in sorted(sorted(counts.items()), key=itemgetter(1), reverse=True))


# --- what each figure means ----------------------------------------------------------------------------------


class Kpi(msgspec.Struct, frozen=True):
    """One figure of :class:`Figures` (``name``), its words, its unit and its target.

    ``unit``: ``count``, ``rate`` (alarms per operator and ten minutes), ``share`` (0 to 1) or ``duration`` (ms).
    ``most``/``least``: the target; neither: the figure is for information. ``source`` says whose target it is.
    """

    name: str
    names: Names
    unit: str
    most: float | None = None
    least: float | None = None
    source: str = ""

    def value(self, figures: Figures) -> float | None:
        """Return the figure's value."""
        value: float | None = getattr(figures, self.name)
        return value

    def met(self, figures: Figures) -> bool | None:
        """Whether the target is met; ``None`` if there is no target, or nothing to hold against it."""
        value = self.value(figures)
        if value is None or (self.most is None and self.least is None):
            return None
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


_ISA = "ISA-18.2 / IEC 62682"
_BOTH = "ISA-18.2 / EEMUA 191"
_OURS = "parkwatch"

KPIS = (
    Kpi("announced", Names("报警通知数", "alarms announced"), "count"),
    Kpi("average", Names("每名操作员每10分钟平均报警数", "per operator and 10 min, average"), "rate", 1, source=_BOTH),
    Kpi(
        "maximum", Names("每名操作员任意10分钟最多报警数", "per operator in any 10 min, most"), "rate", 10, source=_BOTH
    ),
    Kpi(
        "flooded_periods",
        Names("报警超过10条的10分钟时段占比", "10-min periods with more than 10"),
        "share",
        0.01,
        source=_ISA,
    ),
    Kpi("floods", Names("报警泛滥次数", "floods"), "count"),
    Kpi("flood_share", Names("处于报警泛滥的时间占比", "time in flood"), "share", 0.01, source=_ISA),
    Kpi("flood_longest", Names("最长一次报警泛滥", "longest flood"), "duration"),
    Kpi("flood_peak", Names("报警泛滥峰值（10分钟）", "most in 10 min of a flood"), "count"),
    Kpi(
        "chattering",
        Names("抖振报警（60秒内3次及以上）", "chattering alarms (3 or more in 60 s)"),
        "count",
        0,
        source=_ISA,
    ),
    Kpi("collapsed", Names("因抖振合并、未逐条通知的次数", "activations not announced, for chattering"), "count"),
    Kpi("stale", Names("陈旧报警（持续超过24小时）", "stale alarms (more than 24 h)"), "count", 4, source=_ISA),
    Kpi("top_share", Names("最频繁10个报警所占比例", "share of the ten most frequent"), "share", 0.05, source=_ISA),
    Kpi("critical_share", Names("紧急报警占比", "critical priority"), "share", 0.01, source=_ISA),
    Kpi("high_share", Names("高优先级报警占比", "high priority"), "share", 0.05, source=_ISA),
    Kpi("medium_share", Names("中优先级报警占比", "medium priority"), "share", 0.15, source=_ISA),
    Kpi("low_share", Names("低优先级报警占比", "low priority"), "share", least=0.80, source=_ISA),
    Kpi("acknowledged", Names("已确认通知数", "announcements acknowledged"), "count"),
    Kpi("acknowledge_median", Names("确认用时（中位数）", "time to acknowledge, median"), "duration"),
    Kpi("acknowledge_p90", Names("确认用时（90%分位）", "time to acknowledge, 90th percentile"), "duration"),
    Kpi(
        "acknowledged_in_time",
        Names("在规定响应时间内确认的比例", "acknowledged within the time to respond"),
        "share",
        least=0.95,
        source=_OURS,
    ),
    Kpi("unacknowledged", Names("当前未确认报警", "waiting for acknowledgement"), "count"),
    Kpi("overdue", Names("超过响应时间仍未确认", "of them past the time to respond"), "count", 0, source=_OURS),
    Kpi("shelved", Names("搁置过的报警", "alarms shelved"), "count"),
    Kpi("shelved_longest", Names("最长搁置时间", "longest shelving"), "duration", 8 * HOUR, source=_OURS),
    Kpi("suppressed", Names("设计抑制过的报警", "alarms suppressed by design"), "count"),
    Kpi("suppressed_longest", Names("最长抑制时间", "longest suppression"), "duration"),
    Kpi("out_of_service", Names("停用过的报警", "alarms out of service"), "count"),
    Kpi("out_of_service_longest", Names("最长停用时间", "longest out of service"), "duration"),
)


class Latest(msgspec.Struct, frozen=True):
    """The newest rolling figures, by zone (and :data:`PARK`) and window, as of ``at``.

    ``since``: the journal is known from there on (ms); longer windows hold only that much.
    """

    at: int
    since: int
    zones: dict[str, dict[str, Figures]]


def value_text(kpi: Kpi, value: float | None) -> str:
    """Return a figure as people read it: ``1.2``, ``5 %``, ``2 h 5 min``."""
    return "-" if value is None else _FORMS[kpi.unit](value)


def target_text(kpi: Kpi) -> str:
    """Return the target as people read it: ``≤ 1``; empty if there is none."""
    if kpi.most is not None:
        return f"≤ {value_text(kpi, kpi.most)}"
    return "" if kpi.least is None else f"≥ {value_text(kpi, kpi.least)}"


def _duration(value: float) -> str:
    seconds = round(value / 1000)
    parts = [(seconds // 3600, "h"), (seconds % 3600 // 60, "min"), (seconds % 60, "s")]
    told = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(told[:2]) or "0 s"


_FORMS: dict[str, Callable[[float], str]] = {
    "count": lambda value: f"{value:g}",
    "rate": lambda value: f"{value:.3g}",
    "share": lambda value: f"{value * 100:.3g} %",
    "duration": _duration,
}
