"""The dashboard that is committed is the one its generator writes, and InfluxDB answers every query in it."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ruamel.yaml import YAML

from ingest.lines import lines
from park.catalogue import Catalogue
from park.readings import Reading
from park.words import Location, Quality
from storage.configuration import load
from storage.influx import Influx
from tests.conftest import ROOT
from tests.servers import Influx as InfluxServer

GRAFANA = ROOT / "grafana"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_dashboards", GRAFANA / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look themselves up there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


generate = _generator()
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "zone.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = DASHBOARD["templating"]["list"]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(ROOT / "config")


# --- what is committed -------------------------------------------------------------------------------------------


def test_the_committed_dashboard_is_what_the_generator_writes(catalogue: Catalogue) -> None:
    committed = (GRAFANA / "dashboards" / "zone.json").read_text(encoding="utf-8")
    assert committed == generate.text_of(catalogue), "run: python grafana/generate.py"


def test_every_title_is_in_both_languages() -> None:
    titles = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] != "text"]
    labels = [variable["label"] for variable in VARIABLES]
    for text in (DASHBOARD["title"], *titles, *labels):
        chinese, _, english = text.partition(" / ")
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese), text
        assert english.isascii() or "°" in english, text


def test_staff_are_told_what_it_is_not() -> None:
    text = next(panel for panel in PANELS if panel["type"] == "text")["options"]["content"]
    assert "不能替代安全仪表系统" in text
    assert "not a safety instrumented system" in text


def test_panels_are_those_that_grafana_has_had_since_9() -> None:
    assert {panel["type"] for panel in PANELS} == {"timeseries", "stat", "bargauge", "text"}
    assert DASHBOARD["schemaVersion"] <= 37


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert grid["x"] + grid["w"] <= generate.WIDTH
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_query_goes_to_the_provisioned_datasource() -> None:
    asked = {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    assert asked | {variable["datasource"]["uid"] for variable in VARIABLES} == {"parkwatch"}
    for panel in PANELS:
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)


def test_every_measured_quantity_of_the_field_is_on_it(catalogue: Catalogue) -> None:
    shown = {target["query"] for panel in PANELS for target in panel["targets"]}
    field = {Location.WORKPLACE, Location.OUTFALL, Location.FENCELINE}
    missing = [
        quantity.name
        for quantity in catalogue.quantities.values()
        if quantity.location in field
        and quantity.unit in {"mg/m3", "mg/L", "%LEL"}
        and not any(f"({quantity.name})" in q or f"|{quantity.name}" in q or f"({quantity.name}|" in q for q in shown)
    ]
    assert missing == []


def _lines(title: str) -> list[tuple[float | None, str]]:
    panel = next(panel for panel in PANELS if title in panel["title"])
    return [(step["value"], step["color"]) for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]


def test_limits_are_drawn_where_they_hold_everywhere() -> None:
    assert _lines("Chemical oxygen demand") == [(None, "green"), (50, "orange")]
    assert _lines("Levels now") == [
        (None, "red"),
        (10, "orange"),
        (15, "green"),
        (85, "orange"),
        (90, "red"),
    ]


# --- provisioning ------------------------------------------------------------------------------------------------


def _yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def test_the_datasource_is_influxql_and_differs_in_containers_by_its_login_only() -> None:
    native = _yaml(GRAFANA / "provisioning" / "datasources" / "influxdb.yaml")["datasources"][0]
    contained = _yaml(GRAFANA / "containers" / "influxdb.yaml")["datasources"][0]
    assert (native["uid"], native["type"], native["jsonData"]["version"]) == ("parkwatch", "influxdb", "InfluxQL")
    assert native["url"] == "$PARKWATCH_INFLUX_URL"
    login = {"basicAuth", "basicAuthUser", "secureJsonData"}
    assert {key: value for key, value in contained.items() if key not in login} == native
    assert contained["secureJsonData"] == {"basicAuthPassword": "$__file{/run/secrets/influx-grafana}"}


def test_dashboards_are_found_beside_the_provisioning_natively_and_in_containers() -> None:
    provider = _yaml(GRAFANA / "provisioning" / "dashboards" / "parkwatch.yaml")["providers"][0]
    path = provider["options"]["path"]
    assert path == "$GF_PATHS_PROVISIONING/../dashboards"
    # parkwatch/native.py sets the variable to the source's folder; Grafana's image to /etc/grafana/provisioning.
    assert (GRAFANA / "provisioning" / ".." / "dashboards" / "zone.json").is_file()
    mounts = _yaml(ROOT / "docker-compose.yml")["services"]["grafana"]["volumes"]
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in mounts
    assert "./grafana/dashboards:/etc/grafana/dashboards:ro" in mounts


# --- queries, against a real InfluxDB ----------------------------------------------------------------------------


def _fill(influx: InfluxServer, database: str, catalogue: Catalogue) -> None:
    """Store a good and a failed reading of every quantity, as ingest does, and two quarantined messages."""
    now = time.time_ns() // 1_000_000 - 1_000
    readings = [
        Reading(f"riverside/outfall/sensor-{quantity}/{quantity}", now - age, 1.0, quality, now)
        for quantity in catalogue.quantities
        for age, quality in ((0, Quality.GOOD), (30_000, Quality.FAILURE))
    ]
    client = Influx(influx.url, database)
    client.ensure()
    client.write(lines(readings))
    client.write(f"quarantined,code=unit n=2i {now}\nquarantined,code=json n=1i {now}".encode())
    client.close()


def _ask(influx: InfluxServer, database: str, query: str) -> list[dict[str, Any]]:
    """Send a query as Grafana would, with its variables replaced; return the series."""
    for name, value in {
        "$zone": "riverside",
        "$site": "(outfall|tank-farm)",
        "$timeFilter": "time >= now() - 30m",
        "$__interval": "10s",
    }.items():
        query = query.replace(name, value)
    parameters = urllib.parse.urlencode({"db": database, "q": query, "epoch": "ms"}).encode()
    with urllib.request.urlopen(f"{influx.url}/query", parameters, timeout=30) as response:
        answer = json.load(response)
    assert "error" not in answer["results"][0], (query, answer)
    series: list[dict[str, Any]] = answer["results"][0].get("series", [])
    return series


def test_every_query_finds_what_ingest_stores(influx: InfluxServer, influx_db: str, catalogue: Catalogue) -> None:
    _fill(influx, influx_db, catalogue)
    found = {
        (panel["title"], target["refId"]): _ask(influx, influx_db, target["query"])
        for panel in PANELS
        for target in panel["targets"]
    }
    # Good and failed readings were stored; the other qualities rightly have none.
    others = {("读数质量 / Reading quality", reference) for reference in "BCDE"}
    assert {key for key, series in found.items() if not series} == others
    quantities = len(catalogue.quantities)
    assert found["在报传感器 / Sensors reporting", "A"][0]["values"][0][1] == quantities
    assert found["不可用传感器 / Sensors unusable", "A"][0]["values"][0][1] == quantities
    cod = found["化学需氧量 / Chemical oxygen demand (mg/L)", "A"]
    assert [series["tags"] for series in cod] == [{"site": "outfall", "sensor": "sensor-cod", "quantity": "cod"}]
    codes = {
        series["tags"]["code"]: series["values"][-1][1]
        for (title, _), all_series in found.items()
        if "Quarantined" in title
        for series in all_series
    }
    assert codes == {"unit": 2, "json": 1}


def test_variables_offer_zones_and_their_sites(influx: InfluxServer, influx_db: str, catalogue: Catalogue) -> None:
    _fill(influx, influx_db, catalogue)
    offered = {variable["name"]: _ask(influx, influx_db, variable["query"])[0]["values"] for variable in VARIABLES}
    assert offered == {"zone": [["zone", "riverside"]], "site": [["site", "outfall"]]}
