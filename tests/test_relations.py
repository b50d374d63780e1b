"""First-up of a group, and suppression by design: by rules, and by gateways that are off."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import msgspec
import pytest
import redis

from park.actions import Remove, Restore
from park.alarms import Event, Notify, State, Transition, alarm_id
from park.limits import Match, Side
from park.readings import Reading
from park.relations import Suppression, Which, WhileAlarm, WhileState, in_circle
from park.words import Names, Quality
from storage.queue import redis_client
from tests import servers
from tests.making import SENSOR, SERIES, T0, catalogue, limit, point, quality_limit, reading, sensor, two_levels
from tests.shifts import ALARM, CATALOGUE, LIMIT, OTHER, QUALITY, Shift

ELSEWHERE = "north/unit-2/gd-01/h2s"
STALE = 180  # seconds

LEAK = two_levels(group="leak")
TRIP = limit("hot", match=Match(quantities=("temperature",)), set_points=(point("high", 80.0),), group="leak")
HOT = f"{SENSOR}/temperature"
GROUPED = catalogue(LEAK, TRIP)


@pytest.fixture
def client(redis: servers.Redis) -> Iterator[redis.Redis]:
    with redis_client(redis.url) as made:
        yield made


@pytest.fixture
def shift(client: redis.Redis) -> Shift:
    return Shift(client)


# --- first-up ----------------------------------------------------------------------------------------------------


@pytest.fixture
def grouped(shift: Shift) -> Shift:
    shift.restarts(GROUPED)
    return shift


def first_ups(shift: Shift) -> list[tuple[str, Event, int]]:
    """Say which entries of the journal are marked."""
    return [(each.series, each.event, each.occurrence) for each in shift.journal() if each.first_up]


def shown_first(shift: Shift) -> list[str]:
    """Say which alarms are shown as the first of their group."""
    return sorted(each.series for each in shift.states.alarms() if each.first_up)


def test_first_of_a_group_is_marked_and_the_others_are_not(grouped: Shift) -> None:
    grouped.hears(reading(0, 15.0))
    grouped.hears(reading(1, 90.0, series=HOT), reading(1, 15.0, series=OTHER))
    assert first_ups(grouped) == [(SERIES, Event.RAISED, 1)]
    assert shown_first(grouped) == [SERIES]
    assert len(grouped.states.alarms()) == 3


def test_within_a_batch_the_earliest_by_event_time_is_the_first(grouped: Shift) -> None:
    grouped.hears(reading(5, 15.0), reading(4, 15.0, series=OTHER), reading(3, 90.0, series=HOT))
    assert first_ups(grouped) == [(HOT, Event.RAISED, 1)]


def test_groups_are_told_apart_by_site(grouped: Shift) -> None:
    grouped.hears(reading(0, 15.0), reading(1, 15.0, series=ELSEWHERE), reading(2, 15.0, series=OTHER))
    assert first_ups(grouped) == [(SERIES, Event.RAISED, 1), (ELSEWHERE, Event.RAISED, 1)]


def test_after_all_have_returned_the_next_is_the_first_again(grouped: Shift) -> None:
    grouped.hears(reading(0, 15.0), reading(1, 15.0, series=OTHER))
    grouped.hears(reading(100, 1.0))
    grouped.hears(reading(200, 15.0))
    assert [each for each in first_ups(grouped) if each[2] == 2] == []
    grouped.hears(reading(300, 1.0), reading(300, 1.0, series=OTHER))
    grouped.hears(reading(400, 15.0, series=OTHER))
    assert first_ups(grouped)[-1] == (OTHER, Event.RAISED, 2)


def test_mark_lasts_as_long_as_the_occurrence_and_through_a_restart(grouped: Shift) -> None:
    grouped.hears(reading(0, 15.0))
    grouped.restarts(GROUPED)
    grouped.hears(reading(1, 25.0))
    assert first_ups(grouped) == [(SERIES, Event.RAISED, 1), (SERIES, Event.ESCALATED, 1)]


STREAM = [
    reading(0, 15.0),
    reading(1, 25.0),
    reading(2, 15.0, series=OTHER),
    reading(3, 1.0),
    reading(100, 15.0),
    reading(101, 1.0, series=OTHER),
    reading(102, 1.0),
    reading(200, 15.0, series=OTHER),
    reading(201, 25.0, series=OTHER),
]


def test_one_batch_is_marked_as_many_are(grouped: Shift, redis: servers.Redis) -> None:
    for each in STREAM:
        grouped.hears(each)
    expected = sorted(first_ups(grouped)), shown_first(grouped)
    assert expected[0] == [
        (SERIES, Event.ESCALATED, 1),
        (SERIES, Event.RAISED, 1),
        (SERIES, Event.RETURNED, 1),
        (OTHER, Event.ESCALATED, 2),
        (OTHER, Event.RAISED, 2),
    ]
    assert expected[1] == [OTHER]
    redis.flush()
    with redis_client(redis.url) as mine:
        whole = Shift(mine)
        whole.restarts(GROUPED)
        whole.hears(*STREAM)
        assert (sorted(first_ups(whole)), shown_first(whole)) == expected


def test_latched_alarm_still_stands_in_its_group(shift: Shift) -> None:
    shift.restarts(catalogue(two_levels(group="leak", latching=True)))
    shift.hears(reading(0, 15.0), reading(1, 1.0), reading(2, 15.0, series=OTHER))
    assert {each[0] for each in first_ups(shift)} == {SERIES}


def test_what_is_out_of_service_is_nobodys_cause(grouped: Shift) -> None:
    grouped.hears(reading(0, 1.0))
    grouped.acts(Remove())
    grouped.hears(reading(1, 15.0))
    grouped.hears(reading(2, 15.0, series=OTHER))
    assert first_ups(grouped) == [(OTHER, Event.RAISED, 1)]


# --- suppression while an alarm is active ------------------------------------------------------------------------


RULE = Suppression(
    "leak-explains-heat", Names("泄漏", "leak"), Which(limits=("hot",)), WhileAlarm((LIMIT.id,)), linger=30_000
)
HEAT = dataclasses.replace(catalogue(LIMIT, msgspec.structs.replace(TRIP, group=""), QUALITY), suppressions=(RULE,))
HEAT_ALARM = alarm_id(HOT, "hot")


@pytest.fixture
def leaking(shift: Shift) -> Shift:
    """A park where a leak, which there is, explains that it is hot."""
    shift.restarts(HEAT)
    shift.hears(reading(0, 15.0), reading(0, 20.0, series=HOT))
    assert shift.sweeps(1) == ["suppressed high"]
    return shift


def hot(shift: Shift) -> list[Transition]:
    """What happened to the alarm that the rule suppresses."""
    return [each for each in shift.journal() if each.alarm == HEAT_ALARM]


def test_alarm_is_suppressed_while_its_cause_is_active_and_journalled_only(leaking: Shift) -> None:
    assert leaking.shown()[HEAT_ALARM] is State.DSUPR
    assert leaking.hears(reading(2, 90.0, series=HOT)) == ["raised high"]
    assert [(each.event, each.notify, each.after, each.why) for each in hot(leaking)] == [
        (Event.SUPPRESSED, Notify.NONE, State.DSUPR, RULE.id),
        (Event.RAISED, Notify.NONE, State.DSUPR, ""),
    ]
    assert leaking.sweeps(3) == []


def test_end_of_suppression_pages_if_active_and_lingers(leaking: Shift) -> None:
    leaking.hears(reading(2, 90.0, series=HOT))
    leaking.sweeps(10)
    leaking.hears(reading(11, 1.0))
    assert leaking.sweeps(40) == []
    assert leaking.sweeps(40.001) == ["unsuppressed high"]
    last = hot(leaking)[-1]
    assert (last.notify, last.after, last.why) == (Notify.PAGE, State.UNACK, RULE.id)


def test_end_of_suppression_is_journalled_only_if_normal(leaking: Shift) -> None:
    leaking.hears(reading(2, 1.0))
    assert leaking.sweeps(60) == ["unsuppressed high"]
    assert (hot(leaking)[-1].notify, HEAT_ALARM in leaking.shown()) == (Notify.NONE, False)


def test_alarm_that_was_paged_before_is_told_of_no_more_and_again_afterwards(shift: Shift) -> None:
    shift.restarts(HEAT)
    shift.hears(reading(0, 90.0, series=HOT))
    shift.hears(reading(1, 15.0))
    shift.sweeps(2)
    shown = shift.states.alarm(HEAT_ALARM)
    assert shown is not None
    assert (shown.state, shown.paged) == (State.DSUPR, 0)
    shift.hears(reading(3, 1.0))
    shift.sweeps(60)
    shown = shift.states.alarm(HEAT_ALARM)
    assert shown is not None
    assert (shown.state, shown.paged) == (State.UNACK, shown.version)


def test_other_sites_are_not_suppressed(leaking: Shift) -> None:
    series = "north/unit-2/tt-01/temperature"
    leaking.hears(reading(2, 90.0, series=series))
    leaking.sweeps(3)
    assert leaking.shown()[alarm_id(series, "hot")] is State.UNACK


def test_cause_that_falls_silent_suppresses_no_longer_than_its_silence_is_noticed(leaking: Shift) -> None:
    leaking.hears(reading(2, 90.0, series=HOT))
    found = [leaking.sweeps(second) for second in (60, 120, STALE)]
    assert [each for one in found for each in one] == []
    leaking.hears(reading(STALE, 90.0, series=HOT))
    assert "unsuppressed high" in leaking.sweeps(STALE + 31)


def test_cause_with_bad_data_does_not_suppress(leaking: Shift) -> None:
    leaking.hears(reading(2, 90.0, series=HOT), reading(3, None, quality=Quality.FAILURE))
    assert leaking.sweeps(32) == ["unsuppressed high"]
    assert leaking.shown()[ALARM] is State.UNACK


def test_cause_that_nobody_has_confirmed_since_a_restart_does_not_suppress(leaking: Shift) -> None:
    """Silence counts anew after a restart, so that nobody is blamed; but it is no confirmation either."""
    leaking.hears(reading(2, 90.0, series=HOT))
    leaking.clock.time = T0 + 3_600_000
    leaking.restarts(HEAT)
    assert leaking.sweeps(3600) == ["unsuppressed high"]


def test_cause_that_is_out_of_service_does_not_suppress(leaking: Shift) -> None:
    """It is being calibrated: the gas it sees is test gas."""
    leaking.hears(reading(2, 90.0, series=HOT))
    leaking.acts(Remove())
    leaking.hears(reading(30, 15.0))
    assert leaking.sweeps(32) == ["unsuppressed high"]
    leaking.acts(Restore())
    assert leaking.sweeps(33) == ["suppressed high"]


def test_suppression_survives_a_restart(leaking: Shift) -> None:
    leaking.hears(reading(2, 90.0, series=HOT))
    leaking.restarts(HEAT)
    assert leaking.sweeps(3) == []
    assert leaking.shown()[HEAT_ALARM] is State.DSUPR


def test_rule_that_is_taken_out_of_the_configuration_ends(leaking: Shift) -> None:
    leaking.hears(reading(2, 90.0, series=HOT))
    leaking.restarts(dataclasses.replace(HEAT, suppressions=()))
    assert leaking.sweeps(3) == ["unsuppressed high"]
    assert hot(leaking)[-1].notify is Notify.PAGE


# --- suppression while a state lasts -----------------------------------------------------------------------------


def stopped(side: Side, at: float) -> Suppression:
    """H2S alarms are suppressed while a sensor's temperature is beyond ``at``."""
    cause = WhileState("gd-01", "temperature", side, at)
    return Suppression("stopped", Names("停车", "stopped"), Which(limits=(LIMIT.id,), sensors=("gd-02",)), cause)


