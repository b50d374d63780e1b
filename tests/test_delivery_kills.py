"""``kill -9`` of the delivery process at every step between a transition and the record of what became of it.

A child process kills itself when it passes a named point for the n-th time; then another one takes over. Pages must
be sent at least once, and twice only if the child died between sending and recording.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerts.delivery import serve
from alerts.faults import Faults, Point
from park.catalogue import Catalogue, ChannelKind, Grouping
from park.words import Priority
from storage import names
from storage.clock import SystemClock
from storage.outbox import Counts, Outbox, Record, Result, send_id, step_id
from storage.settings import Settings
from tests.alerting import catalogue, contact, numbered, person, roster, route, standing, step
from tests.catchers import Catcher
from tests.posting import delivering, eventually, outbox_at
from tests.servers import Redis

ROOT = Path(__file__).resolve().parent.parent


class Deadly(Faults):
    """Kills its own process, as ``kill -9`` does, when ``point`` is passed for the ``nth`` time."""

    def __init__(self, point: Point, nth: int) -> None:
        self._point = point
        self._left = nth

    def passing(self, point: Point) -> None:
        self._left -= point is self._point
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def plain(url: str) -> Catalogue:
    """A park where a machine hears of everything."""
    return catalogue(route("machine", f"{url}/machine"), grouping=Grouping(flood_begins=1_000))


def stepped(url: str) -> Catalogue:
    """A park where ``a`` is called, then ``b``, whose first contact does not work."""
    a = person("a", hook("a", "phone", url))
    b = person("b", contact("b", "broken", kind=ChannelKind.WEBHOOK), hook("b", "phone", url))
    oncall = roster(step("a"), step("b", minutes=60), people=[a, b])
    return catalogue(oncall=oncall, grouping=Grouping(flood_begins=1_000))


def grouped(url: str) -> Catalogue:
    """A park where ``a`` gets the first page at once and what follows as one."""
    oncall = roster(step("a"), people=[person("a", hook("a", "phone", url))])
    return catalogue(oncall=oncall, grouping=Grouping(flood_begins=1_000, window=300))


def hook(who: str, name: str, url: str) -> Any:
    """A person's webhook."""
    return msgspec.structs.replace(route(f"{who}.{name}", f"{url}/{who}"), grouped=True)


PARKS = {"plain": plain, "stepped": stepped, "grouped": grouped}


def pages(kind: str) -> list[Any]:
    """What is raised: one page, or three that are grouped."""
    now = SystemClock().now()
    priority = Priority.HIGH if kind == "grouped" else Priority.CRITICAL
    return [
        msgspec.structs.replace(numbered(number), at=now, t=now, priority=priority)
        for number in range(3 if kind == "grouped" else 1)
    ]


def expected(kind: str, raised: list[Any]) -> list[str]:
    """The messages that must have been sent in the end."""
    if kind == "plain":
        return [send_id(raised[0], "machine")]
    if kind == "stepped":
        return [send_id(raised[0], "a.phone", 0), send_id(raised[0], "b.phone", 1)]
    return [send_id(page, "a.phone", 0) for page in raised]


CASES = [
    *(("plain", point, 1) for point in (Point.CLAIMED, Point.PLANNED, Point.EXPANDED)),
    *(("plain", point, 1) for point in (Point.BEGUN, Point.SENT, Point.RECORDED)),
    *(("stepped", point, nth) for nth in (1, 2) for point in (Point.CLAIMED, Point.PLANNED, Point.EXPANDED)),
    *(("stepped", point, nth) for nth in (1, 2) for point in (Point.SENT, Point.RECORDED)),
    *(("stepped", Point.BEGUN, nth) for nth in (1, 2, 3)),
    ("stepped", Point.FELL_THROUGH, 1),
    ("stepped", Point.RECORDED, 3),
    *(("grouped", point, nth) for nth in (1, 3) for point in (Point.CLAIMED, Point.PLANNED, Point.EXPANDED)),
    ("grouped", Point.CLAIMED, 4),
    ("grouped", Point.GATHERED, 1),
    ("grouped", Point.SEALED, 1),
    *(("grouped", point, 2) for point in (Point.BEGUN, Point.SENT, Point.RECORDED)),
]


