"""How long each dashboard takes to open on 30 days of the demo's data: python -m bench.grafana [--past 30d].

Needs ``PARKWATCH_GRAFANA_BIN``; or ``PARKWATCH_GRAFANA_URL`` and ``PARKWATCH_GRAFANA_VIEWER_PASSWORD_FILE`` of one
that has such data, as in ``$PARKWATCH_HOME/env``. Counted is from the click to the last answer, in a browser
that has Grafana's own files already; "queries" are the answers of InfluxDB in that time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grafana.board import SET, uid
from grafana.language import LANGUAGES
from tests.browsers import browsing
from tests.demonstration import DATABASE, Demonstration
from tests.grafana_pages import Visitor, visiting
from tests.grafanas import Grafana, running

LOGIN = "safety"


@contextmanager
def place(past: str) -> Iterator[tuple[str, str]]:
    """Give the address of a Grafana on the demo with ``past`` behind it, and the viewer's password."""
    url, password = os.environ.get("PARKWATCH_GRAFANA_URL"), os.environ.get("PARKWATCH_GRAFANA_VIEWER_PASSWORD_FILE")
    if url and password:
        yield url, Path(password).read_text(encoding="utf-8").strip()
        return
    with tempfile.TemporaryDirectory() as folder, Demonstration(Path(folder), past) as demo:
        demo.piece("run", "console")
        home = Path(folder) / "grafana"
        home.mkdir()
        grafana = Grafana(home, demo.influx.url, DATABASE, map_url=demo.environment["PARKWATCH_CONSOLE_URL"])
        with running(grafana):
            yield grafana.url, grafana.viewer_password


def measure(visitor: Visitor, name: str, rounds: int, span: str) -> str:
    """Return a line: the median and the longest of ``rounds``, and how much was asked."""
    t = LANGUAGES[0]
    seen = [visitor.open(uid(name, t), **({"from": f"now-{span}", "to": "now"} if span else {})) for _ in range(rounds)]
    times = [each.seconds for each in seen]
    return f"{statistics.median(times):6.2f} s  longest {max(times):6.2f} s  {seen[-1].queries:3} queries"


def main() -> None:
    """Measure all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--past", default="30d", help="how much of the past the demo gets")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with place(options.past) as (url, password), browsing() as browser, visiting(browser, url, "zh") as visitor:
        visitor.log_in(LOGIN, password)
        visitor.open(uid(SET[0][0], LANGUAGES[0]))
        for span in ("", options.past):
            print(f"\n{span or 'as it opens'}")
            for name, _, _ in SET:
                print(f"{name:12}", measure(visitor, name, options.rounds, span), flush=True)


if __name__ == "__main__":
    main()
