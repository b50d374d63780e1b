"""A real Grafana with what ships: who gets in, what it asks of whom, the map, and the second net with parkwatch dead.

Only where ``PARKWATCH_GRAFANA_BIN`` names one (tests/grafanas.py).
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from grafana.alerting import RULES, rules
from parkwatch.grafana_setup import VIEWERS
from storage import names
from storage.configuration import load
from storage.influx import Influx, InfluxUnavailable
from tests.catchers import Catcher
from tests.conftest import ROOT
from tests.consoles import Console
from tests.grafanas import Grafana, needs_grafana, running
from tests.servers import Influx as InfluxServer
from tests.servers import Redis, eventually

pytestmark = needs_grafana

#: Grafana looks every 10 s, whom to tell takes 10 s more, and the machine may be busy.
LONG = 180.0
ALIVE, DEAD = "new-materials", "riverside"


@pytest.fixture(scope="module")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    server = InfluxServer(tmp_path_factory.mktemp("influx"))
    server.start()
    Influx(server.url, "park").ensure()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def hook() -> Iterator[Catcher]:
    with Catcher() as server:
        yield server


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    redis = Redis(tmp_path_factory.mktemp("redis"))
    redis.start()
    with Console(redis.url, tmp_path_factory.mktemp("console"), load(ROOT / "config")) as made:
        yield made
    redis.kill()


@pytest.fixture(scope="module")
def grafana(
    tmp_path_factory: pytest.TempPathFactory, influx_server: InfluxServer, hook: Catcher, console: Console
) -> Iterator[Grafana]:
    # A dollar sign in a secret must not be taken for a variable.
    told = {"PARKWATCH_GRAFANA_ALERT_WEBHOOK": f"{hook.url}/hook?key=a$b"}
    made = Grafana(tmp_path_factory.mktemp("grafana"), influx_server.url, "park", told, console.base)
    with running(made):
        yield made


# --- who gets in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/api/dashboards/home", "/api/search", "/api/org", "/api/datasources/proxy/uid/parkwatch/query?q=x"]
)
def test_nobody_gets_in_without_a_log_in(grafana: Grafana, path: str) -> None:
    with grafana.client() as nobody:
        assert nobody.get(path).status_code == 401
        assert nobody.get("/").headers["location"].endswith("/login")


def test_pages_and_cookies_are_tight(grafana: Grafana) -> None:
    with grafana.client() as nobody:
        login = nobody.get("/login")
        policy = login.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "grafana.com" not in policy
        assert login.headers["x-frame-options"] == "deny"
        assert login.headers["x-content-type-options"] == "nosniff"
        answer = nobody.post("/login", json={"user": "admin", "password": grafana.admin_password})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert nobody.get("/metrics").status_code == 404


def test_the_password_is_the_secret_and_the_usual_one_is_not(grafana: Grafana) -> None:
    with grafana.client("admin", "admin") as guess:
        assert guess.get("/api/org").status_code == 401
    assert grafana.get("/api/org")["id"] == 1


def test_nothing_is_asked_of_the_vendor(grafana: Grafana) -> None:
    said = grafana.get("/api/frontend/settings")
    assert said["disableGravatar"] is True if "disableGravatar" in said else True
    assert said["pluginAdminEnabled"] is False
    assert said["snapshotEnabled" if "snapshotEnabled" in said else "pluginAdminEnabled"] in {True, False}
    settings = grafana.get("/api/admin/settings")
    analytics = settings["analytics"]
    for name in ("reporting_enabled", "check_for_updates", "check_for_plugin_updates", "feedback_links_enabled"):
        assert analytics[name] == "false"
    assert settings["security"]["disable_gravatar"] == "true"
    assert settings["snapshots"]["external_enabled"] == "false"
    assert settings["auth.anonymous"]["enabled"] == "false"


def test_viewers_look_in_their_language_and_change_nothing(grafana: Grafana) -> None:
    for viewer in VIEWERS:
        with grafana.client(viewer.login) as client:
            org = client.get("/api/user/orgs").json()
            assert [each["role"] for each in org] == ["Viewer"]
            assert client.get("/api/user/preferences").json()["language"] == viewer.language
            home = client.get("/api/dashboards/home").json()
            assert viewer.home in home["redirectUri"]
            assert client.post("/api/dashboards/db", json={"dashboard": {"title": "x"}}).status_code == 403
            assert client.post("/api/datasources", json={"name": "x"}).status_code in {400, 403}
            assert client.get("/api/admin/settings").status_code == 403


def test_setting_up_again_changes_nothing_and_leaves_passwords_alone(grafana: Grafana) -> None:
    login = VIEWERS[1].login
    change = {"oldPassword": grafana.viewer_password, "newPassword": "of their own", "confirmNew": "of their own"}
    with grafana.client(login) as client:
        assert client.put("/api/user/password", json=change).is_success
    assert grafana.set_up() == []
    with grafana.client(login, "of their own") as client:
        assert client.get("/api/user/preferences").json()["homeDashboardUID"] == VIEWERS[1].home
        back = {"oldPassword": "of their own", "newPassword": grafana.viewer_password}
        assert client.put("/api/user/password", json={**back, "confirmNew": grafana.viewer_password}).is_success


# --- dashboards and the map --------------------------------------------------------------------------------------


def test_every_dashboard_that_ships_is_there_in_its_folder(grafana: Grafana) -> None:
    shipped = {
        json.loads(file.read_text(encoding="utf-8"))["uid"]: file.parent.name
        for file in (ROOT / "grafana" / "dashboards").glob("*/*.json")
    }
    assert shipped

    def found() -> dict[str, str]:
        return {each["uid"]: each.get("folderUid", "") for each in grafana.get("/api/search", "safety", type="dash-db")}

    eventually(lambda: shipped.keys() <= found().keys(), within=LONG, pause=1, why=lambda: str(found()))
    assert {uid: found()[uid] for uid in shipped} == {uid: f"parkwatch-{folder}" for uid, folder in shipped.items()}


def test_a_viewer_gets_the_map_from_grafana_itself(grafana: Grafana) -> None:
    found = grafana.get("/api/datasources/proxy/uid/parkwatch_console/map/zones.geojson", "safety")
    kinds = [feature["properties"]["kind"] for feature in found["features"]]
    assert found["type"] == "FeatureCollection"
    assert kinds.count("zone") == len(load(ROOT / "config").zones)


def test_a_viewer_reads_through_the_data_source(grafana: Grafana, influx_server: InfluxServer) -> None:
    now = time.time_ns() // 1_000_000
    Influx(influx_server.url, "park").write(f"{names.READING},zone=elsewhere v=1.0 {now}".encode())
    with grafana.client("safety") as client:
        text = f'SELECT last("v") FROM "raw"."{names.READING}" WHERE "zone" = \'elsewhere\''
        answer = client.post("/api/datasources/proxy/uid/parkwatch/query", params={"db": "park"}, data={"q": text})
        assert answer.json()["results"][0]["series"][0]["values"][0][1] == 1.0


# --- the second net ----------------------------------------------------------------------------------------------


def test_every_rule_is_loaded_as_it_ships(grafana: Grafana) -> None:
    wanted = {rule.data()["uid"]: rule for rule in rules(load(ROOT / "config"))}
    loaded = {rule["uid"]: rule for rule in grafana.rules()}
    assert loaded.keys() == wanted.keys()
    for uid, rule in wanted.items():
        assert loaded[uid]["no_data_state"] == rule.data()["noDataState"]
        assert loaded[uid]["exec_err_state"] == rule.data()["execErrState"]
    assert RULES.is_file()


class Half(threading.Thread):
    """One zone of two that is well, straight into InfluxDB: no process of parkwatch runs."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._influx = Influx(url, "park")
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.is_set():
            now = time.time_ns() // 1_000_000
            lines = (
                f"{names.READING},zone={ALIVE},site=hf-plant,sensor=gd-01,quantity=hf v=1.0 {now}",
                f"{names.READING},zone={ALIVE},site=parkwatch,sensor=canary,quantity=canary v=1.0 {now}",
                f"{names.HEALTH},piece=canary,zone={ALIVE} age_s=2.0 {now}",
                f"{names.HEALTH},piece=worker.{ALIVE}.0,zone={ALIVE} up=1.0,lag_s=0.0 {now}",
                f"{names.HEALTH},piece=worker.{DEAD}.0,zone={DEAD} up=0.0,lag_s=99.0 {now}",
            )
            with contextlib.suppress(InfluxUnavailable):
                self._influx.write("\n".join(lines).encode())
            self.ending.wait(2)


