"""Output per mu: how enterprises are classed, by which scheme, and what it rests on."""

from __future__ import annotations

from typing import Any

from grafana import common
from grafana.board import Dashboard, Row, Variable
from grafana.influxql import EVALUATION, lasts, named_choices, query, quoted, table
from grafana.language import Language
from grafana.looks import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, by_name, fixed, steps, words
from grafana.panels import COLOURED, COLOURED_TEXT, Panel, bars, grid, only, stat
from park.catalogue import Catalogue
from storage import evaluations

Json = dict[str, Any]

#: A year's point stands at its beginning: this year's, and last year's until this one's is there.
_YEAR = "time > now() - 800d"
_CHOSEN = f'"scheme" = \'$scheme\' AND "zone" =~ /^$zone$/ AND {_YEAR}'
_CLASSES = {
    "A": ("A", "A", GREEN),
    "B": ("B", "B", BLUE),
    "C": ("C", "C", ORANGE),
    "D": ("D", "D", RED),
    "": ("–", "–", "transparent"),
}
_BETTER = {1: ("↑ 升级", "↑ better", GREEN), 0: ("→ 持平", "→ same", GREY), -1: ("↓ 降级", "↓ worse", RED)}
_FLAGS = {"provisional": ("未完", "running", BLUE), "final": ("定稿", "final", GREEN)}
_STATUS = {
    "ranked": ("参评", "ranked", GREEN),
    "exempt": ("豁免", "exempt", GREY),
    "out-of-scope": ("不在范围", "out of scope", GREY),
    "incomplete": ("数据不全", "incomplete", PURPLE),
}
_FIELDS = {
    "high": ("高产田", "high yield", GREEN),
    "middle": ("一般", "middle", BLUE),
    "low": ("低产田", "low yield", RED),
    "": ("–", "–", "transparent"),
}


def dashboard(catalogue: Catalogue, t: Language) -> Dashboard:
    """Return the evaluation of enterprises."""
    zones = Variable("zone", t("园区", "Zone"), named_choices("zone", t), everything=True, many=True).json()
    begins = next(((t.name(each.names), each.name) for each in catalogue.economy.schemes.values()), ("", ""))
    schemes = Variable("scheme", t("评价办法", "Scheme"), named_choices("scheme", t), first=begins).json()
    return Dashboard(
        "evaluation",
        t,
        [
            Row("", [_counts(t), _smart(t, catalogue), _land(t)]),
            Row("", [_ranking(t, catalogue)]),
            Row(
                t("各项指标值与得分", "What the scores rest on"),
                [_terms(t, catalogue, "value"), _terms(t, catalogue, "score")],
            ),
        ],
        variables=[zones, schemes],
        span="1y",
        refresh="15m",
    )


def _counts(t: Language) -> Panel:
    inner = f'SELECT last("class") AS "c", last("score") AS "s" FROM {EVALUATION} WHERE {_CHOSEN} GROUP BY "enterprise"'
    classes = [(name, told) for name, told in _CLASSES.items() if name]
    return stat(
        t("各类企业数", "Enterprises by class"),
        [
            query(
                f'SELECT count("s") FROM ({inner}) WHERE "c" = \'{name}\'', t(f"{name} 类", f"class {name}"), ref=name
            )
            for name, _ in classes
        ],
        width=9,
        height=6,
        overrides=[by_name(t(f"{name} 类", f"class {name}"), color=fixed(told[2])) for name, told in classes],
    )


def _smart(t: Language, catalogue: Catalogue) -> Panel:
    fields = lasts(v="v")
    return bars(
        t("规上企业智改数转比例（目标 90%）", "Above-scale enterprises with smart equipment (target 90 %)"),
        [
            table(
                f"SELECT {fields} FROM {EVALUATION} WHERE \"scheme\" = '{evaluations.SMART}' AND {_YEAR} "
                'GROUP BY "zone"'
            )
        ],
        overrides=[by_name("zone", mappings=common.zone_name(catalogue, t))],
        transformations=[only("zone", "v")],
        thresholds=steps(RED, (60, ORANGE), (90, GREEN)),
        width=7,
        height=6,
    )


