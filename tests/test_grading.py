"""Grading: what a number is worth."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.grading import grade, worse
from park.words import Quality
from tests.making import many

GOOD, OUT, FAILURE = Quality.GOOD, Quality.OUT_OF_SPECIFICATION, Quality.FAILURE
SENTINELS = (-999.0, -200.0)


def milliamperes(current: float) -> float:
    """Return what a transmitter of 0 to 160 says at ``current``: 10 per mA above 4."""
    return (current - 4) * 10


@pytest.mark.parametrize(
    ("value", "quality"),
    [
        (milliamperes(4.0), GOOD),
        (milliamperes(12.0), GOOD),
        (milliamperes(20.0), GOOD),
        (milliamperes(3.8), GOOD),  # zero drift
        (milliamperes(3.79), OUT),
        (milliamperes(3.61), OUT),
        (milliamperes(3.6), FAILURE),  # the failure signal itself
        (milliamperes(3.5), FAILURE),
        (milliamperes(0.0), FAILURE),  # broken wire
        (milliamperes(20.01), OUT),  # saturated: a leak until shown otherwise
        (milliamperes(20.99), OUT),
        (milliamperes(21.0), FAILURE),
        (milliamperes(22.0), FAILURE),
        (None, FAILURE),
        (math.nan, FAILURE),
        (math.inf, FAILURE),
        (-math.inf, FAILURE),
    ],
)
def test_namur_ne_43(value: float | None, quality: Quality) -> None:
    assert grade(value, 0.0, 160.0, SENTINELS) is quality


@pytest.mark.parametrize("value", SENTINELS)
def test_sentinel_is_no_value_even_inside_the_range(value: float) -> None:
    assert grade(value, -1000.0, 1000.0, SENTINELS) is FAILURE
    assert grade(value, -1000.0, 1000.0, ()) is GOOD


@given(st.floats(), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
@many
def test_every_number_has_a_quality_and_the_range_is_good(value: float, minimum: float, span: float) -> None:
    quality = grade(value, minimum, minimum + span, ())
    assert quality in {GOOD, OUT, FAILURE}
    if minimum <= value <= minimum + span:
        assert quality is GOOD
    if not math.isfinite(value):
        assert quality is FAILURE


def test_a_sensors_word_can_only_make_it_worse() -> None:
    for measured, claimed in itertools.product(Quality, Quality):
        kept = worse(measured, claimed)
        assert kept in {measured, claimed}
        assert worse(claimed, measured) is kept
        assert worse(kept, measured) is kept
    assert worse(FAILURE, GOOD) is FAILURE
    assert worse(GOOD, Quality.MAINTENANCE_REQUIRED) is Quality.MAINTENANCE_REQUIRED
    assert worse(OUT, Quality.FUNCTION_CHECK) is Quality.FUNCTION_CHECK
    assert worse(Quality.CLOCK, OUT) is OUT


def test_what_makes_a_value_unusable_is_worse_than_all_that_does_not() -> None:
    for usable, unusable in itertools.product(Quality, Quality):
        if usable.usable and not unusable.usable:
            assert worse(usable, unusable) is unusable
