"""``parkwatch report``: what it writes, and how it says no."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from parkwatch.servers import free_port
from storage.queue import redis_client
from tests import servers
from tests.conftest import ROOT
from tests.months import CHINA
from tests.servers import Redis
from tests.terminal import Terminal


def last_month() -> str:
    """Return the month before this one, as people write it."""
    today = dt.datetime.fromtimestamp(time.time(), CHINA)
    return f"{today.replace(day=1) - dt.timedelta(days=1):%Y-%m}"


@pytest.fixture
def parkwatch(redis: Redis, influx: servers.Influx, influx_db: str, home: Path) -> Iterator[Terminal]:
    environment = {
        "PARKWATCH_HOME": str(home),
        "PARKWATCH_CONFIG": str(ROOT / "config"),
        "PARKWATCH_REDIS_URL": redis.url,
        "PARKWATCH_INFLUX_URL": influx.url,
        "PARKWATCH_INFLUX_DB": influx_db,
    }
    with redis_client(redis.url) as client:
        yield Terminal(environment, client)


def test_it_writes_one_file_that_needs_nothing_else(parkwatch: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    said = parkwatch("report", "--month", last_month(), "--zone", "riverside", "--language", "en", "--out", str(file))
    assert str(file) in said
    html = file.read_text()
    assert html.startswith("<!doctype html>")
    assert "default-src 'none'" in html
    assert "http-equiv" in html
    assert not [word for word in ("src=", "url(", "@import", "<script", '<link rel="stylesheet') if word in html]
    assert list(tmp_path.glob("report*")) == [file]


def test_it_writes_where_it_stands_by_default_and_a_pdf_on_request(
    parkwatch: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parkwatch("report", "--month", last_month(), "--pdf")
    html = tmp_path / f"parkwatch-{last_month()}-all-zh.html"
    assert 'lang="zh-CN"' in html.read_text()
    assert html.with_suffix(".pdf").read_bytes().startswith(b"%PDF-")


def test_it_writes_over_nothing_unless_told(parkwatch: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text("signed")
    asked = ("report", "--month", last_month(), "--out", str(file))
    assert "--force" in parkwatch(*asked, status=2)
    assert file.read_text() == "signed"
    parkwatch(*asked, "--force")
    assert file.read_text() != "signed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--month", "2026-13"), "write 2026-10"),
        (("--month", "October"), "write 2026-10"),
        (("--month", "2026Q1"), "write 2026-10"),
        (("--month", "2098-01"), "has not begun"),
        (("--month", "2026-01", "--zone", "riversde"), "riverside"),
        (("--month", "2026-01", "--language", "de"), "write zh or en"),
        (("--month", "2026-01", "--out", "/nowhere/at/all/report.html"), "there is no folder"),
    ],
)
def test_it_says_what_to_write_instead(parkwatch: Terminal, arguments: tuple[str, ...], said: str) -> None:
    assert said in parkwatch("report", *arguments, status=2)


def test_without_a_chromium_there_is_no_half_report(
    parkwatch: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARKWATCH_CHROMIUM", "/nowhere/chromium")
    file = tmp_path / "report.html"
    said = parkwatch("report", "--month", last_month(), "--out", str(file), "--pdf", status=1)
    assert "PARKWATCH_CHROMIUM" in said
    assert not file.exists()


def test_a_server_that_is_away_ends_it_with_a_clear_word(parkwatch: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    asked = ("report", "--month", last_month(), "--out", str(file))
    parkwatch.environment["PARKWATCH_INFLUX_URL"] = f"http://127.0.0.1:{free_port()}"
    assert "does not answer" in parkwatch(*asked, status=1)
    parkwatch.environment["PARKWATCH_REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    assert "Redis does not answer" in parkwatch(*asked, status=1)
    assert not file.exists()
