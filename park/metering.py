"""From what a meter showed to what went through it: the true amount A(t), piecewise linear between good readings.

A totaliser shows what has gone through so far, and may fall: it rolls over, is reset, or is replaced. A rate shows what
goes through now. Both are believed only as far as the flow can be: a step of more than ``most`` carries is no amount
but unmeasured time, and never is an amount negative.

How a fall of a totaliser is read, in this order: the meter was replaced then (it is known what both showed); it rolled
over, if what that makes is believable; it was reset, and what it shows has gone through since, if that is believable;
else nothing is known of the step. A reading that the next ones contradict (a glitch up or down, after which the
totaliser goes on where it was) is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from park.flows import Amount, Flow, Reads

HOUR = 3_600_000
#: A step may carry what goes through at most in the time it took and so many ms more: clocks shift, pulses are coarse,
#: and a weighbridge counts a whole lorry at once.
SLACK = 60_000
#: A totaliser that falls by less than this share of what it showed is only rounded.
ROUNDING = 1e-6
#: ms that a glitch may last: longer, and the meter has begun anew with what it shows.
GLITCH = HOUR
#: Jumps that are looked at to find where a glitch ends.
_LOOKS = 5

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]


class Readings(NamedTuple):
    """Usable readings of a meter in order of time: ``t`` (ms) and ``value`` in the meter's unit, both of shape (n,)."""

    t: _Ints
    value: _Floats


class Course(msgspec.Struct, frozen=True):
    """What went through a meter, step by step between ``t[i]`` and ``t[i + 1]`` (ms).

    ``amount`` (kind's unit, never negative) went through in the step. ``measured`` steps are known throughout,
    ``bridged`` ones only as a whole: the totaliser tells the amount, but nobody knows when. Of the others nothing is
    known, or only that it was at least ``amount``. ``steps`` are the beginnings (ms) of those that can't be believed.
    """

    t: _Ints
    amount: _Floats
    measured: _Flags
    bridged: _Flags
    steps: tuple[int, ...] = ()


class Portion(msgspec.Struct, frozen=True):
    """What a flow carried in ``begin <= t < end`` (ms), in its kind's unit.

    ``share`` of the time was measured. Portions add up to those of a longer span: then ``bridged`` (ms) counts too,
    which is time of this portion in a gap that a totaliser has bridged and that ends outside of it, but lies within
    the same day. ``steps`` that began here can't be believed.
    """

    begin: int
    end: int
    amount: float
    share: float
    bridged: float = 0.0
    steps: int = 0

    def of(self, flow: str) -> Amount:
        """Return it as an amount of ``flow``."""
        return Amount(flow, self.begin, self.end, self.amount, self.share)


def readings(t: Sequence[int], value: Sequence[float]) -> Readings:
    """Return readings from plain lists."""
    return Readings(np.asarray(t, np.int64), np.asarray(value, np.float64))


def course(found: Readings, flow: Flow) -> Course:
    """Return what went through the meter of ``flow`` between its usable readings, each later than the one before."""
    if flow.reads is Reads.RATE:
        return _of_rate(found, flow)
    return _of_total(found, flow)


def portions(through: Course, bounds: Sequence[int], day: Sequence[int] = ()) -> list[Portion]:
    """Return what went through from each of ``bounds`` (ms, ascending) until the next.

    ``day`` are the boundaries of the days (ms, ascending) in whose portions time that was bridged counts.
    """
    edges = np.asarray(bounds, np.int64)
    if len(edges) < 2:  # noqa: PLR2004  # two make the first span
        return []
    if not len(through.t):
        return [Portion(begin, end, 0.0, 0.0) for begin, end in pairwise(bounds)]
    lengths = np.diff(edges).astype(np.float64)
    amounts = np.diff(_at(through, edges, through.amount))
    covered = np.diff(_at(through, edges, np.diff(through.t) * through.measured))
    whole = _wholly(through, edges[:-1], edges[1:])
    within = np.diff(_at(through, edges, np.diff(through.t) * _inside(through, np.asarray(day, np.int64)))) - whole
    shares = np.clip((covered + whole) / lengths, 0.0, 1.0)
    broken = np.diff(np.searchsorted(np.asarray(through.steps, np.int64), edges, "left"))
    return [
        Portion(begin, end, max(0.0, float(amounts[n])), float(shares[n]), max(0.0, float(within[n])), int(broken[n]))
        for n, (begin, end) in enumerate(pairwise(bounds))
    ]


