"""What differs between two configurations: limits number by number, and all else as far as it matters."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from park import wording
from park.catalogue import Catalogue
from park.limits import Kind, Limit, Match
from park.readings import split_series
from park.strictness import Mark, compare_numbers, compare_reach, together
from park.words import Location, Names

#: Fields with comparisons of their own, and those that follow from others.
_APART = frozenset({"id", "version", "set_points", "match", "guidance", "shown_per_canonical"})
_DURATIONS = frozenset({"on_delay", "off_delay", "re_alarm", "window"})
_DAYS = frozenset({"valid_from", "valid_to"})
_MEASURED = frozenset({"deadband", "tolerance"})
_NOTHING = "-"


class FieldChange(msgspec.Struct, frozen=True):
    """One thing about a limit that changes, in words; ``mark`` says what that does to its strictness."""

    field: str
    old: str
    new: str
    mark: Mark = Mark.NEITHER


class LimitChange(msgspec.Struct, frozen=True):
    """A limit that comes (no ``old_version``), goes (no ``new_version``) or changes.

    ``text`` says what it is if it comes or goes. ``touched`` are the series it is about, before or after.
    """

    limit: str
    names: Names
    old_version: str
    new_version: str
    mark: Mark
    text: str = ""
    fields: tuple[FieldChange, ...] = ()
    touched: tuple[str, ...] = ()


class Other(msgspec.Struct, frozen=True):
    """Something besides the limits that changes; ``restart``: running pieces only take it up when they start again."""

    what: str
    text: str
    restart: bool


class Difference(msgspec.Struct, frozen=True):
    """What changes from the configuration ``old`` to ``new`` (their versions)."""

    old: str
    new: str
    added: tuple[LimitChange, ...] = ()
    removed: tuple[LimitChange, ...] = ()
    changed: tuple[LimitChange, ...] = ()
    others: tuple[Other, ...] = ()

    @property
    def limits(self) -> tuple[LimitChange, ...]:
        """Everything about limits."""
        return (*self.added, *self.removed, *self.changed)

    @property
    def touched(self) -> tuple[str, ...]:
        """Every series that a limit which comes, goes or changes is about."""
        return tuple(sorted({series for limit in self.limits for series in limit.touched}))

    @property
    def restart(self) -> tuple[str, ...]:
        """What only a restart takes up."""
        return tuple(other.what for other in self.others if other.restart)


def compare(old: Catalogue, new: Catalogue, known: Mapping[str, Location] | None = None) -> Difference:
    """Return what changes from ``old`` to ``new``; ``known`` are the series there are, with their location classes."""
    series = known or {}
    before, after = {limit.id: limit for limit in old.limits}, {limit.id: limit for limit in new.limits}
    common = [(limit, after[limit.id]) for limit in old.limits if limit.id in after]
    changes = [_changed(old, new, *pair, series) for pair in common]
    return Difference(
        old=old.version,
        new=new.version,
        added=tuple(_coming(limit, _about(new, limit, series)) for limit in new.limits if limit.id not in before),
        removed=tuple(_going(limit, _about(old, limit, series)) for limit in old.limits if limit.id not in after),
        changed=tuple(change for change in changes if change),
        others=tuple(_others(old, new)),
    )


def touched(match: Match, known: Mapping[str, Location]) -> tuple[str, ...]:
    """Return which of the ``known`` series ``match`` covers."""
    return tuple(sorted(series for series, location in known.items() if match.covers(*split_series(series), location)))


def unit_changes(old: Catalogue, new: Catalogue) -> tuple[str, ...]:
    """Return the quantities that would be kept in another unit: their old and new values can't be compared."""
    return tuple(
        name
        for name, quantity in new.quantities.items()
        if name in old.quantities and old.quantities[name].unit != quantity.unit
    )


def taken_up(running: Catalogue, new: Catalogue) -> Catalogue:
    """Return ``new`` as a piece that runs by ``running`` takes it up.

    Zones (queues), channels and people stay as they were when it started, and so does a quantity that was taken out,
    because its sensors still send it.
    """
    quantities = {**{n: q for n, q in running.quantities.items() if n not in new.quantities}, **new.quantities}
    return dataclasses.replace(
        new, zones=running.zones, alerts=running.alerts, oncall=running.oncall, quantities=quantities
    )


