"""What of a limit depends on its kind: which keys its row has, and its numbers in the canonical unit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from park import rows
from park.budgets import UnknownMass, kg_per_hour
from park.converting import conversion as conversion_of
from park.converting import of_mass
from park.documents import QUANTITIES
from park.draft import Draft
from park.limits import Kind, SetPoint, Side
from park.quantities import Quantity
from park.rows import Path, Problem, suggestion
from park.units import Conversion
from park.words import Priority


@dataclasses.dataclass(frozen=True)
class Measures:
    """The part of a limit that depends on its kind, in the canonical unit."""

    side: Side
    set_points: tuple[SetPoint, ...]
    deadband: float
    unit: str
    shown_per_canonical: float
    tolerance: float = 0.0


@dataclasses.dataclass(frozen=True)
class _Form:
    """The keys of a kind's rows; ``place`` are those of ``match`` that it needs, ``at`` whether set-points have one."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    place: tuple[str, ...] = ("quantities",)
    at: str = "required"
    most: int = 2
    severities: tuple[str, ...] = ()


_DELAYS = ("on_delay", "off_delay")
_FORMS = {
    Kind.THRESHOLD: _Form(("side", "deadband", *_DELAYS), ("unit",)),
    Kind.QUALITY: _Form(_DELAYS, place=(), at="none", most=1, severities=("bad",)),
    Kind.MEAN: _Form(("of", "side"), ("unit", "deadband", *_DELAYS)),
    Kind.RATE: _Form(("side", "window", "per"), ("unit", "deadband", *_DELAYS)),
    Kind.FLATLINE: _Form(("window", "tolerance"), ("unit", "off_delay"), at="none", most=1, severities=("high",)),
    Kind.VOTE: _Form(("votes", "needs", "window"), _DELAYS, place=(), at="none", most=1, severities=("high",)),
    Kind.BUDGET: _Form(("flow", "period", "unit"), severities=("high", "high-high")),
    Kind.NEGATIVE_LIST: _Form(
        optional=("unit", "off_delay"), place=("quantities", "zones"), at="optional", most=1, severities=("high",)
    ),
}
_KEYS = (
    *("side", "unit", "deadband", "of", "window", "per", "tolerance", "votes", "needs", "flow", "period"),
    *_DELAYS,
)
#: Keys that say nothing of what kind was meant.
_COMMON = frozenset({"side", "unit", "deadband", *_DELAYS})
_SEVERITIES = {Side.HIGH: ("high", "high-high"), Side.LOW: ("low", "low-low")}

#: What a key looks like, where its example alone does not say it.
_HINTS = {"side": "side: high or side: low", "deadband": "deadband: 0.5 (in the row's unit), or 0"}

#: Why a kind has no value at its set-point.
_NO_VALUE = {
    Kind.QUALITY: "a quality limit compares no value; leave 'at' out",
    Kind.FLATLINE: "a flatline limit compares no value; leave 'at' out and write tolerance and window",
    Kind.VOTE: "a vote limit compares no value; leave 'at' out and write needs: 2, the number of detectors",
}


def measures(draft: Draft, row: rows.LimitRow, path: Path) -> Measures | None:
    """Check what depends on the row's kind and return its numbers; ``None`` if that can't be done."""
    form = _FORMS[row.kind]
    before = len(draft.problems)
    draft.problems += _key_problems(row, form, path)
    draft.problems += _place_problems(row, form, path)
    sound = len(draft.problems) == before
    if row.side or form.severities:
        draft.problems += _point_problems(row, form, path)
    return _MEASURES[row.kind](draft, row, path) if sound else None


# --- keys ----------------------------------------------------------------------------------------------------


def _key_problems(row: rows.LimitRow, form: _Form, path: Path) -> Iterator[Problem]:
    """Yield the keys that a row of this kind lacks, and those that mean nothing in it."""
    for key in _KEYS:
        given = getattr(row, key) not in (None, [])
        if key in form.required and not given:
            example = (rows.LimitRow.model_fields[key].examples or ["..."])[0]
            yield Problem((*path, key), f"{key!r} is missing; write {_HINTS.get(key, f'{key}: {example}')}")
        elif given and key not in (*form.required, *form.optional):
            yield Problem((*path, key), f"a {row.kind} limit has no {key!r}; leave it out{_elsewhere(key)}")


