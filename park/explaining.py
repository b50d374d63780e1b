"""Why a limit applies to a series, and why another one does not.

What is said here follows from the same data by which the engine decides (:meth:`park.catalogue.Catalogue.limits_for`).
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterator

import msgspec

from park import wording
from park.catalogue import Catalogue
from park.limits import Kind, Limit
from park.readings import split_series
from park.strictness import Basis, as_strict, basis, strictest
from park.words import Location


class Verdict(enum.StrEnum):
    """What becomes of a limit at a series. The first three apply."""

    APPLIES = "applies"
    STRICTEST = "applies, the strictest"
    LESS_STRICT = "applies, less strict"
    REPLACED = "replaced"
    NOT_YET = "not yet in force"
    NO_LONGER = "no longer in force"
    OTHER_LOCATION = "other location class"
    OTHER_ZONE = "other zone"
    OTHER_SITE = "other site"
    OTHER_SENSOR = "other sensor"
    NO_VOTE = "no vote"

    @property
    def applies(self) -> bool:
        """Whether a limit with this verdict is held against the series."""
        return self in _APPLY


_APPLY = frozenset({Verdict.APPLIES, Verdict.STRICTEST, Verdict.LESS_STRICT})


class Reason(msgspec.Struct, frozen=True):
    """One reason; ``detail`` says what the limit asks for, or which limit is meant (``other``, its id)."""

    verdict: Verdict
    detail: str
    other: str = ""


class Ruling(msgspec.Struct, frozen=True):
    """A limit on the series' quantity, and everything that speaks for or against its being applied."""

    limit: str
    applies: bool
    reasons: tuple[Reason, ...]


class Explanation(msgspec.Struct, frozen=True):
    """What holds for one series at ``location`` at the time ``at`` (ms).

    ``rulings`` begins with the limits that apply. ``strictest`` are the limits that are passed first, one for each way
    to measure (the value itself, an hour's mean, ...) and side.
    """

    series: str
    location: Location
    at: int
    rulings: tuple[Ruling, ...]
    strictest: tuple[str, ...]


def is_on(catalogue: Catalogue, limit: Limit, quantity: str) -> bool:
    """Whether ``limit`` is on ``quantity``; one that counts votes is on what is voted on."""
    if limit.kind is Kind.VOTE:
        return any(is_on(catalogue, catalogue.limit(voted), quantity) for voted in limit.votes)
    return not limit.match.quantities or quantity in limit.match.quantities


def explain(catalogue: Catalogue, series: str, location: Location, at: int) -> Explanation:
    """Say of every limit on the quantity of ``series`` whether it applies at ``at`` (ms), and why.

    Limits on other quantities are not spoken of. Raises ``ValueError`` if ``series`` is none.
    """
    quantity = split_series(series)[3]
    applying = {limit.id: limit for limit in catalogue.limits_for(series, location, at)}
    first = _strictest(applying)
    rulings = []
    for limit in catalogue.limits:
        if not is_on(catalogue, limit, quantity):
            continue
        against = () if limit.id in applying else tuple(_against(catalogue, limit, series, location, at))
        if limit.kind is Kind.VOTE and not applying.keys() & set(limit.votes):
            against += (Reason(Verdict.NO_VOTE, f"none of {', '.join(limit.votes)} applies here"),)
        reasons = against or (_standing(limit, first.get(basis(limit))),)
        rulings.append(Ruling(limit.id, applies=not against, reasons=reasons))
    rulings.sort(key=lambda ruling: not ruling.applies)
    return Explanation(series, location, at, tuple(rulings), tuple(limit.id for limit, _ in first.values()))


def _strictest(applying: dict[str, Limit]) -> dict[Basis, tuple[Limit, int]]:
    """Return, by basis, the strictest limit and of how many."""
    groups: defaultdict[Basis, list[Limit]] = defaultdict(list)
    for limit in applying.values():
        groups[basis(limit)].append(limit)
    found = {key: (strictest(limits), len(limits)) for key, limits in groups.items()}
    return {key: (limit, count) for key, (limit, count) in found.items() if limit}


def _standing(limit: Limit, first: tuple[Limit, int] | None) -> Reason:
    """Return how a limit that applies stands among its like."""
    if first is None or first[1] == 1:
        return Reason(Verdict.APPLIES, wording.matched(limit.match))
    if limit.id == first[0].id:
        return Reason(Verdict.STRICTEST, f"of {first[1]} limits on the same value")
    word = "as strict as" if as_strict(limit, first[0]) else "less strict than"
    return Reason(Verdict.LESS_STRICT, f"{word} {first[0].id} ({wording.points(first[0])})", first[0].id)


def _against(catalogue: Catalogue, limit: Limit, series: str, location: Location, at: int) -> Iterator[Reason]:
    """Yield all that keeps ``limit`` from being applied."""
    zone, site, sensor, _ = split_series(series)
    asked = (
        (Verdict.OTHER_LOCATION, limit.match.locations, location),
        (Verdict.OTHER_ZONE, limit.match.zones, zone),
        (Verdict.OTHER_SITE, limit.match.sites, site),
        (Verdict.OTHER_SENSOR, limit.match.sensors, sensor),
    )
    for verdict, wanted, found in asked:
        if wanted and found not in wanted:
            yield Reason(verdict, f"only for {', '.join(wanted)}; this is {found}")
    if limit.valid_from is not None and at < limit.valid_from:
        yield Reason(Verdict.NOT_YET, f"from {wording.day(limit.valid_from)}")
    if limit.valid_to is not None and at >= limit.valid_to:
        yield Reason(Verdict.NO_LONGER, f"until {wording.day(limit.valid_to - 1)}")
    yield from _replaced(catalogue, limit, series, location, at)


def _replaced(catalogue: Catalogue, limit: Limit, series: str, location: Location, at: int) -> Iterator[Reason]:
    for other in catalogue.limits:
        replaces = limit.id in catalogue.replaces.get(other.id, ())
        if replaces and other.valid_at(at) and other.match.covers(*split_series(series), location):
            yield Reason(Verdict.REPLACED, f"by {other.id} ({wording.points(other)})", other.id)
