"""The outbox in Redis: pages wait here from the moment a transition is committed until somebody has been told.

A worker puts a *page* (:class:`Page`) in with the same Lua call that commits the transition. The delivery process
claims it, expands it by plan into one *send* (:class:`Send`) per channel, and removes each send only together with
the record of what became of it. Nothing leaves the outbox in any other way, so the promise is **at least once**:

- a claim is a lease: the item's due time moves to the lease's end, and a claimant that dies lets it come due again;
- a crash between sending and recording therefore sends twice and never not at all; such repeats are counted;
- every step that touches more than one key is one Lua call, so two delivery processes never hold the same item.

Times are server times in ms; the caller says what time it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from park.alarms import Transition
from park.sensors import Sensor
from storage.names import (
    ALARMS,
    COUNTERS,
    DELIVERED,
    HEARTBEAT_SECONDS,
    OUTBOX,
    SENSORS,
    heartbeat,
)
from storage.names import OUTBOX_ITEMS as ITEMS
from storage.names import OUTBOX_WAKE as WAKE

log = logging.getLogger("parkwatch.outbox")

HOLDERS = "pw:outbox:holders"
"""Hash delivery id -> who holds the claim."""

LEASE = 10_000
"""ms a claim lasts unless renewed: how long a page waits when the process that held it was killed."""

CONNECTIONS = 16
"""To Redis, at most; who finds none free waits for one."""

DELIVERED_KEPT = 20_000
OVERDUE_AFTER = 5_000
_OLDEST_LOOKED_AT = 1_000

T = TypeVar("T")


class Page(msgspec.Struct, frozen=True, tag_field="kind", tag="page"):
    """A committed transition that somebody should hear of; not yet decided who."""

    transition: Transition


class Send(msgspec.Struct, frozen=True, tag_field="kind", tag="send"):
    """One message to one channel.

    ``content`` is the composed message, kept so that a repetition says the same; ``attempts`` counts the tries
    so far and ``reason`` is why the latest failed. ``queued`` is when the page was expanded (ms).
    """

    transition: Transition
    channel: str
    language: str
    content: msgspec.Raw
    queued: int
    attempts: int = 0
    reason: str = ""


class Situation(msgspec.Struct, frozen=True):
    """What Redis knows around an entry: the sensor, and since when the occurrence lasts (ms; event time)."""

    sensor: Sensor | None
    since: int | None


class Item(msgspec.Struct, frozen=True):
    """A claimed entry; ``body`` is ``None`` if it can't be read, and ``problem`` then says why."""

    id: str
    body: Page | Send | None
    problem: str = ""
    situation: Situation = Situation(None, None)


class Claim(msgspec.Struct, frozen=True):
    """What a claim brought, and when the next entry comes due (ms; ``None`` if the outbox is empty)."""

    items: tuple[Item, ...]
    next_due: int | None


class Result(enum.StrEnum):
    """What became of an entry in the end."""

    SENT = "sent"
    FAILED = "failed"
    UNDELIVERABLE = "undeliverable"
    UNWANTED = "unwanted"


class Record(msgspec.Struct, frozen=True):
    """One entry of the stream ``pw:delivered``, field ``delivery``.

    ``queued`` is when the page was committed, ``claimed`` when it was taken up, ``begun`` and ``ended`` frame the
    last attempt (all ms; 0 where there was none). ``undeliverable`` is a page that no channel takes, ``unwanted``
    a notice that none asked for.
    """

    id: str
    result: Result
    reason: str = ""
    alarm: str = ""
    occurrence: int = 0
    version: int = 0
    channel: str = ""
    attempts: int = 0
    queued: int = 0
    claimed: int = 0
    begun: int = 0
    ended: int = 0


class Counts(msgspec.Struct, frozen=True):
    """How the outbox stands, for ``doctor`` and the console's health.

    ``overdue`` entries have been due for more than 5 s, which a living delivery process does not let happen.
    ``oldest_age`` is the age (ms) of the oldest transition among the 1,000 entries due first. The other numbers
    count since Redis was new: sent, failed after every attempt, undeliverable, repeated (sent more than once),
    retried.
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


class _Since(msgspec.Struct, frozen=True):
    occurrence: int
    raised_t: int


class _Aged(msgspec.Struct, frozen=True):
    transition: Transition


# Whoever takes all that is due takes the wake-up calls with it: they were about that.
_CLAIM = """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
local claimed = {}
for _, id in ipairs(due) do
  redis.call('ZADD', KEYS[1], ARGV[2], id)
  redis.call('HSET', KEYS[3], id, ARGV[4])
  local alarm = string.match(id, '^%a+:([^:]*)') or ''
  local zone, site, sensor = string.match(alarm, '^([^.]+)%.([^.]+)%.([^.]+)')
  claimed[#claimed + 1] = {
    id,
    redis.call('HGET', KEYS[2], id) or '',
    zone and redis.call('HGET', KEYS[5], zone .. '/' .. site .. '/' .. sensor) or '',
    redis.call('HGET', KEYS[6], alarm) or '',
  }
