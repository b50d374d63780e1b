"""What a one-tap link opens: the alarm as it stands now, and a button that acknowledges it.

Opening never acts: chats fetch the links they show. The link itself is the right to acknowledge one occurrence as one
person; a later occurrence is shown, and needs its own link or the console.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from fastapi import APIRouter, Request
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from alerts.console.bare import LANGUAGES, REFUSALS, form, page
from alerts.console.guard import TAP
from alerts.links import VALID_FOR, Expired, Invalid, Tap, read_tap
from park.alarms import Refused
from park.oncall import Person
from park.words import Names
from storage.clock import Clock

_LONGEST_COMMENT = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """An alarm as it stands, in one language: ``headline`` and lines of (label, text); ``waiting`` for somebody.

    ``chattering``: it has come again since its page, which nobody was told of because it comes too often.
    """

    occurrence: int
    version: int
    waiting: bool
    headline: str
    lines: tuple[tuple[str, str], ...]
    chattering: bool = False

    def is_of(self, occurrence: int) -> bool:
        """Whether a link that was sent for ``occurrence`` speaks of what is there."""
        return occurrence == self.occurrence or (self.chattering and occurrence < self.occurrence)


class Acknowledge(Protocol):
    """:meth:`storage.states.ParkStates.acknowledge`."""

    def __call__(self, alarm: str, *, occurrence: int, version: int, by: str, comment: str, now: int) -> object:
        """Acknowledge; raises ``KeyError`` or :class:`park.alarms.Refused`."""
        ...


@dataclass(frozen=True, slots=True)
class Taps:
    """What links work with; blocking callables.

    ``standing(alarm, language)`` is how it stands, ``None`` if it is normal; ``person(name)`` is ``None`` for who is no
    longer in the roster (``OnCall.people.get``): their links end. Without ``secret_key`` there are no links.
    """

    secret_key: str | None
    standing: Callable[[str, str], Standing | None]
    person: Callable[[str], Person | None]
    acknowledge: Acknowledge
    clock: Clock
    valid_for: int = VALID_FOR


_TEXTS = {
    "off": Names("一键确认链接未启用。", "One-tap links are switched off."),
    "invalid": Names(
        "链接无效：可能被截断或改动。请从原消息重新打开，或登录报警台。",
        "This is no valid link: it may be cut off or changed. Open it from the message again, or use the console.",
    ),
    "expired": Names(
        "链接已过期，不能再用于确认。请登录报警台查看现状。",
        "This link is too old to act. Log in to the console to see how things stand.",
    ),
    "nobody": Names(
        "此链接的接收人已不在值班名单中，链接失效。",
        "The person this link was made for is no longer on the on-call list; it does not act any more.",
    ),
    "over": Names("该报警已结束，无需确认。", "This alarm is over; there is nothing to acknowledge."),
    "later": Names(
        "这是一次新的报警，不是链接所指的那一次。请使用新消息中的链接，或登录报警台。",
        "This is a newer occurrence than the one this link was made for. Use the newer message's link, or the console.",
    ),
    "stale": Names(
        "报警已变化，尚未确认。以下为现状，请看后再确认。",
        "The alarm has changed and was not acknowledged. This is how it stands now: look again, then acknowledge.",
    ),
    "acknowledged": Names("该报警已确认。", "This alarm is acknowledged."),
    "as": Names("您将以{name}的身份确认", "You acknowledge as {name}"),
    "by_link": Names("一键链接", "one-tap link"),
}

router = APIRouter(include_in_schema=False)


@router.get(TAP + "{token}")
async def show(request: Request, token: str) -> Response:
    """Show the alarm as it stands, with a button if there is something to acknowledge."""
    return await _answer(request, _show, token)


@router.post(TAP + "{token}")
async def act(request: Request, token: str) -> Response:
    """Acknowledge what the form showed; what is stale is shown as it stands now."""
    try:
        fields = form(await request.body())
    except ValueError:
        fields = {}

    def acknowledge(taps: Taps, read: _Read) -> Response:
        return _acknowledge(taps, read, fields, request.url.path)

    return await _answer(request, acknowledge, token)


@dataclass(frozen=True, slots=True)
class _Read:
    """A link that was read and holds, whose it is, and the language to answer in."""

    tap: Tap
    person: Person
    language: str


async def _answer(request: Request, answer: Callable[[Taps, _Read], Response], token: str) -> Response:
    """Answer a link that holds with ``answer``, any other with what is wrong with it."""
    taps: Taps = request.app.state.taps
    try:
        response = await run_in_threadpool(_read_and, answer, taps, token, _asked(request))
    except RedisError:
        text = REFUSALS["redis-away"].get(_asked(request) or "zh")
        response = page("refused.html", _asked(request) or "zh", HTTPStatus.SERVICE_UNAVAILABLE, text=text)
    # The address is a right to act: it must not travel on, nor be kept.
    response.headers["referrer-policy"] = "no-referrer"
    response.headers["cache-control"] = "no-store"
    response.headers["x-robots-tag"] = "noindex, nofollow"
    return response


def _read_and(answer: Callable[[Taps, _Read], Response], taps: Taps, token: str, asked: str | None) -> Response:
    if taps.secret_key is None:
        return _trouble("off", asked, HTTPStatus.NOT_FOUND)
    tap = read_tap(taps.secret_key, token, taps.clock.now(), taps.valid_for)
    if isinstance(tap, Invalid):
        return _trouble("invalid", asked, HTTPStatus.NOT_FOUND)
    expired, tap = (True, tap.tap) if isinstance(tap, Expired) else (False, tap)
    person = taps.person(tap.person)
    if person is None:
        return _trouble("nobody", asked, HTTPStatus.FORBIDDEN)
    read = _Read(tap, person, asked or person.language)
    return _trouble("expired", read.language, HTTPStatus.GONE) if expired else answer(taps, read)


def _show(taps: Taps, read: _Read, note: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    standing = taps.standing(read.tap.alarm, read.language)
    if standing is None:
        return _trouble("over", read.language, status)
    same = standing.is_of(read.tap.occurrence)
    note = note if same else "later"
    if same and not standing.waiting:
        note = "acknowledged"
    return page(
        "tap.html",
        read.language,
        status,
        standing=standing,
        occurrence=read.tap.occurrence,
        note=_TEXTS[note].get(read.language) if note else "",
        actable=same and standing.waiting,
        as_whom=_TEXTS["as"].get(read.language).format(name=read.person.names.get(read.language)),
        longest_comment=_LONGEST_COMMENT,
    )


def _acknowledge(taps: Taps, read: _Read, fields: Mapping[str, str], path: str) -> Response:
    seen = _number(fields.get("occurrence", "")), _number(fields.get("version", ""))
    if seen[0] != read.tap.occurrence or seen[1] is None:
        return _show(taps, read, "stale", HTTPStatus.CONFLICT)
    said = " ".join(fields.get("comment", "").split())[:_LONGEST_COMMENT]
    by_link = _TEXTS["by_link"].get(read.person.language)
    try:
        taps.acknowledge(
            read.tap.alarm,
            occurrence=seen[0],
            version=seen[1],
            by=read.person.name,
            comment=f"{said} ({by_link})" if said else by_link,
            now=taps.clock.now(),
        )
    except (Refused, KeyError):
        return _show(taps, read, "stale", HTTPStatus.CONFLICT)
    # What a reload repeats is looking, not acting.
    return RedirectResponse(f"{path}?lang={read.language}", HTTPStatus.SEE_OTHER)


def _trouble(text: str, language: str | None, status: HTTPStatus) -> Response:
    return page("refused.html", language or "zh", status, text=_TEXTS[text].get(language or "zh"))


def _asked(request: Request) -> str | None:
    asked = request.query_params.get("lang")
    return asked if asked in LANGUAGES else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(2**53)) else None
