"""Panels before they have a place: what kind, how large, which queries, how they look.

Only what Grafana 9.4 and 11 both know; newer versions bring a dashboard of this schema up to their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grafana.influxql import DATASOURCE, table
from grafana.language import Language
from grafana.looks import GREEN, GREY, ORANGE, RED, SEVERITIES, by_name, by_regex, fixed, nothing, steps

Json = dict[str, Any]

#: As many points as a graph asks for: what decides, with its length, which means it reads (grafana/influxql.py).
POINTS = 500
#: ms without a value that break a line.
GAP = 20 * 60_000


@dataclass(frozen=True)
class Panel:
    """A panel before it has a place. ``repeat`` is the variable for each of whose values it is shown once."""

    kind: str
    title: str
    width: int
    height: int
    targets: list[Json]
    defaults: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    overrides: list[Json] = field(default_factory=list)
    transformations: list[Json] = field(default_factory=list)
    description: str = ""
    repeat: str = ""
    abreast: int = 3
    interval: str = ""
    links: list[Json] = field(default_factory=list)

    def each(self, variable: str, abreast: int = 3) -> Panel:
        """Return the panel repeated for every value of a variable, ``abreast`` in a line."""
        return replace(self, repeat=variable, abreast=abreast, width=24 // abreast)

    def placed(self, number: int, x: int, y: int) -> Json:
        """Return the panel as the dashboard's ``number``-th."""
        placed: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "datasource": DATASOURCE,
            "targets": self.targets,
            "fieldConfig": {"defaults": self.defaults, "overrides": self.overrides},
            "options": self.options,
            "transformations": self.transformations,
            "links": self.links,
        }
        if self.interval:
            placed["interval"] = self.interval
        if self.kind in {"timeseries", "state-timeline"}:
            placed["maxDataPoints"] = POINTS
        if self.repeat:
            placed |= {"repeat": self.repeat, "repeatDirection": "h", "maxPerRow": self.abreast}
        return placed


def _reduced(*, values: bool, fields: str = "") -> Json:
    return {"calcs": ["lastNotNull"], "fields": fields, "values": values}


# --- numbers -----------------------------------------------------------------------------------------------------


def stat(
    title: str,
    targets: list[Json],
    *,
    width: int = 4,
    height: int = 4,
    defaults: Mapping[str, Any] | None = None,
    overrides: Iterable[Json] = (),
    colour: str = "background",
    graph: bool = False,
    sizes: tuple[int, int] | None = None,
    description: str = "",
    **more: Any,
) -> Panel:
    """Return large numbers, one per column or series; none is shown as 0. ``sizes`` are those of names and values."""
    known: Json = {"unit": "short", "noValue": "0", "thresholds": steps(GREEN), **(defaults or {})}
    options = {
        "reduceOptions": _reduced(values=False),
        "colorMode": colour,
        "graphMode": "area" if graph else "none",
        "textMode": "auto",
        "justifyMode": "center",
        "orientation": "auto",
    }
    if sizes:
        options["text"] = {"titleSize": sizes[0], "valueSize": sizes[1]}
    return Panel(
        "stat", title, width, height, targets, known, options, list(overrides), description=description, **more
    )


def tiles(title: str, target: Json, *, width: int, height: int, **more: Any) -> Panel:
    """Return a large tile per row of a table, called by its text columns."""
    panel = stat(title, [target], width=width, height=height, **more)
    return replace(panel, options={**panel.options, "reduceOptions": _reduced(values=True)})


def bars(
    title: str,
    targets: list[Json],
    *,
    width: int = 12,
    height: int = 10,
    unit: str = "percent",
    thresholds: Json | None = None,
    most: float | None = 100,
    least: float | None = 0,
    description: str = "",
    **more: Any,
) -> Panel:
    """Return a bar per row of a table, called by its text columns."""
    defaults: Json = {"unit": unit, "thresholds": thresholds or steps(GREEN), "decimals": 1}
    defaults |= {name: value for name, value in (("min", least), ("max", most)) if value is not None}
    options = {
        "reduceOptions": _reduced(values=True),
        "orientation": "horizontal",
        "displayMode": "basic",
        "showUnfilled": True,
        "minVizHeight": 16,
        "minVizWidth": 0,
        "text": {"titleSize": 13, "valueSize": 15},
    }
    return Panel("bargauge", title, width, height, targets, defaults, options, description=description, **more)


# --- graphs ------------------------------------------------------------------------------------------------------

_LEGEND = {"displayMode": "list", "placement": "bottom", "calcs": [], "showLegend": True}
_LEGEND_TABLE = {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"], "showLegend": True}
_TOOLTIP = {"mode": "multi", "sort": "desc"}


def curve(
    title: str,
    targets: list[Json],
    *,
    unit: str = "short",
    width: int = 12,
    height: int = 8,
    legend: bool = False,
    defaults: Mapping[str, Any] | None = None,
    custom: Mapping[str, Any] | None = None,
    overrides: Iterable[Json] = (),
    description: str = "",
    **more: Any,
) -> Panel:
    """Return lines over time; ``legend``: as a table with the last and the greatest values."""
    drawn: Json = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 0,
        "spanNulls": GAP,
        "showPoints": "auto",
        "pointSize": 4,
        "axisSoftMin": 0,
        **(custom or {}),
    }
    known: Json = {"unit": unit, "custom": drawn, "color": {"mode": "palette-classic"}, **(defaults or {})}
    options = {"legend": _LEGEND_TABLE if legend else _LEGEND, "tooltip": _TOOLTIP}
    return Panel(
        "timeseries", title, width, height, targets, known, options, list(overrides), description=description, **more
    )


