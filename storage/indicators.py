"""Indicators in InfluxDB: a point per indicator, scope, stretch of time and benchmark set, kept for good.

The time of a point is the beginning of its day, month or year, so one that is computed again takes the place of what it
was. Whether there is a value is told by ``status``: InfluxDB keeps a field that is no longer written.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from park.indicator_terms import Scope
from park.indicators import IndicatorResult, Judgement, Status
from park.means import Flag
from park.stretches import Length
from storage import names
from storage.influx import Influx, LinesRejected, write_divided
from storage.lines import Field, line

#: The benchmark of indicators that are held against none, because none is configured.
NO_BENCHMARK = "none"

_TARGET, _STATUS, _MET, _JUDGED = "target", "status", "met", "judged"
_NUMERATOR, _DENOMINATOR, _MISSING, _SEPARATOR = "numerator", "denominator", "missing", " "
#: Values that differ by less are the same: they are sums of floats.
_SAME = 1e-9
_BY = (names.TAG_INDICATOR, names.TAG_ZONE, names.TAG_SITE, names.TAG_BENCHMARK)
_FIELDS = (
    names.FIELD_VALUE,
    names.FIELD_SHARE,
    names.FIELD_FLAG,
    _TARGET,
    _STATUS,
    _NUMERATOR,
    _DENOMINATOR,
    _MISSING,
)


class StoredIndicator(msgspec.Struct, frozen=True):
    """An indicator as it is kept, judged by one ``benchmark`` set; ``begin`` in ms, else as in ``IndicatorResult``."""

    indicator: str
    scope: Scope
    length: Length
    begin: int
    benchmark: str
    value: float | None
    target: float | None
    status: Status
    share: float
    flag: Flag
    numerator: float | None = None
    denominator: float | None = None
    missing: tuple[str, ...] = ()


def encode_indicator(result: IndicatorResult, known: Iterable[StoredIndicator] = ()) -> list[bytes]:
    """Return the lines (times in ms) of a result: one per benchmark set, or one if there is none.

    ``known`` is how it is kept: what is over and has not changed is not among the lines, what has is corrected.
    """
    judgements = result.judgements or (Judgement(NO_BENCHMARK, None, result.status),)
    before = {each.benchmark: each for each in known}
    lines = []
    for judgement in judgements:
        kept = before.get(judgement.benchmark)
        if result.provisional:
            lines.append(_line(result, judgement, Flag.PROVISIONAL))
        elif kept is None or kept.flag is Flag.PROVISIONAL:
            lines.append(_line(result, judgement, Flag.FINAL))
        elif not _is_same(result, judgement, kept):
            lines.append(_line(result, judgement, Flag.CORRECTED))
    return lines


def _is_same(result: IndicatorResult, judgement: Judgement, kept: StoredIndicator) -> bool:
    if (judgement.status, result.missing) != (kept.status, kept.missing):
        return False
    value = result.value if judgement.status.has_value else None
    pairs = [(value, kept.value), (result.share, kept.share)]
    # InfluxDB keeps a target that there is no longer.
    pairs += [(judgement.target, kept.target)] if judgement.target is not None else []
    return all(_are_close(new, old) for new, old in pairs)


def _are_close(new: float | None, old: float | None) -> bool:
    if new is None or old is None:
        return new is old
    return math.isclose(new, old, rel_tol=_SAME, abs_tol=_SAME)


def _line(result: IndicatorResult, judgement: Judgement, flag: Flag) -> bytes:
    tags = {
        names.TAG_INDICATOR: result.indicator,
        names.TAG_SCOPE: result.scope.kind.value,
        names.TAG_ZONE: result.scope.zone,
        names.TAG_SITE: result.scope.site,
        names.TAG_SPAN: result.stretch.length.value,
        names.TAG_BENCHMARK: judgement.benchmark,
    }
    fields: dict[str, Field] = {
        names.FIELD_VALUE: _float(result.value),
        names.FIELD_SHARE: float(result.share),
        names.FIELD_FLAG: flag.value,
        _TARGET: _float(judgement.target),
        _STATUS: judgement.status.value,
        _MET: judgement.status is Status.MET,
        _JUDGED: judgement.status.judged,
        _NUMERATOR: _float(result.numerator),
        _DENOMINATOR: _float(result.denominator),
        _MISSING: _SEPARATOR.join(result.missing),
    }
    return line(names.INDICATOR, tags, fields, result.stretch.begin)


class IndicatorStore:
    """Indicators in InfluxDB, which may be away: :class:`storage.influx.InfluxUnavailable`."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx

    def write(self, results: Iterable[IndicatorResult], rejected: Callable[[str, str], None]) -> None:
        """Write ``results``, all of one stretch of time, over those of the same indicator, scope and benchmark set.

        What is over and has not changed is not written; what was final and has changed is flagged as corrected.
        ``rejected(line, reason)`` is called for those that InfluxDB will never take.
        """
        made = list(results)
        known = self._known(made)
        lines = [
            each
            for result in made
            for each in encode_indicator(result, known.get((result.indicator, result.scope), ()))
        ]
        if lines:
            write_divided(lambda part: self._influx.write(part, names.RETENTION_KEPT), lines, rejected)

    def _known(self, results: list[IndicatorResult]) -> dict[tuple[str, Scope], list[StoredIndicator]]:
        """Return how the stretch of ``results`` is kept, if any of them can be final."""
        found: dict[tuple[str, Scope], list[StoredIndicator]] = defaultdict(list)
        if all(each.provisional for each in results):
            return found
        over = results[0].stretch
        for each in self.read(over.length, over.begin, over.begin + 1):
            found[each.indicator, each.scope].append(each)
        return found

    def read(
        self, length: Length, begin: int, end: int, benchmark: str = "", scope: Scope | None = None, indicator: str = ""
    ) -> list[StoredIndicator]:
        """Return what begins in ``begin <= t < end`` (ms) as ``benchmark`` judges it, by indicator, scope and time.

        Without a ``benchmark``: as each of them does.

        A database that does not exist yet holds nothing.
        """
        wanted = {names.TAG_SPAN: length.value, names.TAG_BENCHMARK: benchmark, names.TAG_INDICATOR: indicator}
        if scope is not None:
            wanted |= {names.TAG_ZONE: scope.zone, names.TAG_SITE: scope.site}
        # Configured names and topic segments: nothing in them needs escaping.
        where = " AND ".join(f"\"{tag}\" = '{value}'" for tag, value in wanted.items() if value)
        fields = ", ".join(f'"{field}"' for field in _FIELDS)
        by = ", ".join(f'"{tag}"' for tag in _BY)
        text = (
            f'SELECT {fields} FROM "{names.INDICATOR}" WHERE {where} '
            f"AND time >= {begin}ms AND time < {end}ms GROUP BY {by}"
        )
        try:
            found = self._influx.query(text, names.RETENTION_KEPT)
        except LinesRejected:
            return []
        return [each for series in found for each in _decode(series, length)]


def _decode(series: dict[str, Any], length: Length) -> Iterator[StoredIndicator]:
    tags = series["tags"]
    scope = Scope(tags[names.TAG_ZONE], tags[names.TAG_SITE])
    for t, value, share, flag, target, status, numerator, denominator, missing in series["values"]:
        judged = Status(status)
        yield StoredIndicator(
            indicator=tags[names.TAG_INDICATOR],
            scope=scope,
            length=length,
            begin=int(t),
            benchmark=tags[names.TAG_BENCHMARK],
            value=value if judged.has_value else None,
            target=None if judged is Status.NO_TARGET else target,
            status=judged,
            share=share,
            flag=Flag(flag),
            numerator=numerator,
            denominator=denominator,
            missing=tuple(missing.split(_SEPARATOR)) if missing else (),
        )


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
