"""Configuration: the default park is sound, and whatever is wrong is told at once, with file, line and remedy."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import math
import operator
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from park.building import build
from park.catalogue import Alerts, Catalogue, ChannelKind, ChannelRoute, Grouping, Reference, ReferenceKind, Settings
from park.limits import Kind, Limit
from park.rows import SEGMENT, Problem
from park.words import Location, Names, Priority
from storage import configuration
from storage.configuration import ConfigurationError

DEFAULT = Path(__file__).parents[1] / "config"

# A small sound park. Cases below break it; "#!" marks the line that must be named.
SMALL = {
    "zones.yaml": """\
zones:
  riverside:
    names: {zh: 沿江, en: Riverside}
    sites:
      tank-farm:
        names: {zh: 罐区, en: Tank farm}
        latitude: 31.76
        longitude: 120.98
""",
    "quantities.yaml": """\
quantities:
  h2s:
    names: {zh: 硫化氢, en: Hydrogen sulfide}
    unit: mg/m3
    location: workplace
    minimum: 0
    maximum: 1500
    molar_mass: 34.081
    hj212: [a21028]
  level:
    names: {zh: 液位, en: Level}
    unit: "%"
    location: process
    minimum: 0
    maximum: 100
  temperature:
    names: {zh: 温度, en: Temperature}
    unit: "°C"
    location: process
    minimum: -100
    maximum: 500
""",
    "guidance.yaml": """\
guidance:
  leak:
    cause: {zh: 法兰泄漏, en: leaking flange}
    consequence: {zh: 中毒, en: poisoning}
    response: {zh: 撤离, en: leave upwind}
    respond_within: 5min
""",
    "limits/gas.yaml": """\
limits:
  - id: h2s-detector
    kind: threshold
    names: {zh: 硫化氢报警, en: H2S detector}
    match:
      quantities: [h2s]
      locations: [workplace]
    side: high
    unit: mg/m3
    set_points:
      - {severity: high, at: 10, priority: high}
      - {severity: high-high, at: 20, priority: critical}
    deadband: 1
    on_delay: 0s
    off_delay: 30s
    source: GB/T 50493-2019
    clause: "5.5.2"
    provenance: verified
    guidance: leak
""",
    "limits/tanks.yaml": """\
limits:
  - id: tank-low
    kind: threshold
    names: {zh: 液位低（建议值）, en: Tank level low (suggested)}
    match: {quantities: [level]}
    side: low
    set_points:
      - {severity: low, at: 15, priority: low}
    deadband: 2
    on_delay: 2s
    off_delay: 1min
    source: parkwatch
    clause: {zh: 建议值，非标准规定, en: "Suggestion, not law"}
    provenance: unverified
    guidance: leak
  - id: no-data
    kind: quality
    names: {zh: 无数据, en: No data}
    match: {}
    set_points: [{severity: bad, priority: high}]
    on_delay: 60s
    off_delay: 10s
    source: parkwatch
    clause: {zh: 自定做法, en: Own practice}
    provenance: unverified
    guidance: leak
""",
    "alerts.yaml": """\
channels:
  - name: duty
    kind: apprise
    url_env: DUTY_URL
""",
    "park.yaml": """\
late_after: 90s
""",
}
ZONES, QUANTITIES, GUIDANCE, GAS, TANKS, ALERTS, PARK = SMALL


@dataclass(frozen=True)
class Case:
    """One thing wrong: ``old`` in ``file`` becomes ``new``; the lines with ``#!`` are told with each of ``told``."""

    file: str
    old: str
    new: str
    told: str


