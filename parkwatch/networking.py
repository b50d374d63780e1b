"""What ``parkwatch network`` prints."""

from __future__ import annotations

import sys

import msgspec
from rich.table import Column, Table

from park.catalogue import Catalogue
from park.network import HOURS, Balanced, State, Staying
from park.network_graph import CLASSES, PARK, STATES, Edge, Picture, edges, site_names
from park.rows import suggestion
from park.wording import short
from park.words import Names
from parkwatch.desk import UNUSABLE, catalogue, database, out, settings, stop
from storage.clock import SystemClock
from storage.network import NetworkStore

_COLOURS = {State.WELL: "green", State.IDLE: "blue", State.UNKNOWN: "yellow", State.BROKEN: "red"}


class ShownExchange(msgspec.Struct):
    """An exchange, or a residue that leaves the park; amounts in ``unit`` (per hour).

    ``carried`` is that of the last whole hours, ``now``, ``expected`` and ``surplus`` of the last minutes. ``state`` is
    ``None`` of what is not watched.
    """

    id: str
    names: Names
    kind: str
    source: str
    target: str
    unit: str
    carried: float | None
    usual: float | None
    state: State | None
    now: float | None
    expected: float | None
    surplus: float | None
    why: Names


class ShownBalance(msgspec.Struct):
    """A balance; ``low`` and ``high`` are its tolerance in %."""

    site: str
    of: str
    unit: str
    state: State
    low: float | None
    high: float | None
    found: Balanced


class ShownStaying(msgspec.Struct):
    """What stays of what a zone (or ``park``) gives away of residues; ``share`` in %, amounts in ``unit`` of a day."""

    zone: str
    unit: str
    share: float | None
    given: float
    kept: float
    measured: float


class Shown(msgspec.Struct):
    """What ``parkwatch network --json`` prints; ``at`` in ms."""

    at: int
    exchanges: list[ShownExchange]
    balances: list[ShownBalance]
    staying: list[ShownStaying]


def run(zone: str | None, language: str, *, as_json: bool) -> None:
    """Print the network; ends the command if it can't be told."""
    chosen = settings()
    park = catalogue(chosen)
    if language not in {"zh", "en"}:
        raise stop(f"--language {language}: write zh or en", UNUSABLE)
    if zone is not None and zone not in park.zones:
        raise stop(f"--zone {zone}: there is no such zone; {suggestion(zone, park.zones)}", UNUSABLE)
    if not park.economy.flows:
        raise stop(f"{chosen.config}/flows.yaml has no flows, so there is no network (docs/flows.md)")
    with database(chosen) as influx:
        told = NetworkStore(influx).picture(park, SystemClock().now())
    shown = _shown(park, told, zone)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode() + "\n")
        return
    for table in (_exchanges(park, shown, language), _balances(park, shown, language), _staying(park, shown, language)):
        if table.row_count:
            out.print(table)
    _print_whys(shown, language)


def _shown(park: Catalogue, told: Picture, zone: str | None) -> Shown:
    def here(*ends: str) -> bool:
        return zone is None or any(end.startswith(f"{zone}/") for end in ends)

    return Shown(
        at=told.at,
        exchanges=[_exchange(park, told, each) for each in edges(park, told) if here(each.source, each.target)],
        balances=[_balance(park, told, name) for name, each in park.economy.balances.items() if here(each.site)],
        staying=[_stay(name, each) for name, found in told.staying.items() if zone in {None, name} for each in found],
    )


def _exchange(park: Catalogue, told: Picture, edge: Edge) -> ShownExchange:
    found = told.exchanges.get(edge.id)
    return ShownExchange(
        id=edge.id,
        names=edge.title,
        kind=edge.kind,
        source=edge.source,
        target=edge.target,
        unit=f"{park.economy.kinds[edge.kind].unit}/h",
        carried=edge.carried,
        usual=edge.usual,
        state=found.state if found else None,
        now=found.carried if found else None,
        expected=found.expected if found else None,
        surplus=found.surplus if found else None,
        why=found.why if found else Names("", ""),
    )


def _balance(park: Catalogue, told: Picture, name: str) -> ShownBalance:
    each, (low, high) = park.economy.balances[name], told.tolerances[name]
    return ShownBalance(each.site, each.of.value, each.unit, told.balance_state(name), low, high, told.balances[name])


def _stay(zone: str, told: Staying) -> ShownStaying:
    return ShownStaying(zone, told.unit, told.share, told.given, told.kept, told.measured)


