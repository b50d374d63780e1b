"""The outbox in Redis: pages wait here from the moment a transition is committed until somebody has been told.

A worker puts a *page* (:class:`Page`) in with the same Lua call that commits the transition. The delivery process
claims it and replaces it by one *send* (:class:`Send`) per channel and by the next *step* of its escalation chain
(:class:`Step`), which is due later. Messages for people may gather in a *bucket* first, and leave as a *group*. Nothing
leaves the outbox but together with the record of what became of it, so the promise is **at least once**:

- a claim is a lease: the item's due time moves to the lease's end, and a claimant that dies lets it come due again;
- a crash between sending and recording therefore sends twice and never not at all; such repeats are counted;
- every step that touches more than one key is one Lua call (``storage/lua``), so two delivery processes never hold the
  same item, and an alarm that people are being told of always has its next step waiting.

Times are server times in ms; the caller says what time it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from park.alarms import Transition
from park.floods import Flood
from park.sensors import Sensor
from storage.entries import (
    Body,
    Bucket,
    Canary,
    Claim,
    FloodWatch,
    Group,
    Item,
    Letter,
    Page,
    Record,
    Result,
    Send,
    Situation,
    Standing,
    Step,
    bucket_id,
    canary_id,
    encode_canary,
    encode_page,
    flood_id,
    page_id,
    send_id,
    step_id,
)
from storage.names import (
    ALARMS,
    CANARIES,
    CHAINS,
    COUNTERS,
    DELIVERED,
    FLOOD_RECENT,
    FLOODS,
    HEARTBEAT_SECONDS,
    OUTBOX,
    OUTBOX_BUCKET,
    OUTBOX_HOLDERS,
    OUTBOX_LATEST,
    SENSORS,
    TOLD,
    heartbeat,
)
from storage.names import OUTBOX_ITEMS as ITEMS
from storage.names import OUTBOX_WAKE as WAKE

__all__ = [
    "LEASE",
    "Bucket",
    "Canary",
    "Claim",
    "Counts",
    "End",
    "Expansion",
    "FloodWatch",
    "Group",
    "Item",
    "Letter",
    "Outbox",
    "Page",
    "Record",
    "Result",
    "Send",
    "Situation",
    "Standing",
    "Steady",
    "Step",
    "bucket_id",
    "canary_id",
    "connect",
    "encode_canary",
    "encode_page",
    "flood_id",
    "page_id",
    "send_id",
    "step_id",
]

log = logging.getLogger("parkwatch.outbox")

LEASE = 10_000
"""ms a claim lasts unless renewed: how long a page waits when the process that held it was killed."""

CONNECTIONS = 16
"""To Redis, at most; who finds none free waits for one."""

DELIVERED_KEPT = 20_000
OVERDUE_AFTER = 5_000
MOST_TOGETHER = 2_000
"""Messages that become one group, at most; more than that leave with the next."""

_OLDEST_LOOKED_AT = 1_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Member:
    """A message for people: it leaves at once if it is ``urgent`` or nothing of its zone left lately.

    Otherwise it gathers in a bucket with others. ``wait`` (ms): how long it waits for others in any case.
    """

    send: Send
    zone: str
    urgent: bool
    wait: int = 0


@dataclass(frozen=True, slots=True)
class Chain:
    """How the chain of an alarm's page stopped without an acknowledgement; an empty ``why``: it goes on."""

    alarm: str
    version: int = 0
    why: str = ""
    at: int = 0

    def encoded(self) -> list[str]:
        """Return it as the scripts take it."""
        content = {"version": self.version, "why": self.why, "at": self.at}
        return [self.alarm, msgspec.json.encode(content).decode() if self.why else ""]


@dataclass(slots=True)
class Expansion:
    """What becomes of a page or a step: sends and members, the chain's next step with its due time, records.

    ``told`` are contacts that hear of the alarm with this. ``count`` (ms): the page counts as an alarm of its zone in
    this period. A message gathers for ``window`` ms after the latest one, in a flood for ``summary``.
    """

    id: str
    zone: str
    occurrence: str
    sends: list[Send] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    follows: tuple[Step, int] | None = None
    records: list[Record] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    chain: Chain | None = None
    count: int = 0
    window: int = 0
    summary: int = 0


