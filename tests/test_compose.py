"""docker-compose.yml keeps its promises, scripts/secrets makes what it needs, and health checks tell the truth."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
from ruamel.yaml import YAML

from parkwatch import alive
from storage.configuration import load
from storage.influx import Influx
from storage.settings import Settings, SettingsError
from tests.catchers import Catcher
from tests.conftest import ROOT
from tests.servers import Redis

FOLDER = "${PARKWATCH_SECRETS:-./secrets}"
OWN_IMAGE = "parkwatch:local"
#: Who is published, and the address that the published port is bound to unless the operator says otherwise.
PUBLISHED = {
    "broker": "${PARKWATCH_MQTT_PUBLISH:-8883}:8883",
    "grafana": "${PARKWATCH_GRAFANA_PUBLISH:-127.0.0.1:3000}:3000",
    "console": "${PARKWATCH_CONSOLE_PUBLISH:-127.0.0.1:8100}:8100",
}
#: What does its work and ends.
ONCE = {"demo-past", "grafana-users"}
#: Secrets that somebody tells us; empty until then.
TOLD = {"webhook-url", "pulse-url", "grafana-webhook-url", "smtp-password"}
SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|_KEY|PARKWATCH_WEBHOOK|PULSE_URL|MQTT_URL|REDIS_URL")


def _compose() -> Any:
    return YAML(typ="safe").load(ROOT / "docker-compose.yml")


COMPOSE = _compose()
SERVICES: dict[str, Any] = COMPOSE["services"]
each_service = pytest.mark.parametrize("name", SERVICES)


# --- the compose file --------------------------------------------------------------------------------------------


def test_only_the_broker_grafana_and_the_console_are_published() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {name: [port] for name, port in PUBLISHED.items()}
    assert not [name for name, service in SERVICES.items() if "network_mode" in service]


def test_redis_and_influxdb_are_on_a_network_that_leads_nowhere() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    # What is published needs it, and who tells people, and who tells that they can be told.
    assert outside == {*PUBLISHED, "alerts", "watchdog"}


@each_service
def test_every_service_is_asked_whether_it_works_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert service["restart"] == "on-failure"
        return
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["healthcheck"]["interval"]
    assert service["restart"] == "unless-stopped"


@each_service
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert int(service["user"].split(":")[0]) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service["tmpfs"]  # noqa: S108 - in a container
    assert "privileged" not in service
    assert "cap_add" not in service


@each_service
def test_images_are_pinned(name: str) -> None:
    service = SERVICES[name]
    if service["image"] == OWN_IMAGE:
        # One service builds it. Were each to, every `up --build` would start everything anew.
        assert service.get("build") == ("." if name == "ingest" else None)
        assert service["pull_policy"] == "never"
    else:
        assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?(-bookworm)?", service["image"])
        assert "build" not in service


def test_servers_are_of_the_expected_lines() -> None:
    images = {name: SERVICES[name]["image"] for name in ("broker", "redis", "influxdb", "grafana")}
    assert images["broker"].startswith("eclipse-mosquitto:2.")
    assert images["redis"].startswith("redis:7.")
    assert images["influxdb"].startswith("influxdb:2.")
    assert images["grafana"].startswith("grafana/grafana:11.")


def test_every_shard_of_the_configuration_has_one_worker() -> None:
    workers = {name: service for name, service in SERVICES.items() if "worker" in service.get("command", [])}
    by_shard = {service["command"][-1]: name for name, service in workers.items()}
    shards = load(ROOT / "config").shards
    assert set(by_shard) == set(shards)
    assert len(workers) == len(shards)
    for shard, name in by_shard.items():
        assert name == f"worker-{shard.replace('.', '-')}"
        assert workers[name]["healthcheck"]["test"][-1] == f"worker.{shard}"


def test_the_pieces_are_there() -> None:
    commands = {name: service["command"] for name, service in SERVICES.items() if service["image"] == OWN_IMAGE}
    others = {name: command for name, command in commands.items() if not name.startswith("worker-")}
    assert others == {
        "ingest": ["run", "ingest", "--id", "0"],
        "beat": ["run", "beat"],
        "office": ["run", "office"],
        "alerts": ["run", "delivery"],
        "console": ["run", "console"],
        "watchdog": ["run", "watchdog"],
        "demo": ["simulate"],
        "demo-past": ["demo"],
        "grafana-users": ["grafana-users"],
    }


def test_only_the_simulated_park_waits_for_its_profile() -> None:
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "demo": ["demo"],
        "demo-past": ["demo"],
    }


def test_services_may_start_in_any_order() -> None:
    assert not [name for name, service in SERVICES.items() if "depends_on" in service]


def test_what_must_last_lies_in_named_volumes() -> None:
    mounted = {
        f"{name}:{volume.split(':')[1]}"
        for name, service in SERVICES.items()
        for volume in service["volumes" if "volumes" in service else "tmpfs"]
        if isinstance(volume, str) and volume.split(":")[0] in COMPOSE["volumes"]
    }
    assert mounted == {
        "broker:/mosquitto/data",
        "redis:/data",
        "influxdb:/var/lib/influxdb2",
        "influxdb:/etc/influxdb2",
        "grafana:/var/lib/grafana",
        "ingest:/var/lib/parkwatch",
        "console:/var/lib/parkwatch",
    }


def test_links_in_messages_lead_where_people_are_served() -> None:
    """Delivery writes the links; console and Grafana answer to them, and the console knows their signature."""
    said = {name: SERVICES[name]["environment"] for name in ("alerts", "console", "grafana")}
    assert said["alerts"]["PARKWATCH_CONSOLE_URL"] == said["console"]["PARKWATCH_CONSOLE_URL"]
    assert said["alerts"]["PARKWATCH_GRAFANA_URL"] == said["grafana"]["GF_SERVER_ROOT_URL"]
    assert said["alerts"]["PARKWATCH_SECRET_KEY_FILE"] == said["console"]["PARKWATCH_SECRET_KEY_FILE"]


def test_grafana_runs_by_the_same_rules_as_natively() -> None:
    """Who may do what stands in grafana.ini; the environment only says what differs."""
    grafana = SERVICES["grafana"]
    assert "./grafana/grafana.ini:/etc/grafana/grafana.ini:ro" in grafana["volumes"]
    ini = configparser.RawConfigParser()
    ini.read(ROOT / "grafana" / "grafana.ini", encoding="utf-8")
    known = {f"GF_{section}_{key}".upper().replace(".", "_") for section in ini.sections() for key in ini[section]}
    assert not known & set(grafana["environment"])
    for section, key, value in (
        ("auth.anonymous", "enabled", "false"),
        ("users", "allow_sign_up", "false"),
        ("users", "viewers_can_edit", "false"),
        ("users", "home_page", "/d/parkwatch-overview-zh"),
        ("analytics", "reporting_enabled", "false"),
        ("analytics", "check_for_updates", "false"),
        ("analytics", "check_for_plugin_updates", "false"),
        ("security", "disable_gravatar", "true"),
        ("security", "allow_embedding", "false"),
        ("news", "news_feed_enabled", "false"),
        ("snapshots", "external_enabled", "false"),
        ("plugins", "plugin_admin_enabled", "false"),
        ("plugins", "preinstall_disabled", "true"),
        ("metrics", "enabled", "false"),
        ("unified_alerting", "enabled", "true"),
    ):
        assert ini[section][key] == value, (section, key)
    assert "grafana.com" not in ini["security"]["content_security_policy_template"]


def test_grafana_takes_the_address_that_it_sends_from() -> None:
    """It looks even when it sends nothing, and does not start where the host has no dot."""
    said = SERVICES["grafana"]["environment"]["GF_SMTP_FROM_ADDRESS"]
    assert re.fullmatch(r"\$\{PARKWATCH_SMTP_FROM:-[a-z]+@[a-z]+\.[a-z]+\}", said)


def test_grafana_tells_whom_the_operator_names_and_nobody_otherwise() -> None:
    contacts = [volume for volume in SERVICES["grafana"]["volumes"] if isinstance(volume, dict)]
    assert [each["source"] for each in contacts] == ["./grafana/contacts/${PARKWATCH_GRAFANA_CONTACTS:-nobody}.yaml"]
    assert contacts[0]["target"] == "/etc/grafana/provisioning/alerting/contacts.yaml"
    files = {file.stem for file in (ROOT / "grafana" / "contacts").glob("*.yaml")}
    assert files == {"nobody", "webhook", "email", "webhook-email"}


def test_grafanas_map_and_viewers_come_from_where_they_are() -> None:
    grafana, users = SERVICES["grafana"], SERVICES["grafana-users"]
    assert grafana["environment"]["PARKWATCH_MAP_URL"] == "http://console:8100"
    assert SERVICES["console"]["environment"]["PARKWATCH_CONSOLE_BIND"].endswith(":8100")
    assert users["environment"]["PARKWATCH_GRAFANA_URL"] == "http://grafana:3000"
    assert users["secrets"] == ["grafana-password", "grafana-viewer-password"]
    password = "GF_SECURITY_ADMIN_PASSWORD__FILE"
    assert grafana["environment"][password] == users["environment"]["PARKWATCH_GRAFANA_PASSWORD_FILE"]


def test_redis_keeps_every_write_within_a_second() -> None:
    command = SERVICES["redis"]["command"]
    assert {"--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction"} <= set(command)


def test_what_is_mounted_from_the_source_is_there_and_read_only() -> None:
    files = [
        volume.split(":")
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if isinstance(volume, str) and volume.startswith("./")
    ]
    assert files
    for file, _, mode in files:
        assert (ROOT / file).exists(), file
        assert mode == "ro", file
    binds = [
        volume for service in SERVICES.values() for volume in service.get("volumes", []) if isinstance(volume, dict)
    ]
    assert all(bind["read_only"] for bind in binds)


@pytest.mark.parametrize("script", ["broker/entrypoint.container.sh", "scripts/influxdb-setup.sh", "scripts/secrets"])
def test_scripts_can_be_executed(script: str) -> None:
    assert (ROOT / script).stat().st_mode & stat.S_IXUSR


def test_compose_accepts_the_file(tmp_path: Path) -> None:
    """By its own words where Docker is installed; its rules that matter are tested above in any case."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        environment = {**os.environ, "PARKWATCH_SECRETS": str(tmp_path)}
        command = [docker, "compose", "--profile", "demo", "config", "--quiet"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


# --- secrets -----------------------------------------------------------------------------------------------------


@each_service
def test_secrets_come_from_files_only(name: str) -> None:
    service = SERVICES[name]
    given = set(service.get("secrets", []))
    for variable, value in service.get("environment", {}).items():
        if SECRET.search(variable) and value not in {"true", "false"}:
            assert variable.endswith("_FILE"), f"{variable} would stand in the environment"
            assert value.removeprefix("/run/secrets/") in given, f"{variable}: {value} is not mounted"
    assert given <= set(COMPOSE["secrets"])


def test_every_secret_is_a_file_of_the_folder_and_used() -> None:
    assert COMPOSE["secrets"] == {name: {"file": f"{FOLDER}/{name}"} for name in COMPOSE["secrets"]}
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])


