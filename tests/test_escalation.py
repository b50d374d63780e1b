"""Escalation: chains of calls, what stops them, and what happens if nobody can be told."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import Any

import msgspec
import pytest

from alerts import escalation
from alerts.channels import Permanent, Transient
from park.alarms import Event
from park.catalogue import OnCall
from park.oncall import Handover, Override, QuietHours, Rota, Step, Until
from park.words import Names, Priority
from storage import entries, names
from storage.entries import Standing
from storage.outbox import Counts, Record, Result, page_id, send_id, step_id
from tests import alerting
from tests.alerting import StoppedClock, catalogue, contact, numbered, person, roster, route, step, transition
from tests.posting import Post, Scripted, delivering, eventually, until
from tests.servers import Redis

MINUTE = 60_000
CRITICAL = transition(priority=Priority.CRITICAL)


def park(oncall: OnCall) -> Any:
    return catalogue(oncall=oncall, grouping=alerting.CALM)


async def calls_end(post: Post, count: int) -> list[Record]:
    """Wait for ``count`` records and for exactly one step waiting, or none."""
    records = await post.ended(count)
    assert len(await post.waiting("step")) <= 1
    return records


# --- pure --------------------------------------------------------------------------------------------------------


def test_calls_are_made_one_after_the_other() -> None:
    oncall = roster(step("a", every=2 * MINUTE, repeat=1), step("b", minutes=5))
    chain = oncall.chains[0]

    def at(number: int, now: int, *, due: bool) -> tuple[list[str], int, int]:
        did = escalation.advance(oncall, chain, Priority.HIGH, entries.Step(CRITICAL, number, 0), now=now, due=due)
        return [telling.person for telling in did.tellings], did.number, did.due

    assert at(0, 0, due=False) == (["a"], 1, 2 * MINUTE)
    assert at(1, 2 * MINUTE, due=True) == (["a"], 2, 5 * MINUTE)
    assert at(2, 5 * MINUTE, due=True) == (["b"], 3, 5 * MINUTE + escalation.LAST_WAIT)
    assert at(1, 0, due=True) == (["a"], 2, 5 * MINUTE), "brought forward"
    assert at(1, 6 * MINUTE, due=True) == (["a", "b"], 3, 6 * MINUTE + escalation.LAST_WAIT), "two that are late"


def test_a_first_call_may_be_later_than_the_page() -> None:
    oncall = roster(step("a", minutes=3))
    did = escalation.advance(oncall, oncall.chains[0], Priority.HIGH, entries.Step(CRITICAL, 0, 0), now=0, due=False)
    assert (did.tellings, did.number, did.due) == ((), 0, 3 * MINUTE)


def test_a_call_that_reaches_nobody_is_followed_by_the_next_at_once() -> None:
    urgent_only = person("a", contact("a", min_priority=Priority.CRITICAL))
    oncall = roster(step("a"), step("b", minutes=5), people=[urgent_only])
    did = escalation.advance(oncall, oncall.chains[0], Priority.HIGH, entries.Step(CRITICAL, 0, 0), now=0, due=False)
    assert [telling.person for telling in did.tellings] == ["b"]
    assert did.unreached == ("call 1 reaches nobody: no contact takes high alarms",)


def test_if_every_call_reaches_nobody_that_is_known_at_once() -> None:
    deaf = person("a", contact("a", min_priority=Priority.CRITICAL))
    oncall = roster(step("a"), step("a", minutes=5), people=[deaf])
    did = escalation.advance(oncall, oncall.chains[0], Priority.LOW, entries.Step(CRITICAL, 0, 0), now=7, due=False)
    assert (did.tellings, did.number, did.due) == ((), 2, 7)


@pytest.mark.parametrize(
    ("changes", "until", "why"),
    [
        ({}, Until.ACKNOWLEDGED, ""),
        ({"condition": "inactive"}, Until.ACKNOWLEDGED, ""),
        ({"condition": "inactive"}, Until.RETURNED, "the alarm has returned to normal"),
        ({"condition": "latched", "latched": True}, Until.RETURNED, ""),
        ({"condition": "pending-off"}, Until.RETURNED, ""),
        ({"acknowledgement": "acknowledged", "acknowledged_by": "Li"}, Until.RETURNED, "acknowledged by Li"),
        ({"paged": 0, "acknowledged_by": "Li Wei"}, Until.ACKNOWLEDGED, "acknowledged by Li Wei"),
        ({"availability": "shelved"}, Until.ACKNOWLEDGED, "the alarm is shelved"),
        ({"availability": "suppressed"}, Until.ACKNOWLEDGED, "the alarm is suppressed"),
        ({"availability": "out-of-service"}, Until.ACKNOWLEDGED, "the alarm is out-of-service"),
        ({"paged": 4, "occurrence": 2}, Until.ACKNOWLEDGED, "there is a newer page, version 4"),
        ({"occurrence": 9}, Until.ACKNOWLEDGED, ""),
    ],
)  # fmt: skip
def test_what_ends_a_chain(changes: dict[str, Any], until: Until, why: str) -> None:
    standing = Standing(**{**alerting.standing(transition()), **changes})
    assert escalation.ended(transition(), standing, until) == why


def test_an_alarm_that_is_no_more_ends_its_chain() -> None:
    assert escalation.ended(transition(), None, Until.ACKNOWLEDGED) == "the alarm is no more"


# --- a chain's way -------------------------------------------------------------------------------------------------


def test_each_call_is_made_at_its_time_until_somebody_acknowledges(redis: Redis) -> None:
    clock = StoppedClock()
    oncall = roster(step("duty", every=2 * MINUTE, repeat=1), step("leader", minutes=5), step("director", minutes=10))

    async def scenario() -> tuple[list[Record], Any]:
        async with delivering(redis.url, park=park(oncall), clock=clock) as post:
            await post.raise_(CRITICAL)
            await calls_end(post, 1)
            assert await post.waiting("step") == {step_id(CRITICAL, 1): CRITICAL.at + 2 * MINUTE}
            await post.later(clock, 2 * MINUTE)
            await calls_end(post, 2)
            await post.later(clock, 3 * MINUTE)
            await calls_end(post, 3)
            assert await post.waiting("step") == {step_id(CRITICAL, 3): CRITICAL.at + 10 * MINUTE}
            await post.stands(CRITICAL, acknowledgement="acknowledged", acknowledged_by="Li Wei", paged=0)
            await post.later(clock, 5 * MINUTE)
            records = await calls_end(post, 4)
            assert await post.waiting("step") == {}
            return records, await post.outbox.redis.hgetall(names.CHAINS)

    records, stopped = asyncio.run(scenario())
    assert [record.id for record in records] == [
        send_id(CRITICAL, "duty.phone", 0),
        send_id(CRITICAL, "duty.phone", 1),
        send_id(CRITICAL, "leader.phone", 2),
        step_id(CRITICAL, 3),
    ]
    assert [(record.person, record.step) for record in records[:3]] == [("duty", 0), ("duty", 1), ("leader", 2)]
    assert (records[3].result, records[3].reason) == (Result.ENDED, "acknowledged by Li Wei")
    assert not stopped


def test_a_chain_whose_alarm_is_shelved_says_so_for_the_auditor(redis: Redis) -> None:
    clock = StoppedClock()

    async def scenario() -> tuple[list[Record], Any]:
        async with delivering(redis.url, park=park(roster(step("a"), step("b", minutes=5))), clock=clock) as post:
            await post.raise_(CRITICAL)
            await post.ended(1)
            await post.stands(CRITICAL, availability="shelved")
            await post.later(clock, 5 * MINUTE)
            records = await post.ended(2)
            return records, await post.outbox.redis.hget(names.CHAINS, CRITICAL.alarm)

    records, stopped = asyncio.run(scenario())
    assert (records[1].result, records[1].reason) == (Result.ENDED, "the alarm is shelved")
    assert json.loads(stopped) == {"version": 1, "why": "the alarm is shelved", "at": CRITICAL.at + 5 * MINUTE}


def test_who_has_the_duty_is_looked_up_when_the_call_is_made(redis: Redis) -> None:
    clock = StoppedClock()
    handed_over = Override("duty", alerting.NOW + MINUTE, alerting.NOW + 3_600_000, "night", "swap")
    rota = Rota(
        "duty", Names("值班", "duty"), "Asia/Shanghai", Handover(0, 480), dt.date(2026, 1, 5), ("day",), (handed_over,)
    )
    both = [person("day"), person("night")]
    oncall = roster(Step(("rota:duty",), every=2 * MINUTE, repeat=1), people=both, rotas={"duty": rota})

    async def scenario() -> list[Record]:
        async with delivering(redis.url, park=park(oncall), clock=clock) as post:
            await post.raise_(CRITICAL)
            await post.ended(1)
            await post.later(clock, 2 * MINUTE)
            return await post.ended(2)

    assert [record.person for record in asyncio.run(scenario())] == ["day", "night"]


def test_a_chain_that_nobody_answers_is_exhausted_loudly(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    clock = StoppedClock()

    async def scenario() -> tuple[list[Record], Counts, list[str], Any]:
        async with delivering(redis.url, park=park(roster(step("a"))), clock=clock) as post:
            await post.raise_(CRITICAL)
            await post.ended(1)
            assert await post.waiting("step") == {step_id(CRITICAL, 1): alerting.NOW + escalation.LAST_WAIT}
            await post.later(clock, escalation.LAST_WAIT)
            records = await post.ended(2)
            await until(lambda: len(post.said.lines) > 2)
            marker = await post.outbox.redis.hget(names.CHAINS, CRITICAL.alarm)
            return records, await post.outbox.counts(clock.now()), post.said.lines, marker

    records, counts, lines, marker = asyncio.run(scenario())
    assert records[1].result is Result.EXHAUSTED
    assert (counts.exhausted, counts.waiting) == (1, 1), "it begins again in an hour"
    assert "nobody has acknowledged after 1 calls; told were a.phone" in caplog.text
    assert "NOBODY HAS ACKNOWLEDGED" in lines[-1]
    assert json.loads(marker)["why"] == "exhausted"


def test_a_chain_that_nobody_answers_begins_again(redis: Redis) -> None:
    clock = StoppedClock()
    oncall = roster(step("a"), step("b", minutes=5))
    chain = msgspec.structs.replace(oncall.chains[0], again=15 * MINUTE)

    async def scenario() -> list[Record]:
        used = msgspec.structs.replace(oncall, chains=(chain,))
        async with delivering(redis.url, park=park(used), clock=clock) as post:
            await post.raise_(CRITICAL)
            await post.ended(1)
            await post.later(clock, 5 * MINUTE)
            await post.ended(2)
            await post.later(clock, escalation.LAST_WAIT)
            await post.ended(3)
            await post.later(clock, 15 * MINUTE)
            await post.ended(4)
            await post.later(clock, 5 * MINUTE)
            return await calls_end(post, 5)

    records = asyncio.run(scenario())
    assert [(record.person, record.step, record.result) for record in records] == [
        ("a", 0, Result.SENT),
        ("b", 1, Result.SENT),
        ("", 2, Result.EXHAUSTED),
        ("a", 2, Result.SENT),
        ("b", 3, Result.SENT),
    ]
    assert "all are called again from" in records[2].reason


@pytest.mark.parametrize(
    ("again", "priority", "stands", "after"),
    [
        (None, Priority.CRITICAL, True, 60 * MINUTE),
        (None, Priority.HIGH, True, None),
        (0, Priority.CRITICAL, True, None),
        (15 * MINUTE, Priority.LOW, True, 15 * MINUTE),
        (15 * MINUTE, Priority.CRITICAL, False, None),
    ],
)
def test_when_a_chain_begins_again(again: int | None, priority: Priority, *, stands: bool, after: int | None) -> None:
    chain = msgspec.structs.replace(roster(step("a")).chains[0], again=again)
    last = entries.Step(transition(priority=priority), 3, 0, first=2)
    stood = Standing(1, 0, acknowledgement="unacknowledged", condition="active" if stands else "inactive", paged=1)
    anew = escalation.again(chain, last, stood, 1_000)
    assert (anew and (anew.number, anew.first, anew.base - 1_000)) == (None if after is None else (3, 3, after))


def test_a_new_page_takes_its_chain_over(redis: Redis) -> None:
    clock = StoppedClock()
    worse = transition(Event.ESCALATED, version=2, priority=Priority.CRITICAL)

    async def scenario() -> list[Record]:
        async with delivering(redis.url, park=park(roster(step("a"), step("b", minutes=5))), clock=clock) as post:
            await post.raise_(CRITICAL)
            await post.ended(1)
            await post.raise_(worse)
            await post.ended(2)
            await post.later(clock, 5 * MINUTE)
            return await post.ended(4)

    records = asyncio.run(scenario())
    ends = {record.id: (record.result, record.reason) for record in records}
    assert ends[step_id(CRITICAL, 1)] == (Result.ENDED, "there is a newer page, version 2")
    assert ends[send_id(worse, "b.phone", 1)][0] is Result.SENT


def test_a_chain_that_ends_after_its_alarm_leaves_nothing_behind(redis: Redis) -> None:
    clock = StoppedClock()

    async def scenario() -> Any:
        async with delivering(redis.url, park=park(roster(step("a"))), clock=clock) as post:
            await post.raise_(CRITICAL)
            await post.ended(1)
            # Acknowledged and back to normal: the commit has taken away what was known of the alarm.
            await post.outbox.redis.hdel(names.ALARMS, CRITICAL.alarm)
            await post.later(clock, escalation.LAST_WAIT)
            records = await post.ended(2)
            return records[1], await post.outbox.redis.hgetall(names.CHAINS)

    record, stopped = asyncio.run(scenario())
    assert (record.result, stopped) == (Result.ENDED, {})


def test_the_end_of_an_older_pages_chain_does_not_hide_that_of_the_newer(redis: Redis) -> None:
    """The auditor would take the newer page's chain for missing."""
    clock = StoppedClock()
    worse = transition(Event.ESCALATED, version=2, priority=Priority.CRITICAL)

    async def scenario() -> Any:
        async with delivering(redis.url, park=park(roster(step("a"), step("b", minutes=30))), clock=clock) as post:
            await post.raise_(CRITICAL)
            await post.ended(1)
        clock.advance(MINUTE)
        async with delivering(redis.url, park=park(roster(step("a"))), clock=clock) as post:
            await post.raise_(worse)
            await post.ended(2)
            await post.later(clock, MINUTE + escalation.LAST_WAIT)
            await post.ended(3)
            await post.later(clock, 30 * MINUTE)
            await post.ended(4)
            return await post.outbox.redis.hget(names.CHAINS, CRITICAL.alarm)

    stopped = json.loads(asyncio.run(scenario()))
    assert (stopped["version"], stopped["why"]) == (2, "exhausted")


