"""The flow that a value of wastewater stands for: means of an outfall are weighted by it.

A value counts with the last good flow before it, of an hour ago at most. If there is none, nobody knows how much the
value stands for, and it can't be used in such a mean.
"""

from __future__ import annotations

import bisect

from park.means import Sample

#: The quantity that weights the means of an outfall.
FLOW = "flow-water"

#: Good flows by event time (ms), in order: all of the last minutes, and the last of each minute of the hour before.
Flows = tuple[tuple[int, float], ...]

NONE: Flows = ()

#: ms that a flow may be old.
OLDEST = 3_600_000
#: ms for which every flow is remembered: what is weighted by them may come in any order within it.
_EVERY = 120_000
_MINUTE = 60_000


def noted(flows: Flows, t: int, value: float) -> Flows:
    """Return ``flows`` with a good one at ``t`` (ms); of two at the same time the first stays."""
    place = bisect.bisect_left(flows, (t,))
    if place < len(flows) and flows[place][0] == t:
        return flows
    after = (*flows[:place], (t, value), *flows[place:])
    newest = after[-1][0]
    recent = bisect.bisect_left(after, (newest - _EVERY,))
    before = {each[0] // _MINUTE: each for each in after[:recent] if each[0] >= newest - OLDEST - _EVERY}
    return (*before.values(), *after[recent:])


def flow_at(flows: Flows, t: int) -> float | None:
    """Return the flow that a value at ``t`` (ms) stands for, never negative; ``None`` if it is not known.

    What comes a little before the first one stands for that.
    """
    place = max(0, bisect.bisect_right(flows, (t, float("inf"))) - 1)
    if not flows or not -_EVERY <= t - flows[place][0] <= OLDEST:
        return None
    return max(flows[place][1], 0.0)


def weighted(t: int, value: float | None, flows: Flows) -> Sample:
    """Return the sample with the flow that it stands for; where that is not known it can't be used."""
    flow = flow_at(flows, t)
    return Sample(t, None) if flow is None else Sample(t, value, flow)
