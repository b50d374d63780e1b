"""Several messages as one: what a person reads when a zone has many alarms at a time. Pure.

A :class:`Digest` says how many there are, lists the most urgent and counts the rest. Nothing is left out of the
console or the journal, and every alarm in it has a delivery record of its own.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from alerts import words
from alerts.messages import (
    LANGUAGES,
    Links,
    Message,
    Text,
    Texts,
    clock_time,
    park_time,
    rfc3339,
    short_cited,
    zone_link,
)
from park.alarms import Notify
from park.floods import Flood
from park.words import Names, Priority

LINES = 10
"""Alarms that a digest lists; the rest is counted."""

TELLING = 3
"""Of how many, the most urgent, it says what to do."""

LONGEST = 2_000
"""Bytes of title and text together: a robot of WeCom takes 2,048, DingTalk and Feishu more."""


class Entry(msgspec.Struct, frozen=True):
    """One alarm in a digest; ``title`` is the title of its own message.

    ``clause`` says who says so and where, without what explains it; ``response`` what to do first, of a page whose
    limit has guidance.
    """

    alarm: str
    occurrence: int
    version: int
    event: str
    notify: Notify
    priority: Priority
    event_time: str
    title: Names
    link: str
    first_up: bool
    step: int | None
    clause: Names = Names("", "")
    response: Names | None = None


class Tally(msgspec.Struct, frozen=True):
    """How many alarms have ``key``."""

    key: str
    names: Names
    count: int


class Spate(msgspec.Struct, frozen=True):
    """The flood that a digest stands for: ``count`` alarms lately, ``peak`` the most. Without ``ended`` it lasts."""

    since: str
    ended: str | None
    count: int
    peak: int


class Digest(msgspec.Struct, frozen=True):
    """Many pages and notices of a zone in one: the ``data`` of the webhook's ``alarms.grouped``.

    ``count`` alarms, of which ``pages`` ask for something and ``notices`` have returned; ``entries`` are the most
    urgent of them, ``more`` those not listed. ``priority`` is the most urgent.
    """

    zone: str
    label: Names
    notify: Notify
    priority: Priority
    server_time: str
    count: int
    pages: int
    notices: int
    entries: tuple[Entry, ...]
    more: int
    priorities: tuple[Tally, ...]
    sites: tuple[Tally, ...]
    quantities: tuple[Tally, ...]
    flood: Spate | None
    links: Links
    person: str = ""
    texts: Texts | None = None

    def text(self, language: str) -> Text:
        """Return what a person reads in ``language``."""
        return self.texts.get(language) if self.texts else _text(self, language)


class _Envelope(msgspec.Struct, frozen=True):
    type: str
    timestamp: str
    data: Digest


def payload(digest: Digest) -> bytes:
    """Return the webhook's JSON."""
    texts = Texts(*(_text(digest, language) for language in LANGUAGES))
    data = msgspec.structs.replace(digest, texts=texts)
    return msgspec.json.encode(_Envelope("alarms.grouped", digest.server_time, data))


def compose(
    messages: Sequence[Message], *, flood: Flood | None, flood_ended: int, console_url: str, now: int
) -> Digest:
    """Make one of ``messages`` of a zone (at least one); an alarm with several is there with its latest."""
    latest = {message.alarm: message for message in sorted(messages, key=_age)}
    alarms = sorted(latest.values(), key=_urgency)
    pages = [message for message in alarms if message.notify is Notify.PAGE]
    first = alarms[0]
    return Digest(
        zone=first.zone,
        label=first.labels.zone,
        notify=Notify.PAGE if pages else Notify.NOTICE,
        priority=min((message.priority for message in pages or alarms), key=lambda priority: priority.rank),
        server_time=rfc3339(now),
        count=len(alarms),
        pages=len(pages),
        notices=len(alarms) - len(pages),
        entries=tuple(_entry(message) for message in alarms[:LINES]),
        more=max(0, len(alarms) - LINES),
        priorities=_by_priority(pages),
        sites=_tallies(pages, lambda message: (message.site, message.labels.site)),
        quantities=_tallies(pages, lambda message: (message.quantity, message.labels.quantity)),
        flood=_spate(flood, flood_ended),
        links=Links(zone_link(console_url, first.zone), first.links.panel),
        person=first.person,
    )


