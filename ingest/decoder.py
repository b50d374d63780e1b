"""From topic and payload to graded readings in canonical units.

What a topic means (its series, the conversion, the range) is worked out once and remembered, until the
sensor's descriptor changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ingest.codecs import values
from ingest.codecs.values import Sample
from park import topics, units
from park.catalogue import Catalogue
from park.grading import CLOCK_TOLERANCE, grade, worse
from park.quantities import Quantity
from park.readings import Reading
from park.sensors import Channel, Sensor
from park.topics import Rejected
from park.words import Names, Quality
from storage import names

MAX_PAYLOAD = 262_144
_TIME_FORM = Names(
    "请写成 2026-01-01T08:00:00+08:00，或自 1970 年起的毫秒数", "write 2026-01-01T08:00:00+08:00 or ms since 1970"
)
_NO_UTF_8 = Names("主题不是 UTF-8", "the topic is no UTF-8")
_SEGMENTS = Names("主题各级请用 a-z、0-9 和 -", "use a-z, 0-9 and - in the topic's segments")
_OF_ANY_AGE = Names("保留消息未带时间，读数可能是任何时候的", "a retained reading without a time may be of any age")
_RETAINED = Names("发布读数时不要设保留标志，或带上 t", "publish readings without the retain flag, or with t")
_EARLIEST = 946_684_800_000  # 2000-01-01
_DAY = 86_400_000
_RETENTION = names.RETENTION_RAW_DAYS * _DAY
_CACHED_SERIES = 200_000


@dataclass(frozen=True, slots=True)
class _Input:
    """How one series is read when it comes in one unit."""

    series: str
    conversion: units.Conversion
    converts: bool
    minimum: float
    maximum: float
    sentinels: tuple[float, ...]


class Decoder:
    """Decodes messages for the sensors it is told of.

    ``peek(key)`` returns the descriptor of ``zone/site/sensor`` as far as it is known; ``sensor(key)`` also registers
    it, and is called for what sends a good message.
    """

    def __init__(self, catalogue: Catalogue, peek: Callable[[str], Sensor], sensor: Callable[[str], Sensor]) -> None:
        self._catalogue = catalogue
        self._peek = peek
        self._sensor = sensor
        self._latest: dict[str, int] = {}
        self._addresses: dict[str, topics.Address] = {}
        self._inputs: dict[tuple[str, str, str | None], _Input] = {}

    def address(self, topic: str | bytes) -> topics.Address:
        """What a topic speaks of; raises :class:`Rejected`."""
        if isinstance(topic, bytes):
            raise Rejected("topic", _NO_UTF_8, _SEGMENTS)
        known = self._addresses.get(topic)
        if known is None:
            known = topics.parse(topic)
            self._check_place(known)
            if len(self._addresses) < _CACHED_SERIES:
                self._addresses[topic] = known
        return known

    def adopt(self, catalogue: Catalogue) -> None:
        """Work by another catalogue: everything is worked out anew at its next reading."""
        self._catalogue = catalogue
        self._addresses.clear()
        self._inputs.clear()

    def forget(self, key: str) -> None:
        """Work the sensor's series out anew at its next reading: its descriptor has changed."""
        self._inputs = {place: known for place, known in self._inputs.items() if place[0] != key}

    def readings(self, place: topics.Values, payload: bytes, received: int, *, retained: bool = False) -> list[Reading]:
        """Decode a message of readings; raises :class:`Rejected`, and then takes none of it.

        A ``retained`` message is as old as its own time says; without one it is refused.
        """
        if len(payload) > MAX_PAYLOAD:
            raise Rejected(
                "too-large",
                Names(f"消息内容有 {len(payload)} 字节", f"the payload has {len(payload)} bytes"),
                Names(
                    f"每条消息最多 {MAX_PAYLOAD} 字节：请将数组拆成几条消息",
                    f"send at most {MAX_PAYLOAD} bytes per message: cut the array into several messages",
                ),
            )
        found: list[Reading] = []
        for sample in values.decode(payload):
            if retained and sample.t is None:
                raise Rejected("retained", _OF_ANY_AGE, _RETAINED)
            self._take(place, sample, received, found)
        if found:
            self._sensor(f"{place.zone}/{place.site}/{place.sensor}")
        return found

    def _take(self, place: topics.Values, sample: Sample, received: int, found: list[Reading]) -> None:
        own, clock = event_time(sample.t, received)
        claimed = _quality(sample.q)
        if clock is not Quality.GOOD:
            claimed = worse(clock, claimed)
        key = f"{place.zone}/{place.site}/{place.sensor}"
        for quantity, value, unit in _parts(place, sample):
            known = self._input(key, quantity, unit)
            number = values.finite(value)
            quality = grade(number, known.minimum, known.maximum, known.sentinels)
            if claimed is not Quality.GOOD:
                quality = worse(quality, claimed)
            if known.converts and number is not None:
                number = values.finite(known.conversion.canonical(number))
            # Where the time is ours, readings that came together still have to differ in it.
            t = max(received, self._latest.get(known.series, 0) + 1) if own is None else own
            self._latest[known.series] = t
            late = received - t > self._catalogue.settings.late_after
            found.append(Reading(known.series, t, number, quality, received, late))

    def _input(self, key: str, quantity: str, unit: str | None) -> _Input:
        place = (key, quantity, unit)
        known = self._inputs.get(place)
        if known is None:
            known = self._work_out(key, self._quantity(quantity), unit)
            if len(self._inputs) < _CACHED_SERIES:
                self._inputs[place] = known
        return known

    def _work_out(self, key: str, quantity: Quantity, unit: str | None) -> _Input:
        sensor = self._peek(key)
        channel = sensor.channels.get(quantity.name, Channel())
        location = sensor.location or quantity.location
        sent_in = unit or channel.unit
        try:
            conversion = units.conversion(quantity, sent_in, location)
            described = units.conversion(quantity, channel.unit, location)
        except units.UnknownUnit as error:
            shown = (sent_in or "")[:80]
            reason = Names(
                f"{quantity.names.zh}（{quantity.name}）不能用单位 {shown!r}",
                f"unit {shown!r} is not known for {quantity.name}",
            )
            raise Rejected("unit", reason, error.texts) from error

        def in_sent_unit(bound: float | None, fallback: float) -> float:
            if bound is not None and sent_in == channel.unit:
                return bound
            return conversion.sent(fallback if bound is None else described.canonical(bound))

        return _Input(
            series=f"{key}/{quantity.name}",
            conversion=conversion,
            converts=not conversion.identity,
            minimum=in_sent_unit(channel.minimum, quantity.minimum),
            maximum=in_sent_unit(channel.maximum, quantity.maximum),
            sentinels=quantity.sentinels,
        )

    def _quantity(self, name: str) -> Quantity:
        try:
            return self._catalogue.quantities[name]
        except KeyError:
            raise Rejected(
                "quantity",
                Names(f"没有监测量 {name[:80]!r}", f"quantity {name[:80]!r} is not known"),
                self._catalogue.suggest_quantity(name),
            ) from None

    def _check_place(self, address: topics.Address) -> None:
        if address.zone not in self._catalogue.zones:
            known = ", ".join(self._catalogue.zones)
            raise Rejected(
                "zone",
                Names(f"没有园区 {address.zone!r}", f"zone {address.zone!r} is not known"),
                Names(f"请发布到以下之一：{known}", f"publish to one of: {known}"),
            )
        if isinstance(address, topics.Values) and address.quantity is not None:
            self._quantity(address.quantity)


