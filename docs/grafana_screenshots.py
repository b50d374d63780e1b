"""Writes the pictures of the dashboards that these pages show: python docs/grafana_screenshots.py [FOLDER].

As bench/grafana.py, needs ``PARKWATCH_GRAFANA_BIN``, or the address of a Grafana that runs on the demo.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from bench.grafana import place  # noqa: E402 - the source tree comes first
from grafana.board import SET, uid  # noqa: E402
from grafana.language import LANGUAGES  # noqa: E402
from parkwatch.grafana_setup import VIEWERS  # noqa: E402
from tests.browsers import browsing, picture  # noqa: E402
from tests.grafana_pages import Visitor, visiting  # noqa: E402

#: What shows more than a dashboard's own beginning does.
LOOKS = {
    "sensor": {
        "var-zone": "riverside",
        "var-site": "tank-farm",
        "var-sensor": "tank-703",
        "var-quantity": "level",
    },
    "zone": {"var-zone": "new-materials"},
    "circular": {"var-zone": "new-materials"},
}
PAST = "30d"


def main(folder: Path) -> None:
    """Write all pictures into ``folder``."""
    with place(PAST) as (url, password), browsing() as browser:
        for t in LANGUAGES:
            with visiting(browser, url, t.code) as visitor:
                visitor.log_in(next(each.login for each in VIEWERS if each.home.endswith(t.code)), password)
                for name, _, _ in SET:
                    _shoot(visitor, folder / f"grafana-{name}-{t.code}.png", uid(name, t), LOOKS.get(name, {}))


def _shoot(visitor: Visitor, file: Path, dashboard: str, parameters: dict[str, str]) -> None:
    visitor.open(dashboard, **parameters)
    # Maps and graphs fade in.
    visitor.page.wait_for_timeout(1_500)
    picture(visitor.page, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
