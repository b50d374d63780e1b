"""The journal for good: every transition as a point in InfluxDB, and the whole of it read back from both stores.

Redis holds the latest entries (bounded), InfluxDB all of them. A point's time is the id of its entry in the Redis
stream, so writing an entry again changes nothing, and no two entries share a point.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import redis

from park.alarms import Transition, split_alarm_id
from park.readings import split_series
from storage import names, stored
from storage.influx import Influx, write_divided
from storage.keeping import StreamKeeper
from storage.lines import Field, line
from storage.states import decode_transition

log = logging.getLogger("parkwatch.storage")

_NS_PER_MS = 1_000_000
_PAGE = 2_000
#: After every entry there can be: the latest time InfluxDB knows.
END = "9223372036854-775806"
_TAGS = (names.TAG_ZONE, names.TAG_SITE, names.TAG_LIMIT, names.TAG_EVENT, names.TAG_PRIORITY)
#: ``value`` and ``set_point`` are shown in ``unit``; what the journal holds exactly has names of its own.
_EXACT = {"value": "canonical_value", "set_point": "canonical_set_point"}
_STUCK_AT = "stuck_at"
_PLAIN = (
    *("alarm", "limit_version", "notify", "before", "after", "severity", "occurrence", "version", "t", "at"),
    *("by", "why", "unit", "scale", "source", "chattering", "first_up"),
)
_FIELDS = (*_PLAIN, *_EXACT.values(), _STUCK_AT, names.TAG_SENSOR, names.TAG_QUANTITY, "clause_zh", "clause_en")

Entry = tuple[str, Transition]


def point_time(entry: str) -> int:
    """Return the time (ns) of the point for the stream entry with the id ``entry`` (``ms-sequence``)."""
    ms, _, sequence = entry.partition("-")
    return int(ms) * _NS_PER_MS + int(sequence)


def shown(value: float | None, scale: float) -> float | None:
    """Return ``value`` (canonical unit) in the unit of the limit's source, without the noise of the conversion."""
    return None if value is None else float(f"{value * scale:.12g}")


def encode_entry(entry: str, transition: Transition) -> bytes:
    """Return the line (times in ns) of the stream entry with the id ``entry``."""
    zone, site, sensor, quantity = split_series(transition.series)
    tags = {
        names.TAG_ZONE: zone,
        names.TAG_SITE: site,
        names.TAG_LIMIT: transition.limit,
        names.TAG_EVENT: transition.event.value,
        names.TAG_PRIORITY: transition.priority.value,
    }
    fields: dict[str, Field] = {name: getattr(transition, name) for name in _PLAIN}
    for name, exact in _EXACT.items():
        value = getattr(transition, name)
        fields[exact] = None if value is None else float(value)
        fields[name] = shown(fields[exact], transition.scale)  # type: ignore[arg-type]  # a number or none
    fields |= {
        "scale": float(transition.scale),
        _STUCK_AT: None if transition.stuck_at is None else float(transition.stuck_at),
        names.TAG_SENSOR: sensor,
        names.TAG_QUANTITY: quantity,
        "clause_zh": transition.clause.zh,
        "clause_en": transition.clause.en,
    }
    return line(names.TRANSITION, tags, fields, point_time(entry))


