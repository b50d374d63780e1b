"""Sending: messages in our hands, side by side, each to its end: sent, tried again later, or through another contact.

Each channel is a lane of its own with a bound on what is under way, so that a slow receiver delays nobody else. What
is claimed and not yet sent is held by renewing its lease; whoever dies lets go, and the next one sends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

import msgspec

from alerts import backoff, escalation, grouping, messages
from alerts.channels import Channel, Content, Outcome, Permanent, Sent, Transient
from alerts.faults import Faults, Point
from alerts.messages import Addresses, Message
from park.alarms import Notify, Transition
from park.catalogue import Catalogue, ChannelRoute
from park.oncall import calls, chain_for
from park.readings import split_series
from park.words import Priority
from storage.clock import Clock
from storage.entries import Group, Letter, Record, Result, Send, occurrence_id, send_id, step_id
from storage.outbox import End, Outbox, Steady

log = logging.getLogger("parkwatch.delivery")

LANE = 512
"""Messages one channel may have in hand; what is beyond goes back to the outbox for a moment."""

FIRST_WORD_WITHIN = 2.0
"""s after which a page's line is printed though a channel has not answered yet."""

_DEFER = 1_000

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration says of delivery.

    ``routes`` are told whatever the roster says; ``channels`` by name, one for each route and each contact of a person.
    ``secret_key`` signs one-tap links.
    """

    catalogue: Catalogue
    routes: tuple[ChannelRoute, ...]
    channels: Mapping[str, Channel]
    addresses: Addresses
    secret_key: str | None = None


@dataclass(frozen=True, slots=True)
class Means:
    """What the work is done with. ``chance`` returns a number in [0, 1); ``say`` prints a page's line."""

    outbox: Outbox
    steady: Steady
    clock: Clock
    chance: Callable[[], float]
    say: Say
    faults: Faults


@dataclass(slots=True)
class _Lane:
    """A channel and what it has in hand."""

    channel: Channel
    gate: asyncio.Semaphore
    in_hand: int = 0


