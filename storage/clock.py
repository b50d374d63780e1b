"""The machine's clock, passed in wherever time is needed, so that a test can hold its hands."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the server's time."""

    def now(self) -> int:
        """Return the time in ms since 1970-01-01T00:00:00Z."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return the time in ms since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1_000_000
