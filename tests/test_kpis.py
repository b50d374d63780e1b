"""KPIs of the alarm system, held against journals that were counted by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.alarms import Event, Notify, State, Transition, alarm_id
from park.kpis import (
    DAY,
    HOUR,
    KPIS,
    MINUTE,
    PARK,
    PERIOD,
    ROLLING,
    Count,
    Figures,
    Flood,
    Kpi,
    Ledger,
    Span,
    Standing,
    day_of,
    day_span,
    floods,
    most_within_a_period,
    rolling_spans,
    target_text,
    value_text,
)
from park.words import Priority
from tests.alerting import NOW, transition
from tests.making import many

#: 00:00 in China.
MIDNIGHT = day_of(NOW)
ZONE = "new-materials"
RESPOND = {"hf-high": 5 * MINUTE}
_PAGES = {Event.RAISED, Event.ESCALATED, Event.REALARMED}


def ms(clock: str) -> int:
    """Return ``D+HH:MM:SS.mmm`` (days and parts of a second may be missing) as a time."""
    days, _, rest = clock.rpartition("+")
    hours, minutes, seconds = rest.split(":")
    return MIDNIGHT + int(days or 0) * DAY + int(hours) * HOUR + int(minutes) * MINUTE + round(float(seconds) * 1000)


def series(alarm: str) -> str:
    """``a`` is a sensor of the zone, ``south/a`` one of another."""
    zone, _, sensor = alarm.rpartition("/")
    return f"{zone or ZONE}/hf-unit/{sensor}/hf"


def name(alarm: str) -> str:
    return alarm_id(series(alarm), "hf-high")


def entry(at: int, alarm: str, event: Event, after: State, before: State = State.NORM, **changes: Any) -> Transition:
    notify = Notify.PAGE if event in _PAGES else Notify.NOTICE if event is Event.RETURNED else Notify.NONE
    known = {"alarm": name(alarm), "series": series(alarm), "before": before, "after": after, "notify": notify}
    return transition(event, **{**known, "t": at, "at": at, **changes})


def journal(table: str) -> list[Transition]:
    """Read a table of ``time alarm event state-after [priority] [quiet|chattering]``."""
    states: dict[str, State] = {}
    entries = []
    for row in table.strip().splitlines():
        clock, alarm, event, after, *more = row.split()
        priorities = [Priority(word) for word in more if word in set(Priority)]
        changes: dict[str, Any] = {"priority": priorities[0]} if priorities else {}
        changes |= {"chattering": True} if "chattering" in more else {}
        changes |= {"notify": Notify.NONE} if "quiet" in more else {}
        changes |= {"notify": Notify.PAGE} if "page" in more else {}
        before = states.get(alarm, State.NORM)
        states[alarm] = State(after)
        entries.append(entry(ms(clock), alarm, Event(event), states[alarm], before, **changes))
    return entries


def figures(
    entries: Iterable[Transition],
    since: str,
    until: str,
    *,
    zone: str = ZONE,
    operators: int = 1,
    begin: int | None = None,
) -> Figures:
    ledger = Ledger(MIDNIGHT - 31 * DAY if begin is None else begin)
    ledger.add(entries)
    [found] = ledger.figures(zone, [Span("test", ms(since), ms(until))], operators, RESPOND)
    return found


def announcements(*times: int) -> list[Transition]:
    """Pages of as many different alarms."""
    return [entry(at, f"s{n}", Event.RAISED, State.UNACK) for n, at in enumerate(times)]


# --- an hour, counted by hand ------------------------------------------------------------------------------------

AN_HOUR = journal("""
    08:00:00    a        raised        UNACK  high
    08:00:30    a        acknowledged  ACKED
    08:05:00    a        escalated     UNACK  critical
    08:09:00    a        acknowledged  ACKED
    08:10:00    a        returned      NORM
    08:12:00    b        raised        UNACK  low
    08:13:00    b        returned      RTNUN
    08:14:00    south/c  raised        UNACK  low
    08:20:00    b        raised        UNACK  low
    08:26:00    b        acknowledged  ACKED
    08:30:00    d        shelved       SHLVD
    08:31:00    d        raised        SHLVD  medium quiet
    08:40:00    d        unshelved     UNACK  medium page
    08:42:00    b        late          ACKED
    08:59:59.9  e        raised        UNACK  low
    09:00:00    f        raised        UNACK  low