CASES = {
    # YAML
    "tab": Case(GAS, "    kind: threshold", "\tkind: threshold #!", "blanks, not with tabs"),
    "colon": Case(GAS, "source: GB/T 50493-2019", "source: GB/T: 50493: x #!", "in quotes"),
    "duplicate key": Case(GAS, "    deadband: 1\n", "    deadband: 1\n    deadband: 2 #!\n", "write it once"),
    "merge key": Case(GAS, "    deadband: 1\n", "    deadband: 1\n    <<: {a: 1} #!\n", "write the keys out"),
    "list as key": Case(PARK, "late_after: 90s", "? [a]\n#\n: 1 ", "can't be a key"),
    "own alias": Case(ALERTS, "channels:", "channels: &all #!\n  - *all", "contains itself"),
    "unknown alias": Case(ALERTS, "name: duty", "name: *duty #!", "before it is used"),
    "two documents": Case(PARK, "late_after: 90s", "late_after: 90s\n--- #!\nlate_after: 60s", "take out"),
    # shape
    "unknown key": Case(GAS, "deadband: 1", "deadbnd: 1 #!", "did you mean 'deadband'?"),
    "unknown key deep": Case(GAS, "quantities: [h2s]", "quantitys: [h2s] #!", "did you mean 'quantities'?"),
    "text with a comma": Case(TANKS, "en: No data}", "en: No data, none} #!", "needs quotes"),
    "missing": Case(
        GAS,
        "  - id: h2s-detector\n    kind: threshold",
        "  - id: h2s-detector #!",
        "write kind: threshold",
    ),
    "no priority": Case(GAS, "at: 10, priority: high}", "at: 10} #!", "write priority: high"),
    "no zh": Case(GAS, "zh: 硫化氢报警, ", "", "'zh' is missing; write zh: 氟化氢泄漏"),
    "no en": Case(QUANTITIES, "zh: 液位, en: Level", "zh: 液位", "'en' is missing"),
    "empty": Case(GAS, "source: GB/T 50493-2019", "source: #!", "'source' is empty; write source: GB/T"),
    "no number": Case(
        GAS,
        "{severity: high, at: 10, priority: high}",
        "{severity: high, at: ten, priority: high} #!",
        "write for example at: 10",
    ),
    "number in quotes": Case(GAS, "deadband: 1", 'deadband: "1" #!', "write for example deadband: 0.5"),
    "no infinite number": Case(GAS, "at: 20,", "at: .inf,", "finite"),
    "number as text": Case(GAS, 'clause: "5.5.2"', "clause: 5.5 #!", "in quotes: clause: '5.5.2'"),
    "clause in one language": Case(
        GAS,
        'clause: "5.5.2"',
        'clause: "5.5.2: 100 % of the MAC" #!',
        "write the clause in both, such as clause: {zh:",
    ),
    "clause in one language, zh": Case(GAS, 'clause: "5.5.2"', "clause: 第5.5.2条 #!", "write the clause in both"),
    "half a clause": Case(GAS, 'clause: "5.5.2"', "clause: {en: section 4.2} #!", "'zh' is missing"),
    "truth value for a clause": Case(GAS, 'clause: "5.5.2"', "clause: true #!", "write for example clause: {zh:"),
    "no clause": Case(GAS, '    clause: "5.5.2"\n', "", "'clause' is missing; write clause: {zh:"),
    "truth value": Case(ALERTS, "url_env: DUTY_URL", "url_env: DUTY_URL\n    notices: 1 #!", "notices: true"),
    "three set-points": Case(
        GAS,
        "    deadband: 1\n",
        "      - {severity: high, at: 30, priority: high}\n    deadband: 1\n",
        "at most 2",
    ),
    "choice": Case(GAS, "side: high", "side: hgih #!", "did you mean 'high'?"),
    "choice of provenance": Case(
        GAS,
        "provenance: verified",
        "provenance: sure #!",
        "write one of knowledge, unverified",
    ),
    "unknown location": Case(GAS, "locations: [workplace]", "locations: [work-place] #!", "did you mean 'workplace'?"),
    "id": Case(GAS, "id: h2s-detector", "id: H2S_Detector #!", "such as 'h2s-detector'"),
    "zone name": Case(ZONES, "  riverside:", "  River Side: #!", "such as 'river-side'"),
    "site name": Case(ZONES, "tank-farm:", "tank_farm: #!", "such as 'tank-farm'"),
    "quantity name": Case(QUANTITIES, "  temperature:", "  Temperature: #!", "such as 'temperature'"),
    "duration without unit": Case(GAS, "off_delay: 30s", "off_delay: 30 #!", "such as 30s, 5min or 2h"),
    "duration with m": Case(GAS, "off_delay: 30s", "off_delay: 5m #!", "such as 30s, 5min or 2h"),
    "duration without end": Case(GAS, "off_delay: 30s", "off_delay: 400d #!", "at most 366d"),
    "no such day": Case(GAS, "    side: high", "    valid_to: 2026-02-30 #!\n    side: high", "such as 2026-03-01"),
    "day": Case(GAS, "provenance: verified", "provenance: verified\n    valid_from: 1.3.2026 #!", "such as 2026-03-01"),
    "row is text": Case(TANKS, "  - id: no-data", "  - oops #!\n  - id: no-data", "is not a row"),
    "table is list": Case(QUANTITIES, "quantities:", "quantities: [] #!\nrest:", "names with rows"),
    "list is table": Case(ALERTS, "channels:", "channels: {} #!\nrest:", "each row beginning with '- '"),
    "top key": Case(ALERTS, "channels:", "chanels:", "'channels' is missing"),
    "latitude": Case(ZONES, "latitude: 31.76", "latitude: 131.76 #!", "latitude: 31.81"),
    "settings": Case(PARK, "late_after: 90s", "late_aftr: 90s #!", "did you mean 'late_after'?"),
    "settings value": Case(PARK, "late_after: 90s", "quarantine_size: 0 #!", "quarantine_size: 10000"),
    # across rows
    "no zone": Case(
        ZONES,
        SMALL[ZONES],
        "zones: {} #!\n",
        "at least one",
    ),
    "unknown quantity": Case(GAS, "quantities: [h2s]", "quantities: [h2-s] #!", "did you mean 'h2s'?"),
    "unknown zone": Case(
        GAS,
        "quantities: [h2s]",
        "quantities: [h2s]\n      zones: [rivers] #!",
        "did you mean 'riverside'?",
    ),
    "unknown site": Case(
        GAS,
        "quantities: [h2s]",
        "quantities: [h2s]\n      sites: [tankfarm] #!",
        "did you mean 'tank-farm'?",
    ),
    "unknown guidance": Case(GAS, "guidance: leak", "guidance: leek #!", "did you mean 'leak'?"),
    "guidance number": Case(GAS, "guidance: leak", "guidance: 7 #!", "the name of a block"),
    "no guidance": Case(GAS, "    guidance: leak\n", "", "'guidance' is missing"),
    "half a guidance": Case(GUIDANCE, "respond_within: 5min", "respond_within: soon #!", "5min"),
    "guidance block": Case(GAS, "guidance: leak", "guidance: #!\n      respond_within: 5min", "'cause' is missing"),
    "taken id": Case(TANKS, "id: no-data", "id: h2s-detector #!", "is taken in limits/gas.yaml"),
    "order": Case(
        GAS,
        "at: 20, priority: critical}",
        "at: 10, priority: critical} #!",
        "not above high at 10",
    ),
    "order of severities": Case(GAS, "severity: high-high,", "severity: high,", "out of order"),
    "wrong side": Case(TANKS, "severity: low,", "severity: high,", "is not on side low; write low then low-low"),
    "less urgent": Case(GAS, "at: 20, priority: critical", "at: 20, priority: low", "write high or more urgent"),
    "no side": Case(GAS, "    side: high\n", "", "side: high or side: low"),
    "no deadband": Case(GAS, "    deadband: 1\n", "", "deadband: 0.5"),
    "no value": Case(GAS, "at: 20, ", "", "such as at: 10"),
    "no quantities": Case(TANKS, "match: {quantities: [level]}", "match: {} #!", "quantities: [...]"),
    "deadband too wide": Case(GAS, "deadband: 1\n", "deadband: 10.5 #!\n", "never clears"),
    "deadband too wide, low": Case(TANKS, "deadband: 2", "deadband: 86 #!", "write at most 85"),
    "never reached": Case(GAS, "high-high, at: 20,", "high-high, at: 2000,", "believable only up to 1500 mg/m3"),
    "unknown unit": Case(GAS, "unit: mg/m3", "unit: mg/L #!", "write mg/m3 or one of"),
    "ambiguous ppm": Case(
        GAS,
        "locations: [workplace]\n    side: high\n    unit: mg/m3",
        "locations: [workplace, stack]\n    side: high\n    unit: ppm #!",
        "write one row",
    ),
    "mixed units": Case(
        TANKS,
        "{quantities: [level]}",
        "{quantities: [level, temperature]} #!",
        "one row for each unit",
    ),
    "shifted unit": Case(
        TANKS,
        "match: {quantities: [level]}",
        "match: {quantities: [temperature]}\n    unit: K #!",
        "in °C",
    ),
    "dates": Case(
        GAS,
        "provenance: verified",
        "provenance: verified\n    valid_from: 2031-01-01 #!\n    valid_to: 2030-12-31",
        "is after valid_to 2030-12-31",
    ),
    "claim of law": Case(TANKS, 'en: "Suggestion, not law"}', "en: the statutory limit} #!", "'suggested'"),
    "claim of law in a clause, zh": Case(TANKS, "{zh: 建议值，非标准规定, ", "{zh: 法定限值, ", "建议"),
    "claim of law, zh": Case(TANKS, "zh: 液位低（建议值）", "zh: 液位法定限值", "建议"),
    "quality with a value": Case(TANKS, "{severity: bad, ", "{severity: bad, at: 1, ", "leave 'at' out"),
    "quality severity": Case(TANKS, "severity: bad", "severity: high", "write severity: bad"),
    "quality side": Case(TANKS, "    match: {}\n", "    match: {}\n    side: low #!\n", "leave it out"),
    "replaces nothing": Case(
        TANKS,
        "    source: parkwatch",
        "    replaces: [h2s-detektor] #!\n    source: parkwatch",
        "did you mean 'h2s-detector'?",
    ),
    "replaces itself": Case(
        TANKS,
        "    source: parkwatch",
        "    replaces: [tank-low] #!\n    source: parkwatch",
        "write it one way",
    ),
    "range": Case(QUANTITIES, "maximum: 100\n", "maximum: 0 #!\n", "is not above minimum"),
    "believable sentinel": Case(QUANTITIES, "minimum: -100\n", "minimum: -250\n", "would be taken for a missing value"),
    "quantity unit": Case(QUANTITIES, 'unit: "°C"', "unit: celcius #!", "unknown unit 'celcius'"),
    "HJ 212 code twice": Case(
        QUANTITIES,
        "maximum: 500\n",
        "maximum: 500\n    hj212: [a21028] #!\n",
        "belongs to 'h2s'",
    ),
    "channel without url": Case(
        ALERTS,
        SMALL[ALERTS],
        "channels:\n  - name: duty #!\n    kind: apprise\n",
        "one of url_env, url_file and url",
    ),
    "channel with two": Case(
        ALERTS,
        "  - name: duty",
        "  - url_file: /run/x #!\n    name: duty",
        "url_env and url_file",
    ),
    "channel url": Case(ALERTS, "url_env: DUTY_URL", "url: example.org #!", "is not a URL"),
    "webhook url": Case(
        ALERTS,
        "kind: apprise\n    url_env: DUTY_URL",
        "kind: webhook\n    url: mailto://x #!",
        "or write kind: apprise",
    ),
    "channel secret": Case(ALERTS, "url_env: DUTY_URL", "url_env: DUTY_URL\n    secret_env: S #!", "only a webhook"),
    "channel environment": Case(ALERTS, "url_env: DUTY_URL", "url_env: https://x #!", "environment variable"),
    "channel zone": Case(ALERTS, "name: duty", "name: duty\n    zones: [riversid] #!", "did you mean 'riverside'?"),
    "channel twice": Case(
        ALERTS,
        "channels:",
        "channels:\n  - {name: duty, kind: apprise, url_env: X}",
        "another name",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def problems(folder: Path) -> list[configuration.Problem]:
    with pytest.raises(ConfigurationError) as error:
        configuration.load(folder)
    assert str(error.value).splitlines() == [str(problem) for problem in error.value.problems]
    return error.value.problems


def spoil(folder: Path, case: Case) -> int | None:
    """Write the broken file; return the line that must be named, if the case marks one."""
    text = SMALL[case.file]
    assert text.count(case.old) >= 1, case
    broken = text.replace(case.old, case.new, 1)
    (folder / case.file).write_text(broken, encoding="utf-8")
    return next((number for number, line in enumerate(broken.splitlines(), 1) if "#!" in line), None)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_told_with_file_line_and_remedy(folder: Path, case: Case) -> None:
    line = spoil(folder, case)
    told = problems(folder)
    matching = [problem for problem in told if case.told in problem.message]
    assert matching, told
    assert {problem.file for problem in told} == {str(folder / case.file)}, told
    assert line in {None, *(problem.line for problem in matching)}, told


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("no priority", 11),
        ("no zh", 4),
        ("no en", 11),
        ("no infinite number", 12),
        ("wrong side", 8),
        ("less urgent", 12),
    ],
)
def test_a_line_within_a_row_is_told_exactly(folder: Path, name: str, line: int) -> None:
    spoil(folder, CASES[name])
    assert [problem.line for problem in problems(folder)] == [line]


