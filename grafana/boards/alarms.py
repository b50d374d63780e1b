"""How well the alarm system itself does: ISA-18.2 figures against their targets, bad actors, floods."""

from __future__ import annotations

from typing import Any

from grafana import common
from grafana.board import Dashboard, Row, Variable, custom
from grafana.influxql import ALARM_KPI, TRANSITION, lasts, named, named_choices, query, table
from grafana.language import Language
from grafana.looks import BLUE, GREEN, ORANGE, PRIORITIES, RED, YELLOW, by_name, fixed, steps
from grafana.panels import Panel, called, columns, curve, grid, stat
from park.catalogue import Catalogue
from park.kpis import KPIS, PARK, Kpi

Json = dict[str, Any]

_UNITS = {"count": "short", "rate": "short", "share": "percentunit", "duration": "ms"}
_HEADLINES = (
    "average", "maximum", "flood_share", "chattering", "stale", "top_share", "acknowledged_in_time", "overdue",
    "unacknowledged", "acknowledge_median",
)  # fmt: skip
_SCOPE = "\"zone\" = '$zone_or_park'"
_IN_ZONE = '"zone" =~ /^${zone_or_park:regex}$/'


def dashboard(catalogue: Catalogue, t: Language) -> Dashboard:
    """Return the performance of the alarm system."""
    zones = Variable(
        "area",
        t("范围", "Scope"),
        named_choices("zone", t),
        everything=True,
        anything=PARK,
    ).json()
    windows = custom(
        "window",
        t("统计窗口", "Window"),
        [
            (t("近 24 小时", "24 hours"), "24h"),
            (t("近 7 天", "7 days"), "7d"),
            (t("近 30 天", "30 days"), "30d"),
            (t("近 1 小时", "1 hour"), "1h"),
            (t("近 10 分钟", "10 minutes"), "10m"),
        ],
    )
    return Dashboard(
        "alarms",
        t,
        [
            Row("", [_headlines(t)]),
            Row("", [_every_day(t), _per_day(t, "acknowledge_median", "acknowledge_p90")]),
            Row("", [_bad_actors(t, catalogue), _chatterers(t)]),
            Row("", [_floods(t), _priorities(t)]),
            Row(t("全部绩效指标", "All figures"), [_all(t)]),
        ],
        variables=[zones, windows],
        span="30d",
        refresh="1m",
    )


_NOW = "\"zone\" = '$area' AND \"window\" = '$window' AND time > now() - 15m"
_DAYS = "\"zone\" = '$area' AND \"window\" = 'day' AND $timeFilter GROUP BY time(1d, 16h) fill(none)"
#: The park has a name of its own among the figures, and all zones in the journal.
_JOURNAL = "('$area' = '_park' OR \"zone\" = '$area')"


def _shown(kpi: Kpi, t: Language) -> Json:
    """Return how a figure looks: its name, unit, and green or red by its target."""
    known: Json = {
        "displayName": _titled(kpi, t),
        "unit": _UNITS[kpi.unit],
        "decimals": 0 if kpi.unit == "count" else 1,
    }
    if kpi.most is not None:
        # At the target it is met; only what is beyond it is not.
        known["thresholds"] = steps(GREEN, (_beyond(kpi.most), RED))
    elif kpi.least is not None:
        known["thresholds"] = steps(RED, (kpi.least, GREEN))
    else:
        known["thresholds"] = steps("text")
    return known


def _beyond(most: float) -> float:
    return most + max(abs(most), 1.0) * 1e-9


def _titled(kpi: Kpi, t: Language) -> str:
    return t.name(kpi.names)


def _headlines(t: Language) -> Panel:
    chosen = [kpi for name in _HEADLINES for kpi in KPIS if kpi.name == name]
    fields = lasts(**{kpi.name: kpi.name for kpi in chosen})
    return stat(
        t("关键绩效（绿色为达标，依据 ISA-18.2 / EEMUA 191）", "Key figures (green: target met, ISA-18.2 / EEMUA 191)"),
        [table(f"SELECT {fields} FROM {ALARM_KPI} WHERE {_NOW}")],
        width=24,
        height=5,
        colour="value",
        sizes=(14, 34),
        defaults={"noValue": "–"},
        overrides=[by_name(kpi.name, **_shown(kpi, t)) for kpi in chosen],
    )


def _every_day(t: Language) -> Panel:
    return columns(
        t("每日报警通知数", "Alarms announced per day"),
        [query(f'SELECT max("announced") FROM {ALARM_KPI} WHERE {_DAYS}', t("报警通知数", "announced"))],
        width=12,
        height=8,
        defaults={"color": fixed(BLUE)},
    )


