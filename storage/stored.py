"""Redis' answers as what they are here: bytes, since no connection of ours decodes them."""

from __future__ import annotations

from typing import NamedTuple, cast

import redis


def everything(client: redis.Redis, key: str) -> dict[bytes, bytes]:
    """All fields of a hash."""
    return cast("dict[bytes, bytes]", client.hgetall(key))


def keys(client: redis.Redis, key: str) -> list[bytes]:
    """The names of all fields of a hash."""
    return cast("list[bytes]", client.hkeys(key))


def some(client: redis.Redis, key: str, fields: list[str]) -> list[bytes | None]:
    """Some fields of a hash, in their order; ``None`` where there is none."""
    return cast("list[bytes | None]", client.hmget(key, fields))


def newest(client: redis.Redis, stream: str, since: int, most: int) -> list[dict[bytes, bytes]]:
    """Entries of a stream since the time ``since`` (ms), newest first."""
    entries = client.xrevrange(stream, "+", f"{since}-0", count=most)
    return [fields for _, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", entries)]


StreamEntry = tuple[str, dict[bytes, bytes]]


class StreamInfo(NamedTuple):
    """How a stream stands: entries that there are, that there ever were, and the id of the latest."""

    length: int = 0
    added: int = 0
    last: str = "0-0"

    @property
    def trimmed(self) -> int:
        """Count of entries that have been taken off at its beginning."""
        return self.added - self.length


def after(client: redis.Redis, stream: str, last: str, most: int) -> tuple[StreamInfo, list[StreamEntry]]:
    """How a stream stands, and its entries (id, fields) after the id ``last``, oldest first, as of one moment."""
    pipe = client.pipeline(transaction=True)
    pipe.xinfo_stream(stream)
    pipe.xrange(stream, min=f"({last}", count=most)
    known, entries = pipe.execute(raise_on_error=False)
    if isinstance(entries, redis.RedisError):
        raise entries
    if isinstance(known, redis.ResponseError):
        # There is no such stream (yet).
        return StreamInfo(), []
    info = StreamInfo(known["length"], known["entries-added"], known["last-generated-id"].decode())
    return info, [(key.decode(), fields) for key, fields in entries]


def before(client: redis.Redis, stream: str, until: str, since: int, most: int) -> list[StreamEntry]:
    """Entries (id, fields) of a stream before the id ``until`` (``+``: all), newest first, and since ``since`` (ms)."""
    end = until if until == "+" else f"({until}"
    entries = client.xrevrange(stream, end, f"{since}-0", count=most)
    return [(key.decode(), fields) for key, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", entries)]


def head(client: redis.Redis, key: str, most: int) -> list[bytes]:
    """Up to ``most`` items at a list's head."""
    return cast("list[bytes]", client.lrange(key, 0, most - 1))


def wait_for_head(client: redis.Redis, key: str, seconds: float) -> bytes | None:
    """The item at a list's head as soon as there is one; ``None`` if there was none within ``seconds``.

    It stays where it is: from the head to the head is a look that blocks and changes nothing.
    """
    answer = client.blmove(key, key, seconds, "LEFT", "LEFT")  # type: ignore[arg-type]  # fractions are fine
    return cast("bytes | None", answer)
