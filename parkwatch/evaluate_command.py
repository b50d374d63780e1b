"""``parkwatch evaluate``: output per mu: scores, classes, what moved a class, high- and low-yield fields."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Column, Table

from park import periods
from park.catalogue import Catalogue
from park.evaluation import Change, Evaluation, FieldSum, Result, Scheme, Status, Yield, fields
from park.periods import year_of
from park.rows import suggestion
from park.smart import SmartShare
from park.wording import amount, short
from park.words import Names
from parkwatch import evaluating
from parkwatch.desk import UNUSABLE, catalogue, database, out, settings, stop
from storage.clock import SystemClock
from storage.evaluations import EvaluationStore
from storage.names import EVERYWHERE
from storage.reported import ReportedStore

_YIELDS = {
    Yield.HIGH: Names("高产田", "high-yield fields"),
    Yield.MIDDLE: Names("中产田", "middling fields"),
    Yield.LOW: Names("低产田", "low-yield fields"),
}
_STATUSES = {
    Status.EXEMPT: Names("不参评", "exempt"),
    Status.OUT_OF_SCOPE: Names("不在评价范围", "out of scope"),
    Status.INCOMPLETE: Names("资料不全", "incomplete"),
}
_HEADS = {
    "rank": Names("名次", "rank"),
    "class": Names("类别", "class"),
    "score": Names("得分", "score"),
    "enterprise": Names("企业", "enterprise"),
    "zone": Names("园区", "zone"),
    "land": Names("用地（亩）", "land (mu)"),
    "field": Names("田别", "field"),
    "before": Names("上年", "before"),
    "points": Names("得分变化", "change"),
}
_ARROWS = {1: "↑", 0: "", -1: "↓", None: ""}


def evaluate(  # noqa: PLR0913, PLR0917 - options
    year: Annotated[
        int | None, typer.Option(min=2000, max=2099, help="Which year (left out: the last whole one).")
    ] = None,
    scheme: Annotated[
        str | None, typer.Option(help="By which scheme (left out: the first of evaluation.yaml).")
    ] = None,
    zone: Annotated[str | None, typer.Option(help="Show only this zone; ranked is the whole park.")] = None,
    language: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    explain: Annotated[bool, typer.Option("--explain", help="Say what each score is made of.")] = False,  # noqa: FBT002
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,  # noqa: FBT002 - a flag
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002 - a flag
    store: Annotated[bool, typer.Option(help="Write it to InfluxDB too.")] = True,  # noqa: FBT002 - a flag
) -> None:
    """Evaluate the enterprises by what they yield per mu: scores, ranks, classes, and what moved since last year."""
    chosen = settings()
    park = catalogue(chosen)
    scheme = _scheme(park, scheme)
    _check("zone", zone, list(park.zones))
    _check("language", language, ["zh", "en"])
    now = SystemClock().now()
    year = year_of(now) - 1 if year is None else year
    if periods.year(year).begin > now:
        raise stop(f"{year} has not begun; write a year that has", UNUSABLE)
    with database(chosen) as influx:
        book = ReportedStore(influx).book(park.economy.figures)
        if store:
            influx.ensure()
            evaluating.keep(park, [year], book, EvaluationStore(influx), now)
    rules = park.economy.schemes[scheme]
    found = evaluating.evaluated(park.economy, rules, year, book)
    page = _Page(park, rules, found, zone, language)
    smart = evaluating.smart(park, year, book)
    if as_json:
        content = {"evaluation": found, "fields": page.sums, "smart": smart}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")
    elif as_csv:
        csv.writer(sys.stdout).writerows(page.rows())
    else:
        page.show(explain=explain)
        page.show_smart(smart)


def _scheme(park: Catalogue, name: str | None) -> str:
    known = list(park.economy.schemes)
    if not known:
        raise stop("evaluation.yaml says by what enterprises are evaluated, and there is none", UNUSABLE)
    _check("scheme", name, known)
    return name or known[0]


def _check(what: str, word: str | None, known: list[str]) -> None:
    if word is not None and word not in known:
        raise stop(f"there is no {what} {word}; {suggestion(word, known)}", UNUSABLE)


class _Page:
    """An evaluation as people read it, in one language."""

    def __init__(self, park: Catalogue, scheme: Scheme, found: Evaluation, zone: str | None, language: str) -> None:
        self._park = park
        self._scheme = scheme
        self._found = found
        self._zone = zone
        self._language = language
        self.sums: list[FieldSum] = fields(scheme, found)

    def _say(self, words: Names) -> str:
        return words.get(self._language)

    def _shown(self) -> list[Result]:
        return [each for each in self._found.results if self._zone in {None, each.zone}]

    # --- CSV ---

    def rows(self) -> Iterator[list[Any]]:
        """Yield the rows of a CSV, headings first."""
        terms = self._scheme.terms
        heads = [self._say(words) for words in _HEADS.values()]
        for term in terms:
            heads += [
                f"{self._say(term.names)} ({self._say(term.unit_names)})",
                f"{self._say(term.names)} {self._say(_HEADS['score'])}",
            ]
        yield [*heads, self._say(Names("说明", "remark"))]
        for each in self._shown():
            parts: list[Any] = []
            for index in range(len(terms)):
                part = each.terms[index] if each.terms else None
                parts += [_number(part.value if part else None), _number(part.score if part else None)]
            yield [*self._cells(each), *parts, self._remark(each)]

    def _cells(self, each: Result) -> list[Any]:
        movement = each.movement
        return [
            each.rank or "",
            each.class_ + (_ARROWS[movement.better] if movement else ""),
            "" if each.score is None else f"{each.score:.{self._scheme.decimals}f}",
            self._say(each.names),
            each.zone,
            _number(each.land),
            self._say(_YIELDS[each.yield_]) if each.yield_ else "",
            movement.class_ if movement else "",
            "" if movement is None or movement.points is None else f"{movement.points:+.{self._scheme.decimals}f}",
        ]

    def _remark(self, each: Result) -> str:
        if each.reason is not None:
            return f"{self._say(_STATUSES[each.status])}: {self._say(each.reason)}"
        told = [self._moved(each)] if each.movement and each.movement.better else []
        if each.provisional:
            share = f"{each.share:.0%}"
            told.append(self._say(Names(f"暂定（仅{share}已填报）", f"provisional, {share} reported")))
        return "; ".join(told)

    def _moved(self, each: Result) -> str:
        """Say what moved a class: the terms that alone made the difference, or others; or else the greatest change."""
        movement = each.movement
        if movement is None or not movement.changes:
            return ""
        told = [self._change(change) for change in movement.changes if change.decisive]
        if movement.others:
            told.insert(0, self._say(Names("其他企业变动所致", "moved by what others did")))
        return f"{movement.class_} → {each.class_}: {', '.join(told or [self._change(movement.changes[0])])}"

    def _change(self, change: Change) -> str:
        words = next(term.names for term in self._scheme.terms if term.id == change.term)
        causes = {
            Names("主要因分子", "mostly above the line"): change.over,
            Names("主要因分母", "mostly below the line"): change.under,
            Names("主要因基准", "mostly the benchmark"): change.benchmark,
        }
        cause = max(causes, key=lambda cause: abs(causes[cause]))
        values = f"{_value(change.before)} → {_value(change.after)}"
        return f"{self._say(words)} {values} ({change.points:+.2f}, {self._say(cause)})"

    # --- the terminal ---

    def show(self, *, explain: bool) -> None:
        """Print it."""
        unverified = Names("（未核实）", " (unverified)") if self._scheme.provenance == "unverified" else Names("", "")
        _line(f"{self._say(self._scheme.names)}, {self._found.year}  [{self._scheme.source}]{self._say(unverified)}")
        # On a narrow terminal words are broken rather than cut: half a name is nobody's.
        table = Table(*(Column(self._say(words), overflow="fold") for words in _HEADS.values()))
        for each in self._shown():
            if each.status is Status.RANKED:
                table.add_row(*map(str, self._cells(each)))
        out.print(table, markup=False)
        for each in self._shown():
            remark = self._remark(each)
            if remark or (explain and each.terms):
                _line(f"{self._say(each.names)}: {remark or each.class_}")
            if explain:
                self._explain(each)
        self._show_means()
        counts = Counter(each.class_ for each in self._found.ranked)
        told = ", ".join(f"{each.name} {self._say(each.names)} {counts[each.name]}" for each in self._scheme.classes)
        _line(f"{told}; {len(self._found.ranked)} {self._say(Names('家参评', 'ranked'))}")
        self._show_fields()

    def _explain(self, each: Result) -> None:
        for term, part in zip(self._scheme.terms, each.terms, strict=False):
            unit = self._say(term.unit_names)
            made_of = f"{_value(part.value)} / {_value(part.benchmark)} ({unit}) × {term.weight:g}"
            _line(f"    {self._say(term.names)}: {made_of} = {part.score:.2f}")
        for change in each.movement.changes if each.movement else ():
            words = next(self._say(term.names) for term in self._scheme.terms if term.id == change.term)
            told = Names(
                f"分子{change.over:+.2f}，分母{change.under:+.2f}，基准{change.benchmark:+.2f}",
                f"above the line {change.over:+.2f}, below it {change.under:+.2f}, benchmark {change.benchmark:+.2f}",
            )
            _line(f"    {words}: {change.points:+.2f} ({self._say(told)})")

    def _show_means(self) -> None:
        for term in self._scheme.terms:
            mean, benchmark = self._found.means[term.id], self._found.benchmarks[term.id]
            words = Names(
                f"平均{_value(mean)}，基准{_value(benchmark)}", f"mean {_value(mean)}, benchmark {_value(benchmark)}"
            )
            _line(f"{self._say(term.names)}: {self._say(words)} {self._say(term.unit_names)}")

    def _show_fields(self) -> None:
        if self._scheme.fields is None:
            return
        term = next(each for each in self._scheme.terms if each.id == self._scheme.fields.term)
        units = {self._park.economy.figures[name].unit_names for name in term.over}
        for each in self.sums:
            gain = amount(each.gain, self._say(min(units, key=str)))
            more = (
                Names(f"；若达到平均水平可增加{gain}", f"; at the mean it would yield {gain} more")
                if each.gain
                else Names("", "")
            )
            told = Names(
                f"{_YIELDS[each.yield_].zh}：{len(each.enterprises)}家，{short(each.land)}亩，占{each.share:.1%}{more.zh}",
                f"{_YIELDS[each.yield_].en}: {len(each.enterprises)} enterprises, {short(each.land)} mu, "
                f"{each.share:.1%} of the land{more.en}",
            )
            _line(self._say(told))

    def show_smart(self, found: dict[str, SmartShare]) -> None:
        """Print the share of enterprises with smart equipment."""
        target = self._park.economy.smart
        if target is None:
            return
        for zone, share in found.items():
            if self._zone in {None, zone}:
                where = Names("全园区", "the whole park") if zone == EVERYWHERE else self._park.zones[zone].names
                _line(f"{self._say(target.names)}, {self._say(where)}: {self._say(_smart(share))}")


def _smart(share: SmartShare) -> Names:
    if share.share is None:
        return Names("无规上企业填报", "no above-scale enterprise has reported")
    zh = f"{len(share.equipped)}/{len(share.enterprises)}家，{share.share:.1f} %，目标{share.target:g} %"
    en = f"{len(share.equipped)} of {len(share.enterprises)}, {share.share:.1f} %, target {share.target:g} %"
    if share.missing:
        zh, en = f"{zh}，还差{share.missing}家", f"{en}, {share.missing} to go"
    if share.silent:
        silent = ", ".join(share.silent)
        zh, en = f"{zh}；未填报：{silent}", f"{en}; have not said: {silent}"
    return Names(zh, en)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _value(value: float | None) -> str:
    return "-" if value is None else short(value)


def _line(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