@dataclass(slots=True)
class Hand:
    """A message in our hands; ``first`` is told how its first attempt here ended.

    ``taken_over``: another process died with it, so it may have left before. ``under_way``: it may have left by now.
    """

    id: str
    letter: Letter
    message: Content
    claimed: int
    taken_over: bool = False
    under_way: bool = False
    first: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Sender:
    """Sends what it is handed, and records what became of it."""

    def __init__(self, configured: Configured, means: Means) -> None:
        self._configured = configured
        self._means = means
        self._outbox, self._steady, self._clock = means.outbox, means.steady, means.clock
        self._lanes = {
            name: _Lane(channel, asyncio.Semaphore(channel.at_once)) for name, channel in configured.channels.items()
        }
        self.hands: dict[str, Hand] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def hand_over(self, hand: Hand) -> None:
        """Send it, or give it back if its channel has too much in hand."""
        lane = self._lanes.get(hand.letter.channel)
        if hand.id in self.hands:
            # Our own, its lease ran out while we were held up; it is on its way.
            return
        if lane is None:
            await self._fail(hand, f"channel {hand.letter.channel} is no longer configured", 0)
        elif lane.in_hand >= LANE:
            _tell(hand, f"waiting: {hand.letter.channel}")
            await self._steady(lambda: self._outbox.defer(hand.id, self._clock.now() + _DEFER))
        else:
            self.hands[hand.id] = hand
            lane.in_hand += 1
            self.spawn(self._deliver(lane, hand))

    def announce(self, text: str, hands: Iterable[Hand], words: Iterable[str] = ()) -> None:
        """Print a line when every channel has had its first attempt, or soon."""
        self.spawn(self._announce(text, list(hands), list(words)))

    async def _announce(self, text: str, hands: list[Hand], words: list[str]) -> None:
        if hands:
            await asyncio.wait([hand.first for hand in hands], timeout=FIRST_WORD_WITHIN)
        said = [hand.first.result() if hand.first.done() else f"sending: {hand.letter.channel}" for hand in hands]
        self._means.say(f"{text} -> {', '.join([*said, *words])}")

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run ``work`` beside everything else."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a delivery task has a defect; its message comes back when its lease ends", exc_info=error)

    # -- one message -----------------------------------------------------------------------------------------

    async def _deliver(self, lane: _Lane, hand: Hand) -> None:
        try:
            async with lane.gate:
                begun = self._clock.now()
                hand.under_way = True
                self._means.faults.passing(Point.BEGUN)
                outcome = await self._attempt(lane.channel, hand, begun)
            await self._settle(lane.channel, hand, outcome, begun)
        finally:
            lane.in_hand -= 1
            self.hands.pop(hand.id, None)

    async def _attempt(self, channel: Channel, hand: Hand, begun: int) -> Outcome:
        try:
            return await channel.send(hand.id, hand.message, hand.letter.language, begun)
        except Exception as error:
            # A mistake in a channel costs an attempt, never the process; the trace says where it is.
            log.exception("%s: channel %s has a defect", hand.id, hand.letter.channel)
            return Transient(f"defect in the channel: {type(error).__name__}")

    async def _settle(self, channel: Channel, hand: Hand, outcome: Outcome, begun: int) -> None:
        match outcome:
            case Sent():
                self._means.faults.passing(Point.SENT)
                await self._sent(hand, outcome.reason, begun)
            case Permanent():
                await self._fail(hand, outcome.reason, begun)
            case Transient():
                await self._again(channel, hand, outcome, begun)
            case _:
                assert_never(outcome)

    async def _again(self, channel: Channel, hand: Hand, outcome: Transient, begun: int) -> None:
        """Try again later, or give up: after all attempts, or when a person has another contact and no time to lose."""
        letter = hand.letter
        attempts = letter.attempts + 1
        wait = backoff.delay(attempts, self._means.chance(), outcome.after)
        next_at = self._clock.now() + wait
        impatient = bool(letter.person) and escalation.impatient(attempts, letter.queued, next_at)
        if attempts >= channel.attempts or (impatient and self._next_contact(letter)):
            await self._fail(hand, f"{outcome.reason}; given up", begun)
        else:
            await self._retry(hand, outcome, wait, impatient=impatient)

    async def _retry(self, hand: Hand, outcome: Transient, wait: int, *, impatient: bool) -> None:
        letter = hand.letter
        attempts = letter.attempts + 1
        # The person has no other contact: trying goes on, but the chain does not wait for it.
        hastens = impatient and not letter.hastened
        steps = [step for send in sends_of(letter) for step in self._next_steps(send)] if hastens else []
        later = msgspec.structs.replace(
            letter, attempts=attempts, reason=outcome.reason, hastened=hastens or letter.hastened
        )
        log.warning("%s: attempt %d: %s; next in %.0f s", hand.id, attempts, outcome.reason, wait / 1000)
        _tell(hand, f"retrying: {letter.channel} ({outcome.reason})")
        now = self._clock.now()
        await self._steady(lambda: self._outbox.retry(hand.id, later, now + wait, now, steps))

    async def _sent(self, hand: Hand, reason: str, begun: int) -> None:
        _tell(hand, f"sent: {hand.letter.channel}")
        if hand.letter.attempts:
            log.info("%s was sent at attempt %d", hand.id, hand.letter.attempts + 1)
        await self._finish(End(hand.id, self._records(hand, Result.SENT, reason, begun)), twice=True)

    async def _fail(self, hand: Hand, reason: str, begun: int) -> None:
        """Record the failure; a person is told through the next contact, or the chain's next call is made now."""
        letter = hand.letter
        sends = sends_of(letter)
        contact = self._next_contact(letter)
        falls = _fallen(hand.id, letter, contact, self._clock.now()) if contact else None
        said = f"{reason}; falls through to {contact.name}" if contact else reason
        _tell(hand, f"failed: {letter.channel} ({said})")
        log.error("%s was NOT delivered: %s", hand.id, said)
        end = End(hand.id, self._records(hand, Result.FAILED, said, begun), guarded=True)
        if letter.person:
            end.untold = [(occurrence_id(send.transition), letter.channel) for send in sends]
        if falls:
            end.falls = falls
            end.told = [(occurrence_id(send.transition), falls[1].channel) for send in sends]
        else:
            end.hasten = [step for send in sends for step in self._next_steps(send)]
        there = await self._finish(end)
        if falls and there:
            self._means.faults.passing(Point.FELL_THROUGH)
            other = Hand(falls[0], falls[1], hand.message, hand.claimed)
            await self.hand_over(other)
            self.announce(f"{line_of(hand.message)}: {letter.channel} failed ({reason})", [other])

    def _next_contact(self, letter: Letter) -> ChannelRoute | None:
        told = [send.transition for send in sends_of(letter)]
        priority = min((transition.priority for transition in told), key=_rank)
        notice = all(transition.notify is Notify.NOTICE for transition in told)
        oncall = self._configured.catalogue.oncall
        return escalation.next_contact(oncall, letter.person, letter.channel, priority, notice=notice)

    def _next_steps(self, send: Send) -> list[tuple[str, str]]:
        """Return the calls that may follow this one, for bringing forward whichever waits.

        The last of them only looks whether anybody has acknowledged: it has time if somebody is told.
        """
        if send.step is None:
            return []
        transition = send.transition
        chain = chain_for(self._configured.catalogue.oncall, zone_of(transition), transition.priority)
        last = len(calls(chain)) if chain else send.step + 1
        told = occurrence_id(transition)
        return [
            (step_id(transition, number), told if number == last else "") for number in range(send.step + 1, last + 1)
        ]

    # -- records ---------------------------------------------------------------------------------------------

    def _records(self, hand: Hand, result: Result, reason: str, begun: int) -> list[Record]:
        letter, ended = hand.letter, self._clock.now()
        return [
            record_of(
                send_id(send.transition, letter.channel, send.step),
                send.transition,
                result,
                reason,
                channel=letter.channel,
                attempts=letter.attempts + 1,
                claimed=hand.claimed,
                begun=begun,
                ended=ended,
                person=send.person,
                step=send.step,
                group=hand.id if isinstance(letter, Group) else "",
                taken_over=hand.taken_over,
            )
            for send in sends_of(letter)
        ]

    async def _finish(self, end: End, *, twice: bool = False) -> bool:
        there = await self._steady(lambda: self._outbox.finish(end, self._clock.now()))
        self._means.faults.passing(Point.RECORDED)
        if not there:
            log.warning("%s had been settled before%s", end.id, "; the receiver may have it twice" if twice else "")
        return there


