"""Output per mu: enterprises scored by a scheme, ranked, classed, and held against the year before.

A score is the sum of ``value / benchmark * weight`` over the scheme's terms. Enterprises are ranked by the score as it
is published (rounded), equal ones share a rank. A class reaches down to its share of all that are ranked, rounded half
up; who shares a rank shares the better class.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from park import periods
from park.figures import Book
from park.flows import Enterprise
from park.words import Names


class Benchmark(msgspec.Struct, frozen=True):
    """What a value is held against: a number, or ``times_mean`` the mean of all that are ranked (sum over sum)."""

    at: float | None = None
    times_mean: float | None = None

    def against(self, mean: float | None) -> float | None:
        """Return the number; ``None`` if there is no mean, or nothing above 0 to hold a value against."""
        number = self.at if self.at is not None else (self.times_mean or 0.0) * (mean or 0.0)
        return number if number > 0.0 else None


class Term(msgspec.Struct, frozen=True):
    """A part of a score: figures ``over`` added up, by figures ``under`` added up, times ``scale``, in ``unit``.

    ``weight`` is what a value at the benchmark scores, ``most`` how many times that a term scores at most (``None``: it
    has no bound). Who has nothing ``under``, because it emits nothing, scores ``most`` times the weight (once, if there
    is no bound) if ``none_is_best``, else nothing.
    """

    id: str
    names: Names
    over: tuple[str, ...]
    under: tuple[str, ...]
    weight: float
    benchmark: Benchmark
    unit: str = ""
    unit_zh: str = ""
    scale: float = 1.0
    most: float | None = None
    none_is_best: bool = False

    @property
    def unit_names(self) -> Names:
        """The unit in both languages."""
        return Names(self.unit_zh or self.unit, self.unit)

    def score(self, value: float | None, benchmark: float | None) -> float:
        """Return what ``value`` scores; ``None``: there is nothing under it."""
        if value is None:
            return self.weight * (self.most or 1.0) if self.none_is_best else 0.0
        if benchmark is None:
            return 0.0
        ratio = max(value / benchmark, 0.0)
        return self.weight * (ratio if self.most is None else min(ratio, self.most))


class ClassShare(msgspec.Struct, frozen=True):
    """A class and its share (%) of all that are ranked."""

    name: str
    share: float
    names: Names


class Condition(msgspec.Struct, frozen=True):
    """What an enterprise must be to be ranked: ``figure`` at least so much, or a flag that is set (1).

    ``otherwise`` says what one is that is not.
    """

    figure: str
    at_least: float
    otherwise: Names


class Unreported(enum.StrEnum):
    """What becomes of an enterprise that has not reported what a scheme needs."""

    LEFT_OUT = "left-out"
    LAST_CLASS = "last-class"


class Fields(msgspec.Struct, frozen=True):
    """High- and low-yield fields: the land of enterprises whose ``term`` is at or beyond a benchmark."""

    term: str
    high: Benchmark
    low: Benchmark


class Scheme(msgspec.Struct, frozen=True):
    """A scheme of comprehensive evaluation (``config/evaluation.yaml``); ``classes`` are ordered, best first.

    Ranked is who meets all of ``scope``, is not exempt and has produced for ``whole_years`` whole years, that of the
    evaluation included. Scores are published with ``decimals``. ``land`` is the figure that fields are measured by.
    """

    name: str
    names: Names
    terms: tuple[Term, ...]
    classes: tuple[ClassShare, ...]
    source: str
    provenance: str
    scope: tuple[Condition, ...] = ()
    whole_years: int = 1
    unreported: Unreported = Unreported.LEFT_OUT
    decimals: int = 2
    land: str = "land"
    fields: Fields | None = None


class Status(enum.StrEnum):
    """Whether an enterprise is ranked, and if not, why."""

    RANKED = "ranked"
    EXEMPT = "exempt"
    OUT_OF_SCOPE = "out-of-scope"
    INCOMPLETE = "incomplete"


class Yield(enum.StrEnum):
    """What kind of field an enterprise's land is."""

    HIGH = "high"
    MIDDLE = "middle"
    LOW = "low"


class TermResult(msgspec.Struct, frozen=True):
    """A term of one enterprise; ``value`` is ``None`` where there is nothing under it."""

    term: str
    over: float
    under: float
    value: float | None
    benchmark: float | None
    score: float


