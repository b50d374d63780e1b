"""The command line: ``parkwatch COMMAND``."""

from __future__ import annotations

import csv
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from field.connection import RefusedError, Stopped
from field.incidents import UnknownIncidentError, choose
from field.publish import Progress as SimulationProgress
from field.publish import Simulation, simulate
from field.recording import prepare
from field.replay import Pace, Summary
from field.replay import Progress as ReplayProgress
from field.replay import replay as replay_recording
from field.replay_map import ReplayInputError
from park.alarms import Acknowledgement, StaleAcknowledgement, Transition
from park.sharding import shard_of
from park.topics import PREFIX
from parkwatch import doctor as doctors
from parkwatch.desk import FAILED, UNUSABLE, catalogue, connected, log_to_terminal, out, settings, stop
from parkwatch.pieces import pieces
from parkwatch.stopping import until_stopped
from storage.directory import Directory
from storage.quarantine import Quarantine
from storage.settings import Settings
from storage.states import ParkStates, ShardStates, Snapshot

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="parkwatch watches the safety and the circular economy of chemical parks. 化工园区安全与循环经济监测。",
)
app.add_typer(pieces, name="run", help="Run one piece of parkwatch in the foreground.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Zone = Annotated[str | None, typer.Option(help="Only this zone.")]


@app.command()
def check() -> None:
    """Check the configuration: every problem at once, with file, line and what to write instead."""
    chosen = settings()
    found = catalogue(chosen)
    out.print(
        f"{chosen.config}: {len(found.zones)} zones, {len(found.quantities)} quantities, {len(found.limits)} limits, "
        f"{len(found.alerts.channels)} channels; no problems (version {found.version})",
        highlight=False,
        soft_wrap=True,
    )


@app.command(name="simulate")
def simulate_park(
    seed: Annotated[int, typer.Option(help="The same seed gives the same park.")] = 1,
    incidents: Annotated[str, typer.Option(help="all, none, or names with commas between.")] = "all",
    speed: Annotated[float, typer.Option(min=0.1, max=100.0, help="Seconds of the park per second.")] = 1.0,
) -> None:
    """Publish the simulated park over MQTT until Ctrl-C."""
    try:
        chosen = choose(incidents)
    except UnknownIncidentError as error:
        raise stop(str(error), UNUSABLE) from error
    log_to_terminal("simulate")
    last: tuple[str, ...] = ()

    def report(progress: SimulationProgress) -> None:
        nonlocal last
        if progress.incidents != last:
            last = progress.incidents
            print(f"simulated park: {', '.join(last) or 'all quiet'}", flush=True)

    try:
        done = simulate(settings(), Simulation(seed, chosen, speed), until_stopped(), report)
    except (ValueError, RefusedError) as error:
        raise stop(str(error)) from error
    out.print(f"published {done.readings} readings in {done.messages} messages", highlight=False)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A CSV file.")],
    map_: Annotated[Path, typer.Option("--map", help="Which column is which sensor: a file as in config/maps/.")],
    rate: Annotated[float, typer.Option(help="Rows per second, at most 1000.")] = 100.0,
    per_message: Annotated[int, typer.Option(help="Rows per message.")] = 1,
) -> None:
    """Publish a CSV as readings, re-timed to now."""
    chosen = settings()
    try:
        pace = Pace(rate, per_message)
        recording = prepare(file, map_, catalogue(chosen))
    except ValueError as error:
        raise stop(str(error), UNUSABLE) from error
    except ReplayInputError as error:
        raise stop("\n".join(map(str, error.problems)), UNUSABLE) from error
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("rows", total=len(recording.rows))

        def report(progress: ReplayProgress) -> None:
            bar.update(task, completed=progress.rows, description=f"{progress.readings} readings")

        try:
            summary = replay_recording(recording, chosen, pace, report, until_stopped())
        except Stopped:
            raise stop("stopped before the end") from None
        except (ValueError, RefusedError) as error:
            raise stop(str(error)) from error
    _print_summary(summary)


@app.command()
def sensors(
    zone: Zone = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
    forget: Annotated[str | None, typer.Option(help="Take a sensor away for good: zone/site/sensor.")] = None,
) -> None:
    """List the registered sensors; or forget one that was dismantled."""
    chosen = settings()
    with connected(chosen) as client:
        directory = Directory(client)
        if forget:
            _forget(chosen, directory, forget)
            return
        found = [s for key, s in sorted(directory.all().items()) if zone is None or key.startswith(f"{zone}/")]
    if as_json:
        _print_json(found)
        return
    for sensor in found:
        names = f"{sensor.names.zh} / {sensor.names.en}" if sensor.names else "(no $meta)"
        interval = f"every {sensor.interval / 1000:g} s" if sensor.interval else "(no interval)"
        gateway = f"behind {sensor.gateway}" if sensor.gateway else ""
        words = [sensor.key, names, sensor.location or "(no location)", interval, gateway, ", ".join(sensor.channels)]
        _line("  ".join(word for word in words if word))
    _line(f"{len(found)} sensors")