def _elsewhere(key: str) -> str:
    kinds = [kind.value for kind, form in _FORMS.items() if key in form.required]
    return "" if key in _COMMON else f", or write kind: {' or '.join(kinds)}"


def _place_problems(row: rows.LimitRow, form: _Form, path: Path) -> Iterator[Problem]:
    for key in form.place:
        if not getattr(row.match, key):
            yield Problem((*path, "match"), f"a {row.kind} needs its {key}; write match: {{{key}: [...]}}")
    if row.kind is not Kind.VOTE:
        return
    for key in ("quantities", "locations", "sensors"):
        if getattr(row.match, key):
            yield Problem(
                (*path, "match", key),
                f"a vote counts the detectors of a site by their alarms; leave {key} out and write votes: [...]",
            )


# --- set-points ----------------------------------------------------------------------------------------------


def _point_problems(row: rows.LimitRow, form: _Form, path: Path) -> Iterator[Problem]:
    """Yield what is wrong with the set-points: each of them, then mildest first, further out and more urgent."""
    side = row.side or Side.HIGH
    expected = form.severities or _SEVERITIES[side]
    names = " then ".join(expected)
    for index, point in enumerate(row.set_points):
        here: Path = (*path, "set_points", index)
        if point.at is None and form.at == "required":
            yield Problem((*here, "at"), "'at' is missing; write the value of the set-point, such as at: 10")
        if point.at is not None and form.at == "none":
            yield Problem((*here, "at"), _NO_VALUE[row.kind])
        if form.most == 1 and (index or point.severity not in expected):
            yield Problem((*here, "severity"), f"a {row.kind} limit has one set-point; write severity: {names}")
        elif point.severity not in expected:
            where = f"on side {side.value}" if row.side else f"of a {row.kind} limit"
            yield Problem((*here, "severity"), f"{point.severity!r} is not {where}; write {names}")
    if len(row.set_points) > 1 and form.most > 1:
        yield from _order_problems(row, expected, path)


def _order_problems(row: rows.LimitRow, expected: tuple[str, ...], path: Path) -> Iterator[Problem]:
    mild, severe = row.set_points
    here: Path = (*path, "set_points", 1)
    # How fast something falls is written as a positive number: faster is severer.
    side = Side.HIGH if row.kind is Kind.RATE else row.side or Side.HIGH
    if (mild.severity, severe.severity) == expected[::-1] or mild.severity == severe.severity:
        yield Problem(
            (*here, "severity"), f"severities out of order; write the mildest first: {' then '.join(expected)}"
        )
    if mild.at is not None and severe.at is not None and not _beyond(severe.at, mild.at, side):
        word = "above" if side is Side.HIGH else "below"
        yield Problem(
            (*here, "at"),
            f"{severe.severity} at {severe.at:g} is not {word} {mild.severity} at {mild.at:g}; "
            f"write set-points mildest first, each {word} the one before",
        )
    if severe.priority.rank > mild.priority.rank:
        yield Problem(
            (*here, "priority"),
            f"the severer set-point is less urgent ({severe.priority.value}) than the milder one "
            f"({mild.priority.value}); write {mild.priority.value} or more urgent",
        )


def _beyond(value: float, other: float, side: Side) -> bool:
    return value > other if side is Side.HIGH else value < other


# --- values and means of them ----------------------------------------------------------------------------------


def _of_value(draft: Draft, row: rows.LimitRow, path: Path) -> Measures | None:
    """Measures of what is held against a value or a mean of values: threshold, mean, negative list."""
    conversion = conversion_of(draft, row, path)
    points = _points(row, default=0.0 if row.kind is Kind.NEGATIVE_LIST else None)
    if conversion is None or points is None:
        return None
    set_points = tuple(SetPoint(name, conversion.canonical(at), priority) for name, at, priority in points)
    found = Measures(
        side=row.side or Side.HIGH,
        set_points=set_points,
        deadband=conversion.difference(row.deadband or 0.0),
        unit=_unit(draft, row),
        shown_per_canonical=1 / conversion.factor,
    )
    if row.kind is Kind.NEGATIVE_LIST and set_points[0].at < 0:
        draft.report(
            (*path, "set_points", 0, "at"), "a detection limit is not below 0; write what the detector can tell from 0"
        )
    for name in row.match.quantities:
        draft.problems += _reach_problems(draft.quantities[name], found, conversion, path)
    return found


