"""Scripted incidents: what goes wrong in the simulated park, and when. Pure functions of time.

An incident bends the signals of some series, or silences a gateway, for a while; it comes back after
``every``. ``docs/simulation.md`` lists them for people.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from field.signals import HOUR, MINUTE, Values
from park.words import Names

SECOND = 1000


class Effect(Protocol):
    """How an incident bends one signal."""

    def __call__(self, quiet: Callable[[int], float], t: int, began: int) -> float:
        """Value at ``t``, given the signal without incident and when the incident began (ms)."""


@dataclass(frozen=True)
class Plume:
    """A cloud arrives after ``delay``, climbs towards ``peak`` above the quiet value, thins out after ``lasts``."""

    peak: float
    delay: int = 0
    climb: int = 3 * SECOND
    lasts: int = 90 * SECOND
    thins: int = 25 * SECOND

    def __call__(self, quiet: Callable[[int], float], t: int, began: int) -> float:
        """Value at ``t``."""
        since = t - began - self.delay
        return quiet(t) + self.peak * self._share(since)

    def _share(self, since: int) -> float:
        if since <= 0:
            return 0.0
        risen = 1 - math.exp(-min(since, self.lasts) / self.climb)
        return risen * math.exp(-max(since - self.lasts, 0) / self.thins)


@dataclass(frozen=True)
class Excursion:
    """The value moves over to ``to`` within ``rise``, stays for ``hold``, and comes back within ``fall``."""

    to: float
    rise: int
    hold: int
    fall: int

    def __call__(self, quiet: Callable[[int], float], t: int, began: int) -> float:
        """Value at ``t``."""
        usual = quiet(t)
        return usual + (self.to - usual) * self._share(t - began)

    def _share(self, since: int) -> float:
        leaving = self.rise + self.hold
        if since < leaving:
            return min(since / self.rise, 1.0)
        return max(1.0 - (since - leaving) / self.fall, 0.0)


@dataclass(frozen=True)
class Drift:
    """The sensor's zero creeps away by ``per_minute``."""

    per_minute: float

    def __call__(self, quiet: Callable[[int], float], t: int, began: int) -> float:
        """Value at ``t``."""
        return quiet(t) + self.per_minute * (t - began) / MINUTE


@dataclass(frozen=True)
class Stuck:
    """The sensor repeats the value it had when the incident began."""

    def __call__(self, quiet: Callable[[int], float], t: int, began: int) -> float:
        """Value at ``t``."""
        del t
        return quiet(began)


@dataclass(frozen=True)
class Halted:
    """A stream stands still for ``stops``; then it carries more, for ``resumes``, until it has made up for that."""

    stops: int
    resumes: int

    def __call__(self, quiet: Callable[[int], float], t: int, began: int) -> float:
        """Value at ``t``."""
        since = t - began
        return 0.0 if since < self.stops else quiet(t) * (1 + self.stops / self.resumes)


@dataclass(frozen=True)
class PiledUp:
    """A stock takes what a :class:`Halted` stream of ``per_hour`` does not carry, and gives it back as it resumes."""

    per_hour: float
    stops: int
    resumes: int

    def __call__(self, quiet: Callable[[int], float], t: int, began: int) -> float:
        """Value at ``t``."""
        since = t - began
        share = since / self.stops if since < self.stops else 1 - (since - self.stops) / self.resumes
        return quiet(t) + self.per_hour * self.stops / HOUR * max(share, 0.0)


_BOARD_STOPS, _BOARD_RESUMES = 30 * MINUTE, 60 * MINUTE


@dataclass(frozen=True)
class Incident:
    """Something that goes wrong.

    It begins ``offset`` ms after the simulation, ends ``lasts`` ms later and comes back every ``every`` ms.
    ``effects`` are by series (``zone/site/sensor/quantity``), ``silent`` names gateways (``zone/gateway``).
    """

    name: str
    names: Names
    offset: int
    lasts: int
    every: int = HOUR
    effects: Mapping[str, Effect] = field(default_factory=lambda: MappingProxyType({}))
    silent: frozenset[str] = frozenset()

    def began(self, since_start: int) -> int | None:
        """When the occurrence that is under way began, in ms since the start; ``None`` if none is."""
        since = since_start - self.offset
        if since < 0 or since % self.every >= self.lasts:
            return None
        return since_start - since % self.every

    def under_way(self, since_start: Values) -> NDArray[np.bool_]:
        """Whether an occurrence is under way, at each of many times (ms since the start)."""
        since = since_start - self.offset
        found: NDArray[np.bool_] = (since >= 0) & (np.mod(since, self.every) < self.lasts)
        return found


