"""The Material Circularity Indicator (Ellen MacArthur Foundation): how little of a mass comes from, and ends as, waste.

0.1 is all virgin and all thrown away after an average life, 1 is a closed loop. All fractions are of the mass, 0 to 1.
"""

from __future__ import annotations

import math

import msgspec

#: What the formula takes off for a product that is used as long and as well as the average.
_UTILITY = 0.9
#: Meters are not exact: a sum of fractions may be this much above 1.
_TOLERANCE = 1e-9


class Inconsistent(ValueError):
    """The masses can't be: more is recovered than there is. The text says which."""


class Feedstock(msgspec.Struct, frozen=True):
    """What the mass is made from; the rest is virgin."""

    recycled: float = 0.0
    reused: float = 0.0
    renewable: float = 0.0


class Recovery(msgspec.Struct, frozen=True):
    """What becomes of the mass after use; the rest is unrecoverable waste."""

    recycled: float = 0.0
    reused: float = 0.0
    composted: float = 0.0
    energy: float = 0.0


class Terms(msgspec.Struct, frozen=True):
    """What does not come from meters.

    ``feedstock`` and ``collected`` are the efficiencies of the recycling that makes the feedstock (E_F), and of the
    recycling of what is collected (E_C). ``lifetime`` and ``intensity`` are multiples of the average (L/Lav, U/Uav).
    """

    feedstock: float = 1.0
    collected: float = 1.0
    lifetime: float = 1.0
    intensity: float = 1.0


class Circularity(msgspec.Struct, frozen=True):
    """The indicator, and what it was made from: the linear flow index, virgin mass and unrecoverable waste per mass."""

    indicator: float
    linear_flow: float
    virgin: float
    waste: float


def circularity(made_of: Feedstock, becomes: Recovery, terms: Terms) -> Circularity:
    """Return the indicator of a mass. Raises :class:`Inconsistent` for fractions that can't be."""
    _check(made_of, becomes, terms)
    virgin = max(0.0, 1.0 - made_of.recycled - made_of.reused - made_of.renewable)
    lost = max(0.0, 1.0 - becomes.recycled - becomes.reused - becomes.composted - becomes.energy)
    # Waste of recycling what is collected, and of the recycling that made the feedstock: half each, the other half is
    # counted where the other end of that recycling is.
    of_collected = (1.0 - terms.collected) * becomes.recycled
    of_feedstock = (1.0 - terms.feedstock) * made_of.recycled / terms.feedstock if made_of.recycled else 0.0
    waste = lost + (of_feedstock + of_collected) / 2.0
    linear = (virgin + waste) / (2.0 + (of_feedstock - of_collected) / 2.0)
    utility = terms.lifetime * terms.intensity
    return Circularity(max(0.0, 1.0 - linear * _UTILITY / utility), linear, virgin, waste)


def _check(made_of: Feedstock, becomes: Recovery, terms: Terms) -> None:
    for what, fractions in (("feedstock", made_of), ("recovery", becomes)):
        shares = msgspec.structs.astuple(fractions)
        if not all(math.isfinite(share) and share >= -_TOLERANCE for share in shares):
            raise Inconsistent(f"a {what} of less than nothing: {shares}")
        if sum(shares) > 1.0 + _TOLERANCE:
            raise Inconsistent(f"{what} of {sum(shares):.3g} times the mass there is")
    if not (0.0 <= terms.feedstock <= 1.0 and 0.0 <= terms.collected <= 1.0):
        raise Inconsistent(f"efficiencies are from 0 to 1: {terms.feedstock}, {terms.collected}")
    if terms.feedstock == 0.0 and made_of.recycled > 0.0:
        raise Inconsistent("recycled feedstock of a recycling that yields nothing (efficiency 0)")
    if not (terms.lifetime > 0.0 and terms.intensity > 0.0):
        raise Inconsistent(f"lifetime and intensity are above 0: {terms.lifetime}, {terms.intensity}")