@pytest.mark.parametrize(
    ("side", "value", "holds"),
    [
        (Side.LOW, 29.9, True),
        (Side.LOW, 30.0, False),
        (Side.HIGH, 30.1, True),
        (Side.HIGH, 30.0, False),
    ],
)
def test_alarm_is_suppressed_while_a_sensor_says_so(shift: Shift, side: Side, value: float, *, holds: bool) -> None:
    shift.restarts(dataclasses.replace(CATALOGUE, suppressions=(stopped(side, 30.0),)))
    shift.hears(reading(0, value, series=HOT), reading(0, 1.0, series=OTHER), reading(0, 1.0))
    assert shift.sweeps(1) == (["suppressed high"] if holds else [])
    shift.hears(reading(2, 15.0, series=OTHER), reading(2, 15.0))
    suppressed = State.DSUPR if holds else State.UNACK
    assert shift.shown() == {alarm_id(OTHER, LIMIT.id): suppressed, ALARM: State.UNACK}


@pytest.mark.parametrize(
    "said",
    [
        reading(0, 1.0, series=HOT, quality=Quality.FAILURE),
        reading(-STALE - 1, 1.0, series=HOT, received=T0 - (STALE + 1) * 1000),
        reading(0, None, series=HOT, quality=Quality.FAILURE),
    ],
)
def test_state_that_is_doubtful_does_not_suppress(shift: Shift, said: Reading) -> None:
    shift.restarts(dataclasses.replace(CATALOGUE, suppressions=(stopped(Side.LOW, 30.0),)))
    shift.hears(said, reading(0, 15.0, series=OTHER))
    shift.sweeps(0)
    assert shift.shown()[alarm_id(OTHER, LIMIT.id)] is State.UNACK


