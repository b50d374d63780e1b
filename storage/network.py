"""What the verdicts on the exchange network are made of, out of InfluxDB; and the graph for Grafana, into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from park.catalogue import Catalogue
from park.economy import Economy
from park.flows import OUTSIDE, Amount
from park.means import DAY, Span
from park.metering import course, portions, readings
from park.network import HOUR, Habit, State, Staying, concerned, habit, whole_hours
from park.network_graph import PARK, RANKS, Edge, Node, Picture, edges, nodes, picture
from park.readings import split_series
from park.words import Names
from storage import names
from storage.flows import FlowStore
from storage.influx import Influx, write_divided
from storage.lines import Field, line

#: ms of hours and of days by which is told what a flow usually carries.
_PAST_HOURS = 7 * DAY
_PAST_DAYS = 60 * DAY
#: ms before the end of an hour in which the level of a stock is taken: the mean of them, since a tank ripples.
_LEVEL = 900_000
_NOTHING = readings((), ())


class Past(msgspec.Struct, frozen=True):
    """What is settled: amounts by flow and beginning of the hour, levels of stocks by series and end of an hour.

    And what the past tells of each flow.
    """

    amounts: dict[tuple[str, int], Amount]
    levels: dict[tuple[str, int], float]
    habits: dict[str, Habit]


class NetworkStore:
    """Reads amounts and readings, writes the graph. Raises ``InfluxUnavailable`` or ``LinesRejected``."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx
        self._flows = FlowStore(influx)

    def picture(self, catalogue: Catalogue, now: int) -> Picture:
        """Return all verdicts at ``now`` (ms)."""
        return draw(catalogue, now, self.past(catalogue.economy, now), self.late(catalogue.economy, now))

    def past(self, economy: Economy, now: int) -> Past:
        """Return what is settled of the hours and days before ``now`` (ms)."""
        flows = economy.flows
        hours = self._flows.amounts(Span.HOUR, now - _PAST_HOURS, now - now % HOUR, flows)
        days = self._flows.amounts(Span.DAY, now - _PAST_DAYS, now - DAY, flows)
        stocks = {stock.series for told in economy.balances.values() for stock in told.stocks}
        return Past(
            amounts={(flow, t): each for flow, found in hours.items() for t, each in found.items()},
            levels={key: level for series in stocks for key, level in self._levels(series, now)},
            habits={
                name: habit(flow, _in_order(hours.get(name, {})), _in_order(days.get(name, {})))
                for name, flow in flows.items()
            },
        )

    def late(self, economy: Economy, now: int) -> dict[str, Amount]:
        """Return what the flows that exchanges need carried of late."""
        found: dict[str, Amount] = {}
        spans = concerned(economy)
        for span in set(spans.values()):
            flows = [economy.flows[flow] for flow, each in spans.items() if each == span]
            begin = now - span
            # An interval that began before the span, and is no gap, lies in it as well.
            shown = self._flows.readings({flow.meter for flow in flows}, begin - span, now)
            for flow in flows:
                through = course(shown.get(flow.meter, _NOTHING), flow)
                found[flow.id] = portions(through, (begin, now))[0].of(flow.id)
        return found

    def _levels(self, series: str, now: int) -> Iterator[tuple[tuple[str, int], float]]:
        zone, site, sensor, quantity = split_series(series)
        begins = whole_hours(now)
        text = (
            f"SELECT mean({names.FIELD_VALUE}) FROM {names.READING} WHERE {names.TAG_ZONE} = '{zone}' "
            f"AND {names.TAG_SITE} = '{site}' AND {names.TAG_SENSOR} = '{sensor}' "
            f"AND {names.TAG_QUANTITY} = '{quantity}' "
            f"AND time >= {begins[0] - _LEVEL}ms AND time < {begins[-1] + HOUR}ms GROUP BY time({_LEVEL}ms) fill(none)"
        )
        for each in self._influx.select(text):
            for t, level in each["values"]:
                if (int(t) + _LEVEL) % HOUR == 0:
                    yield (series, int(t) + _LEVEL), float(level)

    def write(self, catalogue: Catalogue, told: Picture) -> list[str]:
        """Write the graph; return the lines that InfluxDB will never take."""
        refused: list[str] = []
        shown = edges(catalogue, told)
        graph = [_edge(each, told.at) for each in shown] + [
            _node(each, told.at) for each in nodes(catalogue, told, shown)
        ]
        stay = [_staying(zone, each, told.at) for zone, found in told.staying.items() for each in found]
        for lines, policy in ((graph, names.RETENTION_RAW), (stay, names.RETENTION_KEPT)):
            if lines:
                self._write(lines, policy, refused)
        return refused

    def _write(self, lines: list[bytes], policy: str, refused: list[str]) -> None:
        write_divided(
            lambda text: self._influx.write(text, policy), lines, lambda text, why: refused.append(f"{text}: {why}")
        )


def _in_order(amounts: Mapping[int, Amount]) -> list[Amount]:
    return [amounts[t] for t in sorted(amounts)]


def draw(catalogue: Catalogue, now: int, past: Past, late: Mapping[str, Amount]) -> Picture:
    """Return all verdicts at ``now`` (ms) by what was read."""
    return picture(catalogue, now, hours=past.amounts, levels=past.levels, late=late, habits=past.habits)


def _edge(edge: Edge, t: int) -> bytes:
    tags = {
        names.TAG_ID: edge.id,
        names.TAG_SOURCE: edge.source,
        names.TAG_TARGET: edge.target,
        names.TAG_KIND: edge.kind,
        names.TAG_ZONE: edge.zone,
    }
    numbers: dict[str, Field] = {
        "carried": _float(edge.carried),
        "usual": _float(edge.usual),
        "surplus": _float(edge.surplus),
        "state": edge.state.value,
        "rank": RANKS[edge.state],
    }
    texts = _texts(title=edge.title, mainstat=edge.main, secondarystat=edge.second)
    return line(names.NETWORK_EDGE, tags, {**texts, **numbers}, t)


def _node(node: Node, t: int) -> bytes:
    tags = {names.TAG_ID: node.id, names.TAG_ZONE: node.zone or OUTSIDE}
    texts = _texts(title=node.title, subtitle=node.subtitle, mainstat=node.main, secondarystat=node.second)
    arcs: dict[str, Field] = {f"arc_{state.value}": node.arcs[state] for state in State}
    return line(names.NETWORK_NODE, tags, {**texts, **arcs}, t)


def _staying(zone: str, told: Staying, t: int) -> bytes:
    park = zone == PARK
    tags = {
        names.TAG_SCOPE: "park" if park else "zone",
        names.TAG_ZONE: names.EVERYWHERE if park else zone,
        names.TAG_UNIT: told.unit,
    }
    fields: dict[str, Field] = {
        names.FIELD_VALUE: _float(told.share),
        "given": told.given,
        "kept": told.kept,
        names.FIELD_SHARE: told.measured,
    }
    return line(names.NETWORK_STAYING, tags, fields, t)


def _texts(**texts: Names) -> dict[str, Field]:
    return {f"{name}_{language}": text.get(language) for name, text in texts.items() for language in ("zh", "en")}


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
