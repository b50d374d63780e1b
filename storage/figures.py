"""The alarm system's KPIs: written to InfluxDB, the newest ones in Redis for whoever shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
import redis

from park.kpis import DAILY, KPIS, Figures, Latest
from storage import names
from storage.influx import Influx, write_divided
from storage.lines import Field, line

_LATEST = msgspec.json.Decoder(Latest)
_FIGURES = msgspec.json.Decoder(Figures)
#: A day's point also holds everything, lists included, as JSON.
_WHOLE = "figures"


def encode_figures(figures: Figures) -> bytes:
    """Return the line (times in ms) of ``figures``: a day's at its beginning, a rolling window's at its end."""
    known = {kpi.name: kpi.value(figures) for kpi in KPIS}
    # Floats throughout: a field has one type for ever.
    fields: dict[str, Field] = {name: None if value is None else float(value) for name, value in known.items()}
    fields["operators"] = float(figures.operators)
    if figures.window == DAILY:
        fields[_WHOLE] = msgspec.json.encode(figures).decode()
    time = figures.since if figures.window == DAILY else figures.until
    return line(names.ALARM_KPI, {names.TAG_ZONE: figures.zone, names.TAG_WINDOW: figures.window}, fields, time)


class FigureStore:
    """Figures in InfluxDB, which may be away: :class:`storage.influx.InfluxUnavailable`."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx

    def write(self, figures: Iterable[Figures], rejected: Callable[[str, str], None]) -> None:
        """Write ``figures``, over those of the same window and time.

        ``rejected(line, reason)`` is called for those that InfluxDB will never take.
        """
        lines = [encode_figures(each) for each in figures]
        if lines:
            write_divided(lambda part: self._influx.write(part, names.RETENTION_KEPT), lines, rejected)

    def days(self, zone: str, since: int) -> list[Figures]:
        """Return the figures of the days of ``zone`` that began at ``since`` (ms) or later, the newest first.

        Raises :class:`storage.influx.LinesRejected` where nothing has ever been kept.
        """
        text = (
            f'SELECT "{_WHOLE}" FROM "{names.ALARM_KPI}" WHERE {names.TAG_ZONE} = \'{zone}\' '
            f"AND \"{names.TAG_WINDOW}\" = '{DAILY}' AND time >= {since}ms ORDER BY time DESC"
        )
        found = self._influx.query(text, names.RETENTION_KEPT)
        return [_FIGURES.decode(row[1]) for series in found for row in series["values"]]


def publish_kpis(client: redis.Redis, latest: Latest) -> None:
    """Put the newest figures where :func:`latest_kpis` finds them. Raises ``redis.RedisError``."""
    client.set(names.KPIS, msgspec.json.encode(latest))


def latest_kpis(client: redis.Redis) -> Latest | None:
    """Return the newest rolling figures, ``None`` if there are none yet. Raises ``redis.RedisError``."""
    found = client.get(names.KPIS)
    return decode_kpis(found) if found else None


def decode_kpis(found: bytes | str) -> Latest:
    """Decode what stands under :data:`storage.names.KPIS`."""
    return _LATEST.decode(found)
