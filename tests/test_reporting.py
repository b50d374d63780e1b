"""Tables that enterprises fill in: what is read of them, and what is said about what can't be."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import openpyxl.styles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park import periods, reporting
from park.figures import Book, FigureDefinition, FigureKind, Reported
from park.flows import Enterprise
from park.reporting import Report
from park.words import Names
from storage import tables
from storage.configuration import load
from tests.conftest import ROOT
from tests.making import many

NOW = periods.period("2026-04").begin + 20 * 86_400_000
ACME = Enterprise("acme", Names("顶点化工有限公司", "Acme Chemicals"), "north", ("north/unit-1",))
BCME = Enterprise("bcme", Names("乙化工", "Bcme"), "north", ("north/unit-2",))
MONEY = {"万元": 1.0, "元": 0.0001, "CNY": 0.0001, "亿元": 10_000.0}
FIGURES = {
    each.name: each
    for each in (
        FigureDefinition(
            "tax",
            Names("实缴税金", "tax paid"),
            FigureKind.FLOW,
            "10k CNY",
            also=("税收",),
            units=MONEY,
            unit_zh="万元",
        ),
        FigureDefinition(
            "land", Names("用地面积", "land"), FigureKind.STOCK, "mu", 0.0, units={"ha": 15.0}, unit_zh="亩"
        ),
        FigureDefinition("employees", Names("人数", "staff"), FigureKind.STOCK, "persons", 0.0, 10_000.0),
        FigureDefinition("big", Names("规上", "above-scale"), FigureKind.FLAG),
        FigureDefinition(
            "level",
            Names("等级（国标）", "level"),
            FigureKind.CHOICE,
            choices={"none": Names("未评估", "not assessed"), "level-1": Names("一级", "level 1")},
        ),
    )
}


def read(*rows: Sequence[Any], before: Book | None = None, now: int = NOW) -> Report:
    return reporting.read_table(rows, FIGURES, {"acme": ACME, "bcme": BCME}, now, before)


def troubles(*rows: Sequence[Any]) -> list[str]:
    found = read(*rows)
    assert found.reported == [], "nothing is half-imported"
    return [str(trouble) for trouble in found.troubles]


def month(number: int, **values: float) -> list[Reported]:
    period = periods.month(2026, number)
    return [Reported("acme", name, period.begin, period.end, value) for name, value in values.items()]


def test_a_table_in_chinese() -> None:
    found = read(["企业", "期间", "税收（元）", "用地面积"], ["顶点化工有限公司", "2026年3月", "１,２３4,567.8", 60])
    assert found.troubles == found.doubts == []
    assert found.reported == month(3, tax=123.45678, land=60.0)


def test_a_table_in_english() -> None:
    found = read(["Enterprise", "Period", "Tax Paid (CNY)", "Land (ha)"], ["acme CHEMICALS", "2026-03", 1e6, "4"])
    assert found.reported == month(3, tax=100.0, land=60.0)


def test_blank_cells_rows_and_columns_are_not_reported() -> None:
    rows: list[list[Any]] = [
        [None, None],
        ["企业", "期间", "税收", "备注", None, "用地面积"],
        ["acme", "2026-03", "—", "没有", None, 0],
        [],
        ["", " ", None],
        ["acme", "2026-02", 5, "", None],
    ]
    found = read(*rows)
    assert found.troubles == []
    assert found.reported == [*month(3, land=0.0), *month(2, tax=5.0)]
    assert found.rows == 2


def test_flags_and_choices() -> None:
    period = periods.month(2026, 3)
    found = read(
        ["企业", "期间", "规上", "等级（国标）"], ["acme", "2026-03", "是", "一级"], ["bcme", "2026-03", "无", "未评估"]
    )
    assert found.reported == [
        Reported("acme", "big", period.begin, period.end, 1.0),
        Reported("acme", "level", period.begin, period.end, 1.0, "level-1"),
        Reported("bcme", "big", period.begin, period.end, 0.0),
        Reported("bcme", "level", period.begin, period.end, 0.0, "none"),
    ]
    found = read(["企业", "期间", "规上"], ["acme", "2026-03", True], ["bcme", "2026-03", 0])
    assert [each.value for each in found.reported] == [1.0, 0.0]


@pytest.mark.parametrize(
    "cell",
    ["2026-03", dt.datetime(2026, 3, 1), dt.date(2026, 3, 1), 202603, 202603.0, "2026/3"],  # noqa: DTZ001 - Excel's
)
def test_what_spreadsheets_make_of_a_month(cell: object) -> None:
    assert read(["企业", "月份", "税收"], ["acme", cell, 5]).reported == month(3, tax=5.0)


def test_a_year_as_a_number() -> None:
    (found,) = read(["企业", "年份", "税收"], ["acme", 2025, 5]).reported
    assert (found.begin, found.end) == (periods.year(2025).begin, periods.year(2025).end)


HEAD = ["enterprise", "period", "tax", "land", "employees", "big", "level"]


@pytest.mark.parametrize(
    ("row", "trouble"),
    [
        (["acme", "2026-03", "12万"], "row 2, tax: '12万' is no number; write one such as 1234.5; write the unit into"),
        (["acme", "2026-03", "1,2345"], "row 2, tax: '1,2345' is no number"),
        (["acme", "2026-03", "#REF!"], "row 2, tax: '#REF!' is no number"),
        (["acme", "2026-03", "1e999"], "row 2, tax: 1e999 is no number that there can be"),
        (["acme", "2026-03", True], "row 2, tax: 'True' is no number"),
        (["acme", "2026-03", dt.date(2026, 1, 1)], "row 2, tax: '2026-01-01' is no number"),
        (["acme", "2026-03", None, -1], "row 2, land: -1 mu can't be; land is at least 0 mu"),
        (
            ["acme", "2026-03", None, None, 10_001],
            "row 2, employees: 10001 persons can't be; employees is at most 10000",
        ),
        (["acme", "2026-03", None, None, None, "maybe"], "row 2, big: 'maybe' is neither yes nor no; write 是 or 否"),
        (
            ["acme", "2026-03", *[None] * 4, "level-9"],
            "row 2, level: 'level-9' can't be chosen; did you mean 'level-1'?",
        ),
        (["acne", "2026-03", 1], "row 2: 'acne' is no enterprise; did you mean 'acme'?"),
        ([None, "2026-03", 1], "row 2: the enterprise is missing"),
        (["acme", None, 1], "row 2: the period is missing; write 2026-03"),
        (["acme", "March", 1], "row 2: 'March' is no period; write a month 2026-03"),
        (["acme", dt.date(2026, 3, 14), 1], "row 2: 2026-03-14 is a day; write the month as text"),
        (["acme", "2026-05", 1], "row 2: 2026-05 has not begun"),
        (["acme", "2026", 1], "row 2, tax: 2026 is not over, so nobody knows its whole tax; add up its months"),
        (
            ["acme", "2026-03", reporting.Formula("=A1*2")],
            "row 2, tax: the cell holds a formula without its result (=A1",
        ),
    ],
)
def test_a_row_that_can_not_be_read_is_told_with_what_to_write(row: list[Any], trouble: str) -> None:
    (found,) = troubles(HEAD, row)
    assert found.startswith(trouble)


def test_a_stock_of_a_year_that_is_not_over_can_be_reported() -> None:
    assert read(HEAD, ["acme", "2026", None, 60]).troubles == []


def test_all_troubles_are_told_at_once_and_nothing_is_taken() -> None:
    rows: list[list[Any]] = [
        ["acme", "2026-03", 1],
        ["acme", "soon", "x", -1],
        ["nobody", "2026-03", "y"],
        ["acme", "2026-03", 2],
    ]
    found = troubles(HEAD, *rows)
    assert [text.split(":")[0] for text in found] == [
        "row 3",
        "row 3, tax",
        "row 3, land",
        "row 4",
        "row 4, tax",
        "row 5, tax",
    ]
    assert found[-1] == "row 5, tax: row 2 reports the same; keep one of them"


@pytest.mark.parametrize(
    ("head", "trouble"),
    [
        (["enterprise", "tax"], "row 1: there is no column for the period; name it period or 期间"),
        (["period", "tax"], "row 1: there is no column for the enterprise; name it enterprise or 企业"),
        (["enterprise", "period"], "row 1: there is no column for a figure"),
        (["enterprise", "period", "taxx"], "row 1, taxx: no figure is called so; did you mean 'tax'?"),
        (
            ["enterprise", "period", "tax (USD)"],
            "row 1, tax (USD): tax is not told in 'USD'; write one of 10k CNY, 万元, 元",
        ),
        (["enterprise", "period", "big (t)"], "row 1, big (t): big is not told in 't'; it has no unit"),
        (
            ["enterprise", "period", "tax", "税收(元)"],
            "row 1, 税收(元): the column 'tax' says the same; keep one of them",
        ),
        (
            ["enterprise", "企业", "period", "tax"],
            "row 1, 企业: the column 'enterprise' says the same; keep one of them",
        ),
    ],
)
def test_headings_that_can_not_be_read(head: list[str], trouble: str) -> None:
    assert troubles(head, ["acme", "2026-03", 5, 5])[0].startswith(trouble)


def test_an_empty_table() -> None:
    assert troubles() == ["row 1: the table is empty; `parkwatch figures template` prints one to fill in"]
    assert troubles(HEAD) == ["row 1: there is nothing below the headings; write a row per enterprise and period"]


def test_a_jump_is_asked_about_but_taken() -> None:
    before = Book(FIGURES, month(2, tax=100.0, land=60.0))
    found = read(["enterprise", "period", "tax", "land"], ["acme", "2026-03", 1_000_000, 60], before=before)
    assert len(found.reported) == 2
    (doubt,) = found.doubts
    assert str(doubt) == "row 2, tax: 1000000 x 10k CNY is 9032 times what was reported before"
    assert read(["enterprise", "period", "tax"], ["acme", "2026-03", 900], before=before).doubts == []
    (doubt,) = read(["enterprise", "period", "tax"], ["acme", "2026-03", 0.01], before=before).doubts
    assert "1/11071 of what was reported before" in doubt.message


@given(st.lists(st.lists(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=12), max_size=8)))
@many
def test_no_table_breaks_it(rows: list[list[Any]]) -> None:
    found = read(HEAD, *rows)
    assert not (found.troubles and found.reported)
    read(*rows)


# --- files -----------------------------------------------------------------------------------------------------

ROWS = [["企业", "期间", "税收"], ["顶点化工有限公司", "2026-03", "5.5"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_as_spreadsheets_save_it(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(ROWS)
    file = tmp_path / "figures.csv"
    file.write_bytes(text.getvalue().encode(encoding))
    assert read(*tables.read(file)).reported == month(3, tax=5.5)


def workbook(tmp_path: Path, *rows: list[Any], sheets: int = 1) -> Path:
    book = openpyxl.Workbook()
    for number in range(1, sheets):
        book.create_sheet(f"more {number}")
    for row in rows:
        book.worksheets[0].append(row)
    book.save(tmp_path / "figures.xlsx")
    return tmp_path / "figures.xlsx"


def test_xlsx(tmp_path: Path) -> None:
    file = workbook(tmp_path, ["企业", "期间", "税收", "规上"], ["acme", dt.date(2026, 3, 1), 5.5, True], [None, None])
    assert read(*tables.read(file)).reported == month(3, tax=5.5, big=1.0)


def test_a_formula_without_a_result_is_no_blank_cell(tmp_path: Path) -> None:
    file = workbook(tmp_path, ["企业", "期间", "税收"], ["acme", "2026-03", "=1+1"])
    (trouble,) = read(*tables.read(file)).troubles
    assert "a formula without its result (=1+1)" in trouble.message


def test_a_sheet_that_is_formatted_far_beyond_its_table(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in ROWS:
        book.worksheets[0].append(row)
    far = book.worksheets[0].cell(row=50_000, column=900)
    far.font = openpyxl.styles.Font(bold=True)
    book.save(tmp_path / "figures.xlsx")
    found = read(*tables.read(tmp_path / "figures.xlsx"))
    assert (found.reported, found.rows) == (month(3, tax=5.5), 1)


def test_what_a_sheet_says_of_its_size_is_not_believed(tmp_path: Path) -> None:
    file, lying = workbook(tmp_path, *ROWS), tmp_path / "lying.xlsx"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(lying, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("sheet1.xml"):
                assert b'ref="A1:C2"' in content
                content = content.replace(b'ref="A1:C2"', b'ref="A1:XFD1048576"')
            new.writestr(name, content)
    assert read(*tables.read(lying)).reported == month(3, tax=5.5)


def test_a_spreadsheet_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_UNPACKED", 1000)
    with pytest.raises(tables.TableError, match="unpacks to more than"):
        tables.read(workbook(tmp_path, *ROWS))


def test_of_several_sheets_one_is_named(tmp_path: Path) -> None:
    file = workbook(tmp_path, *ROWS, sheets=2)
    with pytest.raises(tables.TableError, match=r"has the sheets Sheet, more 1; say which by --sheet"):
        tables.read(file)
    assert read(*tables.read(file, "Sheet")).reported == month(3, tax=5.5)
    with pytest.raises(tables.TableError, match="no sheet 'other'; write one of Sheet, more 1"):
        tables.read(file, "other")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xls", b"x", "an old Excel file; save it as .xlsx or .csv"),
        ("a.pdf", b"x", "neither .csv nor .xlsx"),
        ("a.xlsx", b"no zip", "no .xlsx file"),
        ("a.csv", b"\xff\xfe\x00a", "no text in UTF-8 or GB 18030"),
        ("a.csv", b'enterprise,"per', "line 1"),
        ("a.csv", b"a,b\n" * 20_001, "more than 20000 rows"),
        ("a.csv", b"a," * 600, "more than 500 columns"),
        ("a.csv", b"x" * 20_000_001, "larger than 20 MB"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(tables.TableError, match=words):
        tables.read(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(tables.TableError, match="can't be read"):
        tables.read(tmp_path / "a.csv")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_template_of_the_default_park_is_read_back(language: str) -> None:
    economy = load(ROOT / "config").economy
    rows = reporting.template(economy.figures, economy.enterprises, periods.month(2026, 3), language)
    filled = [
        [
            cell or {"flag": "是", "choice": "none"}.get(kind, "1")
            for cell, kind in zip(row, kinds(economy), strict=True)
        ]
        for row in rows[1:]
    ]
    found = reporting.read_table([rows[0], *filled], economy.figures, economy.enterprises, NOW)
    assert found.troubles == []
    assert len(found.reported) == len(economy.enterprises) * len(economy.figures)
    assert {each.value for each in found.reported} == {0.0, 1.0}


def kinds(economy: Any) -> list[str]:
    return ["", "", *(figure.kind.value for figure in economy.figures.values())]
