"""Backtest: what would have alarmed, by the limits in force and by others, over a history in event time.

The engine is the one that runs (:mod:`park.evaluate`, :mod:`park.statistics`); a reading counts as received when it was
measured, delays and silence end when they would have, and nobody acknowledges anything. Limits apply to the whole
history as they stand on one day, whatever their dates: the question is what *these* limits would have said.
"""

from __future__ import annotations

import datetime as dt
import enum
import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from park import statistics, vector
from park.alarms import Alarm, Event, Notify, Transition
from park.ballots import Ballot
from park.catalogue import Catalogue
from park.evaluate import Record, Watch, evaluate, hold_derived, hold_results, pass_time
from park.kpis import Flood, floods, most_within_a_period
from park.limits import Kind, Limit, Side
from park.means import DAY, DAY_BEGINS, HOUR, MINUTE, Method, Sample
from park.methods import method_for
from park.readings import Reading, split_series
from park.statistics import Result, Statistic, Statistics
from park.vector import Blocks, Skips, Stretch
from park.words import Location, Names, Quality

#: A load is made of two series at once: a backtest goes through them one by one.
LEFT_OUT = frozenset({Kind.BUDGET})
#: How long (ms) a series that no sensor sends may say nothing: as long as it likes.
_ALWAYS = 10**15

_WITHOUT_SET_POINTS = frozenset({Kind.QUALITY, Kind.FLATLINE, Kind.VOTE})
_PARK = dt.timezone(dt.timedelta(milliseconds=DAY_BEGINS))
_UPWARDS = frozenset({Event.RAISED, Event.ESCALATED})
_DELAYED = "delay-ended"
#: How long it takes until the next result: until then a series that speaks is not silent.
_REACH = {Statistic.MINUTE: MINUTE, Statistic.ROLLING_15_MIN: MINUTE, Statistic.HOUR: HOUR, Statistic.ROLLING_8_H: HOUR}


class Occurrence(msgspec.Struct, frozen=True):
    """One activation: from ``begin`` to ``end`` (ms; ``None``: it stands at the end of the history).

    ``severity`` is the worst that it reached and ``peak`` the value that went furthest (canonical unit).
    """

    series: str
    limit: str
    severity: str
    begin: int
    end: int | None
    peak: float | None


class Day(msgspec.Struct):
    """A day, China's: occurrences that began, how long alarms stood (ms), and how much was beyond the limit."""

    occurrences: int = 0
    duration: int = 0
    above: int = 0

    def add(self, other: Day) -> None:
        """Add what another series had on that day."""
        self.occurrences += other.occurrences
        self.duration += other.duration
        self.above += other.above


class Outcome(msgspec.Struct):
    """What a limit would have done over a history.

    ``standing`` of the ``occurrences`` were not over at its end. ``duration`` is how long alarms stood in total and
    ``longest`` the longest (ms). There were ``values`` (readings, or means of anything that could be used); ``judged``
    of them could be used, or were valid (for quality: all of them), and ``above`` of those were beyond the mildest
    set-point (not good); ``None`` where it is not the value itself that is held against it. ``days`` are by their
    beginning (ms).
    """

    series: int = 0
    occurrences: int = 0
    standing: int = 0
    duration: int = 0
    longest: int = 0
    values: int = 0
    judged: int = 0
    above: int | None = None
    days: dict[int, Day] = {}

    def add(self, other: Outcome) -> None:
        """Add what the limit did on other series."""
        self.series += other.series
        self.occurrences += other.occurrences
        self.standing += other.standing
        self.duration += other.duration
        self.longest = max(self.longest, other.longest)
        self.values += other.values
        self.judged += other.judged
        if other.above is not None:
            self.above = other.above + (self.above or 0)
        for begin, day in other.days.items():
            self.days.setdefault(begin, Day()).add(day)

    def count(self, occurrence: Occurrence, until: int) -> None:
        """Count one more; it counts until ``until`` (ms) at most."""
        end = until if occurrence.end is None else occurrence.end
        self.occurrences += 1
        self.standing += occurrence.end is None
        self.duration += end - occurrence.begin
        self.longest = max(self.longest, end - occurrence.begin)
        self.days.setdefault(_day(occurrence.begin), Day()).occurrences += 1
        begin = occurrence.begin
        while begin < end:
            after = min(end, _day(begin) + DAY)
            self.days.setdefault(_day(begin), Day()).duration += after - begin
            begin = after


