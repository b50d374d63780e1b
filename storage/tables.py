"""Tables that people fill in: CSV as any spreadsheet program saves it, and XLSX."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook import Workbook

from park.reporting import Cell, Formula

#: What a table may have; more is not a table of figures, and would not fit into memory.
MOST_BYTES = 20_000_000
MOST_UNPACKED = 200_000_000
MOST_ROWS = 20_000
MOST_COLUMNS = 500

_DELIMITERS = (",", ";", "\t", "，")


class TableError(Exception):
    """The file can't be read as a table; the text says what to do instead."""


def read(file: Path, sheet: str | None = None) -> list[list[Cell]]:
    """Return the rows of a CSV or XLSX file (its sheet ``sheet``, or its only one). Raises :class:`TableError`."""
    try:
        content = file.read_bytes() if file.stat().st_size <= MOST_BYTES else None
    except OSError as error:
        raise TableError(f"{file} can't be read ({error.strerror})") from error
    if content is None:
        raise TableError(f"{file} is larger than {MOST_BYTES // 1_000_000} MB; divide it")
    suffix = file.suffix.lower()
    if suffix in {".xlsx", ".xlsm"}:
        return _xlsx(file.name, content, sheet)
    if suffix == ".xls":
        raise TableError(f"{file.name} is an old Excel file; save it as .xlsx or .csv")
    if suffix not in {".csv", ".txt"}:
        raise TableError(f"{file.name} is neither .csv nor .xlsx; save the table as one of them")
    return _csv(file.name, content)


def _bounded(name: str, rows: Iterator[list[Cell]]) -> list[list[Cell]]:
    """Return the rows without what is blank at their ends: spreadsheets format thousands of cells that hold nothing."""
    found: list[list[Cell]] = []
    filled = 0
    for row in rows:
        last = next((place for place in range(len(row), 0, -1) if row[place - 1] not in {None, ""}), 0)
        if last > MOST_COLUMNS:
            raise TableError(f"{name} has more than {MOST_COLUMNS} columns; write a row per enterprise and period")
        found.append(row[:last])
        filled += bool(last)
        if filled > MOST_ROWS:
            raise TableError(f"{name} has more than {MOST_ROWS} rows; divide it")
    return found


# --- CSV -------------------------------------------------------------------------------------------------------


def _csv(name: str, content: bytes) -> list[list[Cell]]:
    text = _decoded(name, content)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return _bounded(name, (list(row) for row in reader))
    except csv.Error as error:
        raise TableError(f"{name}, line {reader.line_num}: {error}; put texts that hold quotes in quotes") from error


def _decoded(name: str, content: bytes) -> str:
    """Return the text: UTF-8, or what spreadsheet programs write on a Chinese desktop."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise TableError(f"{name} is no text in UTF-8 or GB 18030; save it as CSV (UTF-8)")


# --- XLSX ------------------------------------------------------------------------------------------------------


def _xlsx(name: str, content: bytes, sheet: str | None) -> list[list[Cell]]:
    _check_size(name, content)
    try:
        # Twice: once for results, once for what was written, to tell a formula without a result from a blank cell.
        results, written = (
            load_workbook(io.BytesIO(content), read_only=True, data_only=only) for only in (True, False)
        )
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise TableError(f"{name} can't be read as a spreadsheet ({error}); open it and save it as .xlsx") from error
    chosen = _sheet(name, results, sheet)
    for book in (results, written):
        # What a file says of its size need not be so, and rows would be made up to it.
        book[chosen].reset_dimensions()
    pairs = zip(results[chosen].iter_rows(), written[chosen].iter_rows(), strict=True)
    found = _bounded(name, ([_cell(*both) for both in zip(*rows, strict=True)] for rows in pairs))
    results.close()
    written.close()
    return found


def _check_size(name: str, content: bytes) -> None:
    """A spreadsheet is a ZIP file: what it claims to unpack to is bounded before anything is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile as error:
        raise TableError(f"{name} is no .xlsx file; open it and save it as .xlsx, or as .csv") from error
    if size > MOST_UNPACKED:
        raise TableError(f"{name} unpacks to more than {MOST_UNPACKED // 1_000_000} MB; save only the table")


def _sheet(name: str, book: Workbook, sheet: str | None) -> str:
    names = [each.title for each in book.worksheets]
    if sheet is not None and sheet not in names:
        raise TableError(f"{name} has no sheet {sheet!r}; write one of {', '.join(names)}")
    if sheet is None and len(names) != 1:
        raise TableError(f"{name} has the sheets {', '.join(names)}; say which by --sheet")
    return sheet or names[0]


class _SheetCell(Protocol):
    """A cell as openpyxl has it."""

    @property
    def value(self) -> object: ...


def _cell(result: _SheetCell, written: _SheetCell) -> Cell:
    value = result.value
    if value is None and written.value is not None:
        return Formula(str(written.value))
    if value is None or isinstance(value, str | bool | int | float | dt.datetime | dt.date):
        return value
    return str(value)
