"""Log-in: passwords, sessions, roles, CSRF, rate limit, one-tap links; on a real Redis."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import msgspec
import pytest
import redis as redis_py
from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from itsdangerous import URLSafeSerializer
from typer.testing import CliRunner

from alerts.console.addresses import client_address, networks
from alerts.console.attempts import MOST_PER_ADDRESS, MOST_PER_NAME, Attempts
from alerts.console.bare import own_path
from alerts.console.login import Auth, csrf_token, current_user, install, require, wire_auth
from alerts.console.sessions import _SESSION, IDLE, LONGEST, csrf_of
from alerts.console.taps import Standing, Taps
from alerts.links import VALID_FOR, Expired, Invalid, Tap, read_tap, tap_link
from park.alarms import Alarm, Refused, StaleAcknowledgement
from park.oncall import Person
from park.words import Names
from parkwatch.cli import app as commands
from storage import names, users
from storage.settings import Settings, SettingsError
from storage.users import Role, User, Users, UsersError
from tests.alerting import NOW, StoppedClock
from tests.logins import PASSWORD, log_in, visit, write_users
from tests.servers import Redis

KEY = "k" * 32
PAGE = {"accept": "text/html"}
ALARM = "new-materials.hf-unit.hf-01.hf.hf-high"


@dataclass
class Board:
    """One alarm and what was done to it, as the store would have it."""

    occurrence: int = 1
    version: int = 1
    active: bool = True
    acknowledged_by: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)

    def standing(self, alarm: str, language: str) -> Standing | None:
        assert alarm == ALARM
        headline = Names("氟化氢 <一号>", "HF <one>").get(language)
        lines = ((Names("数值", "Value").get(language), f"5.{self.version} mg/m³"),)
        return (
            Standing(self.occurrence, self.version, not self.acknowledged_by, headline, lines) if self.active else None
        )

    def acknowledge(self, alarm: str, *, occurrence: int, version: int, by: str, comment: str, now: int) -> None:
        if not self.active:
            raise KeyError(alarm)
        if (occurrence, version) != (self.occurrence, self.version):
            raise StaleAcknowledgement(Alarm(occurrence=self.occurrence, version=self.version))
        self.calls.append({"occurrence": occurrence, "version": version, "by": by, "comment": comment, "now": now})
        self.acknowledged_by = by


@dataclass
class Desk:
    """A console that consists of log-in and a few routes, and browsers to visit it."""

    url: str
    file: Path
    console_url: str = "http://127.0.0.1:8100"
    proxies: str = ""
    clock: StoppedClock = field(default_factory=StoppedClock)
    board: Board = field(default_factory=Board)
    people: dict[str, Person] = field(default_factory=lambda: {"li": Person("li", Names("李伟", "Li Wei"))})
    key: str | None = KEY

    def __post_init__(self) -> None:
        self.redis = redis_py.Redis.from_url(self.url)
        environ = {
            "PARKWATCH_HOME": "/nonexistent",
            "PARKWATCH_USERS_FILE": str(self.file),
            "PARKWATCH_CONSOLE_URL": self.console_url,
            "PARKWATCH_CONSOLE_PROXIES": self.proxies,
        }
        self.auth: Auth = wire_auth(Settings.from_environment(environ), self.redis, self.clock)
        self.app = FastAPI()
        _routes(self.app)
        taps = Taps(self.key, self.board.standing, self.people.get, self.board.acknowledge, self.clock)
        host = urlsplit(self.console_url).hostname or ""
        install(self.app, self.auth, frozenset({host}), taps)

    def browser(self, address: str = "192.0.2.7", **headers: str) -> httpx.Client:
        """A new browser, without cookies."""
        return visit(self.app, self.console_url, address, **headers)

    def user(self, name: str) -> httpx.Client:
        """A browser that is logged in."""
        browser = self.browser()
        log_in(browser, self.auth, name)
        return browser


def _routes(app: FastAPI) -> None:
    @app.get("/")
    async def front(request: Request) -> PlainTextResponse:
        user = current_user(request)
        return PlainTextResponse(f"{user and user.name} {csrf_token(request)}")

    @app.get("/api/alarms")
    async def alarms() -> list[str]:
        return []

    @app.get("/api/health")
    async def health(request: Request) -> dict[str, str]:
        return {"user": str(current_user(request))}

    # Neither asks for a role: what the gate does by itself.
    @app.post("/api/forgotten")
    async def forgotten(request: Request) -> dict[str, str]:
        form = (await request.body()).decode()
        return {"form": form}

    @app.post("/api/operate")
    async def operate(user: Annotated[User, Depends(require(Role.OPERATOR))]) -> str:
        return user.name

    @app.post("/api/engineer")
    async def engineer(user: Annotated[User, Depends(require(Role.ENGINEER))]) -> str:
        return user.name

    @app.get("/engineering")
    async def engineering(user: Annotated[User, Depends(require(Role.ENGINEER))]) -> str:
        return user.name


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_users(tmp_path / "users.json")


@pytest.fixture
def desk(redis: Redis, file: Path) -> Iterator[Desk]:
    made = Desk(redis.url, file)
    yield made
    made.redis.close()


def field_of(page: httpx.Response, name: str) -> str:
    """Return the value of a hidden field."""
    found = re.search(f'name="{name}" value="([^"]*)"', page.text)
    assert found, f"no field {name} in {page.text}"
    return found[1]


def attempt(browser: httpx.Client, name: str = "li", password: str = PASSWORD, **fields: str) -> httpx.Response:
    """Open the log-in form and send it."""
    csrf = field_of(browser.get("/login"), "csrf")
    return browser.post("/login", data={"name": name, "password": password, "csrf": csrf, **fields})


# --- logging in ----------------------------------------------------------------------------------------------------


def test_the_right_password_opens_the_console(desk: Desk) -> None:
    browser = desk.browser()
    answer = attempt(browser, next="/?alarm=x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?alarm=x")
    name, csrf = browser.get("/").text.split(" ")
    assert name == "li"
    assert browser.post("/api/operate", headers={"x-csrf-token": csrf}, json={}).json() == "li"


@pytest.mark.parametrize("name", ["LI", "  li ", "ｌｉ"])
def test_names_are_taken_as_people_type_them(desk: Desk, name: str) -> None:
    assert attempt(desk.browser(), name).status_code == 303


def test_a_full_width_password_is_the_same_password(desk: Desk) -> None:
    assert attempt(desk.browser(), password=PASSWORD.replace("4", "４")).status_code == 303


@pytest.mark.parametrize(
    ("name", "password"),
    [("li", "copper-lantern-43"), ("li", ""), ("li", PASSWORD.upper()), ("nobody", PASSWORD), ("li", PASSWORD * 100)],
)
def test_a_wrong_password_and_an_unknown_name_are_answered_alike(desk: Desk, name: str, password: str) -> None:
    browser = desk.browser()
    answer = attempt(browser, name, password)
    assert answer.status_code == 401
    assert "Wrong user name or password." in answer.text
    assert desk.auth.cookie not in browser.cookies
    assert browser.get("/api/alarms").status_code == 401


def test_a_hash_is_checked_for_unknown_and_disabled_users_too(
    desk: Desk, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    matches = Users._matches

    def counted(self: Users, hashed: str, password: str) -> bool:
        checked.append(hashed)
        return matches(self, hashed, password)

    monkeypatch.setattr(Users, "_matches", counted)
    users.change(file, "chen", disabled=True)
    for name in ("li", "chen", "nobody"):
        assert attempt(desk.browser(), name, "not the password").status_code == 401
    own, disabled, nobodys = checked
    assert disabled == nobodys != own
    # As dear as a user's own: same kind, same memory, same rounds.
    assert own.split("$")[1:4] == nobodys.split("$")[1:4]


def test_the_dummy_hash_opens_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Users, "_matches", lambda *_: True)
    assert attempt(desk.browser(), "nobody").status_code == 401


def test_the_log_tells_who_but_never_what_was_typed(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    attempt(desk.browser(), "li", "hunter2hunter2")
    attempt(desk.browser(), "copper-lantern-42", "li")
    attempt(desk.browser())
    said = [record.getMessage() for record in caplog.records if record.name == "parkwatch.login"]
    assert said == [
        "log-in of li from 192.0.2.7 refused: wrong name or password",
        "log-in of an unknown user from 192.0.2.7 refused: wrong name or password",
        "li (operator) logged in from 192.0.2.7",
    ]
    assert "lantern" not in caplog.text
    assert "hunter2" not in caplog.text


def test_the_form_speaks_both_languages_and_needs_no_script(desk: Desk) -> None:
    browser = desk.browser()
    zh = browser.get("/login?lang=zh&next=/%3Fzone=a")
    en = browser.get("/login", headers={"accept-language": "en-GB,en"})
    assert '<html lang="zh">' in zh.text
    assert "登录" in zh.text
    assert field_of(zh, "next") == "/?zone=a"
    assert '<html lang="en">' in en.text
    assert "User name" in en.text
    for page in (zh, en):
        assert "<script" not in page.text
        assert "style=" not in page.text


def test_who_is_logged_in_need_not_log_in(desk: Desk) -> None:
    answer = desk.user("li").get("/login?next=/journal")
    assert (answer.status_code, answer.headers["location"]) == (303, "/journal")


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/\t/evil.example",
        "/a\nb",
        "\\\\evil.example",
        "/a\\b",
        " /",
    ],
)
def test_nobody_is_led_to_another_site(desk: Desk, wanted: str) -> None:
    assert own_path(wanted) == "/"
    browser = desk.browser()
    assert field_of(browser.get(f"/login?next={quote(wanted, safe='')}"), "next") == "/"
    assert attempt(browser, next=wanted).headers["location"] == "/"


def test_own_paths_with_their_queries_are_kept() -> None:
    assert own_path("/?alarm=a.b&lang=zh%20#x") == "/?alarm=a.b&lang=zh%20#x"


# --- the users' file -----------------------------------------------------------------------------------------------


def test_a_missing_file_lets_nobody_in_and_says_so_once(
    redis: Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(redis.url, tmp_path / "none.json")
    for _ in range(2):
        assert attempt(desk.browser()).status_code == 401
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 1
    assert "nobody can log in: there is no users' file" in said[0]
    assert "parkwatch user add" in said[0]
    desk.redis.close()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"users": [{"name": "li"}]}', '{"users": [], "open": true}'])
def test_a_broken_file_ends_every_session_and_log_in_until_it_is_mended(desk: Desk, file: Path, content: str) -> None:
    browser = desk.user("li")
    good = file.read_bytes()
    file.write_text(content)
    assert attempt(desk.browser()).status_code == 401
    assert browser.get("/api/alarms").status_code == 401
    file.write_bytes(good)
    assert attempt(desk.browser()).status_code == 303


def test_a_changed_file_holds_at_once(desk: Desk, file: Path) -> None:
    assert attempt(desk.browser(), "zhao", "seven-quiet-boats").status_code == 401
    users.add(file, "Zhao", Role.VIEWER, "seven-quiet-boats")
    assert attempt(desk.browser(), "zhao", "seven-quiet-boats").status_code == 303


def test_the_file_is_its_owners_only_and_holds_no_password(tmp_path: Path) -> None:
    file = tmp_path / "new" / "users.json"
    users.add(file, "li.wei", Role.OPERATOR, PASSWORD, Names("李伟", "Li Wei"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in file.read_text(encoding="utf-8")
    assert users.read(file)["li.wei"].hash.startswith("$argon2id$")
    assert users.read(file)["li.wei"].names == Names("李伟", "Li Wei")
    users.change(file, "li.wei", role=Role.VIEWER)
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in file.parent.iterdir()) == ["users.json", "users.json.lock"]


def test_a_users_hash_does_not_get_into_a_log(file: Path) -> None:
    assert "argon2" not in repr(users.read(file))


def test_a_file_that_others_may_read_is_told(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.chmod(0o644)
    assert Users(file).get("li")
    assert "can be read by others: chmod 600" in caplog.text


def test_a_file_that_can_not_be_read_lets_nobody_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert Users(tmp_path).get("li") is None
    assert "nobody can log in" in caplog.text
    assert "can't be read (Is a directory)" in caplog.text


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "fewer than 10"),
        ("password123", "tried first"),
        ("PassWord123", "tried first"),
        ("１２３４５６７８９０", "tried first"),
        ("aaaaaaaaaaaa", "tried first"),
        ("li.wei12345", "user's name"),
        ("x" * 50 + "copper" * 40, "more than 200"),
    ],
)
def test_passwords_that_are_easy_to_guess_are_refused(tmp_path: Path, password: str, why: str) -> None:
    with pytest.raises(UsersError, match=why):
        users.add(tmp_path / "users.json", "li.wei", Role.OPERATOR, password)
    assert not (tmp_path / "users.json").exists()


@pytest.mark.parametrize("name", ["", ".li", "li wei", "李伟", "li/wei", "x" * 64, "li\n"])
def test_names_that_would_not_do_are_refused(tmp_path: Path, name: str) -> None:
    if name == "li\n":
        assert users.tidy_name(name) == "li"
        return
    with pytest.raises(UsersError, match=r"li\.wei"):
        users.add(tmp_path / "users.json", name, Role.OPERATOR, PASSWORD)


def test_the_first_user_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    password = users.first_user(file)
    assert password
    assert re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}", password)
    found = Users(file).verify("engineer", password)
    assert found
    assert found.role is Role.ENGINEER
    assert users.first_user(file) is None
    assert Users(file).verify("engineer", password) == found


def test_a_role_may_what_those_below_it_may() -> None:
    allowed = {(role, needed) for role in Role for needed in Role if role.may(needed)}
    viewer, operator, engineer = Role
    assert allowed == {
        (viewer, viewer),
        (operator, viewer),
        (operator, operator),
        (engineer, viewer),
        (engineer, operator),
        (engineer, engineer),
    }


# --- sessions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("console_url", "prefix", "secure"),
    [("http://127.0.0.1:8100", "", False), ("https://park.example", "__Host-", True)],
)
def test_the_cookies_attributes(redis: Redis, file: Path, console_url: str, prefix: str, *, secure: bool) -> None:
    desk = Desk(redis.url, file, console_url)
    browser = desk.browser()
    form_cookie = browser.get("/login").headers["set-cookie"]
    session, gone = attempt(browser).headers.get_list("set-cookie")
    assert session.startswith(f"{prefix}parkwatch-session=")
    assert form_cookie.startswith(f"{prefix}parkwatch-login=")
    for cookie in (session, form_cookie, gone):
        parts = [part.strip().lower() for part in cookie.split(";")]
        assert "httponly" in parts
        assert "path=/" in parts
        assert "samesite=lax" in parts
        assert ("secure" in parts) is secure
        assert not any(part.startswith("domain") for part in parts)
    assert "max-age=604800" in session.lower()
    assert browser.get("/").text.startswith("li ")
    strict = browser.get("/").headers.get("strict-transport-security", "")
    assert strict.startswith("max-age=") is secure
    desk.redis.close()


def test_redis_holds_no_token(desk: Desk) -> None:
    token = log_in(desk.browser(), desk.auth)
    (key,) = desk.redis.keys(names.session("*"))
    assert len(token) == 43
    assert token.encode() not in key
    assert token.encode() not in (desk.redis.get(key) or b"")
    assert csrf_of(token) != token
    assert 0 < desk.redis.pttl(key) <= IDLE


def test_every_log_in_is_a_new_session_and_ends_the_old_one(desk: Desk) -> None:
    browser = desk.browser()
    browser.cookies.set(desk.auth.cookie, "chosen-by-somebody-else", browser.base_url.host)
    attempt(browser)
    first = browser.cookies[desk.auth.cookie]
    assert first != "chosen-by-somebody-else"
    form = desk.browser().get("/login")
    browser.cookies.set(desk.auth.form_cookie, form.cookies[desk.auth.form_cookie], browser.base_url.host)
    browser.post("/login", data={"name": "wang", "password": PASSWORD, "csrf": field_of(form, "csrf")})
    second = browser.cookies[desk.auth.cookie]
    assert second != first
    assert desk.auth.sessions.user(first) is None
    found = desk.auth.sessions.user(second)
    assert found
    assert found.name == "wang"


def test_a_session_ends_when_it_is_idle(desk: Desk) -> None:
    browser = desk.user("li")
    desk.clock.advance(IDLE - 1)
    assert browser.get("/api/alarms").status_code == 200
    desk.clock.advance(IDLE - 1)
    assert browser.get("/api/alarms").status_code == 200
    desk.clock.advance(IDLE)
    assert browser.get("/api/alarms").status_code == 401
    assert not desk.redis.keys(names.session("*"))


def test_a_session_ends_after_a_week_however_busy(desk: Desk) -> None:
    browser = desk.user("li")
    while desk.clock.time < NOW + LONGEST:
        assert browser.get("/api/alarms").status_code == 200
        desk.clock.advance(IDLE // 2)
    assert browser.get("/api/alarms").status_code == 401


def test_logging_out_ends_the_session_for_good(desk: Desk) -> None:
    browser = desk.user("li")
    token = browser.cookies[desk.auth.cookie]
    answer = browser.post("/logout", data={"lang": "zh"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert desk.auth.cookie not in answer.cookies
    browser.cookies.set(desk.auth.cookie, token, browser.base_url.host)
    assert browser.get("/api/alarms").status_code == 401


def test_logging_out_takes_a_post_with_the_token(desk: Desk) -> None:
    browser = desk.user("li")
    assert browser.get("/logout").status_code == 405
    del browser.headers["x-csrf-token"]
    assert browser.post("/logout", data={"lang": "zh"}).status_code == 403
    assert browser.get("/api/alarms").status_code == 200


@pytest.mark.parametrize("change", [{"password": "seven-quiet-boats"}, {"role": Role.VIEWER}, {"disabled": True}, None])
def test_what_changes_a_user_ends_all_their_sessions_and_nobody_elses(
    desk: Desk, file: Path, change: dict[str, Any] | None
) -> None:
    two, other = [desk.user("li"), desk.user("li")], desk.user("wang")
    if change:
        users.change(file, "li", **change)
    else:
        users.remove(file, "li")
        users.add(file, "li", Role.OPERATOR, PASSWORD)
    assert [browser.get("/api/alarms").status_code for browser in two] == [401, 401]
    assert other.get("/api/alarms").status_code == 200


def test_a_disabled_user_can_come_back_by_logging_in(desk: Desk, file: Path) -> None:
    users.change(file, "li", disabled=True)
    assert attempt(desk.browser()).status_code == 401
    users.change(file, "li", disabled=False)
    assert attempt(desk.browser()).status_code == 303


def test_a_session_that_was_ended_meanwhile_is_not_revived_by_its_use(desk: Desk) -> None:
    token = log_in(desk.browser(), desk.auth)
    (key,) = desk.redis.keys(names.session("*"))
    read = _SESSION.decode(desk.redis.get(key) or b"")
    desk.auth.sessions.end(token)
    desk.auth.sessions._write(token, read, new=False)
    assert desk.auth.sessions.user(token) is None


def test_an_open_stream_ends_with_its_session_and_keeps_it_from_being_idle(desk: Desk) -> None:
    sent: list[int] = []

    async def numbers() -> Any:
        for number in range(40):
            sent.append(number)
            yield f"data: {number}\n\n"
            desk.clock.advance(IDLE // 10)
            if number == 20:
                desk.auth.sessions.end(token)

    @desk.app.get("/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(numbers(), media_type="text/event-stream")

    browser = desk.browser()
    token = log_in(browser, desk.auth)
    text = browser.get("/events").text
    assert text.endswith("data: 20\n\n")
    assert len(sent) == 22


# --- who may what --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/api/alarms", "/api/operate", "/engineering", "/nowhere", "/login/", "/staticx"]
)
def test_nothing_is_open_without_a_log_in(desk: Desk, path: str) -> None:
    for browser in (desk.browser(), desk.browser(cookie=f"{desk.auth.cookie}=made-up")):
        answer = browser.get(path)
        assert (answer.status_code, answer.json()["error"]) == (401, "login")
        assert browser.post(path, json={}).status_code == 401


def test_health_is_open_and_knows_nobody(desk: Desk) -> None:
    assert desk.browser().get("/api/health").json() == {"user": "None"}


def test_a_browser_that_opens_a_page_is_led_to_the_log_in_and_back(desk: Desk) -> None:
    browser = desk.browser()
    answer = browser.get("/?alarm=a.b&lang=zh", headers={"sec-fetch-mode": "navigate"})
    assert answer.status_code == 303
    to = urlsplit(answer.headers["location"])
    assert (to.path, parse_qs(to.query)) == ("/login", {"next": ["/?alarm=a.b&lang=zh"]})
    assert browser.get("/?alarm=x", headers=PAGE).status_code == 303
    # A part of a page that a script fetches must not become a log-in form.
    assert browser.get("/", headers={**PAGE, "sec-fetch-mode": "cors"}).status_code == 401


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("chen", {"/api/alarms"}), ("li", {"/api/alarms", "/api/operate", "/api/forgotten"}), ("wang", None)],
)
def test_roles(desk: Desk, name: str, allowed: set[str] | None) -> None:
    browser = desk.user(name)
    answers = {path: browser.post(path, json={}) for path in ("/api/operate", "/api/engineer", "/api/forgotten")}
    answers |= {path: browser.get(path) for path in ("/api/alarms", "/engineering")}
    assert {path for path, answer in answers.items() if answer.status_code == 200} == (allowed or set(answers))
    refused = [answer for answer in answers.values() if answer.status_code != 200]
    for answer in refused:
        assert (answer.status_code, answer.json()["error"]) == (403, "role")
        assert "this takes the role" in answer.json()["detail"]


def test_a_page_that_takes_more_says_so_in_both_languages(desk: Desk) -> None:
    browser = desk.user("li")
    answer = browser.get("/engineering?lang=zh", headers=PAGE)
    assert answer.status_code == 403
    assert "您的角色不允许此操作" in answer.text
    assert "Your role does not allow this" in browser.get("/engineering?lang=en", headers=PAGE).text


# --- CSRF ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "0" * 64, "wrong", "\u00e9"])
def test_a_change_takes_the_sessions_token(desk: Desk, token: str) -> None:
    browser = desk.user("li")
    answer = browser.post("/api/forgotten", json={}, headers={b"x-csrf-token": token.encode("latin-1")})
    assert (answer.status_code, answer.json()["error"]) == (403, "csrf")
    del browser.headers["x-csrf-token"]
    assert browser.post("/api/forgotten", json={"csrf": "in JSON it does not count"}).status_code == 403
    assert browser.post("/api/forgotten", data={"csrf": token}).status_code == 403


def test_anothers_token_does_not_do(desk: Desk) -> None:
    browser, other = desk.user("li"), desk.user("li")
    header = {"x-csrf-token": other.headers["x-csrf-token"]}
    assert browser.post("/api/forgotten", json={}, headers=header).status_code == 403


def test_a_form_carries_the_token_in_a_field_and_arrives_whole(desk: Desk) -> None:
    browser = desk.user("li")
    csrf = browser.headers.pop("x-csrf-token")
    answer = browser.post("/api/forgotten", data={"csrf": csrf, "comment": "好"})
    assert answer.status_code == 200
    assert answer.json() == {"form": f"csrf={csrf}&comment={quote('好')}"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1:8100", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_another_sites_page_is_refused_even_with_the_token(desk: Desk, headers: dict[str, str], status: int) -> None:
    assert desk.user("li").post("/api/operate", json={}, headers=headers).status_code == status


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "text/plain", ""])
def test_other_kinds_of_bodies_are_refused(desk: Desk, kind: str) -> None:
    answer = desk.user("li").post("/api/forgotten", content=b"csrf=x", headers={"content-type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize("csrf", ["", "0" * 64, None])
def test_a_log_in_that_our_form_did_not_send_is_refused(desk: Desk, csrf: str | None) -> None:
    browser = desk.browser()
    browser.get("/login")
    fields = {"name": "li", "password": PASSWORD, **({} if csrf is None else {"csrf": csrf})}
    answer = browser.post("/login", data=fields)
    assert answer.status_code == 403
    assert "please log in again" in answer.text
    assert desk.auth.cookie not in browser.cookies
    # The page that says so is a form that can be sent.
    fields["csrf"] = field_of(answer, "csrf")
    assert browser.post("/login", data=fields).status_code == 303


def test_a_form_belongs_to_the_browser_that_got_it(desk: Desk) -> None:
    mine, theirs = desk.browser(), desk.browser()
    csrf = field_of(theirs.get("/login"), "csrf")
    mine.get("/login")
    fields = {"name": "li", "password": PASSWORD, "csrf": csrf}
    assert mine.post("/login", data=fields).status_code == 403
    assert desk.browser().post("/login", data=fields).status_code == 403


def test_two_open_log_in_forms_both_work(desk: Desk) -> None:
    browser = desk.browser()
    first, second = (field_of(browser.get("/login"), "csrf") for _ in range(2))
    assert first == second


@pytest.mark.parametrize("body", [b"\xff\xfe=%zz", b"&" * 60_000, b"a=1&" * 10_000])
def test_forms_that_make_no_sense_are_no_log_in(desk: Desk, body: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert desk.browser().post("/login", content=body, headers=headers).status_code == 403
    browser = desk.user("li")
    del browser.headers["x-csrf-token"]
    assert browser.post("/api/forgotten", content=body, headers=headers).status_code == 403


# --- too many failures ---------------------------------------------------------------------------------------------


def test_after_five_failures_a_name_has_to_wait_at_that_address_only(desk: Desk) -> None:
    for _ in range(MOST_PER_NAME):
        assert attempt(desk.browser(), "li", "not the password").status_code == 401
    locked = attempt(desk.browser())
    assert locked.status_code == 429
    assert 0 < int(locked.headers["retry-after"]) <= 900
    assert "try again in 15 min" in locked.text
    # The operator, at the control room's own machine, is not locked out; nor are others at the first address.
    assert attempt(desk.browser("192.0.2.8")).status_code == 303
    assert attempt(desk.browser(), "wang").status_code == 303


def test_while_a_name_waits_no_password_is_checked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(MOST_PER_NAME):
        desk.auth.attempts.take("li", "192.0.2.7")
    monkeypatch.setattr(Users, "_matches", lambda *_: pytest.fail("a password was checked"))
    answer = attempt(desk.browser(**{"accept-language": "zh-CN"}))
    assert answer.status_code == 429
    assert "登录失败次数过多，请 15 分钟后再试" in answer.text


def test_waiting_ends_by_itself(desk: Desk) -> None:
    for _ in range(MOST_PER_NAME):
        desk.auth.attempts.take("li", "192.0.2.7")
    for key in desk.redis.keys(names.login_failures("*")):
        assert 0 < desk.redis.pttl(key) <= 900_000
        desk.redis.delete(key)
    assert attempt(desk.browser()).status_code == 303


def test_a_right_password_clears_the_name_but_not_other_names_failures(desk: Desk) -> None:
    for name in ("li", "li", "wang"):
        assert attempt(desk.browser(), name, "not the password").status_code == 401
    assert attempt(desk.browser()).status_code == 303
    left = sorted(int(desk.redis.get(key) or 0) for key in desk.redis.keys(names.login_failures("*")))
    assert left == [1, 1]  # wang's at the address, and the address's


def test_an_address_that_tries_many_names_has_to_wait(desk: Desk) -> None:
    for number in range(MOST_PER_ADDRESS):
        assert desk.auth.attempts.take(f"user-{number}", "192.0.2.7") == 0
    assert attempt(desk.browser()).status_code == 429
    assert attempt(desk.browser("192.0.2.8")).status_code == 303


def test_attempts_at_the_same_time_are_all_counted(desk: Desk) -> None:
    attempts = Attempts(desk.redis)
    waits = [attempts.take("li", "192.0.2.7") for _ in range(20)]
    assert waits.count(0) == MOST_PER_NAME


@pytest.mark.parametrize(
    ("client", "forwarded", "proxies", "address"),
    [
        ("192.0.2.7", [], "", "192.0.2.7"),
        ("192.0.2.7", ["198.51.100.1"], "", "192.0.2.7"),
        ("127.0.0.1", ["198.51.100.1"], "", "127.0.0.1"),
        ("10.0.0.5", ["198.51.100.1"], "10.0.0.5", "198.51.100.1"),
        ("10.0.0.6", ["198.51.100.1"], "10.0.0.5", "10.0.0.6"),
        ("10.0.0.5", ["203.0.113.9, 198.51.100.1"], "10.0.0.5", "198.51.100.1"),
        ("10.0.0.5", ["203.0.113.9", "198.51.100.1, 10.0.0.6"], "10.0.0.0/24", "198.51.100.1"),
        ("10.0.0.5", [], "10.0.0.5", "10.0.0.5"),
        ("10.0.0.5", ["nonsense"], "10.0.0.5", "unknown"),
        ("2001:db8::1:2:3:4", [], "", "2001:db8::/64"),
        ("::ffff:192.0.2.7", [], "", "192.0.2.7"),
        ("", [], "", "unknown"),
    ],
)
def test_whose_failures_they_are(client: str, forwarded: list[str], proxies: str, address: str) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    scope = {"type": "http", "client": (client, 1) if client else None, "headers": headers}
    assert client_address(scope, networks([part for part in proxies.split(",") if part])) == address


def test_a_proxys_word_counts_at_the_log_in(redis: Redis, file: Path) -> None:
    desk = Desk(redis.url, file, proxies="10.0.0.5")
    for _ in range(MOST_PER_NAME):
        attempt(desk.browser("10.0.0.5", **{"x-forwarded-for": "198.51.100.1"}), "li", "not the password")
    assert attempt(desk.browser("10.0.0.5", **{"x-forwarded-for": "198.51.100.1"})).status_code == 429
    assert attempt(desk.browser("10.0.0.5", **{"x-forwarded-for": "198.51.100.2"})).status_code == 303
    desk.redis.close()


# --- Redis away ----------------------------------------------------------------------------------------------------


def test_without_redis_nobody_is_let_in_and_nobody_is_told_to_log_in(own_redis: Redis, file: Path) -> None:
    desk = Desk(own_redis.url, file)
    browser, stranger = desk.user("li"), desk.browser()
    csrf = field_of(stranger.get("/login"), "csrf")
    own_redis.kill()
    answer = browser.get("/api/alarms")
    assert (answer.status_code, answer.json()["error"]) == (503, "redis-away")
    page = browser.get("/?lang=zh", headers=PAGE)
    assert page.status_code == 503
    assert "看不到报警不等于没有报警" in page.text
    assert stranger.get("/api/alarms").status_code == 401
    refused = stranger.post("/login", data={"name": "li", "password": PASSWORD, "csrf": csrf})
    assert refused.status_code == 503
    assert "Nobody can log in now" in refused.text
    assert browser.get("/login").status_code == 503
    assert browser.get("/api/health").status_code == 200
    own_redis.start()
    assert attempt(desk.browser()).status_code == 303
    desk.redis.close()


# --- headers -------------------------------------------------------------------------------------------------------


def test_strict_headers_on_everything_that_is_answered(desk: Desk) -> None:
    browser, stranger = desk.user("li"), desk.browser()
    answers = [
        browser.get("/"),
        stranger.get("/"),
        stranger.get("/login"),
        stranger.get("/tap/x"),
        browser.post("/api/operate", json={}, headers={"origin": "https://evil.example"}),
        browser.post("/api/forgotten", json={}, headers={"x-csrf-token": "wrong"}),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        for part in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
            assert part in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers


# --- one-tap links -------------------------------------------------------------------------------------------------


def token_for(occurrence: int = 1, person: str = "li", key: str = KEY, issued_at: int = NOW) -> str:
    return tap_link(key, "", ALARM, occurrence, person, issued_at).removeprefix("/tap/")


def test_a_link_says_what_was_put_in_while_it_is_good() -> None:
    link = tap_link(KEY, "https://park.example", ALARM, 3, "li", NOW)
    assert link.startswith("https://park.example/tap/")
    token = link.rpartition("/")[2]
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", token)
    tap = Tap(ALARM, 3, "li", NOW)
    assert read_tap(KEY, token, NOW) == tap
    assert read_tap(KEY, token, NOW + VALID_FOR - 1) == tap
    assert read_tap(KEY, token, NOW + VALID_FOR) == Expired(tap)
    assert read_tap(KEY, token, NOW + 10, valid_for=10) == Expired(tap)


@pytest.mark.parametrize("position", [0, 5, 20, -1, -20])
def test_a_changed_link_is_none(position: int) -> None:
    token = token_for()
    other = "A" if token[position] != "A" else "B"
    places = list(token)
    places[position] = other
    # The last letter of a signature has bits to spare.
    changed = "".join(places) if position != -1 else token[:-1]
    assert read_tap(KEY, changed, NOW) == Invalid()


@pytest.mark.parametrize(
    "token", ["", ".", "x.y", "%00", "é", token_for() + "x", token_for(key="K" * 32), "." + "A" * 43]
)
def test_what_is_no_link_of_ours_is_none(token: str) -> None:
    assert read_tap(KEY, token, NOW) == Invalid()


def test_what_the_key_signed_for_another_purpose_is_no_link() -> None:
    alike: Any = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    for salt in ("itsdangerous", "parkwatch"):
        other = URLSafeSerializer(KEY, salt=salt, signer_kwargs=alike).dumps([ALARM, 1, "li", NOW])
        assert read_tap(KEY, str(other), NOW) == Invalid()
    ours = URLSafeSerializer(KEY, salt="parkwatch.tap", signer_kwargs=alike).dumps([ALARM, 1, "li", NOW])
    assert read_tap(KEY, str(ours), NOW) == Tap(ALARM, 1, "li", NOW)
    # What is signed, but says something else.
    for content in ([ALARM, 1, "li"], {"alarm": ALARM}, [ALARM, "1", "li", NOW]):
        signed = URLSafeSerializer(KEY, salt="parkwatch.tap", signer_kwargs=alike).dumps(content)
        assert read_tap(KEY, str(signed), NOW) == Invalid()


def test_opening_a_link_shows_and_never_acts(desk: Desk) -> None:
    browser = desk.browser()
    page, *more = [browser.get(f"/tap/{token_for()}") for _ in range(3)]
    assert [page.status_code, *(again.status_code for again in more)] == [200, 200, 200]
    assert desk.board.calls == []
    assert "氟化氢 &lt;一号&gt;" in page.text
    assert "您将以李伟的身份确认" in page.text
    assert "5.1 mg/m³" in page.text
    assert "viewport" in page.text
    for forbidden in ("<script", "http://", "https://", "style="):
        assert forbidden not in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    english = browser.get(f"/tap/{token_for()}?lang=en").text
    assert "HF &lt;one&gt;" in english
    assert "You acknowledge as Li Wei" in english


def tap(browser: httpx.Client, token: str, page: httpx.Response | None = None, **fields: str) -> httpx.Response:
    """Open the link and press its button."""
    page = page or browser.get(f"/tap/{token}?lang=en")
    seen = {name: field_of(page, name) for name in ("occurrence", "version")}
    # As browsers send a form of a page without referrer.
    return browser.post(f"/tap/{token}?lang=en", data={**seen, **fields}, headers={"origin": "null"})


def test_the_button_acknowledges_as_that_person_what_the_page_showed(desk: Desk) -> None:
    browser = desk.browser()
    answer = tap(browser, token_for(), comment="  on\tmy way ")
    assert answer.status_code == 303
    assert desk.board.calls == [
        {"occurrence": 1, "version": 1, "by": "li", "comment": "on my way (一键链接)", "now": NOW}
    ]
    after = browser.get(answer.headers["location"])
    assert after.status_code == 200
    assert "This alarm is acknowledged." in after.text
    assert "<button" not in after.text


def test_a_repeated_tap_changes_nothing_more(desk: Desk) -> None:
    browser = desk.browser()
    page = browser.get(f"/tap/{token_for()}")
    tap(browser, token_for(), page)
    desk.board.version = 2
    again = tap(browser, token_for(), page)
    assert again.status_code == 409
    assert "This alarm is acknowledged." in again.text
    assert len(desk.board.calls) == 1


def test_an_alarm_that_has_changed_since_is_shown_anew(desk: Desk) -> None:
    browser = desk.browser()
    page = browser.get(f"/tap/{token_for()}")
    desk.board.version = 2
    stale = tap(browser, token_for(), page)
    assert stale.status_code == 409
    assert "The alarm has changed" in stale.text
    assert "5.2 mg/m³" in stale.text
    assert desk.board.calls == []
    assert tap(browser, token_for(), stale).status_code == 303
    assert desk.board.calls[0]["version"] == 2


def test_a_link_is_good_for_its_occurrence_only(desk: Desk) -> None:
    browser = desk.browser()
    page = browser.get(f"/tap/{token_for()}")
    desk.board.occurrence, desk.board.version = 2, 3
    later = browser.get(f"/tap/{token_for()}?lang=en")
    assert later.status_code == 200
    assert "newer occurrence" in later.text
    assert "<button" not in later.text
    assert tap(browser, token_for(), page).status_code == 409
    forged = browser.post(f"/tap/{token_for()}", data={"occurrence": "2", "version": "3"})
    assert forged.status_code == 409
    assert desk.board.calls == []


@pytest.mark.parametrize("version", ["", "x", "-1", "1.0", "٣", "9" * 30])
def test_forms_that_make_no_sense_do_not_act(desk: Desk, version: str) -> None:
    browser = desk.browser()
    for fields in ({"occurrence": "1", "version": version}, {"occurrence": version, "version": "1"}, {"version": "1"}):
        assert browser.post(f"/tap/{token_for()}", data=fields).status_code == 409
    assert desk.board.calls == []


def test_an_alarm_that_is_over_says_so(desk: Desk) -> None:
    browser = desk.browser()
    page = browser.get(f"/tap/{token_for()}")
    desk.board.active = False
    assert "This alarm is over" in browser.get(f"/tap/{token_for()}?lang=en").text
    assert tap(browser, token_for(), page).status_code == 409


def test_an_alarm_that_can_not_be_acknowledged_says_how_it_stands(desk: Desk) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Refused("现在不行", "not now")

    browser = desk.browser()
    desk.app.state.taps = Taps(KEY, desk.board.standing, desk.people.get, refuse, desk.clock)
    assert tap(browser, token_for()).status_code == 409


@pytest.mark.parametrize(
    ("token", "status", "text"),
    [
        (token_for()[:-3], 404, "no valid link"),
        (token_for(key="other" * 10), 404, "no valid link"),
        (token_for(issued_at=NOW - VALID_FOR), 410, "too old to act"),
        (token_for(person="gone"), 403, "no longer on the on-call list"),
    ],
)
def test_links_that_do_not_hold_neither_show_nor_act(desk: Desk, token: str, status: int, text: str) -> None:
    browser = desk.browser()
    seen = browser.get(f"/tap/{token}?lang=en")
    acted = browser.post(f"/tap/{token}?lang=en", data={"occurrence": "1", "version": "1"})
    for answer in (seen, acted):
        assert answer.status_code == status
        assert text in answer.text
        assert "mg/m³" not in answer.text
    assert desk.board.calls == []


def test_without_a_key_there_are_no_links_and_log_in_still_works(redis: Redis, file: Path) -> None:
    desk = Desk(redis.url, file, key=None)
    assert desk.browser().get(f"/tap/{token_for()}").status_code == 404
    assert desk.browser().post(f"/tap/{token_for()}", data={"occurrence": "1", "version": "1"}).status_code == 404
    assert attempt(desk.browser()).status_code == 303
    desk.redis.close()


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_another_sites_page_can_not_press_the_button(desk: Desk, headers: dict[str, str]) -> None:
    answer = desk.browser().post(f"/tap/{token_for()}", data={"occurrence": "1", "version": "1"}, headers=headers)
    assert answer.status_code == 403
    assert desk.board.calls == []


def test_a_link_is_no_log_in(desk: Desk) -> None:
    browser = desk.browser()
    tap(browser, token_for())
    assert browser.get("/api/alarms").status_code == 401


# --- settings and commands -----------------------------------------------------------------------------------------


def test_settings_of_the_log_in(tmp_path: Path) -> None:
    def settings(**environ: str) -> Settings:
        return Settings.from_environment({"PARKWATCH_HOME": str(tmp_path), **environ})

    default = settings()
    assert (default.secret_key, default.users_file, default.console_proxies) == (None, tmp_path / "users.json", ())
    key_file = tmp_path / "secret-key"
    key_file.write_text(f"{KEY}\n", encoding="utf-8")
    found = settings(
        PARKWATCH_SECRET_KEY_FILE=str(key_file),
        PARKWATCH_USERS_FILE="/etc/users.json",
        PARKWATCH_CONSOLE_PROXIES="10.0.0.5, 10.1.0.0/16",
    )
    assert found.secret_key == KEY
    assert found.users_file == Path("/etc/users.json")
    assert found.console_proxies == ("10.0.0.5", "10.1.0.0/16")
    with pytest.raises(SettingsError, match="openssl rand") as refused:
        settings(PARKWATCH_SECRET_KEY="too short")
    assert "too short" not in str(refused.value)
    with pytest.raises(SettingsError, match=r"PROXIES holds 'proxy\.example'"):
        settings(PARKWATCH_CONSOLE_PROXIES="proxy.example")


def test_users_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "users.json"
    monkeypatch.setenv("PARKWATCH_HOME", str(tmp_path))
    monkeypatch.delenv("PARKWATCH_USERS_FILE", raising=False)

    def user(*arguments: str, typed: str | None = None) -> tuple[int, str]:
        done = CliRunner().invoke(commands, ["user", *arguments], input=typed)
        return done.exit_code, done.output

    code, said = user("list")
    assert code == 1
    assert "parkwatch user add" in said
    assert user("add", "li.wei", "--role", "operator", "--zh", "李伟")[0] == 1  # no terminal, no --password-stdin
    assert user("add", "li.wei", "--role", "operator", "--password-stdin", typed="short\n")[0] == 1
    added = user("add", "li.wei", "--role", "operator", "--zh", "李伟", "--password-stdin", typed=f"{PASSWORD}\n")
    assert added[0] == 0
    assert Users(file).verify("li.wei", PASSWORD)
    assert user("add", "li.wei", "--role", "viewer", "--password-stdin", typed=f"{PASSWORD}\n")[0] == 1
    assert "argon2" not in user("list", "--json")[1]
    assert msgspec.json.decode(user("list", "--json")[1])[0]["names"] == {"zh": "李伟", "en": "李伟"}
    assert "li.wei  operator  李伟" in user("list")[1]
    assert user("password", "li.wei", "--password-stdin", typed="seven-quiet-boats\n")[0] == 0
    assert Users(file).verify("li.wei", "seven-quiet-boats")
    assert user("role", "li.wei", "engineer")[0] == 0
    assert user("disable", "li.wei")[0] == 0
    assert "disabled" in user("list")[1]
    assert Users(file).get("li.wei") is None
    assert user("enable", "li.wei")[0] == 0
    found = Users(file).get("li.wei")
    assert found
    assert found.role is Role.ENGINEER
    assert user("remove", "li.wei")[0] == 0
    code, said = user("disable", "li.wei")
    assert code == 1
    assert "there is no user li.wei" in said
