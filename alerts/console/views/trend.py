"""A trend as figures of a drawing: the line in pieces where data is missing, set-points, doubtful stretches. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from alerts.messages import PARK_TIME, number
from storage.trends import Point, Trend

WIDTH, HEIGHT = 960.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 84.0, 12.0, 30.0

FRAME = {
    "width": WIDTH,
    "height": HEIGHT,
    "left": LEFT,
    "right": WIDTH - RIGHT,
    "top": TOP,
    "bottom": HEIGHT - BOTTOM,
    "inner": HEIGHT - TOP - BOTTOM,
}
"""Where the drawing's edges are, for the page."""

_GAP_STEPS = 2.5
_WORD_HEIGHT = 14.0
_MARGIN = 0.08
_HOUR = 3_600_000
_TICK_HOURS = ((1.5, 10), (3.0, 30), (12.0, 60), (math.inf, 240))


class Tick(msgspec.Struct, frozen=True):
    """A mark on an axis: where, and what it says."""

    at: float
    word: str


class Line(msgspec.Struct, frozen=True):
    """A set-point: how high it lies, and what it says."""

    y: float
    word: str
    word_y: float
    severity: str


class Stretch(msgspec.Struct, frozen=True):
    """A stretch of doubtful data."""

    x: float
    width: float


class Drawing(msgspec.Struct, frozen=True):
    """What the page draws; ``areas`` are polygons between the least and greatest value of each step."""

    lines: tuple[str, ...]
    areas: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    set_points: tuple[Line, ...]
    doubtful: tuple[Stretch, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    empty: bool
    summary: str


class Level(msgspec.Struct, frozen=True):
    """A set-point to draw, in the unit of the drawing."""

    at: float
    severity: str
    word: str


class _Frame(msgspec.Struct, frozen=True):
    """From times and values to places in the drawing."""

    begin: int
    end: int
    low: float
    high: float

    def x(self, t: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (t - self.begin) / (self.end - self.begin), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.low) / (self.high - self.low), 1)


def draw(trend: Trend, scale: float, levels: Sequence[Level], unit: str, gap: int) -> Drawing:
    """Return the drawing of ``trend``.

    ``scale`` times a value is in ``unit``. The line breaks where nothing came for ``gap`` ms, or 2.5 steps if longer.
    """
    values = [bound * scale for point in trend.points for bound in (point.low, point.high) if bound is not None]
    frame = _frame(trend, [*values, *(level.at for level in levels)])
    pieces = _pieces(trend, gap)
    middle = trend.step / 2

    def place(point: Point, value: float | None) -> tuple[float, float]:
        return frame.x(point.t + middle), frame.y((value or 0.0) * scale)

    lines, areas, dots = [], [], []
    for piece in pieces:
        highs = [place(point, point.high) for point in piece]
        lows = [place(point, point.low) for point in piece]
        if len(piece) == 1:
            dots.append(highs[0])
            continue
        lines.append(_path([(x, round((high + low) / 2, 1)) for (x, high), (_, low) in zip(highs, lows, strict=True)]))
        areas.append(_path([*highs, *reversed(lows)]))
    return Drawing(
        lines=tuple(lines),
        areas=tuple(areas),
        dots=tuple(dots),
        set_points=_set_points(levels, frame),
        doubtful=_doubtful(trend, frame),
        x_ticks=_x_ticks(frame),
        y_ticks=_y_ticks(frame),
        empty=not trend.points,
        summary=f"{number(min(values))} … {number(max(values))} {unit}" if values else "",
    )


def _frame(trend: Trend, values: Sequence[float]) -> _Frame:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    # Concentrations and levels begin at nought: a chart that does not would make noise look like a leak.
    low = min(low, 0.0) if low < high / 2 else low
    room = (high - low or abs(high) or 1.0) * _MARGIN
    return _Frame(trend.begin, trend.end, low if low == 0.0 else low - room, high + room)


def _set_points(levels: Sequence[Level], frame: _Frame) -> tuple[Line, ...]:
    """Return the lines, from below; words that would stand on each other move apart."""
    lines: list[Line] = []
    for level in sorted(levels, key=lambda level: level.at):
        y = frame.y(level.at)
        word_y = min(y, lines[-1].word_y - _WORD_HEIGHT) if lines else y
        lines.append(Line(y, level.word, word_y, level.severity))
    return tuple(lines)


def _pieces(trend: Trend, gap: int) -> list[list[Point]]:
    patience = max(gap, trend.step * _GAP_STEPS)
    pieces: list[list[Point]] = []
    last = -math.inf
    for point in trend.points:
        if point.low is None:
            continue
        if point.t - last > patience:
            pieces.append([])
        pieces[-1].append(point)
        last = point.t
    return pieces


def _doubtful(trend: Trend, frame: _Frame) -> tuple[Stretch, ...]:
    stretches: list[tuple[int, int]] = []
    for point in trend.points:
        if not point.bad:
            continue
        if stretches and point.t - stretches[-1][1] <= trend.step:
            stretches[-1] = (stretches[-1][0], point.t + trend.step)
        else:
            stretches.append((point.t, point.t + trend.step))
    return tuple(
        Stretch(frame.x(begin), max(round(frame.x(min(end, frame.end)) - frame.x(begin), 1), 2.0))
        for begin, end in stretches
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _x_ticks(frame: _Frame) -> tuple[Tick, ...]:
    hours = (frame.end - frame.begin) / _HOUR
    every = next(minutes for most, minutes in _TICK_HOURS if hours <= most)
    begin = datetime.fromtimestamp(frame.begin / 1000, PARK_TIME)
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + timedelta(minutes=every * math.ceil((begin - midnight).total_seconds() / 60 / every))
    ticks = []
    while (t := first.timestamp() * 1000) <= frame.end:
        ticks.append(Tick(frame.x(t), f"{first:%H:%M}"))
        first += timedelta(minutes=every)
    return tuple(ticks)


def _y_ticks(frame: _Frame) -> tuple[Tick, ...]:
    step = _round_step((frame.high - frame.low) / 4)
    first = math.ceil(frame.low / step)
    last = math.floor(frame.high / step)
    return tuple(Tick(frame.y(n * step), number(round(n * step, 12))) for n in range(first, last + 1))


def _round_step(least: float) -> float:
    size: float = 10.0 ** math.floor(math.log10(least))
    return next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= least * (1 - 1e-9))
