"""What the watchdog has found, in Redis: it writes, the doctor and the console read.

It expires soon: a watchdog that has stopped leaves nothing that looks like good news.
"""

from __future__ import annotations

import enum

import msgspec
import redis

from park.words import Names
from storage import names

SECONDS = 60
"""How long a finding is good for."""


class Kind(enum.StrEnum):
    """What was looked at: a canary's arrival, the canary that was stored last, a sign of life, Redis itself."""

    CANARY = "canary"
    STORED = "stored"
    ALIVE = "alive"
    REDIS = "redis"


class Check(msgspec.Struct, frozen=True):
    """One look: ``of`` is a zone or a piece, ``age`` (ms) of what was found, ``None`` if there was nothing."""

    kind: Kind
    of: str
    age: int | None
    well: bool

    @property
    def words(self) -> Names:
        """What was found, for people."""
        seconds = None if self.age is None else f"{self.age / 1000:.0f}"
        age = Names("无", "none") if seconds is None else Names(f"{seconds} 秒前", f"{seconds} s old")
        what = _FOUND[self.kind]
        return Names(what.zh.format(of=self.of, age=age.zh), what.en.format(of=self.of, age=age.en))

    def __str__(self) -> str:
        """In words, for a log."""
        return self.words.en


_FOUND = {
    Kind.CANARY: Names("{of} 的自检读数：{age}", "canary of {of}: {age}"),
    Kind.STORED: Names("{of} 已入库的自检读数：{age}", "canary of {of} in InfluxDB: {age}"),
    Kind.ALIVE: Names("{of} 的心跳：{age}", "sign of life from {of}: {age}"),
    Kind.REDIS: Names("Redis 无响应", "Redis does not answer"),
}


class Fault(enum.StrEnum):
    """What is wrong with an alarm's calls: nothing is there that would tell somebody, or it is late."""

    MISSING = "missing"
    OVERDUE = "overdue"


class Problem(msgspec.Struct, frozen=True):
    """A finding of the auditor: ``entry`` is an alarm or an entry of the outbox, ``late`` how long overdue (ms)."""

    fault: Fault
    zone: str
    entry: str
    late: int = 0


class Pulse(msgspec.Struct, frozen=True):
    """How the pulse stands: whether there is an address, when it last went out (ms; 0 never), why not now."""

    wanted: bool
    sent: int = 0
    reason: str = ""
    reason_zh: str = ""

    def why(self, language: str) -> str:
        """Return why it does not go out, in ``language``."""
        return self.reason_zh or self.reason if language == "zh" else self.reason


class Watched(msgspec.Struct, frozen=True):
    """Everything the watchdog knows; ``at`` and ``audited`` are when it looked (server time, ms; 0 not yet)."""

    at: int
    checks: tuple[Check, ...]
    audited: int
    problems: tuple[Problem, ...]
    pulse: Pulse

    @property
    def well(self) -> bool:
        """Whether every look was good; the auditor's findings do not count, they alarm by themselves."""
        return all(check.well for check in self.checks)


class Arrived(msgspec.Struct, frozen=True):
    """A canary that has come the whole way: published at ``t``, committed ``at``, ``delivered`` (server times, ms)."""

    t: int
    at: int
    delivered: int


_WATCHED = msgspec.json.Decoder(Watched)


def put(client: redis.Redis, watched: Watched) -> None:
    """Let the others know; raises ``redis.RedisError``."""
    client.set(names.WATCHDOG, msgspec.json.encode(watched), ex=SECONDS)


def get(client: redis.Redis) -> Watched | None:
    """Return what the watchdog has found lately, ``None`` if nothing; raises ``redis.RedisError``."""
    found = client.get(names.WATCHDOG)
    return None if found is None else _WATCHED.decode(found)