def _parts(place: topics.Values, sample: Sample) -> list[tuple[str, float | None, str | None]]:
    """Quantity, value and unit of everything in a sample."""
    address = f"park/{place.zone}/{place.site}/{place.sensor}"
    if isinstance(sample.v, dict):
        if place.quantity is not None:
            raise Rejected(
                "type",
                Names("主题已指明监测量，v 中又写了监测量", "v names quantities although the topic names one"),
                Names(f"请发布到 {address}，或让 v 为一个数", f"publish to {address}, or send a number as v"),
            )
        units_by = sample.u if isinstance(sample.u, dict) else {}
        if isinstance(sample.u, str):
            raise Rejected("type", _ONE_UNIT, _UNITS)
        return [(quantity, value, units_by.get(quantity)) for quantity, value in sample.v.items()]
    if place.quantity is None:
        raise Rejected(
            "type",
            Names("主题和 v 都没有指明监测量", "neither the topic nor v names a quantity"),
            Names(
                f'请发送 {{"v": {{"h2s": 1.2}}}}，或发布到 {address}/h2s',
                f'send {{"v": {{"h2s": 1.2}}}}, or publish to {address}/h2s',
            ),
        )
    if isinstance(sample.u, dict):
        raise Rejected("type", _MANY_UNITS, Names('请发送 "u": "ppm"', 'send "u": "ppm"'))
    return [(place.quantity, sample.v, sample.u)]


