"""How the means of a series are made, and which are kept."""

from __future__ import annotations

import pytest

from park.limits import Kind
from park.means import HOUR, MINUTE, Method
from park.methods import kept, method_for
from park.statistics import Statistic
from park.words import Location
from tests.making import limit

ALWAYS = {Statistic.HOUR, Statistic.DAY}


@pytest.mark.parametrize("location", Location)
def test_only_wastewater_is_spoilt_by_one_abnormal_value(location: Location) -> None:
    assert method_for(location, 5 * MINUTE) == Method(interval=5 * MINUTE, strict=location is Location.OUTFALL)


@pytest.mark.parametrize(
    ("interval", "more"), [(MINUTE - 1, {Statistic.MINUTE}), (MINUTE, set()), (HOUR, set()), (5000, {Statistic.MINUTE})]
)
def test_minutes_are_kept_of_what_speaks_more_often(interval: int, more: set[Statistic]) -> None:
    assert kept([], interval) == ALWAYS | more


def test_what_a_limit_is_written_on_is_kept() -> None:
    stel = limit("stel", kind=Kind.MEAN, of=Statistic.ROLLING_15_MIN)
    twa = limit("twa", kind=Kind.MEAN, of=Statistic.ROLLING_8_H)
    assert kept([stel, twa, limit()], MINUTE) == ALWAYS | {Statistic.ROLLING_15_MIN, Statistic.ROLLING_8_H}


def test_limits_that_are_on_no_mean_keep_none() -> None:
    assert kept([limit(of=Statistic.ROLLING_8_H), limit("without", kind=Kind.MEAN)], MINUTE) == ALWAYS