def test_every_problem_of_every_file_is_told_at_once(folder: Path) -> None:
    chosen = [
        CASES[name] for name in ("zone name", "range", "half a guidance", "id", "wrong side", "channel url", "settings")
    ]
    lines = {str(folder / case.file): spoil(folder, case) for case in chosen}
    told = problems(folder)
    assert {problem.file for problem in told} == set(lines)
    for case in chosen:
        assert any(case.told in problem.message and problem.file.endswith(case.file) for problem in told), case
    assert told == sorted(told)


def test_two_problems_of_one_row_are_both_told(folder: Path) -> None:
    text = SMALL[GAS].replace("side: high", "side: up").replace("deadband: 1", "deadband: -1")
    (folder / GAS).write_text(text, encoding="utf-8")
    assert [problem.line for problem in problems(folder)] == [8, 13]


@pytest.mark.parametrize("number", ["5.5.2", "7", "A.1", "D.2.2", "B2", "4.2(b)", "4.2 (1)", "12a", "5.5.2, 5.5.3"])
def test_a_clause_number_stands_for_both_languages(folder: Path, number: str) -> None:
    text = SMALL[GAS].replace('clause: "5.5.2"', f"clause: '{number}'")
    (folder / GAS).write_text(text, encoding="utf-8")
    assert configuration.load(folder).limit("h2s-detector").clause == Names(number, number)


