"""Load budgets: the mass that has gone out so far this month or year, against what the permit allows.

Mass is the hour mean of a concentration times the hour mean of the flow of the same sensor. An hour without both is not
counted; how much of the period is known is told, and the forecast fills the rest with the mean of what is known.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from park.limits import Period
from park.means import HOUR

#: Chinese months and years.
_PARK = dt.timezone(dt.timedelta(hours=8))

#: kg per hour for a concentration of 1 in the first unit and a flow of 1 in the second.
_KG_PER_HOUR = {
    ("mg/L", "m3/h"): 1e-3,
    ("mg/L", "L/s"): 3.6e-3,
    ("mg/m3", "m3/h"): 1e-6,
    ("mg/m3", "m3/s"): 3.6e-3,
    ("ug/m3", "m3/h"): 1e-9,
    ("ug/m3", "m3/s"): 3.6e-6,
}


class Load(msgspec.Struct, frozen=True, array_like=True):
    """What has gone out since ``begin`` (ms): ``kg`` in ``hours`` known hours, the latest of them up to ``until``."""

    begin: int = 0
    kg: float = 0.0
    hours: int = 0
    until: int = 0


def load_of(memory: tuple[float, ...]) -> Load:
    """Return the load that a record remembers (:func:`memory_of`); an empty one if it remembers none."""
    return Load(int(memory[0]), memory[1], int(memory[2]), int(memory[3])) if memory else Load()


def memory_of(load: Load) -> tuple[float, ...]:
    """Return the load as a record remembers it."""
    return float(load.begin), load.kg, float(load.hours), float(load.until)


class UnknownMass(ValueError):
    """Concentration and flow in these units make no mass that we know."""


def kg_per_hour(concentration: str, flow: str) -> float:
    """Return the kg that a concentration of 1 carries in an hour with a flow of 1. Raises :class:`UnknownMass`."""
    try:
        return _KG_PER_HOUR[concentration, flow]
    except KeyError:
        raise UnknownMass(
            f"{concentration} times {flow} is no mass; a budget needs mg/L with m3/h or L/s, or mg/m3 with m3/h or m3/s"
        ) from None


def begin_of(period: Period, t: int) -> int:
    """Return the beginning (ms) of the month or year that holds ``t``."""
    moment = dt.datetime.fromtimestamp(t / 1000, _PARK)
    first = dt.datetime(moment.year, 1 if period is Period.YEAR else moment.month, 1, tzinfo=_PARK)
    return round(first.timestamp() * 1000)


def end_of(period: Period, begin: int) -> int:
    """Return the end (ms) of the period that begins at ``begin``."""
    moment = dt.datetime.fromtimestamp(begin / 1000, _PARK)
    month, year = (moment.month, moment.year) if period is Period.MONTH else (12, moment.year)
    after = dt.datetime(year + month // 12, month % 12 + 1, 1, tzinfo=_PARK)
    return round(after.timestamp() * 1000)


def add(load: Load, period: Period, hour: int, kg: float) -> Load:
    """Take the hour that begins at ``hour`` (ms); one that has been taken, or is of an earlier period, is not."""
    begin = begin_of(period, hour)
    if begin < load.begin:
        return load
    if begin > load.begin:
        load = Load(begin)
    if hour < load.until:
        return load
    return Load(begin, load.kg + kg, load.hours + 1, hour + HOUR)


def known_share(load: Load) -> float:
    """Return which share of the hours so far is known."""
    passed = (load.until - load.begin) // HOUR
    return load.hours / passed if passed else 0.0


def expected(load: Load, period: Period) -> float | None:
    """Return the kg at the end of the period if it goes on as so far; ``None`` before the first hour."""
    if not load.hours:
        return None
    hours = (end_of(period, load.begin) - load.begin) / HOUR
    return load.kg / load.hours * hours


def exhausted_at(load: Load, budget: float) -> int | None:
    """Return when (ms) ``budget`` (kg) runs out if it goes on as so far; ``None`` if nothing goes out."""
    if not load.hours or load.kg <= 0.0:
        return None
    if load.kg >= budget:
        return load.until
    # Hours that nobody knows of went like the others.
    so_far = load.kg / load.hours * ((load.until - load.begin) / HOUR)
    return load.until + round((budget - so_far) / (load.kg / load.hours) * HOUR)
