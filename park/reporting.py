"""From a table that somebody filled in to reported figures, or to everything that is wrong with it.

The first row with anything in it holds the headings; each further row is an enterprise and a period, each further
column a figure. A blank cell is not reported. Nothing is guessed: what can't be read for certain is a problem.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from park import periods
from park.figures import Book, FigureDefinition, FigureKind, Reported, headings, plain
from park.flows import Enterprise
from park.periods import Period
from park.rows import shortened, suggestion
from park.wording import amount, short

#: What a cell holds, as a spreadsheet tells it.
Cell = str | float | int | bool | dt.datetime | dt.date | None

_ENTERPRISE = ("enterprise", "企业", "企业名称", "单位名称", "company")
_PERIOD = ("period", "期间", "统计期", "月份", "报告期", "时间", "month", "year", "年份", "年度")
_IGNORED = frozenset(map(plain, ("备注", "remark", "remarks", "note", "notes", "序号", "no", "#", "zone", "园区")))
_BLANK = frozenset({"", "-", "–", "—", "——", "/", "n/a", "na", "无"})
_YES = frozenset({"yes", "y", "true", "1", "是", "有", "√"})
_NO = frozenset({"no", "n", "false", "0", "否", "无", "×"})
_UNIT = re.compile(r"(?P<heading>.*\S)\s*\((?P<unit>[^()]*)\)\s*(?P<rest>[^()]*)")
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?")
#: A figure that has grown or shrunk by more than this since its last report is asked about: a unit may be wrong.
_JUMP = 50.0


class Trouble(msgspec.Struct, frozen=True):
    """What is wrong in a table: ``row`` counts from 1 as a spreadsheet does, ``column`` is the heading (or empty)."""

    row: int
    column: str
    message: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"row {self.row}{f', {self.column}' if self.column else ''}: {self.message}"


class Report(NamedTuple):
    """What a table holds. With any of ``troubles`` it is not to be taken; ``doubts`` ask somebody to look again."""

    reported: list[Reported]
    troubles: list[Trouble]
    doubts: list[Trouble]
    rows: int


class _Column(NamedTuple):
    place: int
    heading: str
    figure: FigureDefinition
    size: float


class Formula(str):
    """A cell that holds a formula whose result nobody has worked out."""

    __slots__ = ()


def read_table(
    table: Sequence[Sequence[Cell]],
    figures: Mapping[str, FigureDefinition],
    enterprises: Mapping[str, Enterprise],
    now: int,
    before: Book | None = None,
) -> Report:
    """Return what ``table`` reports at ``now`` (ms); ``before`` is what had been reported, for what looks doubtful."""
    return _Reader(figures, enterprises, now, before).read(table)


class _Reader:
    def __init__(
        self,
        figures: Mapping[str, FigureDefinition],
        enterprises: Mapping[str, Enterprise],
        now: int,
        before: Book | None,
    ) -> None:
        self._figures = figures
        self._enterprises = enterprises
        self._now = now
        self._before = before
        self._troubles: list[Trouble] = []
        self._doubts: list[Trouble] = []
        self._reported: list[Reported] = []
        self._seen: dict[tuple[str, str, int, int], int] = {}

    def read(self, table: Sequence[Sequence[Cell]]) -> Report:
        filled = [(number, row) for number, row in enumerate(table, 1) if any(not _is_blank(cell) for cell in row)]
        if not filled:
            self._trouble(1, "", "the table is empty; `parkwatch figures template` prints one to fill in")
            return self._report(0)
        number, first = filled[0]
        places = self._places(number, first)
        if places is not None:
            enterprise, period, columns = places
            for row_number, row in filled[1:]:
                self._row(row_number, row, enterprise, period, columns)
            if not self._reported and not self._troubles:
                self._trouble(number, "", "there is nothing below the headings; write a row per enterprise and period")
        return self._report(len(filled) - 1)

    def _report(self, rows: int) -> Report:
        reported = [] if self._troubles else self._reported
        return Report(reported, sorted(self._troubles, key=lambda each: each.row), self._doubts, rows)

    def _trouble(self, row: int, column: str, message: str) -> None:
        self._troubles.append(Trouble(row, column, message))

    # --- headings ---

    def _places(self, number: int, row: Sequence[Cell]) -> tuple[int, int, list[_Column]] | None:
        """Return where the enterprise, the period and the figures stand, or report why that can't be told."""
        before = len(self._troubles)
        found: dict[str, int] = {}
        columns: list[_Column] = []
        for index, cell in enumerate(row):
            if _is_blank(cell):
                continue
            heading = _text(cell)
            column = self._column(number, index, heading)
            key = column.figure.name if column else _role(heading)
            if key and key in found:
                other = _text(row[found[key]])
                self._trouble(number, heading, f"the column {other!r} says the same; keep one of them")
            elif key:
                found[key] = index
            columns += [column] if column else []
        for role, example in (("enterprise", "enterprise or 企业"), ("period", "period or 期间")):
            if role not in found:
                self._trouble(number, "", f"there is no column for the {role}; name it {example}")
        if not columns and len(self._troubles) == before:
            self._trouble(number, "", "there is no column for a figure; `parkwatch figures list` tells their names")
        if len(self._troubles) > before:
            return None
        return found["enterprise"], found["period"], columns

    def _column(self, number: int, index: int, heading: str) -> _Column | None:
        known = {plain(word): figure for figure in self._figures.values() for word in headings(figure)}
        whole = known.get(plain(heading))
        if whole:
            return _Column(index, heading, whole, 1.0)
        if _role(heading) or plain(heading) in _IGNORED:
            return None
        split = _UNIT.fullmatch(unicodedata.normalize("NFKC", heading))
        figure = known.get(plain(split["heading"] + split["rest"])) if split else None
        if not split or not figure:
            words = {word: word for each in self._figures.values() for word in headings(each)}
            self._trouble(number, heading, f"no figure is called so; {suggestion(heading, words)}")
            return None
        size = _size(figure, split["unit"])
        if size is None:
            accepted = ", ".join(dict.fromkeys((figure.unit, figure.unit_zh, *figure.units)))
            what = f"write one of {accepted}" if figure.unit else "it has no unit"
            self._trouble(number, heading, f"{figure.name} is not told in {split['unit']!r}; {what}")
            return None
        return _Column(index, heading, figure, size)

    # --- rows ---

    def _row(self, number: int, row: Sequence[Cell], enterprise: int, period: int, columns: list[_Column]) -> None:
        who = self._enterprise(number, _cell(row, enterprise))
        when = self._period(number, _cell(row, period))
        for column in columns:
            cell = _cell(row, column.place)
            if _is_blank(cell) and not _is_no(cell, column.figure):
                continue
            try:
                value, text = _value(cell, column)
            except ValueError as error:
                self._trouble(number, column.heading, str(error))
                continue
            if who and when:
                self._take(number, column, Reported(who.name, column.figure.name, when.begin, when.end, value, text))

    def _enterprise(self, number: int, cell: Cell) -> Enterprise | None:
        if _is_blank(cell):
            self._trouble(
                number, "", "the enterprise is missing (of merged cells only the first holds it: unmerge them)"
            )
            return None
        word = plain(_text(cell))
        for each in self._enterprises.values():
            if word in {plain(each.name), plain(each.names.zh), plain(each.names.en)}:
                return each
        names = {name for each in self._enterprises.values() for name in (each.name, each.names.zh, each.names.en)}
        self._trouble(number, "", f"{shortened(_text(cell))} is no enterprise; {suggestion(_text(cell), names)}")
        return None

    def _period(self, number: int, cell: Cell) -> Period | None:
        try:
            found = _period(cell)
        except ValueError as error:
            self._trouble(number, "", str(error))
            return None
        if found.begin > self._now:
            self._trouble(number, "", f"{found.text} has not begun; write a period that has")
            return None
        return found

    def _take(self, number: int, column: _Column, report: Reported) -> None:
        figure = column.figure
        if figure.kind is FigureKind.FLOW and report.end > self._now:
            text = Period(report.begin, report.end, periods.span(report.begin, report.end)).text
            self._trouble(
                number,
                column.heading,
                f"{text} is not over, so nobody knows its whole {figure.name}; add up its months, such as 2026-01..03",
            )
            return
        key = report.enterprise, report.figure, report.begin, report.end
        other = self._seen.setdefault(key, number)
        if other != number:
            self._trouble(number, column.heading, f"row {other} reports the same; keep one of them")
            return
        self._reported.append(report)
        self._doubt(number, column, report)

    def _doubt(self, number: int, column: _Column, report: Reported) -> None:
        """Ask about what has jumped: most of such jumps are units."""
        if self._before is None or column.figure.kind not in {FigureKind.FLOW, FigureKind.STOCK}:
            return
        length = report.end - report.begin
        known = self._before.over(report.figure, report.enterprise, report.begin - length, report.begin)
        if not known.value or not report.value or not known.share:
            return
        of_all = known.share if column.figure.kind is FigureKind.FLOW and not known.carried else 1.0
        ratio = report.value / known.value * of_all
        if not 1 / _JUMP <= abs(ratio) <= _JUMP:
            times = f"{short(abs(ratio))} times what" if abs(ratio) > 1 else f"1/{short(1 / abs(ratio))} of what"
            told = f"{amount(report.value, column.figure.unit)} is {times} was reported before"
            self._doubts.append(Trouble(number, column.heading, told))


