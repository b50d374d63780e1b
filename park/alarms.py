"""The alarm state machine: ISA-18.2 / IEC 62682 states on independent axes.

An alarm is one limit on one series. Its **condition** is the level it has reached (0 inactive, 1 the mildest
set-point, 2 the next) and the timers that would change it; its **acknowledgement**, **availability** and
**quality** are axes of their own. The familiar state (NORM, UNACK, ...) is derived, never stored.

Every change is a :class:`Transition`, in the past tense: the unit that is journalled and paged. The functions here
move one alarm along one axis and say what that was (:class:`Change`); what a person may ask for is in
:mod:`park.actions`, what readings and time do in :mod:`park.evaluate`.
"""

from __future__ import annotations

import enum

import msgspec

from park.limits import Kind, Limit
from park.words import Names, Priority

#: So many activations within so many ms are chattering (ISA-18.2: three or more in a minute).
CHATTER_COUNT = 3
CHATTER_WITHIN = 60_000
#: ms after which a chattering alarm that nobody has acknowledged is announced again, however it chatters on.
CHATTER_REMIND = 600_000


class Acknowledgement(enum.StrEnum):
    """Whether somebody has taken note."""

    NONE_NEEDED = "none-needed"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"


class Availability(enum.StrEnum):
    """Whether the alarm may reach people; precedence out of service > suppressed > shelved."""

    IN_SERVICE = "in-service"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out-of-service"


class Condition(enum.StrEnum):
    """The process side of an alarm, delays included."""

    INACTIVE = "inactive"
    PENDING_ON = "pending-on"
    ACTIVE = "active"
    PENDING_OFF = "pending-off"
    LATCHED = "latched"


class State(enum.StrEnum):
    """ISA-18.2 state, derived from the axes."""

    NORM = "NORM"
    UNACK = "UNACK"
    ACKED = "ACKED"
    RTNUN = "RTNUN"
    SHLVD = "SHLVD"
    DSUPR = "DSUPR"
    OOSRV = "OOSRV"


class Event(enum.StrEnum):
    """What happened to an alarm."""

    RAISED = "raised"
    ESCALATED = "escalated"
    EASED = "eased"
    RETURNED = "returned"
    ACKNOWLEDGED = "acknowledged"
    LATE = "late"
    WITHDRAWN = "withdrawn"
    REALARMED = "realarmed"
    RESET = "reset"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    REMOVED = "removed-from-service"
    RESTORED = "restored-to-service"


class Notify(enum.StrEnum):
    """What a transition means for people: a page wants an action, a notice informs, none is journal only."""

    PAGE = "page"
    NOTICE = "notice"
    NONE = "none"


_NOTIFY = {
    Event.RAISED: Notify.PAGE,
    Event.ESCALATED: Notify.PAGE,
    Event.REALARMED: Notify.PAGE,
    Event.RETURNED: Notify.NOTICE,
    Event.WITHDRAWN: Notify.NOTICE,
}

#: Back in service: an alarm that stands is news to whoever could not hear of it.
_BACK = frozenset({Event.UNSHELVED, Event.UNSUPPRESSED, Event.RESTORED})

_UNAVAILABLE = {
    Availability.OUT_OF_SERVICE: State.OOSRV,
    Availability.SUPPRESSED: State.DSUPR,
    Availability.SHELVED: State.SHLVD,
}


_with = msgspec.structs.replace


class Timer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """When something began, by the sensor's clock (``t``) and by ours (``at``), both ms."""

    t: int
    at: int


class Shelving(msgspec.Struct, frozen=True, array_like=True):
    """Put aside by a person until ``until`` (ms): who, why, and when (ms).

    ``level`` is the worst that it covers: whoever puts a high alarm aside has said nothing of high-high.
    """

    by: str
    why: str
    until: int
    at: int
    level: int = 1


