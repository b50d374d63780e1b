"""InfluxDB as we speak to it: what it takes, what it refuses, and when it is away."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from storage.influx import Influx, InfluxUnavailable, LinesRejected
from storage.recent import latest
from tests import servers
from tests.making import SERIES, recently

LINES = b'reading,zone=north v=1.5,q="good" %d'


@pytest.fixture
def client(influx: servers.Influx, influx_db: str) -> Iterator[Influx]:
    with closing(Influx(influx.url, influx_db)) as made:
        yield made


@pytest.fixture
def ready(client: Influx) -> Influx:
    """A client whose database is there."""
    client.ensure()
    return client


def test_ensure_makes_database_and_retention_policy(influx: servers.Influx, client: Influx) -> None:
    client.ensure()
    client.ensure()
    policies = {row["name"]: row for row in influx.query("", f'SHOW RETENTION POLICIES ON "{client.database}"')}
    durations = {name: (row["duration"], row["shardGroupDuration"]) for name, row in policies.items()}
    assert durations["raw"] == ("9600h0m0s", "168h0m0s")
    assert durations["kept"] == ("0s", "8736h0m0s"), "for ever"
    assert [name for name, row in policies.items() if row["default"]] == ["raw"]


def test_ensure_leaves_an_operators_own_policy_as_it_is(influx: servers.Influx, client: Influx) -> None:
    influx.query("", f'CREATE DATABASE "{client.database}" WITH DURATION 9999h NAME "raw"')
    client.ensure()
    client.write(LINES % recently())
    policies = influx.query(client.database, f'SHOW RETENTION POLICIES ON "{client.database}"')
    assert {row["name"]: row["duration"] for row in policies} == {"raw": "9999h0m0s", "kept": "0s"}


def test_rewriting_changes_nothing_and_the_last_one_holds(influx: servers.Influx, ready: Influx) -> None:
    t = recently()
    for value in (b"1.0", b"1.0", b"2.0"):
        ready.write(b"reading,zone=north v=%s %d" % (value, t))
    assert influx.query(ready.database, "SELECT v FROM raw.reading") == [{"time": t, "v": 2.0}]


def test_query_gives_series_with_times_in_ms(ready: Influx) -> None:
    t = recently()
    ready.write(LINES % t)
    (series,) = ready.query("SELECT v FROM reading GROUP BY zone")
    assert (series["tags"], series["values"]) == ({"zone": "north"}, [[t, 1.5]])
    assert ready.query("SELECT v FROM nothing") == []


@pytest.mark.parametrize(
    "lines",
    [b"reading v= 1", b"no line", b"reading v=NaN 1", b'reading,zone=north v="text" %d'],
    ids=["no value", "no line", "NaN", "another type"],
)
def test_line_that_will_never_be_taken_is_rejected(ready: Influx, lines: bytes) -> None:
    t = recently()
    ready.write(LINES % t)
    with pytest.raises(LinesRejected, match="400"):
        ready.write(lines % (t + 1) if b"%d" in lines else lines)


def test_nonsense_to_ask_is_rejected(ready: Influx) -> None:
    with pytest.raises(LinesRejected):
        ready.query("SELECT")


def test_missing_database_is_waited_for_and_not_a_fault_of_the_lines(client: Influx) -> None:
    with pytest.raises(InfluxUnavailable, match="404"):
        client.write(LINES % recently())
    client.ensure()
    client.write(LINES % recently())


def test_away_and_back(own_influx: servers.Influx) -> None:
    with closing(Influx(own_influx.url, "park")) as client:
        client.ensure()
        client.write(LINES % recently())
        own_influx.kill()
        for away in (client.ensure, lambda: client.write(LINES % recently()), lambda: client.query("SELECT 1")):
            with pytest.raises(InfluxUnavailable, match="does not answer"):
                away()
        own_influx.start()
        client.write(LINES % (recently() + 1))
    assert len(own_influx.query("park", "SELECT v FROM raw.reading")) == 2


# --- other lines of InfluxDB, as they answer -----------------------------------------------------------------------


class _Answers(HTTPServer):
    """Answers every request the same and keeps the headers it got."""

    status = 204
    body = b""
    heard: list[dict[str, str]]


class _Handler(BaseHTTPRequestHandler):
    server: _Answers

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.heard.append({key.lower(): value for key, value in self.headers.items()})
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_POST  # noqa: N815 - the name that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
        """Say nothing."""


@contextmanager
def answering(status: int, body: object = None, token: str | None = None) -> Iterator[tuple[Influx, _Answers]]:
    """An Influx whose server always answers so."""
    server = _Answers(("127.0.0.1", 0), _Handler)
    server.status, server.heard = status, []
    server.body = b"" if body is None else json.dumps(body).encode()
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        with closing(Influx(f"http://127.0.0.1:{server.server_port}", "park", token)) as client:
            yield client, server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"results": [{"statement_id": 0, "error": "not implemented: CREATE DATABASE"}]}),
        (400, {"code": "invalid", "message": "CREATE DATABASE is not supported"}),
        (422, {"code": "unprocessable entity", "message": "no"}),
    ],
)
def test_ensure_does_without_statements_that_2_x_has_not(status: int, body: object) -> None:
    with answering(status, body) as (client, server):
        client.ensure()
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, None),
        (400, LinesRejected),
        (413, LinesRejected),
        (422, LinesRejected),
        (401, InfluxUnavailable),
        (403, InfluxUnavailable),
        (404, InfluxUnavailable),
        (429, InfluxUnavailable),
        (500, InfluxUnavailable),
        (503, InfluxUnavailable),
    ],
)
def test_only_an_answer_about_the_lines_rejects_them(status: int, kind: type[Exception] | None) -> None:
    with answering(status, {"message": "the reason"}) as (client, _):
        if kind is None:
            client.write(LINES % recently())
            return
        with pytest.raises(kind, match=f"{status}.*the reason"):
            client.write(LINES % recently())


@pytest.mark.parametrize(
    ("token", "header"),
    [
        (None, None),
        ("abc==", "Token abc=="),
        ("park:secret", "Basic " + base64.b64encode(b"park:secret").decode()),
    ],
)
def test_authorization(token: str | None, header: str | None) -> None:
    with answering(204, token=token) as (client, server):
        client.write(LINES % recently())
    assert [heard.get("authorization") for heard in server.heard] == [header]


# --- the latest readings, for a shard that begins anew -------------------------------------------------------------


def test_latest_readings_are_the_newest_usable_ones_of_the_zone(ready: Influx) -> None:
    now = recently()
    tags = b"reading,quantity=h2s,sensor=gd-01,site=unit-1,zone=%s"
    ready.write(
        b"\n".join(
            [
                tags % b"north" + b' v=1.0,q="good" %d' % (now - 60_000),
                tags % b"north" + b' v=2.0,q="good" %d' % (now - 30_000),
                tags % b"north" + b' raw=-999.0,q="failure" %d' % (now - 10_000),
                tags % b"south" + b' v=3.0,q="good" %d' % (now - 30_000),
                tags.replace(b"gd-01", b"gd-02") % b"north" + b' v=4.0,q="good" %d' % (now - 200_000),
                tags.replace(b"gd-01", b"gd-03") % b"north" + b' v=5.0,q="good" %d' % (now - 3_700_000),
            ]
        )
    )
    found = {each.series: each for each in latest(ready, "north", now, late_after=120_000)}
    assert set(found) == {SERIES, SERIES.replace("gd-01", "gd-02")}
    assert (found[SERIES].value, found[SERIES].t, found[SERIES].late) == (2.0, now - 30_000, False)
    assert found[SERIES.replace("gd-01", "gd-02")].late is True


def test_no_database_yet_is_no_reading(client: Influx) -> None:
    assert latest(client, "north", recently(), 120_000) == []


def test_influxdb_away_is_no_reading_and_said(own_influx: servers.Influx, caplog: pytest.LogCaptureFixture) -> None:
    own_influx.kill()
    with closing(Influx(own_influx.url, "park")) as client:
        assert latest(client, "north", recently(), 120_000) == []
    assert "begins without stored readings" in caplog.text
