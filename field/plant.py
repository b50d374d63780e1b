"""The simulated park's sensors: two zones, every location class, as a table.

Levels are in canonical units (gases mg/m3, water mg/L) and lie well inside the default limits. Coordinates are
WGS 84 and made up around the real places.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from field.economy import METERS, Meter, Rate
from field.signals import HOUR, Signal, Steady, TankLevel
from park.words import Location, Names

#: mg/m3 = ppm * molar mass / this (L/mol at 20 °C, the workplace's reference).
WORKPLACE_VOLUME = 24.055


class Form(enum.Enum):
    """How a sensor writes its payloads; together they are every form of the MQTT contract."""

    NUMBER = "a bare number on the quantity's topic"
    EPOCH = "an object with v, t (epoch ms), u and q on the quantity's topic"
    RFC3339 = "an object with v, t (RFC 3339, +08:00) and u on the quantity's topic"
    OBJECT = "one object with all quantities on the sensor's topic"
    ARRAY = "an array of such objects, several moments at once, on the sensor's topic"


@dataclass(frozen=True)
class SimulatedChannel:
    """One quantity of a simulated sensor.

    ``unit`` is what is sent, ``per_canonical`` how many of it make one canonical unit; ``minimum`` and
    ``maximum`` (in ``unit``) are the measuring range, where the sensor saturates; ``digits`` its resolution.
    """

    quantity: str
    signal: Signal
    unit: str
    minimum: float
    maximum: float
    digits: int = 3
    per_canonical: float = 1.0


@dataclass(frozen=True)
class SimulatedSensor:
    """A simulated sensor behind ``gateway``; it samples every ``interval`` ms, sends ``batch`` samples at once."""

    zone: str
    site: str
    name: str
    names: Names
    latitude: float
    longitude: float
    location: Location
    gateway: str
    interval: int
    form: Form
    channels: tuple[SimulatedChannel, ...]
    batch: int = 1

    @property
    def key(self) -> str:
        """``zone/site/sensor``."""
        return f"{self.zone}/{self.site}/{self.name}"

    @property
    def gateway_key(self) -> str:
        """``zone/gateway``."""
        return f"{self.zone}/{self.gateway}"

    @property
    def spacing(self) -> int:
        """Time between messages, ms."""
        return self.interval * self.batch

    def series(self, channel: SimulatedChannel) -> str:
        """``zone/site/sensor/quantity``."""
        return f"{self.key}/{channel.quantity}"


@dataclass(frozen=True)
class _Site:
    """Where a group of sensors stands; they are laid out on a small grid."""

    zone: str
    name: str
    gateway: str
    latitude: float
    longitude: float
    location: Location

    def at(self, location: Location) -> _Site:
        """Return the same place for sensors of another location class."""
        return dataclasses.replace(self, location=location)

    def sensor(
        self,
        name: str,
        zh: str,
        en: str,
        *channels: SimulatedChannel,
        form: Form = Form.EPOCH,
        interval: int = 2_000,
        batch: int = 1,
    ) -> SimulatedSensor:
        """Return the sensor ``name``, called ``zh``/``en`` and its number."""
        number = int(name.rsplit("-", 1)[1])
        return SimulatedSensor(
            zone=self.zone,
            site=self.name,
            name=name,
            names=Names(zh=f"{zh} {number}", en=f"{en} {number}"),
            latitude=round(self.latitude + (number % 4) * 0.0004, 5),
            longitude=round(self.longitude + (number // 4 % 5) * 0.0005, 5),
            location=self.location,
            gateway=self.gateway,
            interval=interval,
            form=form,
            channels=channels,
            batch=batch,
        )


@dataclass(frozen=True)
class _Gas:
    """A gas as the detectors of the park see it: names, molar mass (g/mol), quiet level and range in mg/m3."""

    quantity: str
    zh: str
    en: str
    molar_mass: float
    level: float
    maximum: float

    def channel(self, unit: str = "mg/m3") -> SimulatedChannel:
        """Return a channel that sends ``unit`` (mg/m3 or ppm)."""
        per_canonical = WORKPLACE_VOLUME / self.molar_mass if unit == "ppm" else 1.0
        signal = Steady(self.level, self.level * 0.15, self.level * 0.4, self.level * 0.2)
        maximum = float(math.ceil(self.maximum * per_canonical))
        return SimulatedChannel(self.quantity, signal, unit, 0.0, maximum, 3, per_canonical)


_HF = _Gas("hf", "氟化氢探测器", "HF detector", 20.006, 0.12, 8.3)
_HCL = _Gas("hcl", "氯化氢探测器", "HCl detector", 36.461, 0.30, 30.0)
_CL2 = _Gas("cl2", "氯气探测器", "Chlorine detector", 70.906, 0.06, 10.0)
_NH3 = _Gas("nh3", "氨气探测器", "Ammonia detector", 17.031, 1.4, 70.0)
_H2S = _Gas("h2s", "硫化氢探测器", "H2S detector", 34.081, 0.35, 70.0)
_CO = _Gas("co", "一氧化碳探测器", "CO detector", 28.010, 2.2, 120.0)
_SO2 = _Gas("so2", "二氧化硫探测器", "SO2 detector", 64.064, 0.25, 50.0)
_BENZENE = _Gas("benzene", "苯探测器", "Benzene detector", 78.112, 0.16, 30.0)
_TOLUENE = _Gas("toluene", "甲苯探测器", "Toluene detector", 92.138, 2.5, 200.0)
_METHANOL = _Gas("methanol", "甲醇探测器", "Methanol detector", 32.042, 1.6, 130.0)
_VCM = _Gas("vinyl-chloride", "氯乙烯探测器", "Vinyl chloride detector", 62.498, 0.3, 50.0)
_EO = _Gas("ethylene-oxide", "环氧乙烷探测器", "Ethylene oxide detector", 44.053, 0.08, 10.0)


def _lel() -> SimulatedChannel:
    return SimulatedChannel("lel", Steady(1.0, 0.2, 0.6, 0.4), "%LEL", 0.0, 100.0, 1)


def _oxygen() -> SimulatedChannel:
    return SimulatedChannel("oxygen", Steady(20.9, 0.03, 0.1, 0.05), "%vol", 0.0, 25.0, 2)


def _air(quantity: str, level: float, unit: str = "mg/m3", maximum: float = 20.0) -> SimulatedChannel:
    """Return outdoor air: it swings with the day and wanders; level and maximum are in ``unit``."""
    per_canonical, digits = (1000.0, 1) if unit == "ug/m3" else (1.0, 4)
    quiet = level / per_canonical
    signal = Steady(quiet, quiet * 0.25, quiet * 0.4, quiet * 0.1, peak_hour=18.0, period=HOUR)
    return SimulatedChannel(quantity, signal, unit, 0.0, maximum, digits, per_canonical)


def _flue(stack: str, quantity: str, level: float, maximum: float) -> SimulatedChannel:
    """Return a flue gas: all gases of ``stack`` follow its load."""
    signal = Steady(level, level * 0.12, level * 0.2, level * 0.06, period=HOUR, together=stack)
    return SimulatedChannel(quantity, signal, "mg/m3", 0.0, maximum, 2)


def _water(quantity: str, level: float, reach: float, maximum: float, unit: str = "mg/L") -> SimulatedChannel:
    """Return treated water: slow, the plant's basins see to that."""
    signal = Steady(level, reach * 0.25, reach * 0.6, reach * 0.15, peak_hour=11.0, period=2 * HOUR)
    return SimulatedChannel(quantity, signal, unit, 0.0, maximum, 3)