# --- cells -----------------------------------------------------------------------------------------------------


def _cell(row: Sequence[Cell], index: int) -> Cell:
    return row[index] if index < len(row) else None


def _text(cell: Cell) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return " ".join(unicodedata.normalize("NFKC", str(cell)).split()) if cell is not None else ""


def _is_blank(cell: Cell) -> bool:
    return cell is None or (
        isinstance(cell, str) and _text(cell).casefold() in _BLANK and not isinstance(cell, Formula)
    )


def _is_no(cell: Cell, figure: FigureDefinition) -> bool:
    """Whether a word that is blank for numbers is an answer here: 无, "none there"."""
    return figure.kind is FigureKind.FLAG and _text(cell) == "无"


def _role(heading: str) -> str:
    word = plain(heading)
    if word in map(plain, _ENTERPRISE):
        return "enterprise"
    return "period" if word in map(plain, _PERIOD) else ""


def _size(figure: FigureDefinition, unit: str) -> float | None:
    """Return how many of the figure's unit one ``unit`` is; ``None`` if that can't be told."""
    sizes = {figure.unit: 1.0, figure.unit_zh: 1.0, **figure.units} if figure.unit else {}
    word = "".join(unit.split()).casefold()
    known = {"".join(unicodedata.normalize("NFKC", name).split()).casefold(): size for name, size in sizes.items()}
    return known.get(word)


