"""Builders: a small park with one series, and a story teller for it."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import settings

from park.actions import Acknowledge, Action, Asked, Remove, Reset, Restore, Shelve, Unshelve, act
from park.alarms import Alarm, Notify, Transition
from park.catalogue import Alerts, Catalogue, Settings, Site, Zone
from park.evaluate import Record, Watch, evaluate, pass_time
from park.limits import Guidance, Kind, Limit, Match, SetPoint, Side
from park.quantities import Quantity
from park.readings import Reading
from park.sensors import Sensor
from park.words import Location, Names, Priority, Quality
from tests.alerting import StoppedClock

__all__ = ["StoppedClock", "many"]

T0 = 1_750_000_000_000
SENSOR = "north/unit-1/gd-01"
SERIES = f"{SENSOR}/h2s"
SHARD = "north.0"
MINUTE = 60_000

#: What :class:`Story` hears instead of a number.
BAD = "bad"
MISSING = "missing"
SWEEP = "sweep"
DEAF = "sweep while deaf"
RESTART = "restart"
ACKNOWLEDGE = "acknowledge what is there"

#: Hypothesis without a clock and without a memory: a slow machine is no failure.
many = settings(deadline=None, database=None)

_NAMES = Names("硫化氢", "hydrogen sulphide")


def point(severity: str, at: float, priority: Priority = Priority.HIGH) -> SetPoint:
    """Return a set-point."""
    return SetPoint(severity, at, priority)


def limit(id_: str = "h2s-high", **changes: Any) -> Limit:
    """H2S above 10: no deadband, no delays."""
    plain = Limit(
        id=id_,
        kind=Kind.THRESHOLD,
        names=_NAMES,
        match=Match(quantities=("h2s",)),
        side=Side.HIGH,
        set_points=(point("high", 10.0),),
        deadband=0.0,
        on_delay=0,
        off_delay=0,
        unit="mg/m3",
        source="test",
        clause=Names("1", "1"),
        provenance="verified",
        version="1",
        guidance=Guidance(_NAMES, _NAMES, _NAMES, 60),
    )
    return msgspec.structs.replace(plain, **changes)


def two_levels(id_: str = "h2s-high", **changes: Any) -> Limit:
    """H2S above 10 (high) and above 20 (high-high)."""
    points = (point("high", 10.0), point("high-high", 20.0, Priority.CRITICAL))
    return limit(id_, **{"set_points": points, **changes})


def low(id_: str = "h2s-low", **changes: Any) -> Limit:
    """Below 10 (low) and below 5 (low-low)."""
    points = (point("low", 10.0), point("low-low", 5.0, Priority.CRITICAL))
    return limit(id_, **{"side": Side.LOW, "set_points": points, **changes})


def quality_limit(id_: str = "data-quality", **changes: Any) -> Limit:
    """Data that can't be trusted; at once unless ``changes`` give a delay."""
    points = (point("bad", 0.0, Priority.LOW),)
    return limit(id_, **{"kind": Kind.QUALITY, "match": Match(), "set_points": points, "unit": "", **changes})


def reading(second: float, value: float | None, start: int = T0, **changes: Any) -> Reading:
    """Return a good reading of ``SERIES`` ``second`` after ``start``, received at once."""
    t = start + round(second * 1000)
    return msgspec.structs.replace(Reading(SERIES, t, value, Quality.GOOD, t), **changes)


def shelve_until(second: float) -> Shelve:
    """Return the action that shelves until ``second`` after ``T0``."""
    return Shelve(T0 + round(second * 1000))


