"""Periods that enterprises report for: Chinese months, quarters, half-years and years, and cumulated months."""

from __future__ import annotations

import datetime as dt
import re

import msgspec

_PARK = dt.timezone(dt.timedelta(hours=8))
_YEARS = range(2000, 2100)
_MONTHS = 12
#: Months of a span that has a name.
_SPANS = {1: "month", 3: "quarter", 6: "half-year", 12: "year"}

_YEAR = r"(?P<year>20\d\d)"
_CUMULATED = (
    rf"{_YEAR}-(?P<month>\d\d?)(?:\.\.|~|～|至|/)(?:(?P=year)-)?(?P<last>\d\d?)",
    rf"{_YEAR}年(?P<month>\d\d?)(?:-|~|～|至)(?P<last>\d\d?)月(?:累计)?",
)
_MONTH = (
    rf"{_YEAR}[-/.](?P<month>\d\d?)",
    rf"{_YEAR}(?P<month>\d\d)",
    rf"{_YEAR}年(?P<month>\d\d?)月(?:份)?",
    # The first of a month, which a spreadsheet program makes of "2026-03" and writes into CSV its own way.
    rf"{_YEAR}(?P<mark>[-/.])(?P<month>\d\d?)(?P=mark)0?1(?:[ T]0?0:00(?::00)?)?",
    rf"{_YEAR}年(?P<month>\d\d?)月0?1日",
)
_QUARTER = (rf"{_YEAR}[- ]?[Qq](?P<part>[1-4])", rf"{_YEAR}年?第?(?P<part>[一二三四1-4])季度")
_HALF = (rf"{_YEAR}[- ]?[Hh](?P<part>[12])", rf"{_YEAR}年?(?P<part>[上下])半年")
_WHOLE = (rf"{_YEAR}年?(?:度|全年)?",)
_PARTS = {"一": 1, "二": 2, "三": 3, "四": 4, "上": 1, "下": 2}


class Period(msgspec.Struct, frozen=True, order=True):
    """``begin <= t < end`` (ms), whole Chinese months; ``span`` is its length in a word."""

    begin: int
    end: int
    span: str

    @property
    def text(self) -> str:
        """What :func:`period` reads as this: ``2026-03``, ``2026Q1``, ``2026H1``, ``2026``, ``2026-01..02``."""
        first, last = _moment(self.begin), _moment(self.end - 1)
        match self.span:
            case "month":
                return f"{first:%Y-%m}"
            case "quarter":
                return f"{first.year}Q{(first.month + 2) // 3}"
            case "half-year":
                return f"{first.year}H{(first.month + 5) // 6}"
            case "year":
                return f"{first.year}"
        return f"{first:%Y-%m}..{last:%m}"


def period(text: str) -> Period:
    """Return the period that people wrote: ``2026-03``, ``2026年3月``, ``2026Q1``, ``2026年1-3月``, ``2026``.

    Raises ``ValueError``, which says what to write instead.
    """
    plain = " ".join(text.split())
    compact = plain.replace(" ", "") if "年" in plain else plain
    for patterns, months in (
        (_CUMULATED, _cumulated),
        (_MONTH, _one),
        (_QUARTER, _part),
        (_HALF, _part),
        (_WHOLE, _all),
    ):
        found = next(filter(None, (re.fullmatch(pattern, compact) for pattern in patterns)), None)
        if found:
            first, last = months(found)
            if 1 <= first <= last <= _MONTHS:
                return _period(int(found["year"]), first, last)
    raise ValueError(
        f"{plain[:40]!r} is no period; write a month 2026-03, a quarter 2026Q1, a half-year 2026H1, a year 2026, or "
        "months of a year added up 2026-01..03"
    )


def year(number: int) -> Period:
    """Return a Chinese year."""
    return _period(number, 1, _MONTHS)


def month(number: int, month_: int) -> Period:
    """Return a Chinese month; ``month_`` from 1."""
    return _period(number, month_, month_)


def span(begin: int, end: int) -> str:
    """Return the length in a word of a period that begins and ends (ms) with a month: ``quarter``, ``2-months``."""
    first, last = _moment(begin), _moment(end - 1)
    months = (last.year - first.year) * _MONTHS + last.month - first.month + 1
    return _SPANS[months] if months in _SPANS and (first.month - 1) % months == 0 else f"{months}-months"


def months_after(t: int, months: int) -> int:
    """Return the first moment (ms) of the Chinese month ``months`` after the one that holds ``t``."""
    moment = _moment(t)
    whole = moment.year * _MONTHS + moment.month - 1 + months
    return _ms(whole // _MONTHS, whole % _MONTHS + 1)


def year_of(t: int) -> int:
    """Return the Chinese year that holds ``t`` (ms)."""
    return _moment(t).year


def _cumulated(found: re.Match[str]) -> tuple[int, int]:
    return int(found["month"]), int(found["last"])


def _one(found: re.Match[str]) -> tuple[int, int]:
    return int(found["month"]), int(found["month"])


def _part(found: re.Match[str]) -> tuple[int, int]:
    length = 6 if found.re.pattern in _HALF else 3
    number = _PARTS.get(found["part"]) or int(found["part"])
    return (number - 1) * length + 1, number * length


def _all(_: re.Match[str]) -> tuple[int, int]:
    return 1, _MONTHS


def _period(year_: int, first: int, last: int) -> Period:
    if year_ not in _YEARS:
        raise ValueError(f"{year_} is not a year from {_YEARS[0]} to {_YEARS[-1]}")
    begin = _ms(year_, first)
    end = months_after(begin, last - first + 1)
    return Period(begin, end, span(begin, end))


def _moment(t: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(t / 1000, _PARK)


def _ms(year_: int, month_: int) -> int:
    return round(dt.datetime(year_, month_, 1, tzinfo=_PARK).timestamp() * 1000)
