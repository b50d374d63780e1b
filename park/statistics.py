"""The statistics of a series: block means, rolling means, and a day's greatest 8 h mean, as its readings come in.

One state per series whatever limits there are, because means are results too: stored, shown, reported.
"""

from __future__ import annotations

import enum

import msgspec

from park import carrying, means, rolling
from park.carrying import Flows
from park.means import DAY, Averages, Flag, Mean, Method, Sample, Span
from park.rolling import EIGHT_HOURS, ENOUGH_OF_DAY, STEL, TWA, Greatest, Rolled, Rolling, Window


class Statistic(enum.StrEnum):
    """What a value stands for."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    ROLLING_15_MIN = "rolling-15min"
    ROLLING_8_H = "rolling-8h"
    GREATEST_8_H = "greatest-8h"


class Result(msgspec.Struct, frozen=True):
    """A statistic over ``begin <= t < end`` (ms), in the unit of the series.

    ``valid`` if enough of it was measured: ``share`` of all there should be, ``count`` slots. ``value`` may be there
    and not valid; it is ``None`` if nothing was usable.
    """

    statistic: Statistic
    begin: int
    end: int
    value: float | None
    valid: bool
    count: int
    share: float
    flag: Flag = Flag.FINAL


class Statistics(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a series' statistics; of a flow by which others are weighted its latest values too."""

    averages: Averages = Averages()
    stel: Rolling = Rolling()
    twa: Rolling = Rolling()
    eight_hours: Rolling = Rolling()
    greatest: Greatest = Greatest()
    flows: Flows = carrying.NONE


def follow(statistics: Statistics, sample: Sample, method: Method) -> tuple[Statistics, list[Result], bool]:
    """Take one sample; return what it completes, and whether it came too late for its own blocks."""
    averages, closed, late = means.take(statistics.averages, sample, method)
    if not closed:
        return _with(statistics, averages=averages), [], late
    return *_results(_with(statistics, averages=averages), closed, method), late


def elapse(statistics: Statistics, now: int, method: Method) -> tuple[Statistics, list[Result]]:
    """Complete what ended ``method.allowance`` before ``now`` (ms)."""
    averages, closed = means.close(statistics.averages, now, method)
    return _results(_with(statistics, averages=averages), closed, method)


def provisional(statistics: Statistics, method: Method) -> list[Result]:
    """Return the hour and the day that are still open as they stand, marked so; the newest of each."""
    running = (means.running(statistics.averages, span, method) for span in (Span.HOUR, Span.DAY))
    return [block_result(mean) for mean in running if mean]


_with = msgspec.structs.replace
_BLOCKS = {Span.MINUTE: Statistic.MINUTE, Span.HOUR: Statistic.HOUR, Span.DAY: Statistic.DAY}


def _results(statistics: Statistics, closed: list[Mean], method: Method) -> tuple[Statistics, list[Result]]:
    found: list[Result] = []
    for mean in closed:
        found.append(block_result(mean))
        if not method.rolls:
            continue
        if mean.span is Span.MINUTE:
            stel, fifteen = rolling.roll(statistics.stel, mean, STEL)
            twa, shift = rolling.roll(statistics.twa, mean, TWA)
            statistics = _with(statistics, stel=stel, twa=twa)
            found += [_rolled(Statistic.ROLLING_15_MIN, fifteen, STEL), _rolled(Statistic.ROLLING_8_H, shift, TWA)]
        elif mean.span is Span.HOUR:
            statistics, more = _hour(statistics, mean, minutes=Span.MINUTE in method.spans)
            found += more
    return statistics, found


def _hour(statistics: Statistics, mean: Mean, *, minutes: bool) -> tuple[Statistics, list[Result]]:
    hours, rolled = rolling.roll(statistics.eight_hours, mean, EIGHT_HOURS)
    greatest, finished = rolling.greatest(statistics.greatest, rolled)
    # A sensor that speaks every minute has an 8 h mean every minute, which this would repeat.
    found = [] if minutes else [_rolled(Statistic.ROLLING_8_H, rolled, EIGHT_HOURS)]
    found += [_greatest(day) for day in finished]
    return _with(statistics, eight_hours=hours, greatest=greatest), found


def block_result(mean: Mean) -> Result:
    """Return a block's mean as a result."""
    return Result(_BLOCKS[mean.span], mean.begin, mean.end, mean.value, mean.valid, mean.count, mean.share, mean.flag)


def _rolled(statistic: Statistic, rolled: Rolled, window: Window) -> Result:
    begin = rolled.end - window.size * window.span.ms
    return Result(statistic, begin, rolled.end, rolled.value, rolled.valid, rolled.count, rolled.count / window.size)


def _greatest(day: Greatest) -> Result:
    share = day.count / 24
    return Result(
        Statistic.GREATEST_8_H, day.begin, day.begin + DAY, day.value, day.count >= ENOUGH_OF_DAY, day.count, share
    )
