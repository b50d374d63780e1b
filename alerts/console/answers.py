"""Answers of the API: JSON from structs, troubles that say what to do instead, and their schemas for OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from alerts.console.bare import language_of, opens_page, page
from alerts.console.views import text
from park.words import Names

_REF = "#/components/schemas/{name}"


class Json(JSONResponse):
    """A response from anything msgspec can encode."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - as the class it overrides
        """Encode."""
        return msgspec.json.encode(content)


class Current(msgspec.Struct, frozen=True):
    """How an alarm stands now: what to look at and acknowledge instead."""

    occurrence: int
    version: int
    state: str
    acknowledged_by: str


class Trouble(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why something was not done: ``error`` for programs, ``detail`` and ``texts`` for people.

    ``current`` comes with a stale acknowledgement, ``problems`` with what could not be understood.
    """

    error: str
    detail: str
    texts: Names | None = None
    current: Current | None = None
    problems: tuple[str, ...] = ()


class TroubleError(Exception):
    """What was asked for can't be done; becomes the answer."""

    def __init__(self, status: HTTPStatus, trouble: Trouble) -> None:
        super().__init__(trouble.detail)
        self.status = status
        self.trouble = trouble


def unknown(alarm: str) -> TroubleError:
    """There is no such alarm."""
    detail = f"there is no alarm {alarm!r}; GET /api/alarms lists those that are not normal"
    return TroubleError(HTTPStatus.NOT_FOUND, Trouble("unknown", detail, text.REFUSALS["unknown"]))


def invalid(names: Names, *problems: str) -> TroubleError:
    """What was sent can't be understood."""
    return TroubleError(HTTPStatus.UNPROCESSABLE_ENTITY, Trouble("invalid", names.en, names, None, problems))


async def answer_trouble(_: Request, error: Exception) -> Response:
    """Turn :class:`TroubleError` into its answer."""
    assert isinstance(error, TroubleError)  # noqa: S101 - what it was registered for
    return Json(error.trouble, error.status)


async def answer_invalid(_: Request, error: Exception) -> Response:
    """Say what could not be understood, and where."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it was registered for
    problems = tuple(_problem(each) for each in error.errors())
    texts = Names(f"请求有误：{'；'.join(problems)}", f"this can't be understood: {'; '.join(problems)}")
    return Json(Trouble("invalid", texts.en, texts, None, problems), HTTPStatus.UNPROCESSABLE_ENTITY)


async def answer_no_such_page(request: Request, error: Exception) -> Response:
    """Say that there is nothing at this address (404), or not by this method (405)."""
    assert isinstance(error, HTTPException)  # noqa: S101 - what it was registered for
    names = text.WORDS["not_there"]
    if opens_page(request.headers):
        language = language_of(request)
        return page("refused.html", language, HTTPStatus(error.status_code), text=names.get(language))
    return Json(Trouble("not-found", f"{names.en} ({error.detail})", names), error.status_code, error.headers)


async def answer_away(_: Request, error: Exception) -> Response:
    """Say that Redis is away: nobody must take that for a quiet park."""
    detail = f"Redis does not answer, so alarms are not known; not seeing one does not mean there is none ({error})"
    return Json(Trouble("redis-away", detail, text.WORDS["away"]), HTTPStatus.SERVICE_UNAVAILABLE)


def _problem(error: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in error.get("loc", ()) if part != "body")
    said = str(error.get("msg", "")).removeprefix("Value error, ")
    return f"{place}: {said}" if place else said


# -- schema --------------------------------------------------------------------------------------------------

_TROUBLES: dict[int, str] = {
    400: "this is no request that can be read",
    401: "nobody is logged in",
    403: "the role is too small, the CSRF token is missing, or another site's page asked",
    404: "there is no such alarm",
    409: "refused: the text says what to do instead, `current` how the alarm stands",
    411: "content-length is missing",
    413: "the body is too large",
    415: "the body is not JSON",
    421: "the console does not answer to this host name",
    422: "not understood: the text says what to send instead",
    503: "Redis does not answer",
}
READING = (401, 403, 421, 422, 503)
ACTING = (400, 401, 403, 404, 409, 411, 413, 415, 421, 422, 503)


def answers(kind: Any, troubles: Sequence[int] = READING, description: str = "") -> dict[int | str, dict[str, Any]]:  # noqa: ANN401 - a type
    """Return ``responses`` of a route that answers ``kind`` (anything msgspec has a schema for), or these troubles."""
    said: dict[int | str, dict[str, Any]] = {200: {"description": description or "done", **_content(kind)}}
    return {**said, **{code: {"description": _TROUBLES[code], **_content(Trouble)} for code in troubles}}


def _content(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a type
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    _KINDS[str(kind)] = kind
    return {"content": {"application/json": {"schema": schema}}}


_KINDS: dict[str, Any] = {}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI schema of ``app``, with the schemas of all structs that its routes answer."""
    schema = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, summary=app.summary
    )
    _, structs = msgspec.json.schema_components(list(_KINDS.values()), ref_template=_REF)
    components = schema.setdefault("components", {})
    components["schemas"] = {**components.get("schemas", {}), **structs}
    components["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": "parkwatch-session"},
        "csrf": {"type": "apiKey", "in": "header", "name": "x-csrf-token"},
    }
    return schema
