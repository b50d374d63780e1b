"""Limits: what a quantity must not pass, who says so, and what to do when it does."""

from __future__ import annotations

import enum

import msgspec

from park.statistics import Statistic
from park.words import Location, Names, Priority


class Side(enum.StrEnum):
    """Which way a value passes the limit."""

    HIGH = "high"
    LOW = "low"


class Kind(enum.StrEnum):
    """Rule kinds: one file each in ``park/rules/``."""

    THRESHOLD = "threshold"
    QUALITY = "quality"
    MEAN = "mean"
    RATE = "rate"
    FLATLINE = "flatline"
    VOTE = "vote"
    BUDGET = "budget"
    NEGATIVE_LIST = "negative-list"


class Period(enum.StrEnum):
    """What a load budget is granted for; Chinese months and years."""

    MONTH = "month"
    YEAR = "year"


class SetPoint(msgspec.Struct, frozen=True):
    """One severity of a limit.

    ``severity`` is ``high``/``high-high``/``low``/``low-low`` (or ``bad`` for quality rules); ``at`` is in the
    quantity's canonical unit. The limit is passed when the value is beyond ``at``, not when it equals it.
    """

    severity: str
    at: float
    priority: Priority


class Guidance(msgspec.Struct, frozen=True):
    """What the person who is paged needs to know (ISA-18.2 rationalisation)."""

    cause: Names
    consequence: Names
    response: Names
    respond_within_s: int


#: Nothing at all, how fast the value changes, how long it has not.
_OF_SOMETHING_ELSE = frozenset({Kind.QUALITY, Kind.RATE, Kind.FLATLINE})


class Match(msgspec.Struct, frozen=True):
    """Which series a limit applies to; an empty tuple means any."""

    quantities: tuple[str, ...] = ()
    locations: tuple[Location, ...] = ()
    zones: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()

    def covers(self, zone: str, site: str, sensor: str, quantity: str, location: Location) -> bool:
        """Whether the series at this place is one the limit applies to."""
        return (
            (not self.quantities or quantity in self.quantities)
            and (not self.locations or location in self.locations)
            and (not self.zones or zone in self.zones)
            and (not self.sites or site in self.sites)
            and (not self.sensors or sensor in self.sensors)
        )


class Limit(msgspec.Struct, frozen=True):
    """One limit with everything its alarm needs.

    ``set_points`` are ordered by severity, mildest first. ``deadband`` is in the canonical unit, delays are in
    ms. ``unit`` is the unit the source is written in and ``shown_per_canonical`` the factor from the canonical
    unit to it, so that a page quotes the law's own number. ``clause`` says where in the source the number stands
    and, after a colon, what it means there. ``valid_from``/``valid_to`` are ms, half open.

    A ``latching`` alarm that has returned waits for a reset. An acknowledged alarm that lasts asks for attention
    again ``re_alarm`` ms after its acknowledgement, ``re_alarm_most`` times per occurrence. Of the alarms of one
    ``group`` at one site the first to be raised is marked, because it is likely the cause of the others.

    What is held against the set-points depends on the kind: a value; a mean (``of``); how fast it changes over
    ``window`` ms (rate); for how many ms it has not changed by more than ``tolerance`` (flatline); how many detectors
    of a site have alarms of ``votes`` within ``window`` (vote, ``needs`` of them); the mass in kg that went out with
    the ``flow`` of the same sensor since the ``period`` began (budget).
    """

    id: str
    kind: Kind
    names: Names
    match: Match
    side: Side
    set_points: tuple[SetPoint, ...]
    deadband: float
    on_delay: int
    off_delay: int
    unit: str
    source: str
    clause: Names
    provenance: str
    version: str
    guidance: Guidance
    shown_per_canonical: float = 1.0
    valid_from: int | None = None
    valid_to: int | None = None
    latching: bool = False
    re_alarm: int | None = None
    re_alarm_most: int = 3
    group: str = ""
    of: Statistic | None = None
    window: int = 0
    needs: int = 0
    votes: tuple[str, ...] = ()
    flow: str = ""
    period: Period | None = None
    tolerance: float = 0.0

    @property
    def of_value(self) -> bool:
        """Whether what is held against the set-points is in the unit of the series itself."""
        return self.kind not in _OF_SOMETHING_ELSE

    def valid_at(self, t: int) -> bool:
        """Whether the limit is in force at ``t`` (ms)."""
        return (self.valid_from is None or t >= self.valid_from) and (self.valid_to is None or t < self.valid_to)

    def point(self, level: int) -> SetPoint:
        """Return the set-point an alarm at ``level`` is about (inactive: the mildest).

        An alarm may remember a severity that has since been taken out of the configuration: then the severest.
        """
        return self.set_points[min(max(level, 1), len(self.set_points)) - 1]

    def shown(self, value: float) -> float:
        """Return ``value`` (canonical unit) in the unit the limit's source is written in."""
        return value * self.shown_per_canonical
