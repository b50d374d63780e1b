"""The circular economy: indicators against benchmarks, energy, water, materials and waste, and who feeds whom."""

from __future__ import annotations

from typing import Any

from grafana import common
from grafana.board import Dashboard, Row, Variable, zone
from grafana.influxql import FLOW, INDICATOR, NAMED, READING, TERMS_NOW, ZONE, lasts, named_choices, query, raw, table
from grafana.language import Language
from grafana.looks import BLUE, GREEN, GREY, RED, by_name, words
from grafana.panels import COLOURED, Panel, bars, columns, configured, curve, grid, only
from park.catalogue import Catalogue
from storage import names

Json = dict[str, Any]

_ARCS = (("well", GREEN), ("idle", BLUE), ("unknown", GREY), ("broken", RED))
_EXCHANGE = {
    "well": ("正常", "well", GREEN),
    "idle": ("停用", "idle", BLUE),
    "unknown": ("无法判断", "no verdict", GREY),
    "broken": ("中断", "broken", RED),
}
_GRAPH_NOW = "time > now() - 30m"


def dashboard(catalogue: Catalogue, t: Language) -> Dashboard:
    """Return the circular economy of a zone."""
    kinds = Variable(
        "kind", t("流类别", "Kind of flow"), named_choices("flow-kind", t), everything=True, many=True
    ).json()
    benchmarks = Variable(
        "benchmark",
        t("对标标准", "Benchmark"),
        named_choices("benchmark", t),
        first=_shown(catalogue, t),
    ).json()
    indicators = Variable(
        "indicator", t("指标", "Indicator"), named_choices("indicator", t), everything=True, many=True
    ).json()
    return Dashboard(
        "circular",
        t,
        [
            Row("", [_indicators(t, catalogue), _exchanges(t)]),
            Row("", [_network(t)]),
            Row("", [_staying(t, catalogue), _balances(t, catalogue)]),
            Row(
                t("水、能源、物料与固废（日量）", "Water, energy, materials and waste, per day"), [_flows(t, catalogue)]
            ),
            Row(t("指标走势", "Indicators over time"), [_trend(t, catalogue)]),
        ],
        variables=[zone(t), benchmarks, kinds, indicators],
        span="30d",
        refresh="5m",
    )


def _shown(catalogue: Catalogue, t: Language) -> tuple[str, str]:
    """Return the benchmark set that the park is held against, as a choice."""
    benchmarks = catalogue.economy.benchmarks
    chosen = benchmarks.sets.get(benchmarks.shown)
    return (t.name(chosen.names), chosen.name) if chosen else ("", "")


def _indicators(t: Language, catalogue: Catalogue) -> Panel:
    where = (
        "\"scope\" <> 'site' AND (\"zone\" = '$zone' OR \"zone\" = 'all') AND \"span\" = 'month' "
        "AND \"benchmark\" = '$benchmark'"
    )
    title = t("本月指标对标（$benchmark）", "Indicators of the month by $benchmark")
    return common.indicators(t, catalogue, where, title=title, width=12, height=17)


def _network(t: Language) -> Panel:
    nodes = lasts(
        title=t.field("title"),
        subtitle=t.field("subtitle"),
        mainstat=t.field("mainstat"),
        secondarystat=t.field("secondarystat"),
        **{f"arc__{state}": f"arc_{state}" for state, _ in _ARCS},
    )
    edges = lasts(mainstat=t.field("mainstat"), secondarystat=t.field("secondarystat"), detail__name=t.field("title"))
    return Panel(
        "nodeGraph",
        t("交换网络（全园区）", "Exchange network of the park"),
        24,
        20,
        [
            table(f'SELECT {nodes} FROM {raw(names.NETWORK_NODE)} WHERE {_GRAPH_NOW} GROUP BY "id"', "nodes"),
            table(
                f'SELECT {edges} FROM {raw(names.NETWORK_EDGE)} WHERE {_GRAPH_NOW} GROUP BY "id", "source", "target"',
                "edges",
            ),
        ],
        options={
            "nodes": {"arcs": [{"field": f"arc__{state}", "color": colour} for state, colour in _ARCS]},
            "edges": {},
        },
        description=t(
            "谁向谁供应什么：圆环颜色为该单位交换关系的状态（绿 正常，蓝 停用，灰 无法判断，红 中断）。",
            "Who gives what to whom. The ring shows how the exchanges of a site stand: green well, blue idle, "
            "grey no verdict, red broken.",
        ),
    )


