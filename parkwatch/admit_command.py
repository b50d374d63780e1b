"""``parkwatch admit``: a planned project against the zone's negative list, thresholds and what is left of its loads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import redis
import typer

from park import admission, periods
from park.admission import (
    FINDINGS,
    OUTCOMES,
    BannedQuantity,
    Basis,
    Evidence,
    Finding,
    Headroom,
    Outcome,
    Project,
    Verdict,
)
from park.admission_building import project as read_project
from park.budgets import begin_of
from park.catalogue import Catalogue
from park.limits import Kind, Limit, Period
from park.rows import suggestion
from park.words import Names
from parkwatch.desk import FAILED, UNUSABLE, catalogue, err, out, settings, stop
from parkwatch.load_command import Stand, stands
from storage.clock import SystemClock
from storage.configuration import Alone, ConfigurationError, Problem
from storage.influx import Influx, InfluxUnavailable, LinesRejected
from storage.queue import redis_client
from storage.reported import ReportedStore
from storage.settings import Settings

#: Exit code: there are conditions, or something is missing: a person has to look.
DEPENDS = 3

_CODES = {
    Outcome.ADMITTED: 0,
    Outcome.REFUSED: FAILED,
    Outcome.CONDITIONAL: DEPENDS,
    Outcome.UNDECIDED: DEPENDS,
}
_UNVERIFIED = Names("未核实", "unverified")


def admit(
    file: Annotated[Path, typer.Argument(metavar="PROJECT.yaml", help="What is planned (docs/admission.md).")],
    language: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Check a planned project; exits 0 if it is admitted, 1 if refused, 3 if there are conditions or gaps."""
    if language not in {"zh", "en"}:
        raise stop(f"there is no language {language}; {suggestion(language, ['zh', 'en'])}", UNUSABLE)
    chosen = settings()
    park = catalogue(chosen)
    project = _read(file, park)
    verdict = admission.check(park.economy.access, project, _evidence(chosen, park, project))
    if as_json:
        content = {"project": project, "verdict": verdict}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")
    else:
        _show(park, project, verdict, language)
    raise typer.Exit(_CODES[verdict.outcome])


def _read(file: Path, park: Catalogue) -> Project:
    """Return the project in ``file``; ends the command with all that is wrong with it."""
    try:
        alone = Alone(file, "project")
    except ConfigurationError as error:
        raise _unusable(file, error.problems) from error
    found, problems = read_project(alone.content, park.economy.access, park.zones, park.quantities)
    if found is None:
        raise _unusable(file, alone.located(problems))
    return found


def _unusable(file: Path, problems: list[Problem]) -> typer.Exit:
    for problem in problems:
        err.print(str(problem), markup=False, highlight=False, soft_wrap=True)
    count = len(problems)
    return stop(f"{count} problem{'s' * (count != 1)} in {file}; nothing was checked", UNUSABLE)


# --- what is known besides the project ---------------------------------------------------------------------------


def _evidence(chosen: Settings, park: Catalogue, project: Project) -> Evidence:
    now = SystemClock().now()
    limits = [
        limit
        for limit in park.limits
        if limit.valid_at(now) and (not limit.match.zones or project.zone in limit.match.zones)
    ]
    return Evidence(
        banned=[*_banned(park, limits)],
        budgets=_budgets(chosen, park, project.zone, limits, now),
        means=_means(chosen, park, project.zone, now),
    )


def _banned(park: Catalogue, limits: list[Limit]) -> Iterator[BannedQuantity]:
    for limit in limits:
        if limit.kind is Kind.NEGATIVE_LIST:
            for quantity in limit.match.quantities:
                yield BannedQuantity(quantity, park.quantities[quantity].names, limit.names, _basis(limit))


def _basis(limit: Limit) -> Basis:
    return Basis(limit.source, limit.clause, limit.provenance)


def _budgets(chosen: Settings, park: Catalogue, zone: str, limits: list[Limit], now: int) -> list[Headroom] | None:
    """Return how the zone's budgets stand; ``None`` if Redis, which knows, is away."""
    client = redis_client(chosen.redis_url)
    try:
        found = [stand for stand in stands(client, park) if stand.series.startswith(f"{zone}/")]
    except redis.RedisError as error:
        err.print(f"Redis does not answer ({error})", markup=False, highlight=False, soft_wrap=True)
        return None
    finally:
        client.close()
    granted = [limit for limit in limits if limit.kind is Kind.BUDGET]
    known = {limit.id: [stand for stand in found if stand.limit == limit.id] for limit in granted}
    measured = [_headroom(park, limit, stand, now) for limit in granted for stand in known[limit.id]]
    return [*measured, *(_headroom(park, limit, None, now) for limit in granted if not known[limit.id])]


def _headroom(park: Catalogue, limit: Limit, stand: Stand | None, now: int) -> Headroom:
    (quantity, *_) = limit.match.quantities
    period = limit.period or Period.YEAR
    return Headroom(
        limit=limit.names,
        quantity=quantity,
        names=park.quantities[quantity].names,
        period=period,
        budget=limit.set_points[-1].at,
        expected=stand.expected if stand else None,
        known=_known(stand, begin_of(period, now), now) if stand else 0.0,
        basis=_basis(limit),
    )


def _known(stand: Stand, begin: int, now: int) -> float:
    """Return which share of the hours since the period began is known: an outfall may have fallen silent since."""
    if stand.begin < begin or now <= begin:
        return 0.0
    return min(1.0, stand.known * (stand.until - stand.begin) / (now - begin))


def _means(chosen: Settings, park: Catalogue, zone: str, now: int) -> dict[str, float]:
    """Return the means of the zone's enterprises in the last whole year, by threshold; none if InfluxDB is away."""
    rules = park.economy.access.zones.get(zone)
    wanted = [rule for rule in rules.thresholds if rule.of_mean] if rules else []
    if not wanted:
        return {}
    influx = Influx(chosen.influx_url, chosen.influx_db, chosen.influx_token)
    try:
        book = ReportedStore(influx).book(park.economy.figures)
    except (InfluxUnavailable, LinesRejected) as error:
        err.print(f"what enterprises report can't be read: {error}", markup=False, highlight=False, soft_wrap=True)
        return {}
    finally:
        influx.close()
    span = periods.year(periods.year_of(now) - 1)
    theirs = [name for name, each in park.economy.enterprises.items() if each.zone == zone]
    means = {rule.id: admission.mean(rule, theirs, book, span.begin, span.end) for rule in wanted}
    return {name: value for name, value in means.items() if value is not None}


# --- the verdict -------------------------------------------------------------------------------------------------


def _show(park: Catalogue, project: Project, verdict: Verdict, language: str) -> None:
    def say(words: Names) -> str:
        return words.get(language)

    _line(f"{say(project.names)}, {say(park.zones[project.zone].names)}")
    _line(f"{say(Names('结论', 'verdict'))}: {say(OUTCOMES[verdict.outcome])}")
    for outcome in Outcome:
        findings = verdict.of(outcome)
        if findings:
            _line(f"{say(FINDINGS[outcome])} ({len(findings)})")
        for finding in findings:
            _line(f"  {say(finding.subject)}: {say(finding.reason)}{_clause(finding, language)}")


def _clause(finding: Finding, language: str) -> str:
    basis = finding.basis
    if basis is None:
        return ""
    unverified = f", {_UNVERIFIED.get(language)}" if basis.provenance == "unverified" else ""
    return f"  [{basis.source}, {basis.clause.get(language)}{unverified}]"


def _line(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
