"""``parkwatch backtest``, over a CSV file and over what InfluxDB keeps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from ingest.lines import lines
from park.backtest import Subject
from park.means import DAY, MINUTE
from park.readings import Reading
from park.sensors import Sensor
from park.vector import QUALITIES
from park.words import Location, Quality
from parkwatch import backtesting
from parkwatch.cli import app
from storage import past
from storage.directory import Directory
from storage.influx import Influx, InfluxUnavailable, LinesRejected
from storage.past import StoredPast
from storage.queue import redis_client
from tests import servers
from tests.conftest import ROOT
from tests.making import recently

EXCERPT = ROOT / "tests" / "fixtures" / "air_quality_uci_excerpt.csv"
MAP = ROOT / "config" / "maps" / "air_quality_uci.yaml"
RECORDED = ("--csv", str(EXCERPT), "--map", str(MAP))
SERIES = "riverside/air-station/aq-1/no2"
#: Of the excerpt's NO2, counted by tests/occurrences.py.
ABOVE_200, ABOVE_100 = 9, 29

Backtest = Callable[..., Result]


@pytest.fixture
def backtest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backtest:
    """Type ``parkwatch backtest`` where no server runs."""
    environment = {"PARKWATCH_CONFIG": str(ROOT / "config"), "PARKWATCH_HOME": str(tmp_path)}
    # Wide enough for a table to keep its words in one line.
    monkeypatch.setattr(backtesting, "out", Console(width=300))

    def typed(*arguments: str, status: int = 0, **changes: str) -> Result:
        result: Result = CliRunner().invoke(app, ["backtest", *arguments], env={**environment, **changes})
        assert result.exit_code == status, f"{result.output}\n{result.exception!r}"
        return result

    return typed


@pytest.fixture
def tightened(tmp_path: Path) -> Path:
    """The file of ambient limits, with 100 instead of 200 for NO2."""
    text = (ROOT / "config" / "limits" / "ambient.yaml").read_text(encoding="utf-8")
    head, found, rest = text.partition("- id: ambient-no2\n")
    assert found
    assert "at: 200" in rest
    file = tmp_path / "ambient.yaml"
    file.write_text(head + found + rest.replace("at: 200", "at: 100", 1), encoding="utf-8")
    return file


def row(result: Result, limit: str) -> dict[str, Any]:
    """Return one limit of what was printed as JSON."""
    rows: list[dict[str, Any]] = json.loads(result.stdout)["rows"]
    return next(each for each in rows if each["limit"] == limit)


# --- recorded ----------------------------------------------------------------------------------------------------


def test_a_tightened_limit_beside_the_one_in_force(backtest: Backtest, tightened: Path) -> None:
    found = row(backtest("--limits", str(tightened), *RECORDED, "--json"), "ambient-no2")
    assert found["changed"]
    assert (found["in_force"]["at"], found["new"]["at"]) == ([200.0], [100.0])
    assert found["in_force"]["outcome"]["occurrences"] == ABOVE_200
    assert found["new"]["outcome"]["occurrences"] == ABOVE_100


def test_the_table_has_both(backtest: Backtest, tightened: Path) -> None:
    text = backtest("--limits", str(tightened), *RECORDED).stdout
    assert "ambient-no2 *" in text
    assert f"{ABOVE_200} → {ABOVE_100}" in text
    assert "200 ug/m3 → 100 ug/m3" in text
    assert "环境空气二氧化氮超标" in text
    assert "ambient-co *" not in text
    assert "1,560 readings of 3 series" in text


def test_a_folder_is_a_whole_configuration(backtest: Backtest, tightened: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    shutil.copytree(ROOT / "config", folder)
    shutil.copy(tightened, folder / "limits" / "ambient.yaml")
    found = row(backtest("--limits", str(folder), *RECORDED, "--json"), "ambient-no2")
    assert found["new"]["outcome"]["occurrences"] == ABOVE_100


def test_every_occurrence_is_in_the_json(backtest: Backtest) -> None:
    content = json.loads(backtest(*RECORDED, "--json").stdout)
    series = "riverside/air-station/aq-uci/no2"
    found = [each for each in content["occurrences"]["in_force"] if each["limit"] == "ambient-no2"]
    assert len(found) == ABOVE_200
    assert all(each["series"] == series and each["peak"] > 0.2 for each in found)
    assert content["readings"] == 3 * 520
    days = row(backtest(*RECORDED, "--json"), "ambient-no2")["in_force"]["outcome"]["days"]
    assert sum(day["occurrences"] for day in days.values()) == ABOVE_200
    assert min(days) >= "2004-11-23"


def test_days_are_listed(backtest: Backtest, tightened: Path) -> None:
    text = backtest("--limits", str(tightened), *RECORDED, "--days").stdout
    assert "2004-11-23" in text
    assert "2004-12-15" in text


def test_part_of_a_file(backtest: Backtest) -> None:
    day = ("--from", "2004-11-24", "--to", "2004-11-25")
    content = json.loads(backtest(*RECORDED, *day, "--json").stdout)
    assert content["readings"] == 3 * 24
    assert content["end"] - content["begin"] == DAY


def test_steps_of_a_limit_as_of_a_day(backtest: Backtest, tmp_path: Path) -> None:
    # SO2 of an ambient station: 500 µg/m3 until 2030, 150 from 2031 on.
    file, map_ = tmp_path / "so2.csv", tmp_path / "so2.yaml"
    file.write_text("time,SO2\n2026-01-01T00:00:00,200\n2026-01-01T01:00:00,600\n", encoding="utf-8")
    text = MAP.read_text(encoding="utf-8").partition("columns:")[0]
    columns = "columns:\n  SO2: {quantity: so2, unit: ug/m3, minimum: 0, maximum: 2000}\n"
    map_.write_text(text.replace("missing: [-200]", "missing: []") + columns, encoding="utf-8")
    result = backtest("--csv", str(file), "--map", str(map_), "--as-of", "2031-01-01", "--json")
    before, after = row(result, "ambient-so2"), row(result, "ambient-so2-2031")
    assert (before["in_force"]["outcome"]["above"], before["new"]) == (1, None)
    assert (after["in_force"], after["new"]["outcome"]["above"]) == (None, 2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--csv", str(EXCERPT)), "write also --map"),
        (("--map", str(MAP)), "write also --csv"),
        (("--zone", "riversid", *RECORDED), "did you mean 'riverside'"),
        (("--from", "yesterday", *RECORDED), "write 28d, 2026-11-01"),
        (("--as-of", "soon", *RECORDED), "write 28d, 2026-11-01"),
        (("--from", "2004-12-02", "--to", "2004-12-01", *RECORDED), "write the earlier one as --from"),
        (("--csv", "nowhere.csv", "--map", str(MAP)), "write the path of a CSV file"),
        (("--limits", "nowhere", *RECORDED), "write a configuration folder"),
    ],
)
def test_what_can_not_be_used_says_what_to_write(backtest: Backtest, arguments: tuple[str, ...], told: str) -> None:
    assert told in backtest(*arguments, status=2).stderr


def test_broken_limits_are_told_by_file_and_line(backtest: Backtest, tightened: Path) -> None:
    text = tightened.read_text(encoding="utf-8")
    tightened.write_text(text.replace("side: high", "side: up", 1), encoding="utf-8")
    assert "ambient.yaml:" in backtest("--limits", str(tightened), *RECORDED, status=2).stderr


def test_another_unit_of_what_is_stored_is_refused(backtest: Backtest, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    shutil.copytree(ROOT / "config", folder)
    for file in (folder / "limits").iterdir():
        file.unlink()
    shutil.copy(ROOT / "config" / "limits" / "ambient.yaml", folder / "limits")
    (folder / "suppression.yaml").unlink()
    text = (folder / "quantities.yaml").read_text(encoding="utf-8")
    head, found, rest = text.partition("  no2:\n")
    (folder / "quantities.yaml").write_text(head + found + rest.replace("mg/m3", "ug/m3", 1), encoding="utf-8")
    assert "no2 is in ug/m3 there" in backtest("--limits", str(folder), *RECORDED, status=2).stderr


# --- stored ------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(influx: servers.Influx, influx_db: str) -> Iterator[Influx]:
    connection = Influx(influx.url, influx_db)
    connection.ensure()
    yield connection
    connection.close()


@pytest.fixture
def directory(redis: servers.Redis) -> Iterator[Directory]:
    client = redis_client(redis.url)
    yield Directory(client)
    client.close()


def put(server: Influx, values: list[float | None], begin: int, series: str = SERIES) -> None:
    """Write a reading a minute; ``None`` is a failure."""
    quality = [Quality.FAILURE if value is None else Quality.GOOD for value in values]
    server.write(
        lines(
            Reading(series, begin + number * MINUTE, value, quality[number], begin + number * MINUTE)
            for number, value in enumerate(values)
        )
    )


def test_stored_history(
    backtest: Backtest, tightened: Path, server: Influx, directory: Directory, environment: dict[str, str]
) -> None:
    begin = recently() - 30 * MINUTE
    put(server, [0.05, 0.15, 0.25, None, 0.25, 0.05, 0.15, 0.05], begin)
    put(server, [9.0], begin, "new-materials/unit/gd-1/no2")
    directory.put(Sensor("riverside/air-station/aq-1", begin, interval=MINUTE, location=Location.AMBIENT))
    result = backtest("--limits", str(tightened), "--zone", "riverside", "--from", "1d", "--json", **environment)
    found, content = row(result, "ambient-no2"), json.loads(result.stdout)
    assert (content["series"], content["readings"]) == (1, 8)
    outcomes = [found[which]["outcome"] for which in ("in_force", "new")]
    assert [(each["occurrences"], each["duration"] // MINUTE) for each in outcomes] == [(1, 3), (2, 5)]


def test_no_stored_history(backtest: Backtest, environment: dict[str, str]) -> None:
    assert "there are no readings in that time" in backtest(status=1, **environment).stderr


def test_servers_that_are_away(backtest: Backtest) -> None:
    assert "Redis does not answer" in backtest(status=1, PARKWATCH_REDIS_URL="redis://127.0.0.1:1/0").stderr


def test_influxdb_that_is_away(backtest: Backtest, environment: dict[str, str]) -> None:
    text = backtest(status=1, **{**environment, "PARKWATCH_INFLUX_URL": "http://127.0.0.1:1"}).stderr
    assert "InfluxDB at http://127.0.0.1:1 does not answer" in text


def test_a_long_history_comes_in_parts_and_whole(server: Influx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "ROWS", 1)
    end = recently()
    begin = end - 3 * DAY
    values: list[float | None] = [None if number % 7 == 0 else float(number) for number in range(500)]
    for day in range(3):
        put(server, values, begin + day * DAY + 60 * MINUTE)
    stored = StoredPast(server, {}, MINUTE, begin, end)
    assert stored.subjects() == [Subject(SERIES)]
    assert stored.subjects("new-materials") == []
    parts = list(stored.stretches(Subject(SERIES)))
    assert len(parts) == stored.pieces(Subject(SERIES)) == 4
    assert sum(len(part) for part in parts) == 1500
    t = [at for part in parts for at in part.t.tolist()]
    assert t == sorted(set(t))
    assert all(
        (at + 8 * 60 * MINUTE) // DAY == (int(part.t[0]) + 8 * 60 * MINUTE) // DAY for part in parts for at in part.t
    )
    failed = [QUALITIES[code] for part in parts for code in part.quality.tolist()].count(Quality.FAILURE)
    assert failed == 3 * sum(value is None for value in values)


def test_what_influxdb_refuses_is_told(server: Influx) -> None:
    stored = StoredPast(server, {}, MINUTE, 0, MINUTE)
    with pytest.raises(LinesRejected):
        list(stored.stretches(Subject("a/b/c/d'")))
    server.close()
    away = StoredPast(Influx("http://127.0.0.1:1", "park"), {}, MINUTE, 0, MINUTE)
    with pytest.raises(InfluxUnavailable):
        away.subjects()
