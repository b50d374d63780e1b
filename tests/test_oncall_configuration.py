"""``oncall.yaml``: the roster of the demo is sound, and every hole in one is told with file, line and remedy."""

from __future__ import annotations

import copy
import functools
import operator
import random
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from ruamel.yaml import YAML

from park.building import build
from park.catalogue import Catalogue, Grouping
from park.channels import ChannelKind, ChannelRoute, Reference, ReferenceKind
from park.oncall import (
    Chain,
    Handover,
    OnCall,
    Override,
    QuietHours,
    Step,
    Until,
    calls,
    chain_for,
    on_duty,
    people_of,
    quiet_until,
)
from park.words import Names, Priority
from storage import configuration
from tests.test_configuration import DEFAULT, NONSENSE, edit, ms, places_in, problems
from tests.test_configuration import SMALL as PARK

ONCALL, ALERTS, ZONES = "oncall.yaml", "alerts.yaml", "zones.yaml"

# A small sound roster. Cases below break it; "#!" marks the line that must be named.
SMALL = {
    **PARK,
    ALERTS: """\
channels:
  - name: duty
    kind: apprise
    url_env: DUTY_URL
delivery:
  wait: 5s
  webhook_targets:
    - 10.20.0.0/16
    - Hooks.example.org
    - 192.0.2.7
""",
    ONCALL: """\
people:
  zhang-lei:
    names: {zh: 张磊, en: Zhang Lei}
    language: en
    contacts:
      - {name: phone, kind: apprise, url_env: ZHANG_URL, min_priority: high, notices: false}
      - {name: terminal, kind: terminal}
  li-wei:
    names: {zh: 李伟, en: Li Wei}
    contacts:
      - {name: hook, kind: webhook, url_file: /run/hook, secret_env: HOOK_SECRET}
  chen-gang:
    names: {zh: 陈刚, en: Chen Gang}
rotas:
  duty:
    names: {zh: 值班, en: Duty}
    timezone: Asia/Shanghai
    handover: mon 08:00
    start: 2026-01-05
    people: [zhang-lei, li-wei]
    overrides:
      - begin: 2026-01-12 08:00
        end: 2026-01-14 20:00
        person: zhang-lei
        why: 调班
      - begin: 2026-01-14 20:00
        end: 2026-01-15 08:00
        person: zhang-lei
        why: 调班
chains:
  - id: critical
    names: {zh: 紧急, en: Critical}
    zones: [riverside]
    priorities: [critical]
    until: returned
    steps:
      - tell: [rota:duty]
        every: 2min
        repeat: 2
      - tell: [person:chen-gang, person:li-wei]
        after: 90s
      - tell: [person:li-wei]
        after: 10min
  - id: rest
    names: {zh: 其他, en: Rest}
    steps:
      - tell: [rota:duty]
quiet_hours:
  - timezone: Asia/Shanghai
    begin: 22:00
    end: 07:00
    priorities: [low]
    zones: [riverside]
""",
}


@dataclass(frozen=True)
class Case:
    """One thing wrong: ``old`` in ``file`` becomes ``new``; the line with ``#!`` is told with ``told``."""

    old: str
    new: str
    told: str
    file: str = ONCALL


