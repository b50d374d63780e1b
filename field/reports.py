"""What the simulated park's enterprises report: a table of monthly figures, as they would hand it in.

The sums of a year are made up, and fit what the meters show: more is made, sold and earned when more goes through.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from field.signals import Noise

_CHINA = dt.timezone(dt.timedelta(hours=8))
_MONTHS = 12


@dataclass(frozen=True)
class _Books:
    """An enterprise's year: money in 10k CNY, land in mu, energy in tce, mass in t, heat in GJ; ``growth`` a year.

    ``equipment`` is automated, digital, intelligent; ``maturity`` by GB/T 39116.
    """

    sales: float
    tax: float
    value_added: float
    rnd: float
    land: float
    built: float
    employees: int
    energy: float
    pollutants: float
    primary: float
    heat: float
    growth: float
    equipment: tuple[bool, bool, bool] = (True, True, False)
    maturity: str = "level-2"
    above_scale: bool = True


_ALL, _TWO, _ONE, _NONE = (True, True, True), (True, True, False), (True, False, False), (False, False, False)
_BOOKS = {
    # new-materials                sales    tax     added    rnd   land built staff energy  poll primary   heat  growth
    "yushan-fluorine": _Books(29_500, 1_890, 9_400, 950, 182, 160, 310, 5_900, 21.0, 111_000, 57_000, 0.03, _TWO),
    "fushan-refrigerants": _Books(
        *(84_000, 6_900, 26_500, 3_100, 143, 128, 265, 4_700, 12.5, 36_600, 21_900, 0.05), _ALL, "level-3"
    ),
    "haiyu-polymers": _Books(
        *(112_000, 9_650, 47_000, 6_200, 221, 190, 540, 9_800, 16.0, 4_600, 39_500, 0.09), _ALL, "level-4"
    ),
    "changxin-board": _Books(8_600, 390, 2_450, 160, 92, 85, 120, 4_100, 9.5, 900, 0, 0.02, _ONE, "level-1"),
    "new-materials-energy": _Books(18_900, 1_050, 5_300, 210, 76, 70, 145, 21_300, 61.0, 0, 61_300, 0.01),
    "new-materials-water": _Books(3_100, 120, 1_500, 60, 61, 58, 48, 900, 24.0, 0, 0, 0.01, _TWO, above_scale=False),
    # riverside
    "jiangpan-chlorine": _Books(41_500, 2_250, 11_800, 990, 264, 230, 390, 9_500, 33.0, 29_000, 74_500, -0.02),
    "changjiang-eo": _Books(
        *(52_000, 4_150, 17_900, 2_050, 188, 171, 285, 6_100, 11.5, 32_300, 79_000, 0.07), _ALL, "level-3"
    ),
    "xinghua-resin": _Books(43_000, 2_050, 10_600, 880, 232, 214, 360, 7_000, 15.0, 1_100, 8_800, -0.04, _TWO),
    "jinjiang-terminal": _Books(14_200, 1_180, 8_100, 120, 305, 262, 170, 1_300, 4.2, 60_300, 0, 0.02, _ONE, "level-1"),
    "riverside-energy": _Books(21_400, 990, 5_900, 190, 81, 74, 150, 21_900, 66.0, 0, 43_800, 0.0),
    "riverside-environment": _Books(7_800, 410, 3_300, 260, 86, 80, 110, 1_700, 26.0, 0, 0, 0.04, _NONE, "none"),
}
_FLOWS = {
    "tax": "tax",
    "sales": "sales",
    "value-added": "value_added",
    "rnd": "rnd",
    "energy": "energy",
    "pollutants": "pollutants",
    "primary-resources": "primary",
    "recoverable-heat": "heat",
}
_OUTPUT = 1.02
#: What only some report, a year: m3 of treated water within its limits, t of old gypsum that was dug up and used.
_SOME: dict[str, dict[str, float]] = {
    "compliant-discharge": {"new-materials-water": 399_000, "riverside-environment": 396_000},
    "waste-from-stock": {"changxin-board": 2_400},
}
_HEADINGS = (
    *("enterprise", "period", *_FLOWS, "output-value", *_SOME, "land", "built-land", "employees"),
    *("above-scale", "automated", "digital", "intelligent", "maturity"),
)


def monthly_figures(now: int, seed: int = 1) -> list[list[str]]:
    """Return the table: headings, and a row per enterprise and month, from January of the year before ``now`` (ms).

    The last month is the last that is over.
    """
    today = dt.datetime.fromtimestamp(now / 1000, _CHINA)
    begin = (today.year - 1) * _MONTHS
    months = range(begin, today.year * _MONTHS + today.month - 1)
    noise = Noise(seed)
    return [list(_HEADINGS), *(_row(name, month, month - begin, noise) for name in _BOOKS for month in months)]


def _row(name: str, month: int, since: int, noise: Noise) -> list[str]:
    books = _BOOKS[name]
    year, place = divmod(month, _MONTHS)
    # A little more in spring and autumn, less around the New Year; and the growth of the years.
    season = 1.0 + 0.04 * math.sin(4 * math.pi * (place - 1) / _MONTHS) - (0.1 if place == 1 else 0.0)
    grown = (1.0 + books.growth) ** (since / _MONTHS)
    numbers = []
    for figure, attribute in _FLOWS.items():
        chance = 1.0 + 0.03 * noise.white(f"{name}/{figure}", month)
        much = getattr(books, attribute) / _MONTHS * season * chance
        # Better every year: what is used grows more slowly than what is earned.
        numbers.append(much * (grown if figure in {"tax", "sales", "value-added", "rnd"} else math.sqrt(grown)))
    sales = numbers[list(_FLOWS).index("sales")]
    some = (f"{own[name] / _MONTHS:.0f}" if name in own else "" for own in _SOME.values())
    flags = (books.above_scale, *books.equipment)
    return [
        *(name, f"{year}-{place + 1:02d}", *(f"{number:.2f}" for number in numbers), f"{sales * _OUTPUT:.2f}", *some),
        *(f"{books.land:g}", f"{books.built:g}", str(round(books.employees * math.sqrt(grown)))),
        *("yes" if flag else "no" for flag in flags),
        books.maturity,
    ]
