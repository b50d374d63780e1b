"""Grading: from a number as sent to a quality. What is not a measurement never alarms on its value.

A value a little outside the measuring range is still a measurement: NAMUR NE 43 gives 3.8 to 20.5 mA to the
measurement, and keeps 3.6 mA and less, 21 mA and more, for failure. So a saturated detector is a leak until
shown otherwise (usable, ``out-of-specification``), and a value far outside is a broken one (``failure``).
"""

from __future__ import annotations

import math

from park.words import Quality

#: NE 43 as shares of the span (4..20 mA): zero drift that is still normal, and where failure begins.
ZERO_DRIFT = 0.0125
FAILURE_BELOW = 0.025
FAILURE_ABOVE = 0.0625
# Whoever makes a value out of 3.6 mA rounds: it is the failure signal all the same.
_ROUNDING = 1e-9

#: A sensor's clock may run ahead of ours by this (ms) before its time is replaced by ours.
CLOCK_TOLERANCE = 30_000


def grade(value: float | None, minimum: float, maximum: float, sentinels: tuple[float, ...]) -> Quality:
    """Return the quality of ``value``; everything in the unit the sensor sends."""
    if value is None or not math.isfinite(value) or value in sentinels:
        return Quality.FAILURE
    if minimum <= value <= maximum:
        return Quality.GOOD
    below, above = (minimum - value) / (maximum - minimum), (value - maximum) / (maximum - minimum)
    if below >= FAILURE_BELOW - _ROUNDING or above >= FAILURE_ABOVE - _ROUNDING:
        return Quality.FAILURE
    return Quality.GOOD if 0 < below <= ZERO_DRIFT + _ROUNDING else Quality.OUT_OF_SPECIFICATION


def worse(measured: Quality, claimed: Quality) -> Quality:
    """The quality to keep: a sensor's own word can only make a value worse."""
    return max(measured, claimed, key=_ORDER.index)


_ORDER = (
    Quality.GOOD,
    Quality.MAINTENANCE_REQUIRED,
    Quality.CLOCK,
    Quality.OUT_OF_SPECIFICATION,
    Quality.FUNCTION_CHECK,
    Quality.FAILURE,
)
