"""Quantities: what is measured, in which canonical unit, and what a believable value is."""

from __future__ import annotations

import msgspec

from park.words import Location, Names


class Quantity(msgspec.Struct, frozen=True):
    """A row of ``config/quantities.yaml``.

    ``minimum``/``maximum`` bound what a sensor without a range of its own can believably report, in ``unit``.
    ``sentinels`` are values that loggers send for "no value". ``molar_mass`` is g/mol and ``lel`` %vol where
    a conversion needs them. ``location`` is the class assumed for a sensor that has not said where it is.
    """

    name: str
    names: Names
    unit: str
    location: Location
    minimum: float
    maximum: float
    sentinels: tuple[float, ...] = (-999.0, -9999.0, -200.0)
    molar_mass: float | None = None
    lel: float | None = None
    hj212: tuple[str, ...] = ()
    hazards: tuple[str, ...] = ()
