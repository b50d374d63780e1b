"""The one map: outlines and plant areas that parkwatch itself serves, and every sensor by class and state.

The shape tells the class of a sensor, its colour the worst alarm. What is in alarm also has a star around it
and says so in words, for those who cannot tell colours apart. No tile and no request goes to anybody outside.
"""

from __future__ import annotations

from typing import Any

from grafana.influxql import SENSORS_NOW, STATE, ZONE_STATE, lasts, table
from grafana.language import Language
from grafana.looks import GREEN, LOCATIONS, LOOKS, by_name, hidden, words
from grafana.panels import Panel

Json = dict[str, Any]

#: Through Grafana's own address, which passes it on to the console: the browser asks nobody else.
OUTLINES = "api/datasources/proxy/uid/parkwatch_console/map/zones.geojson"
#: The shape of each class of sensor.
SHAPES = {
    "workplace": "circle",
    "process": "square",
    "stack": "triangle",
    "outfall": "cross",
    "fenceline": "x-mark",
    "ambient": "x-mark",
    "meter": "square",
}
#: The layer that nobody sees, by which the map is fitted.
_FRAME = "FRAME"
_SIZES = {"workplace": 5, "process": 5, "stack": 7, "outfall": 8, "fenceline": 6, "ambient": 6, "meter": 3}


def park_map(t: Language, *, where: str, width: int, height: int, title: str = "", zones: bool = False) -> Panel:
    """Return the map of the sensors that ``where`` chooses; ``zones``: whole zones by their worst state as well."""
    targets = [_sensors(t, f"{where} AND \"location\" = '{location}'", ref) for ref, location in _refs()]
    targets.append(_sensors(t, where, "ALARMS", '"look" > 0 AND "look" < 5'))
    targets.append(_places(where))
    layers = [_frame(), *(_class_layer(t, ref, location) for ref, location in _refs())]
    layers.append(_alarm_layer(t, told=not zones))
    if zones:
        targets.append(_zones(t))
        layers.append(_zone_layer(t))
    options: Json = {
        "view": {"id": "fit", "lat": 31.78, "lon": 120.89, "zoom": 16, **_fit(30 if zones else 22)},
        "controls": {
            "showZoom": True,
            "mouseWheelZoom": False,
            "showAttribution": False,
            "showScale": True,
            "scaleUnits": "metric",
            "showDebug": False,
            "showMeasure": False,
        },
        "basemap": _outlines(t, areas=not zones),
        "layers": layers,
        "tooltip": {"mode": "details"},
    }
    overrides = [
        by_name("look", displayName=t("状态", "state"), mappings=words(LOOKS, t)),
        by_name("name", displayName=t("测点", "sensor")),
        by_name("place", displayName=t("装置", "site")),
        by_name("worst", displayName=t("报警", "alarm")),
        *hidden(["Time", "zone", "site", "location"]),
    ]
    description = t(
        "形状表示测点类别：圆 作业场所，方 工艺与计量，三角 排气筒，十字 排口，叉 厂界与环境空气；"
        "颜色表示最严重的报警，星形表示正在报警，紫色表示数据失效。",
        "Shape: circle workplace, square process and meters, triangle stack, cross outfall, x fenceline and "
        "ambient air. Colour: the worst alarm; a star is in alarm; purple has no valid data.",
    )
    shown = title or t("园区一张图", "Map of the park")
    return Panel("geomap", shown, width, height, targets, {}, options, overrides, description=description)


def _fit(padding: int) -> Json:
    """Return what the map shows of the world: all sensors that are asked for, and not the outlines of other zones."""
    return {"allLayers": False, "lastOnly": False, "layer": _FRAME, "padding": padding}


def _places(where: str) -> Json:
    fields = lasts(lat="lat", lon="lon")
    inner = f'SELECT {fields} FROM {STATE} WHERE {where} AND {SENSORS_NOW} GROUP BY "zone", "site", "sensor"'
    return table(f'SELECT "lat", "lon" FROM ({inner})', _FRAME)


def _frame() -> Json:
    layer = _markers(_FRAME, _FRAME, "circle", 0, opacity=0.0)
    return layer | {"tooltip": False}


def _refs() -> list[tuple[str, str]]:
    return [(location.upper(), location) for location in SHAPES]