def line(digest: Digest) -> str:
    """Return the digest as one line for a terminal, without its end."""
    head = "FLOOD" if digest.flood else "GROUP"
    counted = ", ".join(f"{tally.count} {tally.key}" for tally in digest.priorities)
    returned = f"{digest.notices} back to normal" if digest.notices else ""
    what = "; ".join(part for part in (counted, returned) if part)
    return f"{clock_time(digest.server_time)} {head} {digest.zone} {digest.count} alarms: {what}"


def _age(message: Message) -> tuple[int, int, int]:
    return message.occurrence, message.version, message.step or 0


def _urgency(message: Message) -> tuple[bool, int, bool, str, str]:
    """Pages first, the most urgent first, in a group the one that came first."""
    later = not message.first_up
    return message.notify is not Notify.PAGE, message.priority.rank, later, message.server_time, message.alarm


def _entry(message: Message) -> Entry:
    return Entry(
        alarm=message.alarm,
        occurrence=message.occurrence,
        version=message.version,
        event=message.event.value,
        notify=message.notify,
        priority=message.priority,
        event_time=message.event_time,
        title=Names(message.text("zh").title, message.text("en").title),
        link=message.links.acknowledge or message.links.alarm,
        first_up=message.first_up,
        step=message.step,
        clause=Names(*(short_cited(message.source, message.clause.get(language)) for language in LANGUAGES)),
        response=message.guidance.response if message.guidance and message.notify is Notify.PAGE else None,
    )


def _by_priority(messages: Iterable[Message]) -> tuple[Tally, ...]:
    counted = Counter(message.priority for message in messages)
    return tuple(
        Tally(priority.value, words.PRIORITIES[priority], counted[priority])
        for priority in Priority
        if counted[priority]
    )


def _tallies(messages: Iterable[Message], what: Callable[[Message], tuple[str, Names]]) -> tuple[Tally, ...]:
    counted = Counter[str]()
    names: dict[str, Names] = {}
    for message in messages:
        key, named = what(message)
        counted[key] += 1
        names[key] = named
    return tuple(Tally(key, names[key], count) for key, count in counted.most_common())


def _spate(flood: Flood | None, ended: int) -> Spate | None:
    if flood is None:
        return None
    return Spate(rfc3339(flood.since), rfc3339(ended) if ended else None, flood.count, flood.peak)


# --- texts -------------------------------------------------------------------------------------------------

_TITLE = Names("【{priority}】{flood}{zone} {what}", "[{priority}] {flood}{zone}: {what}")
_FLOOD = Names("报警泛滥汇总：", "alarm flood, summary: ")
_PAGES = Names("{count} 个报警（{tally}）", "{count} alarms ({tally})")
_NOTICES = Names("{count} 个报警恢复正常", "{count} back to normal")
_MORE = Names("另有 {count} 个，未列出", "and {count} more, not listed")
_LASTS = Names(
    "报警泛滥：自 {since} 起，统计时段内 {count} 个报警（最多 {peak} 个）。紧急报警立即单独通知，其余定时汇总。",
    "Alarm flood since {since}: {count} alarms in the period, {peak} at the most. Critical alarms are sent at once and "
    "alone, the others in summaries.",
)
_OVER = Names(
    "报警泛滥已结束：{since} 至 {ended}，最多 {peak} 个报警。",
    "The alarm flood is over: {since} to {ended}, {peak} alarms at the most.",
)


def _text(digest: Digest, language: str) -> Text:
    title = _TITLE.get(language).format(
        priority=words.PRIORITIES[digest.priority].get(language).upper(),
        flood=_FLOOD.get(language) if digest.flood else "",
        zone=digest.label.get(language),
        what=_what(digest, language),
    )
    head, tail = list(_head(digest, language)), list(_tail(digest, language))
    room = LONGEST - _size(title, *head, *tail, _MORE.get(language).format(count=digest.count))
    listed = _fitting(digest.entries, language, room)
    more = digest.more + len(digest.entries) - len(listed)
    counted = [_MORE.get(language).format(count=more)] if more else []
    return Text(title, "\n".join([*head, *listed, *counted, *tail]))