@dataclass(frozen=True, slots=True)
class Expanded:
    """What an expansion gave: ids that are ours to send, ids that gather, and the zone's alarms and flood.

    Not ``done``: it had been done before.
    """

    done: bool
    ours: frozenset[str]
    gathered: frozenset[str]
    count: int
    flood: Flood | None


@dataclass(slots=True)
class End:
    """How an entry ends: its records (one for each message in a group), and what follows in the same instant.

    ``guarded``: only from the present holder, since another one may be about to succeed. ``falls`` is tried in its
    place. ``told`` and ``untold`` are ``(alarm:occurrence, contact)``. ``hasten`` are steps that come due now: a step
    with an ``alarm:occurrence`` only if nobody is told of that any more.
    """

    id: str
    records: list[Record]
    guarded: bool = False
    falls: tuple[str, Letter] | None = None
    told: list[tuple[str, str]] = field(default_factory=list)
    untold: list[tuple[str, str]] = field(default_factory=list)
    hasten: list[tuple[str, str]] = field(default_factory=list)
    chain: Chain | None = None


class Counts(msgspec.Struct, frozen=True):
    """How the outbox stands, for ``doctor`` and the console's health.

    ``waiting`` counts all entries, steps that are due later included. ``overdue`` entries have been due for more than
    5 s, which a living delivery process does not let happen. ``oldest_age`` is the age (ms) of the oldest page or
    message among the 1,000 entries due first. The other numbers count since Redis was new: sent, failed after every
    attempt, undeliverable, repeated (settled more than once), retried, fell through to a person's next contact, chains
    that were exhausted, messages taken over from a process that had died with them, which may have left twice, and
    times that an entry met a defect.
    """

    waiting: int
    due: int
    overdue: int
    oldest_age: int | None
    sent: int
    failed: int
    undeliverable: int
    repeated: int
    retried: int
    fell_through: int
    exhausted: int
    taken_over: int
    defects: int


class _Aged(msgspec.Struct, frozen=True):
    kind: str
    transition: Transition | None = None
    queued: int | None = None

    @property
    def began(self) -> int | None:
        """When people should have been told; ``None`` of what is no message."""
        if self.kind not in {"page", "send", "group"}:
            return None
        return self.transition.at if self.transition else self.queued


_LUA = Path(__file__).parent / "lua"
_NAMES = {
    "OUTBOX": OUTBOX,
    "ITEMS": ITEMS,
    "HOLDERS": OUTBOX_HOLDERS,
    "WAKE": WAKE,
    "SENSORS": SENSORS,
    "ALARMS": ALARMS,
    "DELIVERED": DELIVERED,
    "COUNTERS": COUNTERS,
    "LATEST": OUTBOX_LATEST,
    "FLOODS": FLOODS,
    "CHAINS": CHAINS,
    "CANARIES": CANARIES,
    "TOLD": TOLD,
    "BUCKET": OUTBOX_BUCKET,
    "RECENT": FLOOD_RECENT,
}
_SCRIPTS = ("claim", "expand", "seal", "renew", "finish", "postpone", "canary", "flood", "recent")

_decode_body: msgspec.json.Decoder[Body] = msgspec.json.Decoder(Body)
_decode_send = msgspec.json.Decoder(Send)
_decode_record = msgspec.json.Decoder(Record)
_decode_sensor = msgspec.json.Decoder(Sensor)
_decode_standing = msgspec.json.Decoder(Standing)
_decode_flood = msgspec.json.Decoder(Flood)
_decode_aged = msgspec.json.Decoder(_Aged)


def bucket_key(zone: str, channel: str) -> str:
    """Hash send id -> send of what gathers for ``channel``."""
    return f"{OUTBOX_BUCKET}{zone}:{channel}"