@pytest.mark.parametrize("words", ["section 4.2", "Own practice", "表 A.1", "5.5.2: 25 %LEL", "5.5.2 and 5.5.3", " "])
def test_a_clause_in_words_needs_both_languages(folder: Path, words: str) -> None:
    text = SMALL[GAS].replace('clause: "5.5.2"', f"clause: '{words}'")
    (folder / GAS).write_text(text, encoding="utf-8")
    (only,) = problems(folder)
    assert (only.line, only.file) == (17, str(folder / GAS))
    assert "is in one language; write the clause in both" in only.message
    both = SMALL[GAS].replace('clause: "5.5.2"', "clause: {zh: 第 4.2 条, en: section 4.2}")
    (folder / GAS).write_text(both, encoding="utf-8")
    assert configuration.load(folder).limit("h2s-detector").clause == Names("第 4.2 条", "section 4.2")


def test_an_unreadable_file_makes_no_other_file_wrong(folder: Path) -> None:
    for name in (ZONES, QUANTITIES, GUIDANCE):
        (folder / name).write_text("a: b: c\n", encoding="utf-8")
    told = problems(folder)
    assert [problem.file for problem in told] == sorted(str(folder / name) for name in (ZONES, QUANTITIES, GUIDANCE))


def test_text_that_is_not_utf_8(folder: Path) -> None:
    (folder / GAS).write_bytes(SMALL[GAS].encode("gb18030"))
    (only,) = problems(folder)
    assert (only.file, only.line) == (str(folder / GAS), 4)
    assert "save the file as UTF-8" in only.message


