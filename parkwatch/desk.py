"""What every command begins with: settings, catalogue, connections; a problem ends it with one clear text."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import redis
import typer
from rich.console import Console

from park.catalogue import Catalogue
from storage.configuration import ConfigurationError, load
from storage.influx import Influx, InfluxUnavailable, LinesRejected
from storage.queue import redis_client
from storage.settings import Settings, SettingsError

out = Console()
err = Console(stderr=True)

#: Exit codes: what was asked for can't be done; the configuration or the input can't be used.
FAILED = 1
UNUSABLE = 2


def settings() -> Settings:
    """The settings of this process; ends it if they can't be used."""
    try:
        return Settings.from_environment(os.environ)
    except SettingsError as error:
        raise stop(str(error), UNUSABLE) from error


def catalogue(chosen: Settings) -> Catalogue:
    """The configuration; ends the process with all its problems if it can't be used."""
    try:
        return load(chosen.config)
    except ConfigurationError as error:
        for problem in error.problems:
            err.print(str(problem), markup=False, highlight=False, soft_wrap=True)
        count = len(error.problems)
        raise stop(f"{count} problem{'s' * (count != 1)} in {chosen.config}; nothing was started", UNUSABLE) from error


def stop(text: str, code: int = FAILED) -> typer.Exit:
    """Say why and return the exception that ends the command."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(code)


@contextmanager
def connected(chosen: Settings) -> Iterator[redis.Redis]:
    """A Redis connection; if it is away the command ends with a hint."""
    client = redis_client(chosen.redis_url)
    try:
        yield client
    except redis.RedisError as error:
        raise stop(f"Redis does not answer ({error}); is parkwatch running? `parkwatch doctor` says more") from error
    finally:
        client.close()


@contextmanager
def database(chosen: Settings, timeout_ms: int = 5_000) -> Iterator[Influx]:
    """A connection to InfluxDB; if it is away, or won't take what it is told, the command ends and says so."""
    influx = Influx(chosen.influx_url, chosen.influx_db, chosen.influx_token, timeout_ms)
    try:
        yield influx
    except (InfluxUnavailable, LinesRejected) as error:
        raise stop(f"{error}; `parkwatch doctor` says more") from error
    finally:
        influx.close()


def log_to_terminal(piece: str) -> None:
    """Log lines as ``HH:MM:SS piece level: text`` on standard error."""
    form = f"%(asctime)s {piece} %(levelname)s: %(message)s"
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=form, datefmt="%H:%M:%S")
    # The libraries' own chatter; their errors stay.
    for name in ("celery", "kombu", "apscheduler", "httpx", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
