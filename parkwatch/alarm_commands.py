"""``parkwatch alarms``, and what people do to an alarm: acknowledge, shelve, take out of service, reset."""

from __future__ import annotations

import csv
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from park.actions import Acknowledge, Action, Remove, Reset, Restore, Shelve, Unshelve
from park.alarms import Acknowledgement, Event, Refused, Transition
from park.kpis import DAY, HOUR, KPIS, MINUTE, PARK, ROLLING, Figures, Kpi, Latest, day_of, target_text, value_text
from park.words import Names
from parkwatch.desk import catalogue, connected, err, out, settings, stop
from storage.clock import SystemClock
from storage.figures import FigureStore, latest_kpis
from storage.history import History, Journal, shown
from storage.influx import Influx, InfluxUnavailable, LinesRejected
from storage.settings import Settings
from storage.states import ParkStates, Snapshot

alarms = typer.Typer(invoke_without_command=True)
#: What people do: commands of ``parkwatch`` itself.
actions = typer.Typer()

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Zone = Annotated[str | None, typer.Option(help="Only this zone.")]

_UNITS = {"m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(_UNITS)})?")


def _duration(text: str) -> int | None:
    """Return ``90m``, ``2h``, ``7d`` or a number of hours in ms; ``None`` if it is none of them."""
    found = _DURATION.fullmatch(text.strip())
    return round(float(found[1]) * _UNITS[found[2] or "h"]) if found else None


def _since(text: str) -> int:
    now = SystemClock().now()
    length = _duration(text)
    begin = now - length if length is not None else _moment(text)
    if begin is None:
        raise typer.BadParameter(
            f"{text!r} is neither a duration nor a date: write 24h, 7d, 2026-11-01 or 2026-11-01T08:00"
        )
    if begin > now:
        raise typer.BadParameter(f"{text} lies in the future")
    return max(0, begin)