def test_a_byte_order_mark_is_no_problem(folder: Path) -> None:
    (folder / GAS).write_bytes(SMALL[GAS].encode("utf-8-sig"))
    assert configuration.load(folder).limits


def test_a_control_character(folder: Path) -> None:
    (folder / PARK).write_text("late_after: \x0090s\n", encoding="utf-8")
    (only,) = problems(folder)
    assert "take it out" in only.message


def test_a_file_that_can_not_be_read(folder: Path) -> None:
    (folder / "limits" / "more.yaml").mkdir()
    (only,) = problems(folder)
    assert only.file == str(folder / "limits" / "more.yaml")
    assert "can't be read" in only.message


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (only,) = problems(tmp_path / "nowhere")
    assert "no such folder" in only.message


def test_an_empty_folder(tmp_path: Path) -> None:
    told = problems(tmp_path)
    assert [Path(problem.file).name for problem in told] == ["*.yaml", "quantities.yaml", "zones.yaml"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("limits/more.yml", "rename it to more.yaml"),
        ("zone.yaml", "did you mean 'zones.yaml'?"),
        ("limit/more.yaml", "did you mean 'limits'?"),
    ],
)
def test_a_misspelt_file_is_not_passed_over(folder: Path, name: str, told: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("limits: []\n", encoding="utf-8")
    (only,) = problems(folder)
    assert told in only.message


NONSENSE = [
    None,
    True,
    0,
    -1,
    1e308,
    math.nan,
    10**400,
    "",
    "x" * 300,
    "9999999999d",
    "9999-12-31",
    [],
    [None],
    {},
    {"a": 1},
]


def test_nonsense_anywhere_is_told_and_never_raises() -> None:
    chance = random.Random(2)
    documents = {name: YAML(typ="safe", pure=True).load(text) for name, text in SMALL.items()}
    places = list(places_in(documents))
    for _ in range(1000):
        broken = copy.deepcopy(documents)
        *way, last = chance.choice(places)
        functools.reduce(operator.getitem, way, broken)[last] = copy.deepcopy(chance.choice(NONSENSE))
        catalogue, told = build(broken)
        assert (catalogue is None) == bool(told)
        assert all(problem.message and problem.path[0] in {*SMALL, "limits/*.yaml"} for problem in told)


def places_in(value: object) -> Iterator[tuple[Any, ...]]:
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in keys:
        yield (key,)
        yield from ((key, *rest) for rest in places_in(part))


def test_build_needs_no_files() -> None:
    catalogue, told = build({"zones.yaml": {"zones": {}}, "quantities.yaml": {"quantities": {}}, "limits/x.yaml": None})
    assert catalogue is None
    assert Problem(("zones.yaml", "zones"), "no zone is configured; write at least one") in told


# --- what becomes of it ------------------------------------------------------------------------------------


@pytest.fixture
def small(folder: Path) -> Catalogue:
    return configuration.load(folder)


def test_small_park(small: Catalogue) -> None:
    assert small.zones["riverside"].shards == 1
    assert small.zones["riverside"].sites["tank-farm"].names == Names("罐区", "Tank farm")
    assert small.quantities["h2s"].sentinels == (-999.0, -9999.0, -200.0)
    assert small.settings == Settings(late_after=90_000)
    assert small.alerts.channels == (
        ChannelRoute("duty", ChannelKind.APPRISE, Reference(ReferenceKind.ENVIRONMENT, "DUTY_URL")),
    )
    assert small.suggest_quantity("h2-s").en == "did you mean h2s? a new quantity is a row in config/quantities.yaml"
    with pytest.raises(KeyError):
        small.limit("gone")


def test_set_points_are_canonical_and_shown_in_the_unit_of_the_source(folder: Path) -> None:
    edit(folder, GAS, ("unit: mg/m3", "unit: ug/m3"), ("at: 10,", "at: 9,"), ("deadband: 1", "deadband: 3"))
    limit = configuration.load(folder).limit("h2s-detector")
    assert [point.at for point in limit.set_points] == [0.009, 0.02]
    assert (limit.deadband, limit.unit) == (0.003, "ug/m3")
    assert limit.shown(0.009) == pytest.approx(9)


def test_ppm_is_taken_at_the_place_it_is_for(folder: Path) -> None:
    edit(folder, GAS, ("locations: [workplace]", "locations: [workplace, process]"), ("unit: mg/m3", "unit: ppm"))
    workplace = configuration.load(folder).limit("h2s-detector")
    assert workplace.set_points[0].at == pytest.approx(10 * 34.081 / 24.055)
    (folder / GAS).write_text(SMALL[GAS], encoding="utf-8")
    edit(folder, GAS, ("locations: [workplace]", "locations: [stack]"), ("unit: mg/m3", "unit: ppm"))
    assert configuration.load(folder).limit("h2s-detector").set_points[0].at == pytest.approx(10 * 34.081 / 22.4)


def test_versions_follow_the_content(folder: Path, small: Catalogue) -> None:
    assert configuration.load(folder).version == small.version
    edit(folder, GAS, ("at: 10,", "at: 9.5,"))
    changed = configuration.load(folder)
    assert changed.version != small.version
    assert changed.limit("h2s-detector").version != small.limit("h2s-detector").version
    assert changed.limit("tank-low").version == small.limit("tank-low").version
    edit(folder, GUIDANCE, ("leave upwind", "run"))
    assert configuration.load(folder).limit("tank-low").version != small.limit("tank-low").version


def test_days_are_chinese_and_the_last_one_counts(folder: Path) -> None:
    edit(folder, GAS, ("    side: high", "    valid_from: 2026-03-01\n    valid_to: 2030-12-31\n    side: high"))
    catalogue = configuration.load(folder)
    first, end = ms("2026-03-01T00:00:00+08:00"), ms("2031-01-01T00:00:00+08:00")

    def ids(at: int) -> list[str]:
        return [limit.id for limit in catalogue.limits_for("riverside/x/y/h2s", Location.WORKPLACE, at)]

    assert (ids(first - 1), ids(end)) == (["no-data"], ["no-data"])
    assert ids(first) == ids(end - 1) == ["h2s-detector", "no-data"]


def test_a_limit_stands_in_for_the_one_it_replaces_where_both_apply(folder: Path) -> None:
    own = SMALL[TANKS].replace("limits:\n", "").split("  - id: no-data")[0]
    own = own.replace("id: tank-low", "id: tank-101-low\n    replaces: [tank-low]\n    valid_from: 2026-01-01")
    own = own.replace("{quantities: [level]}", "{quantities: [level], sensors: [tank-101]}")
    (folder / TANKS).write_text(SMALL[TANKS] + own, encoding="utf-8")
    catalogue = configuration.load(folder)

    def ids(sensor: str, at: int) -> list[str]:
        return [limit.id for limit in catalogue.limits_for(f"riverside/tank-farm/{sensor}/level", Location.PROCESS, at)]

    assert ids("tank-101", 2_000_000_000_000) == ["no-data", "tank-101-low"]
    assert ids("tank-101", 0) == ["tank-low", "no-data"]
    assert ids("tank-102", 2_000_000_000_000) == ["tank-low", "no-data"]


def test_two_limits_can_not_replace_each_other(folder: Path) -> None:
    edit(folder, TANKS, ("side: low", "side: low\n    replaces: [h2s-detector]"))
    edit(folder, GAS, ("side: high", "side: high\n    replaces: [tank-low]"))
    assert {"so neither would alarm" in problem.message for problem in problems(folder)} == {True}


def test_channel_references(folder: Path) -> None:
    edit(
        folder,
        ALERTS,
        ("kind: apprise", "kind: webhook\n    secret_file: /run/secret\n    min_priority: high\n    notices: false"),
        ("url_env: DUTY_URL", "url: https://example.org/hook\n    zones: [riverside]\n    language: en"),
    )
    (channel,) = configuration.load(folder).alerts.channels
    assert channel == ChannelRoute(
        name="duty",
        kind=ChannelKind.WEBHOOK,
        url=Reference(ReferenceKind.TEXT, "https://example.org/hook"),
        language="en",
        zones=("riverside",),
        min_priority=Priority.HIGH,
        notices=False,
        secret=Reference(ReferenceKind.FILE, "/run/secret"),
    )


def ms(moment: str) -> int:
    return round(dt.datetime.fromisoformat(moment).timestamp() * 1000)


def edit(folder: Path, name: str, *changes: tuple[str, str]) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    for old, new in changes:
        text = text.replace(old, new)
    (folder / name).write_text(text, encoding="utf-8")


# --- the default park --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def default() -> Catalogue:
    return configuration.load(DEFAULT)


def threshold(default: Catalogue, name: str) -> list[float]:
    limit = default.limit(name)
    return [round(limit.shown(point.at), 9) for point in limit.set_points]


def test_default_park(default: Catalogue) -> None:
    assert set(default.zones) == {"new-materials", "riverside"}
    assert all(
        zone.shards == 1 and "parkwatch" in zone.sites and len(zone.sites) >= 7 for zone in default.zones.values()
    )
    assert default.alerts == Alerts()
    assert default.settings == Settings()


def test_everything_staff_read_is_there_in_both_languages(default: Catalogue) -> None:
    texts = list(names_in(msgspec.to_builtins([default.zones, default.quantities, default.limits])))
    assert len(texts) > 300
    for text in texts:
        assert text["zh"].strip()
        assert text["en"].strip()
        assert re.sub("[°µ]", "", text["en"]).isascii(), text
    guidance = [msgspec.to_builtins(limit.guidance) for limit in default.limits]
    assert all(any(sign > "\u4e00" for sign in text["zh"]) for text in names_in(guidance))


def test_the_clauses_of_both_languages_quote_the_same_numbers(default: Catalogue) -> None:
    number = re.compile(r"(?<![A-Za-z\d.])\d+(?:\.\d+)*(?![A-Za-z\d])")
    for limit in default.limits:
        assert re.search("[\u4e00-\u9fff]", limit.clause.zh), limit.id
        assert sorted(number.findall(limit.clause.zh)) == sorted(number.findall(limit.clause.en)), limit.id
        assert limit.clause.zh.count("：") == limit.clause.en.count(":"), limit.id


def names_in(value: object) -> Iterator[dict[str, str]]:
    if isinstance(value, dict) and value.keys() == {"zh", "en"}:
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from names_in(part)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("hf-detector", [2, 4]),
        ("cl2-detector", [1, 2]),
        ("nh3-detector", [20, 40]),
        ("h2s-detector", [10, 20]),
        ("no2-detector", [5, 10]),
        ("co-detector", [20, 40]),
        ("combustible-detector", [25, 50]),
        ("tfe-detector", [25, 50]),
        ("oxygen-low", [19.5]),
        ("oxygen-high", [23.5]),
        ("nmhc-in-plant", [20]),
        ("outfall-cod", [50]),
        ("outfall-nh3-n", [5]),
        ("tank-level-high", [85, 90]),
        ("tank-level-low", [15, 10]),
        ("ambient-no2", [200]),
        ("ambient-co", [10]),
    ],
)
def test_default_numbers(default: Catalogue, name: str, numbers: list[float]) -> None:
    assert threshold(default, name) == numbers