class Change(msgspec.Struct, frozen=True):
    """What a term did to the score since the year before, in points, and from which value to which.

    ``over`` and ``under``: by what the enterprise itself changed, above and below the line; ``benchmark``: by what it
    is held against. They add up. ``decisive``: had this term alone scored as before, the class would be as before.
    """

    term: str
    before: float | None
    after: float | None
    over: float
    under: float
    benchmark: float
    decisive: bool = False

    @property
    def points(self) -> float:
        """What the term did to the score altogether."""
        return self.over + self.under + self.benchmark


class Movement(msgspec.Struct, frozen=True):
    """An enterprise against the year before; ``changes`` by size. ``better`` is +1, 0 or -1, ``None`` without a class.

    ``others``: the class would have changed with the score of the year before as well: by what others did.
    """

    score: float | None
    rank: int | None
    class_: str
    points: float | None = None
    better: int | None = None
    changes: tuple[Change, ...] = ()
    others: bool = False


class Result(msgspec.Struct, frozen=True):
    """An enterprise by a scheme in a year; ``share`` of the year was reported, the rest carried on or unknown."""

    enterprise: str
    names: Names
    zone: str
    status: Status
    reason: Names | None = None
    terms: tuple[TermResult, ...] = ()
    score: float | None = None
    rank: int | None = None
    class_: str = ""
    land: float | None = None
    yield_: Yield | None = None
    share: float = 0.0
    movement: Movement | None = None

    @property
    def provisional(self) -> bool:
        """Whether some of it is not reported yet."""
        return self.status is Status.RANKED and self.share < 1.0


class Evaluation(msgspec.Struct, frozen=True):
    """All enterprises by a scheme in a year: those that are ranked by rank, then the others by name.

    ``means`` and ``benchmarks`` are by term.
    """

    scheme: str
    year: int
    results: tuple[Result, ...]
    means: dict[str, float | None]
    benchmarks: dict[str, float | None]

    def of(self, enterprise: str) -> Result | None:
        """Return the result of ``enterprise``."""
        return next((each for each in self.results if each.enterprise == enterprise), None)

    @property
    def ranked(self) -> list[Result]:
        """Those that are ranked, by rank."""
        return [each for each in self.results if each.status is Status.RANKED]


class FieldSum(msgspec.Struct, frozen=True):
    """The land of one yield: how many enterprises, how much land, its share of all ranked land; and the shortfall.

    ``gain`` is what would come in addition if it yielded the mean (in what the term has above the line).
    """

    yield_: Yield
    enterprises: tuple[str, ...]
    land: float
    share: float
    gain: float


class _Part(NamedTuple):
    """An enterprise that may be ranked: what is above and below the line of each term."""

    enterprise: Enterprise
    sums: tuple[tuple[float, float], ...]
    land: float | None
    share: float


# --- one year ----------------------------------------------------------------------------------------------------


def evaluate(scheme: Scheme, year: int, enterprises: Iterable[Enterprise], book: Book) -> Evaluation:
    """Return the evaluation of a Chinese year; what is not reported of it yet is carried on from what is."""
    parts: list[_Part] = []
    others: list[Result] = []
    for enterprise in enterprises:
        part = _part(scheme, year, enterprise, book)
        if isinstance(part, _Part):
            parts.append(part)
        else:
            others.append(part)
    means = {term.id: _mean(term, [part.sums[index] for part in parts]) for index, term in enumerate(scheme.terms)}
    benchmarks = {term.id: term.benchmark.against(means[term.id]) for term in scheme.terms}
    scored = [_scored(scheme, part, means, benchmarks) for part in parts]
    ranked = _classed(scheme, scored)
    if scheme.unreported is Unreported.LAST_CLASS:
        others = [_last(scheme, each) for each in others]
    ordered = sorted(ranked, key=lambda each: (each.rank, each.enterprise))
    results = (*ordered, *sorted(others, key=lambda each: each.enterprise))
    return Evaluation(scheme.name, year, results, means, benchmarks)


def _last(scheme: Scheme, each: Result) -> Result:
    if each.status is not Status.INCOMPLETE:
        return each
    return msgspec.structs.replace(each, class_=scheme.classes[-1].name)