def test_who_is_called_after_the_return_reads_that_it_has_returned(redis: Redis) -> None:
    clock, later = StoppedClock(), Scripted()
    oncall = roster(step("a"), step("b", minutes=5))

    async def scenario() -> None:
        async with delivering(redis.url, park=park(oncall), channels={"b.phone": later}, clock=clock) as post:
            await post.raise_(CRITICAL)
            await post.ended(1)
            await post.stands(CRITICAL, condition="inactive")
            await post.later(clock, 5 * MINUTE)
            await post.ended(2)

    asyncio.run(scenario())
    (message,) = later.messages
    assert message.text("zh").title.startswith("【紧急】报警（第 2 次呼叫）（现已恢复）：")
    assert "alarm (call 2) (returned since)" in message.text("en").title
    assert "Now: it has returned to normal since, and nobody has acknowledged it" in message.text("en").text


def test_a_return_is_told_to_those_who_were_told(redis: Redis) -> None:
    clock = StoppedClock()
    returned = transition(Event.RETURNED, version=2, priority=Priority.CRITICAL)
    quiet = person("quiet", contact("quiet", notices=False))
    oncall = roster(step("a", "quiet"), step("b", minutes=5), people=[quiet])

    async def scenario() -> list[Record]:
        async with delivering(redis.url, park=park(oncall), clock=clock) as post:
            await post.raise_(CRITICAL)
            await post.ended(2)
            await post.later(clock, MINUTE)
            await post.raise_(returned, paged=1)
            return await post.ended(3)

    records = asyncio.run(scenario())
    assert records[2].id == send_id(returned, "a.phone")
    assert (records[2].person, records[2].step) == ("a", None)