def connect(url: str) -> Redis:
    """Return a client that fails fast and never repeats a command by itself: :class:`Steady` decides that."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=None,
        socket_connect_timeout=2.0,
        socket_timeout=5.0,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


class Steady:
    """Repeats what Redis did not answer until it does: one log line when it goes, one when it is back.

    Waits grow from 0.1 s to 2 s. ``what`` is the piece that waits, for the log.
    """

    def __init__(self, what: str, redis: Redis) -> None:
        self._what = what
        self._redis = redis
        self.away = False

    async def __call__(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Return what ``operation`` returns, however long that takes."""
        wait = 0.1
        while True:
            try:
                answer = await operation()
            except (RedisError, OSError) as error:
                await self._gone(error)
                await asyncio.sleep(wait)
                wait = min(2.0, wait * 2)
            else:
                self._here()
                return answer

    async def _gone(self, error: Exception) -> None:
        if self.away:
            return
        self.away = True
        log.error("Redis does not answer (%s): %s waits, nothing is lost; is the server up?", error, self._what)
        # What lies idle was connected to the server that is gone: used later, it would look like another outage.
        with contextlib.suppress(RedisError, OSError):
            await self._redis.connection_pool.disconnect(inuse_connections=False)

    def _here(self) -> None:
        if self.away:
            log.warning("Redis answers again: %s goes on", self._what)
        self.away = False


