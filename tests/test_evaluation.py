"""Output per mu: scores against a worked example, classes with ties, who is ranked, what moved a class."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park import evaluation, periods
from park.evaluation import (
    Benchmark,
    ClassShare,
    Evaluation,
    Fields,
    Result,
    Scheme,
    Status,
    Term,
    Unreported,
    Yield,
)
from park.figures import Book, Reported
from park.flows import Enterprise
from park.rows import CHINA
from park.smart import SmartShare, SmartTarget, smart_share
from park.words import Names
from storage.configuration import load
from tests.conftest import ROOT
from tests.making import many

WORDS = Names("字", "word")
YEAR = 2025
CLASSES = tuple(ClassShare(name, share, WORDS) for name, share in (("A", 20), ("B", 40), ("C", 35), ("D", 5)))
SHIPPED = load(ROOT / "config").economy
HUAIAN, WUJIN, HUANGYAN = SHIPPED.schemes.values()


def enterprise(name: str, **changes: Any) -> Enterprise:
    plain = Enterprise(name, Names(name, name), "north", (f"north/{name}",))
    return msgspec.structs.replace(plain, **changes)


def told(name: str, **values: float) -> list[Reported]:
    return told_of(YEAR, name, values)


def told_of(year: int, name: str, values: Mapping[str, float]) -> list[Reported]:
    span = periods.year(year)
    return [Reported(name, figure.replace("_", "-"), span.begin, span.end, value) for figure, value in values.items()]


def run(scheme: Scheme, *reports: list[Reported], year: int = YEAR, **enterprises: Enterprise) -> Evaluation:
    reported = list(itertools.chain.from_iterable(reports))
    names = dict.fromkeys(each.enterprise for each in reported)
    chosen = [enterprises.get(name) or enterprise(name) for name in names]
    return evaluation.evaluate(scheme, year, chosen, Book(SHIPPED.figures, reported))


def result(found: Evaluation, name: str) -> Result:
    one = found.of(name)
    assert one is not None
    return one


# --- scores: worked examples, computed here by hand ------------------------------------------------------------

#: Means: tax per mu 7000/700 = 10, sales per mu 70000/700 = 100, tax per tce 7000/14000 = 0.5. Benchmarks: twice that.
WORKED = {
    # 40 / 20 * 45 + 200 / 200 * 35 + 2 / 1 * 20 = 90 + 35 + 40
    "one": ({"tax": 4000.0, "sales": 20_000.0, "land": 100.0, "energy": 2000.0}, 165.0),
    # 10 / 20 * 45 + 100 / 200 * 35 + 0.4 / 1 * 20 = 22.5 + 17.5 + 8
    "two": ({"tax": 2000.0, "sales": 20_000.0, "land": 200.0, "energy": 5000.0}, 48.0),
    # 2.5 / 20 * 45 + 75 / 200 * 35 + 1000 / 7000 * 20 = 5.625 + 13.125 + 2.857142...
    "three": ({"tax": 1000.0, "sales": 30_000.0, "land": 400.0, "energy": 7000.0}, 21.61),
}


def worked() -> list[list[Reported]]:
    return [told(name, above_scale=1.0, **values) for name, (values, _) in WORKED.items()]


def test_the_default_scheme_scores_as_worked_out_by_hand() -> None:
    found = run(HUAIAN, *worked())
    assert found.means == {"tax-per-mu": 10.0, "sales-per-mu": 100.0, "tax-per-energy": 0.5}
    assert found.benchmarks == {"tax-per-mu": 20.0, "sales-per-mu": 200.0, "tax-per-energy": 1.0}
    assert {each.enterprise: each.score for each in found.ranked} == {
        name: score for name, (_, score) in WORKED.items()
    }
    assert [(each.enterprise, each.rank) for each in found.ranked] == [("one", 1), ("two", 2), ("three", 3)]
    first = result(found, "one").terms[0]
    assert (first.term, first.over, first.under, first.value, first.score) == ("tax-per-mu", 4000, 100, 40.0, 90.0)


@pytest.mark.parametrize("scheme", [WUJIN, HUANGYAN], ids=lambda each: each.name)
def test_the_other_schemes_score_as_their_formula_says(scheme: Scheme) -> None:
    figures = {
        "one": {
            "tax": 900,
            "sales": 9000,
            "value-added": 2500,
            "rnd": 300,
            "land": 30,
            "energy": 700,
            "pollutants": 2,
            "employees": 90,
        },
        "two": {
            "tax": 400,
            "sales": 15_000,
            "value-added": 3900,
            "rnd": 100,
            "land": 80,
            "energy": 2100,
            "pollutants": 9,
            "employees": 260,
        },
    }
    ratios = {
        "tax-per-mu": ("tax", "land", 1),
        "sales-per-mu": ("sales", "land", 1),
        "value-added-per-mu": ("value-added", "land", 1),
        "tax-per-energy": ("tax", "energy", 1),
        "value-added-per-energy": ("value-added", "energy", 1),
        "tax-per-pollutant": ("tax", "pollutants", 1),
        "value-added-per-emissions": ("value-added", "pollutants", 1),
        "productivity": ("value-added", "employees", 1),
        "rnd-share": ("rnd", "sales", 100),
    }
    weights = {
        "wujin-draft": dict(
            zip(
                ("tax-per-mu", "sales-per-mu", "tax-per-energy", "tax-per-pollutant", "productivity", "rnd-share"),
                (40, 20, 10, 10, 10, 10),
                strict=True,
            )
        ),
        "huangyan-2022": dict(
            zip(
                (
                    "tax-per-mu",
                    "value-added-per-mu",
                    "value-added-per-energy",
                    "value-added-per-emissions",
                    "productivity",
                    "rnd-share",
                ),
                (30, 20, 20, 10, 10, 10),
                strict=True,
            )
        ),
    }[scheme.name]
    found = run(scheme, *(told(name, above_scale=1.0, **values) for name, values in figures.items()))
    for name, values in figures.items():
        expected = Fraction(0)
        for term, weight in weights.items():
            over, under, scale = ratios[term]
            mean = Fraction(sum(each[over] for each in figures.values()), sum(each[under] for each in figures.values()))
            expected += Fraction(values[over], values[under]) * scale / (2 * mean * scale) * weight
        assert result(found, name).score == pytest.approx(float(expected), abs=0.005)


@pytest.mark.parametrize("scheme", SHIPPED.schemes.values(), ids=lambda each: each.name)
def test_who_is_the_mean_scores_half_and_who_is_twice_the_mean_scores_all(scheme: Scheme) -> None:
    figures = dict.fromkeys(("tax", "sales", "land", "energy", "value-added", "rnd", "employees", "pollutants"), 12.0)
    found = run(scheme, *(told(name, above_scale=1.0, **figures) for name in ("one", "two")))
    assert [each.score for each in found.ranked] == [50.0, 50.0]


def scheme(*weights: float, **changes: Any) -> Scheme:
    """Terms by land, each of a figure of its own: tax, sales, ...; benchmarks are 10."""
    figures = ("tax", "sales", "value-added", "rnd")
    terms = tuple(
        Term(name, WORDS, (name,), ("land",), weight, Benchmark(at=10.0))
        for name, weight in zip(figures, weights, strict=False)
    )
    return Scheme(
        **{
            "name": "plain",
            "names": WORDS,
            "terms": terms,
            "classes": CLASSES,
            "source": "",
            "provenance": "",
            **changes,
        }
    )


def test_a_loss_scores_nothing_and_a_bound_is_kept() -> None:
    bounded = scheme(60, 40)
    bounded = msgspec.structs.replace(
        bounded, terms=tuple(msgspec.structs.replace(term, most=1.5) for term in bounded.terms)
    )
    found = run(bounded, told("one", tax=-50.0, sales=400.0, land=10.0))
    assert [part.score for part in found.ranked[0].terms] == [0.0, 60.0]
    found = run(scheme(60, 40), told("one", tax=-50.0, sales=400.0, land=10.0))
    assert found.ranked[0].score == 160.0


def test_who_emits_nothing_scores_the_weight_where_the_scheme_says_so() -> None:
    figures = dict.fromkeys(("tax", "sales", "land", "energy", "value-added", "rnd", "employees"), 12.0)
    clean = told("clean", above_scale=1.0, pollutants=0.0, **figures)
    found = run(WUJIN, clean, told("other", above_scale=1.0, pollutants=12.0, **figures))
    parts = {part.term: part for part in result(found, "clean").terms}
    assert (parts["tax-per-pollutant"].value, parts["tax-per-pollutant"].score) == (None, 10.0)
    # Nothing under any other line scores nothing.
    found = run(HUAIAN, told("idle", above_scale=1.0, tax=1.0, sales=1.0, land=3.0, energy=0.0))
    assert [part.score for part in found.ranked[0].terms] == [22.5, 17.5, 0.0]


def test_with_nobody_there_is_no_mean() -> None:
    found = evaluation.evaluate(HUAIAN, YEAR, [], Book(SHIPPED.figures))
    assert (found.results, set(found.means.values()), set(found.benchmarks.values())) == ((), {None}, {None})
    assert evaluation.fields(HUAIAN, found)[0].share == 0.0


# --- who is ranked -----------------------------------------------------------------------------------------------

GOOD = {"tax": 100.0, "sales": 1000.0, "land": 10.0, "energy": 100.0, "above_scale": 1.0}


def day(year: int, month: int = 1, day_: int = 1) -> int:
    return round(dt.datetime(year, month, day_, tzinfo=CHINA).timestamp() * 1000)


@pytest.mark.parametrize(
    ("changes", "values", "status", "words"),
    [
        ({}, {}, Status.RANKED, None),
        ({"exempt": Names("公用工程", "public utility")}, {}, Status.EXEMPT, "public utility"),
        ({"since": day(2025)}, {}, Status.RANKED, None),
        ({"since": day(2025, 1, 2)}, {}, Status.EXEMPT, "has not produced for 1 whole year(s)"),
        ({}, {"above_scale": 0.0}, Status.OUT_OF_SCOPE, "below scale"),
        ({}, {"land": 2.999}, Status.OUT_OF_SCOPE, "less than 3 mu of land"),
        ({}, {"land": 3.0}, Status.RANKED, None),
        ({}, {"above_scale": None}, Status.INCOMPLETE, "not reported: above-scale enterprise"),
        ({}, {"tax": None, "energy": None}, Status.INCOMPLETE, "not reported: tax paid, energy used"),
    ],
)
def test_who_is_ranked_and_why_not(
    changes: dict[str, Any], values: dict[str, float | None], status: Status, words: str | None
) -> None:
    figures = {name: value for name, value in {**GOOD, **values}.items() if value is not None}
    found = run(HUAIAN, told("acme", **figures), told("other", **GOOD), acme=enterprise("acme", **changes))
    one = result(found, "acme")
    assert one.status is status
    assert (one.reason.en if one.reason else None) == words
    assert (one.rank is None) == (one.class_ == "") == (status is not Status.RANKED)
    # Who is not ranked has no part in the mean either.
    assert found.means["tax-per-mu"] == (
        GOOD["tax"] / GOOD["land"] if status is not Status.RANKED else pytest.approx(200 / (10 + figures["land"]))
    )


def test_who_does_not_report_is_left_out_or_last_as_the_scheme_says() -> None:
    silent = told("silent", above_scale=1.0, land=5.0)
    assert result(run(HUAIAN, silent, told("other", **GOOD)), "silent").class_ == ""
    strict = msgspec.structs.replace(HUAIAN, unreported=Unreported.LAST_CLASS)
    one = result(run(strict, silent, told("other", **GOOD)), "silent")
    assert (one.class_, one.rank, one.status) == ("D", None, Status.INCOMPLETE)


def test_a_year_that_is_reported_in_part_is_provisional() -> None:
    half = periods.period("2025H1")
    reported = [
        Reported("acme", figure.replace("_", "-"), half.begin, half.end, value) for figure, value in GOOD.items()
    ]
    one = run(HUAIAN, reported).ranked[0]
    assert one.provisional
    assert one.share == pytest.approx(181 / 365)
    # What is missing is carried on: as much tax a day as in the first half.
    assert one.terms[0].over == pytest.approx(100 * 365 / 181)
    assert not run(HUAIAN, told("acme", **GOOD)).ranked[0].provisional


# --- classes -----------------------------------------------------------------------------------------------------


def ranked(*scores: float, **changes: Any) -> list[Result]:
    reports = [told(f"e{number:03}", tax=score, land=10.0) for number, score in enumerate(scores)]
    return run(scheme(100, **changes), *reports).ranked


@pytest.mark.parametrize(
    ("count", "reaches"),
    [
        (1, [0, 1, 1, 1]),
        (2, [0, 1, 2, 2]),
        (5, [1, 3, 5, 5]),
        (9, [2, 5, 9, 9]),
        (10, [2, 6, 10, 10]),
        (11, [2, 7, 10, 11]),
        (20, [4, 12, 19, 20]),
        (100, [20, 60, 95, 100]),
    ],
)
def test_shares_are_rounded_half_up(count: int, reaches: list[int]) -> None:
    assert evaluation.reaches(CLASSES, count) == reaches


def test_twenty_enterprises_fill_the_classes_by_share() -> None:
    found = ranked(*range(20, 0, -1))
    assert "".join(each.class_ for each in found) == "A" * 4 + "B" * 8 + "C" * 7 + "D"


def test_equal_scores_share_the_rank_and_the_better_class() -> None:
    # Ranks 4, 5 and 6 are equal; A reaches to rank 4 of 20.
    found = ranked(20, 19, 18, 15, 15, 15, *range(14, 0, -1))
    assert [each.rank for each in found[:7]] == [1, 2, 3, 4, 4, 4, 7]
    assert "".join(each.class_ for each in found[:7]) == "AAAAAAB"
    assert [each.enterprise for each in found[3:6]] == ["e003", "e004", "e005"]


def test_scores_that_are_published_as_equal_are_equal() -> None:
    assert [each.rank for each in ranked(10.0001, 10.0002)] == [1, 1]
    assert [each.rank for each in ranked(10.01, 10.02)] == [1, 2]


def test_all_equal_are_all_of_the_class_of_the_first() -> None:
    assert {each.class_ for each in ranked(*[7.0] * 12)} == {"A"}


SCORES = st.lists(st.integers(0, 40).map(float), min_size=1, max_size=60)


@given(SCORES)
@many
def test_classes_by_what_they_are(scores: list[float]) -> None:
    found = ranked(*scores)
    order = "ABCD"
    assert sorted(each.enterprise for each in found) == [f"e{number:03}" for number in range(len(scores))]
    for one, other in itertools.pairwise(found):
        assert one.score is not None
        assert other.score is not None
        # By rank, never worse for a better score, the same for the same.
        assert one.score >= other.score
        assert order.index(one.class_) <= order.index(other.class_)
        assert (one.score == other.score) == (one.rank == other.rank)
        assert one.class_ == other.class_ or one.score > other.score
    counts = Counter(each.class_ for each in found)
    ties = Counter(each.score for each in found)
    share = Fraction(0)
    for one_class in CLASSES:
        share += Fraction(str(one_class.share)) / 100
        reached = sum(counts[name] for name in order[: order.index(one_class.name) + 1])
        # As many as their share, give or take the half that is rounded, and whoever shares the last rank.
        most_tied = max(ties.values())
        assert reached >= share * len(scores) - Fraction(1, 2)
        assert reached <= share * len(scores) + Fraction(1, 2) + most_tied - 1


@given(SCORES, st.randoms(use_true_random=False))
@many
def test_the_order_of_the_enterprises_says_nothing(scores: list[float], random: Any) -> None:
    reports = [told(f"e{number:03}", tax=score, land=10.0) for number, score in enumerate(scores)]
    shuffled = list(reports)
    random.shuffle(shuffled)
    assert run(scheme(100), *reports).results == run(scheme(100), *shuffled).results


# --- against the year before -------------------------------------------------------------------------------------


def two_years(
    rules: Scheme, before: Mapping[str, Mapping[str, float]], after: Mapping[str, Mapping[str, float]]
) -> Evaluation:
    reports = [told_of(YEAR - 1, name, values) for name, values in before.items()]
    reports += [told_of(YEAR, name, values) for name, values in after.items()]
    return evaluation.moved(rules, run(rules, *reports, year=YEAR - 1), run(rules, *reports))


HALVES = (ClassShare("A", 50, WORDS), ClassShare("B", 50, WORDS))


def test_what_moved_a_class_is_the_term_that_makes_the_difference() -> None:
    rules = scheme(50, 50, classes=HALVES)
    before = {"acme": {"tax": 50, "sales": 50, "land": 10}, "other": {"tax": 60, "sales": 60, "land": 10}}
    # Sales have risen by a little, tax by much: tax alone decides.
    after = {"acme": {"tax": 100, "sales": 52, "land": 10}, "other": {"tax": 60, "sales": 60, "land": 10}}
    found = two_years(rules, before, after)
    movement = result(found, "acme").movement
    assert movement is not None
    assert (movement.class_, result(found, "acme").class_, movement.better) == ("B", "A", 1)
    # Half of the score is tax by land: from 5 to 10, against 10. The other half is sales: from 5 to 5.2.
    assert [(change.term, round(change.points, 9), change.decisive) for change in movement.changes] == [
        ("tax", 25.0, True),
        ("sales", 1.0, False),
    ]
    assert (movement.points, movement.others) == (26.0, False)
    other = result(found, "other").movement
    assert other is not None
    # Its own score is what it was: acme moved it.
    assert (other.class_, result(found, "other").class_, other.better, other.others) == ("A", "B", -1, True)


def test_a_change_is_told_apart_by_what_caused_it() -> None:
    rules = msgspec.structs.replace(
        scheme(100), terms=(Term("tax", WORDS, ("tax",), ("land",), 100, Benchmark(times_mean=2)),)
    )
    before = {"acme": {"tax": 40, "land": 10}, "other": {"tax": 160, "land": 40}}
    after = {"acme": {"tax": 60, "land": 20}, "other": {"tax": 180, "land": 20}}
    (change,) = (result(two_years(rules, before, after), "acme").movement or pytest.fail("unmoved")).changes
    # Benchmark then 2 * 200 / 50 = 8, now 2 * 240 / 40 = 12. 40/10/8 = 50; 60/10/8 = 75; 60/20/8 = 37.5; 60/20/12 = 25.
    assert (change.before, change.after) == (4.0, 3.0)
    assert change.over == pytest.approx(25.0)
    assert change.under == pytest.approx(-37.5)
    assert change.benchmark == pytest.approx(-12.5)
    assert change.points == pytest.approx(-25.0)


def test_who_was_not_ranked_before_has_not_moved() -> None:
    found = two_years(
        scheme(100),
        {"other": {"tax": 5, "land": 10}},
        {"acme": {"tax": 5, "land": 10}, "other": {"tax": 5, "land": 10}},
    )
    # What other had reported for the year before says nothing of acme.
    assert result(found, "acme").movement is None
    movement = result(found, "other").movement
    assert movement is not None
    assert (movement.better, movement.points) == (0, 0.0)


VALUES = st.fixed_dictionaries({"tax": st.integers(-50, 500), "sales": st.integers(0, 500), "land": st.integers(1, 60)})


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8))
@many
def test_the_changes_add_up_to_the_change_of_the_score(years: list[tuple[dict[str, float], dict[str, float]]]) -> None:
    rules = scheme(55, 45)
    rules = msgspec.structs.replace(
        rules,
        terms=tuple(
            msgspec.structs.replace(term, benchmark=Benchmark(times_mean=2.0), most=3.0) for term in rules.terms
        ),
    )
    found = two_years(
        rules,
        {f"e{number}": before for number, (before, _) in enumerate(years)},
        {f"e{number}": after for number, (_, after) in enumerate(years)},
    )
    for each in found.ranked:
        assert each.movement is not None
        assert each.movement.points == pytest.approx(sum(change.points for change in each.movement.changes), abs=0.0101)
        before, after = each.movement.class_, each.class_
        assert each.movement.better == (after < before) - (after > before)
        if before == after:
            assert not any(change.decisive for change in each.movement.changes)


# --- fields ------------------------------------------------------------------------------------------------------


def test_high_and_low_yield_fields() -> None:
    rules = scheme(100, fields=Fields("tax", Benchmark(times_mean=2.0), Benchmark(times_mean=0.5)))
    # 1000 over 100 mu: a mean of 10; 20 and more is high, less than 5 low.
    found = run(
        rules,
        told("high", tax=600, land=30),
        told("even", tax=250, land=30),
        told("half", tax=50, land=10),
        told("low", tax=100, land=30),
    )
    assert {each.enterprise: each.yield_ for each in found.ranked} == {
        "high": Yield.HIGH,
        "even": Yield.MIDDLE,
        "half": Yield.MIDDLE,
        "low": Yield.LOW,
    }
    high, middle, low = evaluation.fields(rules, found)
    assert (high.enterprises, high.land, high.share, high.gain) == (("high",), 30.0, 0.3, 0.0)
    assert (set(middle.enterprises), middle.land) == ({"even", "half"}, 40.0)
    # At the mean: 300 - 250 and 100 - 50; 300 - 100.
    assert (middle.gain, low.gain) == (100.0, 200.0)
    assert evaluation.fields(scheme(100), found) == []


# --- smart -------------------------------------------------------------------------------------------------------

SMART = SmartTarget(WORDS, "above-scale", ("automated", "digital", "intelligent"), 90.0, "test", "unverified")


def smart(*reports: list[Reported]) -> SmartShare:
    reported = list(itertools.chain.from_iterable(reports))
    enterprises = [enterprise(name) for name in [*dict.fromkeys(each.enterprise for each in reported), "silent"]]
    span = periods.year(YEAR)
    return smart_share(SMART, enterprises, Book(SHIPPED.figures, reported), span.begin, span.end)


def test_any_of_the_three_counts_and_only_above_scale() -> None:
    found = smart(
        told("auto", above_scale=1, automated=1, digital=0, intelligent=0),
        told("all", above_scale=1, automated=1, digital=1, intelligent=1),
        told("not", above_scale=1, automated=0, digital=0, intelligent=0),
        told("mute", above_scale=1),
        told("small", above_scale=0, automated=1, digital=1, intelligent=1),
    )
    assert (set(found.enterprises), set(found.equipped)) == ({"auto", "all", "not", "mute"}, {"auto", "all"})
    assert (found.silent, found.unknown) == (("mute",), ("silent",))
    assert (found.share, found.met, found.missing) == (50.0, False, 2)
    assert found.by == {"automated": 2, "digital": 1, "intelligent": 1}


@pytest.mark.parametrize(
    ("equipped", "of", "met", "missing"),
    [(9, 10, True, 0), (8, 10, False, 1), (0, 10, False, 9), (8, 9, False, 1), (1, 1, True, 0)],
)
def test_ninety_per_cent(equipped: int, of: int, met: bool, missing: int) -> None:  # noqa: FBT001 - a row
    found = smart(*(told(f"e{number}", above_scale=1, digital=float(number < equipped)) for number in range(of)))
    assert found.share == pytest.approx(100 * equipped / of)
    assert (found.met, found.missing) == (met, missing)


def test_without_enterprises_there_is_no_share() -> None:
    found = smart()
    assert (found.share, found.met, found.missing) == (None, None, 0)
