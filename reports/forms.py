"""Numbers, shares, times and units as people read them."""

from __future__ import annotations

import datetime as dt
import math

from park.words import Names

PARK_TIME = dt.timezone(dt.timedelta(hours=8), "UTC+8")
NOTHING = "–"
_DIGITS = 4
_LARGE = 1e4
_SMALL = 1e-3
_UNITS = (("mg/m3", "mg/m³"), ("ug/m3", "µg/m³"), ("m3", "m³"), ("m2", "m²"), ("umol", "µmol"), ("degC", "°C"))
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000


def number(value: float | None) -> str:
    """Return four significant digits at most, thousands apart: ``12,346``, ``1.234``, ``0.0012``."""
    if value is None or not math.isfinite(value):
        return NOTHING
    size = abs(value)
    if size >= _LARGE / 10:
        return f"{value:,.0f}"
    if size and size < _SMALL:
        return f"{value:.3g}"
    decimals = _DIGITS - 1 - (math.floor(math.log10(size)) if size >= 1 else 0)
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def percent(share: float | None, decimals: int = 1) -> str:
    """Return a share from 0 to 1 as ``97.5 %``; what is short of all is never told to be all of it."""
    if share is None:
        return NOTHING
    shown = round(share * 100, decimals)
    if share < 1.0 <= shown / 100:
        step: float = 10.0**-decimals
        return f"> {100 - step:.{decimals}f} %"
    return f"{shown:.{decimals}f} %"


def moment(t: int | None) -> str:
    """Return ``10-07 14:03``, in the park's time."""
    return NOTHING if t is None else f"{_at(t):%m-%d %H:%M}"


def whole_moment(t: int) -> str:
    """Return ``2026-10-07 14:03 (UTC+8)``."""
    return f"{_at(t):%Y-%m-%d %H:%M} (UTC+8)"


def day(t: int) -> str:
    """Return ``2026-10-07``."""
    return f"{_at(t):%Y-%m-%d}"


def short_day(t: int) -> str:
    """Return the day of the month."""
    return str(_at(t).day)


def month_names(t: int) -> Names:
    """Return the month that holds ``t`` (ms)."""
    return Names(f"{_at(t).year} 年 {_at(t).month} 月", f"{_at(t):%B %Y}")


def duration(ms: float | None, language: str) -> str:
    """Return ``2 h 5 min``, the two largest parts of it."""
    if ms is None:
        return NOTHING
    words = {"zh": (" 天", " 小时", " 分", " 秒"), "en": (" d", " h", " min", " s")}[language]
    left, parts = round(ms / _SECOND) * _SECOND, []
    for length, word in zip((_DAY, _HOUR, _MINUTE, _SECOND), words, strict=True):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count}{word}")
    return " ".join(parts[:2]) or f"0{words[-1]}"


def unit(text: str) -> str:
    """Return a unit with its powers raised."""
    for plain, shown in _UNITS:
        text = text.replace(plain, shown)
    return text


def _at(t: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(t / 1000, PARK_TIME)
