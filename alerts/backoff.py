"""Backoff: how long to wait before the next attempt. Pure; chance is an argument."""

from __future__ import annotations

FIRST = 1_000
LONGEST = 600_000
SPREAD = 0.2


def delay(attempts: int, chance: float, asked_for: float = 0.0) -> int:
    """Return ms to wait after ``attempts`` failures: 1 s, doubled each time, 10 min at most, a fifth either way.

    ``chance`` is in [0, 1); ``asked_for`` is what the receiver asked for (s), never undercut.
    """
    steady = min(LONGEST, FIRST << min(attempts - 1, 20))
    spread = steady * (1 + SPREAD * (2 * chance - 1))
    return int(max(spread, asked_for * 1000))
