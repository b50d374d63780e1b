"""The past of the simulated park, as if it had been watched all the time: readings, means and the journal of alarms.

What was before the first start is made at once instead of lived through: every series at a coarse step, and those that
an incident bends at their own pace around it. Means and alarms come from the engine that runs (:mod:`park.statistics`,
:mod:`park.evaluate`), in event time. The park is the one that ``parkwatch simulate`` publishes: the meters of the
present go on where those of the past end.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from field.incidents import INCIDENTS, Incident
from field.plant import SENSORS, SimulatedChannel, SimulatedSensor
from field.signals import COUNTERS_SINCE, DAY, HOUR, MINUTE, Noise, Values
from field.simulated import SimulatedPark
from park import units
from park.actions import Acknowledge, Asked, act
from park.alarms import Acknowledgement, Alarm, Event, Notify, Transition
from park.catalogue import Catalogue
from park.evaluate import Record, Watch, evaluate, hold_results, pass_time
from park.limits import Limit
from park.means import Sample
from park.methods import kept, method_for
from park.readings import Reading
from park.statistics import Result, Statistics, follow
from park.vector import CODES, Stretch
from park.words import Location, Quality

#: Time between readings (ms) of what is measured, and of the meters: less than the gap that their flows allow.
STEP, METER_STEP = 5 * MINUTE, 10 * MINUTE
#: How long (ms) before and after an incident its series are seen at their own pace, and how long at the end all meters
#: are: what is judged by the latest quarter of an hour can be judged at once.
_BEFORE, _AFTER, _RECENT = 2 * MINUTE, 15 * MINUTE, 30 * MINUTE
#: Nothing of the past counts as silent: where it has no readings there were none.
_ALWAYS = 10**15
_FLOW = "flow-water"
_GOOD = CODES[Quality.GOOD]
#: How soon and how late somebody acknowledges (ms); and how late, and how often, when it is overlooked at first.
_SOONEST, _LATEST = MINUTE, 9 * MINUTE
_OVERLOOKED, _OVERLOOKED_SHARE = 40 * MINUTE, 0.1
_WHY = "现场已确认，按处置措施处理"

Mask = NDArray[np.bool_]


def _rare(place: int, incident: Incident) -> Incident:
    """Return the incident as the past has it: every few days, each at times of its own."""
    offset = (7 * place + 3) * HOUR + incident.offset
    return dataclasses.replace(incident, offset=offset, every=(2 + place % 3) * DAY + (5 + place) * HOUR)


#: What went wrong in the past: the same incidents, on a calendar that depends on nothing.
HISTORIC: tuple[Incident, ...] = tuple(_rare(place, incident) for place, incident in enumerate(INCIDENTS))


class Archive(Protocol):
    """Where a past is written (``storage.backfill.Backfill``)."""

    def readings(self, series: str, stretch: Stretch) -> None:
        """Write readings of a series."""

    def results(self, series: str, results: Iterable[Result]) -> None:
        """Write means of a series."""

    def journal(self, transitions: Iterable[Transition]) -> None:
        """Write entries of the journal."""


@dataclass(frozen=True)
class Written:
    """How much has been written."""

    readings: int = 0
    means: int = 0
    transitions: int = 0

    @property
    def points(self) -> int:
        """All of it."""
        return self.readings + self.means + self.transitions


@dataclass(frozen=True)
class Past:
    """The past of the park from ``begin`` until before ``end`` (ms), as far as ``sensors`` saw it."""

    seed: int
    begin: int
    end: int
    incidents: tuple[Incident, ...] = HISTORIC
    sensors: Sequence[SimulatedSensor] = SENSORS
    _troubled: SimulatedPark = field(init=False, repr=False)
    _quiet: SimulatedPark = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sensors = tuple(self.sensors)
        object.__setattr__(self, "_troubled", SimulatedPark(self.seed, COUNTERS_SINCE, self.incidents, sensors=sensors))
        object.__setattr__(self, "_quiet", SimulatedPark(self.seed, COUNTERS_SINCE, sensors=sensors))

    def incident_times(self, incident: Incident) -> list[tuple[int, int]]:
        """Return when the incident began and ended, wherever all of it lies in this past."""
        after = max(self.begin - COUNTERS_SINCE - incident.offset, 0)
        first = COUNTERS_SINCE + incident.offset + -(-after // incident.every) * incident.every
        begins = range(first, self.end - incident.lasts - _AFTER, incident.every)
        return [(begin, begin + incident.lasts) for begin in begins if begin - _BEFORE >= self.begin]

    def times(self, sensor: SimulatedSensor, series: str) -> NDArray[np.int64]:
        """Return when (ms) a series was read, in order."""
        step = step_of(sensor)
        coarse = np.arange(-(-self.begin // step) * step, self.end, step, dtype=np.int64)
        spans = [(begin - _BEFORE, end + _AFTER) for begin, end in self._times_of(series)]
        if sensor.location is Location.METER:
            spans.append((max(self.begin, self.end - _RECENT), self.end))
        fine = [np.arange(begin, end, sensor.interval, dtype=np.int64) for begin, end in spans]
        t = np.unique(np.concatenate([coarse, *fine]))
        return t[~self._silent(sensor.gateway_key, t)]

    def stretch(self, sensor: SimulatedSensor, channel: SimulatedChannel, catalogue: Catalogue) -> Stretch:
        """Return the readings of a channel, in its canonical unit."""
        series = sensor.series(channel)
        t = self.times(sensor, series)
        at = t.astype(np.float64)
        values = self._quiet.values(sensor, channel, at)
        bent = np.flatnonzero(_within(t, self._times_of(series)))
        values[bent] = self._troubled.values(sensor, channel, at[bent])
        unit = units.conversion(catalogue.quantities[channel.quantity], channel.unit, sensor.location)
        if not unit.identity:
            values = np.array([unit.canonical(value) for value in values.tolist()])
        return Stretch(t, values, np.full(len(t), _GOOD, np.int8))

    def gateways(self) -> Iterator[tuple[str, Stretch]]:
        """Yield the series of each gateway that was ever silent, and when it went and came back."""
        for incident in self.incidents:
            times = self.incident_times(incident)
            # Said again for a while, until its alarm has returned.
            said = [(t, float(t >= end)) for begin, end in times for t in (begin, *range(end, end + _AFTER, MINUTE))]
            for gateway in incident.silent if said else ():
                zone, name = gateway.split("/")
                moments, online = zip(*said, strict=True)
                stretch = Stretch(np.array(moments, np.int64), np.array(online), np.full(len(said), _GOOD, np.int8))
                yield f"{zone}/{_OWN_SITE}/{name}/{_ONLINE}", stretch

    def troubled(self, series: str) -> bool:
        """Whether something went wrong with a series."""
        return bool(self._times_of(series))

    def _times_of(self, series: str) -> list[tuple[int, int]]:
        concerned = (incident for incident in self.incidents if series in incident.effects)
        return [times for incident in concerned for times in self.incident_times(incident)]

    def _silent(self, gateway: str, t: NDArray[np.int64]) -> Mask:
        concerned = (incident for incident in self.incidents if gateway in incident.silent)
        return _within(t, [times for incident in concerned for times in self.incident_times(incident)])


_OWN_SITE, _ONLINE = "parkwatch", "online"


def step_of(sensor: SimulatedSensor) -> int:
    """Return the time (ms) between readings of a sensor in the past."""
    return METER_STEP if sensor.location is Location.METER else STEP


def _within(t: NDArray[np.int64], spans: Iterable[tuple[int, int]]) -> Mask:
    found = np.zeros(len(t), np.bool_)
    for begin, end in spans:
        found |= (t >= begin) & (t < end)
    return found


def write(past: Past, catalogue: Catalogue, archive: Archive, told: Callable[[int, int], None]) -> Written:
    """Write ``past`` into ``archive``; ``told(done, all)`` hears how many sensors are done.

    Raises what the archive raises; the same past can then be written again.
    """
    written = Written()
    journal: list[Transition] = []
    for done, sensor in enumerate(past.sensors):
        told(done, len(past.sensors))
        flow = _flow_of(past, sensor, catalogue)
        for channel in sensor.channels:
            story = _Story(past, catalogue, sensor.series(channel), sensor.location, step_of(sensor))
            stretch = past.stretch(sensor, channel, catalogue)
            results = story.live(stretch, flow if channel.quantity != _FLOW else None)
            archive.readings(story.series, stretch)
            archive.results(story.series, results)
            journal += story.journal
            written = Written(written.readings + len(stretch), written.means + len(results), 0)
    for series, stretch in past.gateways():
        story = _Story(past, catalogue, series, Location.SYSTEM, 0)
        story.live(stretch, None)
        archive.readings(series, stretch)
        journal += story.journal
        written = dataclasses.replace(written, readings=written.readings + len(stretch))
    archive.journal(journal)
    told(len(past.sensors), len(past.sensors))
    return dataclasses.replace(written, transitions=len(journal))


def _flow_of(past: Past, sensor: SimulatedSensor, catalogue: Catalogue) -> Stretch | None:
    """Return the flow that weighs the means of an outfall's sensor, if it sends one."""
    if sensor.location is not Location.OUTFALL:
        return None
    flow = (channel for channel in sensor.channels if channel.quantity == _FLOW)
    return next((past.stretch(sensor, channel, catalogue) for channel in flow), None)


