"""``parkwatch oncall``: who has the duty, and whom an alarm would reach; from the configuration alone."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from park.catalogue import Catalogue, Zone
from park.oncall import (
    ROTA,
    Chain,
    OnCall,
    Person,
    Rota,
    Shift,
    calls,
    chain_for,
    moment,
    operators,
    people_of,
    quiet_until,
    shift_at,
    shifts,
    week_at,
)
from park.rows import day, suggestion
from park.words import Names, Priority
from parkwatch.desk import UNUSABLE, catalogue, out, settings, stop
from storage.clock import SystemClock

oncall = typer.Typer(no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_NOBODY = (
    "nobody is on call: config/oncall.yaml is not there, or has no chains; "
    "pages go to the channels of config/alerts.yaml only"
)


class Duty(msgspec.Struct):
    """Who has the duty of a rota; times in ms."""

    rota: str
    names: Names
    timezone: str
    person: str
    person_names: Names
    begin: int
    end: int
    why: str


class Reached(msgspec.Struct):
    """Somebody a call reaches, by which of their contacts, in the order in which they are tried."""

    person: str
    names: Names
    contacts: list[str]


class Called(msgspec.Struct):
    """One due time of a chain: ``after`` (ms) the page; ``step`` counts the steps from 1."""

    after: int
    step: int
    repeat: int
    people: list[Reached]


class ZoneNow(msgspec.Struct):
    """A zone: who has the duty, what is held back until when (ms), and whom a critical alarm would reach."""

    zone: str
    names: Names
    operators: int
    on_duty: list[Duty]
    held_back_until: dict[Priority, int]
    critical_chain: str
    critical: list[Called]


class Now(msgspec.Struct):
    """What ``parkwatch oncall now --json`` prints; ``elsewhere`` are the rotas that no zone's chains ask."""

    at: int
    zones: list[ZoneNow]
    elsewhere: list[Duty]


class RotaWeeks(msgspec.Struct):
    """The shifts of one rota."""

    rota: str
    names: Names
    timezone: str
    shifts: list[ShiftShown]


class ShiftShown(msgspec.Struct):
    """Who has the duty from ``begin`` until ``end`` (ms); ``why`` is empty unless it is an override."""

    begin: int
    end: int
    person: str
    names: Names
    why: str


