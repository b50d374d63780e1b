"""Line protocol: what a reading looks like, and that InfluxDB reads what we wrote."""

from __future__ import annotations

from ingest.lines import line, lines
from park.words import Quality
from storage.influx import Influx
from tests import servers
from tests.making import T0, reading, recently

HEAD = "reading,quantity=h2s,sensor=gd-01,site=unit-1,zone=north "


def test_usable_value_is_v() -> None:
    assert line(reading(0, 3.25)) == f'{HEAD}v=3.25,q="good" {T0}'
    assert line(reading(0, 3.0, quality=Quality.CLOCK)) == f'{HEAD}v=3.0,q="clock" {T0}'


def test_number_that_is_not_usable_is_raw() -> None:
    assert line(reading(0, -999.0, quality=Quality.FAILURE)) == f'{HEAD}raw=-999.0,q="failure" {T0}'


def test_no_number_is_a_quality_only() -> None:
    assert line(reading(0, None, quality=Quality.FAILURE)) == f'{HEAD}q="failure" {T0}'


def test_many_readings_are_one_line_each() -> None:
    assert lines([reading(0, 1.0), reading(1, 2.0)]).split(b"\n") == [
        line(reading(0, 1.0)).encode(),
        line(reading(1, 2.0)).encode(),
    ]
    assert lines([]) == b""


VALUES = [0.0, -0.0, 0.1, 1 / 3, 5e-324, 1e-7, 1e16, 1e22, 123456789.125, -1.7976931348623157e308, 1.5e300]


def test_influxdb_reads_every_number_and_quality_as_it_was_written(influx: servers.Influx, influx_db: str) -> None:
    client = Influx(influx.url, influx_db)
    client.ensure()
    start = recently()
    numbers = [reading(second, value, start) for second, value in enumerate(VALUES)]
    qualities = [reading(100 + n, 1.0, start, quality=quality) for n, quality in enumerate(Quality)]
    client.write(lines([*numbers, *qualities, reading(200, None, start, quality=Quality.FAILURE)]))
    client.close()
    rows = influx.query(influx_db, "SELECT v, raw, q, site, zone FROM raw.reading")
    assert [row["v"] for row in rows[: len(VALUES)]] == VALUES
    assert [row["time"] for row in rows[: len(VALUES)]] == [each.t for each in numbers]
    stored = {row["q"]: row["v"] is not None for row in rows[len(VALUES) : -1]}
    assert stored == {quality.value: quality.usable for quality in Quality}
    assert (rows[-1]["v"], rows[-1]["raw"], rows[-1]["q"]) == (None, None, "failure")
    assert {(row["site"], row["zone"]) for row in rows} == {("unit-1", "north")}