CASES = {
    # shape
    "no people": Case("people:\n", "persons:\n", "'people' is missing; the file begins with a line people:"),
    "unknown top key": Case("quiet_hours:", "quiet: #!", "this file holds 'people' and 'rotas' and 'chains' and"),
    "chains are a list": Case("chains:\n", "chains: {} #!\nx:\n", "each row beginning with '- '"),
    "people are a table": Case("people:\n", "people: [] #!\nx:\n", "names with rows below them"),
    "person's name": Case("  chen-gang:", "  Chen Gang: #!", "such as 'chen-gang'"),
    "person without names": Case("  li-wei:\n    names: {zh: 李伟, en: Li Wei}\n", "  li-wei: #!\n", "'names' is"),
    "language": Case("language: en", "language: de #!", "'de' is not a language; write one of en, zh"),
    "contact is text": Case("      - {name: terminal, kind: terminal}", "      - terminal #!", "is not a row"),
    "contact kind": Case("kind: terminal}", "kind: phone} #!", "write one of apprise, terminal, webhook"),
    "contact without address": Case("kind: apprise, url_env: ZHANG_URL,", "kind: apprise,", "one of url_env, url_file"),
    "terminal with address": Case(
        "kind: terminal}", "kind: terminal, url_env: TERMINAL} #!", "a terminal has no address; leave url_env out"
    ),
    "terminal with secret": Case("kind: terminal}", "kind: terminal, secret_env: S} #!", "only a webhook is signed"),
    "contact twice": Case("name: terminal,", "name: phone,", "zhang-lei has a contact 'phone' already"),
    "time zone": Case(
        "timezone: Asia/Shanghai\n    h", "timezone: Asia/Shangai #!\n    h", "did you mean Asia/Shanghai?"
    ),
    "time zone, a city": Case("timezone: Asia/Shanghai\n    h", "timezone: Beijing #!\n    h", "such as Asia/Shanghai"),
    "time zone, a folder": Case("timezone: Asia/Shanghai\n    h", "timezone: Asia #!\n    h", "such as Asia/Shanghai"),
    "time zone, a path": Case("timezone: Asia/Shanghai\n    h", "timezone: ../x #!\n    h", "is not a time zone"),
    "hand-over": Case("mon 08:00", "monday 8:00 #!", "such as mon 08:00"),
    "hand-over at no time": Case("mon 08:00", "mon 24:00 #!", "such as mon 08:00"),
    "start": Case("start: 2026-01-05", "start: 2026-01-06 #!", "is a tue, but the duty changes hands on mon; write"),
    "start is no day": Case("start: 2026-01-05", "start: tomorrow #!", "such as 2026-03-01"),
    "nobody in a rota": Case("people: [zhang-lei, li-wei]", "people: [] #!", "people: [zhang-lei, li-wei]"),
    "time of an override": Case("begin: 2026-01-12 08:00", "begin: 2026-01-12 #!", "such as 2026-02-16 08:00"),
    "no day of an override": Case("begin: 2026-01-12 08:00", "begin: 2026-02-30 08:00 #!", "such as 2026-02-16 08:00"),
    "override without why": Case("        why: 调班\n      -", "      -", "'why' is missing"),
    "tell whom": Case("tell: [person:li-wei]", "tell: [li-wei] #!", "write rota:NAME for who has the duty"),
    "tell with a blank": Case("tell: [person:li-wei]", "tell: [person: li-wei] #!", "without a blank behind the colon"),
    "tell nobody": Case("tell: [person:li-wei]", "tell: [] #!", "write for example tell: [rota:shift-riverside]"),
    "no steps": Case(
        "    steps:\n      - tell: [rota:duty]\nquiet", "    steps: [] #!\nquiet", "example steps: [{tell:"
    ),
    "repeat": Case("repeat: 2", "repeat: -1 #!", "write for example repeat: 2"),
    "until": Case("until: returned", "until: acknowledge #!", "did you mean 'acknowledged'?"),
    "priority": Case("priorities: [critical]", "priorities: [critcal] #!", "did you mean 'critical'?"),
    "time of day": Case("begin: 22:00", "begin: 10pm #!", "such as 07:00"),
    "time of day, 24:00": Case("end: 07:00", "end: 24:00 #!", "such as 07:00"),
    "no priorities of quiet hours": Case("    priorities: [low]\n", "", "'priorities' is missing"),
    # across rows
    "unknown person in a rota": Case(
        "people: [zhang-lei, li-wei]", "people: [zhang-lei, liwei] #!", "unknown person 'liwei'; did you mean 'li-wei'?"
    ),
    "unknown person in an override": Case(
        "        person: zhang-lei\n        why: 调班\n      -",
        "        person: zhang #!\n        why: 调班\n      -",
        "did you mean 'zhang-lei'?",
    ),
    "override ends first": Case("end: 2026-01-14 20:00", "end: 2026-01-12 08:00 #!", "write the earlier time as begin"),
    "overrides overlap": Case(
        "begin: 2026-01-14 20:00",
        "begin: 2026-01-14 19:59 #!",
        "overlaps the one above, which ends at 2026-01-14 20:00",
    ),
    "overrides out of order": Case("begin: 2026-01-14 20:00", "begin: 2026-01-11 20:00 #!", "the earlier one first"),
    "unknown rota": Case("tell: [rota:duty]\nq", "tell: [rota:dutty] #!\nq", "did you mean 'duty'?"),
    "unknown person": Case("tell: [person:li-wei]", "tell: [person:lee] #!", "unknown person 'lee'"),
    "person told as a rota": Case("tell: [person:li-wei]", "tell: [rota:li-wei] #!", "write person:li-wei"),
    "rota told as a person": Case("tell: [person:li-wei]", "tell: [person:duty] #!", "write rota:duty"),
    "zone of a chain": Case("priorities: [critical]", "zone: [riverside] #!", "did you mean 'zones'?"),
    "unknown zone of a chain": Case("zones: [riverside]\n    prio", "zones: [rivers] #!\n    prio", "'riverside'?"),
    "unknown zone of quiet hours": Case(
        "priorities: [low]\n    zones: [riverside]", "priorities: [low]\n    zones: [rivers] #!", "'riverside'?"
    ),
    "chain twice": Case("id: rest", "id: critical #!", "there is a chain 'critical' already"),
    "steps out of order": Case("after: 10min", "after: 1min #!", "(1min) than the one above (1.5min); write the steps"),
    "repeat without every": Case(
        "        every: 2min\n        repeat: 2", "        repeat: 2 #!", "such as every: 2min"
    ),
    "every without repeat": Case("        repeat: 2\n", "", "such as repeat: 2"),
    "quiet at high": Case("priorities: [low]", "priorities: [low, high] #!", "low or medium only, never high"),
    "quiet at critical": Case(
        "priorities: [low]", "priorities: [critical] #!", "quiet hours hold back low or medium only"
    ),
    "quiet at no time": Case("end: 07:00", "end: 22:00 #!", "begin and end at the same time"),
    "quiet all day": Case(
        "quiet_hours:\n",
        "quiet_hours:\n  - {timezone: UTC, begin: 07:00, end: 22:00, priorities: [low]}\n",
        "low alarms of riverside are held back for the whole day",
    ),
    # who is reached
    "nobody is reached": Case(
        "    steps:\n      - tell: [rota:duty]\nquiet",
        "    steps: #!\n      - tell: [person:chen-gang]\nquiet",
        "nobody in the chain rest has a contact, so it would tell nobody; write contacts: for chen-gang",
    ),
    "nobody is reached for some": Case(
        "    steps:\n      - tell: [rota:duty]\nquiet",
        "    steps: #!\n      - tell: [person:deputy]\nquiet",
        "the chain rest would not always tell somebody of medium, low alarms: no contact of deputy takes them; write",
    ),
    "a week without some": Case(
        "people: [zhang-lei, li-wei]",
        "people: [zhang-lei, deputy]",
        "the chain rest would not always tell somebody of medium, low alarms: no contact of deputy takes them; write",
    ),
    "a silent week": Case(
        "people: [zhang-lei, li-wei]",
        "people: [zhang-lei, chen-gang] #!",
        "chen-gang has the duty of duty but no contact",
    ),
    "a silent override": Case(
        "        person: zhang-lei\n        why: 调班\n      -",
        "        person: chen-gang #!\n        why: 调班\n      -",
        "chen-gang has the duty of duty but no contact",
    ),
    "a priority without a chain": Case(
        "  - id: rest\n    names: {zh: 其他, en: Rest}\n",
        "  - id: rest\n    names: {zh: 其他, en: Rest}\n    priorities: [high, low]\n",
        "no chain takes medium alarms of riverside, so nobody on call would hear of them",
    ),
    "a chain without a turn": Case(
        "    zones: [riverside]\n    priorities: [critical]\n",
        "",
        "the chain rest is never used: chains above take all",
    ),
    # how pages leave
    "delivery is a list": Case("delivery:\n  wait: 5s\n  web", "delivery: [] #!\nx:\n  web", "is not a row", ALERTS),
    "wait": Case("wait: 5s", "wait: 40s #!", "write at most window", ALERTS),
    "window": Case("wait: 5s", "window: 1h #!", "longer than flood_period", ALERTS),
    "flood": Case("wait: 5s", "flood_ends: 10 #!", "is not below flood_begins 10", ALERTS),
    "summary": Case("wait: 5s", "flood_summary: 1h #!", "further apart than flood_period", ALERTS),
    "no period": Case("wait: 5s", "flood_period: 0s #!", "write for example flood_period: 10min", ALERTS),
    "links": Case("wait: 5s", "tap_valid: forever #!", "such as 30s, 5min or 2h", ALERTS),
    "target": Case("10.20.0.0/16", "https://x #!", "such as hooks.example.org", ALERTS),
    "target is a number": Case("10.20.0.0/16", "10.20 #!", "write a network such as 10.20.0.0/16", ALERTS),
    "target within its network": Case("10.20.0.0/16", "10.20.1.0/16 #!", "write 10.20.0.0/16", ALERTS),
    "grouped": Case(
        "url_env: DUTY_URL", "url_env: DUTY_URL\n    grouped: maybe #!", "write for example grouped:", ALERTS
    ),
}