def _day(t: int) -> int:
    return t - (t + DAY_BEGINS) % DAY


# --- one limit on one series ---------------------------------------------------------------------------------


class Course:
    """One limit on one series, from the beginning of a history to its end.

    ``skip``: leave out readings that change nothing. The outcome is the same; without, every single one goes through
    the engine.
    """

    def __init__(self, series: str, limit: Limit, silent_after: int, *, skip: bool = True) -> None:
        self.limit = limit
        # How often the number of votes changes says nothing.
        self._weighs = vector.skippable(limit) and limit.kind is not Kind.VOTE
        self.outcome = Outcome(series=1, above=0 if self._weighs else None)
        #: Occurrences that are over, and when (ms) people would have been paged.
        self.occurrences: list[Occurrence] = []
        self.paged: list[int] = []
        reach = 0 if limit.of is None else _REACH.get(limit.of, DAY)
        self._watch = Watch(series, (limit,), silent_after + reach)
        self._record = Record()
        self._swept = 0
        self._open: Occurrence | None = None
        self._skip = skip and vector.skippable(limit)

    def take(self, stretch: Stretch) -> None:
        """Take readings, or results at the ends of their blocks, in order of time."""
        self._weigh(stretch)
        skips = Skips(self.limit, stretch, self._watch.silent_after)
        index, length = 0, len(stretch)
        while index < length:
            if self._skip and not any(self._alarm.timers):
                found = skips.next(self._alarm.level, index)
                if found > index:
                    self._pass_over(stretch, index, found)
                    index = found
                    continue
            self._step(stretch.reading(self._watch.series, index))
            index += 1

    def finish(self, until: int) -> None:
        """End the history at ``until`` (ms)."""
        self._pass_time(until)
        if self._open is not None:
            self._close(None, until)

    @property
    def _alarm(self) -> Alarm:
        return self._record.alarms.get(self.limit.id, _NORMAL)

    def _weigh(self, stretch: Stretch) -> None:
        quality, mean = self.limit.kind is Kind.QUALITY, self.limit.kind is Kind.MEAN
        self.outcome.values += int(np.count_nonzero(~np.isnan(stretch.value))) if mean else len(stretch)
        self.outcome.judged += len(stretch) if quality else int(np.count_nonzero(~np.isnan(stretch.measured)))
        if not self._weighs:
            return
        above = stretch.t[vector.beyond(self.limit, stretch)]
        # A result belongs to the day that it is of, which ends when that of an hour or a day does.
        days, counts = np.unique(vector.day_of(above - mean), return_counts=True)
        self.outcome.above = (self.outcome.above or 0) + len(above)
        for begin, count in zip(days.tolist(), counts.tolist(), strict=True):
            self.outcome.days.setdefault(begin, Day()).above += count

    def _pass_over(self, stretch: Stretch, begin: int, end: int) -> None:
        """Take readings that change nothing but what is remembered of the latest."""
        last = stretch.reading(self._watch.series, end - 1)
        self._record = _remembering(self._record, last)
        if self._open is not None:
            self._peak(vector.worst(self.limit, stretch.measured[begin:end]))

    def _step(self, reading: Reading) -> None:
        self._pass_time(reading.t)
        self._record, transitions = _hold(self._record, self._watch, self.limit, reading)
        self._tell(transitions)
        if self._open is not None and reading.quality.usable:
            self._peak(reading.value)

    def _pass_time(self, until: int) -> None:
        """Let happen what happens before ``until`` without a reading; at ``until`` itself a reading goes first."""
        while (due := self._due()) is not None and due < until:
            self._swept = due
            self._record, transitions = pass_time(self._record, self._watch, due)
            self._tell(transitions)

    def _due(self) -> int | None:
        """Return when time alone may change something next."""
        limit, alarm = self.limit, self._alarm
        delays = (limit.on_delay, limit.off_delay)
        due = [timer.at + delay for timer in alarm.timers if timer for delay in delays]
        # What could not happen when it was due (bad data never clears) is tried again after every reading.
        due = [each if each > self._swept else self._record.t + 1 for each in due]
        if limit.kind is Kind.QUALITY and not alarm.level and self._record.received:
            due.append(self._record.received + self._watch.silent_after + 1)
        return min((each for each in due if each > self._swept), default=None)

    def _tell(self, transitions: Iterable[Transition]) -> None:
        for each in transitions:
            # Its event time is that of the latest reading if only time has passed since.
            t = each.at if each.why == _DELAYED else each.t
            if each.event in _UPWARDS and each.notify is Notify.PAGE and not each.chattering:
                self.paged.append(t)
            if each.event is Event.RAISED:
                self._open = Occurrence(each.series, each.limit, each.severity, t, None, each.value)
            elif each.event is Event.ESCALATED and self._open is not None:
                self._open = msgspec.structs.replace(self._open, severity=each.severity)
            elif each.event is Event.RETURNED:
                self._close(t, t)

    def _peak(self, value: float | None) -> None:
        occurrence = self._open
        # What goes wrong with the data has no size, and a rule that follows the values holds something else.
        if value is None or occurrence is None or self.limit.kind not in vector.BY_VALUE:
            return
        further = max if self.limit.side is Side.HIGH else min
        peak = value if occurrence.peak is None else further(occurrence.peak, value)
        if peak != occurrence.peak:
            self._open = msgspec.structs.replace(occurrence, peak=peak)

    def _close(self, end: int | None, until: int) -> None:
        if self._open is None:
            return
        occurrence = msgspec.structs.replace(self._open, end=end)
        self._open = None
        self.occurrences.append(occurrence)
        self.outcome.count(occurrence, until)


