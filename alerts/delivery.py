"""Delivery: from the outbox to people. One process, or several side by side.

A page's way: wake, claim, plan (:mod:`alerts.opening`), expand into one send per channel and the chain's next step,
send them side by side (:mod:`alerts.sending`), record. Messages for people may gather and leave as one
(:mod:`alerts.grouping`); how many alarms a zone has decides whether it is flooded (:mod:`park.floods`).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import random
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import assert_never

import msgspec
from redis.exceptions import RedisError

from alerts import escalation, grouping, messages
from alerts.channels import Channel, Content, Unusable
from alerts.channels.apprise import AppriseChannel
from alerts.channels.targets import Targets
from alerts.channels.terminal import TerminalChannel
from alerts.channels.webhook import WebhookChannel
from alerts.faults import Faults, Point
from alerts.grouping import Digest
from alerts.messages import Addresses, Message
from alerts.opening import Opener, Opening, contacts_of
from alerts.plan import ENV, environment_route
from alerts.printing import Printer, unhinder_log
from alerts.reloading import following
from alerts.sending import Configured, Hand, Means, Say, Sender, line_of, record_of
from alerts.tasks import cancel
from park import floods
from park.alarms import Notify
from park.catalogue import Catalogue, ChannelKind, ChannelRoute, Reference
from park.floods import Flood
from park.oncall import operators
from storage.clock import Clock, SystemClock
from storage.entries import (
    NO_CONTENT,
    Bucket,
    Canary,
    FloodWatch,
    Group,
    Item,
    Letter,
    Page,
    Record,
    Result,
    Send,
    Situation,
    Step,
    bucket_id,
    flood_id,
)
from storage.outbox import LEASE, End, Expanded, Outbox, Steady, connect
from storage.settings import Settings

log = logging.getLogger("parkwatch.delivery")

AT_ONCE = 64
"""Entries claimed in one go."""

LOOK_AGAIN = 1.0
"""s after which the outbox is looked at though nothing woke us."""

FLOOD_LOOK = 10_000
"""ms after which a flood is looked at again, though no alarm comes."""

_BEAT_EVERY = 5.0
_GRACE = 1.0
_GIVE_BACK_WITHIN = 0.5

Resolve = Callable[[Reference], str]


class Delivery:
    """The delivery process's work. ``chance`` returns a number in [0, 1); ``say`` prints a page's line."""

    def __init__(
        self,
        outbox: Outbox,
        configured: Configured,
        clock: Clock,
        chance: Callable[[], float],
        say: Say,
        *,
        faults: Faults | None = None,
    ) -> None:
        self._outbox = outbox
        self._configured = configured
        self._grouping = configured.catalogue.alerts.grouping
        self._clock = clock
        self._say = say
        self._faults = faults or Faults()
        self._steady = Steady("delivery", outbox.redis)
        self._opener = Opener(configured)
        self.sender = Sender(configured, Means(outbox, self._steady, clock, chance, say, self._faults))
        self._claimed: set[str] = set()
        self._read_by_people = frozenset(route.name for route in configured.routes if route.groups)

    def adopt(self, catalogue: Catalogue) -> None:
        """Speak of limits by another catalogue from now on; channels and people are those of the start."""
        self._configured = dataclasses.replace(self._configured, catalogue=catalogue)
        self._opener = Opener(self._configured)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until ``stop``; then finish what is under way, for a moment, and give the rest back."""
        stopping = asyncio.create_task(_until_set(stop))
        background = [stopping, asyncio.create_task(self._renew()), asyncio.create_task(self._beat())]
        work = asyncio.create_task(self._work(stopping))
        try:
            await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([work, *self.sender.tasks], timeout=_GRACE)
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
            await asyncio.gather(*(self._handle(item) for item in claim.items))
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

    async def _handle(self, item: Item) -> None:
        """Take up an entry; a defect that it meets costs the others nothing, and the entry not its place."""
        try:
            await self._take_up(item)
        except Exception:
            # It comes back when its lease ends, and is loud each time: a page must not vanish because of a mistake.
            log.exception("%s meets a defect and is NOT delivered; it is tried again in %d s", item.id, LEASE // 1000)
            await self._steady(self._outbox.note_defect)

    async def _take_up(self, item: Item) -> None:
        self._faults.passing(Point.CLAIMED)
        match item.body:
            case None:
                await self._unreadable(item)
            case Page():
                now = self._clock.now()
                await self._open(self._opener.page(item.id, item.body.transition, item.situation, now), now)
            case Step():
                now = self._clock.now()
                await self._open(self._opener.step(item.id, item.body, item.situation, now), now)
            case Send():
                await self._retry(item, item.body)
            case Bucket():
                await self._seal(item.body)
            case Group():
                await self._again(item, item.body, self._content_of(item.body))
            case FloodWatch():
                await self._look_at_flood(item.body.zone)
            case Canary():
                canary = item.body
                await self._steady(lambda: self._outbox.note_canary(canary, self._clock.now()))
            case _:
                assert_never(item.body)

    async def _unreadable(self, item: Item) -> None:
        log.error("%s: %s; it is recorded as failed", item.id, item.problem)
        record = Record(id=item.id, result=Result.FAILED, reason=item.problem)
        await self._steady(lambda: self._outbox.finish(End(item.id, [record], guarded=True), self._clock.now()))

    async def _open(self, opening: Opening, claimed: int) -> None:
        """Put in what a page or a step leads to, and hand over what leaves at once."""
        self._faults.passing(Point.PLANNED)
        expanded = await self._steady(lambda: self._outbox.expand(opening.expansion, self._clock.now()))
        if not expanded.done:
            # Another process has been faster: it has told people, and said so.
            return
        self._faults.passing(Point.EXPANDED)
        if opening.error:
            log.error("%s %s", opening.expansion.id, opening.error)
        hands = [
            Hand(id_, send, opening.messages[id_], claimed)
            for id_, send in opening.sends.items()
            if id_ in expanded.ours
        ]
        for hand in hands:
            await self.sender.hand_over(hand)
        gathering = sorted(send.channel for id_, send in opening.sends.items() if id_ in expanded.gathered)
        words = [*(f"gathering: {channel}" for channel in gathering), *opening.words]
        if hands or words:
            self.sender.announce(messages.line(opening.message), hands, words)
        if opening.expansion.count:
            await self._mind_flood(opening.expansion.zone, expanded)

    async def _retry(self, item: Item, send: Send) -> None:
        """Take up a message by itself, unless it is a return that people would take for how things stand now."""
        read_by_people = bool(send.person) or send.channel in self._read_by_people
        if read_by_people and escalation.overtaken(send.transition, item.situation.standing):
            end = End(item.id, [_overtaken(item.id, send, self._clock.now())], guarded=True)
            await self._steady(lambda: self._outbox.finish(end, self._clock.now()))
            return
        message = _content(send) or self._opener.compose(send.transition, item.situation)
        await self._again(item, send, message)

    async def _again(self, item: Item, letter: Letter, message: Content) -> None:
        """Take up a message whose retry is due, or whose holder has died."""
        if item.taken_over and item.id not in self.sender.hands:
            log.warning("%s was held by a process that has died; the receiver may get it twice", item.id)
        await self.sender.hand_over(Hand(item.id, letter, message, self._clock.now(), taken_over=item.taken_over))

    # -- groups --------------------------------------------------------------------------------------------

    async def _seal(self, bucket: Bucket) -> None:
        """Make one message of what has gathered, and hand it over."""
        claimed = self._clock.now()
        found, unreadable = await self._steady(lambda: self._outbox.gathered(bucket))
        sends, overtaken = await self._still_true(found)
        flood = bucket.flood or (await self._recent(bucket.zone))[1]
        self._faults.passing(Point.GATHERED)
        message = self._together(list(sends.values()), flood, bucket.flood_ended) if sends else None
        group = _grouped(bucket, sends.values(), message, claimed) if message else None
        broken = [
            Record(id=id_, result=Result.FAILED, reason=f"can't be read: {why}") for id_, why in unreadable.items()
        ]
        for record in broken:
            log.error("%s %s; it is recorded as failed", record.id, record.reason)
        records = [*broken, *(_overtaken(id_, send, claimed) for id_, send in overtaken.items())]
        window = self._grouping.flood_summary if flood and not bucket.flood_ended else self._grouping.window
        id_ = await self._steady(
            lambda: self._outbox.seal(
                bucket, [*found, *unreadable], group, records, window=window, now=self._clock.now()
            )
        )
        if id_ and group and message:
            self._faults.passing(Point.SEALED)
            hand = Hand(id_, group, message, claimed)
            await self.sender.hand_over(hand)
            self.sender.announce(line_of(message), [hand])

    async def _still_true(self, found: Mapping[str, Send]) -> tuple[dict[str, Send], dict[str, Send]]:
        """Part messages that people are to read from those that have been overtaken."""
        returns = {send.transition.alarm for send in found.values() if send.transition.notify is Notify.NOTICE}
        standings = await self._steady(lambda: self._outbox.standings(returns))
        overtaken = {
            id_: send
            for id_, send in found.items()
            if escalation.overtaken(send.transition, standings.get(send.transition.alarm))
        }
        return {id_: send for id_, send in found.items() if id_ not in overtaken}, overtaken

    def _together(self, sends: list[Send], flood: Flood | None, flood_ended: int) -> Content:
        """Return one message for ``sends`` (at least one); the message itself if there is but one."""
        composed = [_content(send) or self._opener.compose(send.transition, Situation()) for send in sends]
        if len(composed) == 1 and flood is None:
            return composed[0]
        return grouping.compose(
            composed,
            flood=flood,
            flood_ended=flood_ended,
            console_url=self._configured.addresses.console,
            now=self._clock.now(),
        )

    def _content_of(self, group: Group) -> Content:
        """Return a group's message as it was composed; anew if an older parkwatch wrote it in another form."""
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(group.content, type=Digest)
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(group.content, type=Message)
        return self._together(list(group.sends), None, 0)

    # -- floods --------------------------------------------------------------------------------------------

    async def _mind_flood(self, zone: str, expanded: Expanded) -> None:
        """Begin a flood if the zone has more alarms now than its operators can bear."""
        if expanded.flood is None and expanded.count > self._grouping.flood_begins:
            await self._judge_flood(zone, None, expanded.count)

    async def _look_at_flood(self, zone: str) -> None:
        """See whether a flood lasts."""
        count, flood = await self._recent(zone)
        if flood is None:
            await self._steady(lambda: self._outbox.finish(End(flood_id(zone), [], guarded=True), self._clock.now()))
        else:
            await self._judge_flood(zone, flood, count)

    async def _recent(self, zone: str) -> tuple[int, Flood | None]:
        return await self._steady(lambda: self._outbox.recent(zone, self._grouping.flood_period, self._clock.now()))

    async def _judge_flood(self, zone: str, before: Flood | None, count: int) -> None:
        now = self._clock.now()
        staff = operators(self._configured.catalogue.oncall, zone, now)
        after = floods.judge(before, count, staff, self._grouping, now)
        if before is None and after is None:
            return
        result = _turn(before, after)
        reason = f"{count} alarms in {self._grouping.flood_period / 60_000:g} min, {staff} on duty"
        record = Record(id=flood_id(zone), result=result, reason=reason, ended=now) if result else None
        moved = await self._steady(
            lambda: self._outbox.move_flood(
                zone,
                before,
                after,
                now=now,
                look_again=now + FLOOD_LOOK,
                buckets=self._buckets(zone, before, now) if after is None else {},
                record=record,
            )
        )
        if moved and result:
            stamp = messages.clock_time(messages.rfc3339(now))
            self._say(f"{stamp} {result.value.upper().replace('-', ' ')} {zone}: {reason}")

    def _buckets(self, zone: str, flood: Flood | None, now: int) -> dict[str, Bucket]:
        """Return every bucket that may hold something of a flood that is over."""
        channels = (*self._configured.routes, *contacts_of(self._configured.catalogue.oncall))
        return {
            bucket_id(zone, channel.name): Bucket(zone, channel.name, flood, now)
            for channel in channels
            if channel.groups
        }

    # -- beside the work -----------------------------------------------------------------------------------

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE / 3000)
            held = tuple(self.sender.hands)
            if held:
                await self._steady(lambda: self._outbox.renew(held, self._clock.now()))  # noqa: B023 - same turn

    async def _beat(self) -> None:
        while True:
            state = {
                "at": self._clock.now(),
                "holder": self._outbox.holder,
                "in_hand": len(self.sender.hands),
                "channels": sorted(self._configured.channels),
            }
            await self._steady(lambda: self._outbox.beat("delivery", state))  # noqa: B023 - awaited in the same turn
            await asyncio.sleep(_BEAT_EVERY)

    async def _let_go(self) -> None:
        """Give back to the outbox, as it is, what has not ended."""
        under_way = {id_ for id_, hand in self.sender.hands.items() if hand.under_way}
        left = {*self.sender.hands, *self._claimed}
        await cancel(self.sender.tasks)
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            # Nothing is lost if this fails: the leases run out.
            async with asyncio.timeout(_GIVE_BACK_WITHIN):
                for id_ in left:
                    await self._outbox.defer(id_, self._clock.now(), under_way=id_ in under_way)


