"""Descriptors: what a sensor says of itself on its retained ``$meta`` topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from park.words import Location, Names


@dataclass(frozen=True)
class Range:
    """The unit a quantity is sent in and its measuring range, in that unit."""

    unit: str
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Descriptor:
    """A sensor's own words: ``interval`` is the expected time between its messages, ms."""

    names: Names
    location: Location
    interval: int
    latitude: float
    longitude: float
    quantities: Mapping[str, Range]
    gateway: str | None = None


def describe(descriptor: Descriptor) -> dict[str, object]:
    """Return the ``$meta`` payload, as the MQTT contract wants it."""
    payload: dict[str, object] = {
        "names": {"zh": descriptor.names.zh, "en": descriptor.names.en},
        "location": descriptor.location.value,
        "interval": descriptor.interval,
        "latitude": descriptor.latitude,
        "longitude": descriptor.longitude,
        "quantities": {
            quantity: {"unit": own.unit, "minimum": own.minimum, "maximum": own.maximum}
            for quantity, own in descriptor.quantities.items()
        },
    }
    if descriptor.gateway is not None:
        payload["gateway"] = descriptor.gateway
    return payload
