"""Asks InfluxDB what a dashboard asks, with its variables filled in as Grafana fills them."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

#: Grafana's steps (kbn.roundInterval), in seconds: up to the first, a graph's point is as wide as the second.
_STEPS = (
    *((1.5, 1), (3.5, 2), (7.5, 5), (12.5, 10), (17.5, 15), (25, 20), (45, 30), (90, 60), (210, 120), (450, 300)),
    *((750, 600), (1050, 900), (1500, 1200), (2700, 1800), (5400, 3600), (9000, 7200), (16200, 10800), (32400, 21600)),
    *((86400, 43200), (604800, 86400), (1814400, 604800)),
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}
_SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}/]")
_VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)")


class Refused(AssertionError):
    """InfluxDB did not take a query."""


@dataclass(frozen=True)
class Asker:
    """A database of an InfluxDB."""

    url: str
    database: str

    def ask(self, text: str) -> list[Json]:
        """Return the series that a query finds."""
        parameters = urllib.parse.urlencode({"db": self.database, "q": text, "epoch": "ms"}).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/query", parameters, timeout=60) as response:
                answer = json.load(response)["results"][0]
        except urllib.error.HTTPError as error:
            raise Refused(f"{error.read().decode()}: {text}") from error
        if "error" in answer:
            raise Refused(f"{answer['error']}: {text}")
        found: list[Json] = answer.get("series", [])
        return found


@dataclass
class Chosen:
    """The variables of a dashboard: what each could be, and what it is."""

    options: dict[str, list[str]] = field(default_factory=dict)
    values: dict[str, list[str]] = field(default_factory=dict)
    #: What stands for all of them, where a variable says so.
    everything: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, only: Mapping[str, str]) -> str | None:
        """Return what Grafana puts in the place of a variable in InfluxQL."""
        if name in only:
            return escaped(only[name])
        if name in self.everything:
            return self.everything[name]
        if name not in self.values:
            return None
        values = [escaped(value) for value in self.values[name]]
        return values[0] if len(values) == 1 else f"({'|'.join(values)})"

    def filled(self, text: str, only: Mapping[str, str] | None = None) -> str:
        """Return a text with its variables filled in; ``only``: what a repeated panel is of."""

        def put(found: re.Match[str]) -> str:
            known = self.text(found[1] or found[2], only or {})
            return found[0] if known is None else known

        return _VARIABLE.sub(put, text)


def escaped(value: str) -> str:
    """Return a value as it stands in a regex."""
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", value)


def seconds(text: str) -> int:
    """Return how long ``6h`` is."""
    return int(text[:-1]) * _UNITS[text[-1]]


def width(span: int, points: int, least: str) -> int:
    """Return how many seconds a point of a graph is wide."""
    rounded = next((step for most, step in _STEPS if span / points < most), 30 * 86400)
    return max(rounded, seconds(least or "1s"))


def duration(width_: int) -> str:
    """Return it as Grafana writes it."""
    return next(f"{width_ // size}{unit}" for unit, size in reversed(_UNITS.items()) if width_ % size == 0)


def choose(dashboard: Json, asker: Asker) -> Chosen:
    """Return the variables as they are when the dashboard opens."""
    chosen = Chosen()
    for variable in dashboard["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "custom":
            chosen.options[name] = [option["value"] for option in variable["options"]]
            chosen.values[name] = chosen.options[name][: None if variable["includeAll"] else 1]
            continue
        chosen.options[name] = options = sorted(set(_options(variable, asker.ask(chosen.filled(variable["query"])))))
        everything = variable["includeAll"]
        begins = variable["current"].get("value")
        first = [begins] if begins in options else options[:1]
        chosen.values[name] = options if everything else first
        if everything and "allValue" in variable:
            chosen.everything[name] = variable["allValue"]
    return chosen


def _options(variable: Json, series: list[Json]) -> Iterator[str]:
    pattern = variable["regex"].strip("/").replace("(?<", "(?P<")
    for each in series:
        for row in each["values"]:
            found = re.search(pattern, row[1]) if pattern else None
            if found:
                yield found["value"]
            elif not pattern:
                yield row[1]


@dataclass(frozen=True)
class Question:
    """One query of a panel as Grafana sends it."""

    panel: str
    ref: str
    text: str
    of: str = ""


def questions(dashboard: Json, chosen: Chosen, span: str = "") -> Iterator[Question]:
    """Yield every query of every panel, repeated ones for each value; ``span``: another time than the dashboard's."""
    length = seconds(span or dashboard["time"]["from"].removeprefix("now-"))
    for panel in panels(dashboard):
        wide = duration(width(length, panel.get("maxDataPoints", 1000), panel.get("interval", "")))
        repeated = panel.get("repeat", "")
        for value in chosen.values[repeated] if repeated else [""]:
            for target in panel["targets"]:
                text = chosen.filled(target["query"], {repeated: value} if repeated else {})
                text = text.replace("$timeFilter", f"time >= now() - {length}s").replace("$__interval", wide)
                yield Question(panel["title"], target["refId"], text, value)


def panels(dashboard: Json) -> Iterator[Json]:
    """Yield the panels, those of collapsed rows too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", ())
        else:
            yield panel
