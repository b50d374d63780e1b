"""Trends from a real InfluxDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingest.lines import lines
from park.readings import Reading
from park.words import Quality
from storage.influx import Influx, InfluxUnavailable
from storage.trends import STEPS, trend
from tests.making import recently
from tests.servers import Influx as InfluxServer

SERIES = "north/unit-1/gd-01/h2s"
HOUR = 3_600_000


@pytest.fixture
def server(influx: InfluxServer, influx_db: str) -> Iterator[Influx]:
    connection = Influx(influx.url, influx_db)
    yield connection
    connection.close()


def put(server: Influx, *readings: tuple[int, float | None, Quality]) -> None:
    server.ensure()
    server.write(lines(Reading(SERIES, t, value, quality, t) for t, value, quality in readings))


def test_a_trend_holds_the_least_and_greatest_of_each_step_and_what_was_not_good(server: Influx) -> None:
    end = recently()
    begin = (end - HOUR) // 10_000 * 10_000
    put(
        server,
        (begin + 1_000, 3.0, Quality.GOOD),
        (begin + 2_000, 9.0, Quality.GOOD),
        (begin + 600_000, 5.0, Quality.MAINTENANCE_REQUIRED),
        (begin + 700_000, 500.0, Quality.FAILURE),
        (begin + 800_000, None, Quality.FAILURE),
        (begin - 60_000, 1.0, Quality.GOOD),
    )
    found = trend(server, SERIES, begin, begin + HOUR)
    assert found.step == HOUR // STEPS
    assert [(point.t - begin, point.low, point.high, point.bad) for point in found.points] == [
        (0, 3.0, 9.0, 0),
        (600_000, 5.0, 5.0, 1),
        (700_000, None, None, 1),
        (800_000, None, None, 1),
    ]


def test_another_series_is_not_in_it(server: Influx) -> None:
    end = recently()
    put(server, (end - 60_000, 3.0, Quality.GOOD))
    assert trend(server, SERIES.replace("gd-01", "gd-02"), end - HOUR, end).points == ()


def test_a_database_that_is_not_there_yet_holds_nothing(server: Influx) -> None:
    end = recently()
    assert trend(server, SERIES, end - HOUR, end).points == ()


def test_influx_away_is_told() -> None:
    with pytest.raises(InfluxUnavailable):
        trend(Influx("http://127.0.0.1:9", "park"), SERIES, 0, HOUR)
