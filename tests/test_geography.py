"""The map of the park: polygons in zones.yaml, GeoJSON out of them, and who may fetch it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from park.building import build
from park.catalogue import Catalogue
from park.geography import geojson
from storage.configuration import load
from tests.alerting import catalogue
from tests.conftest import ROOT
from tests.consoles import Console
from tests.servers import Redis

SQUARE = ((31.0, 120.0), (31.0, 121.0), (32.0, 121.0), (32.0, 120.0))


def drawn(outline: tuple[tuple[float, float], ...] = SQUARE, area: tuple[tuple[float, float], ...] = ()) -> Catalogue:
    park = catalogue()
    (zone,) = park.zones.values()
    (site,) = zone.sites.values()
    sites = {site.name: msgspec.structs.replace(site, area=area)}
    return dataclasses.replace(park, zones={zone.name: msgspec.structs.replace(zone, outline=outline, sites=sites)})


def features(park: Catalogue) -> dict[str, dict[str, Any]]:
    return {feature["id"]: feature for feature in geojson(park)["features"]}


def test_an_outline_is_a_closed_ring_with_longitude_first() -> None:
    zone = features(drawn())["zone/new-materials"]
    assert zone["geometry"] == {
        "type": "Polygon",
        "coordinates": [[[120.0, 31.0], [121.0, 31.0], [121.0, 32.0], [120.0, 32.0], [120.0, 31.0]]],
    }
    assert zone["properties"] == {
        "kind": "zone",
        "zone": "new-materials",
        "site": "",
        "zh": "新材料产业园",
        "en": "New Materials",
    }


def test_rings_run_counterclockwise_however_they_were_written() -> None:
    there, back = drawn(SQUARE), drawn(SQUARE[::-1])
    rings = [features(park)["zone/new-materials"]["geometry"]["coordinates"][0] for park in (there, back)]
    for ring in rings:
        area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in itertools.pairwise(ring))
        assert area > 0


def test_labels_stand_above_a_zone_and_in_a_site() -> None:
    found = features(drawn(area=((31.2, 120.2), (31.2, 120.4), (31.4, 120.3))))
    assert found["zone-label/new-materials"]["geometry"]["coordinates"] == [120.5, 32.0]
    assert found["area-label/new-materials/hf-unit"]["geometry"]["coordinates"] == [120.3, 31.266667]
    assert found["area/new-materials/hf-unit"]["properties"]["en"] == "HF unit"


def test_what_nobody_has_drawn_is_not_on_the_map() -> None:
    assert geojson(catalogue()) == {"type": "FeatureCollection", "features": []}


def test_the_shipped_zones_enclose_their_sites() -> None:
    park = load(ROOT / "config")
    for zone in park.zones.values():
        assert zone.outline
        for site in zone.sites.values():
            for corner in ((site.latitude, site.longitude), *site.area):
                assert _inside(corner, zone.outline), (zone.name, site.name, corner)


def _inside(point: tuple[float, float], ring: tuple[tuple[float, float], ...]) -> bool:
    y, x = point
    crossings = [
        (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1
        for (y1, x1), (y2, x2) in zip(ring, (*ring[1:], ring[0]), strict=True)
    ]
    return sum(crossings) % 2 == 1


# --- configuration -----------------------------------------------------------------------------------------------


def problems(key: str, value: object) -> list[str]:
    zones = YAML(typ="safe").load(ROOT / "config" / "zones.yaml")
    zone = zones["zones"]["riverside"]
    (zone if key == "outline" else zone["sites"]["eo-plant"])[key] = value
    # Everything else is missing, which is told of other files.
    _, found = build({"zones.yaml": zones})
    return [problem.message for problem in found if problem.path[0] == "zones.yaml"]


@pytest.mark.parametrize("key", ["outline", "area"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("around", "is no polygon; write three or more corners"),
        ([[31.0, 120.0], [31.1, 120.0]], "is no polygon; write three or more corners"),
        ([[31.0, 120.0], [31.1, 120.0], [31.0, 120.0]], "is no polygon"),
        ([[31.0, 120.0], [31.1, 120.0], [31.0]], "is no corner; write [latitude, longitude]"),
        ([[31.0, 120.0], [31.1, 120.0], [31.0, "east"]], "is no corner"),
        # The order of GeoJSON: a longitude of China is no latitude.
        ([[120.0, 31.0], [120.0, 31.1], [120.1, 31.0]], "is no corner; write [latitude, longitude]"),
    ],
)
def test_what_is_no_polygon_is_told_with_what_to_write(key: str, value: object, said: str) -> None:
    found = problems(key, value)
    assert len(found) == 1
    assert said in found[0]
    assert "[31.79, 120.79]" in found[0]


def test_a_ring_that_was_closed_by_hand_is_the_same() -> None:
    assert problems("outline", [[31.7, 120.9], [31.8, 120.9], [31.8, 121.0], [31.7, 120.9]]) == []


# --- at the console ----------------------------------------------------------------------------------------------


@pytest.fixture
def console(redis: Redis, home: Path) -> Iterator[Console]:
    with Console(redis.url, home, drawn()) as running:
        yield running


def test_anybody_may_read_the_map_under_any_name(console: Console) -> None:
    for host in ("console:8100", "localhost"):
        answer = console.anybody.get("/map/zones.geojson", headers={"host": host})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/geo+json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.json() == geojson(drawn())


@pytest.mark.parametrize("path", ["/map/", "/map/zones.geojson/x", "/map/other"])
def test_nothing_beside_the_map_is_open(console: Console, path: str) -> None:
    assert console.anybody.get(path).status_code == 401
    assert console.anybody.get(path, headers={"host": "console:8100"}).status_code == 421


def test_the_map_can_not_be_changed(console: Console) -> None:
    answer = console.anybody.post("/map/zones.geojson", json={}, headers={"host": "console:8100"})
    assert answer.status_code == 421
    assert console.anybody.post("/map/zones.geojson", json={}).status_code in {401, 403, 405}
