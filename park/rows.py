"""The shapes of the configuration's rows (pydantic), and what to say about a row that has another shape.

Every field carries an example: a message about it tells what to write instead.
"""

from __future__ import annotations

import datetime as dt
import difflib
import ipaddress
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field

from park.limits import Kind, Period, Side
from park.statistics import Statistic
from park.words import Location, Priority

SEGMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|min|h|d)")
_UNITS_MS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST = 366 * _UNITS_MS["d"]
_DAY = re.compile(r"((?:19|2\d)\d\d)-(\d\d)-(\d\d)")
_QUOTED = 60
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"(?=.{1,253}$)(?i:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.(?i:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?))*")
_NUMBERS = re.compile(r"[\d.]+")
_CLAUSE_NUMBER = r"(?:[A-Z]\.?)?\d+(?:[.-]\d+)*[a-z]?(?: ?\([a-z\d]{1,3}\))*"
_CLAUSE_NUMBERS = re.compile(rf"{_CLAUSE_NUMBER}(?:, ?{_CLAUSE_NUMBER})*")
_CLAUSE_EXAMPLE = '{zh: "第 4.2 条", en: "section 4.2"}'

# Dates in Chinese law are Chinese days.
CHINA = dt.timezone(dt.timedelta(hours=8))

Path = tuple[str | int, ...]


def segment(value: object) -> str:
    """Check a name that becomes part of a topic or an id; raises ``ValueError``."""
    if isinstance(value, str) and SEGMENT.fullmatch(value):
        return value
    raise ValueError(
        f"{shortened(value)} is not a name; write 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit"
        + _suggested_segment(value)
    )


def _suggested_segment(value: object) -> str:
    candidate = re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-")[:63]
    return f", such as {candidate!r}" if candidate else ""


def duration(value: object) -> int:
    """Return the ms of a text like ``30s``, ``5min`` or ``2h``; raises ``ValueError``."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found:
        return _bounded(float(found[1]) * _UNITS_MS[found[2]])
    if value == 0 and not isinstance(value, bool):
        return 0
    raise ValueError(
        f"{shortened(value)} is not a duration; write a number with ms, s, min, h or d, such as 30s, 5min or 2h"
    )


def _bounded(milliseconds: float) -> int:
    if milliseconds > _LONGEST:
        raise ValueError("longer than a year; write at most 366d")
    return round(milliseconds)


def day(value: object) -> dt.date:
    """Return the day of a text like ``2026-03-01``; raises ``ValueError``."""
    found = _DAY.fullmatch(value) if isinstance(value, str) else None
    try:
        return dt.date(*map(int, found.groups())) if found else _no_day(value)
    except ValueError:
        return _no_day(value)


def _no_day(value: object) -> dt.date:
    raise ValueError(f"{shortened(value)} is not a day from 1900 to 2999; write year-month-day, such as 2026-03-01")


def environment_name(value: object) -> str:
    """Check the name of an environment variable; raises ``ValueError``."""
    if isinstance(value, str) and _ENVIRONMENT.fullmatch(value):
        return value
    raise ValueError(f"{shortened(value)} can't name an environment variable; write one such as DUTY_CHAT_URL")


def target(value: object) -> str:
    """Check what a webhook may call: a network or address, or a host name; raises ``ValueError``."""
    if isinstance(value, str) and _HOST.fullmatch(value) and not _NUMBERS.fullmatch(value):
        return value.lower()
    return _network(value)


def _network(value: object) -> str:
    example = "write a network such as 10.20.0.0/16, or a host name such as hooks.example.org"
    try:
        network = ipaddress.ip_network(value if isinstance(value, str) else "", strict=False)
    except ValueError:
        raise ValueError(f"{shortened(value)} is neither a network nor a host name; {example}") from None
    if "/" in str(value) and ipaddress.ip_interface(str(value)).ip != network.network_address:
        raise ValueError(f"{shortened(value)} is an address within its network; write {network}, or the address alone")
    return str(network)


Segment = Annotated[str, BeforeValidator(segment)]
Target = Annotated[str, BeforeValidator(target)]
Duration = Annotated[int, BeforeValidator(duration)]
Day = Annotated[dt.date, BeforeValidator(day)]
EnvironmentName = Annotated[str, BeforeValidator(environment_name)]
Text = Annotated[str, Field(min_length=1, max_length=4000)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Row(pydantic.BaseModel):
    """What all rows have in common: no surplus keys, and numbers that are numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NamesRow(Row):
    """A text in both languages."""

    zh: Text = Field(examples=["氟化氢泄漏"])
    en: Text = Field(examples=["hydrogen fluoride leak"])


