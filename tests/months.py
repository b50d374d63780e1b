"""A simulated month, as the office would have left it in InfluxDB: means, journal, amounts of flows, figures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import redis

from field.history import Past, write
from field.plant import SENSORS, SimulatedSensor
from field.reports import monthly_figures
from park import reporting
from park.alarms import Event, Notify, State, alarm_id
from park.catalogue import Catalogue
from park.flows import Flow
from park.means import DAY, Flag, Span
from park.metering import course, portions, readings
from park.network import exchange_sensor, surplus_of
from park.sensors import Sensor
from park.statistics import Result, Statistic
from park.vector import Stretch
from park.words import Location, Names
from storage.backfill import Backfill
from storage.configuration import load
from storage.directory import Directory
from storage.flows import Entry, FlowStore, encode_entry
from storage.influx import Influx
from storage.reported import ReportedStore
from tests.alerting import transition

CHINA = dt.timezone(dt.timedelta(hours=8))
CONFIG = Path(__file__).resolve().parent.parent / "config"


def china(year: int, month: int, day: int = 1, hour: int = 0) -> int:
    """Return a moment (ms) in the park's time."""
    return round(dt.datetime(year, month, day, hour, tzinfo=CHINA).timestamp() * 1000)


Bend = Callable[[str, Iterable[Result]], Iterable[Result]]
"""What becomes of the means of a series before they are kept."""


def as_it_was(series: str, results: Iterable[Result]) -> Iterable[Result]:
    """Leave the means as the simulated park made them."""
    del series
    return results


class _Archive(Backfill):
    """Keeps means and journal, and in memory what meters showed: what a report asks for is made of it."""

    def __init__(self, influx: Influx, meters: Iterable[str], bend: Bend) -> None:
        super().__init__(influx)
        self._meters = frozenset(meters)
        self._bend = bend
        self.shown: dict[str, Stretch] = {}

    def results(self, series: str, results: Iterable[Result]) -> None:
        super().results(series, self._bend(series, results))

    def readings(self, series: str, stretch: Stretch) -> None:
        if series in self._meters:
            self.shown[series] = stretch


def configured() -> Catalogue:
    """Return the configuration that ships."""
    return load(CONFIG)


def register(client: redis.Redis, sensors: Sequence[SimulatedSensor], registered: int) -> None:
    """Let the directory know the sensors, as their descriptors would have told it."""
    directory = Directory(client)
    for each in sensors:
        told = Sensor(
            key=each.key,
            registered=registered,
            names=Names(each.names.zh, each.names.en),
            interval=each.interval,
            location=each.location,
            described=True,
        )
        directory.put(told)


def live(
    influx: Influx,
    client: redis.Redis,
    catalogue: Catalogue,
    span: tuple[int, int],
    sensors: Sequence[SimulatedSensor] = SENSORS,
    bend: Bend = as_it_was,
) -> None:
    """Let the simulated park live from ``span[0]`` until ``span[1]`` (ms)."""
    begin, end = span
    influx.ensure()
    register(client, sensors, begin)
    flows = catalogue.economy.flows
    archive = _Archive(influx, (flow.meter for flow in flows.values()), bend)
    write(Past(1, begin, end, sensors=sensors), catalogue, archive, lambda _done, _all: None)
    lines = [line for flow in flows.values() for line in _days(flow, archive.shown.get(flow.meter), begin, end)]
    refused: list[str] = []
    FlowStore(influx).write(lines, refused)
    assert not refused
    report_figures(influx, catalogue, end)


def report_figures(influx: Influx, catalogue: Catalogue, now: int) -> None:
    """Let every enterprise report its months until ``now`` (ms)."""
    economy = catalogue.economy
    report = reporting.read_table(monthly_figures(now), economy.figures, economy.enterprises, now)
    assert not report.troubles
    ReportedStore(influx).add(report.reported, now, "test", "figures.csv", "0")


def _days(flow: Flow, shown: Stretch | None, begin: int, end: int) -> Iterable[bytes]:
    if shown is None:
        return
    through = course(readings(shown.t.tolist(), shown.value.tolist()), flow)
    first = Span.DAY.begin(begin + DAY - 1)
    bounds = range(first, Span.DAY.begin(end) + 1, DAY)
    for portion in portions(through, tuple(bounds)):
        yield encode_entry(flow, Span.DAY, Entry(portion, Flag.FINAL))


# --- a month in which something happened -------------------------------------------------------------------------

COD = "riverside/outfall/out-901/cod"
#: 12 and 13 October: nothing came. 20: above the limit of 50, made again from late data. 21: too little of the day.
GAP = (china(2026, 10, 12), china(2026, 10, 14))
BEYOND, HALF = china(2026, 10, 20), china(2026, 10, 21)
PEAK = 57.5
BROKEN_AT, MENDED_AT = china(2026, 10, 8, 9), china(2026, 10, 8, 15)


def troubled(series: str, results: Iterable[Result]) -> Iterable[Result]:
    """Bend October at the Yangtze outfall."""
    if series != COD:
        return results
    return [_bent(each) for each in results if not GAP[0] <= each.begin < GAP[1]]


def _bent(result: Result) -> Result:
    if result.statistic is Statistic.DAY and result.begin == BEYOND:
        return msgspec.structs.replace(result, value=PEAK, flag=Flag.CORRECTED)
    if result.begin == HALF and result.statistic is Statistic.DAY:
        return msgspec.structs.replace(result, valid=False, count=11, share=11 / 24)
    return result


def break_exchange(influx: Influx, catalogue: Catalogue, flow: str) -> None:
    """Let the taker of ``flow`` stop on 8 October from 9 to 15 o'clock, as the journal tells it."""
    found = catalogue.economy.flows[flow]
    kind = catalogue.economy.kinds[found.kind]
    surplus = surplus_of(kind)
    assert surplus
    series = f"{exchange_sensor(found)}/{surplus[0]}"
    (limit, *_) = catalogue.limits_for(series, Location.SYSTEM, BROKEN_AT)
    told = {
        "series": series,
        "alarm": alarm_id(series, limit.id),
        "limit": limit.id,
        "unit": limit.unit,
        "source": limit.source,
        "clause": limit.clause,
        "priority": limit.set_points[0].priority,
        "set_point": limit.set_points[0].at,
        "value": found.usual,
    }
    raised = transition(Event.RAISED, t=BROKEN_AT, at=BROKEN_AT, **told)
    taken = transition(Event.ACKNOWLEDGED, t=BROKEN_AT, at=BROKEN_AT + 300_000, notify=Notify.NONE, **told)
    back = transition(Event.RETURNED, **{**told, "t": MENDED_AT, "at": MENDED_AT, "after": State.NORM})
    Backfill(influx).journal([raised, taken, back])
