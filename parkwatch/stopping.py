"""Stopping: SIGINT and SIGTERM set an event."""

from __future__ import annotations

import signal
import threading


def until_stopped() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set.

    A thread sets it: a signal handler runs in between two steps of the main thread, and if that one is just inside
    the event's own lock, setting it there would wait for itself.
    """
    stopping = threading.Event()

    def stop(*_: object) -> None:
        threading.Thread(target=stopping.set, name="stop").start()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
    return stopping
