"""Gateways are sensors too: whether one is online is a reading, with limits and alarms like any other."""

from __future__ import annotations

import msgspec

from park.readings import Reading
from park.sensors import Channel, Sensor
from park.topics import GatewayState, Rejected
from park.words import Location, Names, Quality
from storage import names
from storage.directory import OFFLINE

STATES = {b"online": 1.0, OFFLINE.encode(): 0.0}

#: A gateway speaks when its state changes, which may not be for years: silence says nothing of it.
_INTERVAL = 366 * 86_400_000
_SHOWN = 32


def state_of(payload: bytes) -> str:
    """Return ``online`` or ``offline``; raises :class:`park.topics.Rejected`."""
    state = payload[:_SHOWN].strip().strip(b'"').lower()
    if state not in STATES:
        shown = state.decode("utf-8", "replace")
        reason = Names(f"没有网关状态 {shown!r}", f"gateway state {shown!r} is not known")
        raise Rejected("state", reason, Names("请发送 online 或 offline", "send online or offline"))
    return state.decode()


def sensor_of(place: GatewayState, known: Sensor) -> Sensor:
    """Return the gateway as a sensor; ``known`` is what the directory has of it."""
    return msgspec.structs.replace(
        known,
        names=known.names or Names(f"网关 {place.gateway}", f"Gateway {place.gateway}"),
        interval=_INTERVAL,
        location=Location.SYSTEM,
        channels={names.GATEWAY_QUANTITY: Channel()},
        described=True,
    )


def key_of(place: GatewayState) -> str:
    """Return the key of the gateway as a sensor."""
    return f"{place.zone}/{names.OWN_SITE}/{place.gateway}"


def reading_of(place: GatewayState, state: str, received: int) -> Reading:
    """Return what the gateway says as a reading."""
    series = f"{key_of(place)}/{names.GATEWAY_QUANTITY}"
    return Reading(series, received, STATES[state.encode()], Quality.GOOD, received)