@oncall.command()
def now(
    zone: Annotated[str | None, typer.Option(help="Only this zone.")] = None,
    as_json: _Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Who has the duty now, until when, and whom a critical alarm would reach, step by step."""
    park = catalogue(settings())
    if zone is not None and zone not in park.zones:
        raise stop(f"there is no zone {zone}; {suggestion(zone, park.zones)}", UNUSABLE)
    at = SystemClock().now()
    zones = [_zone_now(park.oncall, found, at) for found in park.zones.values() if zone in {None, found.name}]
    found = Now(at, zones, [] if zone else _elsewhere(park, at))
    if as_json:
        _print_json(found)
    elif not park.oncall.chains:
        _line(_NOBODY)
    else:
        _print_now(found)


@oncall.command()
def week(
    rota: Annotated[str | None, typer.Option(help="Only this rota.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="A day of the first week, such as 2026-03-01 (left out: today).")
    ] = None,
    weeks: Annotated[int, typer.Option(min=1, max=104, help="How many weeks.")] = 1,
    as_json: _Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Who has the duty, from hand-over to hand-over, overrides included."""
    park = catalogue(settings())
    rotas = park.oncall.rotas
    if rota is not None and rota not in rotas:
        raise stop(f"there is no rota {rota}; {suggestion(rota, rotas)}", UNUSABLE)
    first = _day(from_)
    found = [_weeks(park.oncall, one, first, weeks) for one in rotas.values() if rota in {None, one.name}]
    if as_json:
        _print_json(found)
    elif not found:
        _line("there are no rotas; config/oncall.yaml has them")
    else:
        _print_weeks(found)


# --- what is asked -----------------------------------------------------------------------------------------


def _zone_now(roster: OnCall, zone: Zone, at: int) -> ZoneNow:
    chain = chain_for(roster, zone.name, Priority.CRITICAL)
    ends = ((priority, quiet_until(roster, zone.name, priority, at)) for priority in Priority)
    return ZoneNow(
        zone=zone.name,
        names=zone.names,
        operators=operators(roster, zone.name, at),
        on_duty=[_duty(roster, roster.rotas[name], at) for name in _rotas_of(roster, zone.name)],
        held_back_until={priority: end for priority, end in ends if end is not None},
        critical_chain=chain.id if chain else "",
        critical=_called(roster, chain, at) if chain else [],
    )


def _called(roster: OnCall, chain: Chain, at: int) -> list[Called]:
    found = []
    for call in calls(chain):
        # Who has the duty when the call is due: a hand-over may lie between.
        people = people_of(roster, chain.steps[call.step], at + call.after)
        found.append(Called(call.after, call.step + 1, call.repeat, [_reached(person) for person in people]))
    return found


def _reached(person: Person) -> Reached:
    return Reached(person.name, person.names, [contact.name for contact in person.contacts])


def _rotas_of(roster: OnCall, zone: str) -> list[str]:
    """Return the rotas that the chains of ``zone`` ask, each once."""
    steps = (step for chain in roster.chains if chain.covers_zone(zone) for step in chain.steps)
    told = (tell for step in steps for tell in step.tell)
    return list(dict.fromkeys(tell.removeprefix(ROTA) for tell in told if tell.startswith(ROTA)))


def _elsewhere(park: Catalogue, at: int) -> list[Duty]:
    asked = {name for zone in park.zones for name in _rotas_of(park.oncall, zone)}
    return [_duty(park.oncall, rota, at) for name, rota in park.oncall.rotas.items() if name not in asked]


def _duty(roster: OnCall, rota: Rota, at: int) -> Duty:
    shift = shift_at(rota, at)
    names = roster.people[shift.person].names
    return Duty(rota.name, rota.names, rota.timezone, shift.person, names, shift.begin, shift.end, shift.why)


def _day(text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        return day(text)
    except ValueError as error:
        raise stop(str(error), UNUSABLE) from error


def _weeks(roster: OnCall, rota: Rota, first: dt.date | None, weeks: int) -> RotaWeeks:
    # The day of a hand-over belongs to the week that begins on it.
    at = SystemClock().now() if first is None else moment(first, 24 * 60 - 1, rota.timezone)
    begin = end = week_at(rota, at).begin
    for _ in range(weeks):
        end = week_at(rota, end).end
    shown = [_shown(roster, shift) for shift in shifts(rota, begin, end)]
    return RotaWeeks(rota.name, rota.names, rota.timezone, shown)


def _shown(roster: OnCall, shift: Shift) -> ShiftShown:
    return ShiftShown(shift.begin, shift.end, shift.person, roster.people[shift.person].names, shift.why)


# --- what is printed ---------------------------------------------------------------------------------------


def _print_now(found: Now) -> None:
    for zone in found.zones:
        _line(f"{zone.zone}  {_both(zone.names)}")
        _print_duties(zone.on_duty)
        for priority, end in zone.held_back_until.items():
            _line(f"  {priority.value} alarms wait until {_local(end)}")
        _line(f"  a critical alarm now ({zone.critical_chain}):")
        for call in zone.critical:
            _line(f"    {_after(call.after):>12}  {_people(call.people)}")
    if found.elsewhere:
        _line("rotas that no chain asks")
        _print_duties(found.elsewhere)


def _print_duties(duties: Iterable[Duty]) -> None:
    for duty in duties:
        why = f": {duty.why}" if duty.why else ""
        until = f"until {_wall(duty.end, duty.timezone)} {duty.timezone}"
        _line(f"  {duty.rota}  {_both(duty.person_names)}  [{duty.person}]  {until}{why}")


def _print_weeks(found: Iterable[RotaWeeks]) -> None:
    for rota in found:
        _line(f"{rota.rota}  {_both(rota.names)}  ({rota.timezone})")
        for shift in rota.shifts:
            times = f"{_wall(shift.begin, rota.timezone)} - {_wall(shift.end, rota.timezone)}"
            why = f"  (override: {shift.why})" if shift.why else ""
            _line(f"  {times}  {_both(shift.names)}  [{shift.person}]{why}")


def _people(people: Iterable[Reached]) -> str:
    return "; ".join(f"{_both(one.names)}  [{', '.join(one.contacts) or 'no contact'}]" for one in people)


def _after(ms: int) -> str:
    return f"after {ms / 60_000:g} min" if ms else "at once"


def _both(names: Names) -> str:
    return f"{names.zh} / {names.en}"


def _wall(at: int, timezone: str) -> str:
    return dt.datetime.fromtimestamp(at / 1000, ZoneInfo(timezone)).strftime("%a %Y-%m-%d %H:%M")


def _local(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).astimezone().strftime("%Y-%m-%d %H:%M %Z")


def _print_json(content: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")


def _line(text: str) -> None:
    """Print a line as it is: a narrow terminal and a pipe cut nothing."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)
