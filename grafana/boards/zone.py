"""The safety of one zone: gas detection, tanks, votes, and which alarms stood when."""

from __future__ import annotations

from typing import Any

from grafana import common
from grafana.board import Dashboard, Row, Variable, site, zone
from grafana.influxql import CHANNEL, SENSORS_NOW, SITE, STANDING, VOTE, ZONE, choices, lasts, query, table
from grafana.language import Language
from grafana.looks import GREEN, ORANGE, RANKS, RED, steps, words
from grafana.maps import park_map
from grafana.panels import COLOURED, Panel, grid, timeline
from park.catalogue import Catalogue

Json = dict[str, Any]

_HERE = f"{ZONE} AND {SITE}"
_GAS = f"{_HERE} AND \"location\" = 'workplace'"
#: Readings have no location class: which sensors are of one, a variable knows.
_ONE_GAS = f'{_HERE} AND "sensor" =~ /^$detector$/ AND "quantity" = \'$gas\''


def dashboard(catalogue: Catalogue, t: Language) -> Dashboard:
    """Return the safety of a zone."""
    gases = Variable(
        "gas",
        t("气体", "Gas"),
        choices(CHANNEL, t.code, f"{ZONE} AND \"location\" = 'workplace'", SENSORS_NOW),
        everything=True,
        many=True,
    ).json()
    detectors = Variable(
        "detector",
        "",
        choices(CHANNEL, "sensor", f"{ZONE} AND \"location\" = 'workplace'", SENSORS_NOW),
        everything=True,
        many=True,
        hide=True,
        regex="",
    ).json()
    return Dashboard(
        "zone",
        t,
        [
            Row("", [common.zone_strip(t, "$zone", ZONE)]),
            Row(
                "",
                [
                    park_map(t, where=_HERE, width=10, height=14),
                    common.active_alarms(t, _HERE, width=14, height=14),
                ],
            ),
            Row(t("气体探测", "Gas detection"), [_toxic(t), _combustible(t), _votes(t)]),
            Row(t("储罐", "Tanks"), [_levels(t), _level_curves(t, catalogue)]),
            Row(t("报警时间线", "Alarms over time"), [_alarms(t)]),
            Row(
                t("各气体浓度（虚线为报警设定值）", "Each gas (dashed: alarm set-points)"),
                [common.quantity_curve(t, catalogue, "$gas", _ONE_GAS, height=8).each("gas", 3)],
            ),
            Row("", [common.notice(t)]),
        ],
        variables=[zone(t), site(t), gases, detectors],
        span="3h",
        refresh="10s",
    )


def _toxic(t: Language) -> Panel:
    return common.now_bars(
        t,
        t("有毒气体：占一级报警值（职业接触限值）的百分比", "Toxic gases: share of the first alarm (exposure limit)"),
        f"{_GAS} AND \"unit\" = 'mg/m3'",
        field="share",
        shown=("name", "what"),
        most=14,
        width=9,
        height=13,
        description=t(
            "100% 为一级报警值（职业接触限值），200% 为二级报警值；显示最高的 14 个探测器。",
            "100 % is the first alarm (the exposure limit), 200 % the second; the 14 highest detectors.",
        ),
    )


def _combustible(t: Language) -> Panel:
    return common.now_bars(
        t,
        t("可燃气体（%LEL）", "Combustible gas (%LEL)"),
        f"{_GAS} AND \"quantity\" = 'lel'",
        unit="suffix: %LEL",
        most=14,
        width=8,
        height=13,
        thresholds=steps(GREEN, (25, ORANGE), (50, RED)),
        shown=("place", "name"),
        description=t("25 %LEL 为一级报警，50 %LEL 为二级报警。", "25 %LEL is the first alarm, 50 %LEL the second."),
    )


def _votes(t: Language) -> Panel:
    columns = lasts(
        name=t.field("name"), place=t.field("site"), votes="votes", needs="needs", detectors="detectors", alarm="alarm"
    )
    target = table(f'SELECT {columns} FROM {VOTE} WHERE {_HERE} AND {SENSORS_NOW} GROUP BY "zone", "site", "limit"')
    counts = {"custom__width": 55, "decimals": 0}
    return grid(
        t("多探头表决（M 取 N）", "Voting groups (M of N)"),
        [target],
        [
            ("name", t("表决组", "group"), {}),
            ("place", t("装置", "site"), {"custom__width": 110}),
            ("votes", t("投票", "votes"), {**counts, "thresholds": steps(GREEN, (1, ORANGE), (2, RED)), **COLOURED}),
            ("needs", t("需要", "needs"), counts),
            ("detectors", t("探头", "of"), counts),
        ],
        hide=("Time", "zone", "site", "limit", "alarm"),
        empty=t("本园区无表决组", "no voting group here"),
        sort=[(t("投票", "votes"), True)],
        width=7,
        height=13,
    )


def _levels(t: Language) -> Panel:
    return common.now_bars(
        t,
        t("当前液位（%）", "Levels now (%)"),
        f"{_HERE} AND \"quantity\" = 'level'",
        width=10,
        height=11,
        thresholds=steps(RED, (10, ORANGE), (15, GREEN), (85, ORANGE), (90, RED)),
        shown=("place", "name"),
        description=t(
            "颜色按建议值 LL 10、L 15、H 85、HH 90；各储罐自己的设定值见右图虚线与测点详情。",
            "Colours by the suggested LL 10, L 15, H 85, HH 90; its own set-points are on the right and in its detail.",
        ),
    )


def _level_curves(t: Language, catalogue: Catalogue) -> Panel:
    return common.quantity_curve(
        t,
        catalogue,
        t("液位（虚线：HH、H、L、LL）", "Levels (dashed: HH, H, L, LL)"),
        f"{_HERE} AND \"quantity\" = 'level'",
        width=14,
        height=11,
        legend=True,
        defaults={"min": 0, "max": 100},
    )


def _alarms(t: Language) -> Panel:
    target = query(
        f'SELECT max("rank") FROM {STANDING} WHERE {_HERE} AND "stands" = true AND $timeFilter '
        'GROUP BY time($__interval), "site", "sensor", "limit" fill(null)',
        "$tag_sensor · $tag_limit",
    )
    return timeline(
        t("各报警的持续时间", "How long each alarm stood"),
        [target],
        words(RANKS, t),
        height=11,
        interval="30s",
        description=t("颜色表示优先级。", "The colour is the priority."),
    )
