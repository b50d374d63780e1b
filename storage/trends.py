"""The trend of one series from InfluxDB, in as many steps as a chart has room for."""

from __future__ import annotations

import msgspec

from park.readings import split_series
from park.words import Quality
from storage import names
from storage.influx import Influx, LinesRejected

STEPS = 360
"""Into how many steps a trend is cut."""


class Point(msgspec.Struct, frozen=True):
    """What a step holds: the least and greatest value (canonical unit), and how many readings were not good.

    ``t`` is the step's beginning (ms). ``low`` and ``high`` are ``None`` if no usable reading fell into it.
    """

    t: int
    low: float | None
    high: float | None
    bad: int = 0


class Trend(msgspec.Struct, frozen=True):
    """The steps that hold something, in order, from ``begin`` until ``end`` (ms), each ``step`` ms long."""

    begin: int
    end: int
    step: int
    points: tuple[Point, ...]


def trend(influx: Influx, series: str, begin: int, end: int) -> Trend:
    """Return the trend of ``series`` from ``begin`` until ``end`` (ms).

    Raises :class:`storage.influx.InfluxUnavailable`. A database that does not exist yet holds nothing.
    """
    step = max((end - begin) // STEPS, 1_000)
    begin -= begin % step
    values = _rows(influx, f"min({names.FIELD_VALUE}), max({names.FIELD_VALUE})", series, (begin, end, step))
    good = f"AND {names.FIELD_QUALITY} <> '{Quality.GOOD.value}'"
    doubtful = _rows(influx, f"count({names.FIELD_QUALITY})", series, (begin, end, step), good)
    low = {int(row[0]): row[1] for row in values}
    high = {int(row[0]): row[2] for row in values}
    bad = {int(row[0]): int(row[1]) for row in doubtful}
    times = sorted(low.keys() | {t for t, count in bad.items() if count})
    return Trend(begin, end, step, tuple(Point(t, low.get(t), high.get(t), bad.get(t, 0)) for t in times))


def _rows(influx: Influx, what: str, series: str, span: tuple[int, int, int], condition: str = "") -> list[list[float]]:
    zone, site, sensor, quantity = split_series(series)
    begin, end, step = span
    # All four are topic segments or configured names: nothing in them needs escaping.
    text = (
        f"SELECT {what} FROM {names.READING} WHERE {names.TAG_ZONE} = '{zone}' AND {names.TAG_SITE} = '{site}' "
        f"AND {names.TAG_SENSOR} = '{sensor}' AND {names.TAG_QUANTITY} = '{quantity}' "
        f"AND time >= {begin}ms AND time < {end}ms {condition} GROUP BY time({step}ms) fill(none)"
    )
    try:
        found = influx.query(text)
    except LinesRejected:
        # The first start: ingest makes the database with the first reading.
        return []
    return found[0]["values"] if found else []
