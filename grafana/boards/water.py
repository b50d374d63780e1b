"""What goes into the Yangtze: quality at the outfalls, as hour and day means, how much water, and what it carries."""

from __future__ import annotations

from typing import Any

from grafana import common
from grafana.board import Dashboard, Row, Variable, zone
from grafana.influxql import (
    CHANNEL,
    FITTING_HOURS,
    FLOW,
    LOAD,
    MEAN,
    SENSORS_NOW,
    ZONE,
    choices,
    lasts,
    query,
    quoted,
    table,
)
from grafana.language import Language
from grafana.looks import BLUE, QUALITIES, by_name, by_regex, fixed, words
from grafana.panels import COLOURED_TEXT, Panel, columns, curve, grid, share_steps
from park.catalogue import Catalogue

Json = dict[str, Any]

_OUTFALL = f'{ZONE} AND "site" =~ /^$outfall$/'
_AT_OUTFALL = f"{ZONE} AND \"location\" = 'outfall'"
_DETERMINAND = f"{_OUTFALL} AND \"quantity\" = '$determinand'"


def dashboard(catalogue: Catalogue, t: Language) -> Dashboard:
    """Return the water of a zone."""
    outfalls = Variable(
        "outfall",
        t("排口", "Outfall"),
        choices(CHANNEL, "site", _AT_OUTFALL, SENSORS_NOW),
        everything=True,
        many=True,
        regex="",
    ).json()
    determinands = Variable(
        "determinand",
        t("水质指标", "Determinand"),
        choices(CHANNEL, t.code, f"{_AT_OUTFALL} AND \"quantity\" <> 'flow-water'", SENSORS_NOW),
        everything=True,
        many=True,
    ).json()
    return Dashboard(
        "water",
        t,
        [
            Row("", [_now(t), _flow(t, catalogue)]),
            Row("", [_volumes(t, catalogue), _masses(t, catalogue)]),
            Row(t("排放总量", "Loads"), [common.loads(t, _OUTFALL, width=24, height=8)]),
            Row(
                t("水质：小时均值与日均值（虚线为限值）", "Quality: hour and day means (dashed: limits)"),
                [_quality(t, catalogue)],
            ),
            Row(
                t("超标记录", "Exceedances"),
                [
                    common.exceedances(
                        t,
                        catalogue,
                        _OUTFALL,
                        "$timeFilter",
                        title=t("所选时段内排口超限记录", "Exceedances at the outfalls in the time chosen"),
                        width=24,
                        height=8,
                    )
                ],
            ),
        ],
        variables=[zone(t), outfalls, determinands],
        span="7d",
        refresh="1m",
    )


def _now(t: Language) -> Panel:
    names = lasts(name=t.field("name"), v="v", unit="unit", share="share", q="q")
    return grid(
        t("当前水质", "The water now"),
        [
            table(
                f"SELECT {names} FROM {CHANNEL} WHERE {_OUTFALL} AND \"location\" = 'outfall' "
                f"AND \"quantity\" <> 'flow-water' AND {SENSORS_NOW} "
                f"GROUP BY {quoted(('site', 'sensor', 'quantity'))}"
            )
        ],
        [
            ("name", t("指标", "determinand"), {}),
            ("v", t("实时值", "value"), {"decimals": 2, "custom__width": 90}),
            ("unit", t("单位", "unit"), {"custom__width": 80}),
            (
                "share",
                t("占预警值", "share of the warning"),
                {
                    "unit": "percent",
                    "decimals": 0,
                    "min": 0,
                    "max": 100,
                    "thresholds": share_steps(),
                    "custom__displayMode": "lcd-gauge",
                    "custom__width": 190,
                },
            ),
            ("q", t("数据质量", "quality"), {"mappings": words(QUALITIES, t), "custom__width": 110, **COLOURED_TEXT}),
        ],
        hide=("Time", "site", "sensor", "quantity"),
        sort=[(t("占预警值", "share of the warning"), True)],
        width=12,
        height=10,
    )


def _flow(t: Language, catalogue: Catalogue) -> Panel:
    where = f"{_OUTFALL} AND \"quantity\" = 'flow-water'"
    target = query(
        f'SELECT mean("v") FROM {MEAN} WHERE {where} AND {FITTING_HOURS} AND $timeFilter '
        f"GROUP BY time($__interval), {quoted(common.PLACE)} fill(none)",
        common.PLACE_ALIAS,
    )
    return common.quantity_curve(
        t,
        catalogue,
        t("排水流量（小时均值）", "Flow of water (hour means)"),
        where,
        targets=[target],
        custom={"spanNulls": 4 * 3600_000, "lineWidth": 2, "fillOpacity": 10},
        width=12,
        height=10,
        interval="1h",
    )


def _volumes(t: Language, catalogue: Catalogue) -> Panel:
    target = query(
        f'SELECT sum("v") FROM {FLOW} WHERE {ZONE} AND "kind" = \'discharge\' AND "span" = \'day\' '
        'AND $timeFilter GROUP BY time(1d, 16h), "flow" fill(none)',
        "$tag_flow",
    )
    return columns(
        t("日排水量", "Water discharged per day"),
        [target],
        unit="m3",
        width=12,
        height=8,
        overrides=common.flow_names(catalogue, t),
    )


def _masses(t: Language, catalogue: Catalogue) -> Panel:
    target = query(
        f'SELECT max("mass") FROM {LOAD} WHERE {_OUTFALL} AND $timeFilter '
        'GROUP BY time($__interval), "zone", "quantity", "limit" fill(none)',
        "$tag_quantity",
    )
    return curve(
        t("本期累计排放量", "Mass since the period began"),
        [target],
        unit="masskg",
        width=12,
        height=8,
        interval="10m",
        custom={"spanNulls": True, "lineWidth": 2},
        overrides=[by_name(each.name, displayName=t.name(each.names)) for each in catalogue.quantities.values()],
    )


def _quality(t: Language, catalogue: Catalogue) -> Panel:
    by = quoted(common.PLACE)
    hours = query(
        f'SELECT mean("v") FROM {MEAN} WHERE {_DETERMINAND} AND "span" = \'hour\' AND $__interval < 1d '
        f"AND $timeFilter GROUP BY time($__interval), {by} fill(none)",
        common.PLACE_ALIAS,
    )
    days = query(
        f'SELECT mean("v") FROM {MEAN} WHERE {_DETERMINAND} AND "span" = \'day\' AND $timeFilter '
        f"GROUP BY time(1d, 16h), {by} fill(none)",
        t("日均值", "day mean"),
        ref="D",
    )
    return common.quantity_curve(
        t,
        catalogue,
        "$determinand",
        _DETERMINAND,
        spans=("value", "day"),
        targets=[hours, days],
        overrides=[
            by_regex(
                f"/^{t('日均值', 'day mean')}( [0-9]+)?$/",
                displayName=t("日均值", "day mean"),
                color=fixed(BLUE),
                custom__drawStyle="bars",
                custom__fillOpacity=25,
                custom__lineWidth=0,
                custom__barAlignment=1,
                custom__barWidthFactor=0.9,
            )
        ],
        custom={"spanNulls": 4 * 3600_000, "lineWidth": 2},
        interval="1h",
        height=9,
    ).each("determinand", 3)
