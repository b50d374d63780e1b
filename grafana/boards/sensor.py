"""One sensor: raw values, means, limits, quality, what it alarmed, and what it says of itself."""

from __future__ import annotations

from typing import Any

from grafana.board import Dashboard, Row, Variable, zone
from grafana.influxql import (
    CHANNEL,
    DATASOURCE,
    MEAN,
    READING,
    SENSORS_NOW,
    SETPOINT,
    STATE,
    TERMS_NOW,
    TRANSITION,
    ZONE,
    choices,
    lasts,
    limit_lines,
    named_choices,
    query,
    quoted,
    table,
)
from grafana.language import Language
from grafana.looks import (
    BLUE,
    GREEN,
    GREY,
    LOCATIONS,
    LOOKS,
    ORANGE,
    QUALITIES,
    RED,
    SEVERITIES,
    SPANS,
    by_name,
    fixed,
    steps,
    words,
)
from grafana.panels import COLOURED_TEXT, Panel, configured, curve, grid, limits, stat, timeline, unit_of
from park.catalogue import Catalogue
from storage import names

Json = dict[str, Any]

_SENSOR = f"{ZONE} AND \"site\" = '$site' AND \"sensor\" = '$sensor'"
_SERIES = f"{_SENSOR} AND \"quantity\" = '$quantity'"
#: A raw reading is only drawn where there is room for every one of them.
_ROOM = "$__interval <= 15s"


def dashboard(catalogue: Catalogue, t: Language) -> Dashboard:
    """Return the detail of a sensor."""
    del catalogue
    in_zone = "\"zone\" = '$zone'"
    variables = [
        zone(t),
        Variable(
            "site", t("装置", "Site"), named_choices("site", t, f"{in_zone} AND \"site\" <> '{names.OWN_SITE}'")
        ).json(),
        Variable("sensor", t("测点", "Sensor"), named_choices("sensor", t, f"{in_zone} AND \"site\" = '$site'")).json(),
        Variable("quantity", t("参数", "Quantity"), choices(CHANNEL, t.code, _SENSOR, SENSORS_NOW)).json(),
    ]
    return Dashboard(
        "sensor",
        t,
        [
            Row("", [_now(t)]),
            Row("", [_values(t)]),
            Row("", [_quality(t)]),
            Row("", [_means(t), _validity(t)]),
            Row("", [_set_points(t), _descriptor(t)]),
            Row("", [_journal(t)]),
        ],
        variables=variables,
        annotations=[_annotation(t)],
        span="3h",
        refresh="10s",
    )


def _now(t: Language) -> Panel:
    fields = lasts(v="v", share="share", rank="rank", q="q", seen="seen")
    return stat(
        "$sensor · $quantity",
        [
            table(f"SELECT {fields} FROM {CHANNEL} WHERE {_SERIES} AND {SENSORS_NOW}"),
            unit_of(_SERIES),
        ],
        width=24,
        height=4,
        colour="value",
        overrides=[
            by_name("v", displayName=t("最新值", "latest value")),
            by_name(
                "share",
                displayName=t("占一级报警值", "of the first alarm"),
                unit="percent",
                decimals=0,
                noValue="–",
                thresholds=steps(GREEN, (50, "yellow"), (100, ORANGE), (200, RED)),
            ),
            by_name("rank", displayName=t("报警", "alarm"), unit="short", mappings=words(LOOKS, t)),
            by_name("seen", displayName=t("最后读数", "last reading"), unit="dateTimeFromNow"),
        ],
        transformations=[
            {
                "id": "configFromData",
                "options": {
                    "configRefId": "U",
                    "mappings": [{"fieldName": "unit", "handlerKey": "unit"}],
                    "applyTo": {"id": "byName", "options": "v"},
                },
            }
        ],
    )


