"""The books of the circular economy: flows are settled, indicators computed, the network looked at, a slice at a time.

The office is rung every few seconds for it and works for about two seconds, so that the journal is not held up; a year
of the past takes many slices. What is not done yet is known by what stands in Redis (storage/flows.py).
"""

from __future__ import annotations

import redis

from park.catalogue import Catalogue
from storage.flows import FlowStore
from storage.influx import Influx
from storage.mqtt import BrokerSettings
from workers.indicating import Indicating
from workers.network import NetworkWatch
from workers.settling import Settling, Slice

#: Seconds of a slice, for flows and for indicators.
SLICE = 1.0


class Accounts:
    """Keeps the books.

    Everything raises ``redis.RedisError``, or :class:`storage.influx.InfluxUnavailable` or
    :class:`storage.influx.LinesRejected`; then the next slice goes on where this one was.
    """

    def __init__(self, client: redis.Redis, influx: Influx, broker: BrokerSettings) -> None:
        flows = FlowStore(influx)
        self._indicating = Indicating(client, influx, flows)
        self._settling = Settling(client, flows, self._indicating.touched)
        self._network = NetworkWatch(client, influx, broker)

    def work(self, catalogue: Catalogue, now: int) -> None:
        """Do a slice of what is due at ``now`` (ms)."""
        flows = catalogue.economy.flows
        if flows:
            self._settling.work(flows, now, Slice(SLICE))
        self._indicating.work(catalogue, now, self._settling.behind, Slice(SLICE))
        self._network.look(catalogue, now)

    def close(self) -> None:
        """Say goodbye to the broker."""
        self._network.close()
