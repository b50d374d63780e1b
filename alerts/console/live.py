"""Live: the journal, as it grows, to every open page (server-sent events).

One reader per process follows the journal's stream and tells all pages. A page that can't keep up is cut off; it
comes back by itself and reads the whole state anew, so nothing it shows is ever half of the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from alerts.tasks import cancel
from storage.clock import Clock
from storage.names import JOURNAL

log = logging.getLogger("parkwatch.console")

PAGES = 200
"""Open pages at most."""

ALIVE_EVERY = 3.0
"""s between two signs of life; a page that misses three says that its data is not live."""

_BEHIND = 500
_LOOK_AGAIN = 1.0


class FullError(Exception):
    """Too many pages are open."""


class Feed(Protocol):
    """Where transitions come from; raises ``RedisError`` while Redis is away."""

    async def latest(self) -> str:
        """Return the id of the newest entry."""
        ...

    async def after(self, id_: str, wait: float) -> list[tuple[str, bytes]]:
        """Return ids and JSON of the entries after ``id_``, waiting up to ``wait`` s for the first."""
        ...


class JournalFeed:
    """The journal in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def latest(self) -> str:
        """Return the id of the newest entry."""
        newest: Any = await self._redis.xrevrange(JOURNAL, count=1)
        return str(newest[0][0].decode()) if newest else "0-0"

    async def after(self, id_: str, wait: float) -> list[tuple[str, bytes]]:
        """Return the entries after ``id_``."""
        found: Any = await self._redis.xread({JOURNAL: id_}, count=100, block=max(1, int(wait * 1000)))
        streams = found.values() if isinstance(found, dict) else (entries for _, entries in found or ())
        return [(key.decode(), fields[b"transition"]) for entries in streams for key, fields in _flat(entries)]


def _flat(entries: list[Any]) -> list[Any]:
    """Return a stream's entries, whichever protocol they came by (RESP 3 wraps them once more)."""
    return entries[0] if entries and isinstance(entries[0], list) else entries


class Hub:
    """Tells every open page."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock
        self._pages: set[asyncio.Queue[bytes | None]] = set()
        self._closed = False
        self.away = False

    async def run(self) -> None:
        """Follow the journal for good."""
        beating = asyncio.create_task(self._beat())
        try:
            last: str | None = None
            while True:
                last = await self._follow(last)
        finally:
            await cancel([beating])

    async def _follow(self, last: str | None) -> str | None:
        try:
            last = last or await self._feed.latest()
            entries = await self._feed.after(last, _LOOK_AGAIN)
        except (RedisError, OSError) as error:
            self._gone(error)
            await asyncio.sleep(_LOOK_AGAIN)
            # The stream may be another one when Redis is back: start from its end, pages read the state anew.
            return None
        self._back()
        for id_, transition in entries:
            self._tell(_event("transition", transition, id_))
        return entries[-1][0] if entries else last

    def _gone(self, error: Exception) -> None:
        if not self.away:
            log.error("Redis does not answer (%s): the console shows an error until it does", error)
            self.away = True
            self._tell(self.sign())

    def _back(self) -> None:
        if self.away:
            log.warning("Redis answers again: the console is live")
            self.away = False
            self._tell(self.sign())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_EVERY)
            self._tell(self.sign())

    def sign(self) -> bytes:
        """Return the present sign of life: ``alive``, or ``away`` while Redis does not answer."""
        return _event("away" if self.away else "alive", msgspec.json.encode({"at": self._clock.now()}))

    def close(self) -> None:
        """End every page's stream, so that a stop does not wait for them."""
        self._closed = True
        self._tell(None)

    def _tell(self, event: bytes | None) -> None:
        for page in tuple(self._pages):
            if event is None or page.qsize() >= _BEHIND:
                self._pages.discard(page)
                page.put_nowait(None)
            else:
                page.put_nowait(event)

    @contextlib.contextmanager
    def _page(self) -> Iterator[asyncio.Queue[bytes | None]]:
        page: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._pages.add(page)
        try:
            yield page
        finally:
            self._pages.discard(page)

    def open(self) -> AsyncIterator[bytes]:
        """Return a page's stream of events; raises :class:`FullError`."""
        if self._closed or len(self._pages) >= PAGES:
            raise FullError
        return self._stream()

    async def _stream(self) -> AsyncIterator[bytes]:
        with self._page() as page:
            yield b"retry: 1000\n\n" + self.sign()
            while not self._closed:
                event = await page.get()
                if event is None:
                    return
                yield event


def _event(kind: str, data: bytes, id_: str | None = None) -> bytes:
    head = f"id: {id_}\n" if id_ else ""
    return f"{head}event: {kind}\n".encode() + b"data: " + data + b"\n\n"
