"""The one way from the unit a limit is written in to the canonical unit of everything it matches."""

from __future__ import annotations

from park import rows, units
from park.draft import Draft
from park.quantities import Quantity
from park.rows import Path
from park.units import Conversion
from park.words import Location, Names


def conversion(draft: Draft, row: rows.LimitRow, path: Path) -> Conversion | None:
    """Return the way from the row's unit to the canonical unit of all that it matches, or report why there is none."""
    quantities = [draft.quantities.get(name) for name in row.match.quantities]
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
        draft.report(here, str(error).replace("; send ", "; write "))
        return None
    conversions = {each for _, each in found}
    if len(conversions) > 1 or (row.unit is None and len(found) > 1):
        draft.report(here, _ambiguous(row, sorted({unit for unit, _ in found})))
        return None
    only = conversions.pop()
    if only.shift:
        draft.report(here, f"a limit can't be written in {row.unit}, whose zero lies elsewhere; write it in °C")
        return None
    return only


def _ambiguous(row: rows.LimitRow, canonical: list[str]) -> str:
    if row.unit is None:
        return f"the quantities have different units ({', '.join(canonical)}); write one row for each unit"
    locations = ", ".join(location.value for location in row.match.locations) or "any location"
    return (
        f"{row.unit} is not one number in {canonical[0]} for {', '.join(row.match.quantities)} at {locations}: gas "
        f"refers to 0 °C on a stack, 20 °C at a workplace, 25 °C in ambient air and at the fenceline; write one row "
        f"for each quantity and kind of place, or write the limit in {canonical[0]}"
    )


# What a budget is written in; its canonical unit is kg.
_LOAD = Quantity("a budget", Names("排放量", "load"), "kg", Location.OUTFALL, 0.0, 1e15)


def of_mass(draft: Draft, unit: str, path: Path) -> Conversion | None:
    """Return the way from a unit of mass to kg, or report that it is none."""
    try:
        return units.conversion(_LOAD, unit, _LOAD.location)
    except units.UnknownUnit as error:
        draft.report((*path, "unit"), str(error).replace("; send ", "; write "))
        return None
