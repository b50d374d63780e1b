"""What a logged-in person does to alarms, by the API or by a form: one way for both, with refusals in two languages."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from http import HTTPStatus

import msgspec
from redis.exceptions import RedisError

from alerts.console.answers import Current, Trouble, TroubleError, invalid, unknown
from alerts.console.bodies import SeenAlarm
from alerts.console.views import text
from alerts.console.views.times import age
from alerts.console.wiring import Dependencies
from park.actions import Acknowledge, Action, Shelve
from park.alarms import Refused, StaleAcknowledgement
from park.words import Names
from storage.states import Done
from storage.users import User


class Outcome(enum.StrEnum):
    """What became of one acknowledgement of several; ``repeated``: it had been given before."""

    DONE = "done"
    REPEATED = "repeated"
    STALE = "stale"
    UNKNOWN = "unknown"
    FAILED = "failed"


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of several; ``done`` if it was, else ``texts`` (``detail``: English) say why not."""

    alarm: str
    outcome: Outcome
    done: Done | None = None
    current: Current | None = None
    detail: str = ""
    texts: Names | None = None


class Results(msgspec.Struct, frozen=True):
    """What became of each, in the order asked, and how many are acknowledged now."""

    acknowledged: int
    results: tuple[Result, ...]


def do(wired: Dependencies, user: User, alarm: str, action: Action, why: str = "") -> Done:
    """Do it as ``user``; raises :class:`TroubleError`, or ``RedisError`` while Redis is away."""
    try:
        return wired.states.act(alarm, action, by=user.name, why=why, now=wired.clock.now())
    except KeyError as error:
        raise unknown(alarm) from error
    except StaleAcknowledgement as stale:
        trouble = Trouble("stale", str(stale), stale.texts, current_of(stale))
        raise TroubleError(HTTPStatus.CONFLICT, trouble) from stale
    except Refused as refused:
        raise TroubleError(HTTPStatus.CONFLICT, Trouble("refused", str(refused), refused.texts)) from refused


def shelve(wired: Dependencies, user: User, alarm: str, until: int, why: str) -> Done:
    """Shelve ``alarm`` until ``until`` (ms); raises :class:`TroubleError` if that is too long, or past."""
    most = wired.catalogue.settings.shelve_at_most
    if not 0 < until - wired.clock.now() <= most:
        longest = age(most)
        names = text.REFUSALS["length"]
        raise invalid(Names(names.zh.format(most=longest.zh), names.en.format(most=longest.en)))
    return do(wired, user, alarm, Shelve(until), why)


def acknowledge_all(wired: Dependencies, user: User, seen: Iterable[SeenAlarm], comment: str) -> Results:
    """Acknowledge each; what is stale or gone is told, the others are done. Raises ``RedisError`` if all fail."""
    results = tuple(_acknowledge(wired, user, one, comment) for one in seen)
    done = sum(result.done is not None for result in results)
    if not done and all(result.outcome is Outcome.FAILED for result in results):
        raise RedisError(results[0].detail)
    return Results(done, results)


def _acknowledge(wired: Dependencies, user: User, one: SeenAlarm, comment: str) -> Result:
    try:
        done = do(wired, user, one.alarm, Acknowledge(one.occurrence, one.version), comment)
    except TroubleError as error:
        outcome = Outcome.STALE if error.trouble.error == "stale" else Outcome.UNKNOWN
        trouble = error.trouble
        return Result(one.alarm, outcome, None, trouble.current, trouble.detail, trouble.texts)
    except RedisError as error:
        # What came before is done, and has to be told.
        return Result(one.alarm, Outcome.FAILED, detail=str(error), texts=text.WORDS["away"])
    return Result(one.alarm, Outcome.REPEATED if done.repeated else Outcome.DONE, done)


def current_of(stale: StaleAcknowledgement) -> Current:
    """Return how the alarm stands."""
    alarm = stale.current
    return Current(alarm.occurrence, alarm.version, alarm.state.value, alarm.acknowledged_by)
