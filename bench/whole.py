"""The whole service under load: publish-to-webhook latency and CPU per reading, by process.

    python -m bench.whole --rates 100,1000,5000 --runs 3

Everything runs on this machine: broker, Redis, InfluxDB, ingest, a worker per zone, beat, delivery. The
publisher and the webhook catcher share its processors but are not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.publisher import Load, Publisher, Sent
from tests.catchers import Catcher
from tests.conftest import environment_of
from tests.pieces import Spawn
from tests.servers import Influx, Mosquitto, Redis, eventually

ROOT = Path(__file__).resolve().parent.parent
ZONES = ["new-materials", "riverside"]
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Result:
    """One run: latencies in ms, CPU in µs per reading by process, readings published per second."""

    latencies: list[float]
    cpu: dict[str, float]
    rate: float
    missing: int


class Stage:
    """The service, running."""

    def __init__(self, processes: dict[str, int], mosquitto: Mosquitto, catcher: Catcher) -> None:
        self.processes = processes
        self.mosquitto = mosquitto
        self.catcher = catcher
        self._runs = 0

    def measure(self, load: Load) -> Result:
        """Publish ``load`` and measure."""
        self._runs += 1
        publisher = Publisher(self.mosquitto.url)
        # Sensors register and connections warm up before anything is counted.
        publisher.publish(Load(load.rate, 3.0, load.sensors, 0, load.per_message), ZONES, self._runs)
        before, began = self._cpu(), time.perf_counter()
        sent = publisher.publish(load, ZONES, self._runs)
        took = time.perf_counter() - began
        missing = self._await(sent)
        after = self._cpu()
        publisher.close()
        cpu = {name: (after[name] - before[name]) / sent.readings * 1e6 for name in before}
        return Result(self._latencies(sent), cpu, sent.readings / took, missing)

    def _await(self, sent: Sent) -> int:
        try:
            eventually(lambda: len(self._latencies(sent)) == len(sent.probes), within=20, pause=0.2)
        except AssertionError:
            return len(sent.probes) - len(self._latencies(sent))
        return 0

    def _latencies(self, sent: Sent) -> list[float]:
        arrived = {
            request.json["data"]["sensor"]: request.at
            for request in list(self.catcher.requests)
            if request.json["type"] == "alarm.raised"
        }
        return [arrived[name] - at / 1e6 for name, at in sent.probes.items() if name in arrived]

    def _cpu(self) -> dict[str, float]:
        return {name: _cpu_seconds(pid) for name, pid in self.processes.items()}


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


Configuring = Callable[[str], AbstractContextManager[Path]]
"""Lends a configuration, given the address of the webhook catcher."""


@contextmanager
def stage(configuring: Configuring | None = None) -> Iterator[Stage]:
    """Start everything, with another configuration if there is one; stop everything."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        catcher = stack.enter_context(Catcher())
        servers = [kind(folder / kind.name) for kind in (Mosquitto, Redis, Influx)]
        for server in servers:
            server.folder.mkdir()
            server.start()
            stack.callback(server.kill)
        mosquitto, redis, influx = servers
        environment = environment_of(mosquitto, redis, influx, "park", folder / "home")  # type: ignore[arg-type]
        environment["PARKWATCH_WEBHOOK_URL"] = catcher.url
        if configuring:
            environment["PARKWATCH_CONFIG"] = str(stack.enter_context(configuring(catcher.url)))
        spawn = Spawn()
        stack.callback(spawn.end)
        pieces = {"ingest": spawn(["run", "ingest"], environment), "beat": spawn(["run", "beat"], environment)}
        for zone in ZONES:
            pieces[f"worker {zone}"] = spawn(["run", "worker", "--shard", f"{zone}.0"], environment)
        pieces["delivery"] = spawn(["run", "delivery"], environment)
        pieces["ingest"].wait_for("connected to the MQTT broker")
        for zone in ZONES:
            pieces[f"worker {zone}"].wait_for("is ready")
        processes = {server.name: server.pid for server in servers}
        processes |= {name: piece.pid for name, piece in pieces.items()}
        yield Stage(processes, mosquitto, catcher)  # type: ignore[arg-type]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", default="100,1000,5000")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--per-message", type=int, default=1)
    options = parser.parse_args()
    rates = [int(rate) for rate in options.rates.split(",")]
    with stage() as running:
        results = {
            rate: [
                running.measure(Load(rate, options.seconds, per_message=options.per_message))
                for _ in range(options.runs)
            ]
            for rate in rates
        }
    _print(results, options)


def _print(results: dict[int, list[Result]], options: argparse.Namespace) -> None:
    console = Console(width=160 if not sys.stdout.isatty() else None)
    names = list(next(iter(results.values()))[0].cpu)
    title = f"medians of {options.runs} runs of {options.seconds:g} s, {options.per_message} reading(s) per message"
    table = Table("readings/s", "p50 ms", "p99 ms", "lost", "CPU µs/reading", *names, title=title)
    for runs in results.values():
        cpu = {name: statistics.median(run.cpu[name] for run in runs) for name in names}
        table.add_row(
            f"{statistics.median(run.rate for run in runs):.0f}",
            f"{statistics.median(percentile(run.latencies, 50) for run in runs):.1f}",
            f"{statistics.median(percentile(run.latencies, 99) for run in runs):.1f}",
            str(sum(run.missing for run in runs)),
            f"{statistics.median(sum(run.cpu.values()) for run in runs):.0f}",
            *(f"{cpu[name]:.1f}" for name in names),
        )
    console.print(table)


def percentile(values: list[float], percent: int) -> float:
    """Return the smallest of ``values`` that so many per cent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else float("nan")


if __name__ == "__main__":
    main()
