"""From plain parsed configuration to a :class:`~park.catalogue.Catalogue`, or to everything that is wrong with it.

Documents are what the YAML files hold, by their path in the configuration folder. Rows are first checked for their
shape one by one (:mod:`park.rows`), then against each other. A row that is wrong never makes another one wrong:
names count as known as soon as they are written down.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from park import alerts_building, oncall_building, rows, suppression_building, units
from park.catalogue import Alerts, Catalogue, OnCall, Settings, Site, Zone
from park.documents import GUIDANCE, LIMITS, PARK, QUANTITIES, UNREADABLE, ZONES, AnyName, Documents, names_of
from park.limits import Guidance, Kind, Limit, Match, SetPoint, Side
from park.quantities import Quantity
from park.relations import Suppression
from park.rows import Path, Problem, shortened, suggestion
from park.words import Location

# Words that claim the force of law, unless the text says at once that it has none.
_CLAIMS = re.compile(
    r"(?<!not a )(?<!not the )(?<!no )\b(?:legal|statutory|regulatory|mandatory) (?:limit|requirement)"
    r"|(?<!非)(?<!无)(?<!不是)(?:法定|强制性?|国家)(?:限值|标准限值)",
    re.IGNORECASE,
)
_SEVERITIES = {Side.HIGH: ("high", "high-high"), Side.LOW: ("low", "low-low")}


@dataclasses.dataclass
class _Building(Documents):
    """What has been read so far."""

    zones: dict[str, Zone] = dataclasses.field(default_factory=dict)
    quantities: dict[str, Quantity] = dataclasses.field(default_factory=dict)
    guidances: dict[str, Guidance] = dataclasses.field(default_factory=dict)
    limits: dict[str, Limit] = dataclasses.field(default_factory=dict)
    replaces: dict[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    replaced_at: dict[str, Path] = dataclasses.field(default_factory=dict)
    limit_paths: dict[str, Path] = dataclasses.field(default_factory=dict)


def build(documents: Mapping[str, Any]) -> tuple[Catalogue | None, list[Problem]]:
    """Return the catalogue that ``documents`` describe, or ``None`` and every problem they have."""
    building = _Building(documents)
    for required in (ZONES, QUANTITIES):
        if required not in documents:
            building.report((required,), f"{required} is missing; docs/configuration.md shows what it holds")
    if not any(name.startswith(LIMITS) for name in documents):
        building.report(
            (f"{LIMITS}*.yaml",), "no file with limits, so nothing would ever alarm; if you mean it: 'limits: []'"
        )
    _zones(building)
    _quantities(building)
    _guidances(building)
    _limits(building)
    alerts, oncall, settings = alerts_building.alerts(building), oncall_building.oncall(building), _settings(building)
    rules = suppression_building.suppressions(building, building.limits, building.limit_paths)
    if building.problems or settings is None:
        return None, building.problems
    return _catalogue(building, alerts, oncall, settings, rules), []


def _catalogue(
    building: _Building, alerts: Alerts, oncall: OnCall, settings: Settings, rules: tuple[Suppression, ...]
) -> Catalogue:
    limits = tuple(building.limits.values())
    content = (building.zones, building.quantities, limits, sorted(building.replaces), alerts, oncall, settings, rules)
    replaces = {name: sorted(others) for name, others in building.replaces.items()}
    return Catalogue(
        zones=building.zones,
        quantities=building.quantities,
        limits=limits,
        replaces=building.replaces,
        alerts=alerts,
        settings=settings,
        version=_hash((*content, replaces)),
        oncall=oncall,
        suppressions=rules,
    )


def _hash(content: object) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:8]


# --- zones -------------------------------------------------------------------------------------------------


def _zones(building: _Building) -> None:
    for name, value in building.table(ZONES, "zones").items():
        path: Path = (ZONES, "zones", name)
        building.check_segment(path, name)
        row = building.shape(rows.ZoneRow, value, path)
        sites = _sites(building, value, path)
        if row:
            building.zones[name] = Zone(name, names_of(row.names), row.shards, sites)
    if building.documents.get(ZONES) == {"zones": {}}:
        building.report((ZONES, "zones"), "no zone is configured; write at least one")


def _sites(building: _Building, zone: object, path: Path) -> dict[str, Site]:
    raw = zone.get("sites") if isinstance(zone, dict) else None
    sites = {}
    for name, value in raw.items() if isinstance(raw, dict) else ():
        building.check_segment((*path, "sites", name), name)
        row = building.shape(rows.SiteRow, value, (*path, "sites", name))
        if row:
            sites[name] = Site(name, names_of(row.names), row.latitude, row.longitude)
    return sites


def _known_sites(building: _Building, zones: Collection[str]) -> frozenset[str]:
    """Return the sites of ``zones`` (of all, if empty)."""
    content = building.documents.get(ZONES)
    table = content.get("zones") if isinstance(content, dict) else None
    if not isinstance(table, dict):
        return AnyName()
    chosen = (zone for name, zone in table.items() if not zones or name in zones)
    sites = (zone.get("sites") for zone in chosen if isinstance(zone, dict))
    return frozenset(name for table in sites if isinstance(table, dict) for name in table)


# --- quantities --------------------------------------------------------------------------------------------


def _quantities(building: _Building) -> None:
    codes: dict[str, str] = {}
    for name, value in building.table(QUANTITIES, "quantities").items():
        path: Path = (QUANTITIES, "quantities", name)
        building.check_segment(path, name)
        row = building.shape(rows.QuantityRow, value, path)
        if row:
            quantity = _quantity(name, row)
            building.problems += _quantity_problems(quantity, path)
            building.problems += _code_problems(quantity, codes, path)
            building.quantities[name] = quantity


def _quantity(name: str, row: rows.QuantityRow) -> Quantity:
    plain = row.model_dump(exclude={"names", "sentinels", "hj212", "hazards"})
    quantity = Quantity(
        name=name, names=names_of(row.names), hj212=tuple(row.hj212), hazards=tuple(row.hazards), **plain
    )
    if row.sentinels is None:
        return quantity
    return msgspec.structs.replace(quantity, sentinels=tuple(row.sentinels))


def _quantity_problems(quantity: Quantity, path: Path) -> Iterator[Problem]:
    if units.normalise(quantity.unit) not in units.known_units():
        known = units.known_units()
        yield Problem((*path, "unit"), f"unknown unit {quantity.unit!r}; {suggestion(quantity.unit, known)}")
    if quantity.minimum >= quantity.maximum:
        yield Problem(
            (*path, "maximum"),
            f"maximum {quantity.maximum:g} is not above minimum {quantity.minimum:g}; write the smaller as minimum",
        )
    believable = [value for value in quantity.sentinels if quantity.minimum <= value <= quantity.maximum]
    if believable:
        yield Problem(
            (*path, "sentinels"),
            f"{believable[0]:g} is within minimum and maximum, but would be taken for a missing value; write sentinels "
            f"that can't be measured, such as [-999, -9999], or a narrower range",
        )


def _code_problems(quantity: Quantity, codes: dict[str, str], path: Path) -> Iterator[Problem]:
    for index, code in enumerate(quantity.hj212):
        other = codes.setdefault(code, quantity.name)
        if other != quantity.name:
            yield Problem((*path, "hj212", index), f"HJ 212 code {code} belongs to {other!r} already; write it once")


# --- guidance ----------------------------------------------------------------------------------------------


def _guidances(building: _Building) -> None:
    for name, value in building.table(GUIDANCE, "guidance").items():
        path: Path = (GUIDANCE, "guidance", name)
        building.check_segment(path, name)
        row = building.shape(rows.GuidanceRow, value, path)
        if row:
            building.guidances[name] = _guidance(row)


def _guidance(row: rows.GuidanceRow) -> Guidance:
    within = max(1, row.respond_within // 1000)
    return Guidance(names_of(row.cause), names_of(row.consequence), names_of(row.response), within)


def _guidance_of(building: _Building, value: object, path: Path) -> Guidance | None:
    if isinstance(value, dict):
        row = building.shape(rows.GuidanceRow, value, path)
        return _guidance(row) if row else None
    known = building.known(GUIDANCE, "guidance")
    if not isinstance(value, str):
        building.report(path, f"{shortened(value)} is no guidance; write the name of a block in {GUIDANCE}, or a block")
    elif value not in known:
        building.report(path, f"no guidance {value!r} in {GUIDANCE}; {suggestion(value, known)}")
    return building.guidances.get(value) if isinstance(value, str) else None


# --- limits ------------------------------------------------------------------------------------------------


def _limits(building: _Building) -> None:
    for document in sorted(name for name in building.documents if name.startswith(LIMITS)):
        for index, value in enumerate(building.rows(document, "limits")):
            path: Path = (document, "limits", index)
            _claim_id(building, value, path)
            row = building.shape(rows.LimitRow, value, path)
            if row:
                _limit(building, row, path)
    _replacements(building)


def _claim_id(building: _Building, value: object, path: Path) -> None:
    name = value.get("id") if isinstance(value, dict) else None
    if not isinstance(name, str):
        return
    first = building.limit_paths.setdefault(name, path)
    if first != path:
        building.report((*path, "id"), f"the id {name!r} is taken in {first[0]}; write another, such as '{name}-2'")


def _limit(building: _Building, row: rows.LimitRow, path: Path) -> None:
    """Check ``row`` on its own and against the rest, and keep it as a limit if nothing was found."""
    before = len(building.problems)
    guidance = _guidance_of(building, row.guidance, (*path, "guidance"))
    _check_match(building, row.match, (*path, "match"))
    building.problems += _date_problems(row, path)
    building.problems += _claim_problems(row, path)
    check = _threshold if row.kind is Kind.THRESHOLD else _quality
    measures = check(building, row, path)
    building.replaces |= {row.id: frozenset(row.replaces)} if row.replaces else {}
    building.replaced_at[row.id] = (*path, "replaces")
    if len(building.problems) == before and guidance and measures:
        building.limits[row.id] = _versioned(row, guidance, measures)


@dataclasses.dataclass(frozen=True)
class _Measures:
    """The part of a limit that depends on its kind, in the canonical unit."""

    side: Side
    set_points: tuple[SetPoint, ...]
    deadband: float
    unit: str
    shown_per_canonical: float


def _versioned(row: rows.LimitRow, guidance: Guidance, measures: _Measures) -> Limit:
    limit = Limit(
        id=row.id,
        kind=row.kind,
        names=names_of(row.names),
        match=_match(row.match),
        side=measures.side,
        set_points=measures.set_points,
        deadband=measures.deadband,
        on_delay=row.on_delay,
        off_delay=row.off_delay,
        unit=measures.unit,
        source=row.source,
        clause=names_of(row.clause),
        provenance=row.provenance,
        version="",
        guidance=guidance,
        shown_per_canonical=measures.shown_per_canonical,
        valid_from=_midnight(row.valid_from) if row.valid_from else None,
        valid_to=_midnight(row.valid_to + dt.timedelta(days=1)) if row.valid_to else None,
        latching=row.latching,
        re_alarm=row.re_alarm,
        re_alarm_most=row.re_alarm_most,
        group=row.group or "",
    )
    return msgspec.structs.replace(limit, version=_hash(limit))


def _match(row: rows.MatchRow) -> Match:
    return Match(tuple(row.quantities), tuple(row.locations), tuple(row.zones), tuple(row.sites), tuple(row.sensors))


def _midnight(day: dt.date) -> int:
    return round(dt.datetime.combine(day, dt.time(), rows.CHINA).timestamp() * 1000)


def _check_match(building: _Building, match: rows.MatchRow, path: Path) -> None:
    zones = building.known(ZONES, "zones")
    building.unknown((*path, "quantities"), "quantity", match.quantities, building.known(QUANTITIES, "quantities"))
    building.unknown((*path, "zones"), "zone", match.zones, zones)
    building.unknown((*path, "sites"), "site", match.sites, _known_sites(building, match.zones))


def _date_problems(row: rows.LimitRow, path: Path) -> Iterator[Problem]:
    if row.valid_from and row.valid_to and row.valid_from > row.valid_to:
        yield Problem(
            (*path, "valid_from"),
            f"valid_from {row.valid_from} is after valid_to {row.valid_to}; write the first and the last day in force",
        )


def _claim_problems(row: rows.LimitRow, path: Path) -> Iterator[Problem]:
    if row.provenance != "unverified":
        return
    texts: dict[Path, str] = {
        ("names", "zh"): row.names.zh,
        ("names", "en"): row.names.en,
        ("source",): row.source,
        ("clause", "zh"): row.clause.zh,
        ("clause", "en"): row.clause.en,
    }
    for key, text in texts.items():
        claim = _CLAIMS.search(text)
        if claim:
            yield Problem(
                (*path, *key),
                f"an unverified number is called {claim[0]!r}; write 'suggested' (建议), "
                f"or check it against the source and write provenance: verified",
            )


def _replacements(building: _Building) -> None:
    for name, others in building.replaces.items():
        path = building.replaced_at[name]
        building.unknown(path, "limit", sorted(others), building.limit_paths)
        if name in others or any(name in building.replaces.get(other, ()) for other in others):
            building.report(path, f"{name!r} is replaced by what it replaces, so neither would alarm; write it one way")


# --- quality limits ----------------------------------------------------------------------------------------


def _quality(building: _Building, row: rows.LimitRow, path: Path) -> _Measures:
    for key in ("side", "unit", "deadband"):
        if getattr(row, key) is not None:
            building.report((*path, key), f"a quality limit has no {key!r}; leave it out")
    for index, point in enumerate(row.set_points):
        here: Path = (*path, "set_points", index)
        if point.at is not None:
            building.report((*here, "at"), "a quality limit compares no value; leave 'at' out")
        if point.severity != "bad" or index:
            building.report((*here, "severity"), "a quality limit has one set-point; write severity: bad")
    points = tuple(SetPoint(point.severity, 0.0, point.priority) for point in row.set_points)
    return _Measures(Side.HIGH, points, 0.0, "", 1.0)


# --- threshold limits --------------------------------------------------------------------------------------


def _threshold(building: _Building, row: rows.LimitRow, path: Path) -> _Measures | None:
    """Check a threshold row and return its numbers in the canonical unit; ``None`` if that can't be done."""
    side, deadband = row.side, row.deadband
    if side is None:
        building.report((*path, "side"), "'side' is missing; write side: high or side: low")
    if deadband is None:
        building.report((*path, "deadband"), "'deadband' is missing; write deadband: 0.5 (in the row's unit), or 0")
    if not row.match.quantities:
        building.report((*path, "match"), "a threshold needs its quantities; write match: {quantities: [...]}")
    if side is None or deadband is None or not row.match.quantities:
        return None
    building.problems += _point_problems(row, side, path)
    conversion = _conversion(building, row, path)
    points = [(point.severity, point.at, point.priority) for point in row.set_points if point.at is not None]
    if conversion is None or len(points) != len(row.set_points):
        return None
    unit = row.unit or building.quantities[row.match.quantities[0]].unit
    set_points = tuple(SetPoint(name, conversion.canonical(at), priority) for name, at, priority in points)
    measures = _Measures(side, set_points, conversion.difference(deadband), unit, 1 / conversion.factor)
    for name in row.match.quantities:
        building.problems += _reach_problems(building.quantities[name], measures, conversion, path)
    return measures


