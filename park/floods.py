"""Floods: when a zone has more alarms than its operators can bear. Pure.

Alarms are counted per zone over a period (10 min by default); what people can bear is counted per operator. A flood
begins above one number and ends below a smaller one, so that it does not come and go with every alarm.
"""

from __future__ import annotations

import msgspec

from park.catalogue import Grouping


class Flood(msgspec.Struct, frozen=True):
    """A flood that lasts: ``since`` when (ms), the latest ``count`` of alarms in the period, and the highest."""

    since: int
    count: int
    peak: int


def judge(flood: Flood | None, count: int, operators: int, grouping: Grouping, now: int) -> Flood | None:
    """Return the flood as it is at ``now`` (ms), with ``count`` alarms in the period before; ``None``: there is none.

    It begins with more than ``flood_begins`` alarms for each of the ``operators`` and ends with fewer than
    ``flood_ends``.
    """
    if flood is None:
        return Flood(now, count, count) if count > grouping.flood_begins * operators else None
    if count < grouping.flood_ends * operators:
        return None
    return Flood(flood.since, count, max(flood.peak, count))
