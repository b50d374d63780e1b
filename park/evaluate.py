"""Evaluation of one series: readings and the passing of time in, a new record and transitions out.

The record is all that is remembered of a series. It ignores what it has already seen, by event time, so a
batch that is delivered twice changes nothing:

- a reading older than the newest one, or marked late, never pages and never clears; if it is beyond a limit
  the journal says so once per episode;
- at the *same* event time as the newest one (loggers with one-second clocks) a reading may raise, never clear.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from park import alarms
from park.alarms import Alarm, Event, Notify, Transition, alarm_id
from park.limits import Kind, Limit
from park.readings import Reading
from park.rules import RULES, Silence, Timers
from park.words import Priority, Quality

#: Late readings beyond a limit that are closer together than this (ms, event time) are one episode.
LATE_EPISODE = 600_000

_NEVER = Alarm()


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a series.

    ``t`` is the event time of the newest current reading and ``received`` when it came (both 0 if there was
    none); ``value`` and ``quality`` are its own. ``alarms`` holds the alarms that ever left NORM, by limit
    id. ``late_t`` is the event time up to which late readings beyond a limit have been journalled.
    """

    t: int = 0
    received: int = 0
    value: float | None = None
    quality: Quality = Quality.GOOD
    alarms: dict[str, Alarm] = {}
    late_t: int = 0

    @property
    def running(self) -> bool:
        """Whether any timer runs."""
        return any(any(alarm.timers) for alarm in self.alarms.values())


class Watch(msgspec.Struct, frozen=True):
    """What a series is held against.

    ``silent_after`` is how long (ms) the series may say nothing before it counts as stale; ``since`` the
    server time (ms) from which silence counts at all (registration, or parkwatch hearing again).
    """

    series: str
    limits: tuple[Limit, ...]
    silent_after: int
    since: int = 0


def evaluate(record: Record, watch: Watch, readings: Iterable[Reading], now: int) -> tuple[Record, list[Transition]]:
    """Hold ``readings`` of the series against its limits, in the order given."""
    transitions: list[Transition] = []
    for reading in readings:
        step = _late if reading.late or reading.t < record.t else _current
        record = step(record, watch, reading, now, transitions)
    return record, transitions


def pass_time(record: Record, watch: Watch, now: int, *, hearing: bool = True) -> tuple[Record, list[Transition]]:
    """Do what needs no new reading: delays that end, silence.

    ``hearing`` is false while parkwatch's own intake is down: then nobody is called silent.
    """
    record, transitions = _withdraw(record, watch, now)
    silence = silence_of(record, watch, now) if hearing else Silence.UNKNOWN
    if not silence.silent and not record.running:
        return record, transitions
    usable = record.quality.usable
    if silence is Silence.NONE and not usable:
        # Bad data is no better than silence: it never lets an alarm return.
        silence = Silence.UNKNOWN
    for limit in watch.limits:
        alarm = record.alarms.get(limit.id, _NEVER)
        level = RULES[limit.kind].elapse(limit, alarm, now, silence)
        if level == alarm.level:
            continue
        fell_silent = limit.kind is Kind.QUALITY and silence.silent
        moment = _Moment(
            t=now if fell_silent else record.t,
            now=now,
            value=record.value if usable or limit.kind is Kind.QUALITY else None,
            why=silence.value if fell_silent else "delay-ended",
        )
        moved, transition = _move(alarm, level, alarm.timers, watch.series, limit, moment)
        transitions.append(transition)
        record = msgspec.structs.replace(record, alarms={**record.alarms, limit.id: moved})
    return record, transitions


def _withdraw(record: Record, watch: Watch, now: int) -> tuple[Record, list[Transition]]:
    """End the alarms of limits that no longer apply: nobody evaluates them, so they would stand for ever."""
    if not record.alarms:
        return record, []
    applying = {limit.id for limit in watch.limits}
    ended = {name: alarm for name, alarm in record.alarms.items() if name not in applying and not alarm.idle}
    transitions = [_withdrawn(watch.series, name, alarm, record.t, now) for name, alarm in ended.items()]
    after = {transition.limit: _ended(ended[transition.limit]) for transition in transitions}
    return msgspec.structs.replace(record, alarms={**record.alarms, **after}) if after else record, transitions


def _ended(alarm: Alarm) -> Alarm:
    return Alarm(occurrence=alarm.occurrence, version=alarm.version + 1, availability=alarm.availability)


def _withdrawn(series: str, limit: str, alarm: Alarm, t: int, now: int) -> Transition:
    """The limit itself may be gone, with all that it would say of severity and priority."""
    return Transition(
        alarm=alarm_id(series, limit),
        series=series,
        limit=limit,
        limit_version="",
        event=Event.WITHDRAWN,
        notify=alarms.notify_for(Event.WITHDRAWN, alarm.availability),
        before=alarm.state,
        after=_ended(alarm).state,
        severity="",
        priority=Priority.LOW,
        occurrence=alarm.occurrence,
        version=alarm.version + 1,
        t=t,
        at=now,
        value=None,
        set_point=None,
        why="limit-withdrawn",
    )


