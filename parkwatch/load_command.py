"""``parkwatch limits loads``: what has gone out so far, against what the permit allows, and when that runs out."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated

import msgspec
import redis
import typer

from park import budgets
from park.catalogue import Catalogue
from park.limits import Kind, Limit, Period
from park.rows import CHINA
from park.words import Location, Names
from parkwatch.desk import catalogue, connected, out, settings
from storage.directory import Directory
from storage.overview import Overview
from workers.derived import MEMORY, load_series


class Stand(msgspec.Struct, frozen=True):
    """How a load budget stands; masses in kg, times in ms, ``known`` the share of the hours so far that is known.

    The period began at ``begin``; the latest hour that is known ended at ``until``.

    ``expected`` is the mass at the period's end if it goes on as so far; ``exhausted`` when the budget runs out then,
    or ``None`` if that is after the period, or nothing goes out.
    """

    limit: str
    names: Names
    series: str
    period: Period
    budget: float
    so_far: float
    known: float
    expected: float | None
    exhausted: int | None
    begin: int
    until: int


def loads(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:  # noqa: FBT002 - a flag
    """Say how the load budgets stand: the mass so far, what is to be expected, and when the budget runs out."""
    chosen = settings()
    park = catalogue(chosen)
    with connected(chosen) as client:
        found = stands(client, park)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
        return
    for stand in found:
        out.print(_line(stand), highlight=False, markup=False, soft_wrap=True)
    out.print(f"{len(found)} budgets", highlight=False)


def stands(client: redis.Redis, park: Catalogue) -> list[Stand]:
    """Return how the load budgets of the sensors that there are stand. Raises ``redis.RedisError``."""
    records = Overview(client, park).records()
    return [
        _stand(limit, series, budgets.load_of(records[load_series(series)].memory.get(MEMORY, ())))
        for series, limit in _budgets(park, Directory(client).series(park))
        if load_series(series) in records
    ]


def _budgets(park: Catalogue, series: Mapping[str, Location]) -> Iterator[tuple[str, Limit]]:
    now = time.time_ns() // 1_000_000
    for name, location in series.items():
        for limit in park.limits_for(name, location, now):
            if limit.kind is Kind.BUDGET:
                yield name, limit


def _stand(limit: Limit, series: str, load: budgets.Load) -> Stand:
    period, budget = limit.period or Period.YEAR, limit.set_points[-1].at
    exhausted = budgets.exhausted_at(load, budget)
    within = exhausted is not None and exhausted < budgets.end_of(period, load.begin)
    return Stand(
        limit=limit.id,
        names=limit.names,
        series=series,
        period=period,
        budget=budget,
        so_far=load.kg,
        known=budgets.known_share(load),
        expected=budgets.expected(load, period),
        exhausted=exhausted if within else None,
        begin=load.begin,
        until=load.until,
    )


def _line(stand: Stand) -> str:
    gone = f"{_mass(stand.so_far)} of {_mass(stand.budget)} this {stand.period.value}"
    known = f"{stand.known:.0%} of the hours known"
    ahead = f"{_mass(stand.expected)} to be expected" if stand.expected is not None else "nothing to go by yet"
    day = f"; runs out on {datetime.fromtimestamp(stand.exhausted / 1000, CHINA):%Y-%m-%d}" if stand.exhausted else ""
    return f"{stand.series}  {stand.limit}  {gone} ({known}); {ahead}{day}"


def _mass(kg: float) -> str:
    return f"{kg / 1000:.4g} t" if kg >= 1000 else f"{kg:.4g} kg"  # noqa: PLR2004 - kg in a tonne
