"""The Material Circularity Indicator against numbers worked out by hand, at its ends, and where it can't be."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.circularity import Circularity, Feedstock, Inconsistent, Recovery, Terms, circularity
from tests.making import many


def mci(made_of: Feedstock | None = None, becomes: Recovery | None = None, terms: Terms | None = None) -> Circularity:
    return circularity(made_of or Feedstock(), becomes or Recovery(), terms or Terms())


def test_virgin_and_thrown_away_is_a_tenth() -> None:
    found = mci()
    assert (found.virgin, found.waste, found.linear_flow) == (1.0, 1.0, 1.0)
    assert found.indicator == pytest.approx(0.1)


def test_a_closed_loop_is_one() -> None:
    assert mci(Feedstock(recycled=1.0), Recovery(recycled=1.0)).indicator == 1.0
    assert mci(Feedstock(reused=1.0), Recovery(reused=1.0)).indicator == 1.0
    assert mci(Feedstock(renewable=1.0), Recovery(composted=1.0)).indicator == 1.0


def test_a_worked_example() -> None:
    """M = 200 t; 60 t recycled (E_F 0.75), 20 t reused; 80 t collected for recycling (E_C 0.5), 10 t reused; X = 1.5.

    V = 200 - 60 - 20 = 120. W0 = 200 - 80 - 10 = 110. WC = 0.5 * 80 = 40. WF = 0.25 * 60 / 0.75 = 20.
    W = 110 + (20 + 40) / 2 = 140. LFI = (120 + 140) / (400 + (20 - 40) / 2) = 260 / 390 = 2/3.
    MCI = 1 - 2/3 * 0.9 / 1.5 = 0.6.
    """
    found = mci(
        Feedstock(recycled=60 / 200, reused=20 / 200),
        Recovery(recycled=80 / 200, reused=10 / 200),
        Terms(feedstock=0.75, collected=0.5, lifetime=1.2, intensity=1.25),
    )
    assert found.virgin == pytest.approx(120 / 200)
    assert found.waste == pytest.approx(140 / 200)
    assert found.linear_flow == pytest.approx(2 / 3)
    assert found.indicator == pytest.approx(0.6)


def test_all_parts_in_exact_numbers() -> None:
    """The formula in fractions, term by term, as the issue writes it."""
    m, fr, fu, fs = Fraction(1000), Fraction(2, 10), Fraction(1, 10), Fraction(15, 100)
    cr, cu, cc, ce = Fraction(3, 10), Fraction(5, 100), Fraction(1, 20), Fraction(1, 10)
    ef, ec = Fraction(9, 10), Fraction(8, 10)
    v = m * (1 - fr - fu - fs)
    w0 = m * (1 - cr - cu - cc - ce)
    wc = m * (1 - ec) * cr
    wf = m * (1 - ef) * fr / ef
    w = w0 + (wf + wc) / 2
    lfi = (v + w) / (2 * m + (wf - wc) / 2)
    expected = max(Fraction(0), 1 - lfi * Fraction(9, 10))
    found = mci(
        Feedstock(float(fr), float(fu), float(fs)),
        Recovery(float(cr), float(cu), float(cc), float(ce)),
        Terms(feedstock=float(ef), collected=float(ec)),
    )
    assert found.indicator == pytest.approx(float(expected), rel=1e-12)
    assert found.linear_flow == pytest.approx(float(lfi), rel=1e-12)


def test_a_short_life_is_never_below_nothing() -> None:
    assert mci(terms=Terms(lifetime=0.5)).indicator == 0.0


def test_a_long_life_raises_it() -> None:
    assert mci(terms=Terms(lifetime=3.0, intensity=3.0)).indicator == pytest.approx(1 - 0.9 / 9)


def test_a_recycling_that_yields_nothing_is_fine_unless_something_came_of_it() -> None:
    assert mci(terms=Terms(feedstock=0.0)).indicator == pytest.approx(0.1)
    with pytest.raises(Inconsistent, match="efficiency 0"):
        mci(Feedstock(recycled=0.1), terms=Terms(feedstock=0.0))


@pytest.mark.parametrize(
    ("made_of", "becomes", "terms", "told"),
    [
        (Feedstock(0.7, 0.4), Recovery(), Terms(), "feedstock of 1.1 times the mass"),
        (Feedstock(), Recovery(0.5, 0.3, 0.2, 0.1), Terms(), "recovery of 1.1 times the mass"),
        (Feedstock(recycled=-0.1), Recovery(), Terms(), "less than nothing"),
        (Feedstock(), Recovery(energy=float("nan")), Terms(), "less than nothing"),
        (Feedstock(), Recovery(), Terms(collected=1.1), "from 0 to 1"),
        (Feedstock(), Recovery(), Terms(lifetime=0.0), "above 0"),
        (Feedstock(), Recovery(), Terms(intensity=-1.0), "above 0"),
    ],
)
def test_masses_that_can_not_be_are_refused(made_of: Feedstock, becomes: Recovery, terms: Terms, told: str) -> None:
    with pytest.raises(Inconsistent, match=told):
        circularity(made_of, becomes, terms)


shares = st.floats(0.0, 1.0)


@many
@given(st.tuples(shares, shares, shares), st.tuples(shares, shares, shares, shares), st.floats(0.01, 1.0), shares)
def test_it_stays_between_nothing_and_one(
    made_of: tuple[float, ...], becomes: tuple[float, ...], feedstock: float, collected: float
) -> None:
    """Whatever the shares: as parts of the mass they add up to one at most."""
    parts = Feedstock(*(share / max(1.0, sum(made_of)) for share in made_of))
    ends = Recovery(*(share / max(1.0, sum(becomes)) for share in becomes))
    found = circularity(parts, ends, Terms(feedstock=feedstock, collected=collected))
    assert 0.0 <= found.indicator <= 1.0


@many
@given(shares, shares, shares)
def test_more_recycled_is_never_worse_if_the_recycling_loses_nothing(
    one: float, other: float, recovered: float
) -> None:
    less, more = sorted((one, other))
    assert (
        mci(Feedstock(recycled=less), Recovery(recycled=recovered)).indicator
        <= mci(Feedstock(recycled=more), Recovery(recycled=recovered)).indicator
    )
