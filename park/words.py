"""Words that every room shares: names in two languages, priorities, location classes, qualities."""

from __future__ import annotations

import enum

import msgspec


class Names(msgspec.Struct, frozen=True):
    """A text that staff read, in Chinese and in English."""

    zh: str
    en: str

    def get(self, language: str) -> str:
        """Return the text in ``language`` (``zh`` or ``en``; anything else reads English)."""
        return self.zh if language == "zh" else self.en


class Priority(enum.StrEnum):
    """How soon a person has to act (IEC 62682); the aim is a split of about 5/15/80, critical on top."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Position for sorting: 0 is the most urgent."""
        return _RANKS[self]


_RANKS = {priority: rank for rank, priority in enumerate(Priority)}


class Location(enum.StrEnum):
    """Location class of a sensor: with the quantity it decides which limits apply."""

    WORKPLACE = "workplace"
    STACK = "stack"
    FENCELINE = "fenceline"
    AMBIENT = "ambient"
    OUTFALL = "outfall"
    PROCESS = "process"
    METER = "meter"
    SYSTEM = "system"


class Quality(enum.StrEnum):
    """What a reading is worth; the classes of NAMUR NE 107, and ``clock`` for a time that can't be right.

    ``good``, ``out-of-specification`` and ``clock`` are *usable*: the value is real enough to raise an alarm.
    """

    GOOD = "good"
    CLOCK = "clock"
    OUT_OF_SPECIFICATION = "out-of-specification"
    MAINTENANCE_REQUIRED = "maintenance-required"
    FUNCTION_CHECK = "function-check"
    FAILURE = "failure"

    @property
    def usable(self) -> bool:
        """Whether the value may be compared with limits."""
        return self in _USABLE


_USABLE = frozenset({Quality.GOOD, Quality.CLOCK, Quality.OUT_OF_SPECIFICATION, Quality.MAINTENANCE_REQUIRED})
