"""Evaluation of one series: readings and the passing of time in, a new record and transitions out.

The record is all that is remembered of a series. It ignores what it has already seen, by event time, so a
batch that is delivered twice changes nothing:

- a reading older than the newest one, or marked late, never pages and never clears; if it is beyond a limit
  the journal says so once per episode;
- at the *same* event time as the newest one (loggers with one-second clocks) a reading may raise, never clear.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from park import alarms
from park.alarms import Alarm, Change, Event, Notify, Transition, alarm_id
from park.limits import Kind, Limit
from park.readings import Reading
from park.rules import DERIVED, FOLLOWS, RULES, Memory, Silence, Timers
from park.statistics import Result
from park.words import Priority, Quality

#: Late readings beyond a limit that are closer together than this (ms, event time) are one episode.
LATE_EPISODE = 600_000

#: Which alarms are suppressed by design: limit id -> the rule that does it.
Suppressed = Mapping[str, str]

#: The rule that suppresses the silence of sensors whose gateway has said that it is offline.
GATEWAY_OFFLINE = "gateway-offline"

#: Kinds that hold each value against their set-points by itself: a late one says something on its own.
_BY_VALUE = frozenset({Kind.THRESHOLD, Kind.NEGATIVE_LIST})

_NEVER = Alarm()
_NOTHING: Suppressed = MappingProxyType({})


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a series.

    ``t`` is the event time of the newest current reading and ``received`` when it came (both 0 if there was
    none); ``value`` and ``quality`` are its own. ``alarms`` holds the alarms that ever left NORM, by limit
    id. ``late_t`` is the event time up to which late readings beyond a limit have been journalled. ``memory`` is what
    rules that follow the readings remember, by limit id.
    """

    t: int = 0
    received: int = 0
    value: float | None = None
    quality: Quality = Quality.GOOD
    alarms: dict[str, Alarm] = {}
    late_t: int = 0
    memory: dict[str, Memory] = {}


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


def hold_results(
    record: Record, watch: Watch, results: Iterable[Result], now: int, late_after: int
) -> tuple[Record, list[Transition]]:
    """Hold means against the limits on them, in the order given.

    One that is not valid changes nothing. One that ended more than ``late_after`` ms and its own length ago pages
    nobody: it is a backfill, not the latest there is.
    """
    transitions: list[Transition] = []
    for result in results:
        if not result.valid or result.value is None:
            continue
        late = now - result.end > late_after + (result.end - result.begin)
        reading = Reading(watch.series, result.end, result.value, Quality.GOOD, now, late)
        for limit in watch.limits:
            if limit.kind is Kind.MEAN and limit.of is result.statistic:
                record = _hold(record, limit, reading, now, transitions)
    return record, transitions


def hold_derived(record: Record, watch: Watch, reading: Reading, now: int) -> tuple[Record, list[Transition]]:
    """Hold a value of a derived series (votes, a load) against its limits; time never runs backwards in one."""
    transitions: list[Transition] = []
    for limit in watch.limits:
        record = _hold(record, limit, reading, now, transitions)
    return msgspec.structs.replace(
        record, t=reading.t, received=reading.received, value=reading.value, quality=reading.quality
    ), transitions


def _hold(record: Record, limit: Limit, reading: Reading, now: int, transitions: list[Transition]) -> Record:
    alarm = record.alarms.get(limit.id, _NEVER)
    if reading.late:
        if RULES[limit.kind].concerns(limit, reading) and not _known(alarm, reading.t):
            transitions.append(_late_transition(record, reading.series, limit, reading, now))
        return record
    after = _observe(alarm, limit, reading, now, transitions, may_clear=True)
    return record if after is alarm else msgspec.structs.replace(record, alarms={**record.alarms, limit.id: after})


def pass_time(
    record: Record, watch: Watch, now: int, *, hearing: bool = True, suppressed: Suppressed = _NOTHING
) -> tuple[Record, list[Transition]]:
    """Do what needs no new reading: delays that end, silence, shelving that expires, suppression, re-alarms.

    ``hearing`` is false while parkwatch's own intake is down: then nobody is called silent. ``suppressed`` says what
    is suppressed by design now; what was and is not in it comes back.
    """
    record, transitions = _withdraw(record, watch, now)
    silence = silence_of(record, watch, now) if hearing else Silence.UNKNOWN
    if not silence.silent and not suppressed and not any(_timed(alarm) for alarm in record.alarms.values()):
        return record, transitions
    sweep = _Sweep(watch.series, record, now, silence, suppressed)
    changed = {}
    for limit in watch.limits:
        alarm = record.alarms.get(limit.id, _NEVER)
        after = sweep.limit(limit, alarm, transitions)
        if after is not alarm:
            changed[limit.id] = after
    return msgspec.structs.replace(record, alarms={**record.alarms, **changed}) if changed else record, transitions


