"""A shard at work, for tests of its evaluator: batches in, sweeps by a clock that stands, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import redis

from park.actions import Action
from park.alarms import State, Transition, alarm_id
from park.catalogue import Catalogue
from park.readings import Reading
from storage import names
from storage.directory import Directory
from storage.states import Done, ParkStates, ShardStates, encode_batch
from tests.making import SERIES, SHARD, T0, StoppedClock, catalogue, quality_limit, sensor, two_levels
from workers.evaluator import Evaluator

LIMIT = two_levels()
QUALITY = quality_limit()
CATALOGUE = catalogue(LIMIT, QUALITY)
ALARM = alarm_id(SERIES, LIMIT.id)
OTHER = "north/unit-1/gd-02/h2s"


class Shift:
    """A shard at work, by a clock that stands until told."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.park = CATALOGUE
        self.clock = StoppedClock(T0)
        self.directory = Directory(client)
        for series in (SERIES, OTHER):
            self.directory.register(sensor(series.rpartition("/")[0]))
        self.evaluator = self.worker()

    def worker(self, park: Catalogue = CATALOGUE, rebuild: Callable[[], Sequence[Reading]] = tuple) -> Evaluator:
        """Return a new worker of the shard, as after a restart."""
        return Evaluator(self.client, park, SHARD, self.clock, rebuild)

    def restarts(self, park: Catalogue = CATALOGUE, rebuild: Callable[[], Sequence[Reading]] = tuple) -> None:
        """Begin anew: what was in memory only is gone."""
        self.park = park
        self.evaluator = self.worker(park, rebuild)

    def put(self, *readings: Reading) -> None:
        """Put one batch into the inbox."""
        self.client.rpush(names.inbox(SHARD), encode_batch(readings))

    def hears(self, *readings: Reading) -> list[str]:
        """Put a batch into the inbox, evaluate it, and say what came of it."""
        self.put(*readings)
        return self._new(self.evaluator.drain)

    def sweeps(self, second: float, *, hearing: bool = True) -> list[str]:
        """Sweep at ``T0`` plus ``second`` and say what came of it."""
        self.clock.time = T0 + round(second * 1000)
        if hearing:
            self.beats()
        return self._new(self.evaluator.sweep)

    def beats(self, *, connected: bool = True) -> None:
        """Let an ingest process give its sign of life."""
        state = msgspec.json.encode({"at": self.clock.now(), "connected": connected})
        self.client.set(names.heartbeat("ingest.0"), state)

    def journal(self) -> list[Transition]:
        """Everything journalled, oldest first."""
        return self.states.journal(0, 100_000)[::-1]

    @property
    def states(self) -> ParkStates:
        """The park as the console sees it."""
        return ParkStates(self.client, self.park)

    def acknowledge(self, version: int = 1) -> State:
        now = self.clock.now()
        return self.states.acknowledge(ALARM, occurrence=1, version=version, by="li", comment="", now=now).state

    def acts(self, action: Action, alarm: str = ALARM) -> Done:
        """Let a person act on an alarm now."""
        return self.states.act(alarm, action, by="li", why="work permit 7", now=self.clock.now())

    def shown(self) -> dict[str, State]:
        """Alarms that are not normal."""
        return {each.alarm: each.state for each in self.states.alarms()}

    def record_t(self, series: str = SERIES) -> int:
        """Event time of the newest reading, as Redis knows it."""
        return ShardStates(self.client, SHARD).load([series])[series].record.t

    def _new(self, work: Callable[[], int]) -> list[str]:
        before = len(self.journal())
        work()
        return [f"{each.event.value} {each.severity}" for each in self.journal()[before:]]