# --- gateways ----------------------------------------------------------------------------------------------------


@pytest.fixture
def behind(shift: Shift) -> Shift:
    """A park where one sensor is behind a gateway, and the other is not."""
    shift.directory.put(sensor(gateway="gw-1", described=True))
    shift.hears(reading(0, 1.0), reading(0, 1.0, series=OTHER))
    shift.sweeps(1)
    return shift


def says(shift: Shift, state: str, second: float) -> None:
    """Let the gateway say how it is."""
    shift.directory.gateway("north/gw-1", state, T0 + round(second * 1000))


SILENCE = alarm_id(SERIES, QUALITY.id)


def silence(shift: Shift) -> list[tuple[Event, Notify]]:
    """What happened to the silence of the sensor behind the gateway."""
    return [(each.event, each.notify) for each in shift.journal() if each.alarm == SILENCE]


QUIETLY = [(Event.SUPPRESSED, Notify.NONE), (Event.RAISED, Notify.NONE)]


def test_silence_of_a_sensor_whose_gateway_is_off_is_suppressed_by_design(behind: Shift) -> None:
    says(behind, "offline", 2)
    behind.sweeps(3)
    assert silence(behind) == []
    behind.sweeps(STALE + 2)
    assert silence(behind) == QUIETLY
    assert behind.shown() == {SILENCE: State.DSUPR, alarm_id(OTHER, QUALITY.id): State.UNACK}


