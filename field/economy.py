"""The simulated park's economy: who works how hard, and what every meter of a flow shows of it.

Enterprises have rhythms: they work more by day, more in some weeks than in others. A flow is a sum of rhythms, so
what a process takes in and what it gives away add up at every moment, as the balances in ``config/flows.yaml`` want
it; where two that work at different rhythms exchange something, a stock takes up the difference. The proportions are
those of the real processes: 2.1 t of fluorspar and 2.6 t of sulfuric acid for 1 t of hydrogen fluoride and 3.6 t of
gypsum.

Everything is an integral in closed form: what a totaliser shows depends on nothing but the seed and the time.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from field.signals import COUNTERS_SINCE, HOUR, Noise, Values

#: How much of each rhythm there is in a flow, per hour of usual work.
Mix = Mapping[str, float]

_TURN = 2 * math.pi
#: Hours and depth of the waves that make a rhythm. Each has its own phases; only the year is everybody's.
_WAVES = ((24.0, 0.06), (168.0, 0.03), (53.0, 0.04), (9.3, 0.03))
_YEAR = (8766.0, 0.05)
_PERIODS = np.array([*(period for period, _ in _WAVES), _YEAR[0]])
_DEPTHS = np.array([*(depth for _, depth in _WAVES), _YEAR[1]])
_OMEGAS = _TURN / _PERIODS
_DEPTH = float(_DEPTHS.sum())
#: How far (h) a rhythm is ever ahead of another one, or behind.
_LEAD = float((_DEPTHS / _OMEGAS)[:-1].sum())
#: The rhythm of solar roofs, always clear: nothing by night, and most at half past twelve.
_SUN, _NOON = "sun", 12.5
#: No meter is exact: its error is at most this share of what it shows.
_ERROR = 0.003
_JITTER = 0.004


def hours(t: Values) -> Values:
    """Return the hours since the counters began, in China, at the times ``t`` (ms)."""
    return (t - COUNTERS_SINCE) / HOUR


def _name(rhythm: str) -> str:
    return rhythm.rsplit("/", 1)[-1]


@functools.lru_cache(maxsize=1024)
def _phases(rhythm: str, seed: int) -> Values:
    noise = Noise(seed)
    own = [math.pi * noise.white(f"{rhythm}/{period}", 0) for period, _ in _WAVES[1:]]
    # By day: most at two in the afternoon, give or take two hours.
    daily = -_TURN * (14.0 + 2.0 * noise.white(f"{rhythm}/day", 0)) / 24.0
    return np.array([daily, *own, 0.0])


def work(rhythm: str, t: Values, noise: Noise) -> Values:
    """Return how many hours of usual work ``rhythm`` has done at ``t`` (ms)."""
    h = hours(t)
    if _name(rhythm) == _SUN:
        return _sunshine(h)
    ahead: Values = np.sin(np.multiply.outer(h, _OMEGAS) + _phases(rhythm, noise.seed)) @ (_DEPTHS / _OMEGAS)
    return h + ahead


def pace(rhythm: str, t: Values, noise: Noise) -> Values:
    """Return how hard ``rhythm`` works at ``t`` (ms), 1 being as usual."""
    h = hours(t)
    if _name(rhythm) == _SUN:
        height: Values = math.pi * np.maximum(np.cos(_TURN * (h - _NOON) / 24.0), 0.0)
        return height
    waves: Values = np.cos(np.multiply.outer(h, _OMEGAS) + _phases(rhythm, noise.seed)) @ _DEPTHS
    return 1.0 + waves


def _sunshine(h: Values) -> Values:
    """Return the hours of average sun since the counters began: a half sine from 6:30 to 18:30, 24 a day."""
    days, of_day = np.divmod(h, 24.0)
    angle = np.clip(_TURN * (of_day - _NOON) / 24.0, -math.pi / 2, math.pi / 2)
    shone: Values = 24.0 * days + 12.0 * (np.sin(angle) + 1.0)
    return shone


def _paces(rhythm: str) -> tuple[float, float]:
    """Return the least and the greatest pace there can ever be."""
    return (0.0, math.pi) if _name(rhythm) == _SUN else (1.0 - _DEPTH, 1.0 + _DEPTH)


@dataclass(frozen=True)
class Exchange:
    """A totaliser was replaced at ``at`` (ms): the old one showed ``last``, the new one began at ``first``."""

    at: int
    last: float
    first: float


class MeterSignal(ABC):
    """What meters of the economy have in common; ``mix`` in the meter's unit per hour.

    They keep true time: an hour of a meter is an hour, however the simulated day hurries.
    """

    mix: Mix

    @abstractmethod
    def many(self, t: Values, key: str, noise: Noise) -> Values:
        """Return the values at the times ``t`` (ms, in order) for the series ``key``."""

    def at(self, t: int, key: str, noise: Noise) -> float:
        """Value at ``t`` (ms)."""
        return float(self.many(np.array([t], np.float64), key, noise)[0])

    def _error(self, key: str, noise: Noise) -> float:
        return 1.0 + _ERROR * noise.white(f"{key}/error", 0)

    def _sum(self, t: Values, noise: Noise) -> Values:
        total: Values = np.zeros_like(t)
        for rhythm, much in self.mix.items():
            total += much * work(rhythm, t, noise)
        return total


@dataclass(frozen=True)
class Register(MeterSignal):
    """A totaliser that counts from 2024, begins again at ``rollover``, or was replaced."""

    mix: Mix
    rollover: float | None = None
    exchange: Exchange | None = None

    def many(self, t: Values, key: str, noise: Noise) -> Values:
        """Return what it shows."""
        error = self._error(key, noise)
        total = error * self._sum(t, noise)
        if self.exchange is not None:
            then = error * self._sum(np.array([self.exchange.at], np.float64), noise)[0]
            begun = np.where(t < self.exchange.at, self.exchange.last, self.exchange.first)
            total = begun + total - then
        shown: Values = np.mod(total, self.rollover) if self.rollover else np.maximum(total, 0.0)
        return shown

    def bounds(self) -> tuple[float, float]:
        """Least and greatest value: it counts for ever, or until its rollover."""
        return 0.0, self.rollover or math.inf


@dataclass(frozen=True)
class Rate(MeterSignal):
    """A meter that shows what goes through now, with a little jitter."""

    mix: Mix

    def many(self, t: Values, key: str, noise: Noise) -> Values:
        """Return what it shows."""
        now: Values = np.zeros_like(t)
        for rhythm, much in self.mix.items():
            now += much * pace(rhythm, t, noise)
        jitter = noise.white_many(f"{key}/fast", t)
        return now * self._error(key, noise) * (1.0 + _JITTER * jitter)

    def bounds(self) -> tuple[float, float]:
        """Least and greatest rate that can ever come."""
        ends = [sorted(much * pace for pace in _paces(rhythm)) for rhythm, much in self.mix.items()]
        off = (1.0 + _ERROR) * (1.0 + _JITTER)
        return sum(low for low, _ in ends) / off, sum(high for _, high in ends) * off


@dataclass(frozen=True)
class Held(MeterSignal):
    """What a site holds: ``usual``, more or less as those that fill and empty it run ahead of each other."""

    mix: Mix
    usual: float

    def many(self, t: Values, key: str, noise: Noise) -> Values:
        """Return what is held."""
        jitter = noise.white_many(f"{key}/fast", t)
        return self.usual + self._sum(t, noise) + self.usual * 0.0005 * jitter

    def bounds(self) -> tuple[float, float]:
        """Least and most that can ever be held."""
        reach = _LEAD * sum(map(abs, self.mix.values())) + self.usual * 0.0005
        return self.usual - reach, self.usual + reach


@dataclass(frozen=True)
class Meter:
    """A meter of the economy: where it is, what it measures, and the ``flow`` it belongs to (none for a stock)."""

    zone: str
    site: str
    name: str
    quantity: str
    signal: Register | Rate | Held
    flow: str | None = None

    @property
    def series(self) -> str:
        """``zone/site/sensor/quantity``."""
        return f"{self.zone}/{self.site}/{self.name}/{self.quantity}"


# --- the flows -----------------------------------------------------------------------------------------------------
# A row: flow, site of the meter, number, quantity, and how much of each rhythm there is in it, in the flow's unit per
# hour. hf, rp, pp, gb: the plants of hydrogen fluoride, refrigerant, polymer and board; cp, eo, re, sr: chlorination,
# ethylene oxide, resin and solvent recovery; tf: what trucks and ships fetch, ship: what they bring; ut: utilities;
# ww: wastewater works.

_Row = tuple[str, str, int, str, Mix]

_NEW_MATERIALS: tuple[_Row, ...] = (
    ("nm-fluorspar", "hf-plant", 1001, "mass-total", {"hf": 6.3}),
    ("nm-sulfuric-acid", "hf-plant", 1002, "mass-total", {"hf": 6.4}),
    ("nm-regenerated-acid", "hf-plant", 1003, "mass-total", {"hf": 1.4}),
    ("nm-hf-to-refrigerant", "hf-plant", 1004, "mass-flow", {"rp": 1.4}),
    ("nm-hf-to-tanks", "hf-plant", 1005, "mass-total", {"hf": 3.0, "rp": -1.4}),
    ("nm-gypsum-to-board", "hf-plant", 1006, "mass-flow", {"gb": 9.0}),
    ("nm-gypsum-to-cement", "hf-plant", 1007, "waste", {"hf": 1.36}),
    ("nm-gypsum-disposed", "hf-plant", 1008, "waste", {"hf": 0.5}),
    ("nm-fluorosilicic-acid", "hf-plant", 1009, "mass-total", {"hf": 0.2}),
    ("nm-fresh-hf", "hf-plant", 1010, "water-meter", {"hf": 8.0}),
    ("nm-wastewater-hf", "hf-plant", 1011, "water-meter", {"hf": 5.5}),
    ("nm-circulating-hf", "hf-plant", 1012, "water-meter", {"hf": 60.0}),
    ("nm-gas-hf", "hf-plant", 1013, "gas-meter", {"hf": 260.0}),
    ("nm-heat-to-board", "hf-plant", 1014, "heat", {"hf": 4.0}),
    ("nm-heat-lost-hf", "hf-plant", 1015, "heat", {"hf": 2.5}),
    ("nm-hf-sold", "tank-farm", 1301, "mass-total", {"tf": 1.6}),
    ("nm-chloroform", "refrigerant-plant", 1101, "mass-total", {"rp": 4.18}),
    ("nm-r22-to-polymer", "refrigerant-plant", 1102, "mass-flow", {"pp": 2.0}),
    ("nm-r22-sold", "refrigerant-plant", 1103, "mass-total", {"rp": 1.01}),
    ("nm-hcl-to-chlor", "refrigerant-plant", 1104, "mass-flow", {"rp": 1.3}),
    ("nm-hcl-sold", "refrigerant-plant", 1105, "mass-total", {"rp": 1.245}),
    ("nm-refrigerant-residue", "refrigerant-plant", 1106, "waste", {"rp": 0.012}),
    ("nm-fresh-refrigerant", "refrigerant-plant", 1107, "water-meter", {"rp": 18.0}),
    ("nm-wastewater-refrigerant", "refrigerant-plant", 1108, "water-meter", {"rp": 12.0}),
    ("nm-circulating-refrigerant", "refrigerant-plant", 1109, "water-meter", {"rp": 240.0}),
    ("nm-heat-lost-refrigerant", "refrigerant-plant", 1110, "heat", {"rp": 2.5}),
    ("nm-vdf", "polymer-plant", 1201, "mass-total", {"pp": 0.52}),
    ("nm-polymer-sold", "polymer-plant", 1202, "mass-total", {"pp": 1.6}),
    ("nm-hcl-to-works", "polymer-plant", 1203, "mass-total", {"pp": 0.043}),
    ("nm-polymer-hcl-sold", "polymer-plant", 1204, "mass-total", {"pp": 0.8}),
    ("nm-polymer-residue", "polymer-plant", 1205, "waste", {"pp": 0.05}),
    ("nm-polymer-scrap", "polymer-plant", 1206, "waste", {"pp": 0.02}),
    ("nm-fresh-polymer", "polymer-plant", 1207, "water-meter", {"pp": 30.0}),
    ("nm-wastewater-polymer", "polymer-plant", 1208, "water-meter", {"pp": 24.0}),
    ("nm-circulating-polymer", "polymer-plant", 1209, "water-meter", {"pp": 420.0}),
    ("nm-heat-to-works", "polymer-plant", 1210, "heat", {"pp": 1.5}),
    ("nm-heat-lost-polymer", "polymer-plant", 1211, "heat", {"pp": 3.0}),
    ("nm-board-paper", "gypsum-board", 1401, "mass-total", {"gb": 0.35}),
    ("nm-board-additives", "gypsum-board", 1402, "mass-total", {"gb": 0.1}),
    ("nm-board-broken", "gypsum-board", 1403, "waste", {"gb": 0.3}),
    ("nm-board-sold", "gypsum-board", 1404, "mass-total", {"gb": 9.35}),
    ("nm-board-waste", "gypsum-board", 1405, "waste", {"gb": 0.06}),
    ("nm-fresh-board", "gypsum-board", 1406, "water-meter", {"gb": 6.0}),
    ("nm-wastewater-board", "gypsum-board", 1407, "water-meter", {"gb": 1.0}),
    ("nm-gas-board", "gypsum-board", 1408, "gas-meter", {"gb": 150.0}),
    ("nm-sludge", "wastewater-works", 1601, "waste", {"ww": 0.3}),
    ("nm-reclaimed-utilities", "wastewater-works", 1602, "flow", {"ut": 14.0}),
    ("nm-reclaimed-board", "wastewater-works", 1603, "flow", {"gb": 3.0}),
    ("nm-discharge", "wastewater-works", 1604, "flow", {"ww": 46.0}),
    ("nm-waste-received", "utilities", 1501, "waste", {"ut": 0.25}),
    ("nm-slag", "utilities", 1502, "waste", {"ut": 0.08}),
    ("nm-fresh-utilities", "utilities", 413, "water-meter", {"ut": 62.0}),
    ("nm-wastewater-utilities", "utilities", 1503, "water-meter", {"ut": 21.5}),
    ("nm-circulating-utilities", "utilities", 1504, "water-meter", {"ut": 300.0}),
    ("nm-solar", "utilities", 1505, "power", {"sun": 400.0}),
    ("nm-power-hf", "utilities", 1506, "electricity", {"hf": 900.0}),
    ("nm-power-refrigerant", "utilities", 1507, "electricity", {"rp": 1500.0}),
    ("nm-power-polymer", "utilities", 1508, "electricity", {"pp": 2800.0}),
    ("nm-power-board", "utilities", 1509, "electricity", {"gb": 700.0}),
    ("nm-power-works", "utilities", 1510, "electricity", {"ww": 600.0}),
    ("nm-power-tanks", "utilities", 1511, "electricity", {"tf": 200.0}),
    ("nm-steam-hf", "utilities", 1512, "steam", {"hf": 4.0}),
    ("nm-steam-refrigerant", "utilities", 1513, "steam", {"rp": 6.0}),
    ("nm-steam-polymer", "utilities", 412, "steam", {"pp": 7.0}),
    ("nm-steam-board", "utilities", 1514, "steam", {"gb": 4.0}),
    ("nm-steam-works", "utilities", 1515, "steam", {"ww": 1.0}),
    ("nm-heat-incinerator", "utilities", 1516, "heat", {"ut": 7.0}),
)

_RIVERSIDE: tuple[_Row, ...] = (
    ("rs-ethylene", "tank-farm", 2301, "mass-total", {"ship": 6.88}),
    ("rs-ethylene-to-chlor", "tank-farm", 2302, "mass-total", {"cp": 3.68}),
    ("rs-ethylene-to-eo", "tank-farm", 2303, "mass-total", {"eo": 3.2}),
    ("rs-vcm-sold", "tank-farm", 2304, "mass-total", {"tf": 1.5}),
    ("rs-fresh-tanks", "tank-farm", 2305, "water-meter", {"tf": 1.5}),
    ("rs-wastewater-tanks", "tank-farm", 2306, "water-meter", {"tf": 1.2}),
    ("rs-chlorine", "chlor-plant", 2001, "mass-total", {"cp": 3.28}),
    ("rs-hcl-loop", "chlor-plant", 2002, "mass-total", {"cp": 4.5}),
    ("rs-vcm-to-resin", "chlor-plant", 2003, "mass-flow", {"re": 6.5}),
    ("rs-vcm-to-tanks", "chlor-plant", 2004, "mass-total", {"cp": 8.0, "re": -6.5}),
    ("rs-chlor-residue", "chlor-plant", 2005, "waste", {"cp": 0.1}),
    ("rs-fresh-chlor", "chlor-plant", 2006, "water-meter", {"cp": 16.0}),
    ("rs-wastewater-chlor", "chlor-plant", 2007, "water-meter", {"cp": 11.0}),
    ("rs-circulating-chlor", "chlor-plant", 2008, "water-meter", {"cp": 360.0}),
    ("rs-heat-to-resin", "chlor-plant", 2009, "heat", {"cp": 3.5}),
    ("rs-heat-lost-chlor", "chlor-plant", 2010, "heat", {"cp": 5.0}),
    ("rs-oxygen", "eo-plant", 2101, "mass-total", {"eo": 3.68}),
    ("rs-fatty-alcohol", "eo-plant", 2102, "mass-total", {"eo": 1.5}),
    ("rs-derivatives-sold", "eo-plant", 2103, "mass-total", {"eo": 5.4}),
    ("rs-co2-sold", "eo-plant", 2104, "mass-total", {"eo": 1.2}),
    ("rs-co2-to-works", "eo-plant", 2105, "mass-flow", {"eo": 0.3}),
    ("rs-spent-glycol", "eo-plant", 2106, "mass-flow", {"eo": 0.2}),
    ("rs-fresh-eo", "eo-plant", 2107, "water-meter", {"eo": 14.0}),
    ("rs-wastewater-eo", "eo-plant", 2108, "water-meter", {"eo": 12.0}),
    ("rs-circulating-eo", "eo-plant", 2109, "water-meter", {"eo": 240.0}),
    ("rs-heat-to-utilities", "eo-plant", 2110, "heat", {"eo": 6.0}),
    ("rs-heat-lost-eo", "eo-plant", 2111, "heat", {"eo": 3.0}),
    ("rs-resin-additives", "resin-plant", 2201, "mass-total", {"re": 0.12}),
    ("rs-resin-sold", "resin-plant", 2202, "mass-total", {"re": 6.45}),
    ("rs-resin-scrap", "resin-plant", 2203, "waste", {"re": 0.05}),
    ("rs-resin-waste", "resin-plant", 2204, "waste", {"re": 0.03}),
    ("rs-spent-solvent", "resin-plant", 2205, "mass-flow", {"re": 0.25}),
    ("rs-fresh-resin", "resin-plant", 2206, "water-meter", {"re": 22.0}),
    ("rs-wastewater-resin", "resin-plant", 2207, "water-meter", {"re": 21.0}),
    ("rs-circulating-resin", "resin-plant", 2208, "water-meter", {"re": 200.0}),
    ("rs-heat-lost-resin", "resin-plant", 2209, "heat", {"re": 1.0}),
    ("rs-spent-received", "solvent-recovery", 2401, "waste", {"sr": 0.6}),
    ("rs-solvent-to-resin", "solvent-recovery", 2402, "mass-total", {"re": 0.22}),
    ("rs-solvent-to-eo", "solvent-recovery", 2403, "mass-total", {"eo": 0.15}),
    ("rs-solvent-sold", "solvent-recovery", 2404, "mass-total", {"sr": 0.54}),
    ("rs-solvent-residue", "solvent-recovery", 2405, "waste", {"sr": 0.12}),
    ("rs-fresh-solvent", "solvent-recovery", 2406, "water-meter", {"sr": 2.0}),
    ("rs-wastewater-solvent", "solvent-recovery", 2407, "water-meter", {"sr": 1.5}),
    ("rs-sludge", "wastewater-works", 2601, "waste", {"ww": 0.35}),
    ("rs-reclaimed-utilities", "wastewater-works", 2602, "flow", {"ut": 16.0}),
    ("rs-reclaimed-resin", "wastewater-works", 2603, "flow", {"re": 5.0}),
    ("rs-discharge", "wastewater-works", 2604, "flow", {"ww": 46.0}),
    ("rs-slag", "utilities", 2501, "waste", {"ut": 0.12}),
    ("rs-fresh-utilities", "utilities", 813, "water-meter", {"ut": 55.0}),
    ("rs-wastewater-utilities", "utilities", 2502, "water-meter", {"ut": 21.0}),
    ("rs-circulating-utilities", "utilities", 2503, "water-meter", {"ut": 350.0}),
    ("rs-solar", "utilities", 2504, "power", {"sun": 500.0}),
    ("rs-power-chlor", "utilities", 2505, "electricity", {"cp": 2600.0}),
    ("rs-power-eo", "utilities", 2506, "electricity", {"eo": 1900.0}),
    ("rs-power-resin", "utilities", 2507, "electricity", {"re": 1700.0}),
    ("rs-power-solvent", "utilities", 2508, "electricity", {"sr": 250.0}),
    ("rs-power-works", "utilities", 2509, "electricity", {"ww": 650.0}),
    ("rs-power-tanks", "utilities", 2510, "electricity", {"tf": 400.0}),
    ("rs-steam-chlor", "utilities", 812, "steam", {"cp": 9.0}),
    ("rs-steam-eo", "utilities", 2511, "steam", {"eo": 5.0}),
    ("rs-steam-resin", "utilities", 2512, "steam", {"re": 6.0}),
    ("rs-steam-solvent", "utilities", 2513, "steam", {"sr": 2.0}),
    ("rs-steam-works", "utilities", 2514, "steam", {"ww": 1.0}),
    ("rs-steam-tanks", "utilities", 2515, "steam", {"tf": 1.0}),
    ("rs-heat-incinerator", "utilities", 2516, "heat", {"ut": 5.0}),
)


@dataclass(frozen=True)
class _Utilities:
    """How a zone's heat and power plant works; ``made`` is the electricity that it makes itself (kWh/h).

    What it buys follows: electricity for what it neither makes nor has from its roofs, gas (m3/h) for the energy that
    it gives away, less what else comes in, plus ``losses`` (the share of what comes in). Waste heat that it is given
    is ``heat`` (GJ/h).
    """

    prefix: str
    grid: int
    gas: int
    made: float
    losses: float
    heat: Mix

    def rows(self, known: tuple[_Row, ...]) -> Iterator[_Row]:
        """Yield the meters of what is bought."""
        power, steam = (_sum(known, f"{self.prefix}-{what}-") for what in ("power", "steam"))
        solar = _sum(known, f"{self.prefix}-solar")
        grid = _add(power, {"ut": -self.made}, _times(solar, -1.0))
        given = _add(_times(power, _GJ_PER_KWH), _times(steam, _GJ_PER_T_STEAM))
        otherwise = _add(_times(grid, _GJ_PER_KWH), _times(solar, _GJ_PER_KWH), self.heat)
        gas = _times(_add(_times(given, 1.0 / (1.0 - self.losses)), _times(otherwise, -1.0)), 1.0 / _GJ_PER_M3_GAS)
        yield f"{self.prefix}-grid", "utilities", self.grid, "electricity", grid
        yield f"{self.prefix}-gas-utilities", "utilities", self.gas, "gas-meter", gas


#: As the balances of the utilities weigh them.
_GJ_PER_KWH, _GJ_PER_T_STEAM, _GJ_PER_M3_GAS = 0.0036, 2.78, 0.03898


def _sum(rows: tuple[_Row, ...], begins: str) -> dict[str, float]:
    return _add(*(mix for flow, _, _, _, mix in rows if flow.startswith(begins)))


def _add(*mixes: Mix) -> dict[str, float]:
    total: dict[str, float] = {}
    for mix in mixes:
        for rhythm, much in mix.items():
            total[rhythm] = total.get(rhythm, 0.0) + much
    return total


def _times(mix: Mix, factor: float) -> dict[str, float]:
    return {rhythm: factor * much for rhythm, much in mix.items()}


# --- what sites hold -------------------------------------------------------------------------------------------------
# site, number, quantity, usual content, what fills it and what empties it. Water: what evaporates is left out.

_Stock = tuple[str, int, str, float, Mix]

_STOCKS: Mapping[str, tuple[_Stock, ...]] = {
    "new-materials": (
        ("hf-plant", 1091, "stock-mass", 120.0, {"hf": 9.0, "gb": -9.0}),
        ("tank-farm", 1391, "stock-mass", 40.0, {"hf": 3.0, "rp": -1.4, "tf": -1.6}),
        ("refrigerant-plant", 1191, "stock-mass", 30.0, {"rp": 2.0, "pp": -2.0}),
        (
            *("wastewater-works", 1691, "stock-volume", 1200.0),
            {"hf": 5.41, "rp": 11.81, "pp": 23.63, "gb": -2.02, "ut": 7.16, "ww": -46.0},
        ),
    ),
    "riverside": (
        ("chlor-plant", 2091, "stock-mass", 12.0, {"new-materials/rp": 1.3, "cp": -1.3}),
        ("tank-farm", 2391, "stock-mass", 60.0, {"ship": 6.88, "cp": -3.68, "eo": -3.2}),
        ("tank-farm", 2392, "stock-mass", 70.0, {"cp": 8.0, "re": -6.5, "tf": -1.5}),
        ("solvent-recovery", 2491, "stock-mass", 8.0, {"eo": 0.046, "re": 0.025, "sr": -0.071}),
        (
            *("wastewater-works", 2691, "stock-volume", 1200.0),
            {"cp": 10.89, "eo": 11.88, "re": 15.78, "sr": 1.48, "tf": 1.19, "ut": 4.78, "ww": -46.0},
        ),
    ),
}

# --- the meters ------------------------------------------------------------------------------------------------------

_UTILITIES: Mapping[str, _Utilities] = {
    "new-materials": _Utilities("nm", grid=411, gas=414, made=4_400.0, losses=0.1742, heat={}),
    "riverside": _Utilities("rs", grid=811, gas=814, made=4_800.0, losses=0.1538, heat={"eo": 6.0}),
}
_CHINA = dt.timezone(dt.timedelta(hours=8))


def _wall(*moment: int) -> int:
    """Return the ms of a year, month, day, hour and minute in China."""
    year, month, day, hour, minute = moment
    return round(dt.datetime(year, month, day, hour, minute, tzinfo=_CHINA).timestamp()) * 1000


#: Registers that begin again at 0, and meters that were replaced, as ``config/flows.yaml`` has them.
_ROLLOVERS: Mapping[str, float] = {"nm-fresh-utilities": 10_000.0, "rs-grid": 1_000_000.0}
_EXCHANGES: Mapping[str, Exchange] = {
    "nm-steam-polymer": Exchange(_wall(2026, 11, 10, 10, 0), 188_342.7, 0.0),
    "rs-wastewater-resin": Exchange(_wall(2026, 6, 15, 9, 30), 467_820.4, 12.5),
}
#: Quantities that show a rate, and how much of their unit one of the flow's per hour is.
_RATES: Mapping[str, float] = {"mass-flow": 1000.0, "flow": 1.0, "power": 1.0}


def _meters(zone: str, rows: tuple[_Row, ...]) -> Iterator[Meter]:
    for flow, site, number, quantity, mix in (*rows, *_UTILITIES[zone].rows(rows)):
        signal = _signal(flow, quantity, _named(zone, mix))
        yield Meter(zone, site, f"meter-{number}", quantity, signal, flow)
    for site, number, quantity, usual, mix in _STOCKS[zone]:
        yield Meter(zone, site, f"stock-{number}", quantity, Held(_named(zone, _even(mix)), usual))


def _signal(flow: str, quantity: str, mix: Mix) -> Register | Rate:
    if quantity in _RATES:
        return Rate(_times(mix, _RATES[quantity]))
    return Register(mix, _ROLLOVERS.get(flow), _EXCHANGES.get(flow))


def _named(zone: str, mix: Mix) -> Mix:
    """Return ``mix`` with whose rhythms they are: those of ``zone``, unless another one is written."""
    return {rhythm if "/" in rhythm else f"{zone}/{rhythm}": much for rhythm, much in mix.items()}


def _even(mix: Mix) -> Mix:
    """Return ``mix`` with a last part that makes it nothing on the whole: a stock does not grow year by year."""
    *_, last = mix
    return {**mix, last: mix[last] - sum(mix.values())}


METERS: tuple[Meter, ...] = (*_meters("new-materials", _NEW_MATERIALS), *_meters("riverside", _RIVERSIDE))
