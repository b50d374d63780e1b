"""``$meta`` payloads: what a sensor says of itself, checked whole, every problem at once."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from park import units
from park.catalogue import Catalogue
from park.sensors import Channel, Sensor
from park.topics import Rejected
from park.words import Location, Names

_FORM = (
    'send {"names": {"zh": "...", "en": "..."}, "location": "workplace", "interval": 10000, "latitude": 31.8, '
    '"longitude": 120.8, "gateway": "gw-1", "quantities": {"h2s": {"unit": "ppm", "minimum": 0, "maximum": 100}}}'
)
_MAX_BYTES = 16_384
_MAX_INTERVAL = 7 * 86_400_000


class Own(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One quantity as the descriptor gives it."""

    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None


class Descriptor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A descriptor's fields, all optional; ``interval`` is ms."""

    names: Names | None = None
    location: str | None = None
    interval: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    gateway: str | None = None
    quantities: dict[str, Own] = {}


def describe(key: str, payload: bytes, known: Sensor, catalogue: Catalogue) -> Sensor:
    """Return the sensor ``key`` (``zone/site/sensor``) as ``payload`` describes it.

    What the payload does not say stays as ``known`` has it. Raises :class:`park.topics.Rejected`.
    """
    descriptor = _parse(payload)
    problems = list(_problems(descriptor, catalogue))
    if problems:
        raise Rejected("descriptor", "the descriptor can't be used", "; ".join(problems)[:1000])
    return msgspec.structs.replace(
        known,
        key=key,
        names=descriptor.names or known.names,
        location=Location(descriptor.location) if descriptor.location else known.location,
        interval=int(descriptor.interval) if descriptor.interval else known.interval,
        latitude=descriptor.latitude if descriptor.latitude is not None else known.latitude,
        longitude=descriptor.longitude if descriptor.longitude is not None else known.longitude,
        gateway=descriptor.gateway or known.gateway,
        channels={name: Channel(own.unit, own.minimum, own.maximum) for name, own in descriptor.quantities.items()}
        or known.channels,
        described=True,
    )


def _parse(payload: bytes) -> Descriptor:
    if len(payload) > _MAX_BYTES:
        raise Rejected("too-large", f"the descriptor has {len(payload)} bytes", f"send at most {_MAX_BYTES}")
    try:
        content: Any = json.loads(payload)
        return msgspec.convert(content, Descriptor)
    except (ValueError, RecursionError) as error:
        raise Rejected("descriptor", f"the descriptor has the wrong form ({error})"[:300], _FORM) from error


def _problems(descriptor: Descriptor, catalogue: Catalogue) -> Iterator[str]:
    locations = [location.value for location in Location]
    if descriptor.location is not None and descriptor.location not in locations:
        yield f"location {descriptor.location[:40]!r} is not known: write one of {', '.join(locations)}"
        return
    if descriptor.interval is not None and not 0 < descriptor.interval <= _MAX_INTERVAL:
        yield "interval must be the ms between readings, more than 0 and at most seven days"
    for name, bound in (("latitude", 90.0), ("longitude", 180.0)):
        degrees = getattr(descriptor, name)
        if degrees is not None and not -bound <= degrees <= bound:
            yield f"{name} must be in degrees, -{bound:g} to {bound:g}"
    for name, own in descriptor.quantities.items():
        yield from _channel_problems(name, own, descriptor, catalogue)


def _channel_problems(name: str, own: Own, descriptor: Descriptor, catalogue: Catalogue) -> Iterator[str]:
    quantity = catalogue.quantities.get(name)
    if quantity is None:
        close = difflib.get_close_matches(name, catalogue.quantities, n=1)
        yield f"quantity {name[:40]!r} is not known" + (f": did you mean {close[0]}?" if close else "")
        return
    location = Location(descriptor.location) if descriptor.location else quantity.location
    try:
        units.conversion(quantity, own.unit, location)
    except units.UnknownUnit as error:
        yield str(error)
    if own.minimum is not None and own.maximum is not None and not own.minimum < own.maximum:
        yield f"{name}: minimum must be less than maximum"
