"""Grafana's own alert rules: what is committed is what the generator writes, and InfluxDB answers as the rules need."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from grafana.alerting import RULES, Rule, rules, text_of
from park.catalogue import Catalogue
from storage import names
from storage.configuration import load
from storage.influx import Influx
from tests.conftest import ROOT
from tests.servers import Influx as InfluxServer

PARK = load(ROOT / "config")
ALL = list(rules(PARK))
each_rule = pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.data()["uid"])
ZONE = "riverside"


@pytest.fixture
def influx_client(influx: InfluxServer, influx_db: str) -> Iterator[Influx]:
    with closing(Influx(influx.url, influx_db)) as made:
        made.ensure()
        yield made


def values(influx: Influx, rule: Rule) -> dict[str, float]:
    """The last value of each series that the rule finds now, by its one tag."""
    query = rule.query.replace("$timeFilter", f"time > now() - {rule.seconds}s")
    found = influx.query(query)
    return {"".join(series.get("tags", {}).values()): series["values"][-1][1] for series in found}


def rule_of(uid: str) -> Rule:
    return next(rule for rule in ALL if rule.data()["uid"] == uid)


def fires(rule: Rule, value: float) -> bool:
    return value > rule.than if rule.compare == "gt" else value < rule.than


# --- what is committed -------------------------------------------------------------------------------------------


def test_the_committed_rules_are_what_the_generator_writes() -> None:
    assert RULES.read_text(encoding="utf-8") == text_of(PARK), "run: python -m grafana.alerting"


def test_the_file_is_what_grafana_reads() -> None:
    document = YAML(typ="safe").load(RULES)
    (group,) = document["groups"]
    assert document["apiVersion"] == 1
    assert int(group["interval"].removesuffix("s")) % 10 == 0
    assert len({rule["uid"] for rule in group["rules"]}) == len(group["rules"]) == len(ALL)
    assert len({rule["title"] for rule in group["rules"]}) == len(ALL)


@each_rule
def test_every_rule_is_whole(rule: Rule) -> None:
    data = rule.data()
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", data["uid"])
    assert [part["refId"] for part in data["data"]] == ["A", "B", "C"]
    assert data["condition"] == "C"
    assert " / " in data["title"]
    assert re.search(r"[\u4e00-\u9fff].* / .*[a-z]", data["annotations"]["description"])
    # What Grafana puts variables into holds none.
    assert "$" not in json.dumps([data["title"], data["labels"], data["uid"]])
    assert data["labels"]["severity"] in {"critical", "warning"}


@each_rule
def test_where_silence_is_the_danger_it_alarms(rule: Rule) -> None:
    data = rule.data()
    dangerous = data["labels"]["severity"] == "critical"
    assert data["noDataState"] == ("Alerting" if dangerous else "OK")
    if dangerous:
        assert data["execErrState"] == "Alerting"


def test_a_zone_of_any_name_has_rules_of_its_own() -> None:
    zone = PARK.zones[ZONE]
    long = [replace_zone(f"a-zone-with-a-very-long-name-that-goes-on-and-on-{n}") for n in range(2)]
    uids = [rule.data()["uid"] for park in long for rule in rules(park) if rule.zone]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in uids)
    assert {rule.zone for rule in ALL if rule.zone} == set(PARK.zones)
    assert zone.names.zh in rule_of(f"pw-silent-{ZONE}").title.zh


def replace_zone(name: str) -> Catalogue:
    return replace(PARK, zones={name: msgspec.structs.replace(PARK.zones[ZONE], name=name)})


# --- what InfluxDB answers ---------------------------------------------------------------------------------------


@each_rule
def test_where_nothing_was_ever_written_nothing_is_found(rule: Rule, influx_client: Influx) -> None:
    assert values(influx_client, rule) == {}


def write(influx: Influx, *lines: str, ago: float = 1.0) -> None:
    at = time.time_ns() // 1_000_000 - round(ago * 1000)
    influx.write("\n".join(f"{line} {at}" for line in lines).encode())


def test_a_zone_whose_sensors_are_silent_is_in_no_answer(influx_client: Influx) -> None:
    rule = rule_of(f"pw-silent-{ZONE}")
    canary = f"{names.READING},zone={ZONE},site=parkwatch,sensor=canary,quantity=canary v=1.0"
    other = f"{names.READING},zone=new-materials,site=a,sensor=b,quantity=c v=1.0"
    write(influx_client, canary, other)
    assert values(influx_client, rule) == {}
    write(influx_client, f"{names.READING},zone={ZONE},site=a,sensor=b,quantity=c v=1.0", ago=300)
    assert values(influx_client, rule) == {}
    write(influx_client, f"{names.READING},zone={ZONE},site=a,sensor=b,quantity=c v=1.0")
    assert not fires(rule, values(influx_client, rule)[""])


def test_an_old_canary_is_none(influx_client: Influx) -> None:
    rule = rule_of(f"pw-canary-stored-{ZONE}")
    canary = f"{names.READING},zone={ZONE},site=parkwatch,sensor=canary,quantity=canary v=1.0"
    write(influx_client, canary, ago=61)
    assert values(influx_client, rule) == {}
    write(influx_client, canary, ago=1)
    assert not fires(rule, values(influx_client, rule)[""])


@pytest.mark.parametrize(
    ("uid", "line", "bad"),
    [
        (f"pw-canary-delivered-{ZONE}", f"health,piece=canary,zone={ZONE} age_s=12.0", False),
        (f"pw-canary-delivered-{ZONE}", f"health,piece=canary,zone={ZONE} age_s=61.0", True),
        ("pw-lag", "health,piece=worker.riverside.0,zone=riverside lag_s=0.2", False),
        ("pw-lag", "health,piece=worker.riverside.0,zone=riverside lag_s=31.0", True),
        ("pw-piece", "health,piece=office up=1.0", False),
        ("pw-piece", "health,piece=office up=0.0", True),
        ("pw-spool", "reading,zone=a,site=parkwatch,sensor=ingest-0,quantity=spool-waiting v=20.0", False),
        ("pw-spool", "reading,zone=a,site=parkwatch,sensor=ingest-0,quantity=spool-waiting v=20000.0", True),
        ("pw-quarantine", "quarantined,code=unit n=20i", False),
        ("pw-quarantine", "quarantined,code=unit n=200i", True),
        ("pw-refused", "quarantined,code=influx n=1i", True),
    ],
)
def test_a_rule_fires_for_what_it_is_about(uid: str, line: str, bad: bool, influx_client: Influx) -> None:  # noqa: FBT001
    write(influx_client, line)
    rule = rule_of(uid)
    (value,) = values(influx_client, rule).values()
    assert fires(rule, value) is bad


def test_an_operator_who_wants_no_pulse_is_not_alarmed(influx_client: Influx) -> None:
    write(influx_client, "health,piece=pulse up=0.0", "health,piece=beat up=1.0")
    assert values(influx_client, rule_of("pw-piece")) == {"beat": 1.0}


def test_a_count_that_stands_is_no_news_and_one_that_grows_is(influx_client: Influx) -> None:
    rule = rule_of("pw-lost")
    for ago, lost in ((30, 5), (20, 5), (10, 6)):
        line = "health,piece=counter,reason={} total={}"
        counts = ("results.kept", 1000 - ago), ("journal.lost", 7), ("results.lost", lost)
        write(influx_client, *(line.format(reason, f"{float(count)}") for reason, count in counts), ago=ago)
    found: dict[str, Any] = values(influx_client, rule)
    assert {reason: fires(rule, value) for reason, value in found.items()} == {
        "journal.lost": False,
        "results.lost": True,
    }
