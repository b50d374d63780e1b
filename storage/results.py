"""Means in InfluxDB: every closed block, kept for good, which is what dashboards and reports show.

A point is (series, statistic, beginning of the block), so a block that is made again takes the place of what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import redis

from park.means import Flag, Mean, Sample, Span
from park.readings import split_series
from park.statistics import Result, Statistic
from park.words import Quality
from storage import names, stored
from storage.influx import Influx, write_divided
from storage.keeping import StreamKeeper
from storage.lines import line

_RESULTS = msgspec.json.Decoder(dict[str, list[Result]])


def encode_result(series: str, result: Result) -> bytes:
    """Return the line (time in ms) of a result; without a value if nothing of the block was usable."""
    zone, site, sensor, quantity = split_series(series)
    tags = {
        names.TAG_ZONE: zone,
        names.TAG_SITE: site,
        names.TAG_SENSOR: sensor,
        names.TAG_QUANTITY: quantity,
        names.TAG_SPAN: result.statistic.value,
    }
    fields = {
        names.FIELD_VALUE: None if result.value is None else float(result.value),
        names.FIELD_VALID: result.valid,
        names.FIELD_SHARE: float(result.share),
        names.FIELD_COUNT: result.count,
        names.FIELD_FLAG: result.flag.value,
    }
    return line(names.MEAN, tags, fields, result.begin)


class Results:
    """Means in InfluxDB."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx

    def samples(self, series: str, begin: int, end: int) -> list[Sample]:
        """Return what was stored of ``series`` in ``begin <= t < end`` (ms), unusable values as such.

        Raises ``InfluxUnavailable`` or ``LinesRejected``.
        """
        text = (
            f"SELECT {names.FIELD_VALUE}, {names.FIELD_QUALITY} FROM {names.READING} "
            f"WHERE {_where(series)} AND time >= {begin}ms AND time < {end}ms"
        )
        return [
            Sample(int(t), float(value) if value is not None and Quality(quality).usable else None)
            for found in self._influx.query(text)
            for t, value, quality in found["values"]
        ]

    def hours(self, series: str, begin: int, end: int) -> list[Mean]:
        """Return the hour means that are kept of ``series`` and begin in ``begin <= t < end`` (ms). Raises as above."""
        text = (
            f"SELECT {names.FIELD_VALUE}, {names.FIELD_VALID} FROM {names.MEAN} WHERE {_where(series)} "
            f"AND {names.TAG_SPAN} = '{Statistic.HOUR.value}' AND time >= {begin}ms AND time < {end}ms"
        )
        found = self._influx.query(text, names.RETENTION_KEPT)
        return [
            Mean(Span.HOUR, int(t), value, bool(valid), 0, 0.0, None, None, 1.0, Flag.FINAL)
            for each in found
            for t, value, valid in each["values"]
        ]

    def write(self, lines: list[bytes], refused: list[str]) -> None:
        """Write lines; those that will never be taken are added to ``refused``. Raises ``InfluxUnavailable``."""
        if lines:
            write_divided(self._write, lines, lambda text, why: refused.append(f"{text}: {why}"))

    def _write(self, lines: bytes) -> None:
        self._influx.write(lines, names.RETENTION_KEPT)


class ResultKeeper(StreamKeeper):
    """Copies means from Redis to InfluxDB; counts ``results.kept``, ``results.lost``, ``results.rejected``."""

    def __init__(self, client: redis.Redis, results: Results) -> None:
        super().__init__(client, names.RESULTS, names.RESULTS_KEPT, "results")
        self._results = results

    def keep(self, entries: list[stored.StreamEntry], refused: list[str]) -> None:
        """Write the means of entries, many in each."""
        lines: list[bytes] = []
        for key, fields in entries:
            try:
                lines += _lines(_RESULTS.decode(fields[b"results"]))
            except msgspec.DecodeError as error:
                self.refuse(refused, f"{key} {fields!r}", str(error))
        self._results.write(lines, refused)


def _where(series: str) -> str:
    # Topic segments and configured names: nothing in them needs escaping.
    tags = (names.TAG_ZONE, names.TAG_SITE, names.TAG_SENSOR, names.TAG_QUANTITY)
    return " AND ".join(f"{tag} = '{value}'" for tag, value in zip(tags, split_series(series), strict=True))


def _lines(results: Mapping[str, Iterable[Result]]) -> list[bytes]:
    return [encode_result(series, result) for series, each in results.items() for result in each]
