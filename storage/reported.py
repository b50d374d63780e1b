"""Reported figures in InfluxDB: each import counts as a whole or not at all.

The figures of an import are points that bear its id. They count once a point of their own says that the import is
whole, which is written last; it can be withdrawn again. Of several imports that tell the same figure of an enterprise
for the same period the latest one counts.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from park.figures import Book, FigureDefinition, Reported
from park.periods import span
from storage import names
from storage.influx import Influx
from storage.lines import Field, line

_CHUNK = 5_000
_END, _TEXT = "end", "text"
_INFO = ("by", "file", "digest", "values", "withdrawn_by", "why")


class Import(msgspec.Struct, frozen=True):
    """An import that is whole: when (ms), by whom, from which file, how many values; and who withdrew it, and why."""

    id: str
    at: int
    by: str
    file: str
    digest: str
    values: int
    withdrawn_by: str = ""
    why: str = ""

    @property
    def counts(self) -> bool:
        """Whether its figures are believed."""
        return not self.withdrawn_by


class ReportedStore:
    """Reported figures in InfluxDB, which may be away: :class:`storage.influx.InfluxUnavailable`."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx

    def add(self, reported: Sequence[Reported], at: int, by: str, file: str, digest: str) -> Import:
        """Write ``reported`` as one import at ``at`` (ms). If this raises, nothing of it counts."""
        self._influx.ensure()
        whole = Import(f"{at}-{secrets.token_hex(3)}", at, by, file, digest, len(reported))
        for start in range(0, len(reported), _CHUNK):
            lines = [_encode(each, whole.id) for each in reported[start : start + _CHUNK]]
            self._influx.write(b"\n".join(lines), names.RETENTION_KEPT)
        self._mark(whole)
        return whole

    def withdraw(self, one: Import, by: str, why: str) -> Import:
        """Let an import count no more; what was reported before it counts again."""
        gone = msgspec.structs.replace(one, withdrawn_by=by, why=why)
        self._mark(gone)
        return gone

    def imports(self) -> list[Import]:
        """Return the imports that are whole, the latest first, withdrawn ones too."""
        columns = ", ".join(f'"{name}"' for name in _INFO)
        text = f'SELECT {columns} FROM "{names.FIGURES_IMPORTED}" GROUP BY "{names.TAG_IMPORT}"'
        found = [
            _import(series["tags"][names.TAG_IMPORT], dict(zip(series["columns"], row, strict=True)))
            for series in self._influx.select(text, names.RETENTION_KEPT)
            for row in series["values"]
        ]
        return sorted(found, key=lambda each: (each.at, each.id), reverse=True)

    def all(self, enterprises: Collection[str] = ()) -> list[Reported]:
        """Return what counts, of ``enterprises`` (of all, if empty), by enterprise, figure and time."""
        rank = {each.id: (each.at, each.id) for each in self.imports() if each.counts}
        best: dict[tuple[str, str, int, int], tuple[tuple[int, str], Reported]] = {}
        for key, each in self._points(enterprises):
            place = each.enterprise, each.figure, each.begin, each.end
            if key in rank and (place not in best or best[place][0] < rank[key]):
                best[place] = rank[key], each
        return [best[place][1] for place in sorted(best)]

    def book(self, definitions: Mapping[str, FigureDefinition]) -> Book:
        """Return all that counts, of the figures in ``definitions``."""
        return Book(definitions, self.all())

    def _points(self, enterprises: Collection[str]) -> Iterator[tuple[str, Reported]]:
        tags = (names.TAG_ENTERPRISE, names.TAG_FIGURE, names.TAG_SPAN, names.TAG_IMPORT)
        chosen = " OR ".join(f"\"{names.TAG_ENTERPRISE}\" = '{each}'" for each in sorted(enterprises))
        where = f" WHERE {chosen}" if chosen else ""
        grouped = ", ".join(f'"{tag}"' for tag in tags)
        text = f'SELECT "{names.FIELD_VALUE}", "{_END}", "{_TEXT}" FROM "{names.FIGURE}"{where} GROUP BY {grouped}'
        for series in self._influx.select(text, names.RETENTION_KEPT):
            known = series["tags"]
            for begin, value, end, words in series["values"]:
                report = Reported(known[tags[0]], known[tags[1]], begin, end, float(value), words or "")
                yield known[names.TAG_IMPORT], report

    def _mark(self, one: Import) -> None:
        fields: dict[str, Field] = {name: getattr(one, name) for name in _INFO}
        self._influx.write(
            line(names.FIGURES_IMPORTED, {names.TAG_IMPORT: one.id}, fields, one.at), names.RETENTION_KEPT
        )


def _encode(each: Reported, key: str) -> bytes:
    tags = {
        names.TAG_ENTERPRISE: each.enterprise,
        names.TAG_FIGURE: each.figure,
        names.TAG_SPAN: span(each.begin, each.end),
        names.TAG_IMPORT: key,
    }
    # Floats throughout: a field has one type for ever.
    fields: dict[str, Field] = {names.FIELD_VALUE: float(each.value), _END: each.end, _TEXT: each.text}
    return line(names.FIGURE, tags, fields, each.begin)


def _import(key: str, row: dict[str, object]) -> Import:
    return msgspec.convert({**{name: row[name] for name in _INFO}, "id": key, "at": row["time"]}, Import)