def _part(scheme: Scheme, year: int, enterprise: Enterprise, book: Book) -> _Part | Result:
    span = periods.year(year)

    def out(status: Status, reason: Names) -> Result:
        return Result(enterprise.name, enterprise.names, enterprise.zone, status, reason)

    if enterprise.exempt is not None:
        return out(Status.EXEMPT, enterprise.exempt)
    first = periods.year(year - scheme.whole_years + 1).begin if scheme.whole_years else span.end
    if enterprise.since is not None and enterprise.since > first:
        return out(
            Status.EXEMPT,
            Names(
                f"投产未满{scheme.whole_years}个完整年度", f"has not produced for {scheme.whole_years} whole year(s)"
            ),
        )
    for condition in scheme.scope:
        known = book.over(condition.figure, enterprise.name, span.begin, span.end)
        if known.value is None:
            return out(Status.INCOMPLETE, _missing(book, [condition.figure]))
        if known.value < condition.at_least:
            return out(Status.OUT_OF_SCOPE, condition.otherwise)
    needed = dict.fromkeys(figure for term in scheme.terms for figure in (*term.over, *term.under))
    found = {figure: book.over(figure, enterprise.name, span.begin, span.end) for figure in needed}
    values = {figure: known.value for figure, known in found.items() if known.value is not None}
    missing = [figure for figure in needed if figure not in values]
    if missing:
        return out(Status.INCOMPLETE, _missing(book, missing))
    sums = tuple(
        (sum(values[figure] for figure in term.over), sum(values[figure] for figure in term.under))
        for term in scheme.terms
    )
    land = book.over(scheme.land, enterprise.name, span.begin, span.end).value if scheme.land else None
    return _Part(enterprise, sums, land, min(known.share for known in found.values()))


def _missing(book: Book, figures: Sequence[str]) -> Names:
    words = [book.definitions[figure].names for figure in figures]
    return Names(
        f"未填报：{'、'.join(each.zh for each in words)}", f"not reported: {', '.join(each.en for each in words)}"
    )


def _mean(term: Term, sums: Sequence[tuple[float, float]]) -> float | None:
    """Return all that is above the line by all that is below it."""
    under = sum(below for _, below in sums)
    return sum(above for above, _ in sums) / under * term.scale if under > 0.0 else None


def _value(term: Term, over: float, under: float) -> float | None:
    return over / under * term.scale if under > 0.0 else None


def _scored(
    scheme: Scheme, part: _Part, means: Mapping[str, float | None], benchmarks: Mapping[str, float | None]
) -> Result:
    terms = []
    for term, (over, under) in zip(scheme.terms, part.sums, strict=True):
        value = _value(term, over, under)
        score = term.score(value, benchmarks[term.id])
        terms.append(TermResult(term.id, over, under, value, benchmarks[term.id], score))
    return Result(
        part.enterprise.name,
        part.enterprise.names,
        part.enterprise.zone,
        Status.RANKED,
        terms=tuple(terms),
        score=_published(scheme, sum(each.score for each in terms)),
        land=part.land,
        yield_=_yield(scheme, terms, means),
        share=part.share,
    )


def _published(scheme: Scheme, score: float) -> float:
    """Return a score as it is published: what can't be told apart there is equal."""
    return round(score + 1e-9, scheme.decimals)


def _yield(scheme: Scheme, terms: Sequence[TermResult], means: Mapping[str, float | None]) -> Yield | None:
    fields = scheme.fields
    value = next((each.value for each in terms if fields and each.term == fields.term), None)
    if fields is None or value is None:
        return None
    high, low = fields.high.against(means[fields.term]), fields.low.against(means[fields.term])
    if high is not None and value >= high:
        return Yield.HIGH
    return Yield.LOW if low is not None and value < low else Yield.MIDDLE


# --- classes -----------------------------------------------------------------------------------------------------


def reaches(classes: Sequence[ClassShare], count: int) -> list[int]:
    """Return down to which rank each class reaches when ``count`` are ranked: shares added up, rounded half up."""
    found, share = [], Fraction(0)
    for each in classes:
        share += Fraction(str(each.share))
        found.append(int(share * count / 100 + Fraction(1, 2)))
    return [*found[:-1], count]