def added(parts: Iterable[Portion], begin: int, end: int) -> Portion:
    """Return the portion of ``begin <= t < end`` (ms) that is made of ``parts``: what is not among them is unknown."""
    found = [part for part in parts if begin <= part.begin and part.end <= end]
    known = math.fsum(part.share * (part.end - part.begin) + part.bridged for part in found)
    return Portion(
        begin,
        end,
        math.fsum(part.amount for part in found),
        min(1.0, known / (end - begin)),
        steps=sum(part.steps for part in found),
    )


def total(amounts: Iterable[Amount], flow: str, begin: int, end: int) -> Amount:
    """Return the amount of a longer span from those of its days: days that are missing were not measured."""
    found = [each for each in amounts if begin <= each.begin and each.end <= end]
    known = math.fsum(each.share * (each.end - each.begin) for each in found)
    return Amount(flow, begin, end, math.fsum(each.amount for each in found), min(1.0, known / (end - begin)))


# --- rates -------------------------------------------------------------------------------------------------


def _of_rate(found: Readings, flow: Flow) -> Course:
    t, rate = found.t, np.maximum(found.value * flow.factor, 0.0)
    length = np.diff(t)
    giant = rate > flow.most * (1 + ROUNDING)
    sound = ~(giant[:-1] | giant[1:])
    measured = sound & (length <= flow.gap)
    amount = np.where(measured, (rate[:-1] + rate[1:]) / 2 * length / HOUR, 0.0)
    return Course(t, amount, measured, np.zeros_like(measured), tuple(t[giant].tolist()))


# --- totalisers --------------------------------------------------------------------------------------------


class _Meter:
    """What can be believed of a totaliser."""

    def __init__(self, flow: Flow) -> None:
        self._most = flow.most / flow.factor
        self._rollover = flow.rollover

    def most(self, length: _Ints) -> _Floats:
        """Return what steps of ``length`` (ms) may carry at most, in the meter's unit."""
        return self._most * (length + SLACK) / HOUR

    def forward(self, begin: _Floats, end: _Floats, most: _Floats) -> _Floats:
        """Return what went through in steps that are believable without a reset; NaN for the others."""
        plain = end - begin
        rounded = np.where((plain < 0) & (plain >= -ROUNDING * np.maximum(np.abs(begin), 1.0)), 0.0, plain)
        turned = np.where(rounded < 0, rounded + (self._rollover or math.nan), rounded)
        return np.where((turned >= 0) & (turned <= most), turned, math.nan)

    def may_turn_twice(self, most: _Floats) -> _Flags:
        """Tell of which steps nobody knows how often the totaliser rolled over in them."""
        return most >= self._rollover if self._rollover else np.zeros(len(most), bool)

    def shown(self, value: _Floats) -> _Flags:
        """Tell which values a totaliser can show."""
        sound = value >= 0
        return sound & (value < self._rollover) if self._rollover else sound


def _of_total(found: Readings, flow: Flow) -> Course:
    meter = _Meter(flow)
    sound = meter.shown(found.value)
    nodes = _replaced(Readings(found.t[sound], found.value[sound]), flow)
    nodes = _without_glitches(nodes, meter)
    amount, reset, broken = _steps(nodes, meter)
    length = np.diff(nodes.t)
    known = ~broken & ~nodes.anew[1:] & ~meter.may_turn_twice(meter.most(length))
    measured = known & (length <= flow.gap)
    # Before a reset something went through that it no longer shows, and the longer ago it was read the more.
    bridged = known & (length > flow.gap) & ~reset
    steps = np.concatenate([found.t[~sound], nodes.t[:-1][broken & ~nodes.anew[1:]]])
    return Course(nodes.t, amount * flow.factor, measured, bridged, tuple(np.sort(steps).tolist()))


class _Nodes(NamedTuple):
    """Readings with those by hand where meters were replaced: ``last`` of an old one, ``anew`` of the one after it."""

    t: _Ints
    value: _Floats
    last: _Flags
    anew: _Flags

    def keep(self, kept: _Flags) -> _Nodes:
        return _Nodes(self.t[kept], self.value[kept], self.last[kept], self.anew[kept])


