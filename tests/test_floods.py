"""When a flood begins, how it goes on, and when it is over."""

from __future__ import annotations

import pytest

from park.catalogue import Grouping
from park.floods import Flood, judge

GROUPING = Grouping(flood_begins=10, flood_ends=5)
LASTING = Flood(since=1000, count=20, peak=30)


@pytest.mark.parametrize(
    ("operators", "count", "begins"), [(1, 10, False), (1, 11, True), (2, 20, False), (2, 21, True), (3, 21, False)]
)
def test_a_flood_begins_with_more_alarms_than_the_operators_can_bear(
    operators: int,
    count: int,
    begins: bool,  # noqa: FBT001
) -> None:
    assert judge(None, count, operators, GROUPING, 7) == (Flood(7, count, count) if begins else None)


@pytest.mark.parametrize(
    ("operators", "count", "lasts"), [(1, 5, True), (1, 4, False), (2, 10, True), (2, 9, False), (1, 0, False)]
)
def test_a_flood_ends_with_fewer_than_they_can_bear_easily(
    operators: int,
    count: int,
    lasts: bool,  # noqa: FBT001
) -> None:
    assert judge(LASTING, count, operators, GROUPING, 7) == (Flood(1000, count, 30) if lasts else None)


def test_the_highest_of_a_flood_is_remembered() -> None:
    flood = judge(None, 11, 1, GROUPING, 1000)
    for count in (40, 12):
        flood = judge(flood, count, 1, GROUPING, 2000)
    assert flood == Flood(since=1000, count=12, peak=40)
