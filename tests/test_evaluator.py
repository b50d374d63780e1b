"""The evaluator of a shard against a real Redis: nothing lost, nothing twice, whoever interferes."""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis

from park.actions import Acknowledge
from park.alarms import Event, Notify, State, alarm_id
from park.catalogue import Catalogue
from park.limits import Match
from park.readings import Reading
from park.sensors import Channel
from park.words import Location, Quality
from storage import names
from storage.outbox import page_id
from storage.quarantine import Quarantine
from storage.queue import redis_client
from storage.states import ParkStates, ShardStates, Work
from tests import servers
from tests.making import (
    MINUTE,
    SENSOR,
    SERIES,
    SHARD,
    T0,
    StoppedClock,
    catalogue,
    limit,
    quality_limit,
    quantity,
    reading,
    sensor,
    shelve_until,
    two_levels,
)
from tests.occurrences import count_values
from tests.shifts import ALARM, CATALOGUE, LIMIT, OTHER, QUALITY, Shift
from workers.evaluator import Evaluator


@pytest.fixture
def client(redis: servers.Redis) -> Iterator[redis.Redis]:
    with redis_client(redis.url) as made:
        yield made


@pytest.fixture
def shift(client: redis.Redis) -> Shift:
    return Shift(client)


# --- readings ----------------------------------------------------------------------------------------------------


def test_reading_beyond_a_limit_is_committed_shown_journalled_and_paged(shift: Shift, client: redis.Redis) -> None:
    assert shift.hears(reading(0, 15.0)) == ["raised high"]
    assert shift.shown() == {ALARM: State.UNACK}
    (raised,) = shift.journal()
    assert client.zrange(names.OUTBOX, 0, -1) == [page_id(raised).encode()]
    assert client.llen(names.inbox(SHARD)) == 0
    assert client.get(names.consumed(SHARD)) == b"1"


def test_normal_readings_page_nobody(shift: Shift, client: redis.Redis) -> None:
    assert shift.hears(*(reading(second, 1.0) for second in range(100))) == []
    assert (shift.shown(), client.zcard(names.OUTBOX)) == ({}, 0)


def test_backlog_is_evaluated_in_order_whatever_its_size(shift: Shift, client: redis.Redis) -> None:
    values = [random.Random(1).uniform(0, 20) for _ in range(300)]
    for second, value in enumerate(values):
        shift.put(reading(second, value))
    assert shift.evaluator.drain() == 300
    raised = [each for each in shift.journal() if each.event is Event.RAISED]
    assert len(raised) == count_values(values, 10.0).occurrences
    assert [each.occurrence for each in raised] == list(range(1, len(raised) + 1))
    assert client.llen(names.inbox(SHARD)) == 0


def test_empty_inbox_is_nothing_to_do(shift: Shift) -> None:
    assert shift.evaluator.drain() == 0


def test_staying_at_the_inbox_evaluates_and_leaves_it_to_the_doorbell(shift: Shift, client: redis.Redis) -> None:
    shift.put(reading(0, 15.0))
    shift.put(reading(1, 25.0))
    assert shift.evaluator.attend() == 2
    assert [each.event for each in shift.journal()] == [Event.RAISED, Event.ESCALATED]
    assert client.exists(names.attended(SHARD)) == 0


def test_redelivered_batches_change_nothing(shift: Shift, client: redis.Redis) -> None:
    stream = [reading(second, value) for second, value in enumerate([1.0, 15.0, 25.0, 15.0, 12.0])]
    shift.hears(*stream[:2])
    shift.hears(*stream[2:])
    before = (shift.journal(), shift.shown(), client.zcard(names.OUTBOX))
    shift.hears(*stream[:2])
    shift.hears(*stream[2:])
    shift.restarts()
    shift.hears(*stream)
    assert (shift.journal(), shift.shown(), client.zcard(names.OUTBOX)) == before


