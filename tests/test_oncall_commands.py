"""``parkwatch oncall``: what it prints, at which time, and how it says no. It needs the configuration only."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from parkwatch.cli import app
from storage.clock import SystemClock
from tests.conftest import ROOT
from tests.test_configuration import edit, ms

Oncall = Callable[..., str]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    return folder


@pytest.fixture
def oncall(config: Path, home: Path) -> Oncall:
    def type_(*arguments: str, status: int = 0) -> str:
        # Narrow: what has to be copied is never cut.
        environment = {"PARKWATCH_HOME": str(home), "PARKWATCH_CONFIG": str(config), "COLUMNS": "60"}
        result: Result = CliRunner().invoke(app, ("oncall", *arguments), env=environment)
        assert result.exit_code == status, f"{result.output}\n{result.exception!r}"
        return result.output

    return type_


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    def stop_the_clock(moment: str) -> int:
        monkeypatch.setattr(SystemClock, "now", lambda _: ms(moment))
        return ms(moment)

    return stop_the_clock


def as_json(oncall: Oncall, *arguments: str) -> Any:
    return json.loads(oncall(*arguments, "--json"))


# The demo's rotas began on 2026-01-05: zhang-lei and li-wei have that week, wang-fang and zhao-min the next.


def test_now_says_who_has_the_duty_and_whom_a_critical_alarm_would_reach(
    oncall: Oncall, at: Callable[[str], int]
) -> None:
    at("2026-01-06T23:00+08:00")
    lines = oncall("now", "--zone", "riverside").splitlines()
    assert lines[0].startswith("riverside  常熟经济技术开发区化工集中区 / Chemical zone")
    assert lines[1].split("  ")[1] == "shift-riverside"
    assert lines[1].endswith("[li-wei]  until Mon 2026-01-12 08:00 Asia/Shanghai")
    assert lines[2].startswith("  low alarms wait until 2026-01-0")
    assert lines[3] == "  a critical alarm now (critical-riverside):"
    called = [line.split("  ") for line in (line.strip() for line in lines[4:])]
    assert [(after, contacts) for after, _, contacts in called] == [
        ("at once", "[li-wei.terminal]"),
        ("after 2 min", "[li-wei.terminal]"),
        ("after 4 min", "[li-wei.terminal]"),
        ("after 5 min", "[chen-gang.terminal]"),
        ("after 10 min", "[liu-jianguo.terminal]"),
        # And again, until somebody answers.
        *((f"after {minutes} min", "[liu-jianguo.terminal]") for minutes in range(25, 131, 15)),
    ]
    assert called[3][1] == "陈刚（值班长） / Chen Gang (shift leader)"


def test_now_tells_of_every_zone(oncall: Oncall, at: Callable[[str], int]) -> None:
    moment = at("2026-01-13T12:00+08:00")
    found = as_json(oncall, "now")
    assert (found["at"], found["elsewhere"]) == (moment, [])
    assert {zone["zone"]: [duty["person"] for duty in zone["on_duty"]] for zone in found["zones"]} == {
        "new-materials": ["wang-fang"],
        "riverside": ["zhao-min"],
    }
    for zone in found["zones"]:
        [duty] = zone["on_duty"]
        assert (duty["begin"], duty["end"]) == (ms("2026-01-12T08:00+08:00"), ms("2026-01-19T08:00+08:00"))
        assert (zone["operators"], zone["held_back_until"]) == (1, {})
        assert [(call["after"], call["step"], call["repeat"]) for call in zone["critical"]] == [
            (0, 1, 0),
            (120_000, 1, 1),
            (240_000, 1, 2),
            (300_000, 2, 0),
            *((600_000 + 900_000 * repeat, 3, repeat) for repeat in range(9)),
        ]
    said = oncall("now")
    assert all(name in said for name in ("new-materials", "riverside", "[wang-fang.terminal]", "[zhao-min.terminal]"))
    assert "wait until" not in said


def test_a_step_that_is_due_after_the_hand_over_reaches_who_has_the_duty_then(
    oncall: Oncall, at: Callable[[str], int]
) -> None:
    at("2026-01-12T07:57+08:00")
    [zone] = as_json(oncall, "now", "--zone", "riverside")["zones"]
    assert [call["people"][0]["person"] for call in zone["critical"]][:3] == ["li-wei", "li-wei", "zhao-min"]
    assert zone["on_duty"][0]["person"] == "li-wei"


def test_an_override_says_why(oncall: Oncall, at: Callable[[str], int]) -> None:
    at("2027-02-06T12:00+08:00")
    said = oncall("now", "--zone", "new-materials")
    assert "[chen-gang]  until Mon 2027-02-08 08:00 Asia/Shanghai: 春节调班 (Spring Festival)" in said
    week = oncall("week", "--rota", "shift-new-materials").splitlines()
    assert week[0] == "shift-new-materials  新材料园区值班 / Duty New Materials  (Asia/Shanghai)"
    assert [line[2:47] for line in week[1:]] == [
        "Mon 2027-02-01 08:00 - Fri 2027-02-05 08:00  ",
        "Fri 2027-02-05 08:00 - Mon 2027-02-08 08:00  ",
    ]
    assert week[2].endswith("[chen-gang]  (override: 春节调班 (Spring Festival))")


def test_week_begins_with_the_hand_over(oncall: Oncall, at: Callable[[str], int]) -> None:
    at("2026-01-12T07:59+08:00")
    [materials, riverside] = as_json(oncall, "week")
    assert (materials["rota"], riverside["rota"]) == ("shift-new-materials", "shift-riverside")
    [shift] = riverside["shifts"]
    assert (shift["person"], shift["why"]) == ("li-wei", "")
    assert (shift["begin"], shift["end"]) == (ms("2026-01-05T08:00+08:00"), ms("2026-01-12T08:00+08:00"))
    at("2026-01-12T08:00+08:00")
    assert [shift["person"] for shift in as_json(oncall, "week")[1]["shifts"]] == ["zhao-min"]


def test_week_of_a_day_is_the_one_that_begins_on_it_at_the_latest(oncall: Oncall) -> None:
    for day in ("2026-01-12", "2026-01-18"):
        [rota] = as_json(oncall, "week", "--rota", "shift-riverside", "--from", day, "--weeks", "3")
        assert [shift["person"] for shift in rota["shifts"]] == ["zhao-min", "li-wei", "zhao-min"]
        assert rota["shifts"][0]["begin"] == ms("2026-01-12T08:00+08:00")


def test_a_rota_that_no_chain_asks_is_shown_too(oncall: Oncall, config: Path, at: Callable[[str], int]) -> None:
    at("2026-01-06T12:00+08:00")
    edit(config, "oncall.yaml", ("rota:shift-riverside", "person:li-wei"))
    said = oncall("now")
    assert said.splitlines()[-2] == "rotas that no chain asks"
    assert "shift-riverside" in said.splitlines()[-1]
    assert [duty["rota"] for duty in as_json(oncall, "now")["elsewhere"]] == ["shift-riverside"]
    assert as_json(oncall, "now", "--zone", "riverside")["elsewhere"] == []


def test_nobody_on_call(oncall: Oncall, config: Path) -> None:
    (config / "oncall.yaml").unlink()
    assert "nobody is on call: config/oncall.yaml is not there, or has no chains" in oncall("now")
    assert [zone["critical"] for zone in as_json(oncall, "now")["zones"]] == [[], []]
    assert "there are no rotas" in oncall("week")
    assert as_json(oncall, "week") == []


def test_what_is_not_there_is_told_with_what_is(oncall: Oncall) -> None:
    assert "there is no zone river; did you mean 'riverside'?" in oncall("now", "--zone", "river", status=2)
    assert "write one of shift-new-materials, shift-riverside" in oncall("week", "--rota", "x", status=2)
    assert "such as 2026-03-01" in oncall("week", "--from", "1.3.2026", status=2)
    assert "weeks" in oncall("week", "--weeks", "0", status=2)


def test_a_broken_roster_is_told(oncall: Oncall, config: Path) -> None:
    edit(config, "oncall.yaml", ("mon 08:00", "mon 8:00"))
    said = oncall("now", status=2)
    assert said.count("such as mon 08:00") == 2
    assert f"2 problems in {config}" in said
