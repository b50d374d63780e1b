"""Sensors: what we know of the thing that sends readings."""

from __future__ import annotations

import msgspec

from park.words import Location, Names


class Channel(msgspec.Struct, frozen=True):
    """One quantity of a sensor: the unit it sends and its measuring range, both in that unit."""

    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None


class Sensor(msgspec.Struct, frozen=True):
    """A registered sensor; ``key`` is ``zone/site/sensor``.

    ``interval`` is the expected time between readings in ms, or ``None`` while nobody has said; ``gateway``
    names the gateway (``zone/gateway``) whose ``$state`` speaks for it. ``registered`` is the server time (ms)
    of the first contact. ``described`` is true once a ``$meta`` descriptor has been seen.
    """

    key: str
    registered: int
    names: Names | None = None
    latitude: float | None = None
    longitude: float | None = None
    interval: int | None = None
    location: Location | None = None
    gateway: str | None = None
    channels: dict[str, Channel] = {}
    described: bool = False