def test_ambient_limits_are_exact_and_immediate(default: Catalogue) -> None:
    for name, at in (("ambient-no2", 0.2), ("ambient-co", 10.0), ("ambient-benzene", 0.03)):
        limit = default.limit(name)
        assert (limit.set_points[0].at, limit.deadband, limit.on_delay, limit.off_delay) == (at, 0, 0, 0)


def test_a_limit_that_tightens(default: Catalogue) -> None:
    def limits(at: int) -> list[str]:
        series = "riverside/air-station/air-1/so2"
        found = default.limits_for(series, Location.AMBIENT, at)
        return [limit.id for limit in found if limit.kind is Kind.THRESHOLD]

    new_year = ms("2031-01-01T00:00:00+08:00")
    assert limits(new_year - 1) == ["ambient-so2"]
    assert limits(new_year) == ["ambient-so2-2031"]


def test_critical_alarms_wait_for_nothing(default: Catalogue) -> None:
    critical = [x for x in default.limits if any(point.priority is Priority.CRITICAL for point in x.set_points)]
    assert critical
    assert all(limit.on_delay == 0 for limit in critical)


def test_unsure_numbers_are_not_sold_as_law(default: Catalogue) -> None:
    marks = Counter(limit.provenance for limit in default.limits)
    assert set(marks) == {"verified", "knowledge", "unverified"}
    assert {limit.id for limit in default.limits if limit.provenance == "knowledge"} == {
        *("chloromethane-detector", "pfib-detector", "tfe-detector", "vdf-detector", "pfib-pre-alarm"),
        *("chloromethane-stel", "chloromethane-twa", "vinyl-chloride-peak", "ethylene-oxide-peak"),
        *("fluoride-twa", "hcfc-22-twa", "hcfc-22-peak"),
        *("nmhc-in-plant", "nmhc-in-plant-hour", "outfall-ph-high", "outfall-ph-low", "stack-pm"),
        *("fenceline-nmhc", "fenceline-so2", "fenceline-nox", "fenceline-fluoride", "fenceline-h2s"),
    }
    assert default.limit("hfp-detector").provenance == "unverified"
    assert default.limit("tank-level-high").provenance == "unverified"
    own = [limit for limit in default.limits if limit.source == "parkwatch"]
    assert {limit.provenance for limit in own} == {"unverified"}


