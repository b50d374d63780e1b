"""``parkwatch report``: a month of a zone, or of the park, as one page to read, sign and print."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from park.catalogue import Catalogue
    from park.periods import Period

ALL = "all"
_MONTH = re.compile(r"20\d\d-\d\d")


def report(
    month: Annotated[str, typer.Option(help="The month: 2026-10.")],
    zone: Annotated[str, typer.Option(help="A zone, or all.")] = ALL,
    language: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    file: Annotated[
        Path | None, typer.Option("--out", help="Where to (default: parkwatch-MONTH-ZONE-LANGUAGE.html here).")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Make a PDF of it too, with Chromium.")] = False,  # noqa: FBT002
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,  # noqa: FBT002
) -> None:
    """Write the monthly report: one HTML file that needs nothing else, and a PDF of it on request."""
    # What a report needs takes a moment to load, which no other command should have to wait for.
    from parkwatch.desk import UNUSABLE, catalogue, connected, database, out, settings, stop
    from reports.gathering import TIMEOUT, gather
    from reports.material import Question
    from reports.page import LANGUAGES, page
    from reports.printing import NoPdfError, browser, to_pdf
    from reports.report import report_of
    from storage.clock import SystemClock

    chosen = settings()
    known, now = catalogue(chosen), SystemClock().now()
    if language not in LANGUAGES:
        raise stop(f"{language!r} is no language of the report; write zh or en", UNUSABLE)
    question = Question(known, _zones(known, zone), _month(month, now), now)
    target = file or Path(f"parkwatch-{month}-{zone}-{language}.html")
    files = [target, *([target.with_suffix(".pdf")] if pdf else [])]
    for each in files:
        _writable(each, force=force)
    try:
        # Before the work, not after it.
        program = browser(os.environ) if pdf else ""
    except NoPdfError as error:
        raise stop(str(error)) from error
    with connected(chosen) as client, database(chosen, TIMEOUT) as influx:
        material = gather(influx, client, question)
    try:
        target.write_text(page(report_of(material), language), encoding="utf-8")
        if pdf:
            to_pdf(target, files[-1], program, root=os.geteuid() == 0)
    except (NoPdfError, OSError) as error:
        raise stop(str(error)) from error
    for each in files:
        out.print(f"{each} ({each.stat().st_size / 1024:.0f} KiB)", markup=False, highlight=False, soft_wrap=True)


def _month(text: str, now: int) -> Period:
    from park.periods import period
    from parkwatch.desk import UNUSABLE, stop

    try:
        found = period(text) if _MONTH.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        raise stop(f"{text!r} is no month; write 2026-10", UNUSABLE)
    if found.begin >= now:
        raise stop(f"{text} has not begun: there is nothing to report", UNUSABLE)
    return found


def _zones(known: Catalogue, zone: str) -> tuple[str, ...]:
    from park.rows import suggestion
    from parkwatch.desk import UNUSABLE, stop

    if zone == ALL:
        return tuple(known.zones)
    if zone not in known.zones:
        raise stop(f"there is no zone {zone}; {suggestion(zone, [*known.zones, ALL])}", UNUSABLE)
    return (zone,)


def _writable(file: Path, *, force: bool) -> None:
    from parkwatch.desk import UNUSABLE, stop

    if file.exists() and not force:
        raise stop(f"{file} is there already; write --force to replace it, or --out with another name", UNUSABLE)
    if not file.parent.is_dir():
        raise stop(f"there is no folder {file.parent}; make it, or write --out with another one", UNUSABLE)
