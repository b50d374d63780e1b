"""The dashboards that are committed are what the generator writes, hold together, and find the demo's data."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from grafana import generate
from grafana.board import SET, WIDTH
from grafana.boards import BOARDS
from grafana.language import LANGUAGES
from park.catalogue import Catalogue
from park.words import Names
from storage import names
from storage.channels import Channel, encode_channel
from storage.configuration import load
from storage.influx import Influx
from tests.conftest import ROOT
from tests.demonstration import DATABASE, Demonstration
from tests.grafana_asking import Asker, Json, choose, panels, questions
from tests.servers import eventually

GRAFANA = ROOT / "grafana"
FILES = sorted((GRAFANA / "dashboards").rglob("*.json"))
DASHBOARDS: dict[str, Json] = {
    path.relative_to(GRAFANA / "dashboards").as_posix(): json.loads(path.read_text(encoding="utf-8")) for path in FILES
}
LANGUAGE_OF = {"zh": "en", "en": "zh"}
#: What every Grafana from 9.4 to 11 has.
KINDS = {"alertlist", "bargauge", "geomap", "nodeGraph", "row", "stat", "state-timeline", "table", "text", "timeseries"}
#: An address that proxies take.
LONGEST_QUERY = 12_000
_CHINESE = re.compile(r"[\u4e00-\u9fff]")

every_dashboard = pytest.mark.parametrize("name", DASHBOARDS)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(ROOT / "config")


# --- what is committed -------------------------------------------------------------------------------------------


def test_the_committed_dashboards_are_what_the_generator_writes(catalogue: Catalogue) -> None:
    made = generate.files(catalogue)
    assert set(made) == set(DASHBOARDS), "run: python -m grafana.generate"
    for path, text in made.items():
        assert (GRAFANA / "dashboards" / path).read_text(encoding="utf-8") == text, "run: python -m grafana.generate"


def test_the_generator_takes_away_what_it_no_longer_makes(catalogue: Catalogue, tmp_path: Path) -> None:
    old = tmp_path / "zh" / "old.json"
    old.parent.mkdir()
    old.write_text("{}", encoding="utf-8")
    assert generate.write(catalogue, tmp_path) == len(LANGUAGES) * len(BOARDS)
    assert not old.exists()


def test_every_dashboard_of_the_set_is_there_in_both_languages() -> None:
    wanted = {f"{t.code}/{name}.json" for t in LANGUAGES for name, _, _ in SET}
    assert set(DASHBOARDS) == wanted
    for path, dashboard in DASHBOARDS.items():
        language, name = path.removesuffix(".json").split("/")
        assert dashboard["uid"] == f"parkwatch-{name}-{language}"
        assert dashboard["tags"] == ["parkwatch", f"parkwatch-{language}"]
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == len(wanted)


@every_dashboard
def test_links_lead_to_dashboards_that_there_are_and_keep_zone_and_time(name: str) -> None:
    known = {dashboard["uid"] for dashboard in DASHBOARDS.values()}
    links = DASHBOARDS[name]["links"]
    assert {link["url"].removeprefix("/d/") for link in links} <= known
    assert len(links) == len(SET), "the others, and this one in the other language"
    assert all(link["includeVars"] and link["keepTime"] for link in links)
    for url in re.findall(r'"url": "(/d/[^"?]*)', json.dumps(DASHBOARDS[name], ensure_ascii=False)):
        assert url.removeprefix("/d/") in known


@every_dashboard
def test_the_two_languages_show_the_same(name: str) -> None:
    language, file = name.split("/")
    here, there = DASHBOARDS[name], DASHBOARDS[f"{LANGUAGE_OF[language]}/{file}"]
    assert [variable["name"] for variable in here["templating"]["list"]] == [
        variable["name"] for variable in there["templating"]["list"]
    ]
    for mine, theirs in zip(here["panels"], there["panels"], strict=True):
        assert (mine["type"], mine["gridPos"], mine["id"]) == (theirs["type"], theirs["gridPos"], theirs["id"])
        asked = [[target["refId"] for target in panel.get("targets", [])] for panel in (mine, theirs)]
        assert asked[0] == asked[1]


@every_dashboard
def test_people_read_their_own_language(name: str) -> None:
    dashboard = DASHBOARDS[name]
    texts = [dashboard["title"], *(variable["label"] for variable in dashboard["templating"]["list"])]
    texts += [text for panel in dashboard["panels"] for text in (panel["title"], panel.get("description", ""))]
    for text in texts:
        words = re.sub(r"\$\w+", "", text)
        if name.startswith("zh/") and re.search(r"[A-Za-z]{4}", words):
            assert _CHINESE.search(words), text
        if name.startswith("en/"):
            assert not _CHINESE.search(words), text


@every_dashboard
def test_panels_have_numbers_of_their_own_and_do_not_overlap(name: str) -> None:
    numbers = [panel["id"] for panel in DASHBOARDS[name]["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert grid["x"] + grid["w"] <= WIDTH
        assert not cells & taken, panel["title"]
        taken |= cells


@every_dashboard
def test_panels_are_those_that_every_grafana_since_9_4_has(name: str) -> None:
    assert {panel["type"] for panel in DASHBOARDS[name]["panels"]} <= KINDS
    assert DASHBOARDS[name]["schemaVersion"] <= 37


@every_dashboard
def test_every_query_goes_to_the_provisioned_datasource(name: str) -> None:
    for panel in panels(DASHBOARDS[name]):
        assert {target["datasource"]["uid"] for target in panel["targets"]} <= {"parkwatch"}
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        assert len(urllib.parse.quote(";".join(target["query"] for target in panel["targets"]))) < LONGEST_QUERY


@every_dashboard
def test_long_spans_never_read_raw_readings(name: str) -> None:
    """What is read over the dashboard's time is a mean, or bound to narrow points, or one of parkwatch's own series."""
    for panel in panels(DASHBOARDS[name]):
        for target in panel["targets"]:
            if f'"{names.RETENTION_RAW}"."{names.READING}"' in target["query"]:
                narrow = re.search(r"\$__interval (<|<=) (1m|15s)", target["query"])
                own = "-imbalance" in target["query"] or "canary" in target["query"]
                assert narrow or own, target["query"]


@every_dashboard
def test_a_panel_takes_names_or_units_from_one_query(name: str) -> None:
    """After the first of these transformations Grafana 9.4 has forgotten what the other queries were called."""
    for panel in panels(DASHBOARDS[name]):
        taken = [each for each in panel["transformations"] if each["id"] == "configFromData"]
        assert len(taken) <= 1, panel["title"]
        for each in taken:
            assert each["options"]["configRefId"] in {target["refId"] for target in panel["targets"]}
        matched = [override["matcher"]["id"] for override in panel["fieldConfig"]["overrides"]]
        assert "byFrameRefID" not in matched


@every_dashboard
def test_maps_ask_nobody_outside(name: str) -> None:
    for panel in panels(DASHBOARDS[name]):
        if panel["type"] == "geomap":
            layers = [panel["options"]["basemap"], *panel["options"]["layers"]]
            assert {layer["type"] for layer in layers} == {"geojson", "markers"}
            assert panel["options"]["basemap"]["config"]["src"].startswith("api/datasources/proxy/uid/")
    assert "://" not in json.dumps(DASHBOARDS[name])


def test_staff_are_told_what_it_is_not() -> None:
    for file, words in (
        ("zh/overview.json", "不能替代安全仪表系统"),
        ("en/overview.json", "not a safety instrumented"),
    ):
        text = next(panel for panel in DASHBOARDS[file]["panels"] if panel["type"] == "text")["options"]["content"]
        assert words in text


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
    providers = _yaml(GRAFANA / "provisioning" / "dashboards" / "parkwatch.yaml")["providers"]
    paths = {provider["options"]["path"] for provider in providers}
    assert paths == {f"$GF_PATHS_PROVISIONING/../dashboards/{t.code}" for t in LANGUAGES}
    # The variable is a folder beside the dashboards natively, and /etc/grafana/provisioning in the image.
    assert (GRAFANA / "provisioning" / ".." / "dashboards" / "zh" / "overview.json").is_file()
    mounts = _yaml(ROOT / "docker-compose.yml")["services"]["grafana"]["volumes"]
    assert "./grafana/provisioning/dashboards:/etc/grafana/provisioning/dashboards:ro" in mounts
    assert "./grafana/dashboards:/etc/grafana/dashboards:ro" in mounts


# --- queries, against a real InfluxDB that the demo has filled -------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    with Demonstration(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def asker(demo: Demonstration) -> Asker:
    return Asker(demo.influx.url, DATABASE)


@pytest.mark.slow
@every_dashboard
def test_every_variable_offers_something(name: str, asker: Asker) -> None:
    chosen = choose(DASHBOARDS[name], asker)
    assert all(chosen.options.values()), chosen.options


@pytest.mark.slow
@every_dashboard
def test_every_panel_finds_the_demos_data_and_no_query_fails(name: str, asker: Asker) -> None:
    # What is written once a minute, or once an hour is settled, comes in its time.
    allowed = _may_be_empty(DASHBOARDS[name])
    eventually(
        lambda: _empty(name, asker) <= allowed,
        within=150,
        pause=5.0,
        why=lambda: f"nothing in {sorted(_empty(name, asker) - allowed)}",
    )


def _empty(name: str, asker: Asker) -> set[str]:
    found: dict[tuple[str, str], int] = {}
    for question in questions(DASHBOARDS[name], choose(DASHBOARDS[name], asker)):
        key = (question.panel, question.of)
        found[key] = found.get(key, 0) + len(asker.ask(question.text))
    return {panel for (panel, _), count in found.items() if not count}


def _may_be_empty(dashboard: Json) -> set[str]:
    """Return the panels that say in words of their own that there was nothing; and indicators nobody reports for."""
    told = {
        panel["title"] for panel in panels(dashboard) if panel["fieldConfig"]["defaults"].get("noValue", "–") != "–"
    }
    return told | {"$indicator"}


@pytest.mark.slow
@pytest.mark.parametrize("span", ["5m", "24h", "30d", "1y"])
def test_no_query_fails_whatever_the_time(span: str, asker: Asker) -> None:
    for name in ("zh/zone.json", "zh/emissions.json", "zh/water.json", "zh/circular.json", "zh/sensor.json"):
        for question in questions(DASHBOARDS[name], choose(DASHBOARDS[name], asker), span):
            asker.ask(question.text)


@pytest.mark.slow
def test_a_new_quantity_appears_with_its_sensor_without_an_edit(demo: Demonstration, asker: Asker) -> None:
    now = time.time_ns() // 1_000_000
    words = Names("溴", "Bromine")
    channel = Channel(
        zone="riverside",
        site="chlor-plant",
        sensor="br-1",
        quantity="bromine",
        location="workplace",
        value=0.2,
        share=33.0,
        rank=0,
        quality="good",
        unit="mg/m3",
        minimum=0.0,
        maximum=10.0,
        interval=2000.0,
        seen=now,
        names=words,
        sensor_names=words,
        site_names=words,
    )
    client = Influx(demo.influx.url, DATABASE)
    client.write(encode_channel(channel, now))
    client.write(
        f'reading,zone=riverside,site=chlor-plant,sensor=br-1,quantity=bromine v=0.2,q="good" {now - 60_000}'.encode()
    )
    client.close()
    dashboard = DASHBOARDS["en/zone.json"]
    chosen = choose(dashboard, asker)
    chosen.values["zone"] = ["riverside"]
    for variable in dashboard["templating"]["list"]:
        if variable["name"] == "gas":
            offered = {row[1] for series in asker.ask(chosen.filled(variable["query"])) for row in series["values"]}
            assert "Bromine|bromine" in offered
    chosen.values |= {"gas": ["bromine"], "detector": ["br-1"]}
    asked = [question for question in questions(dashboard, chosen) if question.of == "bromine"]
    assert any(asker.ask(question.text) for question in asked if question.ref == "A")