def test_every_place_has_one_limit_on_its_data(default: Catalogue) -> None:
    for location in Location:
        found = default.limits_for("riverside/anywhere/any/hf", location, 0)
        assert len([limit for limit in found if limit.kind is Kind.QUALITY]) == 1


def test_every_toxic_gas_with_a_verified_exposure_limit_alarms(default: Catalogue) -> None:
    acids = ["hf", "hcl", "h2s", "hcn", "so2", "no2"]
    others = ["cl2", "nh3", "co", "phosgene", "formaldehyde", "ethylene-oxide", "acrylonitrile", "vinyl-chloride"]
    solvents = ["benzene", "toluene", "xylene", "methanol"]
    for gas in (*acids, *others, *solvents):
        limit: Limit = default.limit(f"{gas}-detector")
        assert limit.provenance == "verified"
        assert [point.priority for point in limit.set_points] == [Priority.HIGH, Priority.CRITICAL]
        assert limit.set_points[1].at == 2 * limit.set_points[0].at


def test_names_fit_into_topics(default: Catalogue) -> None:
    names = [*default.zones, *default.quantities, *(limit.id for limit in default.limits)]
    names += [site for zone in default.zones.values() for site in zone.sites]
    assert all(SEGMENT.fullmatch(name) for name in names)


