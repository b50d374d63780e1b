"""Threshold: a value beyond a set-point, high or low, one or two severities, deadband, on-delay, off-delay.

Two clocks drive the delays. While readings come, event time decides, so a replay, a redelivery and a slow
network give the same answer. When none come, the sweep decides by our own clock: an on-delay ends although
the sensor has fallen silent (the last word was "too high"), an off-delay does not (silence is never
"resolved").
"""

from __future__ import annotations

from collections.abc import Callable

from park.alarms import Alarm, Timer
from park.limits import Limit, Side
from park.readings import Reading
from park.rules.silence import Silence


def concerns(limit: Limit, reading: Reading) -> bool:
    """Whether the value is beyond the mildest set-point."""
    value = reading.value
    if value is None or not reading.quality.usable:
        return False
    mildest = limit.set_points[0].at
    return value > mildest if limit.side is Side.HIGH else value < mildest


def observe(limit: Limit, alarm: Alarm, reading: Reading) -> tuple[tuple[Timer | None, ...], int]:
    """Timers and level after ``reading``; a value that can't be used changes nothing."""
    if reading.value is None or not reading.quality.usable:
        return alarm.timers, alarm.level
    began = Timer(reading.t, reading.received)
    running = _running(limit, alarm)
    timers = tuple(
        (running[index] or began) if moves else None
        for index, moves in enumerate(_moves(limit, alarm.level, reading.value))
    )
    return timers, _settle(limit, alarm.level, timers, lambda timer: reading.t - timer.t, may_clear=True)


def elapse(limit: Limit, alarm: Alarm, now: int, silence: Silence) -> int:
    """Level at ``now`` without a new reading; only a sensor that still counts as speaking may clear."""
    return _settle(
        limit, alarm.level, _running(limit, alarm), lambda timer: now - timer.at, may_clear=silence is Silence.NONE
    )


def _running(limit: Limit, alarm: Alarm) -> tuple[Timer | None, ...]:
    """Return a timer or none for each set-point; the record may be older than the limit's present set-points."""
    count = len(limit.set_points)
    return (alarm.timers + (None,) * count)[:count]


def _moves(limit: Limit, level: int, value: float) -> list[bool]:
    """For each set-point: is the value on the other side of where the alarm stands?

    A set-point that is not reached is passed beyond ``at``; one that is reached is left inside the deadband.
    """
    sign = 1.0 if limit.side is Side.HIGH else -1.0
    return [
        sign * value <= sign * point.at - limit.deadband if index < level else sign * value > sign * point.at
        for index, point in enumerate(limit.set_points)
    ]


def _settle(
    limit: Limit,
    level: int,
    timers: tuple[Timer | None, ...],
    elapsed: Callable[[Timer], int],
    *,
    may_clear: bool,
) -> int:
    """Level once every timer that has run its delay is applied; clearing goes before raising."""
    left = [k for k, timer in enumerate(timers[:level]) if timer and elapsed(timer) >= limit.off_delay]
    if left and may_clear:
        return left[0]
    reached = [k for k, timer in enumerate(timers) if k >= level and timer and elapsed(timer) >= limit.on_delay]
    return reached[-1] + 1 if reached else level