def _sensors(t: Language, where: str, ref: str, which: str = "") -> Json:
    fields = lasts(
        look="look", lat="lat", lon="lon", name=t.field("name"), place=t.field("site"), worst=t.field("worst")
    )
    inner = f'SELECT {fields} FROM {STATE} WHERE {where} AND {SENSORS_NOW} GROUP BY "zone", "site", "sensor"'
    chosen = f" WHERE {which}" if which else ""
    columns = '"lat", "lon", "look", "name", "place", "worst", "zone", "site", "sensor"'
    return table(f"SELECT {columns} FROM ({inner}){chosen}", ref)


def _zones(t: Language) -> Json:
    fields = lasts(look="rank", lat="lat", lon="lon", name=t.field("name"))
    return table(
        f'SELECT "lat", "lon", "look", "name", "zone" FROM (SELECT {fields} FROM {ZONE_STATE} '
        'WHERE time > now() - 5m GROUP BY "zone")',
        "ZONES",
    )


def _outlines(t: Language, *, areas: bool) -> Json:
    """Return the ground of the map; labels are told by their kind. ``areas``: those of plants have labels, too."""

    def rule(kind: str, style: Json) -> Json:
        return {"check": {"property": "kind", "operation": "eq", "value": kind}, "style": style}

    def label(size: int, colour: str, above: int) -> Json:
        return {
            "color": {"fixed": colour},
            "opacity": 1,
            "size": {"fixed": 1, "min": 1, "max": 1},
            "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
            "text": {"mode": "field", "field": t.code, "fixed": ""},
            "textConfig": {
                "fontSize": size,
                "textAlign": "center",
                "textBaseline": "bottom",
                "offsetX": 0,
                "offsetY": above,
            },
        }

    hidden = {"color": {"fixed": "#000000"}, "opacity": 0, "lineWidth": 0, "size": {"fixed": 0, "min": 0, "max": 0}}
    return {
        "type": "geojson",
        "name": t("园区轮廓", "outlines"),
        "config": {
            "src": OUTLINES,
            "style": {"color": {"fixed": "#5794F2"}, "opacity": 0.08, "lineWidth": 2},
            "rules": [
                rule("zone", {"color": {"fixed": "#5794F2"}, "opacity": 0.06, "lineWidth": 2}),
                rule("area", {"color": {"fixed": "#8e8e8e"}, "opacity": 0.18, "lineWidth": 1}),
                rule("zone-label", label(13, "#5794F2", -4)),
                rule("area-label", label(11, "#b0b0b0", -20) if areas else hidden),
            ],
        },
        "tooltip": False,
    }


def _class_layer(t: Language, ref: str, location: str) -> Json:
    return _markers(t(*LOCATIONS[location]), ref, SHAPES[location], _SIZES[location], opacity=0.85)


def _alarm_layer(t: Language, *, told: bool) -> Json:
    layer = _markers(t("报警", "in alarm"), "ALARMS", "star", 13, opacity=0.95)
    if told:
        layer["config"]["style"] |= _text("worst", 13, 28)
    return layer


def _zone_layer(t: Language) -> Json:
    return _markers(t("园区", "zones"), "ZONES", "circle", 22, opacity=0.35)


def _text(field: str, size: int, below: int) -> Json:
    return {
        "text": {"mode": "field", "field": field, "fixed": ""},
        "textConfig": {
            "fontSize": size,
            "textAlign": "center",
            "textBaseline": "top",
            "offsetX": 0,
            "offsetY": below - size,
        },
    }


def _markers(name: str, ref: str, shape: str, size: int, opacity: float) -> Json:
    return {
        "type": "markers",
        "name": name,
        "location": {"mode": "coords", "latitude": "lat", "longitude": "lon"},
        "filterData": {"id": "byRefId", "options": ref},
        "tooltip": True,
        "config": {
            "showLegend": False,
            "style": {
                "color": {"field": "look", "fixed": GREEN},
                "opacity": opacity,
                "size": {"fixed": size, "min": 2, "max": 20},
                "symbol": {"mode": "fixed", "fixed": f"img/icons/marker/{shape}.svg"},
                "rotation": {"fixed": 0, "mode": "mod", "min": -360, "max": 360},
                "textConfig": {
                    "fontSize": 12,
                    "textAlign": "center",
                    "textBaseline": "middle",
                    "offsetX": 0,
                    "offsetY": 0,
                },
            },
        },
    }
