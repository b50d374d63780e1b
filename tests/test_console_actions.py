"""What people do on the console, by API and by form: acknowledge, shelve, take out of service, reset; and who may."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from park.catalogue import Catalogue
from tests import alerting
from tests.alerting import SERIES
from tests.consoles import ALARM, Console
from tests.servers import Redis

HOUR, MINUTE = 3_600_000, 60_000
OTHER = SERIES.replace("hf-01", "hf-02")
OTHERS_ALARM = ALARM.replace("hf-01", "hf-02")


@pytest.fixture
def console(redis: Redis, home: Path) -> Iterator[Console]:
    with Console(redis.url, home) as running_console:
        yield running_console


def latching() -> Catalogue:
    """The small park, its HF alarm latching."""
    park = alerting.catalogue()
    limits = tuple(msgspec.structs.replace(limit, latching=limit.id == "hf-high") for limit in park.limits)
    return dataclasses.replace(park, limits=limits)


def post(web: httpx.Client, what: str, alarm: str = ALARM, **body: Any) -> httpx.Response:
    """Ask for ``what`` by the API."""
    return web.post(f"/api/alarms/{alarm}/{what}", json=body)


def newest(console: Console) -> tuple[str, str, str]:
    """Event, by whom and why of the journal's newest entry."""
    entry = console.web.get("/api/journal?limit=1").json()[0]
    return entry["event"], entry["by"], entry["why"]


# --- acknowledging -------------------------------------------------------------------------------------------------


def test_an_acknowledgement_is_taken_and_journalled_as_who_is_logged_in(console: Console) -> None:
    console.raise_alarm()
    answer = console.acknowledge()
    assert answer.status_code == 200
    assert answer.json() == {"alarm": ALARM, "state": "ACKED", "occurrence": 1, "version": 2, "repeated": False}
    (alarm,) = console.alarms()
    assert (alarm["state"], alarm["acknowledged_by"]) == ("ACKED", "li")
    assert newest(console) == ("acknowledged", "li", "on my way")


def test_a_repeated_acknowledgement_changes_nothing(console: Console) -> None:
    console.raise_alarm()
    console.acknowledge()
    again = post(console.log_in("wang"), "ack", occurrence=1, version=1)
    assert again.status_code == 200
    assert (again.json()["repeated"], again.json()["version"]) == (True, 2)
    assert console.alarms()[0]["acknowledged_by"] == "li"


def test_a_stale_acknowledgement_is_refused_with_what_is_current(console: Console) -> None:
    console.raise_alarm()
    console.raise_alarm(level=2)
    answer = console.acknowledge(version=1)
    assert answer.status_code == 409
    refusal = answer.json()
    assert refusal["current"] == {"occurrence": 1, "version": 2, "state": "UNACK", "acknowledged_by": ""}
    assert "occurrence 1, version 2" in refusal["detail"]
    assert "请查看现状" in refusal["texts"]["zh"]
    assert console.alarms()[0]["state"] == "UNACK"


@pytest.mark.parametrize(
    "change",
    [
        {"occurrence": 0},
        {"version": "1"},
        {"version": 1.5},
        {"occurrence": True},
        {"by": "Li Wei"},
        {"comment": "x" * 501},
        {"comment": "line\nbreak"},
        {"comment": None},
        {"unknown": 1},
    ],
)
def test_bodies_that_make_no_sense_are_refused(console: Console, change: dict[str, Any]) -> None:
    console.raise_alarm()
    answer = console.acknowledge(**change)
    assert answer.status_code == 422
    assert next(iter(change)) in answer.json()["problems"][0]
    assert console.alarms()[0]["state"] == "UNACK"


def test_several_are_acknowledged_at_once_and_the_stale_ones_are_told(console: Console) -> None:
    console.raise_alarm()
    console.raise_alarm(OTHER)
    console.raise_alarm(OTHER, level=2)
    seen = [
        {"alarm": ALARM, "occurrence": 1, "version": 1},
        {"alarm": OTHERS_ALARM, "occurrence": 1, "version": 1},
        {"alarm": "a.b.c.d.e", "occurrence": 1, "version": 1},
    ]
    answer = console.web.post("/api/ack", json={"alarms": seen, "comment": "both leaks are one"})
    assert answer.status_code == 200
    said = answer.json()
    assert said["acknowledged"] == 1
    one, two, three = said["results"]
    assert (one["outcome"], one["done"]["state"]) == ("done", "ACKED")
    assert (two["outcome"], two["current"]["version"]) == ("stale", 2)
    assert three["outcome"] == "unknown"
    assert {alarm["alarm"]: alarm["state"] for alarm in console.alarms()} == {ALARM: "ACKED", OTHERS_ALARM: "UNACK"}
    again = console.web.post("/api/ack", json={"alarms": seen[:1]}).json()
    assert (again["acknowledged"], again["results"][0]["outcome"]) == (1, "repeated")


