"""Quality: one alarm per series for data that can't be trusted: bad, stale or never seen.

Bad data has to last for the on-delay. Silence has waited already (the interval times a factor), so it raises
at once. Only good readings clear it.
"""

from __future__ import annotations

from park.alarms import Alarm, Timer
from park.limits import Limit
from park.readings import Reading
from park.rules.silence import Silence
from park.words import Quality


def concerns(limit: Limit, reading: Reading) -> bool:
    """Whether the reading is anything but good."""
    del limit
    return reading.quality is not Quality.GOOD


def observe(limit: Limit, alarm: Alarm, reading: Reading) -> tuple[tuple[Timer | None, ...], int]:
    """Timers and level after a reading of any quality."""
    bad = reading.quality is not Quality.GOOD
    if bad == bool(alarm.level):
        return (None,), alarm.level
    timer = (alarm.timers and alarm.timers[0]) or Timer(reading.t, reading.received)
    delay = limit.on_delay if bad else limit.off_delay
    return (timer,), int(bad) if reading.t - timer.t >= delay else alarm.level


def elapse(limit: Limit, alarm: Alarm, now: int, silence: Silence) -> int:
    """Level at ``now`` without a new reading."""
    if alarm.level:
        return alarm.level
    timer = alarm.timers[0] if alarm.timers else None
    bad_for_long = timer is not None and now - timer.at >= limit.on_delay
    return int(bad_for_long or silence.silent)
