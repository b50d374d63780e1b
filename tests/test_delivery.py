"""Delivery against a real Redis, a real HTTP server and a real mail server."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from standardwebhooks.webhooks import Webhook

from alerts.channels import Content, Outcome, Permanent, Sent, Transient, Unusable
from alerts.channels.apprise import AppriseChannel
from alerts.channels.webhook import WebhookChannel, webhook_id
from alerts.delivery import open_channels, routes_of
from alerts.messages import Addresses, Message, compose
from alerts.sending import LANE
from park.alarms import Event
from park.catalogue import ChannelKind, Reference
from storage import names
from storage.clock import SystemClock
from storage.entries import occurrence_id
from storage.outbox import LEASE, Counts, End, Expansion, Page, Record, Result, Send, page_id, send_id
from storage.settings import Settings
from tests import alerting
from tests.alerting import SECRET, Said, StoppedClock, catalogue, numbered, route, transition
from tests.catchers import Answer, Catcher, MailCatcher
from tests.posting import CONSOLE, Scripted, delivering, eventually, outbox_at, until
from tests.servers import Redis

# Apprise's e-mail plugin imports a module that Python 3.13 has dropped.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

ROOT = Path(__file__).resolve().parent.parent


# --- a page's way ------------------------------------------------------------------------------------------------


def test_a_raised_page_is_sent_once_signed_and_recorded(redis: Redis, catcher: Catcher) -> None:
    async def scenario() -> tuple[list[Record], Counts, list[str]]:
        async with delivering(redis.url, route("env", catcher.url)) as post:
            await post.put(transition())
            records = await post.ended(1)
            return records, await post.outbox.counts(alerting.NOW), post.said.lines

    (record,), counts, lines = asyncio.run(scenario())
    (request,) = catcher.requests
    verified = Webhook(SECRET).verify(request.body, request.headers)
    assert verified["type"] == "alarm.raised"
    assert verified["data"]["labels"]["sensor"]["en"] == "hf-01"
    assert request.headers["webhook-id"] == webhook_id(send_id(transition(), "env"))
    assert "." not in request.headers["webhook-id"]
    assert (record.result, record.channel, record.attempts) == (Result.SENT, "env", 1)
    assert record.queued <= record.claimed <= record.begun <= record.ended
    assert (counts.waiting, counts.sent, counts.repeated, counts.oldest_age) == (0, 1, 0, None)
    (line,) = lines
    assert line == (
        "03:12:05 HIGH new-materials/hf-unit/hf-01 HF 5.1 mg/m³ > 4 (GB/T 50493-2019 5.5.2): "
        "HF leak, alarm -> sent: env"
    )


def test_what_the_directory_and_the_snapshot_know_is_in_the_message(redis: Redis, catcher: Catcher) -> None:
    returned = transition(Event.RETURNED)

    async def scenario() -> None:
        async with delivering(redis.url, route("env", catcher.url)) as post:
            client = post.outbox.redis
            described = alerting.sensor()
            await client.hset(names.SENSORS, described.key, msgspec.json.encode(described))
            known = {"occurrence": 1, "raised_t": alerting.NOW - 60_000}
            await client.hset(names.ALARMS, returned.alarm, json.dumps(known))
            await post.put(returned)
            await post.ended(1)

    asyncio.run(scenario())
    data = catcher.requests[0].json["data"]
    assert data["labels"]["sensor"] == {"zh": "氟化氢一号探头", "en": "HF detector 1"}
    assert data["since"] == "2026-01-01T19:11:05.000Z"


def test_since_is_not_taken_from_another_occurrence(redis: Redis) -> None:
    async def scenario() -> int | None:
        async with outbox_at(redis.url) as outbox:
            await outbox.redis.hset(names.ALARMS, transition().alarm, json.dumps({"occurrence": 2, "raised_t": 5}))
            await outbox.put(transition(), 0)
            (item,) = (await outbox.claim(now=0, most=10)).items
            return item.situation.since(transition())

    assert asyncio.run(scenario()) is None


def test_every_wanted_channel_gets_its_own_message(redis: Redis, catcher: Catcher, mail: MailCatcher) -> None:
    mailto = f"mailto://127.0.0.1:{mail.port}/?from=parkwatch@example.org&to=duty@example.org&mode=insecure"
    routes = (
        route("env", f"{catcher.url}/env"),
        route("other-zone", f"{catcher.url}/other", zones=("riverside",)),
        route("duty", mailto, ChannelKind.APPRISE, language="zh"),
    )

    async def scenario() -> list[Record]:
        async with delivering(redis.url, *routes) as post:
            await post.put(transition())
            return await post.ended(2)

    records = asyncio.run(scenario())
    assert {(record.channel, record.result) for record in records} == {("env", Result.SENT), ("duty", Result.SENT)}
    assert [request.path for request in catcher.requests] == ["/env"]
    (letter,) = mail.messages
    assert letter["X-Envelope-To"] == "duty@example.org"
    assert "【高】报警：新材料产业园" in str(letter["Subject"])
    content = letter.get_body(("plain", "html"))
    assert content is not None
    assert "撤离并佩戴正压呼吸器" in content.get_content()


def test_a_page_without_a_channel_is_loud_recorded_and_counted(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> tuple[list[Record], Counts, list[str]]:
        async with delivering(redis.url) as post:
            await post.put(transition(), transition(Event.RETURNED, version=2))
            records = await post.ended(2)
            return records, await post.outbox.counts(alerting.NOW), post.said.lines

    records, counts, lines = asyncio.run(scenario())
    assert {record.result for record in records} == {Result.UNDELIVERABLE, Result.UNWANTED}
    assert (counts.undeliverable, counts.waiting) == (1, 0)
    assert "reaches NOBODY: no channel is configured" in caplog.text
    assert any("HF 5.1 mg/m³ > 4" in line and "NOBODY IS TOLD" in line for line in lines)
    assert any("back to normal -> journal only" in line for line in lines)


# --- what receivers answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503, 429, 408, 425])
def test_a_passing_failure_is_tried_again_under_the_same_id(redis: Redis, catcher: Catcher, status: int) -> None:
    catcher.answer(status, times=1)

    async def scenario() -> tuple[list[Record], Counts, list[str]]:
        async with delivering(redis.url, route("env", catcher.url)) as post:
            await post.put(transition())
            records = await post.ended(1)
            return records, await post.outbox.counts(alerting.NOW), post.said.lines

    (record,), counts, lines = asyncio.run(scenario())
    first, second = catcher.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    Webhook(SECRET).verify(second.body, second.headers)
    assert (record.result, record.attempts, counts.retried) == (Result.SENT, 2, 1)
    assert f"retrying: env (HTTP {status}" in lines[0]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_a_refusal_is_final_and_recorded(redis: Redis, catcher: Catcher, status: int) -> None:
    catcher.answer(status)

    async def scenario() -> tuple[list[Record], Counts]:
        async with delivering(redis.url, route("env", catcher.url)) as post:
            await post.put(transition())
            return await post.ended(1), await post.outbox.counts(alerting.NOW)

    (record,), counts = asyncio.run(scenario())
    assert len(catcher.requests) == 1
    assert (record.result, counts.failed, counts.waiting) == (Result.FAILED, 1, 0)
    assert record.reason.startswith(f"HTTP {status}")


def test_redirects_are_not_followed(redis: Redis, catcher: Catcher) -> None:
    catcher.redirect(f"{catcher.url}/elsewhere")

    async def scenario() -> list[Record]:
        async with delivering(redis.url, route("env", f"{catcher.url}/here")) as post:
            await post.put(transition())
            return await post.ended(1)

    (record,) = asyncio.run(scenario())
    assert [request.path for request in catcher.requests] == ["/here"]
    assert record.result is Result.FAILED
    assert "redirects are not followed" in record.reason


def test_attempts_end_and_the_end_is_recorded(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    clock = StoppedClock()
    channel = Scripted(*[Transient("HTTP 503")] * 12)

    async def scenario() -> list[Record]:
        async with delivering(redis.url, route("env", "http://x"), channels={"env": channel}, clock=clock) as post:
            await post.put(transition())
            for attempt in range(1, 13):
                await until(functools.partial(channel.reached, attempt))
                clock.advance(600_000)
                await post.outbox.redis.lpush(names.OUTBOX_WAKE, "1")
            return await post.ended(1)

    (record,) = asyncio.run(scenario())
    assert (record.result, record.attempts, len(channel.sent)) == (Result.FAILED, 12, 12)
    assert record.reason == "HTTP 503; given up"
    assert "was NOT delivered" in caplog.text


def test_a_receiver_may_ask_to_be_left_alone_for_a_while(catcher: Catcher) -> None:
    catcher._set(Answer(429, {"Retry-After": "30"}), None)
    assert attempt_at(catcher.url) == Transient("HTTP 429 Too Many Requests", 30.0)


def attempt_at(url: str, **more: Any) -> Outcome:
    """One attempt at a webhook."""

    async def scenario() -> Outcome:
        channel = WebhookChannel(url, SECRET, **more)
        message = alerting_message()
        try:
            return await channel.send("send:a:1:1:env", message, "en", SystemClock().now())
        finally:
            await channel.close()

    return asyncio.run(scenario())


def alerting_message() -> Message:
    return compose(transition(), catalogue(), sensor=None, since=None, addresses=Addresses(CONSOLE))


def test_nobody_there_is_passing_and_names_no_address() -> None:
    outcome = attempt_at("http://127.0.0.1:9/hooks/token-in-path")
    assert isinstance(outcome, Transient)
    assert "token" not in outcome.reason


def test_a_receiver_that_never_answers_is_given_up(catcher: Catcher) -> None:
    catcher.answer(delay=60)
    outcome = attempt_at(catcher.url, timeout=httpx.Timeout(0.2))
    assert isinstance(outcome, Transient)
    assert outcome.reason.startswith("ReadTimeout")


def test_a_receiver_that_answers_byte_by_byte_is_given_up_and_holds_nobody_up() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in itertools.cycle(b"HTTP/1.1 200 OK\r\nx: y\r\n"):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    outcome = asyncio.run(attempt_at_server(drip))
    assert outcome == Transient("the receiver has not answered within 0.5 s")


def test_what_follows_the_status_of_an_answer_does_not_matter() -> None:
    """A body that never comes, or that is no gzip: the receiver has the message, and must not get it twelve times."""

    def answer(head: bytes, body: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n" + head + b"\r\n" + body)
            await writer.drain()

        return serve

    assert asyncio.run(attempt_at_server(answer(b"", b""))) == Sent("HTTP 200 OK")
    assert asyncio.run(attempt_at_server(answer(b"content-encoding: gzip\r\n", b"none"))) == Sent("HTTP 200 OK")


async def attempt_at_server(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> Outcome:
    """One attempt at a receiver that speaks as ``serve`` does, and hangs up when the sender has."""

    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)
            await reader.read()
        writer.close()
        gone.set()

    gone = asyncio.Event()
    server = await asyncio.start_server(serve_and_close, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    channel = WebhookChannel(f"http://127.0.0.1:{port}/", SECRET, longest=0.5)
    try:
        return await channel.send("send:a:1:1:env", alerting_message(), "en", SystemClock().now())
    finally:
        await channel.close()
        await asyncio.wait_for(gone.wait(), 15)
        server.close()
        await server.wait_closed()


def test_a_defect_in_a_channel_costs_an_attempt_not_the_process(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Scripted):
        async def send(self, delivery: str, message: Content, language: str, now: int) -> Outcome:
            if not self.sent:
                self.sent.append(delivery)
                raise ZeroDivisionError
            return await super().send(delivery, message, language, now)

    async def scenario() -> list[Record]:
        async with delivering(redis.url, route("env", "http://x"), channels={"env": Broken()}) as post:
            await post.put(transition())
            return await post.ended(1)

    (record,) = asyncio.run(scenario())
    assert (record.result, record.attempts) == (Result.SENT, 2)
    assert "ZeroDivisionError" in caplog.text


# --- nothing vanishes, nothing twice -------------------------------------------------------------------------------


def test_two_processes_racing_send_each_page_exactly_once(redis: Redis, catcher: Catcher) -> None:
    pages = [numbered(number) for number in range(150)]

    async def scenario() -> Counts:
        to = route("env", catcher.url)
        async with delivering(redis.url, to) as one, delivering(redis.url, to):
            await asyncio.gather(*(one.put(page) for page in pages))
            await one.ended(len(pages))
            return await one.outbox.counts(alerting.NOW)

    counts = asyncio.run(scenario())
    assert len(catcher.requests) == len({request.headers["webhook-id"] for request in catcher.requests}) == len(pages)
    assert (counts.waiting, counts.sent, counts.repeated) == (0, len(pages), 0)


def test_a_crash_between_sending_and_recording_repeats_and_never_loses(redis: Redis, catcher: Catcher) -> None:
    """One process sends and dies before the record; the lease ends; another one sends again."""
    clock = StoppedClock()

    class DiesAfterSending(WebhookChannel):
        died = False

        async def send(self, delivery: str, message: Content, language: str, now: int) -> Outcome:
            await super().send(delivery, message, language, now)
            self.died = True
            await asyncio.sleep(3600)
            raise AssertionError

    async def scenario() -> tuple[list[Record], Counts]:
        to = route("env", catcher.url)
        channel = DiesAfterSending(catcher.url, SECRET)
        dying = delivering(redis.url, to, channels={"env": channel}, clock=clock)
        post = await dying.__aenter__()
        await post.put(transition())
        await until(lambda: channel.died)
        # Neither a clean stop nor a release: what kill -9 leaves behind.
        post.delivery.sender.hands.clear()
        post.delivery.sender.tasks.clear()
        await dying.__aexit__(None, None, None)
        async with delivering(redis.url, to, clock=clock) as other:
            before = await other.outbox.counts(clock.now())
            assert (before.waiting, before.due) == (1, 0)
            clock.advance(LEASE + 1)
            return await other.ended(1), await other.outbox.counts(clock.now())

    (record,), counts = asyncio.run(scenario())
    first, second = catcher.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert (record.result, counts.waiting) == (Result.SENT, 0)


def test_a_crash_before_planning_is_taken_over(redis: Redis, catcher: Catcher) -> None:
    clock = StoppedClock()

    async def scenario() -> list[Record]:
        async with outbox_at(redis.url, "dead") as dead:
            await dead.put(transition(), clock.now())
            claim = await dead.claim(clock.now(), 10)
            assert [type(item.body) for item in claim.items] == [Page]
            assert (await dead.claim(clock.now(), 10)).items == ()
        async with delivering(redis.url, route("env", catcher.url), clock=clock) as post:
            clock.advance(LEASE)
            return await post.ended(1)

    (record,) = asyncio.run(scenario())
    assert record.result is Result.SENT
    assert len(catcher.requests) == 1


def test_a_slow_send_keeps_its_lease(redis: Redis) -> None:
    """While it lasts nobody else claims it, however long that is by the clock."""
    clock = StoppedClock()
    slow = Scripted()
    slow.open.clear()

    async def scenario() -> Counts:
        async with delivering(redis.url, route("env", "http://x"), channels={"env": slow}, clock=clock) as post:
            await post.put(transition())
            await until(lambda: slow.sent)
            for _ in range(3):
                clock.advance(LEASE - 1000)
                await post.outbox.renew([send_id(transition(), "env")], clock.now())
                async with outbox_at(redis.url, "other") as other:
                    assert (await other.claim(clock.now(), 10)).items == ()
            slow.open.set()
            await post.ended(1)
            return await post.outbox.counts(clock.now())

    counts = asyncio.run(scenario())
    assert (slow.sent, counts.sent, counts.repeated) == ([send_id(transition(), "env")], 1, 0)


def test_only_the_holder_gives_back_renews_or_fails_what_it_holds(redis: Redis) -> None:
    async def scenario() -> None:
        async with outbox_at(redis.url, "one") as one, outbox_at(redis.url, "two") as two:
            await one.put(transition(), 0)
            page = page_id(transition())
            await one.claim(now=0, most=1, lease=10)
            await two.claim(now=10, most=1, lease=10)
            await one.renew([page], now=10, lease=1000)
            await one.defer(page, due=5000)
            assert not await one.finish(End(page, [Record(id=page, result=Result.FAILED)], guarded=True), 10)
            assert await two.redis.zscore(names.OUTBOX, page) == 20
            assert await one.delivered() == []
            assert await two.finish(End(page, [Record(id=page, result=Result.UNDELIVERABLE)], guarded=True), 10)

    asyncio.run(scenario())


def test_a_repetition_is_counted(redis: Redis) -> None:
    async def scenario() -> Counts:
        async with outbox_at(redis.url) as outbox:
            await outbox.put(transition(), 0)
            await outbox.claim(now=0, most=1)
            sent = End(page_id(transition()), [Record(id=page_id(transition()), result=Result.SENT)])
            assert await outbox.finish(sent, 0)
            assert not await outbox.finish(sent, 0)
            return await outbox.counts(0)

    counts = asyncio.run(scenario())
    assert (counts.sent, counts.repeated) == (2, 1)


def expanding(page: str, *sends: Send) -> Expansion:
    """An expansion of ``page`` into ``sends``."""
    return Expansion(page, "new-materials", occurrence_id(transition()), sends=list(sends))


def test_expanding_twice_makes_one_send(redis: Redis) -> None:
    send = Send(transition(), "env", "en", msgspec.Raw(b"{}"), queued=0)

    async def scenario() -> tuple[frozenset[str], frozenset[str]]:
        async with outbox_at(redis.url) as outbox:
            await outbox.put(transition(), 0)
            expansion = expanding(page_id(transition()), send)
            return (await outbox.expand(expansion, 0)).ours, (await outbox.expand(expansion, 0)).ours

    first, second = asyncio.run(scenario())
    assert first == {send_id(transition(), "env")}
    assert not second


def test_an_unreadable_entry_is_recorded_and_blocks_nobody(redis: Redis, catcher: Catcher) -> None:
    async def scenario() -> list[Record]:
        async with delivering(redis.url, route("env", catcher.url)) as post:
            await post.outbox.redis.hset(names.OUTBOX_ITEMS, "page:broken", b'{"kind": "pigeon"}')
            await post.outbox.redis.zadd(names.OUTBOX, {"page:broken": 0, "page:without-item": 0})
            await post.put(transition())
            return await post.ended(3)

    records = asyncio.run(scenario())
    ends = {record.id: record.result for record in records}
    assert ends["page:broken"] is ends["page:without-item"] is Result.FAILED
    assert ends[send_id(transition(), "env")] is Result.SENT


def test_a_page_that_meets_a_defect_blocks_nobody_and_is_loud(
    redis: Redis, catcher: Catcher, caplog: pytest.LogCaptureFixture
) -> None:
    """A time that no calendar has stands for any mistake of ours in putting a message together."""
    impossible = transition(alarm="new-materials.hf-unit.hf-02.hf.hf-high", t=9_000_000_000_000_000)

    async def scenario() -> tuple[Counts, dict[str, int]]:
        async with delivering(redis.url, route("env", catcher.url)) as post:
            await post.put(impossible, transition())
            await post.ended(1)
            await eventually(lambda: post.outbox.redis.hget(names.COUNTERS, "delivery.defects"))
            return await post.outbox.counts(0), await post.waiting("page")

    counts, waiting = asyncio.run(scenario())
    assert (counts.sent, counts.defects) == (1, 1)
    assert set(waiting) == {page_id(impossible)}
    assert "meets a defect and is NOT delivered" in caplog.text


def test_a_sensor_that_can_not_be_read_costs_its_name_and_no_page(redis: Redis, catcher: Catcher) -> None:
    async def scenario() -> list[Record]:
        async with delivering(redis.url, route("env", catcher.url)) as post:
            await post.outbox.redis.hset(names.SENSORS, alerting.sensor().key, b"{")
            await post.put(transition())
            return await post.ended(1)

    (record,) = asyncio.run(scenario())
    assert record.result is Result.SENT
    assert catcher.requests[0].json["data"]["labels"]["sensor"]["zh"] == "hf-01"


def test_a_send_to_a_channel_that_is_gone_fails_visibly(redis: Redis) -> None:
    send = Send(transition(), "old", "en", msgspec.Raw(b'{"of": "an older parkwatch"}'), queued=0)

    async def scenario() -> list[Record]:
        async with outbox_at(redis.url) as outbox:
            await outbox.put(transition(), 0)
            await outbox.expand(expanding(page_id(transition()), send), 0, lease=0)
        async with delivering(redis.url) as post:
            return await post.ended(1)

    (record,) = asyncio.run(scenario())
    assert (record.result, record.reason) == (Result.FAILED, "channel old is no longer configured")


# --- side by side ------------------------------------------------------------------------------------------------


def test_a_slow_channel_does_not_delay_another(redis: Redis, catcher: Catcher) -> None:
    slow = Scripted(at_once=2)
    pages = [numbered(number) for number in range(20)]

    async def scenario() -> Counts:
        slow.open.clear()
        to = (route("slow", "http://x"), route("env", catcher.url))
        async with delivering(redis.url, *to, channels={"slow": slow}) as post:
            await post.put(*pages)
            await post.ended(len(pages))
            assert len(catcher.requests) == len(pages)
            assert len(slow.sent) == 2
            slow.open.set()
            await post.ended(2 * len(pages))
            return await post.outbox.counts(alerting.NOW)

    counts = asyncio.run(scenario())
    assert len(slow.sent) == len(pages)
    assert (counts.sent, counts.repeated, counts.waiting) == (2 * len(pages), 0, 0)


def test_a_full_lane_gives_back_what_it_cannot_hold(redis: Redis) -> None:
    slow, quick = Scripted(at_once=1), Scripted(at_once=64)
    pages = [numbered(number) for number in range(LANE + 40)]

    async def scenario() -> Counts:
        slow.open.clear()
        to = (route("slow", "http://x"), route("quick", "http://x"))
        async with delivering(redis.url, *to, channels={"slow": slow, "quick": quick}) as post:
            await asyncio.gather(*(post.put(page) for page in pages))
            await post.ended(len(pages))
            assert len(slow.sent) == 1
            slow.open.set()
            await post.ended(2 * len(pages))
            return await post.outbox.counts(alerting.NOW)

    counts = asyncio.run(scenario())
    assert (counts.sent, counts.retried, counts.repeated) == (2 * len(pages), 0, 0)


def test_the_line_does_not_wait_for_a_slow_channel(redis: Redis) -> None:
    slow = Scripted()
    slow.open.clear()

    async def scenario() -> list[str]:
        to = (route("slow", "http://x"), route("quick", "http://x"))
        async with delivering(redis.url, *to, channels={"slow": slow, "quick": Scripted()}) as post:
            await post.put(transition())
            await until(lambda: post.said.lines)
            slow.open.set()
            await post.ended(2)
            return post.said.lines

    (line,) = asyncio.run(scenario())
    assert line.endswith("-> sending: slow, sent: quick")


# --- Redis away, stopping ------------------------------------------------------------------------------------------


def test_a_redis_that_is_killed_midway_loses_nothing(
    own_redis: Redis, catcher: Catcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "parkwatch.outbox")
    slow = Scripted()
    slow.open.clear()

    async def scenario() -> Counts:
        to = (route("env", catcher.url), route("slow", "http://x"))
        async with delivering(own_redis.url, *to, channels={"slow": slow}) as post:
            await post.put(transition())
            await until(lambda: catcher.requests and slow.sent)
            await post.put(*(numbered(number) for number in range(5)))
            own_redis.kill()
            await until(lambda: "Redis does not answer" in caplog.text)
            slow.open.set()
            await asyncio.to_thread(own_redis.start)
            await post.ended(12)
            await post.put(transition(occurrence=2))
            await post.ended(14)
            return await post.outbox.counts(alerting.NOW)

    counts = asyncio.run(scenario())
    assert (counts.waiting, counts.failed) == (0, 0)
    assert {request.json["data"]["alarm"] for request in catcher.requests} >= {numbered(n).alarm for n in range(5)}
    said = [record.message for record in caplog.records if record.name == "parkwatch.outbox"]
    assert sum("does not answer" in line for line in said) == sum("answers again" in line for line in said) == 1


def test_a_redis_that_comes_later_is_waited_for(own_redis: Redis, catcher: Catcher) -> None:
    own_redis.stop()

    async def scenario() -> list[Record]:
        async with delivering(own_redis.url, route("env", catcher.url)) as post:
            await asyncio.to_thread(own_redis.start)
            await post.put(transition())
            return await post.ended(1)

    (record,) = asyncio.run(scenario())
    assert record.result is Result.SENT


def test_a_stop_gives_back_what_is_under_way(redis: Redis) -> None:
    stuck = Scripted(at_once=1)
    stuck.open.clear()

    async def scenario() -> Counts:
        async with outbox_at(redis.url) as outbox:
            to = route("env", "http://x")
            async with delivering(redis.url, to, channels={"env": stuck}) as post:
                await post.put(*(numbered(number) for number in range(3)))
                await until(lambda: stuck.sent)
                await eventually(lambda: post.outbox.redis.hlen(names.OUTBOX_ITEMS))
            return await outbox.counts(SystemClock().now())

    counts = asyncio.run(scenario())
    assert (counts.waiting, counts.due, counts.sent, counts.failed) == (3, 3, 0, 0)


def test_what_a_stop_cut_short_may_arrive_twice_and_is_counted(redis: Redis) -> None:
    stuck = Scripted(at_once=1)
    stuck.open.clear()
    to = route("env", "http://x")

    async def scenario() -> tuple[list[Record], Counts]:
        async with delivering(redis.url, to, channels={"env": stuck}) as post:
            await post.put(*(numbered(number) for number in range(3)))
            await until(lambda: stuck.sent)
        async with delivering(redis.url, to, channels={"env": Scripted()}) as other:
            return await other.ended(3), await other.outbox.counts(0)

    records, counts = asyncio.run(scenario())
    assert [record.id for record in records if record.taken_over] == [stuck.sent[0]]
    assert counts.taken_over == 1


def test_a_heartbeat_says_that_delivery_lives(redis: Redis) -> None:
    async def scenario() -> Any:
        async with delivering(redis.url) as post:
            await eventually(lambda: post.outbox.redis.exists(names.heartbeat("delivery")))
            beat = await post.outbox.redis.get(names.heartbeat("delivery"))
            return json.loads(beat or "null"), await post.outbox.redis.ttl(names.heartbeat("delivery"))

    beat, ttl = asyncio.run(scenario())
    assert beat.keys() == {"at", "holder", "in_hand", "channels"}
    assert 0 < ttl <= names.HEARTBEAT_SECONDS


def test_counts_show_what_is_overdue_and_how_old(redis: Redis) -> None:
    async def scenario() -> Counts:
        async with outbox_at(redis.url) as outbox:
            await outbox.put(numbered(1), alerting.NOW - 6000)
            await outbox.put(numbered(2), alerting.NOW)
            await outbox.put(numbered(3), alerting.NOW + 6000)
            return await outbox.counts(alerting.NOW + 500)

    counts = asyncio.run(scenario())
    assert (counts.waiting, counts.due, counts.overdue, counts.oldest_age) == (3, 2, 1, 500)


# --- channels ------------------------------------------------------------------------------------------------------


def test_a_mail_server_that_refuses_is_tried_again(mail: MailCatcher) -> None:
    mail.refuse = "451 come back later"
    url = f"mailto://127.0.0.1:{mail.port}/?from=a@example.org&to=b@example.org&mode=insecure"
    outcome = asyncio.run(AppriseChannel(url).send("x", alerting_message(), "en", 0))
    assert isinstance(outcome, Transient)
    assert "example.org" not in outcome.reason


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (ChannelKind.APPRISE, "nonsense-s3cret"),
        (ChannelKind.APPRISE, "unheard-of://s3cret@host"),
        (ChannelKind.WEBHOOK, "ftp://host/s3cret"),
        (ChannelKind.WEBHOOK, "http:///s3cret"),
    ],
)
def test_an_unusable_address_fails_visibly_without_being_shown(
    redis: Redis, kind: ChannelKind, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> tuple[list[Record], list[str]]:
        async with delivering(redis.url, route("env", url, kind)) as post:
            await post.put(transition())
            return await post.ended(1), post.said.lines

    (record,), lines = asyncio.run(scenario())
    assert record.result is Result.FAILED
    assert "can't be used" in record.reason
    assert "s3cret" not in caplog.text + record.reason + "".join(lines)


def test_a_bad_signing_secret_is_a_configuration_error_that_is_not_shown() -> None:
    with pytest.raises(ValueError, match="whsec_<base64>") as caught:
        WebhookChannel("http://127.0.0.1/", "whsec_!")
    assert "whsec_!" not in str(caught.value)


def test_a_reference_that_leads_nowhere_makes_an_unusable_channel() -> None:
    def nowhere(_: Reference) -> str:
        raise KeyError("DUTY_URL")

    (channel,) = open_channels(catalogue(), [route("duty", "x")], nowhere, Said()).values()
    assert isinstance(channel, Unusable)
    outcome = asyncio.run(channel.send("x", alerting_message(), "en", 0))
    assert outcome == Permanent("the channel can't be used: 'DUTY_URL'")


def test_the_environments_webhook_is_one_more_channel(tmp_path: Path) -> None:
    environ = {"PARKWATCH_HOME": str(tmp_path), "PARKWATCH_WEBHOOK_URL": "http://127.0.0.1/hook"}
    settings = Settings.from_environment(environ)
    duty = route("duty", "http://x")
    assert [to.name for to in routes_of(catalogue(duty), settings)] == ["duty", "env"]
    assert [
        to.name
        for to in routes_of(catalogue(duty), Settings.from_environment({**environ, "PARKWATCH_WEBHOOK_URL": ""}))
    ] == ["duty"]
    with pytest.raises(ValueError, match="rename"):
        routes_of(catalogue(route("env", "http://x")), settings)


def test_unsigned_webhooks_still_carry_their_id(catcher: Catcher) -> None:
    async def scenario() -> Outcome:
        channel = WebhookChannel(catcher.url, None)
        try:
            return await channel.send("send:a.b:1:1:env", alerting_message(), "en", alerting.NOW)
        finally:
            await channel.close()

    assert asyncio.run(scenario()) == Sent("HTTP 200 OK")
    headers = catcher.requests[0].headers
    assert headers["webhook-id"] == "send:a/b:1:1:env"
    assert "webhook-signature" not in headers


def test_connections_are_kept(catcher: Catcher) -> None:
    async def scenario() -> int:
        channel = WebhookChannel(catcher.url, SECRET)
        for number in range(5):
            await channel.send(f"send:{number}", alerting_message(), "en", alerting.NOW)
        kept = len(channel._client._transport._pool.connections)  # type: ignore[attr-defined]
        await channel.close()
        return kept

    assert asyncio.run(scenario()) == 1


def test_names_are_unique_over_occurrence_version_and_channel() -> None:
    ids = {
        send_id(transition(occurrence=occurrence, version=version), channel)
        for occurrence, version, channel in itertools.product((1, 11), (1, 11), ("a", "b"))
    }
    assert len(ids) == 8


# --- the running process -------------------------------------------------------------------------------------------

_RUN = """
import os
from alerts.delivery import serve
from storage.settings import Settings
from tests.alerting import catalogue
serve(Settings.from_environment(os.environ), catalogue(), lambda reference: reference.value)
"""


def test_the_process_prints_the_page_and_stops_when_asked(redis: Redis, catcher: Catcher, home: Path) -> None:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PARKWATCH_")}
    environ |= {
        "PARKWATCH_HOME": str(home),
        "PARKWATCH_REDIS_URL": redis.url,
        "PARKWATCH_WEBHOOK_URL": catcher.url,
        "PARKWATCH_WEBHOOK_SECRET": SECRET,
    }

    async def put() -> None:
        async with outbox_at(redis.url) as outbox:
            await outbox.put(transition(), SystemClock().now())

    asyncio.run(put())
    process = subprocess.Popen([sys.executable, "-c", _RUN], cwd=ROOT, env=environ, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert b"-> sent: env" in process.stdout.readline()
        assert len(catcher.requests) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
