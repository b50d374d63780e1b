"""The configuration of the network: its limits, and exchanges that could break without anybody being told."""

from __future__ import annotations

from pathlib import Path

import pytest

from park.flows import Class
from park.limits import Side
from park.network import LONGEST_ID, SUMS, exchange_sensor
from park.network_graph import tolerance
from park.words import Location
from storage.configuration import load
from tests.conftest import ROOT
from tests.test_configuration import SMALL, edit, problems

NOW = 1_790_000_000_000
DEFAULT = load(ROOT / "config")

FLOWS = """\
kinds:
  by-product: {names: {zh: 副产品, en: By-product}, unit: t, of: mass}
  colour: {names: {zh: 色度, en: Colour}, unit: pH}
flows:
  - id: given
    names: {zh: 副产品, en: By-product}
    kind: by-product
    from: riverside/tank-farm
    to: riverside/eo-plant
    meter: riverside/tank-farm/m-1/level
    reads: rate
    factor: 0.001
    most: 10
    usual: 2
"""


def site_limits(series: str) -> set[str]:
    return {limit.id for limit in DEFAULT.limits_for(series, Location.SYSTEM, NOW)}


@pytest.mark.parametrize("of", list(Class))
def test_every_balance_is_held_against_a_tolerance_on_both_sides(of: Class) -> None:
    series = f"riverside/eo-plant/balance/{of.value}-imbalance"
    assert site_limits(series) == {f"{of.value}-balance-missing", f"{of.value}-balance-surplus", "network-data"}
    low, high = tolerance(DEFAULT, series, NOW)
    assert low is not None
    assert high is not None
    assert low == -high


@pytest.mark.parametrize("what", SUMS.values())
def test_every_surplus_is_an_alarm_and_its_want_of_data_is_not_that_parkwatch_is_silent(what: str) -> None:
    limits = DEFAULT.limits_for(f"riverside/eo-plant/exchange-x/surplus-{what}", Location.SYSTEM, NOW)
    assert {limit.id for limit in limits} == {f"exchange-broken-{what}", "network-data"}
    broken = next(limit for limit in limits if limit.id != "network-data")
    assert (broken.side, broken.set_points[0].at, broken.deadband) == (Side.HIGH, 0.0, 0.0)
    assert broken.unit == {"mass": "t/h", "volume": "m3/h", "energy": "GJ/h"}[what]


def test_the_tolerance_of_what_has_no_limit_is_none() -> None:
    assert tolerance(DEFAULT, "riverside/parkwatch/watchdog/overdue-steps-x", NOW) == (None, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "flows.yaml").write_text(FLOWS, encoding="utf-8")
    works = "      eo-plant: {names: {zh: 环氧装置, en: EO plant}, latitude: 31.75, longitude: 120.98}\n"
    with (tmp_path / "zones.yaml").open("a", encoding="utf-8") as file:
        file.write(works)
    return tmp_path


def test_an_exchange_may_have_an_id_that_leaves_room_for_its_sensor(folder: Path) -> None:
    edit(folder, "flows.yaml", ("id: given", f"id: {'g' * LONGEST_ID}"))
    (flow,) = load(folder).economy.flows.values()
    assert len(exchange_sensor(flow).rpartition("/")[2]) == 63
    edit(folder, "flows.yaml", ("id: g", "id: gg"))
    (told,) = problems(folder)
    assert f"write at most {LONGEST_ID} characters" in told.message
    assert told.line == FLOWS.splitlines().index("  - id: given") + 1


def test_an_exchange_whose_surplus_has_no_unit_is_told(folder: Path) -> None:
    edit(folder, "flows.yaml", ("kind: by-product", "kind: colour"))
    (told,) = problems(folder)
    assert "a surplus of colour can't be told in pH; leave usual out" in told.message
    assert told.line == FLOWS.splitlines().index("    usual: 2") + 1
    edit(folder, "flows.yaml", ("    usual: 2\n", ""))
    assert load(folder).economy.flows["given"].usual is None
