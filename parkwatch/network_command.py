"""``parkwatch network``: who gives what to whom, what stays in the park, and what does not add up."""

from __future__ import annotations

from typing import Annotated

import typer


def network(
    zone: Annotated[str | None, typer.Option(help="Only what this zone gives, takes or balances.")] = None,
    language: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, both languages.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Who gives what to whom, what of it stays in the park, and what does not add up. 企业间交换网络与平衡。"""
    # NumPy takes a moment to load, which no other command should have to wait for.
    from parkwatch.networking import run

    run(zone, language, as_json=as_json)