_NORMAL = Alarm()


def _remembering(record: Record, last: Reading) -> Record:
    return msgspec.structs.replace(record, t=last.t, received=last.t, value=last.value, quality=last.quality)


def _hold(record: Record, watch: Watch, limit: Limit, reading: Reading) -> tuple[Record, list[Transition]]:
    """Hold a reading, or a result at the end of its block, against the limit."""
    if limit.kind is Kind.VOTE:
        return hold_derived(record, watch, reading, reading.t)
    if limit.kind is not Kind.MEAN:
        return evaluate(record, watch, (reading,), reading.t)
    if limit.of is None:
        raise ValueError(f"limit {limit.id} is of kind mean and does not say of what")
    if not reading.quality.usable:
        return record, []
    result = Result(limit.of, reading.t, reading.t, reading.value, valid=True, count=0, share=0.0)
    record, transitions = hold_results(record, watch, (result,), reading.t, 0)
    return _remembering(record, reading), transitions


# --- the statistics of one series ----------------------------------------------------------------------------


class Following:
    """As :class:`park.vector.Blocks`, reading by reading."""

    def __init__(self, method: Method, wanted: Collection[Statistic]) -> None:
        self._method = method
        self._wanted = wanted
        self._statistics = Statistics()
        self._last = 0

    def take(self, stretch: Stretch) -> dict[Statistic, Stretch]:
        """Take readings; return the results that they complete, as readings at the ends of their blocks."""
        found: list[Result] = []
        weights = itertools.repeat(1.0) if stretch.weight is None else stretch.weight.tolist()
        for t, value, weight in zip(stretch.t.tolist(), stretch.averaged.tolist(), weights, strict=False):
            sample = Sample(t, None) if math.isnan(value) else Sample(t, value, weight)
            self._statistics, results, _ = statistics.follow(self._statistics, sample, self._method)
            found += results
            self._last = t
        return self._arranged(found)

    def finish(self) -> dict[Statistic, Stretch]:
        """Return the results of what is left, as far as it goes."""
        # No block is longer than a day.
        end = self._last + DAY + self._method.allowance
        self._statistics, found = statistics.elapse(self._statistics, end, self._method)
        return self._arranged(found)

    def _arranged(self, results: Iterable[Result]) -> dict[Statistic, Stretch]:
        rows: dict[Statistic, list[Result]] = {}
        for result in results:
            if result.statistic in self._wanted:
                rows.setdefault(result.statistic, []).append(result)
        return {statistic: _as_stretch(each) for statistic, each in rows.items()}