@app.command()
def quarantine(
    most: Annotated[int, typer.Option(help="How many, newest first.")] = 20,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Show the messages that could not be taken, why, and what to send instead."""
    with connected(settings()) as client:
        shelf = Quarantine(client)
        entries, counts = shelf.newest(most), shelf.counts()
    if as_json:
        _print_json({"counts": counts, "newest": entries})
        return
    for entry in entries:
        _line(f"{_time(entry.at)}  {entry.code:10}  {entry.topic}  {entry.payload[:60]}")
        _line(f"    {entry.reason}; {entry.fix}")
    _line(f"counts: {counts or 'none'}")


@app.command()
def alarms(
    zone: Zone = None,
    journal: Annotated[bool, typer.Option("--journal", help="What happened, newest first.")] = False,  # noqa: FBT002
    since: Annotated[float, typer.Option(help="With --journal: only the last so many hours.")] = 24.0,
    most: Annotated[int, typer.Option(help="With --journal: at most so many.")] = 200,
    as_json: Json = False,  # noqa: FBT002 - a flag
    as_csv: Annotated[bool, typer.Option("--csv", help="With --journal: print CSV.")] = False,  # noqa: FBT002
) -> None:
    """List the alarms that are not normal; or the journal."""
    chosen = settings()
    with connected(chosen) as client:
        states = ParkStates(client, catalogue(chosen))
        if journal:
            begin = int((time.time() - since * 3600) * 1000)
            found = [t for t in states.journal(begin, most) if zone is None or t.series.startswith(f"{zone}/")]
            _print_journal(found, as_json=as_json, as_csv=as_csv)
            return
        active = [alarm for alarm in states.alarms() if zone is None or alarm.zone == zone]
    if as_json:
        _print_json(active)
    else:
        _print_alarms(active)


@app.command()
def ack(
    alarm: Annotated[str, typer.Argument(help="Alarm id, as `parkwatch alarms` shows it.")],
    by: Annotated[str, typer.Option(help="Who acknowledges.")],
    comment: Annotated[str, typer.Option(help="Why, or what was done.")] = "",
    occurrence: Annotated[int | None, typer.Option(help="The occurrence you saw (default: the current one).")] = None,
    version: Annotated[int | None, typer.Option(help="The version you saw (default: the current one).")] = None,
) -> None:
    """Acknowledge an alarm."""
    chosen = settings()
    with connected(chosen) as client:
        states = ParkStates(client, catalogue(chosen))
        current = next((found for found in states.alarms() if found.alarm == alarm), None)
        if current is None:
            raise stop(f"no alarm {alarm} waits; `parkwatch alarms` lists those that do")
        if version is None and current.acknowledgement != Acknowledgement.UNACKNOWLEDGED:
            # What is there now is acknowledged: nothing is left to do, and nothing is stale.
            who = current.acknowledged_by
            out.print(f"{alarm}: {current.state.value} (had been acknowledged by {who})", highlight=False, markup=False)
            return
        try:
            done = states.acknowledge(
                alarm,
                occurrence=occurrence if occurrence is not None else current.occurrence,
                version=version if version is not None else current.version,
                by=by,
                comment=comment,
                now=time.time_ns() // 1_000_000,
            )
        except (StaleAcknowledgement, KeyError) as error:
            raise stop(str(error)) from error
    out.print(
        f"{alarm}: {done.state.value}{' (had been acknowledged before)' if done.repeated else ''}", highlight=False
    )


@app.command()
def doctor(as_json: Json = False) -> None:  # noqa: FBT002 - a flag
    """Say what is up, what lags and what to do; exits 1 if something is wrong."""
    findings = doctors.examine(settings())
    if as_json:
        _print_json(findings)
    else:
        table = Table("", "what", "state", "what to do")
        for finding in findings:
            table.add_row("ok" if finding.well else "!!", finding.what, finding.state, finding.advice)
        out.print(table, markup=False)
    if not all(finding.well for finding in findings):
        raise typer.Exit(FAILED)


def _forget(chosen: Settings, directory: Directory, key: str) -> None:
    known = directory.get(key)
    if known is None:
        raise stop(f"no sensor {key} is registered; `parkwatch sensors` lists them")
    zone, site, _ = key.split("/")
    park = catalogue(chosen)
    directory.forget(key)
    if zone in park.zones:
        shard = ShardStates(directory.client, shard_of(zone, site, park.zones[zone].shards))
        shard.forget(series for series in shard.load_all() if series.startswith(f"{key}/"))
    out.print(
        f"{key} is forgotten; it registers again if it publishes. If it had a $meta, take that back too, or ingest "
        f"learns of it again when it starts: publish an empty retained message to {PREFIX}/{key}/$meta",
        highlight=False,
        soft_wrap=True,
    )


def _print_json(content: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")


def _print_summary(summary: Summary) -> None:
    for quantity, count in summary.by_quantity.items():
        out.print(f"{quantity}: {count} readings, {summary.missing.get(quantity, 0)} of them no value", highlight=False)
    out.print(
        f"{summary.rows} rows, {summary.readings} readings in {summary.messages} messages, {summary.seconds:.1f} s",
        highlight=False,
    )


def _print_alarms(active: list[Snapshot]) -> None:
    for alarm in active:
        value, set_point = _number(alarm.value, alarm.unit), _number(alarm.set_point, alarm.unit)
        what = alarm.why if alarm.set_point is None else f"{value}, set-point {set_point}"
        _line(f"{alarm.priority:8} {alarm.state.value:5}  {alarm.alarm}")
        seen = f"occurrence {alarm.occurrence}, version {alarm.version}"
        _line(f"                {what}; since {_time(alarm.raised_at)}; {seen}")
    _line(f"{len(active)} alarms" if active else "no alarms")


def _print_journal(found: list[Transition], *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        _print_json(found)
        return
    columns = ("at", "alarm", "event", "before", "after", "severity", "priority", "occurrence", "value", "by", "why")
    rows = [[_time(t.at), *(getattr(t, name) for name in columns[1:])] for t in found]
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(rows)
        return
    for t in found:
        states = f"{t.before.value:>5} → {t.after.value:5}"
        value = "" if t.value is None else f"{t.value:.4g}"
        _line("  ".join([_time(t.at), f"{t.event:12}", states, t.alarm, value, t.by, t.why]).rstrip())
    _line(f"{len(found)} transitions")


def _line(text: str) -> None:
    """Print a line as it is: an alarm's id must survive a narrow terminal and a pipe."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g} {unit}"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
