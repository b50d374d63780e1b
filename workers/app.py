"""The Celery application of a worker and of beat.

``parkwatch run worker --shard ZONE.N`` builds it for one shard; ``parkwatch run beat`` for the schedule.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from typing import Any

import msgspec
import redis
from celery import Celery, signals
from celery.exceptions import SecurityWarning

from park.catalogue import Catalogue
from park.sharding import queue_of
from storage import names
from storage.clock import Clock, SystemClock
from storage.influx import Influx
from storage.queue import AWAY, celery_app, redis_client
from storage.recent import latest
from storage.settings import Settings
from workers.evaluator import Evaluator

log = logging.getLogger("parkwatch.workers")

SWEEP_SECONDS = 1.0
#: A sweep that comes right behind another one (a worker that catches up) has nothing to do.
_SWEEP_AT_MOST_EVERY = 500


def worker_app(settings: Settings, catalogue: Catalogue, shard: str, clock: Clock | None = None) -> Celery:
    """Return the Celery application that evaluates ``shard``, with its two tasks."""
    clock = clock or SystemClock()
    client = redis_client(settings.redis_url)
    evaluator = Evaluator(client, catalogue, shard, clock, lambda: _stored(settings, catalogue, shard, clock.now()))
    app = celery_app(
        settings.redis_url,
        catalogue.shards,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
    )
    tasks = Tasks(evaluator, client, clock)
    app.task(tasks.evaluate, name=names.TASK_EVALUATE)
    app.task(tasks.sweep, name=names.TASK_SWEEP)

    def begin(**_: Any) -> None:
        log.info("worker of shard %s is ready", shard)
        tasks.evaluate()

    signals.worker_ready.connect(begin, weak=False)
    # Logging is set up by whoever starts the process; Celery keeps its hands off it when this signal is heard.
    signals.setup_logging.connect(lambda **_: None, weak=False)
    return app


class Tasks:
    """The tasks of one shard. Redis being away ends a task early: what it left is found by the next sweep."""

    def __init__(self, evaluator: Evaluator, client: redis.Redis, clock: Clock) -> None:
        self._evaluator = evaluator
        self._client = client
        self._clock = clock
        self._swept_at = 0
        self._away = False

    def evaluate(self) -> None:
        """Evaluate what waits in the shard's inbox."""
        self._guarded(self._evaluator.attend)

    def sweep(self) -> None:
        """Do what needs no new reading."""
        now = self._clock.now()
        if now - self._swept_at < _SWEEP_AT_MOST_EVERY:
            return
        self._swept_at = now
        self._guarded(self._evaluator.sweep)
        self._guarded(self._beat)

    def _beat(self) -> int:
        state = msgspec.json.encode({"at": self._clock.now()})
        self._client.set(names.heartbeat(f"worker.{self._evaluator.shard}"), state, ex=names.HEARTBEAT_SECONDS)
        return 0

    def _guarded(self, work: Callable[[], int]) -> None:
        try:
            work()
        except AWAY as error:
            if not self._away:
                log.error("Redis is away (%s); the shard's readings wait in it", error)
            self._away = True
        else:
            self._away = False


def beat_app(settings: Settings, catalogue: Catalogue) -> Celery:
    """Return the application that beat runs: a sweep per shard and second, on ``celery-redbeat``."""
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
            f"sweep-{shard}": {
                "task": names.TASK_SWEEP,
                "schedule": SWEEP_SECONDS,
                "options": {"queue": queue_of(shard), "expires": 30},
            }
            for shard in catalogue.shards
        },
    )


def run_worker(settings: Settings, catalogue: Catalogue, shard: str) -> None:
    """Run the worker of ``shard`` until it is told to stop."""
    app = worker_app(settings, catalogue, shard)
    # Celery warns of root because of pickle; we accept JSON only. Containers run as a user of their own.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    app.worker_main(
        [
            "--quiet",
            "worker",
            "--pool=solo",
            f"--hostname={shard}@parkwatch-{time.time_ns()}",
            f"--queues={queue_of(shard)}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "--loglevel=WARNING",
        ]
    )


def _stored(settings: Settings, catalogue: Catalogue, shard: str, now: int) -> list[Any]:
    influx = Influx(settings.influx_url, settings.influx_db, settings.influx_token)
    try:
        return list(latest(influx, shard.rsplit(".", 1)[0], now, catalogue.settings.late_after))
    finally:
        influx.close()
