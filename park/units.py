"""Units: from what a sensor sends to the canonical unit of its quantity.

Accepted spellings. Blanks are ignored; ``³``, ``^3`` and ``m**3`` read ``m3``; both micro signs read ``u``; ``℃`` reads
``°C``. Upper and lower case matter only where two accepted units differ by nothing else (there are none within a
family), so ``PPM``, ``MG/M3`` and ``mpa`` are understood. ``mg/Nm3`` (0 °C) is understood on stacks only, where
that is the reference state anyway; elsewhere it would be wrong by some 7 %.

========================  =============================================================================
Family                    Units (aliases)
========================  =============================================================================
gas mass concentration    ng/m3, ug/m3, mg/m3, g/m3
volume fraction           ppb, ppm, %vol (%v/v, vol%); between the two gas families by molar mass
lower explosive limit     %LEL (LEL, LEL%); for a quantity with ``lel`` to and from the two above
water mass concentration  ng/L, ug/L, mg/L, g/L
temperature               °C (degC, C), K, °F (degF, F)
pressure                  Pa, hPa, kPa, MPa, mbar, bar, psi, mmHg, mmH2O
length, level             mm, cm, m
share                     %
volume                    m3, L
volume flow               m3/s, m3/min, m3/h, m3/d, L/s, L/min, L/h
mass                      g, kg, t
mass flow                 g/s, kg/s, kg/h, t/h, t/d
energy                    Wh, kWh, MWh, J, kJ, MJ, GJ
power                     W, kW, MW, GJ/h
time                      ms, s, min, h, d
speed                     m/s, km/h
angle                     ° (deg)
conductivity              uS/cm, mS/cm, S/m
count                     count (1, or empty)
pH                        pH (1, or empty)
========================  =============================================================================

Gas concentrations convert at the reference volume of the place: 22.4 L/mol on a stack (0 °C), 24.465 in ambient air
and at the fenceline (25 °C), 24.055 everywhere else (20 °C, workplace).
"""

from __future__ import annotations

import re
from fractions import Fraction

import msgspec

from park.quantities import Quantity
from park.words import Location, Names


