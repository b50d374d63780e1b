"""Writes ``dashboards/zone.json`` from the park's configuration: ``python grafana/generate.py``.

Which quantities a panel shows, their units and the dashed limit lines come from ``config/``; run it again after a
change there (a test compares). Titles are in both languages, for one dashboard serves all staff. The JSON keeps to
what Grafana 9.4 to 11 share.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "grafana" / "dashboards" / "zone.json"
# Run as a script, Python looks beside it only.
sys.path.insert(0, str(ROOT))

from park.catalogue import Catalogue  # noqa: E402
from park.limits import Kind, Limit, Side  # noqa: E402
from park.quantities import Quantity  # noqa: E402
from park.words import Location, Names, Quality  # noqa: E402
from storage import names  # noqa: E402
from storage.configuration import load  # noqa: E402

Json = dict[str, Any]

DATASOURCE = {"type": "influxdb", "uid": "parkwatch"}
#: The dashboards' grid is this wide.
WIDTH = 24
#: Newer versions of Grafana bring a dashboard of this schema up to their own.
SCHEMA = 37
LIVE = "5m"

READING = f'"{names.RETENTION_RAW}"."{names.READING}"'
QUARANTINED = f'"{names.RETENTION_RAW}"."{names.QUARANTINED}"'
HERE = f'"{names.TAG_ZONE}" = \'$zone\' AND "{names.TAG_SITE}" =~ /^$site$/'
SERIES = f"$tag_{names.TAG_SITE} · $tag_{names.TAG_SENSOR} · $tag_{names.TAG_QUANTITY}"

#: parkwatch's units by Grafana's ids; others are written as they are.
UNITS = {
    "mg/m3": "conmgm3",
    "%": "percent",
    "%LEL": "suffix:%LEL",
    "°C": "celsius",
    "m/s": "velocityms",
    "°": "degree",
    "count": "short",
    "s": "s",
    "pH": "pH",
}
QUALITIES = {
    Quality.GOOD: (Names(zh="正常", en="good"), "green"),
    Quality.CLOCK: (Names(zh="时钟异常", en="clock"), "yellow"),
    Quality.OUT_OF_SPECIFICATION: (Names(zh="超出规格", en="out of specification"), "orange"),
    Quality.MAINTENANCE_REQUIRED: (Names(zh="需要维护", en="maintenance required"), "blue"),
    Quality.FUNCTION_CHECK: (Names(zh="功能检查", en="function check"), "purple"),
    Quality.FAILURE: (Names(zh="故障", en="failure"), "red"),
}
COLOURS = {"high": "orange", "low": "orange", "high-high": "red", "low-low": "red"}


def title(text: Names, unit: str = "") -> str:
    """Return a text in both languages, with its unit if it has one."""
    return f"{text.zh} / {text.en}" + (f" ({unit})" if unit else "")


# --- queries -----------------------------------------------------------------------------------------------------


def query(text: str, alias: str = "", *, ref: str = "A", table: bool = False) -> Json:
    """Return a target of a panel from InfluxQL."""
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "rawQuery": True,
        "query": text,
        "alias": alias,
        "resultFormat": "table" if table else "time_series",
    }


def among(quantities: Iterable[Quantity]) -> str:
    """Return the condition that a reading is of one of these quantities."""
    return f'"{names.TAG_QUANTITY}" =~ /^({"|".join(quantity.name for quantity in quantities)})$/'


def over_time(function: str, quantities: Sequence[Quantity]) -> Json:
    """Return each series of these quantities over time."""
    tags = f'"{names.TAG_SITE}", "{names.TAG_SENSOR}", "{names.TAG_QUANTITY}"'
    return query(
        f'SELECT {function}("{names.FIELD_VALUE}") FROM {READING} WHERE {HERE} AND {among(quantities)} AND $timeFilter '
        f"GROUP BY time($__interval), {tags} fill(none)",
        SERIES,
    )


def now(quantities: Sequence[Quantity]) -> Json:
    """Return the latest value of each series of these quantities."""
    return query(
        f'SELECT last("{names.FIELD_VALUE}") FROM {READING} WHERE {HERE} AND {among(quantities)} AND $timeFilter '
        f'GROUP BY "{names.TAG_SITE}", "{names.TAG_SENSOR}"',
        f"$tag_{names.TAG_SITE} · $tag_{names.TAG_SENSOR}",
    )


def sensors(condition: str) -> str:
    """Return a query for the number of sensors with a reading lately that meets ``condition``."""
    return (
        f'SELECT count("q") FROM (SELECT last("{names.FIELD_QUALITY}") AS "q" FROM {READING} WHERE {HERE}{condition} '
        f'AND time > now() - {LIVE} GROUP BY "{names.TAG_SITE}", "{names.TAG_SENSOR}")'
    )


def qualities() -> list[Json]:
    """Return how many readings of each quality came, over time."""
    return [
        query(
            f'SELECT count("{names.FIELD_QUALITY}") FROM {READING} WHERE {HERE} '
            f"AND \"{names.FIELD_QUALITY}\" = '{quality.value}' AND $timeFilter GROUP BY time($__interval) fill(none)",
            title(text),
            ref=ref,
        )
        for ref, (quality, (text, _)) in zip("ABCDEF", QUALITIES.items(), strict=True)
    ]


def quarantined() -> Json:
    """Return how many messages were quarantined for each reason, over time; it is of the whole park."""
    return query(
        f'SELECT sum("n") FROM {QUARANTINED} WHERE $timeFilter GROUP BY time($__interval), "code" fill(none)',
        "$tag_code",
    )


# --- panels ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    """A panel before it has a place: its kind, size in the grid, queries and looks."""

    kind: str
    title: str
    width: int
    height: int
    targets: list[Json]
    defaults: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    overrides: list[Json] = field(default_factory=list)
    description: str = ""

    def placed(self, number: int, x: int, y: int) -> Json:
        """Return the panel as the dashboard's ``number``-th."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "datasource": DATASOURCE,
            "targets": self.targets,
            "fieldConfig": {"defaults": self.defaults, "overrides": self.overrides},
            "options": self.options,
        }


