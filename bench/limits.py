"""Limits for the benches: H2S above 10 and 20 mg/m3, as a value and as means."""

from __future__ import annotations

import dataclasses

import msgspec

from park.catalogue import Catalogue
from park.limits import Kind, Limit
from park.statistics import Statistic
from tests.making import catalogue, limit, quality_limit, two_levels

_THRESHOLD = two_levels(deadband=1.0, on_delay=60_000, off_delay=120_000)

CATALOGUES: dict[str, tuple[Limit, ...]] = {
    "threshold": (_THRESHOLD,),
    "threshold and quality": (_THRESHOLD, quality_limit(on_delay=60_000, off_delay=10_000)),
    "hour mean": (limit("h2s-hour", kind=Kind.MEAN, of=Statistic.HOUR),),
    "15 min mean": (limit("h2s-stel", kind=Kind.MEAN, of=Statistic.ROLLING_15_MIN),),
    "8 h mean": (limit("h2s-twa", kind=Kind.MEAN, of=Statistic.ROLLING_8_H),),
}


def catalogue_of(name: str, tightened: float = 1.0) -> Catalogue:
    """Return a park with one of :data:`CATALOGUES`, its set-points times ``tightened``."""
    return dataclasses.replace(catalogue(), limits=tuple(_times(each, tightened) for each in CATALOGUES[name]))


def _times(one: Limit, by: float) -> Limit:
    points = tuple(msgspec.structs.replace(point, at=point.at * by) for point in one.set_points)
    return msgspec.structs.replace(one, set_points=points)
