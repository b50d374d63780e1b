"""Descriptors: what a sensor says of itself, taken whole or refused with everything that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.descriptors import describe
from park.sensors import Channel, Sensor
from park.topics import Rejected
from park.words import Location, Names
from tests.making import SENSOR, catalogue, many, sensor

CATALOGUE = catalogue()
WHOLE = {
    "names": {"zh": "硫化氢探头", "en": "H2S detector"},
    "location": "workplace",
    "interval": 10000,
    "latitude": 31.8,
    "longitude": 120.8,
    "gateway": "gw-1",
    "quantities": {"h2s": {"unit": "ppm", "minimum": 0, "maximum": 100}, "temperature": {}},
}


def described(content: Any, known: Sensor | None = None) -> Sensor:
    """Describe the sensor by JSON of ``content`` (or by bytes as they are)."""
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    return describe(SENSOR, payload, known or sensor(), CATALOGUE)


def rejection(content: Any, known: Sensor | None = None) -> Rejected:
    with pytest.raises(Rejected) as rejected:
        described(content, known)
    return rejected.value


def test_whole_descriptor() -> None:
    assert described(WHOLE) == sensor(
        names=Names("硫化氢探头", "H2S detector"),
        location=Location.WORKPLACE,
        interval=10_000,
        latitude=31.8,
        longitude=120.8,
        gateway="gw-1",
        channels={"h2s": Channel("ppm", 0.0, 100.0), "temperature": Channel()},
        described=True,
    )


def test_nothing_said_is_described_all_the_same() -> None:
    assert described({}) == sensor(described=True)


def test_what_is_not_said_stays() -> None:
    known = described(WHOLE)
    after = described({"interval": 5000, "latitude": 0, "longitude": 0}, known)
    assert (after.interval, after.latitude, after.longitude) == (5000, 0.0, 0.0)
    assert (after.names, after.location, after.gateway, after.channels) == (
        known.names,
        known.location,
        known.gateway,
        known.channels,
    )
    assert after.registered == known.registered


def test_quantities_that_are_said_replace_those_that_were() -> None:
    assert described({"quantities": {"h2s": {}}}, described(WHOLE)).channels == {"h2s": Channel()}


@pytest.mark.parametrize("location", Location)
def test_location(location: Location) -> None:
    assert described({"location": location.value}).location is location


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"location": "roof"}, "workplace"),
        ({"interval": 0}, "interval"),
        ({"interval": 0.5}, "interval"),
        ({"interval": -1}, "interval"),
        ({"interval": 8 * 86_400_000}, "seven days"),
        ({"latitude": 90.1}, "latitude"),
        ({"longitude": -180.1}, "longitude"),
        ({"gateway": "gw 1"}, "$state"),
        ({"gateway": "#"}, "$state"),
        ({"quantities": {"h2ss": {}}}, "did you mean h2s"),
        ({"quantities": {"xyz": {}}}, "'xyz' is not known"),
        ({"quantities": {"h2s": {"unit": "furlong"}}}, "mg/m3"),
        ({"quantities": {"h2s": {"unit": "mg/Nm3"}}}, "mg/m3"),
        ({"quantities": {"h2s": {"minimum": 5, "maximum": 5}}}, "less than maximum"),
        ({"quantities": {"h2s": {"minimum": 9, "maximum": 1}}}, "less than maximum"),
        ({"quantities": {"h2s": {"minimum": 2000}}}, "maximum (1000)"),
        ({"quantities": {"h2s": {"unit": "µg/m3", "minimum": 2_000_000}}}, "maximum (1e+06)"),
        ({"quantities": {"h2s": {"maximum": -1}}}, "minimum (0)"),
    ],
)
def test_what_can_not_be_is_rejected_with_what_to_write(content: Any, says: str) -> None:
    rejected = rejection(content)
    assert rejected.code == "descriptor"
    assert says in rejected.fix


def test_all_problems_at_once() -> None:
    content = {"interval": 0, "latitude": 99, "quantities": {"h2ss": {}, "h2s": {"unit": "x", "minimum": 1}}}
    fix = rejection(content).fix
    assert all(says in fix for says in ("interval", "latitude", "did you mean h2s", "'x' is not a unit"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00\x00",
        b"[" * 10_000,
        b'"\\ud800"',
        b'{"names": {"zh": "\\ud800", "en": ""}}',
        b'{"interval": NaN}',
        b'{"latitude": NaN}',
        b'{"quantities": {"h2s": {"minimum": NaN}}}',
        b'{"quantities": {"h2s": {"maximum": 1e999}}}',
        None,
        3,
        [],
        "online",
        {"name": "x"},
        {"names": {"zh": "x"}},
        {"names": "x"},
        {"interval": "10s"},
        {"interval": True},
        {"location": 3},
        {"quantities": ["h2s"]},
        {"quantities": {"h2s": {"units": "ppm"}}},
        {"quantities": {"h2s": None}},
    ],
)
def test_wrong_form_is_rejected_with_the_form(content: Any) -> None:
    rejected = rejection(content)
    assert rejected.code == "descriptor"
    assert '"quantities": {"h2s":' in rejected.fix


def test_too_large() -> None:
    assert rejection({"gateway": "g" * 20_000}).code == "too-large"


def test_unit_is_judged_at_the_place_the_descriptor_names() -> None:
    stack = described({"location": "stack", "quantities": {"h2s": {"unit": "mg/Nm3"}}})
    assert stack.channels["h2s"].unit == "mg/Nm3"


def test_unit_is_judged_at_the_place_that_is_known() -> None:
    known = sensor(location=Location.STACK)
    assert described({"quantities": {"h2s": {"unit": "mg/Nm3"}}}, known).channels["h2s"].unit == "mg/Nm3"


@given(st.binary(max_size=80))
@many
def test_arbitrary_bytes_describe_or_are_rejected(payload: bytes) -> None:
    try:
        assert described(payload).described
    except Rejected as rejected:
        assert rejected.fix
