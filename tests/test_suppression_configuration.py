"""``suppression.yaml``: rules become what they say, and every mistake is told with file, line and remedy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from park.limits import Side
from park.relations import Suppression, Which, WhileAlarm, WhileState
from park.words import Names
from storage import configuration
from tests.test_configuration import DEFAULT, edit, problems
from tests.test_configuration import SMALL as PARK

SUPPRESSION, GAS = "suppression.yaml", "limits/gas.yaml"

SMALL = {
    **PARK,
    SUPPRESSION: """\
rules:
  - id: pump-stopped
    names: {zh: 泵已停, en: Pump stopped}
    suppress: {limits: [tank-low], zones: [riverside]}
    while: {sensor: p-101, quantity: level, below: 0.5}
    linger: 5min
  - id: leak
    names: {zh: 泄漏, en: Leak}
    suppress: {limits: [tank-low], sites: [tank-farm], sensors: [t-1]}
    while: {alarm: [h2s-detector], sensors: [gd-1]}
    even_critical: true
""",
}


@dataclass(frozen=True)
class Case:
    """``old`` becomes ``new``; the line with ``#!`` is told with ``told``."""

    old: str
    new: str
    told: str


CASES = {
    "not a list": Case("rules:\n", "rules: {} #!\nx:\n", "each row beginning with '- '"),
    "id twice": Case("id: leak", "id: pump-stopped #!", "there is a rule 'pump-stopped' already"),
    "unknown limit": Case("[tank-low], zones", "[tank-lwo] #!\n      , zones", "did you mean 'tank-low'?"),
    "unknown zone": Case("zones: [riverside]", "zones: [rivers] #!\n     ", "did you mean 'riverside'?"),
    "unknown cause": Case("alarm: [h2s-detector]", "alarm: [h2s] #!\n     ", "unknown limit 'h2s'"),
    "unknown quantity": Case("quantity: level", "quantity: levle #!\n     ", "did you mean 'level'?"),
    "no limits": Case("limits: [tank-low], zones", "limits: [] #!\n      , zones", "limits"),
    "both causes": Case("below: 0.5}", "below: 0.5, alarm: [h2s-detector]} #!", "a rule has one cause"),
    "no cause": Case("while: {sensor: p-101, quantity: level, below: 0.5}", "while: {} #!", "an alarm or a state"),
    "half a state": Case("sensor: p-101, ", "", "one of above and below"),
    "two bounds": Case("below: 0.5}", "below: 0.5, above: 0.1} #!", "one of above and below"),
    "sensors of a state": Case("below: 0.5}", "below: 0.5, sensors: [p-1]} #!", "write sensor: for a state"),
    "itself": Case("alarm: [h2s-detector]", "alarm: [tank-low]", "would suppress itself"),
    "critical": Case(
        "suppress: {limits: [tank-low], zones: [riverside]}",
        "suppress: {limits: [h2s-detector]} #!",
        "'h2s-detector' has a critical set-point, and nobody would hear of it; leave it out, or write even_critical",
    ),
    "unknown key": Case("linger:", "lingers: #!\n    linger:", "did you mean 'linger'?"),
}


CIRCLE = """\
  - id: back
    names: {zh: 反向, en: Back}
    suppress: {limits: [h2s-detector]}
    while: {alarm: [tank-low]} #!
    even_critical: true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_rules_become_what_they_say(folder: Path) -> None:
    assert configuration.load(folder).suppressions == (
        Suppression(
            "pump-stopped",
            Names("泵已停", "Pump stopped"),
            Which(("tank-low",), zones=("riverside",)),
            WhileState("p-101", "level", Side.LOW, 0.5),
            linger=300_000,
        ),
        Suppression(
            "leak",
            Names("泄漏", "Leak"),
            Which(("tank-low",), sites=("tank-farm",), sensors=("t-1",)),
            WhileAlarm(("h2s-detector",), ("gd-1",)),
        ),
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_told_with_file_line_and_remedy(folder: Path, case: Case) -> None:
    assert case.old in SMALL[SUPPRESSION]
    edit(folder, SUPPRESSION, (case.old, case.new))
    broken = (folder / SUPPRESSION).read_text(encoding="utf-8").splitlines()
    line = next((number for number, words in enumerate(broken, 1) if "#!" in words), None)
    told = problems(folder)
    assert [problem for problem in told if case.told in problem.message], told
    assert {problem.file for problem in told} == {str(folder / SUPPRESSION)}, told
    assert line in {None, *(problem.line for problem in told)}, told


def test_rules_that_go_round_in_a_circle_are_told_where_it_closes(folder: Path) -> None:
    (folder / SUPPRESSION).write_text(SMALL[SUPPRESSION] + CIRCLE, encoding="utf-8")
    (told,) = problems(folder)
    assert "h2s-detector and tank-low would suppress each other in a circle" in told.message
    assert told.line == (SMALL[SUPPRESSION] + CIRCLE).splitlines().index("    while: {alarm: [tank-low]} #!") + 1


def test_a_park_without_rules_needs_no_file(folder: Path) -> None:
    (folder / SUPPRESSION).unlink()
    assert configuration.load(folder).suppressions == ()


def test_the_commented_rules_are_sound_but_for_their_names(folder: Path) -> None:
    lines = (DEFAULT / SUPPRESSION).read_text(encoding="utf-8").splitlines()
    begin = lines.index("# rules:")
    example = lines[begin : lines.index("#", begin)]
    (folder / SUPPRESSION).write_text("\n".join(line[2:] for line in example) + "\n", encoding="utf-8")
    assert {problem.message.split(" '")[0] for problem in problems(folder)} <= {"unknown limit", "unknown quantity"}


def test_what_a_limit_says_of_its_alarm(folder: Path) -> None:
    edit(
        folder,
        GAS,
        ("    off_delay: 30s\n", "    off_delay: 30s\n    latching: true\n    re_alarm: 30min\n    group: gas\n"),
    )
    limit = configuration.load(folder).limit("h2s-detector")
    assert (limit.latching, limit.re_alarm, limit.re_alarm_most, limit.group) == (True, 1_800_000, 3, "gas")


@pytest.mark.parametrize("wrong", ["latching: maybe", "re_alarm: 0s", "re_alarm_most: 0", "group: Gas Release"])
def test_what_a_limit_can_not_say_of_its_alarm(folder: Path, wrong: str) -> None:
    edit(folder, GAS, ("    off_delay: 30s\n", f"    off_delay: 30s\n    {wrong}\n"))
    told = problems(folder)
    assert wrong.split(":", maxsplit=1)[0] in told[0].message or "not a name" in told[0].message
    assert len(told) == 1
