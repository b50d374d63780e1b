"""``python -m parkwatch.alive PIECE``: whether a piece gives signs of life; what a container's health check asks.

It exits with 0 or 1 and says what it found. It is started often, so it loads little: no configuration, no Celery.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import redis

from storage.names import heartbeat
from storage.settings import Settings, SettingsError

_CONNECTIONS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"
_SECONDS = 3


def alive(piece: str, environ: Mapping[str, str]) -> bool:
    """Whether ``piece`` (``ingest.0``, ``worker.ZONE.N``, ``beat`` ...) has given a sign of life lately.

    Raises ``redis.RedisError`` if Redis does not say, :class:`storage.settings.SettingsError` for unusable settings.
    """
    address = Settings.from_environment(environ).redis_url
    with redis.Redis.from_url(address, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
        return bool(client.exists(heartbeat(piece)))


def connected(port: int, tables: Iterable[Path] = _CONNECTIONS) -> bool:
    """Whether this machine (here: container) has a TCP connection to ``port`` of another one."""
    ending = f":{port:04X}"
    rows = (row.split() for table in tables if table.exists() for row in table.read_text("ascii").splitlines()[1:])
    return any(remote.endswith(ending) and state == _ESTABLISHED for _, _, remote, state, *_ in rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Look, say what was found, and return the exit status: 0 alive, 1 not, 2 wrong settings."""
    parser = argparse.ArgumentParser(prog="parkwatch.alive", description=__doc__, allow_abbrev=False)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("piece", nargs="?", help="ingest.ID, worker.ZONE.N, beat, delivery, office, console or watchdog")
    what.add_argument("--connected-to", type=int, metavar="PORT", help="instead: is there a connection to this port?")
    asked = parser.parse_args(argv)
    try:
        if asked.piece is None:
            return _say(connected(asked.connected_to), f"connection to port {asked.connected_to}")
        return _say(alive(asked.piece, os.environ), f"sign of life from {asked.piece}")
    except redis.RedisError as error:
        return _say(False, f"answer from Redis ({error})")  # noqa: FBT003 - the finding
    except SettingsError as error:
        print(error)
        return 2


def _say(found: bool, what: str) -> int:  # noqa: FBT001 - the finding
    print(what if found else f"no {what}")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