def _grouped(bucket: Bucket, sends: Iterable[Send], message: Content, now: int) -> Group:
    """Return the one message that stands for ``sends``, which need no content of their own any more."""
    bare = tuple(msgspec.structs.replace(send, content=NO_CONTENT) for send in sends)
    content = msgspec.Raw(msgspec.json.encode(message))
    return Group(bucket.zone, bucket.channel, bare[0].language, bare, content, queued=now)


def _overtaken(id_: str, send: Send, now: int) -> Record:
    """Return the record of a return that was not told, since the alarm is active again."""
    return record_of(
        id_,
        send.transition,
        Result.UNWANTED,
        "raised again before this return was told",
        channel=send.channel,
        attempts=send.attempts,
        claimed=now,
        ended=now,
        person=send.person,
    )


def _turn(before: Flood | None, after: Flood | None) -> Result | None:
    """Return whether a flood begins or ends; ``None``: it goes on."""
    if before is None:
        return Result.FLOOD_BEGAN
    return Result.FLOOD_ENDED if after is None else None


def _content(send: Send) -> Message | None:
    """Return the message as it was composed; ``None`` if an older parkwatch wrote it in another form."""
    try:
        return msgspec.json.decode(send.content, type=Message)
    except msgspec.DecodeError:
        return None


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


