"""A page as PDF, by a Chromium without a window, if this machine has one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-pdf-header-footer",
)
_PATIENCE_S = 120


class NoPdfError(Exception):
    """There can be no PDF; the text says why, and what to do."""


def browser(environ: Mapping[str, str]) -> str:
    """Return the browser: ``PARKWATCH_CHROMIUM``, or the first one there is. Raises :class:`NoPdfError`."""
    chosen = environ.get("PARKWATCH_CHROMIUM")
    if chosen:
        if found := shutil.which(chosen):
            return found
        raise NoPdfError(f"PARKWATCH_CHROMIUM is {chosen}, which is no program; write the path of a Chromium")
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    raise NoPdfError(
        "there is no Chromium to make the PDF with; install one (Debian: apt-get install chromium fonts-noto-cjk), "
        "or open the HTML file and print it"
    )


def to_pdf(html: Path, pdf: Path, program: str, *, root: bool) -> None:
    """Print ``html`` to ``pdf``. ``root``: Chromium can't sandbox itself then. Raises :class:`NoPdfError`."""
    with tempfile.TemporaryDirectory(prefix="parkwatch-report-") as profile:
        made = Path(profile) / "report.pdf"
        command = [
            program,
            *_FLAGS,
            # As root it does not start with its sandbox; the page is ours and may load nothing.
            *(["--no-sandbox"] if root else []),
            f"--user-data-dir={profile}/profile",
            f"--print-to-pdf={made}",
            html.resolve().as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise NoPdfError(f"{program} did not finish in {_PATIENCE_S} s; open the HTML file and print it") from error
        if done.returncode or not made.exists():
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise NoPdfError(f"{program} made no PDF (exit code {done.returncode}): {said}")
        shutil.copyfile(made, pdf)