@pytest.fixture
def half(influx_server: InfluxServer) -> Iterator[Half]:
    thread = Half(influx_server.url)
    thread.start()
    yield thread
    thread.ending.set()
    thread.join()


def told(hook: Catcher) -> dict[str, dict[str, Any]]:
    """Return the alerts that were sent, by their rule's uid and zone or piece; the newest of each."""
    by_title = {rule.data()["title"]: rule.data()["uid"] for rule in rules(load(ROOT / "config"))}
    found = {}
    for request in list(hook.requests):
        for alert in request.json["alerts"]:
            piece = alert["labels"].get("piece", "")
            found[" ".join(filter(None, (by_title[alert["labels"]["alertname"]], piece)))] = alert
    return found


@pytest.mark.usefixtures("half")
def test_grafana_tells_of_a_silent_zone_while_nothing_of_parkwatch_runs(grafana: Grafana, hook: Catcher) -> None:
    silent = {f"pw-{name}-{DEAD}" for name in ("silent", "canary-stored", "canary-delivered")}
    wanted = {*silent, f"pw-lag worker.{DEAD}.0", f"pw-piece worker.{DEAD}.0"}

    def firing() -> set[str]:
        return {name for name, alert in told(hook).items() if alert["status"] == "firing"}

    eventually(lambda: wanted <= firing(), within=LONG, pause=1, why=lambda: f"{firing()} {grafana.alerts()}")
    # What was silent before the zone began to send has ended.
    well = {f"pw-silent-{ALIVE}", f"pw-canary-stored-{ALIVE}", f"pw-canary-delivered-{ALIVE}", "pw-spool", "pw-lost"}
    eventually(lambda: not well & firing(), within=LONG, pause=1, why=lambda: f"{firing()} {grafana.alerts()}")
    alert = told(hook)[f"pw-silent-{DEAD}"]
    assert alert["labels"]["severity"] == "critical"
    assert alert["labels"]["zone"] == DEAD
    assert "没有任何数据" in alert["annotations"]["summary"]
    assert hook.requests[-1].path == "/hook?key=a$b"


