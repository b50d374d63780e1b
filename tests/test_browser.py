"""The console in a real browser (Debian's Chromium): a night shift in both languages, on a desk and on a phone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from park.actions import Acknowledge
from park.alarms import State
from parkwatch.servers import free_port
from storage.clock import SystemClock
from storage.states import ParkStates, Snapshot
from tests import night
from tests.browsers import NARROW, WIDE, browsing, context, log_in
from tests.consoles import Park, environ_of, running
from tests.logins import PASSWORD
from tests.servers import Redis, eventually

HF = "new-materials.hf-plant.hf-101.hf.hf-detector"
HF_2 = "new-materials.hf-plant.hf-102.hf.hf-detector"
NEW = "riverside.tank-farm.gd-301.h2s.h2s-detector"
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as running_browser:
        yield running_browser


@dataclass
class Desk:
    """A console process on a night's Redis."""

    base: str
    redis: Redis
    states: ParkStates
    clock: SystemClock

    def alarm(self, alarm: str) -> Snapshot:
        found = self.states.alarm(alarm)
        assert found
        return found

    def becomes(self, alarm: str, state: State) -> None:
        """Wait until the alarm is in ``state``."""
        eventually(lambda: self.alarm(alarm).state is state, within=30, why=lambda: str(self.alarm(alarm)))


@contextlib.contextmanager
def serving(redis: Redis, home: Path) -> Iterator[str]:
    """Run a console on ``redis``; give its address."""
    base = f"http://127.0.0.1:{free_port()}"
    with running(environ_of(redis.url, home, base), night.RUN):
        yield base


@contextlib.contextmanager
def sitting(redis: Redis, base: str) -> Iterator[Desk]:
    """Let the night fall on ``redis``."""
    clock = SystemClock()
    night.fall(redis.url, clock)
    park = Park(redis.url, clock, night.catalogue())
    yield Desk(base, redis, ParkStates(park.client, park.catalogue), clock)
    park.client.close()


@pytest.fixture(scope="module")
def base(_session_redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a console on the Redis that is clean for each test."""
    with serving(_session_redis, tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture
def desk(redis: Redis, base: str) -> Iterator[Desk]:
    with sitting(redis, base) as made:
        yield made


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What pages log as errors: violations of the content security policy, exceptions. There must be none."""
    found: list[str] = []
    yield found
    assert found == []


def watch(page: Page, complaints: list[str]) -> Page:
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if "Content Security Policy" in message.text else None,
    )
    return page


def row(alarm: str) -> str:
    return f'#alarms > li[data-alarm="{alarm}"]'


def is_live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_class("live", timeout=PATIENCE_MS)


def overflows(page: Page) -> bool:
    wide: bool = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return wide


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("NEW", "shelved 2", "(6) Active alarms")), ("zh", ("新", "已搁置 2", "(6) 当前报警"))],
)
def test_a_new_alarm_appears_by_itself_is_acknowledged_and_another_shelved(
    browser: Browser, desk: Desk, complaints: list[str], width: int, language: str, words: tuple[str, str, str]
) -> None:
    new, shelved, title = words
    with context(browser, width, language) as page:
        watch(page, complaints)
        log_in(page, desk.base, "li", PASSWORD)
        is_live(page)
        assert page.locator("html").get_attribute("lang") == language
        expect(page.locator("#alarms > li")).to_have_count(7)
        assert page.locator(row(NEW)).count() == 0
        page.evaluate("window.sameDocument = true")

        assert night.comes(desk.redis.url, desk.clock) == NEW
        fresh = page.locator(row(NEW))
        expect(fresh).to_be_visible(timeout=PATIENCE_MS)
        expect(fresh.locator(".flag.new")).to_contain_text(new)
        expect(fresh.locator(".state")).to_contain_text("UNACK")
        assert page.title().startswith(title)

        fresh.locator("button.acknowledge").click()
        dialog = page.locator("#acknowledging")
        expect(dialog).to_be_visible()
        dialog.locator("input[name=comment]").fill("已派人 on my way")
        dialog.locator("button[type=submit]").click()
        expect(fresh.locator(".state")).to_contain_text("ACKED", timeout=PATIENCE_MS)
        expect(dialog).to_be_hidden()
        desk.becomes(NEW, State.ACKED)
        newest = desk.states.journal(most=1)[0]
        assert (newest.by, newest.why) == ("li", "已派人 on my way")

        page.locator(row(HF_2)).locator("a.shelve").click()
        shelving = page.locator("#shelving")
        expect(shelving).to_be_visible()
        shelving.locator("input[value='60']").check()
        shelving.locator("input[name=reason]").fill("calibration 校准")
        shelving.locator("button[type=submit]").click()
        expect(page.locator(row(HF_2))).to_have_count(0, timeout=PATIENCE_MS)
        desk.becomes(HF_2, State.SHLVD)
        expect(page.locator(".counts.away")).to_contain_text(shelved)

        assert page.evaluate("window.sameDocument") is True
        assert not overflows(page)


