"""The office looks at the network: from stored readings over MQTT to alarms and pages, with every server real."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis as redis_library

from ingest.lines import lines
from park.alarms import State as AlarmState
from park.catalogue import Catalogue
from park.economy import Economy
from park.means import DAY, HOUR, MINUTE, Flag, Span
from park.metering import Portion
from park.network import Balanced, State
from park.network_graph import PARK, Picture
from park.readings import Reading
from park.words import Quality
from storage import names
from storage.clock import SystemClock
from storage.configuration import load
from storage.directory import Directory
from storage.flows import Entry, FlowStore, encode_entry
from storage.influx import Influx
from storage.network import NetworkStore
from storage.queue import redis_client
from storage.settings import Settings
from storage.states import ParkStates, Snapshot
from tests import servers
from tests.catchers import Catcher
from tests.conftest import ROOT
from tests.pieces import Spawn
from tests.servers import eventually
from tests.whole import Whole
from workers.network import NetworkWatch, Times

_ENTERPRISES = """
enterprises:
  river-chlorine:
    names: {zh: 江畔氯化工, en: River Chlorine}
    sites: [riverside/chlor-plant]
  star-resin:
    names: {zh: 兴华树脂, en: Star Resin}
    sites: [riverside/resin-plant]
"""
_FLOWS = """
kinds:
  raw-material: {names: {zh: 原料, en: Raw material}, unit: t, of: mass}
  product: {names: {zh: 产品, en: Product}, unit: t, of: mass}
  by-product: {names: {zh: 副产品, en: By-product}, unit: t, of: mass, residue: true}
flows:
  - {id: raw-in, names: {zh: 原料进厂, en: Raw material}, kind: raw-material, from: outside, to: riverside/chlor-plant,
     meter: riverside/chlor-plant/m-1/mass-flow, reads: rate, factor: 0.001, most: 50}
  - {id: sold, names: {zh: 产品外售, en: Product sold}, kind: product, from: riverside/chlor-plant, to: outside,
     meter: riverside/chlor-plant/m-2/mass-flow, reads: rate, factor: 0.001, most: 50}
  - {id: hcl, names: {zh: 副产盐酸, en: By-product acid}, kind: by-product, from: riverside/chlor-plant,
     to: riverside/resin-plant, meter: riverside/chlor-plant/m-3/mass-flow, reads: rate, factor: 0.001, most: 10,
     usual: 2}
  - {id: dumped, names: {zh: 废渣外运, en: Residue sent away}, kind: by-product, from: riverside/chlor-plant,
     to: outside, meter: riverside/chlor-plant/m-4/mass-flow, reads: rate, factor: 0.001, most: 10}
balances:
  - {id: chlor-mass, site: riverside/chlor-plant, of: mass, unit: t,
     stocks: [{series: riverside/chlor-plant/lt-9/waste}]}