@pytest.mark.parametrize("alarms", [[], [{"alarm": ALARM}], [{"alarm": "", "occurrence": 1, "version": 1}]])
def test_a_list_that_makes_no_sense_is_refused_whole(console: Console, alarms: list[Any]) -> None:
    assert console.web.post("/api/ack", json={"alarms": alarms}).status_code == 422


# --- shelving, service, reset --------------------------------------------------------------------------------------


def test_shelving_has_an_end_a_reason_and_a_person(console: Console) -> None:
    console.raise_alarm()
    answer = post(console.web, "shelve", minutes=60, reason="probe is being calibrated")
    assert answer.status_code == 200
    assert answer.json()["state"] == "SHLVD"
    (alarm,) = console.alarms()
    assert alarm["shelved"] == ["li", "probe is being calibrated", console.time.now() + HOUR, console.time.now(), 1]
    assert newest(console) == ("shelved", "li", "probe is being calibrated")
    assert post(console.web, "unshelve", comment="done").json()["state"] == "UNACK"
    assert newest(console) == ("unshelved", "li", "done")


def test_an_alarm_that_is_normal_can_be_shelved_too(console: Console) -> None:
    console.register(SERIES.rpartition("/")[0])
    console.read(SERIES)
    end = console.time.now() + 15 * MINUTE
    assert post(console.web, "shelve", until=end, reason="calibration").json()["state"] == "SHLVD"
    assert console.alarms()[0]["shelved"][2] == end


@pytest.mark.parametrize(
    "body",
    [
        {"minutes": 60},
        {"minutes": 60, "reason": ""},
        {"minutes": 60, "reason": "   "},
        {"reason": "why"},
        {"minutes": 60, "until": alerting.NOW + 1, "reason": "why"},
        {"minutes": 0, "reason": "why"},
        {"minutes": 481, "reason": "why"},
        {"until": alerting.NOW, "reason": "why"},
        {"until": alerting.NOW + 8 * HOUR + 1, "reason": "why"},
    ],
)
def test_shelving_without_a_reason_or_an_end_that_may_be_is_refused(console: Console, body: dict[str, Any]) -> None:
    console.raise_alarm()
    answer = post(console.web, "shelve", **body)
    assert answer.status_code == 422
    assert answer.json()["texts"]["zh"]
    assert console.alarms()[0]["state"] == "UNACK"


def test_how_long_is_too_long_is_said(console: Console) -> None:
    console.raise_alarm()
    texts = post(console.web, "shelve", minutes=481, reason="why").json()["texts"]
    assert texts == {
        "zh": "请选择搁置时长，最长 8 小时 0 分。",
        "en": "Choose how long to shelve it, 8 h 0 min at most.",
    }


def test_an_engineer_takes_an_alarm_out_of_service_and_back(console: Console) -> None:
    console.raise_alarm()
    engineer = console.log_in("wang")
    assert post(engineer, "remove", reason="sent away for repair").json()["state"] == "OOSRV"
    assert console.alarms()[0]["out_of_service"][:2] == ["wang", "sent away for repair"]
    twice = post(engineer, "remove", reason="again")
    assert (twice.status_code, twice.json()["texts"]["zh"]) == (409, "该报警已由 wang 停用。")
    assert post(engineer, "restore", comment="").json()["state"] == "UNACK"


@pytest.mark.parametrize(
    ("what", "text"), [("unshelve", "该报警没有被搁置。"), ("restore", "该报警没有停用。"), ("reset", "数值仍超限")]
)
def test_what_can_not_be_done_is_refused_with_its_reason(console: Console, what: str, text: str) -> None:
    console.raise_alarm()
    answer = post(console.log_in("wang"), what, comment="")
    assert answer.status_code == 409
    refusal = answer.json()
    assert refusal["error"] == "refused"
    assert refusal["texts"]["zh"].startswith(text)
    assert refusal["detail"] == refusal["texts"]["en"]