def test_batch_that_can_not_be_read_is_quarantined_and_the_others_evaluated(shift: Shift, client: redis.Redis) -> None:
    shift.put(reading(0, 1.0))
    client.rpush(names.inbox(SHARD), b"\xc1 no batch", b"")
    shift.put(reading(1, 15.0))
    assert shift.evaluator.drain() == 2
    assert shift.shown() == {ALARM: State.UNACK}
    first, second = Quarantine(client).newest()
    assert (first.code, second.code) == ("evaluation", "evaluation")
    assert "no batch" in second.payload
    assert client.llen(names.inbox(SHARD)) == 0


def test_series_that_can_not_be_evaluated_does_not_hold_up_the_others(shift: Shift, client: redis.Redis) -> None:
    unknown = f"{SENSOR}/taken-out-of-the-configuration"
    assert shift.hears(reading(0, 99.0, series=unknown), reading(0, 15.0)) == ["raised high"]
    (entry,) = Quarantine(client).newest()
    assert unknown in entry.reason
    assert shift.hears(reading(1, 99.0, series=unknown), reading(1, 1.0)) == ["returned high"]


# --- several hands -----------------------------------------------------------------------------------------------


def test_acknowledgement_in_between_is_kept(shift: Shift) -> None:
    shift.hears(reading(0, 15.0))
    assert shift.acknowledge() is State.ACKED
    assert shift.hears(reading(1, 16.0)) == []
    assert shift.shown() == {ALARM: State.ACKED}
    assert shift.hears(reading(2, 1.0)) == ["returned high"]
    assert shift.shown() == {}
    assert [(each.event, each.version) for each in shift.journal()] == [
        (Event.RAISED, 1),
        (Event.ACKNOWLEDGED, 2),
        (Event.RETURNED, 3),
    ]


def test_escalation_after_an_acknowledgement_in_between_wants_another_one(shift: Shift) -> None:
    shift.hears(reading(0, 15.0))
    shift.acknowledge()
    assert shift.hears(reading(1, 25.0)) == ["escalated high-high"]
    assert shift.shown() == {ALARM: State.UNACK}
    assert shift.journal()[-1].before is State.ACKED


def test_acknowledgement_is_kept_by_the_sweep_that_saves_what_was_last_seen(shift: Shift) -> None:
    shift.hears(reading(0, 15.0))
    shift.hears(reading(1, 16.0))
    shift.acknowledge()
    shift.sweeps(2)
    shift.sweeps(3)
    assert shift.shown() == {ALARM: State.ACKED}
    shift.hears(reading(4, 16.0))
    shift.sweeps(5)
    assert shift.shown() == {ALARM: State.ACKED}
    assert shift.record_t() == T0 + 4000


def test_sweep_that_meets_an_acknowledgement_does_its_work_the_next_time(shift: Shift) -> None:
    shift.restarts(catalogue(LIMIT, limit("h2s-slow", on_delay=10_000)))
    shift.hears(reading(0, 15.0))
    shift.acknowledge()
    found = [shift.sweeps(10), shift.sweeps(11), shift.sweeps(12)]
    assert [each for one in found for each in one] == ["raised high"]
    assert shift.shown()[ALARM] is State.ACKED


@pytest.mark.parametrize("seed", range(5))
def test_two_workers_on_one_shard_take_turns_and_stay_exact(shift: Shift, seed: int) -> None:
    rng = random.Random(seed)
    values = [rng.choice([1.0, 9.0, 15.0, 16.0]) for _ in range(120)]
    workers = [shift.worker(), shift.worker()]
    for second, value in enumerate(values):
        shift.put(reading(second, value))
        if rng.random() < 0.5:
            rng.choice(workers).drain()
        if rng.random() < 0.1:
            rng.choice(workers).sweep()
    for worker in workers:
        worker.drain()
    raised = [each.occurrence for each in shift.journal() if each.event is Event.RAISED]
    assert raised == list(range(1, count_values(values, 10.0).occurrences + 1))


