"""A Celery worker of ours: one process, one queue, and patience with Redis."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterable, Mapping

from celery import Celery, signals
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.worker.consumer import Consumer
from celery.worker.consumer.consumer import CONNECTION_RETRY
from celery.worker.state import maybe_shutdown
from kombu import Connection

from storage.queue import AWAY, celery_app

log = logging.getLogger("parkwatch.workers")


def make_worker(
    redis_url: str,
    shards: Iterable[str],
    outage: Outage,
    tasks: Mapping[str, Callable[[], None]],
    ready: Callable[[], None],
) -> Celery:
    """Return the Celery application of a worker with ``tasks`` by name; ``ready`` is called when it has begun."""
    app = celery_app(
        redis_url,
        shards,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_consumer=_Consumer,
    )
    app.parkwatch_outage = outage
    for name, task in tasks.items():
        # Not shared: another application of this process would be given this worker's tasks.
        app.task(task, name=name, shared=False)
    signals.worker_ready.connect(lambda **_: ready(), weak=False)
    # Logging is set up by whoever starts the process; Celery keeps its hands off it when this signal is heard.
    signals.setup_logging.connect(lambda **_: None, weak=False)
    return app


class Outage:
    """Says once that Redis is away and what that means ``meanwhile``, whoever notices, and once that it is back."""

    def __init__(self, meanwhile: str) -> None:
        self._meanwhile = meanwhile
        self._away = False

    def away(self, error: object) -> None:
        """Log that Redis is away, unless that is known."""
        if not self._away:
            log.error("Redis is away (%s); %s", error, self._meanwhile)
        self._away = True

    def back(self) -> None:
        """Log that Redis answers, if it was away."""
        if self._away:
            log.warning("Redis is back")
        self._away = False

    def guarded(self, work: Callable[[], object]) -> None:
        """Do ``work``; Redis being away ends it early."""
        try:
            work()
        except AWAY as error:
            self.away(error)
        else:
            self.back()


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


def run(app: Celery, name: str, queue: str) -> None:
    """Serve ``queue`` until told to stop."""
    # Celery warns of root because of pickle; we accept JSON only. Containers run as a user of their own.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    # We say ourselves, once, that Redis is away; a doorbell that could not be acknowledged rings again.
    for logger in ("celery.worker.consumer.consumer", "celery.worker.request"):
        logging.getLogger(logger).addFilter(_is_not_about_the_connection)
    app.worker_main(
        [
            "--quiet",
            "worker",
            "--pool=solo",
            f"--hostname={name}@parkwatch-{time.time_ns()}",
            f"--queues={queue}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "--loglevel=WARNING",
        ]
    )


def _is_not_about_the_connection(record: logging.LogRecord) -> bool:
    lost = isinstance(record.args, tuple) and CONNECTION_RETRY in record.args
    return not lost and not str(record.msg).startswith("Couldn't ack")
