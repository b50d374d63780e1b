"""A limit that is changed while everything runs: who notices, what alarms, and what is on record."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from park.alarms import Event
from storage import changes, names
from storage.influx import Influx as InfluxClient
from tests.catchers import Catcher
from tests.conftest import ROOT
from tests.engineer import Engineer
from tests.pieces import Spawn
from tests.servers import Influx, Mosquitto, eventually
from tests.whole import Whole

_TOPIC = "park/riverside/air-station/live-1/h2s"
_FILE = "live.yaml"
_PATIENCE = 60.0
_ROW = """\
limits:
  - id: live-h2s
    kind: threshold
    names: {zh: 硫化氢试验限值, en: H2S trial limit}
    match: {quantities: [h2s], sensors: [live-1]}
    side: high
    unit: mg/m3
    set_points:
      - {severity: high, at: 8, priority: high}
    deadband: 0
    on_delay: 0s
    off_delay: 0s
    source: parkwatch
    clause: {zh: 试验, en: a trial}
    provenance: unverified
    guidance:
      cause: {zh: 阀门内漏, en: a leaking valve}
      consequence: {zh: 中毒, en: poisoning}
      response: {zh: 关闭阀门, en: close the valve}
      respond_within: 5min
"""
_GAS = """
  live-gas:
    names: {zh: 试验气体, en: Trial gas}
    unit: mg/m3
    location: workplace
    minimum: 0
    maximum: 100
"""


@pytest.fixture
def whole(
    environment: dict[str, str], spawn_piece: Spawn, influx: Influx, catcher: Catcher, tmp_path: Path
) -> Iterator[Whole]:
    """All pieces that work by the catalogue, by a configuration of this test's own."""
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    (config / "limits" / _FILE).write_text(_ROW, encoding="utf-8")
    found = Whole({**environment, "PARKWATCH_CONFIG": str(config)}, spawn_piece, influx, catcher)
    found.start()
    for piece in ("office", "console"):
        found.pieces[piece] = found.command("run", piece)
    yield found
    found.redis.close()


@pytest.fixture
def engineer(mosquitto: Mosquitto) -> Iterator[Engineer]:
    with Engineer(mosquitto.url) as found:
        yield found


def _apply(whole: Whole, new: Path) -> dict[str, Any]:
    """Apply ``new`` and return what became of it."""
    command = whole.command("limits", "apply", str(new), "--by", "li", "--why", "HAZOP 2026-3", "--json")
    assert command.wait(within=_PATIENCE) == 0, command.output
    found: dict[str, Any] = json.loads(command.output)
    return found


@pytest.mark.slow
def test_a_stricter_limit_is_live_in_every_piece_without_a_restart(
    whole: Whole, engineer: Engineer, tmp_path: Path, catcher: Catcher, environment: dict[str, str]
) -> None:
    expected = {"ingest.0", "worker.riverside.0", "delivery", "office", "console"}
    eventually(lambda: changes.running(whole.redis).keys() >= expected, within=_PATIENCE, why="not all pieces live")
    engineer.publish(_TOPIC, 3.0)
    eventually(lambda: whole.redis.hexists(names.series("riverside.0"), _TOPIC.removeprefix("park/")), within=_PATIENCE)
    assert not whole.redis.exists(names.ALARMS)

    new = tmp_path / _FILE
    new.write_text(_ROW.replace("at: 8", "at: 2").replace("close the valve", "close both valves"), encoding="utf-8")
    applied = _apply(whole, new)
    assert set(applied["followed"]) >= expected
    assert applied["behind"] == []
    change = applied["change"]["difference"]["changed"][0]
    assert (change["limit"], change["mark"]) == ("live-h2s", "stricter")
    assert change["touched"] == [_TOPIC.removeprefix("park/")]

    # The value that stood all the time, said once more.
    engineer.publish(_TOPIC, 3.0)
    eventually(lambda: whole.redis.hlen(names.ALARMS) == 1, within=_PATIENCE, why="the standing value raised nothing")
    (raised,) = [entry for entry in whole.journal() if entry.event is Event.RAISED]
    assert (raised.limit, raised.set_point, raised.value) == ("live-h2s", 2.0, 3.0)
    eventually(lambda: catcher.requests, within=_PATIENCE, why="no page left")
    assert "close both valves" in json.dumps(catcher.requests[0].json)

    (entry,) = changes.history(whole.redis, 10)
    assert (entry.by, entry.why, entry.difference.touched) == ("li", "HAZOP 2026-3", (_TOPIC.removeprefix("park/"),))
    assert all(piece.running for piece in whole.pieces.values())
    kept = InfluxClient(environment["PARKWATCH_INFLUX_URL"], environment["PARKWATCH_INFLUX_DB"], None)
    eventually(lambda: _kept(kept) == [("li", "HAZOP 2026-3", 1)], within=_PATIENCE, why="not in InfluxDB")
    kept.close()


@pytest.mark.slow
def test_a_limit_taken_out_withdraws_its_alarm_and_a_new_quantity_is_taken_in(
    whole: Whole, engineer: Engineer, tmp_path: Path
) -> None:
    eventually(lambda: len(changes.running(whole.redis)) >= 4, within=_PATIENCE, why="not all pieces live")
    engineer.publish(_TOPIC, 9.0)
    eventually(lambda: whole.redis.hlen(names.ALARMS) == 1, within=_PATIENCE, why="no alarm")
    unknown = _TOPIC.replace("/h2s", "/live-gas")
    engineer.publish(unknown, 1.0)
    assert "live-gas" in engineer.answer("rejected", unknown).content["reason"]

    new = tmp_path / "new"
    shutil.copytree(whole.environment["PARKWATCH_CONFIG"], new)
    (new / "limits" / _FILE).unlink()
    quantities = new / "quantities.yaml"
    quantities.write_text(quantities.read_text(encoding="utf-8").rstrip() + _GAS, encoding="utf-8")
    applied = _apply(whole, new)
    assert [limit["limit"] for limit in applied["change"]["difference"]["removed"]] == ["live-h2s"]

    eventually(
        lambda: [entry.event for entry in whole.journal()][-1] is Event.WITHDRAWN, within=_PATIENCE, why="stands on"
    )
    engineer.publish(unknown, 1.0)
    series = unknown.removeprefix("park/")
    eventually(lambda: whole.redis.hexists(names.series("riverside.0"), series), within=_PATIENCE, why="still refused")


def _kept(influx: InfluxClient) -> list[tuple[str, str, int]]:
    series = influx.query(f'SELECT "by", "why", "changed" FROM "{names.CHANGE}"', names.RETENTION_KEPT)
    return [(by, why, changed) for each in series for _, by, why, changed in each["values"]]