def _timed(alarm: Alarm) -> bool:
    """Whether time alone may change the alarm."""
    return not alarm.idle or bool(alarm.timers)


class _Sweep(msgspec.Struct, frozen=True):
    """What time does to the alarms of one series at ``now``."""

    series: str
    record: Record
    now: int
    silence: Silence
    suppressed: Suppressed

    def limit(self, limit: Limit, alarm: Alarm, transitions: list[Transition]) -> Alarm:
        """Move one alarm: what suppresses it comes before its condition, what gives it back to people comes after.

        So nobody hears of what is over by then, and nobody of what is suppressed at the same moment.
        """
        level = self._level(limit, alarm)
        rule = self._rule(limit, alarm, level)
        if rule and rule != alarm.suppressed:
            alarm = self._tell(limit, alarm, alarms.suppress(alarm, rule), transitions, why=rule)
        if level != alarm.level:
            alarm = self._move(limit, alarm, level, transitions)
        alarm = self._back(limit, alarm, rule, transitions)
        why = alarms.wants_realarm(alarm, limit, self.now)
        if why:
            change = alarms.realarm(alarm, at=self.now)
            alarm = self._tell(limit, alarm, change, transitions, why=why)
        return alarm

    def _level(self, limit: Limit, alarm: Alarm) -> int:
        silence = self.silence
        if silence is Silence.NONE and not self.record.quality.usable:
            # Bad data is no better than silence: it never lets an alarm return.
            silence = Silence.UNKNOWN
        if not (silence.silent or any(alarm.timers)):
            return alarm.level
        return RULES[limit.kind].elapse(limit, alarm, self.now, silence)

    def _rule(self, limit: Limit, alarm: Alarm, level: int) -> str:
        rule = self.suppressed.get(limit.id, "")
        # Nothing to be kept quiet yet: eleven quiet sensors are no eleven entries of the journal.
        needless = rule == GATEWAY_OFFLINE and not (level or alarm.suppressed)
        return "" if needless else rule

    def _back(self, limit: Limit, alarm: Alarm, rule: str, transitions: list[Transition]) -> Alarm:
        if alarm.shelved and self.now >= alarm.shelved.until:
            why = "shelving-expired" if alarm.shelved.until else "shelving-unreadable"
            alarm = self._tell(limit, alarm, alarms.unshelve(alarm, at=self.now), transitions, why=why)
        if alarm.suppressed and not rule:
            change = alarms.unsuppress(alarm, at=self.now)
            alarm = self._tell(limit, alarm, change, transitions, why=alarm.suppressed)
        return alarm

    def _move(self, limit: Limit, alarm: Alarm, level: int, transitions: list[Transition]) -> Alarm:
        fell_silent = limit.kind is Kind.QUALITY and self.silence.silent
        moment = _Moment(
            t=self.now if fell_silent else self.record.t,
            now=self.now,
            value=self._value(limit),
            why=self.silence.value if fell_silent else "delay-ended",
            stuck_at=self.record.value if limit.kind is Kind.FLATLINE else None,
        )
        moved, transition = _move(alarm, level, alarm.timers, self.series, limit, moment)
        transitions.append(transition)
        return moved

    def _value(self, limit: Limit) -> float | None:
        """Return what is held against the limit, as far as the newest reading says it by itself."""
        if limit.kind is Kind.QUALITY:
            return self.record.value
        return self.record.value if limit.of_value and self.record.quality.usable else None

    def _tell(self, limit: Limit, before: Alarm, change: Change, transitions: list[Transition], *, why: str) -> Alarm:
        transitions.append(
            alarms.transition(self.series, limit, before, change, t=self.now, at=self.now, value=before.value, why=why)
        )
        return change.alarm


def _withdraw(record: Record, watch: Watch, now: int) -> tuple[Record, list[Transition]]:
    """End the alarms of limits that no longer apply: nobody evaluates them, so they would stand for ever."""
    if not record.alarms:
        return record, []
    applying = {limit.id for limit in watch.limits}
    ended = {
        name: (alarm, alarms.withdraw(alarm))
        for name, alarm in record.alarms.items()
        if name not in applying and not alarm.idle
    }
    transitions = [
        _withdrawn(watch.series, name, alarm, change, record.t, now) for name, (alarm, change) in ended.items()
    ]
    after = {name: change.alarm for name, (_, change) in ended.items()}
    return msgspec.structs.replace(record, alarms={**record.alarms, **after}) if after else record, transitions


