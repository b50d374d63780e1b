"""The statistics of a shard's series: fed with every reading, late ones included, and adopted once that is committed.

The states live in memory and are saved when a block closes, and every few seconds besides. A worker that is killed
loses what came since: a few samples of the minute that was running, which that minute's own validity then shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from park import carrying
from park.carrying import Flows
from park.evaluate import Watch
from park.limits import Limit
from park.means import Method, Sample
from park.methods import kept, method_for
from park.readings import Reading
from park.statistics import Result, Statistic, Statistics, elapse, follow, provisional
from park.words import Location
from storage.states import Work

#: ms between savings of states in which no block has closed.
_SAVE_EVERY = 10_000
_NEW = Statistics()
_ROLLING = frozenset({Statistic.ROLLING_15_MIN, Statistic.ROLLING_8_H, Statistic.GREATEST_8_H})


class Plan(msgspec.Struct, frozen=True):
    """How the statistics of a series are made, and which of them are results."""

    method: Method
    kept: frozenset[Statistic]


def plan_for(limits: Iterable[Limit], location: Location, interval: int) -> Plan:
    """Return the plan of a series at ``location`` whose samples are ``interval`` ms apart."""
    wanted = kept(limits, interval)
    method = method_for(location, interval)
    return Plan(msgspec.structs.replace(method, rolls=not _ROLLING.isdisjoint(wanted)), wanted)


class Following:
    """The statistics of the series of one shard, by series."""

    def __init__(self, saved: Mapping[str, Statistics]) -> None:
        self._states = dict(saved)
        self._unsaved: set[str] = set()
        self._saved_at = 0

    def take(
        self, watch: Watch, plan: Plan, readings: Iterable[Reading], flows: Flows | None, work: Work
    ) -> tuple[list[Result], list[int]]:
        """Take the readings of a series into ``work``; return the results, and event times that came too late.

        They are weighted by ``flows``, if that is not ``None``.
        """
        state = work.statistics.get(watch.series) or self._states.get(watch.series, _NEW)
        results: list[Result] = []
        missed: list[int] = []
        for reading in readings:
            value = reading.value if reading.quality.usable else None
            sample = Sample(reading.t, value) if flows is None else carrying.weighted(reading.t, value, flows)
            state, found, late = follow(state, sample, plan.method)
            results += found
            if late:
                missed.append(reading.t)
        work.statistics[watch.series] = state
        return self._told(watch, plan, state, results, work), missed

    def take_flows(self, series: str, readings: Iterable[Reading], work: Work) -> None:
        """Remember, in ``work``, the good ones of the readings of a flow: others are weighted by them."""
        state = work.statistics.get(series) or self._states.get(series, _NEW)
        flows = state.flows
        for reading in readings:
            if reading.value is not None and reading.quality.usable:
                flows = carrying.noted(flows, reading.t, reading.value)
        work.statistics[series] = msgspec.structs.replace(state, flows=flows)

    def flows(self, series: str, work: Work) -> Flows:
        """Return the latest good values of a flow."""
        return (work.statistics.get(series) or self._states.get(series, _NEW)).flows

    def elapse(self, watch: Watch, plan: Plan, now: int, work: Work) -> list[Result]:
        """Close what ended by ``now`` (ms), readings or not."""
        state = self._states.get(watch.series)
        if state is None or not state.averages.blocks:
            return []
        after, results = elapse(state, now, plan.method)
        if results:
            work.statistics[watch.series] = after
        return self._told(watch, plan, after, results, work)

    def _told(self, watch: Watch, plan: Plan, state: Statistics, results: list[Result], work: Work) -> list[Result]:
        """Put what is completed into ``work``, and with it how the hour and the day stand that are still open."""
        done = [result for result in results if result.statistic in plan.kept]
        if results:
            told = [*done, *(each for each in provisional(state, plan.method) if each.statistic in plan.kept)]
            work.results.setdefault(watch.series, []).extend(told)
        return done

    def to_save(self, work: Work, now: int) -> None:
        """Say in ``work`` which states are to be written: those with results, and now and then the others."""
        work.saved = {series: work.statistics[series] for series in work.results if series in work.statistics}
        if now - self._saved_at >= _SAVE_EVERY:
            rest = self._unsaved - work.statistics.keys()
            work.saved |= {series: self._states[series] for series in rest} | work.statistics
            self._saved_at = now

    def adopt(self, work: Work) -> None:
        """Take over what has been committed."""
        self._states |= work.statistics
        self._unsaved |= work.statistics.keys()
        self._unsaved -= work.saved.keys()

    def forget(self, series: str) -> None:
        """A series that is watched no more."""
        self._states.pop(series, None)
        self._unsaved.discard(series)
