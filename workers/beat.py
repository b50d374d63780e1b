"""Beat: rings for the sweeps, on celery-redbeat, so that two can run and one works."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from celery.beat import Service
from kombu.exceptions import OperationalError
from redbeat import RedBeatScheduler

from park.catalogue import Catalogue
from storage.backoff import Backoff
from storage.queue import AWAY
from storage.settings import Settings
from workers.app import beat_app

log = logging.getLogger("parkwatch.beat")


def run_beat(settings: Settings, catalogue: Catalogue) -> None:
    """Ring until SIGTERM. Redis being away is waited for."""
    stopping = threading.Event()
    backoff = Backoff()
    while not stopping.is_set():
        service = Service(beat_app(settings, catalogue), max_interval=1, scheduler_cls=RedBeatScheduler)
        _stop_on_signal(service, stopping)
        try:
            service.start()
        except (*AWAY, OperationalError) as error:
            if not backoff.failures:
                log.error("Redis is away (%s); no sweeps until it is back", error)
            stopping.wait(backoff.next())
        else:
            stopping.set()


def _stop_on_signal(service: Service, stopping: threading.Event) -> None:
    def stop(*_: Any) -> None:
        stopping.set()
        service.stop()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