def _withdrawn(series: str, limit: str, alarm: Alarm, change: Change, t: int, now: int) -> Transition:
    """The limit itself may be gone, with all that it would say of severity and priority.

    An alarm that was only about to be raised is no news to anybody.
    """
    known = alarm.stands or alarm.unacknowledged
    return Transition(
        alarm=alarm_id(series, limit),
        series=series,
        limit=limit,
        limit_version="",
        event=change.event,
        notify=alarms.notify_for(change.event, alarm) if known else Notify.NONE,
        before=alarm.state,
        after=change.alarm.state,
        severity="",
        priority=Priority.LOW,
        occurrence=change.alarm.occurrence,
        version=change.alarm.version,
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
    memory = record.memory
    for limit in watch.limits:
        held = reading
        if limit.kind in FOLLOWS:
            remembered, held = _signal(limit, memory.get(limit.id, ()), reading)
            memory = {**memory, limit.id: remembered}
        alarm = record.alarms.get(limit.id, _NEVER)
        if limit.kind in DERIVED or ((alarm is _NEVER or alarm.idle) and not RULES[limit.kind].concerns(limit, held)):
            continue
        stuck_at = reading.value if limit.kind is Kind.FLATLINE else None
        may_clear = reading.t > record.t
        after = _observe(alarm, limit, held, now, transitions, may_clear=may_clear, stuck_at=stuck_at)
        if after is not alarm:
            changed[limit.id] = after
    alarms_now = {**record.alarms, **changed} if changed else record.alarms
    return Record(reading.t, reading.received, reading.value, reading.quality, alarms_now, record.late_t, memory)


def _signal(limit: Limit, memory: Memory, reading: Reading) -> tuple[Memory, Reading]:
    """Return what the rule makes of the reading, as a reading; without a value if it makes nothing of it."""
    if reading.value is None or not reading.quality.usable:
        return memory, reading
    memory, value = FOLLOWS[limit.kind](limit, memory, reading)
    return memory, msgspec.structs.replace(reading, value=value)


def _observe(
    alarm: Alarm,
    limit: Limit,
    reading: Reading,
    now: int,
    transitions: list[Transition],
    *,
    may_clear: bool,
    stuck_at: float | None = None,
) -> Alarm:
    timers, level = RULES[limit.kind].observe(limit, alarm, reading)
    if level == alarm.level:
        return _with_timers(alarm, timers)
    if level < alarm.level and not may_clear:
        return alarm
    why = reading.quality.value if limit.kind is Kind.QUALITY else ""
    moment = _Moment(t=reading.t, now=now, value=reading.value, why=why, stuck_at=stuck_at)
    moved, transition = _move(alarm, level, timers, reading.series, limit, moment)
    transitions.append(transition)
    return moved


def _late(record: Record, watch: Watch, reading: Reading, now: int, transitions: list[Transition]) -> Record:
    if reading.t <= record.late_t:
        return record
    beyond = [
        limit
        for limit in watch.limits
        if limit.kind in _BY_VALUE
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
    entry = alarms.transition(
        series, limit, alarm, Change(alarm, Event.LATE), t=reading.t, at=now, value=reading.value, why="late-data"
    )
    # It speaks of the reading, not of how the alarm stands.
    point = limit.set_points[0]
    return msgspec.structs.replace(
        entry, severity=point.severity, priority=point.priority, set_point=point.at, notify=Notify.NONE
    )


class _Moment(msgspec.Struct, frozen=True):
    """When and on what value an alarm moves; ``stuck_at`` is what was measured where ``value`` is how long it stays."""

    t: int
    now: int
    value: float | None
    why: str
    stuck_at: float | None = None


def _move(
    alarm: Alarm, level: int, timers: Timers, series: str, limit: Limit, moment: _Moment
) -> tuple[Alarm, Transition]:
    change = alarms.reach(alarm, level, t=moment.t, at=moment.now, value=moment.value, latching=limit.latching)
    moved = msgspec.structs.replace(
        _with_timers(change.alarm, _timers_after(timers, alarm.level, level)), why=moment.why, stuck_at=moment.stuck_at
    )
    change = msgspec.structs.replace(change, alarm=moved)
    why = "worse-than-shelved" if alarm.shelved and not moved.shelved else moment.why
    transition = alarms.transition(series, limit, alarm, change, t=moment.t, at=moment.now, value=moment.value, why=why)
    return moved, transition


def _timers_after(timers: Timers, before: int, after: int) -> Timers:
    """Drop the timers of the set-points that have just been reached or left; the others run on."""
    low, high = sorted((before, after))
    return tuple(None if low <= index < high else timer for index, timer in enumerate(timers))


def _with_timers(alarm: Alarm, timers: Timers) -> Alarm:
    kept = timers if any(timers) else ()
    return alarm if kept == alarm.timers else msgspec.structs.replace(alarm, timers=kept)
