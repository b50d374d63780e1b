"""Real servers for tests: Mosquitto, Redis and InfluxDB processes on loopback, with the configuration that ships.

A server keeps its port and its data over ``kill()`` and ``start()``, so a test can take it away in the middle.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from parkwatch.servers import find_influxd, find_server, free_port, influx_conf, mosquitto_conf, redis_conf

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0


class ServerError(Exception):
    """A server did not start or did not stop; the text holds the end of its log."""


def eventually(
    what: Callable[[], object], *, within: float = 10.0, pause: float = 0.02, why: str | Callable[[], str] = ""
) -> None:
    """Wait until ``what()`` is true; fail the test after ``within`` seconds, saying ``why`` as it is then."""
    end = time.monotonic() + within
    while not what():
        if time.monotonic() > end:
            reason = why() if callable(why) else why or str(what)
            raise AssertionError(f"still not so after {within} s: {reason}")
        time.sleep(pause)


class Server(ABC):
    """One server process, on one port, with its data in one folder."""

    name: str
    scheme: str
    #: Seconds it may take to start.
    patience = _START_SECONDS

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self._log = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address, as in ``PARKWATCH_*_URL``."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The running process's id."""
        if self._process is None:
            raise ServerError(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start, or start again with the data there is; return when it answers."""
        if self.running:
            return
        self.data.mkdir(parents=True, exist_ok=True)
        command = self._command()
        with self._log.open("ab") as log:
            process = self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + self.patience
        while not self._answers():
            if process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise ServerError(f"{self.name} did not start:\n{self.log()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop as an operator would (SIGTERM); killed if it takes longer than it may."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerError(f"{self.name} did not stop in {_STOP_SECONDS} s:\n{self.log()}") from None
        self._process = None

    def kill(self) -> None:
        """``kill -9``: no time to write anything."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None

    def wipe(self) -> None:
        """Stop and forget all data; the port stays."""
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)

    def log(self, lines: int = 40) -> str:
        """The end of what the server said."""
        if not self._log.exists():
            return "(no log)"
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _configure(self, text: str) -> Path:
        file = self.folder / f"{self.name}.conf"
        file.write_text(text, encoding="utf-8")
        return file

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """Write the configuration and return the command line."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a client is served."""


class Mosquitto(Server):
    """An MQTT broker."""

    name = "mosquitto"
    scheme = "mqtt"

    def _command(self) -> Sequence[str | Path]:
        conf = self._configure(mosquitto_conf(self.port, self.data))
        return [find_server("mosquitto"), "-c", conf]

    @staticmethod
    def answers_on(port: int) -> bool:
        """Whether a broker lets clients in there."""
        # CONNECT of MQTT 3.1.1 with a clean session and an empty client id; 0x20 begins the CONNACK.
        return _says(port, b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00", b"\x20\x02\x00\x00")

    def _answers(self) -> bool:
        return self.answers_on(self.port)


class Redis(Server):
    """A Redis with its append-only file."""

    name = "redis"
    scheme = "redis"

    @property
    def url(self) -> str:
        """Database 0."""
        return f"{super().url}/0"

    def flush(self) -> None:
        """Forget all keys."""
        if not _says(self.port, b"FLUSHALL\r\n", b"+OK"):
            raise ServerError(f"redis did not flush:\n{self.log()}")

    def _command(self) -> Sequence[str | Path]:
        return [find_server("redis-server"), self._configure(redis_conf(self.port, self.data))]

    def _answers(self) -> bool:
        return _says(self.port, b"PING\r\n", b"+PONG")


class Influx(Server):
    """An InfluxDB 1.x."""

    name = "influx"
    scheme = "http"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._rpc_port = free_port(taken=frozenset({self.port}))

    def query(self, database: str, influxql: str) -> list[dict[str, Any]]:
        """Return the rows of the first statement, tags among the columns; times are epoch ms."""
        parameters = urllib.parse.urlencode({"db": database, "q": influxql, "epoch": "ms"}).encode()
        # In the body, hence POST: a SELECT by POST is served too.
        with urllib.request.urlopen(f"{self.url}/query", parameters, timeout=30) as response:
            result = json.load(response)["results"][0]
        if "error" in result:
            raise ServerError(f"{influxql}: {result['error']}")
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
            for series in result.get("series", [])
            for row in series.get("values", [])
        ]

    def drop(self, database: str) -> None:
        """Forget a database; one that does not exist is fine."""
        self.query(database, f'DROP DATABASE "{database}"')

    def _command(self) -> Sequence[str | Path]:
        conf = self._configure(influx_conf(self.port, self._rpc_port, self.data))
        return [find_influxd(), "-config", conf]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=2) as response:
                return bool(response.status == 204)
        except (urllib.error.URLError, OSError):
            return False


@contextlib.contextmanager
def borrowed() -> Iterator[tuple[Redis, Influx, Path]]:
    """Lend a Redis, an InfluxDB and an empty folder to a script that is no test."""
    with tempfile.TemporaryDirectory() as home:
        folders = {name: Path(home) / name for name in ("redis", "influx", "home")}
        for folder in folders.values():
            folder.mkdir()
        redis, influx = Redis(folders["redis"]), Influx(folders["influx"])
        redis.start()
        influx.start()
        try:
            yield redis, influx, folders["home"]
        finally:
            redis.kill()
            influx.kill()


def _says(port: int, request: bytes, answer: bytes) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(request)
        return connection.recv(len(answer)) == answer
    return False
