"""The whole service as processes, for tests that follow readings from MQTT to a webhook."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

from park.alarms import Event, Transition
from park.catalogue import Catalogue
from storage import names
from storage.configuration import load
from storage.states import ParkStates
from tests.catchers import Catcher
from tests.occurrences import count
from tests.pieces import Piece, Spawn
from tests.servers import Influx, eventually

ROOT = Path(__file__).resolve().parent.parent
MAP = ROOT / "config" / "maps" / "air_quality_uci.yaml"
EXCERPT = ROOT / "tests" / "fixtures" / "air_quality_uci_excerpt.csv"
SHARD = "riverside.0"
#: Column of the recording -> quantity, limit and the threshold in the column's unit.
COLUMNS = {
    "NO2(GT)": ("no2", "ambient-no2", 200.0),
    "CO(GT)": ("co", "ambient-co", 10.0),
    "C6H6(GT)": ("benzene", "ambient-benzene", 30.0),
}


@functools.cache
def _configured(folder: Path) -> Catalogue:
    """Return the configuration, which takes longer to read than what is asked again and again with it."""
    return load(folder)


class Whole:
    """Ingest, one zone's worker, beat and delivery, against the servers of one environment."""

    def __init__(self, environment: Mapping[str, str], spawn: Spawn, influx: Influx, catcher: Catcher) -> None:
        self.environment = {**environment, "PARKWATCH_WEBHOOK_URL": f"{catcher.url}/pages"}
        self._spawn = spawn
        self._influx = influx
        self._catcher = catcher
        self.redis = redis.Redis.from_url(environment["PARKWATCH_REDIS_URL"])
        self.pieces: dict[str, Piece] = {}

    def start(self, *only: str) -> None:
        """Start all pieces, or ``only`` these; return when they are at work."""
        commands = {
            "ingest": ("run", "ingest", "--id", "0"),
            "ingest-shared": ("run", "ingest", "--id", "0", "--shared"),
            "worker": ("run", "worker", "--shard", SHARD),
            "beat": ("run", "beat"),
            "delivery": ("run", "delivery"),
        }
        for name in only or ("ingest", "worker", "beat", "delivery"):
            self.pieces[name] = self._spawn(commands[name], self.environment)
            if name.startswith("ingest"):
                self.pieces[name].wait_for("connected to the MQTT broker")
        if "worker" in self.pieces:
            self.pieces["worker"].wait_for("is ready")

    def command(self, *arguments: str) -> Piece:
        """Start ``parkwatch ARGUMENTS``."""
        return self._spawn(arguments, self.environment)

    def replay(self, file: Path = EXCERPT, rate: float = 200.0) -> Piece:
        """Start to replay a recording."""
        return self.command("replay", str(file), "--map", str(MAP), "--rate", str(rate))

    def journal(self) -> list[Transition]:
        """Everything journalled, oldest first."""
        return ParkStates(self.redis, _configured(Path(self.environment["PARKWATCH_CONFIG"]))).journal(0, 1_000_000)[
            ::-1
        ]

    def raised(self) -> Counter[str]:
        """Occurrences by limit."""
        return Counter(t.limit for t in self.journal() if t.event is Event.RAISED)

    def pages(self) -> Counter[str]:
        """Distinct pages (not notices) that the webhook got, by limit; a repeated one counts once."""
        pages = {
            (request.json["data"]["alarm"], request.json["data"]["occurrence"], request.json["data"]["version"])
            for request in self._catcher.requests
            if request.json["type"] == "alarm.raised"
        }
        return Counter(alarm.rsplit(".", 1)[1] for alarm, _, _ in pages)

    def stored(self, quantity: str) -> tuple[int, int]:
        """Count of good and of other readings of the recording's sensor in InfluxDB."""
        database = self.environment["PARKWATCH_INFLUX_DB"]
        if not any(database in row.values() for row in self._influx.query("", "SHOW DATABASES")):
            return 0, 0
        rows = self._influx.query(
            database,
            f"SELECT {names.FIELD_QUALITY} FROM {names.RETENTION_RAW}.{names.READING} "
            f"WHERE {names.TAG_SENSOR} = 'aq-uci' AND {names.TAG_QUANTITY} = '{quantity}'",
        )
        good = sum(row[names.FIELD_QUALITY] == "good" for row in rows)
        return good, len(rows) - good

    def consumed(self) -> int:
        """Count of batches that the worker has committed."""
        return int(self.redis.get(names.consumed(SHARD)) or 0)

    def settled(self) -> bool:
        """Nothing waits any more: no batch, no page; steps that are due later, and what is gathered, may."""
        entries: Any = self.redis.zrange(names.OUTBOX, 0, -1)
        now = [entry for entry in entries if not entry.startswith((b"step:", b"bucket:", b"flood:"))]
        return not self.redis.llen(names.inbox(SHARD)) and not now

    def expect(self, file: Path = EXCERPT, *, within: float = 30.0) -> None:
        """Assert that stored readings, occurrences and pages are what an independent count of ``file`` gives."""
        expected = {column: count(file, column, threshold) for column, (_, _, threshold) in COLUMNS.items()}
        stored = {COLUMNS[column][0]: (own.good, own.bad) for column, own in expected.items()}
        raised = Counter({COLUMNS[column][1]: own.occurrences for column, own in expected.items()})
        eventually(
            lambda: {quantity: self.stored(quantity) for quantity in stored} == stored,
            within=within,
            why=f"stored readings should be {stored}",
            pause=0.2,
        )
        eventually(self.settled, within=within, why="batches or pages still wait", pause=0.1)
        limits = set(raised)
        assert {limit: n for limit, n in self.raised().items() if limit in limits} == dict(raised)
        eventually(
            lambda: {limit: n for limit, n in self.pages().items() if limit in limits} == dict(raised),
            within=within,
            why=f"pages should be {raised}, are {self.pages()}",
            pause=0.1,
        )
