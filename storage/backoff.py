"""Backoff with jitter: how long to wait before the next try at a server that is away."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double from ``first`` to ``most`` seconds, each shortened by up to half at random."""

    def __init__(self, first: float = 0.2, most: float = 5.0, rng: random.Random | None = None) -> None:
        self._first = first
        self._most = most
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self.failures = 0

    def next(self) -> float:
        """Count a failure and return the seconds to wait."""
        wait = min(self._first * 2.0 ** min(self.failures, 20), self._most)
        self.failures += 1
        return wait * self._rng.uniform(0.5, 1.0)

    def succeeded(self) -> bool:
        """Start anew; true if there had been failures."""
        failed = self.failures > 0
        self.failures = 0
        return failed
