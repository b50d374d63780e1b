"""Everything on one machine without containers: the servers and parkwatch's pieces as child processes on loopback.

``python -m parkwatch.native`` looks for free ports, writes the servers' configurations and the addresses under
``PARKWATCH_HOME``, and hands all children to supervisor, which restarts what dies and stops everything on Ctrl-C.
``scripts/run`` is the usual way here: it also installs what is missing.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import os
import re
import secrets
import shlex
import signal
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.options import ServerOptions
from supervisor.supervisord import go

from park.catalogue import Catalogue
from parkwatch import grafana_server
from parkwatch.grafana_setup import VIEWERS
from parkwatch.servers import (
    NativeError,
    Ports,
    choose_ports,
    find_influxd,
    find_server,
    influx_conf,
    mosquitto_conf,
    redis_conf,
)
from storage.configuration import ConfigurationError, load
from storage.users import FIRST_USER, Users, UsersError, first_user, readable_password

ROOT = Path(__file__).resolve().parent.parent
TOPIC = "park/{zone}/{site}/{sensor}/{quantity}"
_SECRET_BYTES = 32
#: Writes what the demo has from before its first start, and ends.
_PAST = "past"


# --- addresses ---------------------------------------------------------------------------------------------------


def addresses(ports: Ports, home: Path, config: Path) -> dict[str, str]:
    """Return what ``$PARKWATCH_HOME/env`` tells: where everything is."""
    return {
        "PARKWATCH_HOME": str(home),
        "PARKWATCH_CONFIG": str(config),
        "PARKWATCH_MQTT_URL": f"mqtt://127.0.0.1:{ports.mqtt}",
        "PARKWATCH_REDIS_URL": f"redis://127.0.0.1:{ports.redis}/0",
        "PARKWATCH_INFLUX_URL": f"http://127.0.0.1:{ports.influx}",
        "PARKWATCH_INFLUX_DB": "park",
        "PARKWATCH_CONSOLE_URL": f"http://127.0.0.1:{ports.console}",
    }


def write_environment(path: Path, values: Mapping[str, str]) -> None:
    """Write ``KEY=VALUE`` lines, all at once: a reader never sees half of them."""
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text("".join(f"{key}={value}\n" for key, value in values.items()), encoding="utf-8")
    draft.replace(path)


def make_secret(path: Path, prefix: str = "") -> Path:
    """Put a new random secret into the file, readable by its owner only, unless there is one already."""
    if not path.exists():
        write_secret(path, prefix + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii"))
    return path


def write_secret(path: Path, text: str) -> None:
    """Write a new file, readable by its owner only, in place of one that may be there."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(f"{text}\n")


