"""Votes over a history: from the occurrences of the limits that vote to how many detectors of a site voted when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from park.limits import Limit
from park.readings import split_series
from park.vector import CODES, Stretch
from park.votes import Site, votes_series
from park.words import Quality

_Span = tuple[int, int]


class Ballot:
    """One limit on votes; a detector votes as in :mod:`park.votes`: while it has an alarm, for ``window`` at least."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._cast: dict[Site, dict[str, list[_Span]]] = {}

    def cast(self, series: str, limit: str, spans: Iterable[_Span]) -> None:
        """Take the times (ms) for which alarms of ``limit`` stood on ``series``, if they vote here."""
        zone, site, sensor, _ = split_series(series)
        match = self.limit.match
        covered = (not match.zones or zone in match.zones) and (not match.sites or site in match.sites)
        if not covered or limit not in self.limit.votes:
            return
        cast = [(begin, max(end, begin + self.limit.window + 1)) for begin, end in spans]
        if cast:
            self._cast.setdefault((zone, site), {}).setdefault(sensor, []).extend(cast)

    def counted(self) -> Iterator[tuple[str, Stretch]]:
        """Yield the votes of every site that had any: its series, and their number whenever that changes."""
        for site, sensors in self._cast.items():
            steps: dict[int, int] = {}
            for spans in sensors.values():
                for begin, end in _united(spans):
                    steps[begin] = steps.get(begin, 0) + 1
                    steps[end] = steps.get(end, 0) - 1
            times = sorted(steps)
            votes = np.cumsum([steps[t] for t in times]).astype(np.float64)
            good = np.full(len(times), CODES[Quality.GOOD], np.int8)
            yield votes_series(site, self.limit), Stretch(np.array(times, np.int64), votes, good)


def _united(spans: list[_Span]) -> list[_Span]:
    """Return the spans in order, those that overlap as one."""
    found: list[_Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found