class Removal(msgspec.Struct, frozen=True, array_like=True):
    """Taken out of service by a person, for maintenance: who, why, and when (ms). It has no end of its own."""

    by: str
    why: str
    at: int


class Alarm(msgspec.Struct, frozen=True, array_like=True):
    """State of one limit on one series; small, serialisable, replaced and never changed in place.

    ``timers[k]`` runs while set-point ``k`` is passed but not reached (on-delay), or reached but no longer
    passed (off-delay). ``occurrence`` counts activations, ``version`` transitions. ``raised_t``/``raised_at``
    are the event and server time of the current or latest activation; ``value`` is the value that made the
    latest transition and ``why`` its reason. ``acknowledged_version`` is the version the last acknowledgement spoke of.

    ``shelved``, ``suppressed`` (the rule that does it) and ``out_of_service`` are independent of each other; the
    strongest is the availability. ``latched``: returned, but waits for a reset. ``peak`` is the worst level of the
    occurrence. ``paged`` is the version of the page that people are being told of (0: of none; an alarm that is not
    in service tells nobody), ``paged_t`` the event time of the latest page and ``paged_level`` the level it spoke of.
    ``collapsed`` counts what happened since and was not announced, because the alarm chatters; ``recent`` are the event
    times of the latest activations, ``rises`` those of the latest escalations, and ``risen_at`` the server time of the
    latest of either. ``realarms`` counts the reminders of this occurrence. ``first_up``: the first of its group to be
    raised. ``stuck_at`` is the measured value of which ``value`` says for how long it has not changed (flatline).
    """

    level: int = 0
    timers: tuple[Timer | None, ...] = ()
    acknowledgement: Acknowledgement = Acknowledgement.NONE_NEEDED
    occurrence: int = 0
    version: int = 0
    raised_t: int = 0
    raised_at: int = 0
    value: float | None = None
    why: str = ""
    acknowledged_version: int = 0
    acknowledged_by: str = ""
    acknowledged_at: int = 0
    shelved: Shelving | None = None
    suppressed: str = ""
    out_of_service: Removal | None = None
    latched: bool = False
    paged: int = 0
    paged_t: int = 0
    collapsed: int = 0
    recent: tuple[int, ...] = ()
    realarms: int = 0
    first_up: bool = False
    peak: int = 0
    paged_level: int = 0
    rises: tuple[int, ...] = ()
    risen_at: int = 0
    stuck_at: float | None = None

    @property
    def availability(self) -> Availability:
        """The availability axis: the strongest of what keeps the alarm from people."""
        if self.out_of_service:
            return Availability.OUT_OF_SERVICE
        if self.suppressed:
            return Availability.SUPPRESSED
        return Availability.SHELVED if self.shelved else Availability.IN_SERVICE

    @property
    def condition(self) -> Condition:
        """The condition axis."""
        if self.level == 0:
            pending = Condition.PENDING_ON if any(self.timers) else Condition.INACTIVE
            return Condition.LATCHED if self.latched else pending
        lowest = self.timers[0] if self.timers else None
        return Condition.PENDING_OFF if lowest else Condition.ACTIVE

    @property
    def stands(self) -> bool:
        """Active, or returned and latched."""
        return self.level > 0 or self.latched

    @property
    def unacknowledged(self) -> bool:
        """Whether it waits for somebody to take note."""
        return self.acknowledgement is Acknowledgement.UNACKNOWLEDGED

    @property
    def matters(self) -> int:
        """The level that people have to do with: of one that has returned and still waits for them, the worst."""
        waits = self.stands or self.unacknowledged
        return self.level or (self.peak if waits else 0)

    @property
    def state(self) -> State:
        """The ISA-18.2 state."""
        unavailable = _UNAVAILABLE.get(self.availability)
        if unavailable:
            return unavailable
        if self.stands:
            return State.UNACK if self.unacknowledged else State.ACKED
        return State.RTNUN if self.unacknowledged else State.NORM

    @property
    def idle(self) -> bool:
        """Nothing runs, nothing waits: state NORM and no timer."""
        return self.level == 0 and self.state is State.NORM and not any(self.timers)

    def chatters(self, t: int) -> bool:
        """Whether the latest activations came so fast, and so lately before ``t`` (event time, ms), as to chatter."""
        return _too_fast(self.recent, t)


