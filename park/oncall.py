"""On-call: who has the duty, who hears of an alarm, after how long, and when they are left to sleep. Pure.

Times are ms since 1970; what staff wrote in wall-clock time (hand-overs, quiet hours) is turned into them by the time
zone it was written for. A wall-clock time that a change to summer time leaves out is the moment it would have been
without the change; one that comes twice is the first of the two.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

import msgspec

from park.channels import ChannelRoute
from park.words import Names, Priority

_WEEK = dt.timedelta(days=7)
_DAY = dt.timedelta(days=1)
ROTA, PERSON = "rota:", "person:"


class Person(msgspec.Struct, frozen=True):
    """Somebody who can be told; ``contacts`` in order of preference, named ``person.contact``."""

    name: str
    names: Names
    language: str = "zh"
    contacts: tuple[ChannelRoute, ...] = ()


class Override(msgspec.Struct, frozen=True):
    """``person`` has the duty of ``rota`` from ``begin`` until before ``end`` (ms), whose week it may be."""

    rota: str
    begin: int
    end: int
    person: str
    why: str


class Handover(msgspec.Struct, frozen=True):
    """When the duty changes hands: ``weekday`` (0 is Monday) and ``minute`` of the day, by the wall clock."""

    weekday: int
    minute: int


class Rota(msgspec.Struct, frozen=True):
    """A duty that one person has at a time, a week each, in turn.

    ``people[0]`` begins at the hand-over in the week (Monday to Sunday) of ``start``. The turns go on without end in
    both directions, so that every moment has its person. ``overrides`` are in order and don't overlap.
    """

    name: str
    names: Names
    timezone: str
    handover: Handover
    start: dt.date
    people: tuple[str, ...]
    overrides: tuple[Override, ...] = ()


class Shift(msgspec.Struct, frozen=True):
    """``person`` has the duty from ``begin`` until before ``end`` (ms); ``why`` is empty unless it is an override."""

    begin: int
    end: int
    person: str
    why: str = ""


class Step(msgspec.Struct, frozen=True):
    """One rung of a chain: whom to ``tell`` (``rota:NAME`` or ``person:NAME``), and when.

    ``after`` (ms) counts from the page; the step is said again every ``every`` (ms), ``repeat`` times more.
    """

    tell: tuple[str, ...]
    after: int = 0
    every: int = 0
    repeat: int = 0


class Until(enum.StrEnum):
    """What stops a chain: somebody acknowledges, or the alarm returns to normal (an acknowledgement stops it too)."""

    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"


AGAIN_CRITICAL = 3_600_000
"""ms after which the chain of a critical alarm that nobody has answered begins again, unless it says otherwise."""


class Chain(msgspec.Struct, frozen=True):
    """Who hears of an alarm, step by step; ``zones`` and ``priorities`` are empty for every one.

    ``again`` (ms): so long after everybody was called in vain it begins again, if the alarm still stands; 0 for never,
    ``None`` for an hour if the alarm is critical, and never otherwise.
    """

    id: str
    names: Names
    steps: tuple[Step, ...]
    zones: tuple[str, ...] = ()
    priorities: tuple[Priority, ...] = ()
    until: Until = Until.ACKNOWLEDGED
    again: int | None = None

    def again_after(self, priority: Priority) -> int:
        """Return after how long (ms) the chain begins again for an alarm of ``priority``; 0 for never."""
        if self.again is None:
            return AGAIN_CRITICAL if priority is Priority.CRITICAL else 0
        return self.again

    def covers(self, zone: str, priority: Priority) -> bool:
        """Whether the chain is for alarms of ``priority`` in ``zone``."""
        return self.covers_zone(zone) and (not self.priorities or priority in self.priorities)

    def covers_zone(self, zone: str) -> bool:
        """Whether the chain is for some alarms of ``zone``."""
        return not self.zones or zone in self.zones


class QuietHours(msgspec.Struct, frozen=True):
    """Hours of the day in which pages of ``priorities`` wait; ``zones`` is empty for every one.

    ``begin`` and ``end`` are minutes of the day by the wall clock; with ``end`` before ``begin`` they pass midnight.
    """

    timezone: str
    begin: int
    end: int
    priorities: tuple[Priority, ...]
    zones: tuple[str, ...] = ()

    def holds(self, zone: str, priority: Priority) -> bool:
        """Whether these hours are for pages of ``priority`` in ``zone``."""
        return priority in self.priorities and (not self.zones or zone in self.zones)


class OnCall(msgspec.Struct, frozen=True):
    """The roster (``config/oncall.yaml``); empty if there is none."""

    people: dict[str, Person] = msgspec.field(default_factory=dict)
    rotas: dict[str, Rota] = msgspec.field(default_factory=dict)
    chains: tuple[Chain, ...] = ()
    quiet_hours: tuple[QuietHours, ...] = ()


class Call(msgspec.Struct, frozen=True):
    """One due time of a chain.

    ``after`` (ms) counts from the page; ``step`` is the index of the chain's step, ``repeat`` 0 the first time.
    """

    after: int
    step: int
    repeat: int


# --- rotas -------------------------------------------------------------------------------------------------


def moment(day: dt.date, minute: int, timezone: str) -> int:
    """Return when (ms) it is ``minute`` of ``day`` by the wall clock of ``timezone``."""
    wall = dt.datetime.combine(day, dt.time(minute // 60, minute % 60), ZoneInfo(timezone))
    return round(wall.timestamp() * 1000)


def day_of(at: int, timezone: str) -> dt.date:
    """Return the calendar day that it is at ``at`` (ms) in ``timezone``."""
    return dt.datetime.fromtimestamp(at / 1000, ZoneInfo(timezone)).date()


def on_duty(rota: Rota, at: int) -> str:
    """Return who has the duty at ``at`` (ms), overrides included."""
    return shift_at(rota, at).person


def week_at(rota: Rota, at: int) -> Shift:
    """Return the week that ``at`` (ms) falls into and whose turn it is, whatever overrides say."""
    first = rota.start - dt.timedelta(days=rota.start.weekday() - rota.handover.weekday)
    turn = (day_of(at, rota.timezone) - first).days // 7

    def begin(turn: int) -> int:
        return moment(first + turn * _WEEK, rota.handover.minute, rota.timezone)

    # On the day of the hand-over the minute decides.
    if at < begin(turn):
        turn -= 1
    return Shift(begin(turn), begin(turn + 1), rota.people[turn % len(rota.people)])


def shift_at(rota: Rota, at: int) -> Shift:
    """Return the shift that ``at`` (ms) falls into: an override, or what overrides leave of the week."""
    override = next((one for one in rota.overrides if one.begin <= at < one.end), None)
    if override:
        return Shift(override.begin, override.end, override.person, override.why)
    week = week_at(rota, at)
    begin = max((one.end for one in rota.overrides if week.begin < one.end <= at), default=week.begin)
    end = min((one.begin for one in rota.overrides if at < one.begin < week.end), default=week.end)
    return Shift(begin, end, week.person)


def shifts(rota: Rota, begin: int, end: int) -> tuple[Shift, ...]:
    """Return the shifts from ``begin`` until ``end`` (ms), in order and without a gap, the outer ones cut there."""
    return tuple(_shifts(rota, begin, end))


def _shifts(rota: Rota, begin: int, end: int) -> Iterator[Shift]:
    while begin < end:
        shift = shift_at(rota, begin)
        yield Shift(begin, min(shift.end, end), shift.person, shift.why)
        begin = shift.end


# --- chains ------------------------------------------------------------------------------------------------


def chain_for(oncall: OnCall, zone: str, priority: Priority) -> Chain | None:
    """Return the first chain, in the order of the file, for alarms of ``priority`` in ``zone``."""
    return next((chain for chain in oncall.chains if chain.covers(zone, priority)), None)


def calls(chain: Chain) -> tuple[Call, ...]:
    """Return every due time of ``chain``, the earliest first; the index into this is the escalation's step number."""
    found = (
        Call(step.after + repeat * step.every, index, repeat)
        for index, step in enumerate(chain.steps)
        for repeat in range(step.repeat + 1)
    )
    return tuple(sorted(found, key=lambda call: (call.after, call.step, call.repeat)))


