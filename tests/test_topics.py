"""Topics: what they speak of, and that feedback never goes to one that can't be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.topics import FEEDBACK, Address, GatewayState, Meta, Rejected, Values, feedback_topic, parse
from tests.making import many

LONG = "a" * 63

GOOD: dict[str, Address] = {
    "park/north/unit-1/gd-01/h2s": Values("north", "unit-1", "gd-01", "h2s"),
    "park/north/unit-1/gd-01": Values("north", "unit-1", "gd-01", None),
    "park/north/unit-1/gd-01/$meta": Meta("north", "unit-1", "gd-01"),
    "park/north/gw-1/$state": GatewayState("north", "gw-1"),
    "park/0/1/2/3": Values("0", "1", "2", "3"),
    f"park/{LONG}/{LONG}/{LONG}/{LONG}": Values(LONG, LONG, LONG, LONG),
    "park/a-/b--c/d": Values("a-", "b--c", "d", None),
}

BAD = {
    "": "park/",
    "park": "park/",
    "park/": "1 to 63 characters",
    "parks/north/unit-1/gd-01": "park/",
    "PARK/north/unit-1/gd-01": "park/",
    "/park/north/unit-1/gd-01": "park/",
    "park/north": "{zone}",
    "park/north/unit-1": "{zone}",
    "park/north/unit-1/gd-01/h2s/raw": "{zone}",
    "park/" + "/".join("abcdefghij"): "{zone}",
    "park//unit-1/gd-01": "1 to 63 characters",
    "park/north/unit-1/": "1 to 63 characters",
    "park/north/unit-1/gd-01/": "1 to 63 characters",
    "park/North/unit-1/gd-01": "a-z",
    "park/north/unit 1/gd-01": "a-z",
    "park/north/unit_1/gd-01": "a-z",
    "park/north/-unit/gd-01": "beginning with a letter or digit",
    "park/north/unit.1/gd-01": "a-z",
    f"park/north/unit-1/{LONG}a": "1 to 63 characters",
    "park/north/unit-1/gd-01\n": "a-z",
    "park/north/unit-1/gd\x0001": "a-z",
    "park/north/unit-1/gd\x7f": "a-z",
    "park/north/unit-1/\u202egd": "a-z",
    "park/north/unit-1/探头": "a-z",
    "park/north/unit-1/٣": "a-z",
    "park/north/unit-1/+": "a-z",
    "park/north/unit-1/#": "a-z",
    "park/north/unit-1/gd-01/$other": "$meta",
    "park/north/unit-1/gd-01/$META": "$meta",
    "park/north/unit-1/gd-01/$state": "$state",
    "park/north/gw-1/$meta": "$meta",
    "park/north/$state": "$state",
    "park/$state": "$state",
    "park/north/unit-1/gd-01/h2s/$meta": "$meta",
    "park/north/$meta/gd-01": "a-z",
    "$SYS/broker/uptime": "park/",
}


@pytest.mark.parametrize("topic", GOOD)
def test_topic(topic: str) -> None:
    assert parse(topic) == GOOD[topic]


@pytest.mark.parametrize("topic", BAD)
def test_bad_topic_is_rejected_with_the_way_to_write_it(topic: str) -> None:
    with pytest.raises(Rejected) as rejected:
        parse(topic)
    assert rejected.value.code == "topic"
    assert BAD[topic] in rejected.value.fix


def test_prefix_is_a_parameter() -> None:
    assert parse("plant/north/gw-1/$state", prefix="plant") == GatewayState("north", "gw-1")


def test_reason_shows_control_characters_escaped_and_no_more_than_some() -> None:
    with pytest.raises(Rejected) as rejected:
        parse("park/north/unit-1/" + "\x00\x1b" * 10_000)
    assert rejected.value.reason.isprintable()
    assert len(rejected.value.reason) < 1000


@pytest.mark.parametrize(
    ("topic", "heard_on"),
    [
        ("park/north/unit-1/gd-01/h2s", "parkwatch/feedback/north/unit-1/gd-01"),
        ("park/north/unit-1/gd-01/h2s/raw", "parkwatch/feedback/north/unit-1/gd-01"),
        ("park/north/gw-1/$state", "parkwatch/feedback/north/gw-1"),
        ("park/north/unit-1/GD 01/h2s", "parkwatch/feedback/north/unit-1"),
        ("park/north/Unit 1/gd-01/h2s", "parkwatch/feedback/north"),
        ("park/North/unit-1/gd-01/h2s", "parkwatch/feedback/unreadable"),
        ("park/", "parkwatch/feedback/unreadable"),
        ("", "parkwatch/feedback/unreadable"),
        ("park/+/#/\x00", "parkwatch/feedback/unreadable"),
    ],
)
def test_feedback_goes_as_near_to_the_sensor_as_its_topic_can_be_written(topic: str, heard_on: str) -> None:
    assert feedback_topic(topic) == heard_on


PIECES = st.sampled_from(["park/", "/", "north", "unit-1", "#", "+", "$", "$meta", "\x00", "\ud800", "é", "a" * 70])
TOPICS = st.one_of(
    st.text(st.characters(), max_size=80),
    st.text(st.characters(categories=["Cs", "Cc", "Ll", "Po", "Sm"]), max_size=30).map(lambda text: f"park/{text}"),
    st.lists(PIECES, max_size=12).map("".join),
)


@given(TOPICS)
@many
def test_feedback_topic_is_always_one_that_may_be_published_to(topic: str) -> None:
    heard_on = feedback_topic(topic)
    assert heard_on.startswith(f"{FEEDBACK}/")
    assert not set(heard_on) & set("#+$\x00")
    assert "" not in heard_on.split("/")
    assert len(heard_on.encode("ascii")) < 65_536


@given(TOPICS)
@many
def test_parse_gives_an_address_or_a_rejection(topic: str) -> None:
    try:
        address = parse(topic)
    except Rejected as rejected:
        assert rejected.fix
    else:
        assert topic.startswith(f"park/{address.zone}/")
