"""From plain parsed configuration to a :class:`~park.catalogue.Catalogue`, or to everything that is wrong with it.

Documents are what the YAML files hold, by their path in the configuration folder. Rows are first checked for their
shape one by one (:mod:`park.rows`), then against each other. A row that is wrong never makes another one wrong:
names count as known as soon as they are written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from park import alerts_building, economy_building, limit_building, oncall_building, rows, suppression_building, units
from park.catalogue import Alerts, Catalogue, OnCall, Settings, Site, Zone
from park.documents import GUIDANCE, LIMITS, PARK, QUANTITIES, UNREADABLE, ZONES, names_of
from park.draft import Draft, fingerprint
from park.economy import Economy
from park.quantities import Quantity
from park.relations import Suppression
from park.rows import Path, Problem, suggestion


def build(documents: Mapping[str, Any]) -> tuple[Catalogue | None, list[Problem]]:
    """Return the catalogue that ``documents`` describe, or ``None`` and every problem they have."""
    building = Draft(documents)
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
    limit_building.limits(building)
    alerts, oncall, settings = alerts_building.alerts(building), oncall_building.oncall(building), _settings(building)
    rules = suppression_building.suppressions(building, building.limits, building.limit_paths)
    circular = economy_building.economy(building)
    if building.problems or settings is None:
        return None, building.problems
    return _catalogue(building, alerts, oncall, settings, rules, circular), []


def _catalogue(
    building: Draft,
    alerts: Alerts,
    oncall: OnCall,
    settings: Settings,
    rules: tuple[Suppression, ...],
    circular: Economy,
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
        version=fingerprint((*content, replaces, circular)),
        oncall=oncall,
        suppressions=rules,
        economy=circular,
    )


# --- zones -------------------------------------------------------------------------------------------------


def _zones(building: Draft) -> None:
    for name, value in building.table(ZONES, "zones").items():
        path: Path = (ZONES, "zones", name)
        building.check_segment(path, name)
        row = building.shape(rows.ZoneRow, value, path)
        sites = _sites(building, value, path)
        if row:
            building.zones[name] = Zone(name, names_of(row.names), row.shards, sites, tuple(row.outline))
    if building.documents.get(ZONES) == {"zones": {}}:
        building.report((ZONES, "zones"), "no zone is configured; write at least one")


def _sites(building: Draft, zone: object, path: Path) -> dict[str, Site]:
    raw = zone.get("sites") if isinstance(zone, dict) else None
    sites = {}
    for name, value in raw.items() if isinstance(raw, dict) else ():
        building.check_segment((*path, "sites", name), name)
        row = building.shape(rows.SiteRow, value, (*path, "sites", name))
        if row:
            sites[name] = Site(name, names_of(row.names), row.latitude, row.longitude, tuple(row.area))
    return sites


# --- quantities --------------------------------------------------------------------------------------------


def _quantities(building: Draft) -> None:
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


def _guidances(building: Draft) -> None:
    for name, value in building.table(GUIDANCE, "guidance").items():
        path: Path = (GUIDANCE, "guidance", name)
        building.check_segment(path, name)
        row = building.shape(rows.GuidanceRow, value, path)
        if row:
            building.guidances[name] = limit_building.guidance(row)


# --- settings ----------------------------------------------------------------------------------------------


def _settings(building: Draft) -> Settings | None:
    content = building.documents.get(PARK, {})
    if content is UNREADABLE:
        return None
    row = building.shape(rows.SettingsRow, content, (PARK,))
    return Settings(**row.model_dump()) if row else None
