"""The monthly report of a simulated month: its figures against InfluxDB's own points, its page in a real browser."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page

from field.plant import SENSORS
from field.reports import monthly_figures
from park.alarms import Notify
from park.catalogue import Catalogue
from park.flows import OUTSIDE
from park.indicators import Status
from park.limits import Kind
from park.means import DAY, HOUR
from park.periods import month
from park.words import Location, Priority
from reports.attention import findings
from reports.gathering import gather
from reports.material import Question
from reports.page import page
from reports.printing import NoPdfError, browser, to_pdf
from reports.report import Report, report_of
from storage.influx import Influx
from storage.queue import redis_client
from tests import months, servers
from tests.browsers import NARROW, WIDE, browsing, chromium, context
from tests.months import COD, PEAK, china
from tests.servers import Redis

BEGIN, END = china(2026, 10), china(2026, 11)
#: Before the month, for what began then; and after it, until it is settled.
LIVED = (china(2026, 9, 28), china(2026, 11, 2))
NOW = LIVED[1]
ZONE = "riverside"
EXCHANGE = "rs-hcl-to-chlor"
SECTIONS = ("safety", "compliance", "water", "loads", "indicators", "network", "evaluation", "kpis", "data", "smart")
PLACES = {Location.OUTFALL, Location.METER, Location.STACK}
LANGUAGES = ("zh", "en")
#: 210 mm without the margins of 13 mm, at 96 dpi.
A4_WIDTH = 695


@dataclass
class Month:
    """October 2026 in InfluxDB, and the reports of it."""

    catalogue: Catalogue
    rows: Callable[[str], list[dict[str, Any]]]
    report: Report
    park: Report


@pytest.fixture(scope="module")
def lived(_session_influx: servers.Influx, _session_redis: Redis) -> Iterator[Month]:
    """Let the zone at the river live through October, and some days before and after."""
    database = "month"
    catalogue = months.configured()
    _session_influx.start()
    _session_redis.start()
    _session_redis.flush()
    influx, client = Influx(_session_influx.url, database, timeout_ms=60_000), redis_client(_session_redis.url)
    chosen = [each for each in SENSORS if (each.zone == ZONE and each.location in PLACES) or "hf-10" in each.name]
    months.live(influx, client, catalogue, LIVED, chosen, months.troubled)
    months.break_exchange(influx, catalogue, _exchange(catalogue))
    reports = [_report(influx, client, catalogue, zones) for zones in ((ZONE,), tuple(catalogue.zones))]
    yield Month(catalogue, lambda text: _session_influx.query(database, text), *reports)
    client.close()
    influx.close()
    _session_influx.drop(database)


def _exchange(catalogue: Catalogue) -> str:
    """Return an exchange at the river that is watched."""
    return next(
        flow.id
        for flow in catalogue.economy.flows.values()
        if flow.is_exchange
        and flow.usual
        and flow.source.startswith(ZONE)
        and catalogue.economy.kinds[flow.kind].residue
    )


def _report(influx: Influx, client: Any, catalogue: Catalogue, zones: tuple[str, ...]) -> Report:
    return report_of(gather(influx, client, Question(catalogue, zones, month(2026, 10), NOW)))


def hours_of(lived: Month, series: str, begin: int = BEGIN, end: int = END) -> dict[int, float]:
    """Return the valid hour means as InfluxDB has them."""
    zone, site, sensor, quantity = series.split("/")
    rows = lived.rows(
        f"SELECT v, valid FROM kept.mean WHERE zone='{zone}' AND site='{site}' AND sensor='{sensor}' "
        f"AND quantity='{quantity}' AND span='hour' AND time >= {begin}ms AND time < {end}ms"
    )
    return {row["time"]: row["v"] for row in rows if row["valid"]}


def carried(lived: Month) -> Counter[str]:
    """Return what every flow carried in October, by the points of its days."""
    rows = lived.rows(
        f"SELECT v FROM kept.flow WHERE span='day' AND time >= {BEGIN}ms AND time < {END}ms GROUP BY flow"
    )
    found: Counter[str] = Counter()
    for row in rows:
        found[row["flow"]] += row["v"]
    return found


# --- figures -----------------------------------------------------------------------------------------------------


def test_compliance_of_the_month_in_which_something_happened(lived: Month) -> None:
    section = lived.report.compliance
    line = next(line for group in section.groups for line in group.lines if line.result.series == COD)
    found = line.result
    # 31 days: two are missing, one has too few hours, one is beyond 50 mg/L, and that was made again.
    assert (found.due, found.valid, found.beyond, found.corrected) == (31, 28, 1, 1)
    assert found.greatest is not None
    assert (found.greatest.value, found.greatest.begin) == (PEAK, months.BEYOND)
    assert (line.limit.id, line.limit.source, line.limit.provenance) == ("outfall-cod-day", "GB 18918-2002", "verified")
    assert [(each.begin, each.value) for each in section.exceedances] == [(months.BEYOND, PEAK)]
    others = [each for group in section.groups for each in group.lines if each is not line]
    assert {each.result.due for each in others} == {31, 744}
    assert section.due == 31 + sum(each.result.due for each in others)
    assert not any(each.result.beyond for each in others)


def test_water_and_mass_are_the_sums_of_the_hours(lived: Month) -> None:
    point = next(each for each in lived.report.water if each.key == "riverside/outfall/out-901")
    flow = hours_of(lived, "riverside/outfall/out-901/flow-water")
    cod = hours_of(lived, COD)
    assert point.flow is not None
    assert point.flow.amount == pytest.approx(sum(flow.values()))
    assert (point.flow.hours, point.flow.due) == (len(flow), 744)
    (found,) = [each for each in point.pollutants if each.series == COD]
    assert found.mass is not None
    # g/m3 times m3 is g.
    assert found.mass.amount == pytest.approx(sum(cod[hour] * flow[hour] for hour in cod) / 1000)
    assert (found.mass.hours, found.mass.due) == (744 - 48, 744)
    assert not {day for day in found.mass.days if months.GAP[0] <= day < months.GAP[1]}
    days = lived.rows(
        "SELECT v FROM kept.mean WHERE site='outfall' AND zone='riverside' AND sensor='out-901' AND quantity='cod' "
        f"AND span='day' AND valid=true AND time >= {BEGIN}ms AND time < {END}ms"
    )
    assert found.mean == pytest.approx(statistics.fmean(row["v"] for row in days))
    assert len(days) == 28
    assert found.greatest == PEAK


def test_load_budgets_count_from_the_beginning_of_the_year(lived: Month) -> None:
    (budget,) = [each for each in lived.report.loads if each.series == COD]
    flow = hours_of(lived, "riverside/outfall/out-901/flow-water", LIVED[0])
    cod = hours_of(lived, COD, LIVED[0])
    hours = [hour for hour in cod if hour in flow]
    used = sum(cod[hour] * flow[hour] for hour in hours) / 1000
    assert budget.used == pytest.approx(used)
    assert budget.month == pytest.approx(sum(cod[h] * flow[h] for h in hours if h >= BEGIN) / 1000)
    year = 365 * 24
    assert budget.forecast == pytest.approx(used / len(hours) * year)
    assert budget.known == pytest.approx(len(hours) / ((END - china(2026, 1)) / HOUR))
    limit = lived.catalogue.limit(budget.limit.id)
    assert limit.kind is Kind.BUDGET
    assert budget.share == pytest.approx(used / limit.set_points[-1].at)


def test_alarms_are_those_of_the_journal(lived: Month) -> None:
    rows = lived.rows(
        "SELECT alarm, occurrence, notify, priority, chattering FROM kept.transition "
        f"WHERE zone='riverside' AND time >= {BEGIN}ms AND time < {END}ms"
    )
    pages = [row for row in rows if row["notify"] == "page" and not row["chattering"]]
    told = {(row["alarm"], row["occurrence"]) for row in pages}
    assert told
    assert lived.report.safety.total == len(told)
    announced = lived.report.kpis.columns[0].figures
    assert announced.announced == len(pages)
    worst = Counter(alarm for alarm, _ in told)
    assert [each.count for each in lived.report.safety.worst] == sorted(worst.values(), reverse=True)[:10]
    assert sum(map(sum, lived.report.safety.daily.values())) == len(told)


def test_critical_alarms_are_told_with_their_times(lived: Month) -> None:
    critical = lived.park.safety.critical
    assert critical
    rows = lived.rows(
        "SELECT alarm, occurrence, event FROM kept.transition WHERE event='acknowledged' "
        f"AND time >= {BEGIN}ms AND time < {NOW}ms"
    )
    for each in critical:
        assert each.priority is Priority.CRITICAL
        answers = [row["time"] for row in rows if row["alarm"] == each.alarm and row["time"] >= each.at]
        assert each.wait == min(answers) - each.at
    line = lived.park.safety.lines[0]
    waits = [each.wait for each in critical if each.wait is not None]
    assert (line.count, line.longest) == (len(critical), max(waits))
    assert line.median == statistics.median(waits)


def test_residues_that_stay_are_counted_by_where_they_went(lived: Month) -> None:
    economy, amounts = lived.catalogue.economy, carried(lived)
    given = kept = 0.0
    for flow in economy.flows.values():
        kind = economy.kinds[flow.kind]
        if kind.residue and kind.unit == "t" and flow.source.startswith(f"{ZONE}/"):
            given += amounts[flow.id]
            kept += amounts[flow.id] if flow.target != OUTSIDE else 0.0
    (mass,) = [each for each in lived.report.network.stays if each.unit == "t"]
    assert given > kept > 0
    assert mass.given == pytest.approx(given, rel=1e-6)
    assert mass.kept == pytest.approx(kept, rel=1e-6)
    assert mass.share == pytest.approx(100 * kept / given, rel=1e-6)


def test_exchanges_have_their_amounts_and_what_is_not_measured_says_so(lived: Month) -> None:
    amounts = carried(lived)
    for each in lived.park.network.exchanges:
        if each.flow.meter.startswith(ZONE):
            assert each.amount == pytest.approx(amounts[each.flow.id], rel=1e-6)
            assert each.usual is None or each.usual == pytest.approx((each.flow.usual or 0.0) * 744)
        else:
            assert (each.amount, each.share) == (None, 0.0)


def test_a_broken_exchange_is_told_with_its_surplus(lived: Month) -> None:
    (broken,) = lived.report.network.broken
    flow = lived.catalogue.economy.flows[_exchange(lived.catalogue)]
    assert (broken.flow.id, broken.alarm.value) == (flow.id, flow.usual)
    assert (broken.alarm.first, broken.alarm.ended) == (months.BROKEN_AT, months.MENDED_AT)


def test_balances_close_and_those_of_unmeasured_sites_have_no_verdict(lived: Month) -> None:
    amounts = carried(lived)
    balances = {each.told.id: each for each in lived.park.network.balances}
    water = balances["rs-eo-plant-water"]
    # Of water in: none but flows of water to the site; 14.29 % is known to evaporate.
    flows = lived.catalogue.economy.flows.values()
    wet = {"fresh-water", "reclaimed-water", "wastewater"}
    came = sum(amounts[flow.id] for flow in flows if flow.target == water.told.site and flow.kind in wet)
    left = sum(amounts[flow.id] for flow in flows if flow.source == water.told.site and flow.kind in wet)
    assert water.came_in == pytest.approx(came, rel=1e-6)
    assert water.left == pytest.approx(left, rel=1e-6)
    assert water.imbalance == pytest.approx(100 * (came - 0.1429 * came - left) / came, abs=1e-6)
    # One site takes what only a meter of the other zone would tell.
    known = [each for each in lived.report.network.balances if not each.unmeasured.zh]
    assert len(known) >= 8
    assert all(each.within for each in known)
    nothing = [each for each in balances.values() if each.told.site.startswith("new-materials/")]
    assert nothing
    assert all(each.imbalance is None and each.unmeasured.zh for each in nothing)


def test_an_indicator_is_the_ratio_of_the_sums_of_its_flows(lived: Month) -> None:
    amounts, flows = carried(lived), lived.catalogue.economy.flows.values()

    def into(*kinds: str) -> float:
        return sum(amounts[flow.id] for flow in flows if flow.kind in kinds and flow.target.startswith(ZONE))

    given = sum(amounts[flow.id] for flow in flows if flow.kind == "fresh-water" and flow.source.startswith(ZONE))
    reused = into("reused-water", "reclaimed-water")
    fresh = into("fresh-water") - given
    (line,) = [each for each in lived.report.indicators.lines if each.indicator.name == "water-reuse-rate"]
    assert line.month is not None
    assert line.month.value is not None
    assert line.month.value == pytest.approx(100 * reused / (fresh + reused), rel=1e-6)
    assert not line.month.provisional
    # Of the year only October and three days are known.
    assert line.year is not None
    assert (line.year.status, round(line.year.share, 3)) == (Status.PARTIAL, round(34 / 304, 3))
    for held, benchmark in zip(line.held, lived.report.indicators.sets, strict=True):
        target = benchmark.targets.get("water-reuse-rate")
        if target is not None:
            assert held.verdict is (Status.MET if line.month.value >= target.at else Status.MISSED)
            assert held.of_month


def test_kpis_are_against_their_targets(lived: Month) -> None:
    found = lived.report.kpis
    assert [column.zone for column in found.columns if not column.before] == [ZONE]
    average = next(line for line in found.lines if line.kpi.name == "average")
    operators = found.columns[0].figures.operators
    periods = 31 * DAY / 600_000
    assert average.cells[0].value == pytest.approx(found.columns[0].figures.announced / periods / operators)
    assert average.cells[0].met is True
    park = lived.park.kpis
    assert [column.zone for column in park.columns[:3]] == ["_park", *lived.catalogue.zones]


def test_coverage_counts_what_was_due(lived: Month) -> None:
    section = lived.report.data
    rows = lived.rows(
        "SELECT share FROM kept.mean WHERE zone='riverside' AND site='outfall' AND sensor='out-901' AND span='hour' "
        f"AND time >= {BEGIN}ms AND time < {END}ms GROUP BY quantity"
    )
    shares: Counter[str] = Counter()
    for row in rows:
        shares[row["quantity"]] += row["share"]
    worst = section.worst[0].together
    assert worst.key == "riverside/outfall/out-901"
    assert worst.missing_hours == 48
    assert worst.due == 4 * 744
    assert worst.share == pytest.approx(sum(shares.values()) / (4 * 744))
    assert section.young == 0
    assert section.corrected == 0, "a day was corrected, and no hour"


def test_enterprises_are_classed_by_what_they_reported(lived: Month) -> None:
    table = list(csv.DictReader(io.StringIO("\n".join(",".join(row) for row in monthly_figures(NOW)))))
    ranking = lived.park.evaluation.rankings[0]
    assert ranking.year == 2026
    best = ranking.results[0]
    assert best.rank == 1
    theirs = [row for row in table if row["enterprise"] == best.enterprise and row["period"].startswith("2026")]
    assert len(theirs) == 10
    tax = [float(row["tax"]) for row in theirs]
    # November and December are not reported: they are taken to go, day by day, as October did.
    year = sum(tax) + tax[-1] / 31 * 61
    index = next(place for place, term in enumerate(ranking.scheme.terms) if term.over == ("tax",))
    assert best.terms[index].value == pytest.approx(year / float(theirs[-1]["land"]), rel=1e-6)
    assert best.provisional
    assert sum(ranking.counts.values()) == ranking.ranked
    zone = lived.report.evaluation.rankings[0]
    assert {each.zone for each in zone.results} == {ZONE}
    assert zone.ranked == ranking.ranked, "ranked among all of the park"


def test_smart_enterprises_are_counted(lived: Month) -> None:
    latest = {row[0]: dict(zip(monthly_figures(NOW)[0], row, strict=True)) for row in monthly_figures(NOW)[1:]}
    theirs = [row for row in latest.values() if row["above-scale"] == "yes"]
    smart = [row for row in theirs if "yes" in {row["automated"], row["digital"], row["intelligent"]}]
    found = lived.park.smart.share
    assert found is not None
    assert (len(found.enterprises), len(found.equipped)) == (len(theirs), len(smart))
    assert found.share == pytest.approx(100 * len(smart) / len(theirs))


def test_floods_are_told_with_their_peak(lived: Month) -> None:
    material = lived.report.material
    begin = china(2026, 10, 5, 3)
    page_ = next(entry for entry in material.journal if entry.notify is Notify.PAGE)
    pages = [msgspec.structs.replace(page_, at=begin + n * 10_000, occurrence=1000 + n) for n in range(40)]
    journal = sorted([*material.journal, *pages], key=lambda entry: entry.at)
    flooded = report_of(_with(material, journal=tuple(journal)))
    (flood,) = flooded.safety.floods
    people = flooded.kpis.columns[0].figures.operators
    # It begins with one more than ten for each, and ends when fewer than five for each are younger than 10 min.
    assert flood.flood.begin == begin + 10 * people * 10_000
    assert flood.flood.end == begin + (40 - 5 * people) * 10_000 + 600_000
    assert (flood.zone, flood.flood.peak) == (ZONE, 40)
    assert any("1 alarm flood" in each.text.en for each in findings(flooded))
    assert flooded.kpis.columns[0].figures.floods == 1


def test_what_needs_attention_comes_first(lived: Month) -> None:
    texts = [each.text.en for each in findings(lived.report)]
    assert any(
        "1 valid mean beyond limits (Yangtze outfall station, Chemical oxygen demand: 1)" in text for text in texts
    )
    assert any("1 broken exchange (" in text for text in texts)
    grave = [each.grave for each in findings(lived.report)]
    assert grave == sorted(grave, reverse=True)


# --- nothing known -------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing(redis: Redis, influx: servers.Influx, influx_db: str) -> Iterator[Report]:
    """Give the report of a park that nobody has ever measured, without a database."""
    client, connection = redis_client(redis.url), Influx(influx.url, influx_db)
    catalogue = months.configured()
    yield _report(connection, client, catalogue, tuple(catalogue.zones))
    client.close()
    connection.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_missing_says_so(nothing: Report, language: str) -> None:
    html = page(nothing, language)
    assert "<svg" not in html, "no empty plots"
    for section in ("safety", "compliance", "water", "indicators", "network", "evaluation", "kpis", "data", "smart"):
        assert 'class="none"' in _section(html, section), section
    tiles = re.findall(r"<b>(.*?)</b>", _section(html, "summary"))
    assert set(tiles) == {"–"}, "no silent zeros"
    assert ("没有企业填报" in html) if language == "zh" else ("No figures reported for any enterprise" in html)


def _section(html: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', html, re.DOTALL)
    assert found, name
    return found[0]


def test_a_month_that_is_not_over_says_so(lived: Month) -> None:
    question = Question(lived.catalogue, (ZONE,), month(2026, 10), china(2026, 10, 20, 12))
    material = lived.report.material
    html = page(report_of(_with(material, question=question)), "en")
    assert "The month is not over: everything here is provisional" in html


# --- the page ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(lived: Month, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Give the page in both languages."""
    folder = tmp_path_factory.mktemp("reports")
    for language in LANGUAGES:
        (folder / f"{language}.html").write_text(page(lived.park, language), encoding="utf-8")
    return {language: folder / f"{language}.html" for language in LANGUAGES}