# --- limits ------------------------------------------------------------------------------------------------


def _about(catalogue: Catalogue, limit: Limit, known: Mapping[str, Location]) -> tuple[str, ...]:
    """Return the series that ``limit`` is about; for one that counts votes, those whose alarms vote."""
    found = touched(limit.match, known)
    if limit.kind is not Kind.VOTE:
        return found
    voting = {series for voted in limit.votes for series in touched(catalogue.limit(voted).match, known)}
    return tuple(series for series in found if series in voting)


def _coming(limit: Limit, about: tuple[str, ...]) -> LimitChange:
    return LimitChange(limit.id, limit.names, "", limit.version, Mark.STRICTER, text=_line(limit), touched=about)


def _going(limit: Limit, about: tuple[str, ...]) -> LimitChange:
    return LimitChange(limit.id, limit.names, limit.version, "", Mark.LAXER, text=_line(limit), touched=about)


def _line(limit: Limit) -> str:
    parts = (wording.measured(limit), wording.points(limit), "for " + wording.matched(limit.match))
    validity = wording.validity(limit)
    return "; ".join((*parts, validity) if validity else parts)


def _changed(
    old: Catalogue, new: Catalogue, before: Limit, after: Limit, known: Mapping[str, Location]
) -> LimitChange | None:
    replaced = (sorted(old.replaces.get(before.id, ())), sorted(new.replaces.get(after.id, ())))
    fields = [*_set_points(before, after), *_reach(before.match, after.match), *_plain(before, after)]
    if replaced[0] != replaced[1]:
        fields.append(FieldChange("replaces", _list(replaced[0]), _list(replaced[1])))
    fields += _guidance(before, after)
    if not fields:
        return None
    about = {*_about(old, before, known), *_about(new, after, known)}
    return LimitChange(
        after.id,
        after.names,
        before.version,
        after.version,
        together(change.mark for change in fields),
        fields=tuple(fields),
        touched=tuple(sorted(about)),
    )


def _set_points(before: Limit, after: Limit) -> Iterable[FieldChange]:
    olds, news = ({point.severity: point for point in limit.set_points} for limit in (before, after))
    alike = before.side is after.side and wording.has_number(before) and wording.has_number(after)
    for severity in dict.fromkeys((*olds, *news)):
        old, new = olds.get(severity), news.get(severity)
        texts = (wording.point(before, old) if old else _NOTHING, wording.point(after, new) if new else _NOTHING)
        if texts[0] != texts[1]:
            moved = compare_numbers(after.side, old.at if old else None, new.at if new else None)
            yield FieldChange(f"set-point {severity}", *texts, mark=moved if alike else Mark.NEITHER)


def _reach(before: Match, after: Match) -> Iterable[FieldChange]:
    for name in Match.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if set(old) != set(new):
            yield FieldChange(name, _list(old, "any"), _list(new, "any"), compare_reach(old, new))


def _plain(before: Limit, after: Limit) -> Iterable[FieldChange]:
    for name in Limit.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if name in _APART or old == new:
            continue
        yield FieldChange(name, _text(before, name, old), _text(after, name, new), _mark(name, old, new))


def _mark(name: str, old: int | None, new: int | None) -> Mark:
    """Return what a field other than a set-point does: an alarm that comes sooner, or a limit that is longer in force.

    ``None`` is the beginning of time in ``valid_from`` and its end in ``valid_to``.
    """
    match name:
        case "on_delay" | "valid_from":
            return Mark.STRICTER if _or(new, -math.inf) < _or(old, -math.inf) else Mark.LAXER
        case "valid_to":
            return Mark.STRICTER if _or(new, math.inf) > _or(old, math.inf) else Mark.LAXER
        case _:
            return Mark.NEITHER


