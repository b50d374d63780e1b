"""Why a limit applies to a series and why another does not; always as the engine itself decides."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from park.catalogue import Catalogue
from park.explaining import Explanation, Reason, Verdict, explain
from park.limits import Kind, Limit, Match
from park.statistics import Statistic
from park.strictness import strictest
from park.words import Location
from storage.configuration import load
from tests.conftest import ROOT
from tests.making import SERIES, T0, catalogue, limit, low, point, quality_limit

DAY = 86_400_000
PLANT = Location.WORKPLACE


def on(location: Location = PLANT, **match: tuple[str, ...]) -> Match:
    return Match(quantities=("h2s",), locations=(location,), **match)


def explained(*limits: Limit, replaces: dict[str, frozenset[str]] | None = None) -> Explanation:
    park = dataclasses.replace(catalogue(*limits), replaces=replaces or {})
    return explain(park, SERIES, PLANT, T0)


def reasons(explanation: Explanation, name: str) -> list[tuple[Verdict, str]]:
    (ruling,) = [each for each in explanation.rulings if each.limit == name]
    return [(reason.verdict, reason.detail) for reason in ruling.reasons]


def test_a_limit_alone_applies_and_is_the_strictest() -> None:
    found = explained(limit(match=on()))
    assert reasons(found, "h2s-high") == [(Verdict.APPLIES, "h2s at workplace")]
    assert found.strictest == ("h2s-high",)


def test_limits_on_other_quantities_are_not_spoken_of() -> None:
    found = explained(limit(), limit("warm", match=Match(quantities=("temperature",))))
    assert [ruling.limit for ruling in found.rulings] == ["h2s-high"]


@pytest.mark.parametrize(
    ("match", "verdict", "detail"),
    [
        (on(Location.STACK), Verdict.OTHER_LOCATION, "only for stack; this is workplace"),
        (on(zones=("south", "east")), Verdict.OTHER_ZONE, "only for south, east; this is north"),
        (on(sites=("unit-2",)), Verdict.OTHER_SITE, "only for unit-2; this is unit-1"),
        (on(sensors=("gd-02",)), Verdict.OTHER_SENSOR, "only for gd-02; this is gd-01"),
    ],
)
def test_a_limit_for_another_place_says_which(match: Match, verdict: Verdict, detail: str) -> None:
    assert reasons(explained(limit(match=match)), "h2s-high") == [(verdict, detail)]


def test_everything_that_speaks_against_a_limit_is_told() -> None:
    other = limit(match=on(Location.STACK, zones=("south",)), valid_from=T0 + DAY)
    told = [verdict for verdict, _ in reasons(explained(other), "h2s-high")]
    assert told == [Verdict.OTHER_LOCATION, Verdict.OTHER_ZONE, Verdict.NOT_YET]


def test_dates_are_chinese_days_and_the_last_day_is_in_force() -> None:
    # 2031-01-01T00:00+08:00.
    step = 1_924_963_200_000
    found = explained(limit("coming", valid_from=step), limit("gone", valid_to=T0))
    assert reasons(found, "coming") == [(Verdict.NOT_YET, "from 2031-01-01")]
    # T0 is 2025-06-15 23:06:40 in China: what ended there was in force on that day.
    assert reasons(found, "gone") == [(Verdict.NO_LONGER, "until 2025-06-15")]
    assert found.strictest == ()


def test_a_replaced_limit_names_what_replaces_it_and_comes_back_with_it() -> None:
    permit = limit("permit", match=on(sensors=("gd-01",)), set_points=(point("high", 8.0),))
    replaces = {"permit": frozenset({"h2s-high"})}
    found = explained(limit(), permit, replaces=replaces)
    assert reasons(found, "h2s-high") == [(Verdict.REPLACED, "by permit (high > 8 mg/m3 (high))")]
    later = msgspec.structs.replace(permit, valid_from=T0 + DAY)
    assert reasons(explained(limit(), later, replaces=replaces), "h2s-high") == [(Verdict.APPLIES, "h2s")]


def test_of_several_the_strictest_is_named_on_either_side() -> None:
    high = limit("strict", set_points=(point("high", 5.0),))
    deep, deeper = low("shallow"), low("deep", set_points=(point("low", 12.0),))
    found = explained(limit(), high, deep, deeper)
    assert found.strictest == ("strict", "deep")
    assert reasons(found, "strict") == [(Verdict.STRICTEST, "of 2 limits on the same value")]
    assert reasons(found, "h2s-high") == [(Verdict.LESS_STRICT, "less strict than strict (high > 5 mg/m3 (high))")]
    assert reasons(found, "shallow")[0][1].startswith("less strict than deep (low < 12 mg/m3")


def test_limits_of_the_same_number_differ_by_their_delay_or_not_at_all() -> None:
    slow, other = limit("slow", on_delay=5_000), limit("other")
    found = explained(slow, limit(), other)
    assert found.strictest == ("h2s-high",)
    assert reasons(found, "slow")[0][1].startswith("less strict than h2s-high")
    assert reasons(found, "other")[0][1].startswith("as strict as h2s-high")


def test_what_is_measured_another_way_is_not_compared() -> None:
    mean = limit("hour", kind=Kind.MEAN, of=Statistic.HOUR, set_points=(point("high", 1.0),))
    found = explained(limit(), mean, quality_limit())
    assert found.strictest == ("h2s-high", "hour")
    assert all(ruling.reasons[0].verdict is Verdict.APPLIES for ruling in found.rulings)


def test_a_vote_applies_where_what_it_counts_does() -> None:
    vote = limit("two-of-three", kind=Kind.VOTE, match=Match(), votes=("h2s-high",), needs=2, window=60_000)
    assert reasons(explained(limit(), vote), "two-of-three") == [(Verdict.APPLIES, "every quantity")]
    elsewhere = limit(match=on(Location.STACK))
    assert reasons(explained(elsewhere, vote), "two-of-three") == [(Verdict.NO_VOTE, "none of h2s-high applies here")]
    warm = limit("warm", match=Match(quantities=("temperature",)))
    of_others = msgspec.structs.replace(vote, votes=("warm",))
    assert [each.limit for each in explained(warm, of_others).rulings] == []


def test_limits_that_apply_come_first() -> None:
    found = explained(limit("away", match=on(Location.STACK)), limit())
    assert [ruling.applies for ruling in found.rulings] == [True, False]


def test_a_series_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="unpack"):
        explain(catalogue(), "north/unit-1/gd-01", PLANT, T0)


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return load(ROOT / "config")


@pytest.mark.parametrize("day", ["2025-06-15", "2027-01-01", "2032-01-01"])
def test_it_says_what_the_engine_does_everywhere_in_the_shipped_park(shipped: Catalogue, day: str) -> None:
    at = T0 + {"2025-06-15": 0, "2027-01-01": 565 * DAY, "2032-01-01": 2_391 * DAY}[day]
    votes = {each.id for each in shipped.limits if each.kind is Kind.VOTE}
    for zone in shipped.zones:
        for quantity in shipped.quantities:
            for location in Location:
                series = f"{zone}/anywhere/any/{quantity}"
                found = explain(shipped, series, location, at)
                applying = {ruling.limit for ruling in found.rulings if ruling.applies} - votes
                assert applying == {each.id for each in shipped.limits_for(series, location, at)} - votes
                assert all(ruling.reasons for ruling in found.rulings)


def test_kinds_without_a_number_have_no_strictest() -> None:
    assert strictest([quality_limit(), limit("stuck", kind=Kind.FLATLINE)]) is None


def test_a_reason_tells_machines_which_other_limit_is_meant() -> None:
    found = explained(limit(), limit("strict", set_points=(point("high", 5.0),)))
    others = {ruling.limit: ruling.reasons[0] for ruling in found.rulings}
    assert others["h2s-high"].other == "strict"
    assert others["strict"] == Reason(Verdict.STRICTEST, "of 2 limits on the same value")
    assert Verdict.LESS_STRICT.applies
    assert not Verdict.REPLACED.applies
