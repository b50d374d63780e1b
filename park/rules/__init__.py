"""Rule kinds, one file each. A new kind is a new file here and a row in ``RULES``.

A rule is three pure functions; time is always an argument:

``concerns(limit, reading)``
    whether this reading could start something on an idle alarm (the fast path of most readings);
``observe(limit, alarm, reading)``
    timers and level after a current reading;
``elapse(limit, alarm, now, silence)``
    the level after time has passed without a reading.

Some rules hold not the value but something made of it against the set-points: they also ``follow`` the readings, with
a small memory of their own. Means, votes and budgets are made elsewhere, because they are made of more than one reading
or series (:mod:`park.statistics`, :mod:`park.votes`, :mod:`park.budgets`); what is left of them here is a threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from park.alarms import Alarm, Timer
from park.limits import Kind, Limit
from park.readings import Reading
from park.rules import flatline, negative_list, quality, rate, threshold
from park.rules.silence import Silence

__all__ = ["DERIVED", "FOLLOWS", "RULES", "Follow", "Memory", "Rule", "Silence", "Timers"]

Timers = tuple[Timer | None, ...]


class Rule(Protocol):
    """What every file in this folder offers (a module is an instance of it)."""

    def concerns(self, limit: Limit, reading: Reading) -> bool:
        """Whether the reading could start something on an idle alarm."""

    def observe(self, limit: Limit, alarm: Alarm, reading: Reading) -> tuple[Timers, int]:
        """Timers and level after a current reading."""

    def elapse(self, limit: Limit, alarm: Alarm, now: int, silence: Silence) -> int:
        """Level after time has passed without a reading."""


Memory = tuple[float, ...]
"""What a rule that follows readings remembers between them: few numbers, bounded."""

Follow = Callable[[Limit, Memory, Reading], tuple[Memory, float | None]]
"""Takes a usable current reading; returns what to remember, and what to hold against the set-points, if anything."""

RULES: dict[Kind, Rule] = {
    Kind.THRESHOLD: threshold,
    Kind.QUALITY: quality,
    Kind.MEAN: threshold,
    Kind.RATE: rate,
    Kind.FLATLINE: flatline,
    Kind.VOTE: threshold,
    Kind.BUDGET: threshold,
    Kind.NEGATIVE_LIST: negative_list,
}

FOLLOWS: dict[Kind, Follow] = {Kind.RATE: rate.follow, Kind.FLATLINE: flatline.follow}

#: Held against results and derived series, never against a sensor's own readings.
DERIVED = frozenset({Kind.MEAN, Kind.VOTE, Kind.BUDGET})
