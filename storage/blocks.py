"""Means as they are kept, read back for reports: block by block, or how many of them there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from park.compliance import LENGTHS
from park.coverage import Recorded, merged
from park.means import Flag
from park.readings import split_series
from park.statistics import Result, Statistic
from storage import names
from storage.influx import Influx

_TAGS = (names.TAG_ZONE, names.TAG_SITE, names.TAG_SENSOR, names.TAG_QUANTITY)
_BY = ", ".join(f'"{tag}"' for tag in _TAGS)
_FIELDS = (names.FIELD_VALUE, names.FIELD_VALID, names.FIELD_COUNT, names.FIELD_SHARE, names.FIELD_FLAG)


class Blocks:
    """Means in InfluxDB, which may be away: :class:`storage.influx.InfluxUnavailable`.

    A database that does not exist yet holds nothing.
    """

    def __init__(self, influx: Influx) -> None:
        self._influx = influx

    def results(self, series: str, statistic: Statistic, begin: int, end: int) -> list[Result]:
        """Return the blocks of a series that begin in ``begin <= t < end`` (ms), by time."""
        found = self._select(_fields(), f"{_one(series)} AND {_of(statistic)} AND {_between(begin, end)}")
        return [each for part in found for each in _results(part, statistic)]

    def recorded(self, statistic: Statistic, begin: int, end: int, zones: Sequence[str]) -> dict[str, Recorded]:
        """Return how much is recorded in ``begin <= t < end`` (ms) of every series of ``zones``, by series."""
        where = f"{_of(statistic)} AND {_zones(zones)} AND {_between(begin, end)}"
        share, value = f'"{names.FIELD_SHARE}"', f'"{names.FIELD_VALID}"'
        settled = f"\"{names.FIELD_FLAG}\" <> '{Flag.PROVISIONAL.value}'"
        # One by one: a query with a selector tells its time, and one with several does not.
        blocks = self._by_series(
            f"count({share}), sum({share})", f"{where} AND {settled}", lambda row: Recorded(int(row[1]), float(row[2]))
        )
        valid = self._by_series(
            f"count({share})", f"{where} AND {settled} AND {value} = true", lambda row: Recorded(valid=int(row[1]))
        )
        corrected = self._by_series(
            f"count({share})",
            f"{where} AND \"{names.FIELD_FLAG}\" = '{Flag.CORRECTED.value}'",
            lambda row: Recorded(corrected=int(row[1])),
        )
        first = self._by_series(f"first({share})", where, lambda row: Recorded(first=int(row[0])))
        return merged((blocks, valid, corrected, first))

    def known(self, statistic: Statistic, begin: int, end: int, zones: Sequence[str]) -> frozenset[str]:
        """Return the series of ``zones`` of which anything is kept in ``begin <= t < end`` (ms)."""
        where = f"{_of(statistic)} AND {_zones(zones)} AND {_between(begin, end)}"
        return frozenset(self._by_series(f'count("{names.FIELD_SHARE}")', where, lambda _: Recorded()))

    def _by_series(self, what: str, where: str, made: Callable[[list[Any]], Recorded]) -> dict[str, Recorded]:
        found = self._select(what, f"{where} GROUP BY {_BY}")
        return {_name(each): made(each["values"][0]) for each in found}

    def _select(self, what: str, where: str) -> list[dict[str, Any]]:
        return self._influx.select(f'SELECT {what} FROM "{names.MEAN}" WHERE {where}', names.RETENTION_KEPT)


def _fields() -> str:
    return ", ".join(f'"{field}"' for field in _FIELDS)


def _results(found: dict[str, Any], statistic: Statistic) -> Iterator[Result]:
    for t, value, valid, count, share, flag in found["values"]:
        begin = int(t)
        yield Result(
            statistic=statistic,
            begin=begin,
            end=begin + LENGTHS[statistic],
            value=None if value is None else float(value),
            valid=bool(valid),
            count=int(count or 0),
            share=float(share or 0.0),
            flag=Flag(flag),
        )


def _name(found: dict[str, Any]) -> str:
    return "/".join(found["tags"][tag] for tag in _TAGS)


def _of(statistic: Statistic) -> str:
    return f"\"{names.TAG_SPAN}\" = '{statistic.value}'"


def _one(series: str) -> str:
    # Topic segments and configured names: nothing in them needs escaping.
    return " AND ".join(f"\"{tag}\" = '{value}'" for tag, value in zip(_TAGS, split_series(series), strict=True))


def _zones(zones: Sequence[str]) -> str:
    return "(" + " OR ".join(f"\"{names.TAG_ZONE}\" = '{zone}'" for zone in zones) + ")"


def _between(begin: int, end: int) -> str:
    return f"time >= {begin}ms AND time < {end}ms"
