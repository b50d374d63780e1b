"""What differs between two configurations: number by number, and whether an alarm comes sooner or later for it."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.catalogue import Alerts, Catalogue, ChannelRoute, Reference, ReferenceKind, Zone
from park.channels import ChannelKind
from park.differences import Difference, FieldChange, compare, taken_up, touched, unit_changes
from park.evaluate import Record, Watch, evaluate
from park.limits import Guidance, Kind, Limit, Match, Period, Side
from park.responses import without_response
from park.statistics import Statistic
from park.strictness import Mark
from park.wording import duration, validity
from park.words import Location, Names, Priority
from tests.economies import economy
from tests.making import SERIES, T0, catalogue, limit, many, point, quantity, reading, two_levels

WORKPLACE, STACK = Location.WORKPLACE, Location.STACK
KNOWN = {SERIES: WORKPLACE, "south/unit-9/gd-07/h2s": STACK, "north/unit-1/t-1/temperature": Location.PROCESS}


def change(old: Limit, new: Limit) -> Difference:
    return compare(catalogue(old), catalogue(new), KNOWN)


def fields(old: Limit, new: Limit) -> dict[str, tuple[str, str, Mark]]:
    (found,) = change(old, new).changed
    return {each.field: (each.old, each.new, each.mark) for each in found.fields}


def test_the_same_is_no_difference() -> None:
    assert change(two_levels(), two_levels()) == Difference("test", "test")


def test_what_comes_and_goes_is_told_with_its_numbers_and_its_series() -> None:
    found = change(limit("old"), limit("new", on_delay=5_000, valid_from=T0))
    (added,), (removed,) = found.added, found.removed
    assert (added.limit, added.old_version, added.new_version, added.mark) == ("new", "", "1", Mark.STRICTER)
    assert added.text == "threshold; high > 10 mg/m3 (high); for h2s; from 2025-06-15"
    assert (removed.limit, removed.old_version, removed.new_version, removed.mark) == ("old", "1", "", Mark.LAXER)
    assert added.touched == removed.touched == (SERIES, "south/unit-9/gd-07/h2s")
    assert found.touched == added.touched


def test_numbers_stand_side_by_side_in_the_unit_of_the_source() -> None:
    old = limit(unit="ug/m3", shown_per_canonical=1000.0)
    assert fields(old, limit(set_points=(point("high", 8.0, Priority.LOW),))) == {
        "set-point high": ("high > 10000 ug/m3 (high)", "high > 8 mg/m3 (low)", Mark.STRICTER),
        "unit": ("ug/m3", "mg/m3", Mark.NEITHER),
    }


@pytest.mark.parametrize(
    ("old", "new", "mark"),
    [
        (limit(), limit(set_points=(point("high", 9.0),)), Mark.STRICTER),
        (limit(), limit(set_points=(point("high", 11.0),)), Mark.LAXER),
        (limit(side=Side.LOW), limit(side=Side.LOW, set_points=(point("high", 9.0),)), Mark.LAXER),
        (limit(), two_levels(), Mark.STRICTER),
        (two_levels(), limit(), Mark.LAXER),
        (two_levels(), two_levels(set_points=(point("high", 9.0), point("high-high", 30.0))), Mark.MIXED),
        (limit(), limit(set_points=(point("high", 10.0, Priority.LOW),)), Mark.NEITHER),
        (limit(), limit(kind=Kind.QUALITY, set_points=(point("bad", 0.0),)), Mark.NEITHER),
        (limit(on_delay=1000), limit(), Mark.STRICTER),
        (limit(), limit(on_delay=1000), Mark.LAXER),
        (limit(), limit(off_delay=1000), Mark.NEITHER),
        (limit(valid_from=T0), limit(), Mark.STRICTER),
        (limit(), limit(valid_from=T0), Mark.LAXER),
        (limit(valid_from=T0), limit(valid_from=T0 - 1), Mark.STRICTER),
        (limit(valid_to=T0), limit(), Mark.STRICTER),
        (limit(), limit(valid_to=T0), Mark.LAXER),
        (limit(valid_to=T0), limit(valid_to=T0 - 1), Mark.LAXER),
        (limit(match=Match(zones=("north",))), limit(match=Match()), Mark.STRICTER),
        (limit(match=Match()), limit(match=Match(zones=("north",))), Mark.LAXER),
        (limit(match=Match(zones=("north",))), limit(match=Match(zones=("north", "south"))), Mark.STRICTER),
        (limit(match=Match(zones=("north",))), limit(match=Match(zones=("south",))), Mark.MIXED),
        (limit(match=Match(zones=("north", "south"))), limit(match=Match(zones=("south",))), Mark.LAXER),
    ],
)
def test_a_change_is_marked_by_what_it_does_to_the_limit(old: Limit, new: Limit, mark: Mark) -> None:
    (found,) = change(old, new).changed
    assert found.mark is mark


def test_guidance_is_compared_part_by_part_in_both_languages() -> None:
    words = Names("撤离", "leave upwind")
    old = limit()
    new = limit(guidance=Guidance(old.guidance.cause, old.guidance.consequence, words, 300))
    assert fields(old, new) == {
        "response": ("硫化氢 / hydrogen sulphide", "撤离 / leave upwind", Mark.NEITHER),
        "respond_within": ("1min", "5min", Mark.NEITHER),
    }


def test_every_field_of_a_limit_is_seen() -> None:
    others: dict[str, Any] = {
        "kind": Kind.RATE,
        "names": Names("别的", "another"),
        "match": Match(),
        "side": Side.LOW,
        "set_points": (point("high", 1.0),),
        "deadband": 1.0,
        "on_delay": 1,
        "off_delay": 1,
        "unit": "ppm",
        "source": "another",
        "clause": Names("2", "2"),
        "provenance": "unverified",
        "guidance": Guidance(Names("一", "a"), Names("一", "a"), Names("一", "a"), 60),
        "valid_from": T0,
        "valid_to": T0,
        "latching": True,
        "re_alarm": 60_000,
        "re_alarm_most": 1,
        "group": "gas",
        "of": Statistic.HOUR,
        "window": 60_000,
        "needs": 2,
        "votes": ("h2s-high",),
        "flow": "flow-water",
        "period": Period.YEAR,
        "tolerance": 0.5,
    }
    told_by_others = {"id", "version", "shown_per_canonical"}
    assert set(others) | told_by_others >= set(Limit.__struct_fields__), "a new field needs a comparison"
    for name, value in others.items():
        (found,) = change(limit(), limit(**{name: value})).changed
        assert found.fields, name
        assert all(each.old != each.new for each in found.fields), name


def test_what_a_limit_replaces_is_part_of_it() -> None:
    old, new = catalogue(limit(), limit("permit")), catalogue(limit(), limit("permit"))
    found = compare(old, dataclasses.replace(new, replaces={"permit": frozenset({"h2s-high"})}))
    assert [(each.limit, each.fields) for each in found.changed] == [
        ("permit", (FieldChange("replaces", "-", "h2s-high"),))
    ]


def test_series_are_touched_where_either_version_matches() -> None:
    here, there = Match(zones=("north",)), Match(zones=("south",))
    (found,) = change(limit(match=here), limit(match=there)).changed
    assert found.touched == tuple(sorted(KNOWN))
    assert touched(Match(locations=(STACK,)), KNOWN) == ("south/unit-9/gd-07/h2s",)


def test_a_vote_touches_the_series_it_counts() -> None:
    vote = limit("vote", kind=Kind.VOTE, match=Match(zones=("north",)), votes=("h2s-high",), needs=2)
    (added,) = compare(catalogue(limit()), catalogue(limit(), vote), KNOWN).added
    assert added.touched == (SERIES,)


# --- all else ----------------------------------------------------------------------------------------------------


def _with(**changes: Any) -> Catalogue:
    return dataclasses.replace(catalogue(limit()), version="other", **changes)


def test_what_needs_a_restart_says_so() -> None:
    park = catalogue(limit())
    zones = {**park.zones, "east": Zone("east", Names("东", "East"), 1, {})}
    found = compare(park, _with(zones=zones))
    assert [(each.what, each.text, each.restart) for each in found.others] == [("zones", "added: east", True)]
    assert found.restart == ("zones",)
    route = ChannelRoute("duty", ChannelKind.APPRISE, Reference(ReferenceKind.TEXT, "json://x"))
    assert compare(park, _with(alerts=Alerts(channels=(route,)))).restart == ("channels",)


def test_a_new_quantity_is_live_and_one_taken_out_is_not() -> None:
    park = catalogue(limit())
    found = compare(park, _with(quantities={**park.quantities, "hf": quantity("hf")}))
    assert [(each.text, each.restart) for each in found.others] == [("added: hf", False)]
    found = compare(_with(quantities={**park.quantities, "hf": quantity("hf")}), park)
    assert [(each.text, each.restart) for each in found.others] == [("taken out: hf", True)]


def test_the_circular_economy_is_told_table_by_table() -> None:
    park = catalogue()
    made = economy()
    steam = dataclasses.replace(made, flows={name: each for name, each in made.flows.items() if name != "steam"})
    shown = dataclasses.replace(
        steam,
        benchmarks=msgspec.structs.replace(made.benchmarks, shown="green-park"),
        access=msgspec.structs.replace(made.access, processes={"nitration": Names("硝化", "nitration")}),
    )
    found = compare(dataclasses.replace(park, economy=made), dataclasses.replace(park, economy=shown), KNOWN)
    assert [(each.what, each.text, each.restart) for each in found.others] == [
        ("flows", "taken out: steam", False),
        ("benchmarks", "shown: hj-274 -> green-park", False),
        ("access", "changed", False),
    ]
    assert (
        compare(dataclasses.replace(park, economy=made), dataclasses.replace(park, economy=economy()), KNOWN).others
        == ()
    )


def test_settings_are_told_by_value() -> None:
    park = catalogue(limit())
    found = compare(park, catalogue(limit(), interval=5_000, quarantine_size=5))
    assert {each.text: each.restart for each in found.others} == {
        f"interval: {park.settings.interval} -> 5000": False,
        f"quarantine_size: {park.settings.quarantine_size} -> 5": True,
    }


def test_a_quantity_in_another_unit_is_found() -> None:
    park = catalogue(limit())
    assert unit_changes(park, park) == ()
    assert unit_changes(park, _with(quantities={**park.quantities, "h2s": quantity(unit="ppm")})) == ("h2s",)


def test_a_running_piece_keeps_queues_people_and_quantities_that_are_still_sent() -> None:
    running, new = catalogue(limit(), shards=2), _with(quantities={"h2s": quantity(maximum=5.0)})
    found = taken_up(running, new)
    assert (found.version, found.limits) == ("other", new.limits)
    assert (found.zones, found.alerts, found.oncall) == (running.zones, running.alerts, running.oncall)
    assert found.quantities == {"h2s": quantity(maximum=5.0), "temperature": running.quantities["temperature"]}
    # What running remembers of series and limits is not taken along.
    assert found.limits_for(SERIES, WORKPLACE, T0) == new.limits


# --- properties --------------------------------------------------------------------------------------------------


@many
@given(st.floats(0.5, 100), st.floats(0.5, 100), st.lists(st.floats(0, 120), max_size=20))
def test_a_stricter_number_never_raises_later(old_at: float, new_at: float, values: list[float]) -> None:
    old, new = limit(set_points=(point("high", old_at),)), limit(set_points=(point("high", new_at),))
    found = change(old, new).changed
    mark = found[0].mark if found else Mark.NEITHER
    first = {name: _first_raised(each, values) for name, each in (("old", old), ("new", new))}
    if mark is Mark.STRICTER:
        assert first["new"] <= first["old"]
    elif mark is Mark.LAXER:
        assert first["new"] >= first["old"]
    else:
        assert first["new"] == first["old"]


def _first_raised(held: Limit, values: list[float]) -> int:
    record = Record()
    for second, value in enumerate(values):
        record, found = evaluate(record, Watch(SERIES, (held,), 180_000), [reading(second, value)], T0)
        if found:
            return second
    return len(values)


@many
@given(st.integers(0, 10**9))
def test_durations_read_as_they_are_written_in_the_configuration(ms: int) -> None:
    from park.rows import duration as read  # noqa: PLC0415 - two functions of one name

    assert read(duration(ms)) == ms


def test_validity_names_first_and_last_day() -> None:
    # 2031-01-01T00:00+08:00 and the day after.
    step = 1_924_963_200_000
    assert validity(limit(valid_from=step, valid_to=step + 86_400_000)) == "from 2031-01-01 until 2031-01-01"
    assert validity(limit()) == ""


# --- response texts ----------------------------------------------------------------------------------------------

BLOCK = {"response": {"zh": "撤离", "en": "leave"}}


@pytest.mark.parametrize(
    ("guidance", "why"),
    [
        (None, "it has no guidance"),
        ("leek", "its guidance 'leek' is not in guidance.yaml"),
        ("empty", "its guidance 'empty' has no response in both languages"),
        (7, "its guidance 7 is not in guidance.yaml"),
        ({"response": {"zh": "撤离", "en": " "}}, "its guidance has no response in both languages"),
        ("leak", ""),
        (BLOCK, ""),
    ],
)
def test_a_limit_without_a_response_is_found_in_any_configuration(guidance: object, why: str) -> None:
    documents = {
        "guidance.yaml": {"guidance": {"leak": BLOCK, "empty": {"response": {"zh": "撤离"}}}},
        "limits/gas.yaml": {"limits": [{"id": "h2s", "guidance": guidance}, "nonsense", {"guidance": "leak"}]},
    }
    assert without_response(documents) == ({"h2s": why} if why else {})


@pytest.mark.parametrize("content", [None, [], {}, {"limits": {}}, {"limits": None}, 5, object()])
def test_nonsense_has_no_limits(content: object) -> None:
    assert without_response({"limits/gas.yaml": content, "guidance.yaml": content}) == {}


def test_a_difference_survives_being_written_down() -> None:
    found = change(two_levels(), limit(set_points=(point("high", 8.0),)))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Difference) == found