# --- for people ----------------------------------------------------------------------------------------------------

_HEADS = {
    "zh": ("交换", "供方", "接收方", "近 24 h 平均", "平时", "现状"),
    "en": ("exchange", "from", "to", "mean of 24 h", "usual", "now"),
}
_BALANCE_HEADS = {
    "zh": ("站点", "平衡", "流入", "流出", "损耗", "库存增加", "差额", "偏差", "允差", "现状"),
    "en": ("site", "balance", "in", "out", "losses", "stored", "missing", "imbalance", "tolerance", "now"),
}
_STAYING_HEADS = {
    "zh": ("范围", "副产物和废物", "留在园内", "园内利用率", "计量覆盖率"),
    "en": ("where", "residues given", "stays in the park", "share", "measured"),
}
_PARK = Names("全园", "park")
_TITLES = {
    "zh": ("企业间交换", f"近 {HOURS} 个整点小时的平衡", f"近 {HOURS} 个整点小时的副产物和废物去向"),
    "en": ("Exchanges", f"Balances of the last {HOURS} whole hours", f"Residues of the last {HOURS} whole hours"),
}
_SURPLUS = Names("{size} 无接收方", "{size} without a taker")


def _table(heads: tuple[str, ...], title: str) -> Table:
    # On a narrow terminal words are broken rather than cut: half a number is a wrong number.
    return Table(*(Column(head, overflow="fold") for head in heads), title=title)


def _exchanges(park: Catalogue, shown: Shown, language: str) -> Table:
    table = _table(_HEADS[language], _TITLES[language][0])
    for each in shown.exchanges:
        table.add_row(
            each.names.get(language),
            site_names(park, each.source).get(language),
            site_names(park, each.target).get(language),
            _size(each.carried, each.unit),
            _size(each.usual, each.unit),
            _now(each, language),
        )
    return table


def _now(each: ShownExchange, language: str) -> str:
    if each.state is None:
        return ""
    told = _state(each.state, language)
    if each.state is not State.BROKEN:
        return told
    return f"{told} {_SURPLUS.get(language).format(size=_size(each.surplus, each.unit))}"


def _balances(park: Catalogue, shown: Shown, language: str) -> Table:
    table = _table(_BALANCE_HEADS[language], _TITLES[language][1])
    for each in shown.balances:
        found = each.found
        known = found.imbalance is not None
        sizes = (found.came_in, found.left, found.lost, found.gained, found.missing)
        table.add_row(
            site_names(park, each.site).get(language),
            next(names for of, names in CLASSES.items() if of.value == each.of).get(language),
            *(_size(size, each.unit) if known else "–" for size in sizes),
            "–" if found.imbalance is None else f"{found.imbalance:+.1f} %",
            _tolerance(each),
            _state(each.state, language),
        )
    return table


def _staying(park: Catalogue, shown: Shown, language: str) -> Table:
    table = _table(_STAYING_HEADS[language], _TITLES[language][2])
    for each in shown.staying:
        table.add_row(
            _PARK.get(language) if each.zone == PARK else park.zones[each.zone].names.get(language),
            _size(each.given, each.unit),
            _size(each.kept, each.unit),
            "–" if each.share is None else f"{each.share:.1f} %",
            f"{each.measured:.0%}",
        )
    return table


def _print_whys(shown: Shown, language: str) -> None:
    """Say why things are not well, or not known: each reason once, with all that it is the reason of."""
    colon, comma = ("：", "、") if language == "zh" else (": ", ", ")
    reasons: dict[str, list[str]] = {}
    for name, why in [
        *((each.names.get(language), each.why) for each in shown.exchanges),
        *((each.found.balance, each.found.why) for each in shown.balances),
    ]:
        reasons.setdefault(why.get(language), []).append(name)
    for reason, of in reasons.items():
        if reason:
            out.print(f"{comma.join(of)}{colon}{reason}", highlight=False, markup=False, soft_wrap=True)


def _state(state: State, language: str) -> str:
    return f"[{_COLOURS[state]}]{STATES[state].get(language)}[/]"


def _tolerance(each: ShownBalance) -> str:
    if each.low is not None and each.high is not None and each.low == -each.high:
        return f"±{each.high:g} %"
    ends = [f"{end:+g}" for end in (each.low, each.high) if end is not None]
    return f"{' … '.join(ends)} %" if ends else "–"


def _size(size: float | None, unit: str) -> str:
    return "–" if size is None else f"{short(size)} {unit}"
