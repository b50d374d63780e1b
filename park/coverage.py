"""How much of the data that was due there is: by series, sensor and site, in hours (or days, of slow sensors)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from park.compliance import due as blocks_due
from park.means import DAY, HOUR
from park.statistics import Statistic


class Recorded(msgspec.Struct, frozen=True):
    """What is recorded of a series: blocks with anything in them, the sum of their shares, those that are valid.

    ``first`` is when (ms) the first of them begins, ``corrected`` how many were made again from data that came late.
    """

    blocks: int = 0
    shares: float = 0.0
    valid: int = 0
    corrected: int = 0
    first: int | None = None


class Coverage(msgspec.Struct, frozen=True):
    """A series: ``due`` blocks of ``statistic`` since ``since`` (ms), ``valid`` of them, ``share`` of all readings."""

    series: str
    statistic: Statistic
    since: int
    due: int
    valid: int
    share: float | None
    corrected: int

    @property
    def missing_hours(self) -> int:
        """Hours without a valid mean; a missing day is 24."""
        return max(0, self.due - self.valid) * (DAY if self.statistic is Statistic.DAY else HOUR) // HOUR


class Together(msgspec.Struct, frozen=True):
    """Several series: a sensor, a site or a zone. ``share`` is the mean of theirs, each by how much was due of it."""

    key: str
    series: int
    due: int
    missing_hours: int
    share: float | None


def coverage(series: str, statistic: Statistic, recorded: Recorded, *, since: int, until: int, now: int) -> Coverage:
    """Return how much is there of what was due of a series in ``since <= t < until`` (ms), as far as settled."""
    count = blocks_due(statistic, since, until, now)
    return Coverage(
        series=series,
        statistic=statistic,
        since=since,
        due=count,
        valid=min(recorded.valid, count),
        share=min(1.0, recorded.shares / count) if count else None,
        corrected=recorded.corrected,
    )


def due_since(begin: int, registered: int | None, before: bool, first: int | None) -> int | None:  # noqa: FBT001
    """Return from when on (ms) a series was due in a span that begins at ``begin``; ``None`` if it was not.

    One that is known from before (``before``, or ``registered`` by then) was due all the time; a new one from its first
    data on, or since it registered.
    """
    if before or (registered is not None and registered <= begin):
        return begin
    known = [t for t in (first, registered) if t is not None]
    return max(begin, min(known)) if known else None


def by_sensor(found: Iterable[Coverage]) -> list[Together]:
    """Return sensors (``zone/site/sensor``), the worst first."""
    return _together(found, 3)


def by_site(found: Iterable[Coverage]) -> list[Together]:
    """Return sites (``zone/site``), the worst first."""
    return _together(found, 2)


def whole(found: Iterable[Coverage]) -> float | None:
    """Return the share of all together, each series by how much was due of it; ``None`` if nothing was."""
    return _share(list(found))


def _together(found: Iterable[Coverage], parts: int) -> list[Together]:
    groups: defaultdict[str, list[Coverage]] = defaultdict(list)
    for each in found:
        groups["/".join(each.series.split("/")[:parts])].append(each)
    made = [
        Together(key, len(group), sum(map(_hours, group)), sum(one.missing_hours for one in group), _share(group))
        for key, group in groups.items()
    ]
    return sorted(made, key=lambda one: (1.0 if one.share is None else one.share, -one.missing_hours, one.key))


def _hours(each: Coverage) -> int:
    return each.due * (24 if each.statistic is Statistic.DAY else 1)


def _share(group: Iterable[Coverage]) -> float | None:
    known = [(each.share, _hours(each)) for each in group if each.share is not None]
    total = sum(hours for _, hours in known)
    return sum(share * hours for share, hours in known) / total if total else None


def merged(parts: Iterable[Mapping[str, Recorded]]) -> dict[str, Recorded]:
    """Return what different questions have found of the same series, as one; later ones add what they know."""
    found: dict[str, Recorded] = {}
    for part in parts:
        for series, each in part.items():
            known = found.get(series, Recorded())
            firsts = [t for t in (known.first, each.first) if t is not None]
            found[series] = Recorded(
                known.blocks + each.blocks,
                known.shares + each.shares,
                known.valid + each.valid,
                known.corrected + each.corrected,
                min(firsts, default=None),
            )
    return found
