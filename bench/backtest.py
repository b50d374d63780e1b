"""Backtest of 20 million readings: 500 sensors, 28 days of minutes.

    python -m bench.backtest
    python -m bench.backtest --sensors 10 --engine     # every reading through the engine, none skipped
    python -m bench.backtest --sensors 50 --stored     # from an InfluxDB of its own, which is filled first

The history is made up as it is asked for (its making is not counted), two weeks of one sensor at a time, so what memory
there is belongs to the backtest. Each sensor wanders about its mean, with shifts in which it is near or beyond the
set-points. Every run compares two sets of limits, one a fifth stricter than the other.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.limits import CATALOGUES, catalogue_of
from ingest.lines import lines
from park.backtest import Backtest, Park, Report, Subject
from park.means import DAY, MINUTE
from park.sensors import Sensor
from park.vector import Stretch
from park.words import Location
from storage.influx import Influx
from storage.past import TIMEOUT, StoredPast
from tests import servers

BEGIN = 1_767_196_800_000  # 2026-01-01, China's
_AT_ONCE = 20_160


class History:
    """Made-up sensors; ``made`` is how many seconds their making took."""

    def __init__(self, sensors: int, days: int) -> None:
        self.subjects = [Subject(f"north/unit-1/gd-{n}/h2s", Location.WORKPLACE, MINUTE) for n in range(sensors)]
        self.end = BEGIN + days * DAY
        self.made = 0.0

    def stretches(self, seed: int) -> Iterator[Stretch]:
        """Yield the readings of one sensor."""
        chance, level = np.random.default_rng(seed), 5.0
        for begin in range(BEGIN, self.end, _AT_ONCE * MINUTE):
            began = time.perf_counter()
            t = np.arange(begin, min(self.end, begin + _AT_ONCE * MINUTE), MINUTE, dtype=np.int64)
            shifts = np.repeat(chance.exponential(1.2, len(t) // 480 + 1), 480)[: len(t)]
            values = np.maximum(0.0, level * shifts * 0.5 + chance.normal(0.0, 0.6, len(t)))
            stretch = Stretch(t, values, np.zeros(len(t), np.int8))
            self.made += time.perf_counter() - began
            yield stretch


class Stored:
    """The same sensors, in an InfluxDB that is filled with them first."""

    def __init__(self, influx: Influx, history: History) -> None:
        self.subjects, self.end, self.made = history.subjects, history.end, 0.0
        sensors = {
            subject.series.rsplit("/", 1)[0]: Sensor("", 0, interval=MINUTE, location=Location.WORKPLACE)
            for subject in history.subjects
        }
        self._past = StoredPast(influx, sensors, MINUTE, BEGIN, history.end)
        influx.ensure()
        for seed, subject in enumerate(history.subjects):
            for stretch in history.stretches(seed):
                readings = (stretch.reading(subject.series, index) for index in range(len(stretch)))
                influx.write(lines(readings))

    def stretches(self, seed: int) -> Iterator[Stretch]:
        """Yield the readings of one sensor."""
        return self._past.stretches(self.subjects[seed])


def run(name: str, history: History | Stored, *, skip: bool) -> tuple[Report, float]:
    """Run one catalogue beside its stricter copy; return what came of it and the seconds it took."""
    history.made = 0.0
    test = Backtest(Park(catalogue_of(name), BEGIN), Park(catalogue_of(name, tightened=0.8), BEGIN), skip=skip)
    began = time.perf_counter()
    for seed, subject in enumerate(history.subjects):
        test.run(subject, history.stretches(seed), history.end)
    took = time.perf_counter() - began - history.made
    return test.report(BEGIN, history.end, lambda _: 1), took


def main() -> None:
    """Run every catalogue and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sensors", type=int, default=500)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--limits", default=",".join(CATALOGUES), help=f"of {', '.join(CATALOGUES)}")
    parser.add_argument("--engine", action="store_true", help="skip nothing")
    parser.add_argument("--stored", action="store_true", help="read the history from InfluxDB")
    asked = parser.parse_args()
    with ExitStack() as stack:
        history: History | Stored = History(asked.sensors, asked.days)
        if asked.stored:
            history = Stored(stack.enter_context(_influxdb()), History(asked.sensors, asked.days))
        Console().print(_table(history, asked.limits.split(","), skip=not asked.engine))


@contextmanager
def _influxdb() -> Iterator[Influx]:
    with TemporaryDirectory() as folder:
        server = servers.Influx(Path(folder))
        server.start()
        connection = Influx(server.url, "bench", timeout_ms=TIMEOUT)
        yield connection
        connection.close()
        server.kill()


def _table(history: History | Stored, names: list[str], *, skip: bool) -> Table:
    table = Table("limits", "readings", "occurrences", "s", "M readings/s", "peak MiB")
    for name in names:
        report, took = run(name, history, skip=skip)
        verdicts = [each for row in report.rows for each in (row.in_force, row.new) if each]
        occurrences = sum(each.outcome.occurrences for each in verdicts)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        speed = report.readings / took / 1e6
        table.add_row(name, f"{report.readings:,}", f"{occurrences:,}", f"{took:.1f}", f"{speed:.2f}", f"{peak:.0f}")
    return table


if __name__ == "__main__":
    main()