_Point = tuple[str, float, Priority]


def _points(row: rows.LimitRow, default: float | None = None) -> list[_Point] | None:
    """Return severity, value and priority of the set-points; ``None`` if a value is missing."""
    values = [default if point.at is None else point.at for point in row.set_points]
    found: list[_Point] = [
        (point.severity, at, point.priority) for point, at in zip(row.set_points, values, strict=True) if at is not None
    ]
    return found if len(found) == len(row.set_points) else None


def _unit(draft: Draft, row: rows.LimitRow) -> str:
    return row.unit or draft.quantities[row.match.quantities[0]].unit


def _reach_problems(quantity: Quantity, found: Measures, conversion: Conversion, path: Path) -> Iterator[Problem]:
    """Yield set-points that no believable value of ``quantity`` passes, and deadbands that none of them leaves."""
    high = found.side is Side.HIGH
    far, near = (quantity.maximum, quantity.minimum) if high else (quantity.minimum, quantity.maximum)

    def shown(value: float) -> str:
        return f"{conversion.sent(value):g} {found.unit}"

    for index, point in enumerate(found.set_points):
        if not _beyond(far, point.at, found.side):
            yield Problem(
                (*path, "set_points", index, "at"),
                f"{quantity.name} is believable only up to {shown(far)}, so {shown(point.at)} is never passed; "
                f"write a value within, or widen the quantity's range in {QUANTITIES}",
            )
    mildest = found.set_points[0].at
    if not _beyond(near, mildest, found.side) and abs(mildest - near) < found.deadband:
        yield Problem(
            (*path, "deadband"),
            f"the deadband is so wide that the alarm never clears: {quantity.name} ends at {shown(near)}; "
            f"write at most {conversion.sent(abs(mildest - near)):g}",
        )


# --- how a value moves -----------------------------------------------------------------------------------------

_MINUTES = {"min": 1.0, "h": 60.0}


def _of_rate(draft: Draft, row: rows.LimitRow, path: Path) -> Measures | None:
    """Measures of a rate: canonical units per minute, negative where it falls."""
    conversion, points = conversion_of(draft, row, path), _points(row)
    if conversion is None or points is None or row.window is None:
        return None
    per = row.per or "min"
    minutes, sign = _MINUTES[per], (-1.0 if row.side is Side.LOW else 1.0)
    found = Measures(
        side=row.side or Side.HIGH,
        set_points=tuple(SetPoint(name, sign * conversion.difference(at) / minutes, rank) for name, at, rank in points),
        deadband=conversion.difference(row.deadband or 0.0) / minutes,
        unit=f"{_unit(draft, row)}/{per}",
        shown_per_canonical=minutes / conversion.factor,
    )
    draft.problems += _rate_problems(row, points, path)
    for name in row.match.quantities:
        quantity = draft.quantities[name]
        most = (quantity.maximum - quantity.minimum) / (row.window / 60_000)
        draft.problems += _too_fast(quantity, found, most, path)
    return found


def _rate_problems(row: rows.LimitRow, points: list[_Point], path: Path) -> Iterator[Problem]:
    for index, (_, at, _) in enumerate(points):
        if at <= 0:
            yield Problem(
                (*path, "set_points", index, "at"),
                f"a rate is written as a positive number, not {at:g}; side: low says that it is about falling",
            )
    if row.deadband is not None and row.deadband > points[0][1] > 0:
        yield Problem(
            (*path, "deadband"),
            f"the deadband is so wide that a value at rest never clears the alarm; write at most {points[0][1]:g}",
        )


def _too_fast(quantity: Quantity, found: Measures, most: float, path: Path) -> Iterator[Problem]:
    for index, point in enumerate(found.set_points):
        if abs(point.at) >= most:
            yield Problem(
                (*path, "set_points", index, "at"),
                f"{quantity.name} can't change that much within the window: at most "
                f"{most * found.shown_per_canonical:.4g} {found.unit}; write less, or a shorter window",
            )


