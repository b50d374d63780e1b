"""Whether the service itself is well, by both nets: what its watchdog measures, and what Grafana alarms of it."""

from __future__ import annotations

from typing import Any

from grafana.board import Dashboard, Row
from grafana.influxql import CHANNEL, HEALTH, READING, SENSORS_NOW, lasts, query, quoted, raw, table
from grafana.language import Language
from grafana.looks import GREEN, ORANGE, RANKS, RED, steps, words
from grafana.panels import COLOURED, COLOURED_TEXT, Panel, columns, curve, grid, stat
from park.catalogue import Catalogue
from storage import names

Json = dict[str, Any]

_NOW = "time > now() - 1m"
_PIECES = "\"piece\" <> 'canary' AND \"piece\" <> 'quarantine' AND \"piece\" <> 'counter'"


def dashboard(catalogue: Catalogue, t: Language) -> Dashboard:
    """Return the health of the service."""
    return Dashboard(
        "health",
        t,
        [
            Row("", _tiles(t)),
            Row(
                "",
                [
                    _pieces(t),
                    _second_net(t),
                    _own(t),
                ],
            ),
            Row(
                t("从传感器到通知", "From the sensor to the page"),
                [_ages(t, catalogue), _latency(t), _lag(t, catalogue)],
            ),
            Row(t("读数与存储", "Readings and storage"), [_rates(t), _spool(t), _queues(t)]),
            Row(t("计数器", "Counters"), [_quarantine(t), _counters(t)]),
        ],
        span="3h",
        refresh="10s",
    )


def _tiles(t: Language) -> list[Panel]:
    def one(title: str, text: str, **known: Any) -> Panel:
        return stat(title, [query(text)], defaults=known, width=4, height=4)

    return [
        one(
            t("全链路自检（最旧）", "Canary (the oldest)"),
            f'SELECT max("a") FROM (SELECT last("age_s") AS "a" FROM {HEALTH} WHERE "piece" = \'canary\' '
            f'AND {_NOW} GROUP BY "zone")',
            unit="s",
            noValue=t("无", "none"),
            thresholds=steps(GREEN, (30, ORANGE), (60, RED)),
        ),
        one(
            t("停止的进程", "Processes down"),
            f'SELECT count("u") FROM (SELECT last("up") AS "u" FROM {HEALTH} WHERE "piece" <> \'pulse\' AND {_NOW} '
            'GROUP BY "piece") WHERE "u" < 1',
            thresholds=steps(GREEN, (1, RED)),
        ),
        one(
            t("读数速率", "Readings per second"),
            f'SELECT sum("r") FROM (SELECT last("rate") AS "r" FROM {HEALTH} WHERE {_NOW} GROUP BY "piece")',
            unit="short",
            decimals=0,
            thresholds=steps(RED, (0.01, GREEN)),
        ),
        one(
            t("评估滞后", "Lag of evaluation"),
            f'SELECT max("l") FROM (SELECT last("lag_s") AS "l" FROM {HEALTH} WHERE {_NOW} GROUP BY "piece")',
            unit="s",
            decimals=1,
            thresholds=steps(GREEN, (5, ORANGE), (30, RED)),
        ),
        one(
            t("缓存中待写", "Waiting in the spool"),
            f'SELECT sum("s") FROM (SELECT last("spooled") AS "s" FROM {HEALTH} WHERE {_NOW} GROUP BY "piece")',
            thresholds=steps(GREEN, (1, ORANGE), (10_000, RED)),
        ),
        one(
            t("1 小时内拒收", "Quarantined in the last hour"),
            f'SELECT sum("n") FROM {raw(names.QUARANTINED)} WHERE time > now() - 1h',
            thresholds=steps(GREEN, (1, ORANGE), (1000, RED)),
        ),
    ]


