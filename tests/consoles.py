"""The console for tests: on a real Redis, in this process or as one of its own, and hands to put alarms there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
import redis as redis_py
import uvicorn

from alerts.console.app import address, create_app, wire
from alerts.console.sessions import Sessions, csrf_of
from alerts.console.wiring import Dependencies
from park import alarms
from park.alarms import Alarm, reach
from park.catalogue import Catalogue
from park.evaluate import Record
from park.readings import split_series
from park.sensors import Sensor
from park.sharding import shard_of
from park.words import Names, Quality
from parkwatch.servers import free_port
from storage import names
from storage.clock import Clock, SystemClock
from storage.settings import Settings
from storage.states import ShardStates, Work
from storage.users import Users
from tests import alerting
from tests.alerting import SERIES, StoppedClock, transition
from tests.logins import write_users
from tests.servers import eventually

ROOT = Path(__file__).resolve().parent.parent
ALARM = transition().alarm


def environ_of(redis_url: str, home: Path, base: str, **more: str) -> dict[str, str]:
    """``PARKWATCH_*`` of a console, with its users in ``home``."""
    write_users(home / "users.json")
    return {
        "PARKWATCH_REDIS_URL": redis_url,
        "PARKWATCH_CONSOLE_URL": base,
        "PARKWATCH_HOME": str(home),
        # Nobody listens there.
        "PARKWATCH_INFLUX_URL": "http://127.0.0.1:9",
        **more,
    }


class Park:
    """Hands that put into Redis what workers and ingest would."""

    def __init__(self, url: str, clock: Clock, park: Catalogue) -> None:
        self.clock = clock
        self.catalogue = park
        self.client = redis_py.Redis.from_url(url)

    def raise_alarm(
        self, series: str = SERIES, level: int = 1, value: float = 5100.0, limit_id: str = "hf-high", **changes: Any
    ) -> Alarm:
        """Commit an activation (``level`` 0: a return) as a worker does; ``changes`` to the alarm go on top."""
        states = self._shard(series)
        stored = states.load([series])[series]
        before = stored.record.alarms.get(limit_id, Alarm())
        now = self.clock.now()
        limit = self.catalogue.limit(limit_id)
        change = reach(before, level, t=now - 40, at=now, value=value, latching=limit.latching)
        change = msgspec.structs.replace(change, alarm=msgspec.structs.replace(change.alarm, **changes))
        moved = alarms.transition(series, limit, before, change, t=now - 40, at=now, value=value)
        known = {**stored.record.alarms, limit_id: change.alarm}
        record = msgspec.structs.replace(stored.record, t=now - 40, received=now, value=value, alarms=known)
        work = Work(records={series: (stored.version, record)}, transitions=[(moved, change.alarm)])
        states.commit(work, self.catalogue, 0)
        return change.alarm

    def read(self, series: str, value: float | None = 1.0, quality: Quality = Quality.GOOD, ago: int = 0) -> None:
        """Let a series have sent one reading ``ago`` ms before now; its sensor is registered."""
        states = self._shard(series)
        at = self.clock.now() - ago
        self.register(series.rpartition("/")[0])
        stored = states.load([series])[series]
        record = msgspec.structs.replace(stored.record, t=at, received=at, value=value, quality=quality)
        states.commit(Work(records={series: (stored.version, record)}), self.catalogue, 0)

    def register(self, key: str, shown: Names | None = None, **more: Any) -> None:
        """Register a sensor, unless it is and nothing is said of it."""
        sensor = Sensor(key, registered=0, names=shown, **more)
        if shown or more or not self.client.hexists(names.SENSORS, key):
            self.client.hset(names.SENSORS, key, msgspec.json.encode(sensor))

    def describe(self, key: str, zh: str, en: str) -> None:
        """Give a sensor its names."""
        self.register(key, Names(zh, en))

    def record(self, series: str) -> Record:
        """What a worker remembers of the series."""
        return self._shard(series).load([series])[series].record

    def _shard(self, series: str) -> ShardStates:
        zone, site, _, _ = split_series(series)
        return ShardStates(self.client, shard_of(zone, site, self.catalogue.zones[zone].shards))


class Console(Park):
    """A console in this process, and a browser of nobody (``anybody``) and of an operator (``web``)."""

    def __init__(self, url: str, home: Path, catalogue: Catalogue | None = None, **environ: str) -> None:
        super().__init__(url, StoppedClock(), catalogue or alerting.catalogue())
        self.base = f"http://127.0.0.1:{free_port()}"
        self.settings = Settings.from_environment(environ_of(url, home, self.base, **environ))
        self.time: StoppedClock = self.clock  # type: ignore[assignment]  # made above
        self.anybody = httpx.Client(base_url=self.base, timeout=20)
        self.web = self.anybody
        self.wired: Dependencies
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._server: uvicorn.Server | None = None
        self._browsers: list[httpx.Client] = []

    async def _serve(self) -> None:
        host, port = address(self.settings)
        self.wired, close = wire(self.settings, self.catalogue, self.clock)
        config = uvicorn.Config(
            create_app(self.wired), host=host, port=port, log_config=None, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        await self._server.serve()
        await close()

    def __enter__(self) -> Self:
        self._thread.start()
        eventually(lambda: self._server and self._server.started, within=30)
        self.web = self.log_in("li")
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.should_exit = True
        self._thread.join()
        for browser in (self.anybody, *self._browsers):
            browser.close()
        self.client.close()

    def session(self, name: str) -> str:
        """Begin a session of ``name``, as a log-in would, and return its token."""
        known = Users(self.settings.users_file)
        user = known.get(name)
        assert user
        return Sessions(self.client, known, self.clock).begin(user)

    def log_in(self, name: str) -> httpx.Client:
        """Return a browser of ``name``, logged in."""
        token = self.session(name)
        browser = httpx.Client(
            base_url=self.base,
            timeout=20,
            cookies={"parkwatch-session": token},
            headers={"x-csrf-token": csrf_of(token)},
        )
        self._browsers.append(browser)
        return browser

    def acknowledge(self, alarm: str = ALARM, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        """Acknowledge as the operator."""
        said = {"occurrence": 1, "version": 1, "comment": "on my way", **body}
        return self.web.post(f"/api/alarms/{alarm}/ack", json=said, headers=headers)

    def alarms(self, query: str = "") -> list[dict[str, Any]]:
        """What the API lists."""
        found: list[dict[str, Any]] = self.web.get(f"/api/alarms{query}").json()
        return found


_RUN = """
import os
from alerts.console.app import serve
from storage.settings import Settings
from tests.alerting import catalogue
serve(Settings.from_environment(os.environ), catalogue())
"""


@contextlib.contextmanager
def running(environ: dict[str, str], code: str = _RUN) -> Iterator[subprocess.Popen[bytes]]:
    """Run a console as a process of its own, until the block ends."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PARKWATCH_")}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**inherited, **environ})
    base = environ["PARKWATCH_CONSOLE_URL"]

    def answers() -> bool:
        assert process.poll() is None
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{base}/static/icon.svg").status_code == 200
        return False

    try:
        eventually(answers, within=30, why="the console answers")
        yield process
    finally:
        process.kill()
        process.wait()


def session_of(redis_url: str, home: Path, name: str) -> str:
    """Begin a session of ``name`` by the real clock; return its token."""
    known = Users(home / "users.json")
    user = known.get(name)
    assert user
    client = redis_py.Redis.from_url(redis_url)
    try:
        return Sessions(client, known, SystemClock()).begin(user)
    finally:
        client.close()
