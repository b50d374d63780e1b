"""The doctor: what is up, what lags, what to do."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

import msgspec
import redis

from park.catalogue import Catalogue
from park.channels import ChannelKind
from park.oncall import OnCall
from storage import names, watch
from storage.configuration import ConfigurationError, load
from storage.influx import Influx, InfluxUnavailable, LinesRejected
from storage.quarantine import Quarantine
from storage.queue import redis_client
from storage.settings import Settings
from storage.watch import Check, Kind, Problem, Watched

_LAGGING = 200
_OVERDUE = 30_000
_MOST_NAMED = 5


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    well: bool
    state: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at every part; nothing raises, a part that does not answer is a finding."""
    found, configuration = _configuration(settings)
    findings = [configuration, _broker(settings), _influx(settings)]
    client = redis_client(settings.redis_url)
    try:
        client.ping()
    except redis.RedisError as error:
        start = "start it (scripts/run does); readings wait at the broker meanwhile"
        return [*findings, Finding("Redis", well=False, state=f"away: {error}", advice=start)]
    findings.append(Finding("Redis", well=True, state="answers"))
    try:
        findings += _inside(client, found)
    except redis.RedisError as error:
        findings.append(Finding("Redis", well=False, state=f"stopped answering: {error}", advice="ask again"))
    finally:
        client.close()
    return findings


def _configuration(settings: Settings) -> tuple[Catalogue | None, Finding]:
    try:
        found = load(settings.config)
    except ConfigurationError as error:
        state = f"{len(error.problems)} problems in {settings.config}"
        advice = "`parkwatch check` lists them; no piece can start until they are mended"
        return None, Finding("configuration", well=False, state=state, advice=advice)
    return found, Finding("configuration", well=True, state=f"{len(found.limits)} limits, version {found.version}")


def _broker(settings: Settings) -> Finding:
    address = urlsplit(settings.mqtt_url)
    where = f"{address.hostname}:{address.port or 1883}"
    try:
        socket.create_connection((address.hostname or "127.0.0.1", address.port or 1883), timeout=2).close()
    except OSError as error:
        return Finding(
            "MQTT broker", well=False, state=f"{where} away: {error}", advice="start it; sensors can't publish"
        )
    return Finding("MQTT broker", well=True, state=f"{where} answers")


def _influx(settings: Settings) -> Finding:
    influx = Influx(settings.influx_url, settings.influx_db, settings.influx_token, timeout_ms=3_000)
    spool = "start it; readings go to the spool on disk and are written later"
    try:
        influx.query(f"SELECT {names.FIELD_VALUE} FROM {names.READING} LIMIT 1")
    except InfluxUnavailable as error:
        return Finding("InfluxDB", well=False, state=str(error), advice=spool)
    except LinesRejected as error:
        return Finding("InfluxDB", well=False, state=str(error), advice="ingest makes the database when it starts")
    finally:
        influx.close()
    return Finding("InfluxDB", well=True, state=f"{settings.influx_url} answers")


def _inside(client: redis.Redis, found: Catalogue | None) -> Iterator[Finding]:
    now = time.time_ns() // 1_000_000
    shards = found.shards if found else ()
    yield from _pieces(client, shards)
    yield from _channels(client)
    yield from _on_call(found)
    yield from _console(client)
    yield from _watched(client, now)
    yield from _ingests(client)
    yield from _inboxes(client, shards)
    yield from _outbox(client, now)
    counts = Quarantine(client).counts()
    state = ", ".join(f"{code} {n}" for code, n in sorted(counts.items())) or "empty"
    yield Finding(
        "quarantine", well=True, state=state, advice="parkwatch quarantine says what to send instead" if counts else ""
    )


