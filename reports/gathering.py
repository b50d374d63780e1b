"""Everything a report is made of, out of InfluxDB and Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import redis

from park import kpis
from park.alarms import Event, Transition
from park.catalogue import Catalogue
from park.compliance import OUTWARD, statistic_of
from park.coverage import Recorded, merged
from park.discharges import valid_hours
from park.flows import Amount
from park.limits import Kind, Limit
from park.means import DAY, HOUR, Flag, Span
from park.readings import split_series
from park.sensors import Sensor
from park.statistics import Result, Statistic
from park.words import Location
from reports.material import Budgeted, Material, Outlet, Question, statistic_for
from storage import names
from storage.blocks import Blocks
from storage.directory import Directory
from storage.flows import FlowStore
from storage.history import History, Journal
from storage.influx import Influx, LinesRejected
from storage.reported import ReportedStore

#: How far back (ms) data tells that a series is no new one.
_EARLIER = 31 * DAY
#: What may become of an alarm of the month after its end.
_ENDS = frozenset({Event.ACKNOWLEDGED, Event.RETURNED, Event.WITHDRAWN})
_PAGE = 5_000
#: What InfluxDB is given to answer (ms): a year of hours takes longer than a page of the console.
TIMEOUT = 120_000


def gather(influx: Influx, client: redis.Redis, question: Question) -> Material:
    """Return what there is for ``question``.

    Raises ``redis.RedisError``, :class:`storage.influx.InfluxUnavailable` or :class:`storage.influx.LinesRejected`.
    """
    sensors = {key: each for key, each in Directory(client).all().items() if question.covers(key)}
    return _Gatherer(influx, question, sensors).gather(tuple(_journal(influx, client, question)))


def _journal(influx: Influx, client: redis.Redis, question: Question) -> list[Transition]:
    """Return the journal of the zones, oldest first: as far before the month as its KPIs need.

    Of what came after the month there is, of every alarm, its next acknowledgement, return and withdrawal.
    """
    found = Journal(client, History(influx)).transitions(journal_begin(question))
    wanted: list[Transition] = []
    later: dict[tuple[str, Event], Transition] = {}
    try:
        # Newest first: what is nearest to the month comes last.
        for entry in found:
            if not question.covers(entry.series):
                continue
            if entry.at < question.month.end:
                wanted.append(entry)
            elif entry.event in _ENDS:
                later[entry.alarm, entry.event] = entry
    except LinesRejected as error:
        # InfluxDB has never kept a journal: what Redis holds is all there is.
        if "not found" not in str(error):
            raise
    return [*wanted[::-1], *sorted(later.values(), key=lambda entry: entry.at)]


def journal_begin(question: Question) -> int:
    """Return from when on (ms) the journal is read."""
    return min(question.before, question.begin - kpis.HORIZON)


class _Gatherer:
    def __init__(self, influx: Influx, question: Question, sensors: Mapping[str, Sensor]) -> None:
        self._influx = influx
        self._question = question
        self._sensors = sensors
        self._blocks = Blocks(influx)

    @property
    def _catalogue(self) -> Catalogue:
        return self._question.catalogue

    def gather(self, journal: tuple[Transition, ...]) -> Material:
        question = self._question
        recorded = self._recorded()
        series = self._series(recorded)
        outlets = tuple(self._outlets(series))
        amounts, corrected = self._amounts()
        return Material(
            question=question,
            sensors=self._sensors,
            journal=journal,
            journal_begin=journal_begin(question),
            series=series,
            recorded=recorded,
            earlier=self._earlier(),
            outlets=outlets,
            results=self._results(outlets, series),
            budgets=tuple(self._budgets(series)),
            amounts=amounts,
            corrected_days=corrected,
            levels=self._levels(),
            book=ReportedStore(self._influx).book(self._catalogue.economy.figures),
        )

    # --- readings ---

    def _recorded(self) -> dict[str, Recorded]:
        question = self._question
        found = {
            statistic: self._blocks.recorded(statistic, question.begin, question.until, question.zones)
            for statistic in (Statistic.HOUR, Statistic.DAY)
        }
        return merged(
            {series: each for series, each in part.items() if self._statistic(series) is statistic}
            for statistic, part in found.items()
        )

    def _statistic(self, series: str) -> Statistic:
        sensor = self._sensors.get(series.rsplit("/", 1)[0])
        return statistic_for((sensor.interval if sensor else None) or self._catalogue.settings.interval)

    def _series(self, recorded: Mapping[str, Recorded]) -> dict[str, Location]:
        """Return what sensors send, recorded or promised; what parkwatch says of itself is none of it."""
        promised = {
            f"{key}/{quantity}"
            for key, sensor in self._sensors.items()
            for quantity in sensor.channels
            if sensor.registered < self._question.until
        }
        found: dict[str, Location] = {}
        for series in sorted({*promised, *recorded}):
            _, site, _, quantity = split_series(series)
            known = self._catalogue.quantities.get(quantity)
            sensor = self._sensors.get(series.rsplit("/", 1)[0])
            location = (sensor.location if sensor else None) or (known.location if known else None)
            if known and location and location is not Location.SYSTEM and site != names.OWN_SITE:
                found[series] = location
        return found

    def _earlier(self) -> frozenset[str]:
        begin, zones = self._question.begin, self._question.zones
        hours = self._blocks.known(Statistic.HOUR, begin - _EARLIER, begin, zones)
        return hours | self._blocks.known(Statistic.DAY, begin - _EARLIER, begin, zones)

    # --- limits ---

    def _outlets(self, series: Mapping[str, Location]) -> Iterator[Outlet]:
        for name, location in series.items():
            if location not in OUTWARD:
                continue
            limits = self._limits(name, location)
            judged = [(limit, statistic) for limit in limits if (statistic := self._judges(limit, name))]
            if judged:
                yield Outlet(name, location, tuple(judged))

    def _judges(self, limit: Limit, series: str) -> Statistic | None:
        sensor = self._sensors.get(series.rsplit("/", 1)[0])
        return statistic_of(limit, (sensor.interval if sensor else None) or self._catalogue.settings.interval)

    def _limits(self, series: str, location: Location) -> list[Limit]:
        """Return the limits that were in force on any day of the month, in the order of the configuration."""
        found = {
            limit.id: limit
            for day in self._question.days
            for limit in self._catalogue.limits_for(series, location, day)
        }
        return list(found.values())

    def _results(
        self, outlets: Sequence[Outlet], series: Mapping[str, Location]
    ) -> dict[tuple[str, Statistic], list[Result]]:
        wanted = {(outlet.series, statistic) for outlet in outlets for _, statistic in outlet.limits}
        # What leaves by water is shown whole: its flow as well, and what has no limit.
        water = [name for name, location in series.items() if location is Location.OUTFALL]
        wanted |= {(name, statistic) for name in water for statistic in (Statistic.HOUR, Statistic.DAY)}
        begin, until = self._question.begin, self._question.until
        return {
            (name, statistic): self._blocks.results(name, statistic, begin, until) for name, statistic in sorted(wanted)
        }

    def _budgets(self, series: Mapping[str, Location]) -> Iterator[Budgeted]:
        known: dict[str, dict[int, float]] = {}
        for name, location in series.items():
            for limit in self._limits(name, location):
                if limit.kind is Kind.BUDGET:
                    flow = f"{name.rsplit('/', 1)[0]}/{limit.flow}"
                    for each in (name, flow):
                        if each not in known:
                            known[each] = self._hours_of_year(each)
                    yield Budgeted(limit, name, known[name], known[flow])

    def _hours_of_year(self, series: str) -> dict[int, float]:
        question = self._question
        begin = min(question.year_begin, question.begin)
        return valid_hours(self._blocks.results(series, Statistic.HOUR, begin, question.until))

    # --- flows ---

    def _amounts(self) -> tuple[dict[str, dict[int, Amount]], int]:
        flows, question = self._catalogue.economy.flows, self._question
        found = FlowStore(self._influx).entries(Span.DAY, question.year_begin, question.until, flows)
        corrected = {
            day
            for kept in found.values()
            for day, entry in kept.items()
            if day >= question.begin and entry.flag is Flag.CORRECTED
        }
        amounts = {flow: {day: entry.portion.of(flow) for day, entry in kept.items()} for flow, kept in found.items()}
        return amounts, len(corrected)

    def _levels(self) -> dict[tuple[str, int], float]:
        """Return what stocks held when the month began and ended: the mean of the hours before and after."""
        question, found = self._question, {}
        for told in question.balances:
            for stock in told.stocks:
                for t in (question.begin, question.until):
                    level = self._level(stock.series, t)
                    if level is not None:
                        found[stock.series, t] = level
        return found

    def _level(self, series: str, t: int) -> float | None:
        around = self._blocks.results(series, Statistic.HOUR, t - 2 * HOUR, t + HOUR)
        known = [each.value for each in around if each.value is not None and abs(each.begin + HOUR // 2 - t) < HOUR]
        return sum(known) / len(known) if known else None
