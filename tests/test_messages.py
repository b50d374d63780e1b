"""What a page says, and who it goes to."""

from __future__ import annotations

import itertools
import json

import msgspec
import pytest

from alerts import backoff, words
from alerts.messages import Addresses, Message, compose, duration, line, number, payload
from alerts.plan import plan
from park.alarms import Event, Notify, State, Transition
from park.catalogue import ChannelKind
from park.words import Names, Priority
from tests import alerting

CONSOLE = "http://127.0.0.1:8100"


def message(event: Event = Event.RAISED, *, since: int | None = None, **changes: object) -> Message:
    return of(alerting.transition(event, **changes), since=since)


def of(transition: Transition, *, since: int | None = None) -> Message:
    return compose(
        transition, alerting.catalogue(), sensor=alerting.sensor(), since=since, addresses=Addresses(f"{CONSOLE}/")
    )


# --- texts -------------------------------------------------------------------------------------------------------


def test_a_page_in_english_says_everything_a_person_needs() -> None:
    text = message().text("en")
    assert text.title == "[HIGH] alarm: New Materials, HF unit, HF detector 1: HF 5.1 mg/m³ > 4"
    assert text.text.splitlines() == [
        "What: alarm",
        "Limit: HF leak (high)",
        "Zone: New Materials (new-materials)",
        "Site: HF unit (hf-unit)",
        "Sensor: HF detector 1 (hf-01)",
        "Value: HF 5.1 mg/m³ > 4",
        "Source: GB/T 50493-2019 5.5.2: 100 % of the MAC [verified]",
        "Since: 2026-01-02 03:12:04 UTC+8 (19:12:04 UTC)",
        "Event time: 2026-01-02 03:12:04 UTC+8 (19:12:04 UTC)",
        "State: active, not acknowledged (UNACK)",
        "Cause: flange leak",
        "If nothing is done: people are poisoned",
        "Do: evacuate, wear breathing apparatus",
        "Within: 2 min",
        "Look and acknowledge: http://127.0.0.1:8100/?alarm=new-materials.hf-unit.hf-01.hf.hf-high",
        "Reference: new-materials.hf-unit.hf-01.hf.hf-high #1.1",
    ]


def test_a_page_in_chinese_says_the_same() -> None:
    text = message().text("zh")
    assert text.title == "【高】报警：新材料产业园 氟化氢装置 氟化氢一号探头 氟化氢 5.1 mg/m³ > 4"
    for part in (
        "处置：撤离并佩戴正压呼吸器",
        "响应时限：2 分钟",
        "后果：人员中毒",
        "依据：GB/T 50493-2019 第5.5.2条：最高容许浓度的 100% [已核实]",
    ):
        assert part in text.text


def test_a_return_quotes_the_way_back_and_gives_no_orders() -> None:
    text = message(Event.RETURNED, since=alerting.NOW - 60_000).text("en")
    assert "HF 3.1 mg/m³ ≤ 4" in text.title
    assert "back to normal" in text.title
    assert "Since: 2026-01-02 03:11:05" in text.text
    assert "Do:" not in text.text


def test_what_nobody_knows_any_more_is_left_out() -> None:
    text = message(Event.RETURNED, since=None).text("en")
    assert "Since" not in text.text
    assert "Because" not in text.text


def test_a_low_limit_is_passed_downwards() -> None:
    assert "HF 1 mg/m³ < 2" in message(severity="low", value=1000.0, set_point=2000.0).text("en").title


@pytest.mark.parametrize("why", ["stale", "never-seen", "failure"])
def test_doubtful_data_is_never_quoted_as_a_measurement(why: str) -> None:
    bad = alerting.transition(limit="data-quality", severity="bad", set_point=None, why=why, value=5100.0)
    text = of(bad).text("en")
    assert "5.1" not in text.title + text.text
    assert "data not trustworthy" in text.title
    assert words.reason(why).en in text.text


def test_a_limit_that_was_taken_out_is_named_by_its_id() -> None:
    composed = of(alerting.transition(limit="gone", alarm="new-materials.hf-unit.hf-01.hf.gone"))
    assert composed.labels.limit == Names("gone", "gone")
    assert (composed.value, composed.unit) == (5100.0, "µg/m³")
    assert composed.guidance is None
    assert (composed.source, composed.clause) == ("", Names("", ""))
    for language, label in (("zh", "依据"), ("en", "Source")):
        assert label not in composed.text(language).text
    assert "(" not in line(composed)


def test_places_without_names_stand_for_themselves() -> None:
    unknown = alerting.transition(series="elsewhere/plant/x-1/co", alarm="elsewhere.plant.x-1.co.hf-high")
    composed = compose(unknown, alerting.catalogue(), sensor=None, since=None, addresses=Addresses(CONSOLE))
    assert composed.text("en").title.startswith("[HIGH] alarm: elsewhere, plant, x-1: co 5.1")


def test_the_terminal_line_is_one_line() -> None:
    assert line(message(priority=Priority.CRITICAL)) == (
        "03:12:05 CRITICAL new-materials/hf-unit/hf-01 HF 5.1 mg/m³ > 4 (GB/T 50493-2019 5.5.2): HF leak, alarm"
    )
    assert "\n" not in line(message(Event.RETURNED))


@pytest.mark.parametrize(
    ("clause", "told"),
    [("5.5.2", " 5.5.2"), ("5.5.2: of the MAC: 100 %", " 5.5.2"), ("class II, 1 h", " class II, 1 h"), ("", "")],
)
def test_the_terminal_line_leaves_out_what_explains_the_clause(clause: str, told: str) -> None:
    explained = msgspec.structs.replace(message(), clause=Names("无关：无关", clause))
    assert f"> 4 (GB/T 50493-2019{told}): HF leak" in line(explained)