def _temperature(level: float, reach: float, maximum: float, together: str = "") -> SimulatedChannel:
    signal = Steady(level, reach * 0.3, reach * 0.6, reach * 0.1, together=together, floor=-40.0)
    return SimulatedChannel("temperature", signal, "°C", -40.0, maximum, 2)


def _pressure(level: float, reach: float, maximum: float, together: str = "") -> SimulatedChannel:
    """Return a gauge pressure; what shares ``together`` with a temperature rises and falls with it."""
    signal = Steady(level, reach * 0.3, reach * 0.6, reach * 0.1, together=together)
    return SimulatedChannel("pressure", signal, "kPa", 0.0, maximum, 2)


def _level(phase: float, high: float = 74.0, cycle: int = 8 * HOUR) -> SimulatedChannel:
    return SimulatedChannel("level", TankLevel(phase=phase, high=high, cycle=cycle), "%", 0.0, 100.0, 2)


def _detectors(
    site: _Site,
    numbers: Iterable[int],
    gas: _Gas,
    *,
    unit: str = "mg/m3",
    form: Form = Form.EPOCH,
    interval: int = 2_000,
) -> Iterator[SimulatedSensor]:
    """Yield one point detector of ``gas`` per number."""
    short = _SHORT.get(gas.quantity, gas.quantity)
    for number in numbers:
        channel = gas.channel(unit)
        yield site.sensor(f"{short}-{number}", gas.zh, gas.en, channel, form=form, interval=interval)