def test_chattering_is_not_told_to_people_but_to_machines(redis: Redis) -> None:
    machine, group = Scripted(), Scripted()
    routes = (route("env", "http://x"), route("group", "http://x", grouped=True))
    again = transition(occurrence=3, version=5, chattering=True, priority=Priority.CRITICAL)
    returned = transition(Event.RETURNED, occurrence=3, version=6, chattering=True)

    async def scenario() -> None:
        everything = catalogue(*routes, oncall=roster(step("a")), grouping=alerting.CALM)
        channels = {"env": machine, "group": group}
        async with delivering(redis.url, *routes, channels=channels, park=everything) as post:
            await post.outbox.redis.sadd(f"pw:told:{again.alarm}:3", "a.phone")
            await post.raise_(again, returned)
            await post.ended(2)
            assert await post.waiting("step") == {}

    asyncio.run(scenario())
    assert sorted(machine.sent) == [send_id(again, "env"), send_id(returned, "env")]
    assert group.sent == []


def test_chattering_that_only_people_would_hear_of_is_recorded(redis: Redis) -> None:
    async def scenario() -> list[Record]:
        async with delivering(redis.url, park=park(roster(step("a")))) as post:
            await post.raise_(transition(chattering=True))
            return await post.ended(1)

    (record,) = asyncio.run(scenario())
    assert record.result is Result.UNWANTED


