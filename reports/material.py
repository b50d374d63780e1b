"""What a report is asked for, and what was gathered to answer it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from park.alarms import Transition
from park.catalogue import Catalogue
from park.compliance import SETTLED_AFTER
from park.coverage import Recorded
from park.figures import Book
from park.flows import Amount, SiteBalance
from park.indicator_terms import PARK, Scope
from park.limits import Limit
from park.means import DAY
from park.periods import Period, months_after, year, year_of
from park.readings import split_series
from park.sensors import Sensor
from park.statistics import Result, Statistic
from park.words import Location, Names


@dataclasses.dataclass(frozen=True)
class Question:
    """A month of some zones of a park, asked ``now`` (ms). ``zones`` are names, in the order of the configuration."""

    catalogue: Catalogue
    zones: tuple[str, ...]
    month: Period
    now: int

    @property
    def whole(self) -> bool:
        """Whether it is about the whole park."""
        return len(self.zones) == len(self.catalogue.zones) and len(self.zones) > 1

    @property
    def begin(self) -> int:
        """The first ms of the month."""
        return self.month.begin

    @property
    def until(self) -> int:
        """The end of the month (ms), or now if it is not over."""
        return min(self.month.end, self.now)

    @property
    def over(self) -> bool:
        """Whether the month is over and settled."""
        return self.now >= self.month.end + SETTLED_AFTER

    @property
    def year_begin(self) -> int:
        """The first ms of the Chinese year that the month lies in."""
        return year(year_of(self.begin)).begin

    @property
    def before(self) -> int:
        """The first ms of the month before."""
        return months_after(self.begin, -1)

    @property
    def days(self) -> tuple[int, ...]:
        """The beginnings (ms) of the days of the month that have begun."""
        return tuple(range(self.begin, self.until, DAY))

    @property
    def scope(self) -> Scope:
        """What indicators are computed for: a zone, or the park."""
        return PARK if len(self.zones) == len(self.catalogue.zones) else Scope(self.zones[0])

    def names(self) -> Names:
        """What it is about, as people say it."""
        told = [self.catalogue.zones[zone].names for zone in self.zones]
        return Names("、".join(each.zh for each in told), "; ".join(each.en for each in told))

    @property
    def balances(self) -> list[SiteBalance]:
        """The balances of the zones' sites."""
        return [each for each in self.catalogue.economy.balances.values() if self.covers(each.site)]

    def covers(self, place: str) -> bool:
        """Whether ``place`` (``zone/...``) lies in one of the zones."""
        return place.split("/", 1)[0] in self.zones


@dataclasses.dataclass(frozen=True)
class Outlet:
    """A series that is held against limits which a regulator counts, each with the statistic that it judges."""

    series: str
    location: Location
    limits: tuple[tuple[Limit, Statistic], ...]


@dataclasses.dataclass(frozen=True)
class Budgeted:
    """A load budget of a series, and the hours of concentration and flow since the year began, by their beginning."""

    limit: Limit
    series: str
    concentration: Mapping[int, float]
    flow: Mapping[int, float]


@dataclasses.dataclass(frozen=True)
class Material:
    """Everything that the sections are made of; times in ms.

    ``journal`` is oldest first and begins at ``journal_begin``, so long before the month that its KPIs are known.
    ``series`` are all that sensors of the zones send, with their location; ``recorded`` is what is kept of them in the
    month by :func:`statistic_for` each, ``earlier`` are those of which something is kept from before. ``results`` are
    means by series and statistic. ``amounts`` are days of the year by flow, ``corrected_days`` how many days of the
    month were settled again. ``levels`` are stocks by series and time, at the month's ends.
    """

    question: Question
    sensors: Mapping[str, Sensor]
    journal: tuple[Transition, ...]
    journal_begin: int
    series: Mapping[str, Location]
    recorded: Mapping[str, Recorded]
    earlier: frozenset[str]
    outlets: tuple[Outlet, ...]
    results: Mapping[tuple[str, Statistic], list[Result]]
    budgets: tuple[Budgeted, ...]
    amounts: Mapping[str, Mapping[int, Amount]]
    corrected_days: int
    levels: Mapping[tuple[str, int], float]
    book: Book

    @property
    def catalogue(self) -> Catalogue:
        """The configuration."""
        return self.question.catalogue

    def interval(self, series: str) -> int:
        """Return the time (ms) between the readings of a series."""
        sensor = self.sensors.get(series.rsplit("/", 1)[0])
        return (sensor.interval if sensor else None) or self.catalogue.settings.interval

    @functools.cached_property
    def labels(self) -> Labels:
        """What people call things."""
        return Labels(self.catalogue, self.sensors)


class Labels:
    """Names of zones, sites, sensors, quantities and limits; what has none is called by its id."""

    def __init__(self, catalogue: Catalogue, sensors: Mapping[str, Sensor]) -> None:
        self._catalogue = catalogue
        self._sensors = sensors

    def zone(self, zone: str) -> Names:
        """Return what a zone is called."""
        known = self._catalogue.zones.get(zone)
        return known.names if known else Names(zone, zone)

    def site(self, place: str) -> Names:
        """Return what the site of ``place`` (``zone/site/...``) is called."""
        zone, site = place.split("/")[:2]
        known = self._catalogue.zones.get(zone)
        found = known.sites.get(site) if known else None
        return found.names if found else Names(site, site)

    def sensor(self, key: str) -> Names:
        """Return what a sensor (``zone/site/sensor``) is called, with its number."""
        name = key.rsplit("/", 1)[-1]
        known = self._sensors.get(key)
        if known is None or known.names is None:
            return Names(name, name)
        number = name.rsplit("-", 1)[-1]
        if number in known.names.zh and number in known.names.en:
            return known.names
        return Names(f"{known.names.zh} {name}", f"{known.names.en} {name}")

    def person(self, name: str) -> Names:
        """Return what somebody is called."""
        known = self._catalogue.oncall.people.get(name)
        return known.names if known else Names(name, name)

    def quantity(self, name: str) -> Names:
        """Return what a quantity is called; of a vote, what its limit is."""
        known = self._catalogue.quantities.get(name)
        return known.names if known else self.limit(name)

    def unit(self, quantity: str) -> str:
        """Return the canonical unit of a quantity; empty if it has none."""
        known = self._catalogue.quantities.get(quantity)
        return known.unit if known else ""

    def limit(self, name: str) -> Names:
        """Return what a limit is called, its id if it has been taken out."""
        try:
            return self._catalogue.limit(name).names
        except KeyError:
            return Names(name, name)

    def series(self, series: str) -> Names:
        """Return site, sensor and quantity of a series in words."""
        _, _, _, quantity = split_series(series)
        parts = (self.site(series), self.sensor(series.rsplit("/", 1)[0]), self.quantity(quantity))
        return Names(" · ".join(each.zh for each in parts), " · ".join(each.en for each in parts))


def statistic_for(interval: int) -> Statistic:
    """Return by which means data is counted: hours, or days of a sensor that speaks less often than hourly."""
    hour = 3_600_000
    return Statistic.HOUR if interval <= hour else Statistic.DAY
