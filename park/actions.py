"""What people may ask of an alarm: acknowledge, shelve, unshelve, take out of service, put back, reset.

Every action says who and why, is refused with what to do instead (:class:`park.alarms.Refused`), and becomes one entry
of the journal. An action that has been done before changes nothing.
"""

from __future__ import annotations

import msgspec

from park import alarms
from park.alarms import Alarm, Change, Refused, Removal, Shelving, Transition
from park.limits import Limit

_HOUR = 3_600_000
_MINUTE = 60_000


class Acknowledge(msgspec.Struct, frozen=True, tag="acknowledge"):
    """Somebody has taken note of ``occurrence`` at ``version``, which is what they saw."""

    occurrence: int
    version: int


class Shelve(msgspec.Struct, frozen=True, tag="shelve"):
    """Put the alarm aside until ``until`` (ms)."""

    until: int


class Unshelve(msgspec.Struct, frozen=True, tag="unshelve"):
    """Take a shelved alarm back before its end."""


class Remove(msgspec.Struct, frozen=True, tag="remove"):
    """Take the alarm out of service, for maintenance: until somebody puts it back."""


class Restore(msgspec.Struct, frozen=True, tag="restore"):
    """Put the alarm back into service."""


class Reset(msgspec.Struct, frozen=True, tag="reset"):
    """Let a latched alarm go."""


Action = Acknowledge | Shelve | Unshelve | Remove | Restore | Reset


class Asked(msgspec.Struct, frozen=True):
    """Who asks for what, why, and when (ms); ``shelve_at_most`` (ms) caps a shelving."""

    action: Action
    by: str
    why: str
    at: int
    shelve_at_most: int


def act(series: str, limit: Limit, alarm: Alarm, asked: Asked) -> tuple[Alarm, Transition] | None:
    """Do what was asked; ``None`` if it had been done before.

    Raises :class:`park.alarms.Refused`, or its :class:`park.alarms.StaleAcknowledgement`.
    """
    change = _change(alarm, asked)
    if change is None:
        return None
    entry = alarms.transition(
        series, limit, alarm, change, t=asked.at, at=asked.at, value=alarm.value, by=asked.by, why=asked.why
    )
    return change.alarm, entry


def _change(alarm: Alarm, asked: Asked) -> Change | None:
    match asked.action:
        case Acknowledge(occurrence, version):
            return alarms.acknowledge(alarm, occurrence=occurrence, version=version, by=asked.by, at=asked.at)
        case Shelve(until):
            return _shelve(alarm, until, asked)
        case Unshelve():
            return alarms.unshelve(alarm, at=asked.at)
        case Remove():
            return alarms.remove(alarm, Removal(asked.by, _reason(asked, "take an alarm out of service"), asked.at))
        case Restore():
            return alarms.restore(alarm, at=asked.at)
        case Reset():
            return alarms.reset(alarm)


def _shelve(alarm: Alarm, until: int, asked: Asked) -> Change:
    if until <= asked.at:
        raise Refused("the shelving would end before it begins; give a time to come")
    if until - asked.at > asked.shelve_at_most:
        raise Refused(
            f"an alarm can be shelved for {_duration(asked.shelve_at_most)} at most; shelve it for less, or have an "
            "engineer take it out of service"
        )
    return alarms.shelve(alarm, Shelving(asked.by, _reason(asked, "shelve an alarm"), until, asked.at))


def _reason(asked: Asked, what: str) -> str:
    if not asked.why.strip():
        raise Refused(f"to {what} takes a reason; say why")
    return asked.why


def _duration(ms: int) -> str:
    return f"{ms / _HOUR:g} h" if ms >= _HOUR else f"{ms / _MINUTE:g} min"
