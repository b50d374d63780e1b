"""How it stands now, as points for Grafana: sensors, zones, alarms, set-points, names.

All of it is in the retention policy ``raw``, written by the office (workers/present.py). A field that one point has,
every point of its measurement has, so that ``last()`` never shows what is no longer true; only ``lat``, ``lon``,
``value`` and ``set_point`` may be missing.

==============  ====================================================  ==========================================
measurement     tags                                                  written
==============  ====================================================  ==========================================
``state``       zone site sensor location                             when something changes, and every 5 min
``zone_state``  zone                                                  every 10 s
``standing``    zone site sensor quantity limit                       every 10 s while the alarm is not normal
``setpoint``    zone site sensor quantity location limit severity     when something changes, and every hour
                span
``named``       kind id zone site zh en                               when something changes, and every hour
==============  ====================================================  ==========================================

What stands now: ``... WHERE time > now() - 25s``. Times in fields are ms since 1970.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from park.words import Names
from storage import names
from storage.influx import Influx, write_divided
from storage.lines import Field, line


class Look(enum.IntEnum):
    """How a sensor is drawn: field ``look``. 1 to 4 are the priority of its worst alarm that stands and is in service.

    ``UNUSABLE``: silent, failed or under check, and nothing else stands. ``ASIDE``: all that stands is shelved,
    suppressed or out of service.
    """

    NORMAL = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4
    UNUSABLE = 5
    ASIDE = 6


#: Field ``quality`` where a quantity of the sensor has been silent for too long, or has never spoken.
SILENT = "silent"
#: ``span`` of a set-point that every value is held against; others: a statistic (``hour``, ``day`` ...), a budget's
#: period (``month``, ``year``), or the kind of limit (``rate``, ``flatline``, ``vote``).
EVERY_VALUE = "value"


@dataclass(frozen=True, slots=True)
class SensorState:
    """A sensor: fields rank look state quality alarms unacknowledged aside lat lon placed seen, and names.

    ``rank``: 0 normal, 1 low to 4 critical: the worst alarm that stands, in service. ``state``: its ISA-18.2 state.
    ``alarms``: how many stand in service; ``aside``: how many are shelved, suppressed or out of service. ``worst`` says
    in words what the worst alarm is (empty: none). ``placed``: the coordinates are the sensor's own; else they are made
    up around its site's. ``seen``: event time (ms) of the newest reading, 0 if none.
    """

    zone: str
    site: str
    sensor: str
    location: str
    rank: int
    look: Look
    state: str
    quality: str
    alarms: int
    unacknowledged: int
    aside: int
    names: Names
    site_names: Names
    worst: Names
    latitude: float | None
    longitude: float | None
    placed: bool
    seen: int


@dataclass(frozen=True, slots=True)
class ZoneState:
    """A zone: fields rank alarms unacknowledged critical high medium low aside sensors silent unusable lat lon, names.

    Counts are of alarms that stand, in service; ``sensors`` are those registered, ``silent`` and ``unusable`` those
    among them that say nothing, or nothing usable.
    """

    zone: str
    names: Names
    rank: int
    alarms: int
    unacknowledged: int
    critical: int
    high: int
    medium: int
    low: int
    aside: int
    sensors: int
    silent: int
    unusable: int
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """An alarm that is not normal; ``value`` and ``set_point`` are in ``unit``, ``age`` is seconds since it was raised.

    Fields alarm state rank priority severity condition availability acknowledgement stands value unit set_point
    raised_at age occurrence version acknowledged_by why until (end of a shelving, ms; 0: none) first_up chattering
    group location source, and sensor_zh/en site_zh/en quantity_zh/en limit_zh/en clause_zh/en.
    """

    zone: str
    site: str
    sensor: str
    quantity: str
    limit: str
    alarm: str
    state: str
    rank: int
    priority: str
    severity: str
    condition: str
    availability: str
    acknowledgement: str
    stands: bool
    value: float | None
    unit: str
    set_point: float | None
    raised_at: int
    age: int
    occurrence: int
    version: int
    acknowledged_by: str
    why: str
    until: int
    first_up: bool
    chattering: bool
    group: str
    location: str
    source: str
    sensor_names: Names
    site_names: Names
    quantity_names: Names
    limit_names: Names
    clause: Names


@dataclass(frozen=True, slots=True)
class SetPointInForce:
    """A set-point that holds for a series now: fields at unit shown shown_unit side kind rank source, name_zh/en ...

    ``at`` is in the quantity's canonical ``unit`` (of a rate: per minute; of a budget: kg), as readings and means are
    stored; ``shown`` in ``shown_unit`` is the law's own number.
    """

    zone: str
    site: str
    sensor: str
    quantity: str
    location: str
    limit: str
    severity: str
    span: str
    at: float
    unit: str
    shown: float
    shown_unit: str
    side: str
    kind: str
    rank: int
    source: str
    names: Names
    clause: Names


@dataclass(frozen=True, slots=True)
class Named:
    r"""What a variable of a dashboard shows for a name: tags zh and en hold ``text|id``; field unit (may be empty).

    ``kind`` is zone, site, sensor, quantity, limit, location, enterprise, flow-kind or flow. A variable reads
    ``SHOW TAG VALUES FROM "named" WITH KEY = "zh" WHERE "kind" = 'site' AND "zone" = '$zone'`` with the regex
    ``/^(?<text>.*)\|(?<value>[^|]*)$/``.
    """

    kind: str
    ident: str
    names: Names
    zone: str = ""
    site: str = ""
    unit: str = ""


Point = SensorState | ZoneState | Standing | SetPointInForce | Named


def encode(point: Point, at: int) -> bytes:
    """Return the line (time in ms) of a point that was true ``at``."""
    match point:
        case SensorState():
            return _sensor(point, at)
        case ZoneState():
            return _zone(point, at)
        case Standing():
            return _standing(point, at)
        case SetPointInForce():
            return _set_point(point, at)
        case Named():
            return _named(point, at)


class PresentStore:
    """Points in InfluxDB, which may be away: :class:`storage.influx.InfluxUnavailable`."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx

    def write(
        self, points: Iterable[Point], at: int, rejected: Callable[[str, str], None], more: Iterable[bytes] = ()
    ) -> None:
        """Write what is true ``at`` (ms), and ``more`` lines; ``rejected(line, reason)`` is called for what is not."""
        lines = [*(encode(point, at) for point in points), *more]
        if lines:
            write_divided(self._influx.write, lines, rejected)


