"""The office: park-wide work that no alarm waits for. It copies the journal to InfluxDB and computes the KPIs.

``parkwatch run office`` runs it as a Celery worker of a queue of its own, rung by beat. While InfluxDB or Redis is away
it says so once and tries again at the next ring: what it has not done waits in the journal.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator

import msgspec
import redis
from celery import Celery, signals

from park.alarms import Availability, Transition
from park.catalogue import Catalogue
from park.kpis import DAY, HORIZON, PARK, Figures, Latest, Ledger, Span, day_span, rolling_spans
from park.oncall import operators, people_of
from storage import names, stored
from storage.backoff import Backoff
from storage.changes import ChangeKeeper
from storage.clock import Clock, SystemClock
from storage.figures import FigureStore, publish_kpis
from storage.history import History, Keeper, point_time, recent
from storage.influx import Influx, InfluxUnavailable, LinesRejected
from storage.queue import redis_client
from storage.reload import CatalogueWatch
from storage.results import ResultKeeper, Results
from storage.settings import Settings
from storage.states import ParkStates, Snapshot, decode_transition
from workers.accounts import Accounts
from workers.corrections import Corrections
from workers.present import Present
from workers.running import Outage, make_worker, run

log = logging.getLogger("parkwatch.office")

#: Days whose figures are written anew when InfluxDB may lack them.
_DAYS = 30
_PAGE = 2_000
#: Seconds the office stands still for another configuration: it is rung only every other second, and nobody waits.
_LOADING = 5.0
#: InfluxDB as it fails: away, or a server without the database or bucket that it should have.
_REFUSED = (InfluxUnavailable, LinesRejected)


class Archive:
    """InfluxDB with patience: after a failure it is left alone for a while, and both ends are said once.

    ``waits`` is what does meanwhile, ``goes_on`` what happens then, in words.
    """

    def __init__(
        self, influx: Influx, waits: str = "the journal waits in Redis", goes_on: str = "the journal is copied on"
    ) -> None:
        self._influx = influx
        self._waits = waits
        self._goes_on = goes_on
        self._backoff = Backoff(first=0.5, most=15.0)
        self._retry_at = 0.0
        self._ensured = False

    @property
    def answers(self) -> bool:
        """Whether the last attempt succeeded."""
        return not self._backoff.failures

    def attempt(self, work: Callable[[], object]) -> bool:
        """Do ``work`` unless InfluxDB is known to be away; return whether it was done."""
        if time.monotonic() < self._retry_at:
            return False
        try:
            if not self._ensured:
                self._influx.ensure()
                self._ensured = True
            work()
        except _REFUSED as error:
            if not self._backoff.failures:
                log.error("%s; %s until it does", error, self._waits)
            self._ensured = False
            self._retry_at = time.monotonic() + self._backoff.next()
            return False
        if self._backoff.succeeded():
            log.warning("InfluxDB is back; %s", self._goes_on)
        return True


class Books:
    """The ledger of the KPIs: what is older from InfluxDB once, and what comes from Redis.

    Without InfluxDB it begins with what Redis holds (``complete`` is false then), and anew once InfluxDB answers.
    """

    def __init__(self, client: redis.Redis, history: History, catalogue: Catalogue, alive: Callable[[], None]) -> None:
        self._client = client
        self._history = history
        self._states = ParkStates(client, catalogue)
        self._alive = alive
        self._last = "0-0"
        self.ledger: Ledger | None = None
        self.complete = False

    def bring_up_to_date(self, archive: Archive, now: int) -> Ledger:
        """Return the ledger with everything journalled so far. Raises ``redis.RedisError``."""
        if not self.complete:
            self._open(archive, now)
        ledger = self._follow()
        if ledger is None:
            log.warning("the journal in Redis has begun anew; the KPIs are computed from what is kept of it")
            self._open(archive, now)
            ledger = self._follow()
        if ledger is None:
            raise redis.ConnectionError("the journal changes while it is read")
        ledger.forget(now - HORIZON)
        return ledger

    def _open(self, archive: Archive, now: int) -> None:
        since = now - HORIZON
        # Redis first: what it trims in the meantime is in InfluxDB or has been read here.
        here = list(recent(self._client, since))[::-1]
        first = here[0][0] if here else f"{now}-0"
        older: list[Transition] = []
        self.complete = archive.attempt(lambda: older.extend(list(self._older(since, first))))
        begin = since if self.complete else point_time(first) // 1_000_000
        self.ledger = self._new_ledger(begin, [*reversed(older), *(entry for _, entry in here)])
        self._last = here[-1][0] if here else "0-0"

    def _older(self, since: int, until: str) -> Iterator[Transition]:
        """Yield what InfluxDB holds, newest first."""
        while page := self._history.entries(since, until, most=_PAGE):
            yield from (entry for _, entry in page)
            until = page[-1][0]
            self._alive()

    def _new_ledger(self, begin: int, entries: Iterable[Transition]) -> Ledger:
        ledger = Ledger(begin)
        for alarm in self._states.alarms():
            if alarm.at < begin:
                ledger.stood(alarm.series, alarm.alarm, alarm.state, _since(alarm))
        ledger.add(entries)
        return ledger

    def _follow(self) -> Ledger | None:
        """Take what has come since; ``None`` if the stream is another one than before."""
        while True:
            info, entries = stored.after(self._client, names.JOURNAL, self._last, _PAGE)
            if self.ledger is None or point_time(info.last) < point_time(self._last):
                self._last = "0-0"
                return None
            self.ledger.add(decode_transition(fields[b"transition"]) for _, fields in entries)
            self._last = entries[-1][0] if entries else self._last
            if len(entries) < _PAGE:
                return self.ledger


def _since(alarm: Snapshot) -> int:
    """Since when an alarm has been as it is, as far as its snapshot tells."""
    if alarm.availability == Availability.OUT_OF_SERVICE and alarm.out_of_service:
        return alarm.out_of_service.at
    if alarm.availability == Availability.SHELVED and alarm.shelved:
        return alarm.shelved.at
    return alarm.raised_at if alarm.availability == Availability.IN_SERVICE else alarm.at


class Tasks:
    """The office's tasks. Redis being away ends a task early."""

    def __init__(
        self,
        client: redis.Redis,
        influx: Influx,
        catalogue: Catalogue,
        watch: CatalogueWatch,
        clock: Clock,
        outage: Outage,
        accounts: Accounts,
    ) -> None:
        history = History(influx)
        self._client = client
        self._watch = watch
        self._catalogue = catalogue
        self._clock = clock
        self._outage = outage
        self._archive = Archive(influx)
        self._keeper = Keeper(client, history)
        results = Results(influx)
        self._results = ResultKeeper(client, results)
        self._corrections = Corrections(client, results)
        self._changes = ChangeKeeper(client, influx)
        self._books = Books(client, history, catalogue, self._beat)
        self._figures = FigureStore(influx)
        self._accounts = accounts
        # Its own patience: what goes wrong with accounts must not hold up the journal.
        self._ledgers = Archive(influx, "the accounts of flows wait", "the accounts are kept on")
        self._present = Present(client, influx)
        self._respond_within = _respond_within(catalogue)
        self._days_written = False

    def journal(self) -> None:
        """Copy what is new in the journal, and the means, to InfluxDB."""
        self._outage.guarded(self._adopt)
        self._outage.guarded(self._copy)
        self._outage.guarded(self._beat)

    def _adopt(self) -> None:
        """Work by the configuration that is in force."""
        catalogue = self._watch.current()
        if catalogue is not self._catalogue:
            self._catalogue = catalogue
            self._respond_within = _respond_within(catalogue)

    def kpis(self) -> None:
        """Compute the KPIs, put the newest into Redis and all of them into InfluxDB."""
        self._outage.guarded(self._reckon)
        self._outage.guarded(self._beat)

    def accounts(self) -> None:
        """Do a slice of the books of the circular economy."""
        self._outage.guarded(self._adopt)
        self._outage.guarded(lambda: self._ledgers.attempt(self._keep_accounts))
        self._outage.guarded(self._beat)

    def _keep_accounts(self) -> None:
        self._accounts.work(self._catalogue, self._clock.now())

    def present(self) -> None:
        """Tell Grafana how it stands now, if that is due."""
        self._outage.guarded(lambda: self._present.look(self._catalogue, self._archive, self._clock.now()))

    def _copy(self) -> None:
        for keeper in (self._keeper, self._results, self._changes):
            self._copy_all(keeper.copy)
        self._copy_all(lambda: self._corrections.work(self._catalogue, self._clock.now()))

    def _copy_all(self, work: Callable[[], int]) -> None:
        copied: list[int] = []

        def once() -> None:
            copied.append(work())

        while self._archive.attempt(once) and copied.pop():
            self._beat()

    def _reckon(self) -> None:
        now = self._clock.now()
        ledger = self._books.bring_up_to_date(self._archive, now)
        rolling = self._compute(ledger, rolling_spans(now), now)
        zones = {zone: {each.window: each for each in found} for zone, found in rolling.items()}
        publish_kpis(self._client, Latest(at=now, since=ledger.begin, zones=zones))
        daily = self._compute(ledger, self._days(ledger, now), now)
        every = [each for by_zone in (rolling, daily) for found in by_zone.values() for each in found]
        # After a gap all days are written: some of them may have ended in it.
        self._days_written = (
            self._archive.attempt(lambda: self._figures.write(every, self._reject)) and self._books.complete
        )

    def _reject(self, line: str, why: str) -> None:
        log.error("figures can't be kept in InfluxDB: %s: %s", why, line[:500])
        self._client.hincrby(names.COUNTERS, "kpis.rejected", 1)

    def _compute(self, ledger: Ledger, spans: list[Span], now: int) -> dict[str, list[Figures]]:
        """Return the figures of every zone, and of the park, by zone."""
        shares = self._operators(now)
        return {zone: ledger.figures(zone, spans, people, self._respond_within) for zone, people in shares.items()}

    def _operators(self, now: int) -> dict[str, int]:
        """How many people share the alarms of each zone, and all alarms; somebody may have the duty of several."""
        oncall, zones = self._catalogue.oncall, self._catalogue.zones
        first = [chain.steps[0] for chain in oncall.chains if any(chain.covers_zone(zone) for zone in zones)]
        everybody = {person.name for step in first for person in people_of(oncall, step, now)}
        return {**{zone: operators(oncall, zone, now) for zone in zones}, PARK: max(1, len(everybody))}

    def _days(self, ledger: Ledger, now: int) -> list[Span]:
        """Today and yesterday, or all that the ledger knows from their beginning."""
        count = 2 if self._days_written else _DAYS
        days = [day_span(now - n * DAY, now) for n in range(count)]
        return [day for day in days if day.since >= ledger.begin and day.until > day.since]

    def _beat(self) -> None:
        state = {"at": self._clock.now(), "waiting": self._keeper.waiting, "influx": self._archive.answers}
        self._client.set(names.heartbeat(names.OFFICE), msgspec.json.encode(state), ex=names.HEARTBEAT_SECONDS)


