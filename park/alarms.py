"""The alarm state machine: ISA-18.2 / IEC 62682 states on independent axes.

An alarm is one limit on one series. Its **condition** is the level it has reached (0 inactive, 1 the mildest
set-point, 2 the next) and the timers that would change it; its **acknowledgement**, **availability** and
**quality** are axes of their own. The familiar state (NORM, UNACK, ...) is derived, never stored.

Every change is a :class:`Transition`, in the past tense: the unit that is journalled and paged.
"""

from __future__ import annotations

import enum

import msgspec

from park.words import Priority


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


class Notify(enum.StrEnum):
    """What a transition means for people: a page wants an action, a notice informs, none is journal only."""

    PAGE = "page"
    NOTICE = "notice"
    NONE = "none"


_NOTIFY = {
    Event.RAISED: Notify.PAGE,
    Event.ESCALATED: Notify.PAGE,
    Event.EASED: Notify.NONE,
    Event.RETURNED: Notify.NOTICE,
    Event.ACKNOWLEDGED: Notify.NONE,
    Event.LATE: Notify.NONE,
    Event.WITHDRAWN: Notify.NOTICE,
}

_UNAVAILABLE = {
    Availability.OUT_OF_SERVICE: State.OOSRV,
    Availability.SUPPRESSED: State.DSUPR,
    Availability.SHELVED: State.SHLVD,
}


class Timer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """When something began, by the sensor's clock (``t``) and by ours (``at``), both ms."""

    t: int
    at: int


class Alarm(msgspec.Struct, frozen=True, array_like=True):
    """State of one limit on one series; small, serialisable, replaced and never changed in place.

    ``timers[k]`` runs while set-point ``k`` is passed but not reached (on-delay), or reached but no longer
    passed (off-delay). ``occurrence`` counts activations, ``version`` transitions. ``raised_t``/``raised_at``
    are the event and server time of the current or latest activation; ``value`` is the value that made the
    latest transition and ``why`` its reason. ``acknowledged_version`` is the version the last acknowledgement spoke of.
    """

    level: int = 0
    timers: tuple[Timer | None, ...] = ()
    acknowledgement: Acknowledgement = Acknowledgement.NONE_NEEDED
    availability: Availability = Availability.IN_SERVICE
    occurrence: int = 0
    version: int = 0
    raised_t: int = 0
    raised_at: int = 0
    value: float | None = None
    acknowledged_version: int = 0
    acknowledged_by: str = ""
    why: str = ""

    @property
    def condition(self) -> Condition:
        """The condition axis."""
        if self.level == 0:
            return Condition.PENDING_ON if any(self.timers) else Condition.INACTIVE
        lowest = self.timers[0] if self.timers else None
        return Condition.PENDING_OFF if lowest else Condition.ACTIVE

    @property
    def state(self) -> State:
        """The ISA-18.2 state."""
        unavailable = _UNAVAILABLE.get(self.availability)
        if unavailable:
            return unavailable
        unacknowledged = self.acknowledgement is Acknowledgement.UNACKNOWLEDGED
        if self.level:
            return State.UNACK if unacknowledged else State.ACKED
        return State.RTNUN if unacknowledged else State.NORM

    @property
    def idle(self) -> bool:
        """Nothing runs, nothing waits: state NORM and no timer."""
        return self.level == 0 and self.state is State.NORM and not any(self.timers)


class Transition(msgspec.Struct, frozen=True):
    """Something that happened to an alarm: journalled always, paged as ``notify`` says.

    ``alarm`` is the alarm's id (:func:`alarm_id`); ``t`` the event time and ``at`` the server time (ms);
    ``value`` and ``set_point`` are in the quantity's canonical unit. ``by`` is a person or ``parkwatch``.
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


class StaleAcknowledgement(Exception):
    """The acknowledgement speaks of something that is no longer what is there.

    ``current`` is the alarm as it stands: its occurrence and version are what to acknowledge instead.
    """

    def __init__(self, current: Alarm) -> None:
        super().__init__(
            f"that acknowledgement is stale: the alarm is at occurrence {current.occurrence}, version "
            f"{current.version}, state {current.state.value}; look again and acknowledge that"
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


def notify_for(event: Event, availability: Availability) -> Notify:
    """What ``event`` means for people; an alarm that is not in service is journalled only."""
    if availability is not Availability.IN_SERVICE:
        return Notify.NONE
    return _NOTIFY[event]


def reach(alarm: Alarm, level: int, *, t: int, at: int, value: float | None) -> tuple[Alarm, Event]:
    """Move ``alarm`` to ``level``, up or down, and say what that was.

    Up from inactive is a new occurrence; up from active is an escalation that wants a new acknowledgement;
    down to a milder set-point is an easing; down to 0 a return. Raises ``ValueError`` for no change.
    """
    if level == alarm.level:
        raise ValueError(f"the alarm is at level {level} already")
    moved = msgspec.structs.replace(alarm, level=level, version=alarm.version + 1, value=value)
    if level < alarm.level:
        return _lowered(moved, level)
    unacknowledged = msgspec.structs.replace(moved, acknowledgement=Acknowledgement.UNACKNOWLEDGED)
    if alarm.level:
        return unacknowledged, Event.ESCALATED
    raised = msgspec.structs.replace(unacknowledged, occurrence=alarm.occurrence + 1, raised_t=t, raised_at=at)
    return raised, Event.RAISED


def _lowered(moved: Alarm, level: int) -> tuple[Alarm, Event]:
    if level:
        return moved, Event.EASED
    if moved.acknowledgement is Acknowledgement.ACKNOWLEDGED:
        moved = msgspec.structs.replace(moved, acknowledgement=Acknowledgement.NONE_NEEDED)
    return moved, Event.RETURNED


def acknowledge(alarm: Alarm, *, occurrence: int, version: int, by: str) -> Alarm | None:
    """Acknowledge what the person saw: ``occurrence`` at ``version``.

    Returns the new alarm, or ``None`` if that very acknowledgement has been given before (a no-op).
    Raises :class:`StaleAcknowledgement` if something newer is there.
    """
    repeated = occurrence == alarm.occurrence and version == alarm.acknowledged_version
    if repeated and alarm.acknowledgement is not Acknowledgement.UNACKNOWLEDGED:
        return None
    waiting = alarm.acknowledgement is Acknowledgement.UNACKNOWLEDGED
    if not waiting or (occurrence, version) != (alarm.occurrence, alarm.version):
        raise StaleAcknowledgement(alarm)
    settled = Acknowledgement.ACKNOWLEDGED if alarm.level else Acknowledgement.NONE_NEEDED
    return msgspec.structs.replace(
        alarm,
        acknowledgement=settled,
        version=alarm.version + 1,
        acknowledged_version=version,
        acknowledged_by=by,
    )
