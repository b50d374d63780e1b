"""Flows in InfluxDB: what their meters showed, and the amounts of hours and days that are made of it, kept for good.

A point of :data:`storage.names.FLOW` is (flow, span, beginning), so what is settled again takes the place of what was.
In Redis stands how far each flow has been settled, and which hours data has come late for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
import redis

from park.flows import Amount, Flow
from park.means import Flag, Span
from park.metering import Portion, Readings
from park.readings import split_series
from storage import names, stored
from storage.influx import Influx, write_divided
from storage.lines import Field, line

#: ms a late hour waits after the last of its readings has come (ingest has to store them), after the first, and at
#: most: then it is made again while more of them come.
STORING = 5_000
GATHERING = 60_000
AT_MOST = 600_000

_BRIDGED, _STEPS, _UNTIL = "bridged", "steps", "until"
_FIELDS = (names.FIELD_VALUE, names.FIELD_SHARE, _BRIDGED, _STEPS, _UNTIL, names.FIELD_FLAG)
_AMOUNT_FIELDS = (names.FIELD_VALUE, names.FIELD_SHARE, _UNTIL)
_TAGS = (names.TAG_ZONE, names.TAG_SITE, names.TAG_SENSOR, names.TAG_QUANTITY)
_NONE = Readings(np.empty(0, np.int64), np.empty(0, np.float64))
_EVERY_FLOW = 20
#: Removes a field of a hash if nobody has changed it meanwhile.
_REMOVE = "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end"


_Kept = TypeVar("_Kept")


class Entry(msgspec.Struct, frozen=True):
    """An amount as it is kept: the portion, and what it is worth."""

    portion: Portion
    flag: Flag


Entries = dict[str, dict[int, Entry]]
"""Entries by flow and by their beginning (ms)."""


class FlowStore:
    """Readings of meters and amounts of flows in InfluxDB.

    Everything raises :class:`storage.influx.InfluxUnavailable` if it does not answer; a database that does not exist
    yet holds nothing.
    """

    def __init__(self, influx: Influx) -> None:
        self._influx = influx

    # Readings

    def readings(self, meters: Collection[str], begin: int, end: int) -> dict[str, Readings]:
        """Return the usable readings of series in ``begin <= t < end`` (ms); those that have none are not there."""
        if len(meters) == 1:
            (series,) = meters
            found = self._select(f"{_one(series)} AND {_between(begin, end)}")
            return {series: _readings(found[0]["values"])} if found else {}
        found = self._select(f"{_some(meters)} AND {_between(begin, end)} GROUP BY {', '.join(_TAGS)}")
        by_series = {"/".join(each["tags"][tag] for tag in _TAGS): each for each in found}
        return {series: _readings(each["values"]) for series, each in by_series.items() if series in meters}

    def before(self, series: str, t: int, since: int) -> Readings:
        """Return the last usable reading in ``since <= time < t`` (ms), or none."""
        return self._edge(f"{_one(series)} AND {_between(since, t)} ORDER BY time DESC LIMIT 1")

    def after(self, series: str, t: int, until: int) -> Readings:
        """Return the first usable reading in ``t <= time < until`` (ms), or none."""
        return self._edge(f"{_one(series)} AND {_between(t, until)} LIMIT 1")

    def _edge(self, where: str) -> Readings:
        found = self._select(where)
        return _readings(found[0]["values"]) if found else _NONE

    def _select(self, where: str) -> list[dict[str, Any]]:
        return self._influx.select(
            f"SELECT {names.FIELD_VALUE} FROM {names.READING} WHERE {where}", names.RETENTION_RAW
        )

    # Amounts

    def entries(self, span: Span, begin: int, end: int, flows: Mapping[str, Flow]) -> Entries:
        """Return what is kept of ``flows`` and begins in ``begin <= t < end`` (ms); ``span`` is hour or day."""
        return self._kept(span, (begin, end), flows, _FIELDS, lambda _, row: _entry(span, row))

    def amounts(self, span: Span, begin: int, end: int, flows: Mapping[str, Flow]) -> dict[str, dict[int, Amount]]:
        """Return as above, by flow and beginning, as plain amounts."""
        return self._kept(span, (begin, end), flows, _AMOUNT_FIELDS, lambda flow, row: _amount(flow, span, row))

    def _kept(
        self,
        span: Span,
        within: tuple[int, int],
        flows: Mapping[str, Flow],
        fields: Sequence[str],
        made: Callable[[str, list[Any]], _Kept],
    ) -> dict[str, dict[int, _Kept]]:
        """Return what ``made`` makes of a flow and the time and ``fields`` of its points."""
        # Many: all of them are as fast as a long list.
        chosen = f' AND "{names.TAG_FLOW}" =~ /^({"|".join(flows)})$/' if len(flows) <= _EVERY_FLOW else ""
        by = ", ".join(f'"{tag}"' for tag in (names.TAG_FLOW, names.TAG_KIND, names.TAG_FROM, names.TAG_TO))
        text = (
            f'SELECT {", ".join(fields)} FROM "{names.FLOW}" WHERE "{names.TAG_SPAN}" = \'{span.value}\'{chosen} '
            f"AND {_between(*within)} GROUP BY {by}"
        )
        found = self._influx.select(text, names.RETENTION_KEPT) if flows else []
        kept: dict[str, dict[int, _Kept]] = {}
        # What was kept while the flow was configured otherwise first, so that what is so now takes its place.
        for each in sorted(found, key=lambda each: _is_current(each["tags"], flows)):
            flow = each["tags"][names.TAG_FLOW]
            if flow in flows:
                kept.setdefault(flow, {}).update({int(row[0]): made(flow, row) for row in each["values"]})
        return kept

    def first_day(self) -> int | None:
        """Return the beginning (ms) of the first day that amounts are kept of."""
        text = f"SELECT first({names.FIELD_VALUE}) FROM {names.FLOW} WHERE {names.TAG_SPAN} = '{Span.DAY.value}'"
        found = self._influx.select(text, names.RETENTION_KEPT)
        return int(found[0]["values"][0][0]) if found else None

    def write(self, lines: list[bytes], refused: list[str]) -> None:
        """Write lines; those that will never be taken are added to ``refused``."""
        if lines:
            write_divided(self._write, lines, lambda text, why: refused.append(f"{text}: {why}"))

    def _write(self, lines: bytes) -> None:
        self._influx.write(lines, names.RETENTION_KEPT)


def encode_entry(flow: Flow, span: Span, entry: Entry) -> bytes:
    """Return the line (time in ms) of an amount; ``until`` is its end, which of one that still runs is now."""
    tags = {
        names.TAG_FLOW: flow.id,
        names.TAG_KIND: flow.kind,
        names.TAG_ZONE: flow.zone,
        names.TAG_FROM: flow.source,
        names.TAG_TO: flow.target,
        names.TAG_SPAN: span.value,
    }
    portion = entry.portion
    fields: dict[str, Field] = {
        names.FIELD_VALUE: float(portion.amount),
        names.FIELD_SHARE: float(portion.share),
        _BRIDGED: float(portion.bridged),
        _STEPS: portion.steps,
        _UNTIL: portion.end,
        names.FIELD_FLAG: entry.flag.value,
    }
    return line(names.FLOW, tags, fields, portion.begin)


# --- what is settled, and what came late -------------------------------------------------------------------------


class Settled(msgspec.Struct, frozen=True):
    """Until when (ms) a flow has been settled, by which configuration of its meter."""

    until: int
    metering: str


def settled(client: redis.Redis) -> dict[str, Settled]:
    """Return how far flows have been settled. Raises ``redis.RedisError``."""
    found = stored.everything(client, names.FLOWS_SETTLED)
    told = ((flow.decode(), value.decode().partition(" ")) for flow, value in found.items())
    return {flow: Settled(int(until), metering) for flow, (until, _, metering) in told}


def settle(client: redis.Redis, until: Mapping[str, Settled]) -> None:
    """Note how far flows have been settled. Raises ``redis.RedisError``."""
    if until:
        client.hset(names.FLOWS_SETTLED, mapping={flow: f"{one.until} {one.metering}" for flow, one in until.items()})


def begin_anew(client: redis.Redis) -> None:
    """Let all flows be settled again from their oldest readings on, of which there may be older ones than before.

    Raises ``redis.RedisError``.
    """
    client.delete(names.FLOWS_SETTLED)


def note_late(client: redis.Redis, hours: Iterable[int], now: int, series: str = names.ALL_METERS) -> None:
    """Note at ``now`` (ms) that readings of ``series`` have come late for ``hours``. Raises ``redis.RedisError``."""
    blocks = [f"{series} {hour}" for hour in hours]
    known = stored.some(client, names.FLOWS_LATE, blocks) if blocks else []
    for block, value in zip(blocks, known, strict=True):
        since = value.split()[0].decode() if value else now
        client.hset(names.FLOWS_LATE, block, f"{since} {now}")


class Late(msgspec.Struct, frozen=True):
    """An hour of a meter (of all, if ``series`` is :data:`storage.names.ALL_METERS`) that readings came late for."""

    series: str
    hour: int
    mark: bytes
    complete: bool


class LateHours:
    """The hours that readings came late for. Raises ``redis.RedisError``."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._remove = client.register_script(_REMOVE)

    def due(self, now: int) -> list[Late]:
        """Return those to be made again at ``now`` (ms), by time."""
        found = []
        for block, mark in stored.everything(self._client, names.FLOWS_LATE).items():
            series, _, hour = block.decode().rpartition(" ")
            since, latest = map(int, mark.split())
            complete = now - since >= GATHERING and now - latest >= STORING
            if complete or now - since >= AT_MOST:
                found.append(Late(series, int(hour), mark, complete))
        return sorted(found, key=lambda late: (late.hour, late.series))

    def done(self, late: Late, now: int) -> None:
        """Take a mark off, unless more has come meanwhile: then it is due again when that has been stored."""
        block = f"{late.series} {late.hour}"
        if late.complete:
            self._remove(keys=[names.FLOWS_LATE], args=[block, late.mark])
        else:
            self._client.hset(names.FLOWS_LATE, block, f"{now} {now}")