def _as_stretch(results: Sequence[Result]) -> Stretch:
    values = (np.nan if result.value is None else result.value for result in results)
    good, bad = vector.CODES[Quality.GOOD], vector.CODES[Quality.FAILURE]
    return Stretch(
        np.fromiter((result.end for result in results), np.int64, len(results)),
        np.fromiter(values, np.float64, len(results)),
        np.fromiter((good if result.valid else bad for result in results), np.int8, len(results)),
    )


class Means:
    """The means of one series made in one way, and the limits on them."""

    def __init__(self, method: Method, courses: Sequence[Course], *, skip: bool = True) -> None:
        self._courses = courses
        points: dict[Statistic, set[float]] = {}
        for limit in (course.limit for course in courses):
            if limit.of is not None:
                points.setdefault(limit.of, set()).update(_decisive(limit))
        self._results: Blocks | Following = Blocks(method, points) if skip else Following(method, points)

    def take(self, stretch: Stretch) -> None:
        """Take readings in order of time."""
        self._hold(self._results.take(stretch))

    def finish(self) -> None:
        """Close what is open."""
        self._hold(self._results.finish())

    def _hold(self, results: Mapping[Statistic, Stretch]) -> None:
        for course in self._courses:
            found = results.get(course.limit.of) if course.limit.of else None
            if found is not None:
                course.take(found)


def _decisive(limit: Limit) -> Iterable[float]:
    for point in limit.set_points:
        yield from (point.at, point.at - limit.deadband, point.at + limit.deadband)


# --- two sets of limits over a park's history ----------------------------------------------------------------


class Which(enum.StrEnum):
    """Which of the two sets of limits."""

    IN_FORCE = "in_force"
    NEW = "new"


class Subject(msgspec.Struct, frozen=True):
    """A series with a history; ``interval`` (ms) is the time between its readings, where that is known."""

    series: str
    location: Location | None = None
    interval: int | None = None


class _Applied(msgspec.Struct, frozen=True):
    """A limit as it is applied to a series; equal ones need to run only once."""

    limit: Limit
    silent_after: int
    method: Method


class Verdict(msgspec.Struct):
    """A limit and what it would have done; ``at`` are its set-points in ``unit``, that of its source."""

    kind: Kind
    at: list[float]
    unit: str
    source: str
    outcome: Outcome


class Row(msgspec.Struct):
    """One limit: as it is in force, and as it is in the new set; ``None`` where it applies to nothing."""

    limit: str
    names: Names
    changed: bool
    in_force: Verdict | None
    new: Verdict | None


class Burden(msgspec.Struct):
    """What a zone's operators would have had to bear: pages, the most within 10 min, floods."""

    announced: int
    most: int
    floods: list[Flood]


class ZoneRow(msgspec.Struct):
    """A zone under both sets of limits."""

    zone: str
    in_force: Burden
    new: Burden


class Report(msgspec.Struct):
    """What came of a backtest over ``begin`` to ``end`` (ms). ``left_out`` are limits that it can't run."""

    begin: int
    end: int
    series: int
    readings: int
    rows: list[Row]
    zones: list[ZoneRow]
    left_out: list[str]
    occurrences: dict[Which, list[Occurrence]]


