"""The office looks at the exchange network, and says what it finds as readings of its own (docs/network.md).

They go over MQTT like any other, so that limits, delays, paging and trends are those of every sensor. Where there is no
verdict, a reading says so: it is no value, which raises the alarm on data quality and never clears another one. What
never had a verdict says nothing: its meters have alarms of their own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec
import redis

from park.catalogue import Catalogue
from park.flows import Flow
from park.network import exchange_sensor, imbalance_of, surplus_of, unit_of, watched
from park.network_graph import Picture, giver_and_taker
from park.topics import PREFIX
from park.words import Location, Names
from storage import names
from storage.directory import Directory
from storage.influx import Influx
from storage.mqtt import Announcement, Broker, BrokerSettings, Connection, Outage
from storage.network import NetworkStore, Past, draw

log = logging.getLogger("parkwatch.office")

#: Messages the broker has not answered: with so many it hangs, and more would only be late when it is back.
_UNANSWERED = 20
#: More than there are exchanges and balances: publishing never waits for room.
_IN_FLIGHT = 100_000


@dataclass(frozen=True, slots=True)
class Times:
    """ms between looks at exchanges and at balances (and the graph), and how often their sensors promise to speak.

    They speak more often than they promise: a look may be missed.
    """

    exchanges: int = 60_000
    balances: int = 600_000
    promised: int = 1_800_000


@dataclass(frozen=True, slots=True)
class _Said:
    """What a series says: a value, or that there is none; and its sensor's name and unit for the descriptor."""

    series: str
    value: float | None
    unit: str
    title: Names

    @property
    def sensor(self) -> str:
        return self.series.rpartition("/")[0]

    @property
    def quantity(self) -> str:
        return self.series.rpartition("/")[2]


class NetworkWatch:
    """Looks, publishes, and writes the graph for Grafana. Nothing of it has to survive a restart.

    While the broker is away nothing is kept: what is late proves nothing, and the sensors grow stale.
    """

    def __init__(self, client: redis.Redis, influx: Influx, broker: BrokerSettings, times: Times | None = None) -> None:
        self._client = client
        self._store = NetworkStore(influx)
        self._voice = _Voice(broker, Directory(client), times or Times())
        self._times = times or Times()
        self._past: Past | None = None
        self._version = self._warned = ""
        self._looked_at = 0
        self._undecided = True
        self._drawn_at = 0
        self._balances_wait = True
        self._in_touch = False
        self._states: dict[str, str] = {}

    @property
    def in_touch(self) -> bool:
        """Whether what the last look found has been told to the broker."""
        return self._in_touch

    def close(self) -> None:
        """Say goodbye to the broker."""
        self._voice.close()

    def look(self, catalogue: Catalogue, now: int) -> bool:
        """Look at the network if it is time to, at ``now`` (ms); return whether it was.

        Raises ``redis.RedisError``, ``InfluxUnavailable`` or ``LinesRejected``: then the next look is on time.
        """
        if not catalogue.economy.flows:
            return False
        changed = catalogue.version != self._version
        if catalogue.version != self._warned:
            self._warned = catalogue.version
            _warn(catalogue)
        if not changed and 0 <= now - self._looked_at < self._times.exchanges:
            return False
        economy = catalogue.economy
        # Until any balance has a verdict it may come with the next hour that is settled.
        due = changed or self._undecided or not 0 <= now - self._drawn_at < self._times.balances
        if due or self._past is None:
            self._past = self._store.past(economy, now)
            self._balances_wait = True
        told = draw(catalogue, now, self._past, self._store.late(economy, now))
        if due or self._states != _states(told):
            self._draw(catalogue, told)
        if due:
            self._version, self._drawn_at = catalogue.version, now
            self._undecided = all(each.imbalance is None for each in told.balances.values())
        # While the broker is away the next ring tries again.
        self._in_touch = self._voice.say(_said(catalogue, told, balances=self._balances_wait), now)
        if self._in_touch:
            self._looked_at, self._balances_wait = now, False
        return True

    def _draw(self, catalogue: Catalogue, told: Picture) -> None:
        """Write the graph."""
        refused = self._store.write(catalogue, told)
        for text in refused:
            log.error("the graph of the network can't be kept in InfluxDB: %s", text[:500])
        if refused:
            self._client.hincrby(names.COUNTERS, "network.rejected", len(refused))
        self._states = _states(told)


def _states(told: Picture) -> dict[str, str]:
    return {name: each.state.value for name, each in told.exchanges.items()}


