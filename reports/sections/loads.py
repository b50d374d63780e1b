"""Load budgets: how much of what may go out in the period has gone, and where it leads."""

from __future__ import annotations

import msgspec

from park.budgets import Load, UnknownMass, end_of, exhausted_at, expected
from park.discharges import load
from park.limits import Limit, Period
from park.means import HOUR
from park.words import Names
from reports.material import Budgeted, Material


class Budget(msgspec.Struct, frozen=True):
    """A budget at the end of the month; masses in kg, shares from 0 on.

    ``month`` is what went out in the month itself. ``known`` is the share of the hours since the period began that were
    measured, ``forecast`` what it comes to at the end of the period if it goes on as so far, ``runs_out`` when (ms)
    it is used up then, if that is before the end.
    """

    limit: Limit
    series: str
    site: Names
    quantity: Names
    begin: int
    budget: float
    warn: float
    used: float
    month: float
    known: float
    forecast: float | None
    runs_out: int | None

    @property
    def share(self) -> float:
        """Which share of the budget is used."""
        return self.used / self.budget if self.budget else 0.0

    @property
    def overdrawn(self) -> bool:
        """Whether it is used up, or will be before the period ends."""
        return self.used > self.budget or self.runs_out is not None


def loads(material: Material) -> tuple[Budget, ...]:
    """Return the figures of the section."""
    found = [_budget(material, each) for each in material.budgets]
    return tuple(each for each in found if each)


def _budget(material: Material, told: Budgeted) -> Budget | None:
    question, labels, limit = material.question, material.labels, told.limit
    quantity = told.series.rsplit("/", 1)[1]
    units = (labels.unit(quantity), labels.unit(limit.flow))
    period = limit.period or Period.YEAR
    try:
        so_far = load(told.concentration, told.flow, units, period, question.until)
        monthly = load(told.concentration, told.flow, units, Period.MONTH, question.until)
    except UnknownMass:
        return None
    begin = question.year_begin if period is Period.YEAR else question.begin
    so_far = so_far if so_far.begin == begin else Load(begin)
    budget, end = limit.set_points[-1].at, end_of(period, begin)
    out = exhausted_at(so_far, budget)
    hours = max(1, (question.until - begin) // HOUR)
    return Budget(
        limit=limit,
        series=told.series,
        site=labels.site(told.series),
        quantity=labels.quantity(quantity),
        begin=begin,
        budget=budget,
        warn=limit.set_points[0].at,
        used=so_far.kg,
        month=monthly.kg if monthly.begin == question.begin else 0.0,
        known=so_far.hours / hours,
        forecast=expected(so_far, period),
        runs_out=out if out is not None and out < end else None,
    )
