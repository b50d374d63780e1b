"""Delivery: from the outbox to people. One process, or several side by side.

A page's way: wake, claim, plan, expand into one send per channel, send them side by side, record. Each channel is
a lane of its own with a bound on what is under way, so that a slow receiver delays nobody else. What is claimed
and not yet sent is held by renewing its lease; whoever dies lets go, and the next one sends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

import msgspec
from redis.exceptions import RedisError

from alerts import backoff, messages
from alerts.channels import Channel, Outcome, Permanent, Sent, Transient, Unusable
from alerts.channels.apprise import AppriseChannel
from alerts.channels.webhook import WebhookChannel
from alerts.messages import Message
from alerts.plan import ENV, Plan, environment_route, plan
from alerts.tasks import cancel
from park.alarms import Notify, Transition
from park.catalogue import Catalogue, ChannelKind, ChannelRoute, Reference
from storage.clock import Clock, SystemClock
from storage.outbox import LEASE, Item, Outbox, Page, Record, Result, Send, Situation, Steady, connect, send_id
from storage.settings import Settings

log = logging.getLogger("parkwatch.delivery")

AT_ONCE = 64
"""Entries claimed in one go."""

LANE = 512
"""Messages one channel may have in hand; what is beyond goes back to the outbox for a moment."""

LOOK_AGAIN = 1.0
"""s after which the outbox is looked at though nothing woke us."""

FIRST_WORD_WITHIN = 2.0
"""s after which a page's line is printed though a channel has not answered yet."""

_DEFER = 1_000
_BEAT_EVERY = 5.0
_GRACE = 1.0
_GIVE_BACK_WITHIN = 0.5

Say = Callable[[str], None]
Resolve = Callable[[Reference], str]


@dataclass(slots=True)
class Lane:
    """A channel and what it has in hand."""

    channel: Channel
    gate: asyncio.Semaphore
    in_hand: int = 0


