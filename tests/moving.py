"""What the tests of rules that follow readings share: random walks, and one told in one go and in pieces."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import strategies as st

from park.limits import Limit
from park.readings import Reading
from tests.making import Story, reading

#: Seconds between readings and how the value moves, in hundredths.
STEPS = st.lists(st.tuples(st.integers(0, 90), st.integers(-300, 300)), min_size=1, max_size=80)


def walk(steps: Sequence[tuple[int, int]]) -> list[Reading]:
    """Return readings that walk so; some share a time, as those of loggers with one-second clocks do."""
    readings, second, value = [], 0, 50.0
    for pause, move in steps:
        second, value = second + pause, value + move / 100
        readings.append(reading(second, value))
    return readings


def in_one_go(limit: Limit, readings: Sequence[Reading]) -> Story:
    """Tell all readings in one batch."""
    story = Story([limit])
    story.hears(*readings)
    return story


def in_pieces(limit: Limit, readings: Sequence[Reading], cuts: Sequence[int]) -> Story:
    """Tell the readings in batches, with a restart after each, and each batch again as if it had been redelivered.

    What comes of a batch that is told again can only be an entry of the journal: that something came late.
    """
    story = Story([limit])
    bounds = sorted({0, len(readings), *(cut % (len(readings) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(bounds):
        story.hears(*readings[begin:end])
        story.restarts()
        before = story.record
        assert not [told for told in story.hears(*readings[begin:end]) if not told.startswith("late")]
        assert story.record.alarms == before.alarms
        assert story.record.memory == before.memory
    return story
