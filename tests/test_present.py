"""How it stands now, as Grafana finds it in InfluxDB: sensors, zones, alarms, set-points, names."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from park.actions import Remove, Shelve
from park.words import Location, Names, Quality
from storage import names, stored
from storage.configuration import load
from storage.influx import Influx, InfluxUnavailable
from storage.present import Look, Named, PresentStore, SensorState, SetPointInForce, encode
from storage.states import ParkStates
from tests import servers
from tests.alerting import SERIES, StoppedClock, catalogue
from tests.conftest import ROOT
from tests.consoles import ALARM, Park
from workers import composing
from workers.present import LOOK_EVERY, SENSORS_EVERY, TERMS_EVERY, Present

SENSOR = SERIES.rpartition("/")[0]
ZONE, SITE, NAME, QUANTITY = SERIES.split("/")


class Always:
    """InfluxDB that is never left alone."""

    away = False

    def attempt(self, work: Callable[[], object]) -> bool:
        if not self.away:
            work()
        return not self.away


class Office:
    """The office's part, a park to put things into, and what Grafana would find."""

    def __init__(self, park: Park, influx: Influx) -> None:
        self.park = park
        self.influx = influx
        self.archive = Always()
        self.present = Present(park.client, influx)

    def look(self) -> bool:
        return self.present.look(self.park.catalogue, self.archive, self.park.clock.now())

    def points(self, measurement: str, where: str = "") -> list[dict[str, Any]]:
        """Every point with its tags and fields, oldest first."""
        found = self.influx.query(f'SELECT * FROM "{measurement}" {where and f"WHERE {where}"} ORDER BY time')
        return [dict(zip(each["columns"], row, strict=True)) for each in found for row in each["values"]]

    def latest(self, measurement: str, **tags: str) -> dict[str, Any]:
        where = " AND ".join(f"\"{tag}\" = '{value}'" for tag, value in tags.items())
        return self.points(measurement, where)[-1]