@dataclass(slots=True)
class _Hand:
    """A send in our hands; ``first`` is told how its first attempt here ended."""

    id: str
    send: Send
    message: Message
    claimed: int
    first: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration says of delivery; ``channels`` by name, one for each route."""

    catalogue: Catalogue
    routes: tuple[ChannelRoute, ...]
    channels: Mapping[str, Channel]
    console_url: str


class Delivery:
    """The delivery process's work. ``chance`` returns a number in [0, 1); ``say`` prints a page's line."""

    def __init__(
        self, outbox: Outbox, configured: Configured, clock: Clock, chance: Callable[[], float], say: Say
    ) -> None:
        self._outbox = outbox
        self._configured = configured
        self._lanes = {
            name: Lane(channel, asyncio.Semaphore(channel.at_once)) for name, channel in configured.channels.items()
        }
        self._clock = clock
        self._chance = chance
        self._say = say
        self._steady = Steady("delivery", outbox.redis)
        self._claimed: set[str] = set()
        self._hands: dict[str, _Hand] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until ``stop``; then finish what is under way, for a moment, and give the rest back."""
        stopping = asyncio.create_task(_until_set(stop))
        background = [stopping, asyncio.create_task(self._renew()), asyncio.create_task(self._beat())]
        work = asyncio.create_task(self._work(stopping))
        try:
            await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([work, *self._tasks], timeout=_GRACE)
            if work.done():
                # A defect that has ended it is raised here.
                work.result()
        finally:
            await cancel([work, *background])
            await self._let_go()

    async def _work(self, stopping: asyncio.Task[None]) -> None:
        while not stopping.done():
            claim = await self._steady(lambda: self._outbox.claim(self._clock.now(), AT_ONCE))
            self._claimed = {item.id for item in claim.items}
            await asyncio.gather(*(self._take_up(item) for item in claim.items))
            self._claimed.clear()
            if len(claim.items) < AT_ONCE:
                # That was all that is due; what has come since has left its word in the wake list.
                await self._wait(_until(claim.next_due, self._clock.now()), stopping)

    async def _wait(self, seconds: float, stopping: asyncio.Task[None]) -> None:
        """Wait until something is put in, ``seconds`` have passed, or we are to stop."""
        waiting = asyncio.create_task(self._steady(lambda: self._outbox.wait(seconds)))
        try:
            await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                # A defect is raised here, and not met again at once in the next turn.
                waiting.result()
        finally:
            waiting.cancel()

    # -- one entry -----------------------------------------------------------------------------------------

    async def _take_up(self, item: Item) -> None:
        match item.body:
            case None:
                await self._unreadable(item)
            case Page():
                await self._open(item.id, item.body.transition, item.situation)
            case Send():
                await self._again(item.id, item.body, item.situation)
            case _:
                assert_never(item.body)

    async def _unreadable(self, item: Item) -> None:
        log.error("%s: %s; it is recorded as failed", item.id, item.problem)
        await self._record(Record(id=item.id, result=Result.FAILED, reason=item.problem))

    async def _open(self, page: str, transition: Transition, situation: Situation) -> None:
        """Plan a page and hand it to its channels, or record that nobody takes it."""
        claimed = self._clock.now()
        decided = plan(transition, self._configured.routes)
        message = self._compose(transition, situation)
        if not decided.deliveries:
            await self._nobody(page, transition, message, decided, claimed)
            return
        content = msgspec.Raw(msgspec.json.encode(message))
        sends = [
            Send(transition, delivery.channel, delivery.language, content, queued=claimed)
            for delivery in decided.deliveries
        ]
        ours = await self._steady(lambda: self._outbox.expand(page, sends, self._clock.now()))
        hands = [_Hand(send_id(transition, send.channel), send, message, claimed) for send in sends]
        taken = [hand for hand in hands if hand.id in ours]
        for hand in taken:
            await self._hand_over(hand)
        if taken:
            self._spawn(self._announce(message, taken))

    def _compose(self, transition: Transition, situation: Situation) -> Message:
        return messages.compose(
            transition,
            self._configured.catalogue,
            sensor=situation.sensor,
            since=situation.since,
            console_url=self._configured.console_url,
        )

    async def _nobody(self, page: str, transition: Transition, message: Message, decided: Plan, claimed: int) -> None:
        is_page = transition.notify is Notify.PAGE
        result = Result.UNDELIVERABLE if is_page else Result.UNWANTED
        if is_page:
            log.error("%s reaches NOBODY: %s", page, decided.reason)
        self._say(f"{messages.line(message)} -> {'NOBODY IS TOLD' if is_page else 'journal only'}")
        await self._record(_record(page, transition, result, decided.reason, claimed=claimed))

    async def _again(self, id_: str, send: Send, situation: Situation) -> None:
        """Take up a send whose retry is due, or whose holder has died."""
        message = _content(send) or self._compose(send.transition, situation)
        await self._hand_over(_Hand(id_, send, message, self._clock.now()))

    async def _hand_over(self, hand: _Hand) -> None:
        lane = self._lanes.get(hand.send.channel)
        if hand.id in self._hands:
            # Our own, its lease ran out while we were held up; it is on its way.
            return
        if lane is None:
            await self._end(hand, Result.FAILED, f"channel {hand.send.channel} is no longer configured", 0)
        elif lane.in_hand >= LANE:
            _tell(hand, f"waiting: {hand.send.channel}")
            await self._steady(lambda: self._outbox.defer(hand.id, self._clock.now() + _DEFER))
        else:
            self._hands[hand.id] = hand
            lane.in_hand += 1
            self._spawn(self._deliver(lane, hand))

    # -- one send ------------------------------------------------------------------------------------------

    async def _deliver(self, lane: Lane, hand: _Hand) -> None:
        try:
            async with lane.gate:
                begun = self._clock.now()
                outcome = await self._attempt(lane.channel, hand, begun)
            await self._settle(lane.channel, hand, outcome, begun)
        finally:
            lane.in_hand -= 1
            self._hands.pop(hand.id, None)

    async def _attempt(self, channel: Channel, hand: _Hand, begun: int) -> Outcome:
        try:
            return await channel.send(hand.id, hand.message, hand.send.language, begun)
        except Exception as error:
            # A mistake in a channel costs an attempt, never the process; the trace says where it is.
            log.exception("%s: channel %s has a defect", hand.id, hand.send.channel)
            return Transient(f"defect in the channel: {type(error).__name__}")

    async def _settle(self, channel: Channel, hand: _Hand, outcome: Outcome, begun: int) -> None:
        match outcome:
            case Sent():
                await self._end(hand, Result.SENT, outcome.reason, begun)
            case Permanent():
                await self._end(hand, Result.FAILED, outcome.reason, begun)
            case Transient() if hand.send.attempts + 1 >= channel.attempts:
                await self._end(hand, Result.FAILED, f"{outcome.reason}; given up", begun)
            case Transient():
                await self._retry(hand, outcome)
            case _:
                assert_never(outcome)

    async def _retry(self, hand: _Hand, outcome: Transient) -> None:
        attempts = hand.send.attempts + 1
        wait = backoff.delay(attempts, self._chance(), outcome.after)
        later = msgspec.structs.replace(hand.send, attempts=attempts, reason=outcome.reason)
        log.warning("%s: attempt %d: %s; next in %.0f s", hand.id, attempts, outcome.reason, wait / 1000)
        _tell(hand, f"retrying: {hand.send.channel} ({outcome.reason})")
        await self._steady(lambda: self._outbox.retry(hand.id, later, self._clock.now() + wait))

    async def _end(self, hand: _Hand, result: Result, reason: str, begun: int) -> None:
        send = hand.send
        record = _record(
            hand.id,
            send.transition,
            result,
            reason,
            channel=send.channel,
            attempts=send.attempts + 1,
            claimed=hand.claimed,
            begun=begun,
            ended=self._clock.now(),
        )
        _tell(hand, f"{result.value}: {send.channel}" + ("" if result is Result.SENT else f" ({reason})"))
        if result is Result.FAILED:
            log.error("%s was NOT delivered: %s", hand.id, reason)
        elif send.attempts:
            log.info("%s was sent at attempt %d", hand.id, record.attempts)
        await self._record(record)

    async def _record(self, record: Record) -> None:
        first = await self._steady(lambda: self._outbox.finish(record))
        if not first:
            twice = "; the receiver may have it twice" if record.result is Result.SENT else ""
            log.warning("%s had been settled before%s", record.id, twice)

    async def _announce(self, message: Message, hands: list[_Hand]) -> None:
        """Print the page's line when every channel has had its first attempt, or soon."""
        await asyncio.wait([hand.first for hand in hands], timeout=FIRST_WORD_WITHIN)
        words = [hand.first.result() if hand.first.done() else f"sending: {hand.send.channel}" for hand in hands]
        self._say(f"{messages.line(message)} -> {', '.join(words)}")

    # -- beside the work -----------------------------------------------------------------------------------

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE / 3000)
            held = tuple(self._hands)
            if held:
                await self._steady(lambda: self._outbox.renew(held, self._clock.now()))  # noqa: B023 - same turn

    async def _beat(self) -> None:
        while True:
            state = {
                "at": self._clock.now(),
                "holder": self._outbox.holder,
                "in_hand": len(self._hands),
                "channels": sorted(self._configured.channels),
            }
            await self._steady(lambda: self._outbox.beat("delivery", state))  # noqa: B023 - awaited in the same turn
            await asyncio.sleep(_BEAT_EVERY)

    async def _let_go(self) -> None:
        """Give back to the outbox, as it is, what has not ended."""
        left = {*self._hands, *self._claimed}
        await cancel(self._tasks)
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            # Nothing is lost if this fails: the leases run out.
            async with asyncio.timeout(_GIVE_BACK_WITHIN):
                for id_ in left:
                    await self._outbox.defer(id_, self._clock.now())

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a delivery task has a defect; its message comes back when its lease ends", exc_info=error)


