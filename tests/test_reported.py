"""Reported figures in a real InfluxDB: whole imports or none, the latest wins, a withdrawn one counts no more."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from park import periods
from park.figures import Reported
from parkwatch.cli import app
from parkwatch.servers import free_port
from storage import names, reported
from storage.configuration import load
from storage.influx import Influx, InfluxUnavailable
from storage.reported import Import, ReportedStore
from tests import servers
from tests.conftest import ROOT

PARK = load(ROOT / "config")
NOW = periods.month(2026, 4).begin


@pytest.fixture
def influx_client(influx: servers.Influx, influx_db: str) -> Iterator[Influx]:
    with closing(Influx(influx.url, influx_db)) as made:
        yield made


@pytest.fixture
def store(influx_client: Influx) -> ReportedStore:
    return ReportedStore(influx_client)


def month(number: int, value: float, figure: str = "tax", enterprise: str = "acme", text: str = "") -> Reported:
    period = periods.month(2026, number)
    return Reported(enterprise, figure, period.begin, period.end, value, text)


def add(store: ReportedStore, *told: Reported, at: int = NOW) -> Import:
    return store.add(told, at, "li", "figures.csv", "abc")


def test_where_nothing_was_ever_kept_there_is_nothing(store: ReportedStore) -> None:
    assert store.all() == []
    assert store.imports() == []


def test_what_is_imported_is_read_back(store: ReportedStore) -> None:
    told = [month(1, 5.0), month(2, 6.5), month(1, 1.0, "maturity", "bcme", "level-1"), month(1, -3.25, "rnd")]
    whole = add(store, *told)
    assert sorted(store.all(), key=repr) == sorted(told, key=repr)
    assert store.all(["bcme"]) == [told[2]]
    assert store.imports() == [whole]
    assert (whole.by, whole.file, whole.values, whole.counts) == ("li", "figures.csv", 4, True)


def test_periods_that_begin_together_are_kept_apart(store: ReportedStore) -> None:
    spans = [periods.period(text) for text in ("2025-01", "2025-01..02", "2025Q1", "2025-01..04", "2025H1", "2025")]
    told = [Reported("acme", "tax", span.begin, span.end, float(size)) for size, span in enumerate(spans)]
    add(store, *told)
    assert store.all() == told


def test_the_latest_import_wins_value_by_value(store: ReportedStore) -> None:
    add(store, month(1, 5.0), month(2, 6.0), at=NOW)
    add(store, month(2, 60.0), at=NOW + 1)
    assert store.all() == [month(1, 5.0), month(2, 60.0)]


def test_of_two_imports_at_the_same_time_it_is_always_the_same_one(store: ReportedStore) -> None:
    one, other = add(store, month(1, 5.0)), add(store, month(1, 6.0))
    assert store.all() == [month(1, 5.0 if one.id > other.id else 6.0)]


def test_a_withdrawn_import_counts_no_more(store: ReportedStore) -> None:
    add(store, month(1, 5.0), at=NOW)
    wrong = add(store, month(1, 50_000.0), month(2, 60_000.0), at=NOW + 1)
    gone = store.withdraw(wrong, "wang", "yuan taken for 10k yuan")
    assert store.all() == [month(1, 5.0)]
    assert store.imports()[0] == gone
    assert not gone.counts


def test_an_import_that_breaks_off_does_not_count(
    store: ReportedStore, influx_client: Influx, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, month(1, 5.0))
    monkeypatch.setattr(reported, "_CHUNK", 2)
    write = influx_client.write
    written: list[bytes] = []

    def breaks_off(lines: bytes, policy: str = names.RETENTION_RAW, precision: str = "ms") -> None:
        if len(written) == 2:
            raise InfluxUnavailable("gone")
        written.append(lines)
        write(lines, policy, precision)

    monkeypatch.setattr(influx_client, "write", breaks_off)
    with pytest.raises(InfluxUnavailable):
        add(store, *(month(number, 99.0) for number in range(1, 6)), at=NOW + 1)
    assert len(written) == 2
    assert store.all() == [month(1, 5.0)]
    # All of it is there but the word that it is whole.
    written.clear()
    with pytest.raises(InfluxUnavailable):
        add(store, *(month(number, 99.0) for number in range(1, 5)), at=NOW + 2)
    assert store.all() == [month(1, 5.0)]
    assert len(store.imports()) == 1


def test_nothing_can_be_read_while_influxdb_is_away(own_influx: servers.Influx) -> None:
    with closing(Influx(own_influx.url, "park")) as client:
        own_influx.kill()
        with pytest.raises(InfluxUnavailable):
            ReportedStore(client).all()
        with pytest.raises(InfluxUnavailable):
            add(ReportedStore(client), month(1, 5.0))


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def told(influx: servers.Influx, influx_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARKWATCH_INFLUX_URL", influx.url)
    monkeypatch.setenv("PARKWATCH_INFLUX_DB", influx_db)
    monkeypatch.setenv("PARKWATCH_CONFIG", str(ROOT / "config"))
    # Each command reads the configuration, which takes its time.
    monkeypatch.setattr("parkwatch.figure_commands.catalogue", lambda _: PARK)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["figures", *words])


def write(folder: Path, *rows: Sequence[object]) -> str:
    with (folder / "2025.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(folder / "2025.csv")


HEAD = ("企业", "期间", "税收（元）", "用地面积", "规上", "成熟度等级")
GOOD = (
    HEAD,
    ("海虞含氟聚合物有限公司", "2025", 12_345_678, 60, "是", "三级（集成级）"),
    ("xinghua-resin", "2025", 5, 7.5, "否"),
)


@pytest.mark.usefixtures("told")
def test_a_file_is_imported_and_listed(tmp_path: Path) -> None:
    file = write(tmp_path, *GOOD)
    answer = run("import", file, "--by", "li")
    assert answer.exit_code == 0, answer.output
    assert "imported 7 values of 2 enterprises for 2025 to 2025" in answer.output
    assert "not in the file: sales, " in answer.output
    answer = run("list", "--enterprise", "haiyu-polymers")
    assert (
        "2025  海虞含氟聚合物有限公司 / Haiyu Fluoropolymers  实缴税金 / tax paid: 1234.5678 万元 / 10k CNY"
        in answer.output
    )
    assert "是 / yes" in answer.output
    assert "三级（集成级） / level 3, integrated" in answer.output
    rows = list(csv.reader(io.StringIO(run("list", "--figure", "land", "--csv").output)))
    assert rows[1:] == [
        ["haiyu-polymers", "land", "2025", "60.0", "mu"],
        ["xinghua-resin", "land", "2025", "7.5", "mu"],
    ]
    assert (
        msgspec.json.decode(run("list", "--figure", "above-scale", "--year", "2025", "--json").output)[0]["value"]
        is True
    )
    assert "0 values" in run("list", "--year", "2024").output
    assert "7 values reported by 2 enterprises" in run("list").output


@pytest.mark.usefixtures("told")
def test_a_dry_run_imports_nothing(tmp_path: Path) -> None:
    answer = run("import", write(tmp_path, *GOOD), "--dry-run")
    assert answer.exit_code == 0
    assert "no problems; nothing was imported (--dry-run)" in answer.output
    assert "0 imports" in run("imports").output


def test_a_dry_run_needs_no_influxdb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARKWATCH_INFLUX_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("PARKWATCH_CONFIG", str(ROOT / "config"))
    assert run("import", write(tmp_path, *GOOD), "--dry-run").exit_code == 0
    answer = run("import", write(tmp_path, *GOOD))
    assert answer.exit_code == 1
    assert "does not answer" in answer.output


@pytest.mark.usefixtures("told")
def test_a_file_with_a_wrong_row_is_refused_with_all_that_is_wrong(tmp_path: Path) -> None:
    file = write(tmp_path, *GOOD, ("acme", "2025", 1), ("xinghua-resin", "2024", "much", -1))
    answer = run("import", file)
    assert answer.exit_code == 2
    assert "2025.csv, row 4: 'acme' is no enterprise" in answer.output
    assert "2025.csv, row 5, 税收(元): 'much' is no number" in answer.output
    assert "2025.csv, row 5, 用地面积: -1 mu can't be" in answer.output
    assert "3 problems; nothing was imported" in answer.output
    found = msgspec.json.decode(CliRunner().invoke(app, ["figures", "import", file, "--json"]).stdout)
    assert [trouble["row"] for trouble in found["troubles"]] == [4, 5, 5]
    assert "0 imports" in run("imports").output


@pytest.mark.usefixtures("told")
def test_an_import_is_withdrawn(tmp_path: Path) -> None:
    run("import", write(tmp_path, *GOOD), "--by", "li")
    (one,) = msgspec.json.decode(run("imports", "--json").output)
    assert (one["by"], one["file"], one["values"]) == ("li", "2025.csv", 7)
    assert run("withdraw", "nonsense", "--by", "li", "--why", "x").exit_code == 2
    answer = run("withdraw", one["id"], "--by", "wang", "--why", "another year's")
    assert "(2025.csv, 7 values) counts no more" in answer.output
    assert "withdrawn by wang: another year's" in run("imports").output
    assert run("withdraw", one["id"], "--by", "wang", "--why", "again").exit_code == 1
    assert "0 values reported" in run("list").output


@pytest.mark.usefixtures("told")
def test_the_template_is_what_import_reads(tmp_path: Path) -> None:
    answer = run("template", "2025年", "--zone", "riverside", "--language", "en")
    assert answer.exit_code == 0, answer.output
    rows = list(csv.reader(io.StringIO(answer.output.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))))
    riverside = [each for each in PARK.economy.enterprises.values() if each.zone == "riverside"]
    assert [row[:2] for row in rows[1:]] == [[each.names.en, "2025"] for each in riverside]
    rows[1][2] = "5"
    assert run("import", write(tmp_path, *rows)).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["import", "nowhere.csv"], "nowhere.csv can't be read"),
        (["list", "--figure", "taxx"], "there is no figure taxx; did you mean 'tax'?"),
        (["list", "--enterprise", "acme"], "there is no enterprise acme"),
        (["template", "soon"], "'soon' is no period; write a month 2026-03"),
        (["template", "2025", "--zone", "moon"], "there is no zone moon"),
        (["template", "2025", "--language", "de"], "there is no language de; write one of en, zh"),
    ],
)
@pytest.mark.usefixtures("told")
def test_what_can_not_be_used_is_told(words: list[str], said: str) -> None:
    answer = run(*words)
    assert answer.exit_code == 2
    assert said in answer.output