class Openers:
    """Opens channels. ``resolve`` returns the text a reference stands for; ``whose`` names the person of a contact.

    ``resolve`` raises ``ValueError``, ``LookupError`` or ``OSError``. ``targets`` is where webhooks may go.
    """

    def __init__(
        self, resolve: Resolve, *, targets: Iterable[str] = (), whose: Mapping[str, str] | None = None, say: Say
    ) -> None:
        listed = tuple(targets)
        self._resolve = resolve
        self._targets = Targets(listed) if listed else None
        self._whose = whose or {}
        self._say = say
        self._kinds: dict[ChannelKind, Callable[[ChannelRoute], Channel]] = {
            ChannelKind.WEBHOOK: self._webhook,
            ChannelKind.APPRISE: self._apprise,
            ChannelKind.TERMINAL: self._terminal,
        }

    def open(self, routes: Iterable[ChannelRoute]) -> dict[str, Channel]:
        """Return a channel for every route; one whose address can't be had or used fails its messages visibly."""
        return {route.name: self._open(route) for route in routes}

    def _open(self, route: ChannelRoute) -> Channel:
        try:
            return self._kinds[route.kind](route)
        except (ValueError, LookupError, OSError) as error:
            log.error("channel %s can't be used: %s", route.name, error)
            return Unusable(f"the channel can't be used: {error}")

    def _webhook(self, route: ChannelRoute) -> Channel:
        if route.secret is None:
            log.warning("messages to channel %s are not signed: give it a secret, whsec_<base64>", route.name)
        secret = self._resolve(route.secret) if route.secret else None
        return WebhookChannel(self._resolve(route.url), secret, targets=self._targets)

    def _apprise(self, route: ChannelRoute) -> Channel:
        return AppriseChannel(self._resolve(route.url))

    def _terminal(self, route: ChannelRoute) -> Channel:
        return TerminalChannel(route.name, self._whose.get(route.name, ""), self._say)


