"""The console against a real Redis: reading by API, who may, live events, Redis away, a clean stop."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis as redis_py
from starlette.datastructures import Headers

from alerts.console.app import address, own_names
from alerts.console.guard import refuse
from park.alarms import State
from park.words import Names, Quality
from parkwatch.servers import free_port
from storage import names, stored
from storage.quarantine import Entry, Quarantine
from storage.settings import Settings
from tests.alerting import SERIES
from tests.consoles import ALARM, Console, environ_of, running, session_of
from tests.servers import Redis, eventually

SENSOR = SERIES.rpartition("/")[0]


@pytest.fixture
def console(redis: Redis, home: Path) -> Iterator[Console]:
    with Console(redis.url, home) as running_console:
        yield running_console


# --- reading -------------------------------------------------------------------------------------------------------


def test_a_quiet_park_has_no_alarms(console: Console) -> None:
    assert console.alarms() == []


def test_an_alarm_is_listed_with_all_that_is_known(console: Console) -> None:
    console.describe(SENSOR, "一号", "number one")
    console.raise_alarm()
    (alarm,) = console.alarms()
    assert (alarm["alarm"], alarm["state"], alarm["priority"]) == (ALARM, "UNACK", "high")
    assert (alarm["value"], alarm["set_point"], alarm["unit"]) == (5.1, 4.0, "mg/m³")
    assert (alarm["occurrence"], alarm["version"]) == (1, 1)
    assert alarm["labels"]["sensor"] == {"zh": "一号", "en": "number one"}
    assert alarm["guidance"]["response"]["en"] == "evacuate, wear breathing apparatus"
    assert (alarm["source"], alarm["provenance"]) == ("GB/T 50493-2019", "verified")
    assert alarm["clause"] == {"zh": "第5.5.2条：最高容许浓度的 100%", "en": "5.5.2: 100 % of the MAC"}
    assert alarm["link"].startswith(console.base)
    assert ALARM in alarm["link"]
    assert console.web.get(f"/api/alarms/{ALARM}").json() == alarm


def test_alarms_come_by_priority_then_unacknowledged_then_the_latest_and_can_be_filtered(console: Console) -> None:
    for number, level in ((1, 1), (2, 2), (3, 1), (4, 1)):
        console.time.advance(1000)
        console.raise_alarm(f"new-materials/hf-unit/hf-{number:02d}/hf", level, 9000.0)
    console.describe("new-materials/hf-unit/hf-04", "装车台", "loading bay")
    console.acknowledge("new-materials.hf-unit.hf-03.hf.hf-high")

    def sensors(query: str = "") -> list[str]:
        return [alarm["sensor"] for alarm in console.alarms(query)]

    assert sensors() == ["hf-02", "hf-04", "hf-01", "hf-03"]
    assert sensors("?priority=critical") == ["hf-02"]
    assert sensors("?state=ACKED") == ["hf-03"]
    assert sensors("?zone=new-materials&priority=high&state=UNACK") == ["hf-04", "hf-01"]
    assert sensors("?zone=riverside") == []
    assert sensors("?q=LOADING%20hf-04") == ["hf-04"]
    assert sensors("?q=装车") == ["hf-04"]
    assert sensors("?q=loading%20hf-01") == []


@pytest.mark.parametrize("query", ["state=ALRIGHT", "priority=urgent", f"zone={'z' * 64}", f"q={'q' * 201}"])
def test_filters_that_make_no_sense_are_refused_in_both_languages(console: Console, query: str) -> None:
    answer = console.web.get(f"/api/alarms?{query}")
    assert answer.status_code == 422
    refusal = answer.json()
    assert refusal["error"] == "invalid"
    assert query.partition("=")[0] in refusal["problems"][0]
    assert refusal["texts"]["zh"].startswith("请求有误")


def test_an_alarm_that_is_normal_is_known_and_one_that_cannot_be_is_not(console: Console) -> None:
    console.read(SERIES, 800.0)
    alarm = console.web.get(f"/api/alarms/{ALARM}").json()
    assert (alarm["state"], alarm["availability"], alarm["version"]) == ("NORM", "in-service", 0)
    for unknown in (
        "no.such.alarm.at.all",
        "nonsense",
        ALARM.replace("hf-01", "hf-99"),
        f"{ALARM}x",
        "nowhere.a.b.hf.c",
    ):
        answer = console.web.get(f"/api/alarms/{unknown}")
        assert answer.status_code == 404, unknown
        assert "GET /api/alarms" in answer.json()["detail"]
        assert answer.json()["texts"]["zh"] == "没有这个报警。"


def test_the_journal_is_newest_first_bounded_and_of_one_alarm_if_asked(console: Console) -> None:
    console.raise_alarm()
    console.raise_alarm(level=2)
    console.acknowledge(version=2)
    console.time.advance(5_000)
    console.raise_alarm("new-materials/hf-unit/hf-02/hf")

    def events(query: str) -> list[str]:
        return [entry["event"] for entry in console.web.get(f"/api/journal{query}").json()]

    assert events("") == ["raised", "acknowledged", "escalated", "raised"]
    assert events(f"?alarm={ALARM}") == ["acknowledged", "escalated", "raised"]
    assert events(f"?alarm={ALARM}&limit=1") == ["acknowledged"]
    assert events(f"?alarm={ALARM}&since={console.time.now()}") == []
    assert events("?limit=1") == ["raised"]
    assert console.web.get("/api/journal?limit=0").status_code == 422


def test_the_traces_of_an_alarm_are_found_behind_many_others(console: Console) -> None:
    console.raise_alarm()
    pipe = console.client.pipeline(transaction=False)
    entry = stored.newest(console.client, names.JOURNAL, 0, 1)[0][b"transition"]
    other = entry.replace(b"hf-01", b"hf-02")
    for _ in range(2_500):
        pipe.xadd(names.JOURNAL, {"transition": other})
    pipe.execute()
    assert [entry["alarm"] for entry in console.web.get(f"/api/journal?alarm={ALARM}").json()] == [ALARM]


def test_series_are_listed_with_value_quality_silence_gateway_and_alarms(console: Console) -> None:
    console.raise_alarm()
    console.register(SENSOR, Names("一号", "number one"), gateway="new-materials/gw-01")
    console.client.hset(names.GATEWAYS, "new-materials/gw-01", '{"state":"offline","at":1}')
    console.read("new-materials/hf-unit/hf-02/hf", None, Quality.FAILURE)
    console.read("new-materials/hf-unit/hf-03/hf", 250.0, ago=3_600_000)
    console.read("new-materials/hf-unit/hf-04/hf", 250.0)
    found = console.web.get("/api/sensors").json()
    assert (found["total"], found["page"], found["pages"]) == (4, 1, 1)
    one, two, three, four = found["sensors"]
    assert (one["value"], one["unit"], one["quality"], one["alarms"]) == (5100.0, "µg/m³", "good", 1)
    assert (one["gateway"], one["gateway_state"], one["names"]["en"]) == (
        "new-materials/gw-01",
        "offline",
        "number one",
    )
    assert (two["value"], two["quality"], two["silent"]) == (None, "failure", False)
    assert (three["silent"], three["received"]) == (True, console.time.now() - 3_600_000)
    assert (four["silent"], four["alarms"]) == (False, 0)

    def sensors(query: str) -> list[str]:
        return [one["sensor"] for one in console.web.get(f"/api/sensors?{query}").json()["sensors"]]

    assert sensors("doubtful=true") == ["hf-02", "hf-03"]
    assert sensors("q=一号") == ["hf-01"]
    assert sensors("q=氟化氢 hf-04") == ["hf-04"]
    assert sensors("zone=riverside") == []


def test_many_series_come_in_pages(console: Console) -> None:
    for number in range(60):
        console.read(f"new-materials/hf-unit/hf-{number:03d}/hf", float(number))
    first, second, beyond = (console.web.get(f"/api/sensors?page={page}").json() for page in (1, 2, 9))
    assert (first["total"], first["pages"], len(first["sensors"])) == (60, 2, 50)
    assert second["sensors"][0]["sensor"] == "hf-050"
    assert beyond["page"] == 2
    assert beyond["sensors"] == second["sensors"]


def test_health_is_open_to_all_and_says_no_more_than_whether_delivery_lives(console: Console) -> None:
    console.raise_alarm()
    assert console.anybody.get("/api/health").json() == {"status": "degraded"}
    console.client.set(names.heartbeat("delivery"), "{}")
    console.client.delete(names.OUTBOX, names.OUTBOX_ITEMS)
    assert console.anybody.get("/api/health").json() == {"status": "ok"}


def test_kpis_are_those_that_were_computed_last(console: Console) -> None:
    assert console.web.get("/api/kpis").json() == {"kpis": None}


# --- who may -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"host": "evil.example", "origin": "http://evil.example"}, 421),
        ({"host": "[", "origin": "http://["}, 421),
        ({"content-type": "text/plain"}, 415),
        ({"x-csrf-token": "stolen"}, 403),
        ({"origin": "OWN", "sec-fetch-site": "same-origin"}, 200),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({}, 200),
    ],
)
def test_no_other_sites_page_can_acknowledge(console: Console, headers: dict[str, str], status: int) -> None:
    console.raise_alarm()
    sent = {name: value.replace("OWN", console.base) for name, value in headers.items()}
    assert console.acknowledge(headers=sent).status_code == status
    assert console.alarms()[0]["state"] == ("ACKED" if status == 200 else "UNACK")


PAGES = ["/", f"/alarms/{ALARM}", "/shelved", "/sensors", "/quarantine", "/oncall", "/kpis", "/health"]
READING = ["alarms", f"alarms/{ALARM}", "journal", "sensors", "oncall", "kpis", "openapi.json"]


@pytest.mark.parametrize("path", [*PAGES, "/events", *(f"/api/{name}" for name in READING), "/nowhere"])
def test_without_a_log_in_nothing_is_told(console: Console, path: str) -> None:
    console.raise_alarm()
    answer = console.anybody.get(path)
    assert answer.status_code == 401
    assert "UNACK" not in answer.text
    opened = console.anybody.get(path, headers={"accept": "text/html"})
    assert (opened.status_code, opened.headers["location"].split("?")[0]) == (303, "/login")


def test_a_foreign_name_may_not_even_read(console: Console) -> None:
    answer = console.web.get("/api/alarms", headers={"host": "rebound.example"})
    assert answer.status_code == 421
    assert "PARKWATCH_CONSOLE_URL" in answer.json()["detail"]


@pytest.mark.parametrize(("length", "status"), [("", 411), ("65537", 413), ("65536", None), ("-1", 411)])
def test_bodies_have_a_known_and_modest_length(length: str, status: int | None) -> None:
    headers = Headers({"host": "localhost", "content-type": "application/json", "content-length": length})
    refusal = refuse("POST", headers, frozenset({"localhost"}))
    assert (refusal.status if refusal else None) == status


def test_every_answer_carries_the_strict_headers(console: Console) -> None:
    for path in (*PAGES, "/api/alarms", "/static/live.js", "/nowhere"):
        headers = console.web.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_address_is_loopbacks_unless_told_otherwise() -> None:
    def settings(**environ: str) -> Settings:
        return Settings.from_environment({"PARKWATCH_HOME": "/nonexistent", **environ})

    assert address(settings()) == ("127.0.0.1", 8100)
    public = settings(PARKWATCH_CONSOLE_URL="https://park.example")
    assert address(public) == ("127.0.0.1", 8100)
    assert "park.example" in own_names(public)
    everywhere = replace(public, console_bind="0.0.0.0:8200")
    assert address(everywhere) == ("0.0.0.0", 8200)  # noqa: S104 - what the operator asked for
    assert "0.0.0.0" not in own_names(everywhere)  # noqa: S104


def test_a_one_tap_link_shows_the_alarm_as_it_stands(redis: Redis, home: Path) -> None:
    with Console(redis.url, home, PARKWATCH_SECRET_KEY="k" * 32) as console:
        console.raise_alarm()
        taps = console.wired.taps
        assert taps
        standing = taps.standing(ALARM, "zh")
        assert standing
        assert standing.headline == "▲ 高: hf-01, 5.1 mg/m³ > 4"
        assert (standing.occurrence, standing.version, standing.waiting) == (1, 1, True)
        assert ("处置", "撤离并佩戴正压呼吸器") in standing.lines
        assert taps.standing("normal", "en") is None
        assert taps.person("nobody") is None


# --- Redis away ----------------------------------------------------------------------------------------------------


def test_without_redis_everything_says_so_and_nothing_looks_fine(own_redis: Redis, home: Path) -> None:
    with Console(own_redis.url, home) as console:
        console.raise_alarm()
        own_redis.kill()
        for path in ("/api/alarms", f"/api/alarms/{ALARM}", "/api/journal", "/api/sensors", "/api/health"):
            answer = console.web.get(path)
            assert (answer.status_code, answer.json()["error"]) == (503, "redis-away")
            assert "not seeing one does not mean there is none" in answer.json()["detail"]
        assert console.acknowledge().status_code == 503
        page = console.web.get("/?lang=en", headers={"accept": "text/html"})
        assert page.status_code == 503
        assert "Alarm data is not available" in page.text
        assert "No active alarms" not in page.text
        own_redis.start()
        assert len(console.alarms()) == 1


# --- the running process -------------------------------------------------------------------------------------------


def events_of(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Parse server-sent events."""
    kind = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        if name == "data":
            yield kind, json.loads(value)