def _exchanges(t: Language) -> Panel:
    found = lasts(
        name=t.field("title"), state="state", main=t.field("mainstat"), second=t.field("secondarystat"), rank="rank"
    )
    return grid(
        t("交换与去向", "Exchanges"),
        [
            table(
                f"SELECT {found} FROM {raw(names.NETWORK_EDGE)} WHERE {ZONE} AND {_GRAPH_NOW} "
                'AND "source" <> \'outside\' AND "target" <> \'outside\' GROUP BY "id"'
            )
        ],
        [
            ("name", t("物流", "flow"), {}),
            ("state", t("状态", "state"), {"mappings": words(_EXCHANGE, t), "custom__width": 90, **COLOURED}),
            ("main", t("近期流量", "carries"), {"custom__width": 200}),
            ("second", t("说明", "of it"), {"custom__width": 170}),
        ],
        hide=("Time", "id", "rank"),
        sort=[(t("状态", "state"), False)],
        width=12,
        height=17,
    )


def _staying(t: Language, catalogue: Catalogue) -> Panel:
    target = table(
        f'SELECT "zone", "unit", "v" FROM (SELECT {lasts(v="v")} FROM {_kept(names.NETWORK_STAYING)} '
        f'WHERE ("zone" = \'$zone\' OR "zone" = \'all\') AND time > now() - 2d GROUP BY "zone", "unit")'
    )
    kinds = {"t": (" · 副产与固废", " · by-products and waste"), "GJ": (" · 余热", " · waste heat")}
    return bars(
        t("留在园区内的比例", "Residues that stay in the park"),
        [target],
        overrides=[
            by_name("zone", mappings=common.zone_name(catalogue, t)),
            by_name("unit", mappings=words(kinds, t)),
        ],
        transformations=[only("zone", "unit", "v")],
        width=8,
        height=10,
    )


def _balances(t: Language, catalogue: Catalogue) -> Panel:
    target = query(
        f'SELECT last("v") FROM {READING} WHERE {ZONE} AND "quantity" =~ /-imbalance$/ AND $timeFilter '
        'GROUP BY time($__interval), "site", "quantity" fill(none)',
        "$tag_site $tag_quantity",
    )
    told = {"water": t("水", "water"), "mass": t("物料", "mass"), "energy": t("能量", "energy")}
    overrides = []
    for balance in catalogue.economy.balances.values():
        zone_name, site = balance.site.split("/")
        known = catalogue.zones[zone_name].sites[site]
        shown = f"{t.name(known.names)} · {told[balance.of.value]}"
        overrides.append(by_name(f"{site} {balance.of.value}-imbalance", displayName=shown))
    return curve(
        t("站点平衡偏差（进 − 出 − 库存变化）", "Site balances: in − out − stock change"),
        [target],
        unit="percent",
        width=16,
        height=10,
        overrides=overrides,
        interval="10m",
        custom={"spanNulls": 3 * 3600_000, "axisSoftMin": -5, "axisSoftMax": 5},
    )


def _flows(t: Language, catalogue: Catalogue) -> Panel:
    target = query(
        f'SELECT sum("v") FROM {FLOW} WHERE {ZONE} AND "kind" = \'$kind\' AND "span" = \'day\' AND $timeFilter '
        'GROUP BY time(1d, 16h), "flow" fill(none)',
        "$tag_flow",
    )
    return columns(
        "$kind",
        [target, _unit("flow-kind", "$kind", "unit")],
        height=8,
        overrides=common.flow_names(catalogue, t),
        transformations=[configured("U", unit="unit")],
    ).each("kind", 3)


def _unit(kind: str, ident: str, field: str) -> Json:
    """Return the query for the unit of something that has a name; Grafana writes what it does not know as it is."""
    return table(
        f'SELECT "unit" FROM (SELECT last("{field}") AS "unit" FROM {NAMED} '
        f"WHERE \"kind\" = '{kind}' AND \"id\" = '{ident}' AND {TERMS_NOW})",
        "U",
    )


def _trend(t: Language, catalogue: Catalogue) -> Panel:
    target = query(
        f'SELECT mean("v") FROM {INDICATOR} WHERE "scope" <> \'site\' AND ("zone" = \'$zone\' OR "zone" = \'all\') '
        "AND \"indicator\" = '$indicator' AND \"benchmark\" = '$benchmark' AND \"span\" = 'day' AND $timeFilter "
        'GROUP BY time(1d, 16h), "zone" fill(none)',
        "$tag_zone",
    )
    return curve(
        "$indicator",
        [target, _unit("indicator-unit", "$indicator", t.field("name"))],
        height=7,
        overrides=_zones(catalogue, t),
        transformations=[configured("U", unit="unit")],
        custom={"spanNulls": True, "lineWidth": 2, "showPoints": "always"},
    ).each("indicator", 3)


def _zones(catalogue: Catalogue, t: Language) -> list[Json]:
    """Return how legends call zones, and all of them together."""
    known = [by_name(zone.name, displayName=t.name(zone.names)) for zone in catalogue.zones.values()]
    return [*known, by_name(names.EVERYWHERE, displayName=t("全园区", "whole park"))]


def _kept(measurement: str) -> str:
    return f'"{names.RETENTION_KEPT}"."{measurement}"'