def test_two_workers_at_the_same_time_stay_exact(shift: Shift, redis: servers.Redis) -> None:
    rng = random.Random(7)
    values = [rng.choice([1.0, 15.0]) for _ in range(400)]
    for second, value in enumerate(values):
        shift.put(reading(second, value))

    def work() -> None:
        with redis_client(redis.url) as mine:
            Evaluator(mine, CATALOGUE, SHARD, StoppedClock(T0)).drain()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert shift.client.llen(names.inbox(SHARD)) == 0
    raised = [each.occurrence for each in shift.journal() if each.event is Event.RAISED]
    assert raised == list(range(1, count_values(values, 10.0).occurrences + 1))


def test_batch_that_another_worker_takes_while_we_look_is_not_taken_twice(shift: Shift) -> None:
    first, second = shift.worker(), shift.worker()
    shift.put(reading(0, 15.0))
    look = second._states.waiting

    between = [reading(1, 1.0)]

    def looking(most: int) -> list[bytes]:
        batches = look(most)
        if between:
            first.drain()
            shift.put(between.pop())
        return batches

    second._states.waiting = looking  # type: ignore[method-assign]
    second.drain()
    assert [each.event for each in shift.journal()] == [Event.RAISED, Event.RETURNED]


def test_commit_whose_answer_is_lost_counts_once(shift: Shift) -> None:
    commit = shift.evaluator._states.commit
    lost = [redis.TimeoutError("no answer")]

    def committing(work: Work, catalogue: Catalogue, now: int) -> None:
        commit(work, catalogue, now)
        if lost:
            raise lost.pop()

    shift.evaluator._states.commit = committing  # type: ignore[method-assign]
    shift.put(reading(0, 15.0))
    with pytest.raises(redis.TimeoutError):
        shift.evaluator.drain()
    shift.hears(reading(1, 1.0))
    assert [(each.event, each.occurrence) for each in shift.journal()] == [(Event.RAISED, 1), (Event.RETURNED, 1)]


# --- restarts and losses -----------------------------------------------------------------------------------------


def test_active_alarm_is_active_after_a_restart_and_pages_no_second_time(shift: Shift) -> None:
    shift.hears(reading(0, 15.0))
    shift.restarts()
    assert shift.hears(reading(1, 15.0)) == []
    assert shift.hears(reading(2, 1.0)) == ["returned high"]


def test_on_delay_resumes_after_a_restart_and_ends_by_the_sweep(shift: Shift) -> None:
    slow = catalogue(limit(on_delay=10 * MINUTE))
    shift.restarts(slow)
    shift.hears(reading(0, 15.0))
    assert shift.sweeps(540) == []
    shift.restarts(slow)
    assert shift.sweeps(541) == []
    assert shift.sweeps(600) == ["raised high"]


def test_what_was_last_seen_is_saved_by_the_sweep(shift: Shift) -> None:
    shift.hears(reading(0, 1.0))
    shift.hears(reading(10, 1.0))
    shift.sweeps(11)
    assert shift.record_t() == T0 + 10_000


def test_worker_that_dies_before_it_saves_what_was_last_seen_raises_nothing_wrong(shift: Shift) -> None:
    stream = [reading(second, value) for second, value in enumerate([1.0, 15.0, 16.0, 17.0, 18.0])]
    shift.hears(*stream)
    shift.restarts()
    assert shift.hears(*stream) == []
    assert shift.hears(reading(5, 1.0), reading(6, 2.0)) == ["returned high"]
    shift.restarts()
    assert shift.hears(reading(5, 1.0), reading(6, 2.0)) == []


