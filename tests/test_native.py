"""The native runner: what it writes, what it refuses, and that it leaves no process behind."""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from ruamel.yaml import YAML

from parkwatch import grafana_server, native
from parkwatch.servers import NativeError, Ports, choose_ports, find_server, free_port, influx_conf, redis_conf
from storage.configuration import load
from storage.settings import Settings
from storage.users import Role, Users, change
from tests.conftest import ROOT
from tests.grafanas import needs_grafana
from tests.servers import Mosquitto, eventually

PORTS = Ports(mqtt=20001, redis=20002, influx=20003, influx_rpc=20004, console=20005, grafana=20006)


# --- ports -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _taken(address: str = "127.0.0.1") -> Iterator[int]:
    with socket.create_server((address, free_port())) as listener:
        yield listener.getsockname()[1]


def test_a_preferred_port_is_taken_if_it_is_free() -> None:
    port = free_port()
    assert free_port(port) == port


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 -- as Debian's servers may listen
def test_a_port_that_is_taken_is_replaced_below_the_ephemeral_range(address: str) -> None:
    with _taken(address) as port:
        other = free_port(port)
    assert other != port
    assert 20_000 <= other < 32_000


def test_chosen_ports_are_all_different() -> None:
    ports = choose_ports()
    assert len({ports.mqtt, ports.redis, ports.influx, ports.influx_rpc, ports.console, ports.grafana}) == 6


# --- generated files ---------------------------------------------------------------------------------------------


