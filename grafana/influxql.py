"""InfluxQL as the dashboards ask it, for InfluxDB 1.x and for the v1 endpoints of 2.x.

``$__interval`` is the width that Grafana gives a point of a graph. InfluxQL compares durations that are written out, so
a query can say itself what it reads: raw readings while a point is narrower than a minute, else the means that fit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grafana.language import Language
from storage import names

Json = dict[str, Any]

DATASOURCE = {"type": "influxdb", "uid": "parkwatch"}

#: How far back the newest point of a measurement may lie (storage/present.py says how often they are written).
ALARMS_NOW, SENSORS_NOW, TERMS_NOW = "time > now() - 40s", "time > now() - 20m", "time > now() - 150m"

ZONE, SITE = "\"zone\" = '$zone'", '"site" =~ /^$site$/'
ANY_ZONE = '"zone" =~ /^$zone$/'
#: The value of readings that may be compared with limits.
USABLE = "\"q\" <> 'failure' AND \"q\" <> 'function-check'"
NARROW = "$__interval < 1m"
FITTING = (
    "(\"span\" = 'minute' AND $__interval >= 1m AND $__interval < 1h OR "
    "\"span\" = 'hour' AND $__interval >= 1h AND $__interval < 1d OR \"span\" = 'day' AND $__interval >= 1d)"
)
FITTING_HOURS = "(\"span\" = 'hour' AND $__interval < 1d OR \"span\" = 'day' AND $__interval >= 1d)"


def raw(measurement: str) -> str:
    """Return a measurement of what fades after a year."""
    return f'"{names.RETENTION_RAW}"."{measurement}"'


def kept(measurement: str) -> str:
    """Return a measurement of what is kept for good."""
    return f'"{names.RETENTION_KEPT}"."{measurement}"'


READING, MEAN = raw(names.READING), kept(names.MEAN)
STATE, ZONE_STATE, STANDING = raw(names.STATE), raw(names.ZONE_STATE), raw(names.STANDING)
SETPOINT, NAMED, HEALTH, CHANNEL = raw(names.SETPOINT), raw(names.NAMED), raw(names.HEALTH), raw(names.CHANNEL)
LOAD, VOTE = raw(names.LOAD), raw(names.VOTE)
TRANSITION, ALARM_KPI = kept(names.TRANSITION), kept(names.ALARM_KPI)
FLOW, INDICATOR, EVALUATION = kept(names.FLOW), kept(names.INDICATOR), kept(names.EVALUATION)


def query(text: str, alias: str = "", *, ref: str = "A", table: bool = False) -> Json:
    """Return a target of a panel."""
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "rawQuery": True,
        "query": text,
        "alias": alias,
        "resultFormat": "table" if table else "time_series",
    }


def table(text: str, ref: str = "A") -> Json:
    """Return a target whose answer is one table: the time, tags, and columns."""
    return query(text, ref=ref, table=True)


def lasts(**columns: str) -> str:
    """Return the newest value of each column: ``last("name_zh") AS "name"``."""
    return ", ".join(f'last("{field}") AS "{shown}"' for shown, field in columns.items())


def quoted(tags: Iterable[str]) -> str:
    """Return tags to group by."""
    return ", ".join(f'"{tag}"' for tag in tags)


def trend(where: str, alias: str, *, tags: Iterable[str] = ("site", "sensor"), peak: str = "max") -> list[Json]:
    """Return what series did: extremes of raw readings where there is room for them, else the means that fit."""
    by = quoted(tags)
    return [
        query(
            f'SELECT {peak}("v") FROM {READING} WHERE {where} AND {USABLE} AND {NARROW} AND $timeFilter '
            f"GROUP BY time($__interval), {by} fill(null)",
            alias,
        ),
        query(
            f'SELECT {peak}("v") FROM {MEAN} WHERE {where} AND {FITTING} AND $timeFilter '
            f"GROUP BY time($__interval), {by} fill(null)",
            alias,
            ref="B",
        ),
    ]


def limit_lines(where: str, spans: Iterable[str] = ("value",), ref: str = "L") -> Json:
    """Return the set-points in force as lines across the whole graph.

    Each has a point long before everything (the beginning of a very long step of time), and then one every two minutes
    up to now. So a line spans every graph, however long, and the axis always shows how far away the limit is.
    """
    held = " OR ".join(f"\"span\" = '{span}'" for span in spans)
    points = f'SELECT last("at") AS "at" FROM {SETPOINT} WHERE {where} AND ({held}) AND {TERMS_NOW}'
    return query(
        f'SELECT "at" FROM ({points} GROUP BY time(4000d), "limit", "severity"), '
        f'({points} GROUP BY time(2m), "limit", "severity" fill(previous)) GROUP BY "limit", "severity"',
        "$tag_severity",
        ref=ref,
    )


def named(kind: str, t: Language, ref: str, of_zone: str = "") -> Json:
    """Return names by id, for :func:`grafana.panels.called`: what is new is called by its name without an edit.

    ``of_zone``: a second kind, of which only those in the zone are wanted.
    """
    kinds = f"\"kind\" = '{kind}'"
    if of_zone:
        kinds = f"({kinds} OR \"kind\" = '{of_zone}' AND {ZONE})"
    return table(
        f'SELECT "id", "text" FROM (SELECT last("{t.field("name")}") AS "text" FROM {NAMED} '
        f'WHERE {kinds} AND {TERMS_NOW} GROUP BY "id")',
        ref,
    )


def choices(measurement: str, tag: str, where: str, since: str, field: str = "rank") -> str:
    """Return what a variable can be: the values of ``tag``, which read ``text|value``, as they are now."""
    return (
        f'SELECT "{tag}", "n" FROM (SELECT last("{field}") AS "n" FROM {measurement} WHERE {where} AND {since} '
        f'GROUP BY "{tag}")'
    )


def named_choices(kind: str, t: Language, where: str = "") -> str:
    """Return the names of a kind as a variable's choices."""
    also = f" AND {where}" if where else ""
    return choices(NAMED, t.code, f"\"kind\" = '{kind}'{also}", TERMS_NOW, "unit")
