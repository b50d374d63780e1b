"""Colours, units and the words for codes: the same everywhere, whatever a panel shows.

Colour says how bad it is, never which sensor it is: red critical, orange high, yellow medium, blue low, green well,
purple for data that can't be believed, grey for what was set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from grafana.language import Language

Json = dict[str, Any]

RED, ORANGE, YELLOW, BLUE, GREEN = "semi-dark-red", "orange", "yellow", "blue", "semi-dark-green"
PURPLE, GREY, CLEAR = "purple", "#8e8e8e", "transparent"

#: parkwatch's units by Grafana's ids; others are written as they are.
UNITS = {
    "mg/m3": "conmgm3",
    "%": "percent",
    "%LEL": "suffix: %LEL",
    "°C": "celsius",
    "m/s": "velocityms",
    "°": "degree",
    "count": "short",
    "s": "s",
}

#: What the highest alarm of a sensor or a zone is worth (field ``rank``).
RANKS = {
    0: ("正常", "normal", GREEN),
    1: ("低", "low", BLUE),
    2: ("中", "medium", YELLOW),
    3: ("高", "high", ORANGE),
    4: ("紧急", "critical", RED),
}
#: How a sensor is drawn (field ``look``).
LOOKS = {
    **RANKS,
    5: ("无有效数据", "no valid data", PURPLE),
    6: ("已搁置或停用", "set aside", GREY),
}
#: ISA-18.2 states, and those of a sensor.
STATES = {
    "UNACK": ("未确认", "unacknowledged", RED),
    "ACKED": ("已确认", "acknowledged", ORANGE),
    "RTNUN": ("已恢复待确认", "cleared, unack.", YELLOW),
    "SHLVD": ("已搁置", "shelved", GREY),
    "DSUPR": ("设计抑制", "suppressed by design", GREY),
    "OOSRV": ("已停用", "out of service", GREY),
    "ASIDE": ("已搁置或停用", "set aside", GREY),
    "NORM": ("正常", "normal", GREEN),
}
PRIORITIES = {
    "critical": ("紧急", "critical", RED),
    "high": ("高", "high", ORANGE),
    "medium": ("中", "medium", YELLOW),
    "low": ("低", "low", BLUE),
}
SEVERITIES = {
    "high-high": ("高高限", "HH", RED),
    "high": ("高限", "H", ORANGE),
    "low": ("低限", "L", ORANGE),
    "low-low": ("低低限", "LL", RED),
    "bad": ("数据失效", "bad data", PURPLE),
}
QUALITIES = {
    "good": ("正常", "good", GREEN),
    "clock": ("时钟异常", "clock", YELLOW),
    "out-of-specification": ("超出量程", "out of specification", ORANGE),
    "maintenance-required": ("需要维护", "maintenance required", BLUE),
    "function-check": ("校验中", "function check", PURPLE),
    "failure": ("故障", "failure", RED),
    "silent": ("无数据", "silent", PURPLE),
}
LOCATIONS = {
    "workplace": ("作业场所", "workplace"),
    "stack": ("排气筒", "stack"),
    "fenceline": ("厂界", "fenceline"),
    "ambient": ("环境空气", "ambient air"),
    "outfall": ("排口", "outfall"),
    "process": ("工艺", "process"),
    "meter": ("计量", "meter"),
    "system": ("系统自身", "system"),
}
SPANS = {
    "value": ("实时值", "every value"),
    "minute": ("分钟均值", "minute mean"),
    "hour": ("小时均值", "hour mean"),
    "day": ("日均值", "day mean"),
    "month": ("月", "month"),
    "year": ("年", "year"),
    "rolling-15min": ("15分钟滑动均值", "15 min mean"),
    "rolling-8h": ("8小时滑动均值", "8 h mean"),
    "greatest-8h": ("日最大8小时均值", "greatest 8 h mean"),
    "rate": ("变化速率", "rate of change"),
    "flatline": ("长时间不变", "unchanged for"),
    "vote": ("多探头表决", "vote"),
}
#: What a kind of event in the journal is called.
EVENTS = {
    "raised": ("报警", "raised"),
    "escalated": ("升级", "escalated"),
    "realarmed": ("重新报警", "alarmed again"),
    "returned": ("恢复", "returned"),
    "acknowledged": ("确认", "acknowledged"),
}

Coded = Mapping[Any, tuple[str, str, str] | tuple[str, str]]


def words(coded: Coded, t: Language) -> list[Json]:
    """Return the value mappings that show codes as words, in their colours if they have any."""
    options: Json = {}
    for index, (code, told) in enumerate(coded.items()):
        shown: Json = {"text": t(told[0], told[1]), "index": index}
        if len(told) > 2:  # noqa: PLR2004 - a code with a colour
            shown["color"] = told[2]
        options[str(code)] = shown
    return [{"type": "value", "options": options}]


def nothing() -> list[Json]:
    """Return the value mapping that shows a dash where there is no value."""
    return [{"type": "special", "options": {"match": "null", "result": {"text": "–", "index": 0}}}]


def yes_no(t: Language, good: bool = True) -> list[Json]:  # noqa: FBT001, FBT002 - which of the two is the good one
    """Return the value mappings of a flag."""
    yes, no = (GREEN, RED) if good else (RED, GREEN)
    options = {
        "true": {"text": t("是", "yes"), "color": yes, "index": 0},
        "false": {"text": t("否", "no"), "color": no, "index": 1},
    }
    return [{"type": "value", "options": options}]


def steps(first: str, *rest: tuple[float, str]) -> Json:
    """Return thresholds: the first colour from below, and each other one from its value upwards."""
    found: list[Json] = [{"color": first, "value": None}, *({"color": colour, "value": at} for at, colour in rest)]
    return {"mode": "absolute", "steps": found}


def unit(name: str) -> str:
    """Return Grafana's id for a unit of the configuration."""
    return UNITS.get(name, f"suffix: {name}" if name else "short")


def properties(**known: Any) -> list[Json]:
    """Return the properties of an override; two underscores stand for a dot: ``custom__width=80``."""
    return [{"id": name.replace("__", "."), "value": value} for name, value in known.items()]


def by_name(name: str, **known: Any) -> Json:
    """Return an override for the field ``name``."""
    return {"matcher": {"id": "byName", "options": name}, "properties": properties(**known)}


def by_regex(pattern: str, **known: Any) -> Json:
    """Return an override for the fields whose name matches ``pattern``."""
    return {"matcher": {"id": "byRegexp", "options": pattern}, "properties": properties(**known)}


def fixed(colour: str) -> Json:
    """Return the colour mode that is always ``colour``."""
    return {"mode": "fixed", "fixedColor": colour}


def hidden(names: Iterable[str]) -> list[Json]:
    """Return the overrides that keep columns out of sight; links may still use them."""
    return [by_name(name, custom__hidden=True) for name in names]