def _point_problems(row: rows.LimitRow, side: Side, path: Path) -> Iterator[Problem]:
    """Yield what is wrong with the set-points among themselves: mildest first, then further out and more urgent."""
    expected = _SEVERITIES[side]
    for index, point in enumerate(row.set_points):
        here: Path = (*path, "set_points", index)
        if point.at is None:
            yield Problem((*here, "at"), "'at' is missing; write the value of the set-point, such as at: 10")
        if point.severity not in expected:
            names = " then ".join(expected)
            yield Problem((*here, "severity"), f"{point.severity!r} is not on side {side.value}; write {names}")
    if len(row.set_points) > 1:
        yield from _order_problems(row, side, path)


def _order_problems(row: rows.LimitRow, side: Side, path: Path) -> Iterator[Problem]:
    mild, severe = row.set_points
    here: Path = (*path, "set_points", 1)
    if (mild.severity, severe.severity) == _SEVERITIES[side][::-1] or mild.severity == severe.severity:
        names = " then ".join(_SEVERITIES[side])
        yield Problem((*here, "severity"), f"severities out of order; write the mildest first: {names}")
    if mild.at is not None and severe.at is not None and not _beyond(severe.at, mild.at, side):
        word = "above" if side is Side.HIGH else "below"
        yield Problem(
            (*here, "at"),
            f"{severe.severity} at {severe.at:g} is not {word} {mild.severity} at {mild.at:g}; "
            f"write set-points mildest first, each {word} the one before",
        )
    if severe.priority.rank > mild.priority.rank:
        yield Problem(
            (*here, "priority"),
            f"the severer set-point is less urgent ({severe.priority.value}) than the milder one "
            f"({mild.priority.value}); write {mild.priority.value} or more urgent",
        )


