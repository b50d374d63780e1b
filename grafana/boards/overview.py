"""The park at a glance: what somebody sees first at three in the morning."""

from __future__ import annotations

from grafana import common
from grafana.board import Dashboard, Row, Variable
from grafana.influxql import named_choices
from grafana.language import Language
from grafana.maps import park_map
from park.catalogue import Catalogue


def dashboard(catalogue: Catalogue, t: Language) -> Dashboard:
    """Return the park overview: zones, one map, alarms, exceedances, loads, indicators."""
    zones = Variable("zone", t("园区", "Zone"), named_choices("zone", t), everything=True, many=True).json()
    shown = catalogue.economy.benchmarks.shown
    anywhere = '"zone" =~ /^$zone$/'
    return Dashboard(
        "overview",
        t,
        [
            Row("", [common.zone_strip(t, "$zone", "\"zone\" = '$zone'").each("zone", 2)]),
            Row(
                "",
                [
                    park_map(t, where=anywhere, width=9, height=12, zones=True),
                    common.active_alarms(t, anywhere, width=15, height=12),
                ],
            ),
            Row(
                "",
                [
                    park_map(
                        t, where="\"zone\" = '$zone'", width=12, height=14, title=t("$zone 分布图", "Map of $zone")
                    ).each("zone", 2)
                ],
            ),
            Row(
                t("近 24 小时", "The last 24 hours"),
                [
                    common.exceedances(
                        t,
                        catalogue,
                        anywhere,
                        "time > now() - 24h",
                        title=t("近 24 小时超限记录", "Exceedances of the last 24 h"),
                        width=24,
                        height=10,
                    )
                ],
            ),
            Row(
                t("循环经济与总量", "Circular economy and loads"),
                [
                    common.indicators(
                        t,
                        catalogue,
                        f'"scope" <> \'site\' AND "span" = \'month\' AND "benchmark" = \'{shown}\' AND "target" >= 0',
                        title=t("本月指标对标", "Indicators of the month against their targets"),
                        width=12,
                        height=12,
                    ),
                    common.loads(t, anywhere, width=12, height=12),
                ],
            ),
            Row("", [common.notice(t)]),
        ],
        variables=[zones],
        span="6h",
        refresh="10s",
    )