# --- details -----------------------------------------------------------------------------------------------------


def _readings(rows: list[list[Any]]) -> Readings:
    t, values = zip(*rows, strict=True)
    return Readings(np.array(t, np.int64), np.array(values, np.float64))


def _entry(span: Span, row: list[Any]) -> Entry:
    t, amount, share, bridged, steps, until, flag = row
    begin = int(t)
    end = int(until) if until else begin + span.ms
    return Entry(Portion(begin, end, float(amount), float(share), float(bridged or 0.0), int(steps or 0)), Flag(flag))


def _amount(flow: str, span: Span, row: list[Any]) -> Amount:
    t, amount, share, until = row
    begin = int(t)
    return Amount(flow, begin, int(until) if until else begin + span.ms, float(amount), float(share))


def _is_current(tags: Mapping[str, str], flows: Mapping[str, Flow]) -> bool:
    flow = flows.get(tags[names.TAG_FLOW])
    told = (tags[names.TAG_KIND], tags[names.TAG_FROM], tags[names.TAG_TO])
    return flow is not None and told == (flow.kind, flow.source, flow.target)


def _one(series: str) -> str:
    # Topic segments and configured names: nothing in them needs escaping.
    return " AND ".join(f"{tag} = '{value}'" for tag, value in zip(_TAGS, split_series(series), strict=True))


def _some(meters: Iterable[str]) -> str:
    """Return a condition that the series meet, and perhaps a few others."""
    parts = zip(*map(split_series, meters), strict=True)
    return " AND ".join(f"{tag} =~ /^({_any(values)})$/" for tag, values in zip(_TAGS, parts, strict=True))


def _any(values: Iterable[str]) -> str:
    return "|".join(sorted(set(values)))


def _between(begin: int, end: int) -> str:
    return f"time >= {begin}ms AND time < {end}ms"
