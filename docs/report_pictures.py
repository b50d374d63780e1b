"""Writes the pictures of the monthly report that these pages show: python docs/report_pictures.py [FOLDER].

Two months of the simulated park in a real InfluxDB, with something gone wrong in the second; Debian's Chromium.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from park.periods import month  # noqa: E402 - the source tree comes first
from reports.gathering import TIMEOUT, gather  # noqa: E402
from reports.material import Question  # noqa: E402
from reports.page import LANGUAGES, page  # noqa: E402
from reports.report import report_of  # noqa: E402
from storage.influx import Influx  # noqa: E402
from storage.queue import redis_client  # noqa: E402
from tests import months  # noqa: E402
from tests.browsers import browsing, context  # noqa: E402
from tests.months import china  # noqa: E402
from tests.servers import Influx as InfluxServer  # noqa: E402
from tests.servers import Redis, borrowed  # noqa: E402

DATABASE = "park"
#: As wide as a page is at most, and as high as its first two parts.
WIDTH, HEIGHT = 1000, 1350


def main(folder: Path) -> None:
    """Write all pictures into ``folder``."""
    with borrowed() as (redis, influx, home):
        _pictures(folder, home, redis, influx)


def _pictures(folder: Path, pages: Path, redis: Redis, server: InfluxServer) -> None:
    catalogue, client = months.configured(), redis_client(redis.url)
    influx = Influx(server.url, DATABASE, timeout_ms=TIMEOUT)
    months.live(influx, client, catalogue, (china(2026, 9), china(2026, 11, 2)), bend=months.troubled)
    months.break_exchange(influx, catalogue, "nm-gypsum-to-board")
    asked = Question(catalogue, tuple(catalogue.zones), month(2026, 10), china(2026, 11, 2, 9))
    report = report_of(gather(influx, client, asked))
    with browsing() as browser:
        for language in LANGUAGES:
            file = pages / f"{language}.html"
            file.write_text(page(report, language), encoding="utf-8")
            with context(browser, WIDTH, language) as shown:
                shown.goto(file.as_uri())
                clip = {"x": 0.0, "y": 0.0, "width": float(WIDTH), "height": float(HEIGHT)}
                shown.screenshot(path=folder / f"report-{language}.png", full_page=True, clip=clip)  # type: ignore[arg-type]
    client.close()
    influx.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