def test_redis_away_changes_nothing_and_then_goes_on(own_redis: servers.Redis) -> None:
    with redis_client(own_redis.url) as mine:
        shift = Shift(mine)
        shift.hears(reading(0, 15.0))
        shift.put(reading(1, 25.0))
        own_redis.stop()
        for work in (shift.evaluator.drain, shift.evaluator.sweep, shift.evaluator.attend):
            with pytest.raises(redis.ConnectionError):
                work()
        own_redis.start()
        assert shift.evaluator.drain() == 1
        assert [(each.event, each.version) for each in shift.journal()] == [(Event.RAISED, 1), (Event.ESCALATED, 2)]


def test_redis_that_has_lost_everything_is_rebuilt_and_active_alarms_page_again(
    redis: servers.Redis, shift: Shift
) -> None:
    silent = "north/unit-1/gd-03/h2s"
    stored = [reading(5, 15.0), reading(6, 25.0, series=silent), reading(6, 1.0, series=OTHER)]
    shift.restarts(rebuild=lambda: stored)
    shift.hears(reading(0, 15.0), reading(0, 25.0, series=silent), reading(0, 1.0, series=OTHER))
    shift.sweeps(1)
    redis.flush()
    shift.sweeps(7)
    shift.hears(reading(8, 15.0))
    assert shift.shown() == {ALARM: State.UNACK, alarm_id(silent, LIMIT.id): State.UNACK}
    assert {each.alarm for each in shift.journal() if each.event is Event.RAISED} == set(shift.shown())
    assert shift.client.zcard(names.OUTBOX) == 2
    assert shift.hears(reading(9, 1.0), reading(9, 1.0, series=silent)) == ["returned high", "returned high-high"]


def test_new_shard_begins_with_the_stored_readings_of_its_own_sites(client: redis.Redis) -> None:
    park = catalogue(LIMIT, shards=2)
    stored = [reading(0, 15.0, series=f"north/unit-{n}/gd-01/h2s") for n in range(6)]
    clock = StoppedClock(T0)
    for shard in ("north.0", "north.1"):
        Evaluator(client, park, shard, clock, lambda: stored).sweep()
    raised = ParkStates(client, park).journal()
    assert sorted(each.series for each in raised) == [each.series for each in stored]


def test_stored_readings_that_are_old_page_nobody(shift: Shift, client: redis.Redis) -> None:
    shift.restarts(rebuild=lambda: [reading(-3000, 15.0, late=True)])
    assert shift.hears() == ["late high"]
    assert client.zcard(names.OUTBOX) == 0


def test_rebuilding_that_fails_is_done_again(shift: Shift) -> None:
    answers: list[Any] = [redis.ConnectionError("away"), [reading(0, 15.0)]]

    def rebuild() -> list[Reading]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    shift.restarts(rebuild=rebuild)
    with pytest.raises(redis.ConnectionError):
        shift.evaluator.sweep()
    assert shift.sweeps(1) == ["raised high"]


# --- time --------------------------------------------------------------------------------------------------------

STALE_AFTER = 180  # seconds: three intervals of a minute


def test_silent_sensor_becomes_stale_and_its_active_alarm_stays(shift: Shift) -> None:
    shift.hears(reading(0, 15.0))
    assert shift.sweeps(STALE_AFTER) == []
    assert shift.sweeps(STALE_AFTER + 0.001) == ["raised bad"]
    for minute in range(4, 64):
        assert shift.sweeps(minute * 60) == []
    assert shift.shown()[ALARM] is State.UNACK
    assert shift.journal()[-1].why == "stale"


def test_interval_of_the_descriptor_decides_when_a_sensor_is_stale(shift: Shift) -> None:
    shift.directory.put(sensor(interval=10_000, described=True))
    shift.hears(reading(0, 1.0))
    assert shift.sweeps(30) == []
    assert shift.sweeps(30.001) == ["raised bad"]


def test_sensor_that_was_described_and_never_speaks(shift: Shift) -> None:
    shift.directory.put(sensor(channels={"h2s": Channel()}, described=True))
    assert shift.sweeps(STALE_AFTER) == []
    assert shift.sweeps(STALE_AFTER + 0.001) == ["raised bad"]
    assert shift.journal()[-1].why == "never-seen"
    assert shift.hears(reading(200, 1.0)) == ["returned bad"]