def _what(digest: Digest, language: str) -> str:
    comma = "，" if language == "zh" else ", "
    parts = []
    if digest.pages:
        parts.append(_PAGES.get(language).format(count=digest.pages, tally=_listed(digest.priorities, language)))
    if digest.notices:
        parts.append(_NOTICES.get(language).format(count=digest.notices))
    return comma.join(parts)


def _head(digest: Digest, language: str) -> Iterable[str]:
    if digest.flood:
        yield _told_flood(digest.flood, language)


def _tail(digest: Digest, language: str) -> Iterable[str]:
    colon = _COLON.get(language)
    for label, tallies in (
        (Names("按优先级", "By priority"), digest.priorities),
        (Names("按装置", "By site"), digest.sites),
        (Names("按参数", "By quantity"), digest.quantities),
    ):
        if tallies and (digest.more or digest.flood):
            yield f"{label.get(language)}{colon}{_listed(tallies, language)}"
    yield f"{Names('查看与确认', 'Look and acknowledge').get(language)}{colon}{digest.links.alarm}"


def _fitting(entries: Sequence[Entry], language: str, room: int) -> list[str]:
    """Return the lines of as many entries as there is room for (bytes), one at least.

    Then, as far as there is room: what to do about the most urgent, and where the limits stand.
    """
    lines: list[str] = []
    for number, entry in enumerate(entries, 1):
        line = f"{number}. {_line(entry, language)}"
        if lines and _size(line) > room:
            break
        room -= _size(line)
        lines.append(line)
    responses, room = _taken(_responses(entries[:TELLING], language), len(lines), room)
    clauses, room = _taken([_bracketed(entry.clause.get(language)) for entry in entries], len(lines), room)
    return ["".join(parts) for parts in zip(lines, clauses, responses, strict=True)]


def _taken(texts: Iterable[str], count: int, room: int) -> tuple[list[str], int]:
    """Return ``count`` texts, empty where there is none or no room for it, and the room (bytes) that is left."""
    found: list[str] = []
    for text, _ in itertools.zip_longest(texts, range(count), fillvalue=""):
        size = len(text.encode())
        found.append(text if size <= room else "")
        room -= size if size <= room else 0
    return found[:count], room


def _responses(entries: Iterable[Entry], language: str) -> Iterable[str]:
    """Yield what to do for each; what is to be done for an earlier one as well is said once."""
    first: dict[Names, int] = {}
    for number, entry in enumerate(entries, 1):
        if entry.response is None:
            yield ""
            continue
        same = first.setdefault(entry.response, number)
        said = entry.response if same == number else Names(f"同第 {same} 条", f"as for {same}")
        yield f"\n   {_DO.get(language)}{said.get(language)}"


def _bracketed(text: str) -> str:
    return f" [{text}]" if text else ""


_DO = Names("处置：", "Do: ")
_COLON = Names("：", ": ")


def _size(*lines: str) -> int:
    """Return how many bytes the lines take, each with its end."""
    return sum(len(line.encode()) + 1 for line in lines)


def _line(entry: Entry, language: str) -> str:
    sign = words.PRIORITY_SIGNS[entry.priority] if entry.notify is Notify.PAGE else "↩"
    first = Names("（首发）", " (first up)").get(language) if entry.first_up else ""
    return f"{sign} {entry.title.get(language)}{first} {clock_time(entry.event_time)}"


def _listed(tallies: Iterable[Tally], language: str) -> str:
    if language == "zh":
        return "，".join(f"{tally.names.zh} {tally.count}" for tally in tallies)
    return ", ".join(f"{tally.count} {tally.names.en}" for tally in tallies)


def _told_flood(flood: Spate, language: str) -> str:
    text = _OVER if flood.ended else _LASTS
    return text.get(language).format(
        since=park_time(flood.since),
        ended=park_time(flood.ended) if flood.ended else "",
        count=flood.count,
        peak=flood.peak,
    )
