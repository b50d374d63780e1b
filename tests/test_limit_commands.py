"""``parkwatch limits``: it lists, explains and compares; and it changes a configuration whole or not at all."""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis as redis_client_module

from park.sensors import Channel, Sensor
from park.words import Location
from parkwatch.servers import free_port
from storage import applying, changes, configuration, names
from storage.directory import Directory
from storage.queue import redis_client
from tests.servers import Redis
from tests.terminal import Terminal
from tests.test_configuration import GAS, GUIDANCE, QUANTITIES, SMALL, ZONES

SENSOR = "riverside/tank-farm/gd-1"
BY = ("--by", "li", "--why", "HAZOP 2026-3")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A small sound configuration in force."""
    return _folder(tmp_path / "config")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return _folder(tmp_path / "new")


@pytest.fixture
def parkwatch(redis: Redis, home: Path, config: Path) -> Iterator[Terminal]:
    environment = {
        "PARKWATCH_HOME": str(home),
        "PARKWATCH_CONFIG": str(config),
        "PARKWATCH_REDIS_URL": redis.url,
    }
    with redis_client(redis.url) as client:
        yield Terminal(environment, client)


@pytest.fixture
def sensor(parkwatch: Terminal) -> Sensor:
    """A gas detector that is registered and has described itself."""
    found = Sensor(SENSOR, 1, location=Location.WORKPLACE, channels={"h2s": Channel()}, described=True)
    Directory(parkwatch.client).put(found)
    return found


def _folder(folder: Path) -> Path:
    for name, text in SMALL.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def edit(folder: Path, name: str, old: str, replacement: str) -> Path:
    file = folder / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, replacement), encoding="utf-8")
    return file


def stricter(folder: Path) -> Path:
    """Halve the first set-point of H2S."""
    return edit(folder, GAS, "at: 10,", "at: 5,")


def held(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def version(folder: Path) -> str:
    return configuration.load(folder).version


# --- list ----------------------------------------------------------------------------------------------------------


def test_list_shows_everything_about_a_limit(parkwatch: Terminal) -> None:
    said = parkwatch("limits", "list", "--quantity", "h2s")
    for words in (
        "h2s-detector  硫化氢报警 / H2S detector",
        "threshold: high > 10 mg/m3 (high), high-high > 20 mg/m3 (critical)",
        "for h2s at workplace",
        "GB/T 50493-2019, 5.5.2",
        "verified, version ",
    ):
        assert words in said
    assert "tank-low" not in said


def test_list_as_json_has_the_numbers_of_the_source(parkwatch: Terminal, config: Path) -> None:
    edit(config, GAS, "unit: mg/m3", "unit: ug/m3")
    edit(config, GAS, "at: 10,", "at: 10000,")
    edit(config, GAS, "at: 20,", "at: 20000,")
    edit(config, GAS, "deadband: 1", "deadband: 1000")
    found = next(each for each in parkwatch.json("limits", "list") if each["id"] == "h2s-detector")
    assert (found["unit"], found["deadband"], found["measures"]) == ("ug/m3", 1000.0, "threshold")
    assert found["set_points"] == [
        {"severity": "high", "at": 10_000.0, "priority": "high"},
        {"severity": "high-high", "at": 20_000.0, "priority": "critical"},
    ]
    assert found["version"] == configuration.load(config).limit("h2s-detector").version


def test_list_of_a_day_has_what_is_in_force_then(parkwatch: Terminal, config: Path) -> None:
    edit(config, GAS, "provenance: verified", "provenance: verified\n    valid_from: 2031-01-01")
    assert "from 2031-01-01; not in force" in parkwatch("limits", "list")
    before, after = (parkwatch.json("limits", "list", "--at", day) for day in ("2030-12-31", "2031-01-01"))
    assert "h2s-detector" not in {each["id"] for each in before}
    assert "h2s-detector" in {each["id"] for each in after}


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("list", "--zone", "riversid"), "did you mean 'riverside'?"),
        (("list", "--quantity", "h3s"), "did you mean 'h2s'?"),
        (("list", "--at", "1 March"), "write year-month-day"),
        (("explain", "riverside/tank-farm"), "write zone/site/sensor"),
        (("explain", "riverside/tank-farm/GD"), "is not a name"),
        (("explain", "nowhere/tank-farm/gd-1"), "there is no zone nowhere"),
        (("explain", f"{SENSOR}/h3s"), "did you mean 'h2s'?"),
        (("diff", "nothing.yaml"), "there is no nothing.yaml; write a configuration folder, or a file"),
        (("apply", "x.yaml", "--by", " ", "--why", "x"), "--by is empty"),
        (("apply", "x.yaml", "--by", "li", "--why", "x" * 1001), "write at most 1000"),
    ],
)
def test_what_can_not_be_asked_is_refused_with_a_remedy(
    parkwatch: Terminal, arguments: tuple[str, ...], remedy: str
) -> None:
    assert remedy in parkwatch("limits", *arguments, status=2)


# --- explain -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sensor")
def test_explain_says_which_limits_a_registered_sensor_has(parkwatch: Terminal) -> None:
    found = parkwatch.json("limits", "explain", SENSOR)
    assert found["registered"] is True
    (series,) = found["series"]
    assert (series["series"], series["location"], series["strictest"]) == (
        f"{SENSOR}/h2s",
        "workplace",
        ["h2s-detector"],
    )
    assert "strictest (threshold, high): h2s-detector, high > 10 mg/m3" in parkwatch("limits", "explain", SENSOR)


def test_explain_knows_what_a_sensor_has_sent(parkwatch: Terminal) -> None:
    directory = Directory(parkwatch.client)
    directory.register(Sensor(SENSOR, 1))
    assert "has sent nothing yet: name a quantity too" in parkwatch("limits", "explain", SENSOR, status=1)
    parkwatch.client.hset(names.series("riverside.0"), f"{SENSOR}/level", "1 []")
    (series,) = parkwatch.json("limits", "explain", SENSOR)["series"]
    assert (series["series"], series["location"]) == (f"{SENSOR}/level", "process")


def test_explain_of_a_sensor_that_is_not_registered_says_what_it_would_have(parkwatch: Terminal) -> None:
    assert "is not registered: name a quantity too" in parkwatch("limits", "explain", SENSOR, status=1)
    said = parkwatch("limits", "explain", f"{SENSOR}/h2s")
    assert f"{SENSOR} is not registered; with its first reading these would be its limits" in said
    elsewhere = parkwatch("limits", "explain", f"{SENSOR}/h2s", "--location", "stack")
    assert "not: h2s-detector" in elsewhere
    assert "strictest" not in elsewhere
    assert "other location class, only for workplace; this is stack" in elsewhere


# --- diff ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sensor")
def test_diff_shows_old_and_new_side_by_side_and_whom_it_touches(parkwatch: Terminal, new: Path) -> None:
    stricter(new)
    said = parkwatch("limits", "diff", str(new))
    assert "changed: h2s-detector  硫化氢报警 / H2S detector  <stricter>" in said
    assert "set-point high: high > 10 mg/m3 (high) -> high > 5 mg/m3 (high)  <stricter>" in said
    assert f"touches {SENSOR}/h2s" in said
    assert "0 added, 0 removed, 1 changed" in said
    assert "touches 1 series of 1 sensors" in said


def test_one_file_stands_in_for_the_one_of_the_same_name(parkwatch: Terminal, new: Path) -> None:
    folder, file = parkwatch.json("limits", "diff", str(new)), parkwatch.json("limits", "diff", str(new / GAS))
    assert folder == file
    folder = stricter(new).parent.parent
    whole, one = parkwatch.json("limits", "diff", str(folder)), parkwatch.json("limits", "diff", str(new / GAS))
    assert whole == one
    assert one["changed"][0]["mark"] == "stricter"


def test_a_file_of_another_name_is_added(parkwatch: Terminal, new: Path) -> None:
    more = new / "more.yaml"
    more.write_text(SMALL[GAS].replace("id: h2s-detector", "id: h2s-more"), encoding="utf-8")
    (added,) = parkwatch.json("limits", "diff", str(more))["added"]
    assert (added["limit"], added["mark"]) == ("h2s-more", "stricter")


def test_quantities_and_guidance_can_be_compared_too(parkwatch: Terminal, new: Path) -> None:
    (change,) = parkwatch.json("limits", "diff", str(edit(new, GUIDANCE, "leave upwind", "run upwind")))["changed"][:1]
    assert [field["field"] for field in change["fields"]] == ["response"]
    found = parkwatch.json("limits", "diff", str(edit(new, QUANTITIES, "maximum: 1500", "maximum: 1400")))
    assert found["others"] == [{"what": "quantities", "text": "changed: h2s", "restart": False}]


def test_diff_needs_no_redis(parkwatch: Terminal, new: Path) -> None:
    parkwatch.environment["PARKWATCH_REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    stricter(new)
    said = parkwatch("limits", "diff", str(new))
    assert "1 changed" in said
    assert "nobody knows which registered sensors are touched" in said


# --- apply ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sensor")
def test_apply_changes_the_folder_keeps_both_versions_and_tells(
    parkwatch: Terminal, config: Path, new: Path, home: Path
) -> None:
    before, after = version(config), version(stricter(new).parent.parent)
    said = parkwatch("limits", "apply", str(new), *BY)
    assert f"version {after} is in force" in said
    assert "no piece is running" in said
    assert held(config) == held(new)
    kept = home / "configurations"
    assert (version(kept / before), version(kept / after)) == (before, after)
    (entry,) = changes.history(parkwatch.client, 10)
    assert (entry.by, entry.why, entry.difference.old, entry.difference.new) == ("li", "HAZOP 2026-3", before, after)
    found = changes.applied(parkwatch.client)
    assert found is not None
    assert (found.version, found.by, found.at, found.token) == (after, "li", entry.at, entry.token)
    said = parkwatch("limits", "history")
    assert f"{before} -> {after}  li: HAZOP 2026-3" in said
    assert "high > 10 mg/m3 (high) -> high > 5 mg/m3 (high)  <stricter>" in said


def test_history_is_newest_first_and_only_grows(parkwatch: Terminal, new: Path) -> None:
    for number in (5, 6, 7):
        edit(new, GAS, f"at: {10 if number == 5 else number - 1},", f"at: {number},")
        parkwatch("limits", "apply", str(new / GAS), "--by", "li", "--why", f"step {number}")
    assert [each["why"] for each in parkwatch.json("limits", "history")] == ["step 7", "step 6", "step 5"]
    assert [each["why"] for each in parkwatch.json("limits", "history", "--most", "1")] == ["step 7"]


def test_applying_again_is_nothing_to_do_and_leaves_no_entry(parkwatch: Terminal, new: Path) -> None:
    stricter(new)
    parkwatch("limits", "apply", str(new), *BY)
    assert "nothing to do" in parkwatch("limits", "apply", str(new), *BY, status=1)
    assert len(changes.history(parkwatch.client, 10)) == 1


def test_a_file_that_is_taken_out_is_gone_and_a_new_one_there(parkwatch: Terminal, config: Path, new: Path) -> None:
    (new / GAS).rename(new / "limits" / "renamed.yaml")
    edit(new, "limits/renamed.yaml", "at: 10,", "at: 9,")
    parkwatch("limits", "apply", str(new), *BY)
    assert held(config) == held(new)


def test_what_needs_a_restart_is_said(parkwatch: Terminal, new: Path) -> None:
    edit(new, ZONES, "zones:\n  riverside:\n", "zones:\n  riverside:\n    shards: 2\n")
    assert "needs a restart to take effect: zones" in parkwatch("limits", "apply", str(new), *BY)


def _unchanged(parkwatch: Terminal, config: Path, before: dict[str, bytes]) -> None:
    assert held(config) == before
    assert not parkwatch.client.exists(names.CHANGES, names.CONFIGURATION)


def test_a_broken_new_changes_nothing_and_all_its_problems_are_told(
    parkwatch: Terminal, config: Path, new: Path
) -> None:
    before = held(config)
    edit(new, GAS, "side: high", "side: up")
    edit(new, QUANTITIES, "maximum: 1500", "maximum: -1")
    said = parkwatch("limits", "apply", str(new), *BY, status=2)
    assert f"{new / GAS}:8: " in said
    assert str(new / QUANTITIES) in said
    assert "problems; nothing was changed" in said
    _unchanged(parkwatch, config, before)


@pytest.mark.parametrize(
    ("file", "old", "replacement", "why"),
    [
        (GAS, "    guidance: leak\n", "", "it has no guidance"),
        (GAS, "guidance: leak", "guidance: leek", "its guidance 'leek' is not in guidance.yaml"),
        (GUIDANCE, "    response: {zh: 撤离, en: leave upwind}\n", "", "its guidance 'leak' has no response"),
    ],
)
@pytest.mark.usefixtures("sensor")
def test_a_limit_in_use_can_not_lose_its_response_text(
    parkwatch: Terminal, config: Path, new: Path, file: str, old: str, replacement: str, why: str
) -> None:
    before = held(config)
    edit(new, file, old, replacement)
    said = parkwatch("limits", "apply", str(new), *BY, status=2)
    assert f"limit h2s-detector is in use by 1 series and would lose its response text: {why}" in said
    _unchanged(parkwatch, config, before)


def test_a_quantity_that_would_change_its_unit_is_refused(parkwatch: Terminal, config: Path, new: Path) -> None:
    before = held(config)
    edit(new, QUANTITIES, 'unit: "°C"', "unit: K")
    said = parkwatch("limits", "apply", str(new), *BY, status=2)
    assert "temperature would be kept in another unit" in said
    _unchanged(parkwatch, config, before)


def test_without_redis_nothing_is_changed(parkwatch: Terminal, config: Path, new: Path) -> None:
    before = held(config)
    parkwatch.environment["PARKWATCH_REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    stricter(new)
    assert "Redis does not answer" in parkwatch("limits", "apply", str(new), *BY, status=1)
    _unchanged(parkwatch, config, before)


def test_two_at_once_are_one_after_the_other(parkwatch: Terminal, config: Path, new: Path) -> None:
    before = held(config)
    stricter(new)
    with applying.exclusive(config):
        said: list[str] = []
        other = threading.Thread(target=lambda: said.append(_second(config)))
        other.start()
        other.join()
    assert "somebody else is applying" in said[0]
    _unchanged(parkwatch, config, before)


def _second(config: Path) -> str:
    try:
        with applying.exclusive(config):
            return "both"
    except applying.ApplyError as error:
        return str(error)


# --- whole or not at all -------------------------------------------------------------------------------------------


def test_a_change_that_redis_refuses_is_taken_back_whole(
    parkwatch: Terminal, config: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held(config)
    stricter(new)
    (new / "limits" / "tanks.yaml").unlink()

    def refused(*_: Any) -> None:
        assert held(config) == held(new)
        raise redis_client_module.ConnectionError("gone")

    monkeypatch.setattr(changes, "record", refused)
    said = parkwatch("limits", "apply", str(new), *BY, status=1)
    assert "Redis does not take the change (gone); nothing was changed" in said
    _unchanged(parkwatch, config, before)


def test_a_change_whose_answer_was_lost_stands(
    parkwatch: Terminal, config: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stricter(new)
    record = changes.record

    def taken(*arguments: Any) -> None:
        record(*arguments)
        raise redis_client_module.TimeoutError("no answer")

    monkeypatch.setattr(changes, "record", taken)
    parkwatch("limits", "apply", str(new), *BY)
    assert held(config) == held(new)
    assert len(changes.history(parkwatch.client, 10)) == 1


def test_whoever_was_faster_wins_and_the_other_changes_nothing(
    parkwatch: Terminal, config: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held(config)
    stricter(new)
    check = applying.Applying._check

    def meanwhile(self: applying.Applying, expected: str) -> None:
        check(self, expected)
        other = changes.Applied("another", "content", 1, "wang", "token")
        parkwatch.client.set(names.CONFIGURATION, msgspec.json.encode(other))

    monkeypatch.setattr(applying.Applying, "_check", meanwhile)
    assert "somebody else has applied another" in parkwatch("limits", "apply", str(new), *BY, status=1)
    assert held(config) == before
    assert not parkwatch.client.exists(names.CHANGES)


@pytest.mark.parametrize(
    ("number", "text", "said"),
    [
        (errno.ENOSPC, "No space left on device", "can't be written (No space left on device)"),
        (errno.EROFS, "Read-only file system", "in containers it is mounted so: docs/containers.md says how"),
    ],
)
def test_a_folder_that_can_not_be_written_stays_as_it_is(
    number: int, text: str, said: str, parkwatch: Terminal, config: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held(config)
    stricter(new)
    edit(new, GUIDANCE, "leave upwind", "run upwind")
    replace, done = Path.replace, list[Path]()

    def full(self: Path, target: Path) -> Path:
        if target == config / GAS and not done:
            done.append(target)
            raise OSError(number, text, str(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    assert said in parkwatch("limits", "apply", str(new), *BY, status=1)
    assert done
    _unchanged(parkwatch, config, before)


def test_a_folder_half_changed_by_a_killed_apply_is_healed_by_the_next(
    parkwatch: Terminal, config: Path, new: Path
) -> None:
    parkwatch("limits", "apply", str(edit(new, GAS, "at: 10,", "at: 9,")), *BY)
    shutil.copy(edit(new, GUIDANCE, "leave upwind", "run upwind"), config / GUIDANCE)
    (config / QUANTITIES).write_text("half", encoding="utf-8")
    said = parkwatch("limits", "apply", str(new), *BY)
    assert "response: 撤离 / leave upwind -> 撤离 / run upwind" in said
    assert held(config) == held(new)
    assert len(changes.history(parkwatch.client, 10)) == 2


def test_a_kept_version_that_can_not_be_read_any_more_is_no_obstacle(
    parkwatch: Terminal, config: Path, new: Path, home: Path
) -> None:
    parkwatch("limits", "apply", str(edit(new, GAS, "at: 10,", "at: 9,")), *BY)
    (home / "configurations" / version(config) / GAS).write_text("limits: [", encoding="utf-8")
    assert "high > 9 mg/m3 (high) -> high > 8 mg/m3" in parkwatch(
        "limits", "apply", str(edit(new, GAS, "at: 9,", "at: 8,")), *BY
    )


def test_a_folder_edited_by_hand_can_be_put_in_force_as_it_is(parkwatch: Terminal, config: Path, new: Path) -> None:
    parkwatch("limits", "apply", str(edit(new, GAS, "at: 10,", "at: 9,")), *BY)
    edit(config, GAS, "at: 9,", "at: 8,")
    assert "high > 9 mg/m3 (high) -> high > 8 mg/m3" in parkwatch("limits", "apply", str(config), *BY)
    found = changes.applied(parkwatch.client)
    assert found is not None
    assert found.version == version(config)
