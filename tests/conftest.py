"""Fixtures: real servers, a catcher for webhooks and one for mail, parkwatch's pieces as processes, a clock.

``mosquitto``, ``redis`` and ``influx`` are shared by the session and clean for each test; ``own_mosquitto``,
``own_redis`` and ``own_influx`` belong to one test, which may kill them.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from parkwatch.servers import free_port
from tests.catchers import Catcher, MailCatcher
from tests.pieces import Piece, Spawn
from tests.servers import Influx, Mosquitto, Redis, Server

ROOT = Path(__file__).resolve().parent.parent
_numbers = itertools.count(1)
_PIECES = pytest.StashKey[list[Piece]]()
_SERVERS = pytest.StashKey[list[Server]]()
S = TypeVar("S", bound=Server)


class FakeClock:
    """A clock that stands still until told; calling it gives milliseconds since 1970."""

    def __init__(self, now: int = 1_750_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, *, ms: int = 0, seconds: float = 0) -> int:
        """Move on and return the new time."""
        self.now += ms + round(seconds * 1000)
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


# --- servers -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _session_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    yield from _lend(Redis(tmp_path_factory.mktemp("redis")))


@pytest.fixture(scope="session")
def _session_influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    yield from _lend(Influx(tmp_path_factory.mktemp("influx")))


@pytest.fixture
def redis(_session_redis: Redis, request: pytest.FixtureRequest) -> Redis:
    """A Redis without keys."""
    _session_redis.start()
    _session_redis.flush()
    return _noted(_session_redis, request)


@pytest.fixture
def influx(_session_influx: Influx, request: pytest.FixtureRequest) -> Influx:
    """An InfluxDB; use the test's own ``influx_db`` in it."""
    _session_influx.start()
    return _noted(_session_influx, request)


@pytest.fixture
def influx_db(influx: Influx) -> Iterator[str]:
    """The name of a database of this test's own, not created yet; dropped afterwards."""
    name = f"park_{next(_numbers)}_{secrets.token_hex(3)}"
    yield name
    influx.start()
    influx.drop(name)


@pytest.fixture
def mosquitto(own_mosquitto: Mosquitto) -> Mosquitto:
    """A broker without sessions or retained messages: each test has its own, they start in no time."""
    return own_mosquitto


@pytest.fixture
def own_mosquitto(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mosquitto]:
    yield from _lend(_noted(Mosquitto(_folder(tmp_path, "mosquitto")), request))


@pytest.fixture
def own_redis(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Redis]:
    yield from _lend(_noted(Redis(_folder(tmp_path, "redis")), request))


@pytest.fixture
def own_influx(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Influx]:
    yield from _lend(_noted(Influx(_folder(tmp_path, "influx")), request))


# --- parkwatch's pieces ------------------------------------------------------------------------------------------


def environment_of(mosquitto: Mosquitto, redis: Redis, influx: Influx, database: str, home: Path) -> dict[str, str]:
    """``PARKWATCH_*`` for pieces that use these servers; a kill test gives its own ones."""
    return {
        "PARKWATCH_HOME": str(home),
        "PARKWATCH_CONFIG": str(ROOT / "config"),
        "PARKWATCH_MQTT_URL": mosquitto.url,
        "PARKWATCH_REDIS_URL": redis.url,
        "PARKWATCH_INFLUX_URL": influx.url,
        "PARKWATCH_INFLUX_DB": database,
        "PARKWATCH_CONSOLE_URL": f"http://127.0.0.1:{free_port()}",
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A PARKWATCH_HOME of this test's own."""
    return _folder(tmp_path, "home")


@pytest.fixture
def environment(mosquitto: Mosquitto, redis: Redis, influx: Influx, influx_db: str, home: Path) -> dict[str, str]:
    """``PARKWATCH_*`` for this test's servers, database and home; change or add what the test is about."""
    return environment_of(mosquitto, redis, influx, influx_db, home)


@pytest.fixture
def spawn_piece(request: pytest.FixtureRequest) -> Iterator[Spawn]:
    """Start ``python -m parkwatch ARGS...`` with an environment; killed after the test.

    The test fails if a piece printed a traceback, unless it was started with ``tracebacks=True``.
    """
    spawn = Spawn()
    request.node.stash[_PIECES] = spawn.pieces
    yield spawn
    spawn.end()


# --- catchers ----------------------------------------------------------------------------------------------------


@pytest.fixture
def catcher() -> Iterator[Catcher]:
    """An HTTP server that keeps the webhooks it gets."""
    with Catcher() as server:
        yield server


@pytest.fixture
def mail() -> Iterator[MailCatcher]:
    """A mail server that keeps what it gets."""
    with MailCatcher() as server:
        yield server


# --- details -----------------------------------------------------------------------------------------------------


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def _lend(server: S) -> Iterator[S]:
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _noted(server: S, request: pytest.FixtureRequest) -> S:
    """Remember that the test uses this server, so that its log is shown if the test fails."""
    request.node.stash.setdefault(_SERVERS, []).append(server)
    return server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for server in item.stash.get(_SERVERS, []):
            report.sections.append((f"{server.name} on port {server.port}", server.log()))
        for piece in item.stash.get(_PIECES, []):
            report.sections.append((str(piece), piece.output))
    return report
