"""What a page says: one :class:`Message` with everything, its texts in both languages, its JSON. Pure.

The message is the ``data`` of the webhook's JSON, whose schema (``docs/alerts.md``) is a promise: fields are
added, never renamed.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote, urlencode

import msgspec

from alerts import words
from park.alarms import Event, Notify, State, Transition
from park.catalogue import Catalogue
from park.limits import Guidance, Kind, Limit
from park.readings import split_series
from park.sensors import Sensor
from park.words import Names, Priority

PARK_TIME = timezone(timedelta(hours=8), "UTC+8")
"""Asia/Shanghai: UTC+8 all year since 1991, so no time zone database is needed."""

BAD = "bad"
"""Severity of the alarm on data that can't be trusted: its value is no measurement to quote."""

LANGUAGES = ("zh", "en")

DASHBOARD = "parkwatch-sensor"
"""Uid, before its language, of the dashboard of one sensor; its variables are zone, site, sensor and quantity."""

_AROUND = 1_800_000
"""ms before and after an event that a link to Grafana shows."""

NO_CLAUSE = Names("", "")
"""Of a limit that has left the configuration."""


class Text(msgspec.Struct, frozen=True):
    """What a person reads."""

    title: str
    text: str


class Texts(msgspec.Struct, frozen=True):
    """What a person reads, by language."""

    zh: Text
    en: Text

    def get(self, language: str) -> Text:
        """Return the text in ``language`` (``zh`` or ``en``; anything else reads English)."""
        return self.zh if language == "zh" else self.en


class Links(msgspec.Struct, frozen=True):
    """Where to look, and where to act.

    The alarm on the console; its dashboard in Grafana around the event, if Grafana's address is configured; and, in a
    message to one person, where that person acknowledges with one tap.
    """

    alarm: str
    panel: str | None = None
    acknowledge: str | None = None


class Labels(msgspec.Struct, frozen=True):
    """Names of everything an alarm's id names, in both languages."""

    zone: Names
    site: Names
    sensor: Names
    quantity: Names
    limit: Names


class Stuck(msgspec.Struct, frozen=True):
    """A measured value in ``unit`` that had not changed for ``seconds``; ``None``: nobody knows for how long."""

    value: float
    unit: str
    seconds: int | None

    def text(self, language: str) -> str:
        """Return the value, and for how long it has not changed."""
        value = f"{number(self.value)} {self.unit}".rstrip()
        if self.seconds is None:
            return value
        return _UNCHANGED.get(language).format(value=value, time=duration(self.seconds).get(language))


_UNCHANGED = Names("{value}，已 {time}未变化", "{value}, unchanged for {time}")


class Message(msgspec.Struct, frozen=True):
    """A page or notice: the ``data`` of the webhook's JSON.

    ``value`` and ``set_point`` are in ``unit``, the unit the limit's source is written in. ``passed`` is ``>`` or
    ``<``: the way the set-point is passed. Times are RFC 3339 in UTC; ``since`` is the event time at which the
    occurrence began, ``None`` if it is no longer known. ``chattering``: one of many within a minute. ``first_up``: the
    first of its group. ``step`` is the number of the call (from 0) of the escalation chain that this is, and ``person``
    who is called. ``returned``: a call about an alarm that has returned since, and that nobody has acknowledged.
    ``stuck``: of a value that does not change, what it is (``value`` and ``set_point`` are for how long it has not).
    """

    alarm: str
    occurrence: int
    version: int
    event: Event
    notify: Notify
    zone: str
    site: str
    sensor: str
    quantity: str
    limit: str
    limit_version: str
    severity: str
    priority: Priority
    before: State
    state: State
    value: float | None
    unit: str
    set_point: float | None
    passed: str | None
    event_time: str
    server_time: str
    since: str | None
    source: str
    clause: Names
    provenance: str
    why: str
    by: str
    labels: Labels
    guidance: Guidance | None
    links: Links
    texts: Texts | None = None
    chattering: bool = False
    first_up: bool = False
    step: int | None = None
    person: str = ""
    returned: bool = False
    stuck: Stuck | None = None

    def text(self, language: str) -> Text:
        """Return what a person reads in ``language``."""
        return self.texts.get(language) if self.texts else _text(self, language)


class _Envelope(msgspec.Struct, frozen=True):
    type: str
    timestamp: str
    data: Message


class Addresses(msgspec.Struct, frozen=True):
    """Where people look: the console's address, and Grafana's if there is one."""

    console: str
    grafana: str | None = None


def payload(message: Message) -> bytes:
    """Return the webhook's JSON: type, timestamp (of the transition), data."""
    data = message if message.texts else finished(message)
    return msgspec.json.encode(_Envelope(f"alarm.{message.event.value}", message.server_time, data))


