"""Rule kinds, one file each. A new kind is a new file here and a row in ``RULES``.

A rule is three pure functions; time is always an argument:

``concerns(limit, reading)``
    whether this reading could start something on an idle alarm (the fast path of most readings);
``observe(limit, alarm, reading)``
    timers and level after a current reading;
``elapse(limit, alarm, now, silence)``
    the level after time has passed without a reading.
"""

from __future__ import annotations

from typing import Protocol

from park.alarms import Alarm, Timer
from park.limits import Kind, Limit
from park.readings import Reading
from park.rules import quality, threshold
from park.rules.silence import Silence

__all__ = ["RULES", "Rule", "Silence", "Timers"]

Timers = tuple[Timer | None, ...]


class Rule(Protocol):
    """What every file in this folder offers (a module is an instance of it)."""

    def concerns(self, limit: Limit, reading: Reading) -> bool:
        """Whether the reading could start something on an idle alarm."""

    def observe(self, limit: Limit, alarm: Alarm, reading: Reading) -> tuple[Timers, int]:
        """Timers and level after a current reading."""

    def elapse(self, limit: Limit, alarm: Alarm, now: int, silence: Silence) -> int:
        """Level after time has passed without a reading."""


RULES: dict[Kind, Rule] = {Kind.THRESHOLD: threshold, Kind.QUALITY: quality}
