"""The clock the field lives by, passed in so that a test can hold its hands."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now_ms(self) -> int:
        """Return the time in ms since 1970."""

    def wait(self, ms: float, stop: threading.Event) -> bool:
        """Let ``ms`` milliseconds pass; returns at once, and true, when ``stop`` is set."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Return the time in ms since 1970."""
        return time.time_ns() // 1_000_000

    def wait(self, ms: float, stop: threading.Event) -> bool:
        """Sleep ``ms`` milliseconds unless ``stop`` is set; return whether it is."""
        return stop.wait(max(ms, 0.0) / 1000)


class ManualClock:
    """A clock that only moves when somebody waits on it (or :meth:`advance` is called): for tests."""

    def __init__(self, now: int) -> None:
        self._now = float(now)

    def now_ms(self) -> int:
        """Return the time in ms since 1970."""
        return int(self._now)

    def wait(self, ms: float, stop: threading.Event) -> bool:
        """Move on by ``ms`` milliseconds at once; return whether ``stop`` is set."""
        if not stop.is_set():
            self.advance(ms)
        return stop.is_set()

    def advance(self, ms: float) -> None:
        """Move on by ``ms`` milliseconds."""
        self._now += max(ms, 0.0)
