"""Pages that stand alone, for who is not logged in: log-in, a refusal, a one-tap link. They need no script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl

import jinja2
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from alerts.console.guard import Refusal
from park.words import Names

LANGUAGES = ("zh", "en")
LANGUAGE_COOKIE = "parkwatch-language"
_MOST_FIELDS = 20

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).resolve().parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

WORDS = {
    "title": Names("化工园区报警", "Park alarms"),
    "other_language": Names("English", "中文"),
    "disclaimer": Names("监测服务，不是安全仪表系统。", "A monitoring service, not a safety instrumented system."),
    "console": Names("打开报警台", "Open the alarm console"),
    "log_in": Names("登录", "Log in"),
    "name": Names("用户名", "User name"),
    "password": Names("密码", "Password"),
    "forgotten": Names(
        "忘记密码或没有账号：请工程师执行 parkwatch user password 或 parkwatch user add。",
        "Forgotten, or no account? An engineer helps with `parkwatch user password` or `parkwatch user add`.",
    ),
    "refused": Names("未允许", "Not allowed"),
    "comment": Names("备注（可不填）", "Comment (may stay empty)"),
    "acknowledge": Names("确认报警", "Acknowledge"),
}

REFUSALS = {
    "login": Names("请先登录。", "Log in first."),
    "role": Names(
        "您的角色不允许此操作；需要更高权限时请找工程师。",
        "Your role does not allow this; an engineer can give you another.",
    ),
    "csrf": Names(
        "页面已过期或请求不是从报警台页面发出的；请返回、重新加载页面后再试。",
        "The page is too old, or the request did not come from a page of the console; go back, reload and try again.",
    ),
    "redis-away": Names(
        "报警数据不可用：Redis 无响应。看不到报警不等于没有报警。",
        "Alarm data is not available: Redis does not answer. Not seeing an alarm does not mean there is none.",
    ),
}
"""What people read of a refusal, by its code."""


def page(template: str, language: str, status: HTTPStatus = HTTPStatus.OK, **scene: object) -> Response:
    """Return a page of ``templates/`` in ``language``."""
    words = {key: names.get(language) for key, names in WORDS.items()}
    other = "en" if language == "zh" else "zh"
    text = _TEMPLATES.get_template(template).render(language=language, other=other, words=words, **scene)
    return Response(text, status.value, media_type="text/html")


def refusal(request: Request, refused: Refusal) -> Response:
    """Return a refusal: a page if the browser opens one, JSON for everybody else."""
    if not opens_page(request.headers):
        return refused.response()
    language = language_of(request)
    text = REFUSALS.get(refused.error, refused.texts).get(language)
    return page("refused.html", language, refused.status, text=text)


def opens_page(headers: Headers) -> bool:
    """Whether a browser goes to this address itself, rather than a script that fetches it."""
    mode = headers.get("sec-fetch-mode")
    return mode == "navigate" if mode else "text/html" in headers.get("accept", "")


def language_of(request: Request, default: str = "en") -> str:
    """The language asked for by ``?lang``, else the one chosen before, the browser's, or ``default``."""
    preferred = request.headers.get("accept-language", "").strip().lower()[:2]
    candidates = (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE), preferred)
    return next((found for found in candidates if found in LANGUAGES), default)


def form(body: bytes) -> Mapping[str, str]:
    """Return the fields of a plain form, the last of a name; raises ``ValueError`` if it can't be read."""
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))


_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


def own_path(wanted: str) -> str:
    """Return ``wanted`` if it is a path of this console's, else ``/``: nobody is led to another site."""
    return wanted if _OWN_PATH.fullmatch(wanted) else "/"
