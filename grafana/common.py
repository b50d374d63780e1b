"""Panels that several dashboards share, and the names of sites in legends."""

from __future__ import annotations

from typing import Any

from grafana.board import drill
from grafana.influxql import (
    ALARMS_NOW,
    CHANNEL,
    INDICATOR,
    LOAD,
    SENSORS_NOW,
    STANDING,
    TRANSITION,
    ZONE_STATE,
    lasts,
    limit_lines,
    named,
    quoted,
    table,
    trend,
)
from grafana.language import Language
from grafana.looks import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PRIORITIES,
    PURPLE,
    RANKS,
    RED,
    SEVERITIES,
    STATES,
    YELLOW,
    by_name,
    by_regex,
    nothing,
    steps,
    words,
)
from grafana.panels import (
    COLOURED,
    COLOURED_TEXT,
    Panel,
    bars,
    called,
    configured,
    curve,
    grid,
    limits,
    only,
    share_steps,
    sorted_by,
    stat,
    text,
    unit_of,
)
from park.catalogue import Catalogue

Json = dict[str, Any]

PLACE = ("zone", "site", "sensor")
PLACE_ALIAS = "$tag_zone/$tag_site · $tag_sensor"


def places(catalogue: Catalogue, t: Language) -> list[Json]:
    """Return how legends call the sites that are configured; others keep their ids."""
    return [
        by_regex(
            f"/^{zone.name}\\/{site.name} · /",
            displayName=f"{t.name(site.names)} · ${{__field.labels.sensor}}",
        )
        for zone in catalogue.zones.values()
        for site in zone.sites.values()
    ]


def zone_name(catalogue: Catalogue, t: Language) -> list[Json]:
    """Return the value mappings of zones."""
    options = {
        zone.name: {"text": t.name(zone.names), "index": index} for index, zone in enumerate(catalogue.zones.values())
    }
    options["all"] = {"text": t("全园区", "whole park"), "index": len(options)}
    return [{"type": "value", "options": options}]


def notice(t: Language, width: int = 24) -> Panel:
    """Return what everybody has to know who looks at this."""
    return text(
        "",
        t(
            "**本系统为监测服务，不能替代安全仪表系统（SIS）。** 报警确认与处置请使用报警台。",
            "**A monitoring service, not a safety instrumented system.** Acknowledge alarms on the alarm console, "
            "which says what to do.",
        ),
        width=width,
        height=2,
    )


def zone_strip(t: Language, title: str, where: str) -> Panel:
    """Return a zone in one line: its worst state and what makes it."""
    counts = (
        ("unacknowledged", "未确认", "unack.", RED),
        ("critical", "紧急", "critical", RED),
        ("high", "高", "high", ORANGE),
        ("medium", "中", "medium", YELLOW),
        ("low", "低", "low", BLUE),
        ("aside", "搁置/抑制", "aside", GREY),
        ("unusable", "数据失效", "bad data", PURPLE),
    )
    columns = lasts(rank="rank", **{name: name for name, _, _, _ in counts}, sensors="sensors")
    overrides = [
        by_name("rank", displayName=t("最高级别", "worst"), mappings=words(RANKS, t)),
        *(
            by_name(name, displayName=t(zh, en), thresholds=steps("transparent", (1, colour)))
            for name, zh, en, colour in counts
        ),
        by_name("sensors", displayName=t("测点数", "sensors"), thresholds=steps("transparent")),
    ]
    target = table(f"SELECT {columns} FROM {ZONE_STATE} WHERE {where} AND time > now() - 1m")
    return stat(
        title, [target], width=24, height=4, overrides=overrides, sizes=(13, 26) if t.code == "zh" else (12, 17)
    )


