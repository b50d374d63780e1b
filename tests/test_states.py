"""Alarm state in Redis: committed whole or not at all, and what people do to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis

from park.actions import Acknowledge, Action, Remove, Reset, Restore, Unshelve
from park.alarms import (
    Alarm,
    Event,
    Notify,
    Refused,
    Removal,
    Shelving,
    StaleAcknowledgement,
    State,
    Transition,
    alarm_id,
)
from park.catalogue import Catalogue
from park.evaluate import Record
from park.words import Quality
from storage import names
from storage.directory import Directory
from storage.outbox import page_id
from storage.queue import redis_client
from storage.states import (
    Conflict,
    Done,
    ParkStates,
    ShardStates,
    Work,
    decode_batch,
    encode_batch,
)
from tests import servers
from tests.making import SERIES, SHARD, T0, Story, catalogue, quality_limit, reading, sensor, shelve_until, two_levels

LIMIT = two_levels(unit="g/m3", shown_per_canonical=0.001)
CATALOGUE = catalogue(LIMIT, quality_limit())
ALARM = alarm_id(SERIES, LIMIT.id)


@pytest.fixture
def client(redis: servers.Redis) -> Iterator[redis.Redis]:
    with redis_client(redis.url) as made:
        yield made


@pytest.fixture
def shard(client: redis.Redis) -> ShardStates:
    return ShardStates(client, SHARD)


@pytest.fixture
def park(client: redis.Redis) -> ParkStates:
    return ParkStates(client, CATALOGUE)


class Saga:
    """One series whose every step is committed."""

    def __init__(self, shard: ShardStates) -> None:
        self.shard = shard
        self.story = Story([LIMIT])
        self.version = 0

    def hears(self, second: float, value: float) -> Transition:
        """Take a reading that makes one transition, commit it and return it."""
        stored = self.shard.load([SERIES])[SERIES]
        self.story.record = stored.record
        self.story.hears(reading(second, value))
        transition = self.story.transitions[-1]
        self.shard.commit(self.work(stored.version, transition), CATALOGUE, transition.at)
        return transition

    def work(self, version: int, *transitions: Transition) -> Work:
        record = self.story.record
        alarms = [(transition, record.alarms[transition.limit]) for transition in transitions]
        return Work(records={SERIES: (version, record)}, transitions=alarms)


@pytest.fixture
def saga(shard: ShardStates) -> Saga:
    return Saga(shard)


def everything(client: redis.Redis) -> dict[Any, Any]:
    """All that Redis holds."""
    return {key: client.dump(key) for key in client.scan_iter()}


# --- commit ------------------------------------------------------------------------------------------------------


def test_record_comes_back_as_it_was_committed(shard: ShardStates) -> None:
    story = Story([two_levels(on_delay=1000), quality_limit()])
    story.hears(reading(0, 25.0), reading(1, 25.0), reading(2, 1.0, quality=Quality.FAILURE))
    shard.commit(Work(records={SERIES: (0, story.record)}), CATALOGUE, T0)
    stored = shard.load_all()[SERIES]
    assert (stored.record, stored.version) == (story.record, 1)
    assert shard.load([SERIES, "north/unit-1/gd-02/h2s"])["north/unit-1/gd-02/h2s"].version == 0


def test_many_records_at_once(shard: ShardStates) -> None:
    records = {f"north/unit-1/s-{n}/h2s": (0, Record(t=n)) for n in range(5000)}
    shard.commit(Work(records=records), CATALOGUE, T0)
    stored = shard.load_all()
    assert {series: each.record.t for series, each in stored.items()} == {s: r.t for s, (_, r) in records.items()}


def test_many_conflicts_at_once_are_a_conflict(shard: ShardStates, client: redis.Redis) -> None:
    records = {f"north/unit-1/s-{n}/h2s": (3, Record(t=n)) for n in range(10_000)}
    with pytest.raises(Conflict) as conflict:
        shard.commit(Work(records=records), CATALOGUE, T0)
    assert conflict.value.series
    assert set(conflict.value.series) <= set(records)
    assert client.dbsize() == 0


def test_conflict_on_one_series_changes_nothing_at_all(shard: ShardStates, saga: Saga, client: redis.Redis) -> None:
    saga.hears(0, 15.0)
    client.rpush(names.inbox(SHARD), b"batch")
    before = everything(client)
    saga.story.hears(reading(1, 25.0))
    work = saga.work(0, saga.story.transitions[-1])
    work.take = 1
    work.records["north/unit-1/gd-02/h2s"] = (0, Record(t=1))
    with pytest.raises(Conflict) as conflict:
        shard.commit(work, CATALOGUE, T0)
    assert conflict.value.series == (SERIES,)
    assert everything(client) == before


@pytest.mark.parametrize("consumed", [0, 2])
def test_conflict_on_the_inbox_changes_nothing_at_all(
    shard: ShardStates, saga: Saga, client: redis.Redis, consumed: int
) -> None:
    client.rpush(names.inbox(SHARD), b"one", b"two")
    shard.commit(Work(take=1, consumed=0), CATALOGUE, T0)
    before = everything(client)
    saga.story.hears(reading(0, 15.0))
    work = saga.work(0, *saga.story.transitions)
    work.take, work.consumed = 1, consumed
    with pytest.raises(Conflict) as conflict:
        shard.commit(work, CATALOGUE, T0)
    assert conflict.value.series == ()
    assert everything(client) == before


def test_inbox_is_trimmed_by_exactly_what_was_taken(shard: ShardStates, client: redis.Redis) -> None:
    client.rpush(names.inbox(SHARD), *(b"%d" % n for n in range(10)))
    assert shard.waiting(3) == [b"0", b"1", b"2"]
    shard.commit(Work(take=3, consumed=0), CATALOGUE, T0)
    client.rpush(names.inbox(SHARD), b"10")
    assert shard.waiting(99) == [b"%d" % n for n in range(3, 11)]
    assert shard.consumed() == 3
    shard.commit(Work(take=8, consumed=3), CATALOGUE, T0)
    assert (shard.waiting(99), shard.consumed()) == ([], 11)


def test_work_without_batches_leaves_the_inbox_alone(shard: ShardStates, client: redis.Redis) -> None:
    client.rpush(names.inbox(SHARD), b"one")
    shard.commit(Work(records={SERIES: (0, Record(t=1))}), CATALOGUE, T0)
    assert (shard.waiting(9), shard.consumed()) == ([b"one"], 0)


def test_batch_survives_the_way() -> None:
    batch = [reading(0, 1.5), reading(1, None, quality=Quality.FAILURE, late=True)]
    assert decode_batch(encode_batch(batch)) == batch
    with pytest.raises(msgspec.DecodeError):
        decode_batch(b"\xc1 no batch")


# --- what a commit shows -----------------------------------------------------------------------------------------


def test_snapshot_appears_changes_and_disappears(saga: Saga, park: ParkStates) -> None:
    assert park.alarms() == []
    saga.hears(0, 15.0)
    (shown,) = park.alarms()
    assert (shown.alarm, shown.state, shown.severity, shown.priority) == (ALARM, State.UNACK, "high", "high")
    assert (shown.zone, shown.site, shown.sensor, shown.quantity) == ("north", "unit-1", "gd-01", "h2s")
    assert (shown.value, shown.unit, shown.set_point) == (0.015, "g/m3", 0.01)
    assert (shown.raised_t, shown.occurrence, shown.version) == (T0, 1, 1)
    saga.hears(1, 25.0)
    (shown,) = park.alarms()
    assert (shown.severity, shown.priority, shown.set_point, shown.raised_t) == ("high-high", "critical", 0.02, T0)
    saga.hears(2, 1.0)
    (shown,) = park.alarms()
    assert (shown.state, shown.condition) == (State.RTNUN, "inactive")
    # Nobody has taken note yet of how bad it was.
    assert (shown.severity, shown.priority, shown.set_point) == ("high-high", "critical", 0.02)
    park.acknowledge(ALARM, occurrence=1, version=3, by="li", comment="", now=T0)
    assert park.alarms() == []


def test_alarm_that_was_acknowledged_disappears_when_it_returns(saga: Saga, park: ParkStates) -> None:
    saga.hears(0, 15.0)
    park.acknowledge(ALARM, occurrence=1, version=1, by="li", comment="", now=T0)
    (shown,) = park.alarms()
    assert (shown.state, shown.acknowledged_by, shown.severity) == (State.ACKED, "li", "high")
    saga.hears(1, 1.0)
    assert park.alarms() == []


def test_late_data_changes_nothing_that_is_shown(saga: Saga, park: ParkStates, shard: ShardStates) -> None:
    saga.hears(100, 15.0)
    before = park.alarms()
    saga.story.hears(reading(50, 25.0, late=True))
    shard.commit(saga.work(1, saga.story.transitions[-1]), CATALOGUE, T0)
    assert park.alarms() == before
    assert park.journal()[0].event is Event.LATE


def test_most_urgent_alarm_is_shown_first(shard: ShardStates, park: ParkStates) -> None:
    for number, value in ((1, 15.0), (2, 25.0), (3, 15.0)):
        series = f"north/unit-1/gd-0{number}/h2s"
        story = Story([LIMIT])
        story.hears(reading(number, value))
        raised = msgspec.structs.replace(story.transitions[0], series=series, alarm=alarm_id(series, LIMIT.id))
        work = Work(records={series: (0, story.record)}, transitions=[(raised, story.record.alarms[LIMIT.id])])
        shard.commit(work, CATALOGUE, T0)
    assert [shown.sensor for shown in park.alarms()] == ["gd-02", "gd-03", "gd-01"]


def test_journal_holds_every_transition_newest_first(saga: Saga, park: ParkStates) -> None:
    expected = [saga.hears(0, 15.0), saga.hears(1, 25.0), saga.hears(2, 15.0), saga.hears(3, 1.0)]
    assert [each.event for each in expected] == [Event.RAISED, Event.ESCALATED, Event.EASED, Event.RETURNED]
    assert park.journal() == expected[::-1]
    assert park.journal(most=1) == expected[-1:]


def test_outbox_gets_pages_and_notices_and_nothing_else(saga: Saga, client: redis.Redis, park: ParkStates) -> None:
    transitions = [saga.hears(0, 15.0), saga.hears(1, 25.0), saga.hears(2, 15.0), saga.hears(3, 1.0)]
    park.acknowledge(ALARM, occurrence=1, version=4, by="li", comment="", now=T0)
    told = [each for each in transitions if each.notify is not Notify.NONE]
    assert [each.event for each in told] == [Event.RAISED, Event.ESCALATED, Event.RETURNED]
    due: Any = client.zrange(names.OUTBOX, 0, -1, withscores=True)
    assert dict(due) == {page_id(each).encode(): float(each.at) for each in told}
    stored: Any = client.hgetall(names.OUTBOX_ITEMS)
    items = {key.decode(): json.loads(value) for key, value in stored.items()}
    assert items == {page_id(each): {"kind": "page", "transition": msgspec.to_builtins(each)} for each in told}
    assert client.llen(names.OUTBOX_WAKE) == 3


# --- people ------------------------------------------------------------------------------------------------------


def test_acknowledgement_is_journalled_with_who_and_why(saga: Saga, park: ParkStates) -> None:
    saga.hears(0, 25.0)
    answer = park.acknowledge(ALARM, occurrence=1, version=1, by="li", comment="valve closed", now=T0 + 5000)
    assert answer == Done(ALARM, State.ACKED, 1, 2, repeated=False)
    (entry, _) = park.journal()
    assert (entry.event, entry.by, entry.why, entry.at) == (Event.ACKNOWLEDGED, "li", "valve closed", T0 + 5000)
    assert (entry.before, entry.after, entry.notify) == (State.UNACK, State.ACKED, Notify.NONE)
    assert (entry.severity, entry.occurrence, entry.version) == ("high-high", 1, 2)


def test_repeated_acknowledgement_changes_nothing(saga: Saga, park: ParkStates, client: redis.Redis) -> None:
    saga.hears(0, 25.0)
    park.acknowledge(ALARM, occurrence=1, version=1, by="li", comment="", now=T0)
    before = everything(client)
    answer = park.acknowledge(ALARM, occurrence=1, version=1, by="wang", comment="", now=T0)
    assert answer == Done(ALARM, State.ACKED, 1, 2, repeated=True)
    assert everything(client) == before


def test_stale_acknowledgement_is_refused_and_changes_nothing(
    saga: Saga, park: ParkStates, client: redis.Redis
) -> None:
    saga.hears(0, 15.0)
    saga.hears(1, 25.0)
    before = everything(client)
    with pytest.raises(StaleAcknowledgement) as refused:
        park.acknowledge(ALARM, occurrence=1, version=1, by="li", comment="", now=T0)
    assert (refused.value.current.occurrence, refused.value.current.version) == (1, 2)
    assert everything(client) == before


@pytest.mark.parametrize(
    "alarm",
    ["", "nonsense", "north.unit-1.gd-01.h2s.other", "west.unit-1.gd-01.h2s.h2s-high", "north.unit-9.x.h2s.h2s-high"],
)
def test_alarm_that_is_not_there(saga: Saga, park: ParkStates, alarm: str) -> None:
    saga.hears(0, 15.0)
    with pytest.raises(KeyError):
        park.acknowledge(alarm, occurrence=1, version=1, by="li", comment="", now=T0)


def test_acknowledging_at_once_counts_once(
    redis: servers.Redis, saga: Saga, park: ParkStates, client: redis.Redis
) -> None:
    saga.hears(0, 15.0)
    answers: list[bool] = []

    def acknowledge(by: str) -> None:
        with redis_client(redis.url) as mine:
            states = ParkStates(mine, CATALOGUE)
            answers.append(states.acknowledge(ALARM, occurrence=1, version=1, by=by, comment="", now=T0).repeated)

    people = [threading.Thread(target=acknowledge, args=(f"person-{n}",)) for n in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(answers) == [False] + [True] * 7
    assert [each.event for each in park.journal()] == [Event.ACKNOWLEDGED, Event.RAISED]
    assert client.hlen(names.ALARMS) == 1


def test_severity_taken_out_of_the_configuration_can_be_acknowledged(saga: Saga, client: redis.Redis) -> None:
    saga.hears(0, 25.0)
    milder: Catalogue = catalogue(msgspec.structs.replace(LIMIT, set_points=LIMIT.set_points[:1]))
    park = ParkStates(client, milder)
    assert park.acknowledge(ALARM, occurrence=1, version=1, by="li", comment="", now=T0).state is State.ACKED


# --- what else people do -----------------------------------------------------------------------------------------


@pytest.fixture
def normal(shard: ShardStates, client: redis.Redis) -> Record:
    """A series that is known, and never had an alarm."""
    Directory(client).register(sensor())
    record = Record(t=T0, received=T0, value=1.0)
    shard.commit(Work(records={SERIES: (0, record)}), CATALOGUE, T0)
    return record


def acts(park: ParkStates, action: Action, why: str = "work permit 7", alarm: str = ALARM) -> Done:
    """Let a person act a second after ``T0``."""
    return park.act(alarm, action, by="li", why=why, now=T0 + 1000)


@pytest.mark.usefixtures("normal")
def test_normal_alarm_can_be_put_aside_and_is_shown_until_it_is_back(park: ParkStates) -> None:
    assert acts(park, shelve_until(60)) == Done(ALARM, State.SHLVD, 0, 1, repeated=False)
    shown = park.alarm(ALARM)
    assert shown is not None
    assert (shown.state, shown.condition, shown.acknowledgement) == (State.SHLVD, "inactive", "none-needed")
    assert shown.shelved == Shelving("li", "work permit 7", T0 + 60_000, T0 + 1000)
    assert acts(park, Remove()).state is State.OOSRV
    assert acts(park, Unshelve()).state is State.OOSRV
    assert acts(park, Restore()) == Done(ALARM, State.NORM, 0, 4, repeated=False)
    assert (park.alarm(ALARM), park.alarms()) == (None, [])
    assert [(each.event, each.before, each.after) for each in park.journal()[::-1]] == [
        (Event.SHELVED, State.NORM, State.SHLVD),
        (Event.REMOVED, State.SHLVD, State.OOSRV),
        (Event.UNSHELVED, State.OOSRV, State.OOSRV),
        (Event.RESTORED, State.OOSRV, State.NORM),
    ]


@pytest.mark.usefixtures("normal")
@pytest.mark.parametrize("action", [Unshelve(), Restore(), Reset(), Acknowledge(1, 1)])
def test_what_makes_no_sense_for_a_normal_alarm_is_refused(
    park: ParkStates, client: redis.Redis, action: Action
) -> None:
    before = everything(client)
    with pytest.raises(Refused):
        acts(park, action)
    assert everything(client) == before


@pytest.mark.usefixtures("normal")
@pytest.mark.parametrize(
    "alarm",
    [
        "nonsense",
        "west.unit-1.gd-01.h2s.h2s-high",
        "north.unit-1.gd-99.h2s.h2s-high",
        "north.unit-1.gd-01.smell.h2s-high",
        "north.unit-1.gd-01.temperature.h2s-high",
        "north.unit-1.gd-01.h2s.other",
    ],
)
def test_alarm_that_there_can_not_be_is_not_put_aside(park: ParkStates, client: redis.Redis, alarm: str) -> None:
    before = everything(client)
    with pytest.raises(KeyError):
        acts(park, shelve_until(60), alarm=alarm)
    assert everything(client) == before


@pytest.mark.usefixtures("normal")
def test_worker_is_told_of_what_people_did_and_of_nothing_else(park: ParkStates, shard: ShardStates) -> None:
    assert shard.acted() == 0
    acts(park, shelve_until(60))
    assert shard.acted() == 1
    with pytest.raises(Refused):
        acts(park, Restore())
    shard.commit(Work(records={"north/unit-1/gd-02/h2s": (0, Record(t=1))}), CATALOGUE, T0)
    assert shard.acted() == 1


@pytest.mark.usefixtures("normal")
def test_of_many_who_do_the_same_at_once_one_does_it(redis: servers.Redis, park: ParkStates) -> None:
    answers = at_once(redis, [Remove()] * 8)
    assert sorted(map(type, answers), key=lambda kind: kind.__name__) == [Done] + [Refused] * 7
    assert [each.event for each in park.journal()] == [Event.REMOVED]


def test_of_many_who_do_different_things_at_once_nothing_is_lost(
    saga: Saga, redis: servers.Redis, park: ParkStates
) -> None:
    saga.hears(0, 15.0)
    answers = at_once(redis, [shelve_until(60), Remove(), shelve_until(90), shelve_until(120)])
    assert {type(each) for each in answers} == {Done}
    assert sorted(each.version for each in answers if isinstance(each, Done)) == [2, 3, 4, 5]
    assert [each.version for each in park.journal()] == [5, 4, 3, 2, 1]
    shown = park.alarm(ALARM)
    assert shown is not None
    assert (shown.state, shown.version, bool(shown.shelved), bool(shown.out_of_service)) == (State.OOSRV, 5, True, True)


def at_once(redis: servers.Redis, actions: list[Action]) -> list[Done | Refused]:
    """Let as many people as there are actions act at the same time, each by a connection of their own."""
    answers: list[Done | Refused] = []

    def one(action: Action) -> None:
        with redis_client(redis.url) as mine:
            try:
                answers.append(acts(ParkStates(mine, CATALOGUE), action))
            except Refused as refused:
                answers.append(refused)

    people = [threading.Thread(target=one, args=(action,)) for action in actions]
    for person in people:
        person.start()
    for person in people:
        person.join()
    return answers


# --- what can't be read ------------------------------------------------------------------------------------------

SHELVED, REMOVED = (Alarm.__struct_fields__.index(name) for name in ("shelved", "out_of_service"))
PUT_ASIDE = Alarm(
    level=1, shelved=Shelving("li", "noise", T0 + 60_000, T0), out_of_service=Removal("wang", "calibration", T0)
)

# What is broken (place and what stands there): whether it is shelved, and out of service.
BROKEN: dict[str, tuple[dict[int, Any], str, bool]] = {
    "nothing": ({}, "until its end", True),
    "the shelving": ({SHELVED: ["li", 7, "soon", 0]}, "over", True),
    "the shelving is a word": ({SHELVED: "yes"}, "over", True),
    "the shelving is cut short": ({SHELVED: ["li"]}, "over", True),
    "the removal": ({REMOVED: ["wang", None, 0]}, "until its end", False),
    "both": ({SHELVED: 1, REMOVED: 1}, "over", False),
    "the removal, and there is no shelving": ({SHELVED: None, REMOVED: {}}, "over", False),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_put_an_alarm_aside_and_can_not_be_read_has_ended(
    shard: ShardStates, client: redis.Redis, case: str
) -> None:
    broken, shelved, removed = BROKEN[case]
    record = Record(t=T0, alarms={"a": PUT_ASIDE, "b": PUT_ASIDE})
    fields = msgspec.json.decode(msgspec.json.encode(record))
    for place, content in broken.items():
        fields[Record.__struct_fields__.index("alarms")]["a"][place] = content
    client.hset(names.series(SHARD), SERIES, b"7 " + msgspec.json.encode(fields))
    stored = shard.load([SERIES])[SERIES]
    alarm = stored.record.alarms["a"]
    assert (stored.version, alarm.level, bool(alarm.out_of_service)) == (7, 1, removed)
    assert alarm.shelved == (
        PUT_ASIDE.shelved if shelved == "until its end" else Shelving("parkwatch", "unreadable", 0, 0)
    )
    assert stored.record.alarms["b"] == PUT_ASIDE


# --- forgetting -------------------------------------------------------------------------------------------------


def test_forgetting_removes_record_and_alarms_and_leaves_the_others(
    saga: Saga, shard: ShardStates, park: ParkStates
) -> None:
    saga.hears(0, 15.0)
    other = "north/unit-1/gd-02/h2s"
    shard.commit(Work(records={other: (0, Record(t=1, alarms={"h2s-high": Alarm()}))}), CATALOGUE, T0)
    shard.forget([SERIES])
    assert set(shard.load_all()) == {other}
    assert park.alarms() == []
    assert len(park.journal()) == 1