class UnknownUnit(ValueError):
    """The unit can't be converted to the quantity's own; ``texts`` name the units that can (as text: in English)."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.texts = Names(zh, en)


class Conversion(msgspec.Struct, frozen=True):
    """From a sent unit to the canonical one: ``(value + shift) * numerator / denominator``.

    A fraction rather than one factor: 9 µg/m3 becomes 0.009 mg/m3 and not 0.009000000000000001, which would be
    beyond a set-point of 0.009.
    """

    numerator: float = 1.0
    denominator: float = 1.0
    shift: float = 0.0

    @property
    def factor(self) -> float:
        """Canonical units per sent unit."""
        return self.numerator / self.denominator

    @property
    def offset(self) -> float:
        """What zero in the sent unit is in the canonical unit."""
        return self.canonical(0.0)

    @property
    def identity(self) -> bool:
        """Whether nothing changes."""
        return self.numerator == self.denominator and not self.shift

    def canonical(self, value: float) -> float:
        """Return ``value`` (sent unit) in the canonical unit."""
        return (value + self.shift) * self.numerator / self.denominator

    def sent(self, value: float) -> float:
        """Return ``value`` (canonical unit) in the sent unit."""
        return value * self.denominator / self.numerator - self.shift

    def difference(self, value: float) -> float:
        """Return a difference, such as a deadband, in the canonical unit."""
        return value * self.numerator / self.denominator


IDENTITY = Conversion()
_QUOTED = 40

_MILLI, _MICRO, _NANO = Fraction(1, 10**3), Fraction(1, 10**6), Fraction(1, 10**9)
_MASS_PER_VOLUME, _VOLUME_FRACTION, _LEL = "gas mass concentration", "volume fraction", "lower explosive limit"

# Family -> unit -> size in the family's base unit (the one with size 1).
_FAMILIES: dict[str, dict[str, Fraction]] = {
    _MASS_PER_VOLUME: {"ng/m3": _MICRO, "ug/m3": _MILLI, "mg/m3": Fraction(1), "g/m3": Fraction(1000)},
    _VOLUME_FRACTION: {"ppb": _MILLI, "ppm": Fraction(1), "%vol": Fraction(10_000)},
    _LEL: {"%LEL": Fraction(1)},
    "water mass concentration": {"ng/L": _MICRO, "ug/L": _MILLI, "mg/L": Fraction(1), "g/L": Fraction(1000)},
    "temperature": {"°C": Fraction(1), "K": Fraction(1), "°F": Fraction(5, 9)},
    "pressure": {
        "Pa": Fraction(1),
        "hPa": Fraction(100),
        "kPa": Fraction(1000),
        "MPa": Fraction(10**6),
        "mbar": Fraction(100),
        "bar": Fraction(10**5),
        "psi": Fraction("6894.757293168"),
        "mmHg": Fraction("133.322387415"),
        "mmH2O": Fraction("9.80665"),
    },
    "length": {"mm": _MILLI, "cm": Fraction(1, 100), "m": Fraction(1)},
    "share": {"%": Fraction(1)},
    "volume": {"m3": Fraction(1), "L": _MILLI},
    "volume flow": {
        "m3/s": Fraction(3600),
        "m3/min": Fraction(60),
        "m3/h": Fraction(1),
        "m3/d": Fraction(1, 24),
        "L/s": Fraction(36, 10),
        "L/min": Fraction(60, 1000),
        "L/h": _MILLI,
    },
    "mass": {"g": _MILLI, "kg": Fraction(1), "t": Fraction(1000)},
    "mass flow": {
        "g/s": Fraction(36, 10),
        "kg/s": Fraction(3600),
        "kg/h": Fraction(1),
        "t/h": Fraction(1000),
        "t/d": Fraction(1000, 24),
    },
    "energy": {
        "Wh": _MILLI,
        "kWh": Fraction(1),
        "MWh": Fraction(1000),
        "J": Fraction(1, 3_600_000),
        "kJ": Fraction(1, 3600),
        "MJ": Fraction(1000, 3600),
        "GJ": Fraction(1_000_000, 3600),
    },
    "power": {"W": _MILLI, "kW": Fraction(1), "MW": Fraction(1000), "GJ/h": Fraction(1_000_000, 3600)},
    "time": {"ms": _MILLI, "s": Fraction(1), "min": Fraction(60), "h": Fraction(3600), "d": Fraction(86_400)},
    "speed": {"m/s": Fraction(1), "km/h": Fraction(1000, 3600)},
    "angle": {"°": Fraction(1)},
    "conductivity": {"uS/cm": Fraction(1), "mS/cm": Fraction(1000), "S/m": Fraction(10_000)},
    "count": {"count": Fraction(1)},
    "acidity": {"pH": Fraction(1)},
}

# What is added to a temperature, in its own unit, before it is scaled to °C.
_SHIFTS = {"K": Fraction("-273.15"), "°F": Fraction(-32)}

_ALIASES = {
    "degC": "°C",
    "C": "°C",
    "degK": "K",
    "degF": "°F",
    "F": "°F",
    "deg": "°",
    "%v/v": "%vol",
    "vol%": "%vol",
    "%vol.": "%vol",
    "LEL": "%LEL",
    "LEL%": "%LEL",
}

# Spellings that only a quantity of that canonical unit understands: elsewhere they are ambiguous or nonsense.
_OWN_ALIASES = {"%vol": ("%",), "count": ("1", ""), "pH": ("1", "")}

_REFERENCE_VOLUMES = {
    Location.STACK: Fraction("22.4"),
    Location.AMBIENT: Fraction("24.465"),
    Location.FENCELINE: Fraction("24.465"),
}
_WORKPLACE_VOLUME = Fraction("24.055")

_SPELLINGS = str.maketrans({"³": "3", "²": "2", "\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u", "％": "%"})


def conversion(quantity: Quantity, unit: str | None, location: Location) -> Conversion:
    """Return the way from ``unit`` to the canonical unit of ``quantity``, measured at ``location``.

    ``None`` means that the sensor sends the canonical unit. Raises :class:`UnknownUnit`.
    """
    if unit is None or unit == quantity.unit:
        return IDENTITY
    own = _canonical_name(quantity.unit)
    sizes = _sizes(quantity, own, location)
    name = _recognise(unit, own, sizes, location)
    if name is None:
        raise _refusal(quantity, unit, own, sizes)
    return _between(name, own, sizes)


def accepted(quantity: Quantity, location: Location) -> tuple[str, ...]:
    """Return the units that ``quantity`` can be sent in from ``location``."""
    return tuple(_sizes(quantity, _canonical_name(quantity.unit), location))


def known_units() -> tuple[str, ...]:
    """Return every unit a quantity may have as its canonical one."""
    return tuple(unit for family in _FAMILIES.values() for unit in family)


def ratio(unit: str, other: str) -> float | None:
    """Return how many ``other`` one ``unit`` is, both in the plain spelling; ``None`` if that can't be told."""
    family = next((units for units in _FAMILIES.values() if unit in units and other in units), None)
    if family is None or unit in _SHIFTS or other in _SHIFTS:
        return None
    return float(family[unit] / family[other])


