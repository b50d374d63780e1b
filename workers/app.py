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
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.worker.consumer import Consumer
from celery.worker.consumer.consumer import CONNECTION_RETRY
from celery.worker.state import maybe_shutdown
from kombu import Connection

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
        worker_consumer=_Consumer,
    )
    outage = Outage()
    tasks = Tasks(evaluator, client, clock, outage)
    app.parkwatch_outage = outage
    # Not shared: another application of this process would be given this shard's tasks.
    app.task(tasks.evaluate, name=names.TASK_EVALUATE, shared=False)
    app.task(tasks.sweep, name=names.TASK_SWEEP, shared=False)

    def begin(**_: object) -> None:
        log.info("worker of shard %s is ready", shard)
        tasks.evaluate()

    signals.worker_ready.connect(begin, weak=False)
    # Logging is set up by whoever starts the process; Celery keeps its hands off it when this signal is heard.
    signals.setup_logging.connect(lambda **_: None, weak=False)
    return app


class Outage:
    """Says once that Redis is away, whoever notices, and once that it is back."""

    def __init__(self) -> None:
        self._away = False

    def away(self, error: object) -> None:
        """Log that Redis is away, unless that is known."""
        if not self._away:
            log.error("Redis is away (%s); the shard's readings wait in it", error)
        self._away = True

    def back(self) -> None:
        """Log that Redis answers, if it was away."""
        if self._away:
            log.warning("Redis is back")
        self._away = False


class _Consumer(Consumer):  # type: ignore[misc]  # Celery has no types
    """Celery's consumer, which comes back within two seconds of Redis and does not log every attempt.

    Celery's own waits grow to half a minute: as long would an alarm have to wait after an outage.
    """

    def ensure_connected(self, conn: Connection) -> Connection:
        """Connect, for as long as it takes."""
        conn.ensure_connection(
            lambda error, _interval: self.app.parkwatch_outage.away(error),
            None,
            interval_start=0.25,
            interval_step=0.5,
            interval_max=2,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        self.app.parkwatch_outage.back()
        return conn

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Give the connection up, in one line."""
        self.app.parkwatch_outage.away(exc)
        with warnings.catch_warnings():
            # Celery announces another default for tasks that run meanwhile; ours may well run twice.
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(exc)


class Tasks:
    """The tasks of one shard. Redis being away ends a task early: what it left is found by the next sweep."""

    def __init__(self, evaluator: Evaluator, client: redis.Redis, clock: Clock, outage: Outage) -> None:
        self._evaluator = evaluator
        self._client = client
        self._clock = clock
        self._swept_at = 0
        self._outage = outage

    def evaluate(self) -> None:
        """Evaluate what waits in the shard's inbox."""
        self._guarded(self._evaluator.attend)

    def sweep(self) -> None:
        """Do what needs no new reading."""
        now = self._clock.now()
        # Not below zero: a clock that was put back must not stop the sweeps until it has caught up.
        if 0 <= now - self._swept_at < _SWEEP_AT_MOST_EVERY:
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
            self._outage.away(error)
        else:
            self._outage.back()


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
    # We say ourselves, once, that Redis is away; a doorbell that could not be acknowledged rings again.
    for name in ("celery.worker.consumer.consumer", "celery.worker.request"):
        logging.getLogger(name).addFilter(_is_not_about_the_connection)
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


def _is_not_about_the_connection(record: logging.LogRecord) -> bool:
    lost = isinstance(record.args, tuple) and CONNECTION_RETRY in record.args
    return not lost and not str(record.msg).startswith("Couldn't ack")


def _stored(settings: Settings, catalogue: Catalogue, shard: str, now: int) -> list[Any]:
    influx = Influx(settings.influx_url, settings.influx_db, settings.influx_token)
    try:
        return list(latest(influx, shard.rsplit(".", 1)[0], now, catalogue.settings.late_after))
    finally:
        influx.close()
