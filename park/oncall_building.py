"""From ``oncall.yaml`` to the roster, or to everything that is wrong with it.

Everything here answers one question: is there an alarm, a zone or an hour for which nobody would be told?
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from park import oncall_rows, rows
from park.alerts_building import address, contact_problems, secret
from park.channels import ChannelKind, ChannelRoute
from park.documents import ONCALL, ZONES, Documents, names_of
from park.oncall import PERSON, ROTA, Chain, OnCall, Override, Person, QuietHours, Rota, Step, moment
from park.oncall_rows import weekday
from park.rows import Path, Problem, suggestion
from park.words import Priority

_DAY = 24 * 60
_WAITING = (Priority.MEDIUM, Priority.LOW)


def oncall(building: Documents) -> OnCall:
    """Return the roster that ``oncall.yaml`` describes, empty if there is no such file; problems are reported."""
    before = len(building.problems)
    people = _people(building)
    rotas = _rotas(building)
    chains = _chains(building)
    roster = OnCall(people, rotas, chains, _quiet_hours(building))
    if len(building.problems) == before:
        # Who is reached can be told only of a roster whose parts are sound.
        building.problems += _reach_problems(roster)
    if not any(problem.path[:2] == (ONCALL, "chains") for problem in building.problems):
        building.problems += _coverage_problems(roster, _zones(building))
    return roster


def _zones(building: Documents) -> frozenset[str]:
    """Return the zones of the park; none if that can't be told."""
    return frozenset(building.known(ZONES, "zones"))


# --- people ------------------------------------------------------------------------------------------------


def _people(building: Documents) -> dict[str, Person]:
    people = {}
    for name, value in building.table(ONCALL, "people").items():
        path: Path = (ONCALL, "people", name)
        building.check_segment(path, name)
        row = building.shape(oncall_rows.PersonRow, value, path)
        if row:
            contacts = tuple(_contacts(building, name, row, (*path, "contacts")))
            people[name] = Person(name, names_of(row.names), row.language, contacts)
    return people


def _contacts(building: Documents, person: str, row: oncall_rows.PersonRow, path: Path) -> Iterator[ChannelRoute]:
    seen = Counter[str]()
    for index, value in enumerate(row.contacts):
        contact = building.shape(rows.ContactRow, value, (*path, index))
        if contact:
            seen[contact.name] += 1
            if seen[contact.name] > 1:
                building.report(
                    (*path, index, "name"), f"{person} has a contact {contact.name!r} already; write another name"
                )
            building.problems += contact_problems(contact, (*path, index))
            yield _contact(person, contact, row.language)


def _contact(person: str, row: rows.ContactRow, language: str) -> ChannelRoute:
    return ChannelRoute(
        name=f"{person}.{row.name}",
        kind=ChannelKind(row.kind),
        url=address(row),
        language=language,
        min_priority=row.min_priority,
        notices=row.notices,
        secret=secret(row),
        # A person reads, even if a program of theirs passes it on.
        grouped=True if row.grouped is None else row.grouped,
    )


# --- rotas -------------------------------------------------------------------------------------------------


def _rotas(building: Documents) -> dict[str, Rota]:
    rotas = {}
    for name, value in building.table(ONCALL, "rotas").items():
        path: Path = (ONCALL, "rotas", name)
        building.check_segment(path, name)
        row = building.shape(oncall_rows.RotaRow, value, path)
        if row:
            building.unknown((*path, "people"), "person", row.people, building.known(ONCALL, "people"))
            building.problems += _start_problems(row, path)
            rotas[name] = _rota(name, row, _overrides(building, name, row, (*path, "overrides")))
    return rotas


def _rota(name: str, row: oncall_rows.RotaRow, overrides: Iterable[Override]) -> Rota:
    people = tuple(row.people)
    return Rota(name, names_of(row.names), row.timezone, row.handover, row.start, people, tuple(overrides))


def _start_problems(row: oncall_rows.RotaRow, path: Path) -> Iterator[Problem]:
    if row.start.weekday() == row.handover.weekday:
        return
    first = row.start - dt.timedelta(days=row.start.weekday() - row.handover.weekday)
    yield Problem(
        (*path, "start"),
        f"{row.start} is a {weekday(row.start.weekday())}, but the duty changes hands on "
        f"{weekday(row.handover.weekday)}; write the day on which {row.people[0]} takes over, such as {first}",
    )


def _overrides(building: Documents, rota: str, row: oncall_rows.RotaRow, path: Path) -> list[Override]:
    known = building.known(ONCALL, "people")
    found = [_override(rota, one, row.timezone) for one in row.overrides]
    for index, one in enumerate(row.overrides):
        if one.person not in known:
            building.report((*path, index, "person"), f"unknown person {one.person!r}; {suggestion(one.person, known)}")
        if found[index].begin >= found[index].end:
            building.report(
                (*path, index, "end"),
                f"the override ends at {_shown(one.end)}, not after it begins at {_shown(one.begin)}; write the "
                f"earlier time as begin",
            )
    for index, (earlier, later) in enumerate(pairwise(found), 1):
        message = _order_message(earlier, later, _shown(row.overrides[index - 1].end))
        if message:
            building.report((*path, index, "begin"), message)
    return found