def active_alarms(t: Language, where: str, *, width: int, height: int, title: str = "") -> Panel:
    """Return the alarms that are not normal, the worst first; a zone without any has a line that says so."""
    columns = {
        "stands": "stands",
        "rank": "rank",
        "state": "state",
        "limit_name": t.field("limit"),
        "place": t.field("site"),
        "name": t.field("sensor"),
        "value": "value",
        "set_point": "set_point",
        "unit": "unit",
        "age": "age",
    }
    standing = (
        f"SELECT {lasts(**columns)} FROM {STANDING} WHERE {where} AND {ALARMS_NOW} "
        f"GROUP BY {quoted((*PLACE, 'quantity', 'limit'))}"
    )
    quiet = (
        f'SELECT last("rank") AS "rank", last("{t.field("name")}") AS "place" FROM {ZONE_STATE} '
        f'WHERE {where} AND "alarms" = 0 AND "unacknowledged" = 0 AND {ALARMS_NOW} GROUP BY "zone"'
    )
    shown = ", ".join(f'"{name}"' for name in (*columns, "zone", "site", "sensor", "quantity"))
    detail = [drill(t("测点详情", "sensor"), "sensor", t, **_place_of_row())]
    return grid(
        title or t("当前报警", "Alarms now"),
        [table(f"SELECT {shown} FROM ({standing}), ({quiet})")],
        [
            ("stands", t("现状", "now"), {"mappings": _standing(t), "custom__width": 80, **COLOURED_TEXT}),
            (
                "rank",
                t("级别", "priority"),
                {"mappings": words(RANKS, t), "custom__width": 75, "custom__align": "center", **COLOURED},
            ),
            ("state", t("状态", "state"), {"mappings": words(STATES, t), "custom__width": 125, **COLOURED_TEXT}),
            ("limit_name", t("报警", "alarm"), {"links": detail}),
            ("place", t("装置", "site"), {"links": detail, "custom__width": 130}),
            ("name", t("测点", "sensor"), {"links": detail, "custom__width": 130}),
            ("value", t("数值", "value"), {"custom__width": 70}),
            ("set_point", t("限值", "limit"), {"custom__width": 60}),
            ("unit", t("单位", "unit"), {"custom__width": 65}),
            ("age", t("已持续", "for"), {"unit": "s", "custom__width": 75, "decimals": 0}),
        ],
        hide=("Time", "zone", "site", "sensor", "quantity"),
        sort=((t("现状", "now"), True), (t("级别", "priority"), True)),
        width=width,
        height=height,
    )


def _standing(t: Language) -> list[Json]:
    options = {
        "true": {"text": t("报警中", "active"), "color": RED, "index": 0},
        "false": {"text": t("已恢复", "cleared"), "color": GREY, "index": 1},
    }
    return [{"type": "value", "options": options}, *nothing()]


def _place_of_row() -> dict[str, str]:
    return {name: f"${{__data.fields.{name}}}" for name in (*PLACE, "quantity")}


def exceedances(
    t: Language, catalogue: Catalogue, where: str, when: str, *, title: str, width: int, height: int
) -> Panel:
    """Return what was raised in a time, the newest first, with the clause that it broke."""
    columns = ("priority", "zone", "limit", "sensor", "quantity", "severity", "value", "set_point", "unit", "site")
    shown = ", ".join(f'"{name}"' for name in columns)
    detail = [drill(t("测点详情", "sensor"), "sensor", t, **_place_of_row())]
    return grid(
        title,
        [
            table(
                f'SELECT {shown}, "{t.field("clause")}" AS "clause" FROM {TRANSITION} '
                f"WHERE (\"event\" = 'raised' OR \"event\" = 'escalated') AND \"severity\" <> 'bad' "
                f"AND {where} AND {when} "
                "ORDER BY time DESC LIMIT 200"
            ),
            named("limit", t, "N"),
        ],
        [
            ("Time", t("时间", "time"), {"custom__width": 170, "unit": "dateTimeAsIso"}),
            ("priority", t("级别", "priority"), {"mappings": words(PRIORITIES, t), "custom__width": 70, **COLOURED}),
            ("zone", t("园区", "zone"), {"mappings": zone_name(catalogue, t), "custom__width": 170}),
            ("limit", t("报警", "alarm"), {"links": detail}),
            ("sensor", t("测点", "sensor"), {"custom__width": 120, "links": detail}),
            ("severity", t("限", "limit"), {"mappings": words(SEVERITIES, t), "custom__width": 70}),
            ("value", t("数值", "value"), {"custom__width": 80, "decimals": 2}),
            ("set_point", t("限值", "set-point"), {"custom__width": 85}),
            ("unit", t("单位", "unit"), {"custom__width": 75}),
            ("clause", t("依据", "clause"), {}),
        ],
        hide=("site", "quantity"),
        transformations=[called("N", "limit")],
        empty=t("所选时段内无超限", "nothing was exceeded in this time"),
        width=width,
        height=height,
    )