def _per_day(t: Language, *figures: str) -> Panel:
    chosen = [kpi for kpi in KPIS if kpi.name in figures]
    return curve(
        t("确认用时", "Time to acknowledge"),
        [
            query(f'SELECT max("{kpi.name}") FROM {ALARM_KPI} WHERE {_DAYS}', t.name(kpi.names), ref=ref)
            for ref, kpi in zip("AB", chosen, strict=False)
        ],
        unit="ms",
        width=12,
        height=8,
        custom={"spanNulls": True, "showPoints": "always", "lineWidth": 2},
    )


def _bad_actors(t: Language, catalogue: Catalogue) -> Panel:
    target = table(
        f'SELECT "alarm", "limit", "zone", "occurrence" FROM {TRANSITION} WHERE "event" = \'raised\' AND {_JOURNAL} '
        "AND $timeFilter LIMIT 20000"
    )
    grouped = {
        "id": "groupBy",
        "options": {
            "fields": {
                "alarm": {"operation": "groupby", "aggregations": []},
                "limit": {"operation": "groupby", "aggregations": []},
                "zone": {"operation": "groupby", "aggregations": []},
                "occurrence": {"operation": "aggregate", "aggregations": ["count"]},
            }
        },
    }
    counted = "occurrence (count)"
    sort = {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": counted, "desc": True}]}}
    return grid(
        t("最频繁的报警（优先治理）", "Bad actors: the most frequent alarms"),
        [target, named("limit", t, "N")],
        [
            (
                counted,
                t("次数", "times"),
                {"custom__width": 160, "custom__displayMode": "gradient-gauge", "color": fixed(ORANGE), "min": 0},
            ),
            ("limit", t("报警", "alarm"), {}),
            ("zone", t("园区", "zone"), {"mappings": common.zone_name(catalogue, t), "custom__width": 160}),
            ("alarm", t("位号", "tag"), {}),
        ],
        hide=(),
        # The names go to the ids before those are grouped: what is grouped keeps how it looks.
        transformations=[called("N", "limit"), grouped, sort, {"id": "limit", "options": {"limitField": 10}}],
        width=14,
        height=11,
    )


def _chatterers(t: Language) -> Panel:
    return columns(
        t("抖振与陈旧报警", "Chattering and stale alarms"),
        [
            query(f'SELECT max("chattering") FROM {ALARM_KPI} WHERE {_DAYS}', t("抖振", "chattering")),
            query(f'SELECT max("stale") FROM {ALARM_KPI} WHERE {_DAYS}', t("陈旧（超过 24 小时）", "stale"), ref="B"),
        ],
        stacked=False,
        custom={"axisSoftMax": 5},
        width=10,
        height=11,
    )


def _floods(t: Language) -> Panel:
    fine = (
        "\"zone\" = '$area' AND (\"window\" = '10m' AND $__interval < 1h OR \"window\" = 'day' AND $__interval >= 1h) "
        "AND $timeFilter GROUP BY time($__interval) fill(none)"
    )
    return curve(
        t(
            "每名操作员每 10 分钟报警数（虚线：超过 10 条为报警泛滥）",
            "Per operator and 10 min (dashed: a flood begins)",
        ),
        [query(f'SELECT max("maximum") FROM {ALARM_KPI} WHERE {fine}', t("报警数", "alarms"))],
        width=14,
        height=8,
        interval="1m",
        defaults={"thresholds": steps("transparent", (1, YELLOW), (10, RED)), "color": fixed(BLUE)},
        custom={
            "thresholdsStyle": {"mode": "dashed"},
            "axisSoftMax": 12,
            "fillOpacity": 20,
            "spanNulls": 2 * 86_400_000,
            "showPoints": "always",
        },
    )


def _priorities(t: Language) -> Panel:
    names = {f"{name}_share": told for name, told in PRIORITIES.items()}
    fields = lasts(**{name: name for name in names})
    return Panel(
        "bargauge",
        t("优先级分布（目标约 5 / 15 / 80）", "Priorities (the aim: about 5 / 15 / 80)"),
        10,
        8,
        [table(f"SELECT {fields} FROM {ALARM_KPI} WHERE {_NOW}")],
        {"unit": "percentunit", "min": 0, "max": 1, "decimals": 0},
        {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "orientation": "horizontal",
            "displayMode": "basic",
            "showUnfilled": True,
            "minVizHeight": 16,
            "minVizWidth": 0,
        },
        [by_name(name, displayName=t(*told[:2]), color=fixed(told[2])) for name, told in names.items()],
    )


def _all(t: Language) -> Panel:
    fields = lasts(**{kpi.name: kpi.name for kpi in KPIS})
    return stat(
        "",
        [table(f"SELECT {fields} FROM {ALARM_KPI} WHERE {_NOW}")],
        width=24,
        height=10,
        colour="value",
        sizes=(13, 24),
        defaults={"noValue": "–"},
        overrides=[by_name(kpi.name, **_shown(kpi, t)) for kpi in KPIS],
    )
