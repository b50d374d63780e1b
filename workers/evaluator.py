"""The evaluator of one shard: from the inbox to committed transitions.

It keeps the shard's records in memory, because it is the only one that evaluates them; what people do to an
alarm meanwhile makes its commit fail, and then it looks again. Nothing is true until it is committed.

A reading that changes no alarm changes only "last seen", and that is saved by the next sweep, a second later: a
worker that dies before forgets nothing that a redelivery could turn into another transition.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

import msgspec
import redis

from park.alarms import Alarm, Transition, alarm_id, split_alarm_id
from park.carrying import FLOW, Flows
from park.catalogue import Catalogue
from park.evaluate import Record, Watch, evaluate, hold_derived, hold_results, pass_time
from park.limits import Kind, Limit
from park.means import Span
from park.readings import Reading, split_series
from park.relations import Known, first_ups, standing_groups
from park.sensors import Sensor
from park.sharding import shard_of
from park.statistics import Result
from park.votes import is_votes, of_votes
from park.words import Location
from storage import names
from storage.clock import Clock
from storage.directory import Directory
from storage.quarantine import Entry, Quarantine, readable
from storage.states import Conflict, ShardStates, Versioned, Work, decode_batch
from workers.derived import LOAD, Loads, Votes, load_series
from workers.following import Following, Plan, plan_for
from workers.suppression import Suppressions

log = logging.getLogger("parkwatch.workers")

#: Batches evaluated and committed together; more only when there is a backlog.
MOST_BATCHES = 32
#: Seconds that one task stays at the inbox, seconds without a batch after which it goes earlier, and ms after
#: which a worker that died there is no longer counted on.
ATTEND = 0.5
PAUSE = 0.1
_ATTENDED = 2_000
#: ms since an ingest process last said that it hears the broker (it says so every second), after which silence
#: says nothing about sensors. Less than the shortest silence that makes a sensor stale.
DEAF_AFTER = 3_000
_TRIES = 50
_HOUR = 3_600_000
#: ms after its end in which an hour of a meter is not settled for certain (workers/settling.py waits for longer).
_ON_ITS_WAY = 60_000


class Evaluator:
    """Evaluates one shard; ``rebuild(shard)`` gives recent readings when Redis has lost the shard's state."""

    def __init__(
        self,
        client: redis.Redis,
        catalogue: Catalogue,
        shard: str,
        clock: Clock,
        rebuild: Callable[[], Iterable[Reading]] = tuple,
    ) -> None:
        self.shard = shard
        self._zone = shard.rsplit(".", 1)[0]
        self._client = client
        self._catalogue = catalogue
        self._clock = clock
        self._rebuild = rebuild
        self._states = ShardStates(client, shard)
        self._directory = Directory(client)
        self._quarantine = Quarantine(client, catalogue.settings.quarantine_size)
        self._sensors: dict[str, Sensor] = {}
        self._revision = -1
        self._watches: dict[str, Watch] = {}
        self._watched_hour = 0
        self._known: dict[str, Versioned] | None = None
        self._consumed: int | None = None
        self._acted: int | None = None
        self._unsaved: set[str] = set()
        self._unswept: set[str] = set()
        self._hearing_since = clock.now()
        self._heard = True
        self._grouped = {limit.id: limit for limit in catalogue.limits if limit.group}
        self._suppressions = Suppressions(catalogue)
        self._following: Following | None = None
        self._plans: dict[str, Plan] = {}
        self._votes = Votes(catalogue)
        self._loads = Loads(catalogue)
        self._meters = _meters(catalogue)

    def adopt(self, catalogue: Catalogue) -> None:
        """Work by another catalogue from now on: series are held against its limits at their next reading or sweep."""
        if catalogue is self._catalogue:
            return
        self._catalogue = catalogue
        self._watches.clear()
        self._plans.clear()
        self._grouped = {limit.id: limit for limit in catalogue.limits if limit.group}
        self._suppressions.adopt(catalogue)
        self._votes = Votes(catalogue)
        self._loads.adopt(catalogue)
        self._meters = _meters(catalogue)

    # Readings

    def drain(self) -> int:
        """Evaluate and commit what waits in the inbox until it is empty; return the count of readings.

        Raises ``redis.RedisError`` when Redis is away: then nothing was changed that is not committed.
        """
        total = 0
        while batches := self._look():
            total += self._take(*batches)
        return total

    def _look(self, seconds: float = 0) -> tuple[int, list[bytes]] | None:
        """Return the count consumed and what waits behind it; ``None`` if nothing has come within ``seconds``."""
        if self._consumed is None:
            # Before the look: what another worker takes in between makes the commit fail. Behind it, the commit
            # would take batches out that nobody has seen.
            self._consumed = self._states.consumed()
        batches = self._states.wait(seconds) if seconds else self._states.waiting(MOST_BATCHES)
        return (self._consumed, batches) if batches else None

    def attend(self) -> int:
        """Drain, and stay at the inbox while batches keep coming, for ``ATTEND`` seconds at most.

        Under load this spares a task, and its doorbell, per batch. Returns the count of readings.
        """
        until = time.monotonic() + ATTEND
        self._states.attend(_ATTENDED)
        try:
            total = self.drain()
            while time.monotonic() < until and (batches := self._look(PAUSE)):
                total += self._take(*batches)
        finally:
            self._states.attend(0)
        # What came while we were leaving was not rung for.
        return total + self.drain()

    def _take(self, consumed: int, batches: list[bytes]) -> int:
        readings = self._decode(batches)
        by_series: defaultdict[str, list[Reading]] = defaultdict(list)
        for reading in readings:
            by_series[reading.series].append(reading)
        known = self._records()
        for _ in range(_TRIES):
            now = self._clock.now()
            work = Work(take=len(batches), consumed=consumed)
            # Flows first: what they carry is weighted by them.
            for series, theirs in sorted(by_series.items(), key=_is_no_flow):
                self._evaluate(work, known.get(series, _NEW), series, theirs, now)
            self._finish(work, known, now, swept=False)
            try:
                self._commit(work, now)
            except Conflict as conflict:
                if not conflict.series:
                    # Somebody else has been at this shard's inbox: believe nothing that we remember.
                    log.warning("another worker evaluates shard %s too, or Redis has lost it: begun anew", self.shard)
                    self._known = self._consumed = self._following = None
                    self._unsaved.clear()
                    return 0
                continue
            self._consumed = consumed + len(batches)
            return len(readings)
        raise redis.RedisError(f"shard {self.shard}: records change too fast to be committed")

    def _decode(self, batches: list[bytes]) -> list[Reading]:
        readings: list[Reading] = []
        for batch in batches:
            try:
                readings += decode_batch(batch)
            except msgspec.DecodeError as error:
                self._report(f"a batch of {len(batch)} bytes can't be read", repr(error), batch)
        return readings

    def _evaluate(self, work: Work, versioned: Versioned, series: str, readings: list[Reading], now: int) -> None:
        try:
            watch = self._watch(series, now)
            record, transitions = evaluate(versioned.record, watch, readings, now)
            plan = self._plan(watch)
            results, missed = self._follow().take(watch, plan, readings, self._flows(series, plan, work), work)
            if series.endswith(f"/{FLOW}"):
                self._follow().take_flows(series, readings, work)
            if missed:
                work.missed[series] = missed
            if series in self._meters:
                work.delayed[series] = [reading.t for reading in readings if _may_be_settled(reading.t, now)]
            record, more = self._hold(record, watch, plan, results, now)
            transitions += more
        except redis.RedisError:
            raise
        except Exception as error:
            # One series that can't be evaluated must not hold up the others; it is as loud as can be.
            log.exception("series %s could not be evaluated", series)
            self._report(f"series {series} could not be evaluated", repr(error), msgspec.json.encode(readings))
            return
        if series.endswith(_CANARY):
            work.canaries[self._zone] = readings[-1].t
        before = versioned.record
        if record.alarms is not before.alarms or record.late_t != before.late_t or not versioned.version:
            work.records[series] = (versioned.version, record)
        else:
            work.quiet[series] = (versioned.version, record)
        work.transitions += [(transition, record.alarms.get(transition.limit, _NO_ALARM)) for transition in transitions]

    # Time

    def sweep(self) -> int:
        """Do what needs no new reading; return the count of transitions. Raises ``redis.RedisError``."""
        self.drain()
        now = self._clock.now()
        self._refresh(now)
        hearing = self._hearing(now)
        known = self._records()
        self._look_at_actions(known)
        work = Work(records={series: (known[series].version, known[series].record) for series in self._unsaved})
        self._look_at_relations(known, now)
        for series in {*known, *self._due_series()}:
            self._pass_time(work, known.get(series, _NEW), series, now, hearing=hearing)
        self._finish(work, known, now, swept=True)
        if work.records or work.saved:
            try:
                self._commit(work, now)
            except Conflict:
                # Somebody acknowledged just now; the next sweep is a second away.
                return 0
        return len(work.transitions)

    def _pass_time(self, work: Work, versioned: Versioned, series: str, now: int, *, hearing: bool) -> None:
        try:
            watch = self._watch(series, now)
            # While nothing is heard only our own sensors can be blamed for it.
            blamed = hearing or series.split("/", 2)[1] == names.OWN_SITE
            suppressed = self._suppressions.of(watch, self._sensors.get(series.rsplit("/", 1)[0]))
            record, transitions = pass_time(versioned.record, watch, now, hearing=blamed, suppressed=suppressed)
            plan = self._plan(watch)
            record, more = self._hold(record, watch, plan, self._follow().elapse(watch, plan, now, work), now)
            transitions += more
        except redis.RedisError:
            raise
        except Exception as error:
            # As with readings, but told once: the sweep comes every second.
            if series not in self._unswept:
                self._unswept.add(series)
                log.exception("series %s could not be swept", series)
                self._report(f"series {series} could not be swept", repr(error), b"")
            return
        if transitions:
            work.records[series] = (versioned.version, record)
            work.transitions += [(entry, record.alarms.get(entry.limit, _NO_ALARM)) for entry in transitions]

    # Means, and series that no sensor sends

    def _follow(self) -> Following:
        if self._following is None:
            self._following = Following(self._states.statistics())
        return self._following

    def _plan(self, watch: Watch) -> Plan:
        plan = self._plans.get(watch.series)
        if plan is None:
            key, quantity = watch.series.rsplit("/", 1)
            sensor, known = self._sensors.get(key), self._catalogue.quantities.get(quantity)
            location = (sensor and sensor.location) or (known.location if known else Location.SYSTEM)
            interval = (sensor and sensor.interval) or self._catalogue.settings.interval
            plan = self._plans[watch.series] = plan_for(watch.limits, location, interval)
        return plan

    def _flows(self, series: str, plan: Plan, work: Work) -> Flows | None:
        """Return the flows by which the means of ``series`` are weighted; ``None`` if they are not."""
        key, quantity = series.rsplit("/", 1)
        if not plan.method.strict or quantity == FLOW or self._known is None:
            return None
        name, sensor = f"{key}/{FLOW}", self._sensors.get(key)
        _, flow = work.records.get(name) or work.quiet.get(name) or (0, self._known.get(name, _NEW).record)
        if not (flow.received or (sensor and FLOW in sensor.channels)):
            return None
        latest = ((flow.t, flow.value),) if flow.value is not None and flow.quality.usable else ()
        return self._follow().flows(name, work) or latest

    def _hold(
        self, record: Record, watch: Watch, plan: Plan, results: list[Result], now: int
    ) -> tuple[Record, list[Transition]]:
        if self._loads.needed and results:
            self._loads.note(watch.series, results)
        late_after = plan.method.allowance + self._catalogue.settings.late_after
        return hold_results(record, watch, results, now, late_after)

    def _finish(self, work: Work, known: dict[str, Versioned], now: int, *, swept: bool) -> None:
        """Do what looks at more than one series: votes, loads, which alarm was first."""
        if self._votes.needed and (swept or self._votes.moved_by(entry for entry, _ in work.transitions)):
            self._count_votes(work, known, now)
        if self._loads.needed:
            for series in list(work.results):
                self._add_load(work, known, series, now)
        self._mark_first_ups(work, known)
        self._follow().to_save(work, now)

    def _count_votes(self, work: Work, known: dict[str, Versioned], now: int) -> None:
        records = {series: each.record for series, each in known.items()}
        records |= {series: record for series, (_, record) in (*work.quiet.items(), *work.records.items())}
        for limit, reading in self._votes.count(records, now):
            self._derive(work, known, (limit,), reading, now)

    def _add_load(self, work: Work, known: dict[str, Versioned], series: str, now: int) -> None:
        limits = tuple(limit for limit in self._watch(series, now).limits if limit.kind is Kind.BUDGET)
        if limits:
            versioned = known.get(load_series(series), _NEW)
            added = self._loads.add(limits[0], series, versioned.record, now)
            if added:
                record, reading = added
                self._derive(work, {reading.series: Versioned(record, versioned.version)}, limits, reading, now)

    def _derive(
        self, work: Work, known: dict[str, Versioned], limits: tuple[Limit, ...], reading: Reading, now: int
    ) -> None:
        versioned = known.get(reading.series, _NEW)
        watch = Watch(reading.series, limits, _FOR_EVER)
        record, transitions = hold_derived(versioned.record, watch, reading, now)
        work.records[reading.series] = (versioned.version, record)
        work.transitions += [(transition, record.alarms[transition.limit]) for transition in transitions]

    def _look_at_actions(self, known: dict[str, Versioned]) -> None:
        """Take in what people have done: an alarm that nobody sends readings for has a shelving that ends, too."""
        acted = self._states.acted()
        if acted != self._acted:
            for series, versioned in self._states.load_all().items():
                if versioned.version > known.get(series, _NEW).version:
                    known[series] = versioned
                    self._unsaved.discard(series)
            self._acted = acted

    # What alarms mean to each other

    def _mark_first_ups(self, work: Work, known: dict[str, Versioned]) -> None:
        """Mark the transitions, and the alarms they led to, that were the first of their group at their site."""
        if not any(entry.limit in self._grouped for entry, _ in work.transitions):
            return
        standing = standing_groups({series: each.record for series, each in known.items()}, self._grouped)
        marked = first_ups((entry for entry, _ in work.transitions), standing, self._grouped)
        if marked:
            _mark(work, marked)

    def _look_at_relations(self, known: dict[str, Versioned], now: int) -> None:
        facts = []
        if self._suppressions.needed:
            # Not as for silence, which gives everybody time after a restart: what nobody has confirmed is doubtful.
            facts = [
                Known(series, each.record, now - each.record.received <= self._watch(series, now).silent_after)
                for series, each in known.items()
            ]
        self._suppressions.look(facts, self._directory.gateways(), now)

    def _due_series(self) -> Iterable[str]:
        """Series that a descriptor promises; those that never spoke have no record."""
        return (f"{sensor.key}/{quantity}" for sensor in self._sensors.values() for quantity in sensor.channels)

    def _hearing(self, now: int) -> bool:
        """Whether an ingest process hears the broker; when it begins to hear again, silence counts anew."""
        heartbeats = [self._client.get(key) for key in self._client.scan_iter(names.heartbeat("ingest.*"), count=1000)]
        beats = [msgspec.json.decode(beat) for beat in heartbeats if beat]
        connected = any(beat["connected"] and now - beat["at"] <= DEAF_AFTER for beat in beats)
        if connected and not self._heard:
            self._hearing_since = now
            self._watches.clear()
        self._heard = connected
        return connected

    # What is known

    def _records(self) -> dict[str, Versioned]:
        if self._known is None:
            known = self._states.load_all()
            if not known:
                self._recover()
                known = self._states.load_all()
            self._known = known
        return self._known

    def _recover(self) -> None:
        """Redis knows nothing of this shard: begin from the latest stored readings, so that no alarm is missed."""
        work, now = Work(), self._clock.now()
        for reading in self._rebuild():
            zone, site, _, _ = split_series(reading.series)
            if shard_of(zone, site, self._catalogue.zones[zone].shards) == self.shard:
                self._evaluate(work, _NEW, reading.series, [reading], now)
        try:
            # All at once: half of it, and the next try would take it for the whole.
            self._commit(work, now)
        except Conflict:
            # Another worker has just done the same.
            log.warning("another worker evaluates shard %s too: there should be one", self.shard)

    def _commit(self, work: Work, now: int) -> None:
        """Commit and remember; on a conflict load what is there now and raise it again."""
        known = self._known if self._known is not None else {}
        try:
            self._states.commit(work, self._catalogue, now)
        except Conflict as conflict:
            for series, versioned in self._states.load(conflict.series).items():
                known[series] = versioned
                if not versioned.version:
                    # Forgotten meanwhile: the sweep must not wait for its readings.
                    del known[series]
                    self._unsaved.discard(series)
            raise
        for series, (version, record) in work.records.items():
            known[series] = Versioned(record, version + 1)
            self._unsaved.discard(series)
        for series, (version, record) in work.quiet.items():
            known[series] = Versioned(record, version)
        self._unsaved.update(work.quiet)
        self._follow().adopt(work)

    def _refresh(self, now: int) -> None:
        """Notice sensors that are new, described anew or gone, and limits whose day has come."""
        revision = self._directory.revision(self._zone)
        hour = now // _HOUR
        if revision == self._revision and hour == self._watched_hour:
            return
        every = self._directory.all()
        self._sensors = {key: sensor for key, sensor in every.items() if self._ours(key)}
        gone = [series for series in self._known or () if series.rsplit("/", 1)[0] not in self._sensors]
        for series in gone:
            self._drop(series)
        self._watches.clear()
        self._plans.clear()
        self._revision, self._watched_hour = revision, hour

    def _drop(self, series: str) -> None:
        """A sensor that was taken out of the directory is no longer watched, if its record is gone too."""
        if self._known is not None and not self._states.load([series])[series].version:
            del self._known[series]
            self._unsaved.discard(series)
            self._follow().forget(series)

    def _ours(self, key: str) -> bool:
        zone, site, _ = key.split("/")
        return zone == self._zone and shard_of(zone, site, self._catalogue.zones[zone].shards) == self.shard

    def _watch(self, series: str, now: int) -> Watch:
        known = self._watches.get(series)
        if known is None:
            known = self._watches[series] = self._make_watch(series, now)
        return known

    def _make_watch(self, series: str, now: int) -> Watch:
        derived = self._derived_limits(series, now)
        if derived is not None:
            return Watch(series, derived, _FOR_EVER)
        key, quantity = series.rsplit("/", 1)
        sensor = self._sensors.get(key) or self._directory.get(key) or Sensor(key=key, registered=now)
        self._sensors[key] = sensor
        settings = self._catalogue.settings
        interval = sensor.interval or settings.interval
        location = sensor.location or self._catalogue.quantities[quantity].location
        return Watch(
            series=series,
            limits=self._catalogue.limits_for(series, location, now),
            silent_after=int(interval * settings.stale_after_intervals),
            since=max(sensor.registered, self._hearing_since),
        )

    def _derived_limits(self, series: str, now: int) -> tuple[Limit, ...] | None:
        """Return the limits on a series that no sensor sends, ``None`` if ``series`` is none."""
        if is_votes(series):
            limit = of_votes(self._catalogue.limits, series)
            return (limit,) if limit and limit.valid_at(now) else ()
        key, quantity = series.rsplit("/", 1)
        if not quantity.startswith(LOAD) or quantity in self._catalogue.quantities:
            return None
        source = self._watch(f"{key}/{quantity.removeprefix(LOAD)}", now)
        return tuple(limit for limit in source.limits if limit.kind is Kind.BUDGET)

    def _report(self, reason: str, detail: str, content: bytes) -> None:
        log.error("%s: %s", reason, detail)
        fix = f"please report it: {detail[:300]}"
        zh = f"分片 {self.shard} 计算出错（{reason}）", f"请反馈此问题：{detail[:300]}"
        entry = Entry(f"shard {self.shard}", "evaluation", reason, fix, readable(content), self._clock.now(), *zh)
        self._quarantine.put([entry])


