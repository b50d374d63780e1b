"""The work of ``parkwatch backtest``: fetch a history, run it through both sets of limits, print what came of it."""

from __future__ import annotations

import datetime as dt
import re
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from field.past import RecordedPast
from field.recording import prepare
from field.replay_map import ReplayInputError
from park.backtest import Backtest, Burden, Outcome, Park, Report, Row, Subject, Verdict, day_text
from park.carrying import FLOW
from park.catalogue import Catalogue
from park.means import DAY, DAY_BEGINS, HOUR, MINUTE
from park.oncall import operators
from park.rows import suggestion
from park.vector import Stretch
from parkwatch.desk import UNUSABLE, catalogue, connected, err, out, settings, stop
from storage.candidates import CandidateError, candidate
from storage.clock import SystemClock
from storage.configuration import ConfigurationError
from storage.directory import Directory
from storage.influx import Influx, InfluxUnavailable, LinesRejected
from storage.past import TIMEOUT, StoredPast
from storage.settings import Settings

_UNITS = {"m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(_UNITS)})")
_PARK = dt.timezone(dt.timedelta(milliseconds=DAY_BEGINS))
_STORED = 28 * DAY


class Past(Protocol):
    """Where a history comes from: InfluxDB or a CSV file."""

    begin: int
    end: int

    def subjects(self, zone: str | None = None) -> list[Subject]:
        """Return the series, those of ``zone`` only if one is given."""

    def pieces(self, subject: Subject) -> int:
        """Return how many stretches there will be."""

    def stretches(self, subject: Subject) -> Iterator[Stretch]:
        """Yield the readings of a series in order."""


@dataclass(frozen=True)
class Asked:
    """The options of the command, as they were written."""

    limits: Path | None
    from_: str | None
    to: str | None
    zone: str | None
    csv: Path | None
    map_: Path | None
    as_of: str | None
    days: bool
    as_json: bool


def run(asked: Asked) -> None:
    """Run the backtest and print what came of it; ends the process if it can't be done."""
    chosen = settings()
    park = catalogue(chosen)
    if asked.zone is not None and asked.zone not in park.zones:
        raise stop(f"there is no zone {asked.zone}; {suggestion(asked.zone, park.zones)}", UNUSABLE)
    now = SystemClock().now()
    new = Park(_new(chosen, park, asked.limits), _moment(asked.as_of, now) if asked.as_of else now)
    span = (_moment(asked.from_, now) if asked.from_ else None, _moment(asked.to, now) if asked.to else None)
    test = Backtest(Park(park, now), new, keep=asked.as_json)
    began = time.perf_counter()
    with _past(chosen, park, asked.csv, asked.map_, span) as past:
        if past.begin >= past.end:
            raise stop("there is no time between --from and --to; write the earlier one as --from", UNUSABLE)
        _run(test, past, asked.zone)
    took = time.perf_counter() - began
    report = test.report(past.begin, past.end, lambda name: operators(park.oncall, name, now))
    if asked.as_json:
        _print_json(report, took)
        return
    if not report.series:
        raise stop("there are no readings in that time; `parkwatch sensors` lists who sends any")
    _print(report, days=asked.days)
    _line(f"{report.readings:,} readings of {report.series} series in {took:.1f} s")


def _run(test: Backtest, past: Past, zone: str | None) -> None:
    subjects = past.subjects(zone)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # On standard error: what is printed may go into a file.
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=sum(past.pieces(subject) for subject in subjects))

        def told(subject: Subject) -> Iterator[Stretch]:
            bar.update(task, description=escape(subject.series))
            for stretch in past.stretches(subject):
                yield stretch
                bar.advance(task)

        known = {subject.series: subject for subject in subjects}
        for subject in subjects:
            sensor, quantity = subject.series.rsplit("/", 1)
            flow = known.get(f"{sensor}/{FLOW}") if quantity != FLOW else None
            test.run(subject, told(subject), past.end, partial(past.stretches, flow) if flow else None)


# --- what is asked ---------------------------------------------------------------------------------------------


def _new(chosen: Settings, park: Catalogue, limits: Path | None) -> Catalogue:
    if limits is None:
        return park
    try:
        new = candidate(chosen.config, limits).load()
    except CandidateError as error:
        raise stop(str(error), UNUSABLE) from error
    except ConfigurationError as error:
        raise stop("\n".join(map(str, error.problems)), UNUSABLE) from error
    for name, quantity in new.quantities.items():
        known = park.quantities.get(name)
        if known and known.unit != quantity.unit:
            raise stop(
                f"{limits}: {name} is in {quantity.unit} there and was stored in {known.unit}; "
                f"write {known.unit} as its unit in quantities.yaml (limits may be in any unit)",
                UNUSABLE,
            )
    return new


def _moment(text: str, now: int) -> int:
    duration = _DURATION.fullmatch(text.strip())
    if duration:
        return now - round(float(duration[1]) * _UNITS[duration[2]])
    try:
        moment = dt.datetime.fromisoformat(text.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=_PARK)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        message = f"{text!r} is neither a duration nor a day: write 28d, 2026-11-01 or 2026-11-01T08:00"
        raise stop(message, UNUSABLE) from None


