"""Admission: a planned project against a zone's negative list, its access thresholds and what is left of its loads.

Every rule that applies gives a finding with its clause. The verdict is the severest of them: a project is refused by
any rule that refuses; what can't be judged stands before conditions, and nothing is passed for want of evidence.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from park.figures import Book, FigureDefinition
from park.limits import Period
from park.wording import amount, short
from park.words import Names


class ProjectKind(enum.StrEnum):
    """What a project does."""

    NEW = "new"
    EXPANSION = "expansion"
    RENOVATION = "renovation"


class Outcome(enum.StrEnum):
    """What a rule says to a project, and the verdict altogether; the severest first."""

    REFUSED = "refused"
    UNDECIDED = "undecided"
    CONDITIONAL = "conditional"
    ADMITTED = "admitted"


OUTCOMES = {
    Outcome.REFUSED: Names("不予准入", "refused"),
    Outcome.UNDECIDED: Names("资料不足，无法判定", "undecided: something is missing"),
    Outcome.CONDITIONAL: Names("有条件准入", "admitted on conditions"),
    Outcome.ADMITTED: Names("准入", "admitted"),
}


#: What a single rule says.
FINDINGS = {
    Outcome.REFUSED: Names("否决项", "against it"),
    Outcome.UNDECIDED: Names("待补充项", "to be supplied"),
    Outcome.CONDITIONAL: Names("附条件项", "conditions"),
    Outcome.ADMITTED: Names("符合项", "met"),
}

#: What a substance is in a project.
ROLES = {
    "raw": Names("原料", "raw material"),
    "auxiliary": Names("辅料", "auxiliary"),
    "intermediate": Names("中间体", "intermediate"),
    "product": Names("产品", "product"),
    "waste": Names("废物", "waste"),
}


class Basis(msgspec.Struct, frozen=True):
    """Who says so, and where; ``provenance`` as in limits."""

    source: str
    clause: Names
    provenance: str


class BannedSubstance(msgspec.Struct, frozen=True):
    """A substance on a zone's negative list, by CAS number or by any of its names; up to ``at_most`` t/a it may be.

    With a ``condition`` it is restricted: admitted on that condition.
    """

    names: Names
    basis: Basis
    cas: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    at_most: float = 0.0
    condition: Names | None = None


class Process(msgspec.Struct, frozen=True):
    """A process that a zone may rule on."""

    name: str
    names: Names
    also: tuple[str, ...] = ()


class ProcessRule(msgspec.Struct, frozen=True):
    """What a zone says to a process: refused, or admitted on a condition."""

    process: str
    basis: Basis
    condition: Names | None = None


class Threshold(msgspec.Struct, frozen=True):
    """An access threshold: planned numbers ``over`` added up, by numbers ``under`` added up (if any), times ``scale``.

    It must be at least ``bound``, or at most, if ``upper``: a number, or with ``of_mean`` so many times the mean of the
    zone's enterprises, as the same figures were reported. It applies to ``kinds`` of projects (all, if empty). Who
    misses it is refused, unless there is a ``condition`` on which it is not.
    """

    id: str
    names: Names
    over: tuple[str, ...]
    bound: float
    basis: Basis
    upper: bool = False
    of_mean: bool = False
    under: tuple[str, ...] = ()
    scale: float = 1.0
    unit: str = ""
    unit_zh: str = ""
    kinds: tuple[ProjectKind, ...] = ()
    condition: Names | None = None

    @property
    def unit_names(self) -> Names:
        """The unit in both languages."""
        return Names(self.unit_zh or self.unit, self.unit)


class ZoneAccess(msgspec.Struct, frozen=True):
    """What a zone says to projects."""

    substances: tuple[BannedSubstance, ...] = ()
    processes: tuple[ProcessRule, ...] = ()
    thresholds: tuple[Threshold, ...] = ()


class Access(msgspec.Struct, frozen=True):
    """``config/access.yaml``: rules by zone, the processes there are, and the numbers that a plan may state."""

    zones: dict[str, ZoneAccess] = {}
    processes: dict[str, Process] = {}
    plan: dict[str, FigureDefinition] = {}


class Substance(msgspec.Struct, frozen=True):
    """A substance of a project: raw material, auxiliary, intermediate, product or waste; ``amount`` in t/a."""

    name: str
    cas: str = ""
    role: str = ""
    amount: float | None = None


class Project(msgspec.Struct, frozen=True):
    """A planned project; ``plan`` in the units of the figures, per year; ``loads`` in kg a year by quantity."""

    names: Names
    zone: str
    kind: ProjectKind
    substances: tuple[Substance, ...]
    processes: tuple[str, ...]
    plan: dict[str, float]
    loads: dict[str, float]


class BannedQuantity(msgspec.Struct, frozen=True):
    """A quantity of which any detection is an alarm in the zone (a limit of kind negative list)."""

    quantity: str
    names: Names
    limit: Names
    basis: Basis


class Headroom(msgspec.Struct, frozen=True):
    """How a load budget stands: kg allowed in its period, and kg to be expected at its end without the project.

    ``known`` is the share of the hours so far that is known.
    """

    limit: Names
    quantity: str
    names: Names
    period: Period
    budget: float
    expected: float | None
    known: float
    basis: Basis


class Evidence(NamedTuple):
    """What is known besides the project: banned quantities and budgets of the zone, means by threshold.

    ``None`` for the budgets: they could not be looked up.
    """

    banned: Sequence[BannedQuantity] = ()
    budgets: Sequence[Headroom] | None = ()
    means: Mapping[str, float] = {}


class Finding(msgspec.Struct, frozen=True):
    """What one rule says to the project, and why."""

    outcome: Outcome
    rule: str
    subject: Names
    reason: Names
    basis: Basis | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What the zone says to the project; findings, the severest first."""

    outcome: Outcome
    findings: tuple[Finding, ...]

    def of(self, outcome: Outcome) -> list[Finding]:
        """Return the findings with ``outcome``."""
        return [finding for finding in self.findings if finding.outcome is outcome]