INCIDENTS: tuple[Incident, ...] = (
    Incident(
        name="hf-leak",
        names=Names(zh="氟化氢泄漏", en="HF leak"),
        offset=4 * SECOND,
        lasts=5 * MINUTE,
        effects={
            "new-materials/hf-plant/hf-101/hf": Plume(peak=7.0),
            "new-materials/hf-plant/hf-102/hf": Plume(peak=5.5, delay=8 * SECOND, climb=5 * SECOND),
            "new-materials/hf-plant/hf-103/hf": Plume(peak=3.2, delay=20 * SECOND, climb=8 * SECOND),
        },
    ),
    Incident(
        name="tank-overfill",
        names=Names(zh="储罐过充", en="Tank overfilled"),
        offset=1 * MINUTE,
        lasts=8 * MINUTE,
        effects={
            "riverside/tank-farm/tank-703/level": Excursion(to=95.0, rise=3 * MINUTE, hold=2 * MINUTE, fall=3 * MINUTE),
        },
    ),
    Incident(
        name="cod-excursion",
        names=Names(zh="长江排口化学需氧量超标", en="COD excursion at the Yangtze outfall"),
        offset=150 * SECOND,
        lasts=12 * MINUTE,
        effects={
            "riverside/outfall/out-901/cod": Excursion(to=78.0, rise=90 * SECOND, hold=8 * MINUTE, fall=2 * MINUTE),
        },
    ),
    Incident(
        name="gateway-silent",
        names=Names(zh="网关失联", en="Gateway silent"),
        offset=270 * SECOND,
        lasts=4 * MINUTE,
        silent=frozenset({"new-materials/gw-polymer"}),
    ),
    Incident(
        name="drifting-sensor",
        names=Names(zh="传感器漂移", en="Drifting sensor"),
        offset=6 * MINUTE,
        lasts=30 * MINUTE,
        effects={"riverside/tank-farm/lel-702/lel": Drift(per_minute=0.5)},
    ),
    Incident(
        name="stuck-sensor",
        names=Names(zh="传感器卡死", en="Stuck sensor"),
        offset=8 * MINUTE,
        lasts=30 * MINUTE,
        effects={"new-materials/polymer-plant/reactor-202/temperature": Stuck()},
    ),
    Incident(
        name="taker-stopped",
        names=Names(zh="石膏板厂停产，氟石膏无人接收", en="Board plant stopped: nobody takes the fluorogypsum"),
        offset=10 * MINUTE,
        lasts=_BOARD_STOPS + _BOARD_RESUMES,
        every=3 * HOUR,
        effects={
            "new-materials/hf-plant/meter-1006/mass-flow": Halted(_BOARD_STOPS, _BOARD_RESUMES),
            "new-materials/hf-plant/stock-1091/stock-mass": PiledUp(9.0, _BOARD_STOPS, _BOARD_RESUMES),
        },
    ),
)


class UnknownIncidentError(ValueError):
    """There is no incident of that name; the message lists those there are."""


def choose(words: str) -> tuple[Incident, ...]:
    """Return the incidents that ``words`` asks for: ``all``, ``none``, or names with commas between.

    Raises :class:`UnknownIncidentError`.
    """
    if words in {"all", "none"}:
        return INCIDENTS if words == "all" else ()
    wanted = [word.strip() for word in words.split(",") if word.strip()]
    known = {incident.name: incident for incident in INCIDENTS}
    unknown = [word for word in wanted if word not in known]
    if unknown or not wanted:
        raise UnknownIncidentError(
            f"no incident is called {', '.join(unknown) or 'nothing'}; "
            f"write all, none, or some of {', '.join(known)} with commas between"
        )
    return tuple(known[word] for word in dict.fromkeys(wanted))


@dataclass(frozen=True)
class Script:
    """The chosen incidents on the time line of one simulation that began at ``start`` (ms)."""

    start: int
    incidents: tuple[Incident, ...] = ()

    def bend(self, series: str, quiet: Callable[[int], float], t: int) -> float:
        """Value of ``series`` at ``t`` with whatever goes wrong then."""
        for incident, began in self._under_way(t):
            effect = incident.effects.get(series)
            if effect is not None:
                return effect(quiet, t, began)
        return quiet(t)

    def bends(self, series: str, t: Values) -> NDArray[np.bool_]:
        """Whether an incident that bends ``series`` is under way, at each of the times ``t`` (ms)."""
        found = np.zeros(len(t), np.bool_)
        for incident in self.incidents:
            if series in incident.effects:
                found |= incident.under_way(t - self.start)
        return found

    def silent(self, gateway: str, t: int) -> bool:
        """Whether ``gateway`` (``zone/gateway``) has lost its connection at ``t``."""
        return any(gateway in incident.silent for incident, _ in self._under_way(t))

    def names_at(self, t: int) -> tuple[str, ...]:
        """Names of the incidents under way at ``t``."""
        return tuple(incident.name for incident, _ in self._under_way(t))

    def series(self) -> frozenset[str]:
        """Every series that some incident bends."""
        return frozenset(_series(self.incidents))

    def gateways(self) -> frozenset[str]:
        """Every gateway that some incident silences."""
        return frozenset(gateway for incident in self.incidents for gateway in incident.silent)

    def _under_way(self, t: int) -> Iterator[tuple[Incident, int]]:
        for incident in self.incidents:
            began = incident.began(t - self.start)
            if began is not None:
                yield incident, self.start + began


def _series(incidents: Iterable[Incident]) -> Iterator[str]:
    for incident in incidents:
        yield from incident.effects