def _or(value: int | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _text(limit: Limit, name: str, value: Any) -> str:  # noqa: ANN401 - any field's value
    if value is None or value == "":
        return _NOTHING
    if isinstance(value, Names):
        return wording.names(value)
    if name in _DURATIONS:
        return wording.duration(value)
    if name in _DAYS:
        # The last day in force, not the first one after it.
        return wording.day(value - (name == "valid_to"))
    if name in _MEASURED:
        return f"{wording.number(limit.shown(value))} {limit.unit}".rstrip()
    return _list(value) if isinstance(value, tuple) else str(value)


def _guidance(before: Limit, after: Limit) -> Iterable[FieldChange]:
    old, new = wording.guidance(before.guidance), wording.guidance(after.guidance)
    return [FieldChange(name, old[name], new[name]) for name in old if old[name] != new[name]]


def _list(values: Iterable[object], empty: str = _NOTHING) -> str:
    return ", ".join(map(str, values)) or empty


#: Tables of the economy, and what they are called.
_CIRCULAR = {
    "enterprises": "enterprises",
    "kinds": "kinds of flows",
    "flows": "flows",
    "balances": "balances of sites",
    "figures": "figures",
    "indicators": "indicators",
    "factors": "factors",
    "schemes": "schemes of evaluation",
}

# --- all else ----------------------------------------------------------------------------------------------


def _others(old: Catalogue, new: Catalogue) -> Iterable[Other]:
    yield from _table("zones", old.zones, new.zones, restart=True)
    kept = {name: quantity for name, quantity in old.quantities.items() if name in new.quantities}
    yield from _table("quantities", kept, new.quantities, restart=False)
    gone = sorted(old.quantities.keys() - new.quantities.keys())
    if gone:
        yield Other("quantities", f"taken out: {', '.join(gone)}", restart=True)
    if old.alerts != new.alerts:
        channels = ({route.name: route for route in each.alerts.channels} for each in (old, new))
        yield from _table("channels", *channels, restart=True, always=True)
    if old.oncall != new.oncall:
        yield from _table("people on call", old.oncall.people, new.oncall.people, restart=True, always=True)
    rules = ({rule.id: rule for rule in each.suppressions} for each in (old, new))
    yield from _table("suppression rules", *rules, restart=False)
    yield from _circular(old, new)
    yield from _settings(old, new)


def _circular(old: Catalogue, new: Catalogue) -> Iterable[Other]:
    """Yield what changes of the circular economy; the office takes all of it up while it runs."""
    before, after = old.economy, new.economy
    for name, what in _CIRCULAR.items():
        yield from _table(what, getattr(before, name), getattr(after, name), restart=False)
    yield from _table("benchmark sets", before.benchmarks.sets, after.benchmarks.sets, restart=False)
    for name in ("shown", "coverage"):
        was, is_ = getattr(before.benchmarks, name), getattr(after.benchmarks, name)
        if was != is_:
            yield Other("benchmarks", f"{name}: {was or _NOTHING} -> {is_ or _NOTHING}", restart=False)
    for what, was, is_ in (("smart equipment", before.smart, after.smart), ("access", before.access, after.access)):
        if was != is_:
            yield Other(what, "changed", restart=False)


def _settings(old: Catalogue, new: Catalogue) -> Iterable[Other]:
    for name in type(old.settings).__struct_fields__:
        before, after = getattr(old.settings, name), getattr(new.settings, name)
        if before != after:
            yield Other("settings", f"{name}: {before} -> {after}", restart=name == "quarantine_size")


def _table(
    what: str, old: Mapping[str, object], new: Mapping[str, object], *, restart: bool, always: bool = False
) -> Iterable[Other]:
    """Yield how two tables of rows differ; ``always``: say so even if it is not in a row of them."""
    parts = {
        "added": sorted(new.keys() - old.keys()),
        "taken out": sorted(old.keys() - new.keys()),
        "changed": sorted(name for name in old.keys() & new.keys() if old[name] != new[name]),
    }
    text = "; ".join(f"{word}: {', '.join(names)}" for word, names in parts.items() if names)
    if text or always:
        yield Other(what, text or "changed", restart)
