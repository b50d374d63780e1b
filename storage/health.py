"""What the service itself does, as points for Grafana: measurement ``health`` (rp raw), every 10 s, by the watchdog.

Tags ``piece``, ``zone`` (of a worker and a canary) and ``reason`` (of a count). All fields are floats; one whose worth
nobody knows is left out, so ask for ``last()`` within a minute.

===================  ============================================================================================
piece                fields
===================  ============================================================================================
every process        ``up`` 1 or 0, ``age_s`` of its sign of life
``worker.<shard>``   also ``inbox`` batches that wait, ``lag_s`` how long the oldest of them has
``ingest.<id>``      also ``connected`` ``outstanding`` ``spooled`` ``dropped`` ``rate`` (readings/s)
``delivery``         also ``waiting`` entries of the outbox, ``late`` s of the latest overdue one, ``missing`` calls
``office``           also ``waiting`` journal entries, ``influx`` 1 or 0
``canary``           per zone: ``age_s`` delivered, ``stored_age_s``, ``evaluated_ms``, ``delivered_ms`` on its way
``redis``            ``up``, ``memory_mb``
``influxdb``         ``up``: the watchdog could write last time
``watchdog``         ``up``: it wrote this
``pulse``            ``up``: wanted and out; ``age_s`` since it last went out
``quarantine``       per reason: ``total`` messages since the beginning
``counter``          per counter (``results.lost``, ``delivery.failed`` ...): ``total``
===================  ============================================================================================
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from storage import names
from storage.influx import Influx, InfluxUnavailable, LinesRejected
from storage.lines import line

log = logging.getLogger("parkwatch.watchdog")

#: Rounds that are remembered while InfluxDB is away: an hour of them.
_REMEMBERED = 360


@dataclass(frozen=True, slots=True)
class Gauge:
    """What is known of a piece; a value that is ``None`` is left out."""

    piece: str
    values: Mapping[str, float | None]
    zone: str = ""
    reason: str = ""

    def line(self, at: int) -> bytes | None:
        """Return its line (time in ms), ``None`` if nothing is known."""
        values = {name: float(value) for name, value in self.values.items() if value is not None}
        tags = {names.TAG_PIECE: self.piece, names.TAG_ZONE: self.zone, names.TAG_REASON: self.reason}
        return line(names.HEALTH, tags, values, at) if values else None


class HealthLog:
    """Writes gauges; while InfluxDB is away they are remembered for an hour, so that the gap is told afterwards."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx
        self._waiting: deque[bytes] = deque(maxlen=_REMEMBERED)
        self.failures = 0

    def write(self, gauges: list[Gauge], at: int) -> None:
        """Write what is known ``at`` (ms), and before it what could not be written."""
        lines = [known for gauge in gauges if (known := gauge.line(at))]
        self._waiting.append(b"\n".join(lines))
        try:
            while self._waiting:
                self._influx.write(self._waiting[0])
                self._waiting.popleft()
        except InfluxUnavailable as error:
            # Grafana's own rules tell of it: they hear nothing any more.
            log.debug("no health: %s", error)
            self.failures += 1
        except LinesRejected as error:
            # Never will be: another parkwatch has written a field of another type under the same name.
            log.error("the health of the service can't be kept in InfluxDB: %s", error)
            self._waiting.clear()
            self.failures += 1
        else:
            self.failures = 0
