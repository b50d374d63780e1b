"""Silence of a series: no current reading for longer than its interval allows."""

from __future__ import annotations

import enum


class Silence(enum.StrEnum):
    """What the absence of readings says; ``unknown`` while parkwatch itself may be the one that is deaf."""

    NONE = "none"
    STALE = "stale"
    NEVER_SEEN = "never-seen"
    UNKNOWN = "unknown"

    @property
    def silent(self) -> bool:
        """Whether the sensor is known not to speak."""
        return self in {Silence.STALE, Silence.NEVER_SEEN}