def _values(t: Language) -> Panel:
    by = quoted(("quantity",))
    text = "SELECT {what} FROM {source} WHERE {where} AND $timeFilter GROUP BY time($__interval), {by} fill(null)"
    raw = text.format(what='last("v")', source=READING, where=f"{_SERIES} AND {_ROOM}", by=by)
    minutes = text.format(
        what='max("v")', source=MEAN, where=f"{_SERIES} AND \"span\" = 'minute' AND $__interval < 1h", by=by
    )
    hours = text.format(
        what='mean("v")', source=MEAN, where=f"{_SERIES} AND \"span\" = 'hour' AND $__interval < 1d", by=by
    )
    days = text.format(what='mean("v")', source=MEAN, where=f"{_SERIES} AND \"span\" = 'day'", by=by)
    return curve(
        t("读数、均值与限值", "Readings, means and limits"),
        [
            query(raw, t("读数", "readings")),
            query(minutes, t("分钟均值", "minute means"), ref="B"),
            query(hours, t("小时均值", "hour means"), ref="C"),
            query(days, t("日均值", "day means"), ref="D"),
            limit_lines(_SERIES, ("value", "hour", "day")),
            unit_of(_SERIES),
        ],
        width=24,
        height=11,
        legend=True,
        overrides=[
            by_name(t("读数", "readings"), color=fixed(GREY)),
            by_name(t("分钟均值", "minute means"), color=fixed(BLUE)),
            by_name(
                t("小时均值", "hour means"),
                color=fixed("#73BF69"),
                custom__lineWidth=2,
                custom__lineInterpolation="stepAfter",
                custom__spanNulls=2 * 3600_000,
            ),
            by_name(
                t("日均值", "day means"),
                color=fixed("#B877D9"),
                custom__lineWidth=2,
                custom__lineInterpolation="stepAfter",
                custom__spanNulls=True,
            ),
            *limits(t),
        ],
        transformations=[configured("U", unit="unit")],
        interval="1s",
        description=t(
            "短时段显示每个读数，较长时段只读均值。虚线为现行报警设定值，竖线为报警事件。",
            "Readings where there is room for each; longer spans read means only. Dashed: set-points in force.",
        ),
    )


def _quality(t: Language) -> Panel:
    return timeline(
        t("数据质量（短时段）", "Quality of readings (short spans)"),
        [
            query(
                f'SELECT last("q") FROM {READING} WHERE {_SERIES} AND $__interval < 1m AND $timeFilter '
                "GROUP BY time($__interval) fill(none)",
                t("读数", "readings"),
            ),
            query(
                f'SELECT last("quality") FROM {STATE} WHERE {_SENSOR} AND $timeFilter '
                "GROUP BY time($__interval) fill(none)",
                t("测点状态", "sensor"),
                ref="B",
            ),
        ],
        words(QUALITIES, t),
        height=5,
        interval="10s",
    )


def _means(t: Language) -> Panel:
    fields = '"v" AS "value", "valid", "share", "flag", "n"'
    return grid(
        t("小时均值", "Hour means"),
        [
            table(
                f"SELECT {fields} FROM {MEAN} WHERE {_SERIES} AND \"span\" = 'hour' AND $timeFilter "
                "ORDER BY time DESC LIMIT 100"
            ),
            unit_of(_SERIES),
        ],
        [
            ("Time", t("小时", "hour"), {"unit": "dateTimeAsIso", "custom__width": 160}),
            ("value", t("均值", "mean"), {"decimals": 3}),
            ("valid", t("有效", "valid"), {"mappings": _valid(t), "custom__width": 70, **COLOURED_TEXT}),
            ("share", t("有效率", "coverage"), {"unit": "percentunit", "decimals": 0, "custom__width": 80}),
            ("flag", t("状态", "state"), {"mappings": words(_FLAGS, t), "custom__width": 100}),
        ],
        hide=("n",),
        transformations=[
            {
                "id": "configFromData",
                "options": {
                    "configRefId": "U",
                    "mappings": [{"fieldName": "unit", "handlerKey": "unit"}],
                    "applyTo": {"id": "byName", "options": "value"},
                },
            }
        ],
        width=12,
        height=9,
    )


_FLAGS = {
    "provisional": ("未完", "provisional", BLUE),
    "final": ("定稿", "final", GREEN),
    "corrected": ("已修正", "corrected", ORANGE),
}


def _valid(t: Language) -> list[Json]:
    options = {
        "true": {"text": t("是", "yes"), "color": GREEN, "index": 0},
        "false": {"text": t("否", "no"), "color": ORANGE, "index": 1},
    }
    return [{"type": "value", "options": options}]


def _validity(t: Language) -> Panel:
    return curve(
        t("数据有效率", "Coverage"),
        [
            query(
                f'SELECT mean("share") FROM {MEAN} WHERE {_SERIES} AND "span" = \'hour\' AND $timeFilter '
                "GROUP BY time($__interval) fill(none)",
                t("小时有效率", "of hours"),
            )
        ],
        unit="percentunit",
        width=12,
        height=9,
        interval="1h",
        defaults={"min": 0, "max": 1, "thresholds": steps("transparent", (0.75, ORANGE)), "color": fixed(BLUE)},
        custom={
            "spanNulls": 3 * 3600_000,
            "lineWidth": 2,
            "lineInterpolation": "stepAfter",
            "showPoints": "always",
            "thresholdsStyle": {"mode": "dashed"},
        },
    )


