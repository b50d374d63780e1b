"""Means as regulators define them: blocks of a minute, an hour and a day, each with the share of it that was valid.

A block is made of slots. A minute's slots are its samples; an hour's are its minutes (or, for a sensor that speaks
less often than every minute, its samples); a day's are its hours. A mean is valid if enough of its slots are: 45 of 60
minutes, 20 of 24 hours (HJ 212-2017, D.2.2).

Everything is incremental: samples in, closed blocks out, and a small serialisable state (:class:`Averages`) between.
A block stays open for ``allowance`` ms after its end, by event time; until then the order of samples does not matter,
not even to the last bit (sums are exact). What comes later is told, and the block is made again from what is stored.

A series has one sample at a time: another one at the same event time is the same again, delivered twice, and changes
nothing. InfluxDB, from which blocks are made again, keeps one of them too.
"""

from __future__ import annotations

import bisect
import enum
import functools
import math
from collections.abc import Iterable

import msgspec

from park.exact import NOTHING, Sum, added

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

#: Chinese days: UTC+8 all year.
DAY_BEGINS = 8 * HOUR


class Span(enum.StrEnum):
    """How long a block is."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def ms(self) -> int:
        """Its length."""
        return _LENGTHS[self]

    def begin(self, t: int) -> int:
        """Return the beginning of the block that holds ``t`` (ms)."""
        return t - (t + DAY_BEGINS) % self.ms


_LENGTHS = {Span.MINUTE: MINUTE, Span.HOUR: HOUR, Span.DAY: DAY}


class Flag(enum.StrEnum):
    """What a mean is worth: final, still running, made again from late data."""

    PROVISIONAL = "provisional"
    FINAL = "final"
    CORRECTED = "corrected"


class Method(msgspec.Struct, frozen=True):
    """How the means of a series are made.

    ``interval`` is the time between its samples (ms) and ``allowance`` how long (ms, event time) a block stays open for
    late ones. ``share`` of the slots of a block must be valid. ``strict``: one abnormal slot spoils the block, as for
    wastewater (HJ 212-2017, C.16 to C.18); otherwise it is only missing. ``rolls``: rolling means are made as well,
    which takes eight hours of minutes to remember.
    """

    interval: int = MINUTE
    allowance: int = 2 * MINUTE
    share: float = 0.75
    day_hours: int = 20
    strict: bool = False
    rolls: bool = True

    @property
    def spans(self) -> tuple[Span, ...]:
        """The blocks that can be made of samples so far apart, shortest first; a day at least."""
        return _spans(self.interval)

    def slots(self, span: Span) -> int:
        """How many slots a block of ``span`` has."""
        return max(1, span.ms // self._slot(span))

    def enough(self, span: Span) -> int:
        """How many of them must be valid."""
        if span is Span.DAY and self._slot(span) == HOUR:
            return self.day_hours
        return max(1, math.ceil(self.slots(span) * self.share))

    def _slot(self, span: Span) -> int:
        below = {Span.MINUTE: 0, Span.HOUR: MINUTE, Span.DAY: HOUR}[span]
        return max(below, self.interval)


@functools.lru_cache
def _spans(interval: int) -> tuple[Span, ...]:
    return tuple(span for span in Span if span.ms >= interval) or (Span.DAY,)


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One value at event time ``t`` (ms); ``None`` if it can't be used. ``weight`` is the flow that it stands for."""

    t: int
    value: float | None
    weight: float = 1.0


class Mean(msgspec.Struct, frozen=True, array_like=True):
    """A block's mean from ``begin`` (ms) on, in the unit of its samples.

    ``value`` is ``None`` if there is no usable slot, and given but not ``valid`` if there are too few. ``count`` slots
    were usable, which is ``share`` of all there should be; ``least`` and ``most`` are the extremes among them.
    """

    span: Span
    begin: int
    value: float | None
    valid: bool
    count: int
    share: float
    least: float | None
    most: float | None
    weight: float
    flag: Flag

    @property
    def end(self) -> int:
        """The first ms after the block."""
        return self.begin + self.span.ms


