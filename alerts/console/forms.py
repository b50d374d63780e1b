"""What a form does to an alarm: the pages' way, that needs no script. The same actions as the API's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from alerts.console import acting
from alerts.console.answers import TroubleError, invalid
from alerts.console.bare import form, own_path
from alerts.console.bodies import LONGEST_TEXT
from alerts.console.login import require
from alerts.console.scene import Scene, alarm_path
from alerts.console.views import text
from alerts.console.views.detail import shelve_until
from alerts.console.views.times import age
from park.actions import Acknowledge, Action, Remove, Reset, Restore, Unshelve
from park.words import Names
from storage.users import Role, User

forms = APIRouter(include_in_schema=False)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_NUMBER = len(str(2**53))

Fields = Mapping[str, str]
Do = Callable[[Scene, User, str, Fields], object]


def _acknowledge(scene: Scene, user: User, alarm: str, fields: Fields) -> object:
    seen = Acknowledge(_number(fields, "occurrence"), _number(fields, "version"))
    return acting.do(scene.wired, user, alarm, seen, _said(fields, "comment"))


def _shelve(scene: Scene, user: User, alarm: str, fields: Fields) -> object:
    until = shelve_until(fields.get("for", ""), scene.now)
    if until is None:
        longest = age(scene.wired.catalogue.settings.shelve_at_most)
        names = text.REFUSALS["length"]
        raise invalid(Names(names.zh.format(most=longest.zh), names.en.format(most=longest.en)))
    return acting.shelve(scene.wired, user, alarm, until, _reason(fields))


def _remove(scene: Scene, user: User, alarm: str, fields: Fields) -> object:
    return acting.do(scene.wired, user, alarm, Remove(), _reason(fields))


def _plainly(action: Action) -> Do:
    def do(scene: Scene, user: User, alarm: str, fields: Fields) -> object:
        return acting.do(scene.wired, user, alarm, action, _said(fields, "comment"))

    return do


_ACTIONS: dict[str, tuple[Role, Do]] = {
    "ack": (Role.OPERATOR, _acknowledge),
    "shelve": (Role.OPERATOR, _shelve),
    "unshelve": (Role.OPERATOR, _plainly(Unshelve())),
    "reset": (Role.OPERATOR, _plainly(Reset())),
    "remove": (Role.ENGINEER, _remove),
    "restore": (Role.ENGINEER, _plainly(Restore())),
}


@forms.post("/alarms/{alarm}/{what}")
async def act(request: Request, alarm: str, what: str) -> Response:
    """Do it, and lead back to where the form stood."""
    role, do = _ACTIONS.get(what, (Role.OPERATOR, _nothing))
    user = await require(role)(request)
    fields = {**request.query_params, **_fields(await request.body())}
    return await run_in_threadpool(_answer, request, user, alarm, do, fields)


@forms.get("/alarms/{alarm}/{what}")
def after(alarm: str, what: str) -> Response:
    """Lead to the alarm who reloads what a form answered."""
    del what
    return RedirectResponse(alarm_path(alarm), HTTPStatus.SEE_OTHER)


def _answer(request: Request, user: User, alarm: str, do: Do, fields: Fields) -> Response:
    scene = Scene.of(request)
    back = own_path(fields.get("next", "")) if fields.get("next") else alarm_path(alarm)
    try:
        do(scene, user, alarm, fields)
    except TroubleError as error:
        texts = error.trouble.texts or Names(error.trouble.detail, error.trouble.detail)
        said = texts.get(scene.language)
        where = "/" if error.status is HTTPStatus.NOT_FOUND else alarm_path(alarm)
        return scene.render("trouble.html", "alarm", None, error.status, text=said, what="", back=where)
    # What a reload repeats is looking, not acting.
    return RedirectResponse(back, HTTPStatus.SEE_OTHER)


def _nothing(scene: Scene, user: User, alarm: str, fields: Fields) -> object:
    del scene, user, alarm, fields
    raise TroubleError(HTTPStatus.NOT_FOUND, invalid(text.WORDS["not_there"]).trouble)


def _fields(body: bytes) -> Fields:
    try:
        return form(body)
    except ValueError as error:
        raise invalid(text.REFUSALS["version"]) from error


def _number(fields: Fields, name: str) -> int:
    said = fields.get(name, "")
    if not (said.isascii() and said.isdigit() and len(said) <= _LONGEST_NUMBER):
        raise invalid(text.REFUSALS["version"])
    return int(said)


def _said(fields: Fields, name: str) -> str:
    said = fields.get(name, "").strip()
    if len(said) > LONGEST_TEXT or _CONTROL.search(said):
        raise invalid(text.REFUSALS["comment"])
    return said


def _reason(fields: Fields) -> str:
    said = _said(fields, "reason")
    if not said:
        raise invalid(text.REFUSALS["reason"])
    return said
