"""``parkwatch figures``: what enterprises report: imports, what there is, a table to fill in."""

from __future__ import annotations

import csv
import hashlib
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from park import periods, reporting
from park.catalogue import Catalogue
from park.figures import Book, FigureDefinition, FigureKind, Reported
from park.flows import Enterprise
from park.periods import Period
from park.reporting import Report
from park.rows import CHINA, suggestion
from park.wording import names as both
from park.wording import number
from parkwatch import evaluating
from parkwatch.desk import UNUSABLE, catalogue, database, err, out, settings, stop
from storage import tables
from storage.clock import SystemClock
from storage.influx import Influx, InfluxUnavailable, LinesRejected
from storage.reported import Import, ReportedStore
from storage.settings import Settings

figures = typer.Typer(no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_By = Annotated[str, typer.Option(help="Who does it; the record keeps it.")]
_Language = Annotated[str, typer.Option(help="zh or en.")]

_LONGEST = 200
_DIGEST = 16


@figures.command(name="import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX: a row per enterprise and period, a column per figure.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check; import nothing.")] = False,  # noqa: FBT002
    sheet: Annotated[str | None, typer.Option(help="Which sheet of a spreadsheet that has several.")] = None,
    by: _By = "parkwatch",
    as_json: _Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Import what enterprises report: all of the file, or, if anything in it is wrong, nothing."""
    by = _said("--by", by)
    chosen = settings()
    park = catalogue(chosen)
    if not park.economy.figures or not park.economy.enterprises:
        raise stop("figures.yaml and enterprises.yaml say what is reported by whom; one of them is missing", UNUSABLE)
    now = SystemClock().now()
    content = _table(file, sheet)
    before = _before(chosen, park, needed=not dry_run)
    report = reporting.read_table(content, park.economy.figures, park.economy.enterprises, now, before)
    if report.troubles:
        _refuse(file, report, as_json=as_json)
    _doubts(report, as_json=as_json)
    done: Import | None = None
    if not dry_run:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:_DIGEST]
        with database(chosen) as influx:
            done = ReportedStore(influx).add(report.reported, now, by, file.name, digest)
    _print_import(report, done, park, as_json=as_json)
    if done:
        with database(chosen) as influx:
            evaluating.renew(park, report.reported, influx, now)


@figures.command(name="list")
def list_figures(
    enterprise: Annotated[str | None, typer.Option(help="Only of this enterprise.")] = None,
    figure: Annotated[str | None, typer.Option(help="Only this figure.")] = None,
    year: Annotated[int | None, typer.Option(min=2000, max=2099, help="Only of this year.")] = None,
    as_json: _Json = False,  # noqa: FBT002 - a flag
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """List what has been reported and counts; with nothing to choose from, what can be reported."""
    chosen = settings()
    park = catalogue(chosen)
    _check("enterprise", enterprise, list(park.economy.enterprises))
    _check("figure", figure, list(park.economy.figures))
    with database(chosen) as influx:
        known = ReportedStore(influx).all([enterprise] if enterprise else [])
    span = periods.year(year) if year else None
    found = [
        each
        for each in known
        if each.figure in park.economy.figures
        and figure in {None, each.figure}
        and (span is None or (each.begin < span.end and each.end > span.begin))
    ]
    if as_json:
        _print_json([_shown(each, park.economy.figures[each.figure]) for each in found])
    elif as_csv:
        writer = csv.writer(sys.stdout)
        rows = [_shown(each, park.economy.figures[each.figure]) for each in found]
        writer.writerow(["enterprise", "figure", "period", "value", "unit"])
        writer.writerows(list(row.values()) for row in rows)
    else:
        _print_reported(park, found, everything=enterprise is None and figure is None and year is None)


@figures.command()
def imports(as_json: _Json = False) -> None:  # noqa: FBT002 - a flag
    """List the imports, the latest first."""
    with database(settings()) as influx:
        found = ReportedStore(influx).imports()
    if as_json:
        _print_json(found)
        return
    for each in found:
        gone = f"; withdrawn by {each.withdrawn_by}: {each.why}" if not each.counts else ""
        _line(f"{each.id}  {_time(each.at)}  {each.file}  {each.values} values, by {each.by}{gone}")
    _line(f"{len(found)} imports")


@figures.command()
def withdraw(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `parkwatch figures imports` tells it.")],
    by: Annotated[str, typer.Option(help="Who withdraws it.")],
    why: Annotated[str, typer.Option(help="Why: what is wrong with it.")],
) -> None:
    """Let an import count no more: what had been reported before it counts again."""
    by, why = _said("--by", by), _said("--why", why)
    chosen = settings()
    park = catalogue(chosen)
    with database(chosen) as influx:
        store = ReportedStore(influx)
        known = {each.id: each for each in store.imports()}
        if id_ not in known:
            raise stop(f"there is no import {id_}; `parkwatch figures imports` lists them", UNUSABLE)
        if not known[id_].counts:
            raise stop(f"{id_} has been withdrawn by {known[id_].withdrawn_by} already")
        before = set(store.all())
        gone = store.withdraw(known[id_], by, why)
        evaluating.renew(park, before ^ set(store.all()), influx, SystemClock().now())
    _line(f"{gone.id} ({gone.file}, {gone.values} values) counts no more")


@figures.command()
def template(
    period: Annotated[str, typer.Argument(help="2026-03, 2026Q1, 2026H1, 2026 or 2026-01..03.")],
    zone: Annotated[str | None, typer.Option(help="Only enterprises of this zone.")] = None,
    language: _Language = "zh",
) -> None:
    """Print a CSV to fill in: a row per enterprise, a column per figure."""
    park = catalogue(settings())
    _check("zone", zone, list(park.zones))
    _check("language", language, ["zh", "en"])
    try:
        span = periods.period(period)
    except ValueError as error:
        raise stop(str(error), UNUSABLE) from error
    chosen = {name: each for name, each in park.economy.enterprises.items() if zone in {None, each.zone}}
    # Without the mark a spreadsheet on a Chinese desktop takes it for GBK.
    sys.stdout.write("\N{ZERO WIDTH NO-BREAK SPACE}")
    csv.writer(sys.stdout).writerows(reporting.template(park.economy.figures, chosen, span, language))


# --- details -----------------------------------------------------------------------------------------------------


def _table(file: Path, sheet: str | None) -> list[list[reporting.Cell]]:
    try:
        return tables.read(file, sheet)
    except tables.TableError as error:
        raise stop(str(error), UNUSABLE) from error


def _before(chosen: Settings, park: Catalogue, *, needed: bool) -> Book | None:
    """Return what had been reported; a check alone does without if InfluxDB is away."""
    if needed:
        with database(chosen) as influx:
            return ReportedStore(influx).book(park.economy.figures)
    influx = Influx(chosen.influx_url, chosen.influx_db, chosen.influx_token)
    try:
        return ReportedStore(influx).book(park.economy.figures)
    except (InfluxUnavailable, LinesRejected) as error:
        err.print(f"not compared with what was reported before: {error}", markup=False, highlight=False, soft_wrap=True)
        return None
    finally:
        influx.close()


def _refuse(file: Path, report: Report, *, as_json: bool) -> None:
    if as_json:
        _print_json({"imported": None, "troubles": report.troubles, "doubts": report.doubts})
    else:
        for trouble in report.troubles:
            err.print(f"{file.name}, {trouble}", markup=False, highlight=False, soft_wrap=True)
    count = len(report.troubles)
    raise stop(f"{count} problem{'s' * (count != 1)}; nothing was imported", UNUSABLE)


def _doubts(report: Report, *, as_json: bool) -> None:
    if not as_json:
        for doubt in report.doubts:
            err.print(f"look again: {doubt}", markup=False, highlight=False, soft_wrap=True)


def _print_import(report: Report, done: Import | None, park: Catalogue, *, as_json: bool) -> None:
    if as_json:
        _print_json({"imported": done, "values": len(report.reported), "troubles": [], "doubts": report.doubts})
        return
    spans = sorted({Period(each.begin, each.end, periods.span(each.begin, each.end)) for each in report.reported})
    who = len({each.enterprise for each in report.reported})
    told = f"{len(report.reported)} values of {who} enterprises for {spans[0].text} to {spans[-1].text}"
    missing = list(reporting.untold(report.reported, park.economy.figures))
    if missing:
        _line(f"not in the file: {', '.join(missing)}")
    _line(f"imported {told}, as {done.id}" if done else f"{told}: no problems; nothing was imported (--dry-run)")


def _print_reported(park: Catalogue, found: list[Reported], *, everything: bool) -> None:
    if everything:
        for definition in park.economy.figures.values():
            _line(_definition(definition))
        counts = {each.enterprise for each in found}
        _line(f"{len(park.economy.figures)} figures; {len(found)} values reported by {len(counts)} enterprises")
        return
    for each in found:
        who = _who(park.economy.enterprises.get(each.enterprise), each.enterprise)
        definition = park.economy.figures[each.figure]
        _line(f"{_span(each)}  {who}  {both(definition.names)}: {_value(each, definition)}")
    _line(f"{len(found)} values")


def _definition(figure: FigureDefinition) -> str:
    unit = f", {both(figure.unit_names)}" if figure.unit else ""
    choices = f": {', '.join(figure.choices)}" if figure.choices else ""
    also = f"; also {', '.join(figure.also)}" if figure.also else ""
    return f"{figure.name}  {both(figure.names)} ({figure.kind}{unit}{choices}){also}"


def _who(enterprise: Enterprise | None, name: str) -> str:
    return both(enterprise.names) if enterprise else f"{name} (not in enterprises.yaml)"


def _span(each: Reported) -> str:
    return Period(each.begin, each.end, periods.span(each.begin, each.end)).text


def _value(each: Reported, definition: FigureDefinition) -> str:
    match definition.kind:
        case FigureKind.FLAG:
            return "是 / yes" if each.value else "否 / no"
        case FigureKind.CHOICE:
            words = definition.choices.get(each.text)
            return both(words) if words else each.text
        case _:
            return f"{number(each.value)} {both(definition.unit_names)}"


def _shown(each: Reported, definition: FigureDefinition) -> dict[str, Any]:
    value: object = each.value
    if definition.kind is FigureKind.FLAG:
        value = bool(each.value)
    elif definition.kind is FigureKind.CHOICE:
        value = each.text
    told = (each.enterprise, each.figure, _span(each), value, definition.unit)
    return dict(zip(("enterprise", "figure", "period", "value", "unit"), told, strict=True))


def _check(what: str, word: str | None, known: list[str]) -> None:
    if word is not None and word not in known:
        raise stop(f"there is no {what} {word}; {suggestion(word, known)}", UNUSABLE)


def _said(option: str, text: str) -> str:
    said = " ".join(text.split())
    if not said or len(said) > _LONGEST:
        raise stop(f"{option} is {'empty' if not said else 'too long'}: the record keeps it", UNUSABLE)
    return said


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, CHINA).strftime("%Y-%m-%d %H:%M")


def _print_json(content: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")


def _line(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
