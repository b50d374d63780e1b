"""Plots as inline SVG: no script, no picture from elsewhere, and they print as sharp as the text.

What is missing is drawn as missing: a day without a value has a grey ground, an invalid one a hollow mark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from reports.forms import number, short_day

COLOURS = {"critical": "#a4161a", "high": "#d9630d", "medium": "#c99700", "low": "#4d7ea8"}
#: Residues that stay, residues that leave, and whatever else is exchanged.
KEPT, LEFT, OTHER = "#2f8f5b", "#d9630d", "#8fb0c9"
INK, GRID, GROUND, LINE, LIMIT = "#33404d", "#d9dfe5", "#eceff2", "#1f5f8b", "#a4161a"
_TICKS = 4
_DAY_EVERY = 5
_PH = "pH"
#: Letters of a name beside a drawing; and from where on characters are wide.
_LABEL, _WIDE_FROM = 38, 0x2E7F


class Dot(NamedTuple):
    """A day's value; ``None``: there is none. ``sure``: it is valid."""

    t: int
    value: float | None
    sure: bool = True


class _Axes(NamedTuple):
    """Where the drawing is within the picture, and which values it spans."""

    width: float
    height: float
    left: float
    top: float
    right: float
    bottom: float
    most: float
    least: float = 0.0

    def y(self, value: float) -> float:
        inner = self.height - self.top - self.bottom
        share = (min(value, self.most) - self.least) / (self.most - self.least)
        return round(self.height - self.bottom - inner * share, 1)

    @property
    def inner(self) -> float:
        return self.width - self.left - self.right


def stacked_days(days: Sequence[int], counts: Mapping[str, Sequence[int]], title: str) -> Markup:
    """Return bars per day, the parts of ``counts`` on each other, in the order of :data:`COLOURS`."""
    totals = [sum(part[index] for part in counts.values()) for index in range(len(days))]
    axes = _Axes(760, 190, 40, 10, 10, 24, _round_up(max([*totals, 1])))
    step = axes.inner / max(1, len(days))
    parts = [_grid(axes, whole=True)]
    for index, day in enumerate(days):
        x, below = axes.left + index * step, 0
        for name in reversed(COLOURS):
            count = counts.get(name, [0] * len(days))[index]
            if count:
                top, foot = axes.y(below + count), axes.y(below)
                parts.append(_rect(x + step * 0.15, top, step * 0.7, foot - top, COLOURS[name]))
                below += count
        parts.append(_day_word(axes, x + step / 2, day))
    return _svg(axes, title, parts)


def days_line(
    days: Sequence[int], dots: Sequence[Dot], limits: Sequence[tuple[float, str]], title: str, unit: str
) -> Markup:
    """Return values by the day, a line through those that follow each other, and the limits (value, word) across."""
    values = [dot.value for dot in dots if dot.value is not None]
    most = _round_up(max([*values, *(at for at, _ in limits), 1e-9]) * 1.08)
    # Concentrations begin at nought: a plot that does not would make noise look like a leak. A pH has no nought.
    least = math.floor(min(values)) - 1.0 if unit == _PH and values else 0.0
    axes = _Axes(370, 150, 44, 18, 10, 22, math.ceil(max(values)) + 1.0 if least else most, least)
    step = axes.inner / max(1, len(days))
    known = {dot.t: dot for dot in dots if dot.value is not None}
    place = {day: axes.left + (index + 0.5) * step for index, day in enumerate(days)}
    parts = [
        _rect(x - step / 2, axes.top, step, axes.height - axes.top - axes.bottom, GROUND)
        for day, x in place.items()
        if day not in known
    ]
    parts += [_grid(axes), _word(2, 11, unit, size=10, anchor="start")]
    parts += [_limit(axes, at, word) for at, word in limits]
    parts += _lines(axes, days, known, place)
    parts += [_dot(place[day], axes.y(dot.value or 0.0), dot.sure) for day, dot in known.items() if day in place]
    parts += [_day_word(axes, x, day) for day, x in place.items()]
    return _svg(axes, title, parts)


def _lines(axes: _Axes, days: Sequence[int], known: Mapping[int, Dot], place: Mapping[int, float]) -> list[Markup]:
    pieces: list[list[str]] = [[]]
    for day in days:
        if day in known:
            pieces[-1].append(f"{place[day]:.1f},{axes.y(known[day].value or 0.0):g}")
        elif pieces[-1]:
            pieces.append([])
    form = '<polyline points="{}" fill="none" stroke="{}" stroke-width="1.4"/>'
    return [Markup(form).format(" ".join(piece), LINE) for piece in pieces if len(piece) > 1]  # noqa: S704


