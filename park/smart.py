"""Smart park: which share of the above-scale enterprises has automated, digital or intelligent equipment."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from park.figures import Book
from park.flows import Enterprise
from park.words import Names


class SmartTarget(msgspec.Struct, frozen=True):
    """Of the enterprises with the flag ``of``, those with any flag of ``any_of`` (``smart`` in ``evaluation.yaml``).

    ``target`` is in %, to be reached by the end of ``until`` (ms).
    """

    names: Names
    of: str
    any_of: tuple[str, ...]
    target: float
    source: str
    provenance: str
    until: int | None = None


class SmartShare(msgspec.Struct, frozen=True):
    """How it stands: enterprises counted, equipped, by kind of equipment, those that have not said (they don't count).

    ``share`` is in %, ``None`` if there is no such enterprise; ``missing``: so many more must be equipped.
    """

    enterprises: tuple[str, ...]
    equipped: tuple[str, ...]
    by: dict[str, int]
    silent: tuple[str, ...]
    unknown: tuple[str, ...]
    share: float | None
    target: float
    met: bool | None
    missing: int
    carried: bool


def smart_share(target: SmartTarget, enterprises: Iterable[Enterprise], book: Book, begin: int, end: int) -> SmartShare:
    """Return how it stood in ``begin <= t < end`` (ms), by what was last reported.

    ``unknown`` are enterprises that have not said whether they are above scale; they are in neither number.
    """
    above: list[str] = []
    unknown: list[str] = []
    carried = False
    for each in enterprises:
        known = book.over(target.of, each.name, begin, end)
        carried |= known.carried
        if known.value is None:
            unknown.append(each.name)
        elif known.value:
            above.append(each.name)
    said = {name: {flag: book.over(flag, name, begin, end) for flag in target.any_of} for name in above}
    carried |= any(known.carried for flags in said.values() for known in flags.values())
    equipped = [name for name, flags in said.items() if any(known.value for known in flags.values())]
    silent = [name for name, flags in said.items() if all(known.value is None for known in flags.values())]
    share = 100 * len(equipped) / len(above) if above else None
    # Counted, not divided: 9 of 10 are 90 %.
    enough = [count for count in range(len(above) + 1) if 100 * count >= target.target * len(above)]
    return SmartShare(
        enterprises=tuple(above),
        equipped=tuple(equipped),
        by={flag: sum(bool(flags[flag].value) for flags in said.values()) for flag in target.any_of},
        silent=tuple(silent),
        unknown=tuple(unknown),
        share=share,
        target=target.target,
        met=None if share is None else len(equipped) in enough,
        missing=max(0, enough[0] - len(equipped)) if enough else 0,
        carried=carried,
    )