_NAMES = Field(examples=["{zh: 氟化氢, en: hydrogen fluoride}"])


def clause(value: object) -> object:
    """Take a plain clause number for both languages; raises ``ValueError`` for plain words and for YAML numbers."""
    if isinstance(value, str) and _CLAUSE_NUMBERS.fullmatch(value):
        return {"zh": value, "en": value}
    refusal = _clause_refusal(value)
    if refusal:
        raise ValueError(refusal)
    return value


def _clause_refusal(value: object) -> str:
    """Return what is wrong with a plain clause; a YAML number may have lost digits, so it is not taken for a text."""
    if isinstance(value, str):
        return (
            f"{shortened(value)} is in one language; write the clause in both, such as clause: {_CLAUSE_EXAMPLE}, "
            f"or only its number, such as clause: '5.5.2'"
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value} is a number, in which 5.10 is 5.1; write a clause number in quotes: clause: '5.5.2'"
    return ""


Clause = Annotated[NamesRow, BeforeValidator(clause)]


_POLYGON_EXAMPLE = "[[31.79, 120.79], [31.81, 120.79], [31.80, 120.81]]"
_LEAST_CORNERS = 3
_MOST_LATITUDE, _MOST_LONGITUDE = 90, 180


def polygon(value: object) -> list[tuple[float, float]]:
    """Return the corners (latitude, longitude) of a polygon, without the last one if it is the first again.

    Raises ``ValueError``.
    """
    corners = [_corner(each) for each in value] if isinstance(value, list) else []
    if corners and corners[0] == corners[-1]:
        corners.pop()
    if len(corners) < _LEAST_CORNERS:
        raise ValueError(f"{shortened(value)} is no polygon; write three or more corners, such as {_POLYGON_EXAMPLE}")
    return corners


def _corner(value: object) -> tuple[float, float]:
    match value:
        case [int() | float() as latitude, int() | float() as longitude] if (
            abs(latitude) <= _MOST_LATITUDE and abs(longitude) <= _MOST_LONGITUDE
        ):
            return float(latitude), float(longitude)
    raise ValueError(
        f"{shortened(value)} is no corner; write [latitude, longitude] in degrees, such as [31.79, 120.79]"
    )


Polygon = Annotated[list[tuple[float, float]], BeforeValidator(polygon)]


class SiteRow(Row):
    """A site in ``zones.yaml``."""

    names: NamesRow = _NAMES
    latitude: float = Field(ge=-90, le=90, examples=["31.81"])
    longitude: float = Field(ge=-180, le=180, examples=["120.80"])
    area: Polygon = Field(default=[], examples=[_POLYGON_EXAMPLE])


class ZoneRow(Row):
    """A zone in ``zones.yaml``; its sites are looked at one by one."""

    names: NamesRow = _NAMES
    shards: int = Field(default=1, ge=1, le=64, examples=["1"])
    sites: dict[str, Any] = Field(examples=["{tank-farm: {...}}"])
    outline: Polygon = Field(default=[], examples=[_POLYGON_EXAMPLE])


class QuantityRow(Row):
    """A row of ``quantities.yaml``."""

    names: NamesRow = _NAMES
    unit: Text = Field(examples=["mg/m3"])
    location: Location = Field(strict=False, examples=["workplace"])
    minimum: Number = Field(examples=["0"])
    maximum: Number = Field(examples=["100"])
    sentinels: list[Number] | None = Field(default=None, examples=["[-999, -9999]"])
    molar_mass: Annotated[float, Field(gt=0, le=1000)] | None = Field(default=None, examples=["34.081"])
    lel: Annotated[float, Field(gt=0, le=100)] | None = Field(default=None, examples=["4.0"])
    hj212: list[Text] = Field(default=[], examples=["[a21028]"])
    hazards: list[Text] = Field(default=[], examples=["[toxic, flammable]"])


class MatchRow(Row):
    """Which series a limit applies to."""

    quantities: list[Segment] = Field(default=[], examples=["[h2s]"])
    locations: list[Annotated[Location, Field(strict=False)]] = Field(default=[], examples=["[workplace]"])
    zones: list[Segment] = Field(default=[], examples=["[riverside]"])
    sites: list[Segment] = Field(default=[], examples=["[tank-farm]"])
    sensors: list[Segment] = Field(default=[], examples=["[t-101]"])


