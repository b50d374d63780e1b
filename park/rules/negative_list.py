"""Negative list: a substance that a zone has banned is detected.

Any usable value above the detection limit counts, at once: there is no on-delay and no deadband. It has gone when the
values have stayed at the detection limit or below it for the off-delay.
"""

from __future__ import annotations

from park.alarms import Alarm, Timer
from park.limits import Limit
from park.readings import Reading
from park.rules import threshold
from park.rules.threshold import concerns, elapse

__all__ = ["concerns", "elapse", "observe"]


def observe(limit: Limit, alarm: Alarm, reading: Reading) -> tuple[tuple[Timer | None, ...], int]:
    """Timers and level after ``reading``; a detection is the alarm, whatever delays somebody may have given it."""
    if concerns(limit, reading):
        return (None,), 1
    return threshold.observe(limit, alarm, reading)