def silence_of(record: Record, watch: Watch, now: int) -> Silence:
    """What the absence of current readings says at ``now``."""
    if now - max(record.received, watch.since) <= watch.silent_after:
        return Silence.NONE
    return Silence.STALE if record.received else Silence.NEVER_SEEN


def _current(record: Record, watch: Watch, reading: Reading, now: int, transitions: list[Transition]) -> Record:
    changed: dict[str, Alarm] = {}
    for limit in watch.limits:
        alarm = record.alarms.get(limit.id, _NEVER)
        if (alarm is _NEVER or alarm.idle) and not RULES[limit.kind].concerns(limit, reading):
            continue
        after = _observe(alarm, limit, watch.series, reading, now, transitions, may_clear=reading.t > record.t)
        if after is not alarm:
            changed[limit.id] = after
    alarms_now = {**record.alarms, **changed} if changed else record.alarms
    return Record(reading.t, reading.received, reading.value, reading.quality, alarms_now, record.late_t)


def _observe(
    alarm: Alarm,
    limit: Limit,
    series: str,
    reading: Reading,
    now: int,
    transitions: list[Transition],
    *,
    may_clear: bool,
) -> Alarm:
    timers, level = RULES[limit.kind].observe(limit, alarm, reading)
    if level == alarm.level:
        return _with_timers(alarm, timers)
    if level < alarm.level and not may_clear:
        return alarm
    why = reading.quality.value if limit.kind is Kind.QUALITY else ""
    moment = _Moment(t=reading.t, now=now, value=reading.value, why=why)
    moved, transition = _move(alarm, level, timers, series, limit, moment)
    transitions.append(transition)
    return moved


def _late(record: Record, watch: Watch, reading: Reading, now: int, transitions: list[Transition]) -> Record:
    if reading.t <= record.late_t:
        return record
    beyond = [
        limit
        for limit in watch.limits
        if limit.kind is not Kind.QUALITY
        and RULES[limit.kind].concerns(limit, reading)
        and not _known(record.alarms.get(limit.id), reading.t)
    ]
    if not beyond:
        return record
    if reading.t - record.late_t > LATE_EPISODE:
        transitions.extend(_late_transition(record, watch.series, limit, reading, now) for limit in beyond)
    return msgspec.structs.replace(record, late_t=reading.t)


def _known(alarm: Alarm | None, t: int) -> bool:
    """Whether an occurrence that is already journalled covers event time ``t``."""
    return alarm is not None and alarm.level > 0 and t >= alarm.raised_t


def _late_transition(record: Record, series: str, limit: Limit, reading: Reading, now: int) -> Transition:
    alarm = record.alarms.get(limit.id) or Alarm()
    point = limit.set_points[0]
    return Transition(
        alarm=alarm_id(series, limit.id),
        series=series,
        limit=limit.id,
        limit_version=limit.version,
        event=Event.LATE,
        notify=Notify.NONE,
        before=alarm.state,
        after=alarm.state,
        severity=point.severity,
        priority=point.priority,
        occurrence=alarm.occurrence,
        version=alarm.version,
        t=reading.t,
        at=now,
        value=reading.value,
        set_point=point.at,
        why="late-data",
    )


class _Moment(msgspec.Struct, frozen=True):
    """When and on what value an alarm moves."""

    t: int
    now: int
    value: float | None
    why: str


def _move(
    alarm: Alarm, level: int, timers: Timers, series: str, limit: Limit, moment: _Moment
) -> tuple[Alarm, Transition]:
    moved, event = alarms.reach(alarm, level, t=moment.t, at=moment.now, value=moment.value)
    moved = msgspec.structs.replace(_with_timers(moved, _timers_after(timers, alarm.level, level)), why=moment.why)
    # A return quotes the set-point that it returned from.
    point = limit.point(level or alarm.level)
    transition = Transition(
        alarm=alarm_id(series, limit.id),
        series=series,
        limit=limit.id,
        limit_version=limit.version,
        event=event,
        notify=alarms.notify_for(event, moved.availability),
        before=alarm.state,
        after=moved.state,
        severity=point.severity,
        priority=point.priority,
        occurrence=moved.occurrence,
        version=moved.version,
        t=moment.t,
        at=moment.now,
        value=moment.value,
        set_point=None if limit.kind is Kind.QUALITY else point.at,
        why=moment.why,
    )
    return moved, transition


def _timers_after(timers: Timers, before: int, after: int) -> Timers:
    """Drop the timers of the set-points that have just been reached or left; the others run on."""
    low, high = sorted((before, after))
    return tuple(None if low <= index < high else timer for index, timer in enumerate(timers))


def _with_timers(alarm: Alarm, timers: Timers) -> Alarm:
    kept = timers if any(timers) else ()
    return alarm if kept == alarm.timers else msgspec.structs.replace(alarm, timers=kept)