def test_the_simulated_park_has_the_sensors_login_only() -> None:
    assert SERVICES["demo"]["secrets"] == ["mqtt-url-sensors", "mqtt-ca.crt"]


def test_secrets_are_not_in_git_nor_in_the_image() -> None:
    assert "/secrets/" in (ROOT / ".gitignore").read_text().split()
    allowed = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert (ROOT / ".dockerignore").read_text().split("\n")[1] == "*"
    assert "!secrets" not in allowed


def _make_secrets(folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [ROOT / "scripts" / "secrets"],
        env={"PATH": os.environ["PATH"], "PARKWATCH_SECRETS": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _content(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that scripts/secrets has made."""
    folder = tmp_path_factory.mktemp("made") / "secrets"
    _make_secrets(folder)
    return folder


def test_one_command_makes_every_secret(made: Path) -> None:
    content = _content(made)
    assert set(COMPOSE["secrets"]) <= set(content)
    assert all(content[name].strip() for name in COMPOSE["secrets"] if name not in TOLD)
    assert (made / "channels").is_dir()
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert stat.S_IMODE((made / "mqtt-ca.key").stat().st_mode) == 0o600


def test_two_folders_share_no_secret(made: Path, tmp_path: Path) -> None:
    _make_secrets(tmp_path)
    same = {name for name, text in _content(tmp_path).items() if text == _content(made)[name]}
    assert same == {*TOLD, "mqtt-names", "mqtt-broker.names"}


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    said = {
        "PARKWATCH_WEBHOOK_URL": "https://example.org/hook",
        "PARKWATCH_PULSE_URL": "https://example.org/pulse",
        "PARKWATCH_GRAFANA_ALERT_WEBHOOK": "https://example.org/grafana",
        "PARKWATCH_SMTP_PASSWORD": "of the mail server",
    }
    _make_secrets(tmp_path, PARKWATCH_MQTT_NAMES="mqtt.example.org", **said)
    before = _content(tmp_path)
    _make_secrets(tmp_path)
    assert _content(tmp_path) == before
    assert before["webhook-url"] == "https://example.org/hook\n"
    assert before["pulse-url"] == "https://example.org/pulse\n"
    assert before["grafana-webhook-url"] == "https://example.org/grafana\n"
    assert before["smtp-password"] == "of the mail server\n"
    assert "DNS:mqtt.example.org" in before["mqtt-broker.names"]


def test_a_further_name_makes_a_new_certificate_of_the_same_authority(tmp_path: Path) -> None:
    _make_secrets(tmp_path)
    before = _content(tmp_path)
    _make_secrets(tmp_path, PARKWATCH_MQTT_NAMES="192.0.2.7 2.example.org fd00::7")
    after = _content(tmp_path)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"mqtt-names", "mqtt-broker.names", "mqtt-broker.crt", "mqtt-broker.key"}
    assert after["mqtt-broker.names"].strip().endswith("IP:192.0.2.7,DNS:2.example.org,IP:fd00::7")


def test_a_certificate_of_the_operators_own_is_left_alone(tmp_path: Path) -> None:
    _make_secrets(tmp_path)
    (tmp_path / "mqtt-broker.names").unlink()
    (tmp_path / "mqtt-broker.crt").write_text("the park's own\n")
    _make_secrets(tmp_path, PARKWATCH_MQTT_NAMES="elsewhere")
    assert (tmp_path / "mqtt-broker.crt").read_text() == "the park's own\n"


def test_pieces_can_read_what_was_made(made: Path) -> None:
    names = {
        "PARKWATCH_MQTT_URL": "mqtt-url",
        "PARKWATCH_REDIS_URL": "redis-url",
        "PARKWATCH_INFLUX_TOKEN": "influx-parkwatch",
        "PARKWATCH_WEBHOOK_URL": "webhook-url",
        "PARKWATCH_WEBHOOK_SECRET": "webhook-secret",
        "PARKWATCH_SECRET_KEY": "secret-key",
        "PARKWATCH_PULSE_URL": "pulse-url",
    }
    files = {f"{name}_FILE": str(made / file) for name, file in names.items()}
    settings = Settings.from_environment({"PARKWATCH_HOME": "/nonexistent", **files})
    assert re.fullmatch(r"mqtts://parkwatch:\w{48}@broker:8883", settings.mqtt_url)
    assert re.fullmatch(r"redis://:\w{48}@redis:6379/0", settings.redis_url)
    assert re.fullmatch(r"parkwatch:\w{48}", settings.influx_token or "")
    assert settings.webhook_url is None
    assert (settings.webhook_secret or "").startswith("whsec_")
    assert re.fullmatch(r"\w{64}", settings.secret_key or "")
    assert settings.pulse_url is None


def _serve_once(context: ssl.SSLContext) -> int:
    """Offer TLS on a port for one client."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as secured:
            secured.recv(1)

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])


@pytest.mark.parametrize("name", ["broker", "localhost", "127.0.0.1"])
def test_the_brokers_certificate_is_good_for_strict_clients(made: Path, name: str) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made / "mqtt-broker.crt", made / "mqtt-broker.key")
    client = ssl.create_default_context(cafile=str(made / "mqtt-ca.crt"))
    # The default from Python 3.13 on.
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    port = _serve_once(server)
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        client.wrap_socket(plain, server_hostname=name) as secured,
    ):
        assert secured.version() == "TLSv1.3"
        secured.send(b"x")