def bullet(share: float, forecast: float | None, warn: float, title: str) -> Markup:
    """Return how much of a budget is used: a bar against 100 %, a mark where it leads, a line where it warns."""
    reach = max(1.15, share * 1.05, min(forecast or 0.0, 2.0) * 1.05)
    axes = _Axes(250, 26, 2, 3, 2, 3, 1.0)

    def x(value: float) -> float:
        return round(axes.left + axes.inner * min(value, reach) / reach, 1)

    colour = LIMIT if share > 1.0 else COLOURS["high"] if share >= warn else LINE
    parts = [_rect(x(0), 6, x(1.0) - x(0), 14, GROUND), _rect(x(0), 6, x(share) - x(0), 14, colour)]
    parts += [_upright(x(warn), 3, 23, COLOURS["high"], dashed=True), _upright(x(1.0), 2, 24, INK)]
    if forecast is not None:
        at = x(forecast)
        mark = f"M{at:g},4 l4,-4 h-8 z M{at:g},4 V22"
        shade = LIMIT if forecast > 1.0 else INK
        parts.append(Markup('<path d="{}" fill="{}" stroke="{}"/>').format(mark, shade, shade))
    return _svg(axes, title, parts)


def share_bar(share: float | None, title: str, good: float = 0.9) -> Markup:
    """Return a share from 0 to 1 as a bar; ``None`` is an empty, dashed one."""
    axes = _Axes(140, 12, 0, 0, 0, 0, 1.0)
    if share is None:
        frame = '<rect x="0.5" y="0.5" width="139" height="11" fill="none" stroke="#9aa5b1" stroke-dasharray="3 2"/>'
        return _svg(axes, title, [Markup(frame)])  # noqa: S704
    colour = LINE if share >= good else COLOURS["high"] if share >= good - 0.15 else LIMIT
    return _svg(axes, title, [_rect(0, 0, 140, 12, GROUND), _rect(0, 0, round(140 * share, 1), 12, colour)])


class Ribbon(NamedTuple):
    """An exchange to draw: from whom, to whom, how much, in which colour."""

    source: str
    target: str
    size: float
    colour: str
    word: str


def ribbons(flows: Sequence[Ribbon], title: str) -> Markup:
    """Return givers on the left, takers on the right, and bands between them as wide as what they carry."""
    sources = _columns(flows, 0)
    targets = _columns(flows, 1)
    total = sum(flow.size for flow in flows)
    rows = max(len(sources), len(targets))
    height = max(120.0, 34.0 * rows)
    scale = (height - 14.0 * rows - 10) / total if total else 0.0
    left, right = 235.0, 525.0
    starts, ends = _places(sources, scale, height), _places(targets, scale, height)
    axes = _Axes(760, height, 0, 0, 0, 0, 1.0)
    parts: list[Markup] = []
    used: dict[tuple[int, str], float] = {}
    for flow in sorted(flows, key=lambda each: (list(targets).index(each.target), -each.size)):
        width = max(1.0, flow.size * scale)
        y0 = starts[flow.source] + used.get((0, flow.source), 0.0) + width / 2
        y1 = ends[flow.target] + used.get((1, flow.target), 0.0) + width / 2
        used[0, flow.source] = used.get((0, flow.source), 0.0) + width
        used[1, flow.target] = used.get((1, flow.target), 0.0) + width
        middle = (left + right) / 2
        path = f"M{left:g},{y0:.1f} C{middle:g},{y0:.1f} {middle:g},{y1:.1f} {right:g},{y1:.1f}"
        form = (
            '<path d="{}" fill="none" stroke="{}" stroke-opacity="0.6" stroke-width="{:.1f}"><title>{}</title></path>'
        )
        parts.append(Markup(form).format(path, flow.colour, width, flow.word))  # noqa: S704
    for places, sizes, x, anchor in ((starts, sources, left - 8, "end"), (ends, targets, right + 8, "start")):
        for name, size in sizes.items():
            tall = max(1.0, size * scale)
            edge = left - 4 if anchor == "end" else right
            parts.append(_rect(edge, places[name], 4, tall, INK))
            parts.append(_word(x, places[name] + tall / 2 + 4, _cut(name), size=11, anchor=anchor))
    return _svg(axes, title, parts)


