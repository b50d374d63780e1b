"""The journal for good: what is written to InfluxDB is read back as it was, whatever people wrote into it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from park.alarms import Event, Notify, State, Transition, alarm_id
from park.words import Names, Priority
from storage import names
from storage.history import History, Journal, point_time
from storage.influx import Influx, InfluxUnavailable
from storage.lines import Field, line
from storage.queue import redis_client
from tests import servers
from tests.alerting import transition
from tests.making import many

NOW = time.time_ns() // 1_000_000
NASTY = [
    'says "stop"',
    "back\\slash\\",
    'both \\" and "\\',
    "two\nlines\r\n",
    "tab\t nul\x00 bell\x07",
    "comma, equals=, space ",
    "报警：阀门=关, “已处理”\\",
    "🧪 \u2028 \ufeff",
    "'; DROP MEASUREMENT transition; --",
    "\\n \\t \\\\",
    " ",
    "",
]


@pytest.fixture
def influx_client(influx: servers.Influx, influx_db: str) -> Iterator[Influx]:
    with closing(Influx(influx.url, influx_db)) as made:
        made.ensure()
        yield made


@pytest.fixture
def history(influx_client: Influx) -> History:
    return History(influx_client)


def refuse(text: str, reason: str) -> None:
    raise AssertionError(f"refused: {text}: {reason}")


def kept(history: History, *transitions: Transition, at: int = NOW) -> list[Transition]:
    """Keep transitions, one per ms, and read them back, oldest first."""
    history.keep([(f"{at + n}-0", each) for n, each in enumerate(transitions)], refuse)
    return history.journal(at, at + len(transitions))[::-1]


# --- round trip --------------------------------------------------------------------------------------------------


def test_a_transition_comes_back_as_it_was(history: History) -> None:
    full = transition(
        Event.ACKNOWLEDGED,
        by="李伟",
        why="已派人",
        unit="mg/m³",
        scale=0.001,
        source="GB/T 50493-2019",
        clause=Names("第5.5.2条", "5.5.2"),
        chattering=True,
        first_up=True,
        notify=Notify.NONE,
        value=5100.3,
    )
    bare = transition(value=None, set_point=None)
    assert kept(history, full, bare) == [full, bare]


@pytest.mark.parametrize("text", NASTY)
def test_texts_by_people_hold_anything(history: History, text: str) -> None:
    nasty = transition(by=text, why=text, unit=text, source=text, clause=Names(text, text), severity=text)
    assert kept(history, nasty, transition()) == [nasty, transition()]


SEGMENTS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(max_size=200))
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**53)


@st.composite
def transitions(draw: st.DrawFn) -> Transition:
    series = "/".join(draw(st.tuples(SEGMENTS, SEGMENTS, SEGMENTS, SEGMENTS)))
    limit = draw(SEGMENTS)
    known: dict[str, Any] = {name: draw(TEXTS) for name in ("limit_version", "severity", "by", "why", "unit", "source")}
    known |= {name: draw(COUNTS) for name in ("occurrence", "version", "t", "at")}
    return Transition(
        alarm=alarm_id(series, limit),
        series=series,
        limit=limit,
        event=draw(st.sampled_from(Event)),
        notify=draw(st.sampled_from(Notify)),
        before=draw(st.sampled_from(State)),
        after=draw(st.sampled_from(State)),
        priority=draw(st.sampled_from(Priority)),
        value=draw(NUMBERS),
        set_point=draw(NUMBERS),
        scale=draw(st.floats(min_value=1e-12, max_value=1e12)),
        clause=Names(draw(TEXTS), draw(TEXTS)),
        chattering=draw(st.booleans()),
        first_up=draw(st.booleans()),
        **known,
    )


_numbers = iter(range(10_000_000))


@given(st.lists(transitions(), min_size=1, max_size=20))
@settings(many, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_is_journalled_is_read_back(history: History, entries: list[Transition]) -> None:
    assert kept(history, *entries, at=NOW + 1000 * next(_numbers)) == entries


# --- points ------------------------------------------------------------------------------------------------------


STREAM_IDS = st.tuples(st.integers(0, 10**13), st.integers(0, 10**6 - 1))


@given(STREAM_IDS, STREAM_IDS)
@many
def test_no_two_entries_share_a_point_and_their_order_is_kept(one: tuple[int, int], other: tuple[int, int]) -> None:
    first, second = (point_time(f"{ms}-{sequence}") for ms, sequence in (one, other))
    assert (first < second, first == second) == (one < other, one == other)


def test_value_and_set_point_are_written_in_the_unit_of_the_limit(history: History, influx_client: Influx) -> None:
    kept(history, transition(value=5100.0, set_point=4000.0, unit="mg/m³", scale=0.001))
    [point] = influx_client.query(
        'SELECT "value", "set_point", "unit", "zone", "event", "priority" FROM "transition"', names.RETENTION_KEPT
    )
    assert point["values"] == [[NOW, 5.1, 4, "mg/m³", "new-materials", "raised", "high"]]


def test_writing_an_entry_again_changes_nothing(history: History) -> None:
    entries = [(f"{NOW}-{n}", transition(version=n)) for n in range(3)]
    history.keep(entries, refuse)
    history.keep(entries[1:], refuse)
    assert history.entries(NOW, f"{NOW + 1}-0") == entries[::-1]


def test_the_journal_is_read_by_time_zone_and_count(history: History) -> None:
    south = transition(series="south/a/b/c", alarm="south.a.b.c.hf-high")
    history.keep([(f"{NOW + n}-0", south if n % 2 else transition(version=n)) for n in range(10)], refuse)
    assert [each.version for each in history.journal(NOW, NOW + 7, "new-materials")] == [6, 4, 2, 0]
    assert [each.version for each in history.journal(NOW + 2, NOW + 6, "new-materials")] == [4, 2]
    assert [each.version for each in history.journal(NOW, NOW + 10, "new-materials", 2)] == [8, 6]
    assert history.journal(NOW, NOW + 10, "nowhere' OR '1' = '1") == []


def test_influxdb_away_is_not_an_empty_journal(own_influx: servers.Influx) -> None:
    own_influx.kill()
    with closing(Influx(own_influx.url, "park")) as influx:
        history = History(influx)
        with pytest.raises(InfluxUnavailable):
            history.journal(0, NOW)
        with pytest.raises(InfluxUnavailable):
            history.keep([(f"{NOW}-0", transition())], refuse)


# --- both stores -------------------------------------------------------------------------------------------------


def test_the_whole_journal_is_redis_and_what_is_older(redis: servers.Redis, history: History) -> None:
    entries = [(f"{NOW + n // 3}-{n % 3}", transition(version=n)) for n in range(12)]
    with redis_client(redis.url) as client:
        for key, entry in entries[5:]:
            client.xadd(names.JOURNAL, {"transition": msgspec.json.encode(entry)}, id=key)
        # The last two are not kept yet; the first five are not in Redis any more, in the middle of a ms.
        history.keep(entries[:10], refuse)
        journal = Journal(client, history)
        assert [each.version for each in journal.transitions(NOW)] == list(range(11, -1, -1))
        assert [each.version for each in journal.transitions(NOW + 1)] == list(range(11, 2, -1))
        assert list(journal.transitions(NOW, "nowhere")) == []
        client.delete(names.JOURNAL)
        assert [each.version for each in journal.transitions(NOW)] == list(range(9, -1, -1))


# --- lines -------------------------------------------------------------------------------------------------------


def test_line_leaves_out_what_has_no_value() -> None:
    fields: dict[str, Field] = {"a": None, "b": float("nan"), "c": float("-inf"), "d": 1, "e": 1.0, "f": True, "g": ""}
    written = line("m", {"x": "a b,c=d", "y": ""}, fields, 5)
    assert written == rb'm,x=a\ b\,c\=d d=1i,e=1.0,f=true,g="" 5'
