"""Flatline: a value that has not changed by more than ``tolerance`` for longer than ``window``: a stuck sensor.

What is held against the set-point is the time (ms) since the value last left the band around what it was then. Equal
readings count like any other. Silence does not: two equal readings further apart than ``window`` say nothing of what
was between them.
"""

from __future__ import annotations

from park.limits import Limit
from park.readings import Reading
from park.rules.threshold import concerns, elapse, observe

__all__ = ["concerns", "elapse", "follow", "observe"]

_REMEMBERED = 3


def follow(limit: Limit, memory: tuple[float, ...], reading: Reading) -> tuple[tuple[float, ...], float | None]:
    """Return what is remembered (since when, at which value, the newest time), and the time unchanged in ms."""
    value, t = reading.value, float(reading.t)
    if len(memory) not in {0, _REMEMBERED}:
        # The limit was of another kind when this was remembered.
        memory = ()
    if value is None or (memory and t < memory[2]):
        return memory, None
    if not memory or t - memory[2] > limit.window or abs(value - memory[1]) > limit.tolerance:
        return (t, value, t), 0.0
    return (memory[0], memory[1], t), t - memory[0]
