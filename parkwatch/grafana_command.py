"""``parkwatch grafana-users``: the viewers of Grafana for safety staff, and where everybody begins."""

from __future__ import annotations

from typing import Annotated

import typer

from parkwatch.desk import UNUSABLE, out, settings, stop
from parkwatch.grafana_setup import VIEWERS, SetupError, set_up, wait_for


def grafana_users(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for Grafana.")] = 60.0,
) -> None:
    """Make the viewers of Grafana that are missing, with their language and first page (docs/grafana.md)."""
    chosen = settings()
    if not (chosen.grafana_url and chosen.grafana_password and chosen.grafana_viewer_password):
        raise stop(
            "set PARKWATCH_GRAFANA_URL, PARKWATCH_GRAFANA_PASSWORD_FILE (the administrator's) and "
            "PARKWATCH_GRAFANA_VIEWER_PASSWORD_FILE (what new viewers log in with)",
            UNUSABLE,
        )
    try:
        wait_for(chosen.grafana_url, wait)
        made = set_up(chosen.grafana_url, chosen.grafana_password, chosen.grafana_viewer_password)
    except SetupError as error:
        raise stop(str(error)) from error
    known = ", ".join(viewer.login for viewer in VIEWERS)
    out.print(f"made {', '.join(made)}" if made else f"{known}: there already", highlight=False)