def _replaced(found: Readings, flow: Flow) -> _Nodes:
    """Return the readings and, where the meter was replaced among them, what the old and the new one showed."""
    none = np.zeros(len(found.t), bool)
    nodes = _Nodes(found.t, found.value, none, none)
    for one in flow.replacements:
        if not len(found.t) or not found.t[0] <= one.at <= found.t[-1]:
            continue
        place = int(np.searchsorted(nodes.t, one.at, "left"))
        nodes = _Nodes(
            np.insert(nodes.t, place, [one.at, one.at]),
            np.insert(nodes.value, place, [one.last, one.first]),
            np.insert(nodes.last, place, [True, False]),
            np.insert(nodes.anew, place, [False, True]),
        )
    return nodes


def _steps(nodes: _Nodes, meter: _Meter) -> tuple[_Floats, _Flags, _Flags]:
    """Return what went through in each step (meter's unit), which of them are resets, and which say nothing."""
    begin, end = nodes.value[:-1], nodes.value[1:]
    most = meter.most(np.diff(nodes.t))
    forward = meter.forward(begin, end, most)
    plain = ~np.isnan(forward) & ~nodes.anew[1:]
    # What the old meter showed at last was read by hand: it was not reset just before.
    reset = ~plain & (end < begin) & (end <= most) & ~nodes.last[1:] & ~nodes.anew[1:]
    amount = np.where(plain, forward, np.where(reset, end, 0.0))
    return amount, reset, ~plain & ~reset & ~nodes.anew[1:]


def _without_glitches(nodes: _Nodes, meter: _Meter) -> _Nodes:
    """Leave out readings after which the totaliser goes on from where it was before them."""
    begin, end = nodes.value[:-1], nodes.value[1:]
    forward = meter.forward(begin, end, meter.most(np.diff(nodes.t)))
    kept = np.ones(len(nodes.t), bool)
    jumps = [int(n) for n in np.flatnonzero(np.isnan(forward) & ~nodes.anew[1:])]
    resumed = 0
    for place, jump in enumerate(jumps):
        if jump < resumed:
            continue
        back = _back(nodes, meter, jump, jumps[place + 1 : place + 1 + _LOOKS])
        if back is not None:
            kept[jump + 1 : back] = False
            resumed = back
    return nodes.keep(kept)


def _back(nodes: _Nodes, meter: _Meter, jump: int, later: Sequence[int]) -> int | None:
    """Return the reading with which the totaliser is back where it was before a jump; ``None`` if it stays away.

    It comes back with another jump. Two jumps that resets explain are two resets.
    """
    for other in later:
        back = other + 1
        length = nodes.t[back] - nodes.t[jump]
        if length > GLITCH or nodes.anew[jump + 1 : back + 1].any() or nodes.last[jump + 1 : back + 1].any():
            return None
        resets = _is_reset(nodes, meter, jump) and _is_reset(nodes, meter, other)
        if not resets and not math.isnan(_forward(nodes, meter, jump, back)):
            return back
    return None


def _is_reset(nodes: _Nodes, meter: _Meter, step: int) -> bool:
    begin, end = nodes.value[step], nodes.value[step + 1]
    return bool(end < begin and end <= meter.most(nodes.t[step + 1 : step + 2] - nodes.t[step])[0])


def _forward(nodes: _Nodes, meter: _Meter, begin: int, end: int) -> float:
    length = nodes.t[end : end + 1] - nodes.t[begin]
    found = meter.forward(nodes.value[begin : begin + 1], nodes.value[end : end + 1], meter.most(length))
    return float(found[0])


# --- boundaries --------------------------------------------------------------------------------------------


def _at(through: Course, edges: _Ints, steps: _Floats) -> _Floats:
    """Return the sum of ``steps`` up to each of ``edges``, evenly within a step."""
    summed = np.concatenate([[0.0], np.cumsum(steps)])
    found: _Floats = np.interp(edges, through.t, summed)
    return found


def _wholly(through: Course, begin: _Ints, end: _Ints) -> _Floats:
    """Return how much (ms) of each span was bridged by steps that lie wholly inside it."""
    summed = np.concatenate([[0], np.cumsum(np.diff(through.t) * through.bridged)])
    first = np.searchsorted(through.t, begin, "left")
    last = np.searchsorted(through.t, end, "right") - 1
    return np.where(last > first, summed[np.maximum(last, 0)] - summed[np.minimum(first, len(summed) - 1)], 0.0)


def _inside(through: Course, edges: _Ints) -> _Flags:
    """Tell which bridged steps cross none of ``edges``, and lie between the first and the last of them."""
    first = np.searchsorted(edges, through.t[:-1], "right")
    last = np.searchsorted(edges, through.t[1:], "left")
    inside: _Flags = through.bridged & (first == last) & (first > 0) & (first < len(edges))
    return inside