#: Above this share of known hours a forecast of a load is taken for what it says.
_KNOWN_ENOUGH = 0.5
_KG_PER_T = 1000.0
_MONTHS = 12


def check(access: Access, project: Project, evidence: Evidence) -> Verdict:
    """Return what ``project.zone`` says to ``project``."""
    rules = access.zones.get(project.zone)
    if rules is None:
        reason = Names(
            "该园区未配置准入条件（access.yaml）", "no access rules are configured for this zone (access.yaml)"
        )
        finding = Finding(Outcome.UNDECIDED, "zone", Names(project.zone, project.zone), reason)
        return Verdict(Outcome.UNDECIDED, (finding,))
    found = [
        *_substances(rules, project, evidence.banned),
        *_processes(access, rules, project),
        *_thresholds(access, rules, project, evidence.means),
        *_loads(project, evidence.budgets),
    ]
    order = list(Outcome)
    findings = tuple(sorted(found, key=lambda finding: order.index(finding.outcome)))
    return Verdict(findings[0].outcome if findings else Outcome.ADMITTED, findings)


# --- substances --------------------------------------------------------------------------------------------------


def cas_error(cas: str) -> str:
    """Return what is wrong with a CAS number; empty if nothing is."""
    parts = cas.split("-")
    lengths = [len(part) for part in parts]
    if len(parts) != len(_CAS) or not cas.isascii() or not all(part.isdigit() for part in parts):
        return f"{cas!r} is no CAS number; write one such as 75-44-5"
    if any(length not in allowed for length, allowed in zip(lengths, _CAS, strict=True)):
        return f"{cas!r} is no CAS number; write one such as 75-44-5"
    digits = [int(digit) for digit in parts[0] + parts[1]]
    if sum(place * digit for place, digit in enumerate(reversed(digits), 1)) % 10 != int(parts[2]):
        return f"{cas!r} has a wrong check digit; look it up again"
    return ""


#: Digits of the parts of a CAS number.
_CAS = (range(2, 8), range(2, 3), range(1, 2))


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(character for character in folded if character.isalnum())


def _substances(rules: ZoneAccess, project: Project, banned: Sequence[BannedQuantity]) -> Iterator[Finding]:
    if not project.substances:
        reason = Names("未列出原辅材料、中间体和产品", "no raw materials, intermediates or products are listed")
        yield Finding(Outcome.UNDECIDED, "substances", Names("物质", "substances"), reason)
        return
    findings = [each for substance in project.substances for each in _substance(rules, substance, banned)]
    yield from findings
    if not any(each.outcome is Outcome.REFUSED for each in findings):
        count = len(project.substances)
        reason = Names(f"{count}种物质均未列入负面清单", f"none of {count} is on the zone's negative list")
        yield Finding(Outcome.ADMITTED, "substances", Names("物质", "substances"), reason)


def _substance(rules: ZoneAccess, substance: Substance, banned: Sequence[BannedQuantity]) -> Iterator[Finding]:
    subject = _named(substance)
    listed = [_on_the_list(each, subject) for each in _listed(rules, substance)]
    monitored = [_banned(each, subject) for each in _monitored(banned, substance)]
    yield from (*listed, *monitored)
    if not listed and not monitored and not substance.cas:
        reason = Names(
            "未提供CAS号，仅按名称核对，未发现列入负面清单；请补充CAS号（混合物写各组分）",
            "without a CAS number: not found on the negative list by its name; add the number (of a mixture, those of "
            "its parts)",
        )
        yield Finding(Outcome.UNDECIDED, "substance without CAS number", subject, reason)


