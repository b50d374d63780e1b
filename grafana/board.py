"""Dashboards: rows of panels with variables and links, as the JSON that Grafana reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from grafana.influxql import DATASOURCE, named_choices
from grafana.language import Language
from grafana.panels import Panel

Json = dict[str, Any]

#: The dashboards' grid is this wide.
WIDTH = 24
SCHEMA = 37
#: Choices read ``text|value``.
NAMED_VALUE = r"/^(?<text>.*)\|(?<value>[^|]*)$/"

#: The set, in the order of the links: name, title in both languages.
SET = (
    ("overview", "园区总览", "Park overview"),
    ("zone", "安全监测", "Zone safety"),
    ("emissions", "排放与达标", "Emissions and compliance"),
    ("water", "入江水质", "Water to the Yangtze"),
    ("circular", "循环经济", "Circular economy"),
    ("evaluation", "亩均论英雄", "Output per mu"),
    ("alarms", "报警绩效", "Alarm performance"),
    ("sensor", "测点详情", "Sensor detail"),
    ("health", "系统健康", "System health"),
)


def uid(name: str, t: Language) -> str:
    """Return the stable UID of a dashboard."""
    return f"parkwatch-{name}-{t.code}"


def title(name: str, t: Language) -> str:
    """Return the title of a dashboard."""
    return next(t(zh, en) for known, zh, en in SET if known == name)


@dataclass(frozen=True)
class Row:
    """A headline and the panels below it; without a title there is no headline."""

    title: str
    panels: list[Panel]
    collapsed: bool = False


@dataclass(frozen=True)
class Dashboard:
    """One dashboard in one language. ``span`` is how far back it looks."""

    name: str
    t: Language
    rows: Sequence[Row]
    variables: Sequence[Json] = ()
    annotations: Sequence[Json] = ()
    span: str = "6h"
    refresh: str = "30s"
    description: str = ""

    def json(self) -> Json:
        """Return what stands in the file."""
        return {
            "uid": uid(self.name, self.t),
            "title": title(self.name, self.t),
            "description": self.description,
            "tags": ["parkwatch", f"parkwatch-{self.t.code}"],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": self.refresh,
            "time": {"from": f"now-{self.span}", "to": "now"},
            "timezone": "browser",
            "timepicker": {"refresh_intervals": ["10s", "30s", "1m", "5m", "15m"]},
            "annotations": {"list": list(self.annotations)},
            "links": list(links(self.name, self.t)),
            "templating": {"list": list(self.variables)},
            "panels": list(arranged(self.rows)),
        }


def links(name: str, t: Language) -> Iterator[Json]:
    """Yield links to the other dashboards, and to this one in the other language; zone and time stay."""
    for other, _, _ in SET:
        if other != name:
            yield _link(title(other, t), f"/d/{uid(other, t)}")
    other_language = Language("en" if t.code == "zh" else "zh")
    yield _link(t("English", "中文"), f"/d/{uid(name, other_language)}")


def _link(text: str, url: str) -> Json:
    return {
        "type": "link",
        "title": text,
        "url": url,
        "icon": "dashboard",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
    }


def drill(text: str, name: str, t: Language, **variables: str) -> Json:
    """Return a data link to another dashboard that keeps the time."""
    chosen = "&".join(f"var-{variable}={value}" for variable, value in variables.items())
    return {"title": text, "url": f"/d/{uid(name, t)}?{chosen}&${{__url_time_range}}", "targetBlank": False}


def arranged(rows: Iterable[Row]) -> Iterator[Json]:
    """Place the panels from left to right, in lines, below their headlines."""
    number, y = 0, 0
    for row in rows:
        number, y, placed = _placed(row, number, y)
        yield from placed


def _placed(row: Row, number: int, y: int) -> tuple[int, int, list[Json]]:
    headline: Json = {}
    if row.title:
        number += 1
        grid = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        headline = {"id": number, "type": "row", "title": row.title, "collapsed": row.collapsed, "gridPos": grid}
        y += 1
    panels: list[Json] = []
    x, height = 0, 0
    for panel in row.panels:
        if x + panel.width > WIDTH or panel.repeat:
            x, y, height = 0, y + height, 0
        number += 1
        panels.append(panel.placed(number, x, y))
        # What is repeated fills its line.
        x, height = (WIDTH if panel.repeat else x + panel.width), max(height, panel.height)
    if headline:
        headline["panels"] = panels if row.collapsed else []
    shown = ([headline] if headline else []) + ([] if row.collapsed else panels)
    return number, (y if row.collapsed else y + height), shown


# --- variables ---------------------------------------------------------------------------------------------------

_ALL: Json = {"selected": True, "text": ["All"], "value": ["$__all"]}


@dataclass(frozen=True)
class Variable:
    """A choice of what a query finds. ``everything``: All can be chosen, and means what ``anything`` does.

    ``first`` (text, value) is chosen at the beginning; without it the first in the order of the alphabet.
    """

    name: str
    label: str
    query: str
    everything: bool = False
    many: bool = False
    anything: str = ""
    hide: bool = False
    regex: str = NAMED_VALUE
    first: tuple[str, str] = ("", "")

    def json(self) -> Json:
        """Return the variable as a dashboard holds it."""
        all_of_them = _ALL if self.many else {"selected": True, "text": "All", "value": "$__all"}
        known: Json = {
            "name": self.name,
            "label": self.label,
            "type": "query",
            "datasource": DATASOURCE,
            "query": self.query,
            "definition": self.query,
            "refresh": 2,
            "sort": 1,
            "multi": self.many,
            "includeAll": self.everything,
            "current": all_of_them if self.everything else {},
            "options": [],
            "regex": self.regex,
            "hide": 2 if self.hide else 0,
            "skipUrlSync": False,
        }
        if self.everything and self.anything:
            known["allValue"] = self.anything
        if self.first[1]:
            known["current"] = {"selected": True, "text": self.first[0], "value": self.first[1]}
        return known


def zone(t: Language) -> Json:
    """Return the choice of one zone."""
    return Variable("zone", t("园区", "Zone"), named_choices("zone", t)).json()


def site(t: Language) -> Json:
    """Return the choice of sites in the zone."""
    query = named_choices("site", t, "\"zone\" = '$zone'")
    return Variable("site", t("装置", "Site"), query, everything=True, many=True, anything=".*").json()


def custom(name: str, label: str, choices: Sequence[tuple[str, str]], *, many: bool = False) -> Json:
    """Return a choice among what is written here: (text, value), the first of them chosen; ``many``: all of them."""
    options = [{"text": text, "value": value, "selected": index == 0} for index, (text, value) in enumerate(choices)]
    return {
        "name": name,
        "label": label,
        "type": "custom",
        "query": ", ".join(f"{text} : {value}" for text, value in choices),
        "options": options,
        "current": _ALL if many else options[0],
        "multi": many,
        "includeAll": many,
        "hide": 0,
        "skipUrlSync": False,
    }
