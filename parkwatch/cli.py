"""The command line: ``parkwatch COMMAND``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from field.incidents import UnknownIncidentError, choose
from field.publish import Progress as SimulationProgress
from field.publish import Simulation, simulate
from field.recording import prepare
from field.replay import Pace, Summary
from field.replay import Progress as ReplayProgress
from field.replay import replay as replay_recording
from field.replay_map import ReplayInputError
from park.sharding import shard_of
from park.topics import PREFIX
from parkwatch import doctor as doctors
from parkwatch.admit_command import admit
from parkwatch.alarm_commands import actions, alarms
from parkwatch.backtest_command import backtest
from parkwatch.desk import FAILED, UNUSABLE, catalogue, connected, log_to_terminal, out, settings, stop
from parkwatch.evaluate_command import evaluate
from parkwatch.figure_commands import figures
from parkwatch.grafana_command import grafana_users
from parkwatch.indicator_commands import indicators
from parkwatch.limit_commands import limits
from parkwatch.network_command import network
from parkwatch.oncall_commands import oncall
from parkwatch.past_command import demo, write_history
from parkwatch.pieces import pieces
from parkwatch.report_command import report
from parkwatch.stopping import until_stopped
from parkwatch.user_commands import commands as user_commands
from storage.directory import Directory
from storage.mqtt import RefusedError, Stopped
from storage.quarantine import Quarantine
from storage.settings import Settings
from storage.states import ShardStates

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="parkwatch watches the safety and the circular economy of chemical parks. 化工园区安全与循环经济监测。",
)
app.add_typer(pieces, name="run")
app.add_typer(alarms, name="alarms")
app.add_typer(actions)
app.add_typer(limits, name="limits", help="What is held against what and why; and changing it while all runs.")
app.add_typer(figures, name="figures", help="What enterprises report: import it, see what there is.")
app.add_typer(indicators, name="indicators", help="What is computed of the circular economy, and how the park stands.")
app.add_typer(oncall, name="oncall", help="Who is on call, and whom an alarm would reach.")
app.command()(backtest)
app.command()(report)
app.command()(evaluate)
app.command()(admit)
app.command()(grafana_users)
app.command()(network)
app.command()(demo)
app.add_typer(user_commands, name="user", help="Say who may log in to the console, and as what.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Zone = Annotated[str | None, typer.Option(help="Only this zone.")]


@app.command()
def check() -> None:
    """Check the configuration: every problem at once, with file, line and what to write instead."""
    chosen = settings()
    found = catalogue(chosen)
    out.print(
        f"{chosen.config}: {len(found.zones)} zones, {len(found.quantities)} quantities, {len(found.limits)} limits, "
        f"{len(found.alerts.channels)} channels, {len(found.oncall.people)} people on call; "
        f"no problems (version {found.version})",
        highlight=False,
        soft_wrap=True,
    )


@app.command(name="simulate")
def simulate_park(
    seed: Annotated[int, typer.Option(help="The same seed gives the same park.")] = 1,
    incidents: Annotated[str, typer.Option(help="all, none, or names with commas between.")] = "all",
    speed: Annotated[float, typer.Option(min=0.1, max=100.0, help="Seconds of the park per second.")] = 1.0,
    history: Annotated[str | None, typer.Option(help="Write its past into InfluxDB instead, such as 30d.")] = None,
) -> None:
    """Publish the simulated park over MQTT until Ctrl-C."""
    try:
        chosen = choose(incidents)
    except UnknownIncidentError as error:
        raise stop(str(error), UNUSABLE) from error
    if history is not None:
        write_history(seed, chosen, history)
        return
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
        if entry.reason_zh:
            _line(f"    {entry.reason_zh}；{entry.fix_zh}")
    _line(f"counts: {counts or 'none'}")


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


def _line(text: str) -> None:
    """Print a line as it is: an alarm's id must survive a narrow terminal and a pipe."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