_ONE_UNIT = Names("多个监测量只给了一个单位 u", "u is one unit for many quantities")
_UNITS = Names('请发送 "u": {"h2s": "ppm"}，或在 $meta 中说明', 'send "u": {"h2s": "ppm"}, or say it in $meta')
_MANY_UNITS = Names("v 是一个数，u 却按监测量给出", "u names quantities although v is one number")
_CLOCK = Names("请校准传感器时钟（NTP）", "set the sensor's clock (NTP)")
_SECONDS = Names(
    "请发送自 1970 年起的毫秒数（不是秒），或 RFC 3339", "send milliseconds since 1970, not seconds, or RFC 3339"
)
_NOT_KEPT = Names("这么早的读数不再保存", "readings that old are not kept")


def event_time(t: float | str | None, received: int) -> tuple[int | None, Quality]:
    """Event time (ms) of a sample, ``None`` where ours has to do: it has none, or a ``clock`` that runs ahead.

    Raises :class:`Rejected` for what is no time, or an absurd one.
    """
    if t is None:
        return None, Quality.GOOD
    at = _parse_time(t) if isinstance(t, str) else _whole_ms(t)
    if at > received + CLOCK_TOLERANCE:
        if at > received + _DAY:
            raise Rejected("time", Names(f"t = {t!r} 超前一天以上", f"t = {t!r} lies more than a day ahead"), _CLOCK)
        return None, Quality.CLOCK
    if at < _EARLIEST:
        raise Rejected("time", Names(f"t = {t!r} 早于 2000 年", f"t = {t!r} lies before 2000"), _SECONDS)
    if at < received - _RETENTION:
        days = names.RETENTION_RAW_DAYS
        raise Rejected("time", Names(f"t = {t!r} 早于 {days} 天前", f"t = {t!r} is older than {days} days"), _NOT_KEPT)
    return at, Quality.GOOD


def _whole_ms(t: float) -> int:
    if not math.isfinite(t):
        raise Rejected("time", _no_time(t), _TIME_FORM)
    return int(t)


def _parse_time(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Rejected("time", _no_time(text[:80]), _TIME_FORM) from None
    if moment.tzinfo is None:
        shown = repr(text[:80])
        raise Rejected("time", Names(f"t = {shown} 没有时区", f"t = {shown} has no time zone"), _ZONE)
    return int(moment.timestamp() * 1000)


_ZONE = Names("请在末尾加 Z 或 +08:00", "append Z or +08:00")


def _no_time(t: float | str) -> Names:
    return Names(f"t = {t!r} 不是时间", f"t = {t!r} is no time")


def _quality(claimed: str | None) -> Quality:
    if claimed is None or claimed == "good":
        return Quality.GOOD
    try:
        return Quality(claimed)
    except ValueError:
        known = ", ".join(quality.value for quality in Quality)
        shown = repr(claimed[:80])
        raise Rejected(
            "quality",
            Names(f"没有质量码 q = {shown}", f"q = {shown} is not known"),
            Names(f"请使用以下之一：{known}", f"send one of: {known}"),
        ) from None
