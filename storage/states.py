"""Alarm state in Redis: a shard's records, the alarms that are not normal, the journal.

Everything a piece of work changes is committed by one Lua call with compare-and-set, so that state,
journal and outbox never disagree, and a batch that was evaluated is gone from the inbox in the same instant.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import redis

from park import alarms
from park.actions import Acknowledge, Action, Asked, act
from park.alarms import Alarm, Event, Notify, Removal, Shelving, State, Transition
from park.catalogue import Catalogue
from park.evaluate import Record
from park.limits import Kind, Limit
from park.means import Span
from park.readings import Reading, split_series
from park.sharding import shard_of
from park.statistics import Result, Statistics
from park.words import Priority
from storage import names, stored
from storage.directory import Directory
from storage.outbox import canary_id, encode_canary, encode_page, page_id

_LUA = (Path(__file__).parent / "commit.lua").read_text(encoding="utf-8")
_RECORD = msgspec.json.Decoder(Record)
_STATISTICS = msgspec.json.Decoder(Statistics)
_BATCH = msgspec.msgpack.Decoder(list[Reading])
_TRANSITION = msgspec.json.Decoder(Transition)
_TRIES = 20


class Conflict(Exception):
    """Somebody else has committed first; nothing was changed. ``series`` is empty if it was the inbox."""

    def __init__(self, series: tuple[str, ...]) -> None:
        super().__init__(", ".join(series) or "the inbox has moved on")
        self.series = series


@dataclass(frozen=True, slots=True)
class Versioned:
    """A record and the version it is stored under (0: not stored)."""

    record: Record
    version: int = 0


@dataclass(slots=True)
class Work:
    """What one piece of evaluation wants to commit.

    ``records`` (version before, record) are written; ``quiet`` ones only moved "last seen" and may wait.
    ``canaries`` tells, by zone, the event time (ms) of the canary that has come this far. ``acted``: a person did it.
    ``statistics`` are the new states of series, of which ``saved`` are written down; ``results`` is what they
    completed, and ``missed`` the event times (ms) of readings that came too late for their blocks, both by series.
    ``delayed`` are the event times of readings of meters whose hour may have been settled before they came, by series.
    """

    take: int = 0
    consumed: int = 0
    records: dict[str, tuple[int, Record]] = field(default_factory=dict)
    quiet: dict[str, tuple[int, Record]] = field(default_factory=dict)
    transitions: list[tuple[Transition, Alarm]] = field(default_factory=list)
    canaries: dict[str, int] = field(default_factory=dict)
    acted: bool = False
    statistics: dict[str, Statistics] = field(default_factory=dict)
    saved: dict[str, Statistics] = field(default_factory=dict)
    results: dict[str, list[Result]] = field(default_factory=dict)
    missed: dict[str, list[int]] = field(default_factory=dict)
    delayed: dict[str, list[int]] = field(default_factory=dict)


class Snapshot(msgspec.Struct, frozen=True):
    """An alarm that is not normal, as the console and ``parkwatch alarms`` show it.

    ``value`` and ``set_point`` are in ``unit``, the unit of the limit's source. ``paged`` is the version of the page
    that people are being told of (0: of none), ``collapsed`` how many activations since were not announced.
    ``stuck_at`` is the measured value (the quantity's canonical unit) of which ``value`` says how long it has not
    changed.
    """

    alarm: str
    series: str
    zone: str
    site: str
    sensor: str
    quantity: str
    limit: str
    state: State
    condition: str
    availability: str
    acknowledgement: str
    severity: str
    priority: Priority
    occurrence: int
    version: int
    raised_t: int
    raised_at: int
    t: int
    at: int
    value: float | None
    unit: str
    set_point: float | None
    why: str
    acknowledged_by: str
    acknowledged_at: int = 0
    shelved: Shelving | None = None
    suppressed: str = ""
    out_of_service: Removal | None = None
    latched: bool = False
    paged: int = 0
    collapsed: int = 0
    chattering: bool = False
    first_up: bool = False
    group: str = ""
    stuck_at: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an action; ``repeated`` if it had been done before."""

    alarm: str
    state: State
    occurrence: int
    version: int
    repeated: bool


def encode_batch(readings: Iterable[Reading]) -> bytes:
    """Encode a batch as the one value that travels."""
    return msgspec.msgpack.encode(list(readings))


def decode_batch(batch: bytes) -> list[Reading]:
    """Decode :func:`encode_batch`; raises ``msgspec.DecodeError``."""
    return _BATCH.decode(batch)


def decode_transition(entry: bytes) -> Transition:
    """Decode a journal entry's ``transition`` field."""
    return _TRANSITION.decode(entry)


class ShardStates:
    """The states of one shard, for its worker."""

    def __init__(self, client: redis.Redis, shard: str) -> None:
        self.client = client
        self.shard = shard
        self._commit = client.register_script(_LUA)
        self._keys = [
            names.inbox(shard),
            names.consumed(shard),
            names.series(shard),
            names.ALARMS,
            names.JOURNAL,
            names.OUTBOX,
            names.OUTBOX_ITEMS,
            names.OUTBOX_WAKE,
            names.acted(shard),
            names.statistics(shard),
            names.RESULTS,
            names.CORRECTIONS,
            names.FLOWS_LATE,
            names.CHAINS,
        ]

    def consumed(self) -> int:
        """Count of batches that have been committed so far."""
        return int(self.client.get(names.consumed(self.shard)) or 0)

    def acted(self) -> int:
        """Count of what people have done to alarms of the shard so far."""
        return int(self.client.get(names.acted(self.shard)) or 0)

    def waiting(self, most: int) -> list[bytes]:
        """Up to ``most`` batches at the inbox's head; they stay there until they are committed."""
        return stored.head(self.client, names.inbox(self.shard), most)

    def attend(self, milliseconds: int) -> None:
        """Say for so long that nobody needs to ring; 0 takes it back."""
        if milliseconds:
            self.client.set(names.attended(self.shard), b"1", px=milliseconds)
        else:
            self.client.delete(names.attended(self.shard))

    def wait(self, seconds: float) -> list[bytes]:
        """Wait for the batch at the inbox's head; empty if none came within ``seconds``."""
        head = stored.wait_for_head(self.client, names.inbox(self.shard), seconds)
        return [] if head is None else [head]

    def load_all(self) -> dict[str, Versioned]:
        """Load every record of the shard."""
        records = stored.everything(self.client, names.series(self.shard))
        return {key.decode(): _versioned(value) for key, value in records.items()}

    def statistics(self) -> dict[str, Statistics]:
        """Load the saved statistics of every series; one that can't be read begins anew."""
        states = stored.everything(self.client, names.statistics(self.shard))
        found = {}
        for key, value in states.items():
            with contextlib.suppress(msgspec.DecodeError):
                found[key.decode()] = _STATISTICS.decode(value)
        return found

    def load(self, series: Iterable[str]) -> dict[str, Versioned]:
        """Load the records of ``series``; one that is not stored comes as an empty record."""
        wanted = list(series)
        if not wanted:
            return {}
        records = stored.some(self.client, names.series(self.shard), wanted)
        return {key: _versioned(value) for key, value in zip(wanted, records, strict=True)}

    def commit(self, work: Work, catalogue: Catalogue, now: int) -> None:
        """Commit ``work`` whole, or raise :class:`Conflict` and change nothing."""
        answer = self._commit(keys=self._keys, args=[_encode(work, catalogue, now)])
        if answer:
            kind, *series = (part.decode() for part in answer)
            raise Conflict(tuple(series) if kind == "series" else ())

    def forget(self, series: Iterable[str]) -> None:
        """Remove the records of ``series`` and their alarms (a sensor that was taken away for good)."""
        for name in series:
            versioned = self.load([name])[name]
            pipe = self.client.pipeline(transaction=True)
            pipe.hdel(names.series(self.shard), name)
            pipe.hdel(names.statistics(self.shard), name)
            for limit in versioned.record.alarms:
                pipe.hdel(names.ALARMS, alarms.alarm_id(name, limit))
                pipe.hdel(names.CHAINS, alarms.alarm_id(name, limit))
            pipe.execute()


class ParkStates:
    """Alarms and journal of the whole park, for the console and the command line."""

    def __init__(self, client: redis.Redis, catalogue: Catalogue) -> None:
        self.client = client
        self.catalogue = catalogue
        self._directory = Directory(client)

    def alarms(self) -> list[Snapshot]:
        """Every alarm that is not normal, the most urgent first."""
        snapshots = stored.everything(self.client, names.ALARMS).values()
        found = [msgspec.json.decode(value, type=Snapshot) for value in snapshots]
        return sorted(found, key=lambda snapshot: (snapshot.priority.rank, -snapshot.raised_at, snapshot.alarm))

    def journal(self, since: int = 0, most: int = 1000) -> list[Transition]:
        """Transitions journalled since the server time ``since`` (ms), newest first, at most ``most``."""
        entries = stored.newest(self.client, names.JOURNAL, since, most)
        return [decode_transition(fields[b"transition"]) for fields in entries]

    def alarm(self, alarm: str) -> Snapshot | None:
        """Return the alarm, or ``None`` if it is normal."""
        value = stored.some(self.client, names.ALARMS, [alarm])[0]
        return msgspec.json.decode(value, type=Snapshot) if value else None

    def acknowledge(self, alarm: str, *, occurrence: int, version: int, by: str, comment: str, now: int) -> Done:
        """Acknowledge what a person saw.

        Raises ``KeyError`` for an alarm that is not there and :class:`park.alarms.StaleAcknowledgement` if
        something newer is.
        """
        return self.act(alarm, Acknowledge(occurrence, version), by=by, why=comment, now=now)

    def act(self, alarm: str, action: Action, *, by: str, why: str, now: int) -> Done:
        """Do what a person asks of an alarm, one that is normal included (a sensor about to be calibrated).

        Raises ``KeyError`` for an alarm that there can't be and :class:`park.alarms.Refused` with what to do instead.
        """
        series, limit_id = _known_alarm(alarm)
        limit = self.catalogue.limit(limit_id)
        asked = Asked(action, by=by, why=why, at=now, shelve_at_most=self.catalogue.settings.shelve_at_most)
        shard = self._shard(alarm, series)
        for _ in range(_TRIES):
            versioned = shard.load([series])[series]
            before = versioned.record.alarms.get(limit_id)
            if before is None:
                before = self._normal(alarm, versioned, limit)
            done = act(series, limit, before, asked)
            if done is None:
                return Done(alarm, before.state, before.occurrence, before.version, repeated=True)
            after, entry = done
            record = msgspec.structs.replace(versioned.record, alarms={**versioned.record.alarms, limit_id: after})
            work = Work(records={series: (versioned.version, record)}, transitions=[(entry, after)], acted=True)
            try:
                shard.commit(work, self.catalogue, now)
            except Conflict:
                continue
            return Done(alarm, after.state, after.occurrence, after.version, repeated=False)
        raise redis.RedisError(f"{alarm} changes too fast to be acted on; try again")

    def _shard(self, alarm: str, series: str) -> ShardStates:
        zone, site, _, _ = split_series(series)
        if zone not in self.catalogue.zones:
            raise KeyError(alarm)
        return ShardStates(self.client, shard_of(zone, site, self.catalogue.zones[zone].shards))

    def _normal(self, alarm: str, versioned: Versioned, limit: Limit) -> Alarm:
        """Return an alarm that never left NORM, if it is one that could: a series we know, a limit that covers it."""
        series, _ = alarms.split_alarm_id(alarm)
        key, quantity = series.rsplit("/", 1)
        known = self._directory.get(key) if quantity in self.catalogue.quantities else None
        if not versioned.version or known is None:
            raise KeyError(alarm)
        location = known.location or self.catalogue.quantities[quantity].location
        if not limit.match.covers(*split_series(series), location):
            raise KeyError(alarm)
        return Alarm()


def snapshot(transition: Transition, alarm: Alarm, limit: Limit) -> Snapshot:
    """What the console shows of ``alarm`` after ``transition``."""
    return snapshot_at(transition.series, limit, alarm, t=transition.t, at=transition.at)


def snapshot_at(series: str, limit: Limit, alarm: Alarm, *, t: int, at: int) -> Snapshot:
    """What the console shows of ``alarm`` as of event time ``t``, which came at server time ``at`` (ms)."""
    zone, site, sensor, quantity = split_series(series)
    # An acknowledgement carries no set-point of its own: the alarm's level says which one it is about.
    point = limit.point(alarm.matters)
    return Snapshot(
        alarm=alarms.alarm_id(series, limit.id),
        series=series,
        zone=zone,
        site=site,
        sensor=sensor,
        quantity=quantity,
        limit=limit.id,
        state=alarm.state,
        condition=alarm.condition,
        availability=alarm.availability,
        acknowledgement=alarm.acknowledgement,
        severity=point.severity,
        priority=point.priority,
        occurrence=alarm.occurrence,
        version=alarm.version,
        raised_t=alarm.raised_t,
        raised_at=alarm.raised_at,
        t=t,
        at=at,
        value=None if alarm.value is None else limit.shown(alarm.value),
        unit=limit.unit,
        set_point=None if limit.kind is Kind.QUALITY else limit.shown(point.at),
        why=alarm.why,
        acknowledged_by=alarm.acknowledged_by,
        acknowledged_at=alarm.acknowledged_at,
        shelved=alarm.shelved,
        suppressed=alarm.suppressed,
        out_of_service=alarm.out_of_service,
        latched=alarm.latched,
        paged=alarm.paged,
        collapsed=alarm.collapsed,
        chattering=alarm.chatters(t),
        first_up=alarm.first_up,
        group=limit.group,
        stuck_at=alarm.stuck_at,
    )


def _known_alarm(alarm: str) -> tuple[str, str]:
    try:
        return alarms.split_alarm_id(alarm)
    except ValueError as error:
        raise KeyError(alarm) from error


def _versioned(value: bytes | None) -> Versioned:
    if value is None:
        return Versioned(Record())
    version, _, record = value.partition(b" ")
    return Versioned(_decode_record(record), int(version))


def _decode_record(record: bytes) -> Record:
    """Decode a record; a shelving or a removal that can't be read has ended, so that the alarm is heard."""
    try:
        return _RECORD.decode(record)
    except msgspec.ValidationError:
        fields: list[Any] = msgspec.json.decode(record)
        for alarm in fields[_ALARMS].values():
            _end_unreadable(alarm)
        return msgspec.convert(fields, Record)


def _end_unreadable(alarm: list[Any]) -> None:
    """Put a shelving that is over in the place of what can't be read: the next sweep says so, and pages if active."""
    unreadable = [place for place, kind in _ASIDE.items() if not _readable(alarm[place], kind)]
    for place in unreadable:
        alarm[place] = None
    if unreadable and alarm[_SHELVED] is None:
        alarm[_SHELVED] = msgspec.to_builtins(_OVER)


def _readable(value: object, kind: type[Shelving | Removal]) -> bool:
    try:
        msgspec.convert(value, kind | None)
    except msgspec.ValidationError:
        return False
    return True


_ALARMS = Record.__struct_fields__.index("alarms")
_SHELVED = Alarm.__struct_fields__.index("shelved")
_ASIDE: dict[int, type[Shelving | Removal]] = {
    _SHELVED: Shelving,
    Alarm.__struct_fields__.index("out_of_service"): Removal,
}
_OVER = Shelving("parkwatch", "unreadable", until=0, at=0)


def _encode(work: Work, catalogue: Catalogue, now: int) -> bytes:
    # Late data says nothing about how an alarm stands now.
    latest = {
        transition.alarm: (transition, alarm)
        for transition, alarm in work.transitions
        if transition.event is not Event.LATE
    }
    content: dict[str, Any] = {
        "take": work.take,
        "consumed": work.consumed,
        "acted": work.acted,
        "now": now,
        "journal_length": names.JOURNAL_LENGTH,
        "records": [
            (series, version, version + 1, _text(record)) for series, (version, record) in work.records.items()
        ],
        "alarms": [(alarm, _shown(*entry, catalogue)) for alarm, entry in latest.items()],
        "untold": [name for name, (_, alarm) in latest.items() if not alarm.paged or alarm.state is State.NORM],
        "journal": [(transition.alarm, _text(transition)) for transition, _ in work.transitions],
        "trace": names.TRACE,
        "trace_length": names.TRACE_LENGTH,
        "trace_seconds": names.TRACE_SECONDS,
        "pages": [
            (page_id(transition), encode_page(transition).decode())
            for transition, _ in work.transitions
            if transition.notify is not Notify.NONE
        ]
        + [(canary_id(zone), encode_canary(zone, t, now).decode()) for zone, t in work.canaries.items()],
        "saved": [(series, _text(state)) for series, state in work.saved.items()],
        "results": _text(work.results) if work.results else "",
        "results_length": names.RESULTS_LENGTH,
        "missed": [block for series, times in work.missed.items() for block in _blocks(series, times)],
        "delayed": [block for series, times in work.delayed.items() for block in _blocks(series, times)],
    }
    return msgspec.msgpack.encode(content)


def _blocks(series: str, times: Iterable[int]) -> set[str]:
    """Name the hours that late readings belong to: they are made again from what is stored."""
    return {f"{series} {Span.HOUR.begin(t)}" for t in times}


def _text(content: object) -> str:
    # Redis' MessagePack knows strings but no byte strings.
    return msgspec.json.encode(content).decode()


def _shown(transition: Transition, alarm: Alarm, catalogue: Catalogue) -> str:
    if alarm.state is State.NORM:
        return ""
    return _text(snapshot(transition, alarm, catalogue.limit(transition.limit)))
