"""The console against a real Redis: API, guard, pages in both languages, live events, a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
import pytest
import redis as redis_py
import uvicorn
from starlette.datastructures import Headers

from alerts.console.app import address, create_app, own_names, wire
from alerts.console.guard import refuse
from park.alarms import Alarm, Notify, reach
from park.sensors import Sensor
from park.words import Names
from parkwatch.servers import free_port
from storage import names
from storage.settings import Settings
from storage.states import ShardStates, Work
from tests import alerting
from tests.alerting import SERIES, StoppedClock, catalogue, transition
from tests.servers import Redis, eventually

ROOT = Path(__file__).resolve().parent.parent
ALARM = transition().alarm
SHARD = "new-materials.0"
NASTY = '<script>alert("x")</script><img src=x onerror=alert(1)>'


class Console:
    """A console on a real Redis, and hands to put alarms there as a worker does."""

    def __init__(self, url: str) -> None:
        self.base = f"http://127.0.0.1:{free_port()}"
        environ = {"PARKWATCH_REDIS_URL": url, "PARKWATCH_CONSOLE_URL": self.base, "PARKWATCH_HOME": "/nonexistent"}
        self.settings = Settings.from_environment(environ)
        self.clock = StoppedClock()
        self.client = redis_py.Redis.from_url(url)
        self.web = httpx.Client(base_url=self.base, timeout=20)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._server: uvicorn.Server | None = None

    async def _serve(self) -> None:
        host, port = address(self.settings)
        wired, close = wire(self.settings, catalogue(), self.clock)
        config = uvicorn.Config(create_app(wired), host=host, port=port, log_config=None, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        await self._server.serve()
        await close()

    def __enter__(self) -> Self:
        self._thread.start()
        eventually(lambda: self._server and self._server.started)
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.should_exit = True
        self._thread.join()
        self.web.close()
        self.client.close()

    def raise_alarm(self, series: str = SERIES, level: int = 1, value: float = 5100.0) -> Alarm:
        """Commit an activation as a worker does."""
        states = ShardStates(self.client, SHARD)
        stored = states.load([series])[series]
        before = stored.record.alarms.get("hf-high", Alarm())
        after, event = reach(before, level, t=alerting.NOW - 40, at=self.clock.time, value=value)
        limit = catalogue().limit("hf-high")
        point = limit.set_points[max(level, 1) - 1]
        moved = transition(
            event,
            alarm=f"{series.replace('/', '.')}.hf-high",
            series=series,
            notify=Notify.PAGE if level else Notify.NOTICE,
            before=before.state,
            after=after.state,
            severity=point.severity,
            priority=point.priority,
            occurrence=after.occurrence,
            version=after.version,
            at=self.clock.time,
            value=value,
            set_point=point.at,
        )
        record = msgspec.structs.replace(stored.record, alarms={**stored.record.alarms, "hf-high": after})
        states.commit(Work(records={series: (stored.version, record)}, transitions=[(moved, after)]), catalogue(), 0)
        return after

    def describe(self, key: str, zh: str, en: str) -> None:
        sensor = Sensor(key, registered=0, names=Names(zh, en))
        self.client.hset(names.SENSORS, key, msgspec.json.encode(sensor))

    def acknowledge(self, alarm: str = ALARM, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        said = {"occurrence": 1, "version": 1, "by": "Li Wei", "comment": "on my way", **body}
        return self.web.post(f"/api/alarms/{alarm}/ack", json=said, headers=headers)


@pytest.fixture
def console(redis: Redis) -> Iterator[Console]:
    with Console(redis.url) as running_console:
        yield running_console


# --- reading -------------------------------------------------------------------------------------------------------


def test_a_quiet_park_has_no_alarms(console: Console) -> None:
    assert console.web.get("/api/alarms").json() == []


def test_an_alarm_is_listed_with_all_that_is_known(console: Console) -> None:
    console.describe("new-materials/hf-unit/hf-01", "一号", "number one")
    console.raise_alarm()
    (alarm,) = console.web.get("/api/alarms").json()
    assert (alarm["alarm"], alarm["state"], alarm["priority"]) == (ALARM, "UNACK", "high")
    assert (alarm["value"], alarm["set_point"], alarm["unit"]) == (5.1, 4.0, "mg/m³")
    assert (alarm["occurrence"], alarm["version"]) == (1, 1)
    assert alarm["labels"]["sensor"] == {"zh": "一号", "en": "number one"}
    assert alarm["guidance"]["response"]["en"] == "evacuate, wear breathing apparatus"
    assert (alarm["source"], alarm["provenance"]) == ("GB/T 50493-2019", "verified")
    assert alarm["clause"] == {"zh": "第5.5.2条：最高容许浓度的 100%", "en": "5.5.2: 100 % of the MAC"}
    assert alarm["link"] == f"{console.base}/?alarm={ALARM}"
    assert console.web.get(f"/api/alarms/{ALARM}").json() == alarm


def test_alarms_come_by_priority_then_the_latest_first_and_can_be_filtered(console: Console) -> None:
    for number, level in ((1, 1), (2, 2), (3, 1)):
        console.clock.advance(1000)
        console.raise_alarm(f"new-materials/hf-unit/hf-{number:02d}/hf", level, 9000.0)
    console.acknowledge("new-materials.hf-unit.hf-03.hf.hf-high")

    def sensors(query: str = "") -> list[str]:
        return [alarm["sensor"] for alarm in console.web.get(f"/api/alarms{query}").json()]

    assert sensors() == ["hf-02", "hf-03", "hf-01"]
    assert sensors("?priority=critical") == ["hf-02"]
    assert sensors("?state=ACKED") == ["hf-03"]
    assert sensors("?zone=new-materials&priority=high&state=UNACK") == ["hf-01"]
    assert sensors("?zone=riverside") == []


@pytest.mark.parametrize("query", ["state=ALRIGHT", "priority=urgent", f"zone={'z' * 64}"])
def test_filters_that_make_no_sense_are_refused(console: Console, query: str) -> None:
    assert console.web.get(f"/api/alarms?{query}").status_code == 422


def test_unknown_alarms_are_404_with_what_to_do(console: Console) -> None:
    for answer in (console.web.get("/api/alarms/no.such.alarm.at.all"), console.acknowledge("nonsense")):
        assert answer.status_code == 404
        assert "GET /api/alarms" in answer.json()["detail"]


def test_the_journal_is_newest_first_and_bounded(console: Console) -> None:
    console.raise_alarm()
    console.raise_alarm(level=2)
    console.acknowledge(version=2)
    events = [entry["event"] for entry in console.web.get("/api/journal").json()]
    assert events == ["acknowledged", "escalated", "raised"]
    assert len(console.web.get("/api/journal?limit=1").json()) == 1
    assert console.web.get("/api/journal?limit=0").status_code == 422


def test_health_shows_whether_delivery_lives(console: Console) -> None:
    console.raise_alarm()
    health = console.web.get("/api/health").json()
    assert (health["status"], health["redis"], health["delivery"]["alive"]) == ("degraded", "up", False)
    assert health["delivery"]["waiting"] == 1
    console.client.set(names.heartbeat("delivery"), "{}")
    console.client.delete(names.OUTBOX, names.OUTBOX_ITEMS)
    assert console.web.get("/api/health").json()["status"] == "ok"


# --- acknowledging -------------------------------------------------------------------------------------------------


def test_an_acknowledgement_is_taken_and_journalled(console: Console) -> None:
    console.raise_alarm()
    answer = console.acknowledge()
    assert answer.status_code == 200
    assert answer.json() == {"alarm": ALARM, "state": "ACKED", "occurrence": 1, "version": 2, "repeated": False}
    (alarm,) = console.web.get("/api/alarms").json()
    assert (alarm["state"], alarm["acknowledged_by"]) == ("ACKED", "Li Wei")
    newest = console.web.get("/api/journal").json()[0]
    assert (newest["event"], newest["by"], newest["why"]) == ("acknowledged", "Li Wei", "on my way")


def test_a_repeated_acknowledgement_changes_nothing(console: Console) -> None:
    console.raise_alarm()
    console.acknowledge()
    again = console.acknowledge(by="Wang Fang")
    assert again.status_code == 200
    assert (again.json()["repeated"], again.json()["version"]) == (True, 2)
    assert console.web.get("/api/alarms").json()[0]["acknowledged_by"] == "Li Wei"


def test_a_stale_acknowledgement_is_refused_with_what_is_current(console: Console) -> None:
    console.raise_alarm()
    console.raise_alarm(level=2)
    answer = console.acknowledge(version=1)
    assert answer.status_code == 409
    refusal = answer.json()
    assert refusal["current"] == {"occurrence": 1, "version": 2, "state": "UNACK", "acknowledged_by": ""}
    assert "stale" in refusal["detail"]
    assert "occurrence 1, version 2" in refusal["detail"]
    assert console.web.get("/api/alarms").json()[0]["state"] == "UNACK"


@pytest.mark.parametrize(
    "change",
    [
        {"occurrence": 0},
        {"version": "1"},
        {"version": 1.5},
        {"occurrence": True},
        {"by": ""},
        {"by": "   "},
        {"by": "x" * 81},
        {"by": "a\u0000b"},
        {"comment": "x" * 501},
        {"comment": "line\nbreak"},
        {"comment": None},
        {"unknown": 1},
    ],
)
def test_bodies_that_make_no_sense_are_refused(console: Console, change: dict[str, Any]) -> None:
    console.raise_alarm()
    assert console.acknowledge(**change).status_code == 422
    assert console.web.get("/api/alarms").json()[0]["state"] == "UNACK"


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
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"origin": "OWN", "sec-fetch-site": "same-origin"}, 200),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({}, 200),
    ],
)
def test_no_other_sites_page_can_acknowledge(console: Console, headers: dict[str, str], status: int) -> None:
    console.raise_alarm()
    sent = {name: value.replace("OWN", console.base) for name, value in headers.items()}
    assert console.acknowledge(headers=sent).status_code == status
    assert console.web.get("/api/alarms").json()[0]["state"] == ("ACKED" if status == 200 else "UNACK")


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
    for path in ("/", "/alarms", "/api/alarms", "/static/console.js", "/nowhere"):
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


# --- the page ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "parts"),
    [
        (
            "en",
            [
                "Active alarms",
                "New Materials",
                "HF unit",
                "active, not acknowledged",
                "▲</span> high",
                "Acknowledge",
                "GB/T 50493-2019 5.5.2: 100 % of the MAC",
            ],
        ),
        (
            "zh",
            [
                "当前报警",
                "新材料产业园",
                "氟化氢装置",
                "未确认",
                "▲</span> 高",
                "撤离并佩戴正压呼吸器",
                "GB/T 50493-2019 第5.5.2条：最高容许浓度的 100%",
            ],
        ),
    ],
)
def test_the_page_speaks_both_languages(console: Console, language: str, parts: list[str]) -> None:
    console.raise_alarm()
    page = console.web.get(f"/?lang={language}")
    assert page.status_code == 200
    for part in [*parts, f'<html lang="{language}">', "5.1 mg/m³", "UNACK"]:
        assert part in page.text


def test_the_browsers_language_is_taken_unless_asked(console: Console) -> None:
    page = console.web.get("/", headers={"accept-language": "zh-CN,zh;q=0.9"})
    assert '<html lang="zh">' in page.text
    assert '<html lang="en">' in console.web.get("/", headers={"accept-language": "fr"}).text
    assert console.web.get("/?lang=fr").status_code == 422


def test_names_and_comments_are_only_ever_text(console: Console) -> None:
    console.describe("new-materials/hf-unit/hf-01", NASTY, NASTY)
    console.raise_alarm()
    console.raise_alarm("new-materials/hf-unit/hf-02/hf")
    console.acknowledge("new-materials.hf-unit.hf-02.hf.hf-high", by=NASTY, comment=NASTY)
    for path in ("/?lang=zh", "/?lang=en", "/alarms", f"/?alarm={NASTY}&zone=%22%3E%3Cscript%3E"):
        text = console.web.get(path).text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert '"><script>' not in text
    assert "&lt;script&gt;" in console.web.get("/").text


def test_nothing_on_the_page_comes_from_outside(console: Console) -> None:
    page = console.web.get("/").text
    for forbidden in ("http://", "https://", "style=", "onclick", "<style"):
        assert forbidden not in page
    for asset in ("/static/console.js", "/static/console.css", "/static/icon.svg"):
        assert asset in page
        assert console.web.get(asset).status_code == 200


def test_a_link_from_a_page_opens_its_alarm_or_says_that_it_is_over(console: Console) -> None:
    assert "This alarm is not active now" in console.web.get(f"/?lang=en&alarm={ALARM}").text
    console.raise_alarm()
    linked = console.web.get(f"/?lang=en&alarm={ALARM}").text
    assert "not active now" not in linked
    assert "linked" in linked


def test_an_empty_page_says_so_with_its_time(console: Console) -> None:
    page = console.web.get("/?lang=en").text
    assert "No active alarms." in page
    assert "2026-01-02 03:12:05 UTC+8" in page
    assert "No active alarms in this selection." in console.web.get("/?lang=en&zone=riverside").text


def test_acknowledged_and_returned_alarms_offer_what_is_left_to_do(console: Console) -> None:
    console.raise_alarm()
    console.acknowledge()
    assert 'class="acknowledge"' not in console.web.get("/").text
    console.raise_alarm("new-materials/hf-unit/hf-02/hf")
    console.raise_alarm("new-materials/hf-unit/hf-02/hf", level=0, value=100.0)
    page = console.web.get("/?lang=en").text
    assert "returned, not acknowledged" in page
    assert 'class="acknowledge"' in page


# --- Redis away ----------------------------------------------------------------------------------------------------


def test_without_redis_everything_says_so_and_nothing_looks_fine(own_redis: Redis) -> None:
    with Console(own_redis.url) as console:
        console.raise_alarm()
        own_redis.kill()
        for path in ("/api/alarms", f"/api/alarms/{ALARM}", "/api/journal", "/api/health"):
            answer = console.web.get(path)
            assert (answer.status_code, answer.json()["error"]) == (503, "redis-away")
            assert "does not mean there is none" in answer.json()["detail"]
        assert console.acknowledge().status_code == 503
        for path in ("/?lang=en", "/alarms?lang=en"):
            page = console.web.get(path)
            assert page.status_code == 503
            assert "Alarm data is not available" in page.text
            assert "No active alarms" not in page.text
        own_redis.start()
        assert len(console.web.get("/api/alarms").json()) == 1


# --- the running process -------------------------------------------------------------------------------------------

_RUN = """
import os
from alerts.console.app import serve
from storage.settings import Settings
from tests.alerting import catalogue
serve(Settings.from_environment(os.environ), catalogue())
"""


@contextlib.contextmanager
def running(url: str, home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the console as a process; give its address."""
    base = f"http://127.0.0.1:{free_port()}"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PARKWATCH_")}
    environ |= {"PARKWATCH_HOME": str(home), "PARKWATCH_REDIS_URL": url, "PARKWATCH_CONSOLE_URL": base}
    process = subprocess.Popen([sys.executable, "-c", _RUN], cwd=ROOT, env=environ)

    def answers() -> bool:
        assert process.poll() is None
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{base}/static/icon.svg").status_code == 200
        return False

    try:
        eventually(answers, within=30, why="the console answers")
        yield base, process
    finally:
        process.kill()
        process.wait()