# --- settings from files -----------------------------------------------------------------------------------------


def test_a_value_goes_before_its_file_and_the_environment_before_the_env_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:from-file@redis:6379/0\n")
    (tmp_path / "env").write_text("PARKWATCH_REDIS_URL=redis://from-env-file/0\n")
    home = {"PARKWATCH_HOME": str(tmp_path)}
    assert Settings.from_environment(home).redis_url == "redis://from-env-file/0"
    file = {**home, "PARKWATCH_REDIS_URL_FILE": str(tmp_path / "url")}
    assert Settings.from_environment(file).redis_url == "redis://:from-file@redis:6379/0"
    both = {**file, "PARKWATCH_REDIS_URL": "redis://said/0"}
    assert Settings.from_environment(both).redis_url == "redis://said/0"


def test_a_secret_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    environ = {"PARKWATCH_HOME": str(tmp_path), "PARKWATCH_MQTT_URL_FILE": str(tmp_path / "none")}
    with pytest.raises(SettingsError, match=r"PARKWATCH_MQTT_URL_FILE names .*none, which can't be read"):
        Settings.from_environment(environ)


@pytest.mark.parametrize(("token", "sent"), [("name:password", "Basic bmFtZTpwYXNzd29yZA=="), ("abc==", "Token abc==")])
def test_a_login_of_influxdb_is_sent_as_it_understands_it(catcher: Catcher, token: str, sent: str) -> None:
    catcher.answer(204)
    influx = Influx(catcher.url, "park", token)
    influx.write(b"reading v=1")
    influx.close()
    assert catcher.requests[0].headers["authorization"] == sent


