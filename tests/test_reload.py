"""A configuration that changes while pieces run: when they take it up, when they don't, and what that does."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis as redis_module

from alerts.console.app import adopt, create_app, wire
from alerts.reloading import following
from ingest.decoder import Decoder
from ingest.onboarding import Onboarding
from park.alarms import Event
from park.catalogue import Catalogue
from park.topics import Rejected, Values
from park.words import Location
from parkwatch.servers import free_port
from storage import changes, configuration, names
from storage.changes import Applied
from storage.queue import redis_client
from storage.reload import CatalogueWatch
from storage.settings import Settings
from tests.consoles import environ_of
from tests.making import SENSOR, SERIES, T0, StoppedClock, catalogue, limit, point, quantity, reading
from tests.servers import Redis, eventually
from tests.shifts import CATALOGUE, LIMIT, QUALITY, Shift
from tests.test_configuration import GAS, SMALL

FOLDER_LOG = "parkwatch.configuration"
STRICTER = dataclasses.replace(
    CATALOGUE, limits=(msgspec.structs.replace(LIMIT, set_points=(point("high", 5.0),)), QUALITY), version="stricter"
)


class Ticking:
    """Seconds, as they are told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client(redis: Redis) -> Iterator[redis_module.Redis]:
    with redis_client(redis.url) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / "config" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "config" / name).write_text(text, encoding="utf-8")
    return tmp_path / "config"


@pytest.fixture
def running(folder: Path) -> Catalogue:
    """What a piece runs by that was started before anything changed."""
    return configuration.load(folder)


@pytest.fixture
def watch(folder: Path, running: Catalogue, client: redis_module.Redis) -> CatalogueWatch:
    return CatalogueWatch(folder, running, client, "ingest.0")


def edit(folder: Path, old: str, new: str) -> str:
    """Change the limits in ``folder``; return its new version."""
    text = (folder / GAS).read_text(encoding="utf-8")
    assert old in text
    (folder / GAS).write_text(text.replace(old, new), encoding="utf-8")
    return configuration.load(folder).version


def put_in_force(client: redis_module.Redis, version: str, change: str = "1", content: str = "") -> None:
    client.set(names.CONFIGURATION, msgspec.json.encode(Applied(version, content, T0, "li", change)))


def polled(watch: CatalogueWatch) -> Catalogue:
    """Poll until nothing is under way any more; return the catalogue then."""

    def settled() -> bool:
        watch.current()
        return not watch.settling

    eventually(settled, within=30, why="the folder is still being loaded")
    return watch.current()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == FOLDER_LOG]


# --- watching ------------------------------------------------------------------------------------------------------


def test_nothing_applied_is_nothing_new(
    watch: CatalogueWatch, running: Catalogue, client: redis_module.Redis, folder: Path
) -> None:
    edit(folder, "at: 10,", "at: 5,")
    assert polled(watch) is running
    assert client.hgetall(names.CONFIGURATION_RUNNING) == {b"ingest.0": running.version.encode()}


