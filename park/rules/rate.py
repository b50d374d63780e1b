"""Rate of change: how fast a value rises (side high) or falls (side low), per minute, over ``window``.

The rate is the change since the newest anchor that is at least ``window`` old. Anchors are the first reading of each
of ``SLOTS`` parts of the window, by event time, so it does not matter how the readings came, and only few are kept.
Until there is such an anchor (the first window after a start or a gap) nothing is said: doubt neither raises nor
clears.
"""

from __future__ import annotations

from park.limits import Limit
from park.readings import Reading
from park.rules.threshold import concerns, elapse, observe

__all__ = ["MINUTE", "SLOTS", "concerns", "elapse", "follow", "observe"]

#: Parts of a window of which one reading each is remembered; with the one before the window that makes 16 at most.
SLOTS = 14
MINUTE = 60_000.0


def follow(limit: Limit, memory: tuple[float, ...], reading: Reading) -> tuple[tuple[float, ...], float | None]:
    """Return the anchors (time and value in turn, oldest first), and the rate in canonical units per minute."""
    value = reading.value
    if len(memory) % 2:
        # The limit was of another kind when this was remembered.
        memory = ()
    if value is None or (memory and reading.t < memory[-2]):
        return memory, None
    memory = _forget(memory, reading.t - limit.window)
    if not memory or _slot(limit, memory[-2]) < _slot(limit, reading.t):
        memory = (*memory, float(reading.t), value)
    since = reading.t - memory[0]
    if not limit.window <= since <= 2 * limit.window:
        return memory, None
    return memory, (value - memory[1]) / since * MINUTE


def _slot(limit: Limit, t: float) -> int:
    return int(t * SLOTS // limit.window)


def _forget(memory: tuple[float, ...], begin: int) -> tuple[float, ...]:
    """Return the anchors without those that a newer one at or before ``begin`` makes needless."""
    needless = 0
    while needless + 2 < len(memory) and memory[needless + 2] <= begin:
        needless += 2
    return memory[needless:] if needless else memory
