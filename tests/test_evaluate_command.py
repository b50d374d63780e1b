"""``parkwatch evaluate``: what is printed and what is kept in a real InfluxDB, from the files enterprises filled in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from park import periods
from park.evaluation import Status, Yield
from park.periods import year_of
from parkwatch.cli import app
from parkwatch.servers import free_port
from storage import names
from storage.clock import SystemClock
from storage.configuration import load
from storage.evaluations import SMART, EvaluationStore
from storage.influx import Influx
from storage.reported import ReportedStore
from tests import servers
from tests.conftest import ROOT

YEAR = year_of(SystemClock().now()) - 1
PARK = load(ROOT / "config")
EXEMPT = [each for each in PARK.economy.enterprises.values() if each.exempt]
HEAD = ("enterprise", "period", "tax", "sales", "value-added", "rnd", "land", "employees", "energy", "pollutants")
FLAGS = ("above-scale", "automated", "digital", "intelligent")


def rows(year: int, *, best: int = 0) -> Iterator[list[object]]:
    """Yield what the enterprises report for ``year``: each a little more than the next; ``best`` ten times as much."""
    for place, name in enumerate(PARK.economy.enterprises):
        tax = (1000 - 50 * place) * (10 if place == best else 1)
        yield [
            name,
            year,
            tax,
            tax * 10,
            tax * 3,
            tax / 3,
            50,
            100,
            2000,
            4,
            "是",
            "否",
            "是" if place % 2 else "否",
            "否",
        ]


@pytest.fixture
def influx_client(
    influx: servers.Influx, influx_db: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Influx]:
    """An InfluxDB into which two years of figures have been imported."""
    monkeypatch.setenv("PARKWATCH_INFLUX_URL", influx.url)
    monkeypatch.setenv("PARKWATCH_INFLUX_DB", influx_db)
    monkeypatch.setenv("PARKWATCH_CONFIG", str(ROOT / "config"))
    # Each command reads the configuration, which takes its time.
    for command in ("evaluate_command", "figure_commands"):
        monkeypatch.setattr(f"parkwatch.{command}.catalogue", lambda _: PARK)
    file = tmp_path / "figures.csv"
    with file.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows([(*HEAD, *FLAGS), *rows(YEAR - 1, best=0), *rows(YEAR, best=3)])
    answer = CliRunner().invoke(app, ["figures", "import", str(file)])
    assert answer.exit_code == 0, answer.output
    with closing(Influx(influx.url, influx_db)) as made:
        yield made


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", *words])


def kept(client: Influx, scheme: str, *, zone: str = "", enterprise: str = "", year: int = YEAR) -> dict[str, Any]:
    """Return the fields of the one point."""
    wanted = {names.TAG_SCHEME: scheme, names.TAG_ZONE: zone, names.TAG_ENTERPRISE: enterprise}
    where = " AND ".join(f"\"{tag}\" = '{value}'" for tag, value in wanted.items() if value)
    begin = periods.year(year).begin
    text = f'SELECT * FROM "{names.EVALUATION}" WHERE {where} AND time = {begin}ms'
    (series,) = client.query(text, names.RETENTION_KEPT)
    (row,) = series["values"]
    return dict(zip(series["columns"], row, strict=True))


def test_an_import_evaluates_the_years_it_is_about(influx_client: Influx) -> None:
    first = kept(influx_client, "huaian-2024", enterprise="changxin-board")
    assert (first["status"], first["class"], first["rank"]) == ("ranked", "A", 1.0)
    assert (first["land"], first["field"], first["flag"], first["share"]) == (50.0, "high", "final", 1.0)
    # Ten times (1000 - 3 * 50), on 50 mu.
    assert first["value_tax-per-mu"] == 170.0
    assert (first["name_zh"], first["name_en"]) == ("常新石膏建材有限公司", "Changxin Gypsum Board")
    assert kept(influx_client, "huaian-2024", enterprise="yushan-fluorine", year=YEAR - 1)["rank"] == 1.0
    out = kept(influx_client, "huaian-2024", enterprise=EXEMPT[0].name)
    assert (out["status"], out["class"], out["rank"], out["score"]) == ("exempt", "", 0.0, 0.0)
    assert out["reason_en"] == EXEMPT[0].exempt.en if EXEMPT[0].exempt else None
    # The year that is not over is there too, carried on and marked.
    assert kept(influx_client, "huaian-2024", enterprise="changxin-board", year=YEAR + 1)["flag"] == "provisional"


def test_what_is_kept_is_read_back(influx_client: Influx) -> None:
    found = EvaluationStore(influx_client).results("huaian-2024", YEAR)
    assert len(found) == len(PARK.economy.enterprises)
    assert [each.rank for each in found if each.status is Status.RANKED] == list(range(1, 1 + len(found) - len(EXEMPT)))
    assert (found[0].enterprise, found[0].yield_) == ("changxin-board", Yield.HIGH)
    assert found[0].movement is not None
    assert EvaluationStore(influx_client).results("huaian-2024", 2001) == []


def test_where_nothing_was_kept_there_is_nothing(influx: servers.Influx, influx_db: str) -> None:
    with closing(Influx(influx.url, influx_db)) as client:
        assert EvaluationStore(client).results("huaian-2024", YEAR) == []


def test_fields_and_the_smart_share_are_kept(influx_client: Influx) -> None:
    high = kept(influx_client, "fields-huaian-2024", enterprise="high")
    assert (high["enterprises"], high["land"]) == (1.0, 50.0)
    smart = kept(influx_client, SMART, zone="all")
    total = len(PARK.economy.enterprises)
    assert (smart["enterprises"], smart["equipped"], smart["v"], smart["met"]) == (total, total // 2, 50.0, False)
    assert kept(influx_client, SMART, zone="riverside")["enterprises"] == 6.0


@pytest.mark.usefixtures("influx_client")
def test_the_table_says_who_is_where_and_what_moved_them() -> None:
    answer = run("--year", str(YEAR), "--explain")
    assert answer.exit_code == 0, answer.output
    ranked = len(PARK.economy.enterprises) - len(EXEMPT)
    assert f"{ranked} 家参评" in answer.output
    assert "常新石膏建材有限公司: B → A: 亩均税收 17 → 170 (" in answer.output
    assert "福山制冷剂有限公司: A → B: 其他企业变动所致" in answer.output
    assert f"{EXEMPT[0].names.zh}: 不参评: 园区公共基础设施" in answer.output
    assert "高产田：1家，50亩" in answer.output
    assert "若达到平均水平可增加" in answer.output
    assert "分子+" in answer.output
    assert "规上企业自动化、数字化、智能化装备覆盖率, 全园区: 6/12家，50.0 %，目标90 %，还差5家" in answer.output


@pytest.mark.usefixtures("influx_client")
def test_the_table_in_english_of_one_zone() -> None:
    answer = run("--language", "en", "--zone", "riverside")
    assert answer.exit_code == 0
    assert "Riverside Environmental Services (solvents and wastewater): exempt" in answer.output
    assert "New Materials" not in answer.output
    assert "exempt: public infrastructure of the park" in answer.output
    assert "low-yield fields" in answer.output
    assert "3 of 6, 50.0 %, target 90 %, 3 to go" in answer.output


@pytest.mark.usefixtures("influx_client")
@pytest.mark.parametrize("scheme", PARK.economy.schemes)
def test_csv_holds_every_term_of_every_scheme(scheme: str) -> None:
    answer = run("--scheme", scheme, "--csv", "--language", "en", "--no-store")
    assert answer.exit_code == 0
    found = list(csv.DictReader(io.StringIO(answer.output)))
    assert len(found) == len(PARK.economy.enterprises)
    terms = PARK.economy.schemes[scheme].terms
    first = found[0]
    assert first["enterprise"] == "Changxin Gypsum Board"
    assert (first["rank"], first["class"], first["before"]) == ("1", "A↑", "B")
    scores = [float(first[f"{term.names.en} score"]) for term in terms]
    assert sum(scores) == pytest.approx(float(first["score"]), abs=0.01)
    assert float(first["tax per mu (10k CNY/mu)"]) == 170.0
    assert found[-1]["remark"] == "exempt: public infrastructure of the park"


@pytest.mark.usefixtures("influx_client")
def test_json_holds_all_of_it() -> None:
    found = msgspec.json.decode(run("--json").output)
    assert found["evaluation"]["year"] == YEAR
    assert [each["yield_"] for each in found["fields"]] == ["high", "middle", "low"]
    assert found["smart"]["all"]["share"] == 50.0


def test_a_withdrawn_import_is_evaluated_away(influx_client: Influx) -> None:
    (whole,) = ReportedStore(influx_client).imports()
    answer = CliRunner().invoke(app, ["figures", "withdraw", whole.id, "--by", "li", "--why", "test"])
    assert answer.exit_code == 0, answer.output
    gone = kept(influx_client, "huaian-2024", enterprise="changxin-board")
    assert (gone["status"], gone["class"], gone["rank"]) == ("incomplete", "", 0.0)


def test_nothing_is_kept_unless_asked(influx_client: Influx) -> None:
    (whole,) = ReportedStore(influx_client).imports()
    ReportedStore(influx_client).withdraw(whole, "li", "test")
    answer = run("--no-store", "--language", "en")
    assert "incomplete: not reported: above-scale enterprise" in answer.output
    assert kept(influx_client, "huaian-2024", enterprise="changxin-board")["rank"] == 1.0
    assert run().exit_code == 0
    gone = kept(influx_client, "huaian-2024", enterprise="changxin-board")
    assert (gone["status"], gone["class"], gone["rank"]) == ("incomplete", "", 0.0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--scheme", "huaian"], "there is no scheme huaian; did you mean 'huaian-2024'?"),
        (["--zone", "moon"], "there is no zone moon"),
        (["--language", "de"], "there is no language de"),
        (["--year", "2099"], "2099 has not begun"),
    ],
)
def test_what_can_not_be_used_is_told(monkeypatch: pytest.MonkeyPatch, words: list[str], told: str) -> None:
    monkeypatch.setenv("PARKWATCH_CONFIG", str(ROOT / "config"))
    answer = run(*words)
    assert answer.exit_code == 2
    assert told in answer.output


def test_without_influxdb_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARKWATCH_CONFIG", str(ROOT / "config"))
    monkeypatch.setenv("PARKWATCH_INFLUX_URL", f"http://127.0.0.1:{free_port()}")
    answer = run()
    assert answer.exit_code == 1
    assert "does not answer" in answer.output