_SHORT = {
    "benzene": "bz",
    "ethylene-oxide": "eo",
    "methanol": "meoh",
    "toluene": "tol",
    "vinyl-chloride": "vcm",
}

_LEL_NAMES = ("可燃气体探测器", "Combustible gas detector")
_REACTOR_NAMES = ("反应器", "Reactor")
_TANK_NAMES = ("储罐", "Tank")


def _new_materials() -> Iterator[SimulatedSensor]:
    zone = "new-materials"
    yield from _hf_plant(_Site(zone, "hf-plant", "gw-hf", 31.7972, 120.8010, Location.WORKPLACE))
    yield from _refrigerant_plant(_Site(zone, "refrigerant-plant", "gw-hf", 31.7984, 120.8036, Location.WORKPLACE))
    yield from _polymer_plant(_Site(zone, "polymer-plant", "gw-polymer", 31.7995, 120.8062, Location.WORKPLACE))
    yield from _acid_tanks(_Site(zone, "tank-farm", "gw-tanks", 31.7943, 120.8040, Location.WORKPLACE))
    yield from _utilities(_Site(zone, "utilities", "gw-utilities", 31.7951, 120.8087, Location.STACK), 401)
    yield from _fenceline(_Site(zone, "fenceline", "gw-environment", 31.8010, 120.7990, Location.FENCELINE), 501)
    yield from _outfall(_Site(zone, "outfall", "gw-environment", 31.8042, 120.8101, Location.OUTFALL), 601)
    yield from _air_station(_Site(zone, "air-station", "gw-environment", 31.8071, 120.7948, Location.AMBIENT), 651)


def _hf_plant(site: _Site) -> Iterator[SimulatedSensor]:
    # The leak's detectors are the fast ones: an alarm has to be on screen within seconds.
    yield from _detectors(site, (101, 102, 103), _HF, unit="ppm", interval=1_000)
    yield from _detectors(site, (104,), _HF, form=Form.NUMBER)
    yield from _detectors(site, (111,), _HCL, unit="ppm", form=Form.RFC3339)
    yield from _detectors(site, (121,), _SO2, form=Form.NUMBER)
    for number in (131, 132):
        yield site.sensor(f"lel-{number}", *_LEL_NAMES, _lel(), form=Form.NUMBER)
    yield site.sensor("gas-141", "复合气体探测器", "Multi-gas detector", _HF.channel(), _lel(), form=Form.OBJECT)
    yield _reactor(site, 151, 180.0, 60.0)
    yield _reactor(site, 152, 205.0, 75.0)


def _refrigerant_plant(site: _Site) -> Iterator[SimulatedSensor]:
    yield from _detectors(site, (161,), _HF, unit="ppm", form=Form.RFC3339)
    yield from _detectors(site, (171,), _HCL)
    yield _reactor(site, 181, 58.0, 1_150.0)