@pytest.mark.usefixtures("half")
def test_grafana_tells_when_influxdb_itself_is_away(
    grafana: Grafana, hook: Catcher, influx_server: InfluxServer
) -> None:
    influx_server.kill()
    try:
        state = "firing"
        eventually(lambda: grafana.alerts()["pw-refused"] == state, within=LONG, pause=1)
        eventually(lambda: "pw-refused" in told(hook), within=LONG, pause=1, why=lambda: str(sorted(told(hook))))
    finally:
        influx_server.start()


# --- without contacts --------------------------------------------------------------------------------------------


def test_without_anybody_to_tell_the_rules_run_and_nothing_is_sent(tmp_path: Path, influx_server: InfluxServer) -> None:
    with running(Grafana(tmp_path, influx_server.url, "park")) as grafana:
        eventually(lambda: grafana.alerts()[f"pw-silent-{DEAD}"] == "firing", within=LONG, pause=1)
        with httpx.Client(base_url=grafana.url, auth=("admin", grafana.admin_password), trust_env=False) as client:
            policy = client.get("/api/v1/provisioning/policies").json()
        assert policy["routes"][0]["mute_time_intervals"] == ["parkwatch-always"]
        time.sleep(30)
        assert "Notify for alerts failed" not in grafana.log(200)


def test_grafana_takes_e_mail_addresses_and_a_webhook_together(tmp_path: Path, influx_server: InfluxServer) -> None:
    environ = {
        "PARKWATCH_GRAFANA_ALERT_WEBHOOK": "http://127.0.0.1:9/",
        "PARKWATCH_GRAFANA_ALERT_EMAIL": "safety@park.example;duty@park.example",
    }
    with running(Grafana(tmp_path, influx_server.url, "park", environ)) as grafana:
        points = grafana.get("/api/v1/provisioning/contact-points")
    ours = {point["type"]: point["settings"] for point in points if point["name"] == "parkwatch"}
    assert ours["email"]["addresses"] == environ["PARKWATCH_GRAFANA_ALERT_EMAIL"]
    assert ours["webhook"]["url"] == environ["PARKWATCH_GRAFANA_ALERT_WEBHOOK"]