def indicators(t: Language, catalogue: Catalogue, where: str, *, title: str, width: int, height: int) -> Panel:
    """Return the newest value of every indicator beside its target."""
    columns = lasts(v="v", target="target", status="status", share="share")
    newest = f'SELECT {columns} FROM {INDICATOR} WHERE {where} AND time > now() - 32d GROUP BY "indicator", "zone"'
    return grid(
        title,
        [
            table(f'SELECT "indicator", "zone", "v", "target", "status", "share" FROM ({newest})'),
            named("indicator-in-unit", t, "N"),
        ],
        [
            ("indicator", t("指标", "indicator"), {}),
            ("zone", t("范围", "scope"), {"mappings": zone_name(catalogue, t), "custom__width": 150}),
            ("v", t("本期值", "value"), {"decimals": 2, "custom__width": 90}),
            ("target", t("目标值", "target"), {"custom__width": 75}),
            ("status", t("评价", "status"), {"mappings": words(_VERDICTS, t), "custom__width": 90, **COLOURED}),
            ("share", t("完整率", "coverage"), {"unit": "percentunit", "decimals": 0, "custom__width": 85}),
        ],
        sort=[(t("指标", "indicator"), False)],
        transformations=[called("N", "indicator")],
        width=width,
        height=height,
    )


_VERDICTS = {
    "met": ("达标", "met", GREEN),
    "missed": ("未达标", "missed", RED),
    "no-target": ("无目标值", "no target", GREY),
    "partial": ("数据不全", "partial", YELLOW),
    "no-data": ("无数据", "no data", PURPLE),
    "no-denominator": ("分母为零", "nothing to divide by", PURPLE),
    "inconsistent": ("数据矛盾", "inconsistent", PURPLE),
}


def loads(t: Language, where: str, *, width: int, height: int) -> Panel:
    """Return how much of each load budget is used, and what is to be expected at its end."""
    columns = lasts(name=t.field("name"), used="used", expected="expected", share="share", runs_out="runs_out")
    tonnes = 'last("mass") / 1000 AS "mass", last("budget") / 1000 AS "budget"'
    shades = steps(GREEN, (80, ORANGE), (100, RED))
    bar = {"unit": "percent", "decimals": 1, "min": 0, "max": 100, "thresholds": shades}
    return grid(
        t("排放总量：已用与预测", "Load budgets: used, and to be expected"),
        [
            table(
                f"SELECT {columns}, {tonnes} FROM {LOAD} WHERE {where} AND {SENSORS_NOW} "
                f"GROUP BY {quoted((*PLACE, 'limit', 'period'))}"
            )
        ],
        [
            ("name", t("总量指标", "budget"), {}),
            ("used", t("已用", "used"), {**bar, "custom__displayMode": "lcd-gauge", "custom__width": 150}),
            ("expected", t("期末预测", "expected"), {**bar, **COLOURED_TEXT, "custom__width": 90}),
            ("mass", t("累计（t）", "so far (t)"), {"decimals": 3, "custom__width": 85}),
            ("budget", t("许可（t）", "permit (t)"), {"custom__width": 80}),
            ("share", t("完整率", "coverage"), {"unit": "percentunit", "decimals": 0, "custom__width": 75}),
            ("runs_out", t("预计用完", "runs out"), {"unit": "time:YYYY-MM-DD", "custom__width": 100}),
        ],
        hide=("Time", "zone", "site", "sensor", "limit", "period", "quantity"),
        sort=[(t("期末预测", "expected"), True)],
        width=width,
        height=height,
    )


def quantity_curve(
    t: Language,
    catalogue: Catalogue,
    title: str,
    where: str,
    *,
    spans: tuple[str, ...] = ("value",),
    targets: list[Json] | None = None,
    **more: Any,
) -> Panel:
    """Return what one quantity did on all its sensors, with its limits and in its own unit."""
    return curve(
        title,
        [*(targets or trend(where, PLACE_ALIAS, tags=PLACE)), limit_lines(where, spans), unit_of(where)],
        overrides=[*places(catalogue, t), *limits(t), *more.pop("overrides", [])],
        transformations=[configured("U", unit="unit")],
        **more,
    )


def now_bars(t: Language, title: str, where: str, *, field: str = "v", most: int = 20, **more: Any) -> Panel:
    """Return the greatest of the newest values, a bar for each sensor that they are of."""
    names = lasts(value=field, place=t.field("site"), name=t.field("sensor"), what=t.field("name"))
    by = quoted((*PLACE, "quantity"))
    return bars(
        title,
        [
            table(
                f'SELECT top("value", {most}) AS "value", "place", "name", "what" FROM ('
                f"SELECT {names} FROM {CHANNEL} WHERE {where} AND {SENSORS_NOW} GROUP BY {by})"
            )
        ],
        transformations=[sorted_by("value"), only(*more.pop("shown", ("place", "name", "what")), "value")],
        **{"thresholds": share_steps(), **more},
    )


def flow_names(catalogue: Catalogue, t: Language) -> list[Json]:
    """Return how legends call the flows that are configured; others keep their ids."""
    return [by_name(flow.id, displayName=t.name(flow.names)) for flow in catalogue.economy.flows.values()]
