"""Sensors as the console lists them: one line per series, with its last value, quality, age, gateway, alarms. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from alerts.console.views import text
from alerts.console.views.times import Moment, age, moment
from alerts.messages import number, tidy
from park.catalogue import Catalogue
from park.evaluate import Record
from park.readings import split_series
from park.sensors import Sensor
from park.words import Names, Quality
from storage.directory import Gateway

PER_PAGE = 50


class Seen(msgspec.Struct, frozen=True):
    """A series as ``GET /api/sensors`` lists it.

    ``value`` is in ``unit``, the quantity's canonical one; ``t`` is the event time and ``received`` the server time of
    the newest reading (ms, 0: never). ``silent``: nothing has come for longer than the sensor may say nothing.
    ``gateway`` is the name of its gateway, ``gateway_state`` what that last said of itself, both empty if not known.
    """

    series: str
    zone: str
    site: str
    sensor: str
    quantity: str
    names: Names
    quantity_names: Names
    value: float | None
    unit: str
    quality: Quality
    t: int
    received: int
    silent: bool
    gateway: str
    gateway_state: str
    alarms: int


class Found(msgspec.Struct, frozen=True):
    """One page of series; ``total`` is how many fit the search, ``pages`` how many pages that makes."""

    total: int
    page: int
    pages: int
    sensors: tuple[Seen, ...]


class Line(msgspec.Struct, frozen=True):
    """A series in one language."""

    series: str
    name: str
    place: str
    quantity: str
    value: str
    quality: str
    sign: str
    doubtful: bool
    age: str
    at: Moment | None
    gateway: str
    offline: bool
    alarms: int


class Known(msgspec.Struct, frozen=True):
    """What a list of series is made of."""

    records: Mapping[str, Record]
    sensors: Mapping[str, Sensor]
    gateways: Mapping[str, Gateway]
    alarms: Counter[str]
    now: int


class Search(msgspec.Struct, frozen=True):
    """Which series (every word of ``text`` somewhere in ids or names), and which page of them."""

    text: str = ""
    zone: str | None = None
    doubtful: bool = False
    page: int = 1


def find(known: Known, catalogue: Catalogue, search: Search) -> Found:
    """Return one page of the series that fit ``search``; behind the last page, that."""
    words = search.text.casefold().split()
    zone = search.zone
    every = (seen(series, known, catalogue) for series in sorted(known.records) if zone in {None, series.split("/")[0]})
    fitting = [one for one in every if _fits(one, words) and (not search.doubtful or is_doubtful(one))]
    pages = max(1, -(-len(fitting) // PER_PAGE))
    page = min(search.page, pages)
    return Found(len(fitting), page, pages, tuple(fitting[(page - 1) * PER_PAGE : page * PER_PAGE]))


def is_doubtful(one: Seen) -> bool:
    """Whether the series is silent, or its last reading was not good."""
    return one.silent or one.quality is not Quality.GOOD


def _fits(one: Seen, wanted: Iterable[str]) -> bool:
    parts = (one.series, one.names.zh, one.names.en, one.quantity_names.zh, one.quantity_names.en)
    whole = " ".join(parts).casefold()
    return all(word in whole for word in wanted)


def seen(series: str, known: Known, catalogue: Catalogue) -> Seen:
    """Return what is known of ``series``."""
    zone, site, name, quantity = split_series(series)
    key = f"{zone}/{site}/{name}"
    record, sensor = known.records[series], known.sensors.get(key)
    measured = catalogue.quantities.get(quantity)
    interval = (sensor.interval if sensor else None) or catalogue.settings.interval
    silent_after = interval * catalogue.settings.stale_after_intervals
    gateway = (sensor.gateway if sensor else None) or ""
    state = known.gateways.get(gateway)
    return Seen(
        series=series,
        zone=zone,
        site=site,
        sensor=name,
        quantity=quantity,
        names=(sensor.names if sensor else None) or Names(name, name),
        quantity_names=measured.names if measured else Names(quantity, quantity),
        value=None if record.value is None else tidy(record.value),
        unit=measured.unit if measured else "",
        quality=record.quality,
        t=record.t,
        received=record.received,
        silent=known.now - record.received > silent_after,
        gateway=gateway,
        gateway_state=state.state if state else "",
        alarms=known.alarms[series],
    )


_GATEWAYS = {"online": Names("在线", "online"), "offline": Names("离线", "offline")}


def line(one: Seen, catalogue: Catalogue, language: str, now: int) -> Line:
    """Return ``one`` in the words of ``language``."""
    zone = catalogue.zones.get(one.zone)
    site = zone.sites.get(one.site) if zone else None
    place = [known.names.get(language) if known else name for known, name in ((zone, one.zone), (site, one.site))]
    quality = text.QUALITIES[one.quality].get(language)
    state = _GATEWAYS.get(one.gateway_state, Names(one.gateway_state, one.gateway_state)).get(language)
    return Line(
        series=one.series,
        name=one.names.get(language),
        place=" › ".join(place),
        quantity=one.quantity_names.get(language),
        value="–" if one.value is None else f"{number(one.value)} {one.unit}",
        quality=text.WORDS["silent"].get(language) if one.silent else quality,
        sign="?" if is_doubtful(one) else "✓",
        doubtful=is_doubtful(one),
        age=age(now - one.received).get(language) if one.received else text.WORDS["never"].get(language),
        at=moment(one.received, now) if one.received else None,
        gateway=" ".join(part for part in (one.gateway.rpartition("/")[2], state) if part),
        offline=one.gateway_state == "offline",
        alarms=one.alarms,
    )