class Change(msgspec.Struct, frozen=True):
    """An alarm after an event, and whether that event is one of too many to be announced to people."""

    alarm: Alarm
    event: Event
    chattering: bool = False


class Transition(msgspec.Struct, frozen=True):
    """Something that happened to an alarm: journalled always, paged as ``notify`` says.

    ``alarm`` is the alarm's id (:func:`alarm_id`); ``t`` the event time and ``at`` the server time (ms);
    ``value`` and ``set_point`` are in the quantity's canonical unit, and ``scale`` times them in ``unit``, the unit
    of the limit's source. ``source`` and ``clause`` say where the limit stands, as it stood then. ``by`` is a person or
    ``parkwatch``. ``chattering``: one of many within a minute; people are not told of each. ``first_up``: the first of
    its group to be raised. ``stuck_at`` is the measured value (the quantity's canonical unit) of which ``value`` says
    for how long it had not changed; ``None`` for any other kind of limit.
    """

    alarm: str
    series: str
    limit: str
    limit_version: str
    event: Event
    notify: Notify
    before: State
    after: State
    severity: str
    priority: Priority
    occurrence: int
    version: int
    t: int
    at: int
    value: float | None
    set_point: float | None
    by: str = "parkwatch"
    why: str = ""
    unit: str = ""
    scale: float = 1.0
    source: str = ""
    clause: Names = Names("", "")
    chattering: bool = False
    first_up: bool = False
    stuck_at: float | None = None


class Refused(Exception):
    """What was asked of an alarm can't be done; ``texts`` say why, and what to do instead (as text: in English)."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.texts = Names(zh, en)


class StaleAcknowledgement(Refused):
    """The acknowledgement speaks of something that is no longer what is there.

    ``current`` is the alarm as it stands: its occurrence and version are what to acknowledge instead.
    """

    def __init__(self, current: Alarm) -> None:
        super().__init__(
            f"报警已变化，未确认：现为第 {current.occurrence} 次、版本 {current.version}、状态 {current.state.value}。"
            "请查看现状后再确认。",
            f"that acknowledgement is stale: the alarm is at occurrence {current.occurrence}, version "
            f"{current.version}, state {current.state.value}; look again and acknowledge that",
        )
        self.current = current


def alarm_id(series: str, limit: str) -> str:
    """Return the id of the alarm of ``limit`` on ``series``: ``zone.site.sensor.quantity.limit``."""
    return f"{series.replace('/', '.')}.{limit}"


def split_alarm_id(alarm: str) -> tuple[str, str]:
    """Return series and limit of an alarm id; raises ``ValueError`` if it is none."""
    match alarm.split("."):
        case [zone, site, sensor, quantity, limit] if all((zone, site, sensor, quantity, limit)):
            return f"{zone}/{site}/{sensor}/{quantity}", limit
        case _:
            raise ValueError(f"{alarm!r} is not an alarm id; write zone.site.sensor.quantity.limit")


def notify_for(event: Event, alarm: Alarm) -> Notify:
    """What ``event`` means for people, ``alarm`` being what it led to.

    An alarm that is not in service is journalled only; one that comes back into service pages if it is active, or
    latched and nobody has taken note: it would wait for somebody who never heard of it.
    """
    if alarm.availability is not Availability.IN_SERVICE:
        return Notify.NONE
    if event in _BACK:
        return Notify.PAGE if alarm.level or (alarm.latched and alarm.unacknowledged) else Notify.NONE
    return _NOTIFY.get(event, Notify.NONE)


def transition(  # noqa: PLR0913 - the columns of the journal
    series: str,
    limit: Limit,
    before: Alarm,
    change: Change,
    *,
    t: int,
    at: int,
    value: float | None,
    by: str = "parkwatch",
    why: str = "",
) -> Transition:
    """Return the journal's entry of ``change``, which led from ``before`` to ``change.alarm``."""
    after = change.alarm
    # A return quotes the set-point that it returned from.
    point = limit.point(after.level or before.level or after.matters or before.matters)
    return Transition(
        alarm=alarm_id(series, limit.id),
        series=series,
        limit=limit.id,
        limit_version=limit.version,
        event=change.event,
        notify=notify_for(change.event, after),
        before=before.state,
        after=after.state,
        severity=point.severity,
        priority=point.priority,
        occurrence=after.occurrence,
        version=after.version,
        t=t,
        at=at,
        value=value,
        set_point=None if limit.kind is Kind.QUALITY else point.at,
        by=by,
        why=why,
        unit=limit.unit,
        scale=limit.shown_per_canonical,
        source=limit.source,
        clause=limit.clause,
        chattering=change.chattering,
        first_up=after.first_up,
        stuck_at=after.stuck_at,
    )


