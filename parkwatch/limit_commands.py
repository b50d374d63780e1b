"""``parkwatch limits``: what is held against what and why, and changing it while everything runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import redis
import typer
from rich.markup import escape

from park import wording
from park.catalogue import Catalogue
from park.differences import Difference, LimitChange, compare, touched, unit_changes
from park.explaining import Explanation, Ruling, explain, is_on
from park.limits import Limit
from park.responses import without_response
from park.rows import CHINA, day, segment, suggestion
from park.words import Location, Names
from parkwatch import load_command
from parkwatch.desk import UNUSABLE, catalogue, connected, err, out, settings, stop
from storage import changes
from storage.applying import ApplyError, Applying, exclusive, wait_for_pieces
from storage.candidates import Candidate, CandidateError, candidate
from storage.changes import Change
from storage.clock import SystemClock
from storage.configuration import ConfigurationError
from storage.directory import Directory
from storage.queue import redis_client
from storage.settings import Settings

limits = typer.Typer(no_args_is_help=True)
limits.command(name="loads")(load_command.loads)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_New = Annotated[
    Path, typer.Argument(help="A configuration folder; or one file, which stands in for the one of the same name.")
]
_At = Annotated[str | None, typer.Option("--at", help="On this day, such as 2031-01-01 (left out: now).")]

_LONGEST_NAME, _LONGEST_REASON = 100, 1000
#: How often, and how long between (s), the running pieces are asked whether they have followed.
_LOOKS, _PAUSE = 50, 0.2
_SHOWN = 8
_COLOURS = {"stricter": "red", "laxer": "green", "stricter and laxer": "yellow"}


class Shown(msgspec.Struct):
    """A limit, as ``limits list --json`` prints it; numbers in ``unit``, times in ms."""

    id: str
    names: Names
    kind: str
    measures: str
    side: str
    unit: str
    set_points: list[Point]
    deadband: float
    on_delay: int
    off_delay: int
    quantities: tuple[str, ...]
    locations: tuple[Location, ...]
    zones: tuple[str, ...]
    sites: tuple[str, ...]
    sensors: tuple[str, ...]
    valid_from: int | None
    valid_to: int | None
    in_force: bool
    replaces: list[str]
    source: str
    clause: Names
    provenance: str
    version: str


class Point(msgspec.Struct):
    """A set-point; ``at`` in the limit's unit, none where nothing is compared with it."""

    severity: str
    at: float | None
    priority: str


class Lost(NamedTuple):
    """A limit that would lose its response text, and the series it is about."""

    limit: str
    why: str
    series: tuple[str, ...]


# --- what there is -----------------------------------------------------------------------------------------


@limits.command(name="list")
def list_limits(
    zone: Annotated[str | None, typer.Option(help="Only what can apply in this zone.")] = None,
    quantity: Annotated[str | None, typer.Option(help="Only limits on this quantity.")] = None,
    at: _At = None,
    as_json: _Json = False,  # noqa: FBT002 - a flag
) -> None:
    """List the limits: numbers in the unit of their source, whom they match, since when, and who says so."""
    park = catalogue(settings())
    _check_name("zone", zone, park.zones)
    _check_name("quantity", quantity, park.quantities)
    moment = _moment(at)
    found = [
        limit
        for limit in park.limits
        if (zone is None or not limit.match.zones or zone in limit.match.zones)
        and (quantity is None or is_on(park, limit, quantity))
        and (at is None or limit.valid_at(moment))
    ]
    if as_json:
        _print_json([_shown(park, limit, moment) for limit in found])
        return
    for limit in found:
        _print_limit(park, limit, moment)
    _line(f"{len(found)} limits, version {park.version}")