def _pieces(client: redis.Redis, shards: tuple[str, ...]) -> Iterator[Finding]:
    ringing = bool(client.exists(names.heartbeat("beat")))
    for piece in ("beat", "delivery", "office", "console", "watchdog", *(f"worker.{shard}" for shard in shards)):
        alive = bool(client.exists(names.heartbeat(piece)))
        advice = f"start `parkwatch run {piece.replace('.', ' --shard ', 1)}`"
        if piece.startswith("worker.") and not ringing:
            advice = f"start beat first, a worker shows life when beat rings; then {advice}"
        yield Finding(piece, well=alive, state="alive" if alive else "no sign of life", advice="" if alive else advice)


def _channels(client: redis.Redis) -> Iterator[Finding]:
    """What delivery has, which knows best: its environment need not be ours."""
    beat = client.get(names.heartbeat("delivery"))
    if beat is None:
        return
    channels = msgspec.json.decode(beat).get("channels", [])
    advice = "" if channels else "name one in config/alerts.yaml, or set PARKWATCH_WEBHOOK_URL"
    yield Finding(
        "channels", well=bool(channels), state=", ".join(channels) or "none: pages reach NOBODY", advice=advice
    )


def _on_call(found: Catalogue | None) -> Iterator[Finding]:
    """Whom the roster reaches. A roster with gaps is no configuration, and said there."""
    if found is None:
        return
    if not found.oncall.chains:
        state, advice = "no roster: pages go to the channels only", "write config/oncall.yaml (docs/oncall.md)"
        yield Finding("on-call", well=True, state=state, advice=advice)
        return
    unreached = _unreached(found.oncall)
    state = f"{len(found.oncall.people)} people, {len(found.oncall.chains)} chains"
    if unreached:
        state += f"; told on the terminal of delivery only: {', '.join(unreached)}"
    advice = "give them contacts in config/oncall.yaml" if unreached else ""
    yield Finding("on-call", well=True, state=state, advice=advice)


def _unreached(oncall: OnCall) -> list[str]:
    terminal = ChannelKind.TERMINAL
    people = oncall.people.values()
    return [person.name for person in people if all(contact.kind is terminal for contact in person.contacts)]


def _console(client: redis.Redis) -> Iterator[Finding]:
    """Who can log in, and whether pages carry one-tap links: the console knows, its files need not be ours."""
    beat = client.get(names.heartbeat("console"))
    said = msgspec.json.decode(beat) if beat else {}
    if "users" in said:
        users = said["users"]
        advice = "" if users else "`parkwatch user add NAME --role engineer`, where the console runs"
        state = f"{users} users" if users else "no users: NOBODY can log in"
        yield Finding("log-in", well=bool(users), state=state, advice=advice)
    if "links" in said:
        links = said["links"]
        advice = "" if links else "set PARKWATCH_SECRET_KEY for console and delivery: `openssl rand -base64 32`"
        state = "signed" if links else "none: there is no secret key"
        yield Finding("one-tap links", well=True, state=state, advice=advice)


def _watched(client: redis.Redis, now: int) -> Iterator[Finding]:
    """What the watchdog has found lately."""
    watched = watch.get(client)
    if watched is None:
        advice = "start `parkwatch run watchdog`; if it has just been started, ask again in 10 s"
        yield Finding("canaries", well=False, state="nobody has looked", advice=advice)
        return
    # Signs of life stand in lines of their own already.
    yield from (_canary(check) for check in watched.checks if check.kind in _CANARIES)
    yield _pulse(watched, now)
    yield _audit(watched, now)


_CANARIES = {
    Kind.CANARY: "look at the broker, ingest, the zone's worker and delivery, in this order",
    Kind.STORED: "look at InfluxDB, and at ingest's spool",
}


def _canary(check: Check) -> Finding:
    state = "none has come" if check.age is None else f"{check.age / 1000:.0f} s old"
    advice = "" if check.well else _CANARIES[check.kind]
    return Finding(f"{check.kind} {check.of}", well=check.well, state=state, advice=advice)


