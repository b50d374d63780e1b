"""Changes of the configuration: which version is in force, and the record of who changed what, when and why.

The record is a Redis stream (bounded) that is only ever added to; the office copies it to InfluxDB for good.
"""

from __future__ import annotations

import msgspec
import redis

from park.differences import Difference
from park.strictness import Mark
from storage import names, stored
from storage.history import point_time
from storage.influx import Influx, write_divided
from storage.keeping import StreamKeeper
from storage.lines import Field, line


class Applied(msgspec.Struct, frozen=True):
    """The configuration in force; ``content`` is the hash of its files, ``token`` tells two changes to it apart."""

    version: str
    content: str
    at: int
    by: str
    token: str


class Change(msgspec.Struct, frozen=True):
    """One change: ``by`` whom, ``why``, at which server time (ms), and what it changed."""

    at: int
    by: str
    why: str
    token: str
    difference: Difference


class OvertakenError(Exception):
    """Somebody else has changed the configuration meanwhile; nothing was recorded."""


_APPLIED = msgspec.json.Decoder(Applied)
_CHANGE = msgspec.json.Decoder(Change)


def applied(client: redis.Redis) -> Applied | None:
    """Return the configuration in force, ``None`` if none was ever applied. Raises ``redis.RedisError``."""
    found = client.get(names.CONFIGURATION)
    return _APPLIED.decode(found) if found else None


def record(client: redis.Redis, change: Change, content: str, before: Applied | None) -> None:
    """Put ``change`` in force and on record in one step, if ``before`` is still what is in force.

    ``content`` is the hash of the files that hold it (:func:`storage.configuration.digest`).

    Raises :class:`OvertakenError`, or ``redis.RedisError``: then look at :func:`applied` for what became of it.
    """
    now = Applied(change.difference.new, content, change.at, change.by, change.token)
    with client.pipeline(transaction=True) as pipe:
        pipe.watch(names.CONFIGURATION)  # type: ignore[no-untyped-call]
        # A pipeline that watches answers at once, as a client does.
        if applied(pipe) != before:
            raise OvertakenError("somebody else has applied another configuration just now; look at it and try again")
        pipe.multi()
        pipe.xadd(names.CHANGES, {"change": msgspec.json.encode(change)}, maxlen=names.CHANGES_LENGTH, approximate=True)
        pipe.set(names.CONFIGURATION, msgspec.json.encode(now))
        try:
            pipe.execute()
        except redis.WatchError as error:
            raise OvertakenError("somebody else is applying a configuration; look at it and try again") from error


def history(client: redis.Redis, most: int) -> list[Change]:
    """Return the latest changes, newest first. Raises ``redis.RedisError``."""
    return [_CHANGE.decode(fields[b"change"]) for fields in stored.newest(client, names.CHANGES, 0, most)]


def running(client: redis.Redis) -> dict[str, str]:
    """Return the version that each living piece runs by. Raises ``redis.RedisError``."""
    known = stored.everything(client, names.CONFIGURATION_RUNNING)
    pieces = {piece.decode(): version.decode() for piece, version in known.items()}
    return {piece: version for piece, version in pieces.items() if client.exists(names.heartbeat(piece))}


class ChangeKeeper(StreamKeeper):
    """Copies changes to InfluxDB, for good."""

    def __init__(self, client: redis.Redis, influx: Influx) -> None:
        super().__init__(client, names.CHANGES, names.CHANGES_KEPT, "changes")
        self._influx = influx

    def keep(self, entries: list[stored.StreamEntry], refused: list[str]) -> None:
        """Write ``entries``. Raises ``InfluxUnavailable``."""
        lines = []
        for key, fields in entries:
            try:
                lines.append(_line(key, _CHANGE.decode(fields[b"change"])))
            except msgspec.DecodeError as error:
                self.refuse(refused, f"{key} {fields!r}", str(error))
        if lines:
            write_divided(self._write, lines, lambda line, why: self.refuse(refused, line, why))

    def _write(self, lines: bytes) -> None:
        self._influx.write(lines, names.RETENTION_KEPT, "ns")


def _line(key: str, change: Change) -> bytes:
    difference = change.difference
    marks = [limit.mark for limit in difference.limits]
    fields: dict[str, Field] = {
        "by": change.by,
        "why": change.why,
        "old": difference.old,
        "new": difference.new,
        "added": len(difference.added),
        "removed": len(difference.removed),
        "changed": len(difference.changed),
        "stricter": marks.count(Mark.STRICTER),
        "laxer": marks.count(Mark.LAXER),
        "touched": len(difference.touched),
        "limits": ", ".join(limit.limit for limit in difference.limits)[:4000],
    }
    return line(names.CHANGE, {}, fields, point_time(key))
