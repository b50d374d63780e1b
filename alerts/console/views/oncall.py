"""Who is on call, now and in the next days, and whom an alarm of each zone and priority reaches. Pure."""

from __future__ import annotations

import msgspec

from alerts import words
from alerts.console.views import text
from alerts.console.views.times import age, moment
from park import oncall
from park.catalogue import Catalogue
from park.oncall import Chain, OnCall, Person, Shift, Until
from park.words import Names, Priority

AHEAD = 7 * 24 * 3_600_000


class Duty(msgspec.Struct, frozen=True):
    """Somebody's shift of a rota, ``begin`` to ``end`` (ms); ``why`` is empty unless it is an override."""

    person: str
    names: Names
    begin: int
    end: int
    why: str


class RotaNow(msgspec.Struct, frozen=True):
    """A rota: who has the duty ``now``, and the shifts of the next seven days."""

    rota: str
    names: Names
    timezone: str
    now: Duty
    shifts: tuple[Duty, ...]


class Call(msgspec.Struct, frozen=True):
    """A step of a chain: who would hear of a page sent now ``after`` ms, and how often again."""

    after: int
    every: int
    repeat: int
    people: tuple[Names, ...]
    tell: tuple[str, ...]


class Reached(msgspec.Struct, frozen=True):
    """Whom an alarm of ``priority`` in ``zone`` reaches; no ``chain``: nobody."""

    zone: str
    priority: Priority
    chain: str
    until: Until
    calls: tuple[Call, ...]


class Roster(msgspec.Struct, frozen=True):
    """Everything that ``GET /api/oncall`` says; ``at`` is the time it speaks of (ms)."""

    at: int
    rotas: tuple[RotaNow, ...]
    reached: tuple[Reached, ...]


def roster(catalogue: Catalogue, now: int) -> Roster:
    """Return the roster as it stands at ``now`` (ms)."""
    known = catalogue.oncall
    rotas = tuple(
        RotaNow(
            rota=name,
            names=rota.names,
            timezone=rota.timezone,
            now=_duty(known, oncall.shift_at(rota, now)),
            shifts=tuple(_duty(known, shift) for shift in oncall.shifts(rota, now, now + AHEAD)),
        )
        for name, rota in known.rotas.items()
    )
    reached = tuple(_reached(known, zone, priority, now) for zone in catalogue.zones for priority in Priority)
    return Roster(now, rotas, reached)


def _duty(known: OnCall, shift: Shift) -> Duty:
    return Duty(shift.person, known.people[shift.person].names, shift.begin, shift.end, shift.why)


def _reached(known: OnCall, zone: str, priority: Priority, now: int) -> Reached:
    chain = oncall.chain_for(known, zone, priority)
    if chain is None:
        return Reached(zone, priority, "", Until.ACKNOWLEDGED, ())
    return Reached(zone, priority, chain.id, chain.until, _calls(known, chain, now))


def _calls(known: OnCall, chain: Chain, now: int) -> tuple[Call, ...]:
    def names_of(people: tuple[Person, ...]) -> tuple[Names, ...]:
        return tuple(person.names for person in people)

    return tuple(
        Call(step.after, step.every, step.repeat, names_of(oncall.people_of(known, step, now + step.after)), step.tell)
        for step in chain.steps
    )


# -- in words ------------------------------------------------------------------------------------------------


class DutyLine(msgspec.Struct, frozen=True):
    """A shift in one language."""

    person: str
    begin: str
    end: str
    left: str
    why: str
    now: bool


class RotaLines(msgspec.Struct, frozen=True):
    """A rota in one language."""

    name: str
    now: DutyLine
    shifts: tuple[DutyLine, ...]


class ReachedLine(msgspec.Struct, frozen=True):
    """A priority's chain in one language; no ``calls``: nobody is told."""

    priority: str
    sign: str
    word: str
    calls: tuple[tuple[str, str, str], ...]
    returned: bool


class ZoneLines(msgspec.Struct, frozen=True):
    """A zone's chains in one language."""

    name: str
    reached: tuple[ReachedLine, ...]


def rota_lines(shown: Roster, language: str) -> tuple[RotaLines, ...]:
    """Return the rotas in words."""
    return tuple(
        RotaLines(
            rota.names.get(language),
            _duty_line(rota.now, shown.at, language),
            tuple(_duty_line(duty, shown.at, language) for duty in rota.shifts),
        )
        for rota in shown.rotas
    )


def _duty_line(duty: Duty, now: int, language: str) -> DutyLine:
    return DutyLine(
        person=duty.names.get(language),
        begin=_day_and_minute(duty.begin),
        end=_day_and_minute(duty.end),
        left=age(duty.end - now).get(language),
        why=duty.why,
        now=duty.begin <= now < duty.end,
    )


def _day_and_minute(ms: int) -> str:
    return moment(ms, ms).full[5:16]


def zone_lines(shown: Roster, catalogue: Catalogue, language: str) -> tuple[ZoneLines, ...]:
    """Return the chains in words, zone by zone."""
    return tuple(
        ZoneLines(
            zone.names.get(language),
            tuple(_reached_line(one, language) for one in shown.reached if one.zone == name),
        )
        for name, zone in catalogue.zones.items()
    )


def _reached_line(one: Reached, language: str) -> ReachedLine:
    return ReachedLine(
        priority=one.priority.value,
        sign=words.PRIORITY_SIGNS[one.priority],
        word=words.PRIORITIES[one.priority].get(language),
        calls=tuple((_after(call, language), _people(call, language), _again(call, language)) for call in one.calls),
        returned=one.until is Until.RETURNED,
    )


def _after(call: Call, language: str) -> str:
    if not call.after:
        return text.WORDS["at_once"].get(language)
    return text.WORDS["after"].get(language).format(time=age(call.after).get(language))


def _people(call: Call, language: str) -> str:
    return ("、" if language == "zh" else ", ").join(names.get(language) for names in call.people)


def _again(call: Call, language: str) -> str:
    if not call.repeat:
        return ""
    return text.WORDS["every"].get(language).format(time=age(call.every).get(language), count=call.repeat)
