"""Running delivery processes, for tests: with a real Redis, and channels that are real or do as they are told."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from alerts.channels import Channel, Content, Outcome, Sent
from alerts.delivery import Delivery, open_channels
from alerts.messages import Addresses
from alerts.sending import Configured
from alerts.tasks import cancel
from park.alarms import Transition
from park.catalogue import Catalogue, ChannelRoute, Reference
from storage import names
from storage.clock import Clock, SystemClock
from storage.outbox import Outbox, Record, connect
from tests.alerting import CALM, Said, StoppedClock, catalogue, standing

CONSOLE = "http://127.0.0.1:8100"


def text_of(reference: Reference) -> str:
    """Return a reference's own text; other kinds are not there."""
    return {"text": reference.value}[reference.kind.value]


async def until(what: Callable[[], object], within: float = 15.0) -> None:
    """Wait until ``what()`` is true."""
    async with asyncio.timeout(within):
        while not what():  # noqa: ASYNC110 - what others do has no event to wait for
            await asyncio.sleep(0.01)


async def eventually(what: Callable[[], Awaitable[object]], within: float = 15.0) -> None:
    """Wait until awaiting ``what()`` gives something true."""
    async with asyncio.timeout(within):
        while not await what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@dataclass
class Post:
    """A running delivery process and its outbox."""

    outbox: Outbox
    delivery: Delivery
    said: Said
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, *transitions: Any) -> None:
        for each in transitions:
            await self.outbox.put(each, each.at)

    async def raise_(self, *transitions: Transition, **changes: Any) -> None:
        """Put pages in, of alarms that stand as pages leave them but for ``changes``."""
        for each in transitions:
            await self.stands(each, **changes)
            await self.outbox.put(each, each.at)

    async def stands(self, told: Transition, **changes: Any) -> None:
        """Let the alarm of ``told`` be as it is after that page, but for ``changes``."""
        snapshot = msgspec.json.encode(standing(told, **changes)).decode()
        await self.outbox.redis.hset(names.ALARMS, told.alarm, snapshot)

    async def later(self, clock: StoppedClock, ms: int) -> None:
        """Let time pass, and delivery notice."""
        clock.advance(ms)
        await self.outbox.redis.lpush(names.OUTBOX_WAKE, "1")

    async def waiting(self, kind: str) -> dict[str, int]:
        """Return the entries of a kind that wait, with their due times."""
        entries: Any = await self.outbox.redis.zrange(names.OUTBOX, 0, -1, withscores=True)
        return {id_.decode(): int(due) for id_, due in entries if id_.decode().startswith(f"{kind}:")}

    async def ended(self, count: int) -> list[Record]:
        """Wait for ``count`` ends; oldest first."""

        async def enough() -> bool:
            return len(await self.outbox.delivered(10_000)) >= count

        await eventually(enough)
        return (await self.outbox.delivered(10_000))[::-1]


@contextlib.asynccontextmanager
async def outbox_at(url: str, holder: str = "test") -> AsyncIterator[Outbox]:
    redis = connect(url)
    try:
        yield Outbox(redis, holder)
    finally:
        await redis.aclose()


@contextlib.asynccontextmanager
async def delivering(
    url: str,
    *routes: ChannelRoute,
    channels: Mapping[str, Channel] | None = None,
    clock: Clock | None = None,
    chance: Callable[[], float] = lambda: 0.0,
    park: Catalogue | None = None,
    secret_key: str | None = None,
) -> AsyncIterator[Post]:
    """Run a delivery process with ``routes``, in ``park``."""
    said = Said()
    park = park or catalogue(*routes, grouping=CALM)
    opened = {**open_channels(park, routes, text_of, said), **(channels or {})}
    async with outbox_at(url, secrets.token_hex(4)) as outbox:
        configured = Configured(park, routes, opened, Addresses(CONSOLE), secret_key)
        post = Post(outbox, Delivery(outbox, configured, clock or SystemClock(), chance, said), said)
        running = asyncio.create_task(post.delivery.run(post.stop))
        try:
            yield post
            post.stop.set()
            await asyncio.wait_for(running, 10)
        finally:
            await cancel([running])
            for channel in opened.values():
                await channel.close()


class Scripted:
    """A channel that answers as it is told, and can be held up."""

    def __init__(self, *outcomes: Outcome, attempts: int = 12, at_once: int = 8) -> None:
        self.attempts = attempts
        self.at_once = at_once
        self.sent: list[str] = []
        self.messages: list[Content] = []
        self.open = asyncio.Event()
        self.open.set()
        self._outcomes = iter(outcomes)

    async def send(self, delivery: str, message: Content, language: str, now: int) -> Outcome:
        del language, now
        self.sent.append(delivery)
        self.messages.append(message)
        await self.open.wait()
        return next(self._outcomes, Sent())

    def reached(self, count: int) -> bool:
        """Whether that many were sent."""
        return len(self.sent) >= count

    async def close(self) -> None:
        """Nothing is open."""
