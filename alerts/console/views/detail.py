"""One alarm with all that is known of it: axes, times, guidance, journal, who was told. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from alerts import words
from alerts.console.views import text
from alerts.console.views.alarms import Head, Shown, head
from alerts.console.views.times import Moment, age, end_of_shift, moment
from alerts.messages import PROVENANCES, cited, duration, known_limit, number, stuck, tidy
from park.alarms import Acknowledgement, Availability, Condition, State, Transition
from park.catalogue import Catalogue
from park.evaluate import Record
from park.readings import split_series
from park.words import Names, Quality
from storage.overview import Told as Outcome
from storage.users import Role

_HOUR, _MINUTE = 3_600_000, 60_000


class Fact(msgspec.Struct, frozen=True):
    """A label, what stands there, and a shape before it."""

    label: str
    text: str
    sign: str = ""
    trouble: bool = False


class Entry(msgspec.Struct, frozen=True):
    """A line of the journal."""

    t: Moment
    at: Moment
    event: str
    change: str
    measured: str
    by: str
    why: str
    version: str


class Told(msgspec.Struct, frozen=True):
    """A message about the alarm, and what became of it."""

    at: Moment
    whom: str
    result: str
    sign: str
    failed: bool
    attempts: int
    reason: str
    version: str


class Choice(msgspec.Struct, frozen=True):
    """A length of shelving: the form's value, its words, and its end (ms) if chosen now and it has a fixed one."""

    value: str
    word: str
    until: int


class Doable(msgspec.Struct, frozen=True):
    """What this user may do with the alarm as it stands."""

    acknowledge: bool
    shelve: bool
    unshelve: bool
    remove: bool
    restore: bool
    reset: bool

    @property
    def something(self) -> bool:
        """Whether there is anything at all."""
        return any(getattr(self, name) for name in self.__struct_fields__)


class Detail(Head, frozen=True, kw_only=True):
    """One alarm in one language."""

    latest: str
    latest_sign: str
    stands: tuple[Fact, ...]
    times: tuple[Fact, ...]
    about: tuple[Fact, ...]
    guidance: tuple[Fact, ...]


def detail(alarm: Shown, record: Record | None, catalogue: Catalogue, language: str, now: int) -> Detail:
    """Return ``alarm`` and its series' ``record`` in the words of ``language``, as things stand at ``now`` (ms)."""
    return Detail(
        **head(alarm, language, now),
        latest=_latest(alarm, record, catalogue, language, now),
        latest_sign=_quality_sign(record),
        stands=tuple(_stands(alarm, record, language)),
        times=tuple(_times(alarm, language, now)),
        about=tuple(_about(alarm, language)),
        guidance=_guidance(alarm, language),
    )


def _latest(alarm: Shown, record: Record | None, catalogue: Catalogue, language: str, now: int) -> str:
    if record is None or not record.received:
        return text.WORDS["never"].get(language)
    limit = known_limit(catalogue, alarm.limit)
    scaled = limit is not None and limit.of_value
    unit = alarm.unit if scaled else _canonical(catalogue, alarm.quantity)
    ago = age(now - record.received).get(language)
    said = {"zh": f"{ago}前收到", "en": f"received {ago} ago"}[language]
    if record.value is None:
        return f"{text.QUALITIES[record.quality].get(language)} · {said}"
    value = limit.shown(record.value) if limit is not None and scaled else record.value
    return f"{number(tidy(value), alarm.set_point)} {unit} · {said}"


def _canonical(catalogue: Catalogue, quantity: str) -> str:
    known = catalogue.quantities.get(quantity)
    return known.unit if known else ""


def _quality_sign(record: Record | None) -> str:
    return "✓" if record and record.received and record.quality is Quality.GOOD else "?"


