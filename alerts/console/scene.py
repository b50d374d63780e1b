"""What every page shows: language, who is logged in, the strip of counts, the way around; and how it is rendered."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlencode

import jinja2
from fastapi import Request
from fastapi.responses import Response

from alerts.console.bare import LANGUAGE_COOKIE, LANGUAGES, language_of
from alerts.console.live import ALIVE_EVERY
from alerts.console.login import csrf_token, current_user
from alerts.console.views import alarms as rows
from alerts.console.views import text
from alerts.console.views.times import moment
from alerts.console.wiring import Dependencies, dependencies
from storage.states import Snapshot
from storage.users import Role

_A_YEAR = 365 * 24 * 3600

PART = "x-part"
"""The header of a request for what changes of a page."""

PAGES = (
    ("alarms", "/"),
    ("shelved", "/shelved"),
    ("sensors", "/sensors"),
    ("quarantine", "/quarantine"),
    ("oncall", "/oncall"),
    ("kpis", "/kpis"),
    ("health", "/health"),
)

_UNITS = {"zh": " 秒| 分钟| 小时| 天", "en": " s| min| h| d"}

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).resolve().parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class May:
    """What the user may do."""

    operate: bool
    engineer: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """One request for a page: who asks, in which language, when (ms)."""

    request: Request
    wired: Dependencies
    language: str
    now: int

    @classmethod
    def of(cls, request: Request) -> Scene:
        """Return the scene of ``request``."""
        wired = dependencies(request)
        return cls(request, wired, language_of(request), wired.clock.now())

    @property
    def role(self) -> Role:
        """The user's role."""
        user = current_user(self.request)
        return user.role if user else Role.VIEWER

    def render(
        self,
        template: str,
        here: str,
        alarms: list[Snapshot] | None = None,
        status: HTTPStatus = HTTPStatus.OK,
        **shown: object,
    ) -> Response:
        """Return the page ``template`` (or its part that changes); ``alarms`` spares reading them once more."""
        user = current_user(self.request)
        standing = self.wired.states.alarms() if alarms is None else alarms
        other = "en" if self.language == "zh" else "zh"
        content = TEMPLATES.get_template(template).render(
            base="part.html" if PART in self.request.headers else "page.html",
            language=self.language,
            other=other,
            switch=self._with_language(other),
            words=text.words_in(self.language),
            units=_UNITS[self.language],
            here=here,
            pages=PAGES,
            csrf=csrf_token(self.request),
            user_name=user.names.get(self.language) if user else "",
            role=text.WORDS[f"role_{self.role.value}"].get(self.language),
            may=May(self.role.may(Role.OPERATOR), self.role.may(Role.ENGINEER)),
            strip=rows.strip(standing, self.language),
            now=self.now,
            as_of=moment(self.now, self.now),
            alive_every=ALIVE_EVERY,
            answer=self.request.method == "POST",
            live_without_script=here == "alarms",
            **shown,
        )
        response = Response(content, status.value, media_type="text/html")
        self._remember_language(response)
        return response

    def _with_language(self, language: str) -> str:
        kept = [(name, value) for name, value in self.request.query_params.multi_items() if name != "lang"]
        return f"?{urlencode([*kept, ('lang', language)])}"

    def _remember_language(self, response: Response) -> None:
        if self.request.query_params.get("lang") in LANGUAGES:
            response.set_cookie(
                LANGUAGE_COOKIE, self.language, max_age=_A_YEAR, path="/", secure=self.wired.auth.https, samesite="lax"
            )


def alarm_path(alarm: str) -> str:
    """Return the address of an alarm's own page."""
    return f"/alarms/{quote(alarm, safe='')}"