@pytest.mark.parametrize("signs", ["none", "old", "disconnected"])
def test_nobody_is_stale_while_parkwatch_is_deaf(shift: Shift, signs: str) -> None:
    shift.hears(reading(0, 1.0))
    shift.sweeps(1)
    if signs == "none":
        shift.client.delete(names.heartbeat("ingest.0"))
    elif signs == "disconnected":
        shift.beats(connected=False)
    assert shift.sweeps(STALE_AFTER + 100, hearing=False) == []
    assert shift.sweeps(STALE_AFTER + 999, hearing=False) == []


def test_silence_counts_anew_when_parkwatch_hears_again(shift: Shift) -> None:
    shift.hears(reading(0, 1.0))
    shift.sweeps(1)
    shift.sweeps(900, hearing=False)
    assert shift.sweeps(1000) == []
    assert shift.sweeps(1000 + STALE_AFTER) == []
    assert shift.sweeps(1000 + STALE_AFTER + 0.001) == ["raised bad"]


def test_parkwatchs_own_sensors_are_silent_even_while_it_is_deaf(shift: Shift) -> None:
    own = f"north/{names.OWN_SITE}/ingest-0/h2s"
    shift.directory.register(sensor(own.rpartition("/")[0]))
    shift.hears(reading(0, 1.0, series=own), reading(0, 1.0))
    shift.sweeps(1)
    assert shift.sweeps(STALE_AFTER + 1, hearing=False) == ["raised bad"]
    assert shift.journal()[-1].series == own


def test_restarted_worker_gives_every_sensor_its_time(shift: Shift) -> None:
    shift.hears(reading(0, 1.0))
    shift.sweeps(1)
    shift.clock.time = T0 + 1_000_000
    shift.restarts()
    assert shift.sweeps(1000) == []
    assert shift.sweeps(1000 + STALE_AFTER + 0.001) == ["raised bad"]


def test_sweep_evaluates_what_waits_although_nobody_rang(shift: Shift) -> None:
    shift.put(reading(0, 15.0))
    assert shift.sweeps(1) == ["raised high"]


def test_series_that_can_not_be_swept_is_reported_once_and_does_not_hold_up_the_others(
    shift: Shift, client: redis.Redis
) -> None:
    shift.directory.put(sensor("north/unit-1/gd-09", channels={"taken-out": Channel()}, described=True))
    shift.hears(reading(0, 1.0))
    assert shift.sweeps(1) == []
    assert shift.sweeps(STALE_AFTER + 1) == ["raised bad"]
    (entry,) = Quarantine(client).newest()
    assert "north/unit-1/gd-09/taken-out" in entry.reason


def test_limit_comes_into_force_on_its_day_without_a_restart(shift: Shift) -> None:
    hour = T0 - T0 % 3_600_000 + 3_600_000
    shift.restarts(catalogue(limit("h2s-new", valid_from=hour)))
    assert shift.hears(reading(0, 15.0)) == []
    shift.sweeps((hour - T0) / 1000 - 1)
    assert shift.hears(reading(1, 15.0)) == []
    shift.sweeps((hour - T0) / 1000)
    assert shift.hears(reading((hour - T0) / 1000, 15.0)) == ["raised high"]


# --- sensors -----------------------------------------------------------------------------------------------------

BY_PLACE = catalogue(
    limit("h2s-workplace", match=Match(locations=(Location.WORKPLACE,))),
    limit("h2s-stack", match=Match(locations=(Location.STACK,)), set_points=two_levels().set_points[1:]),
)