class Block(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A block that is still open: how many of its slots were usable and how many abnormal, and what they add up to.

    ``values``, ``weights`` and ``products`` (of the two) are exact sums. ``weights`` and ``products`` are empty as long
    as every weight was 1: they would be ``count`` and ``values``. ``times`` are those of the samples in it (ms after
    ``begin``), in order; a block of other blocks has none.
    """

    begin: int
    count: int = 0
    bad: int = 0
    least: float | None = None
    most: float | None = None
    values: Sum = NOTHING
    weights: Sum = NOTHING
    products: Sum = NOTHING
    times: tuple[int, ...] = ()

    def take(self, sample: Sample) -> Block:
        """Return the block with one sample more; unchanged if it has one of that time."""
        offset, times = sample.t - self.begin, self.times
        if not times or offset > times[-1]:
            return self.add(sample.value, sample.weight, (*times, offset))
        place = bisect.bisect_left(times, offset)
        if times[place] == offset:
            return self
        return self.add(sample.value, sample.weight, (*times[:place], offset, *times[place:]))

    def add(self, value: float | None, weight: float, times: tuple[int, ...] = ()) -> Block:
        """Return the block with one slot more."""
        if value is None:
            return msgspec.structs.replace(self, bad=self.bad + 1, times=times)
        weights, products = self.weights, self.products
        if weights or weight != 1.0:
            # What came before, each with a weight of 1, and now this one.
            weights = added(weights or (float(self.count),), weight)
            products = added(products or self.values, value * weight)
        return Block(
            self.begin,
            self.count + 1,
            self.bad,
            value if self.least is None or value < self.least else self.least,
            value if self.most is None or value > self.most else self.most,
            added(self.values, value),
            weights,
            products,
            times,
        )

    @property
    def weight(self) -> float:
        """The sum of the weights."""
        return math.fsum(self.weights) if self.weights else float(self.count)

    @property
    def mean(self) -> float | None:
        """The weighted mean; where nothing flowed what was measured stands for itself."""
        if not self.count:
            return None
        weight = self.weight
        if not self.weights or weight <= 0.0:
            return math.fsum(self.values) / self.count
        return math.fsum(self.products) / weight


class Averages(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a series: its open blocks by span, oldest first, and how far event time has come."""

    watermark: int = 0
    blocks: dict[Span, tuple[Block, ...]] = {}


def take(averages: Averages, sample: Sample, method: Method) -> tuple[Averages, list[Mean], bool]:
    """Take one sample: the new state, the blocks that this closes, and whether it came too late for its own."""
    first = method.spans[0]
    begin = first.begin(sample.t)
    if begin + first.ms + method.allowance <= averages.watermark:
        return averages, [], True
    block, others = _opened(averages.blocks.get(first, ()), begin)
    taken = block.take(sample)
    if taken is block:
        return averages, [], False
    averages = Averages(averages.watermark, {**averages.blocks, first: _among(others, taken)})
    if sample.t <= averages.watermark:
        return averages, [], False
    averages, closed = close(averages, sample.t, method)
    return averages, closed, False


def close(averages: Averages, now: int, method: Method) -> tuple[Averages, list[Mean]]:
    """Close what ended ``allowance`` before ``now`` (event time, ms), shortest blocks first."""
    watermark = max(averages.watermark, now)
    due = watermark - method.allowance
    if not any(each[0].begin + span.ms <= due for span, each in averages.blocks.items() if each):
        return Averages(watermark, averages.blocks), []
    blocks, closed = dict(averages.blocks), []
    spans = method.spans
    for span, above in zip(spans, (*spans[1:], None), strict=True):
        ended = [block for block in blocks.get(span, ()) if block.begin + span.ms <= due]
        blocks[span] = blocks.get(span, ())[len(ended) :]
        for block in ended:
            mean = mean_of(block, span, method)
            closed.append(mean)
            if above:
                usable = mean.value if mean.valid else None
                over, others = _opened(blocks.get(above, ()), above.begin(block.begin))
                blocks[above] = _among(others, over.add(usable, mean.weight))
    return Averages(watermark, {span: each for span, each in blocks.items() if each}), closed


def running(averages: Averages, span: Span, method: Method) -> Mean | None:
    """Return the mean of the newest open block as it stands, or ``None`` if none is open."""
    blocks = averages.blocks.get(span)
    return mean_of(blocks[-1], span, method, Flag.PROVISIONAL) if blocks else None


def mean_of(block: Block, span: Span, method: Method, flag: Flag = Flag.FINAL) -> Mean:
    """Return the mean of a block; its sums are exact, so the order of its slots does not matter."""
    spoiled = method.strict and block.bad > 0
    return Mean(
        span=span,
        begin=block.begin,
        value=block.mean,
        valid=block.count >= method.enough(span) and not spoiled,
        count=block.count,
        share=min(1.0, block.count / method.slots(span)),
        least=block.least,
        most=block.most,
        weight=block.weight / block.count if block.count else 0.0,
        flag=flag,
    )


def _opened(blocks: tuple[Block, ...], begin: int) -> tuple[Block, tuple[Block, ...]]:
    """Return the open block that begins at ``begin``, a new one if need be, and the others."""
    if blocks and blocks[-1].begin == begin:
        return blocks[-1], blocks[:-1]
    block = next((block for block in blocks if block.begin == begin), Block(begin))
    return block, tuple(block for block in blocks if block.begin != begin)


def _among(others: tuple[Block, ...], block: Block) -> tuple[Block, ...]:
    """Return the open blocks in order, ``block`` being one of them."""
    if not others or others[-1].begin < block.begin:
        return (*others, block)
    return tuple(sorted((*others, block), key=lambda each: each.begin))


def again(span: Span, begin: int, slots: Iterable[tuple[float | None, float]], method: Method) -> Mean:
    """Make a block again from its slots (value, or ``None`` for an abnormal one, and weight), marked as corrected."""
    block = Block(begin)
    for value, weight in slots:
        block = block.add(value, weight)
    return mean_of(block, span, method, Flag.CORRECTED)


def means_of(samples: Iterable[Sample], method: Method) -> list[Mean]:
    """Return every block of a finished history, the last ones closed as well."""
    averages, found = Averages(), []
    for sample in samples:
        averages, closed, _ = take(averages, sample, method)
        found += closed
    return found + close(averages, averages.watermark + 2 * DAY + method.allowance, method)[1]