def _is_no_flow(entry: tuple[str, list[Reading]]) -> bool:
    return not entry[0].endswith(f"/{FLOW}")


def _mark(work: Work, first_ups: Collection[tuple[str, int]]) -> None:
    """Mark ``first_ups`` (alarm and occurrence) in records and transitions.

    What followed the activation within the same batch speaks of the same occurrence.
    """
    for series, limit in {split_alarm_id(alarm) for alarm, _ in first_ups}:
        version, record = work.records[series]
        alarm = record.alarms[limit]
        if (alarm_id(series, limit), alarm.occurrence) in first_ups:
            alarms = {**record.alarms, limit: msgspec.structs.replace(alarm, first_up=True)}
            work.records[series] = (version, msgspec.structs.replace(record, alarms=alarms))
    work.transitions = [
        (
            msgspec.structs.replace(entry, first_up=True) if (entry.alarm, entry.occurrence) in first_ups else entry,
            work.records[entry.series][1].alarms.get(entry.limit, _NO_ALARM),
        )
        for entry, _ in work.transitions
    ]


def _meters(catalogue: Catalogue) -> frozenset[str]:
    return frozenset(flow.meter for flow in catalogue.economy.flows.values())


def _may_be_settled(t: int, now: int) -> bool:
    """Whether the office may have settled the hour of a meter that holds ``t`` by ``now`` (ms), or be about to."""
    return now >= Span.HOUR.begin(t) + _HOUR + _ON_ITS_WAY


_CANARY = f"/{names.OWN_SITE}/{names.CANARY_SENSOR}/{names.CANARY_QUANTITY}"
#: ms a derived series may say nothing: it speaks when it changes.
_FOR_EVER = 1 << 60
_NEW = Versioned(Record())
_NO_ALARM = Alarm()
