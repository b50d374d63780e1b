"""``enterprises.yaml`` and ``flows.yaml``: rows become what they say; every mistake is told with line and remedy."""

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
from park.economy import Economy
from park.flows import OUTSIDE, Class, Enterprise, Flow, FlowKind, Reads, Replacement, SiteBalance, Stock
from park.words import Names
from storage import configuration
from tests.test_configuration import DEFAULT, NONSENSE, edit, ms, places_in, problems
from tests.test_configuration import SMALL as PARK

ENTERPRISES, FLOWS = "enterprises.yaml", "flows.yaml"

SMALL = {
    **PARK,
    "zones.yaml": PARK["zones.yaml"]
    + """\
      eo-plant:
        names: {zh: 环氧乙烷装置, en: EO plant}
        latitude: 31.76
        longitude: 120.98
  inland:
    names: {zh: 内陆, en: Inland}
    sites:
      works:
        names: {zh: 工厂, en: Works}
        latitude: 31.8
        longitude: 120.8
""",
    "quantities.yaml": PARK["quantities.yaml"]
    + """\
  water-total:
    names: {zh: 水表读数, en: Water meter}
    unit: L
    location: meter
    minimum: 0
    maximum: 1000000000
  mass-flow:
    names: {zh: 质量流量, en: Mass flow}
    unit: kg/h
    location: meter
    minimum: 0
    maximum: 1000000
  power:
    names: {zh: 功率, en: Power}
    unit: kW
    location: meter
    minimum: 0
    maximum: 1000000
  mass-stored:
    names: {zh: 储量, en: Mass stored}
    unit: kg
    location: meter
    minimum: 0
    maximum: 1000000
""",
    ENTERPRISES: """\
enterprises:
  yangtze-eo:
    names: {zh: 扬子环氧, en: Yangtze EO}
    sites: [riverside/eo-plant]
    since: 2014-05-01
  terminal:
    names: {zh: 码头, en: Terminal}
    sites: [riverside/tank-farm]
    exempt: {zh: 公用, en: public}
""",
    FLOWS: """\
kinds:
  fresh-water:
    names: {zh: 新鲜水, en: Fresh water}
    unit: m3
    of: water
  by-product:
    names: {zh: 副产品, en: By-product}
    unit: t
    of: mass
    residue: true
  electricity:
    names: {zh: 电, en: Electricity}
    unit: kWh
    of: energy
  steam:
    names: {zh: 蒸汽, en: Steam}
    unit: t
    of: energy
flows:
  - id: water-in
    names: {zh: 进水, en: Water in}
    kind: fresh-water
    from: outside
    to: riverside/eo-plant
    meter: riverside/eo-plant/wm-1/water-total
    reads: total
    most: 200
    rollover: 10000000
    gap: 30min
    replacements:
      - {at: 2026-03-01 08:00, last: 48211.5, first: 10}
      - {at: 2026-05-01 09:30, last: 900, first: 0}
  - id: glycol
    names: {zh: 乙二醇, en: Glycol}
    kind: by-product
    from: riverside/eo-plant
    to: riverside/tank-farm
    meter: riverside/eo-plant/fm-1/mass-flow
    reads: rate
    most: 5
    usual: 1.5
    broken_below: 0.3
  - id: power-in
    names: {zh: 用电, en: Power}
    kind: electricity
    from: outside
    to: riverside/eo-plant
    meter: riverside/eo-plant/em-1/power
    reads: rate
    most: 5000
  - id: steam-in
    names: {zh: 用汽, en: Steam}
    kind: steam
    from: outside
    to: riverside/eo-plant
    meter: riverside/eo-plant/sm-1/mass-flow
    reads: rate
    most: 50
    factor: 0.0009
balances:
  - id: eo-mass
    site: riverside/eo-plant
    of: mass
    unit: t
    stocks: [{series: riverside/eo-plant/lt-1/mass-stored}]
    losses: 0.02
  - id: eo-energy
    site: riverside/eo-plant
    of: energy
    unit: GJ
    weights: {electricity: 0.0036, steam: 2.8}
""",
}


@dataclass(frozen=True)
class Case:
    """``old`` of ``file`` becomes ``new``; the line with ``#!`` is told with ``told``."""

    file: str
    old: str
    new: str
    told: str