def compose(
    transition: Transition, catalogue: Catalogue, *, sensor: Sensor | None, since: int | None, addresses: Addresses
) -> Message:
    """Put together what there is to say about ``transition``; ``since`` is ms event time.

    A limit that has left the configuration since is named by its id, with the numbers as committed. The texts are not
    written yet: see :func:`Message.text` and :func:`finished`.
    """
    zone, site, device, quantity = split_series(transition.series)
    limit = known_limit(catalogue, transition.limit)
    return Message(
        alarm=transition.alarm,
        occurrence=transition.occurrence,
        version=transition.version,
        event=transition.event,
        notify=transition.notify,
        zone=zone,
        site=site,
        sensor=device,
        quantity=quantity,
        limit=transition.limit,
        limit_version=transition.limit_version,
        severity=transition.severity,
        priority=transition.priority,
        before=transition.before,
        state=transition.after,
        value=_shown(limit, transition.value),
        unit=_unit(catalogue, limit, quantity),
        set_point=_shown(limit, transition.set_point),
        passed=_passed(transition.severity, transition.set_point),
        event_time=rfc3339(transition.t),
        server_time=rfc3339(transition.at),
        since=_began(transition, since),
        source=limit.source if limit else "",
        clause=limit.clause if limit else NO_CLAUSE,
        provenance=limit.provenance if limit else "",
        why=transition.why,
        by=transition.by,
        labels=labels(catalogue, transition.series, transition.limit, sensor, limit),
        guidance=limit.guidance if limit else None,
        links=Links(alarm_link(addresses.console, transition.alarm), panel_link(addresses.grafana, transition)),
        chattering=transition.chattering,
        first_up=transition.first_up,
        stuck=stuck(catalogue, quantity, transition.stuck_at, transition.value),
    )


def stuck(catalogue: Catalogue, quantity: str, value: float | None, unchanged: float | None) -> Stuck | None:
    """Return the value of ``quantity`` that had not changed for ``unchanged`` ms, if that is the matter."""
    if value is None:
        return None
    known = catalogue.quantities.get(quantity)
    return Stuck(tidy(value), known.unit if known else "", round(unchanged / 1000) if unchanged else None)


def finished(message: Message) -> Message:
    """Return ``message`` with its texts in every language."""
    return msgspec.structs.replace(message, texts=Texts(*(_text(message, language) for language in LANGUAGES)))


def personal(message: Message, person: str, step: int | None, acknowledge: str | None) -> Message:
    """Return ``message`` as it goes to ``person``, as a call of a chain, with a one-tap link of the person's own."""
    links = msgspec.structs.replace(message.links, acknowledge=acknowledge)
    return msgspec.structs.replace(message, person=person, step=step, links=links, texts=None)


def alarm_link(console_url: str, alarm: str) -> str:
    """Return the address of ``alarm`` on the console."""
    return f"{console_url.rstrip('/')}/?alarm={quote(alarm, safe='')}"


def zone_link(console_url: str, zone: str) -> str:
    """Return the address of the alarms of ``zone`` on the console."""
    return f"{console_url.rstrip('/')}/?zone={quote(zone, safe='')}"


def panel_link(grafana_url: str | None, transition: Transition) -> str | None:
    """Return the address of the sensor's dashboard in Grafana, in Chinese, around the event of ``transition``."""
    if not grafana_url:
        return None
    zone, site, sensor, quantity = split_series(transition.series)
    shown = {
        "var-zone": zone,
        "var-site": site,
        "var-sensor": sensor,
        "var-quantity": quantity,
        "from": str(transition.t - _AROUND),
        "to": str(transition.t + _AROUND),
    }
    return f"{grafana_url.rstrip('/')}/d/{DASHBOARD}-{LANGUAGES[0]}?{urlencode(shown)}"


def panel_in(link: str, language: str) -> str:
    """Return the address of the same panel in ``language``."""
    return link.replace(f"/d/{DASHBOARD}-{LANGUAGES[0]}?", f"/d/{DASHBOARD}-{language}?", 1)


def known_limit(catalogue: Catalogue, limit: str) -> Limit | None:
    """Return the limit of that id, or ``None`` if its row has been taken out."""
    try:
        return catalogue.limit(limit)
    except KeyError:
        return None


def labels(catalogue: Catalogue, series: str, limit_id: str, sensor: Sensor | None, limit: Limit | None) -> Labels:
    """Return the names of zone, site, sensor, quantity and limit; what has no name stands for itself."""
    zone, site, device, quantity = split_series(series)
    known_zone = catalogue.zones.get(zone)
    known_site = known_zone.sites.get(site) if known_zone else None
    known_quantity = catalogue.quantities.get(quantity)
    return Labels(
        zone=known_zone.names if known_zone else Names(zone, zone),
        site=known_site.names if known_site else Names(site, site),
        sensor=sensor.names if sensor and sensor.names else Names(device, device),
        quantity=known_quantity.names if known_quantity else Names(quantity, quantity),
        limit=limit.names if limit else Names(limit_id, limit_id),
    )