@pytest.mark.parametrize(
    ("value", "beside", "text"),
    [
        (5.1, 4.0, "5.1"),
        (5.13482, 4.0, "5.135"),
        (4.00001, 4.0, "4.00001"),
        (4.0, 4.0, "4"),
        (0.0, None, "0"),
        (-12.5, None, "-12.5"),
        (123456.7, None, "123457"),
        (0.00012345, None, "0.0001234"),
        (1200.0, 1200.4, "1200"),
    ],
)
def test_numbers_are_short_but_never_equal_to_what_they_passed(value: float, beside: float | None, text: str) -> None:
    assert number(value, beside) == text


def test_times_to_respond_are_told_in_words_of_their_size() -> None:
    told = [duration(seconds).en for seconds in (30, 89, 90, 600, 3600, 7200, 86_400)]
    assert told == ["30 s", "89 s", "2 min", "10 min", "60 min", "2 h", "24 h"]


@pytest.mark.parametrize("event", list(Event))
def test_every_event_and_state_has_words(event: Event) -> None:
    for state in State:
        composed = message(event, after=state)
        assert composed.text("zh").title
        assert state.value in composed.text("en").text


# --- the webhook's JSON ------------------------------------------------------------------------------------------


def test_the_json_keeps_its_schema() -> None:
    sent = json.loads(payload(message()))
    assert sent["type"] == "alarm.raised"
    assert sent["timestamp"] == "2026-01-01T19:12:05.000Z"
    data = sent["data"]
    assert {key: data[key] for key in data if key not in {"labels", "guidance", "texts"}} == {
        "alarm": "new-materials.hf-unit.hf-01.hf.hf-high",
        "occurrence": 1,
        "version": 1,
        "event": "raised",
        "notify": "page",
        "zone": "new-materials",
        "site": "hf-unit",
        "sensor": "hf-01",
        "quantity": "hf",
        "limit": "hf-high",
        "limit_version": "1",
        "severity": "high",
        "priority": "high",
        "before": "NORM",
        "state": "UNACK",
        "value": 5.1,
        "unit": "mg/m³",
        "set_point": 4.0,
        "passed": ">",
        "event_time": "2026-01-01T19:12:04.960Z",
        "server_time": "2026-01-01T19:12:05.000Z",
        "since": "2026-01-01T19:12:04.960Z",
        "source": "GB/T 50493-2019",
        "clause": {"zh": "第5.5.2条：最高容许浓度的 100%", "en": "5.5.2: 100 % of the MAC"},
        "provenance": "verified",
        "why": "",
        "by": "parkwatch",
        "links": {
            "alarm": "http://127.0.0.1:8100/?alarm=new-materials.hf-unit.hf-01.hf.hf-high",
            "panel": None,
            "acknowledge": None,
        },
        "chattering": False,
        "first_up": False,
        "step": None,
        "person": "",
        "returned": False,
        "stuck": None,
    }
    assert data["labels"]["sensor"] == {"zh": "氟化氢一号探头", "en": "HF detector 1"}
    assert data["guidance"]["respond_within_s"] == 120
    assert data["texts"]["zh"].keys() == {"title", "text"}


def test_a_message_survives_the_outbox() -> None:
    composed = message()
    assert msgspec.json.decode(msgspec.json.encode(composed), type=Message) == composed


# --- the plan ----------------------------------------------------------------------------------------------------

ROUTES = (
    alerting.route("all", "http://x"),
    alerting.route("riverside", "http://x", zones=("riverside",), language="en"),
    alerting.route("urgent", "http://x", min_priority=Priority.CRITICAL, notices=False),
    alerting.route("mail", "mailto://x", ChannelKind.APPRISE, notices=False, language="en"),
)


def test_every_channel_gets_a_verdict_with_its_reason() -> None:
    decided = plan(alerting.transition(), ROUTES)
    assert [(delivery.channel, delivery.language) for delivery in decided.deliveries] == [("all", "zh"), ("mail", "en")]
    assert [(verdict.channel, verdict.reason) for verdict in decided.verdicts] == [
        ("all", "page wanted"),
        ("riverside", "not for zone new-materials (only riverside)"),
        ("urgent", "not for priority high (only critical and more urgent)"),
        ("mail", "page wanted"),
    ]


def test_notices_go_to_those_who_asked() -> None:
    decided = plan(alerting.transition(Event.RETURNED), ROUTES)
    assert [delivery.channel for delivery in decided.deliveries] == ["all"]
    assert "takes pages only" in decided.verdicts[3].reason


def test_journal_only_goes_to_nobody() -> None:
    assert not plan(alerting.transition(notify=Notify.NONE), ROUTES).deliveries


def test_a_park_without_channels_says_so() -> None:
    assert "no channel is configured" in plan(alerting.transition(), ()).reason


# --- backoff -----------------------------------------------------------------------------------------------------


def test_waits_double_up_to_ten_minutes_and_end_within_half_an_hour() -> None:
    waits = [backoff.delay(attempts, 0.5) for attempts in range(1, 12)]
    assert waits == [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 600_000]
    assert 25 * 60_000 < sum(waits) < 30 * 60_000


def test_waits_are_spread_and_never_shorter_than_asked_for() -> None:
    spread = [backoff.delay(3, chance) for chance in (0.0, 0.25, 0.75, 0.999)]
    assert all(a < b for a, b in itertools.pairwise(spread))
    assert (spread[0], round(spread[-1], -2)) == (3200, 4800)
    assert backoff.delay(1, 0.5, asked_for=30.0) == 30_000
