"""``indicators.yaml``: what is wrong with it is told with file, line and remedy; what is right becomes indicators."""

from __future__ import annotations

import copy
import functools
import operator
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from park.building import build
from park.circularity import Terms
from park.economy import Economy
from park.indicator_terms import Better, Crossing, Method, ScopeKind, Term
from park.stretches import Length
from park.words import Names
from storage import configuration
from tests.test_configuration import NONSENSE, places_in, problems
from tests.test_configuration import SMALL as PARK

INDICATORS, FLOWS, FIGURES = "indicators.yaml", "flows.yaml", "figures.yaml"

# A small sound file. Cases below break it; "#!" marks the line that must be named.
SMALL = {
    **PARK,
    FLOWS: """\
kinds:
  steam: {names: {zh: 蒸汽, en: Steam}, unit: t, of: energy}
  power: {names: {zh: 电力, en: Power}, unit: kWh, of: energy}
  ore: {names: {zh: 矿石, en: Ore}, unit: t, of: mass}
  scrap: {names: {zh: 废料, en: Scrap}, unit: t, of: mass}
flows: []
""",
    FIGURES: """\
figures:
  added: {names: {zh: 增加值, en: value added}, kind: flow, unit: 10k CNY, unit_zh: 万元}
  big: {names: {zh: 规上, en: above scale}, kind: flag}
  maturity:
    names: {zh: 成熟度, en: maturity}
    kind: choice
    choices: {low: {zh: 低, en: low}, high: {zh: 高, en: high}}
""",
    INDICATORS: """\
indicators:
  intensity:
    names: {zh: 能耗强度, en: Intensity}
    unit: tce/10k CNY
    unit_zh: 吨标准煤/万元
    formula: {zh: 能耗 ÷ 增加值, en: energy / value added}
    better: low
    numerator:
      - flow: [steam, power]
        crossing: net
        factor: tce
    denominator:
      - figure: added
        otherwise: 5
    scale: 2
    scopes: [zone, park]
    lengths: [month]
    source: HJ 274-2015
    clause: {zh: 表 1, en: table 1}
    provenance: verified
  ore:
    names: {zh: 矿石, en: Ore}
    unit: t
    formula: {zh: 矿石, en: ore}
    numerator:
      - {flow: ore, crossing: in, weight: -1}
      - {figure: big, concerns: some}
    annual: true
    source: parkwatch
    provenance: unverified
  loop:
    names: {zh: 循环度, en: Circularity}
    unit: "1"
    formula: {zh: MCI, en: MCI}
    better: high
    circularity:
      mass: [{flow: [ore, scrap], crossing: in}]
      feedstock_recycled: [{flow: scrap, crossing: in}]
      feedstock_efficiency: 0.9
      lifetime: 2
    source: EMF
    provenance: knowledge
benchmarks:
  shown: strict
  coverage: 0.8
  sets:
    strict:
      names: {zh: 严, en: Strict}
      source: A 1
      provenance: knowledge
      targets:
        intensity: {at: 0.5, provenance: verified}
        loop: {at: 0.3, clause: "4.2"}
factors:
  tce:
    names: {zh: 标煤, en: Coal equivalent}
    unit: tce
    of:
      steam: {per: t, since: {2021: 0.1286}, source: GB/T 2589-2020, provenance: verified}
      power: {per: kWh, since: {2025: 0.0002, 2021: 0.0001229}, source: GB/T 2589-2020, provenance: verified}
""",
}


@dataclass(frozen=True)
class Case:
    """One thing wrong: ``old`` becomes ``new``; the line with ``#!`` is told with ``told``."""

    old: str
    new: str
    told: str