def line(message: Message) -> str:
    """Return the message as one line for a terminal, without its end: time, priority, place, value, source.

    Of the clause only what stands before its first colon: the rest explains it, and is in the message's text.
    """
    head = message.priority.value.upper() if message.notify is Notify.PAGE else message.event.value
    place = f"{message.zone}/{message.site}/{message.sensor}"
    clause = short_cited(message.source, message.clause.en)
    measured = f"{_measured(message, 'en')} ({clause})" if clause else _measured(message, "en")
    return f"{clock_time(message.server_time)} {head} {place} {measured}: {_headline(message)}"


def _headline(message: Message) -> str:
    return f"{message.labels.limit.en}, {words.EVENTS[message.event].en}{_call(message).en}"


def _call(message: Message) -> Names:
    """Which call this is, from the second on."""
    if not message.step:
        return Names("", "")
    return Names(f"（第 {message.step + 1} 次呼叫）", f" (call {message.step + 1})")


def _since_then(message: Message, language: str) -> str:
    """Whether the alarm that somebody is called for is over by now: who is called later has not heard of that."""
    return Names("（现已恢复）", " (returned since)").get(language) if message.returned else ""


def cited(source: str, clause: str) -> str:
    """Return who says so and where, as far as it is known."""
    return " ".join(part for part in (source, clause) if part)


def short_cited(source: str, clause: str) -> str:
    """Return who says so and where; of the clause what stands before its first colon: the rest explains it."""
    return cited(source, re.split("[:：]", clause, maxsplit=1)[0])