def test_a_version_in_force_is_taken_up_and_said(
    watch: CatalogueWatch,
    running: Catalogue,
    client: redis_module.Redis,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    assert watch.current() is running
    version = edit(folder, "at: 10,", "at: 5,")
    put_in_force(client, version)
    found = polled(watch)
    assert (found.version, found.limit("h2s-detector").set_points[0].at) == (version, 5.0)
    assert watch.current() is found
    assert client.hget(names.CONFIGURATION_RUNNING, "ingest.0") == version.encode()
    assert said(caplog) == [f"works by configuration {version} instead of {running.version}, applied by li"]


def test_there_and_back_again(
    watch: CatalogueWatch, running: Catalogue, client: redis_module.Redis, folder: Path
) -> None:
    put_in_force(client, edit(folder, "at: 10,", "at: 5,"))
    assert polled(watch) is not running
    put_in_force(client, edit(folder, "at: 5,", "at: 10,"), "2")
    assert polled(watch).version == running.version


def test_a_folder_that_holds_something_else_leaves_the_old_one_and_is_told_once(
    watch: CatalogueWatch,
    running: Catalogue,
    client: redis_module.Redis,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    version = edit(folder, "at: 10,", "at: 5,")
    edit(folder, "at: 5,", "at: 10,")
    put_in_force(client, version)
    assert polled(watch) is running
    assert polled(watch) is running
    (told,) = said(caplog)
    assert f"configuration {version} is in force, but not in {folder}: it holds version {running.version}" in told
    # Once the folder has it, all is well.
    edit(folder, "at: 10,", "at: 5,")
    assert polled(watch).version == version


def test_what_an_older_parkwatch_applied_and_numbered_otherwise_is_no_news(
    watch: CatalogueWatch,
    running: Catalogue,
    client: redis_module.Redis,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put_in_force(client, "otherwise", content=configuration.digest(folder))
    assert polled(watch) is running
    assert polled(watch) is running
    assert said(caplog) == []
    # Started before the folder was changed, told of it after: by its content it is the right one.
    version = edit(folder, "at: 10,", "at: 5,")
    put_in_force(client, "otherwise", "2", configuration.digest(folder))
    assert polled(watch).version == version


def test_a_folder_that_can_not_be_loaded_leaves_the_old_one_and_is_told_once(
    watch: CatalogueWatch,
    running: Catalogue,
    client: redis_module.Redis,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (folder / GAS).write_text("limits: [", encoding="utf-8")
    put_in_force(client, "another")
    assert polled(watch) is running
    assert polled(watch) is running
    (told,) = said(caplog)
    assert f"{folder / GAS}:1: not valid YAML" in told


def test_a_worker_waits_until_those_who_tell_people_know(
    running: Catalogue, client: redis_module.Redis, folder: Path
) -> None:
    clock = Ticking()
    watch = CatalogueWatch(folder, running, client, "worker.riverside.0", wait=2.0, clock=clock)
    watch.current()
    version = edit(folder, "at: 10,", "at: 5,")
    put_in_force(client, version)
    watch.current()
    clock.now = 1.9
    eventually(lambda: isinstance(watch._loading and watch._loading.found, Catalogue), within=30)
    assert watch.current() is running
    clock.now = 2.0
    assert watch.current().version == version


def test_who_asks_seldom_waits_for_the_folder(running: Catalogue, client: redis_module.Redis, folder: Path) -> None:
    watch = CatalogueWatch(folder, running, client, "office", patience=60.0)
    version = edit(folder, "at: 10,", "at: 5,")
    put_in_force(client, version)
    assert watch.current().version == version


def test_what_needs_a_restart_waits_for_it(
    watch: CatalogueWatch, running: Catalogue, client: redis_module.Redis, folder: Path
) -> None:
    zones = folder / "zones.yaml"
    zones.write_text(zones.read_text(encoding="utf-8").replace("    sites:", "    shards: 3\n    sites:", 1), "utf-8")
    put_in_force(client, edit(folder, "at: 10,", "at: 5,"))
    found = polled(watch)
    assert found.limit("h2s-detector").set_points[0].at == 5.0
    assert found.zones == running.zones


def test_while_redis_is_away_it_says_so(running: Catalogue, folder: Path) -> None:
    with redis_client(f"redis://127.0.0.1:{free_port()}/0") as nobody:
        watch = CatalogueWatch(folder, running, nobody, "ingest.0")
        with pytest.raises(redis_module.ConnectionError):
            watch.current()


def test_only_living_pieces_are_asked_whether_they_follow(client: redis_module.Redis) -> None:
    client.hset(names.CONFIGURATION_RUNNING, mapping={"ingest.0": "a", "ingest.1": "b"})
    client.set(names.heartbeat("ingest.0"), b"{}")
    assert changes.running(client) == {"ingest.0": "a"}


def test_asynchronous_pieces_are_called_with_what_comes_in_force(
    redis: Redis, client: redis_module.Redis, running: Catalogue, folder: Path, home: Path
) -> None:
    settings = dataclasses.replace(
        Settings.from_environment(environ_of(redis.url, home, f"http://127.0.0.1:{free_port()}")), config=folder
    )
    version = edit(folder, "at: 10,", "at: 5,")
    found: list[Catalogue] = []

    async def follow() -> None:
        called = asyncio.Event()

        def adopted(catalogue: Catalogue) -> None:
            found.append(catalogue)
            called.set()

        async with following(settings, running, "delivery", adopted):
            put_in_force(client, version)
            async with asyncio.timeout(30):
                await called.wait()

    asyncio.run(follow())
    assert [each.version for each in found] == [version]


# --- what pieces do with it ----------------------------------------------------------------------------------------


def test_a_standing_value_alarms_at_its_next_reading_under_a_stricter_limit(client: redis_module.Redis) -> None:
    shift = Shift(client)
    assert shift.hears(reading(0, 8.0)) == []
    shift.evaluator.adopt(STRICTER)
    assert shift.hears(reading(1, 8.0)) == ["raised high"]


def test_a_laxer_limit_lets_an_alarm_return(client: redis_module.Redis) -> None:
    shift = Shift(client)
    shift.evaluator.adopt(STRICTER)
    assert shift.hears(reading(0, 8.0)) == ["raised high"]
    shift.evaluator.adopt(CATALOGUE)
    assert shift.hears(reading(1, 8.0)) == ["returned high"]


def test_an_alarm_that_stands_under_both_is_no_news(client: redis_module.Redis) -> None:
    shift = Shift(client)
    assert shift.hears(reading(0, 15.0)) == ["raised high"]
    shift.evaluator.adopt(STRICTER)
    assert shift.hears(reading(1, 15.0)) == []
    assert shift.sweeps(2) == []


def test_a_limit_taken_out_withdraws_its_alarm_at_the_next_sweep(client: redis_module.Redis) -> None:
    shift = Shift(client)
    shift.hears(reading(0, 15.0))
    shift.evaluator.adopt(dataclasses.replace(CATALOGUE, limits=(QUALITY,)))
    shift.sweeps(1)
    assert [entry.event for entry in shift.journal()] == [Event.RAISED, Event.WITHDRAWN]
    assert shift.shown() == {}


def test_the_same_catalogue_is_nothing_to_adopt(client: redis_module.Redis) -> None:
    shift = Shift(client)
    shift.hears(reading(0, 8.0))
    watches = dict(shift.evaluator._watches)
    shift.evaluator.adopt(CATALOGUE)
    assert shift.evaluator._watches == watches != {}


def test_ingest_reads_a_new_quantity_and_a_new_range() -> None:
    before = catalogue(limit())
    after = dataclasses.replace(
        before, quantities={**before.quantities, "h2s": quantity(maximum=5.0), "hf": quantity("hf")}
    )
    onboarding = Onboarding(before, StoppedClock(T0))
    decoder = Decoder(before, onboarding.peek, onboarding.sensor)
    place = decoder.address(f"park/{SERIES}")
    assert isinstance(place, Values)
    assert decoder.readings(place, b"8", T0)[0].quality == "good"
    with pytest.raises(Rejected, match="hf"):
        decoder.address(f"park/{SENSOR}/hf")
    decoder.adopt(after)
    onboarding.adopt(after)
    assert decoder.readings(place, b"8", T0)[0].quality != "good"
    assert decoder.address(f"park/{SENSOR}/hf") is not None
    assert onboarding.limits_of(onboarding.sensor(SENSOR), "h2s") == ["h2s-high"]


def test_the_console_shows_and_acts_by_another_catalogue(redis: Redis, home: Path) -> None:
    settings = Settings.from_environment(environ_of(redis.url, home, f"http://127.0.0.1:{free_port()}"))

    async def change() -> None:
        wired, close = wire(settings, CATALOGUE, StoppedClock(T0))
        app = create_app(wired)
        adopt(app, STRICTER)
        found = app.state.dependencies
        assert found.catalogue is found.states.catalogue is found.overview.catalogue is STRICTER
        await close()

    asyncio.run(change())


def test_series_have_the_location_that_decides_their_limits(client: redis_module.Redis) -> None:
    shift = Shift(client)
    shift.hears(reading(0, 8.0))
    assert shift.directory.series(CATALOGUE) == {SERIES: Location.WORKPLACE}
