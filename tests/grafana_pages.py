"""Dashboards as a person sees them: opened in Chromium by a viewer, with what went wrong and how long it took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page, Request, Response

#: The corner of a panel whose query failed: in 9.4, and since 10.
_FAILED = ".panel-info-corner--error, [data-testid='data-testid Panel status error']"
_TOLD = "[data-testid='data-testid Alert error']"
#: What the wheel of a panel that still loads looks like: in 9.4, and since 10.
_LOADING = ".panel-loading, [aria-label='Panel loading bar']"
#: Seconds without an answer after which everything has come; and for how long to wait for that.
_QUIET = 1.0
_PATIENCE = 60.0
#: High enough for every panel to be in sight, so that each of them is drawn.
WHOLE = 9_000


@dataclass(slots=True)
class Seen:
    """What came of opening a dashboard; ``seconds`` until the last answer had come."""

    failed: int = 0
    empty: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    seconds: float = 0.0
    queries: int = 0

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.failed or self.empty or self.told or self.refused or self.outside)


class Visitor:
    """Somebody who is logged in; notes every request to another host and every answer that is an error."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self._base = base
        self._latest = 0.0
        self._outside: list[str] = []
        self._refused: list[str] = []
        self._queries = 0
        page.on("request", self._requested)
        page.on("response", self._answered)
        page.on("requestfailed", self._broke)

    def log_in(self, login: str, password: str) -> None:
        """Log in as a person does."""
        self.page.goto(f"{self._base}/login")
        self.page.fill("input[name=user]", login)
        self.page.fill("input[name=password]", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(lambda url: "/login" not in url)
        # What is broken off when one goes on would be told on the next page.
        self._settle()

    def open(self, uid: str, **parameters: str) -> Seen:
        """Open a dashboard and wait until it has all it asked for."""
        self._outside, self._refused, self._queries = [], [], 0
        given = "".join(f"&{name}={value}" for name, value in parameters.items())
        begun = self._latest = time.monotonic()
        # Without menus, and nothing is asked again while it is looked at.
        self.page.goto(f"{self._base}/d/{uid}?kiosk=tv&refresh=1d{given}")
        self.page.wait_for_selector(".react-grid-item, [data-testid^='data-testid Panel header']")
        self._settle()
        return Seen(
            failed=self.page.locator(_FAILED).count(),
            empty=self._empty(),
            told=self.page.locator(_TOLD).all_inner_texts(),
            refused=self._refused,
            outside=self._outside,
            seconds=self._latest - begun,
            queries=self._queries,
        )

    def _settle(self) -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            self.page.wait_for_timeout(100)
            quiet = time.monotonic() - self._latest > _QUIET
            if quiet and not self.page.locator(_LOADING).count():
                return
        raise AssertionError(f"{self.page.url} still loads after {_PATIENCE} s")

    def _empty(self) -> list[str]:
        """Return the titles of the panels that say that they have nothing to show."""
        script = """() => [...document.querySelectorAll('.react-grid-item')]
            .filter(panel => /(^|\\n)No data( in response)?($|\\n)/.test(panel.innerText))
            .map(panel => panel.innerText.split('\\n')[0])"""
        found: list[str] = self.page.evaluate(script)
        return found

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((self._base, "data:", "blob:")):
            self._outside.append(request.url)

    def _broke(self, request: Request) -> None:
        # A query that nobody waits for any more is broken off by Grafana itself.
        if request.failure and "ERR_ABORTED" not in request.failure:
            self._refused.append(f"{request.failure} {request.url[:200]}")

    def _answered(self, response: Response) -> None:
        self._latest = time.monotonic()
        self._queries += "/query?" in response.url
        if response.status >= 400:
            self._refused.append(f"{response.status} {response.url[:200]}")


@contextlib.contextmanager
def visiting(browser: Browser, base: str, language: str, *, width: int = 1600, height: int = 1000) -> Iterator[Visitor]:
    """Give somebody who reads ``language``, with a window of that size, not logged in yet."""
    known = browser.new_context(
        viewport={"width": width, "height": height},
        locale="zh-CN" if language == "zh" else "en-GB",
        timezone_id="Asia/Shanghai",
        reduced_motion="reduce",
    )
    known.set_default_timeout(_PATIENCE * 1000)
    try:
        yield Visitor(known.new_page(), base)
    finally:
        known.close()
