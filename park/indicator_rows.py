"""The shapes of the rows of ``indicators.yaml``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from park import rows
from park.indicator_terms import Better, Crossing, ScopeKind
from park.rows import NamesRow, Number, Segment, Text
from park.stretches import Length

_YEAR = re.compile(r"20\d\d")
_GREATEST = 1e12


def kinds_of_flows(value: object) -> list[str]:
    """Return one name or a list of them as a list; raises ``ValueError``."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found:
        raise ValueError(
            f"{rows.shortened(value)} is no kind of flow; write one, such as steam, or several: [steam, natural-gas]"
        )
    return [rows.segment(each) for each in found]


def years(value: object) -> dict[int, float]:
    """Return factors by the year from which on they hold; raises ``ValueError``."""
    example = "write the year from which on a factor holds, such as {2023: 0.0005827}"
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{rows.shortened(value)} are no factors by year; {example}")
    for year, factor in value.items():
        if not _YEAR.fullmatch(str(year)):
            raise ValueError(f"{rows.shortened(year)} is no year from 2000 to 2099; {example}")
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 <= factor <= _GREATEST:
            raise ValueError(f"{rows.shortened(factor)} is no factor; {example}")
    return {int(year): float(factor) for year, factor in value.items()}


_NAMES = Field(examples=["{zh: 单位工业增加值综合能耗, en: Energy per value added}"])
_PROVENANCE = Field(examples=["unverified"])
_Provenance = Literal["verified", "knowledge", "unverified"]
_Kinds = Annotated[list[str], BeforeValidator(kinds_of_flows)]
_Years = Annotated[dict[int, float], BeforeValidator(years)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TermRow(rows.Row):
    """A term of a sum: flows or a figure."""

    flow: _Kinds | None = Field(default=None, examples=["[fresh-water]"])
    crossing: Annotated[Crossing, Field(strict=False)] | None = Field(default=None, examples=["in"])
    figure: Segment | None = Field(default=None, examples=["value-added"])
    weight: Number = Field(default=1.0, examples=["1"])
    factor: Segment | None = Field(default=None, examples=["tce"])
    otherwise: Number | None = Field(default=None, examples=["0"])
    concerns: Literal["all", "some"] | None = Field(default=None, examples=["some"])


_TERMS = Field(min_length=1, examples=["[{flow: fresh-water, crossing: in}]"])
_NO_TERMS = Field(default=None, min_length=1, examples=["[{figure: value-added}]"])


class CircularityRow(rows.Row):
    """The parts of a material circularity indicator, in one unit of mass."""

    mass: list[TermRow] = _TERMS
    feedstock_recycled: list[TermRow] | None = _NO_TERMS
    feedstock_reused: list[TermRow] | None = _NO_TERMS
    feedstock_renewable: list[TermRow] | None = _NO_TERMS
    recycled: list[TermRow] | None = _NO_TERMS
    reused: list[TermRow] | None = _NO_TERMS
    composted: list[TermRow] | None = _NO_TERMS
    energy: list[TermRow] | None = _NO_TERMS
    feedstock_efficiency: Annotated[float, Field(gt=0, le=1)] = Field(default=1.0, examples=["0.9"])
    collected_efficiency: _Share = Field(default=1.0, examples=["0.8"])
    lifetime: _Positive = Field(default=1.0, examples=["1"])
    intensity: _Positive = Field(default=1.0, examples=["1"])


class IndicatorRow(rows.Row):
    """A row of ``indicators``: a numerator, perhaps over a denominator; or a circularity."""

    names: NamesRow = _NAMES
    unit: Text = Field(examples=["tce/10k CNY"])
    unit_zh: Text | None = Field(default=None, examples=["吨标准煤/万元"])
    formula: NamesRow = Field(examples=["{zh: 综合能耗 ÷ 工业增加值, en: energy / value added}"])
    better: Annotated[Better, Field(strict=False)] | None = Field(default=None, examples=["low"])
    numerator: list[TermRow] | None = Field(
        default=None, min_length=1, examples=["[{flow: steam, crossing: net, factor: tce}]"]
    )
    denominator: list[TermRow] | None = Field(default=None, min_length=1, examples=["[{figure: value-added}]"])
    circularity: CircularityRow | None = Field(default=None, examples=["{mass: [...]}"])
    scale: _Positive = Field(default=1.0, examples=["100"])
    annual: bool = Field(default=False, examples=["true"])
    scopes: list[Annotated[ScopeKind, Field(strict=False)]] = Field(
        default=list(ScopeKind), min_length=1, examples=["[zone, park]"]
    )
    lengths: list[Annotated[Length, Field(strict=False)]] = Field(
        default=list(Length), min_length=1, examples=["[month, year]"]
    )
    source: Text = Field(examples=["HJ 274-2015"])
    clause: rows.Clause | None = Field(default=None, examples=['{zh: "表 1", en: table 1}'])
    provenance: _Provenance = _PROVENANCE


class TargetRow(rows.Row):
    """What a benchmark set wants of an indicator."""

    at: Number = Field(examples=["0.5"])
    clause: rows.Clause | None = Field(default=None, examples=['{zh: "表 1", en: table 1}'])
    provenance: _Provenance | None = Field(default=None, examples=["unverified"])


class SetRow(rows.Row):
    """A benchmark set; its targets are looked at one by one."""

    names: NamesRow = Field(examples=["{zh: 国家生态工业示范园区标准, en: National eco-industrial park}"])
    source: Text = Field(examples=["HJ 274-2015"])
    provenance: _Provenance = _PROVENANCE
    targets: dict[str, Any] = Field(examples=["{energy-per-value-added: {at: 0.5}}"])


class BenchmarksRow(rows.Row):
    """``benchmarks``."""

    shown: Segment = Field(examples=["hj-274"])
    coverage: _Share = Field(default=0.75, examples=["0.75"])
    sets: dict[str, Any] = Field(examples=["{hj-274: {names: ..., source: HJ 274-2015, targets: ...}}"])


class FactorRow(rows.Row):
    """What one unit (``per``) of a kind of flow is worth."""

    per: Text = Field(examples=["kWh"])
    since: _Years = Field(examples=["{2023: 0.0005827}"])
    source: Text = Field(examples=["GB/T 2589-2020"])
    clause: rows.Clause | None = Field(default=None, examples=['{zh: "附录 A", en: annex A}'])
    provenance: _Provenance = _PROVENANCE


class TableRow(rows.Row):
    """A table of factors; they are looked at one by one."""

    names: NamesRow = Field(examples=["{zh: 折标准煤系数, en: coal equivalent}"])
    unit: Text = Field(examples=["tce"])
    of: dict[str, Any] = Field(examples=["{electricity: {per: kWh, since: {2021: 0.0001229}, ...}}"])
