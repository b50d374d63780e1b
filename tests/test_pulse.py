"""Stopping any one process, a server or a piece of parkwatch, stops the pulse; it comes back with the process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.catchers import Catcher
from tests.conftest import environment_of
from tests.pieces import Piece, Spawn
from tests.servers import Influx, Mosquitto, Redis, eventually

#: In a hurry: seconds between canaries, for which one is fresh, and for which a sign of life is good.
HURRY = ("--every", "0.5", "--fresh", "2", "--alive", "6.5")
PIECES = {
    "ingest": ("run", "ingest"),
    "worker": ("run", "worker", "--shard", "riverside.0"),
    "another worker": ("run", "worker", "--shard", "new-materials.0"),
    "beat": ("run", "beat"),
    "office": ("run", "office"),
    "delivery": ("run", "delivery"),
    "console": ("run", "console"),
    "watchdog": ("run", "watchdog", *HURRY),
}
#: What is missed first, or at the latest, when it stops.
MISSED = {
    "mosquitto": "canary of riverside",
    "influx": "canary of riverside in InfluxDB",
    "ingest": "canary of riverside",
    "worker": "canary of riverside",
    "beat": "sign of life from beat",
    "office": "sign of life from office",
    "delivery": "canary of riverside",
    "console": "sign of life from console",
    "redis": "Redis does not answer",
}


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    """A process that hangs is the worse case: its connections stand."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _silent(catcher: Catcher) -> bool:
    return time.time_ns() // 1_000_000 - catcher.requests[-1].at > 1_500


@pytest.mark.slow
def test_stopping_any_one_process_stops_the_pulse(
    own_mosquitto: Mosquitto, own_redis: Redis, own_influx: Influx, home: Path, spawn_piece: Spawn, catcher: Catcher
) -> None:
    environment = environment_of(own_mosquitto, own_redis, own_influx, "park", home)
    environment["PARKWATCH_PULSE_URL"] = f"{catcher.url}/pulse"
    pieces = {name: spawn_piece(arguments, environment) for name, arguments in PIECES.items()}
    watchdog = pieces["watchdog"]
    processes = {server.name: server.pid for server in (own_mosquitto, own_redis, own_influx)}
    processes |= {name: piece.pid for name, piece in pieces.items()}

    def beats_again() -> None:
        before = len(catcher.requests)
        eventually(lambda: len(catcher.requests) > before, within=60, why=_words(pieces))

    beats_again()
    for name, missed in MISSED.items():
        said = len(watchdog.output)
        with _stopped(processes[name]):
            eventually(
                lambda missed=missed, said=said: _gives_reason(watchdog, said, missed),  # type: ignore[misc]
                within=60,
                why=_words(pieces),
            )
            before = len(catcher.requests)
            eventually(lambda: _silent(catcher), why=f"the pulse goes on without {name}")
            assert len(catcher.requests) == before, f"the pulse goes on without {name}"
        beats_again()
    with _stopped(watchdog.pid):
        eventually(lambda: _silent(catcher), why="the pulse goes on without the watchdog")
    beats_again()
    assert {request.path for request in catcher.requests} == {"/pulse"}
    assert {name: piece.stop() for name, piece in pieces.items()} == dict.fromkeys(pieces, 0)


def _gives_reason(watchdog: Piece, said: int, missed: str) -> bool:
    lines = watchdog.output[said:].splitlines()
    return any("no pulse" in line and missed in line for line in lines)


def _words(pieces: dict[str, Piece]) -> Callable[[], str]:
    return lambda: "\n".join(f"{name}:\n{piece.output[-2000:]}" for name, piece in pieces.items())
