"""What the reader has to know before everything else: each finding one line, the worst first."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from park.words import Names
from reports.forms import number, percent, unit
from reports.report import Report

#: Below this share of valid data no verdict of the month is worth much.
GOOD_COVERAGE = 0.9
_MOST = 4


class Finding(msgspec.Struct, frozen=True):
    """A line; ``grave``: somebody has to act, else somebody has to know."""

    grave: bool
    text: Names
    section: str


def _grave(text: Names, section: str) -> Finding:
    return Finding(grave=True, text=text, section=section)


def _notable(text: Names, section: str) -> Finding:
    return Finding(grave=False, text=text, section=section)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def findings(report: Report) -> list[Finding]:
    """Return what asks for attention; empty if nothing does."""
    every = (_safety, _compliance, _loads, _network, _indicators, _evaluation, _data)
    found = [finding for each in every for finding in each(report)]
    return sorted(found, key=lambda finding: not finding.grave)


def _safety(report: Report) -> Iterator[Finding]:
    safety = report.safety
    critical = safety.lines[0]
    if critical.count:
        late = f"，其中 {critical.late} 次未在规定时间内确认" if critical.late else "，均在规定时间内确认"
        late_en = f", {critical.late} not acknowledged in time" if critical.late else ", all acknowledged in time"
        text = Names(f"紧急报警 {critical.count} 次{late}。", f"{_many(critical.count, 'critical alarm')}{late_en}.")
        yield _grave(text, "safety")
    if safety.floods:
        count = len(safety.floods)
        yield _grave(Names(f"报警泛滥 {count} 次。", f"{_many(count, 'alarm flood')}."), "safety")
    if safety.open:
        count = len(safety.open)
        text = Names(
            f"本月有 {count} 条报警至今未确认。", f"Still not acknowledged: {_many(count, 'alarm')} of the month."
        )
        yield _grave(text, "safety")


def _compliance(report: Report) -> Iterator[Finding]:
    section = report.compliance
    if section.beyond:
        worst = [line for group in section.groups for line in group.lines if line.result.beyond]
        worst.sort(key=lambda line: -line.result.beyond)
        zh = "；".join(f"{line.place.zh}{line.quantity.zh} {line.result.beyond} 次" for line in worst[:_MOST])
        en = "; ".join(f"{line.place.en}, {line.quantity.en}: {line.result.beyond}" for line in worst[:_MOST])
        text = Names(
            f"有效均值超过限值 {section.beyond} 次（{zh}）。",
            f"{_many(section.beyond, 'valid mean')} beyond limits ({en}).",
        )
        yield _grave(text, "compliance")
    if section.share is not None and section.share < GOOD_COVERAGE:
        share = percent(section.share)
        text = Names(
            f"应有均值中仅 {share} 有效：未发现超标不等于没有超标。",
            f"Only {share} of the means that were due are valid: no exceedance found is not no exceedance.",
        )
        yield _grave(text, "compliance")


def _loads(report: Report) -> Iterator[Finding]:
    for budget in report.loads:
        if budget.overdrawn:
            used, name = percent(budget.share), budget.quantity
            yield _grave(
                Names(
                    f"{budget.site.zh}{name.zh}排放总量已用 {used}，按目前速度将超过许可量。",
                    f"{budget.site.en}, {name.en}: {used} of the load budget is used, and it will not last.",
                ),
                "loads",
            )


def _network(report: Report) -> Iterator[Finding]:
    broken = report.network.broken
    if broken:
        names = list(dict.fromkeys(each.flow.names for each in broken))[:_MOST]
        zh, en = "、".join(each.zh for each in names), ", ".join(each.en for each in names)
        text = Names(f"循环利用中断 {len(broken)} 次（{zh}）。", f"{_many(len(broken), 'broken exchange')} ({en}).")
        yield _grave(text, "network")
    off = [each for each in report.network.balances if each.within is False]
    if off:
        zh, en = "、".join(each.site.zh for each in off), ", ".join(each.site.en for each in off)
        text = Names(
            f"{len(off)} 个平衡超出允许偏差，先核对计量（{zh}）。",
            f"{_many(len(off), 'balance')} off: check the meters ({en}).",
        )
        yield _notable(text, "network")


def _indicators(report: Report) -> Iterator[Finding]:
    section = report.indicators
    if section.missed:
        zh = "、".join(line.indicator.names.zh for line in section.missed[:_MOST])
        en = ", ".join(line.indicator.names.en for line in section.missed[:_MOST])
        more = len(section.missed) - _MOST
        zh, en = (f"{zh}等", f"{en} and {more} more") if more > 0 else (zh, en)
        text = Names(
            f"{len(section.missed)} 项指标未达目标（{zh}）。",
            f"{_many(len(section.missed), 'indicator')} off target ({en}).",
        )
        yield _notable(text, "indicators")


def _evaluation(report: Report) -> Iterator[Finding]:
    for ranking in report.evaluation.rankings[:1]:
        fallen = [each for each in ranking.moved if each.movement and each.movement.better == -1]
        if fallen:
            zh, en = "、".join(each.names.zh for each in fallen), ", ".join(each.names.en for each in fallen)
            text = Names(
                f"亩均评价降档企业 {len(fallen)} 家（{zh}）。",
                f"{_many(len(fallen), 'enterprise')} fell a class ({en}).",
            )
            yield _notable(text, "evaluation")
    smart = report.smart.share
    if smart is not None and smart.met is False:
        text = Names(
            f"规上企业装备智能化覆盖率 {number(smart.share)}%，目标 {number(smart.target)}%，还差 {smart.missing} 家。",
            f"Smart equipment at {number(smart.share)} % of above-scale enterprises, target {number(smart.target)} %: "
            f"{smart.missing} more are needed.",
        )
        yield _notable(text, "smart")


def _data(report: Report) -> Iterator[Finding]:
    if report.data.share is not None and report.data.share < GOOD_COVERAGE:
        share = percent(report.data.share)
        text = Names(f"数据获取率仅 {share}。", f"Only {share} of the data that was due is there.")
        yield _grave(text, "data")


def tile_of_load(report: Report) -> tuple[Names, str] | None:
    """Return the most used budget: what it is of, and the share."""
    if not report.loads:
        return None
    most = max(report.loads, key=lambda budget: budget.share)
    return Names(f"{most.quantity.zh}，{most.site.zh}", f"{most.quantity.en}, {most.site.en}"), percent(most.share)


def tile_of_residues(report: Report) -> tuple[str, str] | None:
    """Return the share of residues, by mass, that stay in the park, and how much was given away."""
    mass = next((each for each in report.network.stays if each.unit == "t" and each.share is not None), None)
    return (percent((mass.share or 0.0) / 100), f"{number(mass.given)} {unit(mass.unit)}") if mass else None
