"""History in arrays (NumPy): which readings can change anything, and the means of blocks.

The incremental engine (:mod:`park.evaluate`, :mod:`park.statistics`) says what is right. Here is only what makes a
long history quick: readings that change nothing are skipped in bulk (:class:`Skips`), and blocks of finished days are
averaged at once (:class:`Blocks`). Both are exact: what an alarm does is always decided by the engine itself.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from park import rolling
from park.carrying import OLDEST
from park.limits import Kind, Limit, Side
from park.means import DAY, DAY_BEGINS, Flag, Mean, Method, Span
from park.readings import Reading
from park.rolling import EIGHT_HOURS, ENOUGH_OF_DAY, STEL, TWA, Greatest, Rolling, Window
from park.statistics import Statistic
from park.words import Quality

Times = NDArray[np.int64]
Values = NDArray[np.float64]
Codes = NDArray[np.int8]
Mask = NDArray[np.bool_]

#: Qualities by their code in :attr:`Stretch.quality`.
QUALITIES = tuple(Quality)
CODES = {quality: code for code, quality in enumerate(QUALITIES)}
_GOOD = CODES[Quality.GOOD]
_BAD = CODES[Quality.FAILURE]
_USABLE = np.array([quality.usable for quality in QUALITIES])

#: Kinds that hold every value by itself against their set-points. Others have to see each reading, but for quality.
BY_VALUE = frozenset({Kind.THRESHOLD, Kind.MEAN, Kind.VOTE, Kind.NEGATIVE_LIST})


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Readings of one series in order of event time.

    ``t`` in ms, ``value`` in the canonical unit (NaN: no number), ``quality`` as a code (:data:`CODES`). ``weight`` is
    the flow that each value stands for (NaN: not known), ``None`` if all count the same.
    """

    t: Times
    value: Values
    quality: Codes
    weight: Values | None = None

    def __len__(self) -> int:
        return len(self.t)

    @functools.cached_property
    def measured(self) -> Values:
        """The values, NaN where they can't be used."""
        usable = _USABLE[self.quality]
        return self.value if usable.all() else np.where(usable, self.value, np.nan)

    @property
    def averaged(self) -> Values:
        """The values that means are made of: NaN too where it is not known what they stand for."""
        return self.measured if self.weight is None else np.where(np.isnan(self.weight), np.nan, self.measured)

    def reading(self, series: str, index: int) -> Reading:
        """Return one of them, received when it was measured."""
        t, value = int(self.t[index]), float(self.value[index])
        quality = QUALITIES[self.quality[index]]
        return Reading(series, t, None if math.isnan(value) else value, quality, t)

    def part(self, begin: int, end: int) -> Stretch:
        """Return those from index ``begin`` up to ``end``."""
        weight = None if self.weight is None else self.weight[begin:end]
        return Stretch(self.t[begin:end], self.value[begin:end], self.quality[begin:end], weight)


NOTHING = Stretch(np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.int8))


def joined(first: Stretch, then: Stretch) -> Stretch:
    """Return both as one."""
    if not len(first):
        return then
    return Stretch(
        np.concatenate([first.t, then.t]),
        np.concatenate([first.value, then.value]),
        np.concatenate([first.quality, then.quality]),
        None if then.weight is None or first.weight is None else np.concatenate([first.weight, then.weight]),
    )


def weighted(stretch: Stretch, flow: Stretch) -> Stretch:
    """Return the readings with the last flow before each, none of which is bad; as :mod:`park.carrying`."""
    place = flow.t.searchsorted(stretch.t, "right") - 1
    known = np.concatenate([np.maximum(flow.measured, 0.0), [np.nan]])[place]
    since = np.concatenate([flow.t, stretch.t[:1] - OLDEST - 1])[place]
    weight = np.where(stretch.t - since > OLDEST, np.nan, known)
    return Stretch(stretch.t, stretch.value, stretch.quality, weight)


def good(stretch: Stretch) -> Stretch:
    """Return those that can be used."""
    usable = ~np.isnan(stretch.measured)
    return stretch if usable.all() else Stretch(stretch.t[usable], stretch.value[usable], stretch.quality[usable])


