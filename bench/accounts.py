"""A year of the simulated park's meters: settled, and turned into indicators, from what is stored of them.

    python -m bench.accounts
    python -m bench.accounts --days 30

An InfluxDB and a Redis of its own are filled with the readings of all meters first, every ten minutes, which is not
counted. Then the office's books are brought up to date, as fast as they can be; the office takes a slice of them every
ten seconds, so that a year takes it longer. At last readings of one day come late, and it is counted what that changes.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import redis
from rich.console import Console
from rich.table import Table

from field.history import Past
from park.catalogue import Catalogue
from park.means import DAY, HOUR, MINUTE, Span
from park.stretches import Length, stretch
from park.vector import Stretch
from park.words import Location
from storage import configuration, names, stored
from storage.backfill import Backfill
from storage.flows import Entries, FlowStore, note_late
from storage.indicators import IndicatorStore, StoredIndicator
from storage.influx import Influx
from storage.past import TIMEOUT
from storage.queue import redis_client
from tests import servers
from workers.accounts import SLICE
from workers.indicating import Indicating
from workers.settling import Settling, Slice

_CONFIG = Path(__file__).resolve().parent.parent / "config"
#: Hours of one day whose readings come late, of one meter.
_LATE = range(8 * HOUR, 14 * HOUR, HOUR)


class Books:
    """The books of a park, and what they took."""

    def __init__(self, client: redis.Redis, influx: Influx, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.client = client
        self.flows = FlowStore(influx)
        self.indicators = IndicatorStore(influx)
        self._indicating = Indicating(client, influx, self.flows)
        self._settling = Settling(client, self.flows, self._indicating.touched)
        self.slices: dict[str, list[float]] = {"flows": [], "indicators": []}

    def settle(self, now: int) -> float:
        """Settle all flows; return the seconds it took."""
        began = time.perf_counter()
        self._settle(now)
        while self._settling.behind is not None:
            self._settle(now)
        return time.perf_counter() - began

    def _settle(self, now: int) -> None:
        began = time.perf_counter()
        self._settling.work(self.catalogue.economy.flows, now, Slice(SLICE))
        self.slices["flows"].append(time.perf_counter() - began)

    def compute(self, now: int) -> float:
        """Compute all indicators that are due; return the seconds it took."""
        began = time.perf_counter()
        while not self.slices["indicators"] or self.client.hlen(names.INDICATORS_DUE):
            at = time.perf_counter()
            self._indicating.work(self.catalogue, now, None, Slice(SLICE))
            self.slices["indicators"].append(time.perf_counter() - at)
        return time.perf_counter() - began

    def kept(self, begin: int, end: int) -> dict[tuple[Length, int, str, str], StoredIndicator]:
        """Return all indicators that are kept, as one benchmark set judges them."""
        shown = self.catalogue.economy.benchmarks.shown
        return {
            (length, each.begin, each.indicator, each.scope.text): each
            for length in Length
            for each in self.indicators.read(length, begin - 366 * DAY, end, shown)
        }


def fill(influx: Influx, catalogue: Catalogue, begin: int, end: int, late: tuple[str, int]) -> tuple[int, Stretch]:
    """Write what all meters showed; return how many readings, and what the late meter showed on its late day."""
    past = Past(1, begin, end, incidents=())
    archive = Backfill(influx)
    withheld: Stretch | None = None
    meters = {flow.meter for flow in catalogue.economy.flows.values()}
    for sensor in past.sensors:
        for channel in sensor.channels if sensor.location is Location.METER else ():
            series = sensor.series(channel)
            told = past.stretch(sensor, channel, catalogue) if series in meters else None
            if told is None:
                continue
            if series == late[0]:
                missing = (told.t >= late[1] + _LATE.start) & (told.t < late[1] + _LATE.stop)
                withheld = Stretch(told.t[missing], told.value[missing], told.quality[missing])
                told = Stretch(told.t[~missing], told.value[~missing], told.quality[~missing])
            archive.readings(series, told)
    if withheld is None:
        raise SystemExit(f"no meter of the simulated park is {late[0]}")
    return archive.points, withheld


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--meter", default="", help="the one whose readings come late")
    asked = parser.parse_args()
    catalogue = configuration.load(_CONFIG)
    flows = catalogue.economy.flows
    meter = asked.meter or next(flow.meter for flow in flows.values() if flow.reads == "rate")
    now = Span.DAY.begin(int(datetime.now(UTC).timestamp() * 1000)) - DAY + 20 * MINUTE
    begin = Span.DAY.begin(now) - asked.days * DAY
    day = begin + (asked.days // 2) * DAY
    with _servers() as (client, influx):
        at = time.perf_counter()
        readings, withheld = fill(influx, catalogue, begin, now, (meter, day))
        filled = time.perf_counter() - at
        before, worked = _memory(), time.process_time()
        books = Books(client, influx, catalogue)
        settled, computed = books.settle(now), books.compute(now)
        memory, worked = _memory(), time.process_time() - worked
        # What still runs goes on changing.
        today = Span.DAY.begin(now)
        was_days = books.flows.entries(Span.DAY, begin, today, flows)
        was_hours = books.flows.entries(Span.HOUR, begin, today, flows)
        was = books.kept(begin, now)
        Backfill(influx).readings(meter, withheld)
        note_late(client, [day + hour for hour in _LATE], now, meter)
        again = books.settle(now + 2 * MINUTE) + books.compute(now + 2 * MINUTE)
        days = _changed(was_days, books.flows.entries(Span.DAY, begin, today, flows))
        hours = _changed(was_hours, books.flows.entries(Span.HOUR, begin, today, flows))
        after = books.kept(begin, now)
        stretches = {key[:2] for key in was.keys() | after.keys() if was.get(key) != after.get(key)}
        counters = stored.everything(client, names.COUNTERS)
    expected = {(length, stretch(length, day, now).begin) for length in Length}
    table = Table("", "", title=f"{len(flows)} flows, {asked.days} days")
    for name, value in (
        ("readings", f"{readings:,}"),
        ("written in (not counted)", f"{filled:.0f} s"),
        ("hours of flows settled", f"{int(counters[b'flows.settled']):,}"),
        ("settled in", f"{settled:.1f} s"),
        ("days, months and years of indicators", f"{int(counters[b'indicators.computed']):,}"),
        ("computed in", f"{computed:.1f} s"),
        ("of both, in this process", f"{worked:.1f} s"),
        *((f"slices of {name}, the longest", f"{len(all_)}, {max(all_):.2f} s") for name, all_ in books.slices.items()),
        ("memory of the process before, and at most", f"{before} MB, {memory} MB"),
        ("six hours of a meter late: made again in", f"{again:.2f} s"),
        ("hours, and days, of flows that changed", f"{len(hours)}, {len(days)}"),
        ("days, months and years of indicators that changed", ", ".join(sorted(each.value for each, _ in stretches))),
        ("exactly that day, its month and its year", "yes" if stretches == expected else f"no: {stretches}"),
    ):
        table.add_row(name, value)
    Console().print(table)


def _changed(before: Entries, after: Entries) -> set[tuple[str, int]]:
    keys = {(flow, t) for found in (before, after) for flow, kept in found.items() for t in kept}
    return {(flow, t) for flow, t in keys if before.get(flow, {}).get(t) != after.get(flow, {}).get(t)}


def _memory() -> int:
    """Return how much memory (MB) the process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@contextmanager
def _servers() -> Iterator[tuple[redis.Redis, Influx]]:
    with TemporaryDirectory() as folder:
        for name in ("influx", "redis"):
            Path(folder, name).mkdir()
        influx, queue = servers.Influx(Path(folder, "influx")), servers.Redis(Path(folder, "redis"))
        influx.start()
        queue.start()
        connection = Influx(influx.url, "bench", timeout_ms=TIMEOUT)
        connection.ensure()
        with redis_client(queue.url) as client:
            yield client, connection
        connection.close()
        influx.kill()
        queue.kill()


if __name__ == "__main__":
    main()