def test_silence_that_was_told_before_the_gateway_went_off_is_explained_then(behind: Shift) -> None:
    behind.sweeps(STALE + 2)
    says(behind, "offline", STALE + 3)
    behind.sweeps(STALE + 4)
    assert silence(behind) == [(Event.RAISED, Notify.PAGE), (Event.SUPPRESSED, Notify.NONE)]


def test_threshold_alarms_are_not_suppressed_by_a_gateway(behind: Shift) -> None:
    says(behind, "offline", 2)
    behind.hears(reading(3, 15.0))
    behind.sweeps(4)
    assert behind.shown()[ALARM] is State.UNACK


@pytest.fixture
def back(behind: Shift) -> Shift:
    """A gateway that was off for ten minutes, and comes back."""
    says(behind, "offline", 2)
    for second in range(2, 602, 20):
        behind.sweeps(second)
    says(behind, "online", 602)
    assert silence(behind) == QUIETLY
    return behind


def test_sensors_get_the_time_to_speak_once_their_gateway_is_back(back: Shift) -> None:
    back.sweeps(603)
    back.hears(reading(620, 1.0))
    back.sweeps(621)
    assert silence(back) == [*QUIETLY, (Event.RETURNED, Notify.NONE)]
    # Silent again, and this time no gateway explains it.
    back.sweeps(620 + STALE + 1)
    assert silence(back)[3:] == [(Event.RAISED, Notify.NONE), (Event.UNSUPPRESSED, Notify.PAGE)]