# --- the condition axis ------------------------------------------------------------------------------------


def reach(alarm: Alarm, level: int, *, t: int, at: int, value: float | None, latching: bool = False) -> Change:
    """Move ``alarm`` to ``level``, up or down.

    Up from inactive is a new occurrence; up from active is an escalation that wants a new acknowledgement;
    down to a milder set-point is an easing; down to 0 a return, after which a ``latching`` alarm waits for a reset.
    What is worse than what was shelved ends the shelving. Raises ``ValueError`` for no change.
    """
    if level == alarm.level:
        raise ValueError(f"the alarm is at level {level} already")
    moved = _next(alarm, level=level, value=value)
    if level < alarm.level:
        return _lowered(moved, level, t, latching=latching)
    moved = _with(moved, acknowledgement=Acknowledgement.UNACKNOWLEDGED, latched=False, risen_at=at)
    if moved.shelved and level > moved.shelved.level:
        moved = _with(moved, shelved=None)
    return _escalated(moved, t) if alarm.level else _raised(moved, t, at)


def _raised(alarm: Alarm, t: int, at: int) -> Change:
    raised = _with(
        alarm,
        occurrence=alarm.occurrence + 1,
        raised_t=t,
        raised_at=at,
        recent=(*alarm.recent, t)[-CHATTER_COUNT:],
        realarms=0,
        first_up=False,
        peak=alarm.level,
    )
    return _risen(raised, Event.RAISED, t, raised.recent)


def _escalated(alarm: Alarm, t: int) -> Change:
    rises = (*alarm.rises, t)[-CHATTER_COUNT:]
    return _risen(_with(alarm, rises=rises, peak=max(alarm.peak, alarm.level)), Event.ESCALATED, t, rises)


def _risen(alarm: Alarm, event: Event, t: int, times: tuple[int, ...]) -> Change:
    """Announce it, unless it chatters and people have lately been told of something as bad."""
    if not _too_fast(times, t):
        return Change(_announced(alarm, event, t), event)
    if alarm.availability is not Availability.IN_SERVICE:
        return Change(alarm, event, chattering=True)
    if alarm.level > alarm.paged_level or t - alarm.paged_t >= CHATTER_REMIND:
        return Change(_announced(alarm, event, t), event)
    return Change(_with(alarm, collapsed=alarm.collapsed + 1), event, chattering=True)


def _too_fast(times: tuple[int, ...], t: int) -> bool:
    if len(times) < CHATTER_COUNT:
        return False
    return times[-1] - times[0] <= CHATTER_WITHIN and t - times[-1] <= CHATTER_WITHIN