@pytest.fixture
def office(redis: servers.Redis, influx: servers.Influx, influx_db: str) -> Iterator[Office]:
    # InfluxDB has a clock of its own and would drop what is older than it keeps.
    park = Park(redis.url, StoppedClock(time.time_ns() // 1_000_000_000 * 1000), catalogue())
    with closing(Influx(influx.url, influx_db)) as made:
        made.ensure()
        yield Office(park, made)


def advance(office: Office, ms: int) -> None:
    office.park.clock.advance(ms)  # type: ignore[attr-defined]  # a clock that stands still until told


# --- sensors -----------------------------------------------------------------------------------------------------


def test_a_sensor_is_as_bad_as_its_worst_alarm(office: Office) -> None:
    office.park.describe(SENSOR, "氟化氢 1", "hydrogen fluoride 1")
    office.park.read(SERIES)
    office.look()
    normal = office.latest(names.STATE, sensor=NAME)
    assert (normal["rank"], normal["look"], normal["state"], normal["alarms"]) == (0, Look.NORMAL, "NORM", 0)
    assert (normal["quality"], normal["worst_zh"], normal["worst_en"]) == ("good", "", "")
    assert (normal["name_zh"], normal["name_en"]) == ("氟化氢 1", "hydrogen fluoride 1")
    assert normal[names.TAG_LOCATION] == "workplace"
    office.park.raise_alarm()
    advance(office, 1)
    assert office.look()
    high = office.latest(names.STATE, sensor=NAME)
    assert (high["rank"], high["look"], high["state"]) == (3, Look.HIGH, "UNACK")
    assert (high["alarms"], high["unacknowledged"]) == (1, 1)
    assert high["worst_en"] == "HF high 5.1 mg/m³"
    office.park.raise_alarm(level=2)
    advance(office, 1)
    office.look()
    assert office.latest(names.STATE, sensor=NAME)["look"] == Look.CRITICAL


def test_an_alarm_that_has_returned_waits_but_does_not_stand(office: Office) -> None:
    office.park.raise_alarm()
    office.park.raise_alarm(level=0, value=1.0)
    office.park.register(SENSOR)
    office.look()
    state = office.latest(names.STATE, sensor=NAME)
    assert (state["rank"], state["state"], state["alarms"], state["unacknowledged"]) == (0, "RTNUN", 0, 1)
    standing = office.latest(names.STANDING)
    assert (standing["state"], standing["stands"], standing["rank"]) == ("RTNUN", False, 3)


@pytest.mark.parametrize("aside", [Shelve(9_999_999_999_999), Remove()])
def test_what_was_put_aside_is_not_drawn_as_an_alarm_nor_as_normal(office: Office, aside: Shelve | Remove) -> None:
    office.park.raise_alarm()
    office.park.register(SENSOR)
    if isinstance(aside, Shelve):
        aside = Shelve(office.park.clock.now() + 3_600_000)
    states = ParkStates(office.park.client, office.park.catalogue)
    states.act(ALARM, aside, by="wang", why="calibration", now=office.park.clock.now())
    office.look()
    state = office.latest(names.STATE, sensor=NAME)
    assert (state["rank"], state["look"], state["state"], state["aside"]) == (0, Look.ASIDE, "ASIDE", 1)
    zone = office.latest(names.ZONE_STATE, zone=ZONE)
    assert (zone["rank"], zone["alarms"], zone["aside"]) == (0, 0, 1)


@pytest.mark.parametrize(
    ("quality", "ago", "shown", "look"),
    [
        (Quality.GOOD, 0, "good", Look.NORMAL),
        (Quality.FAILURE, 0, "failure", Look.UNUSABLE),
        (Quality.FUNCTION_CHECK, 0, "function-check", Look.UNUSABLE),
        (Quality.MAINTENANCE_REQUIRED, 0, "maintenance-required", Look.NORMAL),
        (Quality.GOOD, 10_000_000, "silent", Look.UNUSABLE),
    ],
)
def test_a_sensor_that_can_not_be_used_is_not_drawn_as_normal(
    office: Office, quality: Quality, ago: int, shown: str, look: Look
) -> None:
    office.park.read(SERIES, quality=quality, ago=ago)
    office.look()
    state = office.latest(names.STATE, sensor=NAME)
    assert (state["quality"], state["look"]) == (shown, look)


def test_sensors_are_written_when_they_change_and_every_five_minutes(office: Office) -> None:
    office.park.read(SERIES)
    office.park.read(SERIES.replace("hf-01", "hf-02"))
    assert office.look()
    assert not office.look()
    advance(office, LOOK_EVERY)
    office.park.read(SERIES)
    office.park.read(SERIES.replace("hf-01", "hf-02"), quality=Quality.FAILURE)
    assert office.look()
    written = [point["sensor"] for point in office.points(names.STATE)]
    assert sorted(written) == ["hf-01", "hf-02", "hf-02"]
    advance(office, SENSORS_EVERY)
    office.look()
    assert len(office.points(names.STATE)) == 5


def test_sensors_without_a_place_stand_around_their_site_and_apart(office: Office) -> None:
    known = {SENSOR.replace("hf-01", f"hf-{n:02}"): None for n in range(40)}
    for key in known:
        office.park.register(key)
    office.park.register(f"{ZONE}/{SITE}/placed", latitude=31.5, longitude=120.5)
    office.park.register(f"{ZONE}/nowhere/lost")
    office.look()
    points = office.points(names.STATE)
    places = {point["sensor"]: (point["lat"], point["lon"]) for point in points}
    assert places.pop("placed") == (31.5, 120.5)
    assert places.pop("lost") == (None, None)
    assert len(set(places.values())) == len(places) == 40
    site = office.park.catalogue.zones[ZONE].sites[SITE]
    assert all(abs(lat - site.latitude) < 0.002 and abs(lon - site.longitude) < 0.002 for lat, lon in places.values())
    assert {point["sensor"] for point in points if point["placed"]} == {"placed"}


# --- alarms and zones --------------------------------------------------------------------------------------------


def test_an_alarm_is_written_while_it_is_not_normal(office: Office) -> None:
    office.park.describe(SENSOR, "氟化氢 1", "hydrogen fluoride 1")
    office.park.raise_alarm()
    office.look()
    standing = office.latest(names.STANDING)
    assert standing["alarm"] == ALARM
    assert (standing[names.TAG_LIMIT], standing["state"], standing["rank"]) == ("hf-high", "UNACK", 3)
    assert (standing["value"], standing["unit"], standing["severity"]) == (5.1, "mg/m³", "high")
    assert standing["stands"] is True
    assert standing["sensor_zh"] == "氟化氢 1"
    assert standing["limit_en"]
    assert standing["age"] == 0
    advance(office, LOOK_EVERY)
    office.look()
    assert office.latest(names.STANDING)["age"] == 10
    office.park.raise_alarm(level=0, value=1.0, acknowledgement="none-needed")
    assert office.look()
    assert len(office.points(names.STANDING)) == 2


def test_a_zone_counts_its_alarms_and_its_silent_sensors(office: Office) -> None:
    office.park.raise_alarm()
    office.park.raise_alarm(SERIES.replace("hf-01", "hf-02"), level=2, value=9000.0)
    office.park.read(SERIES.replace("hf-01", "hf-03"))
    office.park.read(SERIES.replace("hf-01", "hf-04"), ago=10_000_000)
    office.look()
    zone = office.latest(names.ZONE_STATE, zone=ZONE)
    assert (zone["rank"], zone["alarms"], zone["critical"], zone["high"]) == (4, 2, 1, 1)
    assert (zone["sensors"], zone["silent"]) == (2, 1)
    assert zone["name_zh"] == office.park.catalogue.zones[ZONE].names.zh


def test_every_zone_tells_even_if_nothing_is_known_of_it(office: Office) -> None:
    office.look()
    assert {point["zone"] for point in office.points(names.ZONE_STATE)} == set(office.park.catalogue.zones)


def test_an_alarm_whose_limit_was_taken_out_is_still_shown(office: Office) -> None:
    office.park.raise_alarm()
    office.park.catalogue = dataclasses.replace(catalogue(), limits=())
    office.look()
    assert office.latest(names.STANDING)["limit_en"] == "hf-high"


# --- set-points and names ----------------------------------------------------------------------------------------


def test_set_points_in_force_are_in_the_unit_of_the_readings(office: Office) -> None:
    office.park.read(SERIES)
    office.look()
    points = {point["severity"]: point for point in office.points(names.SETPOINT, f"\"sensor\" = '{NAME}'")}
    limit = office.park.catalogue.limit("hf-high")
    assert {severity: point["at"] for severity, point in points.items()} == {
        point.severity: point.at for point in limit.set_points
    }
    assert points["high"]["unit"] == office.park.catalogue.quantities[QUANTITY].unit
    assert points["high"]["shown_unit"] == limit.unit
    assert points["high"]["shown"] == limit.shown(points["high"]["at"])
    assert (points["high"]["side"], points["high"]["span"]) == ("high", "value")


def test_set_points_and_names_are_written_every_hour_and_for_what_is_new(office: Office) -> None:
    office.park.read(SERIES)
    office.look()
    first = len(office.points(names.SETPOINT))
    assert first
    advance(office, LOOK_EVERY)
    office.look()
    assert len(office.points(names.SETPOINT)) == first
    office.park.read(SERIES.replace("hf-01", "hf-02"))
    advance(office, LOOK_EVERY)
    office.look()
    assert len(office.points(names.SETPOINT)) == 3 * first
    advance(office, TERMS_EVERY)
    office.look()
    assert len(office.points(names.SETPOINT)) == 5 * first


def test_a_variable_finds_texts_and_ids(office: Office) -> None:
    office.park.read(SERIES)
    office.look()
    text = f'SHOW TAG VALUES FROM "named" WITH KEY = "zh" WHERE "kind" = \'site\' AND "zone" = \'{ZONE}\''
    values = [row[1] for each in office.influx.query(text) for row in each["values"]]
    found = [re.fullmatch(r"(?P<text>.*)\|(?P<value>[^|]*)", value) for value in values]
    shown = {match["value"]: match["text"] for match in found if match}
    assert shown == {name: site.names.zh for name, site in office.park.catalogue.zones[ZONE].sites.items()}


def test_a_name_is_one_line_whatever_people_write() -> None:
    line = encode(Named("site", "a", Names("一|二\n三", "one\\ two")), 1)
    assert b"zh=\xe4\xb8\x80/\xe4\xba\x8c\\ \xe4\xb8\x89|a" in line
    assert b"\n" not in line.split(b" ", 1)[0]


def test_every_set_point_of_the_shipped_configuration_has_a_place() -> None:
    park = load(ROOT / "config")
    points: list[SetPointInForce] = []
    for location in Location:
        series = {
            f"{zone.name}/{site}/x-01/{quantity}": location
            for zone in park.zones.values()
            for site in zone.sites
            for quantity in park.quantities
        }
        points += composing.set_points(series, park, time.time_ns() // 1_000_000)
    spans = {point.span for point in points}
    assert {"value", "hour", "day", "rate"} <= spans
    assert all(encode(point, 1) for point in points)


# --- what is away ------------------------------------------------------------------------------------------------


def test_while_influxdb_is_away_nothing_counts_as_written(office: Office) -> None:
    office.park.read(SERIES)
    office.archive.away = True
    assert not office.look()
    office.archive.away = False
    assert office.look()
    assert office.points(names.STATE)


def test_a_point_that_will_never_be_taken_is_counted_and_the_others_are_written(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.influx.write(f'{names.STATE},sensor={NAME} rank="a text" {office.park.clock.now()}'.encode())
    office.park.read(SERIES)
    office.look()
    counts = stored.everything(office.park.client, names.COUNTERS)
    assert counts[b"present.rejected"] == b"1"
    assert "can't be kept" in caplog.text
    assert office.points(names.ZONE_STATE)


def test_an_influxdb_that_does_not_answer_is_told_to_the_caller() -> None:
    store = PresentStore(Influx("http://127.0.0.1:9", "park", timeout_ms=500))
    with pytest.raises(InfluxUnavailable):
        store.write([Named("site", "a", Names("a", "a"))], 1, lambda *_: None)


def test_a_state_has_all_its_fields_whatever_it_is() -> None:
    """``last()`` takes each field by itself: one that is left out would be shown as it was."""
    line = encode(_bare(), 1).decode()
    fields = set(re.findall(r"(?:^|,)(\w+)=", line.partition(" ")[2]))
    wanted = {"rank", "look", "state", "quality", "alarms", "unacknowledged", "aside", "placed", "seen"}
    assert wanted | {"name_zh", "name_en", "site_zh", "site_en", "worst_zh", "worst_en"} <= fields


def _bare() -> SensorState:
    nothing = Names("", "")
    return SensorState(
        *("z", "s", "n", "process", 0, Look.NORMAL, "NORM", "good", 0, 0, 0, nothing, nothing, nothing),
        *(None, None, False, 0),
    )