def people_of(oncall: OnCall, step: Step, at: int) -> tuple[Person, ...]:
    """Return whom ``step`` tells at ``at`` (ms), each once and in the order of the step.

    Raises ``KeyError`` for a rota or person that the roster does not have.
    """
    return tuple(oncall.people[name] for name in dict.fromkeys(_told(oncall, tell, at) for tell in step.tell))


def _told(oncall: OnCall, tell: str, at: int) -> str:
    if tell.startswith(ROTA):
        return on_duty(oncall.rotas[tell.removeprefix(ROTA)], at)
    return tell.removeprefix(PERSON)


def operators(oncall: OnCall, zone: str, at: int) -> int:
    """Return how many people have the duty for ``zone`` at ``at`` (ms): those of its chains' first steps, 1 at least.

    What an operator can bear (alarms per 10 min, floods) is counted per person.
    """
    first = (chain.steps[0] for chain in oncall.chains if chain.covers_zone(zone))
    return max(1, len({person.name for step in first for person in people_of(oncall, step, at)}))


# --- quiet hours -------------------------------------------------------------------------------------------


def quiet_until(oncall: OnCall, zone: str, priority: Priority, at: int) -> int | None:
    """Return when (ms) the quiet hours end that hold pages of ``priority`` in ``zone`` back at ``at``.

    Quiet hours that follow each other without a pause count as one. ``None``: nothing is held back.
    """
    asked = [hours for hours in oncall.quiet_hours if hours.holds(zone, priority)]
    until = None
    for _ in asked:
        end = _latest_end(asked, at if until is None else until)
        until = until if end is None else end
    return until


def _latest_end(asked: Sequence[QuietHours], at: int) -> int | None:
    ends = (end for hours in asked for begin, end in _nights(hours, at) if begin <= at < end)
    return max(ends, default=None)


def _nights(hours: QuietHours, at: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end (ms) of the quiet hours that began yesterday and today."""
    today = day_of(at, hours.timezone)
    for day in (today - _DAY, today):
        last = day if hours.begin < hours.end else day + _DAY
        yield moment(day, hours.begin, hours.timezone), moment(last, hours.end, hours.timezone)
