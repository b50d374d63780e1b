"""Replay maps: which column of a CSV file is which quantity of which sensor (``config/maps/*.yaml``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from field.descriptor import Descriptor, Range
from park import rows, units
from park.catalogue import Catalogue
from park.words import Location, Names
from storage.configuration import Problem


class ReplayInputError(Exception):
    """The map or the file can't be used; ``problems`` holds all that is wrong, by file and line."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class Column:
    """A column of the file: ``sensor`` is ``zone/site/sensor``; unit and range are those of the file."""

    name: str
    sensor: str
    quantity: str
    own: Range


@dataclass(frozen=True)
class ReplayMap:
    """A checked map. ``missing`` are the numbers that mean "no value"; ``interval`` is in ms."""

    names: Names
    location: Location
    latitude: float
    longitude: float
    interval: int
    time: str
    missing: frozenset[float]
    columns: tuple[Column, ...]

    def descriptors(self) -> dict[str, Descriptor]:
        """Return what each sensor says of itself, by ``zone/site/sensor``."""
        quantities: dict[str, dict[str, Range]] = {}
        for column in self.columns:
            quantities.setdefault(column.sensor, {})[column.quantity] = column.own
        return {sensor: self._descriptor(own) for sensor, own in quantities.items()}

    def _descriptor(self, quantities: Mapping[str, Range]) -> Descriptor:
        return Descriptor(self.names, self.location, self.interval, self.latitude, self.longitude, quantities)


class _ColumnRow(rows.Row):
    quantity: rows.Segment = Field(examples=["no2"])
    unit: rows.Text = Field(examples=["ug/m3"])
    minimum: rows.Number = Field(examples=["0"])
    maximum: rows.Number = Field(examples=["1000"])
    zone: rows.Segment | None = Field(default=None, examples=["riverside"])
    site: rows.Segment | None = Field(default=None, examples=["air-station"])
    sensor: rows.Segment | None = Field(default=None, examples=["aq-uci"])


class _MapRow(rows.Row):
    names: rows.NamesRow = Field(examples=["{zh: 空气质量站, en: air quality station}"])
    zone: rows.Segment = Field(examples=["riverside"])
    site: rows.Segment = Field(examples=["air-station"])
    sensor: rows.Segment = Field(examples=["aq-uci"])
    location: Annotated[Location, Field(strict=False)] = Field(examples=["ambient"])
    latitude: float = Field(ge=-90, le=90, examples=["31.75"])
    longitude: float = Field(ge=-180, le=180, examples=["120.97"])
    interval: rows.Duration = Field(examples=["1h"])
    time: rows.Text = Field(examples=["time"])
    missing: list[rows.Number] = Field(default=[], examples=["[-200]"])
    columns: dict[str, _ColumnRow] = Field(min_length=1, examples=["{NO2(GT): {quantity: no2, unit: ug/m3, ...}}"])


def load_map(path: Path, catalogue: Catalogue) -> ReplayMap:
    """Read a map and hold it against the configuration; raises :class:`ReplayInputError` with all problems."""
    source = _Source(path)
    try:
        row = _MapRow.model_validate(source.content)
    except pydantic.ValidationError as error:
        raise source.refusal(rows.shape_problems(_MapRow, error, ())) from error
    columns = tuple(_column(row, name, column) for name, column in row.columns.items())
    problems = [problem for column in columns for problem in _column_problems(row, column, catalogue)]
    problems += _doubles(columns)
    if problems:
        raise source.refusal(problems)
    return ReplayMap(
        names=Names(zh=row.names.zh, en=row.names.en),
        location=row.location,
        latitude=row.latitude,
        longitude=row.longitude,
        interval=row.interval,
        time=row.time,
        missing=frozenset(row.missing),
        columns=columns,
    )


def _column(row: _MapRow, name: str, column: _ColumnRow) -> Column:
    place = (column.zone or row.zone, column.site or row.site, column.sensor or row.sensor)
    return Column(name, "/".join(place), column.quantity, Range(column.unit, column.minimum, column.maximum))


