"""Chromium as Debian ships it, without a window, for tests and pictures of the console."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
WIDE, NARROW = 1280, 390
_PATIENCE_MS = 30_000


def chromium() -> str:
    """Return the program; raises ``FileNotFoundError`` with what to install."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise FileNotFoundError("chromium is missing: apt-get install chromium fonts-noto-cjk")
    return found


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """Give a browser of its own, with a profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), headless=True, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def context(browser: Browser, width: int, language: str, *, dark: bool = False, script: bool = True) -> Iterator[Page]:
    """Give a page ``width`` pixels wide, of somebody who reads ``language``; it may not speak to anybody else."""
    known: BrowserContext = browser.new_context(
        viewport={"width": width, "height": 844 if width < WIDE else 900},
        device_scale_factor=2 if width < WIDE else 1,
        locale="zh-CN" if language == "zh" else "en-GB",
        timezone_id="Asia/Shanghai",
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        java_script_enabled=script,
    )
    known.set_default_timeout(_PATIENCE_MS)
    page = known.new_page()
    try:
        yield page
    finally:
        known.close()


def log_in(page: Page, base: str, name: str, password: str) -> None:
    """Log in as a person does."""
    page.goto(f"{base}/login")
    page.locator("input[name=name]").fill(name)
    page.locator("input[name=password]").fill(password)
    page.locator("button[type=submit]").click()
    page.wait_for_url(f"{base}/")


def picture(page: Page, file: Path, *, whole: bool = False) -> None:
    """Write what the page shows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file, full_page=whole)