@limits.command(name="explain")
def explain_sensor(
    sensor: Annotated[str, typer.Argument(help="zone/site/sensor, or zone/site/sensor/quantity.")],
    location: Annotated[Location | None, typer.Option(help="As if it were at such a place.")] = None,
    at: _At = None,
    as_json: _Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Say which limits apply to a sensor and why, which don't and why not, and which is the strictest."""
    chosen = settings()
    park = catalogue(chosen)
    key, quantity = _split(park, sensor)
    with connected(chosen) as client:
        directory = Directory(client)
        known, registered = directory.series(park), directory.get(key)
    series = {name: known[name] for name in known if name.rsplit("/", 1)[0] == key}
    if quantity:
        said = registered.location if registered else None
        series = {f"{key}/{quantity}": said or park.quantities[quantity].location}
    elif not series:
        what = "has sent nothing yet" if registered else "is not registered"
        raise stop(f"{key} {what}: name a quantity too, such as {key}/{_an_example(park)}")
    found = [explain(park, name, location or where, _moment(at)) for name, where in series.items()]
    if as_json:
        _print_json({"sensor": key, "registered": registered is not None, "series": found})
        return
    if registered is None:
        _line(f"{key} is not registered; with its first reading these would be its limits")
    for explanation in found:
        _print_explanation(park, explanation)


# --- changing it -------------------------------------------------------------------------------------------


@limits.command()
def diff(new: _New, as_json: _Json = False) -> None:  # noqa: FBT002 - a flag
    """Show what NEW would change, old and new numbers side by side, and which sensors it touches."""
    chosen = settings()
    proposed = _candidate(chosen, new)
    before = catalogue(chosen)
    known = _series(chosen, before)
    after = _load(proposed, before, known)
    found = compare(before, after, known)
    if as_json:
        _print_json(found)
        return
    _print_difference(found)
    if known is None:
        _line("Redis does not answer, so nobody knows which registered sensors are touched")


@limits.command()
def apply(
    new: _New,
    by: Annotated[str, typer.Option(help="Who changes it.")],
    why: Annotated[str, typer.Option(help="Why: a decision, a permit, a standard that has come into force.")],
    as_json: _Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Put NEW in force, while everything runs: checked, kept, on record."""
    by, why = _said("--by", by, _LONGEST_NAME), _said("--why", why, _LONGEST_REASON)
    chosen = settings()
    proposed = _candidate(chosen, new)
    with connected(chosen) as client, _held(chosen):
        applying = Applying(chosen, client)
        before = _in_force(applying)
        known = Directory(client).series(before)
        after = _load(proposed, before, known)
        found = compare(before, after, known)
        if not as_json:
            _print_difference(found)
        units = unit_changes(before, after)
        if units:
            raise stop(
                f"{', '.join(units)} would be kept in another unit, which old values don't fit; "
                "add a new quantity instead, or write the limit in a 'unit' of its own; nothing was changed",
                UNUSABLE,
            )
        if applying.up_to_date(after.version):
            raise stop(f"nothing to do: version {after.version} is in force already")
        change = _put_in_force(applying, proposed, found, by, why)
        begun = time.monotonic()
        followed, behind = wait_for_pieces(client, after.version, _LOOKS, lambda: time.sleep(_PAUSE))
        seconds = round(time.monotonic() - begun, 1)
    if as_json:
        _print_json({"change": change, "followed": followed, "behind": behind, "seconds": seconds})
    else:
        _print_applied(found, followed, behind, seconds)
    if behind:
        raise stop(f"{', '.join(behind)} still work by another version: see their logs, or restart them")


@limits.command()
def history(
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    as_json: _Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Show who changed the configuration, when, why and what."""
    with connected(settings()) as client:
        found = changes.history(client, most)
    if as_json:
        _print_json(found)
        return
    for change in found:
        _line(f"{_time(change.at)}  {change.difference.old} -> {change.difference.new}  {change.by}: {change.why}")
        _print_changes(change.difference, "    ")
    _line(f"{len(found)} changes")


# --- details -----------------------------------------------------------------------------------------------


def _candidate(chosen: Settings, new: Path) -> Candidate:
    try:
        return candidate(chosen.config, new)
    except CandidateError as error:
        raise stop(str(error), UNUSABLE) from error


def _load(proposed: Candidate, before: Catalogue, known: Mapping[str, Location] | None) -> Catalogue:
    """Load the proposed configuration; ends the process with all its problems if it can't be used."""
    try:
        return proposed.load()
    except ConfigurationError as error:
        for problem in error.problems:
            err.print(str(problem), markup=False, highlight=False, soft_wrap=True)
        for lost in _lost(proposed, before, known):
            use = f"in use by {len(lost.series)} series" if lost.series else "configured"
            text = f"limit {lost.limit} is {use} and would lose its response text: {lost.why}"
            err.print(text, markup=False, highlight=False, soft_wrap=True)
        number = len(error.problems)
        raise stop(f"{number} problem{'s' * (number != 1)}; nothing was changed", UNUSABLE) from error


def _lost(proposed: Candidate, before: Catalogue, known: Mapping[str, Location] | None) -> Iterator[Lost]:
    """Yield the limits that would no longer tell anybody what to do, those in use with their series."""
    without = without_response(proposed.contents())
    for limit in before.limits:
        if limit.id in without:
            yield Lost(limit.id, without[limit.id], touched(limit.match, known or {}))


def _series(chosen: Settings, park: Catalogue) -> dict[str, Location] | None:
    """Return the series there are; ``None`` if Redis does not answer."""
    client = redis_client(chosen.redis_url)
    try:
        return Directory(client).series(park)
    except redis.RedisError:
        return None
    finally:
        client.close()


@contextmanager
def _held(chosen: Settings) -> Iterator[None]:
    try:
        with exclusive(chosen.config):
            yield
    except ApplyError as error:
        raise stop(f"{error}; nothing was changed") from error


def _in_force(applying: Applying) -> Catalogue:
    try:
        return applying.in_force()
    except ConfigurationError as error:
        for problem in error.problems:
            err.print(str(problem), markup=False, highlight=False, soft_wrap=True)
        raise stop("the configuration in force can't be read, so nothing can be compared with it", UNUSABLE) from error


def _put_in_force(applying: Applying, proposed: Candidate, found: Difference, by: str, why: str) -> Change:
    return applying.apply(proposed, found, by=by, why=why, now=SystemClock().now())


def _said(option: str, text: str, longest: int) -> str:
    said = " ".join(text.split())
    if not said:
        raise stop(f"{option} is empty: the record keeps it", UNUSABLE)
    if len(said) > longest:
        raise stop(f"{option} has {len(said)} characters; write at most {longest}", UNUSABLE)
    return said


def _split(park: Catalogue, sensor: str) -> tuple[str, str]:
    """Return the sensor's key and the quantity, empty if none is named."""
    parts = sensor.split("/")
    if len(parts) not in {3, 4}:
        raise stop(f"{sensor!r} is no sensor; write zone/site/sensor, or zone/site/sensor/quantity", UNUSABLE)
    try:
        for part in parts:
            segment(part)
    except ValueError as error:
        raise stop(str(error), UNUSABLE) from error
    quantity = parts[3] if len(parts) > 3 else ""  # noqa: PLR2004 - the fourth part
    _check_name("zone", parts[0], park.zones)
    _check_name("quantity", quantity or None, park.quantities)
    return "/".join(parts[:3]), quantity


def _check_name(what: str, name: str | None, known: Mapping[str, object]) -> None:
    if name is not None and name not in known:
        raise stop(f"there is no {what} {name}; {suggestion(name, known)}", UNUSABLE)


def _an_example(park: Catalogue) -> str:
    return next((limit.match.quantities[0] for limit in park.limits if limit.match.quantities), "h2s")


def _moment(at: str | None) -> int:
    """Return noon of a Chinese day, or now."""
    if at is None:
        return SystemClock().now()
    try:
        begin = datetime.combine(day(at), datetime.min.time(), CHINA)
    except ValueError as error:
        raise stop(f"--at: {error}", UNUSABLE) from error
    return round((begin + timedelta(hours=12)).timestamp() * 1000)


def _shown(park: Catalogue, limit: Limit, at: int) -> Shown:
    def number(value: float) -> float:
        return float(wording.number(limit.shown(value)))

    compared = wording.has_number(limit)
    return Shown(
        id=limit.id,
        names=limit.names,
        kind=limit.kind.value,
        measures=wording.measured(limit),
        side=limit.side.value,
        unit=limit.unit,
        set_points=[
            Point(point.severity, number(point.at) if compared else None, point.priority.value)
            for point in limit.set_points
        ],
        deadband=number(limit.deadband),
        on_delay=limit.on_delay,
        off_delay=limit.off_delay,
        **{name: getattr(limit.match, name) for name in ("quantities", "locations", "zones", "sites", "sensors")},
        valid_from=limit.valid_from,
        valid_to=limit.valid_to,
        in_force=limit.valid_at(at),
        replaces=sorted(park.replaces.get(limit.id, ())),
        source=limit.source,
        clause=limit.clause,
        provenance=limit.provenance,
        version=limit.version,
    )


# --- printing ----------------------------------------------------------------------------------------------


def _print_limit(park: Catalogue, limit: Limit, at: int) -> None:
    _line(f"{limit.id}  {wording.names(limit.names)}")
    _line(f"    {wording.measured(limit)}: {wording.points(limit)}")
    known = (
        f"for {wording.matched(limit.match)}",
        wording.validity(limit),
        "" if limit.valid_at(at) else "not in force",
    )
    _line("    " + "; ".join(part for part in known if part))
    if park.replaces.get(limit.id):
        _line(f"    replaces {', '.join(sorted(park.replaces[limit.id]))} where both apply")
    _line(f"    {limit.source}, {wording.names(limit.clause)}")
    _line(f"    {limit.provenance}, version {limit.version}")


def _print_explanation(park: Catalogue, explanation: Explanation) -> None:
    _line(f"{explanation.series} ({explanation.location}), {_time(explanation.at)}")
    applying = [ruling for ruling in explanation.rulings if ruling.applies]
    others = [ruling for ruling in explanation.rulings if not ruling.applies]
    for ruling in applying:
        _print_ruling(park, ruling)
    for ruling in others:
        reasons = "; ".join(f"{reason.verdict.value}, {reason.detail}" for reason in ruling.reasons)
        limit = park.limit(ruling.limit)
        _line(f"  not: {limit.id}  {wording.measured(limit)}: {wording.points(limit)}: {reasons}")
    if not applying:
        _line("  NO LIMIT applies")
    for name in explanation.strictest:
        limit = park.limit(name)
        _line(f"  strictest ({wording.measured(limit)}, {limit.side.value}): {name}, {wording.points(limit)}")


def _print_ruling(park: Catalogue, ruling: Ruling) -> None:
    limit = park.limit(ruling.limit)
    _line(f"  {limit.id}  {wording.names(limit.names)}")
    _line(f"      {wording.measured(limit)}: {wording.points(limit)}; {limit.source} ({limit.provenance})")
    for reason in ruling.reasons:
        _line(f"      {reason.verdict.value}: {reason.detail}")


def _print_difference(found: Difference) -> None:
    _line(f"version {found.old} -> {found.new}")
    _print_changes(found, "  ")
    counts = (len(found.added), len(found.removed), len(found.changed))
    _line("{} added, {} removed, {} changed".format(*counts))
    series = found.touched
    if series:
        _line(f"touches {len(series)} series of {len({name.rsplit('/', 1)[0] for name in series})} sensors")


def _print_changes(found: Difference, indent: str) -> None:
    for title, limits_of in (("added", found.added), ("removed", found.removed), ("changed", found.changed)):
        for limit in limits_of:
            _print_change(title, limit, indent)
    for other in found.others:
        _line(f"{indent}{other.what}: {other.text}{' (needs a restart)' if other.restart else ''}")


def _print_change(title: str, limit: LimitChange, indent: str) -> None:
    _marked(f"{indent}{title}: {limit.limit}  {wording.names(limit.names)}", limit.mark)
    if limit.text:
        _line(f"{indent}    {limit.text}")
    for change in limit.fields:
        _marked(f"{indent}    {change.field}: {change.old} -> {change.new}", change.mark)
    if limit.touched:
        more = f" and {len(limit.touched) - _SHOWN} more" if len(limit.touched) > _SHOWN else ""
        _line(f"{indent}    touches {', '.join(limit.touched[:_SHOWN])}{more}")


def _marked(text: str, mark: str) -> None:
    """Print a line, and what the change does to the limit, in colour where there is one."""
    shown = f"  [{_COLOURS[mark]}]<{mark}>[/]" if mark else ""
    out.print(f"{escape(text)}{shown}", highlight=False, soft_wrap=True)


def _print_applied(found: Difference, followed: list[str], behind: list[str], seconds: float) -> None:
    _line(f"version {found.new} is in force")
    if found.restart:
        _line(f"needs a restart to take effect: {', '.join(dict.fromkeys(found.restart))}")
    if followed:
        _line(f"working by it after {seconds} s: {', '.join(followed)}")
    if not followed and not behind:
        _line("no piece is running; they take it up when they start")


def _print_json(content: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")


def _line(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
