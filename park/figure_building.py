"""From ``figures.yaml`` to what enterprises report, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from park import rows
from park.documents import FIGURES, Documents, names_of
from park.figures import FigureDefinition, FigureKind, headings, plain
from park.rows import Path, Problem

_NUMBERS = frozenset({FigureKind.FLOW, FigureKind.STOCK})
_Size = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class FigureRow(rows.Row):
    """A row of ``figures.yaml``."""

    names: rows.NamesRow = Field(examples=["{zh: 实缴税金, en: tax paid}"])
    kind: FigureKind = Field(strict=False, examples=["flow"])
    unit: rows.Text | None = Field(default=None, examples=["10k CNY"])
    unit_zh: rows.Text | None = Field(default=None, examples=["万元"])
    minimum: rows.Number | None = Field(default=None, examples=["0"])
    maximum: rows.Number | None = Field(default=None, examples=["1000000"])
    choices: dict[str, rows.NamesRow] = Field(default={}, examples=["{level-1: {zh: 一级, en: level 1}}"])
    also: list[rows.Text] = Field(default=[], examples=["[税收]"])
    units: dict[str, _Size] = Field(default={}, examples=["{元: 0.0001}"])


def figures(building: Documents) -> dict[str, FigureDefinition]:
    """Return the figures by name; none if there is no file."""
    if FIGURES not in building.documents:
        return {}
    found: dict[str, FigureDefinition] = {}
    for name, value in building.table(FIGURES, "figures").items():
        path: Path = (FIGURES, "figures", name)
        building.check_segment(path, name)
        row = building.shape(FigureRow, value, path)
        if row:
            building.problems += _problems(row, path)
            found[name] = _figure(name, row)
    building.problems += _heading_problems(found)
    return found


def _figure(name: str, row: FigureRow) -> FigureDefinition:
    return FigureDefinition(
        name=name,
        names=names_of(row.names),
        kind=row.kind,
        unit=row.unit or "",
        unit_zh=row.unit_zh or row.unit or "",
        minimum=row.minimum,
        maximum=row.maximum,
        choices={choice: names_of(words) for choice, words in row.choices.items()},
        also=tuple(row.also),
        units=row.units,
    )


def _problems(row: FigureRow, path: Path) -> Iterator[Problem]:
    numeric = row.kind in _NUMBERS
    if numeric and row.unit is None:
        yield Problem((*path, "unit"), f"a {row.kind} has a unit; write unit: 10k CNY, for example")
    if not numeric:
        for key in ("unit", "unit_zh", "minimum", "maximum", "units"):
            if getattr(row, key):
                yield Problem(
                    (*path, key), f"a {row.kind} is no number; leave {key!r} out, or write kind: flow or stock"
                )
    if row.kind is FigureKind.CHOICE and not row.choices:
        yield Problem(
            (*path, "choices"), "a choice needs what can be chosen; write choices: {name: {zh: ..., en: ...}}"
        )
    if row.kind is not FigureKind.CHOICE and row.choices:
        yield Problem((*path, "choices"), f"a {row.kind} has no choices; leave them out, or write kind: choice")
    if row.minimum is not None and row.maximum is not None and row.minimum >= row.maximum:
        yield Problem((*path, "maximum"), "maximum must be above minimum; swap them")


def _heading_problems(found: dict[str, FigureDefinition]) -> Iterator[Problem]:
    """Yield headings that two figures claim: a column must say what it holds."""
    owners: dict[str, str] = {}
    for figure in found.values():
        for heading in dict.fromkeys(map(plain, headings(figure))):
            owner = owners.setdefault(heading, figure.name)
            if owner != figure.name:
                yield Problem(
                    (FIGURES, "figures", figure.name),
                    f"the heading {heading!r} is that of {owner!r} already; name one of them differently",
                )