def _respond_within(catalogue: Catalogue) -> dict[str, int]:
    return {limit.id: limit.guidance.respond_within_s * 1000 for limit in catalogue.limits}


def office_app(settings: Settings, catalogue: Catalogue, clock: Clock | None = None) -> Celery:
    """Return the Celery application of the office, with its two tasks."""
    outage = Outage("the journal and the KPIs wait for it")
    influx = Influx(settings.influx_url, settings.influx_db, settings.influx_token)
    client = redis_client(settings.redis_url)
    watch = CatalogueWatch(settings.config, catalogue, client, names.OFFICE, patience=_LOADING)
    accounts = Accounts(client, influx, settings)
    tasks = Tasks(client, influx, catalogue, watch, clock or SystemClock(), outage, accounts)

    def begin() -> None:
        log.info("the office is open")
        tasks.journal()
        tasks.kpis()

    by_name = {
        names.TASK_JOURNAL: tasks.journal,
        names.TASK_KPIS: tasks.kpis,
        names.TASK_ACCOUNTS: tasks.accounts,
        names.TASK_PRESENT: tasks.present,
    }
    signals.worker_shutdown.connect(lambda **_: accounts.close(), weak=False)
    return make_worker(settings.redis_url, catalogue.shards, outage, by_name, begin)


def run_office(settings: Settings, catalogue: Catalogue) -> None:
    """Run the office until it is told to stop."""
    run(office_app(settings, catalogue), names.OFFICE, names.OFFICE)
