"""The simulated park's meters: they are those of the configuration, and what goes in comes out again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from field.economy import METERS, Held, Meter, Rate, Register
from field.incidents import INCIDENTS, choose
from field.plant import SENSORS
from field.reports import monthly_figures
from field.signals import DAY, HOUR, MINUTE, Noise
from field.simulated import SimulatedPark
from park import reporting
from park.catalogue import Catalogue
from park.economy import Economy
from park.figures import Reported
from park.flows import Class, Flow, Reads, SiteBalance
from park.words import Location
from storage.configuration import load

CONFIG = Path(__file__).resolve().parent.parent / "config"
#: 2026-11-10 00:00 in China, the day on which a meter is replaced.
START = 1_794_240_000_000
BY_SERIES = {meter.series: meter for meter in METERS}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(CONFIG)


@pytest.fixture(scope="module")
def economy(catalogue: Catalogue) -> Economy:
    return catalogue.economy


def meter_of(flow: str) -> Meter:
    return next(meter for meter in METERS if meter.flow == flow)


def shown(
    meter: Meter, begin: int, end: int, step: int = MINUTE, seed: int = 1
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return meter.signal.many(np.arange(begin, end + 1, step, dtype=np.float64), meter.series, Noise(seed))


# --- the park and its configuration --------------------------------------------------------------------------------


def test_every_flow_has_its_meter_and_every_meter_its_flow(economy: Economy) -> None:
    assert {flow.id: flow.meter for flow in economy.flows.values()} == {
        meter.flow: meter.series for meter in METERS if meter.flow
    }
    stocks = {stock.series for balance in economy.balances.values() for stock in balance.stocks}
    assert stocks == {meter.series for meter in METERS if meter.flow is None}


def test_each_zone_has_six_enterprises_and_exchanges_between_them(economy: Economy) -> None:
    assert Counter(each.zone for each in economy.enterprises.values()) == {"new-materials": 6, "riverside": 6}
    for zone in ("new-materials", "riverside"):
        exchanges = [flow for flow in economy.flows.values() if flow.is_exchange and flow.zone == zone]
        pairs = {(economy.enterprise_of(flow.source), economy.enterprise_of(flow.target)) for flow in exchanges}
        assert len({(giver.name, taker.name) for giver, taker in pairs if giver and taker and giver != taker}) >= 8
        assert all(flow.usual for flow in exchanges)
        assert all(giver and taker for giver, taker in pairs)


def test_the_configuration_knows_how_each_meter_counts(economy: Economy) -> None:
    for flow in economy.flows.values():
        signal = meter_of(flow.id).signal
        assert flow.reads is (Reads.RATE if isinstance(signal, Rate) else Reads.TOTAL), flow.id
        if isinstance(signal, Register):
            assert flow.rollover == signal.rollover
            known = [(one.at, one.last, one.first) for one in flow.replacements]
            exchange = signal.exchange
            assert known == ([(exchange.at, exchange.last, exchange.first)] if exchange else [])
    assert any(flow.rollover for flow in economy.flows.values())
    assert any(flow.replacements for flow in economy.flows.values())


def test_meters_keep_their_range_for_years() -> None:
    ranges = {sensor.series(channel): channel for sensor in SENSORS for channel in sensor.channels}
    for meter in METERS:
        values = shown(meter, START - 700 * DAY, START + 700 * DAY, 7 * HOUR)
        low, high = meter.signal.bounds()
        assert max(low, ranges[meter.series].minimum) <= values.min()
        assert values.max() <= min(high, ranges[meter.series].maximum)
        assert isinstance(meter.signal, Held) or values.min() >= 0


def test_a_minute_of_every_flow_can_be_told_from_nothing() -> None:
    for sensor in SENSORS:
        for channel in sensor.channels:
            meter = BY_SERIES.get(sensor.series(channel))
            if meter and isinstance(meter.signal, Register) and meter.signal.exchange is None:
                values = SimulatedPark(1, START, sensors=(sensor,)).values(
                    sensor, channel, np.arange(START, START + HOUR, sensor.interval, dtype=np.float64)
                )
                assert values[-1] > values[0], sensor.key


def test_the_meters_add_little_to_what_the_park_says() -> None:
    meters = [sensor for sensor in SENSORS if sensor.location is Location.METER]
    assert len(meters) == len(METERS)
    assert sum(1000 / sensor.interval for sensor in meters) < 6


# --- amounts ---------------------------------------------------------------------------------------------------------


def amount(flow: Flow, begin: int, end: int, seed: int) -> float:
    """Return what went through, by what the meter shows every minute; a register's jumps are left out."""
    meter = BY_SERIES[flow.meter]
    values = shown(meter, begin, end, MINUTE, seed)
    if isinstance(meter.signal, Rate):
        return float(((values[1:] + values[:-1]) / 2).sum() / 60) * flow.factor
    steps = np.diff(values)
    return float(steps[(steps >= 0) & (steps <= flow.most)].sum()) * flow.factor


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize("days_ago", [0, 100, 253])
def test_every_balance_closes_within_two_per_cent_on_every_day(economy: Economy, seed: int, days_ago: int) -> None:
    begin = START - days_ago * DAY
    amounts = {flow.id: amount(flow, begin, begin + DAY, seed) for flow in economy.flows.values()}
    for balance in economy.balances.values():
        assert abs(imbalance(economy, balance, amounts, begin, seed)) < 2.0, balance.id
    for flow in economy.flows.values():
        assert 0 < amounts[flow.id] / 24 < 0.6 * flow.most, flow.id
        if flow.usual:
            assert 0.5 < amounts[flow.id] / 24 / flow.usual < 1.5, flow.id


