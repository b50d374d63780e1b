"""The history in a CSV file, as what would have been made of it had it been sent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from field.recording import Recording
from field.replay_map import Column
from park import units
from park.backtest import Subject
from park.catalogue import Catalogue
from park.grading import grade
from park.vector import CODES, Stretch, ordered


class RecordedPast:
    """The series of a recording; a row is a reading of every column in which it has a value.

    ``begin`` and ``end`` (ms, half open) cut out a part; left out they are the beginning and the end of the file, which
    goes on for one interval after its latest row.
    """

    def __init__(
        self, recording: Recording, catalogue: Catalogue, begin: int | None = None, end: int | None = None
    ) -> None:
        self._recording = recording
        self._catalogue = catalogue
        self.begin = min(recording.times) if begin is None else begin
        self.end = max(recording.times) + recording.map.interval if end is None else end

    def subjects(self, zone: str | None = None) -> list[Subject]:
        """Return the series, those of ``zone`` only if one is given."""
        own = self._recording.map
        series = (_series(column) for column in own.columns)
        return [Subject(name, own.location, own.interval) for name in series if zone in {None, name.split("/", 1)[0]}]

    def pieces(self, subject: Subject) -> int:
        """Return how many stretches there will be."""
        del subject
        return 1

    def stretches(self, subject: Subject) -> Iterator[Stretch]:
        """Yield the readings of a series."""
        columns = self._recording.map.columns
        place = next(place for place, column in enumerate(columns) if _series(column) == subject.series)
        column = columns[place]
        quantity = self._catalogue.quantities[column.quantity]
        conversion = units.conversion(quantity, column.own.unit, self._recording.map.location)
        t: list[int] = []
        values: list[float] = []
        quality: list[int] = []
        for at, row in zip(self._recording.times, self._recording.rows, strict=True):
            value = row[place]
            if value is None or not self.begin <= at < self.end:
                continue
            t.append(at)
            values.append(conversion.canonical(value))
            quality.append(CODES[grade(value, column.own.minimum, column.own.maximum, quantity.sentinels)])
        yield ordered(np.array(t, np.int64), np.array(values, np.float64), np.array(quality, np.int8))


def _series(column: Column) -> str:
    return f"{column.sensor}/{column.quantity}"
