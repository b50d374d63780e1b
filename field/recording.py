"""Recordings: a CSV file read through a map, checked from the first row to the last before anything is sent."""

from __future__ import annotations

import csv
import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from field.replay_map import ReplayInputError, ReplayMap, load_map
from park import rows
from park.catalogue import Catalogue
from storage.configuration import Problem

#: A file of the wrong kind has a problem in every row; so many are told.
_TOLD = 50

_PARK = dt.timezone(dt.timedelta(hours=8))


@dataclass(frozen=True)
class Recording:
    """The readings of a file; every row has one value per column of the map, ``None`` where the cell is empty.

    ``times`` are the rows' own (ms); without an offset they are China's.
    """

    map: ReplayMap
    rows: tuple[tuple[float | None, ...], ...]
    times: tuple[int, ...]


def prepare(file: Path, map_file: Path, catalogue: Catalogue) -> Recording:
    """Read ``file`` through the map in ``map_file``; raises :class:`ReplayInputError` with all problems at once."""
    replay_map = load_map(map_file, catalogue)
    reader = _Reader(file, replay_map)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            found = tuple(reader.rows(lines))
    except OSError as error:
        reader.report(1, f"the file can't be read ({error.strerror}); write the path of a CSV file")
    except UnicodeDecodeError:
        reader.report(1, "the file is not UTF-8; save it as UTF-8")
    except csv.Error as error:
        reader.report(1, f"the file is not CSV ({error}); separate cells by commas, rows by line ends")
    else:
        if not found and not reader.problems:
            reader.report(1, "the file has no rows; write at least one under the header")
        if not reader.problems:
            return Recording(replay_map, found, tuple(reader.times))
    raise ReplayInputError(reader.told())


class _Reader:
    """Reads the cells that the map asks for and collects what is wrong."""

    def __init__(self, file: Path, replay_map: ReplayMap) -> None:
        self._file = str(file)
        self._map = replay_map
        self.problems: list[Problem] = []
        self.times: list[int] = []

    def report(self, line: int, message: str) -> None:
        """Note something that must change."""
        self.problems.append(Problem(self._file, line, message))

    def told(self) -> list[Problem]:
        """Return the problems, cut short where they are too many."""
        more = len(self.problems) - _TOLD
        if more <= 0:
            return self.problems
        kept = self.problems[:_TOLD]
        return [*kept, Problem(self._file, kept[-1].line, f"and {more} more problems in the rows below")]

    def rows(self, lines: TextIO) -> Iterator[tuple[float | None, ...]]:
        """Yield the values of every row."""
        table = csv.reader(lines, strict=True)
        header = [name.strip() for name in next(table, [])]
        if not self._header_fits(header):
            return
        places = [header.index(column.name) for column in self._map.columns]
        for cells in table:
            if not cells:
                continue
            if len(cells) != len(header):
                count = f"the row has {len(cells)} cells and the header {len(header)}"
                self.report(table.line_num, f"{count}; write one cell per column, empty if there is no value")
                continue
            self.times.append(self._time(table.line_num, cells[header.index(self._map.time)]))
            yield tuple(self._number(table.line_num, header[place], cells[place]) for place in places)

    def _header_fits(self, header: Sequence[str]) -> bool:
        wanted = [self._map.time, *(column.name for column in self._map.columns)]
        for name in wanted:
            if header.count(name) > 1:
                self.report(1, f"the column {name!r} is there {header.count(name)} times; give each a name of its own")
            elif name not in header:
                spare = [column for column in header if column and column not in wanted]
                self.report(1, f"there is no column {name!r}, which the map asks for; {_advice(name, spare, header)}")
        return not self.problems

    def _time(self, line: int, cell: str) -> int:
        try:
            moment = dt.datetime.fromisoformat(cell.strip())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=_PARK)
            return round(moment.timestamp() * 1000)
        except (ValueError, OverflowError):
            name = self._map.time
            self.report(line, f"column {name!r}: {cell[:40]!r} is not a time; write one such as 2004-03-10T18:00:00")
            return 0

    def _number(self, line: int, name: str, cell: str) -> float | None:
        text = cell.strip()
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            return value
        self.report(line, f"column {name!r}: {text[:40]!r} is not a number; write one such as 3.2, or nothing")
        return None


def _advice(name: str, spare: Sequence[str], header: Sequence[str]) -> str:
    if len(header) == 1 and ";" in header[0]:
        return "separate the cells by commas, not by semicolons"
    if not any(header):
        return "write a header line with the names of the columns"
    return rows.suggestion(name, spare) if spare else f"take it out of the map, which may use {', '.join(header)}"
