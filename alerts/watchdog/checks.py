"""What is fresh and what is not. Pure; times are ms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from storage.watch import Check, Kind

#: A canary that comes from so far in the future is a clock that was put back: it proves nothing of the present.
_AHEAD = 5_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """How old may be what counts as fresh (ms): a canary that was delivered or stored, and a sign of life."""

    canary: int = 30_000
    alive: int = 15_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found: when the newest canaries were published, by zone, and when pieces last showed life."""

    delivered: Mapping[str, int] = field(default_factory=dict)
    stored: Mapping[str, int] = field(default_factory=dict)
    alive: Mapping[str, int] = field(default_factory=dict)


def checks(seen: Seen, zones: Iterable[str], pieces: Iterable[str], now: int, bounds: Bounds) -> tuple[Check, ...]:
    """Judge what was seen of every zone and piece there should be."""
    return tuple(_checks(seen, tuple(zones), pieces, now, bounds))


def _checks(seen: Seen, zones: tuple[str, ...], pieces: Iterable[str], now: int, bounds: Bounds) -> Iterator[Check]:
    for kind, times in ((Kind.CANARY, seen.delivered), (Kind.STORED, seen.stored)):
        for zone in zones:
            yield _check(kind, zone, times.get(zone), now, bounds.canary)
    for piece in pieces:
        yield _check(Kind.ALIVE, piece, seen.alive.get(piece), now, bounds.alive)


def _check(kind: Kind, of: str, t: int | None, now: int, most: int) -> Check:
    age = None if t is None else now - t
    return Check(kind, of, age, well=age is not None and -_AHEAD <= age <= most)
