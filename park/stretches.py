"""Stretches of time that indicators are taken over: Chinese days, months and years, as far as they have come."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable

import msgspec

_PARK = dt.timezone(dt.timedelta(hours=8))


class Length(enum.StrEnum):
    """How long a stretch of time is."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class Stretch(msgspec.Struct, frozen=True):
    """A Chinese day, month or year to date: ``begin <= t < end`` (ms); ``over`` when nothing of it is still to come."""

    length: Length
    begin: int
    end: int
    over: bool

    @property
    def year(self) -> int:
        """The Chinese year it lies in."""
        return _moment(self.begin).year

    @property
    def per_year(self) -> float:
        """How many times it goes into its year."""
        first = dt.datetime(self.year, 1, 1, tzinfo=_PARK)
        return (_ms(first.replace(year=self.year + 1)) - _ms(first)) / (self.end - self.begin)


def stretch(length: Length, t: int, now: int) -> Stretch:
    """Return the day, month or year that holds ``t`` (ms), as far as it has come ``now``.

    Raises ``ValueError`` if it has not begun.
    """
    moment = _moment(t)
    month = moment.month if length is not Length.YEAR else 1
    begin = dt.datetime(moment.year, month, moment.day if length is Length.DAY else 1, tzinfo=_PARK)
    first, last = _ms(begin), _ms(_after(length, begin))
    if now <= first:
        raise ValueError(f"the {length.value} of {t} has not begun at {now}")
    return Stretch(length, first, min(last, now), now >= last)


def stretches(days: Iterable[int], now: int) -> list[Stretch]:
    """Return the days that begin at ``days`` (ms) or hold them, and their months and years, each once, by time."""
    begun = [day for day in days if day < now]
    found = {stretch(length, day, now) for length in Length for day in begun}
    return sorted(found, key=lambda each: (list(Length).index(each.length), each.begin))


def _after(length: Length, begin: dt.datetime) -> dt.datetime:
    match length:
        case Length.DAY:
            return begin + dt.timedelta(days=1)
        case Length.MONTH:
            return (begin + dt.timedelta(days=31)).replace(day=1)
        case Length.YEAR:
            return begin.replace(year=begin.year + 1)


def _moment(t: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(t / 1000, _PARK)


def _ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)