@dataclass
class _Found:
    """What has been found on one side so far."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    paged: dict[str, list[int]] = field(default_factory=dict)
    occurrences: list[Occurrence] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    ballots: list[Ballot] = field(default_factory=list)


class Park(msgspec.Struct, frozen=True):
    """A set of limits: those that ``catalogue`` has on the day of ``at`` (ms)."""

    catalogue: Catalogue
    at: int

    def ballots(self) -> list[Ballot]:
        """Return the limits on votes."""
        limits = self.catalogue.limits
        return [Ballot(limit) for limit in limits if limit.kind is Kind.VOTE and limit.valid_at(self.at)]

    def applied(self, subject: Subject) -> list[_Applied]:
        """Return what applies to a series; what a backtest can't run too."""
        quantity = split_series(subject.series)[3]
        known = self.catalogue.quantities.get(quantity)
        location = subject.location or (known.location if known else None)
        if location is None:
            return []
        settings = self.catalogue.settings
        interval = subject.interval or settings.interval
        silent_after, method = int(interval * settings.stale_after_intervals), method_for(location, interval)
        limits = self.catalogue.limits_for(subject.series, location, self.at)
        return [_Applied(limit, silent_after, method) for limit in limits]


class Backtest:
    """Runs one series after the other through both sets of limits and adds up what comes of it.

    ``keep``: remember every single occurrence. ``skip``: see :class:`Course`.
    """

    def __init__(self, in_force: Park, new: Park, *, keep: bool = False, skip: bool = True) -> None:
        self._parks = {Which.IN_FORCE: in_force, Which.NEW: new}
        self._found = {which: _Found(ballots=park.ballots()) for which, park in self._parks.items()}
        self._keep = keep
        self._skip = skip
        self._series = 0
        self._readings = 0

    def run(
        self,
        subject: Subject,
        stretches: Iterable[Stretch],
        until: int,
        flow: Callable[[], Iterable[Stretch]] | None = None,
    ) -> None:
        """Take the history of one series, which ends at ``until`` (ms).

        ``flow`` gives that of the flow by which its means are weighted if it is an outfall's.
        """
        applied = {which: self._applied(which, subject) for which in Which}
        every = dict.fromkeys(itertools.chain.from_iterable(applied.values()))
        courses = {each: Course(subject.series, each.limit, each.silent_after, skip=self._skip) for each in every}
        self._series += 1
        if flow is not None and any(each.limit.kind is Kind.MEAN and each.method.strict for each in every):
            stretches = _weighted(stretches, flow())
        self._go(courses, stretches, until)
        for which, each in applied.items():
            for one in each:
                self._add(which, subject.series, courses[one])
                self._vote(which, subject.series, courses[one], until)

    def _applied(self, which: Which, subject: Subject) -> list[_Applied]:
        every = self._parks[which].applied(subject)
        self._found[which].left_out.update(each.limit.id for each in every if each.limit.kind in LEFT_OUT)
        # The version is that of its wording.
        return [
            msgspec.structs.replace(each, limit=msgspec.structs.replace(each.limit, version=""))
            for each in every
            if each.limit.kind not in LEFT_OUT
        ]

    def _go(self, courses: Mapping[_Applied, Course], stretches: Iterable[Stretch], until: int) -> None:
        by_method: dict[Method, list[Course]] = {}
        direct: list[Course] = []
        for each, course in courses.items():
            (by_method.setdefault(each.method, []) if each.limit.kind is Kind.MEAN else direct).append(course)
        means = [Means(method, each, skip=self._skip) for method, each in by_method.items()]
        for stretch in stretches:
            self._readings += len(stretch)
            for course in direct:
                course.take(stretch)
            for each_means in means:
                each_means.take(stretch)
        for each_means in means:
            each_means.finish()
        for course in courses.values():
            course.finish(until)

    def _add(self, which: Which, series: str, course: Course) -> None:
        found, zone = self._found[which], split_series(series)[0]
        found.outcomes.setdefault(course.limit.id, Outcome()).add(course.outcome)
        found.paged.setdefault(zone, []).extend(course.paged)
        if self._keep:
            found.occurrences += course.occurrences

    def _vote(self, which: Which, series: str, course: Course, until: int) -> None:
        spans = [(each.begin, until if each.end is None else each.end) for each in course.occurrences]
        for ballot in self._found[which].ballots:
            ballot.cast(series, course.limit.id, spans)

    def _count_votes(self, until: int) -> None:
        """Hold the votes against their limits, once all detectors have been heard."""
        for which, found in self._found.items():
            ballots, found.ballots = found.ballots, []
            for ballot in ballots:
                for series, votes in ballot.counted():
                    course = Course(series, ballot.limit, _ALWAYS, skip=self._skip)
                    # What still votes at the end goes on.
                    course.take(votes.part(0, int(votes.t.searchsorted(until))))
                    course.finish(until)
                    self._add(which, series, course)

    def report(self, begin: int, end: int, operators: Callable[[str], int]) -> Report:
        """End the backtest and return what came of it.

        ``operators(zone)`` is how many people share the zone's alarms.
        """
        self._count_votes(end)
        zones = sorted(set().union(*(found.paged for found in self._found.values())))
        return Report(
            begin=begin,
            end=end,
            series=self._series,
            readings=self._readings,
            rows=self._rows(),
            zones=[
                ZoneRow(zone, *(_burden(self._found[which].paged.get(zone, []), operators(zone)) for which in Which))
                for zone in zones
            ],
            left_out=sorted(set().union(*(found.left_out for found in self._found.values()))),
            occurrences={which: sorted(found.occurrences, key=_order) for which, found in self._found.items()},
        )

    def _rows(self) -> list[Row]:
        old, new = ({limit.id: limit for limit in park.catalogue.limits} for park in self._parks.values())
        before, after = (self._found[which].outcomes for which in Which)
        return [
            Row(
                limit=name,
                names=(new.get(name) or old[name]).names,
                changed=_plain(old.get(name)) != _plain(new.get(name)) or (name in before) != (name in after),
                in_force=_verdict(old[name], before[name]) if name in before else None,
                new=_verdict(new[name], after[name]) if name in after else None,
            )
            for name in dict.fromkeys((*old, *new))
            if name in before or name in after
        ]