def imbalance(economy: Economy, balance: SiteBalance, amounts: dict[str, float], begin: int, seed: int) -> float:
    """Return what is missing, in % of what came in."""
    came, left = 0.0, 0.0
    for flow in economy.flows.values():
        if economy.kinds[flow.kind].of is not balance.of or flow.source == flow.target:
            continue
        much = amounts[flow.id] * balance.weights.get(flow.kind, 1.0)
        came += much if flow.target == balance.site else 0.0
        left += much if flow.source == balance.site else 0.0
    gained = 0.0
    for stock in balance.stocks:
        values = shown(BY_SERIES[stock.series], begin, begin + DAY, DAY, seed)
        gained += float(values[-1] - values[0]) * stock.factor
    return 100 * (came * (1 - balance.losses) - left - gained) / came


def test_balances_are_of_every_class(economy: Economy) -> None:
    assert {balance.of for balance in economy.balances.values()} == set(Class)


def test_stocks_do_not_grow_for_ever() -> None:
    for meter in METERS:
        if isinstance(meter.signal, Held):
            early, late = shown(meter, START - 600 * DAY, START - 570 * DAY), shown(meter, START, START + 30 * DAY)
            assert late.mean() == pytest.approx(early.mean(), rel=0.05)
            assert abs(sum(meter.signal.mix.values())) < 1e-9


def test_a_register_rolls_over_and_counts_on() -> None:
    meter = meter_of("nm-fresh-utilities")
    assert isinstance(meter.signal, Register)
    values = shown(meter, START, START + 30 * DAY)
    falls = np.flatnonzero(np.diff(values) < 0)
    assert 3 <= len(falls) <= 6
    for place in falls.tolist():
        assert values[place] > 9_990
        assert values[place + 1] < 10
    whole = Register(meter.signal.mix)
    ends = whole.many(np.array([START, START + 30 * DAY], np.float64), meter.series, Noise(1))
    assert len(falls) * 10_000 + values[-1] - values[0] == pytest.approx(ends[1] - ends[0])


def test_a_replaced_meter_begins_anew_where_the_configuration_says(economy: Economy) -> None:
    flow = economy.flows["nm-steam-polymer"]
    (replaced,) = flow.replacements
    before, after = (BY_SERIES[flow.meter].signal.at(t, flow.meter, Noise(3)) for t in (replaced.at - 1, replaced.at))
    assert before == pytest.approx(replaced.last, abs=0.001)
    assert after == pytest.approx(replaced.first, abs=0.001)
    assert START < replaced.at < START + DAY


def test_roofs_make_power_by_day_only_and_as_much_as_is_said() -> None:
    values = shown(meter_of("nm-solar"), START, START + DAY, HOUR)
    assert values[:6].max() == 0.0
    assert values[12] > 1_200
    mix = {"x/sun": 1.0}
    total = Register(mix).many(np.array([START, START + DAY], np.float64), "", Noise(0))
    assert total[1] - total[0] == pytest.approx(24.0, rel=0.01)


