"""Making Grafana's viewers: what is asked of Grafana, and what is said when it does not do it.

With a real Grafana: tests/test_grafana_server.py.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from typer.testing import CliRunner

from parkwatch.cli import app
from parkwatch.grafana_setup import VIEWERS, SetupError, set_up, wait_for
from parkwatch.servers import free_port
from storage.settings import Settings
from tests.catchers import Catcher


def test_viewers_that_are_missing_are_made_once(catcher: Catcher) -> None:
    catcher.answer(200, body=b"{}")
    catcher.answer(404, times=1)
    assert set_up(catcher.url, "root's", "viewer's") == [VIEWERS[0].login]
    asked = [(request.method, request.path.partition("?")[0]) for request in catcher.requests]
    assert asked[:4] == [
        ("GET", "/api/users/lookup"),
        ("POST", "/api/admin/users"),
        ("GET", "/api/users/lookup"),
        ("PUT", "/api/org/preferences"),
    ]
    made = catcher.requests[1].json
    assert (made["login"], made["password"], made["OrgId"]) == ("safety", "viewer's", 1)
    own = [request.json for request in catcher.requests if request.path == "/api/user/preferences" and request.body]
    assert [each["language"] for each in own] == ["zh-Hans", "en-US"]
    assert [each["homeDashboardUID"] for each in own] == ["parkwatch-overview-zh", "parkwatch-overview-en"]
    login = base64.b64decode(catcher.requests[-1].headers["authorization"].removeprefix("Basic ")).decode()
    assert login == "safety-en:viewer's"


def test_who_has_chosen_a_language_keeps_it(catcher: Catcher) -> None:
    catcher.answer(200, body=b'{"language": "en-US"}')
    set_up(catcher.url, "a", "b")
    assert not [each for each in catcher.requests if (each.method, each.path) == ("PUT", "/api/user/preferences")]


@pytest.mark.parametrize(
    ("status", "said"), [(401, "PARKWATCH_GRAFANA_PASSWORD_FILE"), (500, "answers 500 about who is known")]
)
def test_what_grafana_refuses_is_told(catcher: Catcher, status: int, said: str) -> None:
    catcher.answer(status, body=b"no")
    with pytest.raises(SetupError, match=said):
        set_up(catcher.url, "a", "b")


def test_a_grafana_that_does_not_answer_is_told_after_the_wait(catcher: Catcher) -> None:
    with pytest.raises(SetupError, match=r"does not answer \(ConnectError\)"):
        wait_for(f"http://127.0.0.1:{free_port()}", 0)
    with pytest.raises(SetupError, match="does not answer"):
        set_up(f"http://127.0.0.1:{free_port()}", "a", "b")
    catcher.answer(200)
    catcher.answer(503, times=1)
    wait_for(catcher.url, 20)
    assert len(catcher.requests) == 2
    catcher.answer(503)
    with pytest.raises(SetupError, match="answers 503"):
        wait_for(catcher.url, 0)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catcher: Catcher) -> Catcher:
    """The command's environment, with Grafana at the catcher."""
    (tmp_path / "password").write_text("root's\n")
    monkeypatch.setenv("PARKWATCH_HOME", str(tmp_path))
    monkeypatch.setenv("PARKWATCH_GRAFANA_URL", f"{catcher.url}/")
    monkeypatch.setenv("PARKWATCH_GRAFANA_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("PARKWATCH_GRAFANA_VIEWER_PASSWORD", "viewer's")
    catcher.answer(200, body=b'{"language": "zh-Hans"}')
    return catcher


def test_the_command_makes_them(told: Catcher) -> None:
    done = CliRunner().invoke(app, ["grafana-users"])
    assert (done.exit_code, done.stdout) == (0, "safety, safety-en: there already\n")
    assert told.requests[0].path == "/api/health"


def test_the_command_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, told: Catcher) -> None:
    monkeypatch.delenv("PARKWATCH_GRAFANA_PASSWORD_FILE")
    refused = CliRunner().invoke(app, ["grafana-users"])
    assert refused.exit_code == 2
    assert "PARKWATCH_GRAFANA_PASSWORD_FILE" in refused.stderr
    assert told.requests == []


def test_the_command_says_what_went_wrong(told: Catcher) -> None:
    told.answer(503)
    refused = CliRunner().invoke(app, ["grafana-users", "--wait", "0"])
    assert refused.exit_code == 1
    assert "answers 503" in refused.stderr


def test_settings_know_grafana(tmp_path: Path) -> None:
    environ = {
        "PARKWATCH_HOME": str(tmp_path),
        "PARKWATCH_GRAFANA_URL": "https://grafana.example/",
        "PARKWATCH_GRAFANA_PASSWORD": "a",
        "PARKWATCH_GRAFANA_VIEWER_PASSWORD": "b",
    }
    settings = Settings.from_environment(environ)
    assert settings.grafana_url == "https://grafana.example"
    assert (settings.grafana_password, settings.grafana_viewer_password) == ("a", "b")
    assert Settings.from_environment({"PARKWATCH_HOME": str(tmp_path)}).grafana_url is None
