"""``parkwatch limits loads``: how the budgets of the default park stand."""

from __future__ import annotations

import time

import msgspec
import pytest
from typer.testing import CliRunner

from park.budgets import Load, begin_of, memory_of
from park.evaluate import Record
from park.limits import Period
from park.means import DAY, HOUR
from park.sensors import Channel, Sensor
from park.words import Location
from parkwatch.cli import app
from storage.configuration import load
from storage.directory import Directory
from storage.queue import redis_client
from storage.states import ShardStates, Work
from tests import servers
from tests.conftest import ROOT


def test_a_load_is_told_with_what_is_to_be_expected(redis: servers.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARKWATCH_REDIS_URL", redis.url)
    monkeypatch.setenv("PARKWATCH_CONFIG", str(ROOT / "config"))
    catalogue = load(ROOT / "config")
    begin = begin_of(Period.YEAR, time.time_ns() // 1_000_000)
    key = "riverside/outfall/out-901"
    with redis_client(redis.url) as client:
        channels = {"cod": Channel(), "flow-water": Channel()}
        Directory(client).put(Sensor(key, registered=0, location=Location.OUTFALL, channels=channels))
        memory = memory_of(Load(begin, 2_400.0, 240, begin + 10 * DAY))
        record = Record(begin, begin, 2_400.0, memory={"load": memory})
        states = ShardStates(client, "riverside.0")
        states.commit(Work(records={f"{key}/load-cod": (0, record)}), catalogue, begin)
    told = CliRunner().invoke(app, ["limits", "loads"])
    assert told.exit_code == 0, told.output
    assert "2.4 t of" in told.output
    assert "100% of the hours known" in told.output
    found = msgspec.json.decode(CliRunner().invoke(app, ["limits", "loads", "--json"]).output)
    (stand,) = [each for each in found if each["series"] == f"{key}/cod"]
    hours = stand["expected"] / 10
    assert hours in {365 * 24, 366 * 24}
    # 10 kg an hour: the budget runs out when so many hours have passed, if the year has as many.
    runs_out = begin + stand["budget"] / 10 * HOUR
    assert stand["exhausted"] == (pytest.approx(runs_out) if stand["budget"] < stand["expected"] else None)