class SetPointRow(Row):
    """One severity of a limit; quality, flatline and vote have no ``at``."""

    severity: Literal["high", "high-high", "low", "low-low", "bad"] = Field(examples=["high"])
    at: Number | None = Field(default=None, examples=["10"])
    priority: Priority = Field(strict=False, examples=["high"])


class GuidanceRow(Row):
    """What the person who is paged needs to know."""

    cause: NamesRow = Field(examples=["{zh: ..., en: what usually causes it}"])
    consequence: NamesRow = Field(examples=["{zh: ..., en: what happens if nobody acts}"])
    response: NamesRow = Field(examples=["{zh: ..., en: what to do first}"])
    respond_within: Duration = Field(examples=["5min"])


class LimitRow(Row):
    """A row of ``limits/*.yaml``; ``guidance`` is the name of a block in ``guidance.yaml``, or a block.

    Which keys a row has depends on its kind (:mod:`park.measure_building`).
    """

    id: Segment = Field(examples=["h2s-detector"])
    kind: Kind = Field(strict=False, examples=["threshold"])
    names: NamesRow = _NAMES
    match: MatchRow = Field(examples=["{quantities: [h2s], locations: [workplace]}"])
    side: Side | None = Field(default=None, strict=False, examples=["high"])
    unit: Text | None = Field(default=None, examples=["mg/m3"])
    set_points: list[SetPointRow] = Field(
        min_length=1, max_length=2, examples=["[{severity: high, at: 10, priority: high}]"]
    )
    deadband: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(default=None, examples=["0.5"])
    on_delay: Duration | None = Field(default=None, examples=["2s"])
    off_delay: Duration | None = Field(default=None, examples=["30s"])
    of: Statistic | None = Field(default=None, strict=False, examples=["hour"])
    window: Annotated[Duration, Field(gt=0)] | None = Field(default=None, examples=["10min"])
    per: Literal["min", "h"] | None = Field(default=None, examples=["min"])
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(default=None, examples=["0.01"])
    votes: list[Segment] = Field(default=[], examples=["[hf-detector]"])
    needs: Annotated[int, Field(ge=1, le=100)] | None = Field(default=None, examples=["2"])
    flow: Segment | None = Field(default=None, examples=["flow-water"])
    period: Period | None = Field(default=None, strict=False, examples=["year"])
    source: Text = Field(examples=["GB/T 50493-2019"])
    clause: Clause = Field(examples=[_CLAUSE_EXAMPLE])
    provenance: Literal["verified", "knowledge", "unverified"] = Field(examples=["unverified"])
    valid_from: Day | None = Field(default=None, examples=["2026-03-01"])
    valid_to: Day | None = Field(default=None, examples=["2030-12-31"])
    replaces: list[Segment] = Field(default=[], examples=["[tank-level-high]"])
    laxer: bool = Field(default=False, examples=["true"])
    latching: bool = Field(default=False, examples=["true"])
    re_alarm: Annotated[Duration, Field(gt=0)] | None = Field(default=None, examples=["30min"])
    re_alarm_most: int = Field(default=3, ge=1, le=100, examples=["3"])
    group: Segment | None = Field(default=None, examples=["gas-release"])
    guidance: Any = Field(examples=["toxic-leak"])


class ContactRow(Row):
    """A way to people: a person's contact in ``oncall.yaml``, and the most of a channel."""

    name: Segment = Field(examples=["duty-chat"])
    kind: Literal["apprise", "webhook", "terminal"] = Field(examples=["apprise"])
    url: Text | None = Field(default=None, examples=["https://example.org/hook"])
    url_env: EnvironmentName | None = Field(default=None, examples=["DUTY_CHAT_URL"])
    url_file: Text | None = Field(default=None, examples=["/run/secrets/duty-chat"])
    secret_env: EnvironmentName | None = Field(default=None, examples=["DUTY_CHAT_SECRET"])
    secret_file: Text | None = Field(default=None, examples=["/run/secrets/duty-chat-secret"])
    min_priority: Priority = Field(default=Priority.LOW, strict=False, examples=["high"])
    notices: bool = Field(default=True, examples=["true"])
    grouped: bool | None = Field(default=None, examples=["true"])


