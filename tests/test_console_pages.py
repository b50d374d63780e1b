"""The console's pages as a browser without a script gets them: both languages, every list, nothing from outside."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis as redis_py

from park.actions import Remove, Shelve
from park.alarms import Event
from park.catalogue import Catalogue
from park.floods import Flood
from park.kpis import PARK, Figures, Latest
from park.oncall import Chain, Handover, OnCall, Override, Person, Rota, Step, Until, day_of
from park.relations import Suppression, Which, WhileAlarm
from park.words import Names, Priority, Quality
from storage import names, watch
from storage.figures import publish_kpis
from storage.influx import Influx
from storage.states import ParkStates
from tests import alerting
from tests.alerting import SERIES, transition
from tests.consoles import ALARM, Console
from tests.servers import Influx as InfluxServer
from tests.servers import Redis

NASTY = '<script>alert("x")</script><img src=x onerror=alert(1)>'
PAGES = ("/", f"/alarms/{ALARM}", "/shelved", "/sensors", "/quarantine", "/oncall", "/kpis", "/health")
SENSOR = SERIES.rpartition("/")[0]
HOUR = 3_600_000
OTHER = SERIES.replace("hf-01", "hf-02")
OTHERS_ALARM = ALARM.replace("hf-01", "hf-02")


def park() -> Catalogue:
    """The small park with a roster and a rule of suppression."""
    people = {
        "li": Person("li", Names("李伟", "Li Wei")),
        "chen": Person("chen", Names("陈刚", "Chen Gang")),
    }
    rota = Rota(
        name="shift",
        names=Names("值班", "Duty"),
        timezone="Asia/Shanghai",
        handover=Handover(0, 480),
        start=day_of(alerting.NOW, "Asia/Shanghai"),
        people=("li",),
        overrides=(Override("shift", alerting.NOW + HOUR, alerting.NOW + 2 * HOUR, "chen", "看牙医"),),
    )
    critical = Chain(
        id="critical",
        names=Names("紧急", "critical"),
        steps=(Step(("rota:shift",), 0, 120_000, 2), Step(("person:chen",), 300_000)),
        priorities=(Priority.CRITICAL,),
        until=Until.RETURNED,
    )
    rule = Suppression("plant-stopped", Names("装置停车", "the plant is stopped"), Which(), WhileAlarm(("hf-high",)))
    roster = OnCall(people, {"shift": rota}, (critical,))
    return dataclasses.replace(alerting.catalogue(), oncall=roster, suppressions=(rule,))


@pytest.fixture
def console(redis: Redis, home: Path) -> Iterator[Console]:
    with Console(redis.url, home, park()) as running_console:
        yield running_console


def read(console: Console, path: str, language: str = "en") -> str:
    """Return a page as an operator reads it, its spaces made single."""
    page = console.web.get(path, params={"lang": language} if "?" not in path else None)
    assert page.status_code == 200, page.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


# --- the list ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "parts"),
    [
        (
            "en",
            [
                "New Materials 1 /1",
                "HF unit · New Materials",
                "● unacked UNACK",
                "▲ high",
                "Acknowledge",
                "5.1 mg/m³ > 4",
                "high · HF leak · GB/T 50493-2019 5.5.2",
                "✱ NEW",
                "1 unacknowledged / 1",
            ],
        ),
        (
            "zh",
            [
                "新材料产业园 1 /1",
                "氟化氢装置 · 新材料产业园",
                "● 未确认 UNACK",
                "▲ 高",
                "确认",
                "5.1 mg/m³ > 4",
                "高 · 氟化氢泄漏 · GB/T 50493-2019 第5.5.2条",
                "✱ 新",
                "1 未确认 / 1",
            ],
        ),
    ],
)
def test_the_list_speaks_both_languages(console: Console, language: str, parts: list[str]) -> None:
    console.raise_alarm()
    page = read(console, "/", language)
    for part in parts:
        assert part in page, page


def test_the_language_is_asked_for_then_remembered_then_the_browsers(console: Console) -> None:
    def language(path: str = "/", **headers: str) -> str:
        found = re.search(r'<html lang="(\w+)"', console.web.get(path, headers=headers).text)
        assert found
        return found[1]

    assert language(**{"accept-language": "zh-CN,zh;q=0.9"}) == "zh"
    assert language(**{"accept-language": "fr"}) == "en"
    assert language("/sensors?lang=zh&q=hf") == "zh"
    assert language(**{"accept-language": "fr"}) == "zh"
    assert language("/?lang=fr") == "zh"
    assert language("/?lang=en") == "en"


def test_the_switch_of_language_keeps_what_the_page_was_asked(console: Console) -> None:
    assert "?q=hf&amp;page=1&amp;lang=zh" in console.web.get("/sensors?q=hf&page=1&lang=en").text


def test_names_and_comments_are_only_ever_text(console: Console) -> None:
    console.describe(SENSOR, NASTY, NASTY)
    console.raise_alarm()
    console.raise_alarm(OTHER)
    console.acknowledge(OTHERS_ALARM, comment=NASTY)
    console.web.post(f"/api/alarms/{ALARM}/shelve", json={"minutes": 60, "reason": NASTY})
    odd = f"/?q={NASTY}&zone=%22%3E%3Cscript%3E&priority=%22%3E"
    for path in (*PAGES, odd, f"/alarms/{OTHERS_ALARM}", f"/sensors?q={NASTY}"):
        text = console.web.get(path).text
        assert "<script>alert" not in text, path
        assert "<img" not in text, path
        assert '"><script>' not in text, path
    assert "&lt;script&gt;" in console.web.get("/shelved").text


@pytest.mark.parametrize("path", PAGES)
def test_nothing_on_a_page_comes_from_outside_or_stands_inline(console: Console, path: str) -> None:
    console.raise_alarm()
    page = console.web.get(path).text
    for forbidden in ("http://", "https://", "style=", "onclick", "<style"):
        assert forbidden not in page
    assert all("src=" in script for script in re.findall(r"<script[^>]*>", page))
    for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        assert console.web.get(asset).status_code == 200


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_carries_the_count_and_what_changes_comes_alone_on_request(
    console: Console, path: str, language: str
) -> None:
    console.raise_alarm()
    whole = console.web.get(path, params={"lang": language})
    assert "<title>(1) " in whole.text
    part = console.web.get(path, params={"lang": language}, headers={"x-part": "1"})
    assert (whole.status_code, part.status_code) == (200, 200)
    assert "<html" not in part.text
    assert 'id="strip"' in part.text
    assert 'id="main"' in part.text


def test_a_link_from_a_page_opens_its_alarm_also_when_it_is_over(console: Console) -> None:
    led = console.web.get(f"/?alarm={ALARM}")
    assert (led.status_code, led.headers["location"]) == (303, f"/alarms/{ALARM}")
    console.read(SERIES, 80.0)
    assert "✓ normal NORM" in read(console, f"/alarms/{ALARM}")
    unknown = console.web.get("/alarms/a.b.c.d.e?lang=en")
    assert unknown.status_code == 404
    assert "There is no such alarm" in unknown.text
    assert console.web.get("/alarms").headers["location"] == "/"


def test_an_empty_list_says_so_with_its_time(console: Console) -> None:
    page = read(console, "/")
    assert "No active alarms." in page
    assert "2026-01-02 03:12:05" in page
    console.raise_alarm()
    assert "No active alarms in this selection." in read(console, "/?lang=en&priority=low")
    assert "No active alarms in this selection." in read(console, "/?lang=en&q=nothing")


def test_acknowledged_and_returned_alarms_offer_what_is_left_to_do(console: Console) -> None:
    console.raise_alarm()
    console.acknowledge()
    page = console.web.get("/").text
    assert 'class="acknowledge"' not in page
    assert "acked ACKED" in read(console, "/")
    console.raise_alarm(OTHER)
    console.raise_alarm(OTHER, level=0, value=100.0)
    page = read(console, "/")
    assert "returned, unacked RTNUN" in page
    assert "0.1 mg/m³ ≤ 4" in page
    assert 'class="acknowledge"' in console.web.get("/").text


def test_what_is_critical_shows_its_first_instruction_in_the_list(console: Console) -> None:
    console.raise_alarm(level=2, value=9000.0)
    assert "Do (2 min) evacuate, wear breathing apparatus" in read(console, "/")


def test_flags_tell_first_up_and_chattering_and_new_wears_off(console: Console) -> None:
    now = console.time.now()
    console.raise_alarm(first_up=True, recent=(now - 40_000, now - 20_000, now - 40))
    page = read(console, "/")
    for flag in ("✱ NEW", "① first-up", "≋ chattering"):
        assert flag in page
    console.time.advance(121_000)
    assert "NEW" not in read(console, "/")


def test_a_viewer_reads_and_is_offered_nothing_to_do(console: Console) -> None:
    console.raise_alarm()
    viewer = console.log_in("chen")
    assert "formaction" not in viewer.get("/").text
    assert 'method="post" action="/alarms' not in viewer.get(f"/alarms/{ALARM}").text
    assert "Your role only reads." in viewer.get(f"/alarms/{ALARM}?lang=en").text


def test_a_flood_stands_above_the_list(console: Console) -> None:
    flood = Flood(console.time.now() - 60_000, 14, 14)
    console.client.hset(names.FLOODS, "new-materials", msgspec.json.encode(flood))
    assert "Alarm flood: New Materials, 14 alarms since 03:11:05" in read(console, "/")
    assert "报警泛滥：新材料产业园 自 03:11:05 起报警 14 条" in read(console, "/", "zh")


# --- one alarm -----------------------------------------------------------------------------------------------------


def test_an_alarms_page_tells_everything_there_is(console: Console) -> None:
    console.describe(SENSOR, "一号", "number one")
    console.raise_alarm()
    console.raise_alarm(level=2, value=9000.0)
    console.acknowledge(version=2)
    told = {
        "id": f"send:{ALARM}:1:2:li.sms",
        "alarm": ALARM,
        "occurrence": 1,
        "version": 2,
        "channel": "li.sms",
        "person": "li",
        "result": "failed",
        "attempts": 3,
        "reason": "HTTP 503",
        "ended": console.time.now(),
    }
    console.client.xadd(names.DELIVERED, {"delivery": msgspec.json.encode(told)})
    page = read(console, f"/alarms/{ALARM}")
    for part in (
        "▲▲ critical",
        "◐ acked ACKED",
        "number one · HF",
        "9 mg/m³ > 8",
        "✓ 9 mg/m³ · received 0 s ago",
        "evacuate, wear breathing apparatus",
        "people are poisoned",
        "flange leak",
        "GB/T 50493-2019 5.5.2: 100 % of the MAC [verified]",
        "acknowledged · li",
        "on my way",
        "NORM → UNACK",
        "Li Wei · sms ✕ failed 3 HTTP 503",
        f"{ALARM} #1.3",
    ):
        assert part in page, page
    assert "氟化氢一号" not in page


def test_without_influx_the_trend_says_so_and_the_rest_stands(console: Console) -> None:
    console.raise_alarm()
    page = read(console, f"/alarms/{ALARM}")
    assert "The trend is not available: InfluxDB does not answer." in page
    assert "5.1 mg/m³" in page


def test_a_trend_is_drawn_with_its_set_points(redis: Redis, home: Path, influx: InfluxServer, influx_db: str) -> None:
    environ = {"PARKWATCH_INFLUX_URL": influx.url, "PARKWATCH_INFLUX_DB": influx_db}
    with Console(redis.url, home, None, **environ) as console:
        console.raise_alarm()
        assert "No stored data in this time." in read(console, f"/alarms/{ALARM}")
        server = Influx(influx.url, influx_db)
        server.ensure()
        tags = "quantity=hf,sensor=hf-01,site=hf-unit,zone=new-materials"
        lines = [
            f'reading,{tags} v={1000.0 + minute},q="good" {console.time.now() - minute * 60_000}'
            for minute in range(1, 50)
        ]
        server.write("\n".join(lines).encode())
        server.close()
        page = console.web.get(f"/alarms/{ALARM}?hours=1&lang=en").text
        assert "<polyline" in page
        assert ">4 mg/m³<" in page
        assert ">8 mg/m³<" in page
        assert "1.001 … 1.049 mg/m³" in page
        assert "1.001" in console.web.get(f"/alarms/{ALARM}?hours=nonsense").text


# --- the other lists -----------------------------------------------------------------------------------------------


def test_what_does_not_reach_people_is_listed_with_who_why_and_until(console: Console) -> None:
    states = ParkStates(console.client, console.catalogue)
    now = console.time.now()
    console.raise_alarm()
    states.act(ALARM, Shelve(now + HOUR), by="li", why="calibration", now=now)
    console.raise_alarm(OTHER)
    states.act(OTHERS_ALARM, Remove(), by="wang", why="sent for repair", now=now)
    console.raise_alarm(SERIES.replace("hf-01", "hf-03"), suppressed="plant-stopped")
    page = read(console, "/shelved")
    for part in (
        "‖ Shelved (1)",
        "calibration",
        "li · Since 03:12:05 · until 04:12:05 (60 min)",
        "⊘ Suppressed by design (1)",
        "the plant is stopped",
        "✕ Out of service (1)",
        "sent for repair",
        "Unshelve",
    ):
        assert part in page, page
    assert "Back into service" not in page
    assert "恢复投用" in console.log_in("wang").get("/shelved?lang=zh").text
    assert "‖ shelved 1 ⊘ suppressed 1 ✕ out of service 1" in read(console, "/")
    assert "No active alarms." in read(console, "/")


def test_what_is_suppressed_tells_since_when_whatever_came_after(console: Console) -> None:
    series = SERIES.replace("hf-01", "hf-03")
    console.raise_alarm(series, suppressed="gateway-offline")
    entry = transition(Event.SUPPRESSED, alarm=ALARM.replace("hf-01", "hf-03"), series=series, at=console.time.now())
    console.client.xadd(names.JOURNAL, {"transition": msgspec.json.encode(entry)})
    console.time.advance(HOUR)
    console.raise_alarm(series, level=2, value=9000.0)
    page = read(console, "/shelved")
    assert "the gateway is offline" in page
    assert "parkwatch · Since 03:12:05" in page


def test_sensors_are_shown_with_what_is_doubtful(console: Console) -> None:
    console.describe(SENSOR, "一号", "number one")
    console.read(SERIES, 5100.0)
    console.read(OTHER, None, Quality.FAILURE)
    console.read(SERIES.replace("hf-01", "hf-03"), 3.0, ago=5 * HOUR)
    page = read(console, "/sensors")
    for part in ("3 series", "number one", "5100 µg/m³ ✓ good 0 s", "– ? failure", "? silent 5 h 0 min"):
        assert part in page, page
    assert "number one" not in read(console, "/sensors?lang=en&doubtful=1")
    assert "No sensor fits." in read(console, "/sensors?lang=en&q=nothing&page=x")


def test_who_is_on_call_and_whom_an_alarm_reaches(console: Console) -> None:
    page = read(console, "/oncall")
    for part in (
        "On duty now Li Wei until 01-02 04:12 (60 min)",
        "01-02 04:12 – 01-02 05:12 Chen Gang · stands in: 看牙医",
        "▲▲ critical at once Li Wei · again every 2 min, 2 times more after 5 min Chen Gang",
        "stops when back to normal",
        "▲ high ✕ NOBODY IS TOLD",
    ):
        assert part in page, page
    roster = console.web.get("/api/oncall").json()
    assert roster["rotas"][0]["now"]["person"] == "li"
    assert [shift["person"] for shift in roster["rotas"][0]["shifts"]][:3] == ["li", "chen", "li"]


def test_without_a_roster_that_is_said(redis: Redis, home: Path) -> None:
    with Console(redis.url, home) as console:
        assert "There is no roster" in read(console, "/oncall")


def figures(**changes: object) -> Figures:
    """Figures of a quiet day."""
    plain = {
        name: 0 if name not in {"zone", "window", "top", "chatterers", "stale_alarms"} else () for name in _FIGURES
    }
    return msgspec.convert({**plain, "zone": PARK, "window": "24h", **changes}, Figures)


_FIGURES = Figures.__struct_fields__


def test_kpis_are_shown_against_their_targets(console: Console) -> None:
    assert "No KPIs have been computed yet" in read(console, "/kpis")
    one = figures(average=2.5, top=[{"alarm": ALARM, "count": 7}], low_share=0.9)
    publish_kpis(console.client, Latest(console.time.now(), 0, {PARK: {"24h": one}}))
    page = read(console, "/kpis")
    assert "per operator and 10 min, average ≤ 1 ISA-18.2 / EEMUA 191 2.5 ✕" in page
    assert "low priority ≥ 80 % ISA-18.2 / IEC 62682 90 % ✓" in page
    assert f"{ALARM} · 7" in page
    assert console.web.get("/api/kpis").json()["kpis"]["zones"][PARK]["24h"]["average"] == 2.5
    assert "平均" in read(console, "/kpis?zone=nonsense&lang=zh")


def test_health_shows_canaries_delivery_and_the_pulse(console: Console) -> None:
    assert "The watchdog has not reported." in read(console, "/health")
    checks = (
        watch.Check(watch.Kind.CANARY, "new-materials", 4_000, well=True),
        watch.Check(watch.Kind.ALIVE, "worker.new-materials.0", None, well=False),
    )
    pulse = watch.Pulse(wanted=True, sent=console.time.now(), reason="")
    watch.put(console.client, watch.Watched(console.time.now(), checks, 0, (), pulse))
    console.raise_alarm()
    page = read(console, "/health")
    for part in (
        "canary: New Materials ✓ fresh · 4 s",
        "process: worker.new-materials.0 ✕ too old · never",
        "Pulse ✓ 03:12:05",
        "Delivery process ✕ NO SIGN OF LIFE",
        "waiting 1",
    ):
        assert part in page, page


def test_redis_that_goes_between_log_in_and_page_is_told(own_redis: Redis, home: Path) -> None:
    with Console(own_redis.url, home, park()) as console:
        assert isinstance(console.client, redis_py.Redis)
        own_redis.kill()
        answer = console.web.get("/shelved?lang=zh", headers={"accept": "text/html"})
        assert answer.status_code == 503
        assert "看不到报警不等于没有报警" in answer.text
        own_redis.start()


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("POST", "/sensors"), ("GET", "/api/nowhere")])
def test_what_is_not_there_is_told_as_a_page_or_as_json(console: Console, method: str, path: str) -> None:
    sent = {"data": {"csrf": "unused"}} if method == "POST" else {}
    page = console.web.request(method, f"{path}?lang=zh", headers={"accept": "text/html"}, **sent)  # type: ignore[arg-type]
    assert page.status_code in {404, 405}
    assert "页面不存在" in page.text
    answer = console.web.request(method, path, headers={"accept": "application/json"}, **sent)  # type: ignore[arg-type]
    assert answer.json()["error"] == "not-found"


def test_reloading_what_a_form_answered_leads_to_the_alarm(console: Console) -> None:
    console.raise_alarm()
    refused = console.web.post(f"/alarms/{ALARM}/unshelve", data={"comment": ""})
    assert refused.status_code == 409
    # The script must not read this page anew: it was the answer to a form.
    assert '<meta name="answer"' in refused.text
    again = console.web.get(f"/alarms/{ALARM}/unshelve?lang=zh")
    assert (again.status_code, again.headers["location"]) == (303, f"/alarms/{ALARM}")