def _polymer_plant(site: _Site) -> Iterator[SimulatedSensor]:
    for number in (201, 202, 203, 204):
        yield site.sensor(f"lel-{number}", *_LEL_NAMES, _lel())
    yield site.sensor("o2-211", "氧气探测器", "Oxygen detector", _oxygen(), form=Form.NUMBER)
    yield from _detectors(site, (221,), _CO, unit="ppm")
    yield from _detectors(site, (231,), _HF, unit="ppm", form=Form.RFC3339)
    nmhc = SimulatedChannel("nmhc", Steady(1.8, 0.4, 0.6, 0.2, period=HOUR), "mg/m3", 0.0, 100.0, 2)
    yield site.sensor("nmhc-241", "厂区非甲烷总烃监测点", "In-plant NMHC monitor", nmhc, interval=5_000)
    for number, level in ((201, 72.0), (202, 84.0), (203, 66.0)):
        yield _reactor(site, number, level, 1_600.0)


def _acid_tanks(site: _Site) -> Iterator[SimulatedSensor]:
    for number, phase in ((301, 0.0), (302, 0.5), (303, 0.2), (304, 0.7)):
        yield _tank(site, number, phase)
    yield from _detectors(site, (311, 312), _HF, unit="ppm")
    yield from _detectors(site, (321,), _HCL)


def _riverside() -> Iterator[SimulatedSensor]:
    zone = "riverside"
    yield from _chlor_plant(_Site(zone, "chlor-plant", "gw-chlor", 31.7561, 120.9802, Location.WORKPLACE))
    yield from _eo_plant(_Site(zone, "eo-plant", "gw-eo", 31.7572, 120.9824, Location.WORKPLACE))
    yield from _resin_plant(_Site(zone, "resin-plant", "gw-eo", 31.7549, 120.9835, Location.WORKPLACE))
    yield from _river_tanks(_Site(zone, "tank-farm", "gw-tanks", 31.7602, 120.9841, Location.WORKPLACE))
    yield from _utilities(_Site(zone, "utilities", "gw-utilities", 31.7533, 120.9860, Location.STACK), 801)
    yield from _fenceline(_Site(zone, "fenceline", "gw-environment", 31.7580, 120.9770, Location.FENCELINE), 851)
    yield from _outfall(_Site(zone, "outfall", "gw-environment", 31.7633, 120.9905, Location.OUTFALL), 901)
    yield from _air_station(_Site(zone, "air-station", "gw-environment", 31.7490, 120.9718, Location.AMBIENT), 951)


def _chlor_plant(site: _Site) -> Iterator[SimulatedSensor]:
    yield from _detectors(site, (601, 602, 603), _CL2, unit="ppm")
    yield from _detectors(site, (631, 632), _VCM)
    yield site.sensor("o2-661", "氧气探测器", "Oxygen detector", _oxygen(), form=Form.NUMBER)
    yield _reactor(site, 671, 95.0, 420.0)
    yield _reactor(site, 672, 110.0, 510.0)


def _eo_plant(site: _Site) -> Iterator[SimulatedSensor]:
    yield from _detectors(site, (641, 642), _EO, unit="ppm")
    yield from _detectors(site, (611,), _NH3, unit="ppm", form=Form.RFC3339)
    yield site.sensor("lel-645", *_LEL_NAMES, _lel(), form=Form.NUMBER)


def _resin_plant(site: _Site) -> Iterator[SimulatedSensor]:
    yield from _detectors(site, (612,), _NH3, form=Form.NUMBER)
    yield from _detectors(site, (621,), _H2S, form=Form.NUMBER)
    yield from _detectors(site, (651,), _CO, form=Form.NUMBER)
    yield site.sensor("lel-655", *_LEL_NAMES, _lel())
    yield _reactor(site, 681, 132.0, 260.0)


