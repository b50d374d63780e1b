"""Indicators in InfluxDB, and ``parkwatch indicators``: what is kept is read back, explained and shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from park.economy import Economy
from park.figures import Book, Reported
from park.flows import Amount
from park.indicator_terms import PARK, Scope
from park.indicators import IndicatorResult, Judgement, Status, compute_all
from park.means import Flag
from park.stretches import Length, Stretch, stretch
from parkwatch.servers import free_port
from storage import names
from storage.configuration import load
from storage.indicators import NO_BENCHMARK, IndicatorStore, StoredIndicator, encode_indicator
from storage.influx import Influx
from storage.queue import redis_client
from tests import servers
from tests.economies import at, near
from tests.servers import Redis
from tests.terminal import Terminal
from tests.test_indicator_configuration import FLOWS, INDICATORS, SMALL

MARCH = Stretch(Length.MONTH, at("2026-03-01"), at("2026-04-01"), over=True)
ZONE, SITE = Scope("riverside"), Scope("riverside", "tank-farm")
ENTERPRISES = "enterprises.yaml"

PLACES = {
    ENTERPRISES: "enterprises:\n  acme: {names: {zh: 甲, en: Acme}, sites: [riverside/tank-farm]}\n",
    FLOWS: SMALL[FLOWS].replace(
        "flows: []",
        """\