class ChannelRow(ContactRow):
    """A channel in ``alerts.yaml``."""

    language: Literal["zh", "en"] = Field(default="zh", examples=["zh"])
    zones: list[Segment] = Field(default=[], examples=["[riverside]"])


class DeliveryRow(Row):
    """``delivery`` in ``alerts.yaml``."""

    wait: Duration = Field(default=0, examples=["0s"])
    window: Duration = Field(default=30_000, examples=["30s"])
    flood_begins: int = Field(default=10, ge=1, le=1000, examples=["10"])
    flood_ends: int = Field(default=5, ge=1, le=1000, examples=["5"])
    flood_period: Annotated[Duration, Field(gt=0)] = Field(default=600_000, examples=["10min"])
    flood_summary: Annotated[Duration, Field(gt=0)] = Field(default=120_000, examples=["2min"])
    webhook_targets: list[Target] = Field(default=[], examples=["[10.20.0.0/16, hooks.example.org]"])
    tap_valid: Annotated[Duration, Field(gt=0)] = Field(default=86_400_000, examples=["24h"])


class SettingsRow(Row):
    """``park.yaml``."""

    late_after: Annotated[Duration, Field(gt=0)] = Field(default=120_000, examples=["120s"])
    interval: Annotated[Duration, Field(gt=0)] = Field(default=60_000, examples=["60s"])
    stale_after_intervals: float = Field(default=3.0, ge=1, le=1000, examples=["3"])
    quarantine_size: int = Field(default=10_000, ge=1, le=1_000_000, examples=["10000"])
    shelve_at_most: Annotated[Duration, Field(gt=0)] = Field(default=28_800_000, examples=["8h"])


class Problem(typing.NamedTuple):
    """Something in the configuration that must change; ``path`` begins with the document's name."""

    path: Path
    message: str


def shortened(value: object) -> str:
    """Return ``value`` as a message may quote it."""
    text = repr(value)
    return text if len(text) <= _QUOTED else text[:_QUOTED] + "..."


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return what ``word`` was probably meant to be, as the end of a message."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"write one of {', '.join(names)}" if names else "none is configured"


def shape_problems(model: type[Row], error: pydantic.ValidationError, path: Path) -> list[Problem]:
    """Return pydantic's complaints about a row at ``path``, each with what to write instead."""
    problems = (_shape_problem(model, detail["loc"], detail) for detail in error.errors(include_url=False))
    return [Problem((*path, *location), message) for location, message in problems]


def _shape_problem(model: type[Row], location: Path, detail: Mapping[str, Any]) -> tuple[Path, str]:
    fields = _fields(model, location[:-1])
    key = next((part for part in reversed(location) if isinstance(part, str)), "")
    example = _example(fields or _fields(model, location[: location.index(key)] if key else ()), key)
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return location, f"{key!r} is missing; write {key}: {example}"
    if kind == "extra_forbidden":
        comma = "; a text with a comma in it needs quotes" if value is None else ""
        return location, f"unknown key {key!r}; {suggestion(key, fields)}{comma}"
    if kind == "value_error":
        return location, str(context["error"])
    if value is None:
        return location, f"{key!r} is empty; write {key}: {example}"
    if kind in {"enum", "literal_error"}:
        return location, f"{shortened(value)} is not a {key}; {suggestion(str(value), _choices(context['expected']))}"
    return (
        location,
        f"{key!r} can't be {shortened(value)} ({_lower(detail['msg'])}); write for example {key}: {example}",
    )


def _fields(model: type[Row], location: Sequence[str | int]) -> Mapping[str, pydantic.fields.FieldInfo]:
    """Return the fields of the row that ``location`` (within ``model``) leads to."""
    current = model
    for part in location:
        field = _by_key(current).get(part) if isinstance(part, str) else None
        current = _row_type(field.annotation) or current if field else current
    return _by_key(current)


def _by_key(model: type[Row]) -> Mapping[str, pydantic.fields.FieldInfo]:
    """Return the fields of a row by the keys that the file has: some are words that Python keeps for itself."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _row_type(annotation: object) -> type[Row] | None:
    if isinstance(annotation, type) and issubclass(annotation, Row):
        return annotation
    return next((row for row in map(_row_type, typing.get_args(annotation)) if row), None)


def _example(fields: Mapping[str, pydantic.fields.FieldInfo], key: str) -> str:
    examples = fields[key].examples if key in fields else None
    return str(examples[0]) if examples else "..."


def _choices(expected: str) -> list[str]:
    return re.findall(r"'([^']*)'", expected)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
