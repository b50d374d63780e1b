"""Writing a past into InfluxDB, past all queues: readings in bulk, means, and the journal. Nothing is evaluated here.

All of it is idempotent: the same past written again changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice

from park.alarms import Transition
from park.readings import split_series
from park.statistics import Result
from park.vector import QUALITIES, Stretch
from storage import names
from storage.history import encode_entry
from storage.influx import Influx
from storage.results import encode_result

#: Lines in one request.
_LINES = 10_000


class Backfill:
    """Writes a past; ``points`` counts what was written.

    Everything raises :class:`storage.influx.InfluxUnavailable` or :class:`storage.influx.LinesRejected`; what was
    written until then can be written again.
    """

    def __init__(self, influx: Influx) -> None:
        self._influx = influx
        self.points = 0

    def readings(self, series: str, stretch: Stretch) -> None:
        """Write readings of a series, as ingest would have."""
        self._write((text.encode() for text in reading_lines(series, stretch)), names.RETENTION_RAW)

    def results(self, series: str, results: Iterable[Result]) -> None:
        """Write means of a series, as the office would have."""
        self._write((encode_result(series, result) for result in results), names.RETENTION_KEPT)

    def journal(self, transitions: Iterable[Transition]) -> None:
        """Write entries of the journal; those of the same ms come in the order of their alarms."""
        # In this order the same past has the same ids, however long it is.
        ordered = sorted(transitions, key=lambda each: (each.at, each.alarm))
        self._write(_entries(ordered), names.RETENTION_KEPT, "ns")

    def _write(self, lines: Iterator[bytes], policy: str, precision: str = "ms") -> None:
        while batch := list(islice(lines, _LINES)):
            self._influx.write(b"\n".join(batch), policy, precision)
            self.points += len(batch)


def reading_lines(series: str, stretch: Stretch) -> Iterator[str]:
    """Yield the lines (times in ms) of readings: ``v`` if they are usable, ``raw`` if they are numbers that are not."""
    zone, site, sensor, quantity = split_series(series)
    head = (
        f"{names.READING},{names.TAG_QUANTITY}={quantity},{names.TAG_SENSOR}={sensor},"
        f"{names.TAG_SITE}={site},{names.TAG_ZONE}={zone} "
    )
    for t, value, code in zip(stretch.t.tolist(), stretch.value.tolist(), stretch.quality.tolist(), strict=True):
        quality = QUALITIES[code]
        said = f'{names.FIELD_QUALITY}="{quality.value}"'
        if not math.isnan(value):
            said = f"{names.FIELD_VALUE if quality.usable else names.FIELD_RAW}={value!r},{said}"
        yield f"{head}{said} {t}"


def _entries(transitions: Iterable[Transition]) -> Iterator[bytes]:
    latest, sequence = -1, 0
    for transition in transitions:
        sequence = sequence + 1 if transition.at == latest else 0
        latest = transition.at
        yield encode_entry(f"{transition.at}-{sequence}", transition)