# Cases that need a person more.
DEPUTY = """\
  deputy:
    names: {zh: 副总监, en: Deputy}
    contacts: [{name: phone, kind: apprise, url_env: DEPUTY_URL, min_priority: high}]
rotas:
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.replace("rotas:\n", DEPUTY, 1), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_told_with_file_line_and_remedy(folder: Path, case: Case) -> None:
    text = (folder / case.file).read_text(encoding="utf-8")
    assert case.old in text
    broken = text.replace(case.old, case.new, 1)
    (folder / case.file).write_text(broken, encoding="utf-8")
    line = next((number for number, words in enumerate(broken.splitlines(), 1) if "#!" in words), None)
    told = problems(folder)
    matching = [problem for problem in told if case.told in problem.message]
    assert matching, told
    assert {problem.file for problem in told} == {str(folder / case.file)}, told
    assert line in {None, *(problem.line for problem in matching)}, told


def test_one_mistake_is_told_once(folder: Path) -> None:
    """What follows from a mistake elsewhere in the file is no mistake of its own."""
    single = ("unknown zone of a chain", "hand-over", "unknown person in a rota", "chain twice", "contact kind")
    sound = {name: (folder / name).read_text(encoding="utf-8") for name in SMALL}
    for name in single:
        case = CASES[name]
        (folder / case.file).write_text(sound[case.file].replace(case.old, case.new, 1), encoding="utf-8")
        assert len(problems(folder)) == 1, name


def test_many_mistakes_are_told_at_once(folder: Path) -> None:
    chosen = [CASES[name] for name in ("contact kind", "hand-over", "unknown rota", "quiet at high", "flood")]
    edit(folder, ONCALL, *((case.old, case.new) for case in chosen if case.file == ONCALL))
    edit(folder, ALERTS, *((case.old, case.new) for case in chosen if case.file == ALERTS))
    told = [problem.message for problem in problems(folder)]
    assert len(told) == len(chosen)
    assert all(any(case.told in message for message in told) for case in chosen)


def test_an_unreadable_file_makes_the_roster_not_wrong(folder: Path) -> None:
    (folder / ZONES).write_text("a: b: c\n", encoding="utf-8")
    assert [Path(problem.file).name for problem in problems(folder)] == [ZONES]
    (folder / ZONES).write_text(SMALL[ZONES], encoding="utf-8")
    (folder / ONCALL).write_text("a: b: c\n", encoding="utf-8")
    assert [Path(problem.file).name for problem in problems(folder)] == [ONCALL]


def test_a_misspelt_file_is_not_passed_over(folder: Path) -> None:
    (folder / ONCALL).rename(folder / "on-call.yaml")
    (only,) = problems(folder)
    assert "did you mean 'oncall.yaml'?" in only.message


def test_nonsense_anywhere_is_told_and_never_raises() -> None:
    chance = random.Random(3)
    documents = {name: YAML(typ="safe", pure=True).load(text) for name, text in SMALL.items()}
    for moment in documents[ONCALL]["rotas"]["duty"]["overrides"]:
        moment |= {key: str(moment[key])[:16] for key in ("begin", "end")}
    documents[ONCALL]["rotas"]["duty"]["start"] = "2026-01-05"
    assert build(documents)[1] == []
    places = [place for place in places_in(documents) if place[0] in {ONCALL, ALERTS, ZONES}]
    for _ in range(2000):
        broken = copy.deepcopy(documents)
        *way, last = chance.choice(places)
        functools.reduce(operator.getitem, way, broken)[last] = copy.deepcopy(chance.choice(NONSENSE))
        catalogue, told = build(broken)
        assert (catalogue is None) == bool(told)
        assert all(problem.message and problem.path[0] in {*SMALL, "limits/*.yaml"} for problem in told)


# --- what becomes of it ------------------------------------------------------------------------------------


@pytest.fixture
def small(folder: Path) -> OnCall:
    return configuration.load(folder).oncall


def test_people_and_their_contacts(small: OnCall) -> None:
    zhang, li = small.people["zhang-lei"], small.people["li-wei"]
    assert (zhang.name, zhang.names, zhang.language, li.language) == (
        "zhang-lei",
        Names("张磊", "Zhang Lei"),
        "en",
        "zh",
    )
    assert zhang.contacts == (
        ChannelRoute(
            "zhang-lei.phone",
            ChannelKind.APPRISE,
            Reference(ReferenceKind.ENVIRONMENT, "ZHANG_URL"),
            language="en",
            min_priority=Priority.HIGH,
            notices=False,
            grouped=True,
        ),
        ChannelRoute(
            "zhang-lei.terminal",
            ChannelKind.TERMINAL,
            Reference(ReferenceKind.TEXT, ""),
            language="en",
            grouped=True,
        ),
    )
    (hook,) = li.contacts
    assert (hook.kind, hook.url, hook.secret) == (
        ChannelKind.WEBHOOK,
        Reference(ReferenceKind.FILE, "/run/hook"),
        Reference(ReferenceKind.ENVIRONMENT, "HOOK_SECRET"),
    )
    assert hook.groups, "a person reads, even by a webhook"
    assert small.people["chen-gang"].contacts == ()


def test_rotas(small: OnCall) -> None:
    rota = small.rotas["duty"]
    assert (rota.timezone, rota.handover, rota.people) == ("Asia/Shanghai", Handover(0, 480), ("zhang-lei", "li-wei"))
    begin, end = ms("2026-01-12T08:00+08:00"), ms("2026-01-14T20:00+08:00")
    assert rota.overrides[0] == Override("duty", begin, end, "zhang-lei", "调班")
    assert [on_duty(rota, ms(f"2026-01-{day}T09:00+08:00")) for day in ("05", "12", "15", "19")] == [
        "zhang-lei",
        "zhang-lei",
        "li-wei",
        "zhang-lei",
    ]


def test_chains(small: OnCall) -> None:
    assert small.chains[0] == Chain(
        id="critical",
        names=Names("紧急", "Critical"),
        zones=("riverside",),
        priorities=(Priority.CRITICAL,),
        until=Until.RETURNED,
        steps=(
            Step(("rota:duty",), 0, 120_000, 2),
            Step(("person:chen-gang", "person:li-wei"), 90_000),
            Step(("person:li-wei",), 600_000),
        ),
    )
    assert small.chains[1].until is Until.ACKNOWLEDGED
    assert chain_for(small, "riverside", Priority.MEDIUM) == small.chains[1]


def test_quiet_hours(small: OnCall) -> None:
    assert small.quiet_hours == (QuietHours("Asia/Shanghai", 22 * 60, 7 * 60, (Priority.LOW,), ("riverside",)),)


def test_without_the_file_nobody_is_on_call(folder: Path) -> None:
    (folder / ONCALL).unlink()
    assert configuration.load(folder).oncall == OnCall()


def test_a_roster_without_chains_is_a_list_of_people(folder: Path) -> None:
    (folder / ONCALL).write_text("people: {}\n", encoding="utf-8")
    assert configuration.load(folder).oncall == OnCall()


def test_a_rota_of_which_nobody_has_a_contact_is_told_with_its_chain_only(folder: Path) -> None:
    edit(
        folder,
        ONCALL,
        ("people: [zhang-lei, li-wei]", "people: [chen-gang]"),
        ("person: zhang-lei", "person: chen-gang"),
    )
    assert ["nobody in the chain rest" in problem.message for problem in problems(folder)] == [True]


def test_the_version_follows_the_roster(folder: Path) -> None:
    before = configuration.load(folder).version
    edit(folder, ONCALL, ("mon 08:00", "mon 20:00"))
    assert configuration.load(folder).version != before


def test_how_pages_leave(folder: Path) -> None:
    assert configuration.load(folder).alerts.grouping == Grouping(
        wait=5000, webhook_targets=("10.20.0.0/16", "hooks.example.org", "192.0.2.7/32")
    )
    edit(folder, ALERTS, ("  wait: 5s", "  flood_begins: 20\n  flood_ends: 8\n  tap_valid: 2h\n  window: 0s"))
    found = configuration.load(folder).alerts.grouping
    assert (found.flood_begins, found.flood_ends, found.tap_valid, found.window) == (20, 8, 7_200_000, 0)
    (folder / ALERTS).write_text(PARK[ALERTS], encoding="utf-8")
    assert configuration.load(folder).alerts.grouping == Grouping()


@pytest.mark.parametrize(
    ("row", "groups"),
    [
        ("kind: apprise, url_env: X", True),
        ("kind: webhook, url_env: X", False),
        ("kind: terminal", True),
        ("kind: apprise, url_env: X, grouped: false", False),
        ("kind: webhook, url_env: X, grouped: true", True),
    ],
)
def test_people_read_groups_and_programs_single_pages(folder: Path, row: str, *, groups: bool) -> None:
    (folder / ALERTS).write_text(f"channels:\n  - {{name: one, {row}}}\n", encoding="utf-8")
    (channel,) = configuration.load(folder).alerts.channels
    assert channel.groups is groups


# --- the roster of the demo ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def default() -> Catalogue:
    return configuration.load(DEFAULT)


def test_the_roster_of_the_demo_is_alive(default: Catalogue) -> None:
    roster = default.oncall
    assert 4 <= len(roster.people) <= 6
    assert {contact.kind for person in roster.people.values() for contact in person.contacts} == {ChannelKind.TERMINAL}
    at = ms("2026-06-01T12:00+08:00")
    for zone in default.zones:
        reached = {priority: reached_by(roster, zone, priority, at) for priority in Priority}
        assert [after for after, _ in reached[Priority.CRITICAL]] == [0, 2, 4, 5, *range(10, 131, 15)]
        assert reached[Priority.CRITICAL][-1][1] == ("liu-jianguo",)
        assert len(reached[Priority.MEDIUM]) == len(reached[Priority.LOW]) == 1
        assert len({people for _, people in reached[Priority.CRITICAL][:3]}) == 1
        midnight = ms("2026-06-02T00:00+08:00")
        assert quiet_until(roster, zone, Priority.LOW, midnight) == ms("2026-06-02T07:00+08:00")
        assert quiet_until(roster, zone, Priority.MEDIUM, midnight) is None
    assert {rota.handover for rota in roster.rotas.values()} == {Handover(0, 480)}


def reached_by(roster: OnCall, zone: str, priority: Priority, at: int) -> list[tuple[int, tuple[str, ...]]]:
    chain = chain_for(roster, zone, priority)
    assert chain
    return [
        (call.after // 60_000, tuple(person.name for person in people_of(roster, chain.steps[call.step], at)))
        for call in calls(chain)
    ]


def test_the_roster_of_the_demo_reads_in_both_languages(default: Catalogue) -> None:
    roster = default.oncall
    texts = [person.names for person in roster.people.values()] + [rota.names for rota in roster.rotas.values()]
    texts += [chain.names for chain in roster.chains]
    for text in texts:
        assert re.search("[\u4e00-\u9fff]", text.zh)
        assert text.en.isascii()


def test_the_roster_can_be_encoded(default: Catalogue) -> None:
    """Its version is a hash of its JSON; and what is decoded again is the same."""
    assert msgspec.json.decode(msgspec.json.encode(default.oncall), type=OnCall) == default.oncall


def test_the_commented_contacts_are_sound(tmp_path: Path) -> None:
    shutil.copytree(DEFAULT, tmp_path, dirs_exist_ok=True)
    text = (DEFAULT / ONCALL).read_text(encoding="utf-8")
    lines = text.splitlines()
    first = lines.index("#    contacts:")
    example = [line[1:] for line in lines[first : lines.index("people:")]]
    plain = "    contacts:\n      - {name: terminal, kind: terminal}"
    (tmp_path / ONCALL).write_text(text.replace(plain, "\n".join(example), 1), encoding="utf-8")
    contacts = configuration.load(tmp_path).oncall.people["zhang-lei"].contacts
    assert [contact.name for contact in contacts] == ["zhang-lei.dingtalk", "zhang-lei.sms", "zhang-lei.mail"]


def test_the_example_in_the_documentation_is_sound(folder: Path) -> None:
    text = (DEFAULT.parent / "docs" / "oncall.md").read_text(encoding="utf-8")
    (folder / ONCALL).write_text("".join(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)), encoding="utf-8")
    roster = configuration.load(folder).oncall
    assert roster.people
    assert roster.rotas
    assert roster.chains
    assert roster.quiet_hours