class Outbox:
    """The outbox; every method is one round trip (``counts`` three) and raises ``RedisError`` if Redis is away.

    ``holder`` names this process: a claim is only renewed or given back by the one who holds it.
    """

    def __init__(self, redis: Redis, holder: str) -> None:
        self.redis = redis
        self.holder = holder
        self._scripts = {name: redis.register_script(_script(name)) for name in _SCRIPTS}

    async def put(self, transition: Transition, now: int) -> None:
        """Put a page in by itself; workers do the same inside the Lua call that commits the transition."""
        async with self.redis.pipeline(transaction=True) as commit:
            commit.hset(ITEMS, page_id(transition), encode_page(transition))
            commit.zadd(OUTBOX, {page_id(transition): now})
            commit.lpush(WAKE, "1")
            commit.ltrim(WAKE, 0, 15)
            await commit.execute()

    async def wait(self, seconds: float) -> None:
        """Wait until something is put in, at most ``seconds``."""
        await self.redis.brpop([WAKE], timeout=max(0.01, seconds))

    async def claim(self, now: int, most: int, lease: int = LEASE) -> Claim:
        """Take up to ``most`` due entries; they are ours for ``lease`` ms."""
        entries, first = await self._call("claim", now, lease=lease, most=most)
        items = tuple(_item(*entry) for entry in entries)
        return Claim(items, int(float(first)) if first else None)

    async def expand(self, expansion: Expansion, now: int, lease: int = LEASE) -> Expanded:
        """Replace a page or a step by what comes of it, once; nothing is ours if that was done before."""
        follows = expansion.follows
        answer = await self._call(
            "expand",
            now,
            lease=lease,
            id=expansion.id,
            sends=[[_name(send), _text(send)] for send in expansion.sends],
            members=[_member(member) for member in expansion.members],
            follows=[step_id(follows[0].transition, follows[0].number), _text(follows[0]), follows[1]]
            if follows
            else None,
            records=_records(expansion.records),
            told=[[expansion.occurrence, contact] for contact in expansion.told],
            chain=expansion.chain.encoded() if expansion.chain else None,
            counted=[expansion.zone, expansion.count] if expansion.count else None,
            window=expansion.window,
            summary=expansion.summary,
        )
        ours, gathered, count, flood = answer or ([], [], 0, b"")
        return Expanded(bool(answer), _names(ours), _names(gathered), count, _flood(flood))

    async def gathered(self, bucket: Bucket) -> tuple[dict[str, Send], dict[str, str]]:
        """Return the messages in a bucket by id, the oldest first, not more than leave together; and unreadable ones.

        Of the latter, why they can't be read.
        """
        found: Any = await self.redis.hgetall(bucket_key(bucket.zone, bucket.channel))
        sends: dict[str, Send] = {}
        unreadable: dict[str, str] = {}
        for id_, send in found.items():
            try:
                sends[id_.decode()] = _decode_send.decode(send)
            except msgspec.DecodeError as error:
                unreadable[id_.decode(errors="replace")] = str(error)
        in_order = sorted(sends.items(), key=lambda entry: (entry[1].queued, entry[0]))
        return dict(in_order[:MOST_TOGETHER]), unreadable

    async def standings(self, alarms: Iterable[str]) -> dict[str, Standing]:
        """Return how those of ``alarms`` stand that are not normal and can be read."""
        wanted = sorted(set(alarms))
        found: Any = await self.redis.hmget(ALARMS, wanted) if wanted else []
        standing: dict[str, Standing] = {}
        for alarm, snapshot in zip(wanted, found, strict=True):
            with contextlib.suppress(msgspec.DecodeError):
                if snapshot:
                    standing[alarm] = _decode_standing.decode(snapshot)
        return standing

    async def seal(
        self,
        bucket: Bucket,
        ids: Sequence[str],
        group: Group | None,
        records: Iterable[Record] = (),
        *,
        window: int,
        now: int,
        lease: int = LEASE,
    ) -> str:
        """Make ``ids`` of a bucket that is ours into one message, which is ours too; return its id.

        Empty if the bucket was not ours any more. What has come since gathers for another ``window`` ms.
        """
        answer: bytes = await self._call(
            "seal",
            now,
            lease=lease,
            bucket=bucket_id(bucket.zone, bucket.channel),
            seat=f"{bucket.zone}:{bucket.channel}",
            ids=ids,
            item=_text(group) if group else None,
            records=_records(records),
            window=window,
        )
        return answer.decode()

    async def renew(self, ids: Iterable[str], now: int, lease: int = LEASE) -> None:
        """Hold on to what we have claimed for another ``lease`` ms."""
        await self._call("renew", now, lease=lease, ids=list(ids))

    async def finish(self, end: End, now: int, lease: int = LEASE) -> bool:
        """Remove an entry and record its end, together; what falls through is ours.

        Returns whether it was still there (and ours, if that matters): if not, it went out twice, which is counted.
        """
        falls = end.falls
        there = await self._call(
            "finish",
            now,
            lease=lease,
            id=end.id,
            guarded=end.guarded,
            records=_records(end.records),
            falls=[falls[0], _text(falls[1])] if falls else None,
            told=end.told,
            untold=end.untold,
            hasten=end.hasten,
            chain=end.chain.encoded() if end.chain else None,
        )
        return bool(int(there) > 0)

    async def retry(self, id_: str, letter: Letter, due: int, now: int, hasten: Sequence[tuple[str, str]] = ()) -> None:
        """Give a failed message back, with its attempts counted, to come due at ``due``; ``hasten`` as in an end."""
        await self._call("postpone", now, id=id_, due=due, item=_text(letter), hasten=hasten)

    async def defer(self, id_: str, due: int, *, under_way: bool = False) -> None:
        """Give an entry back untried, to come due at ``due``; one that is ``under_way`` may have left already."""
        await self._call("postpone", due, id=id_, due=due, under_way=under_way)

    async def note_canary(self, canary: Canary, now: int) -> None:
        """Note that a canary has come the whole way, and take it out."""
        noted = {"t": canary.t, "at": canary.at, "delivered": now}
        await self._call(
            "canary", now, id=canary_id(canary.zone), zone=canary.zone, item=_text(canary), noted=_text(noted)
        )

    async def note_defect(self) -> None:
        """Count an entry that could not be taken up for a mistake of ours; it comes due again when its lease ends."""
        await self.redis.hincrby(COUNTERS, "delivery.defects", 1)

    async def recent(self, zone: str, period: int, now: int) -> tuple[int, Flood | None]:
        """Return how many alarms ``zone`` had in the last ``period`` ms, and its flood."""
        count, flood = await self._call("recent", now, zone=zone, period=period)
        return count, _flood(flood)

    async def move_flood(
        self,
        zone: str,
        before: Flood | None,
        after: Flood | None,
        *,
        now: int,
        look_again: int,
        buckets: Mapping[str, Bucket],
        record: Record | None,
    ) -> bool:
        """Begin, go on with or end the flood of ``zone``, unless another process has done so since ``before``.

        ``look_again`` (ms) is when the next look is due. ``buckets`` leave now, in their new form.
        """
        moved = await self._call(
            "flood",
            now,
            zone=zone,
            before=_text(before) if before else "",
            after=_text(after) if after else "",
            watch=[flood_id(zone), _text(FloodWatch(zone)), look_again],
            buckets=[[name, _text(bucket)] for name, bucket in buckets.items()],
            records=_records([record] if record else []),
        )
        return bool(moved)

    async def overdue(self, now: int) -> int:
        """Return how many entries have been due for more than 5 s."""
        count: int = await self.redis.zcount(OUTBOX, "-inf", now - OVERDUE_AFTER)
        return count

    async def counts(self, now: int) -> Counts:
        """Return how the outbox stands."""
        async with self.redis.pipeline(transaction=False) as reads:
            reads.zcard(OUTBOX)
            reads.zcount(OUTBOX, "-inf", now)
            reads.zcount(OUTBOX, "-inf", now - OVERDUE_AFTER)
            reads.hmget(COUNTERS, [f"delivery.{name}" for name in _COUNTED])
            waiting, due, overdue, counted = await reads.execute()
        numbers = [int(number or 0) for number in counted]
        return Counts(waiting, due, overdue, await self._oldest_age(now), *numbers)

    async def _oldest_age(self, now: int) -> int | None:
        first: list[Any] = await self.redis.zrange(OUTBOX, 0, _OLDEST_LOOKED_AT - 1)
        bodies = await self.redis.hmget(ITEMS, first) if first else []
        began = [age for body in bodies if body and (age := _decode_aged.decode(body).began) is not None]
        return now - min(began) if began else None

    async def delivered(self, most: int = 100) -> list[Record]:
        """Return the latest ends, newest first."""
        entries: Any = await self.redis.xrevrange(DELIVERED, count=most)
        return [_decode_record.decode(fields[b"delivery"]) for _, fields in entries]

    async def beat(self, piece: str, state: object, seconds: int = HEARTBEAT_SECONDS) -> None:
        """Say that ``piece`` lives; the word is good for ``seconds``."""
        await self.redis.set(heartbeat(piece), msgspec.json.encode(state), ex=seconds)

    async def _call(self, script: str, now: int, *, lease: int = LEASE, **more: object) -> Any:  # noqa: ANN401 - what a script returns
        content = {"now": now, "lease": lease, "holder": self.holder, "kept": DELIVERED_KEPT}
        content |= {name: value for name, value in more.items() if value is not None}
        return await self._scripts[script](args=[msgspec.msgpack.encode(content)])