class _Story:
    """One series from the beginning of the past to its end: its means, and its alarms if anything went wrong."""

    def __init__(self, past: Past, catalogue: Catalogue, series: str, location: Location, step: int) -> None:
        self.series = series
        self.journal: list[Transition] = []
        limits = tuple(catalogue.limits_for(series, location, past.end))
        self._catalogue = catalogue
        self._troubled = past.troubled(series) or location is Location.SYSTEM
        self._watch = Watch(series, limits, _ALWAYS)
        self._record = Record()
        self._kept = kept(limits, step)
        rolls = bool(self._kept - kept((), step))
        self._method = msgspec.structs.replace(method_for(location, step), rolls=rolls) if step else None
        self._staff = _Staff(catalogue, series, limits, Noise(past.seed))

    def live(self, stretch: Stretch, flow: Stretch | None) -> list[Result]:
        """Go through the readings; return the means. ``flow`` weighs them."""
        if self._troubled:
            for index in range(len(stretch)):
                self._take(stretch.reading(self.series, index))
        results = self._means(stretch, flow)
        if self._troubled:
            self._hold(results)
        return results

    def _take(self, reading: Reading) -> None:
        self._acknowledge(reading.t)
        self._record, elapsed = pass_time(self._record, self._watch, reading.t)
        self._record, raised = evaluate(self._record, self._watch, (reading,), reading.t)
        self._tell([*elapsed, *raised])

    def _hold(self, results: Iterable[Result]) -> None:
        for result in results:
            now = result.end + (self._method.allowance if self._method else 0)
            self._acknowledge(now)
            late_after = self._catalogue.settings.late_after
            self._record, transitions = hold_results(self._record, self._watch, (result,), now, late_after)
            self._tell(transitions)

    def _tell(self, transitions: Iterable[Transition]) -> None:
        for transition in transitions:
            self.journal.append(transition)
            self._staff.hear(transition)

    def _acknowledge(self, now: int) -> None:
        for at, limit in self._staff.due(now):
            alarm = self._record.alarms[limit.id]
            acknowledged = self._staff.acknowledge(limit, alarm, at)
            if acknowledged:
                after, transition = acknowledged
                self._record = msgspec.structs.replace(self._record, alarms={**self._record.alarms, limit.id: after})
                self.journal.append(transition)

    def _means(self, stretch: Stretch, flow: Stretch | None) -> list[Result]:
        if self._method is None:
            return []
        found: list[Result] = []
        state = Statistics()
        weights = _weights(stretch.t, flow).tolist()
        # Around incidents there are more readings than a mean has slots for.
        regular = stretch.t % self._method.interval == 0
        for t, value, weight, counts in zip(stretch.t.tolist(), stretch.value.tolist(), weights, regular, strict=True):
            if counts:
                state, results, _ = follow(state, Sample(t, value, weight), self._method)
                found += results
        return [result for result in found if result.statistic in self._kept]


