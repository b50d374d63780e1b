"""``parkwatch simulate --history`` and ``parkwatch demo``: the simulated park's past, written into InfluxDB."""

from __future__ import annotations

import hashlib
import time

import msgspec
import redis
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from field.history import HISTORIC, METER_STEP, Past, write
from field.incidents import Incident
from field.reports import monthly_figures
from park import reporting
from park.rows import duration
from parkwatch import evaluating
from parkwatch.desk import UNUSABLE, catalogue, database, err, out, settings, stop
from storage import names
from storage.backfill import Backfill
from storage.clock import SystemClock
from storage.flows import begin_anew
from storage.influx import Influx, LinesRejected
from storage.queue import redis_client
from storage.reported import ReportedStore

#: What the demo is given of its past: enough for day means and balances, and quickly written.
_DEMO = "2d"
_DEMO_FILE = "demo"
_DIGEST = 16


def write_history(seed: int, incidents: tuple[Incident, ...], length: str) -> None:
    """Write the past of ``length`` (such as 30d) until now."""
    try:
        span = duration(length)
    except ValueError as error:
        raise stop(f"--history: {error}", UNUSABLE) from error
    if span < METER_STEP:
        raise stop("--history: so short a past has no readings; write 10min or more, such as 30d", UNUSABLE)
    park = catalogue(settings())
    chosen = {incident.name for incident in incidents}
    now = SystemClock().now()
    past = Past(seed, now - span, now, tuple(each for each in HISTORIC if each.name in chosen))
    began = time.monotonic()
    columns = (TextColumn("sensors"), BarColumn(), MofNCompleteColumn())
    with database(settings()) as influx, Progress(*columns, console=out, disable=not out.is_terminal) as bar:
        influx.ensure()
        task = bar.add_task("sensors", total=len(past.sensors))
        written = write(past, park, Backfill(influx), lambda done, _: bar.update(task, completed=done))
    out.print(
        f"wrote {written.points:,} points in {time.monotonic() - began:.1f} s: {written.readings:,} readings, "
        f"{written.means:,} means, {written.transitions:,} entries of the journal",
        highlight=False,
        soft_wrap=True,
    )
    if park.economy.flows:
        _settle_anew()


def _settle_anew() -> None:
    """Let the office settle the flows from the oldest reading on, which is an older one now."""
    client = redis_client(settings().redis_url)
    try:
        begin_anew(client)
    except redis.RedisError as error:
        err.print(
            f"Redis does not answer ({error}): an office that has settled flows before won't settle these; "
            "write the same past again when it does",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    finally:
        client.close()


def demo() -> None:
    """Give the demo its past, once: what enterprises have reported, and two days of readings."""
    with database(settings()) as influx:
        influx.ensure()
        reported = _report(influx)
        told = _has_past(influx)
    if not told:
        write_history(1, HISTORIC, _DEMO)
    out.print("the demo has its past" + (f"; {reported} figures reported" if reported else ""), highlight=False)


def _report(influx: Influx) -> int:
    """Import what the enterprises report, unless there is an import already; return how many values."""
    park = catalogue(settings())
    economy = park.economy
    store = ReportedStore(influx)
    if not economy.figures or not economy.enterprises or store.imports():
        return 0
    now = SystemClock().now()
    table = monthly_figures(now)
    report = reporting.read_table(table, economy.figures, economy.enterprises, now)
    if report.troubles:
        problems = "\n".join(str(trouble) for trouble in report.troubles)
        raise stop(f"{problems}\nthe demo's figures don't fit this configuration; nothing was imported", UNUSABLE)
    digest = hashlib.sha256(msgspec.json.encode(table)).hexdigest()[:_DIGEST]
    store.add(report.reported, now, "parkwatch", _DEMO_FILE, digest)
    evaluating.renew(park, report.reported, influx, now)
    return len(report.reported)


def _has_past(influx: Influx) -> bool:
    """Whether anything was read before the last hour."""
    text = f"SELECT {names.FIELD_QUALITY} FROM {names.READING} WHERE time < now() - 1h ORDER BY time DESC LIMIT 1"
    try:
        return bool(influx.query(text))
    except LinesRejected:
        # The first start: nothing has been written yet.
        return False
