"""``kill -9`` in the middle of a replay at 500 readings/s: every reading stored, every occurrence, every page."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.catchers import Catcher
from tests.conftest import environment_of
from tests.pieces import Spawn
from tests.servers import Influx, Mosquitto, Redis, eventually
from tests.whole import Whole

#: Rows per second; a row holds three readings.
RATE = 500 / 3


class Scene:
    """The whole service on servers of its own, and the means to take parts of it away."""

    def __init__(self, whole: Whole, mosquitto: Mosquitto, redis: Redis, influx: Influx) -> None:
        self.whole = whole
        self.mosquitto = mosquitto
        self.redis = redis
        self.influx = influx

    def restart(self, piece: str) -> None:
        """Kill a piece and, as the process manager would, start it again."""
        self.whole.pieces[piece].kill()
        self.whole.start(piece)

    def interrupt(self, server: Mosquitto | Redis | Influx, *, seconds: float = 1.5) -> None:
        """Kill a server, leave it away for a while, start it again."""
        server.kill()
        # An outage lasts; there is nothing to wait for during it.
        time.sleep(seconds)
        server.start()


@pytest.fixture
def scene(
    own_mosquitto: Mosquitto,
    own_redis: Redis,
    own_influx: Influx,
    tmp_path_factory: pytest.TempPathFactory,
    spawn_piece: Spawn,
    catcher: Catcher,
) -> Scene:
    home = tmp_path_factory.mktemp("home")
    environment = environment_of(own_mosquitto, own_redis, own_influx, "park", home)
    return Scene(Whole(environment, spawn_piece, own_influx, catcher), own_mosquitto, own_redis, own_influx)


def _some_readings_arrived(scene: Scene) -> bool:
    return sum(scene.whole.raised().values()) >= 5


@pytest.mark.parametrize(
    "blow",
    [
        pytest.param(lambda scene: scene.restart("ingest"), id="ingest"),
        pytest.param(lambda scene: scene.restart("worker"), id="worker"),
        pytest.param(lambda scene: scene.restart("delivery"), id="delivery"),
        pytest.param(lambda scene: scene.restart("beat"), id="beat"),
        pytest.param(lambda scene: scene.interrupt(scene.influx), id="influxdb"),
        pytest.param(lambda scene: scene.interrupt(scene.redis), id="redis"),
    ],
)
def test_killed_in_the_middle_nothing_is_lost_and_no_occurrence_changes(
    scene: Scene, blow: Callable[[Scene], None]
) -> None:
    scene.whole.start()
    replay = scene.whole.replay(rate=RATE)
    eventually(lambda: _some_readings_arrived(scene), within=30, why="the replay has not begun")
    assert replay.running, "the blow must fall in the middle"
    blow(scene)
    assert replay.wait(within=60) == 0
    scene.whole.expect(within=60)


def test_killed_broker_keeps_its_sessions_and_everything_arrives(scene: Scene) -> None:
    """The broker writes its state every 5 s; what a killed one had acknowledged since is the window it leaves.

    So the kill falls behind a saved state: the replay is over, nothing is in the window, and ingest is away.
    """
    scene.whole.start()
    scene.whole.pieces["ingest"].kill()
    assert scene.whole.replay(rate=RATE).wait(within=60) == 0
    database = scene.mosquitto.data / "mosquitto.db"
    written = database.stat().st_mtime_ns if database.exists() else 0
    eventually(lambda: database.exists() and database.stat().st_mtime_ns > written, within=30, why="not saved")
    scene.interrupt(scene.mosquitto, seconds=0.5)
    scene.whole.start("ingest")
    scene.whole.expect(within=60)


def test_restarted_broker_keeps_what_is_published_before_ingest_is_back(scene: Scene) -> None:
    """Mosquitto forgets shared subscriptions when it restarts; a single ingest process must not use one."""
    scene.whole.start()
    scene.whole.pieces["ingest"].kill()
    scene.mosquitto.stop()
    scene.mosquitto.start()
    assert scene.whole.replay(rate=RATE).wait(within=60) == 0
    scene.whole.start("ingest")
    scene.whole.expect(within=60)


def test_redis_killed_again_and_again_leaves_no_worker_deaf(scene: Scene) -> None:
    """A doorbell whose acknowledgement Redis did not live to see must not keep the next ones away."""
    scene.whole.start()
    replay = scene.whole.replay(rate=40)
    for _ in range(5):
        consumed = scene.whole.consumed()
        eventually(lambda consumed=consumed: scene.whole.consumed() > consumed + 5, within=30)  # type: ignore[misc]
        scene.interrupt(scene.redis, seconds=0)
    assert replay.running, "the last blow must fall in the middle, too"
    assert replay.wait(within=60) == 0
    scene.whole.expect(within=60)
