"""The Celery application of a worker and of beat.

``parkwatch run worker --shard ZONE.N`` builds it for one shard; ``parkwatch run beat`` for the schedule.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import redis
from celery import Celery

from park.catalogue import Catalogue
from park.sharding import queue_of
from storage import names
from storage.clock import Clock, SystemClock
from storage.influx import Influx
from storage.queue import celery_app, redis_client
from storage.recent import latest
from storage.reload import WORKERS_WAIT, CatalogueWatch
from storage.settings import Settings
from workers.evaluator import Evaluator
from workers.running import Outage, make_worker, run

log = logging.getLogger("parkwatch.workers")

SWEEP_SECONDS = 1.0
JOURNAL_SECONDS = 2.0
KPI_SECONDS = 60.0
ACCOUNTS_SECONDS = 10.0
#: How often the office asks whether Grafana has to be told anything (workers/present.py).
PRESENT_SECONDS = 2.0
#: A sweep that comes right behind another one (a worker that catches up) has nothing to do.
_SWEEP_AT_MOST_EVERY = 500


def worker_app(settings: Settings, catalogue: Catalogue, shard: str, clock: Clock | None = None) -> Celery:
    """Return the Celery application that evaluates ``shard``, with its two tasks."""
    clock = clock or SystemClock()
    client = redis_client(settings.redis_url)
    evaluator = Evaluator(client, catalogue, shard, clock, lambda: _stored(settings, catalogue, shard, clock.now()))
    outage = Outage("the shard's readings wait in it")
    watch = CatalogueWatch(settings.config, catalogue, client, f"worker.{shard}", wait=WORKERS_WAIT)
    tasks = Tasks(evaluator, watch, client, clock, outage)

    def begin() -> None:
        log.info("worker of shard %s is ready", shard)
        tasks.evaluate()

    by_name = {names.TASK_EVALUATE: tasks.evaluate, names.TASK_SWEEP: tasks.sweep}
    return make_worker(settings.redis_url, catalogue.shards, outage, by_name, begin)


class Tasks:
    """The tasks of one shard. Redis being away ends a task early: what it left is found by the next sweep."""

    def __init__(
        self, evaluator: Evaluator, watch: CatalogueWatch, client: redis.Redis, clock: Clock, outage: Outage
    ) -> None:
        self._evaluator = evaluator
        self._watch = watch
        self._client = client
        self._clock = clock
        self._swept_at = 0
        self._outage = outage

    def evaluate(self) -> None:
        """Evaluate what waits in the shard's inbox."""
        self._outage.guarded(self._evaluator.attend)

    def sweep(self) -> None:
        """Do what needs no new reading."""
        now = self._clock.now()
        # Not below zero: a clock that was put back must not stop the sweeps until it has caught up.
        if 0 <= now - self._swept_at < _SWEEP_AT_MOST_EVERY:
            return
        self._swept_at = now
        self._outage.guarded(lambda: self._evaluator.adopt(self._watch.current()))
        self._outage.guarded(self._evaluator.sweep)
        self._outage.guarded(self._beat)

    def _beat(self) -> None:
        state = msgspec.json.encode({"at": self._clock.now()})
        self._client.set(names.heartbeat(f"worker.{self._evaluator.shard}"), state, ex=names.HEARTBEAT_SECONDS)


def beat_app(settings: Settings, catalogue: Catalogue) -> Celery:
    """Return the application that beat runs, on ``celery-redbeat``: a sweep per shard and second, and the office."""
    return celery_app(
        settings.redis_url,
        catalogue.shards,
        redbeat_redis_url=settings.redis_url,
        redbeat_redis_options={"socket_timeout": 5, "socket_connect_timeout": 2},
        redbeat_key_prefix="pw:redbeat:",
        # A beat that was killed holds its lock for so long; until then a second one waits.
        redbeat_lock_timeout=10,
        beat_max_loop_interval=1,
        # No results are kept, so there is nothing to clean up.
        result_expires=None,
        beat_schedule={
            **{f"sweep-{shard}": _ring(names.TASK_SWEEP, SWEEP_SECONDS, queue_of(shard)) for shard in catalogue.shards},
            "journal": _ring(names.TASK_JOURNAL, JOURNAL_SECONDS, names.OFFICE),
            "kpis": _ring(names.TASK_KPIS, KPI_SECONDS, names.OFFICE),
            "accounts": _ring(names.TASK_ACCOUNTS, ACCOUNTS_SECONDS, names.OFFICE),
            "present": _ring(names.TASK_PRESENT, PRESENT_SECONDS, names.OFFICE),
        },
    )


def _ring(task: str, seconds: float, queue: str) -> dict[str, object]:
    # What a worker hears of much later has been rung for again.
    return {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": 30}}


def run_worker(settings: Settings, catalogue: Catalogue, shard: str) -> None:
    """Run the worker of ``shard`` until it is told to stop."""
    app = worker_app(settings, catalogue, shard)
    run(app, shard, queue_of(shard))


def _stored(settings: Settings, catalogue: Catalogue, shard: str, now: int) -> list[Any]:
    influx = Influx(settings.influx_url, settings.influx_db, settings.influx_token)
    try:
        return list(latest(influx, shard.rsplit(".", 1)[0], now, catalogue.settings.late_after))
    finally:
        influx.close()
