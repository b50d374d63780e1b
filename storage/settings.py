"""Settings: the addresses of everything, from the environment; the one place that reads it.

What the environment does not say is looked up in ``$PARKWATCH_HOME/env`` (``KEY=VALUE``, written by
``scripts/run``), so that a second terminal finds a running parkwatch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

_DEFAULTS = {
    "PARKWATCH_MQTT_URL": "mqtt://127.0.0.1:1883",
    "PARKWATCH_REDIS_URL": "redis://127.0.0.1:6379/0",
    "PARKWATCH_INFLUX_URL": "http://127.0.0.1:8086",
    "PARKWATCH_INFLUX_DB": "park",
    "PARKWATCH_CONSOLE_URL": "http://127.0.0.1:8100",
}

_SHORTEST_KEY = 32


class SettingsError(Exception):
    """The environment says something that can't be used; the text says what to set instead."""


#: They are secret, or hold a password: each may come from a file, ``NAME_FILE`` instead of ``NAME``.
_SECRET = (
    "PARKWATCH_MQTT_URL",
    "PARKWATCH_REDIS_URL",
    "PARKWATCH_INFLUX_TOKEN",
    "PARKWATCH_WEBHOOK_URL",
    "PARKWATCH_WEBHOOK_SECRET",
    "PARKWATCH_SECRET_KEY",
    "PARKWATCH_PULSE_URL",
    "PARKWATCH_GRAFANA_PASSWORD",
    "PARKWATCH_GRAFANA_VIEWER_PASSWORD",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where everything is. What is secret may come from a file: ``NAME_FILE`` instead of ``NAME``.

    ``console_bind`` is ``host:port`` to listen on where that differs from the console's public address;
    ``console_proxies`` are the addresses and networks of reverse proxies whose ``X-Forwarded-For`` is believed.
    ``secret_key`` signs one-tap links; without it there are none. ``users_file`` says who may log in.
    ``pulse_url`` is asked for by the watchdog while all is well (docs/watchdog.md). Messages link to ``grafana_url``;
    ``grafana_password`` is its administrator's, ``grafana_viewer_password`` what its viewers begin with.
    """

    mqtt_url: str
    redis_url: str
    influx_url: str
    influx_db: str
    influx_token: str | None
    console_url: str
    console_bind: str | None
    console_proxies: tuple[str, ...]
    secret_key: str | None
    users_file: Path
    webhook_url: str | None
    webhook_secret: str | None
    pulse_url: str | None
    mqtt_ca: str | None
    grafana_url: str | None
    config: Path
    home: Path
    grafana_password: str | None = None
    grafana_viewer_password: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read ``PARKWATCH_*``; raises :class:`SettingsError`."""
        home = Path(environ.get("PARKWATCH_HOME") or ".run").absolute()
        known = {**_DEFAULTS, **_resolved(_env_file(home / "env")), **_resolved(environ)}
        _check_addresses(known)
        return cls(
            mqtt_url=known["PARKWATCH_MQTT_URL"],
            redis_url=known["PARKWATCH_REDIS_URL"],
            influx_url=known["PARKWATCH_INFLUX_URL"].rstrip("/"),
            influx_db=known["PARKWATCH_INFLUX_DB"],
            influx_token=known.get("PARKWATCH_INFLUX_TOKEN"),
            console_url=known["PARKWATCH_CONSOLE_URL"].rstrip("/"),
            console_bind=known.get("PARKWATCH_CONSOLE_BIND"),
            console_proxies=_proxies(known.get("PARKWATCH_CONSOLE_PROXIES", "")),
            secret_key=_secret_key(known.get("PARKWATCH_SECRET_KEY")),
            users_file=Path(known.get("PARKWATCH_USERS_FILE") or home / "users.json").absolute(),
            webhook_url=known.get("PARKWATCH_WEBHOOK_URL"),
            webhook_secret=known.get("PARKWATCH_WEBHOOK_SECRET"),
            pulse_url=_pulse_url(known.get("PARKWATCH_PULSE_URL")),
            mqtt_ca=known.get("PARKWATCH_MQTT_CA"),
            grafana_url=(known.get("PARKWATCH_GRAFANA_URL") or "").rstrip("/") or None,
            config=Path(known.get("PARKWATCH_CONFIG") or _default_config()).absolute(),
            home=home,
            grafana_password=known.get("PARKWATCH_GRAFANA_PASSWORD"),
            grafana_viewer_password=known.get("PARKWATCH_GRAFANA_VIEWER_PASSWORD"),
        )


_SCHEMES = {
    "PARKWATCH_MQTT_URL": ("mqtt", "mqtts"),
    "PARKWATCH_REDIS_URL": ("redis", "rediss", "unix"),
    "PARKWATCH_INFLUX_URL": ("http", "https"),
    "PARKWATCH_CONSOLE_URL": ("http", "https"),
    "PARKWATCH_GRAFANA_URL": ("http", "https"),
}


def _check_addresses(known: Mapping[str, str]) -> None:
    for name, schemes in _SCHEMES.items():
        # A secret may stand in the address, so it is not quoted.
        if name in known and not known[name].startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise SettingsError(f"{name} is no address: write {' or '.join(f'{scheme}://...' for scheme in schemes)}")


def _proxies(text: str) -> tuple[str, ...]:
    networks = tuple(part.strip() for part in text.split(",") if part.strip())
    for network in networks:
        try:
            ip_network(network)
        except ValueError as error:
            raise SettingsError(
                f"PARKWATCH_CONSOLE_PROXIES holds {network!r}: write the proxies' addresses or networks with commas "
                "between, for example 10.0.0.5,10.1.0.0/16"
            ) from error
    return networks


def _pulse_url(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        # It is a secret, so it is not quoted.
        raise SettingsError("PARKWATCH_PULSE_URL is no address: write https://...")
    return url


def _secret_key(key: str | None) -> str | None:
    if key is not None and len(key) < _SHORTEST_KEY:
        raise SettingsError(
            f"PARKWATCH_SECRET_KEY has fewer than {_SHORTEST_KEY} characters: make one with `openssl rand -base64 32`"
        )
    return key


def _default_config() -> Path:
    return Path(__file__).resolve().parent.parent / "config"


def _env_file(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except OSError as error:
        raise SettingsError(
            f"{path} can't be read ({error.strerror}); name a folder that can be in PARKWATCH_HOME"
        ) from error
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs}


def _resolved(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values that are not empty, with those that stand in a file; what is there itself comes first."""
    files = {name: values[f"{name}_FILE"] for name in _SECRET if values.get(f"{name}_FILE")}
    texts = {name: _read(name, file) for name, file in files.items() if not values.get(name)}
    return {name: value for name, value in {**values, **texts}.items() if value}


def _read(name: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE names {file}, which can't be read ({error.strerror})") from error
