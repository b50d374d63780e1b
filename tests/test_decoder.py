"""From payload to readings: what is taken, as what, and what is refused with the way to write it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoder import MAX_PAYLOAD, Decoder
from park.catalogue import Catalogue
from park.grading import CLOCK_TOLERANCE
from park.readings import Reading
from park.sensors import Channel, Sensor
from park.topics import GatewayState, Meta, Rejected, Values
from park.words import Location, Quality
from storage.names import RETENTION_RAW_DAYS
from tests.making import SENSOR, SERIES, T0, catalogue, many, sensor

TOPIC = f"park/{SERIES}"
SENSOR_TOPIC = f"park/{SENSOR}"
DAY = 86_400_000
PPM = 34.08 / 24.055  # mg/m³ at 20 °C
CATALOGUE = catalogue()


@dataclass
class Heard:
    """A decoder, the sensors it knows and those it asked for."""

    catalogue: Catalogue = CATALOGUE
    sensors: dict[str, Sensor] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.decoder = Decoder(self.catalogue, self._peek, self._register)

    def __call__(self, payload: bytes | str | object, topic: str = TOPIC, received: int = T0) -> list[Reading]:
        """Decode a payload; anything but bytes and text is written as JSON first."""
        if not isinstance(payload, bytes | str):
            payload = json.dumps(payload)
        raw = payload.encode() if isinstance(payload, str) else payload
        place = self.decoder.address(topic)
        assert isinstance(place, Values)
        return self.decoder.readings(place, raw, received)

    def _peek(self, key: str) -> Sensor:
        self.asked.append(key)
        return self._register(key)

    def _register(self, key: str) -> Sensor:
        return self.sensors.setdefault(key, sensor(key))


def only(readings: list[Reading]) -> Reading:
    """Return the one reading there is."""
    (found,) = readings
    return found


def rejection(payload: bytes | str | object, topic: str = TOPIC, heard: Heard | None = None) -> Rejected:
    """Return the rejection that the payload gets."""
    with pytest.raises(Rejected) as rejected:
        (heard or Heard())(payload, topic)
    return rejected.value


# --- forms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ("3.2", 3.2),
        ("3", 3.0),
        (" 3.2\r\n", 3.2),
        ("-0.0", 0.0),
        ("1e2", 100.0),
        ("1.5E-3", 0.0015),
        ("5e-324", 5e-324),
        ('{"v": 3.2}', 3.2),
        ('{"v": 3}', 3.0),
        ('{"q": "good", "u": "mg/m3", "t": null, "v": 3.2}', 3.2),
        ('[{"v": 3.2}]', 3.2),
        ('{"v":1,"v":3.2}', 3.2),
    ],
)
def test_number(payload: str, value: float) -> None:
    assert Heard()(payload) == [Reading(SERIES, T0, value, Quality.GOOD, T0)]


@pytest.mark.parametrize(
    "payload",
    [
        "null",
        "NaN",
        "nan",
        "-nan",
        "Infinity",
        "-Infinity",
        "inf",
        "+inf",
        "1e400",
        "-1e400",
        '{"v": null}',
        '{"v": NaN}',
        '{"v": -Infinity, "q": "good"}',
        '{"v": 1e999}',
        '[{"v": NaN}]',
    ],
)
def test_no_number_is_a_failure_and_never_a_rejection(payload: str) -> None:
    assert Heard()(payload) == [Reading(SERIES, T0, None, Quality.FAILURE, T0)]


def test_many_quantities_in_one_message() -> None:
    found = Heard()({"t": T0 - 1000, "v": {"h2s": 3, "temperature": None}}, SENSOR_TOPIC)
    assert found == [
        Reading(f"{SENSOR}/h2s", T0 - 1000, 3.0, Quality.GOOD, T0),
        Reading(f"{SENSOR}/temperature", T0 - 1000, None, Quality.FAILURE, T0),
    ]


def test_array_keeps_its_order() -> None:
    found = Heard()([{"t": T0 - 3000, "v": {"h2s": 1}}, {"t": T0 - 2000, "v": {"h2s": 2}}], SENSOR_TOPIC)
    assert [(each.t, each.value) for each in found] == [(T0 - 3000, 1.0), (T0 - 2000, 2.0)]


@pytest.mark.parametrize(("payload", "topic"), [("[]", TOPIC), ('{"v": {}}', SENSOR_TOPIC), ("[]", SENSOR_TOPIC)])
def test_nothing_in_a_message_is_no_reading(payload: str, topic: str) -> None:
    assert Heard()(payload, topic) == []


@pytest.mark.parametrize(
    ("payload", "topic", "code"),
    [
        ("", TOPIC, "malformed"),
        ("three", TOPIC, "malformed"),
        ("{", TOPIC, "malformed"),
        ('{"v": 1,}', TOPIC, "malformed"),
        ("3.2 ppm", TOPIC, "malformed"),
        ("3,2", TOPIC, "malformed"),
        ("+3", TOPIC, "malformed"),
        ("0x10", TOPIC, "malformed"),
        (b"\xff\xfe\x00", TOPIC, "malformed"),
        (b'{"v": "\xc3\x28"}', TOPIC, "malformed"),
        (b"\x00", TOPIC, "malformed"),
        ("1" * 5000, TOPIC, "malformed"),
        ("[" * 100_000, TOPIC, "malformed"),
        ('{"v":' * 20_000, TOPIC, "malformed"),
        ('"3.2"', TOPIC, "type"),
        ("true", TOPIC, "type"),
        ("1" * 400, TOPIC, "type"),
        ('"\\ud800"', TOPIC, "type"),
        ('{"v": "3.2"}', TOPIC, "type"),
        ('{"v": true}', TOPIC, "type"),
        ('{"v": [3.2]}', TOPIC, "type"),
        ('{"v": {"h2s": {"v": 1}}}', SENSOR_TOPIC, "type"),
        ('{"v": {"h2s": "1"}}', SENSOR_TOPIC, "type"),
        ('{"t": 1750000000000}', TOPIC, "type"),
        ("{}", TOPIC, "type"),
        ('{"v": 1, "value": 2}', TOPIC, "type"),
        ('{"v": 1, "\\ud800": 2}', TOPIC, "type"),
        ('{"v": 1, "t": true}', TOPIC, "type"),
        ('{"v": 1, "t": [1]}', TOPIC, "type"),
        ('{"v": 1, "u": 3}', TOPIC, "type"),
        ('{"v": 1, "q": 192}', TOPIC, "type"),
        ("[1, 2]", TOPIC, "type"),
        ('[[{"v": 1}]]', TOPIC, "type"),
        ('[{"v": 1}, null]', TOPIC, "type"),
        ('{"v": {"h2s": 1}}', TOPIC, "type"),
        ("3.2", SENSOR_TOPIC, "type"),
        ('{"v": 1, "u": {"h2s": "ppm"}}', TOPIC, "type"),
        ('{"v": {"h2s": 1}, "u": "ppm"}', SENSOR_TOPIC, "type"),
        ('{"v": 1, "q": "excellent"}', TOPIC, "quality"),
        ('{"v": 1, "q": "GOOD"}', TOPIC, "quality"),
        ('{"v": {"h2ss": 1}}', SENSOR_TOPIC, "quantity"),
        ('{"v": {"\\ud800": 1}}', SENSOR_TOPIC, "quantity"),
        ('{"v": 1, "u": "furlong"}', TOPIC, "unit"),
        ('{"v": 1, "u": "\\ud800"}', TOPIC, "unit"),
        ('{"v": {"h2s": 1}, "u": {"h2s": "furlong"}}', SENSOR_TOPIC, "unit"),
    ],
)
def test_rejected_with_code_reason_and_fix(payload: bytes | str, topic: str, code: str) -> None:
    rejected = rejection(payload, topic)
    assert rejected.code == code
    assert rejected.reason
    assert rejected.fix
    assert len(str(rejected)) < 1000
    for said in (rejected.reason_zh, rejected.fix_zh):
        assert re.search("[\u4e00-\u9fff]", said), said


def test_one_bad_part_rejects_the_whole_message() -> None:
    rejection({"v": {"h2s": 1, "h2ss": 2}}, SENSOR_TOPIC)
    rejection([{"v": {"h2s": 1}}, {"v": {"h2s": 1}, "t": "yesterday"}], SENSOR_TOPIC)


def test_too_large() -> None:
    heard = Heard()
    largest = b"3.2".ljust(MAX_PAYLOAD)
    assert only(heard(largest)).value == 3.2
    rejected = rejection(largest + b" ", heard=heard)
    assert (rejected.code, str(MAX_PAYLOAD) in rejected.fix) == ("too-large", True)
    assert rejection(b"x" * 1024 * 1024).code == "too-large"


def test_reason_of_a_huge_word_is_short() -> None:
    for payload in ({"v": 1, "u": "p" * 200_000}, {"v": 1, "q": "g" * 200_000}, {"v": 1, "t": "2" * 200_000}):
        rejected = rejection(payload)
        assert len(rejected.reason) + len(rejected.fix) < 1000
    rejected = rejection({"v": {"h" * 200_000: 1}}, SENSOR_TOPIC)
    assert len(rejected.reason) + len(rejected.fix) < 1000


# --- places ------------------------------------------------------------------------------------------------------


def test_address() -> None:
    decoder = Heard().decoder
    assert decoder.address(TOPIC) == Values("north", "unit-1", "gd-01", "h2s")
    assert decoder.address(f"{SENSOR_TOPIC}/$meta") == Meta("north", "unit-1", "gd-01")
    assert decoder.address("park/north/gw-1/$state") == GatewayState("north", "gw-1")


@pytest.mark.parametrize(
    ("topic", "code", "says"),
    [
        ("park/nrth/unit-1/gd-01/h2s", "zone", "north, south"),
        ("park/nrth/unit-1/gd-01/$meta", "zone", "north, south"),
        ("park/nrth/gw-1/$state", "zone", "north, south"),
        (f"{SENSOR_TOPIC}/h2ss", "quantity", "did you mean h2s?"),
        (f"{SENSOR_TOPIC}/temperatur", "quantity", "did you mean temperature?"),
        (f"{SENSOR_TOPIC}/xyz", "quantity", "config/quantities.yaml"),
        (f"{SENSOR_TOPIC}/H2S", "topic", "a-z"),
        (b"park/north/unit-1/gd-01/\xff", "topic", "a-z"),
    ],
)
def test_unknown_place_is_rejected_with_what_was_meant(topic: str | bytes, code: str, says: str) -> None:
    heard = Heard()
    for _ in range(2):  # the second time it is remembered
        with pytest.raises(Rejected) as rejected:
            heard.decoder.address(topic)
        assert rejected.value.code == code
        assert says in rejected.value.fix


def test_unknown_quantity_in_a_payload_says_what_was_meant() -> None:
    assert "did you mean h2s?" in rejection({"v": {"h2ss": 1}}, SENSOR_TOPIC).fix


def test_sensor_is_asked_for_once_until_its_descriptor_changes() -> None:
    heard = Heard()
    heard("1")
    heard("2")
    assert heard.asked == [SENSOR]
    heard.decoder.forget(SENSOR)
    heard("3")
    assert heard.asked == [SENSOR, SENSOR]


def test_unknown_quantity_asks_for_no_sensor() -> None:
    heard = Heard()
    rejection({"v": {"h2ss": 1}}, SENSOR_TOPIC, heard)
    assert heard.asked == []


# --- time --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (T0, T0),
        (T0 - 1, T0 - 1),
        (float(T0) + 0.6, T0),
        ("2025-06-15T15:06:40Z", T0),
        ("2025-06-15T15:06:40+00:00", T0),
        ("2025-06-15T23:06:40+08:00", T0),
        ("2025-06-15T23:06:40.250+08:00", T0 + 250),
        ("2025-06-15T09:36:40-05:30", T0),
        ("2025-06-15 15:06:40Z", T0),
        (None, T0),
        (T0 + CLOCK_TOLERANCE, T0 + CLOCK_TOLERANCE),
        (T0 - RETENTION_RAW_DAYS * DAY, T0 - RETENTION_RAW_DAYS * DAY),
    ],
)
def test_event_time(t: float | str | None, expected: int) -> None:
    found = only(Heard()({"v": 1, "t": t}))
    assert (found.t, found.quality, found.received) == (expected, Quality.GOOD, T0)


@pytest.mark.parametrize(
    ("t", "says"),
    [
        ("2025-06-15T15:06:40", "append Z"),
        ("2025-06-15", "append Z"),
        ("yesterday", "2026-01-01T08:00:00+08:00"),
        ("", "2026-01-01T08:00:00+08:00"),
        (str(T0), "2026-01-01T08:00:00+08:00"),
        ("2025-13-01T00:00:00Z", "2026-01-01T08:00:00+08:00"),
        ("2025-06-15T15:06:40+99:00", "2026-01-01T08:00:00+08:00"),
        (T0 // 1000, "milliseconds"),
        (T0 / 1000, "milliseconds"),
        (0, "milliseconds"),
        (-1, "milliseconds"),
        ("0001-01-01T00:00:00+14:00", "milliseconds"),
        (T0 + DAY + 1, "clock"),
        (T0 * 1000, "clock"),
        ("9999-12-31T23:59:59-14:00", "clock"),
        (1e300, "clock"),
        (T0 - RETENTION_RAW_DAYS * DAY - 1, "not kept"),
    ],
)
def test_absurd_time_is_rejected(t: float | str, says: str) -> None:
    rejected = rejection({"v": 1, "t": t})
    assert rejected.code == "time"
    assert says in rejected.fix


@pytest.mark.parametrize("t", ["1e400", "-1e400"])
def test_infinite_time_is_rejected(t: str) -> None:
    assert rejection(f'{{"v": 1, "t": {t}}}').code == "time"


@pytest.mark.parametrize("ahead", [CLOCK_TOLERANCE + 1, DAY])
def test_clock_that_runs_ahead_is_replaced_by_ours_and_told(ahead: int) -> None:
    found = only(Heard()({"v": 1, "t": T0 + ahead}))
    assert (found.t, found.value, found.quality) == (T0, 1.0, Quality.CLOCK)


def test_late_is_what_comes_later_than_the_settings_allow() -> None:
    heard = Heard(catalogue(late_after=60_000))
    assert only(heard({"v": 1, "t": T0 - 60_000})).late is False
    assert only(heard({"v": 1, "t": T0 - 60_001})).late is True
    assert [each.late for each in heard([{"v": 1, "t": T0 - 99_000}, {"v": 1}])] == [True, False]


# --- unit, range, quality ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "sent", "value"),
    [
        ("mg/m3", 10.0, 10.0),
        ("mg/m³", 10.0, 10.0),
        ("MG/M3", 10.0, 10.0),
        ("µg/m3", 10_000.0, 10.0),
        ("ppm", 10.0, 10 * PPM),
        ("ppb", 10_000.0, 10 * PPM),
        ("%LEL", 1.0, 400 * PPM),
    ],
)
def test_unit_is_converted(unit: str, sent: float, value: float) -> None:
    found = only(Heard()({"v": sent, "u": unit}))
    assert found.value == pytest.approx(value)
    assert found.quality is Quality.GOOD


def test_units_by_quantity() -> None:
    found = Heard()({"v": {"h2s": 10, "temperature": 68}, "u": {"temperature": "°F"}}, SENSOR_TOPIC)
    assert [each.value for each in found] == pytest.approx([10.0, 20.0])


def test_described_unit_holds_unless_the_message_says_another() -> None:
    heard = Heard(sensors={SENSOR: sensor(channels={"h2s": Channel(unit="ppm")})})
    assert only(heard("10")).value == pytest.approx(10 * PPM)
    assert only(heard({"v": 10, "u": "mg/m3"})).value == 10.0
    assert only(heard("10")).value == pytest.approx(10 * PPM)


def test_gas_is_converted_at_the_reference_state_of_its_place() -> None:
    at = {place: Heard(sensors={SENSOR: sensor(location=place)}) for place in (Location.WORKPLACE, Location.STACK)}
    assert only(at[Location.WORKPLACE]({"v": 1, "u": "ppm"})).value == pytest.approx(34.08 / 24.055)
    assert only(at[Location.STACK]({"v": 1, "u": "ppm"})).value == pytest.approx(34.08 / 22.4)


def test_empty_unit_is_as_if_not_said() -> None:
    ppm = {SENSOR: sensor(channels={"h2s": Channel(unit="ppm")})}
    assert Heard(sensors=ppm)({"v": 10, "u": ""}) == Heard(sensors=ppm)("10")


def test_readings_without_a_time_that_come_together_differ_in_theirs() -> None:
    heard = Heard()
    assert [only(heard(str(value))).t for value in (1, 2, 3)] == [T0, T0 + 1, T0 + 2]
    assert only(heard("4", received=T0 + 10)).t == T0 + 10


def test_clock_that_runs_ahead_never_makes_the_next_reading_late() -> None:
    heard = Heard()
    ahead = only(heard({"v": 1, "t": T0 + 29_000}))
    far_ahead = only(heard({"v": 2, "t": T0 + 31_000}))
    assert (ahead.t, ahead.quality) == (T0 + 29_000, Quality.GOOD)
    assert (far_ahead.t, far_ahead.quality) == (T0 + 29_001, Quality.CLOCK)


def test_retained_reading_needs_a_time_of_its_own() -> None:
    heard = Heard()
    place = heard.decoder.address(TOPIC)
    assert isinstance(place, Values)
    with pytest.raises(Rejected) as rejected:
        heard.decoder.readings(place, b"10", T0, retained=True)
    assert (rejected.value.code, rejected.value.fix) == (
        "retained",
        "publish readings without the retain flag, or with t",
    )
    dated = json.dumps({"v": 10, "t": T0 - 1}).encode()
    assert only(heard.decoder.readings(place, dated, T0, retained=True)).t == T0 - 1


def test_unknown_unit_says_which_are_known() -> None:
    rejected = rejection({"v": 1, "u": "furlong"})
    assert "'furlong'" in rejected.reason
    assert "mg/m3" in rejected.fix
    assert "ppm" in rejected.fix


def test_forgetting_a_sensor_takes_its_new_descriptor_and_leaves_the_others() -> None:
    other = "park/north/unit-1/gd-02/h2s"
    heard = Heard()
    heard("10")
    heard("10", other)
    heard.sensors[SENSOR] = sensor(channels={"h2s": Channel(unit="ppm", maximum=5.0)})
    assert only(heard("10")).value == 10.0  # not told yet
    heard.decoder.forget(SENSOR)
    found = only(heard("10"))
    assert found.value == pytest.approx(10 * PPM)
    assert found.quality is Quality.FAILURE
    assert only(heard("10", other)).value == 10.0
    assert heard.asked.count("north/unit-1/gd-02") == 1


@pytest.mark.parametrize("sentinel", [-999, -9999.0, -200])
@pytest.mark.parametrize("unit", ["mg/m3", "ppm", "µg/m3"])
def test_sentinel_is_recognised_as_it_is_sent(sentinel: float, unit: str) -> None:
    found = only(Heard()({"v": sentinel, "u": unit}))
    assert (found.quality, found.quality.usable) == (Quality.FAILURE, False)


def test_sentinel_in_range_is_no_value_in_the_unit_it_was_sent_in() -> None:
    heard = Heard(sensors={SENSOR: sensor(channels={"temperature": Channel(minimum=-250.0, maximum=100.0)})})
    topic = f"{SENSOR_TOPIC}/temperature"
    assert only(heard("-200", topic)).quality is Quality.FAILURE
    # -200 °C by another name is a temperature like any other.
    assert only(heard({"v": 73.15, "u": "K"}, topic)).quality is Quality.GOOD


@pytest.mark.parametrize(
    ("sent", "unit", "quality"),
    [
        (100.0, "ppm", Quality.GOOD),
        (100.1, "ppm", Quality.OUT_OF_SPECIFICATION),
        (107.0, "ppm", Quality.FAILURE),
        (100 * PPM - 0.01, "mg/m3", Quality.GOOD),
        (100 * PPM + 0.1, "mg/m3", Quality.OUT_OF_SPECIFICATION),
        (107 * PPM, "mg/m3", Quality.FAILURE),
        (-1.0, "ppm", Quality.GOOD),
        (-2.0, "ppm", Quality.OUT_OF_SPECIFICATION),
        (-3.0, "ppm", Quality.FAILURE),
    ],
)
def test_range_of_the_descriptor_holds_in_every_unit(sent: float, unit: str, quality: Quality) -> None:
    heard = Heard(sensors={SENSOR: sensor(channels={"h2s": Channel("ppm", 0.0, 100.0)})})
    assert only(heard({"v": sent, "u": unit})).quality is quality


def test_without_a_range_of_its_own_the_quantity_says_what_is_believable() -> None:
    heard = Heard()
    assert only(heard("1000")).quality is Quality.GOOD
    assert only(heard("1050")).quality is Quality.OUT_OF_SPECIFICATION
    assert only(heard("1100")).quality is Quality.FAILURE
    assert only(heard({"v": 1000 / PPM, "u": "ppm"})).quality is Quality.GOOD
    assert only(heard({"v": 1100 / PPM, "u": "ppm"})).quality is Quality.FAILURE


@pytest.mark.parametrize(
    ("value", "claimed", "quality"),
    [
        (5, "good", Quality.GOOD),
        (5, "maintenance-required", Quality.MAINTENANCE_REQUIRED),
        (5, "function-check", Quality.FUNCTION_CHECK),
        (5, "failure", Quality.FAILURE),
        (1050, "good", Quality.OUT_OF_SPECIFICATION),
        (1050, "maintenance-required", Quality.OUT_OF_SPECIFICATION),
        (1050, "failure", Quality.FAILURE),
        (-999, "good", Quality.FAILURE),
        (None, "good", Quality.FAILURE),
    ],
)
def test_claimed_quality_can_only_make_it_worse(value: float | None, claimed: str, quality: Quality) -> None:
    assert only(Heard()({"v": value, "q": claimed})).quality is quality


def test_fast_clock_and_bad_claim_keep_the_worse() -> None:
    assert only(Heard()({"v": 1, "q": "failure", "t": T0 + 60_000})).quality is Quality.FAILURE
    assert only(Heard()({"v": 1, "q": "maintenance-required", "t": T0 + 60_000})).quality is Quality.CLOCK


def test_conversion_that_overflows_is_no_number() -> None:
    found = only(Heard()({"v": 1.7e308, "u": "%LEL"}))
    assert (found.value, found.quality) == (None, Quality.FAILURE)


# --- whatever comes ----------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters(), max_size=8),
        st.sampled_from(["ppm", "good", "2025-06-15T15:06:40Z", T0]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["v", "t", "u", "q", "h2s", "\ud800", "x"]), inner, max_size=4),
    ),
    max_leaves=12,
)
HEARD = Heard()


def check(payload: bytes, topic: str) -> None:
    """Assert that a payload gives readings that can be stored, or a rejection."""
    try:
        readings = HEARD(payload, topic)
    except Rejected as rejected:
        assert rejected.code
        assert rejected.fix
        assert msgspec.json.encode([rejected.code, rejected.reason, rejected.fix])
        return
    for each in readings:
        assert each.value is None or math.isfinite(each.value)
        assert each.value is not None or each.quality is Quality.FAILURE
        assert T0 - RETENTION_RAW_DAYS * DAY <= each.t <= T0 + CLOCK_TOLERANCE


@given(st.binary(max_size=60), st.sampled_from([TOPIC, SENSOR_TOPIC]))
@many
def test_arbitrary_bytes_give_readings_or_a_rejection(payload: bytes, topic: str) -> None:
    check(payload, topic)


@given(JSON, st.sampled_from([TOPIC, SENSOR_TOPIC]))
@many
def test_arbitrary_json_gives_readings_or_a_rejection(content: Any, topic: str) -> None:
    check(json.dumps(content).encode(), topic)


@given(st.text(st.characters(), max_size=60))
@many
def test_arbitrary_topics_give_an_address_or_a_rejection(topic: str) -> None:
    with pytest.raises(Rejected):
        HEARD.decoder.address(topic)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["ppm", "mg/m3", "%LEL"]))
@many
def test_unusable_is_what_lies_far_outside_whatever_the_unit(value: float, unit: str) -> None:
    found = only(HEARD({"v": value, "u": unit}))
    if found.quality.usable:
        assert found.value is not None
        assert -30.0 < found.value < 1070.0