def recently() -> int:
    """Return a time that InfluxDB, which has a clock of its own, keeps: an hour ago."""
    return (time.time_ns() // 1_000_000_000 - 3600) * 1000


def told(transition: Transition) -> str:
    """Say a transition in two words: ``raised high``."""
    return f"{transition.event.value} {transition.severity}"


@contextmanager
def full_disk(size: int = 0) -> Iterator[None]:
    """Let no file of this process grow beyond ``size`` bytes meanwhile: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


Step = tuple[Any, ...]


@dataclass
class Story:
    """One series held against limits, step by step; times in seconds after ``T0``."""

    limits: Sequence[Limit]
    silent_after: int = 180_000
    since: int = T0
    record: Record = field(default_factory=Record)
    transitions: list[Transition] = field(default_factory=list)
    suppressed: dict[str, str] = field(default_factory=dict)

    @property
    def alarm(self) -> Alarm:
        """The alarm of the first limit."""
        return self.record.alarms.get(self.limits[0].id, Alarm())

    @property
    def pages(self) -> list[str]:
        """What people were paged, chattering left out."""
        return [told(each) for each in self.transitions if each.notify is Notify.PAGE and not each.chattering]

    @property
    def watch(self) -> Watch:
        return Watch(SERIES, tuple(self.limits), self.silent_after, self.since)

    def hears(self, *readings: Reading) -> list[str]:
        """Take readings and say what came of them."""
        self.record, found = evaluate(self.record, self.watch, readings, max(each.received for each in readings))
        self.transitions += found
        return [told(each) for each in found]

    def waits(self, second: float, *, hearing: bool = True) -> list[str]:
        """Sweep at ``second`` and say what came of it."""
        now = T0 + round(second * 1000)
        self.record, found = pass_time(self.record, self.watch, now, hearing=hearing, suppressed=self.suppressed)
        self.transitions += found
        return [told(each) for each in found]

    def acts(self, second: float, action: Action, why: str = "work permit 7") -> list[str]:
        """Let a person act on the alarm of the first limit at ``second`` and say what came of it."""
        limit, now = self.limits[0], T0 + round(second * 1000)
        done = act(SERIES, limit, self.alarm, Asked(action, by="li", why=why, at=now, shelve_at_most=480 * MINUTE))
        if done is None:
            return []
        after, entry = done
        self.record = msgspec.structs.replace(self.record, alarms={**self.record.alarms, limit.id: after})
        self.transitions.append(entry)
        return [told(entry)]

    def acknowledges(self, second: float) -> list[str]:
        """Acknowledge what is there at ``second``."""
        return self.acts(second, Acknowledge(self.alarm.occurrence, self.alarm.version))

    def restarts(self) -> list[str]:
        """Write the record down and read it back, as over a restart."""
        self.record = msgspec.json.decode(msgspec.json.encode(self.record), type=Record)
        return []

    def step(self, second: float, what: object) -> list[str]:
        """Take one step of a tale: a number is a good reading."""
        match what:
            case "sweep":
                found = self.waits(second)
            case "sweep while deaf":
                found = self.waits(second, hearing=False)
            case "restart":
                found = self.restarts()
            case "acknowledge what is there":
                found = self.acknowledges(second)
            case Acknowledge() | Shelve() | Unshelve() | Remove() | Restore() | Reset():
                found = self.acts(second, what)
            case "missing":
                found = self.hears(reading(second, None, quality=Quality.FAILURE))
            case "bad":
                found = self.hears(reading(second, 999.0, quality=Quality.FAILURE))
            case int() | float():
                found = self.hears(reading(second, float(what)))
            case _:
                raise ValueError(f"{what!r} is no step")
        return found


def tell(limits: Limit | Sequence[Limit], steps: Iterable[Step], silent_after: int = 180_000) -> Story:
    """Tell a tale of steps ``(second, what, *expected)`` and check every one of them."""
    story = Story((limits,) if isinstance(limits, Limit) else limits, silent_after)
    for second, what, *expected in steps:
        found = story.step(second, what)
        assert found == expected, f"at {second} s, {what}: {found} instead of {expected}"
    return story


def quantity(name: str = "h2s", **changes: Any) -> Quantity:
    """H2S in mg/m³, believable from 0 to 1,000."""
    plain = Quantity(name, _NAMES, "mg/m3", Location.WORKPLACE, 0.0, 1000.0, molar_mass=34.08, lel=4.0)
    return msgspec.structs.replace(plain, **changes)


_TEMPERATURE = quantity("temperature", unit="°C", minimum=-50.0, maximum=200.0, molar_mass=None, lel=None)


def catalogue(*limits: Limit, shards: int = 1, **settings_: Any) -> Catalogue:
    """Two zones, ``north`` with ``shards`` shards; H2S and temperature."""
    sites = {"unit-1": Site("unit-1", _NAMES, 31.8, 120.8)}
    zones = {"north": Zone("north", _NAMES, shards, sites), "south": Zone("south", _NAMES, 1, {})}
    quantities = {"h2s": quantity(), "temperature": _TEMPERATURE}
    return Catalogue(zones, quantities, limits, {}, Alerts(), Settings(**settings_), "test")


def sensor(key: str = SENSOR, **changes: Any) -> Sensor:
    """Return a sensor that is known since ``T0``."""
    return msgspec.structs.replace(Sensor(key, registered=T0), **changes)
