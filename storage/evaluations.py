"""Evaluations in InfluxDB: a point per scheme, enterprise and year, and the whole of it back again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec

from park.evaluation import Evaluation, FieldSum, Result
from park.periods import year
from park.smart import SmartShare
from storage import names
from storage.influx import Influx
from storage.lines import Field, line

#: The result, lists and all, as JSON.
_WHOLE = "result"
_RESULT = msgspec.json.Decoder(Result)
#: What stands for a scheme in the points of a zone's smart share, and of its high- and low-yield fields.
SMART = "smart"
FIELDS = "fields-"


def encode(evaluation: Evaluation) -> Iterator[bytes]:
    """Yield the lines (times in ms) of an evaluation: at the beginning of its year."""
    begin = year(evaluation.year).begin
    for result in evaluation.results:
        tags = {
            names.TAG_SCHEME: evaluation.scheme,
            names.TAG_ZONE: result.zone,
            names.TAG_ENTERPRISE: result.enterprise,
        }
        yield line(names.EVALUATION, tags, _fields(result), begin)


def _fields(result: Result) -> dict[str, Field]:
    movement = result.movement
    # Floats throughout, and nothing left out: a point keeps what a former result wrote and this one doesn't.
    fields: dict[str, Field] = {
        "status": result.status.value,
        "class": result.class_,
        "score": float(result.score or 0.0),
        "rank": float(result.rank or 0),
        "land": float(result.land or 0.0),
        "field": result.yield_.value if result.yield_ else "",
        names.FIELD_SHARE: float(result.share),
        names.FIELD_FLAG: "provisional" if result.provisional else "final",
        "name_zh": result.names.zh,
        "name_en": result.names.en,
        "reason_zh": result.reason.zh if result.reason else "",
        "reason_en": result.reason.en if result.reason else "",
        "class_before": movement.class_ if movement else "",
        "better": float(movement.better or 0) if movement else 0.0,
        "points": float(movement.points or 0.0) if movement else 0.0,
        _WHOLE: msgspec.json.encode(result).decode(),
    }
    for term in result.terms:
        fields[f"value_{term.term}"] = term.value
        fields[f"score_{term.term}"] = float(term.score)
    return fields


def encode_fields(scheme: str, zone: str, year_: int, sums: Sequence[FieldSum]) -> Iterator[bytes]:
    """Yield the lines of high- and low-yield fields of ``zone`` (``all``: the park)."""
    for each in sums:
        tags = {names.TAG_SCHEME: f"{FIELDS}{scheme}", names.TAG_ZONE: zone, names.TAG_ENTERPRISE: each.yield_.value}
        fields: dict[str, Field] = {
            "land": float(each.land),
            names.FIELD_SHARE: float(each.share),
            "enterprises": float(len(each.enterprises)),
            "gain": float(each.gain),
        }
        yield line(names.EVALUATION, tags, fields, year(year_).begin)


def encode_smart(zone: str, begin: int, share: SmartShare) -> bytes:
    """Return the line of a smart share of ``zone`` (``all``: the park), at the beginning of its span."""
    tags = {names.TAG_SCHEME: SMART, names.TAG_ZONE: zone, names.TAG_ENTERPRISE: names.EVERYWHERE}
    fields: dict[str, Field] = {
        names.FIELD_VALUE: share.share,
        "target": float(share.target),
        "met": bool(share.met),
        "enterprises": float(len(share.enterprises)),
        "equipped": float(len(share.equipped)),
        "silent": float(len(share.silent)),
        "missing": float(share.missing),
        names.FIELD_FLAG: "carried" if share.carried else "reported",
    }
    return line(names.EVALUATION, tags, fields, begin)


class EvaluationStore:
    """Evaluations in InfluxDB, which may be away: :class:`storage.influx.InfluxUnavailable`."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx

    def write(self, lines: Collection[bytes]) -> None:
        """Write lines, over those of the same scheme, enterprise and time."""
        if lines:
            self._influx.write(b"\n".join(lines), names.RETENTION_KEPT)

    def results(self, scheme: str, year_: int) -> list[Result]:
        """Return what was written of a scheme and a year, the ranked first, by rank."""
        span_ = year(year_)
        text = (
            f'SELECT "{_WHOLE}" FROM "{names.EVALUATION}" WHERE "{names.TAG_SCHEME}" = \'{scheme}\' '
            f"AND time >= {span_.begin}ms AND time < {span_.end}ms GROUP BY *"
        )
        series = self._influx.select(text, names.RETENTION_KEPT)
        found = [_RESULT.decode(row[1]) for each in series for row in each["values"] if row[1] is not None]
        return sorted(found, key=lambda each: (each.rank is None, each.rank, each.enterprise))