def curve(
    text: str, targets: list[Json], unit: str, *, width: int = 12, lines: Json | None = None, description: str = ""
) -> Panel:
    """Return a time series, with dashed limit ``lines`` if there are any."""
    custom: Json = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "spanNulls": False, "showPoints": "auto"}
    defaults: Json = {"unit": UNITS.get(unit, f"suffix: {unit}"), "custom": custom}
    if lines:
        custom["thresholdsStyle"] = {"mode": "dashed"}
        defaults["thresholds"] = lines
    legend = {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"], "showLegend": True}
    options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    return Panel("timeseries", text, width, 9, targets, defaults, options, description=description)


def bars(text: str, targets: list[Json], overrides: list[Json], description: str = "") -> Panel:
    """Return stacked bars of counts over time."""
    custom = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "stacking": {"mode": "normal", "group": "A"}}
    legend = {"displayMode": "list", "placement": "bottom", "calcs": [], "showLegend": True}
    options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    return Panel(
        "timeseries", text, 12, 8, targets, {"unit": "short", "custom": custom}, options, overrides, description
    )


def number(text: str, target: Json, steps: list[Json], description: str) -> Panel:
    """Return one large number; none is shown as 0."""
    defaults = {"unit": "short", "noValue": "0", "thresholds": {"mode": "absolute", "steps": steps}}
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options = {"reduceOptions": reduce, "colorMode": "value", "graphMode": "none", "textMode": "value"}
    return Panel("stat", text, 6, 4, [target], defaults, options, description=description)


def gauges(text: str, target: Json, unit: str, lines: Json) -> Panel:
    """Return a bar for each series' latest value, coloured by its limits."""
    defaults = {"unit": UNITS[unit], "min": 0, "max": 100, "thresholds": lines}
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options = {"reduceOptions": reduce, "orientation": "horizontal", "displayMode": "lcd", "showUnfilled": True}
    return Panel("bargauge", text, 12, 9, [target], defaults, options)


def notice() -> Panel:
    """Return what everybody has to know who looks at this."""
    content = (
        "**监测服务，不能替代安全仪表系统。报警、确认与处置请使用报警台。**\n\n"
        "A monitoring service, not a safety instrumented system. For alarms, what to do, and acknowledging, "
        "use the alarm console."
    )
    return Panel("text", "", 12, 4, [], options={"mode": "markdown", "content": content})