def _stands(alarm: Shown, record: Record | None, language: str) -> Iterable[Fact]:
    def say(key: str) -> str:
        return text.WORDS[key].get(language)

    yield Fact(say("state"), f"{words.STATES[alarm.state].get(language)} ({alarm.state.value})")
    yield Fact(say("condition"), text.CONDITIONS[Condition(alarm.condition)].get(language))
    yield Fact(say("acknowledgement"), _acknowledged(alarm, language))
    yield Fact(say("availability"), _availability(alarm, language))
    quality = record.quality if record and record.received else None
    good = quality is Quality.GOOD
    word = text.QUALITIES[quality].get(language) if quality else say("never")
    yield Fact(say("quality"), word, "✓" if good else "?", trouble=not good)


def _acknowledged(alarm: Shown, language: str) -> str:
    word = text.ACKNOWLEDGEMENTS[Acknowledgement(alarm.acknowledgement)].get(language)
    by = alarm.acknowledged_by if alarm.state is State.ACKED else ""
    return f"{word} · {by}" if by else word


def _availability(alarm: Shown, language: str) -> str:
    word = text.AVAILABILITIES[Availability(alarm.availability)].get(language)
    if alarm.state is State.OOSRV and alarm.out_of_service:
        return f"{word} · {alarm.out_of_service.by}: {alarm.out_of_service.why}"
    if alarm.state is State.DSUPR:
        return f"{word} · {alarm.suppressed}"
    if alarm.state is State.SHLVD and alarm.shelved:
        return f"{word} · {alarm.shelved.by}: {alarm.shelved.why}"
    return word


def _times(alarm: Shown, language: str, now: int) -> Iterable[Fact]:
    def say(key: str, ms: int) -> Fact:
        return Fact(text.WORDS[key].get(language), moment(ms, now).full)

    if alarm.state is not State.NORM:
        since = moment(alarm.raised_t, now).full
        lasts = age(now - alarm.raised_t).get(language)
        yield Fact(text.WORDS["since"].get(language), f"{since} ({lasts})")
        yield say("server_time", alarm.raised_at)
    if alarm.acknowledged_at and alarm.state is State.ACKED:
        yield say("acknowledge", alarm.acknowledged_at)
    if alarm.shelved and alarm.state is State.SHLVD:
        yield say("until", alarm.shelved.until)


def _about(alarm: Shown, language: str) -> Iterable[Fact]:
    named = alarm.labels
    severity = words.severity(alarm.severity).get(language)
    facts = (
        ("limit", f"{named.limit.get(language)} · {severity}"),
        ("set_point", "" if alarm.set_point is None else f"{number(alarm.set_point)} {alarm.unit}"),
        ("source", _source(alarm, language)),
        ("because", words.reason(alarm.why).get(language)),
        ("sensor", f"{named.sensor.get(language)} ({alarm.sensor})"),
        ("site", f"{named.site.get(language)} ({alarm.site})"),
        ("zone", f"{named.zone.get(language)} ({alarm.zone})"),
        ("reference", f"{alarm.alarm} #{alarm.occurrence}.{alarm.version}"),
    )
    return (Fact(text.WORDS[key].get(language), said) for key, said in facts if said)


def _source(alarm: Shown, language: str) -> str:
    clause = cited(alarm.source, alarm.clause.get(language))
    provenance = PROVENANCES.get(alarm.provenance)
    return f"{clause} [{provenance.get(language)}]" if clause and provenance else clause


def _guidance(alarm: Shown, language: str) -> tuple[Fact, ...]:
    guidance = alarm.guidance
    if guidance is None:
        return ()
    pairs = (
        ("do", guidance.response),
        ("within", duration(guidance.respond_within_s)),
        ("cause", guidance.cause),
        ("consequence", guidance.consequence),
    )
    return tuple(Fact(text.WORDS[key].get(language), said.get(language)) for key, said in pairs)


def journal(entries: Iterable[Transition], catalogue: Catalogue, language: str, now: int) -> tuple[Entry, ...]:
    """Return the journal's lines."""
    return tuple(_entry(entry, catalogue, language, now) for entry in entries)