def webhook(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the webhook's address, if one was set, and where the secret is that signs it.

    That is the secret that was set, else one of our own (Standard Webhooks form).
    """
    url = environ.get("PARKWATCH_WEBHOOK_URL")
    values = {"PARKWATCH_WEBHOOK_URL": url} if url else {}
    if environ.get("PARKWATCH_WEBHOOK_SECRET"):
        return values
    file = environ.get("PARKWATCH_WEBHOOK_SECRET_FILE") or make_secret(home / "webhook-secret", "whsec_")
    return {**values, "PARKWATCH_WEBHOOK_SECRET_FILE": str(Path(file).absolute())}


def keys(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return where the key for one-tap links is (the one that was set, else one of our own), and the users' file."""
    users = {"PARKWATCH_USERS_FILE": str(Path(environ.get("PARKWATCH_USERS_FILE") or home / "users.json").absolute())}
    if environ.get("PARKWATCH_SECRET_KEY"):
        return users
    file = environ.get("PARKWATCH_SECRET_KEY_FILE") or make_secret(home / "secret-key")
    return {**users, "PARKWATCH_SECRET_KEY_FILE": str(Path(file).absolute())}


def pulse(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the watchdog asks for while all is well, if that was set."""
    url, file = environ.get("PARKWATCH_PULSE_URL"), environ.get("PARKWATCH_PULSE_URL_FILE")
    if url:
        return {"PARKWATCH_PULSE_URL": url}
    return {"PARKWATCH_PULSE_URL_FILE": str(Path(file).absolute())} if file else {}


def first_login(users: Path, home: Path) -> str | None:
    """Make the first user where there is none; return their password, ``None`` if it is not ours any more.

    It is written down before it holds: a run that is killed in between leaves nobody locked out.
    """
    file = home / "console-password"
    if not users.exists():
        write_secret(file, readable_password())
        first_user(users, make=lambda: _text(file))
    password = _text(file) if file.exists() else ""
    return password if password and Users(users).verify(FIRST_USER, password) else None


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()


# --- children ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Child:
    """A process that supervisor keeps running. ``terminal``: its output is shown, else it goes to a log file.

    ``once``: it does its work and ends; it is only started again if that failed.
    """

    name: str
    command: tuple[str, ...]
    terminal: bool = False
    once: bool = False


def with_parent(command: Sequence[str | Path]) -> tuple[str, ...]:
    """Make a command end with the process that started it, even if that is killed: no orphans."""
    return ("setpriv", "--pdeathsig", "TERM", *map(str, command))


def alone_on(data: Path, command: Sequence[str | Path]) -> tuple[str, ...]:
    """Make a server wait (30 s) until a dying predecessor has left its data: two would ruin it."""
    return with_parent(["flock", "--no-fork", "--timeout", "30", data.with_suffix(".lock"), *command])


def servers(ports: Ports, home: Path) -> list[Child]:
    """Write the servers' configurations under ``home`` and return them as children."""
    data = {name: home / "data" / name for name in ("mosquitto", "redis", "influx")}
    for folder in data.values():
        folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "mosquitto": mosquitto_conf(ports.mqtt, data["mosquitto"]),
        "redis": redis_conf(ports.redis, data["redis"]),
        "influx": influx_conf(ports.influx, ports.influx_rpc, data["influx"]),
    }
    confs = {name: home / "etc" / f"{name}.conf" for name in texts}
    for name, text in texts.items():
        confs[name].parent.mkdir(exist_ok=True)
        confs[name].write_text(text, encoding="utf-8")
    commands: dict[str, list[str | Path]] = {
        "mosquitto": [find_server("mosquitto"), "-c", confs["mosquitto"]],
        "redis": [find_server("redis-server"), confs["redis"]],
        "influx": [find_influxd(), "-config", confs["influx"]],
    }
    return [Child(name, alone_on(data[name], command)) for name, command in commands.items()]


def pieces(catalogue: Catalogue, *, ingests: int, demo: bool) -> list[Child]:
    """Return parkwatch's own processes: one worker per zone and shard, so that each shard has one consumer."""
    shared = ["--shared"] if ingests > 1 else []
    arguments = {f"ingest-{number}": ["run", "ingest", "--id", str(number), *shared] for number in range(ingests)}
    shards = [f"{zone.name}.{number}" for zone in catalogue.zones.values() for number in range(zone.shards)]
    arguments |= {f"worker-{shard}": ["run", "worker", "--shard", shard] for shard in shards}
    arguments |= {piece: ["run", piece] for piece in ("beat", "delivery", "office", "console", "watchdog")}
    if demo:
        arguments |= {"simulate": ["simulate"], _PAST: ["demo"]}
    python = [sys.executable, "-m", "parkwatch"]
    return [
        Child(name, with_parent([*python, *rest]), terminal=name != _PAST, once=name == _PAST)
        for name, rest in arguments.items()
    ]


def grafana(binary: Path, port: int, home: Path, environ: Mapping[str, str]) -> tuple[list[Child], dict[str, str]]:
    """Return Grafana and what makes its viewers as children, and their environment; write what they read."""
    for name in (grafana_server.PASSWORD, grafana_server.KEY):
        make_secret(home / name)
    viewer = home / grafana_server.VIEWER
    if not viewer.exists():
        write_secret(viewer, readable_password())
    grafana_server.provision(home, environ)
    environment = {
        **grafana_server.environment(port, home),
        "PARKWATCH_GRAFANA_URL": f"http://127.0.0.1:{port}",
        "PARKWATCH_GRAFANA_PASSWORD_FILE": str(home / grafana_server.PASSWORD),
        "PARKWATCH_GRAFANA_VIEWER_PASSWORD_FILE": str(viewer),
    }
    users = with_parent([sys.executable, "-m", "parkwatch", "grafana-users"])
    children = [
        Child("grafana", with_parent(grafana_server.command(binary))),
        Child("grafana-users", users, once=True),
    ]
    return children, environment


# --- supervisor --------------------------------------------------------------------------------------------------


def supervisor_conf(groups: Mapping[str, Sequence[Child]], *, terminal: bool) -> str:
    """Return a configuration for supervisor, to be run in the home: paths of its own are relative to it.

    Groups start in this order and stop in the reverse order.
    """
    lines = [
        "[supervisord]",
        "nodaemon=true",
        "loglevel=warn",
        "logfile=log/supervisord.log",
        "pidfile=supervisord.pid",
        "childlogdir=log",
        *(["user=root"] if os.geteuid() == 0 else []),
    ]
    for priority, (group, children) in enumerate(groups.items(), start=1):
        names = ",".join(child.name for child in children)
        lines += ["", f"[group:{group}]", f"programs={names}", f"priority={priority}"]
        for child in children:
            lines += ["", f"[program:{child.name}]", *_program(child, terminal=terminal)]
    return "\n".join(lines) + "\n"


def _program(child: Child, *, terminal: bool) -> list[str]:
    if child.terminal and terminal:
        output = ["stdout_logfile=/dev/fd/1", "stdout_logfile_maxbytes=0"]
    else:
        output = [f"stdout_logfile=log/{child.name}.log", "stdout_logfile_maxbytes=10MB", "stdout_logfile_backups=3"]
    return [
        # A percent sign begins an expansion of supervisor's.
        f"command={shlex.join(child.command).replace('%', '%%')}",
        *(["autorestart=unexpected", "exitcodes=0", "startsecs=0"] if child.once else ["autorestart=true"]),
        # A child that can't start is tried again, a second later each time; the default gives up after three.
        "startretries=1000",
        "stopsignal=TERM",
        "stopwaitsecs=20",
        "stopasgroup=true",
        "killasgroup=true",
        "redirect_stderr=true",
        *output,
    ]


class _Options(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    """Supervisor's options, with a closed terminal meaning stop: it means restart to a daemon, which this isn't."""

    def setsignals(self) -> None:
        super().setsignals()
        signal.signal(signal.SIGHUP, lambda *_: self.signal_receiver.receive(signal.SIGTERM, None))


def supervise(conf: Path) -> None:
    """Run all children until SIGINT, SIGTERM or SIGHUP; return when the last has stopped."""
    options = _Options()
    options.realize(["-n", "-c", str(conf)], doc=__doc__)
    options.first, options.test = True, False
    go(options)
    options.close_logger()


# --- the run -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def only_run(home: Path) -> Iterator[None]:
    """Hold ``home`` for this process; a run that died leaves nothing that would be in the way."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise NativeError(
                f"parkwatch is already running from {home} (process {file.read().strip()}): "
                "stop it with Ctrl-C in its terminal, or set PARKWATCH_HOME to another folder"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def read_configuration(folder: Path) -> Catalogue:
    """Load and check the park; raises :class:`NativeError` with every problem, one a line."""
    try:
        return load(folder)
    except ConfigurationError as error:
        problems = [f"  {problem}" for problem in error.problems]
        text = "\n".join([f"the configuration in {folder} can't be used:", *problems])
        raise NativeError(text, status=2) from error


def banner(values: Mapping[str, str], home: Path, grafana_url: str | None, password: str | None) -> str:
    """Return what is said at the start, to engineers and to safety staff; ``grafana_url`` if we start one."""
    if password:
        login = f"{FIRST_USER} / {password}  (parkwatch user password {FIRST_USER}: another one · 可更改)"
    else:
        login = "as before; parkwatch user list · 沿用已有账号"
    if grafana_url:
        viewer, admin = home / grafana_server.VIEWER, home / grafana_server.PASSWORD
        logins = f"{', '.join(each.login for each in VIEWERS)}: {viewer}, admin: {admin}"
        dashboards = f"  Dashboards 仪表盘           {grafana_url}  ({logins})"
    elif elsewhere := values.get("PARKWATCH_GRAFANA_URL"):
        dashboards = f"  Dashboards 仪表盘           {elsewhere}"
    else:
        dashboards = (
            "  Dashboards 仪表盘           no Grafana here: install its package or set PARKWATCH_GRAFANA_BIN; "
            "the alarm console shows the park live · 未找到 Grafana，报警台可实时查看"
        )
    return "\n".join(
        [
            "parkwatch is starting · parkwatch 正在启动",
            f"  Alarm console 报警台        {values['PARKWATCH_CONSOLE_URL']}",
            f"  Log in 登录                 {login}",
            dashboards,
            f"  Publish readings 上报数据   {values['PARKWATCH_MQTT_URL']}  {TOPIC}",
            f"  All addresses 全部地址      {home / 'env'}",
            f"  Server logs 服务日志        {home / 'log'}",
            "  Stop with Ctrl-C · 按 Ctrl-C 停止",
            "  A monitoring service, not a safety instrumented system · 本系统为监测服务，不能替代安全仪表系统",
        ]
    )


def run(environ: Mapping[str, str], *, demo: bool) -> None:
    """Start everything and stay until told to stop; raises :class:`NativeError` if it can't be started."""
    home = Path(environ.get("PARKWATCH_HOME") or ROOT / ".run").absolute()
    config = Path(environ.get("PARKWATCH_CONFIG") or ROOT / "config").absolute()
    with only_run(home):
        catalogue = read_configuration(config)
        (home / "log").mkdir(exist_ok=True)
        ports = choose_ports()
        values = addresses(ports, home, config) | webhook(environ, home) | keys(environ, home) | pulse(environ)
        password = _first_login(Path(values["PARKWATCH_USERS_FILE"]), home)
        groups = {
            "servers": servers(ports, home),
            "pieces": pieces(catalogue, ingests=_ingests(environ), demo=demo),
        }
        grafana_url = None
        if binary := grafana_server.find_grafana(environ):
            children, environment = grafana(binary, ports.grafana, home, environ)
            groups["servers"] += children
            os.environ.update(environment)
            values |= {name: value for name, value in environment.items() if name.startswith("PARKWATCH_")}
            values["PARKWATCH_MAP_URL"] = values["PARKWATCH_CONSOLE_URL"]
            grafana_url = values["PARKWATCH_GRAFANA_URL"]
        elif elsewhere := environ.get("PARKWATCH_GRAFANA_URL"):
            values["PARKWATCH_GRAFANA_URL"] = elsewhere
        os.environ.update(values)
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(home / "pycache"))
        conf = home / "etc" / "supervisord.conf"
        conf.write_text(supervisor_conf(groups, terminal=_share_stdout()), encoding="utf-8")
        write_environment(home / "env", values)
        os.chdir(home)
        print(banner(values, home, grafana_url, password), flush=True)
        supervise(conf)
        print("parkwatch has stopped · parkwatch 已停止", flush=True)


def _first_login(users: Path, home: Path) -> str | None:
    try:
        return first_login(users, home)
    except UsersError as error:
        raise NativeError(str(error)) from error


def _ingests(environ: Mapping[str, str]) -> int:
    text = environ.get("PARKWATCH_INGESTS") or "1"
    if not re.fullmatch(r"[1-9][0-9]?", text):
        raise NativeError(f"PARKWATCH_INGESTS is {text!r}: set the number of ingest processes, 1 to 99", status=2)
    return int(text)


def _share_stdout() -> bool:
    """Get stdout ready for several writers that each open /dev/fd/1; False if it is a socket, which can't be opened."""
    if stat.S_ISSOCK(os.fstat(1).st_mode):
        return False
    # In a file, each writer would otherwise have a position of its own and write over the others' lines.
    fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_APPEND)
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit status: 0 stopped as asked, 1 can't start, 2 wrong configuration."""
    parser = argparse.ArgumentParser(prog="parkwatch.native", description=__doc__, allow_abbrev=False)
    parser.add_argument("--no-demo", action="store_true", help="leave the simulated park out")
    options = parser.parse_args(argv)
    try:
        run(os.environ, demo=not options.no_demo)
    except NativeError as error:
        print(f"parkwatch: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
