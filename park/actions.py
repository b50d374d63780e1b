"""What people may ask of an alarm: acknowledge, shelve, unshelve, take out of service, put back, reset.

Every action says who and why, is refused with what to do instead (:class:`park.alarms.Refused`), and becomes one entry
of the journal. An action that has been done before changes nothing.
"""

from __future__ import annotations

import msgspec

from park import alarms
from park.alarms import Alarm, Change, Refused, Removal, Shelving, Transition
from park.limits import Limit
from park.words import Names

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
            return alarms.remove(alarm, Removal(asked.by, _reason(asked, _REMOVING), asked.at))
        case Restore():
            return alarms.restore(alarm, at=asked.at)
        case Reset():
            return alarms.reset(alarm)


_REMOVING = Names("停用报警", "to take an alarm out of service")
_SHELVING = Names("搁置报警", "to shelve an alarm")


def _shelve(alarm: Alarm, until: int, asked: Asked) -> Change:
    if until <= asked.at:
        raise Refused(
            "搁置的结束时间早于现在；请选择以后的时间。",
            "the shelving would end before it begins; give a time to come",
        )
    if until - asked.at > asked.shelve_at_most:
        most = _duration(asked.shelve_at_most)
        raise Refused(
            f"报警最长可搁置 {most.zh}；请缩短时间，或请工程师停用该报警。",
            f"an alarm can be shelved for {most.en} at most; shelve it for less, or have an engineer take it out of "
            "service",
        )
    return alarms.shelve(alarm, Shelving(asked.by, _reason(asked, _SHELVING), until, asked.at))


def _reason(asked: Asked, what: Names) -> str:
    if not asked.why.strip():
        raise Refused(f"{what.zh}须填写原因。", f"{what.en} takes a reason; say why")
    return asked.why


def _duration(ms: int) -> Names:
    hours, minutes = ms / _HOUR, ms / _MINUTE
    return Names(f"{hours:g} 小时", f"{hours:g} h") if hours >= 1 else Names(f"{minutes:g} 分钟", f"{minutes:g} min")
