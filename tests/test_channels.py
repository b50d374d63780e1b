"""Channels that are new: the terminal; where webhooks may go; and what a person's own message says."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import threading
from typing import Any

import pytest

from alerts import words
from alerts.channels import Channel, Outcome, Permanent, Sent, Transient
from alerts.channels.targets import Targets
from alerts.channels.terminal import TerminalChannel
from alerts.channels.webhook import WebhookChannel
from alerts.delivery import open_channels
from alerts.links import Tap, read_tap
from alerts.messages import Addresses, Message, compose, payload, personal
from alerts.printing import Printer
from park.alarms import Event, Transition
from park.catalogue import Grouping
from park.words import Priority
from storage import names
from storage.clock import SystemClock
from storage.outbox import Counts, Record, Result, canary_id, encode_canary
from tests import alerting, servers
from tests.alerting import SECRET, Said, StoppedClock, catalogue, contact, person, roster, route, step, transition
from tests.catchers import Catcher
from tests.conftest import ROOT
from tests.posting import CONSOLE, Scripted, delivering, eventually, outbox_at, text_of, until
from tests.servers import Redis

KEY = "a key of thirty-two characters or more"
GRAFANA = "https://grafana.example.org/"


def message(told: Transition | None = None) -> Message:
    """What there is to say."""
    addresses = Addresses(CONSOLE, GRAFANA)
    return compose(told or transition(), catalogue(), sensor=alerting.sensor(), since=None, addresses=addresses)


# --- terminal ------------------------------------------------------------------------------------------------------


def test_a_terminal_prints_whose_message_it_is(redis: Redis) -> None:
    async def scenario() -> list[str]:
        async with delivering(redis.url, park=catalogue(oncall=roster(step("li-wei")))) as post:
            await post.raise_(transition())
            await post.ended(1)
            await until(lambda: len(post.said.lines) > 1)
            return post.said.lines

    lines = asyncio.run(scenario())
    assert lines[0] == "☎ li-wei (li-wei.phone): 【高】报警：新材料产业园 氟化氢装置 hf-01 氟化氢 5.1 mg/m³ > 4"
    assert lines[1].endswith("HF leak, alarm -> sent: li-wei.phone")


# --- where webhooks may go -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("targets", "host", "address", "allowed"),
    [
        (("10.20.0.0/16",), "hooks.example.org", "10.20.3.4", True),
        (("10.20.0.0/16",), "hooks.example.org", "10.21.3.4", False),
        (("10.20.0.0/16",), "hooks.example.org", "::ffff:10.20.3.4", True),
        (("hooks.example.org",), "Hooks.Example.org.", "203.0.113.7", True),
        (("hooks.example.org",), "other.example.org", "203.0.113.7", False),
        (("hooks.example.org",), "hooks.example.org", "127.0.0.1", False),
        (("hooks.example.org",), "hooks.example.org", "169.254.169.254", False),
        (("hooks.example.org",), "hooks.example.org", "::1", False),
        (("hooks.example.org", "127.0.0.1"), "hooks.example.org", "127.0.0.1", True),
        (("localhost",), "localhost", "127.0.0.1", True),
        (("2001:db8::/32",), "hooks.example.org", "2001:db8::7", True),
    ],
)
def test_targets_are_addresses_and_names(targets: tuple[str, ...], host: str, address: str, allowed: bool) -> None:  # noqa: FBT001
    assert Targets(targets).allow(host, ipaddress.ip_address(address)) is allowed


def attempt(url: str, *targets: str) -> Outcome:
    """One attempt at a webhook that may go to ``targets`` only."""

    async def scenario() -> Outcome:
        channel = WebhookChannel(url, SECRET, targets=Targets(targets))
        try:
            return await channel.send("send:a:1:1:env", message(), "en", SystemClock().now())
        finally:
            await channel.close()

    return asyncio.run(scenario())


def test_a_webhook_goes_where_it_may(catcher: Catcher) -> None:
    assert attempt(catcher.url, "127.0.0.0/8") == Sent("HTTP 200 OK")
    assert attempt(catcher.url.replace("127.0.0.1", "localhost"), "localhost", "127.0.0.1") == Sent("HTTP 200 OK")
    assert len(catcher.requests) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])  # noqa: S104 - an address to be refused
def test_a_webhook_goes_nowhere_else(catcher: Catcher, host: str) -> None:
    outcome = attempt(catcher.url.replace("127.0.0.1", host) + "/s3cret", "10.0.0.0/8")
    assert isinstance(outcome, Permanent)
    assert "webhook_targets" in outcome.reason
    assert "s3cret" not in outcome.reason
    assert not catcher.requests


def test_a_name_that_does_not_resolve_is_tried_again() -> None:
    assert isinstance(attempt("http://no-such-host.invalid/", "hooks.example.org"), Transient)


def test_the_configuration_restricts_every_webhook(catcher: Catcher) -> None:
    park = catalogue(grouping=Grouping(webhook_targets=("10.0.0.0/8",)))
    (channel,) = open_channels(park, [route("env", catcher.url)], text_of, Said()).values()

    async def scenario() -> Outcome:
        try:
            return await channel.send("send:a:1:1:env", message(), "en", 0)
        finally:
            await channel.close()

    assert isinstance(asyncio.run(scenario()), Permanent)
    assert not catcher.requests


# --- what a person's message says ------------------------------------------------------------------------------------


def test_a_persons_message_has_a_tap_link_of_its_own_and_says_which_call_it_is(redis: Redis) -> None:
    clock, phone = StoppedClock(), Scripted()
    critical = transition(priority=Priority.CRITICAL)

    async def scenario() -> None:
        park = catalogue(oncall=roster(step("a", every=60_000, repeat=1)))
        channels = {"a.phone": phone}
        async with delivering(redis.url, park=park, channels=channels, clock=clock, secret_key=KEY) as post:
            await post.raise_(critical)
            await post.ended(1)
            await post.later(clock, 60_000)
            await post.ended(2)

    asyncio.run(scenario())
    first, second = phone.messages
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert first.links.acknowledge is not None
    token = first.links.acknowledge.rpartition("/tap/")[2]
    assert read_tap(KEY, token, alerting.NOW) == Tap(critical.alarm, 1, "a", alerting.NOW)
    assert f"一键确认：{first.links.acknowledge}" in first.text("zh").text
    assert (first.person, first.step, second.step) == ("a", 0, 1)
    assert "报警（第 2 次呼叫）" in second.text("zh").title
    assert "alarm (call 2)" in second.text("en").title


def test_without_a_key_there_is_no_tap_link() -> None:
    assert "tap" not in personal(message(), "a", 0, None).text("en").text.lower()


def test_a_persons_webhook_has_texts_too() -> None:
    data = json.loads(payload(personal(message(), "li-wei", 1, "https://x/tap/t")))["data"]
    assert (data["person"], data["step"], data["links"]["acknowledge"]) == ("li-wei", 1, "https://x/tap/t")
    assert data["texts"]["en"]["title"].startswith("[HIGH] alarm (call 2): ")


def test_a_message_links_to_the_sensors_dashboard_around_the_event() -> None:
    link = message().links.panel
    assert link is not None
    place = "var-zone=new-materials&var-site=hf-unit&var-sensor=hf-01&var-quantity=hf&from="
    assert link.startswith(f"https://grafana.example.org/d/parkwatch-sensor-zh?{place}")
    assert f"趋势图：{link}" in message().text("zh").text
    assert f"Trend: {link.replace('sensor-zh', 'sensor-en')}" in message().text("en").text


def test_the_dashboards_that_messages_link_to_are_there() -> None:
    for language in ("zh", "en"):
        board = json.loads((ROOT / "grafana" / "dashboards" / language / "sensor.json").read_text(encoding="utf-8"))
        assert board["uid"] == f"parkwatch-sensor-{language}"
        variables = {each["name"] for each in board["templating"]["list"]}
        assert {"zone", "site", "sensor", "quantity"} <= variables


def test_first_up_chattering_and_who_did_it_are_said() -> None:
    told = transition(Event.UNSHELVED, first_up=True, chattering=True, by="Li Wei", why="pump runs again")
    text = message(told).text("en").text
    assert "What: no longer shelved, alarm active" in text
    assert "Because: pump runs again" in text
    assert "By: Li Wei" in text
    assert "First up: " in text
    assert "Chattering: " in text
    assert "By: " not in message().text("en").text


@pytest.mark.parametrize("why", ["shelving-expired", "limit-withdrawn", "re-alarm", "chattering"])
def test_reasons_have_words(why: str) -> None:
    assert words.reason(why).en != why
    assert words.reason(why).zh != why


# --- canaries --------------------------------------------------------------------------------------------------------


def test_a_canary_is_noted_and_leaves_no_other_trace(redis: Redis) -> None:
    async def scenario() -> tuple[Any, Counts, list[Any], list[str]]:
        async with delivering(redis.url) as post:
            client = post.outbox.redis
            await client.hset(names.OUTBOX_ITEMS, canary_id("riverside"), encode_canary("riverside", 5, 7).decode())
            await client.zadd(names.OUTBOX, {canary_id("riverside"): 0})
            await client.lpush(names.OUTBOX_WAKE, "1")
            await eventually(lambda: client.hexists(names.CANARIES, "riverside"))
            noted = json.loads(await client.hget(names.CANARIES, "riverside") or "null")
            return noted, await post.outbox.counts(0), await post.outbox.delivered(), post.said.lines

    noted, counts, delivered, lines = asyncio.run(scenario())
    assert noted.keys() == {"t", "at", "delivered"}
    assert (noted["t"], noted["at"]) == (5, 7)
    assert (counts.waiting, counts.sent, delivered, lines) == (0, 0, [], [])


def test_a_canary_that_waits_has_no_age(redis: Redis) -> None:
    async def scenario() -> Counts:
        async with outbox_at(redis.url) as outbox:
            await outbox.redis.hset(names.OUTBOX_ITEMS, canary_id("z"), encode_canary("z", 5, 7).decode())
            await outbox.redis.zadd(names.OUTBOX, {canary_id("z"): 0})
            return await outbox.counts(10)

    counts = asyncio.run(scenario())
    assert (counts.waiting, counts.oldest_age) == (1, None)


def test_a_later_canary_is_not_taken_out_with_an_earlier_one(redis: Redis) -> None:
    async def scenario() -> Any:
        async with outbox_at(redis.url) as outbox:
            await outbox.redis.hset(names.OUTBOX_ITEMS, canary_id("z"), encode_canary("z", 5, 7).decode())
            await outbox.redis.zadd(names.OUTBOX, {canary_id("z"): 0})
            (item,) = (await outbox.claim(10, 10)).items
            body: Any = item.body
            await outbox.redis.hset(names.OUTBOX_ITEMS, canary_id("z"), encode_canary("z", 15, 17).decode())
            await outbox.note_canary(body, 11)
            return await outbox.redis.hget(names.OUTBOX_ITEMS, canary_id("z"))

    assert json.loads(asyncio.run(scenario()))["t"] == 15


def test_records_tell_who_was_called(redis: Redis) -> None:
    async def scenario() -> Any:
        async with delivering(redis.url, park=catalogue(oncall=roster(step("a")))) as post:
            await post.raise_(transition())
            return (await post.ended(1))[0]

    record = asyncio.run(scenario())
    assert (record.result, record.person, record.step, record.channel) == (Result.SENT, "a", 0, "a.phone")
    assert record.taken_over is False


# --- printing ----------------------------------------------------------------------------------------------------


def test_a_screen_that_nobody_reads_holds_nobody_up(redis: Redis) -> None:
    """A terminal stopped with Ctrl-S: the person's next contact is told instead."""
    reader, writer = os.pipe()
    printer = Printer(writer, most=10, stuck_after=0.05)
    for _ in range(20):
        printer.say("x" * 65_536)
    servers.eventually(lambda: not printer.say("is anybody there?"), why="the pipe is full")
    other = Scripted()
    li = person("li", contact("li", "terminal"), contact("li", "phone"))

    async def scenario() -> list[Record]:
        terminal = TerminalChannel("li.terminal", "li", printer.say)
        channels: dict[str, Channel] = {"li.terminal": terminal, "li.phone": other}
        async with delivering(
            redis.url, park=catalogue(oncall=roster(step("li"), people=[li])), channels=channels
        ) as post:
            await post.raise_(transition())
            return await post.ended(2)

    refused, sent = asyncio.run(scenario())
    assert (refused.channel, refused.result) == ("li.terminal", Result.FAILED)
    assert refused.reason.startswith("the terminal takes no lines")
    assert (sent.channel, sent.result) == ("li.phone", Result.SENT)

    def read() -> None:
        with os.fdopen(reader, "rb") as file:
            found.append(file.read())

    found: list[bytes] = []
    reading = threading.Thread(target=read)
    reading.start()
    printer.close(10)
    os.close(writer)
    reading.join(10)
    assert b"texts were left out: nothing could be printed here" in found[0]
    assert printer.lost == 0


def test_a_screen_that_has_gone_for_good_is_known() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    printer = Printer(writer)
    servers.eventually(lambda: not printer.say("is anybody there?"), why="nobody reads")
    printer.close()
    os.close(writer)
