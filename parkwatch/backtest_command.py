"""``parkwatch backtest``: what would have alarmed, by the limits in force and by others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def backtest(  # noqa: PLR0913, PLR0917 - options
    limits: Annotated[
        Path | None,
        typer.Option(help="The new limits: a configuration folder, or one file in place of that of the same name."),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="28d (before now), 2026-11-01 or 2026-11-01T08:00, China's time.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="The same; left out: now, or the end of the file.")] = None,
    zone: Annotated[str | None, typer.Option(help="Only this zone.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Take the history from a CSV file.")] = None,
    map_: Annotated[
        Path | None, typer.Option("--map", help="With --csv: which column is which sensor, as in config/maps/.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="The new limits as they will be in force on this day, such as 2031-01-01.")
    ] = None,
    days: Annotated[bool, typer.Option("--days", help="Say what was on each day.")] = False,  # noqa: FBT002 - a flag
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, every occurrence included.")] = False,  # noqa: FBT002
) -> None:
    """What would have alarmed: the limits in force beside others, over stored or recorded history."""
    # NumPy takes a moment to load, which no other command should have to wait for.
    from parkwatch.backtesting import Asked, run

    run(Asked(limits, from_, to, zone, csv, map_, as_of, days=days, as_json=as_json))
