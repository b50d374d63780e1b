"""The simulated park's network: quiet while it is quiet, and broken where the taker has stopped, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from field.incidents import INCIDENTS, Incident
from field.plant import SENSORS
from field.simulated import SimulatedPark
from park.flows import Amount, Flow
from park.metering import Readings, course, portions
from park.network import HOUR, State, concerned, habit, watched, whole_hours
from park.network_graph import Picture, edges, nodes, picture
from storage.configuration import load
from tests.conftest import ROOT

CATALOGUE = load(ROOT / "config")
ECONOMY = CATALOGUE.economy
MINUTE = 60_000
START = 1_795_406_400_000
STOPPED = next(incident for incident in INCIDENTS if incident.name == "taker-stopped")
BY_SERIES = {sensor.series(channel): (sensor, channel) for sensor in SENSORS for channel in sensor.channels}


@dataclass
class Days:
    """A park whose incident, if any, began at ``START``, as it is seen at ``now`` (ms)."""

    now: int
    incidents: tuple[Incident, ...] = ()

    def __post_init__(self) -> None:
        self._park = SimulatedPark(1, START - STOPPED.offset, self.incidents)

    def read(self, series: str, t: np.ndarray) -> np.ndarray:
        sensor, channel = BY_SERIES[series]
        found: np.ndarray = self._park.values(sensor, channel, t.astype(np.float64)) / channel.per_canonical
        return found

    def amounts(self, flow: Flow, bounds: list[int], step: int) -> list[Amount]:
        t = np.arange(bounds[0] - step, bounds[-1] + 1, step, dtype=np.int64)
        through = course(Readings(t, self.read(flow.meter, t)), flow)
        return [portion.of(flow.id) for portion in portions(through, bounds)]

    def picture(self) -> Picture:
        begins = whole_hours(self.now)
        bounds = [*begins, begins[-1] + HOUR]
        hours = {name: self.amounts(flow, bounds, 10 * MINUTE) for name, flow in ECONOMY.flows.items()}
        stocks = {stock.series for balance in ECONOMY.balances.values() for stock in balance.stocks}
        levels = {
            (series, t): float(value)
            for series in stocks
            for t, value in zip(bounds, self.read(series, np.array(bounds, np.int64)), strict=True)
        }
        late = {
            name: self.amounts(ECONOMY.flows[name], [self.now - span, self.now], MINUTE)[0]
            for name, span in concerned(ECONOMY).items()
        }
        return picture(
            CATALOGUE,
            self.now,
            hours={(name, each.begin): each for name, found in hours.items() for each in found},
            levels=levels,
            late=late,
            habits={name: habit(ECONOMY.flows[name], found, []) for name, found in hours.items()},
        )


@pytest.mark.parametrize("hour", [3, 9, 20])
def test_on_a_quiet_day_every_exchange_is_well_and_every_balance_closes(hour: int) -> None:
    found = Days(START + hour * HOUR + 20 * MINUTE).picture()
    assert len(found.exchanges) >= 12
    assert {name: each.state for name, each in found.exchanges.items() if each.state is not State.WELL} == {}
    unwell = [name for name in found.balances if found.balance_state(name) is not State.WELL]
    assert unwell == [], [found.balances[name] for name in unwell]


def test_where_the_taker_has_stopped_its_exchange_is_broken_and_no_other_and_no_balance() -> None:
    found = Days(START + 20 * MINUTE, (STOPPED,)).picture()
    broken = {name: each for name, each in found.exchanges.items() if each.state is not State.WELL}
    (stopped,) = broken.values()
    assert (stopped.flow, stopped.state) == ("nm-gypsum-to-board", State.BROKEN)
    assert stopped.surplus == pytest.approx(9.0, rel=0.2)
    assert all(found.balance_state(name) is State.WELL for name in found.balances)
    after = Days(START + 40 * MINUTE, (STOPPED,)).picture()
    assert after.exchanges["nm-gypsum-to-board"].state is State.WELL


def test_the_graph_of_the_simulated_park_holds_together() -> None:
    found = Days(START + 5 * HOUR).picture()
    shown = edges(CATALOGUE, found)
    ends = {node.id for node in nodes(CATALOGUE, found, shown)}
    assert all({edge.source, edge.target} <= ends for edge in shown)
    assert {flow.id for flow in watched(ECONOMY)} <= {edge.id for edge in shown}
    for node in nodes(CATALOGUE, found, shown):
        assert sum(node.arcs.values()) == pytest.approx(1.0)
        assert all(node.title.get(language) for language in ("zh", "en"))