def _river_tanks(site: _Site) -> Iterator[SimulatedSensor]:
    for number, phase in ((701, 0.1), (702, 0.6), (704, 0.85), (705, 0.35)):
        yield _tank(site, number, phase)
    level = _level(0.45, high=70.0)
    yield site.at(Location.PROCESS).sensor("tank-703", *_TANK_NAMES, level, form=Form.EPOCH)
    for number in (701, 702):
        yield site.sensor(f"lel-{number}", *_LEL_NAMES, _lel(), form=Form.NUMBER)
    yield from _detectors(site, (711, 712), _BENZENE, unit="ppm")
    yield from _detectors(site, (721,), _TOLUENE)
    yield from _detectors(site, (731,), _METHANOL, form=Form.RFC3339)


def _tank(site: _Site, number: int, phase: float) -> SimulatedSensor:
    channels = (_level(phase), _temperature(19.0, 5.0, 120.0))
    tank = site.at(Location.PROCESS)
    return tank.sensor(f"tank-{number}", *_TANK_NAMES, *channels, form=Form.OBJECT, interval=5_000)


def _reactor(site: _Site, number: int, celsius: float, kilopascal: float) -> SimulatedSensor:
    name = f"reactor-{number}"
    # Temperature and pressure follow the same batch.
    batch = f"{site.zone}/{site.name}/{name}"
    channels = (
        _temperature(celsius, celsius * 0.04, 400.0, batch),
        _pressure(kilopascal, kilopascal * 0.06, 4_000.0, batch),
    )
    reactor = site.at(Location.PROCESS)
    return reactor.sensor(name, *_REACTOR_NAMES, *channels, form=Form.OBJECT, interval=5_000)


def _utilities(site: _Site, first: int) -> Iterator[SimulatedSensor]:
    """Yield a boiler's stack and an oxidiser's, which send five samples at once."""
    boiler, oxidiser = f"stack-{first}", f"stack-{first + 1}"
    load = f"{site.zone}/{boiler}"
    gases: tuple[SimulatedChannel, ...] = (_flue(load, "so2", 14.0, 200.0), _flue(load, "nox", 42.0, 400.0))
    yield site.sensor(boiler, "锅炉排气筒", "Boiler stack", *gases, form=Form.ARRAY, batch=5)
    load = f"{site.zone}/{oxidiser}"
    gases = (_flue(load, "nmhc", 9.0, 200.0), _flue(load, "fluoride", 0.7, 30.0), _flue(load, "hcl", 1.2, 50.0))
    yield site.sensor(oxidiser, "焚烧炉排气筒", "Oxidiser stack", *gases, form=Form.ARRAY, batch=5)


def _fenceline(site: _Site, first: int) -> Iterator[SimulatedSensor]:
    air = (_air("nmhc", 1.1), _air("hcl", 0.012), _air("fluoride", 0.005))
    for number in range(first, first + 3):
        yield site.sensor(f"fence-{number}", "厂界监测点", "Fenceline monitor", *air, form=Form.OBJECT, interval=10_000)


def _outfall(site: _Site, number: int) -> Iterator[SimulatedSensor]:
    """Yield the outfall's analyser, whose quantities come one by one, and its station of the slow ones."""
    analyser = (
        _water("cod", 27.0, 8.0, 500.0),
        _water("nh3-n", 1.8, 0.9, 50.0),
        SimulatedChannel("ph", Steady(7.4, 0.1, 0.25, 0.05, period=HOUR), "pH", 0.0, 14.0, 2),
        _water("flow-water", 46.0, 14.0, 500.0, "m3/h"),
    )
    yield site.sensor(f"out-{number}", "排口在线分析仪", "Outfall analyser", *analyser, interval=10_000)
    slow = (
        _water("tn", 8.5, 3.0, 100.0),
        _water("tp", 0.2, 0.09, 10.0),
        _water("fluoride-water", 2.8, 1.2, 50.0),
        # Loads are made of the flow that the same station measures.
        _water("flow-water", 46.0, 14.0, 500.0, "m3/h"),
    )
    names = ("排口水质站", "Outfall station")
    yield site.sensor(f"out-{number + 1}", *names, *slow, form=Form.ARRAY, interval=10_000, batch=2)


