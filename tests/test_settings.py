"""Settings: the environment, then the file that a running parkwatch left, then the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.settings import Settings, SettingsError

SECRETS = {
    "PARKWATCH_MQTT_URL": "mqtt_url",
    "PARKWATCH_REDIS_URL": "redis_url",
    "PARKWATCH_INFLUX_TOKEN": "influx_token",
    "PARKWATCH_WEBHOOK_URL": "webhook_url",
    "PARKWATCH_WEBHOOK_SECRET": "webhook_secret",
    "PARKWATCH_PULSE_URL": "pulse_url",
}


#: What such a setting may hold: some must be addresses.
PREFIX = {"PARKWATCH_MQTT_URL": "mqtt://", "PARKWATCH_REDIS_URL": "redis://", "PARKWATCH_PULSE_URL": "https://"}


def settings(home: Path, **environ: str) -> Settings:
    """Return the settings of an environment whose home is ``home``."""
    return Settings.from_environment({"PARKWATCH_HOME": str(home), **environ})


def leave(home: Path, *lines: str) -> None:
    """Leave an ``env`` file, as a running parkwatch does."""
    (home / "env").write_text("\n".join(lines), encoding="utf-8")


def test_defaults_are_the_servers_own_ports_on_loopback(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert (found.mqtt_url, found.redis_url) == ("mqtt://127.0.0.1:1883", "redis://127.0.0.1:6379/0")
    assert (found.influx_url, found.influx_db) == ("http://127.0.0.1:8086", "park")
    assert (found.influx_token, found.webhook_url, found.webhook_secret, found.mqtt_ca) == (None, None, None, None)
    assert found.home == tmp_path
    assert (found.config / "quantities.yaml").is_file()


def test_home_is_run_below_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.from_environment({}).home == tmp_path / ".run"


def test_second_terminal_finds_a_running_parkwatch(tmp_path: Path) -> None:
    leave(tmp_path, "# ports that were free", "PARKWATCH_MQTT_URL = mqtt://127.0.0.1:1999", "", "no pair")
    assert settings(tmp_path).mqtt_url == "mqtt://127.0.0.1:1999"


def test_value_may_hold_an_equals_sign(tmp_path: Path) -> None:
    leave(tmp_path, "PARKWATCH_INFLUX_TOKEN=abc==")
    assert settings(tmp_path).influx_token == "abc=="


def test_environment_goes_before_the_file(tmp_path: Path) -> None:
    leave(tmp_path, "PARKWATCH_INFLUX_DB=left", "PARKWATCH_MQTT_URL=mqtt://left")
    found = settings(tmp_path, PARKWATCH_INFLUX_DB="said")
    assert (found.influx_db, found.mqtt_url) == ("said", "mqtt://left")


def test_empty_is_as_if_not_said(tmp_path: Path) -> None:
    leave(tmp_path, "PARKWATCH_INFLUX_DB=", "PARKWATCH_WEBHOOK_URL=")
    found = settings(tmp_path, PARKWATCH_MQTT_URL="", PARKWATCH_CONFIG="")
    assert (found.influx_db, found.webhook_url, found.mqtt_url) == ("park", None, "mqtt://127.0.0.1:1883")


def test_trailing_slashes_go(tmp_path: Path) -> None:
    found = settings(tmp_path, PARKWATCH_INFLUX_URL="http://influx:8086/", PARKWATCH_CONSOLE_URL="https://park/")
    assert (found.influx_url, found.console_url) == ("http://influx:8086", "https://park")


def test_folders_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = Settings.from_environment({"PARKWATCH_HOME": "here", "PARKWATCH_CONFIG": "there"})
    assert (found.home, found.config) == (tmp_path / "here", tmp_path / "there")


@pytest.mark.parametrize("name", SECRETS)
def test_secret_from_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    hush = PREFIX.get(name, "") + "hush"
    file.write_text(f"  {hush}\n", encoding="utf-8")
    assert getattr(settings(tmp_path, **{f"{name}_FILE": str(file)}), SECRETS[name]) == hush


@pytest.mark.parametrize("name", SECRETS)
def test_secret_file_goes_before_the_file_of_the_home(tmp_path: Path, name: str) -> None:
    leave(tmp_path, f"{name}=left")
    file = tmp_path / "secret"
    hush = PREFIX.get(name, "") + "hush"
    file.write_text(hush, encoding="utf-8")
    assert getattr(settings(tmp_path, **{f"{name}_FILE": str(file)}), SECRETS[name]) == hush


@pytest.mark.parametrize("name", SECRETS)
def test_secret_that_is_said_goes_before_its_file(tmp_path: Path, name: str) -> None:
    said = PREFIX.get(name, "") + "said"
    assert getattr(settings(tmp_path, **{name: said, f"{name}_FILE": "/nowhere"}), SECRETS[name]) == said


def test_secret_file_that_is_not_there_says_which(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(SettingsError, match=f"PARKWATCH_WEBHOOK_SECRET_FILE names {missing}"):
        settings(tmp_path, PARKWATCH_WEBHOOK_SECRET_FILE=str(missing))


def test_empty_secret_file_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("\n", encoding="utf-8")
    assert settings(tmp_path, PARKWATCH_WEBHOOK_SECRET_FILE=str(file)).webhook_secret is None


@pytest.mark.parametrize(
    "name", ["PARKWATCH_MQTT_URL", "PARKWATCH_REDIS_URL", "PARKWATCH_INFLUX_URL", "PARKWATCH_PULSE_URL"]
)
def test_what_is_no_address_is_refused_without_quoting_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is no address: write ") as refused:
        Settings.from_environment({"PARKWATCH_HOME": str(tmp_path), name: "user:secret@127.0.0.1:1"})
    assert "secret" not in str(refused.value)


def test_a_home_that_can_not_be_looked_into_is_told() -> None:
    with pytest.raises(SettingsError, match="name a folder that can be in PARKWATCH_HOME"):
        Settings.from_environment({"PARKWATCH_HOME": "/" + "x" * 300})