def _beyond(value: float, other: float, side: Side) -> bool:
    return value > other if side is Side.HIGH else value < other


def _conversion(building: _Building, row: rows.LimitRow, path: Path) -> units.Conversion | None:
    """Return the one way from the row's unit to the canonical unit of all that it matches, or report why not."""
    quantities = [building.quantities.get(name) for name in row.match.quantities]
    if any(x is None or units.normalise(x.unit) not in units.known_units() for x in quantities):
        return None  # reported where the quantity stands, or as an unknown quantity
    here: Path = (*path, "unit") if row.unit else (*path, "match", "quantities")
    try:
        found = {
            (x.unit, units.conversion(x, row.unit, location)): location
            for x in quantities
            if x
            for location in row.match.locations or Location
        }
    except units.UnknownUnit as error:
        building.report(here, str(error).replace("; send ", "; write "))
        return None
    conversions = {conversion for _, conversion in found}
    if len(conversions) > 1 or (row.unit is None and len(found) > 1):
        building.report(here, _ambiguous(row, sorted({unit for unit, _ in found})))
        return None
    conversion = conversions.pop()
    if conversion.shift:
        building.report(here, f"a limit can't be written in {row.unit}, whose zero lies elsewhere; write it in °C")
        return None
    return conversion


def _ambiguous(row: rows.LimitRow, canonical: list[str]) -> str:
    if row.unit is None:
        return f"the quantities have different units ({', '.join(canonical)}); write one row for each unit"
    locations = ", ".join(location.value for location in row.match.locations) or "any location"
    return (
        f"{row.unit} is not one number in {canonical[0]} for {', '.join(row.match.quantities)} at {locations}: gas "
        f"refers to 0 °C on a stack, 20 °C at a workplace, 25 °C in ambient air and at the fenceline; write one row "
        f"for each quantity and kind of place, or write the limit in {canonical[0]}"
    )


