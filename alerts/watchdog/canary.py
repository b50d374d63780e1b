"""The watchdog's own sensors: in every zone a canary, and the count of overdue calls. Published like any other."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from threading import Event

import msgspec

from park.topics import PREFIX
from park.words import Location
from storage import names
from storage.mqtt import Announcement, Broker, BrokerSettings, Connection, Outage

log = logging.getLogger("parkwatch.watchdog")

#: Messages the broker has not answered: with so many it hangs, and more would only be late when it is back.
_UNANSWERED = 20
#: Seconds between attempts to reach the broker, at most: the pulse waits for it.
_SLOWEST = 4

_TITLES = {
    names.CANARY_SENSOR: {"zh": "parkwatch 全链路自检", "en": "parkwatch canary"},
    names.WATCHDOG_SENSOR: {"zh": "parkwatch 看门狗", "en": "parkwatch watchdog"},
}
_QUANTITIES = {names.CANARY_SENSOR: names.CANARY_QUANTITY, names.WATCHDOG_SENSOR: names.OVERDUE_QUANTITY}


class Sensors:
    """The watchdog's sensors at the broker. While that is away nothing is kept: old canaries prove nothing.

    ``interval`` (ms) is how often they say that they will speak.
    """

    def __init__(self, settings: BrokerSettings, zones: Iterable[str], interval: int) -> None:
        broker = Broker.of(settings)
        self._zones = tuple(zones)
        self._connection = Connection(
            broker,
            "parkwatch-watchdog",
            Outage(broker.where),
            announcements=tuple(descriptors(self._zones, interval)),
            in_flight=_UNANSWERED + 2 * len(_QUANTITIES) * len(self._zones),
            slowest=_SLOWEST,
        )
        self._sung = 0
        self._refusal: str | None = None

    def open(self) -> None:
        """Begin to connect."""
        self._connection.open()

    def close(self) -> None:
        """Say goodbye."""
        self._connection.close()
        self._connection.join()

    def sing(self, now: int, stop: Event) -> None:
        """Publish the next canary of every zone."""
        if self._ready():
            self._sung += 1
            self._say(names.CANARY_SENSOR, dict.fromkeys(self._zones, self._sung), now, stop)

    def count(self, overdue: Mapping[str, int], now: int, stop: Event) -> None:
        """Publish how many calls are overdue or missing, by zone; 0 where nothing is said."""
        if self._ready():
            self._say(names.WATCHDOG_SENSOR, {zone: overdue.get(zone, 0) for zone in self._zones}, now, stop)

    def _ready(self) -> bool:
        refusal = self._connection.refusal
        if refusal != self._refusal:
            self._refusal = refusal
            if refusal:
                log.error("%s", refusal)
        return self._connection.up and self._connection.unanswered < _UNANSWERED

    def _say(self, sensor: str, values: Mapping[str, int], now: int, stop: Event) -> None:
        for zone, value in values.items():
            payload = msgspec.json.encode({"v": value, "t": now})
            self._connection.publish(f"{_place(zone, sensor)}/{_QUANTITIES[sensor]}", payload, stop)


def _place(zone: str, sensor: str) -> str:
    return f"{PREFIX}/{zone}/{names.OWN_SITE}/{sensor}"


def descriptors(zones: Iterable[str], interval: int) -> Iterator[Announcement]:
    """Yield what the sensors of every zone say of themselves; they speak every ``interval`` ms."""
    for zone in zones:
        for sensor, title in _TITLES.items():
            described = {
                "names": title,
                "location": Location.SYSTEM,
                "interval": interval,
                "quantities": {_QUANTITIES[sensor]: {"unit": "1"}},
            }
            yield Announcement(f"{_place(zone, sensor)}/$meta", msgspec.json.encode(described))