def _column_problems(row: _MapRow, column: Column, catalogue: Catalogue) -> list[rows.Problem]:
    path = ("columns", column.name)
    zone = column.sensor.split("/", 1)[0]
    problems = []
    if zone not in catalogue.zones:
        where = (*path, "zone") if row.columns[column.name].zone else ("zone",)
        advice = rows.suggestion(zone, catalogue.zones)
        problems.append(rows.Problem(where, f"zone {zone!r} is not configured; {advice}"))
    if column.own.minimum >= column.own.maximum:
        span = f"{column.own.minimum:g} to {column.own.maximum:g}"
        message = f"the range {span} is empty; write the smaller number as minimum"
        problems.append(rows.Problem((*path, "minimum"), message))
    return problems + _quantity_problems(row, column, catalogue)


def _quantity_problems(row: _MapRow, column: Column, catalogue: Catalogue) -> list[rows.Problem]:
    path = ("columns", column.name)
    quantity = catalogue.quantities.get(column.quantity)
    if quantity is None:
        advice = rows.suggestion(column.quantity, catalogue.quantities)
        return [rows.Problem((*path, "quantity"), f"quantity {column.quantity!r} is not configured; {advice}")]
    problems = []
    try:
        units.conversion(quantity, column.own.unit, row.location)
    except units.UnknownUnit as error:
        problems.append(rows.Problem((*path, "unit"), str(error)))
    strangers = [value for value in row.missing if value not in quantity.sentinels]
    if strangers:
        known = ", ".join(f"{value:g}" for value in quantity.sentinels)
        message = (
            f"{strangers[0]:g} would be taken for a measurement of {quantity.name}, whose sentinels are {known}; "
            "add it to that quantity's sentinels"
        )
        problems.append(rows.Problem(("missing",), message))
    return problems


def _doubles(columns: tuple[Column, ...]) -> list[rows.Problem]:
    first: dict[tuple[str, str], str] = {}
    problems = []
    for column in columns:
        before = first.setdefault((column.sensor, column.quantity), column.name)
        if before != column.name:
            message = (
                f"{column.quantity} of {column.sensor} comes from column {before!r} already; "
                "give this column a sensor of its own"
            )
            problems.append(rows.Problem(("columns", column.name), message))
    return problems


class _Source:
    """The map's file: its plain content, and the line of everything in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[rows.Path, int] = {(): 1}
        text = self._text()
        try:
            node = YAML(typ="safe", pure=True).compose(text)
            self.content: Any = YAML(typ="safe", pure=True).load(text)
        except YAMLError as error:
            raise self._no_yaml(error) from error
        if not isinstance(node, MappingNode):
            message = "the map is no block of keys; write zone, site, sensor, time, columns... as in config/maps/*.yaml"
            raise ReplayInputError([Problem(str(path), 1, message)])
        self._note(node, ())

    def refusal(self, problems: list[rows.Problem]) -> ReplayInputError:
        """Return the error that tells ``problems`` with their lines."""
        found = {Problem(str(self._path), self._line(problem.path), problem.message) for problem in problems}
        return ReplayInputError(sorted(found))

    def _text(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8-sig")
        except OSError as error:
            message = f"the map can't be read ({error.strerror}); write the path of a map such as config/maps/*.yaml"
        except UnicodeDecodeError:
            message = "the map is not UTF-8; save it as UTF-8"
        raise ReplayInputError([Problem(str(self._path), 1, message)])

    def _no_yaml(self, error: YAMLError) -> ReplayInputError:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        what = error.problem if isinstance(error, MarkedYAMLError) else error
        message = f"not valid YAML: {what}; check brackets, quotes and indentation from here upwards"
        return ReplayInputError([Problem(str(self._path), mark.line + 1 if mark else 1, message)])

    def _note(self, node: Node, path: rows.Path) -> None:
        if isinstance(node, MappingNode):
            for key, value in node.value:
                inside = (*path, str(key.value))
                self._lines[inside] = key.start_mark.line + 1
                self._note(value, inside)
        elif isinstance(node, SequenceNode):
            for index, value in enumerate(node.value):
                self._lines[(*path, index)] = value.start_mark.line + 1
                self._note(value, (*path, index))

    def _line(self, path: rows.Path) -> int:
        return next(self._lines[path[:size]] for size in range(len(path), -1, -1) if path[:size] in self._lines)
