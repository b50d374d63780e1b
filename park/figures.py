"""Figures that enterprises report: what they are, and what is known of them over any span of time.

A flow (tax, energy) of a period is spread evenly over its days; a stock (land, employees) is weighted by time. Where
periods lie within each other, the shorter one is believed for its time, and what a flow's longer one tells beyond it is
spread over the rest: months and their cumulated sums agree. Where nothing is reported yet, the latest report is carried
on for up to 13 months, and marked.
"""

from __future__ import annotations

import enum
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec

from park.periods import months_after
from park.words import Names

#: For how many months after its period a report stands in for those that are still missing.
CARRIED_MONTHS = 13


class FigureKind(enum.StrEnum):
    """How a figure adds up."""

    FLOW = "flow"
    STOCK = "stock"
    FLAG = "flag"
    CHOICE = "choice"


class FigureDefinition(msgspec.Struct, frozen=True):
    """A figure (``config/figures.yaml``), in ``unit``; a flag is 1 or 0, a choice one of ``choices``.

    ``also`` are other headings of its column, ``units`` other units with their size in ``unit``, ``unit_zh`` is the
    unit as Chinese readers know it. What is reported below ``minimum`` or above ``maximum`` is refused.
    """

    name: str
    names: Names
    kind: FigureKind
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: dict[str, Names] = {}
    also: tuple[str, ...] = ()
    units: dict[str, float] = {}
    unit_zh: str = ""

    @property
    def unit_names(self) -> Names:
        """The unit in both languages."""
        return Names(self.unit_zh or self.unit, self.unit)


class Reported(msgspec.Struct, frozen=True):
    """What an enterprise reported of a figure for ``begin <= t < end`` (ms); ``text`` is what it chose of a choice."""

    enterprise: str
    figure: str
    begin: int
    end: int
    value: float
    text: str = ""


class Known(msgspec.Struct, frozen=True):
    """What is known of a figure over a span: ``value`` (``None``: nothing), in the figure's unit.

    ``share`` of the span, and of the enterprises asked about, has been reported; ``carried``: what is missing was taken
    from the latest report before it, in part at least. ``reporting`` is how many enterprises the value is made of.
    """

    value: float | None = None
    share: float = 0.0
    carried: bool = False
    reporting: int = 0
    text: str = ""


class _Piece(NamedTuple):
    """``begin <= t < end``: how much a flow is per ms, or what a stock, flag or choice is."""

    begin: int
    end: int
    value: float
    text: str


def headings(figure: FigureDefinition) -> tuple[str, ...]:
    """Return what the column of ``figure`` may be called."""
    return (figure.name, figure.names.zh, figure.names.en, *figure.also)


