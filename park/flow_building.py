"""From ``enterprises.yaml`` and ``flows.yaml`` to what is known of streams, or to everything that is wrong with it.

Both files are optional: a park without them has no enterprises and no flows.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Annotated

from pydantic import BeforeValidator, Field

from park import rows, units
from park.documents import ENTERPRISES, FLOWS, QUANTITIES, ZONES, AnyName, names_of
from park.draft import Draft
from park.flows import OUTSIDE, Class, Enterprise, Flow, FlowKind, Reads, Replacement, SiteBalance, Stock
from park.quantities import Quantity
from park.readings import split_series
from park.rows import CHINA, NamesRow, Number, Path, Problem, Row, Segment, Text, shortened, suggestion

_WALL = re.compile(r"(2\d\d\d-\d\d-\d\d)[T ]([01]\d|2[0-3]):([0-5]\d)")
_SITE = 2
_SERIES = 4
#: What a meter of a rate shows, where that is not called ``<unit>/h``.
_PER_HOUR = {"Wh": "W", "kWh": "kW", "MWh": "MW"}


def site_key(value: object) -> str:
    """Check a place in the park, ``zone/site``; raises ``ValueError``."""
    return _segments(value, _SITE, "a site", "zone/site, such as riverside/eo-plant")


def end_of_flow(value: object) -> str:
    """Check where a flow comes from or goes to: a site, or ``outside``; raises ``ValueError``."""
    if value == OUTSIDE:
        return OUTSIDE
    return _segments(value, _SITE, f"a site or {OUTSIDE!r}", f"zone/site, such as riverside/eo-plant, or {OUTSIDE}")


def series_name(value: object) -> str:
    """Check a series, ``zone/site/sensor/quantity``; raises ``ValueError``."""
    form = "zone/site/sensor/quantity, such as riverside/eo-plant/wm-301/water-total"
    return _segments(value, _SERIES, "a series", form)


def _segments(value: object, count: int, what: str, form: str) -> str:
    parts = value.split("/") if isinstance(value, str) else []
    if len(parts) == count and all(rows.SEGMENT.fullmatch(part) for part in parts):
        return "/".join(parts)
    raise ValueError(f"{shortened(value)} is not {what}; write {form}")


def wall_time(value: object) -> int:
    """Return the ms of a text like ``2026-03-01 08:00``, which is a time in China; raises ``ValueError``."""
    found = _WALL.fullmatch(value) if isinstance(value, str) else None
    try:
        moment = dt.datetime.fromisoformat(found[0]) if found else _no_wall_time(value)
    except ValueError:
        moment = _no_wall_time(value)
    return round(moment.replace(tzinfo=CHINA).timestamp()) * 1000


def _no_wall_time(value: object) -> dt.datetime:
    raise ValueError(
        f"{shortened(value)} is not a time; write year-month-day hours:minutes in China, such as 2026-03-01 08:00"
    ) from None


_NAMES = Field(examples=["{zh: 新鲜水, en: Fresh water}"])
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Site = Annotated[str, BeforeValidator(site_key)]
_End = Annotated[str, BeforeValidator(end_of_flow)]
_Series = Annotated[str, BeforeValidator(series_name)]


class EnterpriseRow(Row):
    """A row of ``enterprises.yaml``."""

    names: NamesRow = Field(examples=["{zh: 海虞氟化工有限公司, en: Haiyu Fluorochemicals}"])
    sites: list[_Site] = Field(min_length=1, examples=["[new-materials/hf-plant]"])
    since: rows.Day | None = Field(default=None, examples=["2014-05-01"])
    exempt: NamesRow | None = Field(default=None, examples=["{zh: 公用工程, en: public utility}"])


class KindRow(Row):
    """A row of ``kinds`` in ``flows.yaml``."""

    names: NamesRow = _NAMES
    unit: Text = Field(examples=["m3"])
    of: Class | None = Field(default=None, strict=False, examples=["water"])
    residue: bool = Field(default=False, examples=["true"])


class ReplacementRow(Row):
    """A meter that was replaced."""

    at: Annotated[int, BeforeValidator(wall_time)] = Field(examples=["2026-03-01 08:00"])
    last: Number = Field(ge=0, examples=["48211.5"])
    first: Number = Field(ge=0, examples=["0"])


class FlowRow(Row):
    """A row of ``flows`` in ``flows.yaml``."""

    id: Segment = Field(examples=["nm-water-hf-plant"])
    names: NamesRow = _NAMES
    kind: Segment = Field(examples=["fresh-water"])
    source: _End = Field(alias="from", examples=["outside"])
    target: _End = Field(alias="to", examples=["new-materials/hf-plant"])
    meter: _Series = Field(examples=["new-materials/hf-plant/wm-101/water-total"])
    reads: Reads = Field(strict=False, examples=["total"])
    most: _Positive = Field(examples=["200"])
    factor: _Positive | None = Field(default=None, examples=["0.001"])
    rollover: _Positive | None = Field(default=None, examples=["1000000"])
    gap: Annotated[rows.Duration, Field(gt=0)] = Field(default=900_000, examples=["15min"])
    replacements: list[ReplacementRow] = Field(
        default=[], examples=["[{at: 2026-03-01 08:00, last: 48211.5, first: 0}]"]
    )
    usual: _Positive | None = Field(default=None, examples=["12.5"])
    broken_below: Annotated[float, Field(gt=0, lt=1)] = Field(default=0.2, examples=["0.2"])


class StockRow(Row):
    """What a site holds."""

    series: _Series = Field(examples=["riverside/tank-farm/lt-101/mass-stored"])
    factor: _Positive | None = Field(default=None, examples=["0.001"])


class BalanceRow(Row):
    """A row of ``balances`` in ``flows.yaml``."""

    id: Segment = Field(examples=["rs-water-eo-plant"])
    site: _Site = Field(examples=["riverside/eo-plant"])
    of: Class = Field(strict=False, examples=["water"])
    unit: Text = Field(examples=["m3"])
    weights: dict[str, _Positive] = Field(default={}, examples=["{steam: 1.0}"])
    stocks: list[StockRow] = Field(default=[], examples=["[{series: riverside/tank-farm/lt-101/mass-stored}]"])
    losses: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.0, examples=["0.05"])


# --- enterprises -------------------------------------------------------------------------------------------


def enterprises(building: Draft) -> dict[str, Enterprise]:
    """Return the enterprises by their name; everything wrong with them is reported."""
    found: dict[str, Enterprise] = {}
    runs: dict[str, str] = {}
    for name, value in building.table(ENTERPRISES, "enterprises").items():
        path: Path = (ENTERPRISES, "enterprises", name)
        building.check_segment(path, name)
        row = building.shape(EnterpriseRow, value, path)
        if row:
            for index, site in enumerate(row.sites):
                _check_site(building, (*path, "sites", index), site)
            building.problems += _site_problems(name, row, runs, path)
            found[name] = _enterprise(name, row)
    return found


def _enterprise(name: str, row: EnterpriseRow) -> Enterprise:
    return Enterprise(
        name=name,
        names=names_of(row.names),
        zone=row.sites[0].split("/")[0],
        sites=tuple(row.sites),
        since=None if row.since is None else _midnight(row.since),
        exempt=None if row.exempt is None else names_of(row.exempt),
    )


def _midnight(day: dt.date) -> int:
    return round(dt.datetime.combine(day, dt.time(), CHINA).timestamp()) * 1000


def _site_problems(name: str, row: EnterpriseRow, runs: dict[str, str], path: Path) -> Iterator[Problem]:
    """Yield sites that another enterprise runs, or that are in another zone; ``runs`` learns who runs which."""
    zone = row.sites[0].split("/")[0]
    for index, site in enumerate(row.sites):
        here: Path = (*path, "sites", index)
        if site in runs:
            yield Problem(here, f"{site} belongs to {runs[site]!r} already; write it once")
        elif not site.startswith(f"{zone}/"):
            yield Problem(here, f"{site} is not in {zone} as the first site is; write an enterprise for each zone")
        runs.setdefault(site, name)


# --- kinds and flows ---------------------------------------------------------------------------------------


def kinds(building: Draft) -> dict[str, FlowKind]:
    """Return the kinds of flows by their name; everything wrong with them is reported."""
    found = {}
    for name, value in building.table(FLOWS, "kinds").items():
        path: Path = (FLOWS, "kinds", name)
        building.check_segment(path, name)
        row = building.shape(KindRow, value, path)
        if row:
            _check_unit(building, (*path, "unit"), row.unit)
            found[name] = FlowKind(name, names_of(row.names), row.unit, row.of, row.residue)
    return found


def flows(building: Draft, by_kind: Mapping[str, FlowKind]) -> dict[str, Flow]:
    """Return the flows by their id; everything wrong with them is reported. ``by_kind`` are those that are sound."""
    found: dict[str, Flow] = {}
    meters: dict[tuple[str, str], str] = {}
    known = building.known(FLOWS, "kinds")
    for index, value in enumerate(building.rows(FLOWS, "flows")):
        path: Path = (FLOWS, "flows", index)
        row = building.shape(FlowRow, value, path)
        if row is None:
            continue
        if row.id in found:
            building.report((*path, "id"), f"there is a flow {row.id!r} already; write another id")
        if row.kind not in known:
            building.report((*path, "kind"), f"unknown kind {row.kind!r}; {suggestion(row.kind, known)}")
        _check_ends(building, row, path)
        _check_series(building, (*path, "meter"), row.meter)
        other = meters.setdefault((row.meter, row.kind), row.id)
        if other != row.id:
            message = f"{row.meter} measures the flow {other!r} of the same kind already; write the meter of this one"
            building.report((*path, "meter"), message)
        building.problems += [*_flow_problems(row, path), *_replacement_problems(row, path)]
        found[row.id] = _flow(row, _factor(building, row, by_kind.get(row.kind), path))
    return found


def _flow(row: FlowRow, factor: float) -> Flow:
    plain = row.model_dump(exclude={"names", "factor", "replacements"})
    replaced = tuple(Replacement(one.at, one.last, one.first) for one in row.replacements)
    return Flow(**plain, names=names_of(row.names), factor=factor, replacements=replaced)


def _check_ends(building: Draft, row: FlowRow, path: Path) -> None:
    for key, end in (("from", row.source), ("to", row.target)):
        if end != OUTSIDE:
            _check_site(building, (*path, key), end)
    if row.source == row.target == OUTSIDE:
        building.report((*path, "to"), "a flow from outside to outside is none of the park's; write zone/site")


def _flow_problems(row: FlowRow, path: Path) -> Iterator[Problem]:
    exchange = OUTSIDE not in {row.source, row.target} and row.source != row.target
    if row.usual is not None and not exchange:
        yield Problem(
            (*path, "usual"), "only an exchange between two sites can be broken; leave usual out, or write both sites"
        )
    if row.usual is not None and row.usual > row.most:
        yield Problem(
            (*path, "usual"), f"usual {row.usual:g} is more than most {row.most:g}, which is all that is believed"
        )
    if row.reads is Reads.RATE and row.rollover is not None:
        yield Problem((*path, "rollover"), "a rate does not roll over; leave rollover out, or write reads: total")


def _replacement_problems(row: FlowRow, path: Path) -> Iterator[Problem]:
    if row.reads is Reads.RATE and row.replacements:
        yield Problem(
            (*path, "replacements"),
            "a meter that reads a rate can be replaced at any time; leave replacements out, or write reads: total",
        )
    for index, one in enumerate(row.replacements):
        for key, value in (("last", one.last), ("first", one.first)):
            if row.rollover is not None and value >= row.rollover:
                yield Problem(
                    (*path, "replacements", index, key),
                    f"{value:g} is not below the rollover at {row.rollover:g}; write what the meter showed",
                )
    for index, (earlier, later) in enumerate(pairwise(row.replacements), 1):
        if later.at <= earlier.at:
            yield Problem(
                (*path, "replacements", index, "at"), "this is not after the one above; write them in order of time"
            )


# --- units -------------------------------------------------------------------------------------------------


def _factor(building: Draft, row: FlowRow, kind: FlowKind | None, path: Path) -> float:
    """Return the factor from the meter's unit to the kind's: as it is written, else as the units tell."""
    quantity = building.quantities.get(split_series(row.meter)[3])
    if row.factor is not None or kind is None or quantity is None:
        return row.factor or 1.0
    unit = kind.unit if row.reads is Reads.TOTAL else _PER_HOUR.get(kind.unit, f"{kind.unit}/h")
    return _told_factor(building, quantity, unit, path)


def _told_factor(building: Draft, quantity: Quantity, unit: str, path: Path) -> float:
    found = _units_between(quantity.unit, unit)
    if found is None:
        building.report(
            path,
            f"nothing tells how many {unit} one {quantity.unit} of {quantity.name} is; write it, such as factor: 0.001",
        )
    return found or 1.0


def _units_between(unit: str, other: str) -> float | None:
    """Return how many ``other`` one ``unit`` is, or ``None`` if they are of different families."""
    plain, wanted = units.normalise(unit), units.normalise(other)
    if plain == wanted:
        return 1.0
    return units.ratio(plain, wanted)


def _check_unit(building: Draft, path: Path, unit: str) -> None:
    known = units.known_units()
    if units.normalise(unit) not in known:
        building.report(path, f"unknown unit {unit!r}; {suggestion(unit, known)}")


# --- balances ----------------------------------------------------------------------------------------------


def balances(building: Draft, by_kind: Mapping[str, FlowKind], by_id: Mapping[str, Flow]) -> dict[str, SiteBalance]:
    """Return the balances by their id; everything wrong with them is reported."""
    found: dict[str, SiteBalance] = {}
    seen = Counter[tuple[str, Class]]()
    for index, value in enumerate(building.rows(FLOWS, "balances")):
        path: Path = (FLOWS, "balances", index)
        row = building.shape(BalanceRow, value, path)
        if row is None:
            continue
        if row.id in found:
            building.report((*path, "id"), f"there is a balance {row.id!r} already; write another id")
        seen[row.site, row.of] += 1
        if seen[row.site, row.of] > 1:
            building.report((*path, "of"), f"{row.site} has a balance of {row.of.value} already; write one of another")
        _check_site(building, (*path, "site"), row.site)
        _check_unit(building, (*path, "unit"), row.unit)
        _check_weights(building, row, path)
        building.problems += _weight_problems(row, by_kind, by_id, path)
        found[row.id] = _balance(row, tuple(_stocks(building, row, (*path, "stocks"))))
    return found


def _balance(row: BalanceRow, stocks: tuple[Stock, ...]) -> SiteBalance:
    return SiteBalance(row.id, row.site, row.of, row.unit, dict(row.weights), stocks, row.losses)


def _check_weights(building: Draft, row: BalanceRow, path: Path) -> None:
    known = building.known(FLOWS, "kinds")
    for kind in row.weights:
        if kind not in known:
            building.report((*path, "weights", kind), f"unknown kind {kind!r}; {suggestion(kind, known)}")


def _weight_problems(
    row: BalanceRow, by_kind: Mapping[str, FlowKind], by_id: Mapping[str, Flow], path: Path
) -> Iterator[Problem]:
    here = {flow.kind for flow in by_id.values() if row.site in {flow.source, flow.target}}
    adding = {kind for kind in here if kind in row.weights or (kind in by_kind and by_kind[kind].of is row.of)}
    if not adding and by_id and by_kind:
        yield Problem(
            (*path, "site"), f"no flow of {row.of.value} comes from or goes to {row.site}; write another site or class"
        )
    for name in sorted(adding - row.weights.keys()):
        if units.normalise(by_kind[name].unit) != units.normalise(row.unit):
            told = _units_between(by_kind[name].unit, row.unit)
            yield Problem(
                (*path, "weights"),
                f"{name} is in {by_kind[name].unit}, the balance in {row.unit}; write how many of the latter one of "
                f"the former is, such as weights: {{{name}: {_shown(told)}}}",
            )


def _shown(factor: float | None) -> str:
    return "1" if factor is None or math.isclose(factor, 1.0) else f"{factor:g}"


def _stocks(building: Draft, row: BalanceRow, path: Path) -> Iterator[Stock]:
    for index, one in enumerate(row.stocks):
        _check_series(building, (*path, index, "series"), one.series)
        quantity = building.quantities.get(split_series(one.series)[3])
        if one.factor is None and quantity is not None:
            yield Stock(one.series, _told_factor(building, quantity, row.unit, (*path, index)))
        else:
            yield Stock(one.series, one.factor or 1.0)


# --- names that are known ----------------------------------------------------------------------------------


def _check_site(building: Draft, path: Path, key: str) -> None:
    zone, site = key.split("/")
    zones = building.known(ZONES, "zones")
    if zone not in zones:
        building.report(path, f"unknown zone {zone!r}; {suggestion(zone, zones)}")
        return
    known: Collection[str] = building.known_sites([zone])
    if site not in known and not isinstance(known, AnyName):
        building.report(path, f"unknown site {site!r} of {zone}; {suggestion(site, known)}")


def _check_series(building: Draft, path: Path, series: str) -> None:
    zone, _, _, quantity = split_series(series)
    zones, quantities = building.known(ZONES, "zones"), building.known(QUANTITIES, "quantities")
    if zone not in zones:
        building.report(path, f"unknown zone {zone!r}; {suggestion(zone, zones)}")
    if quantity not in quantities:
        building.report(path, f"unknown quantity {quantity!r}; {suggestion(quantity, quantities)}")
