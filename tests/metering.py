"""A meter, and a pipe whose true amount is known, for tests of flows."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import msgspec

from park.flows import OUTSIDE, Flow, Reads, Replacement
from park.words import Names

HOUR = 3_600_000
MINUTE = 60_000
SERIES = "north/unit-1/wm-1/water-total"


def flow(**changes: Any) -> Flow:
    """Return a flow of fresh water of at most 600 m3/h, metered by a totaliser in m3."""
    plain = Flow(
        id="water",
        names=Names("新鲜水", "Fresh water"),
        kind="fresh-water",
        source=OUTSIDE,
        target="north/unit-1",
        meter=SERIES,
        reads=Reads.TOTAL,
        most=600.0,
    )
    return msgspec.structs.replace(plain, **changes)


def replaced(at: int, last: float, first: float) -> Replacement:
    """Return a replacement of a meter."""
    return Replacement(at, last, first)


class Pipe:
    """What really went through: evenly between the times it was noted at, nothing before and after."""

    def __init__(self, times: list[int], amounts: list[float]) -> None:
        self.times = times
        self.totals = [0.0]
        for amount in amounts:
            self.totals.append(self.totals[-1] + amount)

    def until(self, t: int) -> float:
        """Return what had gone through at ``t`` (ms)."""
        if t <= self.times[0]:
            return 0.0
        if t >= self.times[-1]:
            return self.totals[-1]
        place = bisect_right(self.times, t)
        begin, end = self.times[place - 1], self.times[place]
        more = self.totals[place] - self.totals[place - 1]
        return self.totals[place - 1] + more * (t - begin) / (end - begin)
