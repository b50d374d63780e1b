"""The whole life of an alarm against a small model of it, through whatever happens in whatever order.

The model is written from the words of the design, with nothing of the code: numbers, flags and lists.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from park.actions import Acknowledge, Action, Remove, Reset, Restore, Shelve, Unshelve
from park.alarms import Event, Notify, Refused, Transition
from park.limits import Limit
from park.words import Quality
from tests.making import MINUTE, T0, Story, many, reading, two_levels

SILENT_AFTER = 180  # seconds
RULE = "plant-stopped"

Step = tuple[int, str, float]
"""Seconds since the step before, what happens, and a number to it: a value, or seconds."""

VALUES = [5.0, 8.5, 9.5, 15.0, 18.5, 25.0]


@dataclass
class Model:
    """One alarm of a high limit at 10 and 20; times in seconds."""

    deadband: float
    on_delay: int
    off_delay: int
    latching: bool
    again_after: int | None
    again_most: int

    level: int = 0
    worst: int = 0
    pending: list[int | None] = field(default_factory=lambda: [None, None])
    waiting: bool = False
    noted: bool = False
    latched: bool = False
    shelved_until: int | None = None
    shelved_level: int = 1
    suppressed: bool = False
    removed: bool = False
    heard_at: int | None = None
    believed: bool = True
    noted_at: int = 0
    reminders: int = 0
    hidden: int = 0
    told_at: int | None = None
    told_level: int = 0
    raises: list[int] = field(default_factory=list)
    rises: list[int] = field(default_factory=list)
    rose_at: int = 0
    version: int = 0
    occurrence: int = 0
    pages: list[int] = field(default_factory=list)

    @property
    def in_service(self) -> bool:
        return self.shelved_until is None and not self.suppressed and not self.removed

    @property
    def state(self) -> str:
        for name, kept in (
            ("OOSRV", self.removed),
            ("DSUPR", self.suppressed),
            ("SHLVD", self.shelved_until is not None),
        ):
            if kept:
                return name
        if self.level or self.latched:
            return "UNACK" if self.waiting else "ACKED"
        return "RTNUN" if self.waiting else "NORM"

    # What the process does

    def read(self, now: int, value: float) -> None:
        """A good reading: every set-point for itself, whether it is to change, and since when."""
        for k, point in enumerate((10.0, 20.0)):
            changes = value <= point - self.deadband if k < self.level else value > point
            self.pending[k] = (self.pending[k] if self.pending[k] is not None else now) if changes else None
        self.heard_at, self.believed = now, True
        self.settle(now, may_clear=True)

    def misread(self, now: int) -> None:
        self.heard_at, self.believed = now, False

    def settle(self, now: int, *, may_clear: bool) -> None:
        lasted = [None if since is None else now - since for since in self.pending]
        down = [k for k in range(self.level) if (held := lasted[k]) is not None and held >= self.off_delay]
        up = [k for k in range(self.level, 2) if (held := lasted[k]) is not None and held >= self.on_delay]
        if down and may_clear:
            self.go(down[0], now)
        elif up:
            self.go(up[-1] + 1, now)

    def go(self, level: int, now: int) -> None:
        before, self.level = self.level, level
        self.version += 1
        for k in range(min(before, level), max(before, level)):
            self.pending[k] = None
        if level > before:
            self.waiting, self.noted, self.latched, self.rose_at = True, False, False, now
            if level > self.shelved_level:
                self.shelved_until = None
            if before == 0:
                self.occurrence += 1
                self.reminders, self.worst = 0, level
                self.raises.append(now)
            else:
                self.worst = max(self.worst, level)
                self.rises.append(now)
            self.announce(now, self.raises if before == 0 else self.rises)
        elif level == 0:
            self.latched = self.latching
            self.noted = self.noted and self.latching

    def announce(self, now: int, times: list[int]) -> None:
        """Page, unless it is the third within a minute and people have lately been told as much."""
        if not self.in_service:
            return
        many_lately = sum(now - time <= 60 for time in times) >= 3
        as_bad = self.told_at is not None and now - self.told_at < 600 and self.told_level >= self.level
        if many_lately and as_bad:
            self.hidden += 1
        else:
            self.page(now)

    def page(self, now: int) -> None:
        self.pages.append(self.version)
        self.told_at, self.told_level, self.hidden = now, self.level or self.worst, 0

    # What time does

    def sweep(self, now: int, *, suppressed: bool) -> None:
        if suppressed and not self.suppressed:
            self.suppressed, self.hidden = True, 0
            self.version += 1
        if any(since is not None for since in self.pending):
            speaks = self.heard_at is not None and now - self.heard_at <= SILENT_AFTER
            self.settle(now, may_clear=speaks and self.believed)
        if self.shelved_until is not None and now >= self.shelved_until:
            self.shelved_until = None
            self.back(now)
        if self.suppressed and not suppressed:
            self.suppressed = False
            self.back(now)
        self.remind(now)

    def remind(self, now: int) -> None:
        if not self.in_service:
            return
        if self.waiting and self.hidden:
            settled = now - self.rose_at > 60
            due = (self.level > 0 or self.latched) if settled else self.told_at is None or now - self.told_at >= 600
            if due:
                self.version += 1
                self.page(now)
        elif self.owes_reminder(now):
            self.version += 1
            self.reminders += 1
            self.waiting, self.noted = True, False
            self.page(now)

    def owes_reminder(self, now: int) -> bool:
        lasts = self.noted and self.level > 0 and self.reminders < self.again_most
        return lasts and self.again_after is not None and now - self.noted_at >= self.again_after

    def withdraw(self) -> None:
        fresh = Model(self.deadband, self.on_delay, self.off_delay, self.latching, self.again_after, self.again_most)
        if self.state == "NORM" and self.pending == [None, None]:
            return
        kept = {"version": self.version + 1, "occurrence": self.occurrence, "pages": self.pages}
        self.__dict__.update(fresh.__dict__ | kept | {"heard_at": self.heard_at, "believed": self.believed})

    # What people do; true if it is allowed

    def acknowledge(self, now: int) -> bool:
        if self.waiting:
            self.version += 1
            self.waiting, self.hidden, self.noted_at = False, 0, now
            self.noted = self.level > 0 or self.latched
        return True

    def shelve(self, until: int) -> bool:
        self.version += 1
        self.shelved_until, self.shelved_level, self.hidden = until, max(1, self.level), 0
        return True

    def unshelve(self, now: int) -> bool:
        if self.shelved_until is None:
            return False
        self.shelved_until = None
        self.back(now)
        return True

    def remove(self) -> bool:
        if self.removed:
            return False
        self.version += 1
        self.removed, self.hidden = True, 0
        return True

    def restore(self, now: int) -> bool:
        if not self.removed:
            return False
        self.removed = False
        self.back(now)
        return True

    def reset(self) -> bool:
        if not self.latched or self.waiting:
            return False
        self.version += 1
        self.latched = self.noted = False
        return True

    def back(self, now: int) -> None:
        """Something that kept it from people has ended."""
        self.version += 1
        if self.in_service and (self.level or (self.latched and self.waiting)):
            self.waiting, self.noted = True, False
            self.raises, self.rises = [], []
            self.page(now)


def announced(entry: Transition) -> bool:
    """Whether people are told: a machine's feed gets what chatters too."""
    return entry.notify is Notify.PAGE and not entry.chattering


