"""Escalation: whom the next call of a chain tells, when the one after it is due, and what ends a chain. Pure.

A chain belongs to one page: one version of one occurrence of an alarm. Its next call waits in the outbox; when that
comes due, the alarm as it stands decides whether the call is still wanted.
"""

from __future__ import annotations

import msgspec

from park.alarms import Notify, Transition
from park.channels import ChannelRoute
from park.oncall import Call, Chain, OnCall, Until, calls, people_of
from park.words import Priority
from storage.entries import Standing, Step

LAST_WAIT = 300_000
"""ms after the last call in which somebody may still acknowledge; then the chain is exhausted."""

PERSON_ATTEMPTS = 6
"""Tries after which a person's next contact is tried instead."""

PATIENCE = 90_000
"""ms after which a person's next contact is tried instead, or the chain's next call is made."""

TOO_LATE = 60_000
"""ms: of a page taken up later than this (nothing was delivered meanwhile), the chain's times count from then."""

GATHER = 2_000
"""ms for which calls that quiet hours held back wait for each other, since they all come due at once."""


class Telling(msgspec.Struct, frozen=True):
    """One person to be told, by which contact, as which call of the chain."""

    person: str
    route: ChannelRoute
    number: int


class Advance(msgspec.Struct, frozen=True):
    """What a step does: whom it tells, and the ``number`` of the next call with its due time (ms).

    ``unreached`` are calls that told nobody, and why.
    """

    tellings: tuple[Telling, ...]
    number: int
    due: int
    unreached: tuple[str, ...] = ()


def base_of(transition: Transition, now: int) -> int:
    """Return the time (ms) from which the chain of a page that is taken up at ``now`` counts."""
    return now if now - transition.at > TOO_LATE else transition.at


def ended(transition: Transition, standing: Standing | None, until: Until) -> str:
    """Return why the chain of the page ``transition`` goes no further; empty if it does."""
    if standing is None:
        return "the alarm is no more"
    if standing.availability != "in-service":
        return f"the alarm is {standing.availability}"
    if not standing.unacknowledged or not standing.paged:
        by = standing.acknowledged_by
        return f"acknowledged by {by}" if by else "acknowledged"
    if standing.paged != transition.version:
        return f"there is a newer page, version {standing.paged}"
    if until is Until.RETURNED and not standing.stands:
        return "the alarm has returned to normal"
    return ""


def overtaken(transition: Transition, standing: Standing | None) -> bool:
    """Whether a return that has not left yet is no longer true: the alarm has been raised again and is active.

    Told now, after the newer page, it would read as if that were over.
    """
    returned = transition.notify is Notify.NOTICE
    return returned and standing is not None and standing.occurrence > transition.occurrence and standing.stands


def open_end(reason: str, standing: Standing | None) -> bool:
    """Whether a chain that ended for ``reason`` leaves an alarm that nobody has acknowledged."""
    return bool(reason) and standing is not None and standing.unacknowledged


def advance(oncall: OnCall, chain: Chain, priority: Priority, step: Step, *, now: int, due: bool) -> Advance:
    """Make the calls of ``chain`` from that of ``step`` on that are due at ``now`` (ms).

    ``due``: the step's own call is, whatever its time says. A call that reaches nobody is followed by the next at once.
    """
    planned = calls(chain)
    number, base = step.number, step.base
    tellings: list[Telling] = []
    unreached: list[str] = []
    while number - step.first < len(planned) and (due or base + planned[number - step.first].after <= now):
        told = _tellings(oncall, chain, planned[number - step.first], number, priority, now)
        tellings += told
        if not told:
            unreached.append(f"call {number + 1} reaches nobody: no contact takes {priority.value} alarms")
        number, due = number + 1, not told
    next_due = _next_due(planned, number - step.first, base=base, now=now, at_once=due)
    return Advance(tuple(tellings), number, next_due, tuple(unreached))


def again(chain: Chain, step: Step, standing: Standing | None, now: int) -> Step | None:
    """Return the first step of another round of a chain that nobody has answered; ``None`` if it stays at its end.

    It begins again only while the alarm stands: one that has returned waits for somebody to look at the list.
    """
    after = chain.again_after(step.transition.priority)
    if not after or standing is None or not standing.stands:
        return None
    return Step(step.transition, step.number, now + after, first=step.number)


def _next_due(planned: tuple[Call, ...], number: int, *, base: int, now: int, at_once: bool) -> int:
    if number < len(planned):
        return base + planned[number].after
    return now if at_once else now + LAST_WAIT


def _tellings(oncall: OnCall, chain: Chain, call: Call, number: int, priority: Priority, now: int) -> list[Telling]:
    people = people_of(oncall, chain.steps[call.step], now)
    contacts = ((person, contact_from(person.contacts, priority)) for person in people)
    return [Telling(person.name, contact, number) for person, contact in contacts if contact]


def contact_from(
    contacts: tuple[ChannelRoute, ...], priority: Priority, *, notice: bool = False
) -> ChannelRoute | None:
    """Return the first of ``contacts`` that takes alarms of ``priority``, and notices if it is one."""
    return next((contact for contact in contacts if _takes(contact, priority, notice=notice)), None)


def _takes(contact: ChannelRoute, priority: Priority, *, notice: bool) -> bool:
    return priority.rank <= contact.min_priority.rank and (contact.notices or not notice)


def next_contact(oncall: OnCall, person: str, channel: str, priority: Priority, *, notice: bool) -> ChannelRoute | None:
    """Return how ``person`` is told if ``channel`` has failed; ``None`` if that was the last contact, or nobody's."""
    known = oncall.people.get(person)
    names = [contact.name for contact in known.contacts] if known else []
    if known is None or channel not in names:
        return None
    return contact_from(known.contacts[names.index(channel) + 1 :], priority, notice=notice)


def impatient(attempts: int, queued: int, next_at: int) -> bool:
    """Whether another try at ``next_at`` (ms) would leave a person untold for too long."""
    return attempts >= PERSON_ATTEMPTS or next_at - queued >= PATIENCE