def _moment(text: str) -> int | None:
    try:
        # Without an offset: the time of this machine, as the journal is shown.
        return int(datetime.fromisoformat(text.strip()).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _length(text: str) -> int:
    length = _duration(text)
    if not length:
        raise typer.BadParameter(f"{text!r} is no duration: write 30m, 2h or 1d")
    return length


def _somebody(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("say who: the journal keeps it")
    return text


# --- what there is -------------------------------------------------------------------------------------------


@alarms.callback()
def list_alarms(  # noqa: PLR0913, PLR0917 - options
    context: typer.Context,
    zone: _Zone = None,
    journal: Annotated[bool, typer.Option("--journal", help="What happened, newest first.")] = False,  # noqa: FBT002
    since: Annotated[
        str, typer.Option(help="With --journal: 24h, 7d, 2026-11-01 or 2026-11-01T08:00 (a bare number: hours).")
    ] = "24h",
    event: Annotated[Event | None, typer.Option(help="With --journal: only this event.")] = None,
    most: Annotated[int, typer.Option(min=1, help="With --journal: at most so many.")] = 200,
    as_json: _Json = False,  # noqa: FBT002 - a flag
    as_csv: Annotated[bool, typer.Option("--csv", help="With --journal: print CSV.")] = False,  # noqa: FBT002
) -> None:
    """List the alarms that are not normal; or the journal."""
    if context.invoked_subcommand:
        return
    if journal:
        found, incomplete = _read_journal(_since(since), zone, event, most + 1)
        _print_journal(found, most, as_json=as_json, as_csv=as_csv)
        if incomplete:
            raise stop(incomplete)
        return
    chosen = settings()
    with connected(chosen) as client:
        states = ParkStates(client, catalogue(chosen))
        active = [alarm for alarm in states.alarms() if zone is None or alarm.zone == zone]
    if as_json:
        _print_json(active)
    else:
        _print_alarms(active)


def _read_journal(since: int, zone: str | None, event: Event | None, most: int) -> tuple[list[Transition], str]:
    """Return the newest transitions, and what is missing of them if something is."""
    chosen = settings()
    found: list[Transition] = []
    with connected(chosen) as client, _influx(chosen) as influx:
        every = Journal(client, History(influx)).transitions(since, zone)
        wanted = (transition for transition in every if event is None or transition.event is event)
        try:
            # One by one: what was read before InfluxDB turned out to be away is shown.
            for transition in itertools.islice(wanted, most):
                found.append(transition)  # noqa: PERF402
        except InfluxUnavailable as error:
            return found, f"{error}: what is older than this is there and can't be read now"
        except LinesRejected as error:
            err.print(f"InfluxDB holds no journal yet ({error})", markup=False, highlight=False, soft_wrap=True)
    return found, ""


@contextmanager
def _influx(chosen: Settings) -> Iterator[Influx]:
    with closing(Influx(chosen.influx_url, chosen.influx_db, chosen.influx_token)) as influx:
        yield influx


# --- the journal, as people and programs read it -------------------------------------------------------------

_COLUMNS = (
    *("at", "t", "alarm", "event", "before", "after", "severity", "priority", "occurrence", "version"),
    *("value", "set_point", "unit", "by", "why", "limit_version", "source", "clause_zh", "clause_en"),
    *("notify", "chattering", "first_up", "stuck_at"),
)


def _row(transition: Transition) -> dict[str, Any]:
    """Return the transition with its value and set-point in ``unit``."""
    row: dict[str, Any] = msgspec.to_builtins(transition)
    scale = row.pop("scale")
    return {**row, "value": shown(transition.value, scale), "set_point": shown(transition.set_point, scale)}


def _print_journal(found: Sequence[Transition], most: int, *, as_json: bool, as_csv: bool) -> None:
    told = found[:most]
    if as_json:
        _print_json([_row(transition) for transition in told])
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(_COLUMNS)
        writer.writerows(map(_cells, told))
    else:
        for transition in told:
            _line(_told(transition))
        more = f" (there are more: --most {most * 5})" if len(found) > most else ""
        _line(f"{len(told)} transitions{more}")


def _cells(transition: Transition) -> list[Any]:
    row = _row(transition)
    clause = row["clause"]
    row |= {
        "at": _stamp(transition.at),
        "t": _stamp(transition.t),
        "clause_zh": clause["zh"],
        "clause_en": clause["en"],
    }
    return [row[name] for name in _COLUMNS]


def _told(transition: Transition) -> str:
    states = f"{transition.before.value:>5} → {transition.after.value:5}"
    value = _number(shown(transition.value, transition.scale), transition.unit) if transition.value is not None else ""
    value = value if transition.stuck_at is None else f"{transition.stuck_at:g} for {value}"
    words = [_time(transition.at), f"{transition.event:12}", states, transition.alarm, value]
    return "  ".join([*words, transition.by, " ".join(transition.why.split())]).rstrip()


def _print_alarms(active: Sequence[Snapshot]) -> None:
    for alarm in active:
        value, set_point = _number(alarm.value, alarm.unit), _number(alarm.set_point, alarm.unit)
        value = value if alarm.stuck_at is None else f"unchanged at {alarm.stuck_at:g} for {value}"
        what = alarm.why if alarm.set_point is None else f"{value}, set-point {set_point}"
        _line(f"{alarm.priority:8} {alarm.state.value:5}  {alarm.alarm}")
        seen = f"occurrence {alarm.occurrence}, version {alarm.version}"
        _line(f"                {what}; since {_time(alarm.raised_at)}; {seen}{_kept_from_people(alarm)}")
    _line(f"{len(active)} alarms" if active else "no alarms")


def _kept_from_people(alarm: Snapshot) -> str:
    """Say by whom and why people do not hear of the alarm."""
    parts = []
    if removal := alarm.out_of_service:
        parts.append(f"out of service by {removal.by}: {removal.why}")
    if alarm.suppressed:
        parts.append(f"suppressed by {alarm.suppressed}")
    if shelving := alarm.shelved:
        parts.append(f"shelved until {_time(shelving.until)} by {shelving.by}: {shelving.why}")
    return "".join(f"; {' '.join(part.split())}" for part in parts)


# --- KPIs ----------------------------------------------------------------------------------------------------

_DAILY = ("announced", "average", "maximum", "floods", "chattering", "stale", "top_share", "acknowledged_in_time")


@alarms.command()
def kpi(
    zone: _Zone = None,
    days: Annotated[int, typer.Option(min=0, help="So many days, beside the rolling windows.")] = 7,
    as_json: _Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Show how well the alarm system itself does, with its targets (docs/kpis.md)."""
    chosen = settings()
    with connected(chosen) as client:
        latest = latest_kpis(client)
    if latest is None:
        raise stop("no KPIs have been computed yet: are `parkwatch run office` and beat running?")
    if zone is not None and zone not in latest.zones:
        raise stop(f"there are no KPIs of {zone}; write one of {', '.join(latest.zones)}")
    # The whole park first.
    wanted = [zone] if zone else sorted(latest.zones, key=lambda name: (name != PARK, name))
    daily, missing = _read_days(chosen, wanted, days)
    if as_json:
        _print_json(_kpi_json(latest, wanted, daily))
    else:
        _print_kpis(latest, wanted, daily)
    if missing:
        raise stop(missing)


def _read_days(chosen: Settings, zones: Sequence[str], days: int) -> tuple[dict[str, list[Figures]], str]:
    """Return the days' figures by zone, and what is missing of them if something is."""
    if not days:
        return {}, ""
    since = day_of(SystemClock().now()) - (days - 1) * DAY
    with _influx(chosen) as influx:
        store = FigureStore(influx)
        try:
            return {zone: store.days(zone, since) for zone in zones}, ""
        except (InfluxUnavailable, LinesRejected) as error:
            return {}, f"{error}: the days are not shown"


def _kpi_json(latest: Latest, zones: Sequence[str], daily: dict[str, list[Figures]]) -> dict[str, Any]:
    return {
        "at": latest.at,
        "since": latest.since,
        "targets": KPIS,
        "zones": {zone: {"rolling": latest.zones[zone], "days": daily.get(zone, [])} for zone in zones},
    }


def _print_kpis(latest: Latest, zones: Sequence[str], daily: dict[str, list[Figures]]) -> None:
    for zone in zones:
        rolling = latest.zones[zone]
        people = next((figures.operators for figures in rolling.values()), 1)
        title = "the whole park 全园区" if zone == PARK else zone
        _line(f"{title}: {people} operator{'s' * (people != 1)}, as of {_time(latest.at)}; ! misses its target")
        table = Table("KPI", "target", *ROLLING)
        for row in KPIS:
            cells = [_cell(row, rolling[window]) if window in rolling else "" for window in ROLLING]
            table.add_row(_words(row.names), target_text(row), *cells)
        out.print(table, markup=False)
        _print_days(daily.get(zone, []))
        _print_lists(rolling)


def _print_days(days: Sequence[Figures]) -> None:
    if not days:
        return
    rows = [row for row in KPIS if row.name in _DAILY]
    table = Table("day (UTC+8)", *(_words(row.names) for row in rows))
    for figures in days:
        date = datetime.fromtimestamp((figures.since + 8 * HOUR) / 1000, UTC).date().isoformat()
        table.add_row(date, *(_cell(row, figures) for row in rows))
    out.print(table, markup=False)


def _print_lists(rolling: dict[str, Figures]) -> None:
    """Name the alarms that it is worth to begin with: those of a week, and those that are stale now."""
    week = rolling.get("7d")
    if week is None:
        return
    for count in week.top:
        _line(f"most frequent in 7 d: {count.count} x {count.alarm}")
    for count in week.chatterers:
        _line(f"chattering in 7 d: {count.alarm}")
    for standing in week.stale_alarms:
        _line(f"stale: {standing.alarm}, for {standing.duration / HOUR:.0f} h")


def _cell(row: Kpi, figures: Figures) -> str:
    missed = " !" if row.met(figures) is False else ""
    return f"{value_text(row, row.value(figures))}{missed}"


def _words(names: Names) -> str:
    return f"{names.zh} {names.en}"


# --- what people do ------------------------------------------------------------------------------------------

_Alarm = Annotated[str, typer.Argument(help="Alarm id, as `parkwatch alarms` shows it.")]
_By = Annotated[str, typer.Option(help="Who does it.", callback=_somebody)]
_Why = Annotated[str, typer.Option(help="Why; the journal keeps it.")]


@actions.command()
def ack(
    alarm: _Alarm,
    by: Annotated[str, typer.Option(help="Who acknowledges.", callback=_somebody)],
    comment: Annotated[str, typer.Option(help="Why, or what was done.")] = "",
    occurrence: Annotated[int | None, typer.Option(help="The occurrence you saw (default: the current one).")] = None,
    version: Annotated[int | None, typer.Option(help="The version you saw (default: the current one).")] = None,
) -> None:
    """Acknowledge an alarm."""
    with _states() as states:
        current = states.alarm(alarm)
        if current is None:
            raise stop(f"no alarm {alarm} waits; `parkwatch alarms` lists those that do")
        if version is None and current.acknowledgement != Acknowledgement.UNACKNOWLEDGED:
            # What is there now is acknowledged: nothing is left to do, and nothing is stale.
            _line(f"{alarm}: {current.state.value} (had been acknowledged by {current.acknowledged_by or 'nobody'})")
            return
        action = Acknowledge(
            occurrence if occurrence is not None else current.occurrence,
            version if version is not None else current.version,
        )
        _act(states, alarm, action, by, comment)


@actions.command()
def shelve(
    alarm: _Alarm,
    length: Annotated[str, typer.Option("--for", help="For how long: 30m, 2h.")],
    by: _By,
    why: _Why,
) -> None:
    """Put an alarm aside for a while: it is journalled, and pages nobody."""
    until = SystemClock().now() + _length(length)
    with _states() as states:
        _act(states, alarm, Shelve(until), by, why)


@actions.command()
def unshelve(alarm: _Alarm, by: _By, why: _Why = "") -> None:
    """Take a shelved alarm back before its time."""
    with _states() as states:
        _act(states, alarm, Unshelve(), by, why)


@actions.command(name="out-of-service")
def out_of_service(alarm: _Alarm, by: _By, why: _Why) -> None:
    """Take an alarm out of service, for maintenance, until somebody puts it back."""
    with _states() as states:
        _act(states, alarm, Remove(), by, why)


@actions.command(name="back-in-service")
def back_in_service(alarm: _Alarm, by: _By, why: _Why = "") -> None:
    """Put an alarm back into service."""
    with _states() as states:
        _act(states, alarm, Restore(), by, why)


@actions.command()
def reset(alarm: _Alarm, by: _By, why: _Why = "") -> None:
    """Let a latched alarm go that has returned and been acknowledged."""
    with _states() as states:
        _act(states, alarm, Reset(), by, why)


@contextmanager
def _states() -> Iterator[ParkStates]:
    chosen = settings()
    found = catalogue(chosen)
    with connected(chosen) as client:
        yield ParkStates(client, found)


def _act(states: ParkStates, alarm: str, action: Action, by: str, why: str) -> None:
    try:
        done = states.act(alarm, action, by=by, why=why, now=SystemClock().now())
    except Refused as error:
        raise stop(str(error)) from error
    except KeyError as error:
        raise stop(
            f"there can be no alarm {alarm}: write zone.site.sensor.quantity.limit, of a sensor that `parkwatch "
            "sensors` lists and a limit that covers it"
        ) from error
    before = ""
    if done.repeated:
        before = " (had been acknowledged before)" if isinstance(action, Acknowledge) else " (had been done before)"
    _line(f"{alarm}: {done.state.value}{before}")


# --- printing ------------------------------------------------------------------------------------------------


def _print_json(content: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")


def _line(text: str) -> None:
    """Print a line as it is: an alarm's id must survive a narrow terminal and a pipe."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g} {unit}"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _stamp(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().isoformat(timespec="milliseconds")
