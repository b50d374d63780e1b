"""Suppression by design, as it stands in one shard: by the rules of the configuration, and by gateways that are off."""

from __future__ import annotations

from collections.abc import Mapping

from park.catalogue import Catalogue
from park.evaluate import GATEWAY_OFFLINE, Suppressed, Watch
from park.limits import Kind
from park.readings import split_series
from park.relations import Known, Suppression, holds
from park.sensors import Sensor
from storage.directory import OFFLINE, Gateway

Place = tuple[str, str]
"""Zone and site."""


class Suppressions:
    """Remembers where the cause of each rule holds, so that it may linger, and when a gateway was last off.

    After a restart nothing is remembered: what lingers is heard, rather than kept quiet on no evidence.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._rules = catalogue.suppressions
        self._held: dict[str, dict[Place, int]] = {rule.id: {} for rule in self._rules}
        self._now: list[tuple[Suppression, Place]] = []
        self._offline: dict[str, int] = {}
        self._at = 0

    def adopt(self, catalogue: Catalogue) -> None:
        """Work by the rules of another catalogue; the cause of a rule that is still there goes on holding."""
        self._rules = catalogue.suppressions
        self._held = {rule.id: self._held.get(rule.id, {}) for rule in self._rules}
        known = {rule.id: rule for rule in self._rules}
        self._now = [(known[rule.id], place) for rule, place in self._now if rule.id in known]

    @property
    def needed(self) -> bool:
        """Whether there are rules, so that somebody has to look for their causes."""
        return bool(self._rules)

    def look(self, known: list[Known], gateways: Mapping[str, Gateway], now: int) -> None:
        """Take in how things stand at ``now`` (ms)."""
        self._at, self._now = now, []
        for key, gateway in gateways.items():
            if gateway.state == OFFLINE:
                self._offline[key] = now
            else:
                # Only at first when it last spoke: it may say that it is online every minute.
                self._offline.setdefault(key, gateway.at)
        for rule in self._rules:
            held = self._held[rule.id]
            held |= dict.fromkeys(holds(rule.cause, known), now)
            self._now += [(rule, place) for place, at in held.items() if now - at <= rule.linger]

    def of(self, watch: Watch, sensor: Sensor | None) -> Suppressed:
        """Return which alarms of a series are suppressed: limit id -> rule."""
        zone, site, _, _ = split_series(watch.series)
        found = self._of_gateway(zone, watch, sensor)
        for rule, place in self._now:
            if place == (zone, site):
                found |= {limit.id: rule.id for limit in watch.limits if rule.alarms.covers(watch.series, limit.id)}
        return found

    def _of_gateway(self, zone: str, watch: Watch, sensor: Sensor | None) -> dict[str, str]:
        offline = self._offline.get(f"{zone}/{sensor.gateway}") if sensor and sensor.gateway else None
        # Back online: its sensors get the time to speak before their silence is news.
        if offline is not None and self._at - offline <= watch.silent_after:
            return {limit.id: GATEWAY_OFFLINE for limit in watch.limits if limit.kind is Kind.QUALITY}
        return {}
