"""A limit in words: its numbers in the unit of its source, whom it matches, when it is in force."""

from __future__ import annotations

import datetime as dt

from park.limits import Guidance, Kind, Limit, Match, SetPoint, Side
from park.words import Names

#: Dates in Chinese law are Chinese days.
_CHINA = dt.timezone(dt.timedelta(hours=8))
_DAY = 86_400_000
_STEPS = ((_DAY, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))

#: Kinds whose set-point is no number that anything is compared with.
_WITHOUT_NUMBER = frozenset({Kind.QUALITY, Kind.FLATLINE, Kind.VOTE})


def number(value: float) -> str:
    """Return ``value`` without the noise of a conversion."""
    return f"{value:.10g}"


def short(value: float) -> str:
    """Return ``value`` to four figures; all of those before the point, as nobody reads ``1.055e+04`` as a number."""
    text = f"{value:.4g}"
    return f"{value:.0f}" if "e+" in text else text


def amount(value: float, unit: str) -> str:
    """Return ``value`` to four figures in ``unit``: ``5.5 t``, and ``375 x 10k CNY``, since 375 10k would mislead."""
    return f"{short(value)} x {unit}" if unit[:1].isdigit() else f"{short(value)} {unit}".rstrip()


def duration(ms: int) -> str:
    """Return ms as they are written in the configuration: ``30s``, ``5min``, ``8h``."""
    for length, unit in _STEPS:
        if ms and ms % length == 0:
            return f"{ms // length}{unit}"
    return f"{ms}ms" if ms else "0s"


def day(t: int) -> str:
    """Return the Chinese day that holds ``t`` (ms)."""
    return dt.datetime.fromtimestamp(t / 1000, _CHINA).date().isoformat()


def names(text: Names) -> str:
    """Return a text in both languages; one that is the same in both once."""
    return text.zh if text.zh == text.en else f"{text.zh} / {text.en}"


def has_number(limit: Limit) -> bool:
    """Whether something is compared with the set-points of ``limit``."""
    return limit.kind not in _WITHOUT_NUMBER


def point(limit: Limit, one: SetPoint) -> str:
    """Return a set-point in the unit of the limit's source: ``high > 10 mg/m3 (critical)``."""
    if not has_number(limit):
        return f"{one.severity} ({one.priority.value})"
    sign = ">" if limit.side is Side.HIGH else "<"
    value = f"{number(limit.shown(one.at))} {limit.unit}".rstrip()
    return f"{one.severity} {sign} {value} ({one.priority.value})"


def points(limit: Limit) -> str:
    """Return all set-points of ``limit``, mildest first."""
    return ", ".join(point(limit, one) for one in limit.set_points)


def measured(limit: Limit) -> str:
    """Return what is held against the set-points, beyond the value itself: ``mean of hour``, ``rate over 10min``."""
    if limit.kind is Kind.VOTE:
        return f"vote, {limit.needs} of {', '.join(limit.votes)} within {duration(limit.window)}"
    words = [limit.kind.value]
    words += [f"of {limit.of.value}"] if limit.of else []
    words += [f"over {duration(limit.window)}"] if limit.window else []
    words += [f"with {limit.flow}"] if limit.flow else []
    words += [f"per {limit.period.value}"] if limit.period else []
    return " ".join(words)


def matched(match: Match) -> str:
    """Return whom a limit matches: ``hf at workplace in zone new-materials``."""
    words = [", ".join(match.quantities) or "every quantity"]
    words += [f"at {', '.join(match.locations)}"] if match.locations else []
    words += [f"in zone {', '.join(match.zones)}"] if match.zones else []
    words += [f"at site {', '.join(match.sites)}"] if match.sites else []
    words += [f"at sensor {', '.join(match.sensors)}"] if match.sensors else []
    return " ".join(words)


def validity(limit: Limit) -> str:
    """Return the first and the last day in force; empty if there is neither."""
    first = f"from {day(limit.valid_from)}" if limit.valid_from is not None else ""
    last = f"until {day(limit.valid_to - 1)}" if limit.valid_to is not None else ""
    return " ".join(part for part in (first, last) if part)


def guidance(known: Guidance) -> dict[str, str]:
    """Return what the person who is paged gets to know, part by part."""
    return {
        "cause": names(known.cause),
        "consequence": names(known.consequence),
        "response": names(known.response),
        "respond_within": duration(known.respond_within_s * 1000),
    }