def _set_points(t: Language) -> Panel:
    fields = lasts(
        name=t.field("name"), shown="shown", unit="shown_unit", source="source", clause=t.field("clause"), rank="rank"
    )
    return grid(
        t("现行限值与依据", "Limits in force"),
        [
            table(
                f'SELECT {fields} FROM {SETPOINT} WHERE {_SERIES} AND {TERMS_NOW} GROUP BY "limit", "severity", "span"'
            )
        ],
        [
            ("name", t("限值", "limit"), {}),
            ("severity", t("级", "severity"), {"mappings": words(SEVERITIES, t), "custom__width": 70}),
            ("span", t("对象", "of"), {"mappings": words(SPANS, t), "custom__width": 120}),
            ("shown", t("数值", "at"), {"custom__width": 80}),
            ("unit", t("单位", "unit"), {"custom__width": 80}),
            ("source", t("标准", "source"), {"custom__width": 150}),
            ("clause", t("条款", "clause"), {}),
        ],
        hide=("Time", "limit", "rank"),
        empty=t("此测点未设限值", "no limit is set for it"),
        sort=[(t("数值", "at"), True)],
        width=15,
        height=9,
    )


def _descriptor(t: Language) -> Panel:
    fields = lasts(name=t.field("name"), unit="unit", minimum="minimum", maximum="maximum", interval="interval", q="q")
    return grid(
        t("测点说明", "Descriptor"),
        [table(f'SELECT {fields} FROM {CHANNEL} WHERE {_SENSOR} AND {SENSORS_NOW} GROUP BY "quantity", "location"')],
        [
            ("name", t("参数", "quantity"), {}),
            ("unit", t("单位", "unit"), {"custom__width": 70}),
            ("minimum", t("下限", "from"), {"custom__width": 70}),
            ("maximum", t("上限", "to"), {"custom__width": 80}),
            ("interval", t("周期", "every"), {"unit": "ms", "custom__width": 70}),
            ("location", t("类别", "class"), {"mappings": words(LOCATIONS, t), "custom__width": 90}),
            ("q", t("质量", "quality"), {"mappings": words(QUALITIES, t), "custom__width": 80}),
        ],
        hide=("Time", "quantity"),
        width=9,
        height=9,
    )


def _journal(t: Language) -> Panel:
    return grid(
        t("报警记录", "Journal"),
        [
            table(
                f'SELECT "limit", "event", "severity", "after", "value", "set_point", "unit", "by", "why" '
                f"FROM {TRANSITION} WHERE {_SENSOR} AND $timeFilter ORDER BY time DESC LIMIT 200"
            )
        ],
        [
            ("Time", t("时间", "time"), {"unit": "dateTimeAsIso", "custom__width": 160}),
            ("event", t("事件", "event"), {"custom__width": 130}),
            ("limit", t("限值", "limit"), {}),
            ("severity", t("级", "severity"), {"mappings": words(SEVERITIES, t), "custom__width": 80}),
            ("value", t("数值", "value"), {"decimals": 2, "custom__width": 90}),
            ("set_point", t("限值", "set-point"), {"custom__width": 80}),
            ("unit", t("单位", "unit"), {"custom__width": 80}),
            ("by", t("人员", "by"), {"custom__width": 100}),
            ("why", t("原因", "why"), {}),
        ],
        hide=("after",),
        empty=t("所选时段内无报警", "no alarm in this time"),
        width=24,
        height=8,
    )


def _annotation(t: Language) -> Json:
    return {
        "name": t("报警事件", "Alarms"),
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": RED,
        "query": (
            f'SELECT "limit" AS "title", "severity" AS "text", "event" AS "tags" FROM {TRANSITION} WHERE {_SENSOR} '
            "AND \"quantity\" = '$quantity' AND (\"event\" = 'raised' OR \"event\" = 'escalated') AND $timeFilter "
            "LIMIT 200"
        ),
        "titleColumn": "title",
        "textColumn": "text",
        "tagsColumn": "tags",
        "timeEndColumn": "",
        "fromAnnotations": True,
    }
