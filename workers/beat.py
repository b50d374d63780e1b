"""Beat: rings for the sweeps, on celery-redbeat, so that two can run and one works."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import NoReturn

import msgspec
from celery.beat import ScheduleEntry, SchedulingError, Service
from celery.signals import beat_init
from kombu.exceptions import OperationalError
from redbeat.schedulers import RedBeatScheduler, acquire_distributed_beat_lock, get_redis
from redis.exceptions import LockError

from park.catalogue import Catalogue
from storage import names
from storage.backoff import Backoff
from storage.clock import SystemClock
from storage.queue import AWAY, redis_client
from storage.settings import Settings
from workers.app import beat_app

log = logging.getLogger("parkwatch.beat")

#: Redis is away, or has lost the lock with everything else: begin again, from the schedule on.
_BEGIN_AGAIN = (*AWAY, LockError, OperationalError, SchedulingError)

#: Rings that may wait for a worker; it catches up with one.
_MOST_UNHEARD = 100

# Celery squashes what goes wrong in a signal's receiver, with a trace; the lock is taken in the first tick instead.
beat_init.disconnect(acquire_distributed_beat_lock)


class _Scheduler(RedBeatScheduler):  # type: ignore[misc]  # redbeat has no types
    """redbeat's scheduler, with its errors raised instead of logged; ``rang`` is called after every tick."""

    def __init__(self, *args: object, rang: Callable[[], None], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._rang = rang

    def tick(self, *args: object, **kwargs: object) -> float:
        """Ring for what is due; return the seconds until something is. The first tick waits for the lock."""
        if self.lock is None:
            if get_redis(self.app).exists(self.lock_key):
                log.info("the lock is taken: this beat waits for the other beat, or for one that died to be missed")
            acquire_distributed_beat_lock(SimpleNamespace(scheduler=self))
        wait: float = super().tick(*args, **kwargs)
        self._rang()
        return wait

    def maybe_due(self, entry: ScheduleEntry, **kwargs: object) -> float:
        """Ring for ``entry`` if it is due; raises ``SchedulingError``."""
        is_due, wait = entry.is_due()
        if is_due and self._heard(entry):
            self.apply_async(entry, **kwargs)
        elif is_due:
            self.reserve(entry)
        return float(wait)

    def _heard(self, entry: ScheduleEntry) -> bool:
        """Whether somebody takes what is rung: where no worker lives the rings would pile up in Redis."""
        return bool(get_redis(self.app).llen(entry.options["queue"]) < _MOST_UNHEARD)


def run_beat(settings: Settings, catalogue: Catalogue) -> None:
    """Ring until SIGTERM. Redis being away is waited for."""
    backoff = Backoff()
    client = redis_client(settings.redis_url)
    stopping = threading.Event()

    def stop(*_: object) -> NoReturn:
        stopping.set()
        # Raised out of whatever it waits in; Celery's loop lets go of the lock on its way out.
        raise SystemExit

    def rang() -> None:
        state = msgspec.json.encode({"at": SystemClock().now()})
        client.set(names.heartbeat("beat"), state, ex=names.HEARTBEAT_SECONDS)
        if backoff.succeeded():
            log.warning("Redis is back; sweeps go on")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    scheduler = partial(_Scheduler, rang=rang)
    # SystemExit: told to stop while it waited for Redis, or for the lock of another beat.
    with contextlib.suppress(SystemExit):
        # Where Redis is away, letting go of the lock fails, and that hides the SystemExit: hence the event.
        while not stopping.is_set():
            try:
                Service(beat_app(settings, catalogue), max_interval=1, scheduler_cls=scheduler).start()
            except _BEGIN_AGAIN as error:
                if not backoff.failures and not stopping.is_set():
                    log.error("no sweeps: Redis is away or has lost its data (%s); trying again", error)
                stopping.wait(backoff.next())
