"""Hours whose readings came too late for them are made again from what is stored, and their day with them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import redis

from park import carrying
from park.carrying import FLOW, OLDEST
from park.catalogue import Catalogue
from park.means import DAY, HOUR, Flag, Method, Sample, Span, again, means_of
from park.methods import method_for
from park.statistics import Result, block_result
from storage import names, stored
from storage.directory import Directory
from storage.results import Results, encode_result

#: ms an hour waits after its first late reading: more of them may come, and ingest has to store them.
_SETTLE = 60_000
_AT_ONCE = 50


class Corrections:
    """Makes blocks again. Counts ``results.corrected``."""

    def __init__(self, client: redis.Redis, results: Results) -> None:
        self._client = client
        self._results = results
        self._directory = Directory(client)

    def work(self, catalogue: Catalogue, now: int) -> int:
        """Make again what has settled by ``now`` (ms); return how many hours, of which there may be more.

        Raises ``redis.RedisError`` or ``InfluxUnavailable``: then they wait.
        """
        noted = stored.everything(self._client, names.CORRECTIONS)
        due = [block for block, since in noted.items() if now - int(since) >= _SETTLE][:_AT_ONCE]
        for block in due:
            series, _, hour = block.decode().rpartition(" ")
            self._correct(series, int(hour), self._method(series, catalogue), now)
            self._client.hdel(names.CORRECTIONS, block)
            self._client.hincrby(names.COUNTERS, "results.corrected", 1)
        return len(due)

    def _correct(self, series: str, hour: int, method: Method, now: int) -> None:
        found = means_of(self._samples(series, hour, method), method)
        corrected = [_marked(block_result(mean)) for mean in found if mean.span is not Span.DAY]
        self._write(series, corrected)
        day = Span.DAY.begin(hour)
        if now >= day + DAY + method.allowance:
            hours = self._hours(series, day, method)
            slots = [(hour.value, hour.weight) for hour in hours]
            self._write(series, [block_result(again(Span.DAY, day, slots, method))])

    def _samples(self, series: str, hour: int, method: Method) -> list[Sample]:
        """Return what is stored of the hour, weighted by the flow if the means of the series are."""
        found = self._results.samples(series, hour, hour + HOUR)
        flow = self._flow(series, method)
        if flow is None:
            return found
        stored_flows = self._results.samples(flow, hour - OLDEST, hour + HOUR)
        if not stored_flows and not self._promises(flow):
            return found
        return _weighted(found, stored_flows)

    def _hours(self, series: str, day: int, method: Method) -> list[Sample]:
        """Return the hours of the day, weighted by the hours of the flow if the means of the series are."""
        found = [
            Sample(each.begin, each.value if each.valid else None)
            for each in self._results.hours(series, day, day + DAY)
        ]
        flow = self._flow(series, method)
        flows = self._results.hours(flow, day - OLDEST, day + DAY) if flow else ()
        return _weighted(found, (Sample(each.begin, each.value) for each in flows)) if flows else found

    def _flow(self, series: str, method: Method) -> str | None:
        """Return the series of the flow by which the means of ``series`` are weighted, if they are."""
        key, quantity = series.rsplit("/", 1)
        return f"{key}/{FLOW}" if method.strict and quantity != FLOW else None

    def _promises(self, flow: str) -> bool:
        sensor = self._directory.get(flow.rpartition("/")[0])
        return sensor is not None and FLOW in sensor.channels

    def _method(self, series: str, catalogue: Catalogue) -> Method:
        key, quantity = series.rsplit("/", 1)
        sensor, known = self._directory.get(key), catalogue.quantities[quantity]
        location = (sensor and sensor.location) or known.location
        return method_for(location, (sensor and sensor.interval) or catalogue.settings.interval)

    def _write(self, series: str, results: list[Result]) -> None:
        refused: list[str] = []
        self._results.write([encode_result(series, result) for result in results], refused)
        if refused:
            self._client.hincrby(names.COUNTERS, "results.rejected", len(refused))


def _weighted(samples: Iterable[Sample], flows: Iterable[Sample]) -> list[Sample]:
    known = tuple((flow.t, flow.value) for flow in flows if flow.value is not None)
    return [carrying.weighted(each.t, each.value, known) for each in samples]


def _marked(result: Result) -> Result:
    return msgspec.structs.replace(result, flag=Flag.CORRECTED)