def test_the_keyboard_is_enough(browser: Browser, desk: Desk, complaints: list[str]) -> None:
    with context(browser, WIDE, "en") as page:
        watch(page, complaints)
        log_in(page, desk.base, "li", PASSWORD)
        is_live(page)
        page.keyboard.press("j")
        expect(page.locator(row(HF))).to_be_focused()
        page.keyboard.press("ArrowDown")
        expect(page.locator(row(HF_2))).to_be_focused()
        page.keyboard.press("x")
        page.keyboard.press("k")
        page.keyboard.press("x")
        expect(page.locator("#selected-count")).to_have_text("2")
        page.keyboard.press("a")
        expect(page.locator("#acknowledging [data-count]")).to_have_text("2")
        page.keyboard.press("Enter")
        desk.becomes(HF, State.ACKED)
        desk.becomes(HF_2, State.ACKED)
        expect(page.locator("#acknowledging")).to_be_hidden()

        page.keyboard.press("?")
        expect(page.locator("#helping")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#helping")).to_be_hidden()
        page.locator(row(HF)).focus()
        page.keyboard.press("s")
        expect(page.locator("#shelving input[name=reason]")).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        expect(page.locator("#search")).to_be_focused()
        page.keyboard.type("hf-102")
        page.keyboard.press("Enter")
        expect(page.locator("#alarms > li")).to_have_count(1)
        page.locator(row(HF_2)).focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/alarms/{HF_2}")


def test_what_was_seen_is_what_is_acknowledged_and_what_has_changed_is_told(
    browser: Browser, desk: Desk, complaints: list[str]
) -> None:
    with context(browser, WIDE, "en") as page:
        watch(page, complaints)
        log_in(page, desk.base, "li", PASSWORD)
        is_live(page)
        assert page.locator("#all").count() == 0
        page.locator('nav.tabs a[href*="zone=new-materials"]').click()
        is_live(page)
        page.locator("#all").check()
        expect(page.locator("#selected-count")).to_have_text("4")
        page.locator("#acknowledge-selected").click()
        expect(page.locator("#acknowledging")).to_be_visible()
        # It becomes worse while the dialog is open.
        park = Park(desk.redis.url, desk.clock, night.catalogue())
        park.raise_alarm("new-materials/hf-plant/hf-102/hf", 2, 5.5, "hf-detector")
        expect(page.locator(row(HF_2)).locator(".priority")).to_contain_text("critical", timeout=PATIENCE_MS)
        expect(page.locator(row(HF_2)).locator(".pick input")).not_to_be_checked()
        page.locator("#acknowledging button[type=submit]").click()
        expect(page.locator("#acknowledging .trouble")).to_contain_text("3 acknowledged; 1 not", timeout=PATIENCE_MS)
        assert desk.alarm(HF_2).state is State.UNACK
        assert desk.alarm(HF).state is State.ACKED
        park.client.close()


def test_selection_focus_and_typing_outlive_what_happens_meanwhile(
    browser: Browser, desk: Desk, complaints: list[str]
) -> None:
    with context(browser, WIDE, "zh") as page:
        watch(page, complaints)
        log_in(page, desk.base, "li", PASSWORD)
        is_live(page)
        page.locator(row(HF_2)).locator(".pick input").check()
        page.locator(row(HF)).locator("button.acknowledge").focus()
        night.comes(desk.redis.url, desk.clock)
        expect(page.locator(row(NEW))).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator(row(HF_2)).locator(".pick input")).to_be_checked()
        expect(page.locator(row(HF)).locator("button.acknowledge")).to_be_focused()
        expect(page.locator("#announce")).to_contain_text("新报警 1 条")

        page.goto(f"{desk.base}/alarms/{HF}")
        is_live(page)
        page.locator("#ack-comment").fill("正在处理")
        desk.states.act(HF_2, Acknowledge(1, 1), by="wang", why="", now=desk.clock.now())
        expect(page.locator("#strip .waiting b")).to_have_text("6", timeout=PATIENCE_MS)
        expect(page.locator("#ack-comment")).to_have_value("正在处理")
        page.locator("#acknowledge button").click()
        expect(page.locator(".signs .state")).to_contain_text("ACKED", timeout=PATIENCE_MS)


def test_a_lost_connection_is_unmistakable_and_ends_by_itself(browser: Browser, own_redis: Redis, home: Path) -> None:
    with serving(own_redis, home) as base, context(browser, NARROW, "en") as page:
        log_in(page, base, "li", PASSWORD)
        is_live(page)
        own_redis.kill()
        expect(page.locator("#trouble")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator("#connection")).to_contain_text("DATA NOT LIVE since")
        expect(page.locator("#trouble")).to_contain_text("does not mean there is none")
        own_redis.start()
        is_live(page)
        expect(page.locator("#trouble")).to_be_hidden()


def test_without_a_script_one_reads_and_acts_by_forms(browser: Browser, desk: Desk) -> None:
    with context(browser, NARROW, "zh", script=False) as page:
        log_in(page, desk.base, "li", PASSWORD)
        expect(page.locator("noscript")).to_have_count(2)
        assert page.locator(".pick input").first.is_hidden()
        page.locator(row(HF)).locator("button.acknowledge").click()
        page.wait_for_url(f"{desk.base}/")
        assert desk.alarm(HF).state is State.ACKED
        page.locator(row(HF_2)).locator("a.shelve").click()
        page.locator("#shelve summary").click()
        page.locator("#shelve input[value='15']").check()
        page.locator("#shelve-reason").fill("校准")
        page.locator("#shelve button").click()
        expect(page.locator(".signs .state")).to_contain_text("SHLVD")
        assert desk.alarm(HF_2).state is State.SHLVD


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_no_page_is_wider_than_its_screen(browser: Browser, desk: Desk, complaints: list[str], width: int) -> None:
    night.flooded(desk.redis.url, desk.clock.now())
    with context(browser, width, "en", dark=True) as page:
        watch(page, complaints)
        log_in(page, desk.base, "wang", PASSWORD)
        for path in ("", f"alarms/{HF}", "shelved", "sensors", "quarantine", "oncall", "kpis", "health"):
            page.goto(f"{desk.base}/{path}")
            is_live(page)
            assert not overflows(page), path