def _entry(entry: Transition, catalogue: Catalogue, language: str, now: int) -> Entry:
    event = words.EVENTS.get(entry.event)
    return Entry(
        t=moment(entry.t, now),
        at=moment(entry.at, now),
        event=event.get(language) if event else entry.event.value,
        change=f"{entry.before.value} → {entry.after.value}" if entry.before is not entry.after else entry.after.value,
        measured=_quoted(entry, catalogue, language),
        by=entry.by,
        why=words.reason(entry.why).get(language),
        version=f"#{entry.occurrence}.{entry.version}",
    )


def _quoted(entry: Transition, catalogue: Catalogue, language: str) -> str:
    """Return the value that the entry quotes, with its unit."""
    fixed = stuck(catalogue, split_series(entry.series)[3], entry.stuck_at, entry.value)
    if fixed:
        return fixed.text(language)
    return "" if entry.value is None else f"{number(tidy(entry.value * entry.scale))} {entry.unit}".rstrip()


def told(outcomes: Iterable[Outcome], catalogue: Catalogue, language: str, now: int) -> tuple[Told, ...]:
    """Return who was told, and what became of it."""
    return tuple(_told(outcome, catalogue, language, now) for outcome in outcomes)


def _told(outcome: Outcome, catalogue: Catalogue, language: str, now: int) -> Told:
    sign, word = text.RESULTS.get(outcome.result, ("–", Names(outcome.result, outcome.result)))
    return Told(
        at=moment(outcome.ended or outcome.claimed or outcome.queued, now),
        whom=_whom(outcome, catalogue, language),
        result=word.get(language),
        sign=sign,
        failed=outcome.result in {"failed", "undeliverable"},
        attempts=outcome.attempts,
        reason=outcome.reason,
        version=f"#{outcome.occurrence}.{outcome.version}",
    )


def _whom(outcome: Outcome, catalogue: Catalogue, language: str) -> str:
    name, _, contact = outcome.channel.partition(".")
    person = catalogue.oncall.people.get(outcome.person or name)
    if person is None:
        return outcome.channel or "–"
    return f"{person.names.get(language)} · {contact}" if contact else person.names.get(language)


# -- what may be done ----------------------------------------------------------------------------------------


def doable(alarm: Shown, role: Role) -> Doable:
    """Return what a user of ``role`` may do with ``alarm`` as it stands."""
    operator, engineer = role.may(Role.OPERATOR), role.may(Role.ENGINEER)
    waiting = alarm.acknowledgement == Acknowledgement.UNACKNOWLEDGED
    return Doable(
        acknowledge=operator and waiting,
        shelve=operator and alarm.out_of_service is None,
        unshelve=operator and alarm.shelved is not None,
        remove=engineer and alarm.out_of_service is None,
        restore=engineer and alarm.out_of_service is not None,
        reset=operator and alarm.latched and not waiting,
    )


SHELVE_MINUTES = {"15": 15, "60": 60, "240": 240}
SHIFT = "shift"


def shelve_choices(most: int, language: str, now: int) -> tuple[Choice, ...]:
    """Return for how long an alarm can be shelved at ``now``, ``most`` ms being the longest."""
    keys = {"15": "minutes_15", "60": "hour_1", "240": "hours_4"}
    choices = [
        Choice(value, text.WORDS[keys[value]].get(language), 0)
        for value, minutes in SHELVE_MINUTES.items()
        if minutes * _MINUTE <= most
    ]
    shift = end_of_shift(now)
    if 0 < shift - now <= most:
        choices.append(Choice(SHIFT, f"{text.WORDS['shift'].get(language)} ({moment(shift, shift).clock[:5]})", shift))
    return tuple(choices)


def shelve_until(choice: str, now: int) -> int | None:
    """Return the end (ms) of a shelving that was chosen at ``now``; ``None`` if it is none of the choices."""
    if choice == SHIFT:
        return end_of_shift(now)
    minutes = SHELVE_MINUTES.get(choice)
    return None if minutes is None else now + minutes * _MINUTE