CASES = {
    # enterprises
    "site is no site": Case(ENTERPRISES, "[riverside/eo-plant]", "[eo-plant] #!", "write zone/site, such as"),
    "unknown zone": Case(ENTERPRISES, "[riverside/eo-plant]", "[rivers/eo-plant] #!", "did you mean 'riverside'?"),
    "unknown site": Case(ENTERPRISES, "[riverside/eo-plant]", "[riverside/eo] #!", "unknown site 'eo' of riverside"),
    "site of two": Case(ENTERPRISES, "[riverside/tank-farm]", "[riverside/eo-plant] #!", "belongs to 'yangtze-eo'"),
    "two zones": Case(
        ENTERPRISES, "[riverside/tank-farm]", "[riverside/tank-farm, inland/works] #!", "an enterprise for each zone"
    ),
    "no sites": Case(ENTERPRISES, "[riverside/tank-farm]", "[] #!", "write for example sites: [new-materials"),
    "no day": Case(ENTERPRISES, "2014-05-01", "May 2014 #!", "write year-month-day"),
    "exempt in one language": Case(ENTERPRISES, "{zh: 公用, en: public}", "公用 #!", "'exempt' can't be"),
    # kinds
    "unknown unit": Case(FLOWS, "unit: m3", "unit: cbm #!", "unknown unit 'cbm'"),
    "unknown class": Case(FLOWS, "of: water", "of: watr #!", "did you mean 'water'?"),
    # flows
    "id twice": Case(FLOWS, "id: glycol", "id: water-in #!", "there is a flow 'water-in' already"),
    "unknown kind": Case(FLOWS, "kind: fresh-water", "kind: fresh-watr #!", "did you mean 'fresh-water'?"),
    "no end": Case(FLOWS, "    to: riverside/tank-farm\n", "", "'to' is missing; write to: new-materials/hf-plant"),
    "unknown end": Case(FLOWS, "to: riverside/tank-farm", "to: riverside/tank-frm #!", "did you mean 'tank-farm'?"),
    "end is nowhere": Case(FLOWS, "from: outside\n    to: riverside/eo-plant\n    meter: riverside/eo-plant/wm-1",
        "from: outsied #!\n    to: riverside/eo-plant\n    meter: riverside/eo-plant/wm-1", "or outside"),
    "outside to outside": Case(
        FLOWS, "to: riverside/eo-plant\n    meter: riverside/eo-plant/wm-1", "to: outside #!\n    meter: "
        "riverside/eo-plant/wm-1", "none of the park's"
    ),
    "no series": Case(FLOWS, "riverside/eo-plant/em-1/power", "riverside/em-1/power #!", "zone/site/sensor/quantity"),
    "unknown quantity": Case(FLOWS, "wm-1/water-total", "wm-1/watr-total #!", "did you mean 'water-total'?"),
    "meter twice": Case(
        FLOWS, "meter: riverside/eo-plant/em-1/power", "meter: riverside/eo-plant/em-1/power\n    reads: rate\n"
        "    most: 1\n  - id: more\n    names: {zh: 电, en: Power}\n    kind: electricity\n    from: outside\n"
        "    to: riverside/tank-farm\n    meter: riverside/eo-plant/em-1/power #!", "measures the flow 'power-in'"
    ),
    "reads nothing": Case(FLOWS, "reads: total", "reads: count #!", "not a reads"),
    "nothing flows": Case(FLOWS, "most: 200", "most: 0 #!", "greater than 0"),
    "a rate that rolls over": Case(FLOWS, "usual: 1.5", "rollover: 1000 #!", "write reads: total"),
    "a rate that was replaced": Case(
        FLOWS, "most: 5000", "most: 5000\n    replacements: [{at: 2026-03-01 08:00, last: 1, first: 0}] #!",
        "can be replaced at any time"
    ),
    "no exchange": Case(FLOWS, "most: 200", "most: 200\n    usual: 20 #!", "only an exchange between two sites"),
    "more than most": Case(FLOWS, "usual: 1.5", "usual: 15 #!", "more than most 5"),
    "broken at once": Case(FLOWS, "broken_below: 0.3", "broken_below: 1 #!", "less than 1"),
    "no time": Case(FLOWS, "2026-03-01 08:00", "yesterday", "write year-month-day hours:minutes in China"),
    "a time that is none": Case(FLOWS, "2026-03-01 08:00", "2026-02-30 08:00", "write year-month-day hours:minutes"),
    "out of order": Case(FLOWS, "2026-05-01 09:30", "2026-01-01 09:30", "in order of time"),
    "beyond the rollover": Case(FLOWS, "last: 900", "last: 10000000", "not below the rollover"),
    "no factor": Case(
        FLOWS, "meter: riverside/eo-plant/em-1/power", "meter: riverside/eo-plant/em-1/level", "many kW one % of level"
    ),
    # balances
    "balance twice": Case(FLOWS, "id: eo-energy", "id: eo-mass #!", "there is a balance 'eo-mass' already"),
    "class twice": Case(FLOWS, "of: energy\n    unit: GJ", "of: mass #!\n    unit: GJ", "a balance of mass already"),
    "no weight": Case(
        FLOWS, "weights: {electricity: 0.0036, steam: 2.8}", "weights: {steam: 2.8} #!", "{electricity: 0.0036}"
    ),
    "unknown weight": Case(FLOWS, "{electricity: 0.0036", "{electrcity: 1, electricity: 0.0036", "unknown kind 'elec"),
    "nothing flows there": Case(FLOWS, "site: riverside/eo-plant\n    of: mass", "site: inland/works #!\n    of: mass",
        "no flow of mass comes from or goes to inland/works"),
    "unknown stock": Case(FLOWS, "lt-1/mass-stored", "lt-1/mass-stord", "did you mean 'mass-stored'?"),
    "stock of another unit": Case(FLOWS, "lt-1/mass-stored", "lt-1/level", "how many t one % of level is"),
    "all is lost": Case(FLOWS, "losses: 0.02", "losses: 1 #!", "less than 1"),
    "unknown key": Case(FLOWS, "losses: 0.02", "loss: 0.02 #!", "did you mean 'losses'?"),
    "not a list": Case(FLOWS, "balances:\n", "balances: {} #!\nmore:\n", "each row beginning with '- '"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_rows_become_what_they_say(folder: Path) -> None:
    economy = configuration.load(folder).economy
    assert economy.enterprises == {
        "yangtze-eo": Enterprise(
            "yangtze-eo",
            Names("扬子环氧", "Yangtze EO"),
            "riverside",
            ("riverside/eo-plant",),
            since=ms("2014-05-01T00:00+08:00"),
        ),
        "terminal": Enterprise(
            "terminal",
            Names("码头", "Terminal"),
            "riverside",
            ("riverside/tank-farm",),
            exempt=Names("公用", "public"),
        ),
    }
    assert economy.kinds["by-product"] == FlowKind(
        "by-product", Names("副产品", "By-product"), "t", Class.MASS, residue=True
    )
    assert economy.flows["water-in"] == Flow(
        "water-in",
        Names("进水", "Water in"),
        "fresh-water",
        OUTSIDE,
        "riverside/eo-plant",
        "riverside/eo-plant/wm-1/water-total",
        Reads.TOTAL,
        most=200.0,
        factor=0.001,
        rollover=10_000_000.0,
        gap=1_800_000,
        replacements=(
            Replacement(ms("2026-03-01T08:00+08:00"), 48211.5, 10.0),
            Replacement(ms("2026-05-01T09:30+08:00"), 900.0, 0.0),
        ),
    )
    # Litres, kilograms an hour and kilowatts are told by their units; what is written counts.
    assert {flow.id: flow.factor for flow in economy.flows.values()} == {
        "water-in": 0.001,
        "glycol": 0.001,
        "power-in": 1.0,
        "steam-in": 0.0009,
    }
    glycol = economy.flows["glycol"]
    assert (glycol.usual, glycol.broken_below, glycol.is_exchange) == (1.5, 0.3, True)
    assert list(economy.balances.values()) == [
        SiteBalance(
            "eo-mass",
            "riverside/eo-plant",
            Class.MASS,
            "t",
            {},
            (Stock("riverside/eo-plant/lt-1/mass-stored", 0.001),),
            0.02,
        ),
        SiteBalance("eo-energy", "riverside/eo-plant", Class.ENERGY, "GJ", {"electricity": 0.0036, "steam": 2.8}),
    ]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_told_with_file_line_and_remedy(folder: Path, case: Case) -> None:
    assert case.old in SMALL[case.file]
    edit(folder, case.file, (case.old, case.new))
    broken = (folder / case.file).read_text(encoding="utf-8").splitlines()
    line = next((number for number, words in enumerate(broken, 1) if "#!" in words), None)
    told = problems(folder)
    assert [problem for problem in told if case.told in problem.message], told
    assert {problem.file for problem in told} == {str(folder / case.file)}, told
    assert line in {None, *(problem.line for problem in told)}, told


def test_everything_wrong_is_told_at_once(folder: Path) -> None:
    edit(folder, FLOWS, ("kind: steam\n", "kind: steem\n"), ("most: 200", "most: -1"), ("losses: 0.02", "losses: 2"))
    edit(folder, ENTERPRISES, ("riverside/tank-farm", "riverside/tank"))
    assert len(problems(folder)) >= 4


def test_a_park_without_flows_needs_no_files(folder: Path) -> None:
    for name in (ENTERPRISES, FLOWS):
        (folder / name).unlink()
    assert configuration.load(folder).economy == Economy()


def test_another_flow_is_another_version(folder: Path) -> None:
    before = configuration.load(folder).version
    edit(folder, FLOWS, ("most: 200", "most: 201"))
    assert configuration.load(folder).version != before


def test_the_default_park_has_six_enterprises_a_zone_and_meters_for_them() -> None:
    economy = configuration.load(DEFAULT).economy
    for zone in ("new-materials", "riverside"):
        assert len([each for each in economy.enterprises.values() if each.zone == zone]) >= 6
        assert len([each for each in economy.flows.values() if each.zone == zone and each.is_exchange]) >= 6
    assert any(flow.rollover for flow in economy.flows.values())
    assert any(flow.replacements for flow in economy.flows.values())
    assert {flow.reads for flow in economy.flows.values()} == set(Reads)


def test_nonsense_anywhere_is_told_and_never_raises() -> None:
    documents = {name: YAML(typ="safe", pure=True).load(text) for name, text in SMALL.items()}
    places = [(name, *place) for name in (ENTERPRISES, FLOWS) for place in places_in(documents[name])]
    chance = random.Random(5)
    for _ in range(600):
        broken = copy.deepcopy(documents)
        *way, last = chance.choice(places)
        functools.reduce(operator.getitem, way, broken)[last] = copy.deepcopy(chance.choice(NONSENSE))
        catalogue, told = build(broken)
        assert (catalogue is None) == bool(told)
        assert all(problem.message for problem in told)
