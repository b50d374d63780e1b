"""From ``suppression.yaml`` to the rules of suppression by design, or to everything that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from pydantic import Field

from park import rows
from park.documents import QUANTITIES, SUPPRESSION, ZONES, Documents, names_of
from park.limits import Limit, Side
from park.relations import Suppression, Which, WhileAlarm, WhileState, in_circle
from park.rows import Path, Problem, Segment
from park.words import Priority


class WhichRow(rows.Row):
    """Which alarms a rule suppresses."""

    limits: list[Segment] = Field(min_length=1, examples=["[reactor-pressure-low]"])
    zones: list[Segment] = Field(default=[], examples=["[riverside]"])
    sites: list[Segment] = Field(default=[], examples=["[eo-plant]"])
    sensors: list[Segment] = Field(default=[], examples=["[pt-301]"])


class WhileRow(rows.Row):
    """What must hold at the same site: an alarm, or what a sensor says."""

    alarm: list[Segment] = Field(default=[], examples=["[compressor-trip]"])
    sensors: list[Segment] = Field(default=[], examples=["[c-101]"])
    sensor: Segment | None = Field(default=None, examples=["c-101"])
    quantity: Segment | None = Field(default=None, examples=["running"])
    above: rows.Number | None = Field(default=None, examples=["0.5"])
    below: rows.Number | None = Field(default=None, examples=["0.5"])


class RuleRow(rows.Row):
    """A rule in ``suppression.yaml``."""

    id: Segment = Field(examples=["plant-stopped"])
    names: rows.NamesRow = Field(examples=["{zh: 装置停车, en: plant stopped}"])
    suppress: WhichRow = Field(examples=["{limits: [reactor-pressure-low], sites: [eo-plant]}"])
    cause: WhileRow = Field(alias="while", examples=["{sensor: c-101, quantity: running, below: 0.5}"])
    linger: rows.Duration = Field(default=0, examples=["5min"])
    even_critical: bool = Field(default=False, examples=["true"])


def suppressions(building: Documents, limits: Mapping[str, Limit], known: Collection[str]) -> tuple[Suppression, ...]:
    """Return the rules; none if there is no file. ``known`` are the limits' ids, those in error included."""
    found: list[Suppression] = []
    seen = Counter[str]()
    if SUPPRESSION not in building.documents:
        return ()
    for index, value in enumerate(building.rows(SUPPRESSION, "rules")):
        path: Path = (SUPPRESSION, "rules", index)
        row = building.shape(RuleRow, value, path)
        if row is None:
            continue
        seen[row.id] += 1
        if seen[row.id] > 1:
            building.report((*path, "id"), f"there is a rule {row.id!r} already; write another id")
        _check_names(building, row, known, path)
        building.problems += _problems(row, limits, path)
        cause = _cause(row.cause)
        if cause is not None:
            which = Which(
                *map(tuple, (row.suppress.limits, row.suppress.zones, row.suppress.sites, row.suppress.sensors))
            )
            rule = Suppression(row.id, names_of(row.names), which, cause, row.linger)
            building.problems += _circle_problems(found, rule, path)
            found.append(rule)
    return tuple(found)


def _check_names(building: Documents, row: RuleRow, limits: Collection[str], path: Path) -> None:
    building.unknown((*path, "suppress", "limits"), "limit", row.suppress.limits, frozenset(limits))
    building.unknown((*path, "suppress", "zones"), "zone", row.suppress.zones, building.known(ZONES, "zones"))
    building.unknown((*path, "while", "alarm"), "limit", row.cause.alarm, frozenset(limits))
    quantity = row.cause.quantity
    if quantity is not None and quantity not in building.known(QUANTITIES, "quantities"):
        words = rows.suggestion(quantity, building.known(QUANTITIES, "quantities"))
        building.report((*path, "while", "quantity"), f"unknown quantity {quantity!r}; {words}")


def _problems(row: RuleRow, limits: Mapping[str, Limit], path: Path) -> Iterator[Problem]:
    yield from _cause_problems(row.cause, (*path, "while"))
    for index, name in enumerate(row.suppress.limits):
        here: Path = (*path, "suppress", "limits", index)
        if name in row.cause.alarm:
            yield Problem(here, f"{name!r} would suppress itself; name another alarm under while")
        limit = limits.get(name)
        if limit and not row.even_critical and _is_critical(limit):
            yield Problem(
                here,
                f"{name!r} has a critical set-point, and nobody would hear of it; leave it out, or write "
                "even_critical: true if that was examined",
            )


def _circle_problems(before: list[Suppression], rule: Suppression, path: Path) -> Iterator[Problem]:
    closed = in_circle([*before, rule]) - in_circle(before) - in_circle([rule])
    if closed:
        yield Problem(
            (*path, "while"),
            f"with the rules above it the alarms of {' and '.join(sorted(closed))} would suppress each other in a "
            "circle, and nobody would hear of any; name a cause that none of them suppresses",
        )


def _is_critical(limit: Limit) -> bool:
    return any(point.priority is Priority.CRITICAL for point in limit.set_points)


_STATE = ("sensor", "quantity")


def _cause_problems(cause: WhileRow, path: Path) -> Iterator[Problem]:
    given = [name for name in _STATE if getattr(cause, name) is not None]
    bounds = [name for name in ("above", "below") if getattr(cause, name) is not None]
    if cause.alarm and (given or bounds):
        yield Problem(path, "a rule has one cause: write either alarm, or sensor, quantity and above or below")
    elif not cause.alarm and (len(given) < len(_STATE) or len(bounds) != 1):
        yield Problem(
            path,
            "a cause is an alarm or a state; write alarm: [limit], or sensor, quantity and one of above and below "
            "(in the quantity's unit)",
        )
    if cause.sensors and not cause.alarm:
        yield Problem((*path, "sensors"), "sensors say whose alarm is meant; write sensor: for a state")


def _cause(row: WhileRow) -> WhileAlarm | WhileState | None:
    if row.alarm:
        return WhileAlarm(tuple(row.alarm), tuple(row.sensors))
    at = row.above if row.above is not None else row.below
    if row.sensor is None or row.quantity is None or at is None:
        return None
    return WhileState(row.sensor, row.quantity, Side.HIGH if row.above is not None else Side.LOW, at)
