"""Quarantine: messages that could not be taken, with the reason and the fix; kept, counted, visible."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import redis

from park.catalogue import Settings
from park.topics import Rejected
from storage import names, stored

PAYLOAD_KEPT = 1024


class Entry(msgspec.Struct, frozen=True):
    """A quarantined message; ``payload`` is its beginning, ``at`` the server time (ms).

    ``reason`` and ``fix`` are English; in Chinese (``_zh``) they may be missing from entries of earlier times.
    """

    topic: str
    code: str
    reason: str
    fix: str
    payload: str
    at: int
    reason_zh: str = ""
    fix_zh: str = ""

    def why(self, language: str) -> str:
        """Return the reason in ``language``."""
        return self.reason_zh or self.reason if language == "zh" else self.reason

    def instead(self, language: str) -> str:
        """Return what to send instead, in ``language``."""
        return self.fix_zh or self.fix if language == "zh" else self.fix


def rejected_entry(topic: str, problem: Rejected, payload: bytes, at: int) -> Entry:
    """Return the entry of a message on ``topic`` that was rejected at ``at`` (server time, ms)."""
    return Entry(
        topic, problem.code, problem.reason, problem.fix, readable(payload), at, problem.reason_zh, problem.fix_zh
    )


class Quarantine:
    """The bounded list of quarantined messages (about ``size``) and the count of each reason since the beginning."""

    def __init__(self, client: redis.Redis, size: int = Settings().quarantine_size) -> None:
        self.client = client
        self._size = size

    def put(self, entries: Iterable[Entry]) -> None:
        """Keep and count ``entries``."""
        pipe = self.client.pipeline(transaction=True)
        for entry in entries:
            pipe.xadd(
                names.QUARANTINE,
                {"entry": msgspec.json.encode(entry)},
                maxlen=self._size,
                approximate=True,
            )
            pipe.hincrby(names.QUARANTINE_COUNTS, entry.code, 1)
        pipe.execute()

    def newest(self, most: int = 100) -> list[Entry]:
        """The newest entries, newest first."""
        found = stored.newest(self.client, names.QUARANTINE, 0, most)
        return [msgspec.json.decode(fields[b"entry"], type=Entry) for fields in found]

    def counts(self) -> dict[str, int]:
        """How many messages were quarantined for each reason code."""
        counts = stored.everything(self.client, names.QUARANTINE_COUNTS)
        return {key.decode(): int(value) for key, value in counts.items()}


def readable(payload: bytes) -> str:
    """The beginning of a payload as text that can be shown: control characters and bad UTF-8 escaped."""
    text = payload[:PAYLOAD_KEPT].decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