def _lowered(moved: Alarm, level: int, t: int, *, latching: bool) -> Change:
    if level:
        return Change(moved, Event.EASED)
    if latching:
        moved = _with(moved, latched=True)
    elif moved.acknowledgement is Acknowledgement.ACKNOWLEDGED:
        moved = _with(moved, acknowledgement=Acknowledgement.NONE_NEEDED)
    # Whoever was told of the activation is told of its end.
    told = moved.availability is Availability.IN_SERVICE and not moved.collapsed
    return Change(moved, Event.RETURNED, chattering=moved.chatters(t) and not told)


def realarm(alarm: Alarm, *, at: int) -> Change:
    """Ask for attention again: an acknowledged alarm that lasts, or one whose activations were collapsed."""
    count = alarm.realarms + (alarm.acknowledgement is Acknowledgement.ACKNOWLEDGED)
    moved = _next(alarm, acknowledgement=Acknowledgement.UNACKNOWLEDGED, realarms=count)
    return Change(_announced(moved, Event.REALARMED, at), Event.REALARMED)


def wants_realarm(alarm: Alarm, limit: Limit, now: int) -> str:
    """Return why ``alarm`` has to ask for attention again at ``now`` (ms), or nothing.

    ``re-alarm``: acknowledged so long ago, and still active. ``chattering``: activations were collapsed, and either
    it chatters on and was announced long ago, or it has settled and stands.
    """
    if alarm.availability is not Availability.IN_SERVICE:
        return ""
    if alarm.collapsed and alarm.unacknowledged:
        quiet = now - alarm.risen_at > CHATTER_WITHIN
        again = alarm.stands if quiet else now - alarm.paged_t >= CHATTER_REMIND
        return "chattering" if again else ""
    due = (
        limit.re_alarm is not None
        and alarm.level > 0
        and alarm.acknowledgement is Acknowledgement.ACKNOWLEDGED
        and alarm.realarms < limit.re_alarm_most
        and now - alarm.acknowledged_at >= limit.re_alarm
    )
    return "re-alarm" if due else ""


def withdraw(alarm: Alarm) -> Change:
    """End an alarm whose limit no longer applies: nobody evaluates it, so it would stand for ever."""
    return Change(Alarm(occurrence=alarm.occurrence, version=alarm.version + 1), Event.WITHDRAWN)


# --- the acknowledgement axis ------------------------------------------------------------------------------


def acknowledge(alarm: Alarm, *, occurrence: int, version: int, by: str, at: int) -> Change | None:
    """Acknowledge what the person saw: ``occurrence`` at ``version``.

    Returns ``None`` if nothing waits and what they saw is there, or that very acknowledgement has been given before
    (a no-op). Raises :class:`StaleAcknowledgement` if something newer is there. While an alarm chatters, what came
    since its page and was not announced is not news: who has seen the page, or anything after it, has seen it all.
    """
    current = occurrence == alarm.occurrence and version in {alarm.version, alarm.acknowledged_version}
    if current and not alarm.unacknowledged:
        return None
    if (occurrence, version) != (alarm.occurrence, alarm.version) and not _same_chatter(alarm, occurrence, version):
        raise StaleAcknowledgement(alarm)
    settled = Acknowledgement.ACKNOWLEDGED if alarm.stands else Acknowledgement.NONE_NEEDED
    acknowledged = _next(
        alarm,
        acknowledgement=settled,
        acknowledged_version=version,
        acknowledged_by=by,
        acknowledged_at=at,
        # No chain of pages goes on after this.
        paged=0,
        collapsed=0,
    )
    return Change(acknowledged, Event.ACKNOWLEDGED)


def _same_chatter(alarm: Alarm, occurrence: int, version: int) -> bool:
    """Whether ``version`` is of the same chattering that people were told of, and it has not become worse since."""
    told = alarm.collapsed > 0 and alarm.unacknowledged and 0 < alarm.paged <= version <= alarm.version
    return told and occurrence <= alarm.occurrence and alarm.matters <= alarm.paged_level