end
if #due < tonumber(ARGV[3]) then redis.call('DEL', KEYS[4]) end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {claimed, first[2] or ''}
"""

_EXPAND = """
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return {} end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
local ours = {}
for i = 4, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('ZADD', KEYS[1], ARGV[2], ARGV[i])
    redis.call('HSET', KEYS[3], ARGV[i], ARGV[3])
    ours[#ours + 1] = ARGV[i]
  end
end
return ours
"""

_RENEW = """
for i = 3, #ARGV do
  if redis.call('HGET', KEYS[3], ARGV[i]) == ARGV[2] then redis.call('ZADD', KEYS[1], 'XX', ARGV[1], ARGV[i]) end
end
return 1
"""

_FINISH = """
if ARGV[5] ~= '' and redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[5] then return -1 end
local there = redis.call('HDEL', KEYS[2], ARGV[1])
there = redis.call('ZREM', KEYS[1], ARGV[1]) + there
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[4], '*', 'delivery', ARGV[2])
redis.call('HINCRBY', KEYS[5], 'delivery.' .. ARGV[3], 1)
if there == 0 then redis.call('HINCRBY', KEYS[5], 'delivery.repeated', 1) end
return there
"""

_POSTPONE = """
if redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then return 0 end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
  redis.call('HINCRBY', KEYS[4], 'delivery.retried', 1)
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return 1
"""

_decode_item: msgspec.json.Decoder[Page | Send] = msgspec.json.Decoder(Page | Send)
_decode_record = msgspec.json.Decoder(Record)
_decode_sensor = msgspec.json.Decoder(Sensor)
_decode_since = msgspec.json.Decoder(_Since)
_decode_aged = msgspec.json.Decoder(_Aged)


def page_id(transition: Transition) -> str:
    """Return the outbox id of the page of ``transition``."""
    return f"page:{transition.alarm}:{transition.occurrence}:{transition.version}"


def send_id(transition: Transition, channel: str) -> str:
    """Return the outbox id of the message of ``transition`` to ``channel``."""
    return f"send:{transition.alarm}:{transition.occurrence}:{transition.version}:{channel}"


def encode_page(transition: Transition) -> bytes:
    """Return what a worker's commit puts in ``pw:outbox:items`` for ``transition``."""
    return msgspec.json.encode(Page(transition))


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
        self._claim = redis.register_script(_CLAIM)
        self._expand = redis.register_script(_EXPAND)
        self._renew = redis.register_script(_RENEW)
        self._finish = redis.register_script(_FINISH)
        self._postpone = redis.register_script(_POSTPONE)

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
        entries, first = await self._claim(
            keys=[OUTBOX, ITEMS, HOLDERS, WAKE, SENSORS, ALARMS], args=[now, now + lease, most, self.holder]
        )
        items = tuple(_item(*entry) for entry in entries)
        return Claim(items, int(float(first)) if first else None)

    async def expand(self, page: str, sends: Sequence[Send], now: int, lease: int = LEASE) -> frozenset[str]:
        """Replace a page by its sends, claimed by us; return the ids that are ours (none if it was done before)."""
        pairs: list[str | bytes] = []
        for send in sends:
            pairs += [send_id(send.transition, send.channel), msgspec.json.encode(send)]
        ours = await self._expand(keys=[OUTBOX, ITEMS, HOLDERS], args=[page, now + lease, self.holder, *pairs])
        return frozenset(entry.decode() for entry in ours)

    async def renew(self, ids: Iterable[str], now: int, lease: int = LEASE) -> None:
        """Hold on to what we have claimed for another ``lease`` ms."""
        await self._renew(keys=[OUTBOX, ITEMS, HOLDERS], args=[now + lease, self.holder, *ids])

    async def finish(self, record: Record) -> bool:
        """Remove an entry and record its end, together.

        Returns whether it was still there: if not, it went out twice, which is counted. A failure is only taken
        from the present holder, since another one may be about to succeed.
        """
        guard = "" if record.result is Result.SENT else self.holder
        there = await self._finish(
            keys=[OUTBOX, ITEMS, HOLDERS, DELIVERED, COUNTERS],
            args=[record.id, msgspec.json.encode(record), record.result.value, DELIVERED_KEPT, guard],
        )
        return bool(int(there) > 0)

    async def retry(self, id_: str, send: Send, due: int) -> None:
        """Give a failed send back, with its attempts counted, to come due at ``due``."""
        await self._give_back(id_, due, msgspec.json.encode(send))

    async def defer(self, id_: str, due: int) -> None:
        """Give an entry back untried, to come due at ``due``."""
        await self._give_back(id_, due, b"")

    async def _give_back(self, id_: str, due: int, body: bytes) -> None:
        await self._postpone(keys=[OUTBOX, ITEMS, HOLDERS, COUNTERS], args=[id_, self.holder, due, body])

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
        began = [_decode_aged.decode(body).transition.at for body in bodies if body]
        return now - min(began) if began else None

    async def delivered(self, most: int = 100) -> list[Record]:
        """Return the latest ends, newest first."""
        entries: Any = await self.redis.xrevrange(DELIVERED, count=most)
        return [_decode_record.decode(fields[b"delivery"]) for _, fields in entries]

    async def beat(self, piece: str, state: object, seconds: int = HEARTBEAT_SECONDS) -> None:
        """Say that ``piece`` lives; the word is good for ``seconds``."""
        await self.redis.set(heartbeat(piece), msgspec.json.encode(state), ex=seconds)


_COUNTED = ("sent", "failed", "undeliverable", "repeated", "retried")


def _item(id_: bytes, body: bytes, sensor: bytes, alarm: bytes) -> Item:
    name = id_.decode(errors="replace")
    try:
        read = _decode_item.decode(body)
        situation = Situation(_decode_sensor.decode(sensor) if sensor else None, _since(alarm, read.transition))
    except msgspec.DecodeError as error:
        return Item(name, None, f"the outbox entry can't be read: {error}")
    return Item(name, read, situation=situation)


def _since(alarm: bytes, transition: Transition) -> int | None:
    known = _decode_since.decode(alarm) if alarm else None
    return known.raised_t if known and known.occurrence == transition.occurrence else None