def ordered(t: Times, value: Values, quality: Codes) -> Stretch:
    """Return readings in order of event time; those of the same time stay in the order in which they came."""
    if bool(np.all(t[1:] >= t[:-1])):
        return Stretch(t, value, quality)
    order = np.argsort(t, kind="stable")
    return Stretch(t[order], value[order], quality[order])


def day_of(t: Times) -> Times:
    """Return the beginning (ms) of the day, China's, of each time."""
    return t - (t + DAY_BEGINS) % DAY


# --- thresholds: what can be skipped -----------------------------------------------------------------------


def skippable(limit: Limit) -> bool:
    """Whether readings can be skipped for ``limit`` at all."""
    return limit.kind in BY_VALUE or limit.kind is Kind.QUALITY


class Skips:
    """Which readings of a stretch can change an alarm of ``limit`` that stands at some level and has no timer running.

    ``silent_after`` (ms): a quality limit must also look at what follows such a gap.
    """

    def __init__(self, limit: Limit, stretch: Stretch, silent_after: int) -> None:
        self._limit = limit
        self._stretch = stretch
        self._silent_after = silent_after
        self._found: dict[int, NDArray[np.intp]] = {}

    def next(self, level: int, index: int) -> int:
        """Return the first index from ``index`` on that has to be looked at; the length if there is none."""
        found = self._found.get(level)
        if found is None:
            found = self._found[level] = np.flatnonzero(self._moving(level))
        place = int(found.searchsorted(index))
        return int(found[place]) if place < len(found) else len(self._stretch)

    def _moving(self, level: int) -> Mask:
        if self._limit.kind is Kind.QUALITY:
            good: Mask = self._stretch.quality == _GOOD
            return self._spoiling(good) if level == 0 else good
        limit, points = self._limit, self._limit.set_points
        sign = _sign(limit)
        # As in park/rules/threshold.py: the severest set-point that is reached is the first to be left, the mildest
        # that is not is the first to be passed.
        if level == 0:
            return _beyond(limit, self._stretch.measured, points[0].at)
        left: Mask = sign * self._stretch.measured <= sign * points[min(level, len(points)) - 1].at - limit.deadband
        if level >= len(points):
            return left
        moving: Mask = left | _beyond(limit, self._stretch.measured, points[level].at)
        return moving

    def _spoiling(self, good: Mask) -> Mask:
        after_gap = np.zeros(len(self._stretch), np.bool_)
        after_gap[1:] = np.diff(self._stretch.t) > self._silent_after
        # What came before the stretch is not known here.
        after_gap[:1] = True
        spoiling: Mask = after_gap | ~good
        return spoiling


def beyond(limit: Limit, stretch: Stretch) -> Mask:
    """Return which readings are beyond the mildest set-point; for a quality limit, which are not good."""
    if limit.kind is Kind.QUALITY:
        bad: Mask = stretch.quality != _GOOD
        return bad
    return _beyond(limit, stretch.measured, limit.set_points[0].at)


def worst(limit: Limit, values: Values) -> float | None:
    """Return the value that goes furthest, or ``None`` if there is none that can be used."""
    usable = values[~np.isnan(values)]
    if not len(usable):
        return None
    return float(usable.max() if limit.side is Side.HIGH else usable.min())


def _beyond(limit: Limit, values: Values, at: float) -> Mask:
    return values > at if limit.side is Side.HIGH else values < at


def _sign(limit: Limit) -> float:
    return 1.0 if limit.side is Side.HIGH else -1.0


# --- means --------------------------------------------------------------------------------------------------


