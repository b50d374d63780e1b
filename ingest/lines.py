"""From readings to line protocol, with times in ms."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from park.readings import Reading, split_series
from park.words import Quality
from storage import names


@lru_cache(maxsize=200_000)
def head(series: str) -> str:
    """Return what every line of ``series`` begins with, up to the blank."""
    # Zone, site, sensor and quantity are topic segments or configured names: nothing in them needs escaping.
    zone, site, sensor, quantity = split_series(series)
    return (
        f"{names.READING},{names.TAG_QUANTITY}={quantity},{names.TAG_SENSOR}={sensor},"
        f"{names.TAG_SITE}={site},{names.TAG_ZONE}={zone} "
    )


_TAIL = {quality: f',{names.FIELD_QUALITY}="{quality.value}" ' for quality in Quality}
_NO_NUMBER = {quality: f'{names.FIELD_QUALITY}="{quality.value}" ' for quality in Quality}


def line(reading: Reading) -> str:
    """Return the line of one reading: ``v`` if it is usable, ``raw`` if it is a number that is not."""
    if reading.value is None:
        return f"{head(reading.series)}{_NO_NUMBER[reading.quality]}{reading.t}"
    name = names.FIELD_VALUE if reading.quality.usable else names.FIELD_RAW
    return f"{head(reading.series)}{name}={reading.value!r}{_TAIL[reading.quality]}{reading.t}"


def lines(readings: Iterable[Reading]) -> bytes:
    """Return the lines of ``readings``."""
    return "\n".join([line(reading) for reading in readings]).encode()
