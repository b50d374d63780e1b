"""``figures.yaml``, ``evaluation.yaml``, ``access.yaml``: what is wrong is told with file, line and remedy."""

from __future__ import annotations

import copy
import functools
import operator
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from park import admission
from park.admission import BannedSubstance, Basis, ProcessRule, Threshold
from park.building import build
from park.economy import Economy
from park.evaluation import Benchmark, ClassShare, Condition, Fields, Term, Unreported
from park.figures import FigureDefinition, FigureKind
from park.smart import SmartTarget
from park.words import Names
from storage import configuration
from tests.test_configuration import DEFAULT, NONSENSE, places_in, problems
from tests.test_configuration import SMALL as PARK

FIGURES, EVALUATION, ACCESS = "figures.yaml", "evaluation.yaml", "access.yaml"

SMALL = {
    **PARK,
    FIGURES: """\
figures:
  tax:
    names: {zh: 税金, en: tax paid}
    kind: flow
    unit: 10k CNY
    unit_zh: 万元
    also: [税收]
    units: {元: 0.0001}
  land: {names: {zh: 用地, en: land}, kind: stock, unit: mu, minimum: 0, maximum: 9000}
  big: {names: {zh: 规上, en: above scale}, kind: flag}
  digital: {names: {zh: 数字化, en: digital}, kind: flag}
  level:
    names: {zh: 等级, en: level}
    kind: choice
    choices: {low: {zh: 低, en: low}}
""",
    EVALUATION: """\
schemes:
  plain:
    names: {zh: 评价, en: evaluation}
    source: 某市
    provenance: unverified
    scope:
      - {figure: big, otherwise: {zh: 规下, en: below scale}}
      - {figure: land, at_least: 3, otherwise: {zh: 小, en: small}}
    terms:
      - id: tax-per-mu
        names: {zh: 亩均税收, en: tax per mu}
        over: [tax]
        under: [land]
        unit: 10k CNY/mu
        weight: 60
        benchmark: {times_mean: 2}
      - id: mu-per-tax
        names: {zh: 倒数, en: upside down}
        over: [land]
        under: [tax]
        unit: mu/10k CNY
        weight: 40
        benchmark: {at: 5}
        most: 1.5
    classes:
      - {name: A, share: 20, names: {zh: 好, en: good}}
      - {name: B, share: 80, names: {zh: 差, en: bad}}
    unreported: last-class
    fields: {term: tax-per-mu, high: {at: 40}, low: {at: 5}}
smart:
  names: {zh: 智能化, en: smart}
  of: big
  any_of: [digital]
  target: 90
  until: 2028-12-31
  source: 某市
  provenance: unverified
""",
    ACCESS: """\
plan:
  investment: {names: {zh: 投资, en: investment}, unit: 10k CNY, units: {亿元: 10000}}
processes:
  nitration: {names: {zh: 硝化, en: nitration}}
  oxidation: {names: {zh: 氧化, en: oxidation}, also: [氧化反应]}
zones:
  riverside:
    substances:
      - names: {zh: 光气, en: phosgene}
        cas: ["75-44-5"]
        also: [碳酰氯]
        at_most: 5
        source: 某清单
        clause: '3.1'
        provenance: unverified
    processes:
      - {process: nitration, source: 某清单, clause: '3.2', provenance: unverified}
    thresholds:
      - id: investment-per-mu
        names: {zh: 亩均投资, en: investment per mu}
        over: [investment]
        under: [land]
        unit: 10k CNY/mu
        at_least: 500
        kinds: [new]
        source: 某清单
        clause: '3.3'
        provenance: knowledge
      - id: tax-per-mu
        names: {zh: 亩均税收, en: tax per mu}
        over: [tax]
        under: [land]
        unit: 10k CNY/mu
        at_most: {times_mean: 3}
        condition: {zh: 须论证, en: needs a study}
        source: 某清单
        clause: '3.4'
        provenance: knowledge
""",
}


@dataclass(frozen=True)
class Case:
    """``old`` becomes ``new`` in ``file``; the line with ``#!`` is told with ``told``."""

    file: str
    old: str
    new: str
    told: str