def _verdict(limit: Limit, outcome: Outcome) -> Verdict:
    by_value = limit.kind not in _WITHOUT_SET_POINTS
    at = [limit.shown(point.at) for point in limit.set_points] if by_value else []
    return Verdict(limit.kind, at, limit.unit, limit.source, outcome)


def _weighted(stretches: Iterable[Stretch], flows: Iterable[Stretch]) -> Iterator[Stretch]:
    """Yield the readings with the flow that was known at each of them."""
    coming, known = map(vector.good, flows), vector.NOTHING
    for stretch in stretches:
        while len(stretch) and (not len(known) or known.t[-1] <= stretch.t[-1]):
            more = next(coming, None)
            if more is None:
                break
            known = vector.joined(known, more)
        yield vector.weighted(stretch, known)
        if len(stretch):
            known = known.part(max(0, int(known.t.searchsorted(stretch.t[-1], "right")) - 1), len(known))


def _plain(limit: Limit | None) -> Limit | None:
    return limit and msgspec.structs.replace(limit, version="")


def _order(occurrence: Occurrence) -> tuple[int, str, str]:
    return occurrence.begin, occurrence.series, occurrence.limit


def _burden(times: Sequence[int], operators: int) -> Burden:
    ordered = sorted(times)
    return Burden(len(ordered), most_within_a_period(ordered), floods(ordered, operators))


def day_text(begin: int) -> str:
    """Return the date of the day that begins at ``begin`` (ms)."""
    return dt.datetime.fromtimestamp(begin / 1000, _PARK).date().isoformat()
