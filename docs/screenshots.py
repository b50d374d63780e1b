"""Writes the pictures of the console that these pages show: python docs/screenshots.py [FOLDER].

Real Redis, InfluxDB and console processes, one night at the park, Debian's Chromium.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from playwright.sync_api import Page  # noqa: E402 - the source tree comes first

from parkwatch.servers import free_port  # noqa: E402
from storage.clock import SystemClock  # noqa: E402
from storage.influx import Influx  # noqa: E402
from tests import night  # noqa: E402
from tests.browsers import NARROW, WIDE, browsing, context, log_in, picture  # noqa: E402
from tests.consoles import environ_of, running  # noqa: E402
from tests.logins import PASSWORD  # noqa: E402
from tests.servers import Influx as InfluxServer  # noqa: E402
from tests.servers import Redis, borrowed  # noqa: E402

DATABASE = "park"


def main(folder: Path) -> None:
    """Write all pictures into ``folder``."""
    with borrowed() as (redis, influx, home):
        _pictures(folder, home, redis, influx)


def _pictures(folder: Path, home: Path, redis: Redis, influx: InfluxServer) -> None:
    clock = SystemClock()
    night.fall(redis.url, clock)
    night.flooded(redis.url, clock.now())
    night.looked_after(redis.url, clock.now())
    night.remembered(Influx(influx.url, DATABASE), clock.now())
    base = f"http://127.0.0.1:{free_port()}"
    environ = environ_of(redis.url, home, base, PARKWATCH_INFLUX_URL=influx.url, PARKWATCH_INFLUX_DB=DATABASE)
    with running(environ, night.RUN), browsing() as browser:
        night.comes(redis.url, clock)
        for language in ("zh", "en"):
            for width in (WIDE, NARROW):
                with context(browser, width, language, dark=(language, width) == ("zh", NARROW)) as page:
                    log_in(page, base, "wang", PASSWORD)
                    _shoot(page, folder, base, language, width)


def _shoot(page: Page, folder: Path, base: str, language: str, width: int) -> None:
    page.wait_for_selector("#connection.live")
    picture(page, folder / f"console-{language}-{width}.png")
    alarm = f"alarms/{night.HF.replace('/', '.')}.hf-detector"
    paths = {
        "alarm": alarm,
        **{name: name for name in ("shelved", "sensors", "quarantine", "oncall", "kpis", "health")},
    }
    if folder == DOCS:
        # The pages show no more than they speak of.
        paths = {"alarm": alarm} if width == WIDE else {}
    for name, path in paths.items():
        page.goto(f"{base}/{path}")
        page.wait_for_selector("#connection.live")
        picture(page, folder / f"{name}-{language}-{width}.png", whole=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