def _air_station(site: _Site, first: int) -> Iterator[SimulatedSensor]:
    names = ("环境空气站", "Ambient air station")
    dust = (_air("pm25", 24.0, "ug/m3", 1_000.0), _air("pm10", 42.0, "ug/m3", 1_000.0))
    yield site.sensor(f"air-{first}", *names, *dust, interval=10_000)
    gases = (_air("so2", 0.012), _air("no2", 0.034), _air("co", 0.7, maximum=50.0), _air("o3", 0.06, maximum=2.0))
    yield site.sensor(f"air-{first + 1}", *names, *gases, form=Form.OBJECT, interval=10_000)


# --- meters ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _MeterKind:
    """Meters of a quantity: names, unit, greatest value (a totaliser's register), digits."""

    zh: str
    en: str
    unit: str
    maximum: float
    digits: int


_METER_KINDS = {
    "electricity": _MeterKind("电表", "Electricity meter", "kWh", 1e9, 1),
    "power": _MeterKind("功率表", "Power meter", "kW", 5_000.0, 1),
    "steam": _MeterKind("蒸汽表", "Steam meter", "t", 1e7, 3),
    "heat": _MeterKind("热量表", "Heat meter", "GJ", 1e7, 3),
    "water-meter": _MeterKind("水表", "Water meter", "m3", 1e8, 2),
    "flow": _MeterKind("流量计", "Flow meter", "m3/h", 200.0, 3),
    "gas-meter": _MeterKind("燃气表", "Gas meter", "m3", 1e9, 1),
    "mass-total": _MeterKind("物料计量表", "Material meter", "t", 1e7, 3),
    "mass-flow": _MeterKind("质量流量计", "Mass flow meter", "kg/h", 30_000.0, 2),
    "waste": _MeterKind("地磅", "Weighbridge", "t", 1e7, 4),
    "stock-mass": _MeterKind("库存计量", "Stock gauge", "t", 500.0, 3),
    "stock-volume": _MeterKind("调节池水量计", "Basin gauge", "m3", 3_000.0, 2),
}
#: Meters that are read every ten seconds: rates, and the four of each zone's utilities that were always there.
_OFTEN, _SELDOM = 10_000, 60_000
_FIRST_METERS = frozenset({411, 412, 413, 414, 811, 812, 813, 814})
_PLACES = {
    "new-materials/hf-plant": (31.7972, 120.8010),
    "new-materials/refrigerant-plant": (31.7984, 120.8036),
    "new-materials/polymer-plant": (31.7995, 120.8062),
    "new-materials/tank-farm": (31.7943, 120.8040),
    "new-materials/gypsum-board": (31.7962, 120.7985),
    "new-materials/utilities": (31.7951, 120.8087),
    "new-materials/wastewater-works": (31.8034, 120.8092),
    "riverside/chlor-plant": (31.7561, 120.9802),
    "riverside/eo-plant": (31.7572, 120.9824),
    "riverside/resin-plant": (31.7549, 120.9835),
    "riverside/tank-farm": (31.7602, 120.9841),
    "riverside/solvent-recovery": (31.7541, 120.9810),
    "riverside/utilities": (31.7533, 120.9860),
    "riverside/wastewater-works": (31.7622, 120.9889),
}


def _meter(meter: Meter) -> SimulatedSensor:
    """Return the sensor of a meter; all of a zone's are behind one gateway, that of the energy management."""
    latitude, longitude = _PLACES[f"{meter.zone}/{meter.site}"]
    site = _Site(meter.zone, meter.site, "gw-meters", latitude, longitude, Location.METER)
    kind = _METER_KINDS[meter.quantity]
    often = isinstance(meter.signal, Rate) or int(meter.name.rsplit("-", 1)[1]) in _FIRST_METERS
    channel = SimulatedChannel(meter.quantity, meter.signal, kind.unit, 0.0, kind.maximum, kind.digits)
    interval = _OFTEN if often else _SELDOM
    return site.sensor(meter.name, kind.zh, kind.en, channel, form=Form.NUMBER, interval=interval)


SENSORS: tuple[SimulatedSensor, ...] = (*_new_materials(), *_riverside(), *map(_meter, METERS))