def _cut(text: str) -> str:
    """Return as much of a name as there is room for; Chinese characters are twice as wide."""
    room = _LABEL
    for index, character in enumerate(text):
        room -= 2 if ord(character) > _WIDE_FROM else 1
        if room < 0:
            return f"{text[:index].rstrip()}…"
    return text


def _columns(flows: Sequence[Ribbon], end: int) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for flow in flows:
        name = flow.target if end else flow.source
        sizes[name] = sizes.get(name, 0.0) + flow.size
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _places(sizes: Mapping[str, float], scale: float, height: float) -> dict[str, float]:
    talls = {name: max(1.0, size * scale) for name, size in sizes.items()}
    gap = (height - sum(talls.values())) / (len(talls) + 1) if talls else 0.0
    found, y = {}, gap
    for name, tall in talls.items():
        found[name] = round(y, 1)
        y += tall + gap
    return found


# --- pieces --------------------------------------------------------------------------------------------------------


def _svg(axes: _Axes, title: str, parts: Sequence[Markup]) -> Markup:
    head = '<svg viewBox="0 0 {:g} {:g}" role="img" aria-label="{}" xmlns="http://www.w3.org/2000/svg">'
    # The title is escaped by format, and the parts are made here.
    return Markup(head).format(axes.width, axes.height, title) + Markup("").join(parts) + Markup("</svg>")  # noqa: S704


def _rect(x: float, y: float, width: float, height: float, colour: str) -> Markup:
    form = '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>'
    return Markup(form).format(x, y, max(0.0, width), max(0.0, height), colour)  # noqa: S704


def _upright(x: float, top: float, bottom: float, colour: str, *, dashed: bool = False) -> Markup:
    dash = Markup(' stroke-dasharray="2 2"') if dashed else ""
    form = '<line x1="{:g}" x2="{:g}" y1="{:g}" y2="{:g}" stroke="{}" stroke-width="1.5"{}/>'
    return Markup(form).format(x, x, top, bottom, colour, dash)  # noqa: S704


def _word(x: float, y: float, text: str, *, size: float = 10, anchor: str = "middle", colour: str = INK) -> Markup:
    form = '<text x="{:g}" y="{:g}" font-size="{:g}" text-anchor="{}" fill="{}">{}</text>'
    return Markup(form).format(round(x, 1), round(y, 1), size, anchor, colour, escape(text))  # noqa: S704


def _dot(x: float, y: float, sure: bool) -> Markup:  # noqa: FBT001 - how it is drawn
    form = '<circle cx="{:.1f}" cy="{:g}" r="2.3" fill="{}" stroke="{}"/>'
    return Markup(form).format(x, y, LINE if sure else "#ffffff", LINE)  # noqa: S704


def _limit(axes: _Axes, at: float, word: str) -> Markup:
    y = axes.y(at)
    form = '<line x1="{:g}" x2="{:g}" y1="{:g}" y2="{:g}" stroke="{}" stroke-dasharray="5 3"/>'
    line = Markup(form).format(axes.left, axes.width - axes.right, y, y, LIMIT)  # noqa: S704
    return line + _word(axes.width - axes.right, y - 3, word, anchor="end", colour=LIMIT)


def _grid(axes: _Axes, *, whole: bool = False) -> Markup:
    step = _round_step((axes.most - axes.least) / _TICKS)
    if whole:
        step = max(1.0, math.ceil(step))
    form = '<line x1="{:g}" x2="{:g}" y1="{:g}" y2="{:g}" stroke="{}"/>'
    parts = []
    for count in range(math.ceil(axes.least / step - 1e-9), int(axes.most / step + 1e-9) + 1):
        y = axes.y(count * step)
        parts.append(Markup(form).format(axes.left, axes.width - axes.right, y, y, GRID))  # noqa: S704
        parts.append(_word(axes.left - 5, y + 3.5, number(round(count * step, 12)), anchor="end"))
    return Markup("").join(parts)


def _day_word(axes: _Axes, x: float, day: int) -> Markup:
    word = short_day(day)
    told = word == "1" or int(word) % _DAY_EVERY == 0
    return _word(x, axes.height - 7, word) if told else Markup("")


def _round_step(least: float) -> float:
    size: float = 10.0 ** math.floor(math.log10(least))
    return next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= least * (1 - 1e-9))


def _round_up(most: float) -> float:
    step = _round_step(most / _TICKS)
    return step * math.ceil(most / step - 1e-9)
