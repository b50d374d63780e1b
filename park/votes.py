"""Voting: so many detectors of a site within a time, so that one faulty detector moves no zone, and two do.

A detector votes while an alarm of one of the limits stands on it, and for ``window`` after that alarm was raised. One
that is out of service does not vote: test gas is no leak.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from park.alarms import Alarm
from park.evaluate import Record
from park.limits import Kind, Limit
from park.readings import split_series

#: The sensor under which the votes of a site are a series: ``zone/site/voting/<limit>``.
VOTING = "voting"

Site = tuple[str, str]
"""Zone and site."""


def votes_series(site: Site, limit: Limit) -> str:
    """Return the series of the votes of ``limit`` at ``site``."""
    return f"{site[0]}/{site[1]}/{VOTING}/{limit.id}"


def is_votes(series: str) -> bool:
    """Whether ``series`` is one of votes."""
    return series.split("/")[2] == VOTING


def of_votes(limits: Iterable[Limit], series: str) -> Limit | None:
    """Return the limit whose votes ``series`` counts, or ``None`` if it is no longer configured."""
    name = split_series(series)[3]
    return next((limit for limit in limits if limit.kind is Kind.VOTE and limit.id == name), None)


def count(limit: Limit, known: Mapping[str, Record], now: int) -> dict[Site, int]:
    """Return how many detectors of each site vote at ``now`` (ms); a site without one is not in it."""
    voting: dict[Site, set[str]] = {}
    for series, record in known.items():
        # Almost every series has nothing to vote with.
        if not any(_votes(record.alarms.get(name), limit, now) for name in limit.votes):
            continue
        zone, site, sensor, _ = split_series(series)
        if _covers(limit, zone, site):
            voting.setdefault((zone, site), set()).add(sensor)
    return {place: len(sensors) for place, sensors in voting.items()}


def _covers(limit: Limit, zone: str, site: str) -> bool:
    match = limit.match
    return (not match.zones or zone in match.zones) and (not match.sites or site in match.sites)


def _votes(alarm: Alarm | None, limit: Limit, now: int) -> bool:
    if alarm is None or alarm.out_of_service:
        return False
    return alarm.level > 0 or (alarm.raised_t > 0 and now - alarm.raised_t <= limit.window)