CASES = {
    # shape
    "no indicators": Case("indicators:\n", "indicator:\n", "'indicators' is missing"),
    "unknown top key": Case("benchmarks:\n", "benchmark: #!\n", "this file holds 'indicators' and 'benchmarks' and"),
    "indicators are a list": Case("indicators:\n", "indicators: [] #!\nx:\n", "names with rows below them"),
    "name": Case("  ore:\n", "  Ore: #!\n", "such as 'ore'"),
    "no formula": Case("    formula: {zh: 矿石, en: ore}\n", "", "'formula' is missing; write formula: {zh:"),
    "formula in one language": Case("{zh: 矿石, en: ore}", "{en: ore} #!", "'zh' is missing"),
    "no source": Case("    source: parkwatch\n", "", "'source' is missing"),
    "provenance": Case("provenance: unverified", "provenance: sure #!", "write one of knowledge, unverified, verified"),
    "better": Case("better: low", "better: lower #!", "did you mean 'low'?"),
    "scale": Case("scale: 2", "scale: 0 #!", "'scale' can't be 0"),
    "scope": Case("scopes: [zone, park]", "scopes: [zones] #!", "did you mean 'zone'?"),
    "no scopes": Case("scopes: [zone, park]", "scopes: [] #!", "write for example scopes: [zone, park]"),
    "length": Case("lengths: [month]", "lengths: [week] #!", "write one of day, month, year"),
    "surplus key": Case("annual: true", "yearly: true #!", "unknown key 'yearly'"),
    "a value for a row": Case("indicators:\n", "indicators:\n  x: 3 #!\n", "is not a row"),
    # terms
    "no numerator": Case(
        "    numerator:\n      - {flow: ore, crossing: in, weight: -1}\n      - {figure: big, concerns: some}\n",
        "",
        "'numerator' is missing; write numerator: [{flow: steam, crossing: in}]",
    ),
    "an empty numerator": Case(
        "    numerator:\n      - {flow: ore, crossing: in, weight: -1}\n      - {figure: big, concerns: some}\n",
        "    numerator: [] #!\n",
        "write for example numerator: [{flow: steam, crossing: net, factor: tce}]",
    ),
    "a term of nothing": Case("- {figure: big, concerns: some}", "- {weight: 2} #!", "of flows or of a figure; write"),
    "a term of both": Case("{figure: big,", "{figure: big, flow: ore, crossing: in, #!", "of flows or of a figure"),
    "no crossing": Case("{flow: ore, crossing: in, weight: -1}", "{flow: ore} #!", "one of in, out, net, used, given"),
    "unknown crossing": Case("{flow: ore, crossing: in,", "{flow: ore, crossing: into, #!", "did you mean 'in'?"),
    "unknown kind": Case("{flow: ore, crossing: in,", "{flow: oar, crossing: in, #!", "did you mean 'ore'?"),
    "kind twice": Case("[ore, scrap]", "[ore, ore] #!", "ore would count twice; write it once"),
    "no kinds": Case("[ore, scrap]", "[] #!", "write one, such as steam, or several"),
    "kinds that are numbers": Case("[ore, scrap]", "[1] #!", "is not a name"),
    "units that don't add up": Case(
        "        crossing: net\n        factor: tce\n",
        "        crossing: net\n",
        "steam is in t, power is in kWh: they don't add up; write a factor:, or a term for each unit",
    ),
    "weight of nothing": Case("weight: -1", "weight: 0 #!", "does not count; leave it out"),
    "weight": Case("weight: -1", "weight: much #!", "'weight' can't be 'much'"),
    "unknown factors": Case("factor: tce\n", "factor: tec #!\n", "unknown factors 'tec'; did you mean 'tce'?"),
    "no factor of a kind": Case(
        "flow: [steam, power]", "flow: [steam, ore]", "the factors tce have none of ore; write them into factors.tce.of"
    ),
    "unknown figure": Case("figure: added", "figure: addded #!", "did you mean 'added'?"),
    "a choice": Case("figure: added", "figure: maturity #!", "maturity is a choice, which does not add up"),
    "a figure that crosses": Case("{figure: big,", "{figure: big, crossing: in, #!", "a figure has no crossing"),
    "a figure with factors": Case("{figure: big,", "{figure: big, factor: tce, #!", "a figure has no factor"),
    "a flow that is not reported": Case("weight: -1", "otherwise: 0 #!", "only a figure can be left unreported"),
    "a flow that concerns some": Case("weight: -1", "concerns: some #!", "only a figure can be left unreported"),
    "both ways of not reporting": Case("concerns: some", "concerns: some, otherwise: 0 #!", "leave 'otherwise' or"),
    "concerns": Case("concerns: some", "concerns: few #!", "write one of all, some"),
    # circularity
    "no mass": Case("      mass: [{flow: [ore, scrap], crossing: in}]\n", "", "'mass' is missing"),
    "a circularity and a ratio": Case(
        "    circularity:\n",
        "    denominator: [{figure: added}] #!\n    circularity:\n",
        "a circularity has parts of its own; leave 'denominator' or circularity: out",
    ),
    "a circularity per year": Case(
        "    circularity:\n", "    annual: true #!\n    circularity:\n", "leave 'annual' out"
    ),
    "an efficiency of nothing": Case("feedstock_efficiency: 0.9", "feedstock_efficiency: 0 #!", "can't be 0"),
    "lifetime": Case("lifetime: 2", "lifetime: -1 #!", "write for example lifetime: 1"),
    "a mass of something else": Case(
        "mass: [{flow: [ore, scrap], crossing: in}]",
        "mass: [{flow: [ore, oar], crossing: in}] #!",
        "did you mean 'ore'?",
    ),
    # benchmarks
    "shown": Case("shown: strict", "shown: stricter #!", "unknown benchmark set 'stricter'; did you mean 'strict'?"),
    "nothing shown": Case("  shown: strict\n", "", "'shown' is missing"),
    "coverage": Case("coverage: 0.8", "coverage: 80 #!", "'coverage' can't be 80"),
    "target of nothing": Case("intensity: {at: 0.5,", "intensities: {at: 0.5, #!", "did you mean 'intensity'?"),
    "target without a number": Case("{at: 0.5, provenance: verified}", "{} #!", "'at' is missing"),
    "target without a direction": Case("loop: {at: 0.3,", "ore: {at: 0.3, #!", "write better: low or high for ore"),
    "target's clause": Case('clause: "4.2"', "clause: 4.2 #!", "write a clause number in quotes"),
    "a set without targets": Case("      targets:\n", "      target: #!\n", "did you mean 'targets'?"),
    # factors
    "factor of an unknown kind": Case("      steam: {per", "      stream: {per", "did you mean 'steam'?"),
    "factor per another unit": Case(
        "{per: kWh,", "{per: MWh, #!", "flows of power are in kWh; write the factors per kWh"
    ),
    "year": Case("{2021: 0.1286}", "{21: 0.1286} #!", "is no year from 2000 to 2099"),
    "no years": Case("{2021: 0.1286}", "{} #!", "write the year from which on a factor holds"),
    "factor without a year": Case("{2021: 0.1286}", "0.1286 #!", "such as {2023: 0.0005827}"),
    "factor": Case("{2021: 0.1286}", "{2021: -1} #!", "-1 is no factor"),
    "factors of nothing": Case("    of:\n", "    for: #!\n", "unknown key 'for'; write one of names, of, unit"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def spoiled(text: str, case: Case) -> str:
    """Return the text with the mistake; a mark within a line moves to its end, where it is a comment."""
    lines = text.replace(case.old, case.new, 1).splitlines()
    marked = (f"{line.replace('#!', '')} #!" if "#!" in line else line for line in lines)
    return "\n".join(marked) + "\n"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_told_with_file_line_and_remedy(folder: Path, case: Case) -> None:
    assert case.old in SMALL[INDICATORS]
    broken = spoiled(SMALL[INDICATORS], case)
    (folder / INDICATORS).write_text(broken, encoding="utf-8")
    line = next((number for number, words in enumerate(broken.splitlines(), 1) if "#!" in words), None)
    told = problems(folder)
    matching = [problem for problem in told if case.told in problem.message]
    assert matching, told
    assert {problem.file for problem in told} == {str(folder / INDICATORS)}, told
    assert line in {None, *(problem.line for problem in matching)}, told


def test_one_mistake_is_told_once(folder: Path) -> None:
    """What follows from a mistake elsewhere is no mistake of its own."""
    for name in ("scale", "unknown kind", "unknown figure", "shown", "year", "units that don't add up", "lifetime"):
        case = CASES[name]
        (folder / INDICATORS).write_text(spoiled(SMALL[INDICATORS], case), encoding="utf-8")
        assert len(problems(folder)) == 1, name


def test_many_mistakes_are_told_at_once(folder: Path) -> None:
    chosen = [
        CASES[name]
        for name in ("unknown kind", "unknown figure", "shown", "year", "lifetime", "target without a number")
    ]
    text = SMALL[INDICATORS]
    for case in chosen:
        text = spoiled(text, case)
    (folder / INDICATORS).write_text(text, encoding="utf-8")
    told = [problem.message for problem in problems(folder)]
    assert len(told) == len(chosen)
    assert all(any(case.told in message for message in told) for case in chosen)


def test_a_figure_without_a_file_of_figures(folder: Path) -> None:
    (folder / FIGURES).unlink()
    told = problems(folder)
    assert {problem.file for problem in told} == {str(folder / INDICATORS)}
    assert any("unknown figure 'added'; none is configured" in problem.message for problem in told)


@pytest.mark.parametrize("other", [FLOWS, FIGURES])
def test_another_file_that_can_not_be_read_makes_this_one_not_wrong(folder: Path, other: str) -> None:
    (folder / other).write_text("a: b: c\n", encoding="utf-8")
    assert [Path(problem.file).name for problem in problems(folder)] == [other]


def test_nonsense_anywhere_is_told_and_never_raises() -> None:
    chance = random.Random(5)
    documents = {name: YAML(typ="safe", pure=True).load(text) for name, text in SMALL.items()}
    for factor in documents[INDICATORS]["factors"]["tce"]["of"].values():
        factor["since"] = {str(year): value for year, value in factor["since"].items()}
    assert build(documents)[1] == []
    places = [place for place in places_in(documents) if place[0] in {INDICATORS, FIGURES, FLOWS}]
    for _ in range(1500):
        broken = copy.deepcopy(documents)
        *way, last = chance.choice(places)
        functools.reduce(operator.getitem, way, broken)[last] = copy.deepcopy(chance.choice(NONSENSE))
        catalogue, told = build(broken)
        assert (catalogue is None) == bool(told)
        assert all(problem.message and problem.path[0] in {*SMALL, "limits/*.yaml"} for problem in told)


# --- what becomes of it ------------------------------------------------------------------------------------


@pytest.fixture
def small(folder: Path) -> Economy:
    return configuration.load(folder).economy


def test_a_ratio(small: Economy) -> None:
    found = small.indicators["intensity"]
    assert (found.names, found.unit, found.unit_zh) == (Names("能耗强度", "Intensity"), "tce/10k CNY", "吨标准煤/万元")
    assert (found.better, found.scale, found.annual, found.method) == (Better.LOW, 2.0, False, Method.RATIO)
    assert (found.source, found.clause, found.provenance) == ("HJ 274-2015", Names("表 1", "table 1"), "verified")
    assert (found.scopes, found.lengths) == ((ScopeKind.ZONE, ScopeKind.PARK), (Length.MONTH,))
    assert found.parts == {
        "numerator": (Term(kinds=("steam", "power"), crossing=Crossing.NET, factor="tce"),),
        "denominator": (Term(figure="added", otherwise=5.0),),
    }


def test_a_sum_for_everything(small: Economy) -> None:
    found = small.indicators["ore"]
    assert (found.unit_zh, found.better, found.annual, found.clause) == ("t", None, True, Names("", ""))
    assert (found.scopes, found.lengths) == (tuple(ScopeKind), tuple(Length))
    assert found.parts == {
        "numerator": (
            Term(kinds=("ore",), crossing=Crossing.IN, weight=-1.0),
            Term(figure="big", concerns_some=True),
        )
    }


def test_a_circularity(small: Economy) -> None:
    found = small.indicators["loop"]
    assert (found.method, found.terms) == (Method.CIRCULARITY, Terms(feedstock=0.9, lifetime=2.0))
    assert found.parts == {
        "mass": (Term(kinds=("ore", "scrap"), crossing=Crossing.IN),),
        "feedstock_recycled": (Term(kinds=("scrap",), crossing=Crossing.IN),),
    }


def test_benchmarks(small: Economy) -> None:
    assert (small.benchmarks.shown, small.benchmarks.coverage) == ("strict", 0.8)
    targets = small.benchmarks.sets["strict"].targets
    assert (targets["intensity"].at, targets["intensity"].provenance) == (0.5, "verified")
    assert (targets["loop"].clause, targets["loop"].provenance) == (Names("4.2", "4.2"), "knowledge")


def test_factors_are_in_order_of_years(small: Economy) -> None:
    power = small.factors["tce"].factors["power"]
    assert power.since == ((2021, 0.0001229), (2025, 0.0002))
    assert [power.of(year) for year in (2020, 2021, 2024, 2025, 2030)] == [None, 0.0001229, 0.0001229, 0.0002, 0.0002]


def test_without_the_file_there_are_no_indicators(folder: Path) -> None:
    (folder / INDICATORS).unlink()
    found = configuration.load(folder).economy
    assert (found.indicators, found.benchmarks.sets, found.factors) == ({}, {}, {})


def test_only_indicators_are_needed(folder: Path) -> None:
    text = SMALL[INDICATORS].replace("        factor: tce\n", "").replace("[steam, power]", "steam")
    (folder / INDICATORS).write_text(text[: text.index("benchmarks:")], encoding="utf-8")
    found = configuration.load(folder).economy
    assert set(found.indicators) == {"intensity", "ore", "loop"}
    assert (found.benchmarks.shown, found.benchmarks.sets) == ("", {})


def test_another_target_is_another_version(folder: Path) -> None:
    before = configuration.load(folder).version
    (folder / INDICATORS).write_text(SMALL[INDICATORS].replace("at: 0.5", "at: 0.4"), encoding="utf-8")
    assert configuration.load(folder).version != before