def _record(  # noqa: PLR0913 - the columns of a record
    id_: str,
    transition: Transition,
    result: Result,
    reason: str,
    *,
    channel: str = "",
    attempts: int = 0,
    claimed: int = 0,
    begun: int = 0,
    ended: int = 0,
) -> Record:
    return Record(
        id=id_,
        result=result,
        reason=reason,
        alarm=transition.alarm,
        occurrence=transition.occurrence,
        version=transition.version,
        channel=channel,
        attempts=attempts,
        queued=transition.at,
        claimed=claimed,
        begun=begun,
        ended=ended,
    )


def _content(send: Send) -> Message | None:
    """Return the message as it was composed; ``None`` if an older parkwatch wrote it in another form."""
    try:
        return msgspec.json.decode(send.content, type=Message)
    except msgspec.DecodeError:
        return None


def _tell(hand: _Hand, word: str) -> None:
    if not hand.first.done():
        hand.first.set_result(word)


def _until(due: int | None, now: int) -> float:
    return LOOK_AGAIN if due is None else min(LOOK_AGAIN, max(0.0, (due - now) / 1000))


async def _until_set(event: asyncio.Event) -> None:
    await event.wait()


# -- wiring ------------------------------------------------------------------------------------------------


def routes_of(catalogue: Catalogue, settings: Settings) -> tuple[ChannelRoute, ...]:
    """Return the configured channels and the one of the environment; raises ``ValueError`` if names collide."""
    configured = catalogue.alerts.channels
    if not settings.webhook_url:
        return configured
    if any(route.name == ENV for route in configured):
        raise ValueError(f"channel name {ENV!r} belongs to PARKWATCH_WEBHOOK_URL; rename the configured channel")
    return (*configured, environment_route(settings.webhook_url, settings.webhook_secret))


