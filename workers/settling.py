"""Hours and days of flows are settled from what is stored of their meters, and again when readings come late.

An hour is settled once its meter has said something after it, two minutes after its end at the earliest and as much
later as the meter may pause at the latest; until then, and as long as a day runs, it is kept as provisional. How far
each flow has come stands in Redis. If nothing does, its settling begins with the oldest reading: what is settled
twice is the same twice, and is not even written.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec
import numpy as np
import redis

from park.flows import Flow
from park.means import DAY, HOUR, MINUTE, Flag, Span
from park.metering import Portion, Readings, added, course, portions
from storage import flows as kept
from storage import names
from storage.flows import Entry, FlowStore, Late, LateHours, Settled, encode_entry

log = logging.getLogger("parkwatch.office")

#: ms an hour waits after its end for what is on its way, and for a meter that pauses at most as much longer.
ALLOWANCE = 2 * MINUTE
WAIT_AT_MOST = 30 * MINUTE
#: ms of readings before and after an hour that are read with it: nearly always they hold the ones next to it.
BEFORE, AFTER = 20 * MINUTE, 5 * MINUTE
#: ms of a flow's past that are settled at once, and hours behind up to which flows are settled together.
CHUNK = 7 * DAY
TOGETHER = 3 * HOUR
#: ms between looks at what still runs, and for meters that have never said anything.
RUNNING_EVERY = MINUTE
ABSENT_EVERY = 10 * MINUTE
_OLDEST = names.RETENTION_RAW_DAYS * DAY
#: What differs by less is the same: sums of floats.
_SAME = 1e-9


class Slice:
    """How long a piece of work may go on."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + seconds

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._clock() >= self._until