def _sensor(point: SensorState, at: int) -> bytes:
    tags = {**_place(point), names.TAG_LOCATION: point.location}
    fields: dict[str, Field] = {
        "rank": point.rank,
        "look": int(point.look),
        "state": point.state,
        "quality": point.quality,
        "alarms": point.alarms,
        "unacknowledged": point.unacknowledged,
        "aside": point.aside,
        "lat": point.latitude,
        "lon": point.longitude,
        "placed": point.placed,
        "seen": point.seen,
        **_words("name", point.names),
        **_words("site", point.site_names),
        **_words("worst", point.worst),
    }
    return line(names.STATE, tags, fields, at)


def _zone(point: ZoneState, at: int) -> bytes:
    counts = ("rank", "alarms", "unacknowledged", "critical", "high", "medium", "low", "aside", "sensors", "silent")
    fields: dict[str, Field] = {name: getattr(point, name) for name in (*counts, "unusable")}
    fields |= {"lat": point.latitude, "lon": point.longitude, **_words("name", point.names)}
    return line(names.ZONE_STATE, {names.TAG_ZONE: point.zone}, fields, at)


_STANDING = (
    *("alarm", "state", "rank", "priority", "severity", "condition", "availability", "acknowledgement", "stands"),
    *("value", "unit", "set_point", "raised_at", "age", "occurrence", "version", "acknowledged_by", "why", "until"),
    *("first_up", "chattering", "group", "location", "source"),
)


def _standing(point: Standing, at: int) -> bytes:
    tags = {**_place(point), names.TAG_QUANTITY: point.quantity, names.TAG_LIMIT: point.limit}
    fields: dict[str, Field] = {name: getattr(point, name) for name in _STANDING}
    fields |= {
        **_words("sensor", point.sensor_names),
        **_words("site", point.site_names),
        **_words("quantity", point.quantity_names),
        **_words("limit", point.limit_names),
        **_words("clause", point.clause),
    }
    return line(names.STANDING, tags, fields, at)


def _set_point(point: SetPointInForce, at: int) -> bytes:
    tags = {
        **_place(point),
        names.TAG_QUANTITY: point.quantity,
        names.TAG_LOCATION: point.location,
        names.TAG_LIMIT: point.limit,
        names.TAG_SEVERITY: point.severity,
        names.TAG_SPAN: point.span,
    }
    plain = ("at", "unit", "shown", "shown_unit", "side", "kind", "rank", "source")
    fields: dict[str, Field] = {name: getattr(point, name) for name in plain}
    fields |= {**_words("name", point.names), **_words("clause", point.clause)}
    return line(names.SETPOINT, tags, fields, at)


def _named(point: Named, at: int) -> bytes:
    tags = {
        names.TAG_KIND: point.kind,
        names.TAG_ID: point.ident,
        names.TAG_ZONE: point.zone,
        names.TAG_SITE: point.site,
        names.TAG_ZH: f"{_single(point.names.zh)}|{point.ident}",
        names.TAG_EN: f"{_single(point.names.en)}|{point.ident}",
    }
    return line(names.NAMED, tags, {"unit": point.unit, **_words("name", point.names)}, at)


def _place(point: SensorState | Standing | SetPointInForce) -> dict[str, str]:
    return {names.TAG_ZONE: point.zone, names.TAG_SITE: point.site, names.TAG_SENSOR: point.sensor}


def _words(prefix: str, text: Names) -> dict[str, Field]:
    # Fields of these names are no tags of the same measurement: InfluxDB would tell them apart as name and name_1.
    return {f"{prefix}_zh": text.zh, f"{prefix}_en": text.en}


def _single(text: str) -> str:
    """Return a text as a tag can hold it: in one line, and without the bar that parts it from what follows."""
    return " ".join(text.replace("|", "/").split()).replace("\\", "/")