def _weights(t: NDArray[np.int64], flow: Stretch | None) -> Values:
    if flow is None:
        return np.ones(len(t))
    place = np.maximum(flow.t.searchsorted(t, "right") - 1, 0)
    known: Values = np.maximum(flow.value[place], 0.0)
    return known


class _Staff:
    """Whoever has the duty: they acknowledge what they are told, after a while."""

    def __init__(self, catalogue: Catalogue, series: str, limits: Sequence[Limit], noise: Noise) -> None:
        self._people = sorted(catalogue.oncall.people) or ["operator"]
        self._series = series
        self._limits = {limit.id: limit for limit in limits}
        self._noise = noise
        self._shelve_at_most = catalogue.settings.shelve_at_most
        self._planned: dict[str, int] = {}

    def hear(self, transition: Transition) -> None:
        """Hear of what happened to an alarm."""
        if transition.notify is not Notify.PAGE or transition.event is not Event.RAISED:
            return
        chance = (1 + self._noise.white(f"{transition.alarm}/noticed", transition.at)) / 2
        noticed = chance >= _OVERLOOKED_SHARE
        after = _SOONEST + (_LATEST - _SOONEST) * chance * chance if noticed else _OVERLOOKED
        self._planned[transition.limit] = transition.at + round(after)

    def due(self, now: int) -> list[tuple[int, Limit]]:
        """Return what is to be acknowledged until ``now`` (ms), and when."""
        found = sorted((at, limit) for limit, at in self._planned.items() if at <= now)
        for _, limit in found:
            del self._planned[limit]
        return [(at, self._limits[limit]) for at, limit in found]

    def acknowledge(self, limit: Limit, alarm: Alarm, at: int) -> tuple[Alarm, Transition] | None:
        """Acknowledge an alarm if it still has to be."""
        if alarm.acknowledgement is not Acknowledgement.UNACKNOWLEDGED:
            return None
        by = self._people[math.floor(at / (8 * HOUR)) % len(self._people)]
        asked = Asked(Acknowledge(alarm.occurrence, alarm.version), by, _WHY, at, self._shelve_at_most)
        return act(self._series, limit, alarm, asked)