def _override(rota: str, row: oncall_rows.OverrideRow, timezone: str) -> Override:
    return Override(rota, _instant(row.begin, timezone), _instant(row.end, timezone), row.person, row.why)


def _order_message(earlier: Override, later: Override, end: str) -> str:
    if later.begin < earlier.begin:
        return "this override begins before the one above; write the earlier one first"
    if later.begin < earlier.end:
        return (
            f"this override overlaps the one above, which ends at {end}, and one person has the duty at a time; "
            f"write begin: {end}, or let the one above end earlier"
        )
    return ""


def _instant(wall: dt.datetime, timezone: str) -> int:
    return moment(wall.date(), wall.hour * 60 + wall.minute, timezone)


def _shown(wall: dt.datetime) -> str:
    return wall.strftime("%Y-%m-%d %H:%M")


# --- chains ------------------------------------------------------------------------------------------------


def _chains(building: Documents) -> tuple[Chain, ...]:
    chains, seen = [], Counter[str]()
    for index, value in enumerate(building.rows(ONCALL, "chains")):
        path: Path = (ONCALL, "chains", index)
        row = building.shape(oncall_rows.ChainRow, value, path)
        if row:
            seen[row.id] += 1
            if seen[row.id] > 1:
                building.report((*path, "id"), f"there is a chain {row.id!r} already; write another id")
            building.unknown((*path, "zones"), "zone", row.zones, building.known(ZONES, "zones"))
            _check_steps(building, row.steps, (*path, "steps"))
            chains.append(_chain(row))
    return tuple(chains)


def _chain(row: oncall_rows.ChainRow) -> Chain:
    return Chain(
        id=row.id,
        names=names_of(row.names),
        steps=tuple(Step(tuple(step.tell), step.after, step.every or 0, step.repeat) for step in row.steps),
        zones=tuple(row.zones),
        priorities=tuple(row.priorities),
        until=row.until,
        again=row.again,
    )


def _check_steps(building: Documents, steps: Iterable[oncall_rows.StepRow], path: Path) -> None:
    earlier = 0
    for index, step in enumerate(steps):
        for place, tell in enumerate(step.tell):
            _check_told(building, tell, (*path, index, "tell", place))
        if step.after < earlier:
            building.report(
                (*path, index, "after"),
                f"this step comes earlier after the page ({_duration(step.after)}) than the one above "
                f"({_duration(earlier)}); write the steps in the order of their times",
            )
        building.problems += _repeat_problems(step, (*path, index))
        earlier = step.after


def _repeat_problems(step: oncall_rows.StepRow, path: Path) -> Iterator[Problem]:
    if step.repeat and not step.every:
        yield Problem((*path, "repeat"), f"repeat: {step.repeat} needs the time between; write it, such as every: 2min")
    if step.every is not None and not step.repeat:
        yield Problem((*path, "every"), "every needs how many times more; write it, such as repeat: 2")


def _check_told(building: Documents, tell: str, path: Path) -> None:
    kind, name = tell.split(":")
    rotas, people = building.known(ONCALL, "rotas"), building.known(ONCALL, "people")
    known, others, other = (rotas, people, PERSON) if f"{kind}:" == ROTA else (people, rotas, ROTA)
    if name not in known:
        remedy = f"write {other}{name}" if name in others else suggestion(name, known)
        building.report(path, f"unknown {kind} {name!r}; {remedy}")


def _duration(ms: int) -> str:
    return f"{ms / 60_000:g}min"


# --- quiet hours -------------------------------------------------------------------------------------------


def _quiet_hours(building: Documents) -> tuple[QuietHours, ...]:
    found, places = [], []
    for index, value in enumerate(building.rows(ONCALL, "quiet_hours")):
        path: Path = (ONCALL, "quiet_hours", index)
        row = building.shape(oncall_rows.QuietHoursRow, value, path)
        if row:
            building.unknown((*path, "zones"), "zone", row.zones, building.known(ZONES, "zones"))
            building.problems += _quiet_problems(row, path)
            found.append(QuietHours(row.timezone, row.begin, row.end, tuple(row.priorities), tuple(row.zones)))
            places.append(path)
    building.problems += _never_told(found, places, _zones(building))
    return tuple(found)


