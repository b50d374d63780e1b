"""Grafana on this machine: finding it, and what it is started with (grafana/grafana.ini, provisioning, secrets)."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from parkwatch.servers import NativeError, find_server

SOURCE = Path(__file__).resolve().parent.parent / "grafana"
#: How the address of the webhook stands in grafana/contacts/*.yaml.
_IN_CONTAINERS = "$__file{/run/secrets/grafana-webhook-url}"
WEBHOOK, EMAIL = "PARKWATCH_GRAFANA_ALERT_WEBHOOK", "PARKWATCH_GRAFANA_ALERT_EMAIL"
#: Files below $PARKWATCH_HOME: the administrator's password, the key that Grafana encrypts with, the viewers' password.
PASSWORD, KEY, VIEWER = "grafana-password", "grafana-key", "grafana-viewer-password"
_PACKAGED = Path("/usr/share/grafana")
_DEFAULTS = Path("conf") / "defaults.ini"


def find_grafana(environ: Mapping[str, str]) -> Path | None:
    """Return the Grafana to start: ``PARKWATCH_GRAFANA_BIN``, or one on PATH, or None.

    Raises :class:`NativeError` if what was named is no program.
    """
    named = environ.get("PARKWATCH_GRAFANA_BIN")
    if named and not (Path(named).is_file() and os.access(named, os.X_OK)):
        raise NativeError(f"PARKWATCH_GRAFANA_BIN names {named}, which is not a program: name Grafana's binary")
    with contextlib.suppress(NativeError):
        return Path(named).absolute() if named else find_server("grafana", "grafana-server")
    return None


def command(binary: Path) -> list[str | Path]:
    """Return the command that serves; Grafana looks for its own files beside where it is started, if not told."""
    homes = (binary.resolve().parent.parent, _PACKAGED)
    homepath = next((home for home in homes if (home / _DEFAULTS).is_file()), None)
    serve: list[str | Path] = [binary] if binary.name == "grafana-server" else [binary, "server"]
    serve += ["--config", SOURCE / "grafana.ini"]
    return [*serve, "--homepath", homepath] if homepath else serve


def environment(port: int, home: Path) -> dict[str, str]:
    """Return what Grafana is told beside its configuration; :func:`provision` puts the files there."""
    return {
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_SERVER_ROOT_URL": f"http://127.0.0.1:{port}/",
        "GF_PATHS_DATA": str(home / "data" / "grafana"),
        "GF_PATHS_LOGS": str(home / "log"),
        "GF_PATHS_PLUGINS": str(home / "data" / "grafana" / "plugins"),
        "GF_PATHS_PROVISIONING": str(_folder(home) / "provisioning"),
        # The __FILE form is the container image's; Grafana itself reads files like this.
        "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{home / PASSWORD}}}",
        "GF_SECURITY_SECRET_KEY": f"$__file{{{home / KEY}}}",
    }


def provision(home: Path, environ: Mapping[str, str]) -> None:
    """Put provisioning below ``home``: what ships, and whom Grafana tells of its own alerts."""
    folder = _folder(home)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(SOURCE / "provisioning", folder / "provisioning")
    # Grafana looks into these, too, and complains of those that are not there.
    for name in ("plugins", "notifiers", "access-control"):
        (folder / "provisioning" / name).mkdir(exist_ok=True)
    (folder / "dashboards").symlink_to(SOURCE / "dashboards")
    contacts = folder / "provisioning" / "alerting" / "contacts.yaml"
    contacts.touch(mode=0o600)
    contacts.write_text(contacts_of(environ), encoding="utf-8")


def contacts_of(environ: Mapping[str, str]) -> str:
    """Return whom Grafana tells: a webhook, e-mail addresses, both, or nobody."""
    wanted = [name for name, variable in (("webhook", WEBHOOK), ("email", EMAIL)) if environ.get(variable)]
    text = (SOURCE / "contacts" / f"{'-'.join(wanted) or 'nobody'}.yaml").read_text(encoding="utf-8")
    # A plain variable is put in once: Grafana would expand what stands in braces, or in a file, twice.
    return text.replace(_IN_CONTAINERS, f"${WEBHOOK}")


def _folder(home: Path) -> Path:
    return home / "etc" / "grafana"