def test_sensor_that_is_described_later_is_held_against_the_limits_of_its_place(shift: Shift) -> None:
    shift.restarts(BY_PLACE)
    assert shift.hears(reading(0, 15.0), reading(1, 1.0)) == ["raised high", "returned high"]
    shift.directory.put(sensor(location=Location.STACK, described=True))
    shift.sweeps(2)
    assert shift.hears(reading(3, 15.0)) == []
    assert shift.hears(reading(4, 25.0)) == ["raised high-high"]
    assert shift.journal()[-1].limit == "h2s-stack"


def test_sensor_nobody_has_registered_is_held_against_its_quantitys_place(shift: Shift) -> None:
    shift.restarts(BY_PLACE)
    assert shift.hears(reading(0, 15.0, series="north/unit-1/gd-07/h2s")) == ["raised high"]
    assert shift.journal()[-1].limit == "h2s-workplace"


def test_forgotten_sensor_is_not_missed_and_its_alarms_are_gone(shift: Shift) -> None:
    for key in (SENSOR, "north/unit-1/gd-02"):
        shift.directory.put(sensor(key, channels={"h2s": Channel()}, described=True))
    shift.hears(reading(0, 15.0), reading(0, 1.0, series=OTHER))
    shift.sweeps(1)
    # As `parkwatch sensors forget` does it.
    shift.directory.forget(SENSOR)
    ShardStates(shift.client, SHARD).forget([SERIES])
    assert shift.shown() == {}
    found = shift.sweeps(2) + shift.sweeps(3) + shift.sweeps(STALE_AFTER + 1) + shift.sweeps(STALE_AFTER + 2)
    assert found == ["raised bad"]
    assert shift.journal()[-1].series == OTHER


def test_forgotten_sensor_that_speaks_again_is_new(shift: Shift) -> None:
    shift.directory.put(sensor(described=True))
    shift.hears(reading(0, 15.0))
    shift.directory.forget(SENSOR)
    ShardStates(shift.client, SHARD).forget([SERIES])
    shift.sweeps(1)
    assert shift.hears(reading(2, 15.0)) == ["raised high"]
    assert shift.journal()[-1].occurrence == 1


def test_sweep_between_the_two_halves_of_forgetting_does_no_harm(shift: Shift) -> None:
    shift.directory.put(sensor(channels={"h2s": Channel()}, described=True))
    shift.hears(reading(0, 15.0))
    shift.directory.forget(SENSOR)
    shift.sweeps(1)
    ShardStates(shift.client, SHARD).forget([SERIES])
    found = shift.sweeps(2) + shift.sweeps(STALE_AFTER + 10) + shift.sweeps(STALE_AFTER + 11)
    assert found == []
    assert shift.shown() == {}


# --- quality -----------------------------------------------------------------------------------------------------


def test_bad_data_raises_its_own_alarm_and_leaves_the_others(shift: Shift) -> None:
    shift.hears(reading(0, 15.0))
    assert shift.hears(reading(1, None, quality=Quality.FAILURE)) == ["raised bad"]
    assert set(shift.shown()) == {ALARM, alarm_id(SERIES, QUALITY.id)}
    assert shift.hears(reading(2, 15.0)) == ["returned bad"]


# --- what people do ----------------------------------------------------------------------------------------------

SILENCE = alarm_id(SERIES, QUALITY.id)


def test_shelving_of_an_alarm_that_gets_no_readings_expires_all_the_same(shift: Shift) -> None:
    shift.hears(reading(0, 1.0))
    assert shift.sweeps(STALE_AFTER + 1) == ["raised bad"]
    shift.acts(shelve_until(600), SILENCE)
    assert [shift.sweeps(300), shift.sweeps(599)] == [[], []]
    assert shift.sweeps(600) == ["unshelved bad"]
    assert shift.journal()[-1].notify is Notify.PAGE


def test_acknowledged_alarm_that_gets_no_readings_asks_again_all_the_same(shift: Shift) -> None:
    shift.restarts(catalogue(LIMIT, quality_limit(re_alarm=10 * MINUTE)))
    shift.hears(reading(0, 1.0))
    shift.sweeps(STALE_AFTER + 1)
    shift.acts(Acknowledge(1, 1), SILENCE)
    now = STALE_AFTER + 1
    assert [shift.sweeps(now + 599), shift.sweeps(now + 600)] == [[], ["realarmed bad"]]