def test_the_commented_channels_are_sound(tmp_path: Path) -> None:
    shutil.copytree(DEFAULT, tmp_path, dirs_exist_ok=True)
    lines = (DEFAULT / "alerts.yaml").read_text(encoding="utf-8").splitlines()
    example = lines[lines.index("# channels:") : lines.index("channels: []")]
    (tmp_path / "alerts.yaml").write_text("\n".join(line[2:] for line in example) + "\n", encoding="utf-8")
    channels = configuration.load(tmp_path).alerts.channels
    assert [channel.name for channel in channels] == ["duty-dingtalk", "control-room"]


def test_the_examples_in_the_documentation_are_sound(tmp_path: Path) -> None:
    shutil.copytree(DEFAULT, tmp_path, dirs_exist_ok=True)
    text = (DEFAULT.parent / "docs" / "configuration.md").read_text(encoding="utf-8")
    zone, quantity, limit, _, kinds, channel, delivery = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    for name, rows in (("zones.yaml", zone.removeprefix("zones:\n")), ("quantities.yaml", quantity)):
        (tmp_path / name).write_text((DEFAULT / name).read_text(encoding="utf-8") + rows, encoding="utf-8")
    (tmp_path / "limits" / "own.yaml").write_text(limit, encoding="utf-8")
    (tmp_path / "limits" / "kinds.yaml").write_text(kinds, encoding="utf-8")
    (tmp_path / "alerts.yaml").write_text(channel + delivery, encoding="utf-8")
    # Its chains know nothing of the new zone.
    (tmp_path / "oncall.yaml").unlink()
    catalogue = configuration.load(tmp_path)
    assert "jetty-1" in catalogue.zones["harbour"].sites
    assert catalogue.limit("br2-detector").set_points[1].at == 1.2
    shown = {
        limit.kind for limit in catalogue.limits if f"- id: {limit.id} " in kinds or f"- id: {limit.id}\n" in kinds
    }
    assert shown == set(Kind) - {Kind.THRESHOLD, Kind.QUALITY}
    assert catalogue.alerts.channels[0].min_priority is Priority.HIGH
    assert catalogue.alerts.grouping == Grouping()


@pytest.mark.parametrize(
    "text",
    [
        "a: no\nb: yes\nc: on\nd: 12:30\ne: 1e3\nf: 017\ng: 0o17\nh: 1_000\ni: ~\nj:\n",
        "k: 2026-03-01\nl: .5\nm: '1'\nn: \"2\"\n",
        "base: &b {x: 1}\nother: *b\nlist: [1, two, 3.0, true]\ntext: |\n  12\n  13\n",
        "- 22:00\n- 1.e+3\n- +1\n- 0x1F\n- null\n- Null\n- 'no'\n",
        "a: !!str 12\nb: 12\n",
        "",
    ],
)
def test_the_fast_parser_reads_what_the_pure_one_reads(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "park.yaml"
    file.write_text(text, encoding="utf-8")
    fast = configuration.contents(tmp_path)
    monkeypatch.setattr(configuration, "_FAST", None)
    assert fast == configuration.contents(tmp_path)


def test_the_shipped_configuration_is_the_same_by_either_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = configuration.contents(DEFAULT)
    monkeypatch.setattr(configuration, "_FAST", None)
    assert fast == configuration.contents(DEFAULT)