def open_channels(routes: Iterable[ChannelRoute], resolve: Resolve) -> dict[str, Channel]:
    """Return a channel for every route; one whose address can't be had or used fails its messages visibly.

    ``resolve`` returns the text a reference stands for and raises ``ValueError``, ``LookupError`` or ``OSError``.
    """
    return {route.name: _open(route, resolve) for route in routes}


def _open(route: ChannelRoute, resolve: Resolve) -> Channel:
    try:
        return _OPEN[route.kind](route, resolve)
    except (ValueError, LookupError, OSError) as error:
        log.error("channel %s can't be used: %s", route.name, error)
        return Unusable(f"the channel can't be used: {error}")


def _open_webhook(route: ChannelRoute, resolve: Resolve) -> Channel:
    if route.secret is None:
        log.warning("messages to channel %s are not signed: give it a secret, whsec_<base64>", route.name)
    return WebhookChannel(resolve(route.url), resolve(route.secret) if route.secret else None)


def _open_apprise(route: ChannelRoute, resolve: Resolve) -> Channel:
    return AppriseChannel(resolve(route.url))


_OPEN: dict[ChannelKind, Callable[[ChannelRoute, Resolve], Channel]] = {
    ChannelKind.WEBHOOK: _open_webhook,
    ChannelKind.APPRISE: _open_apprise,
}


@contextlib.asynccontextmanager
async def opened(settings: Settings, catalogue: Catalogue, resolve: Resolve, now: Clock) -> AsyncIterator[Delivery]:
    """Wire a delivery process, and close what it opened."""
    routes = routes_of(catalogue, settings)
    if not routes:
        log.error("no channel is configured: pages reach NOBODY until config/alerts.yaml names one")
    channels = open_channels(routes, resolve)
    redis = connect(settings.redis_url)
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    try:
        configured = Configured(catalogue, routes, channels, settings.console_url)
        yield Delivery(Outbox(redis, holder), configured, now, random.SystemRandom().random, say)
    finally:
        await asyncio.gather(*(channel.close() for channel in channels.values()))
        await redis.aclose()


def say(text: str) -> None:
    """Print a page's line at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def serve(settings: Settings, catalogue: Catalogue, resolve: Resolve) -> None:
    """Run a delivery process until SIGTERM or SIGINT."""
    # Both log every request with its address, and an address may hold a token.
    for talkative in ("httpx", "httpcore"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    asyncio.run(_serve(settings, catalogue, resolve))


async def _serve(settings: Settings, catalogue: Catalogue, resolve: Resolve) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with opened(settings, catalogue, resolve, SystemClock()) as delivery:
        await delivery.run(stop)