_TIMES = ((3_600_000, "h"), (60_000, "min"), (1_000, "s"))


def _of_flatline(draft: Draft, row: rows.LimitRow, path: Path) -> Measures | None:
    """Measures of a flatline: the time that a value may stay the same, in ms."""
    conversion = conversion_of(draft, row, path)
    if conversion is None or row.window is None or row.tolerance is None:
        return None
    tolerance = conversion.difference(row.tolerance)
    for name in row.match.quantities:
        quantity = draft.quantities[name]
        if tolerance >= quantity.maximum - quantity.minimum:
            draft.report(
                (*path, "tolerance"),
                f"every believable value of {name} is within the tolerance, so it would always alarm; write about the "
                f"resolution of the instrument, such as tolerance: 0.01",
            )
    length, unit = next((each for each in _TIMES if row.window % each[0] == 0), (1, "ms"))
    points = tuple(SetPoint(point.severity, float(row.window), point.priority) for point in row.set_points)
    return Measures(Side.HIGH, points, 0.0, unit, 1 / length, tolerance)


# --- what is made of several -----------------------------------------------------------------------------------


def _of_quality(draft: Draft, row: rows.LimitRow, path: Path) -> Measures:
    """Quality has no numbers."""
    del draft, path
    points = tuple(SetPoint(point.severity, 0.0, point.priority) for point in row.set_points)
    return Measures(Side.HIGH, points, 0.0, "", 1.0)


def _of_votes(draft: Draft, row: rows.LimitRow, path: Path) -> Measures:
    """Measures of a vote: it is passed beyond its set-point, so by one detector more than that."""
    for index, name in enumerate(row.votes):
        if name in row.votes[:index]:
            draft.report((*path, "votes", index), f"{name!r} is named twice; write it once")
    at = float((row.needs or 1) - 1)
    points = tuple(SetPoint(point.severity, at, point.priority) for point in row.set_points)
    return Measures(Side.HIGH, points, 0.0, "", 1.0)


def _of_budget(draft: Draft, row: rows.LimitRow, path: Path) -> Measures | None:
    """Measures of a budget, in kg."""
    flows = draft.known(QUANTITIES, "quantities")
    flow = row.flow or ""
    if flow not in flows:
        draft.report((*path, "flow"), f"unknown quantity {flow!r}; {suggestion(flow, flows)}")
    conversion, points = of_mass(draft, row.unit or "kg", path), _points(row)
    draft.problems += _mass_problems(draft, row, path)
    if conversion is None or points is None:
        return None
    for index, (_, at, _) in enumerate(points):
        if at <= 0:
            draft.report(
                (*path, "set_points", index, "at"),
                "nothing may go out at all, and then a budget is no help; write the mass that may, such as at: 20, "
                "or kind: negative-list",
            )
    set_points = tuple(SetPoint(name, conversion.canonical(at), priority) for name, at, priority in points)
    return Measures(Side.HIGH, set_points, 0.0, row.unit or "kg", 1 / conversion.factor)


def _mass_problems(draft: Draft, row: rows.LimitRow, path: Path) -> Iterator[Problem]:
    """Yield the quantities that make no mass with the flow."""
    flow = draft.quantities.get(row.flow or "")
    for index, name in enumerate(row.match.quantities):
        quantity = draft.quantities.get(name)
        if flow is None or quantity is None:
            continue
        try:
            kg_per_hour(quantity.unit, flow.unit)
        except UnknownMass as error:
            yield Problem((*path, "match", "quantities", index), f"{name} with {flow.name}: {error}")


_MEASURES: dict[Kind, Callable[[Draft, rows.LimitRow, Path], Measures | None]] = {
    Kind.THRESHOLD: _of_value,
    Kind.QUALITY: _of_quality,
    Kind.MEAN: _of_value,
    Kind.RATE: _of_rate,
    Kind.FLATLINE: _of_flatline,
    Kind.VOTE: _of_votes,
    Kind.BUDGET: _of_budget,
    Kind.NEGATIVE_LIST: _of_value,
}
