"""Times and ages as people read them on the console: the park's clock, and how long ago. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from alerts.messages import PARK_TIME
from park.words import Names

SHIFT_HOURS = (8, 16, 24)
"""When a shift ends, by the park's clock (three shifts a day)."""

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_TELLING = 2


class Moment(msgspec.Struct, frozen=True):
    """A moment on a page: ``stamp`` for machines, ``clock`` short for people, ``full`` with its date, ``ms``."""

    stamp: str
    clock: str
    full: str
    ms: int


def moment(ms: int, now: int) -> Moment:
    """Return the moment ``ms``; its day is told unless it is the same as that of ``now``."""
    local = _local(ms)
    today = _local(now)
    if local.date() == today.date():
        clock = f"{local:%H:%M:%S}"
    elif local.year == today.year:
        clock = f"{local:%m-%d %H:%M}"
    else:
        clock = f"{local:%Y-%m-%d %H:%M}"
    return Moment(
        f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}", clock, f"{local:%Y-%m-%d %H:%M:%S}", ms
    )


def age(ms: int) -> Names:
    """Return a length of time in its two largest telling units: ``45 s``, ``12 min``, ``3 h 20 min``, ``2 d 4 h``."""
    ms = max(ms, 0)
    if ms < _TELLING * _MINUTE:
        return Names(f"{ms // _SECOND} 秒", f"{ms // _SECOND} s")
    if ms < _TELLING * _HOUR:
        return Names(f"{ms // _MINUTE} 分钟", f"{ms // _MINUTE} min")
    if ms < _TELLING * _DAY:
        hours, minutes = ms // _HOUR, ms % _HOUR // _MINUTE
        return Names(f"{hours} 小时 {minutes} 分", f"{hours} h {minutes} min")
    days, hours = ms // _DAY, ms % _DAY // _HOUR
    return Names(f"{days} 天 {hours} 小时", f"{days} d {hours} h")


def end_of_shift(now: int) -> int:
    """Return when (ms) the shift ends that runs at ``now``."""
    local = _local(now)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    hour = next(end for end in SHIFT_HOURS if local.hour < end)
    return round((midnight + timedelta(hours=hour)).timestamp() * 1000)


def _local(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, PARK_TIME)
