"""Admission of projects: what refuses one, on what conditions it is admitted, and what can't be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from park import admission, periods
from park.admission import (
    Access,
    BannedQuantity,
    BannedSubstance,
    Basis,
    Evidence,
    Headroom,
    Outcome,
    ProcessRule,
    Project,
    ProjectKind,
    Substance,
    Threshold,
    Verdict,
    ZoneAccess,
)
from park.admission_building import project as read_project
from park.budgets import Load, begin_of, memory_of
from park.evaluate import Record
from park.figures import Book, Reported
from park.limits import Period
from park.means import HOUR
from park.sensors import Channel, Sensor
from park.words import Location, Names
from parkwatch.cli import app
from parkwatch.servers import free_port
from storage.clock import SystemClock
from storage.configuration import load
from storage.directory import Directory
from storage.influx import Influx
from storage.queue import redis_client
from storage.reported import ReportedStore
from storage.states import ShardStates, Work
from tests import servers
from tests.conftest import ROOT
from tests.making import many

PROJECTS = ROOT / "docs" / "projects"
PARK = load(ROOT / "config")
WORDS = Names("字", "word")
BASIS = Basis("GB 1", Names("第1条", "clause 1"), "verified")
SAFE = Substance("水", "7732-18-5", "raw", 10.0)
WATER = (SAFE,)

RULES = ZoneAccess(
    substances=(
        BannedSubstance(Names("光气", "phosgene"), BASIS, ("75-44-5",), ("碳酰氯",)),
        BannedSubstance(Names("苯", "benzene"), BASIS, ("71-43-2",), at_most=10.0),
        BannedSubstance(Names("制冷剂", "R22"), BASIS, ("75-45-6",), condition=Names("仅作原料", "feedstock only")),
    ),
    processes=(
        ProcessRule("nitration", BASIS),
        ProcessRule("fluorination", BASIS, Names("须自动化", "automated only")),
    ),
    thresholds=(
        Threshold("tax-per-mu", WORDS, ("tax",), 30.0, BASIS, under=("land",), unit="10k CNY/mu", unit_zh="万元/亩"),
        Threshold(
            "energy",
            WORDS,
            ("energy",),
            0.5,
            BASIS,
            upper=True,
            under=("value-added",),
            condition=Names("须优化", "do better"),
        ),
        Threshold("distance", WORDS, ("distance-to-yangtze",), 1000.0, BASIS, kinds=(ProjectKind.NEW,)),
    ),
)
ACCESS = Access({"north": RULES}, PARK.economy.access.processes, PARK.economy.access.plan)
PLAN = {"tax": 300.0, "land": 10.0, "energy": 500.0, "value-added": 1000.0, "distance-to-yangtze": 1000.0}


def project(**changes: Any) -> Project:
    plain = Project(WORDS, "north", ProjectKind.NEW, WATER, ("hydrogenation",), PLAN, {})
    return msgspec.structs.replace(plain, **changes)


def check(evidence: Evidence = Evidence(), rules: ZoneAccess = RULES, **changes: Any) -> Verdict:  # noqa: B008 - frozen
    return admission.check(msgspec.structs.replace(ACCESS, zones={"north": rules}), project(**changes), evidence)


def said(verdict: Verdict, outcome: Outcome) -> list[str]:
    return [f"{finding.rule}: {finding.reason.en}" for finding in verdict.of(outcome)]


def test_a_project_that_meets_everything_is_admitted_with_every_rule_told() -> None:
    verdict = check()
    assert verdict.outcome is Outcome.ADMITTED
    assert [finding.rule for finding in verdict.findings] == [
        "substances",
        "process hydrogenation",
        "threshold tax-per-mu",
        "threshold energy",
        "threshold distance",
    ]
    # At the bound it is met: 300 / 10 = 30, 500 / 1000 = 0.5.
    assert (
        said(verdict, Outcome.ADMITTED)[2]
        == "threshold tax-per-mu: planned 30 x 10k CNY/mu, required ≥ 30 x 10k CNY/mu"
    )
    assert verdict.findings[2].reason.zh == "计划值30 万元/亩，要求≥ 30 万元/亩"


# --- the negative list -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("substance", "outcome"),
    [
        (Substance("任意名称", "75-44-5"), Outcome.REFUSED),
        (Substance("Phosgene"), Outcome.REFUSED),
        (Substance("碳酰氯", "7732-18-5"), Outcome.REFUSED),
        (Substance("光 气"), Outcome.REFUSED),
        (Substance("benzene", "71-43-2", amount=10.0), Outcome.ADMITTED),
        (Substance("benzene", "71-43-2", amount=10.1), Outcome.REFUSED),
        (Substance("benzene", "71-43-2"), Outcome.REFUSED),
        (Substance("R-22", "75-45-6"), Outcome.CONDITIONAL),
        (Substance("something new"), Outcome.UNDECIDED),
        (Substance("something new", "7732-18-5"), Outcome.ADMITTED),
    ],
)
def test_a_substance_is_known_by_its_number_or_any_of_its_names(substance: Substance, outcome: Outcome) -> None:
    assert check(substances=(SAFE, substance)).outcome is outcome


def test_a_substance_of_which_any_detection_is_an_alarm_is_refused() -> None:
    banned = [BannedQuantity("pfib", Names("八氟异丁烯", "PFIB"), Names("禁限物质检出", "banned substance"), BASIS)]
    for name in ("PFIB", "八氟异丁烯", "pfib"):
        verdict = check(Evidence(banned), substances=(SAFE, Substance(name, "382-21-8")))
        assert verdict.outcome is Outcome.REFUSED
        assert said(verdict, Outcome.REFUSED) == [
            "substance pfib: on the zone's negative list, any detection is an alarm: banned substance"
        ]


def test_a_project_without_substances_can_not_be_judged() -> None:
    assert said(check(substances=()), Outcome.UNDECIDED) == [
        "substances: no raw materials, intermediates or products are listed"
    ]


@pytest.mark.parametrize("cas", ["7732-18-5", "75-44-5", "50-00-0", "10043-35-3", "24937-79-9", "1310-73-2"])
def test_cas_numbers(cas: str) -> None:
    assert admission.cas_error(cas) == ""


@pytest.mark.parametrize(
    "cas",
    ["75-44-6", "7732-18-4", "75445", "75-44-", "7-44-5", "75-4-5", "７５-44-5", "", "75-44-5-1", "12345678-44-5"],
)
def test_what_is_no_cas_number(cas: str) -> None:
    assert "write one such as 75-44-5" in admission.cas_error(cas) or "wrong check digit" in admission.cas_error(cas)


@given(st.integers(10, 9_999_999), st.integers(0, 99))
@many
def test_one_wrong_digit_of_a_cas_number_is_noticed(first: int, second: int) -> None:
    # The check digit as the registry defines it: the digits from the right, times 1, 2, 3, ..., modulo 10.
    body = f"{first}{second:02}"
    check_digit = sum(int(digit) * place for digit, place in zip(body[::-1], range(1, 20), strict=False)) % 10
    good = [digit for digit in range(10) if not admission.cas_error(f"{first}-{second:02}-{digit}")]
    assert good == [check_digit]


# --- processes, thresholds ---------------------------------------------------------------------------------------


def test_processes() -> None:
    assert check(processes=("nitration",)).outcome is Outcome.REFUSED
    verdict = check(processes=("fluorination",))
    assert said(verdict, Outcome.CONDITIONAL) == ["process fluorination: automated only"]
    assert verdict.findings[0].basis == BASIS


@pytest.mark.parametrize(
    ("plan", "outcome", "told"),
    [
        (
            {"tax": 299.0},
            Outcome.REFUSED,
            "threshold tax-per-mu: planned 29.9 x 10k CNY/mu, required ≥ 30 x 10k CNY/mu",
        ),
        ({"energy": 501.0}, Outcome.CONDITIONAL, "threshold energy: planned 0.501, required ≤ 0.5; do better"),
        ({"distance-to-yangtze": 999.0}, Outcome.REFUSED, "threshold distance: planned 999, required ≥ 1000"),
        ({"tax": None}, Outcome.UNDECIDED, "threshold tax-per-mu: the project does not say: tax paid (tax)"),
        ({"value-added": 0.0}, Outcome.UNDECIDED, "threshold energy: nothing below the line: it can't be told"),
    ],
)
def test_thresholds(plan: dict[str, float | None], outcome: Outcome, told: str) -> None:
    numbers = {name: value for name, value in {**PLAN, **plan}.items() if value is not None}
    verdict = check(plan=numbers)
    assert verdict.outcome is outcome
    assert said(verdict, outcome) == [told]


def test_a_threshold_is_for_kinds_of_projects() -> None:
    near = {**PLAN, "distance-to-yangtze": 10.0}
    assert check(plan=near).outcome is Outcome.REFUSED
    assert check(plan=near, kind=ProjectKind.RENOVATION).outcome is Outcome.ADMITTED


def of_mean(*, upper: bool = False) -> ZoneAccess:
    rule = Threshold("mean", WORDS, ("value-added",), 1.5, BASIS, upper=upper, of_mean=True, under=("land",))
    return ZoneAccess(thresholds=(rule,))


@pytest.mark.parametrize(
    ("value", "upper", "outcome"),
    [(60.0, False, Outcome.ADMITTED), (59.9, False, Outcome.REFUSED), (60.1, True, Outcome.REFUSED)],
)
def test_against_the_mean_of_the_zone(value: float, upper: bool, outcome: Outcome) -> None:  # noqa: FBT001 - a row
    plan = {"value-added": value * 10, "land": 10.0}
    assert check(Evidence(means={"mean": 40.0}), of_mean(upper=upper), plan=plan).outcome is outcome
    assert check(Evidence(), of_mean(upper=upper), plan=plan).outcome is Outcome.UNDECIDED


def test_the_mean_is_of_those_that_have_reported_all_of_it() -> None:
    year = periods.year(2025)
    told = [
        Reported(who, what, year.begin, year.end, value)
        for who, what, value in [
            ("a", "value-added", 900),
            ("a", "land", 30),
            ("b", "value-added", 100),
            ("b", "land", 20),
            ("c", "land", 999),
            ("d", "value-added", 999),
        ]
    ]
    book = Book(PARK.economy.figures, told)
    (rule,) = of_mean().thresholds
    # 1000 / 50
    assert admission.mean(rule, ["a", "b", "c", "d"], book, year.begin, year.end) == 20.0
    assert admission.mean(rule, ["c", "d"], book, year.begin, year.end) is None


# --- loads -------------------------------------------------------------------------------------------------------


def budget(**changes: Any) -> Headroom:
    plain = Headroom(WORDS, "cod", Names("化学需氧量", "COD"), Period.YEAR, 20_000.0, 17_000.0, 1.0, BASIS)
    return msgspec.structs.replace(plain, **changes)


@pytest.mark.parametrize(
    ("kg", "changes", "outcome", "told"),
    [
        (3000.0, {}, Outcome.ADMITTED, "planned 3 t/year; budget 20 t, expected without it 17 t, left 3 t"),
        (3001.0, {}, Outcome.REFUSED, "planned 3.001 t/year; budget 20 t, expected without it 17 t, left 3 t"),
        (1.0, {"expected": 21_000.0}, Outcome.REFUSED, "left -1 t"),
        (0.0, {"expected": 21_000.0}, Outcome.ADMITTED, "the project has no load"),
        (1.0, {"expected": None}, Outcome.UNDECIDED, "nothing is known of the present load"),
        (1.0, {"known": 0.49}, Outcome.CONDITIONAL, "but only 49% of the hours so far are known: verify"),
        # 12 t a year are 1 t a month.
        (
            12_000.0,
            {"period": Period.MONTH, "budget": 2000.0, "expected": 1000.0},
            Outcome.ADMITTED,
            "planned 1 t/month",
        ),
        (12_001.0, {"period": Period.MONTH, "budget": 2000.0, "expected": 1000.0}, Outcome.REFUSED, "left 1 t"),
    ],
)
def test_what_is_left_of_a_load(kg: float, changes: dict[str, Any], outcome: Outcome, told: str) -> None:
    verdict = check(Evidence(budgets=[budget(**changes)]), loads={"cod": kg})
    assert verdict.outcome is outcome
    (found,) = [finding for finding in verdict.findings if finding.rule == "load cod"]
    assert told in found.reason.en


def test_a_load_that_is_not_stated_can_not_be_judged() -> None:
    assert check(Evidence(budgets=[budget()])).outcome is Outcome.UNDECIDED


def test_a_load_without_a_budget_needs_one_first() -> None:
    assert said(check(loads={"tn": 5.0}), Outcome.CONDITIONAL) == [
        "load tn: the zone has no budget for it: say first where the load is to come from"
    ]
    assert check(loads={"tn": 0.0}).outcome is Outcome.ADMITTED


def test_without_redis_nothing_is_passed() -> None:
    assert check(Evidence(budgets=None)).outcome is Outcome.UNDECIDED


def test_a_zone_without_rules_admits_nothing() -> None:
    assert check(zone="south").outcome is Outcome.UNDECIDED


OUTCOMES = st.lists(st.sampled_from(list(Outcome)), max_size=6)


@given(OUTCOMES)
@many
def test_the_verdict_is_the_severest_finding(wanted: list[Outcome]) -> None:
    rules = ZoneAccess(
        thresholds=tuple(
            Threshold(
                f"{number}",
                WORDS,
                ("investment",) if outcome is Outcome.UNDECIDED else ("tax",),
                0.0 if outcome is Outcome.ADMITTED else 1e9,
                BASIS,
                condition=WORDS if outcome is Outcome.CONDITIONAL else None,
            )
            for number, outcome in enumerate(wanted)
        )
    )
    severity = (Outcome.REFUSED, Outcome.UNDECIDED, Outcome.CONDITIONAL, Outcome.ADMITTED)
    verdict = check(rules=rules)
    assert verdict.outcome is next(outcome for outcome in severity if outcome in [*wanted, Outcome.ADMITTED])
    assert [finding.outcome for finding in verdict.findings] == sorted(
        [*wanted, Outcome.ADMITTED, Outcome.ADMITTED], key=severity.index
    )


# --- a project's file --------------------------------------------------------------------------------------------


def written(text: str = "", **changes: Any) -> dict[str, Any]:
    content = YAML(typ="safe", pure=True).load(text or (PROJECTS / "fluoropolymer-expansion.yaml").read_text("utf-8"))
    return {name: value for name, value in {**content, **changes}.items() if value is not None}


def problems(content: object) -> list[str]:
    found, trouble = read_project(content, PARK.economy.access, PARK.zones, PARK.quantities)
    assert (found is None) == bool(trouble)
    return [f"{'.'.join(map(str, problem.path))}: {problem.message}" for problem in trouble]


def test_amounts_have_units() -> None:
    found, _ = read_project(written(), PARK.economy.access, PARK.zones, PARK.quantities)
    assert found is not None
    assert {name: found.plan[name] for name in ("investment", "land", "fresh-water", "distance-to-yangtze")} == {
        "investment": 42_000.0,
        "land": 46.0,
        "fresh-water": pytest.approx(98_000.0),
        "distance-to-yangtze": pytest.approx(4600.0),
    }
    assert found.loads == {"cod": 1400.0, "nh3-n": 120.0, "tn": 400.0, "tp": 12.0}
    assert found.processes == ("polymerisation",)


@pytest.mark.parametrize(
    ("tax", "number"),
    [("2,600万元", 2600.0), ("2,600.5 万元", 2600.5), ("4 10k CNY", 4.0), ("1.2 亿元", 12_000.0), (26, 26.0)],
)
def test_amounts_as_people_write_them(tax: object, number: float) -> None:
    content = written(plan={"tax": tax})
    found, trouble = read_project(content, PARK.economy.access, PARK.zones, PARK.quantities)
    assert found is not None, trouble
    assert found.plan["tax"] == pytest.approx(number)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"zone": "moon"}, "project.zone: unknown zone 'moon'; write one of new-materials, riverside"),
        ({"kind": "newish"}, "project.kind: 'newish' is not a kind; did you mean 'new'?"),
        ({"processes": ["氧化还原"]}, "project.processes.0: unknown process '氧化还原'; write one of"),
        ({"plan": {"taxes": 1}}, "project.plan.taxes: unknown number 'taxes'; did you mean 'tax'?"),
        ({"plan": {"tax": "5 USD"}}, "project.plan.tax: 'USD' is not a unit of tax; write one of 10k CNY, 万元"),
        (
            {"plan": {"tax": "much"}},
            "project.plan.tax: 'much' is no amount; write a number in 10k CNY, or one with a unit",
        ),
        ({"plan": {"land": -1}}, "project.plan.land: -1 can't be; land is at least 0"),
        ({"plan": {"tax": "26,00 万元"}}, "project.plan.tax: '26,00 万元' is no amount; write a number in 10k CNY"),
        ({"plan": {"land": float("nan")}}, "project.plan.land: nan is no amount"),
        ({"plan": {"land": True}}, "project.plan.land: True is no amount"),
        ({"loads": {"codd": "1 t"}}, "project.loads.codd: unknown quantity 'codd'; did you mean 'cod'?"),
        ({"loads": {"cod": 3}}, "project.loads.cod: 3 has no unit; write the mass of a year, such as 3.2 t"),
        ({"loads": {"cod": "3 m3"}}, "project.loads.cod: 'm3' is not a unit of a load; write kg or one of"),
        ({"loads": {"cod": "-3 t"}}, "project.loads.cod: '-3 t' can't be; a load is at least 0"),
        (
            {"substances": [{"name": "x", "cas": "75-44-6"}]},
            "project.substances.0.cas: '75-44-6' has a wrong check digit",
        ),
        ({"substances": [{"cas": "75-44-5"}]}, "project.substances.0.name: 'name' is missing"),
        ({"plan": None}, "project.plan: 'plan' is missing"),
    ],
)
def test_what_is_wrong_with_a_project_is_told_with_what_to_write(changes: dict[str, Any], told: str) -> None:
    found = problems(written(**changes))
    assert any(line.startswith(told) for line in found), found


def test_a_file_that_is_no_project() -> None:
    assert problems("text")[0].startswith("project: 'text' is not a row")


# --- the command -------------------------------------------------------------------------------------------------


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["admit", *words])


@pytest.fixture
def stored(redis: servers.Redis, influx: servers.Influx, influx_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A park whose outfall has put out 0.1 kg of COD an hour since the year began, and one enterprise has reported."""
    monkeypatch.setenv("PARKWATCH_REDIS_URL", redis.url)
    monkeypatch.setenv("PARKWATCH_INFLUX_URL", influx.url)
    monkeypatch.setenv("PARKWATCH_INFLUX_DB", influx_db)
    # Each command reads the configuration, which takes its time.
    monkeypatch.setattr("parkwatch.admit_command.catalogue", lambda _: PARK)
    now = SystemClock().now()
    begin = begin_of(Period.YEAR, now)
    key = "new-materials/outfall/out-901"
    hours = max(1, (now - begin) // HOUR)
    budgets = {"cod": 0.1, "nh3-n": 0.1, "tn": 0.1, "tp": 0.01}
    with redis_client(redis.url) as client:
        channels = {name: Channel() for name in (*budgets, "flow-water")}
        Directory(client).put(Sensor(key, registered=0, location=Location.OUTFALL, channels=channels))
        loads = {name: Load(begin, kg * hours, hours, begin + hours * HOUR) for name, kg in budgets.items()}
        records = {
            f"{key}/load-{name}": (0, Record(begin, begin, load.kg, memory={"load": memory_of(load)}))
            for name, load in loads.items()
        }
        ShardStates(client, "new-materials.0").commit(Work(records=records), PARK, begin)
    year = periods.year(periods.year_of(now) - 1)
    reported = [
        Reported("haiyu-polymers", name, year.begin, year.end, value)
        for name, value in (("value-added", 9000.0), ("land", 60.0))
    ]
    influx_client = Influx(influx.url, influx_db)
    ReportedStore(influx_client).add(reported, now, "li", "x.csv", "")
    influx_client.close()


@pytest.mark.usefixtures("stored")
def test_the_example_project_is_held_against_what_is_left_and_what_others_yield() -> None:
    answer = run(str(PROJECTS / "fluoropolymer-expansion.yaml"), "--language", "en")
    assert answer.exit_code == 3, answer.output
    assert "verdict: admitted on conditions" in answer.output
    # 0.1 kg an hour are 876 kg a year (878.4 in a leap year).
    assert any(f"budget 20 t, expected without it {hours / 10_000:.4g} t" in answer.output for hours in (8760, 8784))
    # 9000 / 60 = 150
    assert "planned 315.2 x 10k CNY/mu, required ≥ 150 x 10k CNY/mu (1 times the zone's mean)" in answer.output
    found = msgspec.json.decode(run(str(PROJECTS / "fluoropolymer-expansion.yaml"), "--json").output)
    assert found["verdict"]["outcome"] == "conditional"
    assert {finding["rule"] for finding in found["verdict"]["findings"]} >= {
        "load cod",
        "load tp",
        "threshold tax-per-mu",
    }


@pytest.mark.usefixtures("stored")
def test_a_load_that_does_not_fit_refuses_the_project(tmp_path: Path) -> None:
    text = (PROJECTS / "fluoropolymer-expansion.yaml").read_text("utf-8").replace("cod: 1.4 t", "cod: 19.5 t")
    (tmp_path / "project.yaml").write_text(text, "utf-8")
    answer = run(str(tmp_path / "project.yaml"))
    assert answer.exit_code == 1
    assert "结论: 不予准入" in answer.output
    assert "化学需氧量: 计划19.5 t/年；总量20 t" in answer.output


@pytest.mark.usefixtures("stored")
def test_an_outfall_that_fell_silent_long_ago_proves_little(redis: servers.Redis) -> None:
    begin = begin_of(Period.YEAR, SystemClock().now())
    last = begin_of(Period.YEAR, begin - 1)
    load = Load(last, 24.0, 240, last + 240 * HOUR)
    with redis_client(redis.url) as client:
        states = ShardStates(client, "new-materials.0")
        key = "new-materials/outfall/out-901/load-cod"
        version = states.load_all()[key].version
        record = Record(last, last, 24.0, memory={"load": memory_of(load)})
        states.commit(Work(records={key: (version, record)}), PARK, begin)
    answer = run(str(PROJECTS / "fluoropolymer-expansion.yaml"), "--language", "en")
    assert answer.exit_code == 3
    assert "but only 0% of the hours so far are known: verify" in answer.output


@pytest.mark.usefixtures("stored")
def test_the_example_that_is_refused_names_each_reason_with_its_clause() -> None:
    answer = run(str(PROJECTS / "isocyanate-line.yaml"))
    assert answer.exit_code == 1
    for words in (
        "碳酰氯 75-44-5 中间体: 列入园区负面清单：光气",
        "光气及光气化工艺: 园区禁止采用的工艺",
        "计划值600 米，要求≥ 1000 米  [中华人民共和国长江保护法, 第二十六条]",
        "亩均税收: 计划值18.75 万元/亩，要求≥ 30 万元/亩",
    ):
        assert words in answer.output


def test_without_servers_it_says_what_it_could_not_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARKWATCH_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.setenv("PARKWATCH_INFLUX_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("PARKWATCH_CONFIG", str(ROOT / "config"))
    answer = run(str(PROJECTS / "fluoropolymer-expansion.yaml"), "--language", "en")
    assert answer.exit_code == 3
    assert "verdict: undecided: something is missing" in answer.output
    assert "how the load budgets stand could not be read (Redis is away)" in answer.output


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("zone: [", "not valid YAML"),
        ("zone: new-materials\nkind: new\n", "project.yaml:1: 'names' is missing"),
        (
            "names: {zh: 甲, en: a}\nzone: nowhere\nkind: new\nsubstances: []\nprocesses: []\nplan: {}\n",
            "project.yaml:2: unknown zone",
        ),
    ],
)
def test_a_file_that_can_not_be_used_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    monkeypatch.setenv("PARKWATCH_CONFIG", str(ROOT / "config"))
    (tmp_path / "project.yaml").write_text(text, "utf-8")
    answer = run(str(tmp_path / "project.yaml"))
    assert answer.exit_code == 2
    assert told in answer.output
    assert "nothing was checked" in answer.output