def _on_the_list(each: BannedSubstance, subject: Names) -> Finding:
    zh, en = f"列入园区负面清单：{each.names.zh}", f"on the zone's negative list: {each.names.en}"
    if each.condition is None:
        return Finding(Outcome.REFUSED, f"substance {each.names.en}", subject, Names(zh, en), each.basis)
    reason = Names(f"{zh}（限制类）；{each.condition.zh}", f"{en} (restricted); {each.condition.en}")
    return Finding(Outcome.CONDITIONAL, f"substance {each.names.en}", subject, reason, each.basis)


def _banned(each: BannedQuantity, subject: Names) -> Finding:
    reason = Names(
        f"列入园区负面清单，检出即报警：{each.limit.zh}",
        f"on the zone's negative list, any detection is an alarm: {each.limit.en}",
    )
    return Finding(Outcome.REFUSED, f"substance {each.quantity}", subject, reason, each.basis)


def _named(substance: Substance) -> Names:
    role = ROLES.get(substance.role)
    parts = [part for part in (substance.name, substance.cas) if part]
    return Names(" ".join([*parts, *([role.zh] if role else [])]), " ".join([*parts, *([role.en] if role else [])]))


def _listed(rules: ZoneAccess, substance: Substance) -> Iterator[BannedSubstance]:
    for each in rules.substances:
        words = {_plain(word) for word in (each.names.zh, each.names.en, *each.also)}
        if substance.cas not in each.cas and _plain(substance.name) not in words:
            continue
        # How much is not said is more than nothing.
        if each.at_most <= 0.0 or substance.amount is None or substance.amount > each.at_most:
            yield each


def _monitored(banned: Sequence[BannedQuantity], substance: Substance) -> Iterator[BannedQuantity]:
    for each in banned:
        if _plain(substance.name) in {_plain(word) for word in (each.quantity, each.names.zh, each.names.en)}:
            yield each


# --- processes ---------------------------------------------------------------------------------------------------


def _processes(access: Access, rules: ZoneAccess, project: Project) -> Iterator[Finding]:
    ruled = {rule.process: rule for rule in rules.processes}
    for name in project.processes:
        process, rule = access.processes[name], ruled.get(name)
        if rule is None:
            reason = Names("园区对该工艺无禁限要求", "the zone neither bans nor restricts it")
            yield Finding(Outcome.ADMITTED, f"process {name}", process.names, reason)
        elif rule.condition is None:
            reason = Names("园区禁止采用的工艺", "the zone bans it")
            yield Finding(Outcome.REFUSED, f"process {name}", process.names, reason, rule.basis)
        else:
            yield Finding(Outcome.CONDITIONAL, f"process {name}", process.names, rule.condition, rule.basis)


# --- thresholds --------------------------------------------------------------------------------------------------


def _thresholds(access: Access, rules: ZoneAccess, project: Project, means: Mapping[str, float]) -> Iterator[Finding]:
    for rule in rules.thresholds:
        if not rule.kinds or project.kind in rule.kinds:
            yield _threshold(access, rule, project, means)


def value_of(rule: Threshold, plan: Mapping[str, float]) -> float | None:
    """Return what ``plan`` makes of a threshold; ``None`` if there is nothing below the line. Raises ``KeyError``."""
    over = sum(plan[name] for name in rule.over)
    if not rule.under:
        return over * rule.scale
    under = sum(plan[name] for name in rule.under)
    return over / under * rule.scale if under > 0.0 else None


def _threshold(access: Access, rule: Threshold, project: Project, means: Mapping[str, float]) -> Finding:
    def finding(outcome: Outcome, reason: Names) -> Finding:
        return Finding(outcome, f"threshold {rule.id}", rule.names, reason, rule.basis)

    missing = [name for name in dict.fromkeys((*rule.over, *rule.under)) if name not in project.plan]
    if missing:
        return finding(Outcome.UNDECIDED, _unsaid(access, missing))
    mean = means.get(rule.id)
    if rule.of_mean and mean is None:
        reason = Names(
            "园区企业尚未填报，无平均值可比", "the zone's enterprises have not reported, so there is no mean"
        )
        return finding(Outcome.UNDECIDED, reason)
    value = value_of(rule, project.plan)
    if value is None:
        return finding(Outcome.UNDECIDED, Names("分母为0，无法计算", "nothing below the line: it can't be told"))
    bound = rule.bound * mean if rule.of_mean and mean is not None else rule.bound
    told = _told(rule, value, bound)
    if (value <= bound) if rule.upper else (value >= bound):
        return finding(Outcome.ADMITTED, told)
    if rule.condition is None:
        return finding(Outcome.REFUSED, told)
    reason = Names(f"{told.zh}；{rule.condition.zh}", f"{told.en}; {rule.condition.en}")
    return finding(Outcome.CONDITIONAL, reason)