class History:
    """The journal in InfluxDB."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx

    def keep(self, entries: Iterable[Entry], rejected: Callable[[str, str], None]) -> None:
        """Write ``entries``; ``rejected(line, reason)`` is called for one that InfluxDB will never take.

        Raises :class:`storage.influx.InfluxUnavailable`: then all of them can be written again.
        """
        lines = [encode_entry(*entry) for entry in entries]
        if lines:
            write_divided(self._write, lines, rejected)

    def journal(self, since: int, until: int, zone: str | None = None, most: int = 1000) -> list[Transition]:
        """Transitions journalled in [``since``, ``until``) (server time, ms), newest first, at most ``most``.

        Raises :class:`storage.influx.InfluxUnavailable` or :class:`storage.influx.LinesRejected`.
        """
        return [transition for _, transition in self.entries(since, f"{until}-0", zone, most)]

    def entries(self, since: int, until: str, zone: str | None = None, most: int = 0) -> list[Entry]:
        """Entries (id, transition) since ``since`` (ms) and before the id ``until``, newest first; ``most`` 0: all.

        Raises as :meth:`journal`.
        """
        where = f"time >= {since}ms AND time < {point_time(until)}"
        if zone is not None:
            where += f" AND {names.TAG_ZONE} = '{_quoted(zone)}'"
        return self._entries(where, most)

    def _entries(self, where: str, most: int) -> list[Entry]:
        # Names in quotes: some of them are words of InfluxQL.
        columns = ", ".join(f'"{name}"' for name in (*_FIELDS, *_TAGS))
        limit = f" LIMIT {most}" if most else ""
        text = f'SELECT {columns} FROM "{names.TRANSITION}" WHERE {where} ORDER BY time DESC{limit}'
        return [
            _entry(dict(zip(series["columns"], row, strict=True)))
            for series in self._influx.query(text, names.RETENTION_KEPT, "ns")
            for row in series["values"]
        ]

    def of(self, alarm: str, until: str, most: int) -> list[Entry]:
        """Entries (id, transition) of one alarm before the id ``until``, newest first, at most ``most``.

        Raises as :meth:`journal`, and ``ValueError`` for what is no alarm id.
        """
        series, limit = split_alarm_id(alarm)
        zone, site, sensor, quantity = split_series(series)
        # Two tags and the limit's find the few series that hold it; the rest are fields.
        places = {
            names.TAG_ZONE: zone,
            names.TAG_SITE: site,
            names.TAG_LIMIT: limit,
            names.TAG_SENSOR: sensor,
            names.TAG_QUANTITY: quantity,
        }
        where = " AND ".join(f"\"{name}\" = '{_quoted(value)}'" for name, value in places.items())
        return self._entries(f"{where} AND time < {point_time(until)}", most)

    def _write(self, lines: bytes) -> None:
        self._influx.write(lines, names.RETENTION_KEPT, "ns")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _entry(row: dict[str, Any]) -> Entry:
    parts = (row[names.TAG_ZONE], row[names.TAG_SITE], row[names.TAG_SENSOR], row[names.TAG_QUANTITY])
    known = {name: row[name] for name in (*_PLAIN, names.TAG_LIMIT, names.TAG_EVENT, names.TAG_PRIORITY)}
    known |= {name: row[exact] for name, exact in _EXACT.items()}
    known[_STUCK_AT] = row[_STUCK_AT]
    known |= {"series": "/".join(parts), "clause": {"zh": row["clause_zh"], "en": row["clause_en"]}}
    ms, sequence = divmod(row["time"], _NS_PER_MS)
    return f"{ms}-{sequence}", msgspec.convert(known, Transition)


class Journal:
    """The whole journal: what Redis holds, and what is older from InfluxDB."""

    def __init__(self, client: redis.Redis, history: History) -> None:
        self._client = client
        self._history = history

    def transitions(self, since: int, zone: str | None = None) -> Iterator[Transition]:
        """Transitions since ``since`` (server time, ms), newest first, read as far as they are asked for.

        Raises ``redis.RedisError``, and what :meth:`History.journal` raises when it comes to what only InfluxDB holds.
        """
        until = END
        for key, transition in recent(self._client, since):
            until = key
            if zone is None or split_series(transition.series)[0] == zone:
                yield transition
        while page := self._history.entries(since, until, zone, _PAGE):
            yield from (transition for _, transition in page)
            until = page[-1][0]


def recent(client: redis.Redis, since: int, until: str = "+") -> Iterator[Entry]:
    """Entries (id, transition) that Redis holds since ``since`` (ms) and before the id ``until``, newest first.

    Raises ``redis.RedisError``.
    """
    while page := stored.before(client, names.JOURNAL, until, since, _PAGE):
        yield from ((key, decode_transition(fields[b"transition"])) for key, fields in page)
        until = page[-1][0]


class Keeper(StreamKeeper):
    """Copies the journal from Redis to InfluxDB; counts ``journal.kept``, ``journal.lost``, ``journal.rejected``."""

    def __init__(self, client: redis.Redis, history: History) -> None:
        super().__init__(client, names.JOURNAL, names.JOURNAL_KEPT, "journal")
        self._history = history

    def keep(self, entries: list[stored.StreamEntry], refused: list[str]) -> None:
        """Write entries of the journal."""
        readable: list[Entry] = []
        for key, fields in entries:
            try:
                readable.append((key, decode_transition(fields[b"transition"])))
            except msgspec.DecodeError as error:
                self.refuse(refused, f"{key} {fields!r}", str(error))
        self._history.keep(readable, lambda line, why: self.refuse(refused, line, why))
