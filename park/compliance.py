"""How means of a span of time compare with a limit: how many were due, how many were valid, how many were beyond it.

Only valid means are held against a limit; a mean that is there and not valid proves nothing either way, and one that is
missing even less. So each verdict comes with how much of what was due it rests on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from park.limits import Kind, Limit, Side
from park.means import DAY, HOUR, Flag, Span
from park.statistics import Result, Statistic
from park.words import Location

#: Statistics that a regulator counts, with the length of their blocks (ms).
LENGTHS = {Statistic.HOUR: HOUR, Statistic.DAY: DAY, Statistic.GREATEST_8_H: DAY}
#: A block is due when it ended so long ago (ms): until then late data may still come, and it has to be stored.
SETTLED_AFTER = 600_000
#: Outlets, and where people live with what comes out of them.
OUTWARD = frozenset({Location.OUTFALL, Location.STACK, Location.FENCELINE, Location.AMBIENT})


class Compliance(msgspec.Struct, frozen=True):
    """A series against a limit, by its ``statistic``; values in the canonical unit of the series.

    ``due`` blocks should be there since ``since`` (ms), ``valid`` of them are, ``beyond`` of those pass the limit:
    these are ``passed``, in order of time. ``greatest`` is the valid one nearest to, or furthest beyond, the limit.
    ``corrected`` were made again from data that came late.
    """

    series: str
    limit: str
    statistic: Statistic
    since: int
    due: int
    valid: int
    beyond: int
    greatest: Result | None
    passed: tuple[Result, ...]
    corrected: int

    @property
    def share(self) -> float | None:
        """Which share of what was due is valid; ``None`` if nothing was due."""
        return self.valid / self.due if self.due else None


def statistic_of(limit: Limit, interval: int) -> Statistic | None:
    """Return which statistic of a series ``limit`` judges, if a regulator counts it (``interval``: its samples, ms).

    A station that sends hour means is held against the limit directly: each of its values is an hour.
    """
    if limit.kind is Kind.MEAN and limit.of in LENGTHS:
        return limit.of
    hourly = limit.kind is Kind.THRESHOLD and interval >= HOUR and Location.AMBIENT in limit.match.locations
    return Statistic.HOUR if hourly else None


def passes(limit: Limit, value: float) -> bool:
    """Whether ``value`` (canonical unit) is beyond the mildest set-point; on it is not."""
    at = limit.set_points[0].at
    return value > at if limit.side is Side.HIGH else value < at


def due(statistic: Statistic, since: int, until: int, now: int) -> int:
    """Return how many whole blocks lie in ``since <= t < until`` (ms) and are settled ``now``."""
    length = LENGTHS[statistic]
    span = Span.HOUR if length == HOUR else Span.DAY
    # A block that had begun before is not whole.
    first = span.begin(since + length - 1)
    return max(0, (min(until, now - SETTLED_AFTER) - first) // length)


def comply(
    series: str, limit: Limit, statistic: Statistic, results: Iterable[Result], *, since: int, until: int, now: int
) -> Compliance:
    """Return how ``results`` of ``statistic`` in ``since <= t < until`` compare with ``limit`` while it is in force."""
    count = due(statistic, since, until, now)
    last = _last(statistic, since, until, now)
    own = [
        each
        for each in sorted(results, key=lambda each: each.begin)
        if since <= each.begin < last and each.flag is not Flag.PROVISIONAL and limit.valid_at(each.begin)
    ]
    good = [each for each in own if each.valid and each.value is not None]
    beyond = tuple(each for each in good if passes(limit, _value(each)))
    return Compliance(
        series=series,
        limit=limit.id,
        statistic=statistic,
        since=since,
        due=_in_force(limit, statistic, since, count),
        valid=len(good),
        beyond=len(beyond),
        greatest=_worst(limit, good),
        passed=beyond,
        corrected=sum(each.flag is Flag.CORRECTED for each in own),
    )


def _last(statistic: Statistic, since: int, until: int, now: int) -> int:
    length = LENGTHS[statistic]
    span = Span.HOUR if length == HOUR else Span.DAY
    return span.begin(since + length - 1) + due(statistic, since, until, now) * length


def _in_force(limit: Limit, statistic: Statistic, since: int, count: int) -> int:
    """How many of ``count`` blocks since ``since`` the limit was in force for."""
    length = LENGTHS[statistic]
    span = Span.HOUR if length == HOUR else Span.DAY
    first = span.begin(since + length - 1)
    return sum(limit.valid_at(first + n * length) for n in range(count))


def _worst(limit: Limit, results: Sequence[Result]) -> Result | None:
    sign = 1.0 if limit.side is Side.HIGH else -1.0
    return max(results, key=lambda each: sign * _value(each), default=None)


def _value(result: Result) -> float:
    return result.value or 0.0
