"""The catalogue: the validated configuration of the park, in the domain's own words.

Made by :func:`park.building.build` from plain parsed data, never by hand; what it holds has been checked.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Mapping

import msgspec

from park.channels import ChannelKind, ChannelRoute, Reference, ReferenceKind
from park.economy import Economy
from park.limits import Kind, Limit
from park.oncall import OnCall
from park.quantities import Quantity
from park.relations import Suppression
from park.words import Location, Names

__all__ = [
    "Alerts",
    "Catalogue",
    "ChannelKind",
    "ChannelRoute",
    "Grouping",
    "OnCall",
    "Reference",
    "ReferenceKind",
    "Settings",
    "Site",
    "Zone",
]

# Sensors come and go; the memory of which limits match them must not grow without end.
_REMEMBERED = 100_000


class Site(msgspec.Struct, frozen=True):
    """A place within a zone; ``latitude`` and ``longitude`` in degrees (WGS 84).

    ``area`` is the polygon it covers, as corners (latitude, longitude) in order; empty if nobody has drawn it.
    """

    name: str
    names: Names
    latitude: float
    longitude: float
    area: tuple[tuple[float, float], ...] = ()


class Zone(msgspec.Struct, frozen=True):
    """A part of the park with workers of its own; ``shards`` is the number of queues its sites spread over.

    ``outline`` is its polygon, as corners (latitude, longitude) in order; empty if nobody has drawn it.
    """

    name: str
    names: Names
    shards: int
    sites: dict[str, Site]
    outline: tuple[tuple[float, float], ...] = ()


class Settings(msgspec.Struct, frozen=True):
    """What holds for the whole park (``config/park.yaml``).

    ``late_after`` (ms): a reading that arrives later than this after its event time is stored, but never pages.
    ``interval`` (ms): the time between readings assumed of a sensor that has not described itself.
    ``stale_after_intervals``: a sensor silent for so many of its intervals is stale.
    ``quarantine_size``: how many rejected messages are kept for people to look at.
    ``shelve_at_most`` (ms): how long an alarm can be shelved (ISA-18.2: one shift).
    """

    late_after: int = 120_000
    interval: int = 60_000
    stale_after_intervals: float = 3.0
    quarantine_size: int = 10_000
    shelve_at_most: int = 28_800_000


class Grouping(msgspec.Struct, frozen=True):
    """How pages leave (``delivery`` in ``config/alerts.yaml``); durations in ms.

    ``wait``: how long the first page of a zone waits for others. ``window``: what follows a page of the same zone
    within this time becomes one page. A flood begins with more than ``flood_begins`` alarms per operator in
    ``flood_period`` and ends with fewer than ``flood_ends``; meanwhile one summary leaves every ``flood_summary``.
    ``webhook_targets``: networks (CIDR) and host names that webhooks may call, empty for any.
    ``tap_valid``: how long a one-tap link is good.
    """

    wait: int = 0
    window: int = 30_000
    flood_begins: int = 10
    flood_ends: int = 5
    flood_period: int = 600_000
    flood_summary: int = 120_000
    webhook_targets: tuple[str, ...] = ()
    tap_valid: int = 86_400_000


class Alerts(msgspec.Struct, frozen=True):
    """Who is told whatever the roster says, and how pages leave (``config/alerts.yaml``)."""

    channels: tuple[ChannelRoute, ...] = ()
    grouping: Grouping = Grouping()


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """Everything that is configured.

    ``replaces`` tells, by limit id, which limits a limit stands in for where both apply. ``suppressions`` are the rules
    by which alarms are suppressed by design, ``economy`` is what is known of flows and enterprises. ``version`` is a
    short hash of the content: the same configuration has the same version wherever it is loaded.
    """

    zones: Mapping[str, Zone]
    quantities: Mapping[str, Quantity]
    limits: tuple[Limit, ...]
    replaces: Mapping[str, frozenset[str]]
    alerts: Alerts
    settings: Settings
    version: str
    oncall: OnCall = dataclasses.field(default_factory=OnCall)
    suppressions: tuple[Suppression, ...] = ()
    economy: Economy = dataclasses.field(default_factory=Economy)
    _matches: dict[tuple[str, Location], tuple[Limit, ...]] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def shards(self) -> tuple[str, ...]:
        """Every shard of every zone: ``zone.N``."""
        return tuple(f"{zone.name}.{n}" for zone in self.zones.values() for n in range(zone.shards))

    def limits_for(self, series: str, location: Location, at: int) -> tuple[Limit, ...]:
        """Return the limits in force at ``at`` (ms) for ``series`` (``zone/site/sensor/quantity``) at ``location``.

        Which limits match is remembered by series and location; only their dates are looked at every time.
        Raises ``ValueError`` if ``series`` is none.
        """
        matching = self._matches.get((series, location))
        if matching is None:
            matching = self._remember(series, location)
        in_force = tuple(limit for limit in matching if limit.valid_at(at))
        replaced = {name for limit in in_force for name in self.replaces.get(limit.id, ())}
        return tuple(limit for limit in in_force if limit.id not in replaced) if replaced else in_force

    def limit(self, name: str) -> Limit:
        """Return the limit with the id ``name``; raises ``KeyError``, as after a row was taken out."""
        return self._by_id[name]

    def suggest_quantity(self, word: str) -> Names:
        """Return what to send instead of the unknown quantity ``word``: the closest names, and where to add one."""
        close = difflib.get_close_matches(word, self.quantities, n=3)
        zh = f"是否指 {' 或 '.join(close)}？" if close else ""
        en = f"did you mean {' or '.join(close)}? " if close else ""
        return Names(
            f"{zh}新的监测量请在 config/quantities.yaml 中增加一行",
            f"{en}a new quantity is a row in config/quantities.yaml",
        )

    @property
    def late_after(self) -> int:
        """How late (ms) a reading may be and still page."""
        return self.settings.late_after

    @functools.cached_property
    def _by_id(self) -> dict[str, Limit]:
        return {limit.id: limit for limit in self.limits}

    def _remember(self, series: str, location: Location) -> tuple[Limit, ...]:
        zone, site, sensor, quantity = series.split("/")
        # A vote is on the detectors of a site together, not on what one of them measures.
        own = (limit for limit in self.limits if limit.kind is not Kind.VOTE)
        matching = tuple(limit for limit in own if limit.match.covers(zone, site, sensor, quantity, location))
        if len(self._matches) >= _REMEMBERED:
            self._matches.clear()
        self._matches[series, location] = matching
        return matching
