"""What an indicator is made of, as it is configured: terms, targets, factors, and the scopes it is computed for."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from park.circularity import Terms
from park.flows import OUTSIDE, Enterprise
from park.stretches import Length
from park.words import Names

#: For sites and zones above them, and for the zone of the park.
EVERYWHERE = "all"

NUMERATOR, DENOMINATOR = "numerator", "denominator"
MASS = "mass"
#: The shares of it that are not virgin, and what becomes of it, in the order of :mod:`park.circularity`.
FEEDSTOCK = ("feedstock_recycled", "feedstock_reused", "feedstock_renewable")
RECOVERY = ("recycled", "reused", "composted", "energy")
#: The parts of a material circularity indicator: the mass, what it is made from, what becomes of it.
CIRCULARITY_PARTS = (MASS, *FEEDSTOCK, *RECOVERY)


# --- what is configured --------------------------------------------------------------------------------------


class Crossing(enum.StrEnum):
    """Which flows of a kind count for a site, zone or park: by the ends that lie in it."""

    IN = "in"
    OUT = "out"
    NET = "net"
    USED = "used"
    GIVEN = "given"
    WITHIN = "within"
    ALL = "all"

    def sign(self, *, source: bool, target: bool) -> int:
        """Return 1 if a flow counts whose ``source`` and ``target`` lie inside or not, -1 if against, 0 if not."""
        return _SIGNS[self][source, target]


# By whether the source, and whether the target lies inside.
_BOTH, _SOURCE, _TARGET = (True, True), (True, False), (False, True)
_SIGNS: dict[Crossing, dict[tuple[bool, bool], int]] = {
    crossing: {(False, False): 0, _BOTH: 0, _SOURCE: 0, _TARGET: 0} | signs
    for crossing, signs in {
        Crossing.IN: {_TARGET: 1},
        Crossing.OUT: {_SOURCE: 1},
        Crossing.NET: {_TARGET: 1, _SOURCE: -1},
        Crossing.USED: {_TARGET: 1, _BOTH: 1},
        Crossing.GIVEN: {_SOURCE: 1, _BOTH: 1},
        Crossing.WITHIN: {_BOTH: 1},
        Crossing.ALL: {_TARGET: 1, _SOURCE: 1, _BOTH: 1},
    }.items()
}


class Better(enum.StrEnum):
    """Which way is good."""

    HIGH = "high"
    LOW = "low"


class Method(enum.StrEnum):
    """How the value is made of the sums."""

    RATIO = "ratio"
    CIRCULARITY = "circularity"


class Term(msgspec.Struct, frozen=True):
    """A part of a sum: amounts of flows of ``kinds`` that cross as ``crossing`` says, or a reported ``figure``.

    It counts ``weight`` times, and amounts by the ``factor`` of their kind if a table of factors is named. Of an
    enterprise that has never reported the figure nothing is known, unless ``otherwise`` says what it is taken to be (in
    the figure's unit), or the figure only ``concerns_some``: then one report is enough, and the others have none of it.
    """

    kinds: tuple[str, ...] = ()
    crossing: Crossing = Crossing.NET
    figure: str = ""
    weight: float = 1.0
    factor: str = ""
    otherwise: float | None = None
    concerns_some: bool = False


class Indicator(msgspec.Struct, frozen=True):
    """What is computed, in ``unit``; ``parts`` are its sums, by their place in the formula.

    A ratio is ``scale`` times the numerator over the denominator, or times the numerator alone if there is no
    denominator. An ``annual`` one is per year: of a part of a year it is what the year would be if all of it went so.
    ``scopes`` and ``lengths`` tell what it is computed for.
    """

    name: str
    names: Names
    unit: str
    unit_zh: str
    formula: Names
    parts: dict[str, tuple[Term, ...]]
    source: str
    clause: Names
    provenance: str
    better: Better | None = None
    method: Method = Method.RATIO
    scale: float = 1.0
    annual: bool = False
    scopes: tuple[ScopeKind, ...] = ()
    lengths: tuple[Length, ...] = ()
    terms: Terms = Terms()

    @property
    def bottom(self) -> str:
        """The part that the value is per: without any of it there is no value; empty for a plain sum."""
        if self.method is Method.CIRCULARITY:
            return MASS
        return DENOMINATOR if DENOMINATOR in self.parts else ""


class Target(msgspec.Struct, frozen=True):
    """What a benchmark set wants of an indicator, in the indicator's unit; ``low``: at most, ``high``: at least."""

    indicator: str
    at: float
    clause: Names
    provenance: str


class BenchmarkSet(msgspec.Struct, frozen=True):
    """A standard's targets."""

    name: str
    names: Names
    source: str
    targets: dict[str, Target]


class Benchmarks(msgspec.Struct, frozen=True):
    """All benchmark sets, by name; ``shown`` is the one the park is held against.

    ``coverage`` is the share of its time that must have been measured for a value to be judged.
    """

    shown: str = ""
    coverage: float = 0.75
    sets: dict[str, BenchmarkSet] = {}


class Factor(msgspec.Struct, frozen=True):
    """What one unit of a kind of flow is worth; ``since`` are years, ascending, and the factor from each year on."""

    kind: str
    since: tuple[tuple[int, float], ...]
    source: str
    clause: Names
    provenance: str

    def of(self, year: int) -> float | None:
        """Return the factor of ``year``: the latest one until then; ``None`` before the first."""
        return next((factor for first, factor in reversed(self.since) if first <= year), None)


class FactorTable(msgspec.Struct, frozen=True):
    """Factors by kind of flow, into ``unit``."""

    name: str
    names: Names
    unit: str
    factors: dict[str, Factor]


# --- what it is computed for -----------------------------------------------------------------------------------


class ScopeKind(enum.StrEnum):
    """How much an indicator is of."""

    SITE = "site"
    ZONE = "zone"
    PARK = "park"


class Scope(msgspec.Struct, frozen=True, order=True):
    """A site (``zone`` and ``site``), a zone, or the park: then ``zone`` and ``site`` are :data:`EVERYWHERE`."""

    zone: str = EVERYWHERE
    site: str = EVERYWHERE

    @property
    def kind(self) -> ScopeKind:
        """What it is."""
        if self.zone == EVERYWHERE:
            return ScopeKind.PARK
        return ScopeKind.ZONE if self.site == EVERYWHERE else ScopeKind.SITE

    @property
    def text(self) -> str:
        """How people write it: ``park``, ``zone`` or ``zone/site``."""
        match self.kind:
            case ScopeKind.PARK:
                return "park"
            case ScopeKind.ZONE:
                return self.zone
            case ScopeKind.SITE:
                return f"{self.zone}/{self.site}"

    def holds(self, place: str) -> bool:
        """Whether ``place`` (``zone/site``, or :data:`park.flows.OUTSIDE`) lies in it."""
        if place == OUTSIDE:
            return False
        zone, _, site = place.partition("/")
        return self.zone in {EVERYWHERE, zone} and self.site in {EVERYWHERE, site}

    def enterprises(self, known: Iterable[Enterprise]) -> list[Enterprise]:
        """Return those of ``known`` whose figures are of it alone: a site has those of one that has only this site."""
        match self.kind:
            case ScopeKind.PARK:
                return list(known)
            case ScopeKind.ZONE:
                return [each for each in known if each.zone == self.zone]
            case ScopeKind.SITE:
                return [each for each in known if each.sites == (self.text,)]


PARK = Scope()
