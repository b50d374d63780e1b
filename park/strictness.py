"""Which of two limits is the stricter one. Only like can be compared: the same kind of value, held on the same side."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable

from park.limits import Limit, Side
from park.wording import has_number

Basis = tuple[object, ...]


class Mark(enum.StrEnum):
    """What a change makes of a limit."""

    STRICTER = "stricter"
    LAXER = "laxer"
    MIXED = "stricter and laxer"
    NEITHER = ""


def basis(limit: Limit) -> Basis:
    """Return what ``limit`` holds against its set-points: limits with the same basis can be compared."""
    return (limit.kind, limit.side, limit.of, limit.window, limit.flow, limit.period)


def compare_numbers(side: Side, old: float | None, new: float | None) -> Mark:
    """Return what it means that a set-point moves from ``old`` to ``new`` (canonical); ``None``: there is none."""
    if old == new:
        return Mark.NEITHER
    if old is None or new is None:
        return Mark.STRICTER if old is None else Mark.LAXER
    return Mark.STRICTER if (new < old) is (side is Side.HIGH) else Mark.LAXER


def compare_reach(old: Collection[str], new: Collection[str]) -> Mark:
    """Return what it means that a limit matches ``new`` instead of ``old``; empty means any."""
    before, after = set(old), set(new)
    if before == after:
        return Mark.NEITHER
    if not after or (before and after > before):
        return Mark.STRICTER
    if not before or after < before:
        return Mark.LAXER
    return Mark.MIXED


def together(marks: Iterable[Mark]) -> Mark:
    """Return what several changes make of a limit."""
    found = {mark for mark in marks if mark is not Mark.NEITHER}
    if len(found) > 1:
        return Mark.MIXED
    return found.pop() if found else Mark.NEITHER


def strictest(limits: Iterable[Limit]) -> Limit | None:
    """Return which of ``limits`` (of one basis) is passed first; ``None`` if that can't be said.

    The mildest set-point decides, then the shorter on-delay, then the order of the configuration.
    """
    able = [limit for limit in limits if has_number(limit)]
    return min(able, key=_order) if able else None


def as_strict(limit: Limit, other: Limit) -> bool:
    """Whether ``limit`` is passed as soon as ``other`` of the same basis."""
    return _order(limit) <= _order(other)


def _order(limit: Limit) -> tuple[float, int]:
    at = limit.set_points[0].at
    return (at if limit.side is Side.HIGH else -at), limit.on_delay