@contextmanager
def _past(
    chosen: Settings, park: Catalogue, csv: Path | None, map_: Path | None, span: tuple[int | None, int | None]
) -> Iterator[Past]:
    if (csv is None) != (map_ is None):
        missing = "--map, such as config/maps/air_quality_uci.yaml" if csv else "--csv, the file that the map is of"
        raise stop(f"write also {missing}", UNUSABLE)
    if csv is not None and map_ is not None:
        try:
            yield RecordedPast(prepare(csv, map_, park), park, *span)
        except ReplayInputError as error:
            raise stop("\n".join(map(str, error.problems)), UNUSABLE) from error
        return
    now = SystemClock().now()
    begin, end = span
    with closing(Influx(chosen.influx_url, chosen.influx_db, chosen.influx_token, TIMEOUT)) as influx:
        try:
            end = now if end is None else end
            yield StoredPast(
                influx, _sensors(chosen), park.settings.interval, end - _STORED if begin is None else begin, end
            )
        except InfluxUnavailable as error:
            raise stop(f"{error}; is parkwatch running? `parkwatch doctor` says more") from error
        except LinesRejected as error:
            raise stop(f"InfluxDB does not give the readings: {error}") from error


def _sensors(chosen: Settings) -> dict[str, Any]:
    with connected(chosen) as client:
        return dict(Directory(client).all())


# --- what is printed -------------------------------------------------------------------------------------------


def _print(report: Report, *, days: bool) -> None:
    _line(f"{_time(report.begin)} to {_time(report.end)}, China's time; in force → new where they differ")
    out.print(_limits_table(report.rows))
    if days:
        out.print(_days_table(report.rows))
    out.print(_zones_table(report))
    if report.left_out:
        _line(f"not in it, since a load takes two series at once: {', '.join(report.left_out)}")


def _limits_table(rows: list[Row]) -> Table:
    table = Table("limit", "set-points", "occurrences", "stood", "longest", "above", "of", "worst day")
    for row in rows:
        name = f"{row.limit}{' *' if row.changed else ''}\n{row.names.zh} {row.names.en}"
        table.add_row(
            escape(name),
            _both(row, _set_points),
            _both(row, lambda each: f"{each.outcome.occurrences:,}{' (stands)' if each.outcome.standing else ''}"),
            _both(row, lambda each: _duration(each.outcome.duration)),
            _both(row, lambda each: _duration(each.outcome.longest)),
            _both(row, lambda each: _count(each.outcome.above)),
            _both(row, lambda each: _count(each.outcome.judged)),
            _both(row, lambda each: _worst_day(each.outcome)),
        )
    return table


def _both(row: Row, shown: Any) -> str:  # noqa: ANN401 - a function of a verdict
    old = shown(row.in_force) if row.in_force else "-"
    new = shown(row.new) if row.new else "-"
    return escape(old if old == new else f"{old} → {new}")


def _set_points(verdict: Verdict) -> str:
    numbers = ", ".join(f"{at:g}" for at in verdict.at)
    return f"{numbers} {verdict.unit}".strip() if numbers else ""


def _worst_day(outcome: Outcome) -> str:
    """Name the day on which alarms stood longest."""
    begin, day = max(outcome.days.items(), key=lambda item: item[1].duration, default=(0, None))
    return f"{day_text(begin)}: {_duration(day.duration)}" if day and day.duration else ""


def _days_table(rows: list[Row]) -> Table:
    table = Table("day", "limit", "occurrences", "stood", "above")
    known: dict[int, list[tuple[str, Outcome | None, Outcome | None]]] = {}
    for row in rows:
        old, new = (each.outcome if each else None for each in (row.in_force, row.new))
        for begin in {*(old.days if old else ()), *(new.days if new else ())}:
            known.setdefault(begin, []).append((row.limit, old, new))
    for begin in sorted(known):
        for name, old, new in known[begin]:
            cells = [_day_cells(outcome, begin) for outcome in (old, new)]
            both = (before if before == after else f"{before} → {after}" for before, after in zip(*cells, strict=True))
            table.add_row(day_text(begin), escape(name), *both)
    return table


def _day_cells(outcome: Outcome | None, begin: int) -> tuple[str, str, str]:
    day = outcome.days.get(begin) if outcome else None
    if outcome is None or day is None:
        return "-", "-", "-"
    return str(day.occurrences), _duration(day.duration), "-" if outcome.above is None else str(day.above)


def _zones_table(report: Report) -> Table:
    table = Table("zone", "pages", "most in 10 min", "floods", "in flood")
    for row in report.zones:
        cells = [_burden_cells(burden) for burden in (row.in_force, row.new)]
        both = (before if before == after else f"{before} → {after}" for before, after in zip(*cells, strict=True))
        table.add_row(row.zone, *both)
    return table


def _burden_cells(burden: Burden) -> tuple[str, str, str, str]:
    length = sum(flood.end - flood.begin for flood in burden.floods)
    return f"{burden.announced:,}", f"{burden.most:,}", f"{len(burden.floods):,}", _duration(length)


def _print_json(report: Report, took: float) -> None:
    content = {"seconds": round(took, 3), **msgspec.to_builtins(report)}
    verdicts = (row[which] for row in content["rows"] for which in ("in_force", "new"))
    for verdict in verdicts:
        if verdict:
            outcome = verdict["outcome"]
            outcome["days"] = {day_text(begin): day for begin, day in sorted(outcome["days"].items())}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")


def _duration(ms: int) -> str:
    if ms >= HOUR:
        return f"{ms / HOUR:,.1f} h"
    return f"{ms / MINUTE:.1f} min" if ms else "0"


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _time(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, _PARK).strftime("%Y-%m-%d %H:%M")


def _line(text: str) -> None:
    """Print a line as it is: a narrow terminal and a pipe cut nothing."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)