def test_shelving_of_a_normal_alarm_holds_and_expires(shift: Shift) -> None:
    shift.hears(reading(0, 1.0))
    shift.acts(shelve_until(100))
    assert shift.hears(reading(1, 15.0)) == ["raised high"]
    assert shift.journal()[-1].notify is Notify.NONE
    assert [shift.sweeps(99), shift.sweeps(100)] == [[], ["unshelved high"]]
    assert shift.shown() == {ALARM: State.UNACK}


def test_shelving_that_can_not_be_read_has_ended_and_the_alarm_is_heard(shift: Shift, client: redis.Redis) -> None:
    shift.hears(reading(0, 1.0))
    shift.acts(shelve_until(10_000))
    shift.hears(reading(1, 15.0))
    shift.sweeps(2)
    stored: Any = client.hget(names.series(SHARD), SERIES)
    broken = stored.replace(b'["li","work permit 7"', b'["li",7')
    assert broken != stored
    client.hset(names.series(SHARD), SERIES, broken)
    shift.restarts()
    assert shift.sweeps(3) == ["unshelved high"]
    last = shift.journal()[-1]
    assert (last.notify, last.why, last.after) == (Notify.PAGE, "shelving-unreadable", State.UNACK)
    assert shift.sweeps(4) == []


# --- silence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [25.0, 5.0], ids=["still beyond", "inside, for not long enough"])
@pytest.mark.parametrize("latching", [False, True])
def test_an_hour_of_silence_after_an_exceedance_ends_nothing_and_is_one_quality_alarm(
    shift: Shift, last: float, *, latching: bool
) -> None:
    shift.restarts(catalogue(two_levels(off_delay=5 * MINUTE, latching=latching), QUALITY))
    shift.hears(reading(0, 25.0), reading(10, last))
    found = [told for second in range(11, 3611, 4) for told in shift.sweeps(second)]
    assert found == ["raised bad"]
    assert [each.event for each in shift.journal()] == [Event.RAISED, Event.RAISED]
    assert shift.shown() == {ALARM: State.UNACK, SILENCE: State.UNACK}
    outbox = [msgspec.json.decode(item)["transition"]["event"] for item in shift.client.hvals(names.OUTBOX_ITEMS)]
    assert outbox == ["raised", "raised"]


# --- canary ------------------------------------------------------------------------------------------------------


def test_canary_goes_on_to_delivery_with_what_it_was_committed_with(shift: Shift, client: redis.Redis) -> None:
    quantities = {**CATALOGUE.quantities, names.CANARY_QUANTITY: quantity(names.CANARY_QUANTITY)}
    shift.restarts(dataclasses.replace(CATALOGUE, quantities=quantities))
    series = f"north/{names.OWN_SITE}/{names.CANARY_SENSOR}/{names.CANARY_QUANTITY}"
    shift.clock.time = T0 + 12_000
    shift.hears(reading(10, 1.0, series=series), reading(11, 1.0, series=series), reading(11, 1.0))
    item: Any = client.hget(names.OUTBOX_ITEMS, "canary:north")
    assert msgspec.json.decode(item) == {"kind": "canary", "zone": "north", "t": T0 + 11_000, "at": T0 + 12_000}
    assert client.zrange(names.OUTBOX, 0, -1, withscores=True) == [(b"canary:north", float(T0 + 12_000))]
    assert shift.journal() == []


def test_canary_of_another_site_or_sensor_is_a_reading_like_any_other(shift: Shift, client: redis.Redis) -> None:
    shift.hears(reading(0, 1.0, series=f"north/{names.OWN_SITE}/other/h2s"), reading(0, 1.0))
    assert client.zcard(names.OUTBOX) == 0
