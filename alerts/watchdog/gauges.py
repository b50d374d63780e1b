"""What the service does, as numbers for Grafana (storage/health.py): out of the looks, and of what pieces leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import redis

from storage import names, stored
from storage.health import Gauge
from storage.quarantine import Quarantine
from storage.states import decode_batch
from storage.watch import Arrived, Check, Fault, Kind, Problem, Pulse

_ARRIVED = msgspec.json.Decoder(Arrived)
_SECOND = 1000.0
_MEGABYTE = 1_000_000.0
_WORKER, _INGEST = "worker.", "ingest."
#: What an ingest process and the office tell of themselves with every sign of life.
_INGEST_TELLS = ("connected", "outstanding", "spooled", "dropped")
_OFFICE_TELLS = ("waiting", "influx")

Beats = Mapping[str, Mapping[str, Any]]
"""What pieces last said with their sign of life."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the watchdog found last."""

    checks: tuple[Check, ...] = ()
    problems: tuple[Problem, ...] = ()


class Rates:
    """Readings per second of ingest processes, out of what each has taken since it began."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[int, int]] = {}

    def of(self, beats: Beats) -> dict[str, float]:
        """Return the rate of each since the last time; none for one that has begun anew, or said nothing since."""
        found = {}
        for piece, beat in beats.items():
            at, taken = beat.get("at"), beat.get("readings")
            if not isinstance(at, int) or not isinstance(taken, int):
                continue
            before_at, before = self._before.get(piece, (at, taken))
            self._before[piece] = (at, taken)
            if at > before_at and taken >= before:
                found[piece] = (taken - before) / (at - before_at) * _SECOND
        return found


class Gauges:
    """Reads what Redis knows and puts it beside what the watchdog has found."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._quarantine = Quarantine(client)
        self._rates = Rates()

    def read(self, look: Look, now: int) -> list[Gauge]:
        """Return everything that is known at ``now`` (ms). Raises ``redis.RedisError``."""
        pieces = [check.of for check in look.checks if check.kind is Kind.ALIVE]
        beats = self._beats(pieces)
        rates = self._rates.of(beats)
        return [
            *seen(look),
            *(self._worker(piece, now) for piece in pieces if piece.startswith(_WORKER)),
            *(_tells(piece, beats, _INGEST_TELLS, rates) for piece in pieces if piece.startswith(_INGEST)),
            _tells(names.OFFICE, beats, _OFFICE_TELLS, {}),
            *self._canaries(),
            self._delivery(look.problems),
            self._redis(),
            *self._counts(),
        ]

    def _beats(self, pieces: list[str]) -> dict[str, dict[str, Any]]:
        if not pieces:
            return {}
        found = cast("list[bytes | None]", self._client.mget([names.heartbeat(piece) for piece in pieces]))
        return {piece: msgspec.json.decode(beat) for piece, beat in zip(pieces, found, strict=True) if beat}

    def _worker(self, piece: str, now: int) -> Gauge:
        shard = piece.removeprefix(_WORKER)
        oldest = stored.head(self._client, names.inbox(shard), 1)
        lag = max(0, now - _received(oldest[0], now)) / _SECOND if oldest else 0.0
        waiting = self._client.llen(names.inbox(shard))
        return Gauge(piece, {"inbox": waiting, "lag_s": lag}, zone=shard.rpartition(".")[0])

    def _canaries(self) -> Iterator[Gauge]:
        for zone, canary in stored.everything(self._client, names.CANARIES).items():
            arrived = _ARRIVED.decode(canary)
            on_its_way = {"evaluated_ms": arrived.at - arrived.t, "delivered_ms": arrived.delivered - arrived.t}
            yield Gauge("canary", on_its_way, zone=zone.decode())

    def _delivery(self, problems: Iterable[Problem]) -> Gauge:
        late = max((problem.late for problem in problems if problem.fault is Fault.OVERDUE), default=0)
        missing = sum(problem.fault is Fault.MISSING for problem in problems)
        waiting = self._client.zcard(names.OUTBOX)
        return Gauge("delivery", {"waiting": waiting, "late": late / _SECOND, "missing": missing})

    def _redis(self) -> Gauge:
        memory = cast("dict[str, int]", self._client.info("memory"))
        return Gauge("redis", {"up": 1, "memory_mb": memory["used_memory"] / _MEGABYTE})

    def _counts(self) -> Iterator[Gauge]:
        for reason, count in self._quarantine.counts().items():
            yield Gauge("quarantine", {"total": count}, reason=reason)
        for counter, total in stored.everything(self._client, names.COUNTERS).items():
            yield Gauge("counter", {"total": int(total)}, reason=counter.decode())


def seen(look: Look) -> Iterator[Gauge]:
    """Yield what the watchdog's looks say by themselves, which is all there is while Redis is away."""
    for check in look.checks:
        age = None if check.age is None else check.age / _SECOND
        match check.kind:
            case Kind.ALIVE:
                zone = check.of.removeprefix(_WORKER).rpartition(".")[0] if check.of.startswith(_WORKER) else ""
                yield Gauge(check.of, {"up": check.well, "age_s": age}, zone=zone)
            case Kind.CANARY:
                yield Gauge("canary", {"age_s": age}, zone=check.of)
            case Kind.STORED:
                yield Gauge("canary", {"stored_age_s": age}, zone=check.of)
            case Kind.REDIS:
                yield Gauge("redis", {"up": check.well})


def pulse(state: Pulse, now: int) -> Gauge:
    """Return how the pulse stands."""
    age = (now - state.sent) / _SECOND if state.sent else None
    return Gauge("pulse", {"up": state.wanted and not state.reason, "age_s": age})


def _tells(piece: str, beats: Beats, wanted: Iterable[str], rates: Mapping[str, float]) -> Gauge:
    said = beats.get(piece, {})
    return Gauge(piece, {**{name: said.get(name) for name in wanted}, "rate": rates.get(piece)})


def _received(batch: bytes, now: int) -> int:
    """When (ms) the first reading of a batch came; now if that can't be read: its worker tells of it."""
    try:
        return next((reading.received for reading in decode_batch(batch)), now)
    except msgspec.DecodeError:
        return now