def _pulse(watched: Watched, now: int) -> Finding:
    pulse = watched.pulse
    if not pulse.wanted:
        advice = "set PARKWATCH_PULSE_URL, so that somebody outside notices when parkwatch dies (docs/watchdog.md)"
        return Finding("pulse", well=True, state="no address", advice=advice)
    sent = f"last sent {(now - pulse.sent) / 1000:.0f} s ago" if pulse.sent else "never sent"
    state = f"{sent}; not now: {pulse.reason}" if pulse.reason else sent
    advice = "it goes out again when everything it names is well" if pulse.reason else ""
    return Finding("pulse", well=not pulse.reason, state=state, advice=advice)


def _audit(watched: Watched, now: int) -> Finding:
    old = now - watched.audited
    if old > _OVERDUE:
        state = "the auditor has not looked yet" if not watched.audited else f"last looked {old / 1000:.0f} s ago"
        return Finding("auditor", well=False, state=state, advice="ask again; does Redis answer the watchdog?")
    if not watched.problems:
        return Finding("auditor", well=True, state="no call is overdue or missing")
    first = ", ".join(map(_problem, watched.problems[:_MOST_NAMED]))
    more = len(watched.problems) - _MOST_NAMED
    state = f"{first}, and {more} more" if more > 0 else first
    advice = "tell the people on duty of these alarms yourself; then look at delivery and its log"
    return Finding("auditor", well=False, state=state, advice=advice)


def _problem(problem: Problem) -> str:
    late = f" ({problem.late / 1000:.0f} s)" if problem.late else ""
    return f"{problem.entry} {problem.fault}{late}"


def _ingests(client: redis.Redis) -> Iterator[Finding]:
    beats = {key.decode(): client.get(key) for key in client.scan_iter(names.heartbeat("ingest.*"), count=1000)}
    if not beats:
        yield Finding("ingest", well=False, state="no sign of life", advice="start `parkwatch run ingest`")
    for key, beat in sorted(beats.items()):
        state = msgspec.json.decode(beat or b"{}")
        well = bool(state.get("connected")) and not state.get("spooled") and not state.get("dropped")
        words = ", ".join(f"{name} {value}" for name, value in state.items() if name != "at")
        advice = (
            "" if well else "not connected: look at the broker; spooled: look at InfluxDB; dropped: free disk space"
        )
        yield Finding(key.rsplit(":", 1)[-1], well=well, state=words, advice=advice)


def _inboxes(client: redis.Redis, shards: tuple[str, ...]) -> Iterator[Finding]:
    for shard in shards:
        length = int(client.llen(names.inbox(shard)))
        advice = "" if length < _LAGGING else "its worker is down or too slow: give the zone more shards"
        yield Finding(f"inbox {shard}", well=length < _LAGGING, state=f"{length} batches wait", advice=advice)


def _outbox(client: redis.Redis, now: int) -> Iterator[Finding]:
    waiting = int(client.zcard(names.OUTBOX))
    overdue = int(client.zcount(names.OUTBOX, 0, now - _OVERDUE))
    due = int(client.zcount(names.OUTBOX, 0, now))
    advice = "" if not overdue else "pages wait: is delivery running? do its channels answer?"
    state = f"{waiting} wait, {due} of them due, {overdue} overdue"
    yield Finding("outbox", well=not overdue, state=state, advice=advice)
    yield _delivered(client)


#: What has not gone as it should, as people read it: counted since Redis was new, so it is no finding about now.
_GONE_WRONG = {
    "failed": "failed",
    "undeliverable": "reached nobody",
    "exhausted": "chains that nobody answered",
    "repeated": "left twice",
    "taken-over": "taken over from a process that died",
    "defects": "met a defect",
}


def _delivered(client: redis.Redis) -> Finding:
    counts = client.hmget(names.COUNTERS, ["delivery.sent", *(f"delivery.{name}" for name in _GONE_WRONG)])
    sent, *others = (int(count or 0) for count in cast("list[bytes | None]", counts))
    wrong = [f"{count} {words}" for count, words in zip(others, _GONE_WRONG.values(), strict=True) if count]
    return Finding("delivered", well=True, state=", ".join([f"{sent} sent", *wrong]), advice="")