_COUNTED = (
    *("sent", "failed", "undeliverable", "repeated", "retried", "fell-through", "exhausted", "taken-over"),
    "defects",
)


def _script(name: str) -> str:
    keys = "".join(f"local {word} = '{key}'\n" for word, key in _NAMES.items())
    return keys + "".join((_LUA / f"{part}.lua").read_text(encoding="utf-8") for part in ("outbox", name))


def _name(send: Send) -> str:
    return send_id(send.transition, send.channel, send.step)


def _text(content: object) -> str:
    # Redis' MessagePack knows strings but no byte strings.
    return msgspec.json.encode(content).decode()


def _records(records: Iterable[Record]) -> list[list[str]]:
    return [[record.result.value, _text(record)] for record in records]


def _member(member: Member) -> list[object]:
    send, zone = member.send, member.zone
    bucket = _text(Bucket(zone, send.channel))
    return [_name(send), _text(send), zone, send.channel, bucket, member.urgent, member.wait]


def _names(ids: Iterable[bytes]) -> frozenset[str]:
    return frozenset(id_.decode() for id_ in ids)


def _flood(text: bytes) -> Flood | None:
    return _decode_flood.decode(text) if text else None


def _sensor(text: bytes) -> Sensor | None:
    """Return the sensor; ``None`` if it can't be read: a page without its name is better than none."""
    try:
        return _decode_sensor.decode(text)
    except msgspec.DecodeError as error:
        log.warning("a sensor of the directory can't be read, its messages go out without its name: %s", error)
        return None


def _item(id_: bytes, body: bytes, sensor: bytes, alarm: bytes, told: Sequence[bytes], taken_over: int) -> Item:
    name = id_.decode(errors="replace")
    try:
        read = _decode_body.decode(body)
        situation = Situation(
            _sensor(sensor) if sensor else None,
            _decode_standing.decode(alarm) if alarm else None,
            _names(told),
        )
    except msgspec.DecodeError as error:
        return Item(name, None, f"the outbox entry can't be read: {error}")
    return Item(name, read, situation=situation, taken_over=bool(taken_over))