def test_sensor_that_is_still_silent_after_that_pages(back: Shift) -> None:
    back.sweeps(603)
    back.sweeps(603 + STALE - 30)
    assert silence(back) == QUIETLY
    back.sweeps(603 + STALE + 1)
    assert silence(back) == [*QUIETLY, (Event.UNSUPPRESSED, Notify.PAGE)]


def test_gateway_that_says_every_minute_that_it_is_online_explains_nothing(back: Shift) -> None:
    for second in range(603, 603 + STALE + 60, 20):
        says(back, "online", second)
        back.sweeps(second)
    assert silence(back) == [*QUIETLY, (Event.UNSUPPRESSED, Notify.PAGE)]


def test_restart_while_the_gateway_is_off_changes_nothing(behind: Shift) -> None:
    says(behind, "offline", 2)
    behind.sweeps(STALE + 2)
    behind.restarts()
    for second in (STALE + 3, 2 * STALE + 10, 3 * STALE):
        behind.sweeps(second)
    assert silence(behind) == QUIETLY


def test_restart_just_after_the_gateway_is_back_leaves_its_sensors_their_time(back: Shift) -> None:
    back.clock.time = T0 + 603_000
    back.restarts()
    back.sweeps(604)
    assert silence(back) == QUIETLY


def test_rule_goes_before_the_gateway_and_neither_is_lost(shift: Shift) -> None:
    rule = Suppression(
        "planned", Names("检修", "planned"), Which(limits=(QUALITY.id,), sensors=("gd-01",)), WhileAlarm((LIMIT.id,))
    )
    shift.restarts(dataclasses.replace(catalogue(LIMIT, quality_limit()), suppressions=(rule,)))
    shift.directory.put(sensor(gateway="gw-1", described=True))
    shift.hears(reading(0, 1.0), reading(0, 15.0, series=OTHER))
    says(shift, "offline", 1)
    shift.sweeps(2)
    shift.hears(reading(STALE, 1.0, series=OTHER))
    shift.sweeps(STALE + 1)
    suppressed = [each.why for each in shift.journal() if each.alarm == SILENCE and each.event is Event.SUPPRESSED]
    assert suppressed == ["planned", "gateway-offline"]
    assert shift.shown()[SILENCE] is State.DSUPR


# --- circles -----------------------------------------------------------------------------------------------------


def rules(*pairs: tuple[str, str]) -> list[Suppression]:
    """Return rules by which the first of each pair suppresses the second."""
    names = Names("规则", "rule")
    return [Suppression(f"{a}-{b}", names, Which(limits=(b,)), WhileAlarm((a,))) for a, b in pairs]


@pytest.mark.parametrize(
    ("pairs", "circle"),
    [
        ([], set()),
        ([("a", "b"), ("b", "c"), ("a", "c")], set()),
        ([("a", "b"), ("b", "a")], {"a", "b"}),
        ([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")], {"a", "b", "c"}),
        ([("a", "a")], {"a"}),
    ],
)
def test_limits_that_would_suppress_themselves_are_found(pairs: list[tuple[str, str]], circle: set[str]) -> None:
    assert in_circle(rules(*pairs)) == circle