def class_of(classes: Sequence[ClassShare], rank: int, count: int) -> str:
    """Return the class of ``rank`` (from 1) among ``count``."""
    return next(each.name for each, last in zip(classes, reaches(classes, count), strict=True) if rank <= last)


def _classed(scheme: Scheme, results: Sequence[Result]) -> list[Result]:
    scores = [each.score or 0.0 for each in results]
    return [
        msgspec.structs.replace(
            each, rank=rank_of(each.score or 0.0, scores), class_=_class(scheme, each.score or 0.0, scores)
        )
        for each in results
    ]


def rank_of(score: float, scores: Iterable[float]) -> int:
    """Return the rank of ``score`` among ``scores``: one more than are better."""
    return 1 + sum(other > score for other in scores)


def _class(scheme: Scheme, score: float, scores: Sequence[float]) -> str:
    return class_of(scheme.classes, rank_of(score, scores), len(scores))


# --- against the year before -------------------------------------------------------------------------------------


def moved(scheme: Scheme, before: Evaluation, after: Evaluation) -> Evaluation:
    """Return ``after`` with what has become of every enterprise since ``before``."""
    scores = {each.enterprise: each.score or 0.0 for each in after.ranked}
    results = tuple(
        msgspec.structs.replace(each, movement=_movement(scheme, old, each, scores))
        if (old := before.of(each.enterprise)) is not None and old.class_
        else each
        for each in after.results
    )
    return msgspec.structs.replace(after, results=results)


def _movement(scheme: Scheme, old: Result, new: Result, scores: Mapping[str, float]) -> Movement:
    plain = Movement(old.score, old.rank, old.class_)
    if not new.class_:
        return plain
    order = [each.name for each in scheme.classes]
    better = _sign(order.index(old.class_) - order.index(new.class_))
    if new.status is not Status.RANKED or old.status is not Status.RANKED or new.score is None or old.score is None:
        return msgspec.structs.replace(plain, better=better)
    others = [score for enterprise, score in scores.items() if enterprise != new.enterprise]

    def with_score(score: float) -> str:
        return _class(scheme, _published(scheme, score), [*others, _published(scheme, score)])

    raw = sum(each.score for each in new.terms)
    changes = []
    for term, was, now in zip(scheme.terms, old.terms, new.terms, strict=True):
        change = _change(term, was, now)
        reverted = with_score(raw - change.points) if better else new.class_
        changes.append(msgspec.structs.replace(change, decisive=better != 0 and reverted == old.class_))
    return msgspec.structs.replace(
        plain,
        points=_published(scheme, abs(new.score - old.score)) * _sign(new.score - old.score),
        better=better,
        changes=tuple(sorted(changes, key=lambda change: -abs(change.points))),
        others=better != 0 and with_score(old.score) == new.class_,
    )


def _change(term: Term, old: TermResult, new: TermResult) -> Change:
    """Take the term from then to now in three steps: what is above the line, what is below it, the benchmark."""
    steps = (
        term.score(_value(term, old.over, old.under), old.benchmark),
        term.score(_value(term, new.over, old.under), old.benchmark),
        term.score(_value(term, new.over, new.under), old.benchmark),
        term.score(_value(term, new.over, new.under), new.benchmark),
    )
    return Change(
        term.id,
        old.value,
        new.value,
        over=steps[1] - steps[0],
        under=steps[2] - steps[1],
        benchmark=steps[3] - steps[2],
    )


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


# --- fields ------------------------------------------------------------------------------------------------------


def fields(scheme: Scheme, evaluation: Evaluation) -> list[FieldSum]:
    """Return the high-yield, middle and low-yield fields of all that are ranked; none if the scheme has no fields."""
    if scheme.fields is None:
        return []
    index = next(place for place, term in enumerate(scheme.terms) if term.id == scheme.fields.term)
    term = scheme.terms[index]
    mean = evaluation.means[term.id] or 0.0
    land = sum(each.land or 0.0 for each in evaluation.ranked)
    found = []
    for kind in Yield:
        theirs = [each for each in evaluation.ranked if each.yield_ is kind]
        size = sum(each.land or 0.0 for each in theirs)
        short = (max(0.0, mean / term.scale * each.terms[index].under - each.terms[index].over) for each in theirs)
        names = tuple(each.enterprise for each in theirs)
        found.append(FieldSum(kind, names, size, size / land if land else 0.0, sum(short)))
    return found
