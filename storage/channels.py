"""What Grafana shows of single series: newest values, loads and votes, as points (rp raw) beside storage/present.py.

==============  ====================================================  ==========================================
measurement     tags                                                  fields
==============  ====================================================  ==========================================
``channel``     zone site sensor quantity location zh en              value v share rank q unit grafana_unit seen
                                                                      minimum maximum interval, and names
``load``        zone site sensor quantity limit period                mass budget warn (kg) share used expected
                                                                      forecast runs_out, and names
``vote``        zone site limit                                       votes needs detectors alarm, and names
==============  ====================================================  ==========================================

``zh`` and ``en`` of a channel are its quantity as ``text|id``, for variables. All are written every minute; of a
channel ``v`` and ``share`` may be missing, of a load ``expected``, ``forecast`` and ``runs_out``.
"""

from __future__ import annotations

from dataclasses import dataclass

from park.words import Names
from storage import names
from storage.lines import Field, line

#: Grafana's ids for units; others are written behind the number as they are.
_UNITS = {
    "mg/m3": "conmgm3",
    "%": "percent",
    "°C": "celsius",
    "m/s": "velocityms",
    "°": "degree",
    "count": "short",
    "s": "s",
    "m3": "m3",
    "pH": "short",
}


@dataclass(frozen=True, slots=True)
class Channel:
    """A series: its newest usable value, and ``share``, which is that of the mildest high alarm's set-point in %.

    ``rank``: 0 normal, 1 low to 4 critical. ``quality`` as in ``state``. ``interval`` and ``seen`` are ms; ``minimum``
    and ``maximum`` what can be believed, in ``unit``.
    """

    zone: str
    site: str
    sensor: str
    quantity: str
    location: str
    value: float | None
    share: float | None
    rank: int
    quality: str
    unit: str
    minimum: float
    maximum: float
    interval: float
    seen: int
    names: Names
    sensor_names: Names
    site_names: Names


@dataclass(frozen=True, slots=True)
class LoadState:
    """A load budget: kg so far, of the first and the last set-point, and to be expected at the period's end.

    ``share`` of the hours so far is known (0 to 1). ``runs_out``: when (ms), if that is within the period.
    """

    zone: str
    site: str
    sensor: str
    quantity: str
    limit: str
    period: str
    mass: float
    warn: float
    budget: float
    share: float
    forecast: float | None
    runs_out: int | None
    names: Names


@dataclass(frozen=True, slots=True)
class VoteState:
    """A voting group of a site: so many ``detectors`` could vote, so many do, so many are needed for an alarm."""

    zone: str
    site: str
    limit: str
    votes: int
    needs: int
    detectors: int
    names: Names
    site_names: Names


def grafana_unit(unit: str) -> str:
    """Return Grafana's id for a unit of the configuration."""
    return _UNITS.get(unit) or (f"suffix: {unit}" if unit else "short")


def encode_channel(channel: Channel, at: int) -> bytes:
    """Return the line (time in ms) of a channel as it is ``at``."""
    tags = {
        **_place(channel),
        names.TAG_LOCATION: channel.location,
        names.TAG_ZH: f"{_single(channel.names.zh)}|{channel.quantity}",
        names.TAG_EN: f"{_single(channel.names.en)}|{channel.quantity}",
    }
    fields: dict[str, Field] = {
        names.FIELD_VALUE: channel.value,
        names.FIELD_SHARE: channel.share,
        "rank": channel.rank,
        names.FIELD_QUALITY: channel.quality,
        "unit": channel.unit,
        "grafana_unit": grafana_unit(channel.unit),
        "minimum": float(channel.minimum),
        "maximum": float(channel.maximum),
        "interval": float(channel.interval),
        "seen": channel.seen,
        **_words("name", channel.names),
        **_words("sensor", channel.sensor_names),
        **_words("site", channel.site_names),
    }
    return line(names.CHANNEL, tags, fields, at)


def encode_load(load: LoadState, at: int) -> bytes:
    """Return the line (time in ms) of a load as it is ``at``."""
    tags = {**_place(load), names.TAG_LIMIT: load.limit, "period": load.period}
    fields: dict[str, Field] = {
        "mass": load.mass,
        "warn": load.warn,
        "budget": load.budget,
        names.FIELD_SHARE: load.share,
        "used": 100 * load.mass / load.budget,
        "forecast": load.forecast,
        "expected": None if load.forecast is None else 100 * load.forecast / load.budget,
        "runs_out": load.runs_out,
        **_words("name", load.names),
    }
    return line(names.LOAD, tags, fields, at)


def encode_vote(vote: VoteState, at: int) -> bytes:
    """Return the line (time in ms) of a voting group as it is ``at``."""
    tags = {names.TAG_ZONE: vote.zone, names.TAG_SITE: vote.site, names.TAG_LIMIT: vote.limit}
    fields: dict[str, Field] = {
        "votes": vote.votes,
        "needs": vote.needs,
        "detectors": vote.detectors,
        "alarm": vote.votes >= vote.needs,
        **_words("name", vote.names),
        **_words("site", vote.site_names),
    }
    return line(names.VOTE, tags, fields, at)


def _place(point: Channel | LoadState) -> dict[str, str]:
    return {
        names.TAG_ZONE: point.zone,
        names.TAG_SITE: point.site,
        names.TAG_SENSOR: point.sensor,
        names.TAG_QUANTITY: point.quantity,
    }


def _words(prefix: str, text: Names) -> dict[str, Field]:
    return {f"{prefix}_zh": text.zh, f"{prefix}_en": text.en}


def _single(text: str) -> str:
    """Return a text as a tag can hold it: in one line, and without the bar that parts it from what follows."""
    return " ".join(text.replace("|", "/").split()).replace("\\", "/")
