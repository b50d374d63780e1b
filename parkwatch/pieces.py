"""``parkwatch run PIECE``: one piece of the service in the foreground, until SIGTERM."""

from __future__ import annotations

from typing import Annotated

import typer

from parkwatch.desk import UNUSABLE, catalogue, log_to_terminal, settings, stop
from parkwatch.stopping import until_stopped

pieces = typer.Typer(no_args_is_help=True)


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