flows:
  - id: steam-in
    names: {zh: 蒸汽进厂, en: Steam bought}
    kind: steam
    from: outside
    to: riverside/tank-farm
    meter: riverside/tank-farm/m-1/level
    reads: total
    most: 1000
    factor: 1
  - id: ore-in
    names: {zh: 矿石进厂, en: Ore bought}
    kind: ore
    from: outside
    to: riverside/tank-farm
    meter: riverside/tank-farm/m-2/level
    reads: total
    most: 1000
    factor: 1""",
    ),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    for name, text in {**SMALL, **PLACES}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def economy(config: Path) -> Economy:
    return load(config).economy


@pytest.fixture
def influx_client(influx: servers.Influx, influx_db: str) -> Iterator[Influx]:
    with closing(Influx(influx.url, influx_db)) as made:
        made.ensure()
        yield made


@pytest.fixture
def store(influx_client: Influx) -> IndicatorStore:
    return IndicatorStore(influx_client)


@pytest.fixture
def parkwatch(redis: Redis, influx: servers.Influx, influx_db: str, home: Path, config: Path) -> Iterator[Terminal]:
    environment = {
        "PARKWATCH_HOME": str(home),
        "PARKWATCH_CONFIG": str(config),
        "PARKWATCH_REDIS_URL": redis.url,
        "PARKWATCH_INFLUX_URL": influx.url,
        "PARKWATCH_INFLUX_DB": influx_db,
    }
    with redis_client(redis.url) as client:
        yield Terminal(environment, client)


def refuse(text: str, reason: str) -> None:
    raise AssertionError(f"refused: {text}: {reason}")


def computed(
    economy: Economy, over: Stretch = MARCH, steam: float = 100.0, added: float = 20.0
) -> list[IndicatorResult]:
    """What an economy with 100 t of steam, 60 t of ore and a value added of 200,000 CNY makes of it."""
    days = {
        "steam-in": {over.begin: Amount("steam-in", over.begin, over.end, steam, 1.0)},
        "ore-in": {over.begin: Amount("ore-in", over.begin, over.end, 60.0, 0.5)},
    }
    said = [Reported("acme", "added", over.begin, over.end, added)] if added else []
    return compute_all(economy, over, days, Book(economy.figures, said))


# --- InfluxDB ------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(store: IndicatorStore, economy: Economy) -> None:
    store.write(computed(economy), refuse)
    found = store.read(Length.MONTH, MARCH.begin, MARCH.end, "strict", ZONE, "intensity")
    assert found == [
        StoredIndicator(
            indicator="intensity",
            scope=ZONE,
            length=Length.MONTH,
            begin=MARCH.begin,
            benchmark="strict",
            value=near(2 * 100 * 0.1286 / 20),
            target=0.5,
            status=Status.MISSED,
            share=1.0,
            flag=Flag.FINAL,
            numerator=near(12.86),
            denominator=near(20.0),
        )
    ]


def test_everything_of_a_time(store: IndicatorStore, economy: Economy) -> None:
    results = computed(economy)
    store.write(results, refuse)
    found = store.read(Length.MONTH, MARCH.begin, MARCH.end, "strict")
    assert {(each.indicator, each.scope) for each in found} == {(each.indicator, each.scope) for each in results}
    assert {each.scope for each in found} == {PARK, ZONE, SITE}
    assert store.read(Length.YEAR, MARCH.begin, MARCH.end, "strict") == []
    assert store.read(Length.MONTH, MARCH.begin, MARCH.end, "green") == []
    assert store.read(Length.MONTH, MARCH.begin + 1, MARCH.end, "strict") == []


def test_what_is_missing_is_kept(store: IndicatorStore, economy: Economy) -> None:
    store.write(computed(economy), refuse)
    (found,) = store.read(Length.MONTH, MARCH.begin, MARCH.end, "strict", PARK, "ore")
    assert (found.status, found.missing, found.share) == (Status.PARTIAL, ("figure:big",), 0.5)


def test_a_second_time_takes_the_place_of_the_first(store: IndicatorStore, economy: Economy) -> None:
    store.write(computed(economy), refuse)
    store.write(computed(economy, steam=50.0), refuse)
    (found,) = store.read(Length.MONTH, MARCH.begin, MARCH.end, "strict", ZONE, "intensity")
    assert (found.value, found.flag) == (near(0.643), Flag.CORRECTED)


def test_only_what_has_changed_is_corrected(store: IndicatorStore, economy: Economy) -> None:
    """A late reading of one meter has the whole day computed again; what stays the same says so."""
    store.write(computed(economy), refuse)
    first = {(each.indicator, each.scope, each.benchmark): each for each in everything(store)}
    store.write(computed(economy, steam=50.0), refuse)
    second = {(each.indicator, each.scope, each.benchmark): each for each in everything(store)}
    changed = {key for key in first if first[key] != second[key]}
    assert changed
    assert changed < first.keys()
    assert {second[key].flag for key in changed} == {Flag.CORRECTED}
    assert {second[key].flag for key in first.keys() - changed} == {Flag.FINAL}
    # Computed once more, as after Redis has lost what was settled: what was corrected is still told to be.
    store.write(computed(economy, steam=50.0), refuse)
    assert {(each.indicator, each.scope, each.benchmark): each for each in everything(store)} == second


def test_what_has_not_changed_is_not_written(economy: Economy) -> None:
    (result,) = (each for each in computed(economy) if (each.indicator, each.scope) == ("intensity", ZONE))
    kept = StoredIndicator(
        indicator=result.indicator,
        scope=result.scope,
        length=Length.MONTH,
        begin=MARCH.begin,
        benchmark="strict",
        value=(result.value or 0.0) * (1 + 1e-12),
        target=result.judgements[0].target,
        status=result.judgements[0].status,
        share=result.share,
        flag=Flag.FINAL,
    )
    assert encode_indicator(result, [kept]) == []
    for other in (
        msgspec.structs.replace(kept, value=1.0),
        msgspec.structs.replace(kept, value=None),
        msgspec.structs.replace(kept, share=0.5),
        msgspec.structs.replace(kept, target=0.4),
        msgspec.structs.replace(kept, status=Status.PARTIAL),
        msgspec.structs.replace(kept, missing=("flow:x",)),
    ):
        (only,) = encode_indicator(result, [other])
        assert b'flag="corrected"' in only
    (only,) = encode_indicator(result, [msgspec.structs.replace(kept, flag=Flag.PROVISIONAL)])
    assert b'flag="final"' in only


def everything(store: IndicatorStore) -> list[StoredIndicator]:
    return store.read(Length.MONTH, MARCH.begin, MARCH.end)


def test_a_value_that_is_gone_is_not_read_any_more(store: IndicatorStore, economy: Economy) -> None:
    """InfluxDB keeps the field of a point that is written again without it: an import was withdrawn."""
    store.write(computed(economy), refuse)
    store.write(computed(economy, added=0.0), refuse)
    (found,) = store.read(Length.MONTH, MARCH.begin, MARCH.end, "strict", ZONE, "intensity")
    # Of an enterprise that has never reported, 5 is assumed: so there is a value, another one.
    assert found.value == near(2 * 12.86 / 5)
    gone = [
        msgspec.structs.replace(each, value=None, judgements=_as(each, Status.NO_DATA)) for each in computed(economy)
    ]
    store.write(gone, refuse)
    (found,) = store.read(Length.MONTH, MARCH.begin, MARCH.end, "strict", ZONE, "intensity")
    assert (found.value, found.status) == (None, Status.NO_DATA)


def _as(result: IndicatorResult, status: Status) -> tuple[Judgement, ...]:
    return tuple(msgspec.structs.replace(each, status=status) for each in result.judgements)


def test_a_point_per_set_and_one_without_sets(economy: Economy) -> None:
    (result,) = (each for each in computed(economy) if (each.indicator, each.scope) == ("intensity", ZONE))
    (only,) = encode_indicator(result)
    tags = "indicator=intensity,scope=zone,zone=riverside,site=all,span=month,benchmark=strict"
    assert only.startswith(f"{names.INDICATOR},{tags} ".encode())
    assert b"met=false,judged=true" in only
    (alone,) = encode_indicator(msgspec.structs.replace(result, judgements=(), status=Status.NO_TARGET))
    assert f"benchmark={NO_BENCHMARK} ".encode() in alone
    assert b"met=false,judged=false" in alone
    running = msgspec.structs.replace(result, stretch=msgspec.structs.replace(MARCH, over=False))
    assert b'flag="provisional"' in encode_indicator(running)[0]


def test_nothing_to_write_and_nothing_there(influx: servers.Influx, influx_db: str) -> None:
    with closing(Influx(influx.url, influx_db)) as client:
        store = IndicatorStore(client)
        store.write([], refuse)
        assert store.read(Length.MONTH, 0, MARCH.end, "strict") == []


# --- the command ---------------------------------------------------------------------------------------------------


def test_list(parkwatch: Terminal) -> None:
    said = parkwatch("indicators", "list")
    for words in (
        "intensity  能耗强度 / Intensity  [吨标准煤/万元 / tce/10k CNY]",
        "能耗 ÷ 增加值 / energy / value added",
        "HJ 274-2015, 表 1 / table 1 (verified)",
        "*strict: <= 0.5 (verified)",
        "*strict: >= 0.3 (knowledge)",
        "3 indicators; held against strict (*)",
    ):
        assert words in said
    found = {each["name"]: each for each in parkwatch.json("indicators", "list")["indicators"]}
    assert found["intensity"]["targets"]["strict"]["at"] == 0.5
    assert (found["loop"]["method"], found["ore"]["annual"], found["ore"]["targets"]) == ("circularity", True, {})


def test_explain(parkwatch: Terminal) -> None:
    said = parkwatch("indicators", "explain", "intensity", "--scope", "riverside", "--on", "2026-03-08")
    for words in (
        "numerator: 1 x steam, power (into riverside less out of it)",
        "factor tce of power: 0.0002 in 2026 (GB/T 2589-2020, verified)",
        "steam-in  蒸汽进厂 / Steam bought  outside -> riverside/tank-farm  +0.1286 per t",
        "denominator: 1 x figure added  增加值 / value added  [10k CNY]",
        "of acme",
        "5 of those who have never reported it",
        "times 2",
    ):
        assert words in said
    assert "none for 2020" in parkwatch("indicators", "explain", "intensity", "--on", "2020-03-08")
    found = parkwatch.json("indicators", "explain", "intensity", "--on", "2024-03-08")
    (steam,) = found["terms"][0]["flows"]
    assert (found["year"], steam["flow"], steam["times"]) == (2024, "steam-in", 0.1286)


def test_explain_what_does_not_concern_a_site(parkwatch: Terminal) -> None:
    said = parkwatch("indicators", "explain", "intensity", "--scope", "riverside/tank-farm")
    assert "not computed for a site, only for: zone, park" in said
    said = parkwatch("indicators", "explain", "loop")
    assert "constants: feedstock_efficiency 0.9, collected_efficiency 1, lifetime 2, intensity 1" in said
    assert "no flows" in said
    assert "those who have never reported it have none" in parkwatch("indicators", "explain", "ore")


def test_show(parkwatch: Terminal, store: IndicatorStore, economy: Economy) -> None:
    store.write(computed(economy), refuse)
    said = parkwatch("indicators", "show", "--on", "2026-03-15")
    assert said.startswith("month of 2026-03-01, held against strict")
    assert "- park " in said
    assert "intensity  能耗强度 / Intensity: 1.286 tce/10k CNY (<= 0.5)  missed, 100% known, final" in said
    assert "missing: figure:big" in said
    # Of ore it makes 60 / 0.5, of which nothing is recycled, used twice as long.
    (loop,) = parkwatch.json("indicators", "show", "--on", "2026-03-15", "--scope", "park", "--indicator", "loop")
    assert (loop["value"], loop["status"]) == (near(1 - 0.9 / 2), "partial")
    assert "0 values" in parkwatch("indicators", "show", "--on", "2026-02-15")


def test_show_what_still_runs(parkwatch: Terminal, store: IndicatorStore, economy: Economy) -> None:
    now = time.time_ns() // 1_000_000
    store.write(computed(economy, stretch(Length.YEAR, now, now)), refuse)
    (found,) = parkwatch.json("indicators", "show", "--length", "year", "--scope", "park", "--indicator", "loop")
    assert found["flag"] == "provisional"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("explain", "intensitty"), "unknown indicator 'intensitty'; did you mean 'intensity'?"),
        (("explain", "intensity", "--scope", "river"), "nothing is known of 'river'; did you mean 'riverside'?"),
        (("explain", "intensity", "--on", "yesterday"), "--on 'yesterday' is not a day from 1900 to 2999; write"),
        (("show", "--on", "2199-01-01"), "--on 2199-01-01 has not begun; write an earlier day, such as 20"),
        (("show", "--benchmark", "strickt"), "unknown benchmark set 'strickt'; did you mean 'strict'?"),
        (("show", "--indicator", "or"), "unknown indicator 'or'; did you mean 'ore'?"),
    ],
)
def test_what_can_not_be_meant_is_refused(parkwatch: Terminal, arguments: tuple[str, ...], told: str) -> None:
    assert told in parkwatch("indicators", *arguments, status=2)


def test_without_indicators(parkwatch: Terminal, config: Path) -> None:
    (config / INDICATORS).unlink()
    for command in (("list",), ("explain", "x"), ("show",)):
        assert "no indicators are configured" in parkwatch("indicators", *command, status=1)


def test_while_influxdb_is_away(parkwatch: Terminal) -> None:
    parkwatch.environment["PARKWATCH_INFLUX_URL"] = f"http://127.0.0.1:{free_port()}"
    said = parkwatch("indicators", "show", status=1)
    assert "does not answer" in said
    assert "parkwatch doctor" in said