def columns(title: str, targets: list[Json], *, stacked: bool = True, **more: Any) -> Panel:
    """Return columns over time, one upon the other."""
    custom: Json = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "barAlignment": 1}
    if stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    custom |= more.pop("custom", {})
    return curve(title, targets, custom=custom, **more)


def timeline(
    title: str, targets: list[Json], mappings: list[Json], *, width: int = 24, height: int = 10, **more: Any
) -> Panel:
    """Return a line of coloured stretches per series."""
    # What is said every ten seconds is no gap when a point is wider than that.
    custom = {"fillOpacity": 85, "lineWidth": 0, "spanNulls": 60_000}
    # By thresholds the panel would show those in place of the words.
    defaults = {"mappings": mappings, "custom": custom, "color": fixed(GREY)}
    options = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.85,
        "legend": {**_LEGEND, "showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return Panel("state-timeline", title, width, height, targets, defaults, options, **more)


def limits(t: Language) -> list[Json]:
    """Return how the lines of :func:`grafana.influxql.limit_lines` look: dashed, and called by what they are."""
    return [
        by_regex(
            f"/^{severity}( [0-9]+)?$/",
            displayName=t(*told[:2]),
            color=fixed(told[2]),
            custom__lineStyle={"fill": "dash", "dash": [8, 6]},
            custom__lineWidth=2,
            custom__spanNulls=True,
            custom__showPoints="never",
            custom__hideFrom={"legend": False, "tooltip": True, "viz": False},
        )
        for severity, told in SEVERITIES.items()
        if severity != "bad"
    ]


# --- tables ------------------------------------------------------------------------------------------------------

#: A column: its name in the answer, its title, and properties (two underscores for a dot).
Column = tuple[str, str, dict[str, Any]]
COLOURED = {"custom__displayMode": "color-background-solid"}
COLOURED_TEXT = {"custom__displayMode": "color-text"}


def grid(
    title: str,
    targets: list[Json],
    shown: Sequence[Column],
    *,
    hide: Iterable[str] = ("Time",),
    sort: Sequence[tuple[str, bool]] = (),
    width: int = 12,
    height: int = 10,
    transformations: Iterable[Json] = (),
    empty: str = "–",
    description: str = "",
    **more: Any,
) -> Panel:
    """Return a table with ``shown`` columns in this order; links may use the ``hide`` ones too.

    ``sort``: the titles of columns, and whether the greatest comes first. ``empty`` is said when nothing is found.
    """
    hide = list(hide)
    shown = [(name, _headed(label), known) for name, label, known in shown]
    order = {name: index for index, name in enumerate([*(name for name, _, _ in shown), *hide])}
    overrides = [by_name(name, displayName=label, **known) for name, label, known in shown]
    overrides += [by_name(name, custom__hidden=True) for name in hide]
    organised = {"id": "organize", "options": {"excludeByName": {}, "indexByName": order, "renameByName": {}}}
    options: Json = {"showHeader": True, "footer": {"show": False, "reducer": ["sum"], "fields": ""}}
    options["sortBy"] = [{"displayName": _headed(column), "desc": desc} for column, desc in sort]
    # Not "auto": a column that holds nothing at all would say null.
    custom = {"align": "auto", "displayMode": "color-text", "filterable": False}
    defaults = {"custom": custom, "thresholds": steps("text"), "mappings": nothing(), "noValue": empty}
    return Panel(
        "table",
        title,
        width,
        height,
        targets,
        defaults,
        options,
        overrides,
        [*transformations, organised],
        description=description,
        **more,
    )


def _headed(label: str) -> str:
    """Return a column's title; in capitals, for a column that is hidden may be called the same in small letters."""
    return label[:1].upper() + label[1:]


def called(ref: str, *columns: str) -> Json:
    """Return the transformation that shows the ids of columns by the names that query ``ref`` has found.

    One such query per panel: of the second, Grafana 9.4 does not know any more what it was called.
    """
    mappings = [
        {"fieldName": "id", "handlerKey": "mappings.value", "reducerId": "allValues"},
        {"fieldName": "text", "handlerKey": "mappings.text", "reducerId": "allValues"},
    ]
    return {
        "id": "configFromData",
        "options": {
            "configRefId": ref,
            "mappings": mappings,
            "applyTo": {"id": "byRegexp", "options": f"/^({'|'.join(columns)})$/"},
        },
    }


def configured(ref: str, **fields: str) -> Json:
    """Return the transformation that takes properties of numbers from query ``ref``: ``unit="grafana_unit"``."""
    mappings = [{"fieldName": column, "handlerKey": handler} for handler, column in fields.items()]
    return {
        "id": "configFromData",
        "options": {"configRefId": ref, "mappings": mappings, "applyTo": {"id": "numeric", "options": {}}},
    }


def sorted_by(column: str, *, greatest_first: bool = True) -> Json:
    """Return the transformation that sorts rows."""
    return {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": column, "desc": greatest_first}]}}


def only(*names: str) -> Json:
    """Return the transformation that drops all other columns."""
    return {"id": "filterFieldsByName", "options": {"include": {"names": list(names)}}}


# --- the rest ----------------------------------------------------------------------------------------------------


def text(title: str, content: str, *, width: int = 24, height: int = 3) -> Panel:
    """Return a note."""
    return Panel("text", title, width, height, [], options={"mode": "markdown", "content": content})


def share_steps() -> Json:
    """Return the colours of a share of the first alarm's set-point, in %."""
    return steps(GREEN, (50, "yellow"), (100, ORANGE), (200, RED))


def unit_of(where: str, ref: str = "U") -> Json:
    """Return the query for the unit of series, for :func:`configured`."""
    return table(
        'SELECT "unit" FROM (SELECT last("grafana_unit") AS "unit" FROM "raw"."channel" '
        f"WHERE {where} AND time > now() - 20m)",
        ref,
    )