def rfc3339(t: int) -> str:
    """Return ms as RFC 3339 in UTC."""
    moment = datetime.fromtimestamp(t // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{t % 1000:03d}Z"


def park_time(stamp: str) -> str:
    """Return an RFC 3339 stamp as the park's local time, UTC in brackets."""
    moment = datetime.fromisoformat(stamp)
    return f"{moment.astimezone(PARK_TIME):%Y-%m-%d %H:%M:%S} UTC+8 ({moment:%H:%M:%S} UTC)"


def clock_time(stamp: str) -> str:
    """Return an RFC 3339 stamp as the park's time of day."""
    return f"{datetime.fromisoformat(stamp).astimezone(PARK_TIME):%H:%M:%S}"


def number(value: float, beside: float | None = None) -> str:
    """Return ``value`` with four digits, or as many as it takes to tell it from ``beside``."""
    short = _digits(value, 4)
    apart = beside is None or value == beside or short != _digits(beside, 4)
    return short if apart else _digits(value, 15)


def _digits(value: float, digits: int) -> str:
    if not value or not math.isfinite(value):
        return f"{value:g}"
    before = math.floor(math.log10(abs(value))) + 1
    text = f"{value:.{max(0, digits - before)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _measured(message: Message, language: str) -> str:
    """Quantity, value, unit, and the set-point it is compared with."""
    name = message.labels.quantity.get(language)
    if message.event is Event.WITHDRAWN:
        return name
    if message.stuck is not None:
        moving = _MOVING.get(language) if message.event is Event.RETURNED else ""
        return f"{name} {message.stuck.text(language)}{moving}"
    if message.value is None or message.severity == BAD:
        return f"{name} {_doubt(message).get(language)}"
    value = f"{name} {number(message.value, message.set_point)} {message.unit}".rstrip()
    if message.set_point is None:
        return value
    sign = _INSIDE[message.passed or ">"] if message.event is Event.RETURNED else message.passed
    return f"{value} {sign} {number(message.set_point)}"


def _doubt(message: Message) -> Names:
    returned = message.event is Event.RETURNED
    if returned and message.severity == BAD:
        return Names("数据恢复可信", "data is good again")
    return words.EVENTS[message.event] if returned else words.severity(message.severity)


_MOVING = Names("，已恢复变化", ", which moves again")
_INSIDE = {">": "≤", "<": "≥"}


def _shown(limit: Limit | None, value: float | None) -> float | None:
    return value if value is None or limit is None else tidy(limit.shown(value))


def tidy(value: float) -> float:
    """Return ``value`` without the dust of a conversion: 5100 µg x 0.001 is 5.1 mg, not 5.1000000000000005."""
    return float(f"{value:.12g}")


def _unit(catalogue: Catalogue, limit: Limit | None, quantity: str) -> str:
    if limit and limit.kind is not Kind.QUALITY:
        return limit.unit
    known = catalogue.quantities.get(quantity)
    return known.unit if known else ""


def _passed(severity: str, set_point: float | None) -> str | None:
    if set_point is None:
        return None
    return "<" if severity.startswith("low") else ">"


def _began(transition: Transition, since: int | None) -> str | None:
    began = transition.t if transition.event is Event.RAISED else since
    return None if began is None else rfc3339(began)


_TITLE = Names(
    "【{priority}】{event}：{zone} {site} {sensor} {measured}",
    "[{priority}] {event}: {zone}, {site}, {sensor}: {measured}",
)


def _text(message: Message, language: str) -> Text:
    named = message.labels
    title = _TITLE.get(language).format(
        priority=words.PRIORITIES[message.priority].get(language).upper(),
        event=words.EVENTS[message.event].get(language) + _call(message).get(language) + _since_then(message, language),
        zone=named.zone.get(language),
        site=named.site.get(language),
        sensor=named.sensor.get(language),
        measured=_measured(message, language),
    )
    rows = ((label.get(language), row) for label, row in _rows(message, language) if row)
    colon = "：" if language == "zh" else ": "
    return Text(title, "\n".join(f"{label}{colon}{row}" for label, row in rows))


NOBODY = "parkwatch"
"""Who has done what no person did."""

_RETURNED = Names(
    "已恢复正常，但尚无人确认；以上为报警时的数值",
    "it has returned to normal since, and nobody has acknowledged it; the value is that of the alarm",
)
_FIRST_UP = Names(
    "本报警组中最先触发的报警，通常最接近起因", "the first alarm of its group: usually the closest to the cause"
)
_CHATTERING = Names(
    "一分钟内反复动作，多次报警合并通知", "it comes and goes within a minute; people are not told each time"
)


def _rows(message: Message, language: str) -> list[tuple[Names, str]]:
    named = message.labels
    return [
        (Names("事件", "What"), words.EVENTS[message.event].get(language)),
        (Names("限值", "Limit"), f"{named.limit.get(language)} ({words.severity(message.severity).get(language)})"),
        (Names("园区", "Zone"), _named(named.zone, message.zone, language)),
        (Names("装置", "Site"), _named(named.site, message.site, language)),
        (Names("传感器", "Sensor"), _named(named.sensor, message.sensor, language)),
        (Names("数值", "Value"), _measured(message, language)),
        (Names("现状", "Now"), _RETURNED.get(language) if message.returned else ""),
        (Names("原因说明", "Because"), words.reason(message.why).get(language)),
        (Names("操作人", "By"), "" if message.by == NOBODY else message.by),
        (Names("首发", "First up"), _FIRST_UP.get(language) if message.first_up else ""),
        (Names("抖振报警", "Chattering"), _CHATTERING.get(language) if message.chattering else ""),
        (Names("依据", "Source"), _cited(message, language)),
        (Names("开始时间", "Since"), park_time(message.since) if message.since else ""),
        (Names("事件时间", "Event time"), park_time(message.event_time)),
        (Names("状态", "State"), f"{words.STATES[message.state].get(language)} ({message.state.value})"),
        *_guidance_rows(message, language),
        (Names("一键确认", "Acknowledge with one tap"), message.links.acknowledge or ""),
        (Names("查看与确认", "Look and acknowledge"), message.links.alarm),
        (Names("趋势图", "Trend"), panel_in(message.links.panel or "", language)),
        (Names("编号", "Reference"), f"{message.alarm} #{message.occurrence}.{message.version}"),
    ]


def _guidance_rows(message: Message, language: str) -> list[tuple[Names, str]]:
    guidance = message.guidance
    if guidance is None or message.notify is not Notify.PAGE:
        return []
    return [
        (Names("可能原因", "Cause"), guidance.cause.get(language)),
        (Names("后果", "If nothing is done"), guidance.consequence.get(language)),
        (Names("处置", "Do"), guidance.response.get(language)),
        (Names("响应时限", "Within"), duration(guidance.respond_within_s).get(language)),
    ]


_TELLING = 2
"""Fewer than two of a unit are told in the smaller one: 90 s, 90 min."""


def duration(seconds: int) -> Names:
    """Return a time to respond in words."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if minutes < _TELLING:
        return Names(f"{seconds} 秒", f"{seconds} s")
    return Names(f"{minutes} 分钟", f"{minutes} min") if hours < _TELLING else Names(f"{hours} 小时", f"{hours} h")


def _named(names: Names, id_: str, language: str) -> str:
    name = names.get(language)
    return name if name == id_ else f"{name} ({id_})"


PROVENANCES = {
    "verified": Names("已核实", "verified"),
    "knowledge": Names("凭知识，待核实", "from knowledge, to be checked"),
    "unverified": Names("未核实", "unverified"),
}


def _cited(message: Message, language: str) -> str:
    clause = cited(message.source, message.clause.get(language))
    provenance = PROVENANCES.get(message.provenance)
    return f"{clause} [{provenance.get(language)}]" if clause and provenance else clause
