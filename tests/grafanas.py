"""A real Grafana, as parkwatch starts one natively; only where ``PARKWATCH_GRAFANA_BIN`` names its binary.

Without one the tests say that they were skipped, and why.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from parkwatch import grafana_server, grafana_setup, native
from tests.servers import Server

BINARY = os.environ.get("PARKWATCH_GRAFANA_BIN")
needs_grafana = pytest.mark.skipif(
    not BINARY,
    reason="no real Grafana was tried: PARKWATCH_GRAFANA_BIN is not set; set it to the binary of Grafana 9.4 or newer",
)


class Grafana(Server):
    """Grafana with the provisioning that ships, on ``database`` of the InfluxDB at ``influx_url``.

    ``environ`` is what an operator sets; ``map_url`` is where the console is.
    """

    name = "grafana"
    scheme = "http"
    #: The first start makes hundreds of tables, and here several things run at once.
    patience = 180.0

    def __init__(
        self,
        folder: Path,
        influx_url: str,
        database: str,
        environ: Mapping[str, str] | None = None,
        map_url: str = "http://127.0.0.1:9",
    ) -> None:
        super().__init__(folder)
        self._servers = {
            "PARKWATCH_INFLUX_URL": influx_url,
            "PARKWATCH_INFLUX_DB": database,
            "PARKWATCH_MAP_URL": map_url,
        }
        self._environ = dict(environ or {})

    def _command(self) -> Sequence[str | Path]:
        binary = grafana_server.find_grafana({"PARKWATCH_GRAFANA_BIN": BINARY or ""})
        assert binary is not None
        children, environment = native.grafana(binary, self.port, self.folder, self._environ)
        told = {**self._environ, **self._servers, **environment}
        # Started by the supervisor it would end with its parent; here it is ended by the test.
        command = children[0].command[3:]
        return ["env", *(f"{name}={value}" for name, value in told.items()), *command]

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/health", timeout=2.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    @property
    def admin_password(self) -> str:
        """The administrator's password."""
        return self._secret(grafana_server.PASSWORD)

    @property
    def viewer_password(self) -> str:
        """What new viewers log in with."""
        return self._secret(grafana_server.VIEWER)

    def _secret(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8").strip()

    def set_up(self) -> list[str]:
        """Make the viewers, as ``parkwatch grafana-users`` does; return those that were made."""
        return grafana_setup.set_up(self.url, self.admin_password, self.viewer_password)

    def client(self, login: str = "", password: str | None = None) -> httpx.Client:
        """Return a client of nobody, or of somebody (a viewer with the password that is theirs)."""
        secret = password or (self.admin_password if login == "admin" else self.viewer_password)
        auth = (login, secret) if login else None
        return httpx.Client(base_url=self.url, auth=auth, timeout=30.0, trust_env=False)

    def get(self, path: str, login: str = "admin", **parameters: str) -> Any:
        """Return what Grafana answers to somebody, decoded."""
        with self.client(login) as client:
            answer = client.get(path, params=parameters)
            assert answer.is_success, (path, answer.status_code, answer.text)
            return answer.json()

    def alerts(self) -> dict[str, str]:
        """Return the state of every rule by its uid (``inactive``, ``pending``, ``firing``)."""
        groups = self.get("/api/prometheus/grafana/api/v1/rules")["data"]["groups"]
        by_title = {rule["name"]: rule["state"] for group in groups for rule in group["rules"]}
        return {rule["uid"]: by_title.get(rule["title"], "unknown") for rule in self.rules()}

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules as they were loaded."""
        folders = self.get("/api/ruler/grafana/api/v1/rules")
        return [rule["grafana_alert"] for groups in folders.values() for group in groups for rule in group["rules"]]


@contextmanager
def running(grafana: Grafana) -> Iterator[Grafana]:
    """Start it, set it up, and kill it at the end."""
    grafana.start()
    try:
        grafana.set_up()
        yield grafana
    finally:
        grafana.kill()