def plain(text: str) -> str:
    """Return ``text`` without what people write differently: width, case, blanks, hyphens and underscores."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if not character.isspace() and character not in "-_")


class Book:
    """All reports, looked up by enterprise, figure and time. What names no figure of ``definitions`` is left out."""

    def __init__(self, definitions: Mapping[str, FigureDefinition], reported: Iterable[Reported] = ()) -> None:
        self._definitions = definitions
        self._reported: dict[tuple[str, str], list[Reported]] = defaultdict(list)
        self._lines: dict[tuple[str, str], list[_Piece]] = {}
        for each in reported:
            if each.figure in definitions:
                self._reported[each.enterprise, each.figure].append(each)

    @property
    def definitions(self) -> Mapping[str, FigureDefinition]:
        """The figures that there are."""
        return self._definitions

    @property
    def enterprises(self) -> frozenset[str]:
        """The enterprises that have reported anything."""
        return frozenset(enterprise for enterprise, _ in self._reported)

    def reports(self, enterprise: str, figure: str) -> list[Reported]:
        """Return what ``enterprise`` reported of ``figure``, by time."""
        return sorted(self._reported.get((enterprise, figure), ()), key=lambda each: (each.begin, each.end))

    def over(self, figure: str, enterprises: str | Collection[str], begin: int, end: int) -> Known:
        """Return what is known of ``figure`` in ``begin <= t < end`` (ms), of one enterprise or of several added up.

        Flags add up to how many are set; choices of several enterprises don't add up and have no text.
        Raises ``KeyError`` for a figure that is not defined, ``ValueError`` for a span without length.
        """
        if end <= begin:
            raise ValueError("a span needs a length")
        kind = self._definitions[figure].kind
        chosen = (enterprises,) if isinstance(enterprises, str) else tuple(enterprises)
        found = [_look(self._line(each, figure), kind, begin, end) for each in chosen]
        known = [each for each in found if each.value is not None]
        if not known:
            return Known()
        return Known(
            value=sum(each.value for each in known if each.value is not None),
            share=sum(each.share for each in found) / len(found),
            carried=any(each.carried for each in known),
            reporting=len(known),
            text=known[0].text if len(chosen) == 1 else "",
        )

    def _line(self, enterprise: str, figure: str) -> list[_Piece]:
        key = enterprise, figure
        if key not in self._lines:
            spread = self._definitions[figure].kind is FigureKind.FLOW
            self._lines[key] = _pieces(self._reported.get(key, ()), spread=spread)
        return self._lines[key]


def _pieces(reported: Iterable[Reported], *, spread: bool) -> list[_Piece]:
    """Return reports as pieces that don't overlap, by time: the shorter periods first, the longer ones in the rest."""
    pieces: list[_Piece] = []
    for each in sorted(reported, key=lambda report: (report.end - report.begin, report.begin)):
        free = _gaps(pieces, each.begin, each.end)
        length = sum(end - begin for begin, end in free)
        if not length:
            continue
        value = each.value
        if spread:
            within = sum(piece.value * _overlap(piece, each.begin, each.end) for piece in pieces)
            value = (each.value - within) / length
        pieces = sorted([*pieces, *(_Piece(begin, end, value, each.text) for begin, end in free)])
    return pieces


def _gaps(pieces: Iterable[_Piece], begin: int, end: int) -> list[tuple[int, int]]:
    """Return the parts of ``begin <= t < end`` that no piece (by time, without overlap) covers."""
    found: list[tuple[int, int]] = []
    at = begin
    for piece in pieces:
        if piece.end <= at or piece.begin >= end:
            continue
        if piece.begin > at:
            found.append((at, piece.begin))
        at = piece.end
    return [*found, (at, end)] if at < end else found


def _overlap(piece: _Piece, begin: int, end: int) -> int:
    return max(0, min(piece.end, end) - max(piece.begin, begin))


def _carried(pieces: list[_Piece], begin: int, end: int) -> list[_Piece]:
    """Return what stands in for the gaps in ``begin <= t < end``: the latest piece before each, for its 13 months."""
    found: list[_Piece] = []
    for first, last in _gaps(pieces, begin, end):
        before = [piece for piece in pieces if piece.end <= first]
        if before:
            until = min(last, months_after(before[-1].end, CARRIED_MONTHS))
            if until > first:
                found.append(_Piece(first, until, before[-1].value, before[-1].text))
    return found


def _look(pieces: list[_Piece], kind: FigureKind, begin: int, end: int) -> Known:
    inside = [piece for piece in pieces if _overlap(piece, begin, end)]
    stood_in = _carried(pieces, begin, end)
    both = sorted([*inside, *stood_in])
    if not both:
        return Known()
    lengths = [_overlap(piece, begin, end) for piece in both]
    match kind:
        case FigureKind.FLOW:
            value = sum(piece.value * length for piece, length in zip(both, lengths, strict=True))
        case FigureKind.STOCK:
            value = sum(piece.value * length for piece, length in zip(both, lengths, strict=True)) / sum(lengths)
        case _:
            value = both[-1].value
    share = sum(_overlap(piece, begin, end) for piece in inside) / (end - begin)
    return Known(value, share, bool(stood_in), 1, both[-1].text)
