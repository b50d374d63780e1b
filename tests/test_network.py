"""The exchange network against examples worked out by hand: balances, broken exchanges, what stays in the park."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.economy import Economy
from park.flows import OUTSIDE, Amount, Class, Flow, FlowKind, Reads, SiteBalance, Stock
from park.network import (
    HOUR,
    HOURS,
    NEEDED,
    Balanced,
    Exchange,
    Habit,
    State,
    activity,
    balance,
    concerned,
    exchange,
    exchange_sensor,
    exchanges,
    habit,
    over_a_day,
    per_hour,
    staying,
    surplus_of,
    watched,
    whole_hours,
)
from park.words import Names
from tests.making import many

END = 1_750_000_000_000 // HOUR * HOUR + 60_000
BEGINS = whole_hours(END)
WORKS, BOARD, BURNER = "north/works", "north/board", "south/burner"


def _name(text: str) -> Names:
    return Names(f"{text}（中）", text)


def kind(name: str, unit: str, of: Class | None, *, residue: bool = False) -> FlowKind:
    return FlowKind(name, _name(name), unit, of, residue)


KINDS = {
    each.name: each
    for each in (
        kind("raw-material", "t", Class.MASS),
        kind("product", "t", Class.MASS),
        kind("by-product", "t", Class.MASS, residue=True),
        kind("ash", "kg", Class.MASS, residue=True),
        kind("fresh-water", "m3", Class.WATER),
        kind("wastewater", "m3", Class.WATER),
        kind("steam", "t", Class.ENERGY),
        kind("electricity", "kWh", Class.ENERGY),
        kind("waste-heat", "GJ", Class.ENERGY, residue=True),
        kind("noise", "pH", None, residue=True),
    )
}


def flow(id_: str, kind: str, source: str, target: str, **more: Any) -> Flow:
    meter = f"{target if source == OUTSIDE else source}/{id_}/mass-total"
    plain = Flow(id_, _name(id_), kind, source, target, meter, Reads.TOTAL, most=100.0)
    return msgspec.structs.replace(plain, **more)


def economy(*flows: Flow, balances: Iterable[SiteBalance] = ()) -> Economy:
    return Economy(kinds=KINDS, flows={each.id: each for each in flows}, balances={each.id: each for each in balances})


def hour(flow: str, begin: int, amount: float, share: float = 1.0) -> Amount:
    return Amount(flow, begin, begin + HOUR, amount, share)


def each_hour(**rates: float) -> dict[tuple[str, int], Amount]:
    """Every hour of the day has the same; ``raw_in`` stands for ``raw-in``."""
    return {
        (name.replace("_", "-"), begin): hour(name.replace("_", "-"), begin, rate)
        for name, rate in rates.items()
        for begin in BEGINS
    }


def levels(series: str, first: float, per_hour: float) -> dict[tuple[str, int], float]:
    return {(series, BEGINS[0] + n * HOUR): first + n * per_hour for n in range(HOURS + 1)}


# --- balances ------------------------------------------------------------------------------------------------------

STOCK = "north/works/lt-1/mass"
MASS = SiteBalance("mass", WORKS, Class.MASS, "t", stocks=(Stock(STOCK, 0.5),), losses=0.1)
PLANT = (
    flow("raw-in", "raw-material", OUTSIDE, WORKS),
    flow("sold", "product", WORKS, OUTSIDE),
    flow("given", "by-product", WORKS, BOARD),
)


def balanced(
    told: SiteBalance,
    hours: Mapping[tuple[str, int], Amount],
    held: Mapping[tuple[str, int], float] | None = None,
    flows: Iterable[Flow] = PLANT,
) -> Balanced:
    return balance(economy(*flows), told, hours, held or {}, END)


def test_the_last_24_whole_hours_are_looked_at() -> None:
    assert len(BEGINS) == HOURS
    assert END - BEGINS[-1] == HOUR + 60_000
    assert {later - earlier for earlier, later in pairwise(BEGINS)} == {HOUR}


def test_a_balance_by_hand() -> None:
    # In 24 h: 10 t/h x 24 = 240 t in, of which 24 t are known to get lost; 5 + 3 t/h x 24 = 192 t out; the tank gains
    # 2 units of 0.5 t an hour, 24 t. Nothing is left over.
    found = balanced(MASS, each_hour(raw_in=10.0, sold=5.0, given=3.0), levels(STOCK, 100.0, 2.0))
    assert (found.came_in, found.lost, found.left, found.gained) == pytest.approx((240.0, 24.0, 192.0, 24.0))
    assert found.missing == pytest.approx(0.0, abs=1e-9)
    assert found.imbalance == pytest.approx(0.0, abs=1e-9)
    assert found.hours == HOURS


def test_a_stock_that_shrinks_feeds_the_balance() -> None:
    # 4 t/h in (0.4 lost) and 6 t/h from the tank leave as 9.6 t/h. What went through is 4 + 6 = 10 t/h.
    found = balanced(MASS, each_hour(raw_in=4.0, sold=9.6, given=0.0), levels(STOCK, 1_000.0, -12.0))
    assert found.gained == pytest.approx(-144.0)
    assert found.imbalance == pytest.approx(0.0, abs=1e-9)
    # With nothing sold 9.6 of 10 t/h are missing.
    nothing = balanced(MASS, each_hour(raw_in=4.0, sold=0.0, given=0.0), levels(STOCK, 1_000.0, -12.0))
    assert nothing.imbalance == pytest.approx(96.0)


def test_a_meter_that_reads_low_breaks_the_balance_either_way() -> None:
    held = levels(STOCK, 0.0, 0.0)
    less_out = balanced(MASS, each_hour(raw_in=10.0, sold=5.0, given=3.0), held)
    assert less_out.missing == pytest.approx(24.0)
    assert less_out.imbalance == pytest.approx(10.0)
    # 7 t/h in make 6.3; 8 t/h left: 1.7 too many of 8.
    less_in = balanced(MASS, each_hour(raw_in=7.0, sold=5.0, given=3.0), held)
    assert less_in.imbalance == pytest.approx(100 * -1.7 / 8.0)


def test_kinds_of_other_units_and_classes_count_by_their_weight() -> None:
    # Steam (t) is water in a water balance: 4 m3/h fresh water, 1 t/h steam, 5 m3/h wastewater. Mass does not count.
    flows = (
        flow("fresh", "fresh-water", OUTSIDE, WORKS),
        flow("steam", "steam", "north/boiler", WORKS),
        flow("waste", "wastewater", WORKS, OUTSIDE),
        flow("around", "fresh-water", WORKS, WORKS),
        flow("raw-in", "raw-material", OUTSIDE, WORKS),
    )
    told = SiteBalance("water", WORKS, Class.WATER, "m3", weights={"steam": 1.0})
    found = balanced(told, each_hour(fresh=4.0, steam=1.0, waste=5.0, around=50.0), flows=flows)
    assert (found.came_in, found.left, found.imbalance) == pytest.approx((120.0, 120.0, 0.0))
    energy = SiteBalance("energy", WORKS, Class.ENERGY, "GJ", weights={"steam": 2.78})
    assert balanced(energy, each_hour(steam=2.0), flows=flows).came_in == pytest.approx(2 * 2.78 * 24)


def test_a_rate_that_was_not_measured_all_the_time_counts_for_all_of_it_and_a_counter_as_it_is() -> None:
    rate = flow("raw-in", "raw-material", OUTSIDE, WORKS, reads=Reads.RATE)
    hours = {("raw-in", begin): hour("raw-in", begin, 9.0, 0.9) for begin in BEGINS}
    told = SiteBalance("mass", WORKS, Class.MASS, "t")
    assert balanced(told, hours, flows=(rate,)).came_in == pytest.approx(240.0)
    counter = msgspec.structs.replace(rate, reads=Reads.TOTAL)
    assert balanced(told, hours, flows=(counter,)).came_in == pytest.approx(216.0)


def test_only_hours_that_were_measured_in_full_count() -> None:
    hours = each_hour(raw_in=10.0, sold=9.0, given=0.0)
    # In the first twelve hours the product's meter was silent, and what it seems to say is nothing.
    for begin in BEGINS[:NEEDED]:
        hours["sold", begin] = hour("sold", begin, 0.0, 0.89)
    found = balanced(MASS, hours, levels(STOCK, 0.0, 0.0))
    assert (found.hours, found.came_in, found.left) == pytest.approx((12, 120.0, 108.0))
    assert found.imbalance == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("what", ["a meter", "a stock", "a share", "nothing at all"])
def test_too_few_measured_hours_are_no_verdict_and_it_is_said_what_is_missing(what: str) -> None:
    hours, held = each_hour(raw_in=10.0, sold=9.0, given=0.0), levels(STOCK, 0.0, 0.0)
    spoilt = BEGINS[: HOURS - NEEDED + 1]
    if what == "a meter":
        hours = {key: each for key, each in hours.items() if key[0] != "sold" or key[1] not in spoilt}
    elif what == "a stock":
        held = {key: level for key, level in held.items() if key[1] not in spoilt}
    elif what == "a share":
        hours |= {("sold", begin): hour("sold", begin, 9.0, 0.8) for begin in spoilt}
    else:
        hours, held = {}, {}
    found = balanced(MASS, hours, held)
    assert found.imbalance is None
    expected = {"a meter": "sold", "a share": "sold", "a stock": STOCK, "nothing at all": "raw-in"}[what]
    assert expected in found.why.en
    assert expected in found.why.zh
    assert found.hours < NEEDED


def test_where_next_to_nothing_goes_through_a_drop_is_no_broken_balance() -> None:
    # 0.05 t/h of drift in, nothing out: 5 % of the 1 % of what the meter can carry (100 t/h), and not 100 %.
    plain = SiteBalance("mass", WORKS, Class.MASS, "t")
    found = balanced(plain, each_hour(raw_in=0.05, sold=0.0, given=0.0))
    assert found.imbalance == pytest.approx(5.0)
    idle = balanced(plain, each_hour(raw_in=0.0, sold=0.0, given=0.0))
    assert (idle.imbalance, idle.missing) == (0.0, 0.0)


def test_a_site_without_a_way_in_has_nothing_to_divide_by_and_still_a_verdict() -> None:
    told = SiteBalance("mass", WORKS, Class.MASS, "t")
    way_out = (flow("sold", "product", WORKS, OUTSIDE),)
    assert balanced(told, each_hour(sold=0.0), flows=way_out).imbalance == 0.0
    assert balanced(told, each_hour(sold=1.0), flows=way_out).imbalance == -100.0


_RATE = st.floats(0.0, 1e4)


@many
@given(_RATE, _RATE, _RATE, st.floats(-1e4, 1e4), st.floats(0.0, 0.9))
def test_an_imbalance_never_leaves_what_its_quantity_can_be(
    came: float, sold: float, given_away: float, gained: float, losses: float
) -> None:
    told = msgspec.structs.replace(MASS, losses=losses)
    found = balanced(told, each_hour(raw_in=came, sold=sold, given=given_away), levels(STOCK, 0.0, gained))
    assert found.imbalance is not None
    assert -100.0 - 1e-6 <= found.imbalance <= 100.0 + 1e-6


# --- exchanges -----------------------------------------------------------------------------------------------------

GIVEN = flow("given", "by-product", WORKS, BOARD, usual=9.0)


@pytest.mark.parametrize(
    ("carried", "works", "taken", "state", "surplus"),
    [
        (9.0, 1.0, 0.0, State.WELL, 0.0),
        (1.8, 1.0, 0.0, State.WELL, 0.0),
        (1.79, 1.0, 0.0, State.BROKEN, 7.21),
        (0.0, 1.0, 0.0, State.BROKEN, 9.0),
        # At half load half as much is made.
        (0.0, 0.5, 0.0, State.BROKEN, 4.5),
        (1.0, 0.5, 0.0, State.WELL, 0.0),
        (0.0, 1.5, 0.0, State.BROKEN, 13.5),
        # The source stands still: nobody has stopped to take.
        (0.0, 0.0, 0.0, State.IDLE, 0.0),
        (0.0, 0.19, 0.0, State.IDLE, 0.0),
        (0.0, 0.2, 0.0, State.BROKEN, 1.8),
        # A rest that still flows is no sign of trouble.
        (5.0, 0.0, 0.0, State.WELL, 0.0),
        # Nothing tells what the source makes: as usual.
        (0.0, None, 0.0, State.BROKEN, 9.0),
        (9.0, None, 0.0, State.WELL, 0.0),
        # Others take a part of it, or more than there is.
        (0.0, 1.0, 4.0, State.BROKEN, 5.0),
        (0.0, 1.0, 12.0, State.BROKEN, 0.0),
        # Nobody knows: that is neither a taker that stopped nor well.
        (None, 1.0, 0.0, State.UNKNOWN, None),
        (None, 0.0, 0.0, State.UNKNOWN, None),
    ],
)
def test_an_exchange_by_hand(
    carried: float | None, works: float | None, taken: float, state: State, surplus: float | None
) -> None:
    found = exchange(GIVEN, carried, works, taken)
    assert found.state is state
    assert found.surplus == (None if surplus is None else pytest.approx(surplus))
    assert (found.why.en == "") is (state is State.WELL)


def test_what_is_measured_of_too_little_of_the_time_is_no_rate() -> None:
    quarter = HOUR // 4
    assert per_hour(Amount("given", END - quarter, END, 2.0, 1.0)) == pytest.approx(8.0)
    assert per_hour(Amount("given", END - quarter, END, 1.5, 0.75)) == pytest.approx(8.0)
    assert per_hour(Amount("given", END - quarter, END, 1.5, 0.74)) is None
    assert per_hour(Amount("given", END - quarter, END, 0.0, 0.0)) is None
    assert per_hour(None) is None


def test_a_source_works_as_much_as_the_median_of_what_it_takes_in() -> None:
    habits = {"a": Habit(10.0), "b": Habit(4.0), "c": Habit(100.0)}
    assert activity({"a": 5.0, "b": 2.0, "c": 90.0}, habits) == pytest.approx(0.5)
    # One that drifts, or leaps, does not decide.
    assert activity({"a": 10.0, "b": 4.0, "c": 1e6}, habits) == pytest.approx(1.0)
    assert activity({"a": 1e6, "b": 1e6, "c": 1e6}, habits) == pytest.approx(1.5)
    # Between two the one that says "it works" is believed: an alarm too many, not one too few.
    assert activity({"a": 0.0, "b": 4.0}, habits) == pytest.approx(1.0)


def test_what_is_not_known_to_stand_still_is_taken_to_work() -> None:
    assert activity({}, {}) is None
    assert activity({"a": 0.0, "b": 0.0}, {}) == 0.0
    assert activity({"a": 0.0, "b": 0.1}, {"a": Habit(None)}) is None
    # Between two lorries nothing comes in, which says nothing.
    assert activity({"lorry": 0.0}, {"lorry": Habit(20.0, fitful=True)}) is None
    assert activity({"lorry": 0.0, "power": 0.9}, {"lorry": Habit(20.0, fitful=True), "power": Habit(1.0)}) == 0.9


def past(*amounts: float, share: float = 1.0) -> list[Amount]:
    return [hour("given", n * HOUR, amount, share) for n, amount in enumerate(amounts)]


def test_what_is_usual_is_the_upper_quartile_of_busy_days_or_else_hours() -> None:
    day = 24 * HOUR
    days = [
        Amount("given", n * day, (n + 1) * day, 24.0 * rate, 1.0) for n, rate in enumerate((8, 9, 10, 11, 12, 0, 0))
    ]
    # Of 8, 9, 10, 11, 12 per hour the upper quartile is 11.
    assert habit(GIVEN, past(1.0, 1.0, 1.0), days).usual == pytest.approx(11.0)
    assert habit(GIVEN, past(1.0, 2.0, 3.0, 4.0, 5.0), days[:2]).usual == pytest.approx(4.0)
    assert habit(GIVEN, past(3.0), []).usual == pytest.approx(3.0)
    assert habit(GIVEN, past(3.0, 4.0, 5.0, share=0.5), []).usual is None
    assert habit(GIVEN, [], []) == Habit(None)
    assert habit(GIVEN, past(0.0, 0.0, 0.0, 0.0), []) == Habit(None)


def test_a_plant_that_stops_for_days_is_not_fitful_and_lorries_are() -> None:
    standstill = past(*[5.0] * 100, *[0.0] * 60)
    assert not habit(GIVEN, standstill, []).fitful
    assert not habit(GIVEN, past(*[5.0] * 100, *[0.0] * 30, *[5.0] * 30), []).fitful
    assert habit(GIVEN, past(*[8.0, 0.0, 0.0, 0.0] * 40), []).fitful
    assert habit(GIVEN, past(8.0, 0.0, 8.0, 0.0, 8.0), []).fitful


def late(**rates: float | None) -> dict[str, Amount]:
    """What was carried in the last quarter of an hour, per hour; ``None``: the meter is silent."""
    begin = END - HOUR // 4
    named = {name.replace("_", "-"): rate for name, rate in rates.items()}
    return {
        name: Amount(name, begin, END, (rate or 0.0) / 4, 0.0 if rate is None else 1.0) for name, rate in named.items()
    }


NETWORK = economy(
    flow("raw-in", "raw-material", OUTSIDE, WORKS),
    flow("power", "electricity", "north/grid", WORKS, usual=500.0),
    GIVEN,
    flow("other", "by-product", WORKS, BURNER, usual=3.0),
    flow("unknown", "by-product", WORKS, "north/somewhere"),
)
HABITS = {"raw-in": Habit(20.0), "power": Habit(500.0)}


def states(found: Mapping[str, Exchange]) -> dict[str, tuple[State, float | None]]:
    return {name: (each.state, each.surplus) for name, each in found.items()}


def test_exchanges_of_the_whole_park() -> None:
    quiet = exchanges(NETWORK, late(raw_in=20.0, power=500.0, given=9.0, other=3.0), HABITS)
    assert states(quiet) == {"given": (State.WELL, 0.0), "other": (State.WELL, 0.0)}
    # The board plant stops; the burner takes 2 t/h more than the 3 it usually does.
    stopped = exchanges(NETWORK, late(raw_in=20.0, power=500.0, given=0.0, other=5.0), HABITS)
    assert states(stopped) == {"given": (State.BROKEN, pytest.approx(7.0)), "other": (State.WELL, 0.0)}
    # The source stops: nobody else has.
    idle = exchanges(NETWORK, late(raw_in=0.0, power=20.0, given=0.0, other=0.0), HABITS)
    assert {state for state, _ in states(idle).values()} == {State.IDLE}


def test_a_silent_meter_is_no_taker_that_stopped_and_no_source_that_did() -> None:
    silent = exchanges(NETWORK, late(raw_in=20.0, power=500.0, given=None, other=3.0), HABITS)
    assert states(silent)["given"] == (State.UNKNOWN, None)
    # What the source takes in is not measured: then it is taken to work.
    blind = exchanges(NETWORK, late(raw_in=None, power=None, given=0.0, other=3.0), HABITS)
    assert states(blind)["given"] == (State.BROKEN, 9.0)
    assert exchanges(NETWORK, {}, HABITS)["given"].state is State.UNKNOWN


def test_which_exchanges_are_watched_and_what_that_needs() -> None:
    # Electricity is made to order, and of `unknown` nobody knows what is usual.
    assert [each.id for each in watched(NETWORK)] == ["given", "other"]
    assert concerned(NETWORK) == dict.fromkeys(("given", "other", "raw-in", "power"), 900_000)
    slow = economy(flow("given", "by-product", WORKS, BOARD, usual=9.0, gap=8 * HOUR))
    assert concerned(slow) == {"given": 8 * HOUR}
    heat = economy(flow("heat", "waste-heat", WORKS, BOARD, usual=2.0))
    assert [each.id for each in watched(heat)] == ["heat"]


def test_where_a_surplus_is_told() -> None:
    assert exchange_sensor(GIVEN) == "north/works/exchange-given"
    assert surplus_of(KINDS["by-product"]) == ("surplus-mass", 1.0)
    assert surplus_of(KINDS["ash"]) == ("surplus-mass", 0.001)
    assert surplus_of(KINDS["wastewater"]) == ("surplus-volume", 1.0)
    assert surplus_of(KINDS["electricity"]) == ("surplus-energy", 0.0036)
    assert surplus_of(KINDS["noise"]) is None


# --- what stays ----------------------------------------------------------------------------------------------------


def test_what_stays_in_the_park_by_hand() -> None:
    found = economy(
        flow("given", "by-product", WORKS, BOARD),
        flow("again", "by-product", WORKS, WORKS),
        flow("dumped", "by-product", WORKS, OUTSIDE),
        flow("ash", "ash", BURNER, OUTSIDE),
        flow("heat", "waste-heat", WORKS, BOARD),
        # No residues of the park.
        flow("bought", "by-product", OUTSIDE, WORKS),
        flow("sold", "product", WORKS, OUTSIDE),
        flow("noise", "noise", WORKS, OUTSIDE),
    )
    rates = {"given": 6.0, "again": 2.0, "dumped": 2.0, "ash": 5_000.0, "heat": 1.0, "bought": 50.0, "sold": 70.0}
    amounts = {name: Amount(name, BEGINS[0], BEGINS[-1] + HOUR, 24 * rate, 1.0) for name, rate in rates.items()}
    mass, heat = staying(found, amounts)
    # 6 + 2 of 6 + 2 + 2 t/h and 5,000 kg/h of ash.
    assert mass.unit == "t"
    assert (mass.given, mass.kept) == pytest.approx((360.0, 192.0))
    assert mass.share == pytest.approx(100 * 8 / 15)
    assert (heat.unit, heat.share) == ("GJ", 100.0)
    north, _ = staying(found, amounts, "north")
    assert north.share == pytest.approx(80.0)
    (south,) = staying(found, amounts, "south")
    assert south.share == 0.0


def test_what_stays_of_nothing_is_unknown_and_what_was_not_measured_is_told() -> None:
    found = economy(flow("given", "by-product", WORKS, BOARD), flow("dumped", "by-product", WORKS, OUTSIDE))
    (nothing,) = staying(found, {})
    assert (nothing.share, nothing.measured) == (None, 0.0)
    half = {"given": Amount("given", 0, HOUR, 3.0, 0.5)}
    (some,) = staying(found, half)
    assert (some.share, some.measured) == (100.0, 0.25)
    assert staying(economy(), {}) == []


def test_amounts_of_a_day_say_how_much_of_it_was_measured() -> None:
    hours = {("given", begin): hour("given", begin, 2.0) for begin in BEGINS[:6]}
    assert over_a_day(NETWORK, hours, END) == {"given": Amount("given", BEGINS[0], BEGINS[-1] + HOUR, 12.0, 0.25)}
