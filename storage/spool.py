"""The disk spool: line protocol that InfluxDB could not take yet, oldest first, on SQLite, size-capped.

What is in the spool survives a crash and a power cut (every addition is synced), so its readings may be
acknowledged. Beyond the cap the oldest lines go first, and every one that goes is counted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, readings INTEGER NOT NULL, bytes INTEGER NOT NULL, lines BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS dropped (one INTEGER PRIMARY KEY CHECK (one = 1), readings INTEGER NOT NULL);
INSERT OR IGNORE INTO dropped VALUES (1, 0);
"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines that were spooled together."""

    id: int
    readings: int
    lines: bytes


class Spool:
    """One process's spool file; use it from one thread."""

    def __init__(self, path: Path, cap_bytes: int = 2 * 1024**3) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._cap = cap_bytes
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        row = self._db.execute("SELECT COALESCE(SUM(readings), 0), COALESCE(SUM(bytes), 0) FROM chunks").fetchone()
        self._readings, self._bytes = int(row[0]), int(row[1])

    @property
    def waiting(self) -> int:
        """Readings that wait for InfluxDB."""
        return self._readings

    @property
    def dropped(self) -> int:
        """Readings ever dropped because the spool was full."""
        return int(self._db.execute("SELECT readings FROM dropped").fetchone()[0])

    def add(self, lines: bytes, readings: int) -> int:
        """Store ``lines`` durably and return how many readings, oldest first, had to go for the cap.

        Raises ``sqlite3.Error``, and then nothing has changed.
        """
        added = (readings, len(lines), lines)
        with self._transaction():
            self._db.execute("INSERT INTO chunks (readings, bytes, lines) VALUES (?, ?, ?)", added)
            gone = self._make_room(self._bytes + len(lines) - self._cap)
        self._readings += readings - gone[0]
        self._bytes += len(lines) - gone[1]
        return gone[0]

    def _make_room(self, excess: int) -> tuple[int, int]:
        """Remove the oldest chunks until ``excess`` bytes are gone; return the readings and bytes that went."""
        readings = size = 0
        while size < excess:
            oldest = self._db.execute("SELECT id, readings, bytes FROM chunks ORDER BY id LIMIT 1").fetchone()
            self._db.execute("DELETE FROM chunks WHERE id = ?", (oldest[0],))
            readings, size = readings + oldest[1], size + oldest[2]
        if readings:
            self._db.execute("UPDATE dropped SET readings = readings + ?", (readings,))
        return readings, size

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error:
            # Some errors (a full disk) have rolled back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def oldest(self) -> Chunk | None:
        """The chunk to write next, or ``None``."""
        row = self._db.execute("SELECT id, readings, lines FROM chunks ORDER BY id LIMIT 1").fetchone()
        return None if row is None else Chunk(*row)

    def done(self, chunk: Chunk) -> None:
        """Remove a chunk that has been written. Raises ``sqlite3.Error``: then it stays, and may be written again."""
        self._db.execute("DELETE FROM chunks WHERE id = ?", (chunk.id,))
        self._readings -= chunk.readings
        self._bytes -= len(chunk.lines)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
