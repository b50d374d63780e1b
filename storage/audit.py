"""What the outbox holds, for the auditor. Read only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import msgspec
import redis

from storage import names, stored

#: Kinds of entries of which a page that people are told of always has one: ``kind:alarm:occurrence:version`` ...
_CHAINED = frozenset({"page", "step"})
_CANARY = "canary"


@dataclass(frozen=True, slots=True)
class Paged:
    """A page, by the version of its alarm. (The occurrence may have moved on: not each is announced.)"""

    alarm: str
    version: int


@dataclass(frozen=True, slots=True)
class Late:
    """An entry that nobody takes up: since how long (ms), and of which zone."""

    entry: str
    zone: str
    late: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in the outbox: the pages whose chain has a call to come, and the entries that are late.

    ``stopped`` are alarms whose chain has come to its end, with the version of the page that it was about.
    """

    pages: frozenset[Paged]
    late: tuple[Late, ...]
    stopped: Mapping[str, int]


def waiting(client: redis.Redis, now: int, late_after: int) -> Waiting:
    """Return what waits; late are entries due for more than ``late_after`` ms. Raises ``redis.RedisError``.

    Canaries are left out: the pulse stands for them.
    """
    found = cast("list[tuple[bytes, float]]", client.zrange(names.OUTBOX, 0, -1, withscores=True))
    entries = [(entry.decode(errors="replace"), now - int(due)) for entry, due in found]
    chains = stored.everything(client, names.CHAINS)
    return Waiting(
        pages=frozenset(_pages(entry for entry, _ in entries)),
        late=tuple(_late(entries, late_after)),
        stopped={alarm.decode(): _CHAIN.decode(chain).version for alarm, chain in chains.items()},
    )


class _Chain(msgspec.Struct, frozen=True):
    version: int


_CHAIN = msgspec.json.Decoder(_Chain)


def _late(entries: Iterable[tuple[str, int]], late_after: int) -> Iterator[Late]:
    for entry, late in entries:
        kind, _, rest = entry.partition(":")
        if late > late_after and kind != _CANARY:
            yield Late(entry, rest.partition(":")[0].partition(".")[0], late)


def _pages(entries: Iterable[str]) -> Iterator[Paged]:
    for entry in entries:
        kind, *words = entry.split(":")
        if kind in _CHAINED:
            alarm, _, version, *_ = words
            yield Paged(alarm, int(version))
