"""Reported figures over any span: apportioned, weighted, carried on, and how much of it was reported."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from park import periods
from park.figures import Book, FigureDefinition, FigureKind, Known, Reported
from park.words import Names
from tests.making import many

DAY = 86_400_000
WORDS = Names("甲", "a")


def definition(name: str, kind: FigureKind) -> FigureDefinition:
    unit = "" if kind in {FigureKind.FLAG, FigureKind.CHOICE} else "t"
    return FigureDefinition(name, WORDS, kind, unit, choices={"low": WORDS, "high": WORDS})


FIGURES = {kind.value: definition(kind.value, kind) for kind in FigureKind}


def said(text: str, value: float, figure: str = "flow", enterprise: str = "acme", words: str = "") -> Reported:
    period = periods.period(text)
    return Reported(enterprise, figure, period.begin, period.end, value, words)


def over(text: str, *reported: Reported, figure: str = "flow", enterprises: str | list[str] = "acme") -> Known:
    period = periods.period(text)
    return Book(FIGURES, reported).over(figure, enterprises, period.begin, period.end)


def shown(known: Known) -> tuple[Any, ...]:
    return known.value, known.share, known.carried, known.reporting


def test_months_add_up() -> None:
    months = [said(f"2025-{month:02}", month) for month in range(1, 13)]
    assert shown(over("2025", *months)) == (pytest.approx(78), 1.0, False, 1)
    assert over("2025Q2", *months).value == pytest.approx(4 + 5 + 6)


def test_a_year_is_spread_over_its_days() -> None:
    known = over("2024-02", said("2024", 366.0))
    assert shown(known) == (pytest.approx(29.0), 1.0, False, 1)


def test_nothing_reported_is_nothing_known() -> None:
    assert over("2025") == Known(None, 0.0, carried=False, reporting=0)
    # What is reported later says nothing of what was before.
    assert over("2024", said("2025-01", 5.0)).value is None


def test_what_is_missing_is_carried_on_for_thirteen_months_and_marked() -> None:
    known = over("2025Q1", said("2025-01", 31.0))
    assert known.value == pytest.approx(31 + 28 + 31)
    assert known.carried
    assert known.share == pytest.approx(31 / 90)
    assert shown(over("2026-02", said("2025-01", 31.0))) == (pytest.approx(28.0), 0.0, True, 1)
    assert over("2026-03", said("2025-01", 31.0)).value is None


def test_a_gap_between_reports_is_carried_on_too() -> None:
    known = over("2025Q1", said("2025-01", 31.0), said("2025-03", 62.0))
    assert known.value == pytest.approx(31 + 28 + 62)
    assert known.carried


def test_cumulated_months_tell_the_last_one() -> None:
    reported = [said("2025-01..02", 100.0), said("2025-01..03", 160.0)]
    assert over("2025-03", *reported).value == pytest.approx(60.0)
    assert over("2025Q1", *reported).value == pytest.approx(160.0)


def test_a_year_fills_what_its_months_leave() -> None:
    reported = [said("2025", 1200.0), said("2025-01", 200.0)]
    assert over("2025", *reported).value == pytest.approx(1200.0)
    assert over("2025-01", *reported).value == pytest.approx(200.0)
    assert over("2025-02", *reported).value == pytest.approx(1000 * 28 / 334)


def test_the_months_are_believed_where_a_year_says_otherwise() -> None:
    months = [said(f"2025-{month:02}", 10.0) for month in range(1, 13)]
    assert over("2025", said("2025", 500.0), *months).value == pytest.approx(120.0)


def test_a_stock_is_weighted_by_time() -> None:
    reported = [said("2025-01", 100.0, "stock"), said("2025-02", 300.0, "stock")]
    known = over("2025-01..02", *reported, figure="stock")
    assert known.value == pytest.approx((100 * 31 + 300 * 28) / 59)
    # Where it is missing before the first report it has no weight.
    known = over("2025-01..02", reported[1], figure="stock")
    assert shown(known) == (300.0, pytest.approx(28 / 59), False, 1)


def test_a_stock_carried_on_stays_what_it_was() -> None:
    assert over("2025", said("2024", 60.0, "stock"), figure="stock") == Known(60.0, 0.0, carried=True, reporting=1)


def test_a_flag_is_what_it_was_last_and_several_add_up_to_how_many() -> None:
    reported = [
        said("2025-01", 0.0, "flag"),
        said("2025-02", 1.0, "flag"),
        said("2025-01", 1.0, "flag", "bcme"),
        said("2025", 0.0, "flag", "ccme"),
    ]
    assert over("2025-01..02", *reported, figure="flag").value == 1.0
    known = over("2025-01", *reported, figure="flag", enterprises=["acme", "bcme", "ccme", "silent"])
    assert (known.value, known.reporting, known.share) == (1.0, 3, 0.75)


def test_a_choice_tells_its_word() -> None:
    known = over("2025Q1", said("2025-01", 1.0, "choice", words="high"), figure="choice")
    assert (known.text, known.carried) == ("high", True)


def test_several_enterprises_add_up() -> None:
    known = over("2025", said("2025", 10.0), said("2025H1", 4.0, enterprise="bcme"), enterprises=["acme", "bcme"])
    # What bcme said of the first half (181 days) goes on in the second (184 days).
    assert known.value == pytest.approx(10 + 4 + 4 * 184 / 181)
    assert known.share == pytest.approx((1 + 181 / 365) / 2)
    assert (known.carried, known.reporting) == (True, 2)


def test_no_enterprise_at_all() -> None:
    assert over("2025", said("2025", 10.0), enterprises=[]) == Known()


def test_an_unknown_figure_is_an_error_and_an_unknown_report_is_not() -> None:
    with pytest.raises(KeyError):
        over("2025", figure="weight")
    assert Book(FIGURES, [said("2025", 1.0, "weight")]).enterprises == frozenset()
    with pytest.raises(ValueError, match="length"):
        Book(FIGURES).over("flow", "acme", 5, 5)


MONTHS = st.tuples(st.integers(1, 12), st.integers(1, 12)).map(sorted)


@given(st.dictionaries(MONTHS.map(tuple), st.integers(-1000, 1000), max_size=8), MONTHS, st.integers(1, 11))
@many
def test_a_span_is_the_sum_of_its_parts(told: dict[tuple[int, int], int], span: list[int], cut: int) -> None:
    book = Book(FIGURES, [said(f"2025-{a:02}..{b:02}", value) for (a, b), value in told.items()])
    whole = periods.period(f"2025-{span[0]:02}..{span[1]:02}")
    middle = periods.months_after(whole.begin, cut)
    if not whole.begin < middle < whole.end:
        return
    parts = [book.over("flow", "acme", *ends) for ends in ((whole.begin, middle), (middle, whole.end))]
    known = book.over("flow", "acme", whole.begin, whole.end)
    assert sum(part.value or 0 for part in parts) == pytest.approx(known.value or 0, abs=1e-6)
    days = [Fraction(middle - whole.begin, DAY), Fraction(whole.end - middle, DAY)]
    share = sum(part.share * float(length) for part, length in zip(parts, days, strict=True)) / float(sum(days))
    assert share == pytest.approx(known.share)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12))
@many
def test_cumulated_reports_say_what_months_say(months: list[int]) -> None:
    plain = [said(f"2025-{month:02}", value) for month, value in enumerate(months, 1)]
    cumulated = [said(f"2025-01..{month:02}", sum(months[:month])) for month in range(1, len(months) + 1)]
    for month in range(1, 13):
        one, other = over(f"2025-{month:02}", *plain), over(f"2025-{month:02}", *cumulated)
        assert one.value == pytest.approx(other.value, abs=1e-6)
        assert (one.share, one.carried) == (other.share, other.carried)
