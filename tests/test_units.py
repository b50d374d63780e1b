"""Units: what is understood, what comes out, and that nothing is lost on the way."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from park import units
from park.catalogue import Catalogue
from park.quantities import Quantity
from park.units import IDENTITY, UnknownUnit, conversion
from park.words import Location, Names
from storage import configuration

CATALOGUE: Catalogue = configuration.load(Path(__file__).parents[1] / "config")

H2S = CATALOGUE.quantities["h2s"]
LEL = CATALOGUE.quantities["lel"]
NMHC = CATALOGUE.quantities["nmhc"]
COD = CATALOGUE.quantities["cod"]
OXYGEN = CATALOGUE.quantities["oxygen"]
TEMPERATURE = CATALOGUE.quantities["temperature"]

WAYS = [
    (quantity, unit, location)
    for quantity in CATALOGUE.quantities.values()
    for location in Location
    for unit in units.accepted(quantity, location)
]


SPELT_H2S = {
    unit.lower() for unit in (*units.accepted(H2S, Location.WORKPLACE), "lel", "lel%", "vol%", "%v/v", "%vol.")
}


def quantity_in(unit: str) -> Quantity:
    return Quantity("x", Names("某量", "something"), unit, Location.PROCESS, 0.0, 1.0)


@pytest.mark.parametrize(
    ("quantity", "unit", "location", "sent", "canonical"),
    [
        (H2S, "ug/m3", Location.WORKPLACE, 9, 0.009),
        (H2S, "µg/m3", Location.WORKPLACE, 1500, 1.5),
        (H2S, "μg/m³", Location.WORKPLACE, 1500, 1.5),
        (H2S, "ng/m3", Location.AMBIENT, 2_000_000, 2.0),
        (H2S, "g/m3", Location.STACK, 0.25, 250.0),
        (H2S, " MG / m^3 ", Location.WORKPLACE, 4.5, 4.5),
        (H2S, "mg/Nm3", Location.STACK, 4.5, 4.5),
        (H2S, "ppm", Location.WORKPLACE, 1, 34.081 / 24.055),
        (H2S, "PPM", Location.STACK, 1, 34.081 / 22.4),
        (H2S, "ppm", Location.FENCELINE, 1, 34.081 / 24.465),
        (H2S, "ppb", Location.PROCESS, 1000, 34.081 / 24.055),
        (H2S, "%vol", Location.WORKPLACE, 0.01, 100 * 34.081 / 24.055),
        (H2S, "%LEL", Location.WORKPLACE, 10, 4000 * 34.081 / 24.055),
        (LEL, "lel", Location.WORKPLACE, 25, 25.0),
        (COD, "µg/L", Location.OUTFALL, 50_000, 50.0),
        (COD, "mg/l", Location.OUTFALL, 50, 50.0),
        (OXYGEN, "%", Location.WORKPLACE, 20.9, 20.9),
        (OXYGEN, "ppm", Location.STACK, 209_000, 20.9),
        (TEMPERATURE, "K", Location.PROCESS, 273.15, 0.0),
        (TEMPERATURE, "℃", Location.PROCESS, 21.5, 21.5),
        (TEMPERATURE, "degF", Location.PROCESS, 212, 100.0),
        (CATALOGUE.quantities["pressure"], "MPa", Location.PROCESS, 0.6, 600.0),
        (CATALOGUE.quantities["flow-water"], "L/s", Location.OUTFALL, 10, 36.0),
        (CATALOGUE.quantities["electricity"], "GJ", Location.METER, 3.6, 1000.0),
        (CATALOGUE.quantities["lag"], "ms", Location.SYSTEM, 250, 0.25),
        (CATALOGUE.quantities["ph"], "", Location.OUTFALL, 7.2, 7.2),
        (quantity_in("K"), "°C", Location.PROCESS, -273.15, 0.0),
    ],
)
def test_sent_value_becomes_canonical(
    quantity: Quantity, unit: str, location: Location, sent: float, canonical: float
) -> None:
    assert conversion(quantity, unit, location).canonical(sent) == pytest.approx(canonical, rel=1e-12, abs=1e-12)


def test_no_unit_means_the_canonical_one() -> None:
    assert conversion(H2S, None, Location.WORKPLACE) is IDENTITY
    assert IDENTITY.identity


def test_a_thousandth_is_the_number_a_person_would_write() -> None:
    way = conversion(H2S, "ug/m3", Location.WORKPLACE)
    assert all(way.canonical(n) == float(f"{n}e-3") for n in range(20_000))


@pytest.mark.parametrize(
    ("quantity", "unit", "hint"),
    [
        (H2S, "furlong", "send mg/m3 or one of mg/m3, ng/m3, ug/m3, g/m3, ppb, ppm, %vol, %LEL"),
        (H2S, "%", "send mg/m3"),  # of what: volume, or the lower explosive limit?
        (H2S, "mg/Nm3", "send mg/m3"),  # 0 °C, but this is a workplace
        (NMHC, "ppm", "no molar mass is configured"),
        (COD, "mg/m3", "send mg/L"),
        (LEL, "ppm", "send %LEL"),
        (TEMPERATURE, "", "send °C"),
        (CATALOGUE.quantities["level"], "m", "send %"),
    ],
)
def test_refusal_says_what_to_send(quantity: Quantity, unit: str, hint: str) -> None:
    with pytest.raises(UnknownUnit) as refusal:
        conversion(quantity, unit, Location.WORKPLACE)
    assert hint in str(refusal.value)


def test_a_refusal_does_not_repeat_a_payload() -> None:
    with pytest.raises(UnknownUnit) as refusal:
        conversion(H2S, "x" * 1_000_000, Location.WORKPLACE)
    assert len(str(refusal.value)) < 300


def test_no_two_units_of_a_quantity_differ_by_case_only() -> None:
    for quantity in CATALOGUE.quantities.values():
        names = units.accepted(quantity, quantity.location)
        assert len({name.lower() for name in names}) == len(names)


values = st.floats(min_value=-1e9, max_value=1e9)
ways = st.sampled_from(WAYS)


@given(ways, values)
def test_there_and_back_is_exact_to_float_precision(way: tuple[Quantity, str, Location], value: float) -> None:
    there = conversion(*way)
    back = there.sent(there.canonical(value))
    # A shift (273.15) costs as many digits as it is larger than the value.
    assert math.isclose(back, value, rel_tol=1e-14, abs_tol=1e-13 * max(1.0, abs(there.shift)))


@given(ways, values, values)
def test_order_is_kept(way: tuple[Quantity, str, Location], one: float, other: float) -> None:
    there = conversion(*way)
    low, high = sorted((one, other))
    assert there.canonical(low) <= there.canonical(high)


@given(ways, values)
def test_factor_and_offset_tell_the_same(way: tuple[Quantity, str, Location], value: float) -> None:
    there = conversion(*way)
    told = value * there.factor + there.offset
    scale = max(abs(value * there.factor), abs(there.offset), 1e-300)
    assert abs(told - there.canonical(value)) <= 1e-14 * scale


@given(st.text(max_size=20).filter(lambda text: units.normalise(text).lower() not in SPELT_H2S))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(UnknownUnit, match="send mg/m3"):
        conversion(H2S, text, Location.WORKPLACE)
