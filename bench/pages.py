"""From the reading that crosses a limit to the page that has left: at rest, and with 500 alarms within 10 s.

    python -m bench.pages --runs 3

Everything runs on this machine, as in ``bench.whole``. A machine's webhook gets every page; a person's webhook gets
them as people do, grouped: the first at once, critical ones at once and alone, the rest together. The time of a page
counts from the publication of its reading to the arrival of the first message that names its alarm.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from bench.publisher import Load, Publisher, Sent
from bench.whole import ROOT, ZONES, Stage, percentile, stage
from tests.catchers import Caught
from tests.servers import eventually

CRITICAL, HIGH = 50.0, 12.0
"""mg/m³ of H2S: above the upper and the lower set-point of the default limit."""

WINDOW = 30.0
"""s in which pages gather, as configured by default."""

LOADS = {
    "at rest": (1.0, 30.0),
    "500 in 10 s": (50.0, 10.0),
}
"""Alarms per second, and seconds."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run: latencies in ms by who is told, pages that did not come, messages that the person got.

    ``first`` is the time (ms) from the first alarm to the first message to the person. In a flood ``person`` knows only
    of alarms that a summary lists, not of those it counts.
    """

    machine: list[float]
    person: list[float]
    first: float
    missing: int
    messages: int


@contextmanager
def on_call(url: str) -> Iterator[Path]:
    """Lend a configuration like the default one, with one person on call at a webhook."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config"
        _copy(ROOT / "config", config)
        contact = {"name": "hook", "kind": "webhook", "url": f"{url}/person"}
        roster = {
            "people": {"duty": {"names": {"zh": "值班", "en": "duty"}, "contacts": [contact]}},
            "chains": [{"id": "all", "names": {"zh": "全部", "en": "all"}, "steps": [{"tell": ["person:duty"]}]}],
        }
        with (config / "oncall.yaml").open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(roster, file)
        yield config


def _copy(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            copied = target / path.relative_to(source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(path.read_bytes())


def measure(running: Stage, run: int, value: float, load: tuple[float, float]) -> Result:
    """Let alarms be raised evenly and measure; nobody acknowledges."""
    rate, seconds = load
    publisher = Publisher(running.mosquitto.url)
    running.catcher.clear()
    sent = publisher.publish(Load(100, seconds, probes=rate, probe_value=value), ZONES, run)
    publisher.close()
    missing = _await(running, sent)
    requests = list(running.catcher.requests)
    people = [request for request in requests if request.path == "/person"]
    first = min(request.at for request in people) - min(sent.probes.values()) / 1e6
    return Result(_latencies(sent, _machine(requests)), _latencies(sent, _person(people)), first, missing, len(people))


def _await(running: Stage, sent: Sent) -> int:
    def told() -> tuple[int, int]:
        requests = list(running.catcher.requests)
        return len(_latencies(sent, _machine(requests))), len(_latencies(sent, _person(requests)))

    try:
        eventually(lambda: told()[0] == len(sent.probes), within=30, pause=0.2)
    except AssertionError:
        return len(sent.probes) - told()[0]
    # What has gathered leaves after the window; of a flood's summaries, the first.
    eventually(lambda: told()[1] > min(len(ZONES), len(sent.probes) - 1), within=2 * WINDOW, pause=0.2)
    return 0


def _machine(requests: Iterable[Caught]) -> dict[str, int]:
    """Return when each sensor's page arrived at the machine."""
    return {
        request.json["data"]["sensor"]: request.at
        for request in requests
        if request.path != "/person" and request.json["type"] == "alarm.raised"
    }


def _person(requests: Iterable[Caught]) -> dict[str, int]:
    """Return when each sensor was first named to the person."""
    arrived: dict[str, int] = {}
    for request in requests:
        if request.path == "/person":
            for sensor in _named(request.json["data"]):
                arrived.setdefault(sensor, request.at)
    return arrived


def _named(data: dict[str, Any]) -> list[str]:
    if "entries" in data:
        return [entry["alarm"].split(".")[2] for entry in data["entries"]]
    return [data["sensor"]]


def _latencies(sent: Sent, arrived: dict[str, int]) -> list[float]:
    return [arrived[name] - at / 1e6 for name, at in sent.probes.items() if name in arrived]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results: dict[str, list[Result]] = {}
    for name, load in LOADS.items():
        for kind, value in (("critical", CRITICAL), ("high", HIGH)):
            results[f"{name}, {kind}"] = [_run(run, value, load) for run in range(options.runs)]
    _print(results, as_json=options.json)


def _run(run: int, value: float, load: tuple[float, float]) -> Result:
    """One run on a service of its own, so that no flood of an earlier one lasts."""
    with stage(on_call) as running:
        # Connections warm up before anything is counted; then the person is left alone for as long as pages gather.
        measure(running, 1_000 + run, value, (1.0, 3.0))
        time.sleep(WINDOW)
        return measure(running, run, value, load)


def _print(results: dict[str, list[Result]], *, as_json: bool) -> None:
    rows = {name: _row(runs) for name, runs in results.items()}
    if as_json:
        sys.stdout.write(json.dumps(rows) + "\n")
        return
    table = Table("alarms", *next(iter(rows.values())))
    for name, row in rows.items():
        table.add_row(name, *(f"{value:.1f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=160 if not sys.stdout.isatty() else None).print(table)


def _row(runs: list[Result]) -> dict[str, float | int]:
    def middle(values: Iterable[float]) -> float:
        return round(statistics.median(values), 1)

    return {
        "machine p50 ms": middle(percentile(run.machine, 50) for run in runs),
        "machine p99 ms": middle(percentile(run.machine, 99) for run in runs),
        "person p50 ms": middle(percentile(run.person, 50) for run in runs),
        "person p99 ms": middle(percentile(run.person, 99) for run in runs),
        "person first ms": middle(run.first for run in runs),
        "messages to the person": round(statistics.median(run.messages for run in runs)),
        "pages lost": sum(run.missing for run in runs),
    }


if __name__ == "__main__":
    started = time.monotonic()
    main()
    sys.stderr.write(f"took {time.monotonic() - started:.0f} s\n")