def _pieces(t: Language) -> Panel:
    up = {
        "1": {"text": t("运行", "up"), "color": GREEN, "index": 0},
        "0": {"text": t("停止", "down"), "color": RED, "index": 1},
    }
    return grid(
        t("进程", "Processes"),
        [table(f'SELECT {lasts(up="up", age="age_s")} FROM {HEALTH} WHERE {_PIECES} AND {_NOW} GROUP BY "piece"')],
        [
            ("piece", t("进程", "process"), {"mappings": _pulse(t)}),
            (
                "up",
                t("状态", "state"),
                {"mappings": [{"type": "value", "options": up}], "custom__width": 80, **COLOURED_TEXT},
            ),
            ("age", t("最近信号", "last sign"), {"unit": "s", "decimals": 0, "custom__width": 100}),
        ],
        width=7,
        height=11,
        sort=[(t("状态", "state"), False)],
    )


def _pulse(t: Language) -> list[Json]:
    """Return the value mapping of what is down unless somebody has set where it goes."""
    told = t("pulse（外部心跳，未设置时为停止）", "pulse (to outside; down unless it is set)")
    return [{"type": "value", "options": {"pulse": {"text": told, "index": 0}}}]


def _second_net(t: Language) -> Panel:
    return Panel(
        "alertlist",
        t("Grafana 告警（第二道网，独立）", "Grafana's alerts (second net, on its own)"),
        7,
        11,
        [],
        options={
            "viewMode": "list",
            "groupMode": "default",
            "groupBy": [],
            "maxItems": 20,
            "sortOrder": 3,
            "dashboardAlerts": False,
            "alertName": "",
            "alertInstanceLabelFilter": "",
            "stateFilter": {"firing": True, "pending": True, "noData": True, "normal": True, "error": True},
        },
        description=t(
            "即使 parkwatch 全部进程停止，这些规则仍由 Grafana 执行。",
            "Grafana evaluates these itself, even when nothing of parkwatch runs.",
        ),
    )


def _own(t: Language) -> Panel:
    fields = lasts(what=t.field("name"), whose=t.field("sensor"), v="v", unit="unit", rank="rank", seen="seen")
    target = table(
        f"SELECT {fields} FROM {CHANNEL} WHERE \"location\" = 'system' AND {SENSORS_NOW} "
        f"GROUP BY {quoted(('zone', 'site', 'sensor', 'quantity'))}"
    )
    return grid(
        t("自身测点与报警（第一道网）", "Own sensors and their alarms (first net)"),
        [target],
        [
            ("rank", t("报警", "alarm"), {"mappings": words(RANKS, t), "custom__width": 70, **COLOURED}),
            ("what", t("参数", "quantity"), {}),
            ("whose", t("来源", "sensor"), {"custom__width": 190}),
            ("v", t("数值", "value"), {"decimals": 1, "custom__width": 85}),
            ("seen", t("最后读数", "last"), {"unit": "dateTimeFromNow", "custom__width": 130}),
        ],
        hide=("Time", "zone", "site", "sensor", "quantity", "unit"),
        sort=[(t("报警", "alarm"), True)],
        width=10,
        height=11,
    )


def _ages(t: Language, catalogue: Catalogue) -> Panel:
    return curve(
        t("自检读数的新旧", "Age of the canary"),
        [
            query(
                f'SELECT max("age_s") FROM {HEALTH} WHERE "piece" = \'canary\' AND $timeFilter '
                'GROUP BY time($__interval), "zone" fill(none)',
                "$tag_zone",
            )
        ],
        unit="s",
        width=8,
        interval="10s",
        overrides=_zones(catalogue, t),
        defaults={"thresholds": steps("transparent", (60, RED))},
        custom={"thresholdsStyle": {"mode": "dashed"}},
    )


