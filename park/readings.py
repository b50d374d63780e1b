"""A reading: one value of one quantity from one sensor at one time."""

from __future__ import annotations

import msgspec

from park.words import Quality


class Reading(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One value on its way through parkwatch.

    ``series`` is ``zone/site/sensor/quantity``; ``t`` the event time and ``received`` the server's time of
    receipt (both ms); ``value`` is in the quantity's canonical unit and ``None`` if there is no number at all.
    ``late`` says that it reached us too long after its event time to page as current.
    """

    series: str
    t: int
    value: float | None
    quality: Quality
    received: int
    late: bool = False


def split_series(series: str) -> tuple[str, str, str, str]:
    """Return zone, site, sensor and quantity of a series name."""
    zone, site, sensor, quantity = series.split("/")
    return zone, site, sensor, quantity
