"""The shapes of the rows in ``oncall.yaml``."""

from __future__ import annotations

import datetime as dt
import difflib
import re
import zoneinfo
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from park.oncall import PERSON, ROTA, Handover, Until
from park.rows import SEGMENT, Day, Duration, NamesRow, Row, Segment, Text, shortened
from park.words import Priority

_NAMES = Field(examples=["{zh: 张磊, en: Zhang Lei}"])
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = r"([01]\d|2[0-3]):([0-5]\d)"
_MINUTE = re.compile(_CLOCK)
_HANDOVER = re.compile(rf"({'|'.join(_WEEKDAYS)}) +{_CLOCK}")
_WALL = re.compile(rf"((?:19|2\d)\d\d-\d\d-\d\d)[T ]{_CLOCK}")


def minute_of_day(value: object) -> int:
    """Return the minute of the day of a text like ``22:00``; raises ``ValueError``."""
    found = _MINUTE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"{shortened(value)} is not a time of day; write hours and minutes, such as 07:00")
    return int(found[1]) * 60 + int(found[2])


def handover(value: object) -> Handover:
    """Return the hand-over of a text like ``mon 08:00``; raises ``ValueError``."""
    found = _HANDOVER.fullmatch(value) if isinstance(value, str) else None
    if not found:
        days = ", ".join(_WEEKDAYS)
        raise ValueError(
            f"{shortened(value)} is not a hand-over; write one of {days} and a time of day, such as mon 08:00"
        )
    return Handover(_WEEKDAYS.index(found[1]), int(found[2]) * 60 + int(found[3]))


def weekday(number: int) -> str:
    """Return the name of a weekday (0 is Monday) as it is written in the file."""
    return _WEEKDAYS[number]


def wall_time(value: object) -> dt.datetime:
    """Return the wall-clock time, without a zone, of a text like ``2026-02-16 08:00``; raises ``ValueError``."""
    found = _WALL.fullmatch(value) if isinstance(value, str) else None
    try:
        return dt.datetime.fromisoformat(found[0]) if found else _no_wall_time(value)
    except ValueError:
        return _no_wall_time(value)


def _no_wall_time(value: object) -> dt.datetime:
    raise ValueError(
        f"{shortened(value)} is not a time; write year-month-day hours:minutes in the rota's time zone, such as "
        f"2026-02-16 08:00"
    )


def timezone(value: object) -> str:
    """Check the name of a time zone; raises ``ValueError``."""
    try:
        return zoneinfo.ZoneInfo(value if isinstance(value, str) else "").key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{shortened(value)} is not a time zone; {_suggested_zone(value)}") from None


def _suggested_zone(value: object) -> str:
    by_lower = {name.lower(): name for name in zoneinfo.available_timezones()}
    close = difflib.get_close_matches(str(value)[:100].lower().replace(" ", "_"), by_lower, n=1)
    meant = f"did you mean {by_lower[close[0]]}? " if close else ""
    return f"{meant}write a name of the IANA database, such as Asia/Shanghai"


def told(value: object) -> str:
    """Check whom a step tells; raises ``ValueError``."""
    text = value if isinstance(value, str) else ""
    if any(text.startswith(kind) and SEGMENT.fullmatch(text.removeprefix(kind)) for kind in (ROTA, PERSON)):
        return text
    raise ValueError(
        f"{shortened(value)} is neither a rota nor a person; write {ROTA}NAME for who has the duty, or {PERSON}NAME, "
        f"without a blank behind the colon"
    )


MinuteOfDay = Annotated[int, BeforeValidator(minute_of_day)]
HandoverTime = Annotated[Handover, PlainValidator(handover)]
WallTime = Annotated[dt.datetime, BeforeValidator(wall_time)]
TimeZone = Annotated[str, BeforeValidator(timezone)]
Told = Annotated[str, BeforeValidator(told)]
_Priorities = list[Annotated[Priority, Field(strict=False)]]


class PersonRow(Row):
    """A person; the contacts (:class:`~park.rows.ContactRow`) are looked at one by one."""

    names: NamesRow = _NAMES
    language: Literal["zh", "en"] = Field(default="zh", examples=["zh"])
    contacts: list[Any] = Field(default=[], examples=["[{name: terminal, kind: terminal}]"])


class OverrideRow(Row):
    """A time in which somebody else has the duty."""

    begin: WallTime = Field(examples=["2026-02-16 08:00"])
    end: WallTime = Field(examples=["2026-02-20 08:00"])
    person: Segment = Field(examples=["li-wei"])
    why: Text = Field(examples=["春节调班"])


class RotaRow(Row):
    """A rota."""

    names: NamesRow = Field(examples=["{zh: 沿江值班, en: Riverside duty}"])
    timezone: TimeZone = Field(examples=["Asia/Shanghai"])
    handover: HandoverTime = Field(examples=["mon 08:00"])
    start: Day = Field(examples=["2026-01-05"])
    people: list[Segment] = Field(min_length=1, examples=["[zhang-lei, li-wei]"])
    overrides: list[OverrideRow] = Field(default=[], examples=["[{begin: 2026-02-16 08:00, ...}]"])


class StepRow(Row):
    """A step of a chain."""

    tell: list[Told] = Field(min_length=1, examples=["[rota:shift-riverside]"])
    after: Duration = Field(default=0, examples=["5min"])
    every: Duration | None = Field(default=None, examples=["2min"])
    repeat: int = Field(default=0, ge=0, le=100, examples=["2"])


class ChainRow(Row):
    """An escalation chain."""

    id: Segment = Field(examples=["critical"])
    names: NamesRow = Field(examples=["{zh: 紧急报警, en: Critical alarms}"])
    zones: list[Segment] = Field(default=[], examples=["[riverside]"])
    priorities: _Priorities = Field(default=[], examples=["[critical]"])
    until: Until = Field(default=Until.ACKNOWLEDGED, strict=False, examples=["acknowledged"])
    steps: list[StepRow] = Field(min_length=1, examples=["[{tell: [rota:shift-riverside]}]"])
    again: Duration | None = Field(default=None, examples=["30min"])


class QuietHoursRow(Row):
    """Hours in which pages of low priority wait."""

    timezone: TimeZone = Field(examples=["Asia/Shanghai"])
    begin: MinuteOfDay = Field(examples=["22:00"])
    end: MinuteOfDay = Field(examples=["07:00"])
    priorities: _Priorities = Field(min_length=1, examples=["[low]"])
    zones: list[Segment] = Field(default=[], examples=["[riverside]"])
