"""Flows: metered streams between sites, what they are made of, and which of them must balance at a site."""

from __future__ import annotations

import enum

import msgspec

from park.words import Names

#: The other end of a flow that comes from, or leaves to, somewhere that is not in the park.
OUTSIDE = "outside"


class Class(enum.StrEnum):
    """What adds up: a site's water, its mass and its energy each balance for themselves."""

    WATER = "water"
    MASS = "mass"
    ENERGY = "energy"


class Reads(enum.StrEnum):
    """What a meter shows: what has gone through so far, or what goes through now."""

    TOTAL = "total"
    RATE = "rate"


class FlowKind(msgspec.Struct, frozen=True):
    """A kind of stream (``kinds`` in ``config/flows.yaml``); amounts of it are in ``unit``.

    ``of`` tells which balance it belongs to, if any. A ``residue`` (by-product, waste, waste heat) is what the park
    wants to stay in the loop.
    """

    name: str
    names: Names
    unit: str
    of: Class | None = None
    residue: bool = False


class Replacement(msgspec.Struct, frozen=True):
    """A meter was replaced at ``at`` (ms): the old one showed ``last``, the new one began at ``first``."""

    at: int
    last: float
    first: float


class Flow(msgspec.Struct, frozen=True):
    """A stream of a kind from one place to another, and the meter that measures it (``flows`` in ``flows.yaml``).

    ``source`` and ``target`` are ``zone/site`` or :data:`OUTSIDE`; a flow from a site to itself is reused there.
    ``meter`` is a series (``zone/site/sensor/quantity``) whose readings times ``factor`` are in the kind's unit, or in
    the kind's unit per hour if it ``reads`` a rate. ``most`` is the greatest believable flow, kind's unit per hour:
    what a step would need more than is no flow. A totaliser begins at 0 again after ``rollover`` (in its own unit).
    Readings further apart than ``gap`` (ms) leave what is between them unmeasured; a totaliser still knows the amount.
    ``usual`` is what an exchange carries per hour when all is well, in the kind's unit; the exchange is broken when it
    carries less than ``broken_below`` of that while its source still makes it.
    """

    id: str
    names: Names
    kind: str
    source: str
    target: str
    meter: str
    reads: Reads
    most: float
    factor: float = 1.0
    rollover: float | None = None
    gap: int = 900_000
    replacements: tuple[Replacement, ...] = ()
    usual: float | None = None
    broken_below: float = 0.2

    @property
    def is_exchange(self) -> bool:
        """Whether one site of the park gives it to another."""
        return OUTSIDE not in {self.source, self.target} and self.source != self.target

    @property
    def zone(self) -> str:
        """The zone it belongs to: that of its meter."""
        return self.meter.split("/", 1)[0]


class Stock(msgspec.Struct, frozen=True):
    """What a site holds: the readings of ``series`` times ``factor`` are in the unit of the balance."""

    series: str
    factor: float = 1.0


class SiteBalance(msgspec.Struct, frozen=True):
    """What comes into ``site`` (``zone/site``), less what leaves it, less what its stocks gain, must be nothing.

    ``weights`` bring kinds of other units to the unit of the balance, kind by kind (1 for all others). ``losses`` is
    the share of what comes in that is known to leave unmeasured (evaporation).
    """

    id: str
    site: str
    of: Class
    unit: str
    weights: dict[str, float] = {}
    stocks: tuple[Stock, ...] = ()
    losses: float = 0.0


class Enterprise(msgspec.Struct, frozen=True):
    """An enterprise of the park (``config/enterprises.yaml``) and its sites (``zone/site``).

    ``since`` is when it began to produce (ms). ``exempt`` says why it is not classed, if it is not.
    """

    name: str
    names: Names
    zone: str
    sites: tuple[str, ...]
    since: int | None = None
    exempt: Names | None = None


class Amount(msgspec.Struct, frozen=True):
    """What a flow carried in ``begin <= t < end`` (ms), in its kind's unit; ``share`` of the time was measured."""

    flow: str
    begin: int
    end: int
    amount: float
    share: float