def normalise(unit: str) -> str:
    """Return ``unit`` in the plain spelling of the table above, as far as that can be told from the text alone."""
    plain = re.sub(r"\s+|\^|\*\*", "", unit).translate(_SPELLINGS).replace("℃", "°C").replace("℉", "°F")
    return _ALIASES.get(plain, plain)


def reference_volume(location: Location) -> float:
    """Return the molar volume (L/mol) that gas concentrations at ``location`` refer to."""
    return float(_volume(location))


def _volume(location: Location) -> Fraction:
    return _REFERENCE_VOLUMES.get(location, _WORKPLACE_VOLUME)


def _canonical_name(unit: str) -> str:
    name = normalise(unit)
    if name not in known_units():
        known = ", ".join(known_units())
        raise UnknownUnit(
            f"{unit!r} 不是可识别的单位；请使用：{known}",
            f"{unit!r} is not a unit parkwatch knows; write one of {known}",
        )
    return name


def _sizes(quantity: Quantity, own: str, location: Location) -> dict[str, Fraction]:
    """Return every unit the quantity accepts with its size in one common base, the canonical unit first."""
    family = next(name for name, units in _FAMILIES.items() if own in units)
    sizes = dict(_FAMILIES[family])
    for other, scale in _bridges(quantity, family, location).items():
        sizes |= {unit: size * scale for unit, size in _FAMILIES[other].items()}
    return {own: sizes[own]} | sizes


def _bridges(quantity: Quantity, family: str, location: Location) -> dict[str, Fraction]:
    """Return the gas families that ``family`` can be told from, each with its base unit in ``family``'s base."""
    in_ppm = {_VOLUME_FRACTION: Fraction(1)}
    if quantity.molar_mass is not None:
        in_ppm[_MASS_PER_VOLUME] = _volume(location) / Fraction(str(quantity.molar_mass))
    if quantity.lel is not None:
        in_ppm[_LEL] = Fraction(str(quantity.lel)) * 100  # 1 %LEL is lel/100 %vol, which is lel * 100 ppm
    if family not in in_ppm:
        return {}
    return {other: scale / in_ppm[family] for other, scale in in_ppm.items() if other != family}


def _recognise(unit: str, own: str, sizes: dict[str, Fraction], location: Location) -> str | None:
    plain = normalise(unit)
    if location is Location.STACK:
        plain = re.sub("/nm3$", "/m3", plain, flags=re.IGNORECASE)
    if plain in sizes:
        return plain
    if plain in _OWN_ALIASES.get(own, ()):
        return own
    folded = {name.lower(): name for name in sizes}
    folded |= {alias.lower(): name for alias, name in _ALIASES.items() if name in sizes}
    return folded.get(plain.lower())


def _between(name: str, own: str, sizes: dict[str, Fraction]) -> Conversion:
    ratio = sizes[name] / sizes[own]
    shift = _SHIFTS.get(name, Fraction(0)) - _SHIFTS.get(own, Fraction(0)) / ratio
    return Conversion(float(ratio.numerator), float(ratio.denominator), float(shift))


def _refusal(quantity: Quantity, unit: str, own: str, sizes: dict[str, Fraction]) -> UnknownUnit:
    shown, units, several = repr(unit[:_QUOTED]), ", ".join(sizes), len(sizes) > 1
    zh = f"{shown} 不是{quantity.names.zh}（{quantity.name}）的单位；请发送 {own}" + (
        f"，或以下之一：{units}" if several else ""
    )
    en = f"{shown} is not a unit of {quantity.name}; send {own}" + (f" or one of {units}" if several else "")
    gas = own in _FAMILIES[_MASS_PER_VOLUME] or own in _FAMILIES[_VOLUME_FRACTION]
    if gas and quantity.molar_mass is None:
        zh += "（未配置摩尔质量，质量浓度与体积分数无法换算）"
        en += " (no molar mass is configured, so mass and volume fraction can't be converted)"
    return UnknownUnit(zh, en)
