"""The JSON API: reading, and what a logged-in person does to alarms."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response

from alerts.console import acting, looking
from alerts.console.acting import Results
from alerts.console.answers import ACTING, READING, Json, answers, unknown
from alerts.console.bodies import AcknowledgeBody, AcknowledgeManyBody, CommentBody, ReasonBody, ShelveBody
from alerts.console.login import require
from alerts.console.looking import Wanted
from alerts.console.views import oncall
from alerts.console.views.alarms import Shown
from alerts.console.views.oncall import Roster
from alerts.console.views.sensors import Found, Search
from alerts.console.wiring import Wired
from park.actions import Acknowledge, Remove, Reset, Restore, Unshelve
from park.alarms import State, Transition
from park.kpis import Latest
from park.words import Priority
from storage.states import Done
from storage.users import Role, User

api = APIRouter(prefix="/api", default_response_class=Json)

AlarmId = Annotated[str, Path(max_length=400, description="zone.site.sensor.quantity.limit")]
ZoneFilter = Annotated[str | None, Query(max_length=63, description="only this zone")]
StateFilter = Annotated[State | None, Query(description="only this ISA-18.2 state")]
PriorityFilter = Annotated[Priority | None, Query(description="only this priority")]
SearchText = Annotated[str, Query(max_length=200, description="every word has to stand in an id or a name")]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]
Doubtful = Annotated[bool, Query(description="only silent series, and those whose last reading was not good")]
Operator = Annotated[User, Depends(require(Role.OPERATOR))]
Engineer = Annotated[User, Depends(require(Role.ENGINEER))]

_FARTHEST = 10_000


class Status(msgspec.Struct, frozen=True):
    """``ok``, or ``degraded`` if no delivery process lives or something is overdue."""

    status: str


class Kpis(msgspec.Struct, frozen=True):
    """The newest figures of the alarm system; ``None`` until they have been computed."""

    kpis: Latest | None


@api.get("/alarms", responses=answers(list[Shown]))
def list_alarms(
    wired: Wired,
    zone: ZoneFilter = None,
    state: StateFilter = None,
    priority: PriorityFilter = None,
    q: SearchText = "",
) -> Response:
    """Alarms that are not normal: the most urgent first, then what nobody has acknowledged, then the latest."""
    alarms = looking.shown(wired.states.alarms(), wired.overview, wired.console_url)
    return Json(looking.wanted(alarms, Wanted(zone, state, priority, q)))


@api.get("/alarms/{alarm}", responses=answers(Shown, (*READING, 404)))
def get_alarm(wired: Wired, alarm: AlarmId) -> Response:
    """One alarm, one that is normal included; 404 if there can't be one of that name."""
    try:
        return Json(looking.one(wired.states.alarm(alarm), alarm, wired.overview, wired.console_url))
    except KeyError as error:
        raise unknown(alarm) from error


@api.post("/ack", responses=answers(Results, ACTING))
def acknowledge_many(wired: Wired, user: Operator, body: AcknowledgeManyBody) -> Response:
    """Acknowledge several as a person saw them: what is stale is told with what is current, the others are done."""
    return Json(acting.acknowledge_all(wired, user, body.alarms, body.comment))


@api.post("/alarms/{alarm}/ack", responses=answers(Done, ACTING))
def acknowledge(wired: Wired, user: Operator, alarm: AlarmId, body: AcknowledgeBody) -> Response:
    """Acknowledge what a person saw; 409 says what is current if that is no longer what was seen."""
    return Json(acting.do(wired, user, alarm, Acknowledge(body.occurrence, body.version), body.comment))


@api.post("/alarms/{alarm}/shelve", responses=answers(Done, ACTING))
def shelve(wired: Wired, user: Operator, alarm: AlarmId, body: ShelveBody) -> Response:
    """Put the alarm aside until an end, or move the end of one that is shelved."""
    return Json(acting.shelve(wired, user, alarm, body.end(wired.clock.now()), body.reason))


@api.post("/alarms/{alarm}/unshelve", responses=answers(Done, ACTING))
def unshelve(wired: Wired, user: Operator, alarm: AlarmId, body: CommentBody) -> Response:
    """Take a shelved alarm back: it is evaluated anew."""
    return Json(acting.do(wired, user, alarm, Unshelve(), body.comment))


@api.post("/alarms/{alarm}/remove", responses=answers(Done, ACTING))
def remove(wired: Wired, user: Engineer, alarm: AlarmId, body: ReasonBody) -> Response:
    """Take the alarm out of service, until somebody puts it back."""
    return Json(acting.do(wired, user, alarm, Remove(), body.reason))


@api.post("/alarms/{alarm}/restore", responses=answers(Done, ACTING))
def restore(wired: Wired, user: Engineer, alarm: AlarmId, body: CommentBody) -> Response:
    """Put the alarm back into service: it is evaluated anew."""
    return Json(acting.do(wired, user, alarm, Restore(), body.comment))


@api.post("/alarms/{alarm}/reset", responses=answers(Done, ACTING))
def reset(wired: Wired, user: Operator, alarm: AlarmId, body: CommentBody) -> Response:
    """Let a latched alarm go that has returned and been acknowledged."""
    return Json(acting.do(wired, user, alarm, Reset(), body.comment))


@api.get("/journal", responses=answers(list[Transition]))
def journal(
    wired: Wired,
    limit: Annotated[int, Query(ge=1, le=_FARTHEST)] = 100,
    alarm: Annotated[str | None, Query(max_length=400, description="only this alarm")] = None,
    since: Annotated[int, Query(ge=0, le=2**53, description="server time, ms")] = 0,
) -> Response:
    """Latest transitions, newest first: those that Redis holds; of one ``alarm`` older ones too."""
    if alarm is None:
        return Json(wired.states.journal(since, limit))
    try:
        found = wired.traces.of(alarm, limit).transitions
    except ValueError:
        found = ()
    return Json([entry for entry in found if entry.at >= since])


@api.get("/sensors", responses=answers(Found))
def sensors(
    wired: Wired,
    *,
    q: SearchText = "",
    zone: ZoneFilter = None,
    doubtful: Doubtful = False,
    page: PageNumber = 1,
) -> Response:
    """Series with their last values, 50 a page."""
    asked = Search(q, zone, doubtful, page)
    return Json(looking.sensors(wired.overview, wired.states.alarms(), wired.clock.now(), asked))


@api.get("/oncall", responses=answers(Roster))
def who_is_on_call(wired: Wired) -> Response:
    """Who has the duty now and in the next seven days, and whom alarms of each zone and priority reach."""
    return Json(oncall.roster(wired.catalogue, wired.clock.now()))


@api.get("/kpis", responses=answers(Kpis))
def kpis(wired: Wired) -> Response:
    """The newest figures of the alarm system."""
    return Json(Kpis(wired.desk.kpis()))


@api.get("/health", responses=answers(Status, (421, 503)))
async def health(wired: Wired) -> Response:
    """Say whether pages leave; open to all, so it says nothing else. 503 while Redis is away."""
    # Anybody may ask, as often as they like: two looks that cost nothing, also in a flood.
    overdue = await wired.overdue()
    delivering = await wired.delivering()
    return Json(Status("ok" if delivering and not overdue else "degraded"))