def _period(cell: Cell) -> Period:
    if _is_blank(cell):
        raise ValueError("the period is missing; write 2026-03, 2026Q1, 2026H1 or 2026")
    if isinstance(cell, dt.date):
        # A spreadsheet makes the first of the month of "2026-03".
        if cell.day != 1:
            raise ValueError(f"{cell:%Y-%m-%d} is a day; write the month as text, such as 2026-03")
        return periods.month(cell.year, cell.month)
    return periods.period(_text(cell))


def _value(cell: Cell, column: _Column) -> tuple[float, str]:
    """Return the value of a cell that isn't blank, and the choice; raises ``ValueError`` with what to write instead."""
    if isinstance(cell, Formula):
        # Not a matter of types: whoever filled in the table reads this.
        raise ValueError(  # noqa: TRY004
            f"the cell holds a formula without its result ({cell[:40]}); write the number"
        )
    match column.figure.kind:
        case FigureKind.FLAG:
            return _flag(cell), ""
        case FigureKind.CHOICE:
            return _choice(cell, column.figure)
        case _:
            return _number(cell, column), ""


def _flag(cell: Cell) -> float:
    word = _text(cell).casefold()
    if word in _YES:
        return 1.0
    if word in _NO:
        return 0.0
    raise ValueError(f"{shortened(_text(cell))} is neither yes nor no; write 是 or 否, yes or no")


def _choice(cell: Cell, figure: FigureDefinition) -> tuple[float, str]:
    word = plain(_text(cell))
    for index, (name, words) in enumerate(figure.choices.items()):
        if word in {plain(name), plain(words.zh), plain(words.en)}:
            return float(index), name
    raise ValueError(f"{shortened(_text(cell))} can't be chosen; {suggestion(_text(cell), figure.choices)}")


def _number(cell: Cell, column: _Column) -> float:
    figure = column.figure
    if isinstance(cell, bool) or not isinstance(cell, str | float | int):
        raise ValueError(f"{shortened(_text(cell))} is no number; write one such as 1234.5")  # noqa: TRY004
    number = float(cell) if not isinstance(cell, str) else _read_number(_text(cell))
    value = number * column.size
    if not math.isfinite(value):
        raise ValueError(f"{_text(cell)} is no number that there can be; write one such as 1234.5")
    # The noise of a conversion would be taken for a difference.
    value = float(f"{value:.12g}")
    for bound, word, beyond in ((figure.minimum, "at least", -1.0), (figure.maximum, "at most", 1.0)):
        if bound is not None and (value - bound) * beyond > 0:
            raise ValueError(f"{value:.6g} {figure.unit} can't be; {figure.name} is {word} {bound:g} {figure.unit}")
    return value


def _read_number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        hint = "; write the unit into the heading" if re.match(r"[+-]?\d", text) else ""
        raise ValueError(f"{shortened(text)} is no number; write one such as 1234.5{hint}")
    return float(text.replace(",", ""))


# --- what to fill in -------------------------------------------------------------------------------------------


def template(
    figures: Mapping[str, FigureDefinition], enterprises: Mapping[str, Enterprise], period: Period, language: str
) -> list[list[str]]:
    """Return a table to be filled in: the headings in ``language``, and a row per enterprise."""
    heads = ["企业", "期间"] if language == "zh" else ["enterprise", "period"]
    for figure in figures.values():
        unit = figure.unit_names.get(language)
        heads.append(f"{figure.names.get(language)} ({unit})" if unit else figure.names.get(language))
    rows = [[each.names.get(language), period.text, *[""] * len(figures)] for each in enterprises.values()]
    return [heads, *rows]


def untold(reported: Sequence[Reported], figures: Mapping[str, FigureDefinition]) -> Iterator[str]:
    """Yield the figures that nothing was reported of."""
    told = {each.figure for each in reported}
    yield from (name for name in figures if name not in told)
