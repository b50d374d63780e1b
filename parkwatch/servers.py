"""The servers parkwatch needs, as programs of this machine: finding them, free ports, and their configurations.

The native runner and the tests start them from here, so tests meet the configuration that ships.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

BROKER_CONFIGURATION = Path(__file__).resolve().parent.parent / "broker" / "mosquitto.conf"

# Debian keeps servers in places that are not on everybody's PATH.
_SERVER_PLACES = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/influxdb/bin")
# Below the range from which Linux takes ports for outgoing connections: a client that keeps trying to reach a server
# that is away would otherwise, one day, be given the server's own port, connect to itself and keep the server out.
_PORTS = range(20_000, 32_000)


class NativeError(Exception):
    """parkwatch can't be started like this; the text says what to do. ``status`` is the exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports of one run."""

    mqtt: int
    redis: int
    influx: int
    influx_rpc: int
    console: int
    grafana: int


def free_port(preferred: int | None = None, *, taken: frozenset[int] = frozenset()) -> int:
    """Return ``preferred`` if nobody listens there, else a free loopback port that is not in ``taken``."""
    candidates = [] if preferred is None else [preferred]
    candidates += random.sample(_PORTS, 200)  # chance is enough here: it only keeps parallel runs apart
    for port in candidates:
        if port not in taken and _is_free(port):
            return port
    raise NativeError("no free port on 127.0.0.1 between 20000 and 32000: stop something that listens there")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a previous run that still linger don't keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose_ports() -> Ports:
    """Take the well-known ports where they are free, others where they are not."""
    chosen: list[int] = []
    for preferred in (1883, 6379, 8086, 8088, 8100, 3000):
        chosen.append(free_port(preferred, taken=frozenset(chosen)))
    return Ports(*chosen)


def find_server(*names: str) -> Path:
    """Return the first of these programs that is installed; raises :class:`NativeError` naming what to install."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SERVER_PLACES])
    for name in names:
        found = shutil.which(name, path=places)
        if found:
            return Path(found)
    package = {"influxd": "influxdb"}.get(names[0], names[0])
    raise NativeError(f"{names[0]} is not installed: run scripts/run, or install Debian's package {package!r}")


def find_influxd() -> Path:
    """Return an ``influxd`` of the 1.x line, the only one that runs from a plain configuration file."""
    influxd = find_server("influxd")
    said = subprocess.run([influxd, "version"], capture_output=True, text=True, check=False, timeout=30).stdout  # noqa: S603 -- found by its name just above
    if not re.search(r"\bv?1\.\d", said):
        raise NativeError(
            f"{influxd} is {said.strip() or 'of an unknown version'}: without containers parkwatch needs InfluxDB 1.x "
            "(Debian's package 'influxdb'); put that first on PATH, or use docker-compose.yml"
        )
    return influxd


def mosquitto_conf(port: int, data: Path) -> str:
    """Return the shipped broker configuration with a loopback listener and its data in ``data``."""
    own = [
        "",
        "# Added by parkwatch's native runner",
        f"listener {port} 127.0.0.1",
        "# Only this machine can connect, so nobody is asked for a password.",
        "allow_anonymous true",
        f"persistence_location {data}/",
    ]
    # Started as root, Mosquitto would become a user that can't write under this home.
    own += ["user root"] if os.geteuid() == 0 else []
    return BROKER_CONFIGURATION.read_text(encoding="utf-8") + "\n".join(own) + "\n"


def redis_conf(port: int, data: Path) -> str:
    """Return a Redis configuration that keeps every write within a second (append-only file)."""
    return f"""\
bind 127.0.0.1
port {port}
protected-mode yes
daemonize no
dir {json.dumps(str(data))}
# Queued tasks and alarm states survive a killed Redis; at most a second is lost when the machine itself dies.
appendonly yes
appendfsync everysec
save ""
# Alarm states must never be evicted to make room.
maxmemory-policy noeviction
"""


def influx_conf(port: int, rpc_port: int, data: Path) -> str:
    """Return an InfluxDB 1.x configuration: loopback only, nothing reported to anybody, no log line per request."""
    return f"""\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"

[meta]
dir = {json.dumps(str(data / "meta"))}
logging-enabled = false

[data]
dir = {json.dumps(str(data / "data"))}
wal-dir = {json.dumps(str(data / "wal"))}
index-version = "tsi1"
query-log-enabled = false

[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false

[monitor]
store-enabled = false

[subscriber]
enabled = false

[continuous_queries]
log-enabled = false

[logging]
format = "logfmt"
level = "warn"
suppress-logo = true
"""
