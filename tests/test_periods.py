"""Periods that people write, and the Chinese months they are."""

from __future__ import annotations

import calendar
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from park import periods
from park.periods import Period
from tests.making import many

CHINA = dt.timezone(dt.timedelta(hours=8))


def at(year: int, month: int = 1) -> int:
    return round(dt.datetime(year, month, 1, tzinfo=CHINA).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "begin", "end", "span"),
    [
        ("2026-03", at(2026, 3), at(2026, 4), "month"),
        ("2026-3", at(2026, 3), at(2026, 4), "month"),
        ("2026/12", at(2026, 12), at(2027), "month"),
        ("202603", at(2026, 3), at(2026, 4), "month"),
        ("2026年3月", at(2026, 3), at(2026, 4), "month"),
        (" 2026 年 3 月份 ", at(2026, 3), at(2026, 4), "month"),
        ("2026-03-01 00:00:00", at(2026, 3), at(2026, 4), "month"),
        ("2026/3/1", at(2026, 3), at(2026, 4), "month"),
        ("2026/3/1 0:00", at(2026, 3), at(2026, 4), "month"),
        ("2026年3月1日", at(2026, 3), at(2026, 4), "month"),
        ("2026Q1", at(2026), at(2026, 4), "quarter"),
        ("2026-q4", at(2026, 10), at(2027), "quarter"),
        ("2026年第三季度", at(2026, 7), at(2026, 10), "quarter"),
        ("2026年2季度", at(2026, 4), at(2026, 7), "quarter"),
        ("2026H1", at(2026), at(2026, 7), "half-year"),
        ("2026年下半年", at(2026, 7), at(2027), "half-year"),
        ("2026", at(2026), at(2027), "year"),
        ("2026年度", at(2026), at(2027), "year"),
        ("2026-01..02", at(2026), at(2026, 3), "2-months"),
        ("2026-01~2026-11", at(2026), at(2026, 12), "11-months"),
        ("2026年1-3月", at(2026), at(2026, 4), "quarter"),
        ("2026年1-8月累计", at(2026), at(2026, 9), "8-months"),
        ("2026-02..04", at(2026, 2), at(2026, 5), "3-months"),
    ],
)
def test_what_people_write(text: str, begin: int, end: int, span: str) -> None:
    assert periods.period(text) == Period(begin, end, span)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "March",
        "2026-13",
        "2026-00",
        "2026-03..01",
        "2026Q5",
        "2026H3",
        "1999",
        "26-03",
        "2026-03-02",
        "2026-03..2027-02",
    ],
)
def test_what_is_no_period_is_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"write a month 2026-03, a quarter 2026Q1"):
        periods.period(text)


@given(st.integers(2000, 2098), st.integers(1, 12), st.integers(1, 12))
@many
def test_the_text_of_a_period_reads_as_the_period(year: int, one: int, other: int) -> None:
    first, last = sorted((one, other))
    found = periods.period(f"{year}-{first:02}..{last:02}")
    assert (found.begin, found.end) == (at(year, first), at(year + last // 12, last % 12 + 1))
    assert periods.period(found.text) == found
    days = sum(calendar.monthrange(year, month)[1] for month in range(first, last + 1))
    assert found.end - found.begin == days * 86_400_000


@given(st.integers(at(2000), at(2099)), st.integers(0, 30))
@many
def test_months_after(t: int, months: int) -> None:
    moment = dt.datetime.fromtimestamp(t / 1000, CHINA)
    year, month = moment.year, moment.month
    for _ in range(months):
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    assert periods.months_after(t, months) == at(year, month)