def open_channels(
    catalogue: Catalogue, routes: Iterable[ChannelRoute], resolve: Resolve, say: Say
) -> dict[str, Channel]:
    """Return a channel for each of ``routes`` and for every contact of the people on call."""
    people = catalogue.oncall.people.values()
    whose = {contact.name: person.names.get(person.language) for person in people for contact in person.contacts}
    openers = Openers(resolve, targets=catalogue.alerts.grouping.webhook_targets, whose=whose, say=say)
    return openers.open((*routes, *contacts_of(catalogue.oncall)))


@contextlib.asynccontextmanager
async def opened(
    settings: Settings,
    catalogue: Catalogue,
    resolve: Resolve,
    now: Clock,
    say: Say,
    faults: Faults | None = None,
) -> AsyncIterator[Delivery]:
    """Wire a delivery process, and close what it opened. ``say`` prints a page's line."""
    routes = routes_of(catalogue, settings)
    if not routes and not catalogue.oncall.chains:
        log.error("no channel is configured: pages reach NOBODY until config/alerts.yaml or oncall.yaml names one")
    channels = open_channels(catalogue, routes, resolve, say)
    redis = connect(settings.redis_url)
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    addresses = Addresses(settings.console_url, settings.grafana_url)
    try:
        configured = Configured(catalogue, routes, channels, addresses, settings.secret_key)
        yield Delivery(Outbox(redis, holder), configured, now, random.SystemRandom().random, say, faults=faults)
    finally:
        await asyncio.gather(*(channel.close() for channel in channels.values()))
        await redis.aclose()


def serve(settings: Settings, catalogue: Catalogue, resolve: Resolve, faults: Faults | None = None) -> None:
    """Run a delivery process until SIGTERM or SIGINT; ``faults`` are for tests."""
    # Both log every request with its address, and an address may hold a token.
    for talkative in ("httpx", "httpcore"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    asyncio.run(_serve(settings, catalogue, resolve, faults))


async def _serve(settings: Settings, catalogue: Catalogue, resolve: Resolve, faults: Faults | None) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    lines, logged = Printer(sys.stdout.fileno()), Printer(sys.stderr.fileno())
    unhinder_log(logged)
    try:
        async with (
            opened(settings, catalogue, resolve, SystemClock(), lines.say, faults) as delivery,
            following(settings, catalogue, "delivery", delivery.adopt),
        ):
            await delivery.run(stop)
    finally:
        lines.close()
        logged.close()
