"""The plan: who hears of a transition. Pure.

A transition passes each channel's stages in order; the first stage that objects says why, and a channel that no
stage objects to gets a delivery. Every decision keeps its reason, so that "why was I not paged?" has an answer.

This is about channels that are told whatever the roster says; whom the roster adds is decided in
:mod:`alerts.escalation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from park.alarms import Notify, Transition
from park.catalogue import ChannelKind, ChannelRoute, Reference, ReferenceKind
from park.readings import split_series

ENV = "env"
"""Name of the channel that ``PARKWATCH_WEBHOOK_URL`` adds."""


class Delivery(msgspec.Struct, frozen=True):
    """One message to be sent: to which channel, in which language; ``groups``: people read it, so it may gather."""

    channel: str
    language: str
    groups: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """What was decided for one channel, and why."""

    channel: str
    wanted: bool
    reason: str


class Plan(msgspec.Struct, frozen=True):
    """Deliveries, and the verdict for every channel that was asked."""

    deliveries: tuple[Delivery, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def reason(self) -> str:
        """Why nobody hears of it; for a plan without deliveries."""
        refusals = "; ".join(f"{verdict.channel}: {verdict.reason}" for verdict in self.verdicts)
        return refusals or "no channel is configured (config/alerts.yaml or PARKWATCH_WEBHOOK_URL)"


def environment_route(url: str, secret: str | None) -> ChannelRoute:
    """Return the channel that ``PARKWATCH_WEBHOOK_URL`` adds: every page and notice, nothing held back."""
    signed = Reference(ReferenceKind.TEXT, secret) if secret else None
    return ChannelRoute(name=ENV, kind=ChannelKind.WEBHOOK, url=Reference(ReferenceKind.TEXT, url), secret=signed)


Stage = Callable[[Transition, ChannelRoute], str | None]
"""A stage returns why the channel must not hear of the transition, or ``None``."""


def notify_stage(transition: Transition, route: ChannelRoute) -> str | None:
    """Tell of pages always, of notices those who asked for them, of the rest nobody."""
    if transition.notify is Notify.NONE:
        return f"{transition.event.value} is for the journal only"
    if transition.notify is Notify.NOTICE and not route.notices:
        return f"{transition.event.value} is a notice, and the channel takes pages only"
    return None


def zone_stage(transition: Transition, route: ChannelRoute) -> str | None:
    """Tell a channel of its zones only."""
    zone = split_series(transition.series)[0]
    if route.zones and zone not in route.zones:
        return f"not for zone {zone} (only {', '.join(route.zones)})"
    return None


def priority_stage(transition: Transition, route: ChannelRoute) -> str | None:
    """Tell a channel of its least priority and everything more urgent."""
    if transition.priority.rank > route.min_priority.rank:
        return f"not for priority {transition.priority.value} (only {route.min_priority.value} and more urgent)"
    return None


def chatter_stage(transition: Transition, route: ChannelRoute) -> str | None:
    """Spare people an alarm that comes and goes: they hear of it when it has settled, or goes on for long."""
    if transition.chattering and route.groups:
        return "chattering, told when it has settled"
    return None


STAGES: tuple[Stage, ...] = (notify_stage, zone_stage, priority_stage, chatter_stage)


def plan(transition: Transition, routes: Iterable[ChannelRoute], stages: Sequence[Stage] = STAGES) -> Plan:
    """Decide for each of ``routes`` whether it hears of ``transition``."""
    asked = tuple(routes)
    verdicts = tuple(_verdict(transition, route, stages) for route in asked)
    wanted = zip(asked, verdicts, strict=True)
    return Plan(
        tuple(Delivery(route.name, route.language, route.groups) for route, verdict in wanted if verdict.wanted),
        verdicts,
    )


def _verdict(transition: Transition, route: ChannelRoute, stages: Sequence[Stage]) -> Verdict:
    objections = (stage(transition, route) for stage in stages)
    objection = next((reason for reason in objections if reason), None)
    return Verdict(route.name, objection is None, objection or f"{transition.notify.value} wanted")