# --- people who can't be reached -----------------------------------------------------------------------------------

TWO_WAYS = person("a", contact("a", "chat"), contact("a", "phone"))


def test_a_refusal_falls_through_to_the_next_contact_at_once(redis: Redis) -> None:
    chat, phone = Scripted(Permanent("HTTP 410")), Scripted()
    oncall = roster(step("a"), step("b", minutes=5), people=[TWO_WAYS])

    async def scenario() -> tuple[list[Record], Counts, list[str], Any]:
        channels = {"a.chat": chat, "a.phone": phone}
        async with delivering(redis.url, park=park(oncall), channels=channels) as post:
            await post.raise_(CRITICAL)
            records = await post.ended(2)
            await until(lambda: len(post.said.lines) > 1)
            told = await post.outbox.redis.smembers(f"pw:told:{CRITICAL.alarm}:1")
            return records, await post.outbox.counts(0), post.said.lines, told

    records, counts, lines, told = asyncio.run(scenario())
    assert [(record.channel, record.result, record.reason) for record in records] == [
        ("a.chat", Result.FAILED, "HTTP 410; falls through to a.phone"),
        ("a.phone", Result.SENT, ""),
    ]
    assert phone.sent == [send_id(CRITICAL, "a.phone", 0)]
    assert (counts.fell_through, told) == (1, {b"a.phone"})
    assert any("a.chat failed (HTTP 410) -> sent: a.phone" in line for line in lines)