def _unsaid(access: Access, missing: Sequence[str]) -> Names:
    zh = "、".join(f"{access.plan[name].names.zh}（{name}）" for name in missing)
    en = ", ".join(f"{access.plan[name].names.en} ({name})" for name in missing)
    return Names(f"项目文件未给出：{zh}", f"the project does not say: {en}")


def _told(rule: Threshold, value: float, bound: float) -> Names:
    sign = "≤" if rule.upper else "≥"
    zh, en = rule.unit_names.zh, rule.unit_names.en
    of_mean = Names("", "")
    if rule.of_mean:
        of_mean = Names(f"（园区平均值的{rule.bound:g}倍）", f" ({rule.bound:g} times the zone's mean)")
    return Names(
        f"计划值{amount(value, zh)}，要求{sign} {amount(bound, zh)}{of_mean.zh}",
        f"planned {amount(value, en)}, required {sign} {amount(bound, en)}{of_mean.en}",
    )


# --- loads -------------------------------------------------------------------------------------------------------


def _loads(project: Project, budgets: Sequence[Headroom] | None) -> Iterator[Finding]:
    if budgets is None:
        reason = Names(
            "无法读取排放总量现状（Redis未响应）", "how the load budgets stand could not be read (Redis is away)"
        )
        yield Finding(Outcome.UNDECIDED, "loads", Names("排放总量", "load budgets"), reason)
        return
    for each in budgets:
        yield _load(project, each)
    for quantity in sorted(project.loads.keys() - {each.quantity for each in budgets}):
        if project.loads[quantity] > 0.0:
            reason = Names(
                "园区未配置该污染物的总量指标，须先落实总量来源",
                "the zone has no budget for it: say first where the load is to come from",
            )
            yield Finding(Outcome.CONDITIONAL, f"load {quantity}", Names(quantity, quantity), reason)


def _load(project: Project, each: Headroom) -> Finding:
    def finding(outcome: Outcome, reason: Names) -> Finding:
        return Finding(outcome, f"load {each.quantity}", each.names, reason, each.basis)

    planned = project.loads.get(each.quantity)
    if planned is None:
        reason = Names(
            "项目文件未给出年排放量（没有则写0）", "the project does not say its load (write 0 if there is none)"
        )
        return finding(Outcome.UNDECIDED, reason)
    if each.period is Period.MONTH:
        planned /= _MONTHS
    if planned == 0.0:
        return finding(Outcome.ADMITTED, Names("项目不排放", "the project has no load"))
    if each.expected is None:
        reason = Names(
            "尚无现状排放数据，无法计算余量", "nothing is known of the present load, so what is left can't be told"
        )
        return finding(Outcome.UNDECIDED, reason)
    left = each.budget - each.expected
    period = Names("月", "month") if each.period is Period.MONTH else Names("年", "year")
    told = Names(
        f"计划{_t(planned)} t/{period.zh}；总量{_t(each.budget)} t，现状预计{_t(each.expected)} t，余量{_t(left)} t",
        f"planned {_t(planned)} t/{period.en}; budget {_t(each.budget)} t, expected without it {_t(each.expected)} t, "
        f"left {_t(left)} t",
    )
    if planned > left:
        return finding(Outcome.REFUSED, told)
    if each.known < _KNOWN_ENOUGH:
        reason = Names(
            f"{told.zh}；但现状仅有{each.known:.0%}的小时数据，须核实",
            f"{told.en}; but only {each.known:.0%} of the hours so far are known: verify",
        )
        return finding(Outcome.CONDITIONAL, reason)
    return finding(Outcome.ADMITTED, told)


def _t(kg: float) -> str:
    return short(kg / _KG_PER_T)


def mean(rule: Threshold, enterprises: Iterable[str], book: Book, begin: int, end: int) -> float | None:
    """Return the mean of those ``enterprises`` that have reported all a threshold needs; ``None`` if there is none."""
    over = under = 0.0
    for enterprise in enterprises:
        above = [book.over(name, enterprise, begin, end).value for name in rule.over]
        below = [book.over(name, enterprise, begin, end).value for name in rule.under]
        if None not in above and None not in below:
            over += sum(value for value in above if value is not None)
            under += sum(value for value in below if value is not None)
    return over / under * rule.scale if under > 0.0 else None
