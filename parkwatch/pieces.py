"""``parkwatch run PIECE``: one piece of the service in the foreground, until SIGTERM."""

from __future__ import annotations

from typing import Annotated

import typer

from parkwatch.desk import UNUSABLE, catalogue, log_to_terminal, settings, stop
from parkwatch.stopping import until_stopped

pieces = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run one piece of parkwatch in the foreground.",
)


@pieces.command()
def ingest(
    ident: Annotated[str, typer.Option("--id", help="Its own id: the broker keeps a session for it.")] = "0",
    shared: Annotated[bool, typer.Option("--shared", help="One of several: share the load with them.")] = False,  # noqa: FBT002
) -> None:
    """MQTT to InfluxDB and the workers."""
    from ingest.service import Ingest

    log_to_terminal(f"ingest-{ident}")
    stopping = until_stopped()
    chosen = settings()
    Ingest(chosen, catalogue(chosen), ident, shared=shared).run(stopping)


@pieces.command()
def worker(shard: Annotated[str, typer.Option(help="ZONE.N, N counting from 0.")]) -> None:
    """Evaluate one shard."""
    from workers.app import run_worker

    log_to_terminal(f"worker-{shard}")
    chosen = settings()
    found = catalogue(chosen)
    if shard not in found.shards:
        raise stop(f"there is no shard {shard}; write one of {', '.join(found.shards)}", UNUSABLE)
    run_worker(chosen, found, shard)


@pieces.command()
def beat() -> None:
    """Ring for the sweeps."""
    from workers.beat import run_beat

    log_to_terminal("beat")
    chosen = settings()
    run_beat(chosen, catalogue(chosen))


@pieces.command()
def office() -> None:
    """Copy the journal to InfluxDB, and compute the KPIs of the alarm system."""
    from workers.office import run_office

    log_to_terminal("office")
    chosen = settings()
    run_office(chosen, catalogue(chosen))


@pieces.command()
def delivery() -> None:
    """From transitions to people."""
    from alerts.delivery import serve
    from storage.references import resolve

    log_to_terminal("delivery")
    chosen = settings()
    serve(chosen, catalogue(chosen), resolve)


@pieces.command()
def console() -> None:
    """The alarm console (HTTP)."""
    from alerts.console.app import serve

    log_to_terminal("console")
    chosen = settings()
    serve(chosen, catalogue(chosen))


@pieces.command()
def watchdog(
    every: Annotated[float, typer.Option(min=0.1, hidden=True, help="Seconds between canaries.")] = 10.0,
    fresh: Annotated[float, typer.Option(min=0.1, hidden=True, help="Seconds a canary is fresh.")] = 30.0,
    alive: Annotated[float, typer.Option(min=0.1, hidden=True, help="Seconds a sign of life is good for.")] = 15.0,
) -> None:
    """Watch the others: canaries, the auditor, the pulse."""
    from alerts.watchdog.checks import Bounds
    from alerts.watchdog.service import Times, Watchdog

    log_to_terminal("watchdog")
    chosen = settings()
    times = Times(canary=every, audit=every / 2, bounds=Bounds(round(fresh * 1000), round(alive * 1000)))
    try:
        dog = Watchdog(chosen, catalogue(chosen), times)
    except ValueError as error:
        raise stop(str(error), UNUSABLE) from error
    dog.run(until_stopped())