def limit_lines(catalogue: Catalogue, quantity: str, location: Location) -> Json:
    """Return the set-points that hold for a quantity wherever it is in a location class, as Grafana's thresholds."""
    found = [limit for limit in catalogue.limits if _holds_everywhere(limit, quantity, location)]
    low = [
        (point.at, COLOURS[point.severity]) for limit in found if limit.side is Side.LOW for point in limit.set_points
    ]
    high = [
        (point.at, COLOURS[point.severity]) for limit in found if limit.side is Side.HIGH for point in limit.set_points
    ]
    # A colour holds from its value upwards, the first one below all values: what is too low comes first.
    values: list[float | None] = [None, *(at for at, _ in sorted(low)), *(at for at, _ in sorted(high))]
    colours = [*(colour for _, colour in sorted(low)), "green", *(colour for _, colour in sorted(high))]
    steps = [{"color": colour, "value": at} for at, colour in zip(values, colours, strict=True)]
    return {"mode": "absolute", "steps": steps}


def _holds_everywhere(limit: Limit, quantity: str, location: Location) -> bool:
    match = limit.match
    somewhere = match.zones or match.sites or match.sensors
    return (
        limit.kind is Kind.THRESHOLD
        and not somewhere
        and quantity in match.quantities
        and location in (match.locations or (location,))
    )


# --- the dashboard -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A headline and the panels below it."""

    title: Names
    panels: list[Panel]


def rows(catalogue: Catalogue) -> list[Row]:
    """Return the dashboard's rows."""
    return [
        Row(Names(zh="概况", en="Overview"), overview()),
        Row(Names(zh="气体探测", en="Gas detection"), gas_detection(catalogue)),
        Row(Names(zh="排口", en="Outfall"), outfall(catalogue)),
        Row(Names(zh="储罐", en="Tanks"), tanks(catalogue)),
        Row(Names(zh="大气", en="Air"), air(catalogue)),
        Row(Names(zh="数据质量", en="Data quality"), data_quality(catalogue)),
    ]


def overview() -> list[Panel]:
    """Return how many sensors speak, how many of them can't be used, and the notice."""
    wanting = " AND ".join(f"\"{names.FIELD_QUALITY}\" != '{quality.value}'" for quality in Quality if quality.usable)
    green, red = {"color": "green", "value": None}, {"color": "red", "value": None}
    return [
        number(
            "在报传感器 / Sensors reporting",
            query(sensors("")),
            [red, {"color": "green", "value": 1}],
            f"最近 {LIVE} 内有数据的传感器 / with a reading in the last {LIVE}",
        ),
        number(
            "不可用传感器 / Sensors unusable",
            query(sensors(f" AND {wanting}")),
            [green, {"color": "orange", "value": 1}],
            f"最近 {LIVE} 内出现故障或功能检查数据 / with a failure or function check in the last {LIVE}",
        ),
        notice(),
    ]


def gas_detection(catalogue: Catalogue) -> list[Panel]:
    """Return workplace gases by unit: peaks, for a mean would hide them."""
    toxic = _of(catalogue, lambda q: q.location is Location.WORKPLACE and q.unit == "mg/m3" and "toxic" in q.hazards)
    other = _of(
        catalogue, lambda q: q.location is Location.WORKPLACE and q.unit == "mg/m3" and "toxic" not in q.hazards
    )
    lel, oxygen = catalogue.quantities["lel"], catalogue.quantities["oxygen"]
    peak = "峰值 / peaks"
    return [
        curve("有毒气体 / Toxic gases (mg/m3)", [over_time("max", toxic)], "mg/m3", description=peak),
        curve("其他气体与蒸气 / Other gases and vapours (mg/m3)", [over_time("max", other)], "mg/m3", description=peak),
        _alone(catalogue, lel, "max", peak),
        _alone(catalogue, oxygen, "min", "最低值 / lowest"),
    ]


def outfall(catalogue: Catalogue) -> list[Panel]:
    """Return COD and ammonia with their limits, the rest by unit."""
    apart = ("cod", "nh3-n")
    rest = _of(catalogue, lambda q: q.location is Location.OUTFALL and q.unit == "mg/L" and q.name not in apart)
    return [
        *(_alone(catalogue, catalogue.quantities[name], "max") for name in apart),
        curve("其他水质指标 / Other water quality (mg/L)", [over_time("max", rest)], "mg/L"),
        _alone(catalogue, catalogue.quantities["ph"], "mean"),
        _alone(catalogue, catalogue.quantities["flow-water"], "mean"),
    ]


def tanks(catalogue: Catalogue) -> list[Panel]:
    """Return levels now and over time, with the set-points."""
    level = catalogue.quantities["level"]
    lines = limit_lines(catalogue, level.name, level.location)
    return [gauges("当前液位 / Levels now (%)", now([level]), level.unit, lines), _alone(catalogue, level, "max")]


