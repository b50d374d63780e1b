"""What leaves an outlet: volumes and masses by the day, from hour means of flow and concentration.

An hour counts when its flow is valid, and for a mass its concentration as well. What is not known is not guessed: the
number of known hours stands beside every sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from park.budgets import Load, add, kg_per_hour
from park.limits import Period
from park.means import HOUR, Flag
from park.statistics import Result

#: m3 in an hour of a flow of 1.
VOLUMES = {"m3/h": 1.0, "L/s": 3.6, "m3/s": 3600.0}


class Sum(msgspec.Struct, frozen=True):
    """What left: ``amount`` (m3, or kg) in ``hours`` known hours, of ``due``; ``days`` are those of each day (ms)."""

    amount: float
    hours: int
    due: int
    days: dict[int, tuple[float, int]]

    @property
    def share(self) -> float | None:
        """Which share of the hours is known; ``None`` if none was due."""
        return self.hours / self.due if self.due else None


def valid_hours(results: Iterable[Result]) -> dict[int, float]:
    """Return the valid hour means by the beginning of their hour (ms); one that still runs is none yet."""
    over = (each for each in results if each.flag is not Flag.PROVISIONAL)
    return {each.begin: each.value for each in over if each.valid and each.value is not None}


def volume(flow: Mapping[int, float], unit: str, days: Sequence[int], due: int) -> Sum:
    """Return the m3 of the hours of ``flow`` (in ``unit``) on ``days`` (beginnings, ms). Raises ``KeyError``."""
    return _sum({hour: value * VOLUMES[unit] for hour, value in flow.items()}, days, due)


def mass(
    concentration: Mapping[int, float], flow: Mapping[int, float], units: tuple[str, str], days: Sequence[int], due: int
) -> Sum:
    """Return the kg that left on ``days``; ``units`` of concentration and flow. Raises ``park.budgets.UnknownMass``."""
    return _sum(_kilograms(concentration, flow, units), days, due)


def load(
    concentration: Mapping[int, float], flow: Mapping[int, float], units: tuple[str, str], period: Period, until: int
) -> Load:
    """Return the load of the last ``period`` that hours before ``until`` (ms) lie in. Raises as :func:`mass`."""
    found = Load()
    for hour, kg in sorted(_kilograms(concentration, flow, units).items()):
        if hour + HOUR <= until:
            found = add(found, period, hour, kg)
    return found


def _kilograms(
    concentration: Mapping[int, float], flow: Mapping[int, float], units: tuple[str, str]
) -> dict[int, float]:
    factor = kg_per_hour(*units)
    return {hour: value * flow[hour] * factor for hour, value in concentration.items() if hour in flow}


def _sum(hours: Mapping[int, float], days: Sequence[int], due: int) -> Sum:
    found: dict[int, tuple[float, int]] = {}
    ends = [*days[1:], days[-1] + 24 * HOUR] if days else []
    for begin, end in zip(days, ends, strict=True):
        known = [amount for hour, amount in hours.items() if begin <= hour < end]
        if known:
            found[begin] = sum(known), len(known)
    return Sum(sum(amount for amount, _ in found.values()), sum(count for _, count in found.values()), due, found)