class Run:
    """The same steps for the code and for the model, compared after every one."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.story = Story([limit], SILENT_AFTER * 1000)
        again = None if limit.re_alarm is None else limit.re_alarm // 1000
        delays = limit.on_delay // 1000, limit.off_delay // 1000
        self.model = Model(limit.deadband, *delays, limit.latching, again, limit.re_alarm_most)
        self.now = 0

    def step(self, gap: int, what: str, number: float) -> None:
        self.now += gap
        known = len(self.story.transitions)
        before = self.story.alarm
        getattr(self, what)(number)
        alarm, model = self.story.alarm, self.model
        assert (alarm.state.value, alarm.level, alarm.occurrence) == (model.state, model.level, model.occurrence)
        assert alarm.version == model.version
        assert [each.version for each in self.story.transitions if announced(each)] == model.pages
        new = self.story.transitions[known:]
        assert [each.version for each in new] == list(range(before.version + 1, alarm.version + 1))
        self.check(new)

    def check(self, new: list[Transition]) -> None:
        """What must hold whatever happens, said once more without the model."""
        alarm, in_service = self.story.alarm, {"NORM", "UNACK", "ACKED", "RTNUN"}
        for each in new:
            if each.notify is not Notify.NONE:
                assert each.after.value in in_service
            if each.event in {Event.RAISED, Event.ESCALATED} and each.after.value in in_service:
                assert each.notify is Notify.PAGE
                assert alarm.version > each.version or (alarm.collapsed if each.chattering else alarm.paged)
        if alarm.state.value == "UNACK":
            assert alarm.paged or alarm.collapsed
        if alarm.state.value not in in_service:
            assert (alarm.paged, alarm.collapsed) == (0, 0)

    # Steps

    def reads(self, value: float) -> None:
        self.story.hears(reading(self.now, value))
        self.model.read(self.now, value)

    def misreads(self, value: float) -> None:
        self.story.hears(reading(self.now, value, quality=Quality.FAILURE))
        self.model.misread(self.now)

    def sweeps(self, _: float = 0) -> None:
        self.story.waits(self.now)
        self.model.sweep(self.now, suppressed=bool(self.story.suppressed))

    def suppresses(self, _: float) -> None:
        self.story.suppressed = {} if self.story.suppressed else {self.limit.id: RULE}
        self.sweeps()

    def restarts(self, _: float) -> None:
        before = self.story.record
        self.story.restarts()
        assert self.story.record == before

    def withdraws(self, _: float) -> None:
        self.story.limits = ()
        self.story.waits(self.now)
        self.story.limits = [self.limit]
        self.model.withdraw()

    def acknowledges(self, _: float) -> None:
        alarm = self.story.alarm
        self.acts(Acknowledge(alarm.occurrence, alarm.version), allowed=self.model.acknowledge(self.now))

    def acknowledges_what_was(self, back: float) -> None:
        """Somebody answers an old page: nothing may come of it."""
        before = self.story.alarm
        if before.unacknowledged:
            self.acts(Acknowledge(before.occurrence, max(before.version - 1 - int(back), 0)), allowed=False)
        assert self.story.alarm == before

    def shelves(self, seconds: float) -> None:
        until = self.now + int(seconds)
        self.acts(Shelve(T0 + until * 1000), allowed=self.model.shelve(until))

    def unshelves(self, _: float) -> None:
        self.acts(Unshelve(), allowed=self.model.unshelve(self.now))

    def removes(self, _: float) -> None:
        self.acts(Remove(), allowed=self.model.remove())

    def restores(self, _: float) -> None:
        self.acts(Restore(), allowed=self.model.restore(self.now))

    def resets(self, _: float) -> None:
        self.acts(Reset(), allowed=self.model.reset())

    def acts(self, action: Action, *, allowed: bool) -> None:
        try:
            self.story.acts(self.now, action)
        except Refused:
            assert not allowed
        else:
            assert allowed


LIMITS = st.builds(
    two_levels,
    deadband=st.sampled_from([0.0, 1.0]),
    on_delay=st.sampled_from([0, 0, 10_000]),
    off_delay=st.sampled_from([0, 0, 20_000]),
    latching=st.booleans(),
    re_alarm=st.sampled_from([None, 5 * MINUTE]),
    re_alarm_most=st.sampled_from([0, 1, 3]),
)
DOINGS = ["misreads", "acknowledges", "acknowledges_what_was", "suppresses", "restarts", "withdraws"]
DOINGS += ["unshelves", "removes", "restores", "resets"]
GAPS = st.sampled_from([1, 2, 5, 10, 20, 30, 60, 61, 300, 600])
STEPS = st.one_of(
    st.tuples(GAPS, st.just("reads"), st.sampled_from(VALUES)),
    st.tuples(GAPS, st.just("reads"), st.sampled_from(VALUES)),
    st.tuples(GAPS, st.just("sweeps"), st.just(0.0)),
    st.tuples(
        GAPS,
        st.sampled_from(DOINGS),
        st.just(2.0),
    ),
    st.tuples(GAPS, st.just("shelves"), st.sampled_from([30.0, 300.0, 3600.0])),
)


@given(LIMITS, st.lists(STEPS, max_size=60))
@settings(many, max_examples=300)
def test_alarm_does_what_the_model_does(limit: Limit, steps: list[Step]) -> None:
    run = Run(limit)
    for step in steps:
        run.step(*step)


def shift(rng: random.Random, length: int) -> list[Step]:
    """Return the steps of a long shift with its bad moments: chattering, now over one set-point and now over both."""
    steps: list[Step] = []
    doings = ["misreads", "acknowledges", "acknowledges", "suppresses", "restarts", "withdraws"]
    doings += ["unshelves", "removes", "restores", "restores", "resets", "shelves"]
    while len(steps) < length:
        mood = rng.random()
        if mood < 0.3:
            pair = rng.choice([(5.0, 15.0), (5.0, 25.0), (15.0, 25.0)])
            gap, count = rng.choice([3, 10, 29]), rng.choice([8, 20, 120])
            for n in range(count):
                steps.append((gap, "reads", pair[n % 2]))
                if n % 3 == 0:
                    steps.append((1, "sweeps", 0.0))
        elif mood < 0.6:
            steps += [(rng.choice([1, 30, 200]), "reads", rng.choice(VALUES)), (1, "sweeps", 0.0)]
        elif mood < 0.65:
            steps += [(10, "reads", 5.0), (30, "sweeps", 0.0), (5, "acknowledges", 0.0), (5, "resets", 0.0)]
        elif mood < 0.8:
            steps += [(rng.choice([5, 61, 301]), "sweeps", 0.0)] * rng.choice([1, 5])
        else:
            steps.append((rng.choice([1, 5, 60]), rng.choice(doings), rng.choice([30.0, 300.0, 3600.0])))
    return steps


@pytest.fixture(scope="module")
def shifts() -> list[Run]:
    """Thirty long shifts, each with a limit of its own, all compared with the model step by step."""
    runs = []
    for seed in range(30):
        rng = random.Random(seed)
        choices: dict[str, Any] = {
            "deadband": rng.choice([0.0, 1.0]),
            "on_delay": rng.choice([0, 0, 10_000]),
            "off_delay": rng.choice([0, 0, 20_000]),
            "latching": rng.random() < 0.4,
            "re_alarm": rng.choice([None, 5 * MINUTE]),
            "re_alarm_most": rng.choice([1, 3]),
        }
        run = Run(two_levels(**choices))
        for step in shift(rng, 600):
            run.step(*step)
        runs.append(run)
    return runs


def test_long_shifts_go_as_the_model_does_and_everything_happens_in_them(shifts: list[Run]) -> None:
    entries = [entry for run in shifts for entry in run.story.transitions]
    assert {entry.event for entry in entries} == set(Event) - {Event.LATE}
    paged = {entry.event for entry in entries if announced(entry)}
    assert paged == {
        Event.RAISED,
        Event.ESCALATED,
        Event.REALARMED,
        Event.UNSHELVED,
        Event.UNSUPPRESSED,
        Event.RESTORED,
    }
    assert {entry.event for entry in entries if entry.chattering} == {Event.RAISED, Event.ESCALATED, Event.RETURNED}
    assert {entry.why for entry in entries if entry.event is Event.REALARMED} == {"re-alarm", "chattering"}


def test_what_was_collapsed_and_stands_is_announced_once_it_has_settled() -> None:
    """However the shift before went: it chatters, stays, and nothing happens but sweeps."""
    for seed in range(10):
        run = Run(two_levels(latching=seed % 2 == 1))
        end = [(1, "restores", 0.0), (1, "unshelves", 0.0), *[(5, "reads", 5.0), (5, "reads", 25.0)] * 5]
        for step in shift(random.Random(2000 + seed), 300) + end:
            run.step(*step)
        if run.story.suppressed:
            run.step(1, "suppresses", 0.0)
            run.step(5, "reads", 5.0)
        for step in end:
            run.step(*step)
        assert run.story.alarm.collapsed
        version = run.story.alarm.version
        for _ in range(61):
            run.step(1, "sweeps", 0.0)
        assert (run.story.alarm.paged, run.story.alarm.collapsed) == (version + 1, 0)


def test_silence_never_returns_or_resets_anything(shifts: list[Run]) -> None:
    """However a shift ended: an hour in which the sensor says nothing."""
    for run in shifts:
        run.now += SILENT_AFTER + 1
        story = Story([run.limit], SILENT_AFTER * 1000, record=run.story.record)
        level = story.alarm.level
        for second in range(0, 3600, 10):
            story.waits(run.now + second)
        assert not {each.event for each in story.transitions} & {Event.RETURNED, Event.RESET, Event.EASED}
        assert story.alarm.level >= level


def test_restart_at_any_moment_changes_nothing(shifts: list[Run]) -> None:
    """The same shift, written down and read back after every step."""
    for seed, run in enumerate(shifts[:10]):
        once, again = Run(run.limit), Run(run.limit)
        for step in shift(random.Random(1000 + seed), 200):
            once.step(*step)
            again.step(*step)
            again.step(0, "restarts", 0.0)
        assert again.story.record == once.story.record
        assert again.story.transitions == once.story.transitions
