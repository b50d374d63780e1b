"""Quarantine: messages that could not be taken, with the reason and the fix; kept, counted, visible."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import redis

from park.catalogue import Settings
from storage import names, stored

PAYLOAD_KEPT = 1024


class Entry(msgspec.Struct, frozen=True):
    """A quarantined message; ``payload`` is its beginning, ``at`` the server time (ms)."""

    topic: str
    code: str
    reason: str
    fix: str
    payload: str
    at: int


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
