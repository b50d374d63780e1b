"""What the live page shows: snapshots of alarms turned into words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from alerts import words
from alerts.messages import (
    BAD,
    NO_CLAUSE,
    Labels,
    alarm_link,
    cited,
    duration,
    known_limit,
    labels,
    number,
    park_time,
    rfc3339,
    tidy,
)
from park.alarms import Acknowledgement, State
from park.catalogue import Catalogue
from park.limits import Guidance
from park.sensors import Sensor
from park.words import Names
from storage.states import Snapshot

Find = Callable[[str], Sensor | None]
"""Returns the sensor ``zone/site/sensor``."""


class Shown(Snapshot, frozen=True):
    """An alarm as ``GET /api/alarms`` lists it: the snapshot with its names, source, guidance and link.

    ``value`` and ``set_point`` are in ``unit``; ``raised_t`` and ``t`` are event times, ``raised_at`` and ``at``
    server times, all ms.
    """

    labels: Labels
    source: str
    clause: Names
    provenance: str
    guidance: Guidance | None
    link: str


class Row(msgspec.Struct, frozen=True):
    """One alarm in one language, ready to be escaped and shown."""

    alarm: str
    occurrence: int
    version: int
    priority: str
    priority_sign: str
    priority_word: str
    state: str
    state_sign: str
    state_word: str
    zone: str
    site: str
    sensor: str
    quantity: str
    measured: str
    limit: str
    cited: str
    since: str
    acknowledged_by: str
    waiting: bool
    guidance: tuple[tuple[str, str], ...]


def show(snapshot: Snapshot, catalogue: Catalogue, find: Find, console_url: str) -> Shown:
    """Return ``snapshot`` with everything that the configuration and the directory know."""
    limit = known_limit(catalogue, snapshot.limit)
    sensor = find(snapshot.series.rpartition("/")[0])
    return msgspec.convert(
        {
            **msgspec.structs.asdict(snapshot),
            "value": None if snapshot.value is None else tidy(snapshot.value),
            "set_point": None if snapshot.set_point is None else tidy(snapshot.set_point),
            "labels": labels(catalogue, snapshot.series, snapshot.limit, sensor, limit),
            "source": limit.source if limit else "",
            "clause": limit.clause if limit else NO_CLAUSE,
            "provenance": limit.provenance if limit else "",
            "guidance": limit.guidance if limit else None,
            "link": alarm_link(console_url, snapshot.alarm),
        },
        Shown,
    )


def in_order(alarms: Iterable[Shown]) -> list[Shown]:
    """Sort by priority, then the latest activation first."""
    return sorted(alarms, key=lambda alarm: (alarm.priority.rank, -alarm.raised_at, alarm.alarm))


def row(alarm: Shown, language: str) -> Row:
    """Return ``alarm`` in the words of ``language``."""
    named = alarm.labels
    return Row(
        alarm=alarm.alarm,
        occurrence=alarm.occurrence,
        version=alarm.version,
        priority=alarm.priority.value,
        priority_sign=words.PRIORITY_SIGNS[alarm.priority],
        priority_word=words.PRIORITIES[alarm.priority].get(language),
        state=alarm.state.value,
        state_sign=words.STATE_SIGNS[alarm.state],
        state_word=words.STATES[alarm.state].get(language),
        zone=named.zone.get(language),
        site=named.site.get(language),
        sensor=named.sensor.get(language),
        quantity=named.quantity.get(language),
        measured=_measured(alarm, language),
        limit=f"{named.limit.get(language)} ({words.severity(alarm.severity).get(language)})",
        cited=cited(alarm.source, alarm.clause.get(language)),
        since=park_time(rfc3339(alarm.raised_t)),
        acknowledged_by=alarm.acknowledged_by if alarm.state is State.ACKED else "",
        waiting=alarm.acknowledgement == Acknowledgement.UNACKNOWLEDGED,
        guidance=_guidance(alarm.guidance, language),
    )


def _measured(alarm: Shown, language: str) -> str:
    if alarm.value is None or alarm.severity == BAD:
        doubt = words.severity(alarm.severity).get(language)
        return f"{doubt}: {words.reason(alarm.why).get(language)}" if alarm.why else doubt
    value = f"{number(alarm.value, alarm.set_point)} {alarm.unit}".rstrip()
    if alarm.set_point is None:
        return value
    label = Names("限值", "limit").get(language)
    return f"{value} ({label} {number(alarm.set_point)})"


def _guidance(guidance: Guidance | None, language: str) -> tuple[tuple[str, str], ...]:
    if guidance is None:
        return ()
    pairs = (
        (Names("处置", "Do"), guidance.response),
        (Names("响应时限", "Within"), duration(guidance.respond_within_s)),
        (Names("可能原因", "Cause"), guidance.cause),
        (Names("后果", "If nothing is done"), guidance.consequence),
    )
    return tuple((label.get(language), text.get(language)) for label, text in pairs)


PAGE_WORDS = {
    "title": Names("化工园区报警", "Park alarms"),
    "active": Names("当前报警", "Active alarms"),
    "none": Names("当前没有报警。", "No active alarms."),
    "none_selected": Names("所选范围内没有报警。", "No active alarms in this selection."),
    "as_of": Names("数据时间", "As of"),
    "connecting": Names("正在连接……", "connecting ..."),
    "live": Names("实时", "live"),
    "not_live": Names("数据并非实时，最后更新于", "DATA NOT LIVE since"),
    "away": Names(
        "报警数据不可用：Redis 无响应。看不到报警不等于没有报警。",
        "Alarm data is not available: Redis does not answer. Not seeing an alarm does not mean there is none.",
    ),
    "stopped_script": Names(
        "脚本未运行：页面每 10 秒重新加载，无法在此确认报警。",
        "Scripts do not run: the page reloads every 10 s and can't acknowledge alarms.",
    ),
    "acknowledge": Names("确认", "Acknowledge"),
    "cancel": Names("取消", "Cancel"),
    "your_name": Names("姓名", "Your name"),
    "comment": Names("备注", "Comment"),
    "acknowledged_by": Names("确认人", "Acknowledged by"),
    "since": Names("开始", "Since"),
    "what_to_do": Names("处置指导", "What to do"),
    "gone": Names("该报警现在不处于激活状态：", "This alarm is not active now:"),
    "stale": Names(
        "报警已变化，未确认。请查看后再确认。", "The alarm has changed; not acknowledged. Look again first."
    ),
    "failed": Names("确认失败：", "Not acknowledged: "),
    "all_zones": Names("全部园区", "All zones"),
    "all_priorities": Names("全部优先级", "All priorities"),
    "disclaimer": Names("监测服务，不是安全仪表系统。", "A monitoring service, not a safety instrumented system."),
}


def page_words(language: str) -> dict[str, str]:
    """Return the page's own words in ``language``."""
    return {key: names.get(language) for key, names in PAGE_WORDS.items()}
