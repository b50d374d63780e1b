"""A small park and its transitions, for tests of messages, delivery and console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from park.alarms import Event, Notify, State, Transition, alarm_id
from park.catalogue import (
    Alerts,
    Catalogue,
    ChannelKind,
    ChannelRoute,
    Grouping,
    OnCall,
    Reference,
    ReferenceKind,
    Settings,
    Site,
    Zone,
)
from park.limits import Guidance, Kind, Limit, Match, SetPoint, Side
from park.oncall import Chain, Person, Step, Until
from park.quantities import Quantity
from park.sensors import Sensor
from park.words import Location, Names, Priority

NOW = 1_767_294_725_000  # 2026-01-01T19:12:05Z, 03:12:05 of the next day in the park
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SERIES = "new-materials/hf-unit/hf-01/hf"

_GUIDANCE = Guidance(
    cause=Names("法兰泄漏", "flange leak"),
    consequence=Names("人员中毒", "people are poisoned"),
    response=Names("撤离并佩戴正压呼吸器", "evacuate, wear breathing apparatus"),
    respond_within_s=120,
)


@dataclass
class StoppedClock:
    """A clock that stands until told."""

    time: int = NOW

    def now(self) -> int:
        return self.time

    def advance(self, ms: int) -> None:
        self.time += ms


def limit(id_: str = "hf-high", **changes: Any) -> Limit:
    """HF above 4 (high) and 8 (high-high) mg/m³; canonical unit µg/m³."""
    hf = Limit(
        id=id_,
        kind=Kind.THRESHOLD,
        names=Names("氟化氢泄漏", "HF leak"),
        match=Match(quantities=("hf",)),
        side=Side.HIGH,
        set_points=(SetPoint("high", 4000.0, Priority.HIGH), SetPoint("high-high", 8000.0, Priority.CRITICAL)),
        deadband=200.0,
        on_delay=0,
        off_delay=0,
        unit="mg/m³",
        source="GB/T 50493-2019",
        clause=Names("第5.5.2条：最高容许浓度的 100%", "5.5.2: 100 % of the MAC"),
        provenance="verified",
        version="1",
        guidance=_GUIDANCE,
        shown_per_canonical=0.001,
    )
    return msgspec.structs.replace(hf, **changes)


def quality_limit() -> Limit:
    """The alarm on data that can't be trusted."""
    point = SetPoint("bad", 0.0, Priority.LOW)
    return limit(
        "data-quality", kind=Kind.QUALITY, names=Names("数据质量", "data quality"), set_points=(point,), unit=""
    )


CALM = Grouping(flood_begins=1_000)
"""Many pages at once are no flood."""


def catalogue(*channels: ChannelRoute, oncall: OnCall | None = None, grouping: Grouping | None = None) -> Catalogue:
    """One zone with one site, HF, and its limits."""
    site = Site("hf-unit", Names("氟化氢装置", "HF unit"), 31.8, 120.8)
    quantity = Quantity("hf", Names("氟化氢", "HF"), "µg/m³", Location.WORKPLACE, 0.0, 50_000.0)
    return Catalogue(
        zones={"new-materials": Zone("new-materials", Names("新材料产业园", "New Materials"), 1, {"hf-unit": site})},
        quantities={"hf": quantity},
        limits=(limit(), quality_limit()),
        replaces={},
        alerts=Alerts(channels, grouping or Grouping()),
        settings=Settings(),
        version="test",
        oncall=oncall or OnCall(),
    )


def sensor(names: Names | None = None) -> Sensor:
    """Describe the sensor of ``SERIES``."""
    return Sensor(SERIES.rpartition("/")[0], registered=NOW, names=names or Names("氟化氢一号探头", "HF detector 1"))


def transition(event: Event = Event.RAISED, **changes: Any) -> Transition:
    """HF at 5.1 mg/m³ passes 4."""
    raised = Transition(
        alarm=alarm_id(SERIES, "hf-high"),
        series=SERIES,
        limit="hf-high",
        limit_version="1",
        event=Event.RAISED,
        notify=Notify.PAGE,
        before=State.NORM,
        after=State.UNACK,
        severity="high",
        priority=Priority.HIGH,
        occurrence=1,
        version=1,
        t=NOW - 40,
        at=NOW,
        value=5100.0,
        set_point=4000.0,
    )
    told = {Event.RETURNED: {"notify": Notify.NOTICE, "after": State.RTNUN, "value": 3100.0}}
    return msgspec.structs.replace(raised, event=event, **{**told.get(event, {}), **changes})


def numbered(number: int) -> Transition:
    """Return the ``number``-th of many different alarms."""
    series = f"new-materials/hf-unit/hf-{number:03d}/hf"
    return transition(alarm=alarm_id(series, "hf-high"), series=series)


def route(name: str, url: str, kind: ChannelKind = ChannelKind.WEBHOOK, **more: Any) -> ChannelRoute:
    """Return a channel to ``url`` that is signed if it is a webhook."""
    secret = Reference(ReferenceKind.TEXT, SECRET) if kind is ChannelKind.WEBHOOK else None
    return ChannelRoute(name=name, kind=kind, url=Reference(ReferenceKind.TEXT, url), secret=secret, **more)


@dataclass
class Said:
    """Keeps the lines that would be printed."""

    lines: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)


def contact(person: str, name: str = "phone", **more: Any) -> ChannelRoute:
    """Return a contact of ``person`` on the terminal, if nothing else is said."""
    route = ChannelRoute(f"{person}.{name}", ChannelKind.TERMINAL, Reference(ReferenceKind.TEXT, ""), grouped=True)
    return msgspec.structs.replace(route, **more)


def person(name: str, *contacts: ChannelRoute, language: str = "zh") -> Person:
    """Return somebody with ``contacts``, a telephone if none is given."""
    return Person(name, Names(name, name), language, contacts or (contact(name),))


def roster(*steps: Step, people: Sequence[Person] = (), until: Until = Until.ACKNOWLEDGED, **more: Any) -> OnCall:
    """Return a roster with one chain for everything; its people are those named, with a telephone each otherwise."""
    named = [told.removeprefix("person:") for step in steps for told in step.tell if told.startswith("person:")]
    known = {name: person(name) for name in named} | {one.name: one for one in people}
    chain = Chain("all", Names("全部", "all"), steps, until=until)
    return OnCall(people=known, chains=(chain,), **more)


def step(*names: str, minutes: float = 0, **more: Any) -> Step:
    """Return a step that tells ``names`` after so many minutes."""
    return Step(tuple(f"person:{name}" for name in names), after=round(minutes * 60_000), **more)


def standing(told: Transition, **changes: Any) -> dict[str, Any]:
    """Return the snapshot of an alarm of whose page ``told`` nobody has taken note."""
    snapshot = {
        "occurrence": told.occurrence,
        "raised_t": told.t,
        "acknowledgement": "unacknowledged",
        "availability": "in-service",
        "condition": "active",
        "latched": False,
        "paged": told.version,
        "acknowledged_by": "",
    }
    return {**snapshot, **changes}
