"""Many alarms at a time: what people get together, and what a flood does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from alerts import grouping
from alerts.channels import Permanent, Sent, Transient
from alerts.grouping import Digest
from alerts.messages import Addresses, Message
from alerts.messages import compose as compose_message
from park import floods
from park.alarms import Event
from park.catalogue import Catalogue, Grouping
from park.floods import Flood
from park.oncall import OnCall
from park.words import Names, Priority
from storage import names
from storage.outbox import LEASE, Counts, Group, Outbox, Record, Result, bucket_id, send_id
from tests import alerting
from tests.alerting import StoppedClock, catalogue, contact, numbered, person, roster, route, step, transition
from tests.catchers import Catcher
from tests.posting import CONSOLE, Post, Scripted, delivering, eventually, outbox_at, until
from tests.servers import Redis

WINDOW = 30_000
ZONE = "new-materials"


def pages(count: int, priority: Priority = Priority.HIGH, first: int = 0) -> list[Any]:
    """Pages of so many alarms."""
    return [msgspec.structs.replace(numbered(number), priority=priority) for number in range(first, first + count)]


def park(oncall: OnCall | None = None, **how: Any) -> Catalogue:
    """A park in which ``a`` has the duty, by telephone."""
    how = {"flood_begins": 1_000, **how}
    return catalogue(oncall=oncall or roster(step("a")), grouping=Grouping(**how))


# --- grouping ----------------------------------------------------------------------------------------------------


def test_the_first_page_leaves_at_once_and_what_follows_as_one(redis: Redis) -> None:
    clock, phone = StoppedClock(), Scripted()

    async def scenario() -> tuple[list[Record], list[str]]:
        async with delivering(redis.url, park=park(), channels={"a.phone": phone}, clock=clock) as post:
            await post.raise_(*pages(1))
            await post.ended(1)
            clock.advance(1_000)
            await post.raise_(*pages(14, first=1))
            await eventually(lambda: gathered(post, 14))
            assert await post.waiting("bucket") == {bucket_id(ZONE, "a.phone"): alerting.NOW + WINDOW}
            assert phone.reached(1)
            await post.later(clock, WINDOW)
            records = await post.ended(15)
            assert await post.waiting("bucket") == {}
            await until(lambda: any("GROUP" in line for line in post.said.lines))
            return records, post.said.lines

    records, lines = asyncio.run(scenario())
    first, together = phone.messages
    assert isinstance(first, Message)
    assert isinstance(together, Digest)
    assert (together.count, len(together.entries), together.more) == (14, grouping.LINES, 4)
    assert together.text("en").title == "[HIGH] New Materials: 14 alarms (14 high)"
    assert together.text("zh").title == "【高】新材料产业园 14 个报警（高 14）"
    assert "and 4 more, not listed" in together.text("en").text
    assert {record.group for record in records[1:]} == {phone.sent[1]}
    assert {record.id for record in records} == {send_id(page, "a.phone", 0) for page in pages(15)}
    assert any("gathering: a.phone" in line for line in lines)
    assert lines[-1] == "03:12:36 GROUP new-materials 14 alarms: 14 high -> sent: a.phone"


async def gathered(post: Post, count: int) -> bool:
    """Whether so many messages have gathered for ``a.phone``."""
    return bool(await post.outbox.redis.hlen(f"pw:bucket:{ZONE}:a.phone") == count)


def test_what_follows_after_the_window_leaves_at_once_again(redis: Redis) -> None:
    clock, phone = StoppedClock(), Scripted()

    async def scenario() -> list[Record]:
        async with delivering(redis.url, park=park(), channels={"a.phone": phone}, clock=clock) as post:
            await post.raise_(*pages(1))
            await post.ended(1)
            clock.advance(WINDOW)
            await post.raise_(*pages(1, first=1))
            return await post.ended(2)

    assert [record.group for record in asyncio.run(scenario())] == ["", ""]


def test_one_that_gathered_alone_reads_like_any_page(redis: Redis) -> None:
    clock, phone = StoppedClock(), Scripted()

    async def scenario() -> None:
        async with delivering(redis.url, park=park(), channels={"a.phone": phone}, clock=clock) as post:
            await post.raise_(*pages(2))
            await post.ended(1)
            await post.later(clock, WINDOW)
            await post.ended(2)

    asyncio.run(scenario())
    assert [type(message) for message in phone.messages] == [Message, Message]


def test_critical_pages_leave_at_once_and_alone(redis: Redis) -> None:
    clock, phone = StoppedClock(), Scripted()

    async def scenario() -> list[Record]:
        async with delivering(redis.url, park=park(), channels={"a.phone": phone}, clock=clock) as post:
            await post.raise_(*pages(1))
            await post.ended(1)
            await post.raise_(*pages(5, Priority.CRITICAL, first=1))
            return await post.ended(6)

    records = asyncio.run(scenario())
    assert {record.group for record in records} == {""}
    assert len(phone.sent) == 6


def test_a_wait_lets_the_first_ones_leave_together(redis: Redis) -> None:
    clock, phone = StoppedClock(), Scripted()

    async def scenario() -> None:
        async with delivering(redis.url, park=park(wait=5_000), channels={"a.phone": phone}, clock=clock) as post:
            await post.raise_(*pages(3))
            await eventually(lambda: gathered(post, 3))
            assert phone.sent == []
            await post.later(clock, 5_000)
            await post.ended(3)

    asyncio.run(scenario())
    assert len(phone.sent) == 1


def test_machines_get_every_page_and_grouped_channels_one(redis: Redis) -> None:
    clock, machine, room = StoppedClock(), Scripted(), Scripted()
    routes = (route("env", "http://x"), route("room", "http://x", grouped=True))
    everything = catalogue(*routes, grouping=Grouping(flood_begins=1_000))

    async def scenario() -> None:
        channels = {"env": machine, "room": room}
        async with delivering(redis.url, *routes, park=everything, channels=channels, clock=clock) as post:
            await post.raise_(*pages(6))
            await post.ended(7)
            await post.later(clock, WINDOW)
            await post.ended(12)

    asyncio.run(scenario())
    assert (len(machine.sent), len(room.sent)) == (6, 2)


def test_a_page_and_its_return_in_one_message_are_one_alarm(redis: Redis) -> None:
    clock, phone = StoppedClock(), Scripted()
    raised = pages(3)
    back = msgspec.structs.replace(
        alerting.transition(Event.RETURNED, version=2), alarm=raised[1].alarm, series=raised[1].series
    )

    async def scenario() -> None:
        async with delivering(redis.url, park=park(), channels={"a.phone": phone}, clock=clock) as post:
            await post.raise_(raised[0])
            await post.ended(1)
            await post.raise_(*raised[1:])
            await eventually(lambda: gathered(post, 2))
            await post.raise_(back, paged=1)
            await eventually(lambda: gathered(post, 3))
            await post.later(clock, WINDOW)
            await post.ended(4)

    asyncio.run(scenario())
    together = phone.messages[1]
    assert isinstance(together, Digest)
    assert (together.count, together.pages, together.notices) == (2, 1, 1)
    assert together.text("zh").title == "【高】新材料产业园 1 个报警（高 1），1 个报警恢复正常"


def test_a_return_that_gathered_is_not_told_after_the_alarm_is_active_again(redis: Redis) -> None:
    """A critical page leaves at once, past what gathers: its older return must not be the last that people read."""
    clock, phone = StoppedClock(), Scripted()
    first = transition(priority=Priority.CRITICAL)
    returned = transition(Event.RETURNED, priority=Priority.CRITICAL, version=2)
    again = transition(priority=Priority.CRITICAL, occurrence=2, version=3)

    async def scenario() -> list[Record]:
        async with delivering(redis.url, park=park(), channels={"a.phone": phone}, clock=clock) as post:
            await post.raise_(first)
            await post.ended(1)
            await post.stands(first, condition="inactive")
            await post.put(returned)
            await eventually(lambda: gathered(post, 1))
            await post.raise_(again)
            await post.ended(2)
            await post.later(clock, WINDOW)
            records = await post.ended(3)
            assert await post.waiting("bucket") == {}
            return records

    record = asyncio.run(scenario())[2]
    assert (record.id, record.result) == (send_id(returned, "a.phone"), Result.UNWANTED)
    assert record.reason == "raised again before this return was told"
    assert phone.sent == [send_id(first, "a.phone", 0), send_id(again, "a.phone", 0)]


def test_a_return_that_is_tried_again_is_not_told_after_the_alarm_is_active_again(redis: Redis) -> None:
    """By people; a machine gets every transition."""
    clock = StoppedClock()
    phone, machine = Scripted(Sent(), Transient("busy")), Scripted(Sent(), Transient("busy"))
    by_itself = person("a", contact("a", grouped=False))
    first, returned = transition(), transition(Event.RETURNED, version=2)
    again = transition(occurrence=2, version=3)

    async def scenario() -> list[Record]:
        routes = (route("env", "http://x"),)
        where = catalogue(*routes, oncall=roster(step("a"), people=[by_itself]), grouping=alerting.CALM)
        channels = {"a.phone": phone, "env": machine}
        async with delivering(redis.url, *routes, park=where, channels=channels, clock=clock) as post:
            await post.raise_(first)
            await post.ended(2)
            await post.stands(first, condition="inactive")
            await post.put(returned)
            await until(lambda: phone.reached(2) and machine.reached(2))
            await eventually(lambda: post.waiting("send"))
            await post.raise_(again)
            await post.ended(4)
            await post.later(clock, 10_000)
            return await post.ended(6)

    ends = {record.id: record.result for record in asyncio.run(scenario())}
    assert ends[send_id(returned, "a.phone")] is Result.UNWANTED
    assert ends[send_id(returned, "env")] is Result.SENT
    assert phone.sent[-1] == send_id(again, "a.phone", 0)


def test_a_clock_that_was_put_back_holds_no_page_up(redis: Redis) -> None:
    clock, phone = StoppedClock(), Scripted()

    async def scenario() -> dict[str, int]:
        async with delivering(redis.url, park=park(), channels={"a.phone": phone}, clock=clock) as post:
            await post.raise_(*pages(1))
            await post.ended(1)
            clock.advance(-3_600_000)
            await post.raise_(*(msgspec.structs.replace(page, at=clock.now()) for page in pages(1, first=1)))
            await eventually(lambda: gathered(post, 1))
            return await post.waiting("bucket")

    assert asyncio.run(scenario()) == {bucket_id(ZONE, "a.phone"): alerting.NOW - 3_600_000 + WINDOW}


def test_a_group_that_fails_falls_through_as_a_group(redis: Redis) -> None:
    clock, chat, phone = StoppedClock(), Scripted(Permanent("gone"), Permanent("gone")), Scripted()
    two_ways = person("a", contact("a", "chat"), contact("a", "phone"))
    channels = {"a.chat": chat, "a.phone": phone}

    async def scenario() -> list[Record]:
        oncall = roster(step("a"), people=[two_ways])
        async with delivering(redis.url, park=park(oncall), channels=channels, clock=clock) as post:
            await post.raise_(*pages(4))
            await post.ended(2)
            await post.later(clock, WINDOW)
            return await post.ended(8)

    records = asyncio.run(scenario())
    assert (len(chat.sent), len(phone.sent)) == (2, 2)
    assert phone.sent[1].startswith("group:new-materials:a.phone:")
    sent = {record.id for record in records if record.result is Result.SENT}
    assert sent == {send_id(page, "a.phone", 0) for page in pages(4)}


def test_a_group_is_tried_again_as_it_is(redis: Redis) -> None:
    clock, phone = StoppedClock(), Scripted(Transient("busy"))

    async def scenario() -> Counts:
        async with delivering(redis.url, park=park(wait=1_000), channels={"a.phone": phone}, clock=clock) as post:
            await post.raise_(*pages(3))
            await eventually(lambda: gathered(post, 3))
            await post.later(clock, 1_000)
            await until(lambda: phone.reached(1))
            await eventually(lambda: post.waiting("group"))
            await eventually(lambda: unheld(post))
            await post.raise_(*pages(2, first=3))
            await eventually(lambda: gathered(post, 2))
            await post.later(clock, 1_000)
            await post.ended(3)
            return await post.outbox.counts(clock.now())

    counts = asyncio.run(scenario())
    assert phone.sent[0] == phone.sent[1]
    assert phone.messages[0] == phone.messages[1]
    assert (counts.sent, counts.retried, counts.failed) == (3, 1, 0)


async def unheld(post: Post) -> bool:
    """Whether nobody holds anything."""
    return bool(await post.outbox.redis.hlen(names.OUTBOX_HOLDERS) == 0)


def test_only_the_holder_seals_and_only_what_it_has_seen(redis: Redis) -> None:
    """Two processes and a bucket: what came after the look stays, and who has lost the claim seals nothing."""
    clock = StoppedClock()

    async def scenario() -> None:
        async with delivering(redis.url, park=park(wait=1_000), clock=clock) as post:
            await post.raise_(*pages(2))
            await eventually(lambda: gathered(post, 2))
        async with outbox_at(redis.url, "one") as one, outbox_at(redis.url, "two") as two:
            (item,) = (await one.claim(clock.now() + 1_000, 10)).items
            assert item.id == bucket_id(ZONE, "a.phone")
            body: Any = item.body
            seen, _ = await one.gathered(body)
            late = pages(1, first=2)[0]
            await one.redis.hset(f"pw:bucket:{ZONE}:a.phone", send_id(late, "a.phone", 0), b"{}")
            again = (await two.claim(clock.now() + 1_000 + LEASE, 10)).items
            assert [item.id for item in again] == [bucket_id(ZONE, "a.phone")]
            group = grouped(list(seen.values()))
            assert await one.seal(body, list(seen), group, window=WINDOW, now=clock.now()) == ""
            assert await two.seal(body, list(seen), group, window=WINDOW, now=clock.now()) != ""
            assert await one.redis.hkeys(f"pw:bucket:{ZONE}:a.phone") == [send_id(late, "a.phone", 0).encode()]
            assert await one.redis.zscore(names.OUTBOX, bucket_id(ZONE, "a.phone")) == clock.now() + WINDOW

    def grouped(sends: list[Any]) -> Any:
        return Group(ZONE, "a.phone", "zh", tuple(sends), msgspec.Raw(b"null"), queued=0)

    asyncio.run(scenario())


def test_what_can_not_be_read_in_a_bucket_is_recorded_and_blocks_nobody(redis: Redis) -> None:
    clock, phone = StoppedClock(), Scripted()

    async def scenario() -> list[Record]:
        async with delivering(redis.url, park=park(wait=1_000), channels={"a.phone": phone}, clock=clock) as post:
            await post.raise_(*pages(1))
            await eventually(lambda: gathered(post, 1))
            await post.outbox.redis.hset(f"pw:bucket:{ZONE}:a.phone", "send:broken", b'{"kind": "pigeon"}')
            await post.later(clock, 1_000)
            return await post.ended(2)

    ends = {record.id: record.result for record in asyncio.run(scenario())}
    assert ends == {"send:broken": Result.FAILED, send_id(pages(1)[0], "a.phone", 0): Result.SENT}


def test_two_processes_racing_tell_each_machine_and_person_exactly_once(redis: Redis, catcher: Catcher) -> None:
    raised = [*pages(250), *pages(50, Priority.CRITICAL, first=250)]
    phone = Scripted()
    to = route("env", catcher.url)
    everything = catalogue(to, oncall=roster(step("a")), grouping=Grouping(flood_begins=1_000, window=200))

    async def scenario() -> tuple[list[Record], Counts]:
        channels = {"a.phone": phone}
        both = {"park": everything, "channels": channels}
        async with delivering(redis.url, to, **both) as one, delivering(redis.url, to, **both):  # type: ignore[arg-type]
            await asyncio.gather(*(one.raise_(page) for page in raised))
            return await one.ended(2 * len(raised)), await one.outbox.counts(alerting.NOW)

    records, counts = asyncio.run(scenario())
    expected = {send_id(page, "env") for page in raised} | {send_id(page, "a.phone", 0) for page in raised}
    assert sorted(record.id for record in records) == sorted(expected)
    assert len(catcher.requests) == len({request.headers["webhook-id"] for request in catcher.requests}) == 300
    assert len(phone.sent) == len(set(phone.sent))
    told = [alarm for message in phone.messages for alarm in alarms_in(message)]
    assert len(told) == len(set(told))
    assert (counts.sent, counts.repeated, counts.failed) == (600, 0, 0)
    assert counts.waiting == 300, "every chain has its next step"


def alarms_in(message: Any) -> list[str]:
    """The alarms that a message names."""
    return [entry.alarm for entry in message.entries] if isinstance(message, Digest) else [message.alarm]


# --- what a digest says ------------------------------------------------------------------------------------------


def messages(*transitions: Any) -> list[Message]:
    """Composed messages, one for each."""
    return [
        compose_message(each, catalogue(), sensor=None, since=None, addresses=Addresses(CONSOLE))
        for each in transitions
    ]


def digest(*transitions: Any, flood: Flood | None = None, ended: int = 0) -> Digest:
    """A digest of them."""
    return grouping.compose(
        messages(*transitions), flood=flood, flood_ended=ended, console_url=CONSOLE, now=alerting.NOW
    )


def test_the_most_urgent_come_first_and_the_first_up_is_marked() -> None:
    low, high, first = pages(1, Priority.LOW)[0], *pages(2, first=1)
    first = msgspec.structs.replace(first, first_up=True)
    text = digest(low, high, first).text("en")
    assert text.title == "[HIGH] New Materials: 3 alarms (2 high, 1 low)"
    lines = text.text.splitlines()
    assert lines[0].startswith("1. ▲ [HIGH] alarm: New Materials, HF unit, hf-002: HF 5.1 mg/m³ > 4 (first up)")
    assert lines[0].endswith(" [GB/T 50493-2019 5.5.2]")
    assert lines[1:4:2] == ["   Do: evacuate, wear breathing apparatus", "   Do: as for 1"]
    assert lines[4].startswith("3. ○ [LOW]")
    assert lines[-1] == f"Look and acknowledge: {CONSOLE}/?zone=new-materials"


def test_it_says_where_limits_stand_and_what_to_do_about_the_most_urgent() -> None:
    told = digest(*pages(5))
    entry = told.entries[0]
    assert entry.response == Names("撤离并佩戴正压呼吸器", "evacuate, wear breathing apparatus")
    assert entry.clause == Names("GB/T 50493-2019 第5.5.2条", "GB/T 50493-2019 5.5.2")
    text = told.text("zh").text
    assert text.count("[GB/T 50493-2019 第5.5.2条]") == 5
    assert text.count("处置：撤离并佩戴正压呼吸器") == 1
    assert text.count("处置：同第 1 条") == grouping.TELLING - 1


def test_what_has_returned_asks_for_nothing() -> None:
    told = digest(*(msgspec.structs.replace(alerting.transition(Event.RETURNED), alarm=f"{n}") for n in range(2)))
    assert [entry.response for entry in told.entries] == [None, None]
    assert "Do:" not in told.text("en").text


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("length", [0, 20, 60, 200, 3_000])
def test_it_is_no_longer_than_a_chat_takes(language: str, length: int) -> None:
    """The more is said of each, the fewer are listed; all are counted."""
    plain = digest(*pages(14), flood=Flood(alerting.NOW - 60_000, 12, 14))
    entries = [
        msgspec.structs.replace(
            entry,
            title=Names(entry.title.zh + "长" * length, entry.title.en + "m" * length),
            response=Names(f"撤离 {number}" + "退" * length, f"leave {number}" + "x" * length),
        )
        for number, entry in enumerate(plain.entries)
    ]
    told = msgspec.structs.replace(plain, entries=tuple(entries))
    text = told.text(language)
    listed = [line for line in text.text.splitlines() if line.split(".")[0].isdigit()]
    assert listed
    if length < 3_000:
        assert len(f"{text.title}\n{text.text}".encode()) <= grouping.LONGEST
    if len(listed) < 14:
        assert {"zh": f"另有 {14 - len(listed)} 个", "en": f"and {14 - len(listed)} more"}[language] in text.text
    assert text.text.splitlines()[-1].endswith("/?zone=new-materials")


def test_a_flood_says_since_when_and_counts() -> None:
    flood = Flood(alerting.NOW - 60_000, 12, 14)
    told = digest(*pages(12), flood=flood)
    text = told.text("zh")
    assert text.title == "【高】报警泛滥汇总：新材料产业园 12 个报警（高 12）"
    assert "自 2026-01-02 03:11:05 UTC+8" in text.text
    assert "按装置：氟化氢装置 12" in text.text
    assert "按参数：氟化氢 12" in text.text
    assert "FLOOD new-materials 12 alarms" in grouping.line(told)


def test_the_end_of_a_flood_is_part_of_its_last_summary() -> None:
    told = digest(*pages(1), flood=Flood(alerting.NOW - 60_000, 4, 14), ended=alerting.NOW)
    assert "The alarm flood is over: 2026-01-02 03:11:05" in told.text("en").text
    assert told.flood is not None
    assert told.flood.ended == "2026-01-01T19:12:05.000Z"


def test_only_returns_make_a_notice() -> None:
    told = digest(*(msgspec.structs.replace(alerting.transition(Event.RETURNED), alarm=f"{n}") for n in range(2)))
    assert (told.notify.value, told.pages) == ("notice", 0)
    assert "2 个报警恢复正常" in told.text("zh").title


def test_a_webhook_gets_a_digest_as_json() -> None:
    sent = json.loads(grouping.payload(digest(*pages(3))))
    assert sent["type"] == "alarms.grouped"
    data = sent["data"]
    assert (data["zone"], data["count"], len(data["entries"])) == (ZONE, 3, 3)
    assert data["entries"][0].keys() >= {"alarm", "occurrence", "version", "priority", "title", "link"}
    assert data["texts"]["zh"].keys() == {"title", "text"}


def test_a_digest_survives_the_outbox() -> None:
    composed = digest(*pages(3), flood=Flood(1, 2, 3))
    assert msgspec.json.decode(msgspec.json.encode(composed), type=Digest) == composed


# --- floods, pure ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "count", "operators", "lasts"),
    [
        (None, 10, 1, False),
        (None, 11, 1, True),
        (None, 20, 2, False),
        (None, 21, 2, True),
        (Flood(1, 11, 11), 5, 1, True),
        (Flood(1, 11, 11), 4, 1, False),
        (Flood(1, 21, 21), 9, 2, False),
        (Flood(1, 21, 21), 10, 2, True),
    ],
)
def test_a_flood_begins_above_and_ends_below(before: Flood | None, count: int, operators: int, lasts: bool) -> None:  # noqa: FBT001
    after = floods.judge(before, count, operators, Grouping(), now=1_000)
    assert (after is not None) is lasts


def test_a_flood_remembers_its_beginning_and_its_peak() -> None:
    assert floods.judge(None, 11, 1, Grouping(), now=7) == Flood(7, 11, 11)
    assert floods.judge(Flood(7, 11, 30), 12, 1, Grouping(), now=9) == Flood(7, 12, 30)


# --- floods, whole -----------------------------------------------------------------------------------------------


def test_in_a_flood_critical_ones_leave_at_once_and_the_rest_as_summaries(redis: Redis) -> None:
    clock, phone, machine = StoppedClock(), Scripted(), Scripted()
    to = route("env", "http://x")
    everything = catalogue(to, oncall=roster(step("a", every=60_000, repeat=1)), grouping=Grouping())
    channels = {"a.phone": phone, "env": machine}

    async def scenario() -> tuple[list[Record], list[str], Any]:
        async with delivering(redis.url, to, park=everything, channels=channels, clock=clock) as post:
            await post.raise_(*pages(11))
            await eventually(lambda: post.outbox.redis.hget(names.FLOODS, ZONE))
            await eventually(lambda: gathered(post, 10))
            during = json.loads(await post.outbox.redis.hget(names.FLOODS, ZONE) or "null")
            await post.raise_(*pages(20, first=11), *pages(2, Priority.CRITICAL, first=31))
            await until(lambda: len(machine.sent) == 33 and len(phone.sent) == 3)
            urgent = [[page.alarm] for page in pages(2, first=31)]
            assert sorted(alarms_in(message) for message in phone.messages[1:]) == urgent
            await post.later(clock, WINDOW)
            await until(lambda: len(phone.sent) == 4)
            summary = phone.messages[3]
            assert isinstance(summary, Digest)
            assert summary.flood is not None
            assert summary.count == 30
            # The second calls of what is not critical go into the next summary, two minutes after the last.
            await post.later(clock, 30_000)
            await until(lambda: len(phone.sent) == 6)
            await eventually(lambda: gathered(post, 31))
            assert await post.waiting("bucket") == {bucket_id(ZONE, "a.phone"): alerting.NOW + WINDOW + 120_000}
            return await post.ended(1), post.said.lines, during

    records, lines, during = asyncio.run(scenario())
    assert during["count"] > 10
    assert [record.id for record in records if record.result is Result.FLOOD_BEGAN] == [f"flood:{ZONE}"]
    assert any("FLOOD BEGAN new-materials: " in line and "1 on duty" in line for line in lines)


def test_a_flood_that_is_over_leaves_its_last_summary_and_is_recorded(redis: Redis) -> None:
    clock, phone = StoppedClock(), Scripted()

    async def scenario() -> tuple[list[Record], list[str]]:
        oncall = roster(step("a"))
        async with delivering(
            redis.url, park=park(oncall, flood_begins=10), channels={"a.phone": phone}, clock=clock
        ) as post:
            await post.raise_(*pages(11))
            await eventually(lambda: post.outbox.redis.hget(names.FLOODS, ZONE))
            await eventually(lambda: gathered(post, 10))
            await post.later(clock, WINDOW)
            await until(lambda: len(phone.sent) == 2)
            clock.advance(600_000 - WINDOW - 1_000)
            await post.raise_(*(msgspec.structs.replace(page, at=clock.now()) for page in pages(3, first=20)))
            await eventually(lambda: gathered(post, 3))
            assert await post.outbox.redis.hexists(names.FLOODS, ZONE)
            await post.later(clock, 11_000)
            await eventually(lambda: over(post))
            await until(lambda: len(phone.sent) == 3)
            return await post.ended(16), post.said.lines

    records, lines = asyncio.run(scenario())
    last = phone.messages[2]
    assert isinstance(last, Digest)
    assert last.flood is not None
    assert last.flood.ended is not None
    assert [record.result for record in records if record.id.startswith("flood:")] == [
        Result.FLOOD_BEGAN,
        Result.FLOOD_ENDED,
    ]
    assert any("FLOOD ENDED new-materials" in line for line in lines)


async def over(post: Post) -> bool:
    """Whether the flood is."""
    return not await post.outbox.redis.hexists(names.FLOODS, ZONE)


def test_two_processes_begin_one_flood(redis: Redis) -> None:
    async def scenario() -> int:
        async with outbox_at(redis.url, "one") as one, outbox_at(redis.url, "two") as two:
            begun = Flood(1, 11, 11)
            record = Record(id=f"flood:{ZONE}", result=Result.FLOOD_BEGAN)

            async def begin(outbox: Outbox) -> bool:
                return await outbox.move_flood(ZONE, None, begun, now=1, look_again=2, buckets={}, record=record)

            moved = [await begin(one), await begin(two)]
            assert moved == [True, False]
            return len(await one.delivered())

    assert asyncio.run(scenario()) == 1


def test_chattering_does_not_make_a_flood(redis: Redis) -> None:
    machine = Scripted()
    to = route("env", "http://x")

    async def scenario() -> Any:
        everything = catalogue(to, grouping=Grouping())
        async with delivering(redis.url, to, park=everything, channels={"env": machine}) as post:
            await post.raise_(*(msgspec.structs.replace(page, chattering=True) for page in pages(15)))
            await post.ended(15)
            return await post.outbox.redis.hgetall(names.FLOODS), await post.outbox.redis.zcard(f"pw:flood:{ZONE}")

    assert asyncio.run(scenario()) == ({}, 0)