class Settling:
    """Settles flows. ``touched(days, corrected)`` hears of days (ms) whose amounts are about to change.

    Counts ``flows.settled``, ``flows.corrected`` (hours that differ from what they were) and ``flows.rejected``.
    Everything raises ``redis.RedisError`` or :class:`storage.influx.InfluxUnavailable`; then it is done later.
    """

    def __init__(self, client: redis.Redis, store: FlowStore, touched: Callable[[Collection[int], Flag], None]) -> None:
        self._client = client
        self._store = store
        self._late = LateHours(client)
        self._touched = touched
        self._absent: dict[str, int] = {}
        self._ran_at = 0
        self._unasked = 0
        self.behind: int | None = None
        """Until when (ms) all flows with readings have been settled; ``None``: as far as can be; 0: not known yet."""

    def work(self, flows: Mapping[str, Flow], now: int, until: Slice) -> None:
        """Do what can be done at ``now`` (ms) while the slice lasts: what is late, what is due, what still runs."""
        settled = self._settled(flows, now, until)
        self._correct(flows, settled, now, until)
        self._settle(flows, settled, now, until)
        self._run(flows, settled, now)

    # How far

    def _settled(self, flows: Mapping[str, Flow], now: int, until: Slice) -> dict[str, Settled]:
        """Return how far flows have been settled; those that have no readings are not among them.

        Where that is not known it is asked for, while the slice lasts: ``_unasked`` are left.
        """
        known = kept.settled(self._client)
        terms = {flow.id: metering(flow) for flow in flows.values()}
        found = {name: one for name, one in known.items() if one.metering == terms.get(name)}
        unknown = sorted(terms.keys() - found.keys())
        new = {}
        self._unasked = len(unknown)
        for name in unknown:
            begin = self._oldest(flows[name], now)
            if begin is not None:
                new[name] = Settled(begin, terms[name])
            self._unasked -= 1
            if until.over:
                break
        kept.settle(self._client, new)
        return found | new

    def _oldest(self, flow: Flow, now: int) -> int | None:
        """Return the beginning of the hour of the oldest reading."""
        if 0 <= now - self._absent.get(flow.id, -ABSENT_EVERY) < ABSENT_EVERY:
            return None
        first = self._store.after(flow.meter, now - _OLDEST, now)
        if not len(first.t):
            self._absent[flow.id] = now
            return None
        return Span.HOUR.begin(int(first.t[0]))

    # What is due

    def _settle(self, flows: Mapping[str, Flow], settled: dict[str, Settled], now: int, until: Slice) -> None:
        due = Span.HOUR.begin(now - ALLOWANCE)
        together = defaultdict(list)
        for name, one in settled.items():
            if due - TOGETHER <= one.until < due:
                together[one.until].append(flows[name])
        for begin, group in sorted(together.items()):
            self._advance(group, settled, begin, due, now)
        while behind := _most_behind(flows, settled, now):
            begin = settled[behind.id].until
            # To the end of a day, so that days are made at once.
            end = min(_due(behind, now), Span.DAY.begin(begin + CHUNK))
            self._advance([behind], settled, begin, end, now)
            if until.over:
                break
        last = _most_behind(flows, settled, now)
        self.behind = 0 if self._unasked else settled[last.id].until if last else None

    def _advance(self, group: list[Flow], settled: dict[str, Settled], begin: int, end: int, now: int) -> None:
        found = self._readings(group, begin, end, now)
        ready = [flow for flow in group if end <= _due(flow, now) or _says_more(found[flow.id], end)]
        if not ready:
            return
        self._make(ready, begin, end, now, found)
        # All of them, even if they are what they were: Redis may have lost which of them were looked at.
        self._touched(range(Span.DAY.begin(begin), end, DAY), Flag.FINAL)
        done = {flow.id: Settled(end, settled[flow.id].metering) for flow in ready}
        kept.settle(self._client, done)
        settled.update(done)
        self._count("flows.settled", len(ready) * (end - begin) // HOUR)

    # What came late

    def _correct(self, flows: Mapping[str, Flow], settled: Mapping[str, Settled], now: int, until: Slice) -> None:
        by_meter = defaultdict(list)
        for flow in flows.values():
            if flow.id in settled:
                by_meter[flow.meter].append(flow)
        for late in self._late.due(now):
            if until.over:
                return
            concerned = [flow for meter, each in by_meter.items() if _is_of(late, meter) for flow in each]
            for flow in concerned:
                self._make_again(flow, late.hour, settled[flow.id].until, now)
            self._late.done(late, now)

    def _make_again(self, flow: Flow, hour: int, settled: int, now: int) -> None:
        """Make an hour again, and those that a reading in it has something to say about, as far as they are settled."""
        before = self._store.before(flow.meter, hour, now - _OLDEST)
        after = self._store.after(flow.meter, hour + HOUR, now)
        begin = Span.HOUR.begin(int(before.t[0])) if len(before.t) else hour
        end = Span.HOUR.begin(int(after.t[0])) + HOUR if len(after.t) else hour + HOUR
        if begin < min(end, settled):
            end = min(end, settled)
            self._write_changes([flow], begin, end, self._readings([flow], begin, end, now), upto=settled)

    # Hours and their days

    def _make(self, group: list[Flow], begin: int, end: int, now: int, found: Mapping[str, Readings]) -> None:
        """Make the hours of ``begin <= t < end`` (ms) and what they tell of those before them."""
        for flow in group:
            earlier = _unknown_until_now(flow, found[flow.id], begin)
            if earlier is not None:
                self._write_changes([flow], earlier, begin, self._readings([flow], earlier, begin, now), upto=begin)
        self._write_changes(group, begin, end, found, upto=end)

    def _write_changes(self, group: list[Flow], begin: int, end: int, found: Mapping[str, Readings], upto: int) -> None:
        """Write the hours of ``begin <= t < end`` and their days, those that are over at ``upto`` (all ms)."""
        first, last = Span.DAY.begin(begin), Span.DAY.begin(end - 1) + DAY
        by_id = {flow.id: flow for flow in group}
        hours = self._store.entries(Span.HOUR, first, last, by_id)
        days = self._store.entries(Span.DAY, first, last, by_id)
        lines: list[bytes] = []
        touched: dict[Flag, set[int]] = {Flag.FINAL: set(), Flag.CORRECTED: set()}
        for flow in group:
            made = _hours(found[flow.id], flow, begin, end)
            changed = list(_changed(made, hours.get(flow.id, {})))
            together = {**hours.get(flow.id, {}), **{each.portion.begin: each for each in changed}}
            whole = [day for day in range(first, last, DAY) if day + DAY <= upto]
            new = list(_changed((_day(together, day) for day in whole), days.get(flow.id, {})))
            lines += [encode_entry(flow, Span.HOUR, each) for each in changed]
            lines += [encode_entry(flow, Span.DAY, each) for each in new]
            for each in (*changed, *new):
                touched[each.flag].add(Span.DAY.begin(each.portion.begin))
            self._count("flows.corrected", sum(each.flag is Flag.CORRECTED for each in changed))
        for flag, which in touched.items():
            self._touched(which, flag)
        self._write(lines)

    def _readings(self, group: list[Flow], begin: int, end: int, now: int) -> dict[str, Readings]:
        """Return the readings of ``begin <= t < end`` (ms), with the last one before and the first one after."""
        meters = {flow.meter for flow in group}
        found = self._store.readings(meters, begin - BEFORE, min(end + AFTER, now))
        whole = {meter: self._completed(meter, found.get(meter, _NONE), begin, end, now) for meter in meters}
        return {flow.id: whole[flow.meter] for flow in group}

    def _completed(self, meter: str, found: Readings, begin: int, end: int, now: int) -> Readings:
        after = _NONE
        if end + AFTER < now and not (len(found.t) and found.t[-1] >= end):
            after = self._store.after(meter, end + AFTER, now)
        told = _joined(found, after)
        if not len(told.t) or told.t[-1] < begin or told.t[0] < begin:
            # Nothing since the beginning: what was before says nothing.
            return told
        return _joined(self._store.before(meter, begin - BEFORE, now - _OLDEST), told)

    # What still runs

    def _run(self, flows: Mapping[str, Flow], settled: Mapping[str, Settled], now: int) -> None:
        """Keep how the hours and days stand that are not settled yet, of flows that are not far behind."""
        group = [flows[flow] for flow, one in settled.items() if now - TOGETHER - HOUR <= one.until < now]
        if not group or 0 <= now - self._ran_at < RUNNING_EVERY:
            return
        begin = min(settled[flow.id].until for flow in group)
        first = Span.DAY.begin(begin)
        meters = {flow.meter for flow in group}
        found = self._store.readings(meters, begin - BEFORE, now)
        hours = self._store.entries(Span.HOUR, first, now, {flow.id: flow for flow in group})
        lines: list[bytes] = []
        for flow in group:
            until = settled[flow.id].until
            told = self._completed(flow.meter, found.get(flow.meter, _NONE), until, now, now)
            made = _hours(told, flow, until, now)
            together = {t: each for t, each in hours.get(flow.id, {}).items() if t < until}
            together |= {each.begin: Entry(each, Flag.PROVISIONAL) for each in made}
            lines += [encode_entry(flow, Span.HOUR, together[each.begin]) for each in made]
            for day in range(Span.DAY.begin(until), now, DAY):
                stands = added((each.portion for each in together.values()), day, min(day + DAY, now))
                lines.append(encode_entry(flow, Span.DAY, Entry(stands, Flag.PROVISIONAL)))
        self._write(lines)
        self._ran_at = now

    # Details

    def _write(self, lines: list[bytes]) -> None:
        refused: list[str] = []
        self._store.write(lines, refused)
        for text in refused:
            log.error("an amount of a flow can't be kept in InfluxDB: %s", text[:500])
        self._count("flows.rejected", len(refused))

    def _count(self, what: str, count: int) -> None:
        if count:
            self._client.hincrby(names.COUNTERS, what, count)


def metering(flow: Flow) -> str:
    """Return the terms by which a meter is read, in short: when they change, all that is stored is settled again."""
    terms = (flow.meter, flow.reads, flow.most, flow.factor, flow.rollover, flow.gap, flow.replacements)
    return hashlib.sha256(msgspec.json.encode(terms)).hexdigest()[:12]


_NONE = Readings(np.empty(0, np.int64), np.empty(0, np.float64))


def _due(flow: Flow, now: int) -> int:
    """Return until when (ms) a flow is settled at ``now``, whether its meter has said something since or not."""
    return Span.HOUR.begin(now - ALLOWANCE - min(flow.gap, WAIT_AT_MOST))


def _says_more(found: Readings, end: int) -> bool:
    return bool(len(found.t)) and bool(found.t[-1] >= end)


def _most_behind(flows: Mapping[str, Flow], settled: Mapping[str, Settled], now: int) -> Flow | None:
    behind = [(one.until, name) for name, one in settled.items() if one.until < _due(flows[name], now)]
    return flows[min(behind)[1]] if behind else None


def _is_of(late: Late, meter: str) -> bool:
    return late.series in {meter, names.ALL_METERS}


def _joined(first: Readings, second: Readings) -> Readings:
    if not len(first.t) or not len(second.t):
        return second if not len(first.t) else first
    return Readings(np.concatenate([first.t, second.t]), np.concatenate([first.value, second.value]))


def _unknown_until_now(flow: Flow, found: Readings, begin: int) -> int | None:
    """Return the hour (ms) from which on something is known only now, for want of readings; ``None`` if none is.

    When the hours before ``begin`` were settled, the first reading since had not come yet.
    """
    place = int(np.searchsorted(found.t, begin, "left"))
    waited = begin + ALLOWANCE + min(flow.gap, WAIT_AT_MOST)
    if place == 0 or place == len(found.t) or found.t[place] <= waited:
        return None
    earlier = Span.HOUR.begin(int(found.t[place - 1]))
    return earlier if earlier < begin else None


def _hours(found: Readings, flow: Flow, begin: int, end: int) -> list[Portion]:
    """Return the portions of the hours of ``begin <= t < end``; the last may end before its hour does."""
    bounds = [*range(begin, end, HOUR), end]
    days = [*range(Span.DAY.begin(begin), end, DAY), Span.DAY.begin(end - 1) + DAY]
    return portions(course(found, flow), bounds, days)


def _day(hours: Mapping[int, Entry], day: int) -> Portion:
    return added((hours[t].portion for t in range(day, day + DAY, HOUR) if t in hours), day, day + DAY)


def _changed(made: Iterable[Portion], before: Mapping[int, Entry]) -> Iterator[Entry]:
    """Yield what is not kept as such: final, or corrected if it was final and is something else now."""
    for portion in made:
        was = before.get(portion.begin)
        if was is None or was.flag is Flag.PROVISIONAL:
            yield Entry(portion, Flag.FINAL)
        elif not _alike(was.portion, portion):
            yield Entry(portion, Flag.CORRECTED)


def _alike(one: Portion, other: Portion) -> bool:
    pairs = ((one.amount, other.amount), (one.share, other.share), (one.bridged / HOUR, other.bridged / HOUR))
    return one.steps == other.steps and all(math.isclose(a, b, rel_tol=_SAME, abs_tol=_SAME) for a, b in pairs)