def test_environment_file_is_what_settings_read(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    home.mkdir()
    native.write_environment(home / "env", native.addresses(PORTS, home, tmp_path / "config"))
    settings = Settings.from_environment({"PARKWATCH_HOME": str(home)})
    assert settings.mqtt_url == "mqtt://127.0.0.1:20001"
    assert settings.redis_url == "redis://127.0.0.1:20002/0"
    assert settings.influx_url == "http://127.0.0.1:20003"
    assert settings.influx_db == "park"
    assert settings.console_url == "http://127.0.0.1:20005"
    assert settings.config == tmp_path / "config"


def test_webhook_secret_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    environment = native.webhook({}, tmp_path)
    file = tmp_path / "webhook-secret"
    assert environment == {"PARKWATCH_WEBHOOK_SECRET_FILE": str(file)}
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text(encoding="utf-8")
    assert text.startswith("whsec_")
    native.webhook({}, tmp_path)
    assert file.read_text(encoding="utf-8") == text


def test_a_webhook_secret_that_is_set_is_left_alone(tmp_path: Path) -> None:
    assert native.webhook({"PARKWATCH_WEBHOOK_SECRET": "whsec_MQ=="}, tmp_path) == {}
    named = native.webhook({"PARKWATCH_WEBHOOK_SECRET_FILE": "/etc/secret"}, tmp_path)
    assert named == {"PARKWATCH_WEBHOOK_SECRET_FILE": "/etc/secret"}
    assert list(tmp_path.iterdir()) == []


def test_the_key_for_one_tap_links_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    environment = native.keys({}, tmp_path)
    file = tmp_path / "secret-key"
    assert environment == {
        "PARKWATCH_SECRET_KEY_FILE": str(file),
        "PARKWATCH_USERS_FILE": str(tmp_path / "users.json"),
    }
    assert file.stat().st_mode & 0o777 == 0o600
    key = Settings.from_environment({"PARKWATCH_HOME": str(tmp_path), **environment}).secret_key
    assert native.keys({}, tmp_path) == environment
    assert file.read_text(encoding="ascii").strip() == key


def test_a_key_and_users_that_are_set_are_left_alone(tmp_path: Path) -> None:
    users = {"PARKWATCH_USERS_FILE": "/etc/users.json"}
    assert native.keys({"PARKWATCH_SECRET_KEY": "k" * 32, **users}, tmp_path) == users
    named = native.keys({"PARKWATCH_SECRET_KEY_FILE": "/etc/key", **users}, tmp_path)
    assert named == {"PARKWATCH_SECRET_KEY_FILE": "/etc/key", **users}
    assert list(tmp_path.iterdir()) == []


def test_an_address_for_the_pulse_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert native.pulse({}) == {}
    assert native.pulse({"PARKWATCH_PULSE_URL_FILE": "pulse"}) == {"PARKWATCH_PULSE_URL_FILE": str(tmp_path / "pulse")}
    assert native.pulse({"PARKWATCH_PULSE_URL": "https://a/b"}) == {"PARKWATCH_PULSE_URL": "https://a/b"}


def test_the_first_start_makes_an_engineer_and_shows_the_password_as_long_as_it_holds(tmp_path: Path) -> None:
    users, file = tmp_path / "users.json", tmp_path / "console-password"
    password = native.first_login(users, tmp_path)
    assert password
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text(encoding="ascii") == f"{password}\n"
    user = Users(users).verify("engineer", password)
    assert user is not None
    assert user.role is Role.ENGINEER
    assert native.first_login(users, tmp_path) == password
    change(users, "engineer", password="another one that nobody guesses")
    assert native.first_login(users, tmp_path) is None
    file.unlink()
    assert native.first_login(users, tmp_path) is None


def test_a_start_that_was_killed_before_there_were_users_locks_nobody_out(tmp_path: Path) -> None:
    native.write_secret(tmp_path / "console-password", "of a run that died")
    password = native.first_login(tmp_path / "users.json", tmp_path)
    assert password != "of a run that died"
    assert Users(tmp_path / "users.json").verify("engineer", password or "")


@pytest.mark.parametrize("password", ["abcd-efgh-jkmn-pqrs", None])
def test_the_banner_tells_how_to_log_in(tmp_path: Path, password: str | None) -> None:
    values = native.addresses(PORTS, tmp_path, tmp_path / "config")
    said = native.banner(values, tmp_path, None, password)
    assert values["PARKWATCH_CONSOLE_URL"] in said
    assert (f"engineer / {password}" if password else "parkwatch user list") in said


def test_redis_keeps_its_data_and_listens_on_loopback_only() -> None:
    lines = redis_conf(20002, Path("/some where/redis")).splitlines()
    assert {"bind 127.0.0.1", "port 20002", "appendonly yes", "appendfsync everysec"} <= set(lines)
    assert 'dir "/some where/redis"' in lines


def test_influx_listens_on_loopback_only_and_is_quiet() -> None:
    conf = tomllib.loads(influx_conf(20003, 20004, Path("/some where/influx")))
    assert conf["http"] == {"bind-address": "127.0.0.1:20003", "log-enabled": False}
    assert conf["bind-address"] == "127.0.0.1:20004"
    assert conf["reporting-disabled"] is True
    assert conf["data"]["wal-dir"] == "/some where/influx/wal"


def _conf(groups: dict[str, list[native.Child]], *, terminal: bool = True) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(native.supervisor_conf(groups, terminal=terminal))
    return parser


def test_supervisor_restarts_each_child_and_stops_all_it_started() -> None:
    child = native.Child("a", ("/usr/bin/some thing", "50%"), terminal=True)
    server = native.Child("b", ("server",))
    parser = _conf({"servers": [server], "pieces": [child]})
    program = parser["program:a"]
    assert shlex.split(program["command"].replace("%%", "%")) == ["/usr/bin/some thing", "50%"]
    assert program["autorestart"] == "true"
    assert program["stopsignal"] == "TERM"
    assert program["stopasgroup"] == program["killasgroup"] == "true"
    assert program["stdout_logfile"] == "/dev/fd/1"
    assert parser["program:b"]["stdout_logfile"] == "log/b.log"
    assert (parser["group:servers"]["priority"], parser["group:pieces"]["priority"]) == ("1", "2")


def test_pieces_write_to_files_where_there_is_no_terminal_to_reopen() -> None:
    parser = _conf({"pieces": [native.Child("a", ("a",), terminal=True)]}, terminal=False)
    assert parser["program:a"]["stdout_logfile"] == "log/a.log"


def test_each_shard_has_one_worker_and_the_demo_is_optional() -> None:
    catalogue = load(ROOT / "config")
    children = {child.name: " ".join(child.command) for child in native.pieces(catalogue, ingests=2, demo=False)}
    shards = {f"{zone.name}.{number}" for zone in catalogue.zones.values() for number in range(zone.shards)}
    workers = {f"worker-{shard}" for shard in shards}
    others = {"ingest-0", "ingest-1", "beat", "delivery", "office", "console", "watchdog"}
    assert set(children) == others | workers
    assert all(children[f"worker-{shard}"].endswith(f"run worker --shard {shard}") for shard in shards)
    with_demo = {child.name: child.once for child in native.pieces(catalogue, ingests=1, demo=True)}
    assert {"simulate": False, "past": True}.items() <= with_demo.items()
    assert sum(with_demo.values()) == 1


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """Something that looks like an unpacked Grafana."""
    home = tmp_path / "grafana-12"
    (home / "conf").mkdir(parents=True)
    (home / "conf" / "defaults.ini").touch()
    file = home / "bin" / "grafana"
    file.parent.mkdir()
    file.touch(mode=0o755)
    return file


def test_grafana_is_given_our_configuration_and_secrets(tmp_path: Path, binary: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (server, users), environment = native.grafana(binary, 20006, home, {})
    ini = str(ROOT / "grafana" / "grafana.ini")
    assert server.command[-6:] == (str(binary), "server", "--config", ini, "--homepath", str(binary.parent.parent))
    assert users.command[-1] == "grafana-users"
    assert users.once
    assert environment["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert environment["PARKWATCH_GRAFANA_URL"] == "http://127.0.0.1:20006"
    named = [environment["GF_SECURITY_ADMIN_PASSWORD"], environment["GF_SECURITY_SECRET_KEY"]]
    secrets = {Path(each.removeprefix("$__file{").removesuffix("}")) for each in named}
    secrets.add(Path(environment["PARKWATCH_GRAFANA_VIEWER_PASSWORD_FILE"]))
    assert len(secrets) == 3
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in secrets)
    before = {file: file.read_text(encoding="ascii") for file in secrets}
    native.grafana(binary, 20006, home, {})
    assert {file: file.read_text(encoding="ascii") for file in secrets} == before


def test_grafana_is_given_what_ships_and_whom_it_tells(tmp_path: Path, binary: Path) -> None:
    _, environment = native.grafana(binary, 20006, tmp_path, {grafana_server.WEBHOOK: "https://example.org/$x"})
    provisioning = Path(environment["GF_PATHS_PROVISIONING"])
    shipped = ROOT / "grafana" / "provisioning"
    for file in shipped.rglob("*.yaml"):
        assert (provisioning / file.relative_to(shipped)).read_bytes() == file.read_bytes()
    assert (provisioning / ".." / "dashboards").samefile(ROOT / "grafana" / "dashboards")
    contacts = provisioning / "alerting" / "contacts.yaml"
    assert "url: $PARKWATCH_GRAFANA_ALERT_WEBHOOK\n" in contacts.read_text(encoding="utf-8")
    assert "example.org" not in contacts.read_text(encoding="utf-8")
    # Started again without one it tells nobody, and nothing of before is left.
    (provisioning / "alerting" / "old.yaml").touch()
    native.grafana(binary, 20006, tmp_path, {})
    assert "parkwatch-always" in contacts.read_text(encoding="utf-8")
    assert not (provisioning / "alerting" / "old.yaml").exists()


@pytest.mark.parametrize(
    ("environ", "kinds"),
    [
        ({}, []),
        ({"PARKWATCH_GRAFANA_ALERT_WEBHOOK": ""}, []),
        ({"PARKWATCH_GRAFANA_ALERT_WEBHOOK": "https://a"}, ["webhook"]),
        ({"PARKWATCH_GRAFANA_ALERT_EMAIL": "a@b"}, ["email"]),
        (
            {"PARKWATCH_GRAFANA_ALERT_WEBHOOK": "https://a", "PARKWATCH_GRAFANA_ALERT_EMAIL": "a@b"},
            ["webhook", "email"],
        ),
    ],
)
def test_grafana_tells_who_is_named(environ: dict[str, str], kinds: list[str]) -> None:
    found = YAML(typ="safe").load(grafana_server.contacts_of(environ))
    receivers = [receiver for point in found.get("contactPoints", []) for receiver in point["receivers"]]
    assert [receiver["type"] for receiver in receivers] == kinds
    policy = found["policies"][0]
    assert policy["receiver"] == ("parkwatch" if kinds else "grafana-default-email")
    assert policy["group_by"] == ["grafana_folder"]


def test_what_ends_by_itself_is_started_again_only_if_it_failed() -> None:
    program = _conf({"servers": [native.Child("a", ("a",), once=True)]})["program:a"]
    assert (program["autorestart"], program["exitcodes"], program["startsecs"]) == ("unexpected", "0", "0")


def test_the_banner_says_where_dashboards_are_or_how_to_get_them(tmp_path: Path) -> None:
    values = native.addresses(PORTS, tmp_path, tmp_path / "config")
    ours = native.banner(values, tmp_path, "http://127.0.0.1:20006", None)
    assert "http://127.0.0.1:20006  (safety, safety-en: " in ours
    elsewhere = native.banner({**values, "PARKWATCH_GRAFANA_URL": "https://grafana.example"}, tmp_path, None, None)
    assert "https://grafana.example" in elsewhere
    without = [line for line in native.banner(values, tmp_path, None, None).splitlines() if "Dashboards" in line]
    assert len(without) == 1
    assert "PARKWATCH_GRAFANA_BIN" in without[0]
    assert "未找到 Grafana" in without[0]


# --- refusals ----------------------------------------------------------------------------------------------------


def _native(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "parkwatch.native", *arguments],
        env={**os.environ, "PARKWATCH_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_second_run_from_the_same_home_is_refused(tmp_path: Path) -> None:
    with native.only_run(tmp_path):
        refused = _native(tmp_path)
    assert refused.returncode == 1
    assert f"already running from {tmp_path} (process {os.getpid()})" in refused.stderr
    assert "PARKWATCH_HOME" in refused.stderr


def test_a_home_whose_run_died_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("999999\n", encoding="ascii")
    with native.only_run(tmp_path), (tmp_path / "lock").open() as file:
        assert file.read() == f"{os.getpid()}\n"
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_wrong_configuration_is_told_completely(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    for name in ("zones.yaml", "quantities.yaml"):
        (config / name).write_text("? [", encoding="utf-8")
    refused = _native(tmp_path / "home", PARKWATCH_CONFIG=str(config))
    assert refused.returncode == 2
    assert "zones.yaml:" in refused.stderr
    assert "quantities.yaml:" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_wrong_number_of_ingest_processes_is_refused(tmp_path: Path) -> None:
    refused = _native(tmp_path, PARKWATCH_INGESTS="many")
    assert refused.returncode == 2
    assert "PARKWATCH_INGESTS is 'many': set the number" in refused.stderr


def test_a_grafana_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NativeError, match="PARKWATCH_GRAFANA_BIN"):
        grafana_server.find_grafana({"PARKWATCH_GRAFANA_BIN": str(tmp_path / "none")})
    (tmp_path / "folder").mkdir()
    with pytest.raises(NativeError, match="not a program"):
        grafana_server.find_grafana({"PARKWATCH_GRAFANA_BIN": str(tmp_path / "folder")})


def test_a_grafana_on_path_is_found_and_none_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parkwatch.servers._SERVER_PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert grafana_server.find_grafana({}) is None
    (tmp_path / "grafana-server").touch(mode=0o755)
    found = grafana_server.find_grafana({})
    assert found == tmp_path / "grafana-server"
    # The older binary has no command of that name.
    assert grafana_server.command(tmp_path / "grafana-server")[1] == "--config"


def test_a_missing_server_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parkwatch.servers._SERVER_PLACES", ())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NativeError, match="package 'influxdb'"):
        find_server("influxd")


def test_unknown_flags_of_the_run_script_are_refused() -> None:
    refused = subprocess.run([ROOT / "scripts" / "run", "--demo"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "--no-demo, --native and --help" in refused.stderr


# --- the whole, for real -----------------------------------------------------------------------------------------


def _children(pid: int) -> set[int]:
    """All processes below ``pid``."""
    found: set[int] = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            found |= {int(child)} | _children(int(child))
    return found


def _alive(pids: set[int]) -> list[str]:
    """The command lines of those that still run (a zombie does not)."""
    lines = []
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            lines += [f"{pid} {line}"] if line else []
    return lines


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:
        return bool(response.status < 300)
    return False


class _Run:
    """``python -m parkwatch.native --no-demo`` with everything up."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._log = home.parent / "output"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "parkwatch.native", "--no-demo"],
                env={**os.environ, "PARKWATCH_HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def settings(self) -> Settings:
        return Settings.from_environment({"PARKWATCH_HOME": str(self.home)})

    def wait_until_up(self) -> set[int]:
        # Not the file of addresses: a run that died has left its own.
        begun = "parkwatch is starting"
        eventually(lambda: begun in self.output or self.process.poll() is not None, within=30, why=lambda: self.output)
        assert self.process.poll() is None, self.output
        settings = self.settings
        eventually(lambda: _answers(f"{settings.influx_url}/ping"), within=30, why=lambda: self.output)
        eventually(lambda: _answers(f"{settings.console_url}/login"), within=180, why=lambda: self.output)
        return _children(self.process.pid)

    def pid_of(self, program: str) -> int:
        """The process that runs this program."""
        return next(pid for pid in _children(self.process.pid) if _runs(pid, program))


def _runs(pid: int, program: str) -> bool:
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == program


@pytest.fixture
def run(tmp_path: Path) -> Iterator[_Run]:
    """A run in a home with a blank and a percent sign in its name."""
    running = _Run(tmp_path / "a 100% home")
    yield running
    for pid in [running.process.pid, *_children(running.process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    running.process.wait()
    assert "Traceback" not in running.output


def test_a_run_starts_dead_children_again_and_stops_with_every_child(run: _Run) -> None:
    run.wait_until_up()
    first = run.pid_of("mosquitto")
    os.kill(first, signal.SIGKILL)
    port = int(run.settings.mqtt_url.rpartition(":")[2])
    eventually(lambda: Mosquitto.answers_on(port), within=10, why="mosquitto is not started again on its port")
    assert run.pid_of("mosquitto") != first
    children = _children(run.process.pid)
    assert len(children) >= 11  # three servers, ingest, two workers, beat, delivery, office, console, watchdog
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(20) == 0
    assert _alive(children) == []


def test_a_killed_run_leaves_no_child_and_its_home_starts_again(run: _Run) -> None:
    children = run.wait_until_up()
    run.process.kill()
    run.process.wait()
    eventually(lambda: not _alive(children), within=20, why=lambda: f"outlive the run: {_alive(children)}")
    again = _Run(run.home)
    try:
        again.wait_until_up()
    finally:
        again.process.terminate()
        status = again.process.wait(30)
    assert status == 0, again.output


@needs_grafana
def test_a_grafana_that_is_named_runs_with_the_rest_and_has_its_viewers(run: _Run) -> None:
    run.wait_until_up()
    url = run.settings.grafana_url
    assert url
    eventually(lambda: _answers(f"{url}/api/health"), within=180, why=lambda: run.output)
    viewer = ("safety", run.settings.grafana_viewer_password or "")

    def home() -> str:
        return httpx.get(f"{url}/api/dashboards/home", auth=viewer, trust_env=False, timeout=10).text

    eventually(lambda: "parkwatch-overview-zh" in home(), within=120, pause=1, why=lambda: run.output)
    children = _children(run.process.pid)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(40) == 0
    assert _alive(children) == []


_SUPERVISE = """
import os, sys
from pathlib import Path
from parkwatch import native
os.chdir(sys.argv[1])
os.mkdir("log")
stubborn = native.Child("sleeper", native.with_parent(["sh", "-c", "echo up; sleep 60; echo over"]), terminal=True)
Path("conf").write_text(native.supervisor_conf({"pieces": [stubborn]}, terminal=native._share_stdout()))
native.supervise(Path("conf"))
print("stopped", flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_way_of_being_told_to_stop_stops_children_of_children(tmp_path: Path, how: signal.Signals) -> None:
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", _SUPERVISE, tmp_path], stdout=output, stderr=output)
    text = (tmp_path / "output").read_text
    eventually(lambda: "up" in text() or process.poll() is not None, within=30, why=text)
    children = _children(process.pid)
    process.send_signal(how)
    assert process.wait(30) == 0, text()
    assert len(children) == 2
    assert _alive(children) == []
    assert "stopped" in text()
    assert "over" not in text()