def test_a_latched_alarm_is_reset_once_it_is_back_and_acknowledged(redis: Redis, home: Path) -> None:
    with Console(redis.url, home, latching()) as console:
        console.raise_alarm()
        console.raise_alarm(level=0, value=100.0)
        refused = post(console.web, "reset", comment="")
        assert (refused.status_code, refused.json()["texts"]["zh"]) == (409, "请先确认报警，再复位。")
        console.acknowledge(version=2)
        assert "锁存" in console.web.get(f"/alarms/{ALARM}?lang=zh").text
        assert post(console.web, "reset", comment="flange tightened").json()["state"] == "NORM"
        assert newest(console) == ("reset", "li", "flange tightened")
        again = post(console.web, "reset", comment="")
        assert (again.status_code, again.json()["texts"]["zh"]) == (409, "该报警没有锁存，无需复位。")


@pytest.mark.parametrize("what", ["ack", "shelve", "unshelve", "remove", "restore", "reset"])
def test_an_alarm_that_can_not_be_is_unknown_to_every_action(console: Console, what: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "ack": {"occurrence": 1, "version": 1},
        "shelve": {"minutes": 15, "reason": "why"},
        "remove": {"reason": "why"},
    }
    answer = post(console.log_in("wang"), what, "no.such.alarm.at.all", **bodies.get(what, {}))
    if what in {"unshelve", "restore", "reset"}:
        answer = post(console.log_in("wang"), what, "no.such.alarm.at.all", comment="")
    assert (answer.status_code, answer.json()["error"]) == (404, "unknown")


# --- who may -------------------------------------------------------------------------------------------------------

_ASKED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("ack", {"occurrence": 1, "version": 1}, "operator"),
    ("shelve", {"minutes": 15, "reason": "why"}, "operator"),
    ("unshelve", {"comment": ""}, "operator"),
    ("reset", {"comment": ""}, "operator"),
    ("remove", {"reason": "why"}, "engineer"),
    ("restore", {"comment": ""}, "engineer"),
)


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize(("what", "body", "needs"), _ASKED)
def test_roles_are_kept_by_api_and_form_alike(
    console: Console, what: str, body: dict[str, Any], needs: str, *, form: bool
) -> None:
    console.raise_alarm()
    for name, role in (("chen", "viewer"), ("li", "operator"), ("wang", "engineer")):
        web = console.log_in(name)
        sent = {"data": body} if form else {"json": body}
        path = f"/alarms/{ALARM}/{what}" if form else f"/api/alarms/{ALARM}/{what}"
        status = web.post(path, **sent).status_code  # type: ignore[arg-type]  # one of the two
        may = role in {"engineer", needs}
        assert (status == 403) is not may, (name, status)


def test_nobody_acts_without_a_session(console: Console) -> None:
    console.raise_alarm()
    assert post(console.anybody, "ack", occurrence=1, version=1).status_code == 401
    assert console.anybody.post("/api/ack", json={"alarms": []}).status_code == 401
    assert console.alarms()[0]["state"] == "UNACK"


# --- by form, without a script -------------------------------------------------------------------------------------


def form(console: Console, what: str, **fields: str) -> httpx.Response:
    """Send a form of the alarm's page."""
    return console.web.post(f"/alarms/{ALARM}/{what}", data=fields)


def test_a_form_acknowledges_and_leads_back_to_where_it_stood(console: Console) -> None:
    console.raise_alarm()
    answer = form(console, "ack", occurrence="1", version="1", comment="on my way")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/alarms/{ALARM}")
    assert newest(console) == ("acknowledged", "li", "on my way")
    console.raise_alarm(level=2)
    back = console.web.post(
        f"/alarms/{ALARM}/ack?occurrence=1&version=3", data={"next": "/?zone=new-materials", "csrf": "unused"}
    )
    assert (back.status_code, back.headers["location"]) == (303, "/?zone=new-materials")


def test_a_form_leads_to_no_other_site(console: Console) -> None:
    console.raise_alarm()
    answer = form(console, "ack", occurrence="1", version="1", next="//evil.example/")
    assert answer.headers["location"] == "/"