# --- health checks -----------------------------------------------------------------------------------------------


def _ask(redis: Redis, piece: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> int:
    monkeypatch.setenv("PARKWATCH_HOME", str(home))
    monkeypatch.setenv("PARKWATCH_REDIS_URL", redis.url)
    return alive.main([piece])


def test_a_piece_is_alive_while_its_heartbeat_is_there(
    redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ask(redis, "worker.riverside.0", monkeypatch, tmp_path) == 1
    with redis_client.Redis.from_url(redis.url) as client:
        client.set("pw:heartbeat:worker.riverside.0", "{}", ex=15)
    assert _ask(redis, "worker.riverside.0", monkeypatch, tmp_path) == 0
    assert capsys.readouterr().out.splitlines() == [
        "no sign of life from worker.riverside.0",
        "sign of life from worker.riverside.0",
    ]


def test_nobody_is_alive_while_redis_is_away(
    own_redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own_redis.kill()
    assert _ask(own_redis, "ingest.0", monkeypatch, tmp_path) == 1
    assert "no answer from Redis" in capsys.readouterr().out


def test_unusable_settings_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARKWATCH_HOME", str(tmp_path))
    monkeypatch.delenv("PARKWATCH_REDIS_URL", raising=False)
    monkeypatch.setenv("PARKWATCH_REDIS_URL_FILE", str(tmp_path / "none"))
    assert alive.main(["beat"]) == 2
    assert "PARKWATCH_REDIS_URL_FILE" in capsys.readouterr().out


@pytest.fixture
def connection() -> Iterator[int]:
    """A port that somebody here is connected to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
            yield port


def test_a_connection_is_seen(connection: int) -> None:
    assert alive.main(["--connected-to", str(connection)]) == 0


def test_a_listener_without_clients_is_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert alive.main(["--connected-to", str(listener.getsockname()[1])]) == 1