def sends_of(letter: Letter) -> tuple[Send, ...]:
    """Return the messages that leave with ``letter``."""
    return letter.sends if isinstance(letter, Group) else (letter,)


def zone_of(transition: Transition) -> str:
    """Return the zone of a transition's series."""
    return split_series(transition.series)[0]


def line_of(message: Content) -> str:
    """Return a message as one line for a terminal, without its end."""
    return messages.line(message) if isinstance(message, Message) else grouping.line(message)


def record_of(  # noqa: PLR0913 - the columns of a record
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
    person: str = "",
    step: int | None = None,
    group: str = "",
    taken_over: bool = False,
) -> Record:
    """Return the record of what became of an entry about ``transition``."""
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
        person=person,
        step=step,
        group=group,
        taken_over=taken_over,
    )


def _fallen(id_: str, letter: Letter, contact: ChannelRoute, now: int) -> tuple[str, Letter]:
    """Return ``letter`` as it goes to another contact of the person, and its id."""
    other = msgspec.structs.replace(
        letter, channel=contact.name, language=contact.language, attempts=0, reason="", queued=now
    )
    if isinstance(other, Send):
        return send_id(other.transition, other.channel, other.step), other
    sends = tuple(msgspec.structs.replace(send, channel=contact.name) for send in other.sends)
    number = id_.rpartition(":")[2]
    return f"group:{other.zone}:{other.channel}:{number}", msgspec.structs.replace(other, sends=sends)


def _rank(priority: Priority) -> int:
    return priority.rank


def _tell(hand: Hand, word: str) -> None:
    if not hand.first.done():
        hand.first.set_result(word)