def test_the_csrf_token_of_a_form_counts_as_the_header(console: Console) -> None:
    console.raise_alarm()
    token = console.web.headers.pop("x-csrf-token")
    assert form(console, "ack", occurrence="1", version="1").status_code == 403
    assert form(console, "ack", occurrence="1", version="1", csrf=token).status_code == 303


@pytest.mark.parametrize(("choice", "length"), [("15", 15 * MINUTE), ("60", HOUR), ("240", 4 * HOUR)])
def test_a_form_shelves_for_one_of_its_choices(console: Console, choice: str, length: int) -> None:
    console.raise_alarm()
    assert form(console, "shelve", **{"for": choice, "reason": "calibration"}).status_code == 303
    assert console.alarms()[0]["shelved"][2] == console.time.now() + length


def test_the_end_of_the_shift_is_a_choice(console: Console) -> None:
    console.raise_alarm()
    # It is 03:12:05 in the park; the shift ends at 08:00.
    assert "08:00" in console.web.get(f"/alarms/{ALARM}").text
    form(console, "shelve", **{"for": "shift", "reason": "calibration"})
    assert console.alarms()[0]["shelved"][2] - console.time.now() == (4 * 60 + 47) * MINUTE + 55_000


@pytest.mark.parametrize(
    ("what", "fields", "text"),
    [
        ("ack", {"occurrence": "1", "version": "7"}, "报警已变化"),
        ("ack", {"occurrence": "one", "version": "1"}, "页面已过期"),
        ("ack", {"occurrence": "1"}, "页面已过期"),
        ("ack", {"occurrence": "1", "version": "1", "comment": "x" * 501}, "备注最多"),
        ("shelve", {"for": "15"}, "请填写原因"),
        ("shelve", {"for": "9999", "reason": "why"}, "请选择搁置时长"),
        ("remove", {}, "请填写原因"),
        ("unshelve", {}, "没有被搁置"),
        ("explode", {}, "页面不存在"),
    ],
)
def test_a_form_that_can_not_be_done_says_so_on_a_page(
    console: Console, what: str, fields: dict[str, str], text: str
) -> None:
    console.raise_alarm()
    answer = console.log_in("wang").post(f"/alarms/{ALARM}/{what}?lang=zh", data={"csrf": "unused", **fields})
    assert answer.status_code in {404, 409, 422}
    assert answer.headers["content-type"].startswith("text/html")
    assert text in answer.text
    assert console.alarms()[0]["state"] == "UNACK"


@pytest.mark.parametrize(
    ("name", "headers", "status", "zh"),
    [
        ("", {}, 401, "请先登录"),
        ("chen", {}, 403, "此操作需要“操作员”角色，您的角色是“查看”"),
        ("li", {"x-csrf-token": "forged"}, 403, "请附上会话令牌"),
        ("li", {"origin": "http://elsewhere.example"}, 403, "拒绝来自其他网站页面的请求"),
        ("li", {"host": "elsewhere.example"}, 421, "不以 'elsewhere.example' 为名"),
        ("li", {"content-type": "text/plain"}, 415, "请发送 JSON"),
    ],
)
def test_who_is_not_let_in_reads_why_in_both_languages(
    console: Console, name: str, headers: dict[str, str], status: int, zh: str
) -> None:
    console.raise_alarm()
    web = console.log_in(name) if name else console.anybody
    body = b'{"occurrence": 1, "version": 1}'
    told = web.post(f"/api/alarms/{ALARM}/ack", content=body, headers={"content-type": "application/json", **headers})
    assert told.status_code == status
    said = told.json()
    assert zh in said["texts"]["zh"]
    assert said["texts"]["en"] == said["detail"] != said["texts"]["zh"]


def test_of_several_each_that_was_not_done_says_why_in_both_languages(console: Console) -> None:
    console.raise_alarm()
    seen = [{"alarm": ALARM, "occurrence": 1, "version": 7}, {"alarm": "a.b.c.d.e", "occurrence": 1, "version": 1}]
    results = console.web.post("/api/ack", json={"alarms": seen, "comment": ""}).json()["results"]
    assert [result["outcome"] for result in results] == ["stale", "unknown"]
    assert [bool(result["texts"]["zh"] and result["texts"]["en"]) for result in results] == [True, True]
    assert "请查看现状" in results[0]["texts"]["zh"]