def events_of(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Parse server-sent events."""
    kind = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        if name == "data":
            yield kind, json.loads(value)


def test_a_transition_reaches_open_pages_and_a_stop_does_not_wait_for_them(redis: Redis, home: Path) -> None:
    with (
        Console(redis.url) as console,
        running(redis.url, home) as (base, process),
        httpx.stream("GET", f"{base}/events", timeout=20) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = events_of(stream.iter_lines())
        assert next(events)[0] == "alive"
        # The reader of the journal has begun by the second sign of life.
        assert next(events)[0] == "alive"
        console.raise_alarm()
        told = next(data for kind, data in events if kind == "transition")
        assert (told["alarm"], told["event"], told["after"]) == (ALARM, "raised", "UNACK")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert all(kind == "alive" for kind, _ in events)


def test_open_pages_are_told_when_redis_goes_and_comes(own_redis: Redis, home: Path) -> None:
    with running(own_redis.url, home) as (base, _), httpx.stream("GET", f"{base}/events", timeout=30) as stream:
        events = events_of(stream.iter_lines())
        assert next(events)[0] == "alive"
        own_redis.kill()
        assert next(kind for kind, _ in events if kind != "alive") == "away"
        own_redis.start()
        assert next(kind for kind, _ in events if kind != "away") == "alive"


def test_the_console_says_that_it_lives(redis: Redis, home: Path) -> None:
    client = redis_py.Redis.from_url(redis.url)
    with running(redis.url, home):
        eventually(lambda: client.exists(names.heartbeat("console")))
    client.close()