def test_who_can_not_be_reached_at_all_makes_the_next_call_come_at_once(redis: Redis) -> None:
    dead = {"a.chat": Scripted(Permanent("gone")), "a.phone": Scripted(Permanent("gone as well"))}
    oncall = roster(step("a"), step("b", minutes=50), people=[TWO_WAYS])

    async def scenario() -> list[Record]:
        async with delivering(redis.url, park=park(oncall), channels=dead, clock=StoppedClock()) as post:
            await post.raise_(CRITICAL)
            return await calls_end(post, 3)

    records = asyncio.run(scenario())
    assert [(record.channel, record.result) for record in records] == [
        ("a.chat", Result.FAILED),
        ("a.phone", Result.FAILED),
        ("b.phone", Result.SENT),
    ]


def test_if_nobody_at_all_can_be_told_that_is_loud(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    dead = {"a.phone": Scripted(Permanent("gone")), "b.phone": Scripted(Permanent("gone"))}
    oncall = roster(step("a"), step("b", minutes=50))

    async def scenario() -> tuple[list[Record], Counts, list[str]]:
        async with delivering(redis.url, park=park(oncall), channels=dead, clock=StoppedClock()) as post:
            await post.raise_(CRITICAL)
            records = await post.ended(3)
            await until(lambda: any("NOBODY IS TOLD" in line for line in post.said.lines))
            return records, await post.outbox.counts(alerting.NOW), post.said.lines

    records, counts, _ = asyncio.run(scenario())
    assert records[2].result is Result.UNDELIVERABLE
    assert (counts.undeliverable, counts.waiting, counts.exhausted) == (1, 1, 0), "all are tried again in an hour"
    assert "reaches NOBODY: nobody on call could be told" in caplog.text


def test_the_last_who_fails_leaves_those_told_earlier_their_time(redis: Redis) -> None:
    clock = StoppedClock()
    dead = {"b.phone": Scripted(Permanent("gone"))}

    async def scenario() -> tuple[list[Record], dict[str, int]]:
        oncall = roster(step("a"), step("b", minutes=5))
        async with delivering(redis.url, park=park(oncall), channels=dead, clock=clock) as post:
            await post.raise_(CRITICAL)
            await post.ended(1)
            await post.later(clock, 5 * MINUTE)
            return await post.ended(2), await post.waiting("step")

    records, waiting = asyncio.run(scenario())
    assert records[1].result is Result.FAILED
    assert waiting == {step_id(CRITICAL, 2): clock.now() + escalation.LAST_WAIT}


def test_a_contact_that_does_not_answer_is_given_up_within_two_minutes(redis: Redis) -> None:
    clock = StoppedClock()
    chat, phone = Scripted(*[Transient("HTTP 503")] * 20), Scripted()

    async def scenario() -> list[Record]:
        channels = {"a.chat": chat, "a.phone": phone}
        async with delivering(
            redis.url, park=park(roster(step("a"), people=[TWO_WAYS])), channels=channels, clock=clock
        ) as post:
            await post.raise_(CRITICAL)
            tried = 0
            while not phone.sent:
                tried += 1
                await until(lambda: len(chat.sent) >= tried or phone.sent)  # noqa: B023 - awaited in the same turn
                await eventually(lambda: _given_back(post, chat, phone))
                due = await post.waiting("send")
                if due:
                    await post.later(clock, max(0, min(due.values()) - clock.now()))
                if phone.sent:
                    break
            return await post.ended(2)

    records = asyncio.run(scenario())
    assert records[0].reason == "HTTP 503; given up; falls through to a.phone"
    assert records[1].channel == "a.phone"
    assert clock.now() - alerting.NOW <= 120_000
    assert len(chat.sent) <= escalation.PERSON_ATTEMPTS


def test_a_contact_that_wants_to_be_left_alone_for_long_is_not_waited_for(redis: Redis) -> None:
    chat, phone = Scripted(Transient("HTTP 429", after=600.0)), Scripted()

    async def scenario() -> list[Record]:
        oncall = roster(step("a"), people=[TWO_WAYS])
        channels = {"a.chat": chat, "a.phone": phone}
        async with delivering(redis.url, park=park(oncall), channels=channels, clock=StoppedClock()) as post:
            await post.raise_(CRITICAL)
            return await post.ended(2)

    assert [record.channel for record in asyncio.run(scenario())] == ["a.chat", "a.phone"]


def test_a_return_falls_through_to_contacts_that_take_returns(redis: Redis) -> None:
    returned = transition(Event.RETURNED, version=2)
    three_ways = person("a", contact("a", "chat"), contact("a", "sms", notices=False), contact("a", "mail"))
    channels = {"a.chat": Scripted(Permanent("gone")), "a.sms": Scripted(), "a.mail": Scripted()}

    async def scenario() -> list[Record]:
        oncall = roster(step("a"), people=[three_ways])
        async with delivering(redis.url, park=park(oncall), channels=channels, clock=StoppedClock()) as post:
            await post.outbox.redis.sadd(f"pw:told:{returned.alarm}:1", "a.chat")
            await post.raise_(returned)
            return await post.ended(2)

    assert [record.channel for record in asyncio.run(scenario())] == ["a.chat", "a.mail"]


async def _given_back(post: Post, chat: Scripted, phone: Scripted) -> bool:
    """Whether the latest attempt has been settled: its message waits unheld, or another contact has been tried."""
    held = await post.outbox.redis.hlen(names.OUTBOX_HOLDERS)
    return bool(phone.sent) or (bool(chat.sent) and not held)


def test_the_only_contact_is_tried_on_while_the_chain_goes_ahead(redis: Redis) -> None:
    clock = StoppedClock()
    phone = Scripted(*[Transient("HTTP 503")] * 20)

    async def scenario() -> list[Record]:
        oncall = roster(step("a"), step("b", minutes=50))
        async with delivering(redis.url, park=park(oncall), channels={"a.phone": phone}, clock=clock) as post:
            await post.raise_(CRITICAL)
            await until(lambda: phone.reached(1))
            await eventually(lambda: _given_back(post, phone, Scripted()))
            await post.later(clock, escalation.PATIENCE)
            records = await post.ended(1)
            await eventually(lambda: post.waiting("send"))
            assert list(await post.waiting("step")) == [step_id(CRITICAL, 2)]
            return records

    (record,) = asyncio.run(scenario())
    assert (record.channel, record.result) == ("b.phone", Result.SENT)
    assert clock.now() - alerting.NOW == escalation.PATIENCE


# --- quiet hours ---------------------------------------------------------------------------------------------------

NIGHT = QuietHours("Asia/Shanghai", 22 * 60, 7 * 60, (Priority.LOW,))


def test_low_pages_of_the_night_are_told_together_in_the_morning(redis: Redis) -> None:
    clock = StoppedClock()
    morning = alerting.NOW - (12 * 60 + 5) * 1000 + 4 * 3_600_000
    low = [alerting.transition(**_series(number), priority=Priority.LOW) for number in range(3)]
    machine, phone = Scripted(), Scripted()
    to = route("env", "http://x")
    channels = {"env": machine, "a.phone": phone}

    async def scenario() -> tuple[list[Record], list[str]]:
        everything = catalogue(to, oncall=roster(step("a"), quiet_hours=(NIGHT,)), grouping=alerting.CALM)
        async with delivering(redis.url, to, channels=channels, park=everything, clock=clock) as post:
            await post.raise_(*low)
            await post.ended(6)
            assert set((await post.waiting("step")).values()) == {morning}
            assert (len(machine.sent), phone.sent) == (3, [])
            await post.stands(low[2], acknowledgement="acknowledged", acknowledged_by="night shift", paged=0)
            await post.later(clock, morning - clock.now())
            await eventually(lambda: post.waiting("bucket"))
            await post.ended(7)
            await post.later(clock, escalation.GATHER)
            return await post.ended(9), post.said.lines

    records, lines = asyncio.run(scenario())
    held = [record for record in records if record.result is Result.HELD]
    assert {record.reason for record in held} == {"quiet hours until 2026-01-02 07:00:00 UTC+8 (23:00:00 UTC)"}
    assert any("held until 2026-01-02 07:00:00" in line for line in lines)
    assert len(phone.sent) == 1
    assert phone.messages[0].text("en").title == "[LOW] New Materials: 2 alarms (2 low)"
    assert [record.reason for record in records if record.result is Result.ENDED] == ["acknowledged by night shift"]


def test_quiet_hours_that_begin_hold_the_next_call_back(redis: Redis) -> None:
    clock = StoppedClock(alerting.NOW - 6 * 3_600_000)  # 21:12:05
    low = transition(priority=Priority.LOW, at=clock.now(), t=clock.now())
    oncall = roster(step("a"), step("b", minutes=60), quiet_hours=(NIGHT,))

    async def scenario() -> tuple[list[Record], dict[str, int]]:
        async with delivering(redis.url, park=park(oncall), clock=clock) as post:
            await post.raise_(low)
            await post.ended(1)
            await post.later(clock, 60 * MINUTE)
            return await post.ended(2), await post.waiting("step")

    records, waiting = asyncio.run(scenario())
    assert records[1].result is Result.HELD
    assert list(waiting) == [step_id(low, 1)]
    assert list(waiting.values()) == [alerting.NOW - (12 * 60 + 5) * 1000 + 4 * 3_600_000]


def _series(number: int) -> dict[str, Any]:
    other = numbered(number)
    return {"series": other.series, "alarm": other.alarm}


# --- old pages -----------------------------------------------------------------------------------------------------


def test_a_page_that_was_taken_up_late_gives_its_chain_its_time(redis: Redis) -> None:
    clock = StoppedClock(alerting.NOW + 30 * MINUTE)

    async def scenario() -> tuple[list[Record], dict[str, int]]:
        async with delivering(redis.url, park=park(roster(step("a"), step("b", minutes=5))), clock=clock) as post:
            await post.raise_(CRITICAL)
            return await post.ended(1), await post.waiting("step")

    records, waiting = asyncio.run(scenario())
    assert [record.person for record in records] == ["a"]
    assert waiting == {step_id(CRITICAL, 1): clock.now() + 5 * MINUTE}


def test_a_chain_that_was_taken_out_of_the_configuration_ends(redis: Redis) -> None:
    clock = StoppedClock()

    async def scenario() -> list[Record]:
        async with delivering(redis.url, park=park(roster(step("a"), step("b", minutes=5))), clock=clock) as post:
            await post.raise_(CRITICAL)
            await post.ended(1)
        clock.advance(5 * MINUTE)
        async with delivering(redis.url, park=park(OnCall()), clock=clock) as other:
            return await other.ended(2)

    records = asyncio.run(scenario())
    assert (records[1].result, records[1].reason) == (Result.ENDED, "no chain is configured for it any more")


def test_ids_tell_steps_apart() -> None:
    assert send_id(CRITICAL, "a.phone", 0) != send_id(CRITICAL, "a.phone", 1) != send_id(CRITICAL, "a.phone")
    assert len({page_id(CRITICAL), step_id(CRITICAL, 0), step_id(CRITICAL, 1)}) == 3