def _latency(t: Language) -> Panel:
    source = f"FROM {HEALTH} WHERE \"piece\" = 'canary' AND $timeFilter GROUP BY time($__interval) fill(none)"
    return curve(
        t("从读数到评估、到送出（p50 / p99）", "From reading to evaluation, to delivery (p50 / p99)"),
        [
            query(f'SELECT percentile("evaluated_ms", 50) {source}', t("评估 p50", "evaluated p50")),
            query(f'SELECT percentile("evaluated_ms", 99) {source}', t("评估 p99", "evaluated p99"), ref="B"),
            query(f'SELECT percentile("delivered_ms", 50) {source}', t("送出 p50", "delivered p50"), ref="C"),
            query(f'SELECT percentile("delivered_ms", 99) {source}', t("送出 p99", "delivered p99"), ref="D"),
        ],
        unit="ms",
        width=8,
        interval="1m",
    )


def _lag(t: Language, catalogue: Catalogue) -> Panel:
    return curve(
        t("各园区评估滞后", "Lag of evaluation by zone"),
        [_over(t, "lag_s", "zone")],
        unit="s",
        width=8,
        interval="10s",
        overrides=_zones(catalogue, t),
    )


def _over(t: Language, field: str, tag: str, ref: str = "A", alias: str = "", function: str = "max") -> Json:
    del t
    return query(
        f'SELECT {function}("{field}") FROM {HEALTH} WHERE $timeFilter AND "{tag}" <> \'\' '
        f'GROUP BY time($__interval), "{tag}" fill(none)',
        alias or f"$tag_{tag}",
        ref=ref,
    )


def _zones(catalogue: Catalogue, t: Language) -> list[Json]:
    return [
        {
            "matcher": {"id": "byName", "options": zone.name},
            "properties": [{"id": "displayName", "value": t.name(zone.names)}],
        }
        for zone in catalogue.zones.values()
    ]


def _rates(t: Language) -> Panel:
    return curve(
        t("读数速率（每秒）", "Readings per second"),
        [_over(t, "rate", "piece", function="mean")],
        width=8,
        interval="10s",
        custom={"fillOpacity": 15},
    )


def _spool(t: Language) -> Panel:
    return curve(
        t("磁盘缓存", "Spool"),
        [
            _over(t, "spooled", "piece", alias=t("待写 $tag_piece", "waiting $tag_piece")),
            _over(t, "dropped", "piece", "B", t("丢弃 $tag_piece", "dropped $tag_piece")),
        ],
        width=8,
        interval="10s",
    )


def _queues(t: Language) -> Panel:
    return curve(
        t("队列深度", "Depth of queues"),
        [
            _over(t, "inbox", "piece"),
            _over(t, "waiting", "piece", "B"),
        ],
        width=8,
        interval="10s",
    )


def _quarantine(t: Language) -> Panel:
    width = "$timeFilter GROUP BY time($__interval)"
    return columns(
        t("入库读数与拒收消息", "Readings taken, messages quarantined"),
        [
            query(
                f'SELECT sum("n") FROM {raw(names.QUARANTINED)} WHERE {width}, "code" fill(none)',
                t("拒收 $tag_code", "quarantined $tag_code"),
            ),
            query(
                f'SELECT count("v") FROM {READING} WHERE "quantity" = \'canary\' AND {width} fill(none)',
                t("自检读数", "canaries"),
                ref="B",
            ),
        ],
        width=12,
        interval="1m",
    )


def _counters(t: Language) -> Panel:
    return grid(
        t("计数器（自启动累计）", "Counters since the beginning"),
        [
            table(
                f'SELECT {lasts(total="total")} FROM {HEALTH} WHERE "piece" =~ /^(counter|quarantine)$/ '
                f'AND {_NOW} GROUP BY "piece", "reason"'
            )
        ],
        [
            ("piece", t("类别", "kind"), {"custom__width": 110}),
            ("reason", t("名称", "name"), {}),
            ("total", t("累计", "total"), {"custom__width": 110}),
        ],
        sort=[(t("累计", "total"), True)],
        width=12,
        height=8,
    )