"""
METERS = {"raw-in": "m-1", "sold": "m-2", "hcl": "m-3", "dumped": "m-4"}
#: What flows carry while all is well, t/h: 10 in, 7 + 2 + 1 out.
QUIET = {"raw-in": 10.0, "sold": 7.0, "hcl": 2.0, "dumped": 1.0}
STOCK = "riverside/chlor-plant/lt-9/waste"
SURPLUS = "riverside/chlor-plant/exchange-hcl/surplus-mass"
IMBALANCE = "riverside/chlor-plant/balance/mass-imbalance"
BROKEN = f"{SURPLUS.replace('/', '.')}.exchange-broken-mass"
NO_VERDICT = f"{SURPLUS.replace('/', '.')}.network-data"
MISSING = f"{IMBALANCE.replace('/', '.')}.mass-balance-missing"
#: Every look looks at everything.
AT_ONCE = Times(exchanges=0, balances=0)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default configuration with a small network, and limits on it that do not wait."""
    folder = tmp_path_factory.mktemp("network") / "config"
    shutil.copytree(ROOT / "config", folder)
    for name in ("indicators", "figures", "evaluation", "access"):
        (folder / f"{name}.yaml").unlink(missing_ok=True)
    (folder / "enterprises.yaml").write_text(_ENTERPRISES, encoding="utf-8")
    (folder / "flows.yaml").write_text(_FLOWS, encoding="utf-8")
    limits = folder / "limits" / "circular.yaml"
    text = limits.read_text(encoding="utf-8")
    limits.write_text(re.sub(r"(on|off)_delay: \w+", r"\1_delay: 0s", text), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def catalogue(config: Path) -> Catalogue:
    return load(config)


@pytest.fixture
def home_environment(environment: dict[str, str], config: Path) -> dict[str, str]:
    return {**environment, "PARKWATCH_CONFIG": str(config)}


@pytest.fixture
def settings(home_environment: dict[str, str]) -> Settings:
    return Settings.from_environment(home_environment)


class Field:
    """The meters of the small network: what they showed is written straight into InfluxDB."""

    def __init__(self, settings: Settings, catalogue: Catalogue, database: Influx, server: servers.Influx) -> None:
        self.catalogue = catalogue
        self.settings = settings
        self.influx = database
        self._server = server
        self.client = redis_client(settings.redis_url)
        self.now = SystemClock().now()

    def past(self, hours: int = 30, stock: float = 0.0, **rates: float) -> None:
        """Settle the last whole hours, with ``stock`` t an hour into the tank."""
        flows, last = self.catalogue.economy.flows, self.now - self.now % HOUR
        carried = {**QUIET, **{name.replace("_", "-"): rate for name, rate in rates.items()}}
        settled = [
            encode_entry(flows[name], Span.HOUR, Entry(Portion(begin, begin + HOUR, rate, 1.0), Flag.FINAL))
            for name, rate in carried.items()
            for begin in range(last - hours * HOUR, last, HOUR)
        ]
        FlowStore(self.influx).write(settled, [])
        times = range(last - hours * HOUR - 10 * MINUTE, last + MINUTE, 5 * MINUTE)
        self._store([(STOCK, t, 500.0 + stock * (t - last) / HOUR) for t in times])

    def lately(self, minutes: int = 20, **rates: float) -> None:
        """Let meters show what goes through now, as they would have every minute."""
        self.now = SystemClock().now()
        # Every time the same minutes, so that what is told anew takes the place of what was.
        last = self.now - self.now % MINUTE
        carried = {**QUIET, **{name.replace("_", "-"): rate for name, rate in rates.items()}}
        self._store(
            [
                (f"riverside/chlor-plant/{METERS[name]}/mass-flow", last - n * MINUTE, 1000 * rate)
                for name, rate in carried.items()
                for n in range(minutes)
            ]
        )

    def silent(self, flow: str) -> None:
        """Take away what a meter showed."""
        self._server.query(self.settings.influx_db, f"DELETE FROM {names.READING} WHERE sensor = '{METERS[flow]}'")

    def _store(self, shown: list[tuple[str, int, float]]) -> None:
        self.influx.write(lines(Reading(series, t, value, Quality.GOOD, t) for series, t, value in shown))

    def watch(self, times: Times = AT_ONCE) -> NetworkWatch:
        return NetworkWatch(self.client, self.influx, self.settings, times)

    def picture(self) -> Picture:
        return NetworkStore(self.influx).picture(self.catalogue, self.now)

    def alarm(self, name: str) -> Snapshot | None:
        return ParkStates(self.client, self.catalogue).alarm(name)


@pytest.fixture
def field(settings: Settings, catalogue: Catalogue, influx: servers.Influx) -> Iterator[Field]:
    with closing(Influx(settings.influx_url, settings.influx_db)) as database:
        database.ensure()
        found = Field(settings, catalogue, database, influx)
        yield found
        found.client.close()


def look(watch: NetworkWatch, field: Field) -> None:
    """Look until the broker has been told: the first look begins to connect."""
    eventually(lambda: told(watch, field), within=30, pause=0.1)


def told(watch: NetworkWatch, field: Field) -> bool:
    watch.look(field.catalogue, SystemClock().now())
    return watch.in_touch


def reading_of(field: Field, series: str) -> tuple[float | None, str] | None:
    """Return value and quality of the latest reading of a series."""
    zone, site, sensor, quantity = series.split("/")
    found = field.influx.query(
        f"SELECT {names.FIELD_VALUE}, {names.FIELD_QUALITY} FROM {names.READING} WHERE zone = '{zone}' "
        f"AND site = '{site}' AND sensor = '{sensor}' AND quantity = '{quantity}' ORDER BY time DESC LIMIT 1"
    )
    return (found[0]["values"][0][1], found[0]["values"][0][2]) if found else None


# --- the whole way -------------------------------------------------------------------------------------------------


@pytest.fixture
def whole(home_environment: dict[str, str], spawn_piece: Spawn, influx: servers.Influx, catcher: Catcher) -> Whole:
    return Whole(home_environment, spawn_piece, influx, catcher)


def pages_of(catcher: Catcher, alarm: str, kind: str = "alarm.raised") -> list[dict[str, Any]]:
    return [
        request.json["data"]
        for request in catcher.requests
        if request.json["type"] == kind and request.json["data"]["alarm"] == alarm
    ]


def test_a_taker_stops_its_meter_falls_silent_the_office_restarts_and_the_taker_is_back(
    whole: Whole, field: Field, catcher: Catcher
) -> None:
    whole.start()
    field.past()
    field.lately()
    with closing(field.watch()) as watch:
        look(watch, field)
        eventually(lambda: reading_of(field, SURPLUS) == (0.0, "good"), within=30, pause=0.2)
        assert field.alarm(BROKEN) is None

        field.lately(hcl=0.0)
        look(watch, field)
        eventually(lambda: pages_of(catcher, BROKEN), within=30, pause=0.2, why=lambda: str(catcher.requests))
        (page,) = pages_of(catcher, BROKEN)
        assert (page["value"], page["unit"]) == (pytest.approx(2.0), "t/h")
        # Who gives, who took, how much finds no taker.
        for language, words in {
            "en": ("By-product acid", "River Chlorine → Star Resin", "2 t/h", "Mass without a taker"),
            "zh": ("副产盐酸", "江畔氯化工 → 兴华树脂", "2 t/h", "无接收方的物料量"),
        }.items():
            assert all(word in page["texts"][language]["title"] for word in words), page["texts"]

        # The meter falls silent: that says nothing of the taker, and clears nothing.
        field.silent("hcl")
        look(watch, field)
        eventually(lambda: is_active(field, NO_VERDICT), within=30, pause=0.2)
        eventually(lambda: reading_of(field, SURPLUS) == (None, "failure"), within=30, pause=0.2)
        assert is_active(field, BROKEN)

    # An office that has just begun knows of no verdict, but that there was one.
    with closing(field.watch()) as watch:
        look(watch, field)
        assert is_active(field, NO_VERDICT)
        field.lately()
        look(watch, field)
        eventually(lambda: pages_of(catcher, BROKEN, "alarm.returned"), within=30, pause=0.2)
        eventually(lambda: not is_active(field, NO_VERDICT), within=30, pause=0.2)
        eventually(lambda: reading_of(field, SURPLUS) == (0.0, "good"), within=30, pause=0.2)


def is_active(field: Field, name: str) -> bool:
    alarm = field.alarm(name)
    return alarm is not None and alarm.state in {AlarmState.UNACK, AlarmState.ACKED}


def test_a_drifting_meter_breaks_the_balance_and_a_calibrated_one_mends_it(whole: Whole, field: Field) -> None:
    whole.start("ingest", "worker")
    # 10 t/h in; 7 + 2 + 1 out and nothing into the tank; the meter of the product reads 1.5 t/h too low.
    field.past(sold=5.5)
    field.lately()
    with closing(field.watch()) as watch:
        look(watch, field)
        eventually(lambda: is_active(field, MISSING), within=30, pause=0.2)
        eventually(lambda: reading_of(field, IMBALANCE) is not None, within=30, pause=0.2)
        value, quality = reading_of(field, IMBALANCE) or (None, "")
        assert value == pytest.approx(15.0)
        assert quality == "good"
        # Made again from late data: what was missing had gone into the tank.
        field.past(sold=5.5, stock=1.5)
        look(watch, field)
        eventually(lambda: not is_active(field, MISSING), within=30, pause=0.2)


# --- what is said, and what is not -----------------------------------------------------------------------------------


def balance_in(picture: Picture) -> Balanced:
    return picture.balances["chlor-mass"]


def test_without_enough_measured_there_is_no_verdict_and_nothing_is_called_well(field: Field, whole: Whole) -> None:
    whole.start("ingest", "worker")
    with closing(field.watch()) as watch:
        look(watch, field)
        picture = field.picture()
        assert picture.exchanges["hcl"].state is State.UNKNOWN
        assert picture.balance_state("chlor-mass") is State.UNKNOWN
        assert "hcl" in balance_in(picture).why.en
        # Eleven hours are one too few.
        field.past(hours=11)
        field.lately(minutes=5)
        look(watch, field)
        picture = field.picture()
        assert picture.exchanges["hcl"].state is State.UNKNOWN
        assert balance_in(picture).imbalance is None
        # What never had a verdict has no sensor either, let alone a good reading.
        sensors = {sensor for sensor in Directory(field.client).all() if "/parkwatch/" not in sensor}
        assert sensors == set()
        assert (reading_of(field, SURPLUS), reading_of(field, IMBALANCE)) == (None, None)
        field.past(hours=12)
        field.lately()
        look(watch, field)
        eventually(lambda: reading_of(field, IMBALANCE) is not None, within=30, pause=0.2)
        value, _ = reading_of(field, IMBALANCE) or (None, "")
        assert value == pytest.approx(0.0, abs=1e-6)


def test_a_site_may_live_off_its_stock(field: Field) -> None:
    field.past(raw_in=0.0, stock=-10.0)
    found = balance_in(field.picture())
    assert (found.came_in, found.left, found.gained) == pytest.approx((0.0, 240.0, -240.0))
    assert found.imbalance == pytest.approx(0.0, abs=1e-6)


def test_a_source_that_stands_still_has_lost_no_taker(field: Field) -> None:
    field.past()
    field.lately(raw_in=0.0, hcl=0.0, sold=0.0, dumped=0.0)
    found = field.picture().exchanges["hcl"]
    assert (found.state, found.surplus) == (State.IDLE, 0.0)
    field.lately(raw_in=5.0, hcl=0.0)
    half = field.picture().exchanges["hcl"]
    assert half.state is State.BROKEN
    assert half.surplus == pytest.approx(1.0)


def test_days_tell_what_is_usual_even_when_the_plant_has_stood_still_for_a_week(field: Field) -> None:
    field.past(hours=24 * 7 - 1, raw_in=0.0)
    flow = field.catalogue.economy.flows["raw-in"]
    begins = [Span.DAY.begin(field.now) - n * DAY for n in range(8, 30)]
    days = [
        encode_entry(flow, Span.DAY, Entry(Portion(begin, begin + DAY, 240.0, 1.0), Flag.FINAL)) for begin in begins
    ]
    FlowStore(field.influx).write(days, [])
    field.lately(raw_in=0.5, hcl=0.0)
    found = field.picture().exchanges["hcl"]
    assert found.state is State.IDLE
    assert found.activity == pytest.approx(0.05)


def test_looks_come_in_their_time(field: Field) -> None:
    field.past()
    field.lately()
    with closing(field.watch(Times(exchanges=60_000, balances=600_000))) as watch:
        look(watch, field)
        now = SystemClock().now()
        assert not watch.look(field.catalogue, now)
        assert not watch.look(field.catalogue, now + 50_000)
        assert watch.look(field.catalogue, now + 61_000)
        # Another configuration is looked at right away; one without flows is no work at all.
        other = dataclasses.replace(field.catalogue, version="another")
        assert watch.look(other, now + 62_000)
        assert not watch.look(dataclasses.replace(other, economy=Economy()), now + 200_000)


def test_while_the_broker_is_away_nothing_is_kept_and_the_next_look_tells_how_it_is_then(
    field: Field, own_mosquitto: servers.Mosquitto
) -> None:
    field.past()
    field.lately(hcl=0.0)
    own_mosquitto.stop()
    with closing(field.watch()) as watch:
        assert watch.look(field.catalogue, SystemClock().now())
        assert not watch.in_touch
        own_mosquitto.start()
        look(watch, field)


# --- the graph for Grafana -------------------------------------------------------------------------------------------


def rows(field: Field, measurement: str, policy: str = names.RETENTION_RAW) -> dict[str, dict[str, Any]]:
    found = field.influx.query(f"SELECT last(*) FROM {measurement} WHERE time > 0 GROUP BY *", policy)
    return {
        "/".join(each["tags"].get(tag, "") for tag in ("id", "scope", "zone") if each["tags"].get(tag)): {
            **each["tags"],
            **dict(zip((name.removeprefix("last_") for name in each["columns"]), each["values"][0], strict=True)),
        }
        for each in found
    }


def test_the_graph_has_every_exchange_what_leaves_the_park_and_how_it_stands(field: Field) -> None:
    field.lately(hcl=0.0)
    field.past()
    store = NetworkStore(field.influx)
    assert store.write(field.catalogue, field.picture()) == []
    edges = rows(field, names.NETWORK_EDGE)
    assert set(edges) == {"hcl/riverside", "dumped/riverside"}
    hcl = edges["hcl/riverside"]
    assert (hcl["source"], hcl["target"]) == ("riverside/chlor-plant", "riverside/resin-plant")
    assert (hcl["carried"], hcl["usual"], hcl["surplus"], hcl["rank"]) == (2.0, 2.0, pytest.approx(2.0), 3)
    assert (hcl["mainstat_en"], hcl["mainstat_zh"]) == ("By-product 2 t/h", "副产品 2 t/h")
    assert hcl["secondarystat_en"] == "broken: 2 t/h without a taker"
    assert hcl["secondarystat_zh"] == "中断：2 t/h 无接收方"
    nodes = rows(field, names.NETWORK_NODE)
    assert set(nodes) == {"riverside/chlor-plant/riverside", "riverside/resin-plant/riverside", "outside/outside"}
    plant = nodes["riverside/chlor-plant/riverside"]
    assert (plant["subtitle_en"], plant["arc_broken"], plant["arc_well"]) == ("River Chlorine", 1.0, 0.0)
    assert plant["mainstat_en"] == "1 of 2 residues stay in the park"
    assert plant["secondarystat_en"] == "mass +0.0 % well"
    (park,) = rows(field, names.NETWORK_STAYING, names.RETENTION_KEPT).keys() - {"zone/riverside", "zone/new-materials"}
    stay = rows(field, names.NETWORK_STAYING, names.RETENTION_KEPT)[park]
    assert (stay["v"], stay["given"], stay["kept"]) == (pytest.approx(100 * 2 / 3), 72.0, 48.0)


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_says_how_it_stands_in_both_languages(
    field: Field, spawn_piece: Spawn, home_environment: dict[str, str]
) -> None:
    field.past(sold=5.5)
    field.lately(hcl=0.0)
    environment = {**home_environment, "COLUMNS": "200"}
    chinese = spawn_piece(["network"], environment)
    assert chinese.wait(60) == 0
    for word in ("副产盐酸", "中断 2 t/h 无接收方", "+15.0 %", "±5 %", "66.7 %", "全园"):
        assert word in chinese.output, chinese.output
    english = spawn_piece(["network", "--language", "en", "--zone", "riverside"], environment)
    assert english.wait(60) == 0
    for word in ("By-product acid", "broken 2 t/h without a taker", "+15.0 %"):
        assert word in english.output, english.output
    shown = spawn_piece(["network", "--json"], environment)
    assert shown.wait(60) == 0
    answer = msgspec.json.decode(shown.output)
    hcl = next(each for each in answer["exchanges"] if each["id"] == "hcl")
    assert (hcl["state"], hcl["surplus"]) == ("broken", pytest.approx(2.0))
    assert {each["zone"] for each in answer["staying"]} >= {PARK, "riverside"}


def test_the_command_says_what_is_not_measured_and_what_to_write_instead(
    field: Field, spawn_piece: Spawn, home_environment: dict[str, str]
) -> None:
    field.past(hours=3)
    piece = spawn_piece(["network", "--language", "en"], {**home_environment, "COLUMNS": "200"})
    assert piece.wait(60) == 0
    assert "no verdict" in piece.output
    assert "only 3 of 24 hours were measured in full" in piece.output
    assert "well" not in piece.output.replace("neither", "")
    wrong = spawn_piece(["network", "--zone", "riversid"], home_environment)
    assert wrong.wait(60) == 2
    assert "did you mean 'riverside'?" in wrong.output
    tongue = spawn_piece(["network", "--language", "de"], home_environment)
    assert tongue.wait(60) == 2
    assert "write zh or en" in tongue.output


def test_redis_away_is_told_to_whoever_asked(field: Field, own_redis: servers.Redis) -> None:
    field.past()
    field.lately()
    client = redis_client(own_redis.url)
    watch = NetworkWatch(client, field.influx, field.settings, AT_ONCE)
    with closing(watch):
        eventually(lambda: watch.look(field.catalogue, SystemClock().now()) and watch.in_touch, within=30, pause=0.1)
        own_redis.stop()
        with pytest.raises(redis_library.RedisError):
            watch.look(field.catalogue, SystemClock().now())
        own_redis.start()
        look(watch, field)


def test_verdicts_that_nobody_can_be_told_of_are_said_to_be_so_once(
    field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    field.past()
    field.lately()
    known = {name: each for name, each in field.catalogue.quantities.items() if name != "surplus-mass"}
    bare = dataclasses.replace(field.catalogue, quantities=known)
    with closing(field.watch()) as watch:
        for _ in range(3):
            watch.look(bare, SystemClock().now())
    (said,) = (record.getMessage() for record in caplog.records if "nobody is told" in record.getMessage())
    assert "surplus-mass" in said
    assert "mass-imbalance" not in said
    assert "copy these rows" in said