def _quiet_problems(row: oncall_rows.QuietHoursRow, path: Path) -> Iterator[Problem]:
    for index, priority in enumerate(row.priorities):
        if priority not in _WAITING:
            yield Problem(
                (*path, "priorities", index),
                f"quiet hours hold back low or medium only, never {priority.value}; write priorities: [low]",
            )
    if row.begin == row.end:
        yield Problem((*path, "end"), "quiet hours begin and end at the same time; write two, such as 22:00 and 07:00")


def _never_told(found: list[QuietHours], places: list[Path], zones: Iterable[str]) -> Iterator[Problem]:
    """Yield quiet hours that, with those above them, leave no hour of the day in which a page could leave."""
    for zone in sorted(zones):
        held = Counter[Priority]()
        for hours, path in zip(found, places, strict=True):
            for priority in (priority for priority in _WAITING if hours.holds(zone, priority)):
                held[priority] += (hours.end - hours.begin) % _DAY
                if held[priority] >= _DAY:
                    yield Problem(
                        (*path, "end"),
                        f"with the quiet hours above, {priority.value} alarms of {zone} are held back for the whole "
                        f"day and would never be told; write shorter ones",
                    )


# --- who is reached ----------------------------------------------------------------------------------------


def _reach_problems(roster: OnCall) -> Iterator[Problem]:
    yield from _silent_weeks(roster)
    for index, chain in enumerate(roster.chains):
        told = tuple(dict.fromkeys(tell for step in chain.steps for tell in step.tell))
        people = {name: roster.people[name] for tell in told for name in _members(roster.rotas, tell)}
        deaf = [x for x in chain.priorities or Priority if not any(_reached(roster, tell, x) for tell in told)]
        path: Path = (ONCALL, "chains", index, "steps")
        if not any(person.contacts for person in people.values()):
            yield Problem(
                path,
                f"nobody in the chain {chain.id} has a contact, so it would tell nobody; write contacts: for "
                f"{', '.join(people)}",
            )
        elif deaf:
            names = [name for name, person in people.items() if not all(_takes(person, x) for x in deaf)]
            yield Problem(
                path,
                f"the chain {chain.id} would not always tell somebody of {_listed(deaf)} alarms: no contact of "
                f"{', '.join(names)} takes them; write a lower min_priority, or leave it out",
            )


def _reached(roster: OnCall, tell: str, priority: Priority) -> bool:
    """Whether alarms of ``priority`` reach somebody by ``tell`` in every week; no contact at all is told elsewhere."""
    people = [roster.people[name] for name in _members(roster.rotas, tell)]
    reached = [person for person in people if person.contacts]
    return bool(reached) and all(_takes(person, priority) for person in reached)


def _members(rotas: Mapping[str, Rota], tell: str) -> tuple[str, ...]:
    if not tell.startswith(ROTA):
        return (tell.removeprefix(PERSON),)
    rota = rotas[tell.removeprefix(ROTA)]
    return (*rota.people, *(override.person for override in rota.overrides))


def _takes(person: Person, priority: Priority) -> bool:
    return any(priority.rank <= contact.min_priority.rank for contact in person.contacts)


def _silent_weeks(roster: OnCall) -> Iterator[Problem]:
    """Yield people without a contact who take turns with people who have one: in their week nobody would be told."""
    for name, rota in roster.rotas.items():
        reached = {person for person in _members(roster.rotas, ROTA + name) if roster.people[person].contacts}
        places: list[tuple[Path, str]] = [(("people", index), person) for index, person in enumerate(rota.people)]
        places += [(("overrides", index, "person"), one.person) for index, one in enumerate(rota.overrides)]
        for place, person in places:
            if reached and person not in reached:
                yield Problem(
                    (ONCALL, "rotas", name, *place),
                    f"{person} has the duty of {name} but no contact, so nobody would be told meanwhile; write "
                    f"contacts: for {person}",
                )


def _coverage_problems(roster: OnCall, zones: Iterable[str]) -> Iterator[Problem]:
    """Yield alarms that no chain takes, and chains that never have a turn because those above take everything."""
    open_ = {(zone, priority) for zone in sorted(zones) for priority in Priority}
    if not roster.chains or not open_:
        return
    for index, chain in enumerate(roster.chains):
        taken = {pair for pair in open_ if chain.covers(*pair)}
        if not taken:
            yield Problem(
                (ONCALL, "chains", index, "id"),
                f"the chain {chain.id} is never used: chains above take all its alarms, and the first that fits "
                f"counts; write it further up, or take it out",
            )
        open_ -= taken
    for zone in sorted({zone for zone, _ in open_}):
        missing = [priority for priority in Priority if (zone, priority) in open_]
        yield Problem(
            (ONCALL, "chains"),
            f"no chain takes {_listed(missing)} alarms of {zone}, so nobody on call would hear of them; write a chain "
            f"with zones: [{zone}] and priorities: [{', '.join(priority.value for priority in missing)}]",
        )


def _listed(priorities: Iterable[Priority]) -> str:
    return ", ".join(priority.value for priority in priorities)