""")


def test_an_hour_counted_by_hand() -> None:
    hour = figures(AN_HOUR, "08:00:00", "09:00:00")
    # a raised, a escalated, b twice, d back in service, e; f comes too late, c is elsewhere.
    assert hour.announced == 6
    assert hour.average == 1.0
    # 08:05:00 to 08:12:00, or 08:12:00 and 08:20:00 and so on: never three within ten minutes but 08:00, 08:05.
    assert hour.maximum == 2
    assert (hour.floods, hour.flooded_periods, hour.flood_share) == (0, 0.0, 0.0)
    assert hour.top == (Count(name("a"), 2), Count(name("b"), 2), Count(name("d"), 1), Count(name("e"), 1))
    assert hour.top_share == 1.0
    shares = (hour.critical_share, hour.high_share, hour.medium_share, hour.low_share)
    assert shares == (1 / 6, 1 / 6, 1 / 6, 3 / 6)
    # 30 s, 4 min, and b's two announcements 14 and 6 min; d and e wait.
    assert hour.acknowledged == 4
    assert hour.acknowledge_median == 5 * MINUTE
    assert hour.acknowledge_p90 == 14 * MINUTE
    # d waits for 20 min already, e has time left.
    assert hour.acknowledged_in_time == 2 / 5
    assert (hour.unacknowledged, hour.overdue) == (2, 1)
    assert (hour.shelved, hour.shelved_longest) == (1, 10 * MINUTE)
    assert (hour.suppressed, hour.out_of_service, hour.stale, hour.chattering) == (0, 0, 0, 0)


def test_the_park_is_all_zones_and_its_operators_share_the_alarms() -> None:
    park = figures(AN_HOUR, "08:00:00", "09:00:00", zone=PARK, operators=2)
    assert park.announced == 7
    assert park.average == 7 / 6 / 2
    # 08:12, 08:14, 08:20
    assert park.maximum == 3 / 2
    assert park.unacknowledged == 3


def test_an_empty_hour_has_no_shares() -> None:
    hour = figures([], "08:00:00", "09:00:00")
    assert (hour.announced, hour.average, hour.maximum) == (0, 0.0, 0.0)
    assert (hour.top_share, hour.low_share, hour.acknowledged_in_time, hour.acknowledge_median) == (None,) * 4


def test_an_hour_knows_nothing_of_what_came_after_it() -> None:
    whole = figures(AN_HOUR, "08:00:00", "08:06:00")
    cut = figures([each for each in AN_HOUR if each.at < ms("08:06:00")], "08:00:00", "08:06:00")
    assert whole == cut
    assert (whole.acknowledged, whole.unacknowledged, whole.overdue) == (1, 1, 0)


# --- what is announced -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "notify", "chattering", "counted"),
    [
        (Event.RAISED, Notify.PAGE, False, 1),
        (Event.ESCALATED, Notify.PAGE, False, 1),
        (Event.REALARMED, Notify.PAGE, False, 1),
        (Event.RESTORED, Notify.PAGE, False, 1),
        (Event.RAISED, Notify.PAGE, True, 0),
        (Event.RAISED, Notify.NONE, False, 0),
        (Event.RETURNED, Notify.NOTICE, False, 0),
        (Event.WITHDRAWN, Notify.NOTICE, False, 0),
        (Event.EASED, Notify.NONE, False, 0),
        (Event.LATE, Notify.NONE, False, 0),
    ],
)
def test_what_counts_as_announced(event: Event, notify: Notify, chattering: bool, counted: int) -> None:  # noqa: FBT001
    told = entry(ms("08:00:00"), "a", event, State.UNACK, notify=notify, chattering=chattering)
    assert figures([told], "08:00:00", "09:00:00").announced == counted


# --- floods ------------------------------------------------------------------------------------------------------

S = 1000


def test_ten_in_ten_minutes_are_no_flood_and_eleven_are() -> None:
    ten = [n * MINUTE for n in range(10)]
    assert floods(ten) == []
    # The window is half open: what came ten minutes ago to the ms is out of it.
    assert floods([*ten, PERIOD]) == []
    assert most_within_a_period([*ten, PERIOD]) == 10
    [flood] = floods([*ten, PERIOD - 1])
    assert (flood.begin, flood.peak) == (PERIOD - 1, 11)
    assert most_within_a_period([*ten, PERIOD - 1]) == 11


def test_a_flood_ends_below_five_and_not_before() -> None:
    # Eleven in the first eleven seconds; then five are left in the window from 10:06 to 15:00, and four from then on.
    burst = [n * S for n in range(11)]
    later = [5 * MINUTE + n * S for n in range(5)]
    [flood] = floods([*burst, *later])
    assert flood == Flood(begin=10 * S, end=PERIOD + 5 * MINUTE, peak=16)


def test_a_flood_goes_on_while_five_are_replaced_in_the_same_moment() -> None:
    burst = [0] * 11
    five = [2 * MINUTE] * 5
    replaced = [2 * MINUTE + PERIOD] * 5
    [flood] = floods([*burst, *five, *replaced])
    assert flood == Flood(begin=0, end=2 * MINUTE + 2 * PERIOD, peak=16)


def test_six_to_ten_begin_no_flood_after_one_has_ended() -> None:
    first, second = [0] * 11, [2 * PERIOD] * 10
    assert floods([*first, *second]) == [Flood(0, PERIOD, 11)]
    assert floods([*first, *second, 2 * PERIOD]) == [Flood(0, PERIOD, 11), Flood(2 * PERIOD, 3 * PERIOD, 11)]


def test_two_operators_bear_twice_as_much() -> None:
    assert floods([0] * 20, operators=2) == []
    assert floods([0] * 21, operators=2) == [Flood(0, PERIOD, 21)]
    # Nine are fewer than five for each of two.
    assert floods([0] * 21 + [MINUTE] * 9, operators=2) == [Flood(0, PERIOD, 30)]


@given(st.lists(st.integers(0, 40), max_size=80), st.integers(1, 2))
@many
def test_floods_and_peaks_are_what_looking_every_minute_shows(minutes: list[int], operators: int) -> None:
    times = sorted(minute * MINUTE for minute in minutes)
    seen, begin, peak, most = [], None, 0, 0
    for now in range(0, 60 * MINUTE, MINUTE):
        count = sum(now - PERIOD < at <= now for at in times)
        most = max(most, count)
        if begin is None and count > 10 * operators:
            begin, peak = now, 0
        if begin is not None and count < 5 * operators:
            seen.append(Flood(begin, now, peak))
            begin = None
        peak = max(peak, count)
    assert floods(times, operators) == seen
    assert most_within_a_period(times) == most


def test_floods_of_an_hour_are_cut_to_it() -> None:
    # Eleven at 07:55: a flood until 08:05.
    told = announcements(*[ms("07:55:00")] * 11)
    before, after = figures(told, "07:00:00", "08:00:00"), figures(told, "08:00:00", "09:00:00")
    assert (before.floods, before.flood_longest, before.flood_peak) == (1, 5 * MINUTE, 11)
    assert (after.floods, after.flood_longest, after.announced) == (1, 5 * MINUTE, 0)
    assert before.flood_share == after.flood_share == 5 / 60
    assert figures(told, "08:05:00", "09:00:00").floods == 0


def test_periods_with_more_than_ten_are_counted_on_a_grid() -> None:
    # 08:00 to 08:10 has eleven, the next one ten, the last but one eleven to the last ms.
    told = announcements(
        *[ms("08:00:00")] * 11, *[ms("08:10:00")] * 10, *[ms("08:40:00")] * 10, ms("08:49:59.999"), ms("08:50:00")
    )
    assert figures(told, "08:00:00", "09:00:00").flooded_periods == 2 / 6
    assert figures(told, "08:00:00", "09:00:00", operators=2).flooded_periods == 0


# --- chattering --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("last", "chattering"), [(59_999, 1), (60_000, 1), (60_001, 0)])
def test_three_within_sixty_seconds_chatter(last: int, chattering: int) -> None:
    begin = ms("08:00:00")
    told = [entry(begin + after, "a", Event.RAISED, State.UNACK) for after in (0, 30_000, last)]
    hour = figures(told, "08:00:00", "09:00:00")
    assert hour.chattering == chattering
    assert hour.chatterers == ((Count(name("a"), 1),) if chattering else ())


def test_chattering_is_told_by_the_sensors_clock_and_by_alarm() -> None:
    begin = ms("08:00:00")
    # A gateway hands over in one go what had happened minutes apart; and three different alarms.
    handed = [entry(begin, "a", Event.RAISED, State.UNACK, t=begin - n * MINUTE) for n in (9, 5, 1)]
    others = [entry(begin + n, f"b{n}", Event.RAISED, State.UNACK) for n in range(3)]
    assert figures([*handed, *others], "08:00:00", "09:00:00").chattering == 0


def test_an_alarm_that_chatters_is_one_and_what_was_not_announced_is_counted() -> None:
    begin = ms("08:00:00")
    told = [entry(begin + n * 10_000, "a", Event.RAISED, State.UNACK, chattering=n >= 2) for n in range(6)]
    hour = figures(told, "08:00:00", "09:00:00")
    assert (hour.announced, hour.chattering, hour.collapsed) == (2, 1, 4)
    assert hour.chatterers == (Count(name("a"), 4),)
    # The window counts what completes the three.
    assert figures(told, "08:00:30", "09:00:00").chatterers == (Count(name("a"), 3),)


# --- stale -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("until", "stale"), [("1+07:59:59.999", 0), ("1+08:00:00", 0), ("1+08:00:00.001", 1)])
def test_an_alarm_that_stands_for_exactly_a_day_is_not_stale(until: str, stale: int) -> None:
    told = [entry(ms("08:00:00"), "a", Event.RAISED, State.UNACK)]
    assert figures(told, "08:00:00", until).stale == stale


def test_stale_alarms_are_those_that_stand_at_the_end() -> None:
    told = journal("""
        08:00:00    a  raised        UNACK
        08:01:00    a  acknowledged  ACKED
        08:00:00    b  raised        UNACK
        1+09:00:00  b  returned      RTNUN
        08:00:00    c  raised        UNACK
        20:00:00    c  shelved       SHLVD
        21:00:00    c  unshelved     ACKED page
        08:00:00    d  raised        UNACK
        09:00:00    d  returned      ACKED
    """)
    # b has returned, c stands anew since 21:00, d is latched.
    end = figures(told, "1+00:00:00", "1+10:00:00")
    assert end.stale_alarms == (Standing(name("a"), 26 * HOUR), Standing(name("d"), 26 * HOUR))
    assert figures(told, "1+00:00:00", "1+08:30:00").stale == 3
    assert figures(told, "1+00:00:00", "1+22:00:00").stale == 3


def test_an_alarm_that_stood_before_the_journal_begins_stands_since_then_at_least() -> None:
    ledger = Ledger(ms("00:00:00"))
    ledger.stood(series("known"), name("known"), State.ACKED, ms("00:00:00") - 40 * DAY)
    ledger.add([entry(ms("2+00:00:00"), "met", Event.ACKNOWLEDGED, State.ACKED, State.UNACK)])
    [day] = ledger.figures(ZONE, [Span("day", ms("2+00:00:00"), ms("3+00:00:00"))], 1, RESPOND)
    assert day.stale_alarms == (Standing(name("known"), 43 * DAY), Standing(name("met"), 3 * DAY))


# --- acknowledging -----------------------------------------------------------------------------------------------


def test_time_to_acknowledge() -> None:
    # Ten alarms at 08:00, acknowledged after 1, 2, ... 10 minutes.
    told = announcements(*[ms("08:00:00")] * 10)
    told += [
        entry(ms(f"08:{n:02}:00"), f"s{n - 1}", Event.ACKNOWLEDGED, State.ACKED, State.UNACK) for n in range(1, 11)
    ]
    hour = figures(told, "08:00:00", "09:00:00")
    assert (hour.acknowledge_median, hour.acknowledge_p90) == (5.5 * MINUTE, 9 * MINUTE)
    assert hour.acknowledged_in_time == 0.5
    # At 08:03, before anybody is late: three are in time, the others may still be.
    early = figures(told, "08:00:00", "08:03:00.001")
    assert (early.acknowledged, early.acknowledged_in_time, early.unacknowledged, early.overdue) == (3, 1.0, 7, 0)
    assert figures(told, "08:00:00", "08:05:00.002").overdue == 5


def test_nobody_has_to_acknowledge_what_was_shelved_or_withdrawn() -> None:
    told = journal("""
        08:00:00  a  raised               UNACK
        08:01:00  a  shelved              SHLVD
        08:00:00  b  raised               UNACK
        08:01:00  b  withdrawn            NORM
        08:00:00  c  raised               UNACK
        08:01:00  c  suppressed           DSUPR
        08:00:00  d  raised               UNACK
        08:07:00  d  removed-from-service OOSRV
    """)
    hour = figures(told, "08:00:00", "09:00:00")
    # d was late when it was taken out.
    assert (hour.acknowledged, hour.unacknowledged, hour.acknowledged_in_time) == (0, 0, 0.0)


def test_a_limit_that_is_no_longer_configured_has_no_time_to_respond() -> None:
    told = [entry(ms("08:00:00"), "a", Event.RAISED, State.UNACK, limit="gone")]
    hour = figures(told, "08:00:00", "09:00:00")
    assert (hour.unacknowledged, hour.overdue, hour.acknowledged_in_time) == (1, 0, None)


# --- kept from people --------------------------------------------------------------------------------------------


def test_what_is_kept_from_people() -> None:
    told = journal("""
        06:00:00  a  shelved               SHLVD
        08:30:00  a  unshelved             NORM
        08:10:00  b  shelved               SHLVD
        08:20:00  b  removed-from-service  OOSRV
        08:50:00  b  restored-to-service   SHLVD
        08:40:00  c  suppressed            DSUPR
        07:00:00  d  shelved               SHLVD
        08:00:00  d  unshelved             NORM
    """)
    hour = figures(told, "08:00:00", "09:00:00")
    # d came back as the hour began; a's shelving is told whole.
    assert (hour.shelved, hour.shelved_longest) == (2, 150 * MINUTE)
    assert (hour.out_of_service, hour.out_of_service_longest) == (1, 30 * MINUTE)
    assert (hour.suppressed, hour.suppressed_longest) == (1, 20 * MINUTE)


# --- the ten most frequent ---------------------------------------------------------------------------------------


def test_top_ten_share() -> None:
    # a1 once, a2 twice, ... a12 twelve times: 78, of which the ten most frequent are 75.
    told = [entry(ms("08:00:00") + n, f"a{k}", Event.RAISED, State.UNACK) for k in range(1, 13) for n in range(k)]
    hour = figures(sorted(told, key=lambda each: each.at), "08:00:00", "09:00:00")
    assert hour.top_share == 75 / 78
    assert [count.count for count in hour.top] == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]


# --- spans -------------------------------------------------------------------------------------------------------


def test_days_are_chinas() -> None:
    # 2026-01-01T16:00Z is midnight in China.
    midnight = 1_767_283_200_000
    assert day_of(midnight) == midnight
    assert day_of(midnight - 1) == midnight - DAY
    assert day_span(midnight + HOUR, midnight + HOUR + 61_000) == Span("day", midnight, midnight + HOUR + MINUTE)
    assert day_span(midnight - 1, midnight + HOUR) == Span("day", midnight - DAY, midnight)


def test_rolling_windows_end_at_the_minute() -> None:
    spans = {span.window: span for span in rolling_spans(ms("08:00:59.9"))}
    assert list(spans) == list(ROLLING) == ["10m", "1h", "24h", "7d", "30d"]
    assert spans["10m"] == Span("10m", ms("07:50:00"), ms("08:00:00"))
    assert {span.until for span in spans.values()} == {ms("08:00:00")}


# --- targets -----------------------------------------------------------------------------------------------------

BY_NAME = {kpi.name: kpi for kpi in KPIS}


@pytest.mark.parametrize(
    ("kpi", "value", "met", "text", "target"),
    [
        ("average", 1.0, True, "1", "≤ 1"),
        ("average", 1.004, False, "1", "≤ 1"),
        ("maximum", 10.0, True, "10", "≤ 10"),
        ("maximum", 10.5, False, "10.5", "≤ 10"),
        ("flooded_periods", 0.02, False, "2 %", "≤ 1 %"),
        ("stale", 4, True, "4", "≤ 4"),
        ("low_share", 0.8, True, "80 %", "≥ 80 %"),
        ("low_share", 0.7, False, "70 %", "≥ 80 %"),
        ("low_share", None, None, "-", "≥ 80 %"),
        ("announced", 7, None, "7", ""),
        ("shelved_longest", 8 * HOUR, True, "8 h", "≤ 8 h"),
        ("acknowledge_median", 125_000.0, None, "2 min 5 s", ""),
    ],
)
def test_targets(kpi: str, value: float | None, met: bool | None, text: str, target: str) -> None:  # noqa: FBT001
    found = msgspec.structs.replace(figures([], "08:00:00", "09:00:00"), **{kpi: value})
    row = BY_NAME[kpi]
    assert row.met(found) is met
    assert (value_text(row, row.value(found)), target_text(row)) == (text, target)


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.name)
def test_every_kpi_is_a_figure_with_words_and_a_source_of_its_target(kpi: Kpi) -> None:
    assert kpi.name in Figures.__struct_fields__
    assert kpi.names.zh
    assert kpi.names.en
    assert bool(kpi.source) == bool(target_text(kpi))


# --- however the journal comes -----------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.integers(0, 3 * HOUR // S),
        st.sampled_from(["a", "b", "c", "south/d"]),
        st.sampled_from(Event),
        st.sampled_from(State),
        st.sampled_from(Notify),
        st.sampled_from(Priority),
        st.booleans(),
    ),
    max_size=60,
)


def tale(steps: Iterable[tuple[Any, ...]]) -> list[Transition]:
    at, states, told = ms("0+00:00:00"), dict[str, State](), []
    for wait, alarm, event, after, notify, priority, chattering in steps:
        at += wait * S
        before = states.get(alarm, State.NORM)
        states[alarm] = after
        more = {"notify": notify, "priority": priority, "chattering": chattering}
        told.append(entry(at, alarm, event, after, before, **more))
    return told


def every(ledger: Ledger, now: int) -> list[Figures]:
    spans = [*rolling_spans(now), *(day_span(now - n * DAY, now) for n in range(8))]
    return [each for zone in (ZONE, "south", PARK) for each in ledger.figures(zone, spans, 1, RESPOND)]


@given(STEPS, st.lists(st.integers(0, 60), max_size=6))
@many
def test_figures_do_not_depend_on_how_the_journal_is_cut(steps: list[tuple[Any, ...]], cuts: Sequence[int]) -> None:
    told = tale(steps)
    now = (told[-1].at if told else MIDNIGHT) + HOUR
    whole, cut = Ledger(MIDNIGHT - DAY), Ledger(MIDNIGHT - DAY)
    whole.add(told)
    for begin, end in itertools.pairwise([0, *sorted(cuts), len(told)]):
        cut.add(told[begin:end])
        # Asking, and forgetting what is too old to matter, changes nothing either.
        every(cut, now)
        cut.forget(now - 31 * DAY)
    assert every(cut, now) == every(whole, now)
