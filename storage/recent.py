"""The latest stored readings: what a shard begins from when Redis has lost its state, and how old the canaries are."""

from __future__ import annotations

import logging

from park.readings import Reading
from park.words import Quality
from storage import names
from storage.influx import Influx, InfluxUnavailable, LinesRejected

log = logging.getLogger("parkwatch.storage")

_MINUTES = 60


def latest(influx: Influx, zone: str, now: int, late_after: int) -> list[Reading]:
    """Return the newest usable reading of every series of ``zone`` in the last hour.

    Those older than ``late_after`` ms come marked late. If InfluxDB does not answer, the log says so and there
    are none: the next readings tell.
    """
    text = (
        f"SELECT {names.FIELD_VALUE} FROM {names.READING} "
        f"WHERE {names.TAG_ZONE} = '{zone}' AND time > {now - _MINUTES * 60_000}ms "
        f"GROUP BY {names.TAG_SITE}, {names.TAG_SENSOR}, {names.TAG_QUANTITY} ORDER BY time DESC LIMIT 1"
    )
    try:
        found = influx.query(text)
    except LinesRejected as error:
        # The first start: ingest makes the database with the first reading.
        log.info("zone %s has no stored readings yet (%s)", zone, error)
        return []
    except InfluxUnavailable as error:
        log.error("zone %s begins without stored readings: %s", zone, error)
        return []
    return [_reading(zone, series, now, late_after) for series in found]


def newest_canaries(influx: Influx, now: int, within: int) -> dict[str, int]:
    """Return the time (ms) of the newest stored canary of every zone that has one in the last ``within`` ms.

    Raises :class:`storage.influx.InfluxUnavailable`, or :class:`storage.influx.LinesRejected` if there is no database.
    """
    found = influx.query(
        f"SELECT {names.FIELD_VALUE} FROM {names.READING} "
        f"WHERE {names.TAG_SITE} = '{names.OWN_SITE}' AND {names.TAG_SENSOR} = '{names.CANARY_SENSOR}' "
        f"AND {names.TAG_QUANTITY} = '{names.CANARY_QUANTITY}' AND time > {now - within}ms "
        f"GROUP BY {names.TAG_ZONE} ORDER BY time DESC LIMIT 1"
    )
    return {series["tags"][names.TAG_ZONE]: int(series["values"][0][0]) for series in found}


def _reading(zone: str, series: dict[str, dict[str, str] | list[list[float]]], now: int, late_after: int) -> Reading:
    tags, values = series["tags"], series["values"]
    if not isinstance(tags, dict) or not isinstance(values, list):
        raise TypeError(f"InfluxDB answers in an unknown form: {series}")
    t, value = int(values[0][0]), float(values[0][1])
    name = "/".join([zone, tags[names.TAG_SITE], tags[names.TAG_SENSOR], tags[names.TAG_QUANTITY]])
    return Reading(name, t, value, Quality.GOOD, t, late=now - t > late_after)