@pytest.fixture(scope="module")
def running() -> Iterator[Browser]:
    with browsing() as found:
        yield found


def test_the_page_bears_what_it_is_of(lived: Month) -> None:
    html = page(lived.report, "en")
    for text in ("October 2026", lived.catalogue.version, "2026-11-02", "Chemical zone of the Changshu"):
        assert text in html
    assert "corr." in _section(html, "compliance")
    assert "prov." in _section(html, "evaluation")
    assert "not verified" in _section(html, "compliance")
    assert html.count("<thead>") > 10


def test_texts_of_people_can_not_become_markup(lived: Month) -> None:
    material = lived.report.material
    name = "<script>alert(1)</script>"
    entries = tuple(_by(entry, name) for entry in material.journal)
    html = page(report_of(_with(material, journal=entries)), "zh")
    assert name not in html


def _by(entry: Any, name: str) -> Any:
    return msgspec.structs.replace(entry, by=name, unit=name, source=name)


def _with(material: Any, **changes: Any) -> Any:
    return dataclasses.replace(material, **changes)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_page_in_a_browser(running: Browser, files: Mapping[str, Path], language: str, width: int) -> None:
    with context(running, width, language) as shown:
        said, asked = _watch(shown)
        shown.goto(files[language].as_uri())
        shown.wait_for_load_state("networkidle")
        assert said == [], "nothing on the console"
        assert asked == [files[language].as_uri()], "nothing but itself"
        for section in SECTIONS:
            assert shown.locator(f"section#{section} h2").is_visible(), section
        assert shown.evaluate("document.documentElement.scrollWidth") <= width, "no sideways scrolling"
        assert shown.locator("svg").count() > 10
        sizes = shown.eval_on_selector_all(
            "section p, section td", "found => found.map(each => parseFloat(getComputedStyle(each).fontSize))"
        )
        assert min(sizes) >= 11, "readable"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_cut_off_on_paper(running: Browser, files: Mapping[str, Path], language: str) -> None:
    with context(running, A4_WIDTH, language) as shown:
        shown.goto(files[language].as_uri())
        shown.emulate_media(media="print")
        wide = shown.eval_on_selector_all(
            "section table, section svg",
            "(found, width) => found.filter(each => each.getBoundingClientRect().right > width + 1)"
            ".map(each => each.closest('section').id)",
            A4_WIDTH,
        )
        assert wide == []
        repeated = shown.eval_on_selector_all("thead", "found => found.map(each => getComputedStyle(each).display)")
        assert set(repeated) == {"table-header-group"}


def _watch(shown: Page) -> tuple[list[str], list[str]]:
    said: list[str] = []
    asked: list[str] = []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("request", lambda request: asked.append(request.url))
    return said, asked


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_as_pdf(files: Mapping[str, Path], tmp_path: Path, language: str) -> None:
    made = tmp_path / f"{language}.pdf"
    to_pdf(files[language], made, chromium(), root=True)
    content = made.read_bytes()
    assert content.startswith(b"%PDF-")
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", content))
    assert 10 <= pages <= 40
    box = re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert box
    assert [round(float(side)) for side in box.groups()] == [595, 842], "A4"


def test_without_a_chromium_there_is_a_clear_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoPdfError, match="apt-get install chromium"):
        browser({})
    with pytest.raises(NoPdfError, match="PARKWATCH_CHROMIUM"):
        browser({"PARKWATCH_CHROMIUM": "/nowhere/chromium"})


def test_a_browser_that_fails_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(NoPdfError, match=r"exit code 3.*no display"):
        to_pdf(tmp_path / "a.html", tmp_path / "a.pdf", str(broken), root=False)