def _reach_problems(
    quantity: Quantity, measures: _Measures, conversion: units.Conversion, path: Path
) -> Iterator[Problem]:
    """Yield set-points that no believable value of ``quantity`` passes, and deadbands that none of them leaves."""
    high = measures.side is Side.HIGH
    far, near = (quantity.maximum, quantity.minimum) if high else (quantity.minimum, quantity.maximum)

    def shown(value: float) -> str:
        return f"{conversion.sent(value):g} {measures.unit}"

    for index, point in enumerate(measures.set_points):
        if not _beyond(far, point.at, measures.side):
            yield Problem(
                (*path, "set_points", index, "at"),
                f"{quantity.name} is believable only up to {shown(far)}, so {shown(point.at)} is never passed; "
                f"write a value within, or widen the quantity's range in {QUANTITIES}",
            )
    mildest = measures.set_points[0].at
    if not _beyond(near, mildest, measures.side) and abs(mildest - near) < measures.deadband:
        yield Problem(
            (*path, "deadband"),
            f"the deadband is so wide that the alarm never clears: {quantity.name} ends at {shown(near)}; "
            f"write at most {conversion.sent(abs(mildest - near)):g}",
        )


# --- settings ----------------------------------------------------------------------------------------------


def _settings(building: _Building) -> Settings | None:
    content = building.documents.get(PARK, {})
    if content is UNREADABLE:
        return None
    row = building.shape(rows.SettingsRow, content, (PARK,))
    return Settings(**row.model_dump()) if row else None
