"""Onboarding: a reading on a new topic registers its sensor at once; a descriptor says more about it.

What is new is remembered here and reaches Redis together with the readings that need it.
"""

from __future__ import annotations

import msgspec

from park.catalogue import Catalogue
from park.sensors import Sensor
from storage.clock import Clock
from storage.directory import Directory


class Onboarding:
    """The sensors this process knows, and what the directory has yet to hear."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._known: dict[str, Sensor] = {}
        self._unsaved: dict[str, Sensor] = {}
        self._gateways: dict[str, tuple[str, int]] = {}
        self._revisions: list[int] = []
        self._era = ""
        self._forgotten: dict[str, Sensor] = {}

    def adopt(self, catalogue: Catalogue) -> None:
        """Work by another catalogue from now on."""
        self._catalogue = catalogue

    def load(self, directory: Directory) -> None:
        """Learn what the directory knows."""
        self._era = directory.era()
        self._known = {**directory.all(), **self._unsaved}

    def sensor(self, key: str) -> Sensor:
        """The sensor ``zone/site/sensor``, registered now if it is new."""
        known = self._known.get(key)
        if known is None:
            known = msgspec.structs.replace(self.peek(key), registered=self._clock.now())
            self._known[key] = self._unsaved[key] = known
        return known

    def peek(self, key: str) -> Sensor:
        """The sensor as known, or as it would be registered; registers nothing."""
        # A sensor that was forgotten and speaks again still speaks in the unit that it once described.
        known = self._known.get(key) or self._forgotten.get(key)
        return known or Sensor(key=key, registered=self._clock.now())

    def describe(self, sensor: Sensor) -> bool:
        """Take a descriptor; false if it says nothing new."""
        if self._known.get(sensor.key) == sensor:
            return False
        self._known[sensor.key] = self._unsaved[sensor.key] = sensor
        return True

    def gateway(self, key: str, state: str) -> None:
        """Take a gateway's state."""
        self._gateways[key] = (state, self._clock.now())

    def fresh(self) -> list[Sensor]:
        """Sensors that the directory has not heard of yet, or not in this form."""
        return list(self._unsaved.values())

    def save(self, directory: Directory) -> None:
        """Tell the directory what is new; raises ``redis.RedisError``, and then will tell it again."""
        for sensor in self.fresh():
            if sensor.described:
                directory.put(sensor)
            elif not directory.register(sensor):
                # Another ingest process was first, and may have had the descriptor.
                self._known[sensor.key] = directory.get(sensor.key) or sensor
            del self._unsaved[sensor.key]
        for key, (state, at) in list(self._gateways.items()):
            directory.gateway(key, state, at)
            del self._gateways[key]

    def follow(self, directory: Directory) -> list[str]:
        """Notice what was taken out of the directory, and return those sensors: they register anew if they speak.

        If Redis has lost the directory, it is told again all that is known here. Raises ``redis.RedisError``.
        """
        era = directory.era()
        if era != self._era:
            self._era = era
            self._unsaved = dict(self._known)
            return []
        revisions = [directory.revision(zone) for zone in self._catalogue.zones]
        if revisions == self._revisions:
            return []
        self._revisions = revisions
        there = directory.all()
        gone = [key for key in self._known if key not in there and key not in self._unsaved]
        self._forgotten |= {key: self._known.pop(key) for key in gone}
        return gone

    def limits_of(self, sensor: Sensor, quantity: str) -> list[str]:
        """Ids of the limits that apply to one quantity of ``sensor`` now."""
        location = sensor.location or self._catalogue.quantities[quantity].location
        limits = self._catalogue.limits_for(f"{sensor.key}/{quantity}", location, self._clock.now())
        return [limit.id for limit in limits]
