"""How the means of a series are made, from what it measures and where."""

from __future__ import annotations

from collections.abc import Iterable

from park.limits import Kind, Limit
from park.means import MINUTE, Method
from park.statistics import Statistic
from park.words import Location

#: Wastewater: one abnormal value spoils the period (HJ 212-2017, C.16 to C.18).
_STRICT = frozenset({Location.OUTFALL})

#: Kept of every series, whether a limit asks for them or not.
_ALWAYS = frozenset({Statistic.HOUR, Statistic.DAY})


def method_for(location: Location, interval: int) -> Method:
    """Return how the means of a series at ``location`` are made; ``interval`` is the time between its samples (ms)."""
    return Method(interval=interval, strict=location in _STRICT)


def kept(limits: Iterable[Limit], interval: int) -> frozenset[Statistic]:
    """Return the statistics of a series that are results: stored, shown, reported.

    Minutes only of a series that speaks more often; rolling means where a limit is written on them.
    """
    asked = {limit.of for limit in limits if limit.kind is Kind.MEAN and limit.of}
    return _ALWAYS | asked | ({Statistic.MINUTE} if interval < MINUTE else set())
