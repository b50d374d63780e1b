"""The demo, for tests of what Grafana shows: servers of its own, a past, all pieces, and the simulated park."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from field.reports import monthly_figures
from storage import names
from storage.clock import SystemClock
from tests.conftest import ROOT, environment_of
from tests.pieces import Spawn
from tests.servers import Influx, Mosquitto, Redis, Server, ServerError, eventually

DATABASE = "park"
PAST = "2d"
#: What has to be in InfluxDB before anybody looks, by policy.
_WANTED = {
    names.RETENTION_RAW: (
        *(names.READING, names.STATE, names.ZONE_STATE, names.STANDING, names.SETPOINT, names.NAMED, names.HEALTH),
        *(names.CHANNEL, names.LOAD, names.VOTE, names.NETWORK_NODE, names.NETWORK_EDGE),
    ),
    names.RETENTION_KEPT: (
        *(names.MEAN, names.TRANSITION, names.ALARM_KPI, names.FLOW, names.INDICATOR, names.EVALUATION),
        names.NETWORK_STAYING,
    ),
}
#: Seconds for all of it to come, and for a command; CI's machines are slow.
_PATIENCE = 300.0


class Demonstration:
    """Everything that ``scripts/run`` starts, but Grafana and the console, with ``past`` behind it."""

    def __init__(self, folder: Path, past: str = PAST) -> None:
        self._folder = folder
        self._past = past
        self._stack = ExitStack()
        self._spawn = Spawn()
        self.influx = Influx(_made(folder, "influx"))
        self._mosquitto, self._redis = Mosquitto(_made(folder, "mosquitto")), Redis(_made(folder, "redis"))
        self.environment: Mapping[str, str] = {}

    def __enter__(self) -> Self:
        for server in (self._mosquitto, self._redis, self.influx):
            self._start(server)
        self._stack.callback(self._spawn.end)
        home = _made(self._folder, "home")
        self.environment = environment_of(self._mosquitto, self._redis, self.influx, DATABASE, home)
        try:
            self._begin()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def piece(self, *arguments: str) -> None:
        """Start ``parkwatch ARGUMENTS``, to run until the end."""
        self._spawn(arguments, self.environment)

    def command(self, *arguments: str) -> str:
        """Run ``parkwatch ARGUMENTS`` and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "parkwatch", *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"parkwatch {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _begin(self) -> None:
        self.command("simulate", "--history", self._past)
        for shard in ("new-materials.0", "riverside.0"):
            self.piece("run", "worker", "--shard", shard)
        self.piece("run", "ingest", "--id", "0")
        for piece in ("beat", "office", "delivery", "watchdog"):
            self.piece("run", piece)
        self.piece("simulate")
        self._report()
        eventually(lambda: not self.missing(), within=_PATIENCE, pause=1.0, why=lambda: f"not there: {self.missing()}")

    def _report(self) -> None:
        figures = self._folder / "figures.csv"
        with figures.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(monthly_figures(SystemClock().now()))
        self.command("figures", "import", str(figures))
        self.command("evaluate")

    def missing(self) -> list[str]:
        """Return what is not there yet: measurements, balances of sites, and channels of sensors that came later.

        Channels are written once a minute; the first time may be before most sensors have registered.
        """
        wanted = [f'"{policy}"."{name}"' for policy, found in _WANTED.items() for name in found]
        balances = f'"{names.RETENTION_RAW}"."{names.READING}" WHERE "quantity" =~ /-imbalance$/'
        channels = [
            f'"{names.RETENTION_RAW}"."{names.CHANNEL}" WHERE "zone" = \'{zone}\' AND "quantity" = \'{quantity}\''
            for zone, quantity in (
                *(("new-materials", each) for each in ("hf", "lel", "level", "co")),
                *(("riverside", each) for each in ("cl2", "lel", "level", "benzene")),
            )
        ]
        return [each for each in (*wanted, balances, *channels) if not self._has(each)]

    def _has(self, measurement: str) -> bool:
        try:
            return bool(self.influx.query(DATABASE, f"SELECT * FROM {measurement} LIMIT 1"))
        except ServerError:
            return False

    def _start(self, server: Server) -> None:
        server.start()
        self._stack.callback(server.kill)


def _made(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


__all__ = ["DATABASE", "ROOT", "Demonstration"]