class Blocks:
    """The statistics of a series, some days at a time; equal to :func:`park.statistics.follow` of ordered readings.

    ``points`` are, by statistic wanted, the values at which something is decided. Rolling means of minutes are summed
    up in bulk, so they are exact near those and correct to some 9 digits elsewhere.
    """

    def __init__(self, method: Method, points: Mapping[Statistic, Collection[float]]) -> None:
        self._method = method
        self._points = points
        self._held = NOTHING
        self._windows = {
            statistic: _Window(window, points[statistic])
            for statistic, window in ((Statistic.ROLLING_15_MIN, STEL), (Statistic.ROLLING_8_H, TWA))
            if statistic in points and Span.MINUTE in method.spans
        }
        self._hours = _Hours()

    def take(self, stretch: Stretch) -> dict[Statistic, Stretch]:
        """Take readings; return the results of the days that are finished, as readings at the ends of their blocks."""
        if not len(stretch):
            return {}
        known = joined(self._held, stretch)
        cut = int(known.t.searchsorted(day_of(known.t[-1:])[0]))
        self._held = known.part(cut, len(known))
        return self._results(known.part(0, cut))

    def finish(self) -> dict[Statistic, Stretch]:
        """Return the results of what is left, as far as it goes."""
        rest, self._held = self._held, NOTHING
        return self._results(rest)

    def _results(self, stretch: Stretch) -> dict[Statistic, Stretch]:
        if not len(stretch):
            return {}
        found: dict[Statistic, Stretch] = {}
        stretch = _distinct(stretch)
        t, values, weight = stretch.t, stretch.averaged, stretch.weight
        for span in self._method.spans:
            block = _averaged(t, values, weight, span, self._method)
            t, values, weight = block.begin, block.usable, block.weight
            found[_STATISTICS[span]] = block.results()
            if span is Span.MINUTE:
                found |= {name: window.roll(block) for name, window in self._windows.items()}
            elif span is Span.HOUR:
                found |= self._rolled_hours(block)
        return {statistic: results for statistic, results in found.items() if statistic in self._points}

    def _rolled_hours(self, block: _Averaged) -> dict[Statistic, Stretch]:
        wanted = {Statistic.ROLLING_8_H, Statistic.GREATEST_8_H} & self._points.keys() - self._windows.keys()
        if not wanted:
            return {}
        rolled, greatest = self._hours.roll(block)
        found = {Statistic.ROLLING_8_H: rolled, Statistic.GREATEST_8_H: greatest}
        return {statistic: found[statistic] for statistic in wanted}


def _distinct(stretch: Stretch) -> Stretch:
    """Return the readings, the first one at each time."""
    new = np.concatenate([[True], stretch.t[1:] != stretch.t[:-1]])
    weight = None if stretch.weight is None else stretch.weight[new]
    return stretch if new.all() else Stretch(stretch.t[new], stretch.value[new], stretch.quality[new], weight)


_STATISTICS = {Span.MINUTE: Statistic.MINUTE, Span.HOUR: Statistic.HOUR, Span.DAY: Statistic.DAY}


@dataclasses.dataclass(frozen=True)
class _Averaged:
    """Blocks of one span: NaN where nothing was usable. ``weight`` as in :class:`Stretch`."""

    span: Span
    begin: Times
    value: Values
    valid: Mask
    count: NDArray[np.int64]
    weight: Values | None

    @property
    def usable(self) -> Values:
        """The valid values, for the blocks above."""
        return np.where(self.valid, self.value, np.nan)

    def results(self) -> Stretch:
        return _as_results(self.begin + self.span.ms, self.value, self.valid)


def _as_results(end: Times, value: Values, valid: Mask) -> Stretch:
    return Stretch(end, value, np.where(valid, _GOOD, _BAD).astype(np.int8))


def _averaged(t: Times, values: Values, weight: Values | None, span: Span, method: Method) -> _Averaged:
    """Average ``values`` (NaN: abnormal) over the blocks that they lie in."""
    begins = t - (t + DAY_BEGINS) % span.ms
    first = np.flatnonzero(np.concatenate([[True], begins[1:] != begins[:-1]]))
    usable = ~np.isnan(values)
    count = np.add.reduceat(usable.astype(np.int64), first)
    size = np.diff(np.concatenate([first, [len(t)]]))
    valid = count >= method.enough(span)
    if method.strict:
        valid &= count == size
    if weight is None:
        return _Averaged(span, begins[first], _means(values[usable], count), valid, count, None)
    means, weights = _weighted_means(values[usable].tolist(), weight[usable].tolist(), count.tolist())
    return _Averaged(span, begins[first], means, valid, count, weights)


def _means(values: Values, count: NDArray[np.int64]) -> Values:
    """Return the mean of the first ``count[0]`` of ``values``, of the ``count[1]`` after them, and so on."""
    end = np.cumsum(count)
    found = np.full(len(count), np.nan)
    alone = count == 1
    found[alone] = values[end[alone] - 1]
    several = np.flatnonzero(count > 1)
    if len(several):
        # Exact sums, as in the engine: NumPy's would differ in the last bits.
        plain = values.tolist()
        spans = zip((end - count)[several].tolist(), end[several].tolist(), strict=True)
        found[several] = [math.fsum(plain[begin:until]) / (until - begin) for begin, until in spans]
    return found


