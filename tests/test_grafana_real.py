"""Every dashboard in a real Grafana, in both languages, on the demo: nothing fails, nothing is empty, nobody outside.

Runs where ``PARKWATCH_GRAFANA_BIN`` names Grafana's binary, or ``PARKWATCH_GRAFANA_URL`` one that already runs on the
demo (with ``PARKWATCH_GRAFANA_VIEWER_PASSWORD_FILE``, as in ``$PARKWATCH_HOME/env``); says so where it is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from grafana.board import SET, uid
from grafana.language import LANGUAGES, Language
from parkwatch.grafana_setup import VIEWERS
from tests.browsers import browsing
from tests.demonstration import DATABASE, Demonstration
from tests.grafana_pages import WHOLE, Seen, Visitor, visiting
from tests.grafanas import BINARY, Grafana, running

URL = os.environ.get("PARKWATCH_GRAFANA_URL")
PASSWORD_FILE = os.environ.get("PARKWATCH_GRAFANA_VIEWER_PASSWORD_FILE")
#: A sensor that has limits and, on the demo, alarms.
SENSOR = {
    "var-zone": "riverside",
    "var-site": "tank-farm",
    "var-sensor": "tank-703",
    "var-quantity": "level",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not BINARY and not (URL and PASSWORD_FILE),
        reason="no dashboard was seen in a real Grafana: set PARKWATCH_GRAFANA_BIN to the binary of Grafana 9.4 or up,"
        " or PARKWATCH_GRAFANA_URL and PARKWATCH_GRAFANA_VIEWER_PASSWORD_FILE to one that runs on the demo",
    ),
]


@dataclass(frozen=True)
class Place:
    """Where Grafana is, and what its viewers log in with."""

    url: str
    password: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if URL and PASSWORD_FILE:
        yield Place(URL, Path(PASSWORD_FILE).read_text(encoding="utf-8").strip())
        return
    with Demonstration(tmp_path_factory.mktemp("demo")) as demo:
        console = demo.environment["PARKWATCH_CONSOLE_URL"]
        demo.piece("run", "console")
        grafana = Grafana(tmp_path_factory.mktemp("grafana"), demo.influx.url, DATABASE, map_url=console)
        with running(grafana):
            yield Place(grafana.url, grafana.viewer_password)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


def login(t: Language) -> str:
    """Return the log-in of the viewer who reads a language."""
    return next(viewer.login for viewer in VIEWERS if viewer.home.endswith(f"-{t.code}"))


@pytest.fixture(params=LANGUAGES, ids=lambda t: t.code)
def visitor(request: pytest.FixtureRequest, place: Place, browser: Browser) -> Iterator[tuple[Visitor, Language]]:
    t: Language = request.param
    with visiting(browser, place.url, t.code, height=WHOLE) as somebody:
        somebody.log_in(login(t), place.password)
        yield somebody, t


@pytest.mark.parametrize("name", [name for name, _, _ in SET])
def test_a_dashboard_shows_the_demo(name: str, visitor: tuple[Visitor, Language]) -> None:
    somebody, t = visitor
    seen = somebody.open(uid(name, t), **(SENSOR if name == "sensor" else {}))
    assert seen.well, seen
    assert seen.queries or name == "health"


def test_the_home_dashboard_is_the_park_overview(visitor: tuple[Visitor, Language]) -> None:
    somebody, t = visitor
    somebody.page.goto(somebody.page.url.split("/d/")[0])
    somebody.page.wait_for_url(lambda url: uid("overview", t) in url)


def test_a_link_leads_to_the_next_dashboard_and_keeps_zone_and_time(place: Place, browser: Browser) -> None:
    t = LANGUAGES[0]
    with visiting(browser, place.url, t.code) as somebody:
        somebody.log_in(login(t), place.password)
        seen: Seen = somebody.open(uid("zone", t), **{"var-zone": "riverside", "from": "now-1h", "to": "now"})
        assert not seen.failed
        somebody.page.goto(somebody.page.url.replace("kiosk=tv", ""))
        link = somebody.page.locator(f"a[href*='{uid('water', t)}']").first
        link.wait_for()
        target = link.get_attribute("href") or ""
        assert "var-zone=riverside" in target
        assert "from=now-1h" in target
