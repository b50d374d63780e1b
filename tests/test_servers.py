"""The fixtures themselves: servers keep what they were given, catchers catch."""

from __future__ import annotations

import smtplib
import threading
import time
from email.message import EmailMessage
from typing import Self

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from redis import Redis as RedisClient

from tests.catchers import Catcher, MailCatcher
from tests.conftest import FakeClock
from tests.servers import Influx, Mosquitto, Redis, eventually


def test_redis_keeps_its_keys_when_killed(own_redis: Redis) -> None:
    with RedisClient.from_url(own_redis.url) as client:
        client.set("kept", "yes")
    own_redis.kill()
    assert not own_redis.running
    own_redis.start()
    with RedisClient.from_url(own_redis.url) as client:
        assert client.get("kept") == b"yes"


def test_redis_starts_without_keys(redis: Redis) -> None:
    with RedisClient.from_url(redis.url) as client:
        assert client.dbsize() == 0


def test_influx_keeps_its_points_when_killed(own_influx: Influx) -> None:
    own_influx.query("", 'CREATE DATABASE "kept"')
    written = httpx.post(f"{own_influx.url}/write?db=kept&precision=ms", content=b"reading,zone=a v=1.5 1700000000000")
    assert written.status_code == 204
    own_influx.kill()
    own_influx.start()
    rows = own_influx.query("kept", 'SELECT * FROM "reading"')
    assert rows == [{"time": 1_700_000_000_000, "zone": "a", "v": 1.5}]


def test_databases_are_dropped(influx: Influx, influx_db: str) -> None:
    influx.query("", f'CREATE DATABASE "{influx_db}"')
    influx.drop(influx_db)
    assert influx_db not in [row["name"] for row in influx.query("", "SHOW DATABASES")]


class _Subscriber:
    """A client with a persistent session, as ingest is one."""

    def __init__(self, broker: Mosquitto) -> None:
        self.payloads: list[bytes] = []
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "reader", clean_session=False)
        self._client.on_message = lambda _client, _data, message: self.payloads.append(bytes(message.payload))
        self._client.on_connect = lambda client, *_: client.subscribe("park/#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", broker.port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._subscribed.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def _publish(broker: Mosquitto, count: int) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "writer")
    client.max_inflight_messages_set(500)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    sent = [client.publish("park/a/b/c/d", str(number), qos=1) for number in range(count)]
    for message in sent:
        message.wait_for_publish(20)
        assert message.is_published()
    client.disconnect()
    client.loop_stop()


def test_broker_keeps_what_it_acknowledged_when_killed_after_its_autosave(own_mosquitto: Mosquitto) -> None:
    """More than Mosquitto's stock limit of 1,000 queued messages, for a client that is away, through kill -9."""
    with _Subscriber(own_mosquitto):
        pass
    _publish(own_mosquitto, 5000)
    saved = own_mosquitto.data / "mosquitto.db"
    begun = time.time()
    eventually(lambda: saved.exists() and saved.stat().st_mtime > begun, within=12, why="an autosave")
    time.sleep(0.5)
    own_mosquitto.kill()
    own_mosquitto.start()
    with _Subscriber(own_mosquitto) as subscriber:
        eventually(lambda: len(subscriber.payloads) >= 5000, within=20, why="5,000 messages")
    assert subscriber.payloads == [str(number).encode() for number in range(5000)]


def test_catcher_records_and_answers_what_it_is_told(catcher: Catcher) -> None:
    catcher.answer(500, times=2)
    statuses = [httpx.post(f"{catcher.url}/hook", json={"n": n}, headers={"X-Id": "7"}).status_code for n in range(3)]
    assert statuses == [500, 500, 200]
    requests = catcher.wait_for(3)
    assert [request.json["n"] for request in requests] == [0, 1, 2]
    assert requests[0].path == "/hook"
    assert requests[0].headers["x-id"] == "7"
    assert abs(requests[0].at - time.time() * 1000) < 10_000


def test_catcher_is_slow_and_redirects(catcher: Catcher) -> None:
    catcher.answer(delay=5)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(catcher.url, timeout=0.2)
    catcher.redirect("http://127.0.0.1:9/elsewhere")
    answer = httpx.post(catcher.url)
    assert (answer.status_code, answer.headers["Location"]) == (307, "http://127.0.0.1:9/elsewhere")


def test_mail_is_kept(mail: MailCatcher) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "park@example.org", "duty@example.org", "氟化氢 HF"
    message.set_content("泄漏")
    with smtplib.SMTP("127.0.0.1", mail.port) as client:
        client.send_message(message)
    [kept] = mail.wait_for(1)
    assert kept["Subject"] == "氟化氢 HF"
    assert kept["X-Envelope-To"] == "duty@example.org"
    assert "泄漏" in kept.get_content()


def test_clock_moves_only_when_told() -> None:
    clock = FakeClock(now=1000)
    assert clock() == 1000
    assert clock.advance(seconds=1.5) == 2500
    assert clock() == 2500