def _land(t: Language) -> Panel:
    fields = lasts(land="land")
    return bars(
        t("高产田与低产田面积（亩）", "High- and low-yield land (mu)"),
        [
            table(
                f"SELECT {fields} FROM {EVALUATION} WHERE \"scheme\" = '{evaluations.FIELDS}$scheme' "
                f'AND "zone" = \'all\' AND {_YEAR} GROUP BY "enterprise"'
            )
        ],
        overrides=[by_name("enterprise", mappings=words(_FIELDS, t))],
        transformations=[only("enterprise", "land")],
        unit=t("suffix: 亩", "suffix: mu"),
        most=None,
        width=8,
        height=6,
    )


def _ranking(t: Language, catalogue: Catalogue) -> Panel:
    fields = lasts(
        rank="rank",
        name=t.field("name"),
        **{"class": "class"},
        before="class_before",
        better="better",
        score="score",
        points="points",
        land="land",
        field="field",
        status="status",
        reason=t.field("reason"),
        share="share",
        flag="flag",
    )
    classed = {"mappings": words(_CLASSES, t), "custom__width": 60, "custom__align": "center"}
    return grid(
        t("企业综合评价（$scheme）", "Comprehensive evaluation ($scheme)"),
        [table(f'SELECT {fields} FROM {EVALUATION} WHERE {_CHOSEN} GROUP BY "zone", "enterprise"')],
        [
            ("rank", t("名次", "rank"), {"decimals": 0, "custom__width": 70, "mappings": _unranked()}),
            ("name", t("企业", "enterprise"), {}),
            ("zone", t("园区", "zone"), {"mappings": common.zone_name(catalogue, t), "custom__width": 190}),
            ("class", t("类别", "class"), {**classed, **COLOURED}),
            ("before", t("上年", "before"), classed),
            ("better", t("变化", "change"), {"mappings": words(_BETTER, t), "custom__width": 80, **COLOURED_TEXT}),
            (
                "score",
                t("得分", "score"),
                {
                    "decimals": 1,
                    "min": 0,
                    "max": 100,
                    "custom__displayMode": "gradient-gauge",
                    "color": fixed(BLUE),
                    "custom__width": 180,
                },
            ),
            ("points", t("较上年（分）", "points"), {"decimals": 1, "custom__width": 95}),
            ("land", t("用地（亩）", "land (mu)"), {"decimals": 0, "custom__width": 85}),
            ("field", t("产田", "yield"), {"mappings": words(_FIELDS, t), "custom__width": 90, **COLOURED_TEXT}),
            ("status", t("参评", "status"), {"mappings": words(_STATUS, t), "custom__width": 75, **COLOURED_TEXT}),
            ("reason", t("说明", "reason"), {"custom__width": 140}),
            ("flag", t("年度", "year"), {"mappings": words(_FLAGS, t), "custom__width": 75}),
            ("share", t("完整率", "reported"), {"unit": "percentunit", "decimals": 0, "custom__width": 90}),
        ],
        hide=("Time", "enterprise"),
        sort=[(t("得分", "score"), True)],
        width=24,
        height=14,
    )


def _unranked() -> list[Json]:
    return [{"type": "value", "options": {"0": {"text": "–", "index": 0}}}]


def _terms(t: Language, catalogue: Catalogue, what: str) -> Panel:
    names = {term.id: term for scheme in catalogue.economy.schemes.values() for term in scheme.terms}
    told = t("指标值", "Values") if what == "value" else t("各项得分", "Scores")
    panel = grid(
        told,
        [
            table(
                f'SELECT last("{t.field("name")}") AS "name", last(/^{what}_/) FROM {EVALUATION} WHERE {_CHOSEN} '
                f"AND \"status\" = 'ranked' GROUP BY {quoted(('enterprise',))}"
            )
        ],
        [("name", t("企业", "enterprise"), {"custom__width": 190})],
        hide=("Time", "enterprise"),
        width=12,
        height=12,
    )
    for term in names.values():
        unit = f"（{t.name(term.unit_names)}）" if t.code == "zh" else f" ({t.name(term.unit_names)})"
        shown = t.name(term.names) + (unit if what == "value" and term.unit else "")
        panel.overrides.append(by_name(f"last_{what}_{term.id}", displayName=shown, decimals=2))
    return panel