def reset(alarm: Alarm) -> Change:
    """Let a latched alarm go. Raises :class:`Refused` unless it has returned and been acknowledged."""
    if not alarm.stands:
        raise Refused("该报警没有锁存，无需复位。", "the alarm is not latched: there is nothing to reset")
    if alarm.level:
        raise Refused(
            "数值仍超限：恢复到限值以内后才能复位。",
            "the condition is still there: an alarm can be reset once its value is back inside the limit",
        )
    if alarm.unacknowledged:
        raise Refused(
            "请先确认报警，再复位。", "nobody has acknowledged the alarm: acknowledge it first, then reset it"
        )
    return Change(_next(alarm, latched=False, acknowledgement=Acknowledgement.NONE_NEEDED), Event.RESET)


# --- the availability axis ---------------------------------------------------------------------------------


def shelve(alarm: Alarm, shelving: Shelving) -> Change:
    """Put the alarm aside, as bad as it is now at most; one that is shelved already gets the new end."""
    covered = _with(shelving, level=max(1, alarm.level))
    return Change(_aside(alarm, shelved=covered), Event.SHELVED)


def unshelve(alarm: Alarm, *, at: int) -> Change:
    """Take it back: it is re-evaluated now. Raises :class:`Refused` if it is not shelved."""
    if alarm.shelved is None:
        raise Refused("该报警没有被搁置。", "the alarm is not shelved")
    return _back(_next(alarm, shelved=None), Event.UNSHELVED, at)


def suppress(alarm: Alarm, rule: str) -> Change:
    """Suppress by design; ``rule`` says by which."""
    return Change(_aside(alarm, suppressed=rule), Event.SUPPRESSED)


def unsuppress(alarm: Alarm, *, at: int) -> Change:
    """End the suppression by design: it is re-evaluated now."""
    return _back(_next(alarm, suppressed=""), Event.UNSUPPRESSED, at)


def remove(alarm: Alarm, removal: Removal) -> Change:
    """Take the alarm out of service. Raises :class:`Refused` if it is."""
    if alarm.out_of_service:
        by = alarm.out_of_service.by
        raise Refused(f"该报警已由 {by} 停用。", f"the alarm is out of service already, since {by} took it out")
    return Change(_aside(alarm, out_of_service=removal), Event.REMOVED)


def restore(alarm: Alarm, *, at: int) -> Change:
    """Put the alarm back into service: it is re-evaluated now. Raises :class:`Refused` if it is in service."""
    if alarm.out_of_service is None:
        raise Refused("该报警没有停用。", "the alarm is not out of service")
    return _back(_next(alarm, out_of_service=None), Event.RESTORED, at)


def _aside(alarm: Alarm, **changes: object) -> Alarm:
    """Keep the alarm from people: nobody is told of it from now on."""
    return _next(alarm, paged=0, collapsed=0, **changes)


def _back(alarm: Alarm, event: Event, at: int) -> Change:
    """Whoever could not hear of an alarm that is active hears of it now, acknowledged before or not."""
    if notify_for(event, alarm) is not Notify.PAGE:
        return Change(alarm, event)
    unacknowledged = _with(alarm, acknowledgement=Acknowledgement.UNACKNOWLEDGED, recent=(), rises=())
    return Change(_announced(unacknowledged, event, at), event)


def _announced(alarm: Alarm, event: Event, t: int) -> Alarm:
    """Remember the page, if this is one: what is not in service announces nothing."""
    if notify_for(event, alarm) is not Notify.PAGE:
        return alarm
    return _with(alarm, paged=alarm.version, paged_t=t, paged_level=alarm.matters, collapsed=0)


def _next(alarm: Alarm, **changes: object) -> Alarm:
    """Return ``alarm`` with ``changes``, one version on."""
    return _with(alarm, version=alarm.version + 1, **changes)