@pytest.fixture
def environ(redis: Redis, home: Path) -> dict[str, str]:
    """Of a console as a process."""
    return environ_of(redis.url, home, f"http://127.0.0.1:{free_port()}")


def test_a_transition_reaches_open_pages_and_a_stop_does_not_wait_for_them(
    redis: Redis, home: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    cookies = {"parkwatch-session": session_of(redis.url, home, "chen")}
    with (
        Console(redis.url, other) as console,
        running(environ) as process,
        httpx.stream("GET", f"{environ['PARKWATCH_CONSOLE_URL']}/events", timeout=30, cookies=cookies) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = events_of(stream.iter_lines())
        assert next(events)[0] == "alive"
        # The reader of the journal has begun by the second sign of life.
        assert next(events)[0] == "alive"
        console.raise_alarm()
        told = next(data for kind, data in events if kind == "transition")
        assert (told["alarm"], told["event"], told["after"]) == (ALARM, "raised", State.UNACK)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert all(kind == "alive" for kind, _ in events)


def test_open_pages_are_told_when_redis_goes_and_comes(own_redis: Redis, home: Path) -> None:
    base = f"http://127.0.0.1:{free_port()}"
    environ = environ_of(own_redis.url, home, base)
    cookies = {"parkwatch-session": session_of(own_redis.url, home, "chen")}
    with running(environ), httpx.stream("GET", f"{base}/events", timeout=30, cookies=cookies) as stream:
        events = events_of(stream.iter_lines())
        assert next(events)[0] == "alive"
        own_redis.kill()
        assert next(kind for kind, _ in events if kind != "alive") == "away"
        own_redis.start()
        assert next(kind for kind, _ in events if kind != "away") == "alive"


def test_the_console_says_that_it_lives(redis: Redis, environ: dict[str, str]) -> None:
    client = redis_py.Redis.from_url(redis.url)
    with running(environ):
        eventually(lambda: client.exists(names.heartbeat("console")), within=30)
    client.close()


def test_the_quarantine_page_shows_what_was_refused_and_what_to_send(console: Console) -> None:
    at = console.time.now()
    entry = Entry(
        "park/a/b", "unit", "mg/l is no unit", "send mg/m3", '{"v": "<b>"}', at, "不能用 mg/l", "请发送 mg/m3"
    )
    older = Entry("park/a/c", "time", "t lies before 2000", "send ms", "1", at)
    Quarantine(console.client).put([older, entry])
    page = console.web.get("/quarantine?lang=zh").text
    for part in ("不能用 mg/l", "请发送 mg/m3", "t lies before 2000", "send ms"):
        assert part in page
    assert "mg/l is no unit" not in page
    page = console.web.get("/quarantine?lang=en").text
    for part in ("park/a/b", "mg/l is no unit", "send mg/m3", "&lt;b&gt;"):
        assert part in page
