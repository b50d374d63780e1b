"""Indicators follow what they are made of: flows that are settled, figures that are reported, and how they are defined.

Which days, months and years are to be computed again stands in Redis, so that nothing is forgotten by a restart. What
still runs is computed anew every few minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from itertools import groupby

import redis

from park.catalogue import Catalogue
from park.draft import fingerprint
from park.economy import Economy
from park.figures import Book
from park.indicators import IndicatorResult, compute_all
from park.means import DAY, MINUTE, Flag, Span
from park.stretches import Length, Stretch, stretch, stretches
from storage import names, stored
from storage.flows import FlowStore
from storage.indicators import IndicatorStore
from storage.influx import Influx
from storage.reported import ReportedStore
from workers.settling import Slice

log = logging.getLogger("parkwatch.office")

#: ms between computations of what still runs, and between looks at what was reported.
RUNNING_EVERY = 10 * MINUTE
REPORTED_EVERY = MINUTE


class Indicating:
    """Computes indicators. Counts ``indicators.computed`` (stretches) and ``indicators.rejected``.

    Everything raises ``redis.RedisError`` or :class:`storage.influx.InfluxUnavailable`; then it is done later.
    """

    def __init__(self, client: redis.Redis, influx: Influx, flows: FlowStore) -> None:
        self._client = client
        self._flows = flows
        self._store = IndicatorStore(influx)
        self._reported = ReportedStore(influx)
        self._book: Book | None = None
        self._basis = ""
        self._economy: Economy | None = None
        self._reported_at = 0
        self._ran_at = 0

    def touched(self, days: Collection[int], flag: Flag) -> None:
        """Hear of days (ms) whose amounts change: they, their months and their years are computed again."""
        fields = {_field(length, day) for day in days for length in Length}
        pipe = self._client.pipeline(transaction=False)
        for field in sorted(fields):
            if flag is Flag.CORRECTED:
                pipe.hset(names.INDICATORS_DUE, field, flag.value)
            else:
                pipe.hsetnx(names.INDICATORS_DUE, field, flag.value)
        pipe.execute()

    def work(self, catalogue: Catalogue, now: int, behind: int | None, until: Slice) -> None:
        """Compute what is due at ``now`` (ms) while the slice lasts; flows are settled until ``behind``, or all."""
        economy = catalogue.economy
        if not economy.indicators:
            return
        book = self._look(economy, now)
        if behind is None and not 0 <= now - self._ran_at < RUNNING_EVERY:
            self._run(economy, book, now)
            self._ran_at = now
        for group in self._due(now, behind):
            if until.over:
                return
            self._work_off(economy, book, group, until)

    # What is due

    def _due(self, now: int, behind: int | None) -> list[list[_Due]]:
        """Return what has begun and is settled: the days of each month together, then months, then years."""
        noted = stored.everything(self._client, names.INDICATORS_DUE)
        every = (_parsed(field.decode(), flag.decode()) for field, flag in noted.items())
        found = [
            (stretch(length, begin, now), flag)
            for length, begin, flag in sorted(every, key=lambda each: (list(Length).index(each[0]), each[1]))
            if begin < now
        ]
        ready = [(each, flag) for each, flag in found if behind is None or each.end <= behind]
        by_month = groupby(ready, key=lambda due: (due[0].length, stretch(Length.MONTH, due[0].begin, now).begin))
        return [list(group) for _, group in by_month]

    def _work_off(self, economy: Economy, book: Book, group: list[_Due], until: Slice) -> None:
        days = self._flows.amounts(Span.DAY, group[0][0].begin, group[-1][0].end, economy.flows)
        for each, _ in group:
            self._write(compute_all(economy, each, days, book))
            self._client.hdel(names.INDICATORS_DUE, _field(each.length, each.begin))
            if until.over:
                return

    def _run(self, economy: Economy, book: Book, now: int) -> None:
        """Compute the day, the month and the year that are running."""
        running = stretches([now - 1], now)
        days = self._flows.amounts(Span.DAY, min(each.begin for each in running), now, economy.flows)
        for each in running:
            self._write(compute_all(economy, each, days, book))

    # What they are made of besides flows

    def _look(self, economy: Economy, now: int) -> Book:
        """Return what is reported; what is made of it is due where that, or a definition, has changed."""
        if self._book is not None and economy is self._economy and 0 <= now - self._reported_at < REPORTED_EVERY:
            return self._book
        imports = [each.id for each in self._reported.imports() if each.counts]
        terms = (economy.indicators, economy.benchmarks, economy.factors, economy.figures, economy.enterprises)
        # What a meter shows is settled anew by itself; a flow that is gone, or goes elsewhere, is noticed here.
        ways = [(flow.id, flow.kind, flow.source, flow.target) for flow in economy.flows.values()]
        basis = fingerprint((terms, sorted(ways), imports))
        if self._book is None or basis != self._basis:
            self._book = self._reported.book(economy.figures)
            self._make_all_due(basis, now)
            self._ran_at = 0
        self._basis, self._economy, self._reported_at = basis, economy, now
        return self._book

    def _make_all_due(self, basis: str, now: int) -> None:
        before = self._client.get(names.INDICATORS_BASIS)
        if before == basis.encode():
            return
        first = self._flows.first_day()
        if first is not None:
            days = range(Span.DAY.begin(first), now, DAY)
            self.touched(days, Flag.FINAL if before is None else Flag.CORRECTED)
        self._client.set(names.INDICATORS_BASIS, basis)

    # Details

    def _write(self, results: list[IndicatorResult]) -> None:
        self._store.write(results, self._reject)
        self._client.hincrby(names.COUNTERS, "indicators.computed", 1)

    def _reject(self, text: str, why: str) -> None:
        log.error("an indicator can't be kept in InfluxDB: %s: %s", why, text[:500])
        self._client.hincrby(names.COUNTERS, "indicators.rejected", 1)


_Due = tuple[Stretch, str]


def _field(length: Length, t: int) -> str:
    """Name the stretch that holds ``t`` (ms)."""
    return f"{length.value} {stretch(length, t, t + 1).begin}"


def _parsed(field: str, flag: str) -> tuple[Length, int, str]:
    length, _, begin = field.partition(" ")
    return Length(length), int(begin), flag
