"""``$meta`` payloads: what a sensor says of itself, checked whole, every problem at once."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from park import topics, units
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


_DECODER = msgspec.json.Decoder(Descriptor)


def describe(key: str, payload: bytes, known: Sensor, catalogue: Catalogue) -> Sensor:
    """Return the sensor ``key`` (``zone/site/sensor``) as ``payload`` describes it.

    What the payload does not say stays as ``known`` has it. Raises :class:`park.topics.Rejected`.
    """
    descriptor = _parse(payload)
    problems = list(_problems(descriptor, known, catalogue))
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
        # json.loads would take halves of characters ("\\ud800"), which no store can hold.
        return _DECODER.decode(payload)
    except (ValueError, RecursionError) as error:
        raise Rejected("descriptor", f"the descriptor has the wrong form ({error})"[:300], _FORM) from error


def _problems(descriptor: Descriptor, known: Sensor, catalogue: Catalogue) -> Iterator[str]:
    locations = [location.value for location in Location]
    if descriptor.location is not None and descriptor.location not in locations:
        yield f"location {descriptor.location[:40]!r} is not known: write one of {', '.join(locations)}"
        return
    if descriptor.interval is not None and not 1 <= descriptor.interval <= _MAX_INTERVAL:
        yield "interval must be the ms between readings, at least 1 and at most seven days"
    for name, bound in (("latitude", 90.0), ("longitude", 180.0)):
        degrees = getattr(descriptor, name)
        if degrees is not None and not -bound <= degrees <= bound:
            yield f"{name} must be in degrees, -{bound:g} to {bound:g}"
    if descriptor.gateway is not None:
        yield from _gateway_problems(known.key.split("/", 1)[0], descriptor.gateway)
    location = Location(descriptor.location) if descriptor.location else known.location
    for name, own in descriptor.quantities.items():
        yield from _channel_problems(name, own, location, catalogue)


def _gateway_problems(zone: str, gateway: str) -> Iterator[str]:
    try:
        topics.parse(f"{topics.PREFIX}/{zone}/{gateway}/$state")
    except Rejected:
        yield f"gateway {gateway[:40]!r} has no $state topic: write its segment there, a-z, 0-9 and -"


def _channel_problems(name: str, own: Own, location: Location | None, catalogue: Catalogue) -> Iterator[str]:
    quantity = catalogue.quantities.get(name)
    if quantity is None:
        yield f"quantity {name[:40]!r} is not known: {catalogue.suggest_quantity(name[:40])}"
        return
    try:
        conversion = units.conversion(quantity, own.unit, location or quantity.location)
    except units.UnknownUnit as error:
        yield str(error)
        return
    # A bound that is not given is the quantity's own: the range that results must be one.
    minimum = conversion.sent(quantity.minimum) if own.minimum is None else own.minimum
    maximum = conversion.sent(quantity.maximum) if own.maximum is None else own.maximum
    if not -math.inf < minimum < maximum < math.inf:
        yield f"{name}: minimum ({minimum:g}) must be less than maximum ({maximum:g})"
