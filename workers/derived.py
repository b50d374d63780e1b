"""Series that no sensor sends: the votes of a site's detectors, and the load that has gone out of an outlet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from park.alarms import Transition
from park.budgets import Load, add, kg_per_hour, load_of, memory_of
from park.catalogue import Catalogue
from park.evaluate import Record
from park.limits import Kind, Limit, Period
from park.readings import Reading
from park.statistics import Result, Statistic
from park.votes import count, votes_series
from park.words import Quality

#: Under which name a record remembers its load.
MEMORY = "load"

#: Prefix of the quantity under which a load is a series: ``zone/site/sensor/load-cod``.
LOAD = "load-"

#: Hours of one quantity that may wait for the hour of its flow.
_MOST_WAITING = 48


def load_series(series: str) -> str:
    """Return the series of the load of what ``series`` measures."""
    sensor, quantity = series.rsplit("/", 1)
    return f"{sensor}/{LOAD}{quantity}"


class Votes:
    """Counts the votes of the shard's sites."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._limits = [limit for limit in catalogue.limits if limit.kind is Kind.VOTE]
        self._votes = frozenset(name for limit in self._limits for name in limit.votes)

    @property
    def needed(self) -> bool:
        """Whether anything is voted on."""
        return bool(self._limits)

    def moved_by(self, transitions: Iterable[Transition]) -> bool:
        """Whether one of ``transitions`` may have changed a vote; what only passes with time is the sweep's to see."""
        return any(transition.limit in self._votes for transition in transitions)

    def count(self, known: Mapping[str, Record], now: int) -> Iterator[tuple[Limit, Reading]]:
        """Yield how many vote at each site, by limit; a site where nobody does any more included."""
        for limit in self._limits:
            votes = count(limit, known, now)
            before = {place for place in _sites(known) if votes_series(place, limit) in known}
            for place in {*votes, *before}:
                series, value = votes_series(place, limit), float(votes.get(place, 0))
                record = known.get(series)
                if record is None or record.value != value:
                    yield limit, Reading(series, now, value, Quality.GOOD, now)


def _sites(known: Iterable[str]) -> set[tuple[str, str]]:
    return {(zone, site) for zone, site, *_ in (series.split("/") for series in known)}


class Loads:
    """Adds up what goes out: the hour of a concentration times the hour of its flow."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._flows = {limit.flow for limit in catalogue.limits if limit.kind is Kind.BUDGET}
        self._hours: dict[str, dict[int, float]] = {}

    def adopt(self, catalogue: Catalogue) -> None:
        """Work by another catalogue; hours that wait for their flow go on waiting."""
        self._catalogue = catalogue
        self._flows = {limit.flow for limit in catalogue.limits if limit.kind is Kind.BUDGET}

    @property
    def needed(self) -> bool:
        """Whether there are budgets at all."""
        return bool(self._flows)

    def note(self, series: str, results: Iterable[Result]) -> list[int]:
        """Remember the hours of a series that may belong to a budget; return their beginnings."""
        hours = [each for each in results if each.statistic is Statistic.HOUR and each.valid and each.value is not None]
        kept = self._hours.setdefault(series, {}) if hours else {}
        for each in hours:
            kept[each.begin] = each.value or 0.0
        while len(kept) > _MOST_WAITING:
            del kept[min(kept)]
        return [each.begin for each in hours]

    def add(self, limit: Limit, series: str, record: Record, now: int) -> tuple[Record, Reading] | None:
        """Add the hours of ``series`` whose flow is known to its load; ``None`` if there is none new."""
        sensor, quantity = series.rsplit("/", 1)
        flows = self._hours.get(f"{sensor}/{limit.flow}", {})
        period = limit.period or Period.YEAR
        factor = kg_per_hour(self._catalogue.quantities[quantity].unit, self._catalogue.quantities[limit.flow].unit)
        load = before = _load(record)
        for hour, value in sorted(self._hours.get(series, {}).items()):
            if hour in flows:
                load = add(load, period, hour, value * flows[hour] * factor)
        if load == before:
            return None
        reading = Reading(load_series(series), load.until, load.kg, Quality.GOOD, now)
        return _remembered(record, load), reading


def _load(record: Record) -> Load:
    return load_of(record.memory.get(MEMORY, ()))


def _remembered(record: Record, load: Load) -> Record:
    return msgspec.structs.replace(record, memory={MEMORY: memory_of(load)})
