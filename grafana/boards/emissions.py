"""Emissions against what regulators write: hour means with their validity, exceedances with their clauses, loads."""

from __future__ import annotations

from typing import Any

from grafana import common
from grafana.board import Dashboard, Row, Variable, custom, site, zone
from grafana.influxql import (
    CHANNEL,
    FITTING_HOURS,
    MEAN,
    SENSORS_NOW,
    SITE,
    TRANSITION,
    ZONE,
    choices,
    named,
    query,
    quoted,
    table,
)
from grafana.language import Language
from grafana.looks import GREEN, GREY, LOCATIONS, ORANGE, RED, by_regex, fixed, steps
from grafana.panels import Panel, bars, called, sorted_by, stat
from park.catalogue import Catalogue

Json = dict[str, Any]

_HERE = f"{ZONE} AND {SITE}"
#: Where emissions are measured; `mean` has no location class, so its quantities are those of the class in `channel`.
_CLASSES = ("stack", "fenceline", "ambient", "outfall")
_MONITORED = f'{ZONE} AND "location" =~ /^$location$/'
_POLLUTANT = f'{_HERE} AND "quantity" = \'$pollutant\' AND "sensor" =~ /^$monitor$/'


def dashboard(catalogue: Catalogue, t: Language) -> Dashboard:
    """Return the emissions of a zone."""
    location = custom("location", t("类别", "Class"), [(t(*LOCATIONS[name]), name) for name in _CLASSES], many=True)
    monitors = Variable(
        "monitor",
        t("监测点", "Monitor"),
        choices(CHANNEL, "sensor", _MONITORED, SENSORS_NOW),
        everything=True,
        many=True,
        regex="",
    ).json()
    pollutants = Variable(
        "pollutant",
        t("污染物", "Pollutant"),
        choices(CHANNEL, t.code, _MONITORED, SENSORS_NOW),
        everything=True,
        many=True,
    ).json()
    return Dashboard(
        "emissions",
        t,
        [
            Row("", [*_figures(t), _coverage(t)]),
            Row(
                t("小时均值（虚线为限值，灰点为无效时段）", "Hour means (dashed: limits, grey points: not valid)"),
                [_means(t, catalogue)],
            ),
            Row(
                t("超标记录", "Exceedances"),
                [
                    common.exceedances(
                        t,
                        catalogue,
                        f'{_HERE} AND "sensor" =~ /^$monitor$/',
                        "$timeFilter",
                        title=t("所选时段内的超标记录与依据", "Exceedances in the time chosen, with their clauses"),
                        width=24,
                        height=9,
                    )
                ],
            ),
            Row(t("排放总量", "Loads"), [common.loads(t, ZONE, width=24, height=8)]),
        ],
        variables=[zone(t), site(t), location, monitors, pollutants],
        span="7d",
        refresh="1m",
    )


def _figures(t: Language) -> list[Panel]:
    means = f'{MEAN} WHERE {_HERE} AND "sensor" =~ /^$monitor$/ AND "span" = \'hour\' AND $timeFilter'
    return [
        stat(
            t("超标次数", "Exceedances"),
            [
                query(
                    f'SELECT count("occurrence") FROM {TRANSITION} WHERE {_HERE} AND "sensor" =~ /^$monitor$/ '
                    "AND \"event\" = 'raised' AND \"severity\" <> 'bad' AND $timeFilter"
                )
            ],
            defaults={"thresholds": steps(GREEN, (1, ORANGE), (10, RED))},
            width=4,
            height=7,
        ),
        stat(
            t("无效小时均值", "Hour means not valid"),
            [query(f'SELECT count("share") FROM {means} AND "valid" = false')],
            defaults={"thresholds": steps(GREEN, (1, ORANGE))},
            width=4,
            height=7,
            description=t("有效分钟不足 75% 的小时（HJ 212-2017）。", "Hours with less than 75 % of their minutes."),
        ),
        stat(
            t("数据有效率", "Data coverage"),
            [query(f'SELECT mean("share") FROM {means}')],
            defaults={
                "unit": "percentunit",
                "decimals": 1,
                "noValue": "–",
                "thresholds": steps(RED, (0.75, ORANGE), (0.9, GREEN)),
            },
            width=4,
            height=7,
        ),
    ]


def _coverage(t: Language) -> Panel:
    target = table(
        f'SELECT bottom("share", 12) AS "share", "site", "sensor", "quantity" FROM (SELECT mean("share") AS "share" '
        f'FROM {MEAN} WHERE {_HERE} AND "sensor" =~ /^$monitor$/ AND "span" = \'hour\' AND $timeFilter '
        f"GROUP BY {quoted(('site', 'sensor', 'quantity'))})"
    )
    return bars(
        t("有效率最低的监测项", "Least covered"),
        [target, named("quantity", t, "N", "site")],
        unit="percentunit",
        most=1,
        thresholds=steps(RED, (0.75, ORANGE), (0.9, GREEN)),
        transformations=[called("N", "site", "quantity"), sorted_by("share", greatest_first=False)],
        width=12,
        height=7,
    )


def _means(t: Language, catalogue: Catalogue) -> Panel:
    by = quoted(common.PLACE)
    text = (
        f'SELECT mean("v") FROM {MEAN} WHERE {_POLLUTANT} AND {FITTING_HOURS} AND "valid" = %s AND $timeFilter '
        f"GROUP BY time($__interval), {by} fill(none)"
    )
    return common.quantity_curve(
        t,
        catalogue,
        "$pollutant",
        _POLLUTANT,
        spans=("hour", "day", "value"),
        targets=[
            query(text % "true", common.PLACE_ALIAS),
            query(text % "false", t("无效", "not valid"), ref="I"),
        ],
        overrides=[
            by_regex(
                f"/^{t('无效', 'not valid')}( [0-9]+)?$/",
                color=fixed(GREY),
                custom__drawStyle="points",
                custom__showPoints="always",
                custom__pointSize=5,
                custom__hideFrom={"legend": True, "tooltip": False, "viz": False},
            )
        ],
        custom={"spanNulls": 4 * 3600_000, "lineWidth": 2},
        interval="1h",
        height=9,
    ).each("pollutant", 3)