CASES = {
    # figures
    "no unit": Case(FIGURES, "    unit: 10k CNY\n    unit_zh: 万元\n", "", "a flow has a unit; write unit: 10k CNY"),
    "unit of a flag": Case(
        FIGURES, "kind: flag}\n  dig", "kind: flag, unit: t} #!\n  dig", "a flag is no number; leave 'unit' out"
    ),
    "no choices": Case(FIGURES, "    choices: {low: {zh: 低, en: low}}\n", "", "a choice needs what can be chosen"),
    "choices of a flow": Case(
        FIGURES, "kind: flow", "kind: flow\n    choices: {a: {zh: 甲, en: a}} #!", "a flow has no choices"
    ),
    "bounds": Case(FIGURES, "maximum: 9000}", "maximum: 0} #!", "maximum must be above minimum"),
    "heading twice": Case(
        FIGURES, "{zh: 用地, en: land}", "{zh: 用地, en: Tax_Paid}", "the heading 'taxpaid' is that of 'tax' already"
    ),
    "unknown kind": Case(FIGURES, "kind: stock", "kind: stok", "did you mean 'stock'?"),
    "size of a unit": Case(FIGURES, "0.0001", "0 #!\n      ", "can't be 0"),
    "figure key": Case(FIGURES, "    also: [税收]", "    alos: [税收] #!", "did you mean 'also'?"),
    "figure name": Case(FIGURES, "  big:", "  Big:", "is not a name"),
    # evaluation
    "weights": Case(EVALUATION, "weight: 40", "weight: 41", "the weights add up to 101; they must add up to 100"),
    "shares": Case(EVALUATION, "share: 80", "share: 79", "the shares add up to 99; they must add up to 100"),
    "term twice": Case(EVALUATION, "id: mu-per-tax", "id: tax-per-mu", "there are 2 rows for the term 'tax-per-mu'"),
    "class twice": Case(EVALUATION, "name: B", "name: A", "there are 2 rows for the class 'A'"),
    "unknown figure": Case(EVALUATION, "over: [tax]", "over: [taxx] #!", "unknown figure 'taxx'; did you mean 'tax'?"),
    "flag by land": Case(EVALUATION, "over: [tax]", "over: [big] #!", "'big' is a flag; write one of tax, land"),
    "units": Case(EVALUATION, "over: [tax]", "over: [tax, land] #!", "figures in 10k CNY and mu don't add up"),
    "two benchmarks": Case(
        EVALUATION, "{times_mean: 2}", "{times_mean: 2, at: 5} #!", "write either at: 40 or times_mean: 2"
    ),
    "no benchmark": Case(
        EVALUATION, "{at: 5}\n        most", "{} #!\n        most", "write either at: 40 or times_mean: 2"
    ),
    "flag at least": Case(
        EVALUATION, "{figure: big,", "{figure: big, at_least: 1, #!\n        ", "'big' is a flag, which must be set"
    ),
    "land at least": Case(EVALUATION, "at_least: 3, ", "", "'at_least' is missing; write at_least: 3 (in mu)"),
    "field of no term": Case(EVALUATION, "term: tax-per-mu", "term: tax-per-mou", "did you mean 'tax-per-mu'?"),
    "fields upside down": Case(EVALUATION, "low: {at: 5}}", "low: {at: 40}} #!", "a low yield is below a high one"),
    "class name": Case(EVALUATION, "name: A", "name: 甲", "'name' can't be"),
    "smart flags": Case(
        EVALUATION, "any_of: [digital]", "any_of: [land] #!", "'land' is a stock; write one of big, digital"
    ),
    "smart target": Case(EVALUATION, "target: 90", "target: 190 #!", "'target' can't be 190"),
    "smart key": Case(EVALUATION, "  until:", "  untill: #!\n  until:", "did you mean 'until'?"),
    "evaluation key": Case(
        EVALUATION,
        "smart:",
        "smarter: #!\n  x: 1\nsmart:",
        "unknown key 'smarter'; this file holds 'schemes' and 'smart'",
    ),
    # access
    "unknown zone": Case(ACCESS, "  riverside:", "  riversid: #!", "did you mean 'riverside'?"),
    "plan is a figure": Case(
        ACCESS, "plan:\n", "plan:\n  tax: {names: {zh: 税, en: t}, unit: CNY} #!\n", "'tax' is a figure already"
    ),
    "cas": Case(ACCESS, '"75-44-5"', '"75-44-4" #!\n          ', "has a wrong check digit"),
    "cas as a date": Case(ACCESS, '["75-44-5"]', "[75] #!", "75 is no CAS number; write one in quotes"),
    "unknown process": Case(
        ACCESS, "{process: nitration,", "{process: nitratoin, #!\n        ", "did you mean 'nitration'?"
    ),
    "process twice": Case(
        ACCESS,
        "    thresholds:",
        "      - {process: nitration, source: 某清单, clause: '1', provenance: unverified} #!\n    thresholds:",
        "there is a rule for 'nitration' already",
    ),
    "unknown number": Case(
        ACCESS, "over: [investment]", "over: [invest] #!", "unknown number 'invest'; did you mean 'investment'?"
    ),
    "numbers of two units": Case(
        ACCESS, "over: [investment]", "over: [investment, land] #!", "numbers in 10k CNY and mu don't add up"
    ),
    "both sides": Case(
        ACCESS, "at_least: 500", "at_least: 500\n        at_most: 600", "write either at_least or at_most"
    ),
    "no side": Case(ACCESS, "        at_least: 500\n", "", "write either at_least or at_most"),
    "mean of what is not reported": Case(
        ACCESS, "at_least: 500", "at_least: {times_mean: 1}", "'investment' is not reported, so there is no mean"
    ),
    "mean of no ratio": Case(
        ACCESS,
        "        under: [land]\n        unit: 10k CNY/mu\n        at_most",
        "        unit: 10k CNY/mu\n        at_most",
        "a mean is a ratio; write under: [land]",
    ),
    "threshold twice": Case(
        ACCESS, "id: tax-per-mu", "id: investment-per-mu #!", "there is a threshold 'investment-per-mu' already"
    ),
    "kind of project": Case(ACCESS, "kinds: [new]", "kinds: [old] #!", "'old' is not a kind"),
    "clause": Case(ACCESS, "clause: '3.1'", "clause: 3.1 #!", "write a clause number in quotes"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_told_with_file_line_and_remedy(folder: Path, case: Case) -> None:
    assert case.old in SMALL[case.file]
    broken = SMALL[case.file].replace(case.old, case.new, 1)
    (folder / case.file).write_text(broken, encoding="utf-8")
    line = next((number for number, words in enumerate(broken.splitlines(), 1) if "#!" in words), None)
    told = problems(folder)
    assert [problem for problem in told if case.told in problem.message], told
    assert line in {None, *(problem.line for problem in told)}, told
    # A figure that is not sound may be missing elsewhere.
    assert str(folder / case.file) in {problem.file for problem in told}, told


def test_what_is_right_becomes_what_it_says(folder: Path) -> None:
    economy = configuration.load(folder).economy
    assert economy.figures["tax"] == FigureDefinition(
        name="tax",
        names=Names("税金", "tax paid"),
        kind=FigureKind.FLOW,
        unit="10k CNY",
        also=("税收",),
        units={"元": 0.0001},
        unit_zh="万元",
    )
    assert economy.figures["land"].unit_names == Names("mu", "mu")
    plain = economy.schemes["plain"]
    assert plain.terms[1] == Term(
        id="mu-per-tax",
        names=Names("倒数", "upside down"),
        over=("land",),
        under=("tax",),
        weight=40.0,
        benchmark=Benchmark(at=5.0),
        unit="mu/10k CNY",
        unit_zh="mu/10k CNY",
        most=1.5,
    )
    assert plain.classes == (ClassShare("A", 20.0, Names("好", "good")), ClassShare("B", 80.0, Names("差", "bad")))
    assert plain.scope == (
        Condition("big", 1.0, Names("规下", "below scale")),
        Condition("land", 3.0, Names("小", "small")),
    )
    assert (plain.unreported, plain.whole_years, plain.decimals) == (Unreported.LAST_CLASS, 1, 2)
    assert plain.fields == Fields("tax-per-mu", Benchmark(at=40.0), Benchmark(at=5.0))
    # The day is Chinese, and the last one counts: 2028-12-31T16:00:00Z.
    assert economy.smart == SmartTarget(
        Names("智能化", "smart"), "big", ("digital",), 90.0, "某市", "unverified", 1_861_891_200_000
    )
    rules = economy.access.zones["riverside"]
    assert rules.substances == (
        BannedSubstance(
            Names("光气", "phosgene"),
            Basis("某清单", Names("3.1", "3.1"), "unverified"),
            ("75-44-5",),
            ("碳酰氯",),
            at_most=5.0,
        ),
    )
    assert rules.processes == (ProcessRule("nitration", Basis("某清单", Names("3.2", "3.2"), "unverified")),)
    least, most = rules.thresholds
    assert (least.bound, least.upper, least.of_mean, least.kinds) == (500.0, False, False, (admission.ProjectKind.NEW,))
    assert most == Threshold(
        id="tax-per-mu",
        names=Names("亩均税收", "tax per mu"),
        over=("tax",),
        bound=3.0,
        basis=Basis("某清单", Names("3.4", "3.4"), "knowledge"),
        upper=True,
        of_mean=True,
        under=("land",),
        unit="10k CNY/mu",
        unit_zh="10k CNY/mu",
        condition=Names("须论证", "needs a study"),
    )
    # A plan may state what is reported and what only plans have, but no flags.
    assert set(economy.access.plan) == {"tax", "land", "investment"}


def test_a_park_without_them_has_none(folder: Path) -> None:
    for name in (FIGURES, EVALUATION, ACCESS):
        (folder / name).unlink()
    economy = configuration.load(folder).economy
    assert economy == Economy()


def test_nonsense_anywhere_is_told_and_never_raises() -> None:
    chance = random.Random(5)
    sound = {name: YAML(typ="safe", pure=True).load(text) for name, text in SMALL.items()}
    for name in (FIGURES, EVALUATION, ACCESS):
        for place in places_in(sound[name]):
            broken = copy.deepcopy(sound)
            where = functools.reduce(operator.getitem, place[:-1], broken[name])
            where[place[-1]] = copy.deepcopy(chance.choice(NONSENSE))
            catalogue, told = build(broken)
            assert (catalogue is None) == bool(told)
            assert all(problem.message for problem in told)


@pytest.fixture(scope="module")
def default() -> Economy:
    return configuration.load(DEFAULT).economy


def test_the_schemes_of_the_default_park(default: Economy) -> None:
    weights = {name: {term.id: term.weight for term in scheme.terms} for name, scheme in default.schemes.items()}
    assert weights == {
        "huaian-2024": {"tax-per-mu": 45, "sales-per-mu": 35, "tax-per-energy": 20},
        "wujin-draft": {
            "tax-per-mu": 40,
            "sales-per-mu": 20,
            "tax-per-energy": 10,
            "tax-per-pollutant": 10,
            "productivity": 10,
            "rnd-share": 10,
        },
        "huangyan-2022": {
            "tax-per-mu": 30,
            "value-added-per-mu": 20,
            "value-added-per-energy": 20,
            "value-added-per-emissions": 10,
            "productivity": 10,
            "rnd-share": 10,
        },
    }
    for scheme in default.schemes.values():
        assert [(each.name, each.share) for each in scheme.classes] == [("A", 20), ("B", 40), ("C", 35), ("D", 5)]
        assert {term.benchmark for term in scheme.terms} == {Benchmark(times_mean=2.0)}
        assert [(condition.figure, condition.at_least) for condition in scheme.scope] == [
            ("above-scale", 1),
            ("land", 3),
        ]


def test_the_columns_of_the_issue_are_figures(default: Economy) -> None:
    wanted = {"tax", "sales", "value-added", "land", "energy", "pollutants", "rnd", "employees"}
    assert wanted <= default.figures.keys()
    assert default.smart is not None
    assert default.smart.target == 90.0
    assert set(default.smart.any_of) <= default.figures.keys()


def test_unsure_rules_are_not_sold_as_law(default: Economy) -> None:
    for zone in default.access.zones.values():
        bases = [rule.basis for rule in zone.substances]
        bases += [rule.basis for rule in zone.processes]
        bases += [rule.basis for rule in zone.thresholds]
        for basis in bases:
            assert basis.provenance in {"knowledge", "unverified"}
            assert ("示例" in basis.clause.zh) == (basis.source == "parkwatch")
            assert basis.source != "parkwatch" or basis.provenance == "unverified"


def test_every_zone_has_rules(default: Economy) -> None:
    assert set(default.access.zones) == set(configuration.load(DEFAULT).zones)
