"""A terminal to type ``parkwatch ...`` at, and readings that raise alarms to look at there."""

from __future__ import annotations

import json
import time
from typing import Any

import redis
from typer.testing import CliRunner, Result

from park.readings import Reading
from park.words import Quality
from parkwatch.cli import app
from storage import names
from storage.clock import SystemClock
from storage.configuration import load
from storage.states import encode_batch
from tests.conftest import ROOT
from tests.servers import eventually
from workers.evaluator import Evaluator

SHARD = "riverside.0"
SENSOR = "riverside/air-station/aq-1"
ALARM = "riverside.air-station.aq-1.no2.ambient-no2"


class Terminal:
    """Types ``parkwatch ...`` against servers of which only Redis runs."""

    def __init__(self, environment: dict[str, str], client: redis.Redis) -> None:
        self.environment = environment
        self.client = client
        # Wide enough for a table to keep its words in one line.
        self.columns = 250

    def __call__(self, *arguments: str, status: int = 0) -> str:
        """Run a command that ends with ``status``; return what it printed, both streams."""
        return self._run(*arguments, status=status).output

    def json(self, *arguments: str, status: int = 0) -> Any:
        """Run a command that prints JSON."""
        return json.loads(self._run(*arguments, "--json", status=status).stdout)

    def _run(self, *arguments: str, status: int) -> Result:
        environment = {**self.environment, "COLUMNS": str(self.columns)}
        result: Result = CliRunner().invoke(app, arguments, env=environment)
        assert result.exit_code == status, f"{result.output}\n{result.exception!r}"
        return result


def evaluate(parkwatch: Terminal, *values: float) -> None:
    """Hand NO2 readings (mg/m3) of ``SENSOR`` to the worker's evaluator, one after the other."""
    evaluator = Evaluator(parkwatch.client, load(ROOT / "config"), SHARD, SystemClock())
    for value in values:
        now = time.time_ns() // 1_000_000
        reading = Reading(f"{SENSOR}/no2", now, value, Quality.GOOD, now)
        parkwatch.client.rpush(names.inbox(SHARD), encode_batch([reading]))
        evaluator.drain()
        # Readings of the same event time may raise, never clear.
        eventually(lambda now=now: time.time_ns() // 1_000_000 > now)  # type: ignore[misc]
