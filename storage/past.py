"""Stored readings, series by series and some days at a time, so that a long history needs little memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from park.backtest import Subject
from park.means import DAY, DAY_BEGINS
from park.readings import split_series
from park.sensors import Sensor
from park.vector import CODES, NOTHING, Stretch
from park.words import Quality
from storage import names
from storage.influx import Influx

#: Readings that one query asks for, about; one day at least.
ROWS = 100_000
#: What InfluxDB is given to answer (ms).
TIMEOUT = 60_000

_CODES: dict[str, int] = {quality.value: code for quality, code in CODES.items()}
_UNKNOWN = CODES[Quality.FAILURE]
_TAGS = (names.TAG_ZONE, names.TAG_SITE, names.TAG_SENSOR, names.TAG_QUANTITY)


class StoredPast:
    """What InfluxDB keeps from ``begin`` until ``end`` (ms). ``sensors`` are those that are registered, by their key.

    Everything raises :class:`storage.influx.InfluxUnavailable` if it does not answer, and
    :class:`storage.influx.LinesRejected` if it will not.
    """

    def __init__(self, influx: Influx, sensors: Mapping[str, Sensor], interval: int, begin: int, end: int) -> None:
        self._influx = influx
        self._sensors = sensors
        self._interval = interval
        self.begin = begin
        self.end = end

    def subjects(self, zone: str | None = None) -> list[Subject]:
        """Return the series that have readings, those of ``zone`` only if one is given."""
        # Every reading has a quality. Zones are configured names: nothing in them needs escaping.
        found = self._select(
            f"last({names.FIELD_QUALITY})",
            f"{names.TAG_ZONE} = '{zone}' AND " if zone else "",
            (self.begin, self.end),
            f"GROUP BY {', '.join(_TAGS)}",
        )
        series = sorted("/".join(each["tags"][tag] for tag in _TAGS) for each in found)
        return [self._subject(name) for name in series]

    def stretches(self, subject: Subject) -> Iterator[Stretch]:
        """Yield the readings of a series in order; one stretch for each query, empty where there is nothing."""
        zone, site, sensor, quantity = split_series(subject.series)
        where = (
            f"{names.TAG_ZONE} = '{zone}' AND {names.TAG_SITE} = '{site}' AND {names.TAG_SENSOR} = '{sensor}' "
            f"AND {names.TAG_QUANTITY} = '{quantity}' AND "
        )
        for span in self.spans(subject):
            found = self._select(f"{names.FIELD_VALUE}, {names.FIELD_QUALITY}", where, span)
            yield _stretch(found[0]["values"]) if found else NOTHING

    def pieces(self, subject: Subject) -> int:
        """Return how many stretches there will be."""
        return len(self.spans(subject))

    def spans(self, subject: Subject) -> list[tuple[int, int]]:
        """Return the spans (ms, half open) in which :meth:`stretches` asks for a series: whole days of China's."""
        days = max(1, ROWS * (subject.interval or self._interval) // DAY)
        found, begin = [], self.begin
        while begin < self.end:
            after = min(self.end, begin - (begin + DAY_BEGINS) % DAY + days * DAY)
            found.append((begin, after))
            begin = after
        return found

    def _subject(self, series: str) -> Subject:
        sensor = self._sensors.get(series.rsplit("/", 1)[0])
        return Subject(series, sensor.location, sensor.interval) if sensor else Subject(series)

    def _select(self, what: str, where: str, span: tuple[int, int], then: str = "") -> list[dict[str, Any]]:
        begin, end = span
        text = f"SELECT {what} FROM {names.READING} WHERE {where}time >= {begin}ms AND time < {end}ms {then}"
        return self._influx.select(text)


def _stretch(rows: list[list[Any]]) -> Stretch:
    t, values, quality = zip(*rows, strict=True)
    # What has no number becomes NaN.
    return Stretch(
        np.array(t, np.int64),
        np.array(values, np.float64),
        np.array([_CODES.get(each, _UNKNOWN) for each in quality], np.int8),
    )