@pytest.mark.parametrize(("kind", "point", "nth"), CASES)
def test_a_kill_at_any_step_loses_nothing(
    redis: Redis, catcher: Catcher, home: Path, kind: str, point: Point, nth: int
) -> None:
    raised = pages(kind)
    wanted = expected(kind, raised)

    async def put() -> None:
        async with outbox_at(redis.url) as outbox:
            for page in raised:
                await outbox.redis.hset(names.ALARMS, page.alarm, msgspec.json.encode(standing(page)).decode())
                await outbox.put(page, page.at)

    async def take_over() -> tuple[list[Record], Counts, dict[str, int]]:
        park = PARKS[kind](catcher.url)
        async with outbox_at(redis.url) as outbox:
            await leases_end(outbox)
        async with delivering(redis.url, *park.alerts.channels, park=park) as post:

            async def all_sent() -> bool:
                await an_hour_passes(post.outbox)
                records = await post.outbox.delivered(1_000)
                return {record.id for record in records if record.result is Result.SENT} >= set(wanted)

            await eventually(all_sent, within=30)
            await eventually(lambda: nothing_under_way(post.outbox))
            return (
                await post.outbox.delivered(1_000),
                await post.outbox.counts(SystemClock().now()),
                await post.waiting("step"),
            )

    asyncio.run(put())
    assert die(redis, catcher, home, kind, point, nth) == -signal.SIGKILL
    records, counts, steps = asyncio.run(take_over())
    sent = Counter(record.id for record in records if record.result is Result.SENT)
    assert sent == Counter(wanted), "each is recorded as sent exactly once"
    arrived = Counter(alarm for request in catcher.requests for alarm in told(request))
    assert set(arrived) == {key(kind, id_) for id_ in wanted}
    repeated = sum(arrived.values()) - len(arrived)
    # Sent, and not recorded: the one window in which a message may leave twice. A group leaves whole. Sends leave side
    # by side: whatever the point at which one kills, another may be in that window, and is marked as taken over then.
    if point is Point.SENT:
        assert repeated >= {"grouped": 2}.get(kind, 1)
    assert repeated <= sum(record.taken_over for record in records)
    assert counts.repeated == 0
    assert list(steps) == pending(kind, raised), "every chain has exactly one step waiting"


def die(redis: Redis, catcher: Catcher, home: Path, kind: str, point: Point, nth: int) -> int:
    """Run a delivery process that kills itself; return how it ended."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PARKWATCH_")}
    environ |= {"PARKWATCH_HOME": str(home), "PARKWATCH_REDIS_URL": redis.url}
    command = [sys.executable, "-m", "tests.test_delivery_kills", kind, catcher.url, point.value, str(nth)]
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)

    async def dead() -> bool:
        async with outbox_at(redis.url) as outbox:
            await an_hour_passes(outbox)
        return process.poll() is not None

    try:
        asyncio.run(eventually(dead, within=60))
        return process.wait()
    finally:
        process.kill()
        process.wait()


async def an_hour_passes(outbox: Outbox) -> None:
    """Let the second call come due, if it waits and the first is over: "an hour later" is now."""
    entries: Any = await outbox.redis.zrange(names.OUTBOX, 0, -1, withscores=True)
    if any(id_.startswith(b"send:") for id_, _ in entries):
        return
    for id_, due in entries:
        if id_.startswith(b"step:") and id_.endswith(b":1") and due > SystemClock().now() + 1_800_000:
            await outbox.redis.zadd(names.OUTBOX, {id_: 0}, xx=True)
            await outbox.redis.lpush(names.OUTBOX_WAKE, "1")


async def leases_end(outbox: Outbox) -> None:
    """Let the leases of who died be over, as they are after 10 s."""
    held: Any = await outbox.redis.hkeys(names.OUTBOX_HOLDERS)
    for id_ in held:
        await outbox.redis.zadd(names.OUTBOX, {id_: 0}, xx=True)


async def nothing_under_way(outbox: Outbox) -> bool:
    """Whether only steps wait."""
    waiting: Any = await outbox.redis.zrange(names.OUTBOX, 0, -1)
    return all(id_.startswith(b"step:") for id_ in waiting)


def told(request: Any) -> list[str]:
    """What a request tells: whom, as which call, of which alarms."""
    data = request.json["data"]
    alarms = [entry["alarm"] for entry in data["entries"]] if "entries" in data else [data["alarm"]]
    return [f"{request.path} {alarm}" for alarm in alarms]


def key(kind: str, id_: str) -> str:
    """How :func:`told` names the message of that id."""
    _, alarm, *_, channel = id_.split(":")
    return f"/{channel.partition('.')[0]} {alarm}" if kind != "plain" else f"/machine {alarm}"


def pending(kind: str, raised: list[Any]) -> list[str]:
    """The steps that wait in the end: the one that looks whether anybody has acknowledged."""
    if kind == "plain":
        return []
    return sorted(step_id(page, 2 if kind == "stepped" else 1) for page in raised)


if __name__ == "__main__":
    _, chosen, address, where, times = sys.argv
    park_ = PARKS[chosen](address)
    serve(
        Settings.from_environment(os.environ),
        park_,
        lambda reference: reference.value,
        Deadly(Point(where), int(times)),
    )
