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

_EXAMPLE = (
    '{"names": {"zh": "...", "en": "..."}, "location": "workplace", "interval": 10000, "latitude": 31.8, '
    '"longitude": 120.8, "gateway": "gw-1", "quantities": {"h2s": {"unit": "ppm", "minimum": 0, "maximum": 100}}}'
)
_FORM = Names(f"请发送 {_EXAMPLE}", f"send {_EXAMPLE}")
_LONGEST = 1_000
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
        fix = Names(
            "；".join(each.zh for each in problems)[:_LONGEST], "; ".join(each.en for each in problems)[:_LONGEST]
        )
        raise Rejected("descriptor", Names("传感器描述无法采用", "the descriptor can't be used"), fix)
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
        size = len(payload)
        reason = Names(f"传感器描述有 {size} 字节", f"the descriptor has {size} bytes")
        raise Rejected("too-large", reason, Names(f"最多 {_MAX_BYTES} 字节", f"send at most {_MAX_BYTES}"))
    try:
        # json.loads would take halves of characters ("\\ud800"), which no store can hold.
        return _DECODER.decode(payload)
    except (ValueError, RecursionError) as error:
        why = str(error)[:250]
        reason = Names(f"传感器描述的形式不对（{why}）", f"the descriptor has the wrong form ({why})")
        raise Rejected("descriptor", reason, _FORM) from error


def _problems(descriptor: Descriptor, known: Sensor, catalogue: Catalogue) -> Iterator[Names]:
    locations = [location.value for location in Location]
    if descriptor.location is not None and descriptor.location not in locations:
        shown, known_ones = repr(descriptor.location[:40]), ", ".join(locations)
        yield Names(
            f"没有位置类别 {shown}：请写以下之一：{known_ones}",
            f"location {shown} is not known: write one of {known_ones}",
        )
        return
    if descriptor.interval is not None and not 1 <= descriptor.interval <= _MAX_INTERVAL:
        yield Names(
            "interval 是两次读数间隔的毫秒数，至少为 1，最长七天",
            "interval must be the ms between readings, at least 1 and at most seven days",
        )
    for name, bound in (("latitude", 90.0), ("longitude", 180.0)):
        degrees = getattr(descriptor, name)
        if degrees is not None and not -bound <= degrees <= bound:
            yield Names(
                f"{name} 以度为单位，范围 -{bound:g} 至 {bound:g}",
                f"{name} must be in degrees, -{bound:g} to {bound:g}",
            )
    if descriptor.gateway is not None:
        yield from _gateway_problems(known.key.split("/", 1)[0], descriptor.gateway)
    location = Location(descriptor.location) if descriptor.location else known.location
    for name, own in descriptor.quantities.items():
        yield from _channel_problems(name, own, location, catalogue)


def _gateway_problems(zone: str, gateway: str) -> Iterator[Names]:
    try:
        topics.parse(f"{topics.PREFIX}/{zone}/{gateway}/$state")
    except Rejected:
        shown = repr(gateway[:40])
        yield Names(
            f"网关 {shown} 没有对应的 $state 主题：请写该主题中的网关段，用 a-z、0-9 和 -",
            f"gateway {shown} has no $state topic: write its segment there, a-z, 0-9 and -",
        )


def _channel_problems(name: str, own: Own, location: Location | None, catalogue: Catalogue) -> Iterator[Names]:
    quantity = catalogue.quantities.get(name)
    if quantity is None:
        shown, meant = repr(name[:40]), catalogue.suggest_quantity(name[:40])
        yield Names(f"没有监测量 {shown}：{meant.zh}", f"quantity {shown} is not known: {meant.en}")
        return
    try:
        conversion = units.conversion(quantity, own.unit, location or quantity.location)
    except units.UnknownUnit as error:
        yield error.texts
        return
    # A bound that is not given is the quantity's own: the range that results must be one.
    minimum = conversion.sent(quantity.minimum) if own.minimum is None else own.minimum
    maximum = conversion.sent(quantity.maximum) if own.maximum is None else own.maximum
    if not -math.inf < minimum < maximum < math.inf:
        yield Names(
            f"{name}：minimum（{minimum:g}）必须小于 maximum（{maximum:g}）",
            f"{name}: minimum ({minimum:g}) must be less than maximum ({maximum:g})",
        )