def _warn(catalogue: Catalogue) -> None:
    """Say which verdicts nobody will be told of: their quantities are not configured."""
    needed = {imbalance_of(each).rpartition("/")[2] for each in catalogue.economy.balances.values()}
    needed |= {found[0] for flow in watched(catalogue.economy) if (found := _told_as(catalogue, flow))}
    missing = sorted(needed - catalogue.quantities.keys())
    if missing:
        log.error(
            "nobody is told of broken exchanges or balances by %s: copy these rows of the default "
            "config/quantities.yaml, and config/limits/circular.yaml, into the configuration",
            ", ".join(missing),
        )


def _said(catalogue: Catalogue, told: Picture, *, balances: bool) -> Iterator[_Said]:
    economy = catalogue.economy
    every = [_surplus(catalogue, told, flow) for flow in watched(economy)]
    if balances:
        every += [
            _Said(imbalance_of(each), told.balances[name].imbalance, "%", _BALANCE)
            for name, each in economy.balances.items()
        ]
    return (each for each in every if each is not None and each.quantity in catalogue.quantities)


def _told_as(catalogue: Catalogue, flow: Flow) -> tuple[str, float] | None:
    return surplus_of(catalogue.economy.kinds[flow.kind])


def _surplus(catalogue: Catalogue, told: Picture, flow: Flow) -> _Said | None:
    found = _told_as(catalogue, flow)
    if found is None:
        return None
    quantity, factor = found
    surplus = told.exchanges[flow.id].surplus
    ends = giver_and_taker(catalogue, flow)
    title = Names(f"{flow.names.zh}（{ends.zh}）", f"{flow.names.en} ({ends.en})")
    value = None if surplus is None else surplus * factor
    return _Said(f"{exchange_sensor(flow)}/{quantity}", value, unit_of(quantity), title)


_BALANCE = Names("水、物料、能量平衡", "Balance of water, mass and energy")


class _Voice:
    """parkwatch's sensors for exchanges and balances, at the broker."""

    def __init__(self, settings: BrokerSettings, directory: Directory, times: Times) -> None:
        broker = Broker.of(settings)
        self._directory = directory
        self._interval = times.promised
        self._announced: dict[str, Announcement] = {}
        # The connection sends these whenever it is made; the list grows with what gets a verdict.
        self._announcements: list[Announcement] = []
        self._connection = Connection(
            broker,
            "parkwatch-office",
            Outage(broker.where),
            announcements=self._announcements,
            in_flight=_IN_FLIGHT,
        )
        self._open = False
        self._stop = threading.Event()
        self._refusal: str | None = None

    def close(self) -> None:
        self._stop.set()
        if self._open:
            self._connection.close()
            self._connection.join()

    def say(self, said: Iterable[_Said], now: int) -> bool:
        """Publish what has a verdict, and that there is none where there was one before; false without a broker.

        Raises ``RedisError``.
        """
        by_sensor: dict[str, list[_Said]] = {}
        for each in said:
            by_sensor.setdefault(each.sensor, []).append(each)
        if not self._ready():
            return False
        for sensor, found in by_sensor.items():
            known = self._known(sensor)
            told = [each for each in found if each.value is not None or each.quantity in known]
            self._describe(sensor, told, known)
            for each in told:
                payload = msgspec.json.encode({"v": each.value, "t": now})
                self._connection.publish(f"{PREFIX}/{each.series}", payload, self._stop)
        return True

    def _known(self, sensor: str) -> Mapping[str, str]:
        """Return the quantities of which the sensor has spoken, even before a restart, with their units."""
        known = self._directory.get(sensor)
        return {name: channel.unit or "" for name, channel in known.channels.items()} if known else {}

    def _describe(self, sensor: str, told: list[_Said], known: Mapping[str, str]) -> None:
        """Announce the sensor with all that it speaks of: a quantity that is promised and never comes is an alarm."""
        if not told:
            return
        quantities = {**known, **{each.quantity: each.unit for each in told}}
        described = {
            "names": told[0].title,
            "location": Location.SYSTEM,
            "interval": self._interval,
            "quantities": {name: {"unit": unit} if unit else {} for name, unit in sorted(quantities.items())},
        }
        announcement = Announcement(f"{PREFIX}/{sensor}/$meta", msgspec.json.encode(described))
        if self._announced.get(sensor) == announcement:
            return
        self._announced[sensor] = announcement
        self._announcements[:] = self._announced.values()
        self._connection.publish(announcement.topic, announcement.payload, self._stop, retain=True)

    def _ready(self) -> bool:
        if not self._open:
            self._connection.open()
            self._open = True
        refusal = self._connection.refusal
        if refusal != self._refusal:
            self._refusal = refusal
            if refusal:
                log.error("%s", refusal)
        return self._connection.up and self._connection.unanswered < _UNANSWERED