def _weighted_means(values: list[float], weights: list[float], count: list[int]) -> tuple[Values, Values]:
    """As :func:`_means`, weighted; return the mean weights too. As in :func:`park.means.mean_of`."""
    means, mean_weights, begin = [], [], 0
    for size in count:
        each = slice(begin, begin + size)
        begin += size
        total = math.fsum(weights[each])
        if total > 0.0:
            means.append(math.fsum(v * w for v, w in zip(values[each], weights[each], strict=True)) / total)
        else:
            means.append(math.fsum(values[each]) / size if size else math.nan)
        mean_weights.append(total / size if size else 0.0)
    return np.array(means), np.array(mean_weights)


class _Window:
    """A rolling mean over minutes."""

    def __init__(self, window: Window, points: Collection[float]) -> None:
        self._window = window
        self._points = points
        self._begins: Times = np.empty(0, np.int64)
        self._values: Values = np.empty(0, np.float64)

    def roll(self, block: _Averaged) -> Stretch:
        """Move on, block by block."""
        end, reach = block.begin + block.span.ms, self._window.size * block.span.ms
        begins = np.concatenate([self._begins, block.begin[block.valid]])
        values = np.concatenate([self._values, block.value[block.valid]])
        low, high = begins.searchsorted(end - reach), begins.searchsorted(block.begin, "right")
        kept = begins.searchsorted(end[-1] - reach)
        self._begins, self._values = begins[kept:], values[kept:]
        count = high - low
        mean = self._means(values, low, high)
        return _as_results(end, mean, count >= self._window.enough)

    def _means(self, values: Values, low: NDArray[np.intp], high: NDArray[np.intp]) -> Values:
        sums = np.concatenate([[0.0], np.cumsum(values)])
        count = np.maximum(high - low, 1)
        found = np.where(high > low, (sums[high] - sums[low]) / count, np.nan)
        # Every addition of the running sum may be off by half a bit of it.
        doubt = 4.0 * np.finfo(np.float64).eps * max(1, len(values)) * float(np.abs(values).sum()) / count
        close = np.zeros(len(found), np.bool_)
        for point in self._points:
            close |= np.abs(found - point) <= doubt
        plain = values.tolist() if close.any() else []
        for index in np.flatnonzero(close).tolist():
            begin, until = int(low[index]), int(high[index])
            found[index] = math.fsum(plain[begin:until]) / (until - begin)
        return found


class _Hours:
    """Rolling means of hours and the greatest of a day, one by one: hours are few."""

    def __init__(self) -> None:
        self._rolling = Rolling()
        self._greatest = Greatest()

    def roll(self, block: _Averaged) -> tuple[Stretch, Stretch]:
        """Return the 8 h means and the days' greatest."""
        rolled: list[tuple[int, float, bool]] = []
        greatest: list[tuple[int, float, bool]] = []
        for mean in _hours(block):
            self._rolling, eight = rolling.roll(self._rolling, mean, EIGHT_HOURS)
            rolled.append((eight.end, _number(eight.value), eight.valid))
            self._greatest, finished = rolling.greatest(self._greatest, eight)
            greatest += [(each.begin + DAY, _number(each.value), each.count >= ENOUGH_OF_DAY) for each in finished]
        return _from_rows(rolled), _from_rows(greatest)


def _hours(block: _Averaged) -> Iterator[Mean]:
    rows = zip(block.begin.tolist(), block.value.tolist(), block.valid.tolist(), block.count.tolist(), strict=True)
    for begin, value, valid, count in rows:
        usable = None if math.isnan(value) else value
        yield Mean(Span.HOUR, begin, usable, valid, count, 0.0, None, None, 0.0, Flag.FINAL)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _from_rows(rows: list[tuple[int, float, bool]]) -> Stretch:
    if not rows:
        return NOTHING
    end, value, valid = zip(*rows, strict=True)
    return _as_results(np.array(end, np.int64), np.array(value, np.float64), np.array(valid, np.bool_))
