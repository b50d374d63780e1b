"""How parkwatch itself is: canaries, signs of life, delivery. Pure."""

from __future__ import annotations

from alerts.console.views import text
from alerts.console.views.detail import Fact
from alerts.console.views.times import age, moment
from park.catalogue import Catalogue
from park.words import Names
from storage.outbox import Counts
from storage.watch import Check, Fault, Kind, Watched

_LABELS = {
    Kind.CANARY: Names("自检读数：{of}", "canary: {of}"),
    Kind.STORED: Names("自检读数已入库：{of}", "canary stored: {of}"),
    Kind.ALIVE: Names("进程：{of}", "process: {of}"),
    Kind.REDIS: Names("Redis", "Redis"),
}

_FAULTS = {
    Fault.MISSING: Names("没有待执行的通知", "missing: nothing waits that would tell somebody"),
    Fault.OVERDUE: Names("通知逾期", "overdue"),
}

_COUNTS = {
    "waiting": Names("待投递", "waiting"),
    "due": Names("到期", "due"),
    "overdue": Names("逾期（超过 5 秒）", "overdue (more than 5 s)"),
    "sent": Names("已送达", "sent"),
    "failed": Names("失败", "failed"),
    "undeliverable": Names("无人可通知", "nobody to tell"),
    "exhausted": Names("呼叫完毕仍无人确认", "called everybody, nobody acknowledged"),
    "retried": Names("重试", "retried"),
    "repeated": Names("重复送达", "sent more than once"),
    "defects": Names("程序缺陷致投递失败", "met a defect of delivery"),
}
_TROUBLE = frozenset({"overdue", "failed", "undeliverable", "defects"})


def checks(watched: Watched | None, catalogue: Catalogue, language: str, now: int) -> tuple[Fact, ...]:
    """Return what the watchdog has looked at; empty if it has not reported."""
    if watched is None:
        return ()
    found = [_check(check, catalogue, language) for check in watched.checks]
    problems = [
        Fact(problem.entry, _FAULTS[problem.fault].get(language), "✕", trouble=True) for problem in watched.problems
    ]
    return (*found, *problems, _pulse(watched, language, now))


def _check(check: Check, catalogue: Catalogue, language: str) -> Fact:
    zone = catalogue.zones.get(check.of)
    of = zone.names.get(language) if zone else check.of
    label = _LABELS[check.kind].get(language).format(of=of)
    old = text.WORDS["never"].get(language) if check.age is None else age(check.age).get(language)
    word = text.WORDS["fresh" if check.well else "too_old"].get(language)
    return Fact(label, f"{word} · {old}", "✓" if check.well else "✕", trouble=not check.well)


def _pulse(watched: Watched, language: str, now: int) -> Fact:
    label = text.WORDS["pulse"].get(language)
    pulse = watched.pulse
    if not pulse.wanted:
        return Fact(label, {"zh": "未配置地址", "en": "no address is configured"}[language], "–")
    sent = moment(pulse.sent, now).clock if pulse.sent else text.WORDS["never"].get(language)
    said = f"{sent} · {pulse.why(language)}" if pulse.reason else sent
    return Fact(label, said, "✕" if pulse.reason else "✓", trouble=bool(pulse.reason))


def delivery(counts: Counts, language: str, *, alive: bool) -> tuple[Fact, ...]:
    """Return how delivery stands."""
    process = Fact(
        text.WORDS["delivering"].get(language),
        text.WORDS["alive" if alive else "not_alive"].get(language),
        "✓" if alive else "✕",
        trouble=not alive,
    )
    figures = (
        Fact(names.get(language), str(getattr(counts, key)), trouble=key in _TROUBLE and getattr(counts, key) > 0)
        for key, names in _COUNTS.items()
    )
    return (process, *figures)