def air(catalogue: Catalogue) -> list[Panel]:
    """Return what is measured in the open air and at stacks."""
    outside = (Location.AMBIENT, Location.FENCELINE)
    open_air = _of(catalogue, lambda q: q.location in outside and q.unit == "mg/m3")
    stack = _of(catalogue, lambda q: q.location is Location.STACK and q.unit == "mg/m3")
    return [
        curve("环境与厂界空气 / Ambient and fenceline air (mg/m3)", [over_time("mean", open_air)], "mg/m3"),
        curve("废气排放 / Stack emissions (mg/m3)", [over_time("mean", stack)], "mg/m3"),
        _alone(catalogue, catalogue.quantities["wind-speed"], "mean"),
        _alone(catalogue, catalogue.quantities["wind-direction"], "last"),
    ]


def data_quality(catalogue: Catalogue) -> list[Panel]:
    """Return what readings are worth, what was rejected, and what waits for InfluxDB."""
    colours = [_coloured(title(text), colour) for text, colour in QUALITIES.values()]
    return [
        bars("读数质量 / Reading quality", qualities(), colours),
        bars(
            "被隔离的消息（全园区，按原因） / Quarantined messages (whole park, by reason)",
            [quarantined()],
            [],
            "`parkwatch quarantine` 显示原因与改法 / says why, and what to send instead",
        ),
        _alone(catalogue, catalogue.quantities["spool-waiting"], "max"),
        _alone(catalogue, catalogue.quantities["spool-dropped"], "max"),
    ]


def _of(catalogue: Catalogue, wanted: Callable[[Quantity], bool]) -> list[Quantity]:
    return [quantity for quantity in catalogue.quantities.values() if wanted(quantity)]


def _alone(catalogue: Catalogue, quantity: Quantity, function: str, description: str = "") -> Panel:
    """Return a panel for one quantity, with its limits if it has any that hold everywhere."""
    lines = limit_lines(catalogue, quantity.name, quantity.location)
    return curve(
        title(quantity.names, "" if quantity.unit in {"count", "pH"} else quantity.unit),
        [over_time(function, [quantity])],
        quantity.unit,
        lines=lines if len(lines["steps"]) > 1 else None,
        description=description,
    )


def _coloured(series: str, colour: str) -> Json:
    properties = [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}]
    return {"matcher": {"id": "byName", "options": series}, "properties": properties}


def variable(name: str, label: Names, text: str, *, many: bool = False) -> Json:
    """Return a variable whose values are those of a tag."""
    chosen: Json = {"selected": True, "text": ["All"], "value": ["$__all"]} if many else {}
    return {
        "name": name,
        "label": title(label),
        "type": "query",
        "datasource": DATASOURCE,
        "query": text,
        "definition": text,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        "current": chosen,
        "options": [],
        "regex": "",
        "hide": 0,
        "skipUrlSync": False,
    }


def dashboard(catalogue: Catalogue) -> Json:
    """Return the dashboard of a zone."""
    zones = f'SHOW TAG VALUES FROM "{names.READING}" WITH KEY = "{names.TAG_ZONE}"'
    sites = f'SHOW TAG VALUES FROM "{names.READING}" WITH KEY = "{names.TAG_SITE}" WHERE "{names.TAG_ZONE}" = \'$zone\''
    return {
        "uid": "parkwatch-zone",
        "title": "园区分区 / Zone",
        "tags": ["parkwatch"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "timepicker": {},
        "annotations": {"list": []},
        "links": [],
        "templating": {
            "list": [
                variable("zone", Names(zh="分区", en="Zone"), zones),
                variable("site", Names(zh="装置", en="Site"), sites, many=True),
            ]
        },
        "panels": list(_arranged(rows(catalogue))),
    }


def _arranged(content: Iterable[Row]) -> Iterable[Json]:
    """Place the panels from left to right, in lines, below their headlines."""
    number_, y = 0, 0
    for row in content:
        number_ += 1
        grid = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        yield {
            "id": number_,
            "type": "row",
            "title": title(row.title),
            "collapsed": False,
            "gridPos": grid,
            "panels": [],
        }
        y += 1
        x, height = 0, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            number_ += 1
            yield panel.placed(number_, x, y)
            x, height = x + panel.width, max(height, panel.height)
        y += height


def text_of(catalogue: Catalogue) -> str:
    """Return the dashboard as it is written to the file."""
    return json.dumps(dashboard(catalogue), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(text_of(load(ROOT / "config")), encoding="utf-8")
    print(f"wrote {DASHBOARD.relative_to(ROOT)}")
