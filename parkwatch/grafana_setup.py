"""What Grafana can't be told by files: the viewers for safety staff, and where everybody begins.

Everything can be done again; a viewer who has chosen a password of their own is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

#: Seconds between attempts while Grafana starts.
_PAUSE = 1.0
_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who looks: what they log in as, what they are called, and their language."""

    login: str
    name: str
    language: str
    home: str


VIEWERS = (
    Viewer("safety", "安全值班", "zh-Hans", "parkwatch-overview-zh"),
    Viewer("safety-en", "Safety staff", "en-US", "parkwatch-overview-en"),
)


class SetupError(Exception):
    """Grafana was not set up; the text says what to look at."""


def wait_for(url: str, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Wait until Grafana answers; raises :class:`SetupError` after ``seconds``."""
    end = clock() + seconds
    while True:
        try:
            found = httpx.get(f"{url}/api/health", timeout=_TIMEOUT, trust_env=False)
            if found.is_success:
                return
            problem = f"answers {found.status_code}"
        except httpx.HTTPError as error:
            problem = f"does not answer ({type(error).__name__})"
        if clock() >= end:
            raise SetupError(f"Grafana at {url} {problem}: look at its log, and whether PARKWATCH_GRAFANA_URL is right")
        time.sleep(_PAUSE)


def set_up(url: str, admin_password: str, viewer_password: str, admin: str = "admin") -> list[str]:
    """Make the viewers that are missing and say where people begin; return the log-ins that were made.

    Raises :class:`SetupError`.
    """
    try:
        with httpx.Client(base_url=url, auth=(admin, admin_password), timeout=_TIMEOUT, trust_env=False) as client:
            made = [viewer.login for viewer in VIEWERS if _make(client, viewer, viewer_password)]
            _said(client.put("/api/org/preferences", json=_preferences(VIEWERS[0])), "where people begin")
            # At its first start Grafana 9.4 reads them, and then forgets their databases while it encrypts secrets.
            _said(client.post("/api/admin/provisioning/datasources/reload"), "its data sources")
        for viewer in VIEWERS:
            _prefer(url, viewer, viewer_password)
    except httpx.HTTPError as error:
        raise SetupError(f"Grafana at {url} does not answer ({type(error).__name__}): try again") from error
    return made


def _make(client: httpx.Client, viewer: Viewer, password: str) -> bool:
    found = client.get("/api/users/lookup", params={"loginOrEmail": viewer.login})
    if found.status_code != httpx.codes.NOT_FOUND:
        _said(found, "who is known")
        return False
    # Whoever is new is a viewer (grafana.ini).
    wanted = {"login": viewer.login, "name": viewer.name, "password": password, "OrgId": 1}
    _said(client.post("/api/admin/users", json=wanted), f"the viewer {viewer.login}")
    return True


def _prefer(url: str, viewer: Viewer, password: str) -> None:
    """Set a viewer's language, as the viewer; not if the password is no longer ours, nor if they have chosen."""
    with httpx.Client(base_url=url, auth=(viewer.login, password), timeout=_TIMEOUT, trust_env=False) as client:
        found = client.get("/api/user/preferences")
        if found.status_code == httpx.codes.UNAUTHORIZED:
            return
        _said(found, "what a viewer has chosen")
        if not found.json().get("language"):
            _said(client.put("/api/user/preferences", json=_preferences(viewer)), f"the language of {viewer.login}")


def _preferences(viewer: Viewer) -> dict[str, str]:
    return {"language": viewer.language, "homeDashboardUID": viewer.home, "theme": "", "timezone": "", "weekStart": ""}


def _said(answer: httpx.Response, what: str) -> None:
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise SetupError(
            "Grafana does not take the administrator's password: it is the one of Grafana's first start; "
            "name its file as PARKWATCH_GRAFANA_PASSWORD_FILE, or reset it (docs/grafana.md)"
        )
    if not answer.is_success:
        raise SetupError(f"Grafana answers {answer.status_code} about {what}: {answer.text[:300]}")
