"""Flows are settled from what is stored, hour by hour, and again when readings come late; real Redis and InfluxDB."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Collection, Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest
import redis

from ingest.lines import lines
from park.catalogue import Catalogue
from park.economy import Economy
from park.flows import OUTSIDE, Class, Flow, FlowKind
from park.indicator_terms import Crossing, Indicator, ScopeKind, Term
from park.means import DAY, HOUR, MINUTE, Flag, Span
from park.metering import Portion, added, course, portions, readings
from park.readings import Reading
from park.stretches import Length, stretch
from park.words import Names, Quality
from storage import names, stored
from storage.flows import Entry, FlowStore, Settled, encode_entry, note_late, settle, settled
from storage.indicators import NO_BENCHMARK, IndicatorStore, StoredIndicator
from storage.influx import Influx, InfluxUnavailable
from storage.queue import redis_client
from tests import servers
from tests.making import catalogue, quantity, recently
from tests.metering import SERIES, flow, replaced
from tests.shifts import Shift
from workers.indicating import Indicating
from workers.settling import ALLOWANCE, Settling, Slice, metering

#: A day, and its eighth hour; a month of days comes after it.
DAY0 = Span.DAY.begin(recently()) - 70 * DAY
EIGHT = DAY0 + 8 * HOUR
OTHER = "north/unit-1/wm-2/mass-total"
WORDS = Names("测试", "test")

WATER = flow()
PRODUCT = flow(id="product", kind="product", source="north/unit-1", target=OUTSIDE, meter=OTHER, most=100.0)
KINDS = {
    "fresh-water": FlowKind("fresh-water", WORDS, "m3", Class.WATER),
    "product": FlowKind("product", WORDS, "t", Class.MASS),
}
INDICATOR = Indicator(
    "water-per-product",
    WORDS,
    "m3/t",
    "m3/t",
    WORDS,
    {
        "numerator": (Term(("fresh-water",), Crossing.IN),),
        "denominator": (Term(("product",), Crossing.OUT),),
    },
    "test",
    WORDS,
    "unverified",
    scopes=(ScopeKind.PARK,),
    lengths=tuple(Length),
)


def park(*flows: Flow, **changes: Any) -> Catalogue:
    """Return a catalogue with flows."""
    economy = Economy(kinds=KINDS, flows={each.id: each for each in flows}, **changes)
    whole = catalogue()
    quantities = {**whole.quantities, "water-total": quantity("water-total"), "mass-total": quantity("mass-total")}
    return dataclasses.replace(whole, economy=economy, quantities=quantities)


@pytest.fixture
def client(redis: servers.Redis) -> Iterator[redis.Redis]:
    with redis_client(redis.url) as made:
        yield made


@pytest.fixture
def influx_client(influx: servers.Influx, influx_db: str) -> Iterator[Influx]:
    with closing(Influx(influx.url, influx_db)) as made:
        made.ensure()
        yield made


class Books:
    """The books of a small park, and what becomes of them."""

    def __init__(self, client: redis.Redis, influx: Influx) -> None:
        self.client = client
        self.influx = influx
        self.store = FlowStore(influx)
        self.touched: list[tuple[int, Flag]] = []
        self.flows = {WATER.id: WATER}
        self.opens()

    def opens(self) -> None:
        """Begin anew: what was in memory only is gone."""
        self.settling = Settling(self.client, self.store, self._touch)

    def _touch(self, days: Collection[int], flag: Flag) -> None:
        self.touched += [(day, flag) for day in sorted(days)]

    def corrected(self) -> set[int]:
        """Which days have been corrected since somebody asked."""
        found = {day for day, flag in self.touched if flag is Flag.CORRECTED}
        self.touched.clear()
        return found

    def shows(self, begin: int, values: list[float], series: str = SERIES, every: int = MINUTE) -> None:
        """Let a meter show values from ``begin`` on."""
        times = range(begin, begin + len(values) * every, every)
        told = [Reading(series, t, value, Quality.GOOD, t) for t, value in zip(times, values, strict=True)]
        self.influx.write(lines(told))

    def runs(self, begin: int, end: int, rate: float = 1.0, series: str = SERIES, every: int = MINUTE) -> None:
        """Let a meter that began at ``DAY0`` run on evenly (unit per minute) in ``begin <= t < end``."""
        self.shows(begin, [rate * (t - DAY0) / MINUTE for t in range(begin, end, every)], series, every)

    def works(self, now: int, seconds: float = 60.0) -> None:
        """Work as the office does."""
        self.settling.work(self.flows, now, Slice(seconds))

    def entry(self, begin: int, span: Span = Span.HOUR, name: str = "water") -> Entry | None:
        """What is kept of a flow."""
        return self.store.entries(span, begin, begin + 1, self.flows).get(name, {}).get(begin)

    def told(self, begin: int, span: Span = Span.HOUR, name: str = "water") -> tuple[float, float, str]:
        """Amount, share and flag of what is kept."""
        found = self.entry(begin, span, name)
        assert found is not None
        return round(found.portion.amount, 6), round(found.portion.share, 4), found.flag.value


@pytest.fixture
def books(client: redis.Redis, influx_client: Influx) -> Books:
    return Books(client, influx_client)


# --- hours and days ----------------------------------------------------------------------------------------------


def test_an_hour_is_provisional_until_it_is_settled(books: Books) -> None:
    books.runs(EIGHT - 10 * MINUTE, EIGHT + 30 * MINUTE)
    books.works(EIGHT + 30 * MINUTE)
    assert books.told(EIGHT) == (29.0, round(29 / 30, 4), "provisional")
    found = books.entry(EIGHT)
    assert found is not None
    assert found.portion.end == EIGHT + 30 * MINUTE
    books.runs(EIGHT + 30 * MINUTE, EIGHT + 63 * MINUTE)
    books.works(EIGHT + HOUR + ALLOWANCE - 1)
    assert books.told(EIGHT)[2] == "provisional"
    books.works(EIGHT + HOUR + ALLOWANCE)
    assert books.told(EIGHT) == (60.0, 1.0, "final")
    assert settled(books.client)["water"].until == EIGHT + HOUR
    assert books.corrected() == set()


def test_a_day_is_provisional_until_it_is_over(books: Books) -> None:
    books.runs(DAY0 + 22 * HOUR, DAY0 + DAY + 5 * MINUTE)
    books.works(DAY0 + 24 * HOUR - MINUTE)
    amount, share, flag = books.told(DAY0, Span.DAY)
    # Of its 24 hours, less a minute that is still to come, nearly two were measured.
    assert (amount, flag) == (118.0, "provisional")
    assert share == round(118 / (24 * 60 - 1), 4)
    books.works(DAY0 + DAY + 4 * MINUTE)
    assert books.told(DAY0, Span.DAY) == (120.0, round(2 / 24, 4), "final")
    # The new day is on its way.
    assert books.told(DAY0 + DAY, Span.DAY)[2] == "provisional"


def test_a_silent_meter_is_waited_for_as_long_as_it_may_pause(books: Books) -> None:
    books.runs(EIGHT, EIGHT + HOUR, every=10 * MINUTE)
    books.works(EIGHT + HOUR + 16 * MINUTE)
    assert books.told(EIGHT)[2] == "provisional"
    # The reading after the hour, ten minutes late as always.
    books.runs(EIGHT + HOUR, EIGHT + HOUR + MINUTE)
    books.works(EIGHT + HOUR + 16 * MINUTE)
    assert books.told(EIGHT) == (60.0, 1.0, "final")
    books.works(EIGHT + 2 * HOUR + 17 * MINUTE)
    assert books.told(EIGHT + HOUR) == (0.0, 0.0, "final")


def test_what_a_gap_hid_is_told_by_the_reading_that_ends_it(books: Books) -> None:
    books.runs(EIGHT, EIGHT + 30 * MINUTE + 1)
    for hour in range(1, 4):
        books.works(EIGHT + hour * HOUR + 20 * MINUTE)
    assert [books.told(EIGHT + n * HOUR) for n in range(3)] == [
        (30.0, 0.5, "final"),
        (0.0, 0.0, "final"),
        (0.0, 0.0, "final"),
    ]
    books.runs(EIGHT + 3 * HOUR + 30 * MINUTE, EIGHT + 4 * HOUR + 3 * MINUTE)
    books.works(EIGHT + 4 * HOUR + ALLOWANCE)
    assert [books.told(EIGHT + n * HOUR) for n in range(4)] == [
        (60.0, 0.5, "corrected"),
        (60.0, 0.0, "corrected"),
        (60.0, 0.0, "corrected"),
        (60.0, 0.5, "final"),
    ]
    # Of the day it is known as a whole.
    books.works(DAY0 + DAY + 20 * MINUTE)
    assert books.told(DAY0, Span.DAY) == (242.0, round(242 / (24 * 60), 4), "final")


def test_nothing_is_kept_of_a_flow_without_readings(books: Books) -> None:
    books.works(EIGHT)
    assert (books.entry(EIGHT - HOUR), settled(books.client)) == (None, {})


# --- the past ----------------------------------------------------------------------------------------------------


def test_the_past_is_settled_in_slices_from_the_oldest_reading_on(books: Books) -> None:
    books.flows = {WATER.id: WATER, PRODUCT.id: PRODUCT}
    books.runs(DAY0, DAY0 + 30 * DAY, every=10 * MINUTE)
    books.runs(DAY0 + DAY, DAY0 + 30 * DAY, 0.5, OTHER, every=10 * MINUTE)
    now = DAY0 + 30 * DAY
    slices = 0
    while not slices or books.settling.behind is not None:
        # Too little time for more than one chunk of one flow.
        books.works(now, seconds=0.0)
        slices += 1
        assert slices < 50
    assert slices > 5
    assert [books.told(DAY0 + n * DAY, Span.DAY) for n in (0, 7, 28)] == [(1440.0, 1.0, "final")] * 3
    assert books.entry(DAY0, Span.DAY, "product") is None
    assert books.told(DAY0 + 28 * DAY, Span.DAY, "product") == (720.0, 1.0, "final")
    assert {day for day, _ in books.touched} == set(range(DAY0, DAY0 + 30 * DAY, DAY))


def test_what_is_settled_again_is_the_same_and_is_not_written(books: Books) -> None:
    books.runs(EIGHT, EIGHT + 3 * HOUR)
    now = EIGHT + 3 * HOUR + 17 * MINUTE
    books.works(now)
    before = books.entry(EIGHT)
    # As a mark that whoever writes takes away.
    odd = Entry(msgspec.structs.replace(before.portion, amount=60.0 + 1e-10), Flag.FINAL) if before else None
    assert odd is not None
    books.store.write([encode_entry(WATER, Span.HOUR, odd)], [])
    books.client.delete(names.FLOWS_SETTLED)
    books.opens()
    books.works(now)
    assert books.entry(EIGHT) == odd
    assert books.corrected() == set()


def test_a_meter_that_turns_out_to_have_been_replaced_is_settled_again(books: Books) -> None:
    books.shows(EIGHT, [5000.0 + n for n in range(30)])
    books.shows(EIGHT + 30 * MINUTE, [2000.0 + n for n in range(60)])
    books.works(EIGHT + HOUR + ALLOWANCE)
    # 5029, then 2000: more than can have gone through in a minute.
    assert books.told(EIGHT) == (59.0, round(59 / 60, 4), "final")
    found = books.entry(EIGHT)
    assert found is not None
    assert found.portion.steps == 1
    change = replaced(EIGHT + 29 * MINUTE + 30_000, 5029.5, 1999.5)
    books.flows = {WATER.id: msgspec.structs.replace(WATER, replacements=(change,))}
    books.works(EIGHT + HOUR + ALLOWANCE + 1)
    assert books.told(EIGHT) == (60.0, 1.0, "corrected")
    assert books.corrected() == {DAY0}


# --- late data ---------------------------------------------------------------------------------------------------


def test_late_readings_correct_their_hour_its_neighbours_and_their_day_only(books: Books) -> None:
    books.runs(DAY0, EIGHT - 5 * MINUTE)
    books.runs(EIGHT + 70 * MINUTE, DAY0 + 3 * DAY)
    now = DAY0 + 3 * DAY
    books.works(now)
    hours = {n: books.told(EIGHT + n * HOUR) for n in range(-2, 4)}
    assert [hours[n][1] for n in range(-2, 4)] == pytest.approx([1.0, 54 / 60, 0.0, 50 / 60, 1.0, 1.0], abs=1e-3)
    days = [books.told(DAY0 + n * DAY, Span.DAY) for n in range(3)]
    assert days[0][:2] == (1440.0, 1.0), "bridged"
    books.touched.clear()
    # Nothing at all went through in the gap, and then all at once as far as that can be.
    books.shows(EIGHT - 5 * MINUTE, [(EIGHT - DAY0) / MINUTE - 6] * 66)
    note_late(books.client, [EIGHT], now)
    books.works(now + 59_000)
    assert books.told(EIGHT) == hours[0], "more may come"
    books.works(now + 60_000)
    assert books.told(EIGHT) == (0.0, 1.0, "corrected")
    assert [books.told(EIGHT + n * HOUR)[2] for n in range(-2, 4)] == [
        "final",
        "corrected",
        "corrected",
        "corrected",
        "final",
        "final",
    ]
    assert [books.told(DAY0 + n * DAY, Span.DAY) for n in range(1, 3)] == days[1:]
    # The day carried as much as before, and was measured as much: it is what it was.
    assert books.told(DAY0, Span.DAY)[:2] == (1440.0, 1.0)
    assert books.corrected() == {DAY0}
    assert stored.everything(books.client, names.FLOWS_LATE) == {}
    assert int(books.client.hget(names.COUNTERS, "flows.corrected") or 0) == 3


def test_what_comes_while_an_hour_is_made_again_is_not_forgotten(books: Books) -> None:
    books.runs(EIGHT, EIGHT + 30 * MINUTE + 1)
    now = EIGHT + 5 * HOUR
    books.works(now)
    note_late(books.client, [EIGHT], now)
    # The latest of them is not stored yet.
    note_late(books.client, [EIGHT], now + 58_000)
    books.works(now + 60_000)
    assert books.client.hlen(names.FLOWS_LATE) == 1
    books.works(now + 63_000)
    assert books.client.hlen(names.FLOWS_LATE) == 0
    # A meter that never ends to send late is made again in between, and stays noted.
    for minute in range(1, 12):
        note_late(books.client, [EIGHT], now + minute * MINUTE + 59_000)
        books.runs(EIGHT + 30 * MINUTE, EIGHT + (31 + minute) * MINUTE)
        books.works(now + (minute + 1) * MINUTE)
    assert books.told(EIGHT)[0] > 30.0
    assert books.client.hlen(names.FLOWS_LATE) == 1


@pytest.mark.parametrize("seed", range(6))
def test_in_whatever_order_readings_come_the_books_end_up_the_same(books: Books, seed: int) -> None:
    chance = random.Random(seed)
    told = msgspec.structs.replace(WATER, rollover=20_000.0 if seed % 2 else None)
    books.flows = {told.id: told}
    shown = list(_a_meter(chance, told.rollover))
    end = DAY0 + 2 * DAY
    # Most of them come as they are made, some hours late, and a few days.
    coming = sorted((t + chance.choice([0, 0, 0, 0, 0, 0, 90 * MINUTE, 30 * HOUR]), t, value) for t, value in shown)
    now = DAY0
    while coming or now < end + 3 * HOUR:
        now += chance.choice([10, 30, 60, 100]) * MINUTE
        come = [(t, value) for at, t, value in coming if at <= now]
        coming = coming[len(come) :]
        if come:
            books.influx.write(lines(Reading(SERIES, t, value, Quality.GOOD, now) for t, value in come))
        late = {Span.HOUR.begin(t) for t, _ in come if now >= Span.HOUR.begin(t) + HOUR + MINUTE}
        note_late(books.client, sorted(late), now, SERIES)
        books.works(now)
        books.works(now + MINUTE)
    books.works(now + 2 * HOUR)
    every = sorted(shown)
    through = course(readings([t for t, _ in every], [value for _, value in every]), told)
    days = [DAY0, DAY0 + DAY, end]
    wanted = portions(through, range(DAY0, end + HOUR, HOUR), [*days, end + DAY])
    found = books.store.entries(Span.HOUR, DAY0, end + HOUR, books.flows)["water"]
    for part in wanted[:-1]:
        kept = found[part.begin].portion
        assert (kept.amount, kept.share) == pytest.approx((part.amount, part.share), abs=1e-6), part
        assert kept.steps == part.steps
    for day in days[:-1]:
        whole = added(wanted, day, day + DAY)
        assert books.told(day, Span.DAY)[:2] == pytest.approx((whole.amount, whole.share), abs=1e-4)


def _a_meter(chance: random.Random, rollover: float | None) -> Iterator[tuple[int, float]]:
    """Yield what a totaliser shows over two days, which pauses, is reset, and may roll over."""
    t, value = DAY0 + chance.randrange(HOUR), 15_000.0
    while t < DAY0 + 2 * DAY + 2 * HOUR:
        yield t, value
        step = chance.choice([5 * MINUTE] * 12 + [14 * MINUTE] * 6 + [40 * MINUTE, 3 * HOUR])
        if chance.random() < 0.03:
            value = 0.0
        t, value = t + step, value + chance.random() * 300.0 * step / HOUR
        value = value % rollover if rollover else value


def test_a_worker_notes_readings_of_meters_whose_hour_may_be_settled(client: redis.Redis) -> None:
    shift = Shift(client)
    shift.restarts(park(WATER))
    now = shift.clock.now()
    hour = Span.HOUR.begin(now)
    over, fresh = hour - 5 * MINUTE, now - 1_000
    other = "north/unit-1/tt-1/temperature"
    shift.put(*(Reading(series, t, 1.0, Quality.GOOD, now) for series in (SERIES, other) for t in (over, fresh)))
    shift.evaluator.drain()
    assert stored.everything(client, names.FLOWS_LATE) == {f"{SERIES} {hour - HOUR}".encode(): f"{now} {now}".encode()}
    shift.clock.time = hour + HOUR + MINUTE
    shift.put(Reading(SERIES, fresh, 1.0, Quality.GOOD, now))
    shift.evaluator.drain()
    shift.clock.time += 5_000
    shift.put(Reading(SERIES, fresh, 1.0, Quality.GOOD, now))
    shift.evaluator.drain()
    mark = client.hget(names.FLOWS_LATE, f"{SERIES} {hour}")
    assert mark == f"{hour + HOUR + MINUTE} {hour + HOUR + MINUTE + 5_000}".encode()


# --- indicators --------------------------------------------------------------------------------------------------


class Desk:
    """Flows and their indicators."""

    def __init__(self, client: redis.Redis, influx: Influx, catalogue_: Catalogue) -> None:
        self.catalogue = catalogue_
        self.flows = FlowStore(influx)
        self.indicators = IndicatorStore(influx)
        self.indicating = Indicating(client, influx, self.flows)
        self.settling = Settling(client, self.flows, self.indicating.touched)

    def works(self, now: int) -> None:
        self.settling.work(self.catalogue.economy.flows, now, Slice(60.0))
        self.indicating.work(self.catalogue, now, self.settling.behind, Slice(60.0))

    def kept(self, now: int) -> dict[tuple[Length, int], StoredIndicator]:
        """All that is kept, by length and beginning."""
        return {
            (length, each.begin): each
            for length in Length
            for each in self.indicators.read(length, DAY0 - 400 * DAY, now, NO_BENCHMARK)
        }


def test_late_data_of_a_day_changes_exactly_that_day_its_month_and_its_year(
    books: Books, client: redis.Redis, influx_client: Influx
) -> None:
    desk = Desk(client, influx_client, park(WATER, PRODUCT, indicators={INDICATOR.name: INDICATOR}))
    late = DAY0 + 3 * DAY
    books.runs(DAY0, late + HOUR, every=10 * MINUTE)
    books.runs(late + 20 * HOUR, DAY0 + 40 * DAY, every=10 * MINUTE)
    books.runs(DAY0, DAY0 + 40 * DAY, 0.5, OTHER, every=10 * MINUTE)
    now = DAY0 + 40 * DAY
    desk.works(now)
    before = desk.kept(now)
    months = {stretch(Length.MONTH, DAY0 + n * DAY, now).begin for n in range(40)}
    assert {begin for length, begin in before if length is Length.MONTH} == months
    assert [before[Length.DAY, DAY0 + n * DAY].value for n in (0, 1, 30)] == pytest.approx([2.0] * 3)
    assert stored.everything(client, names.INDICATORS_DUE) == {}
    # The meter was reset in the gap, and ran on for longer than was thought.
    books.runs(late + HOUR, late + 10 * HOUR, every=10 * MINUTE)
    books.shows(late + 10 * HOUR, [10.0 * n for n in range(60)], every=10 * MINUTE)
    note_late(client, range(late + HOUR, late + 20 * HOUR, HOUR), now)
    desk.works(now + 60_000)
    after = desk.kept(now)
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {(length, stretch(length, late, now).begin) for length in Length}
    assert after[Length.DAY, late].flag is Flag.CORRECTED
    computed = int(client.hget(names.COUNTERS, "indicators.computed") or 0)
    desk.works(now + 120_000)
    assert int(client.hget(names.COUNTERS, "indicators.computed") or 0) == computed, "nothing is due any more"


def test_what_is_defined_anew_is_computed_for_all_of_the_past(
    books: Books, client: redis.Redis, influx_client: Influx
) -> None:
    desk = Desk(client, influx_client, park(WATER, PRODUCT, indicators={INDICATOR.name: INDICATOR}))
    books.runs(DAY0, DAY0 + 3 * DAY, every=10 * MINUTE)
    books.runs(DAY0, DAY0 + 3 * DAY, 0.5, OTHER, every=10 * MINUTE)
    now = DAY0 + 3 * DAY
    desk.works(now)
    assert desk.kept(now)[Length.DAY, DAY0].value == pytest.approx(2.0)
    twice = msgspec.structs.replace(INDICATOR, scale=2.0)
    desk.catalogue = park(WATER, PRODUCT, indicators={twice.name: twice})
    desk.works(now + 1)
    found = desk.kept(now)
    assert [each.value for each in found.values()] == pytest.approx([4.0] * len(found))
    assert {each.flag for (length, _), each in found.items() if length is Length.DAY} == {Flag.CORRECTED}


def test_a_flow_that_is_taken_out_is_taken_out_of_the_past(
    books: Books, client: redis.Redis, influx_client: Influx
) -> None:
    double = msgspec.structs.replace(WATER, id="water-again")
    desk = Desk(client, influx_client, park(WATER, double, PRODUCT, indicators={INDICATOR.name: INDICATOR}))
    books.runs(DAY0, DAY0 + 3 * DAY, every=10 * MINUTE)
    books.runs(DAY0, DAY0 + 3 * DAY, 0.5, OTHER, every=10 * MINUTE)
    now = DAY0 + 3 * DAY
    desk.works(now)
    assert desk.kept(now)[Length.DAY, DAY0].value == pytest.approx(4.0)
    desk.catalogue = park(WATER, PRODUCT, indicators={INDICATOR.name: INDICATOR})
    desk.works(now + 1)
    assert [each.value for each in desk.kept(now).values()] == pytest.approx([2.0] * len(desk.kept(now)))


# --- what is away ------------------------------------------------------------------------------------------------


def test_influxdb_away_loses_nothing(client: redis.Redis, own_influx: servers.Influx) -> None:
    with closing(Influx(own_influx.url, "park", timeout_ms=10_000)) as influx:
        influx.ensure()
        books = Books(client, influx)
        books.runs(EIGHT, EIGHT + 2 * HOUR)
        books.works(EIGHT + HOUR + ALLOWANCE)
        own_influx.kill()
        with pytest.raises(InfluxUnavailable):
            books.works(EIGHT + 2 * HOUR + ALLOWANCE)
        own_influx.start()
        books.works(EIGHT + 2 * HOUR + 17 * MINUTE)
        assert [books.told(EIGHT + n * HOUR)[0] for n in range(2)] == [60.0, 59.0]


def test_an_office_that_died_before_it_noted_how_far_it_was_settles_the_same_again(books: Books) -> None:
    books.runs(EIGHT, EIGHT + 2 * HOUR + 5 * MINUTE)
    books.works(EIGHT + 2 * HOUR + ALLOWANCE)
    before = [books.entry(EIGHT + n * HOUR) for n in range(2)]
    settle(books.client, {"water": Settled(EIGHT + HOUR, metering(WATER))})
    books.opens()
    books.works(EIGHT + 2 * HOUR + ALLOWANCE)
    assert [books.entry(EIGHT + n * HOUR) for n in range(2)] == before
    assert books.corrected() == set()


def test_entries_are_read_as_they_were_written(books: Books) -> None:
    portion = Portion(EIGHT, EIGHT + HOUR, 12.5, 0.75, 60_000.0, 2)
    books.store.write([encode_entry(WATER, Span.HOUR, Entry(portion, Flag.CORRECTED))], [])
    assert books.entry(EIGHT) == Entry(portion, Flag.CORRECTED)
    # Kept while it was thought to be another flow: what is so now counts.
    other = msgspec.structs.replace(WATER, kind="reclaimed-water")
    wrong = Entry(msgspec.structs.replace(portion, amount=1.0), Flag.FINAL)
    books.store.write([encode_entry(other, Span.HOUR, wrong)], [])
    assert books.entry(EIGHT) == Entry(portion, Flag.CORRECTED)
    books.flows = {"water": other}
    assert books.entry(EIGHT) == wrong