def test_many_values_at_once_are_those_one_by_one() -> None:
    park = SimulatedPark(3, START, INCIDENTS)
    t = np.arange(START, START + 3 * HOUR, 611_000, dtype=np.float64)
    for sensor in SENSORS:
        for channel in sensor.channels:
            alone = [park.value(sensor, channel, int(moment)) for moment in t]
            assert park.values(sensor, channel, t).tolist() == pytest.approx(alone, abs=1.5 * 10**-channel.digits)
    with pytest.raises(ValueError, match="speed at 1"):
        SimulatedPark(3, START, speed=2.0).values(SENSORS[0], SENSORS[0].channels[0], t)


def test_meters_keep_true_time_however_the_day_hurries() -> None:
    sensor = next(each for each in SENSORS if each.key == "riverside/utilities/meter-811")
    calm, hasty = SimulatedPark(1, START), SimulatedPark(1, START, speed=50.0)
    for t in (START, START + HOUR, START + 5 * HOUR):
        assert hasty.value(sensor, sensor.channels[0], t) == pytest.approx(calm.value(sensor, sensor.channels[0], t))


# --- a taker that stops ----------------------------------------------------------------------------------------------


def test_when_the_board_plant_stops_the_yard_takes_what_it_does_not() -> None:
    quiet, stopped = SimulatedPark(1, START), SimulatedPark(1, START, choose("taker-stopped"))
    belt, yard = (
        next(each for each in SENSORS if each.key == f"new-materials/hf-plant/{name}")
        for name in ("meter-1006", "stock-1091")
    )

    def both(sensor_of: SimulatedPark, minute: int) -> tuple[float, float]:
        t = START + minute * MINUTE
        return sensor_of.value(belt, belt.channels[0], t), sensor_of.value(yard, yard.channels[0], t)

    assert both(stopped, 9) == both(quiet, 9)
    for minute in (10, 25, 39):
        carried, held = both(stopped, minute)
        assert carried == 0.0
        assert held - both(quiet, minute)[1] == pytest.approx(9.0 * (minute - 10) / 60, abs=0.01)
    carried, _ = both(stopped, 70)
    assert carried == pytest.approx(1.5 * both(quiet, 70)[0], rel=0.01)
    assert both(stopped, 101) == both(quiet, 101)
    # What was missing is made up for.
    minutes = [both(stopped, minute)[0] - both(quiet, minute)[0] for minute in range(180)]
    assert sum(minutes) / 60_000 == pytest.approx(0.0, abs=0.5)


# --- what enterprises report -----------------------------------------------------------------------------------------


def test_the_demos_figures_are_what_an_import_takes(economy: Economy) -> None:
    report = reporting.read_table(monthly_figures(START), economy.figures, economy.enterprises, START)
    assert report.troubles == []
    assert report.doubts == []
    assert report.rows == 12 * (12 + 10)
    assert {each.enterprise for each in report.reported} == set(economy.enterprises)
    assert {each.figure for each in report.reported} == set(monthly_figures(START)[0]) - {"enterprise", "period"}
    assert {"tax", "sales", "value-added", "land", "energy", "pollutants", "rnd", "employees"} <= {
        each.figure for each in report.reported
    }


def test_what_enterprises_report_fits_what_is_metered(economy: Economy) -> None:
    report = reporting.read_table(monthly_figures(START), economy.figures, economy.enterprises, START)
    assert sum_of(report.reported, "haiyu-polymers", "value-added") < sum_of(report.reported, "haiyu-polymers", "sales")
    fresh = [flow for flow in economy.flows.values() if flow.kind == "fresh-water" and flow.zone == "new-materials"]
    water = sum(amount(flow, START, START + DAY, 1) for flow in fresh) * 300
    names = [name for name, each in economy.enterprises.items() if each.zone == "new-materials"]
    added = sum(sum_of(report.reported, name, "value-added") for name in names)
    assert 3 < water / added < 30, "m3 per 10k CNY, of the order that benchmarks speak of"


def sum_of(reported: list[Reported], enterprise: str, figure: str) -> float:
    """Return ten months of this year."""
    return sum(
        each.value
        for each in reported
        if (each.enterprise, each.figure) == (enterprise, figure) and each.begin > START - 330 * DAY
    )
