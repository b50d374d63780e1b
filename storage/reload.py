"""The catalogue in force, for a piece that runs: it changes without a restart.

``parkwatch limits apply`` writes the new configuration into the folder first and tells its version in Redis then. A
piece asks Redis once a second; if another version is in force than its own, it loads the folder beside its work, and
takes the catalogue up if the folder holds that very version. Otherwise it stays with the one it has, and says so once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis

from park.catalogue import Catalogue
from park.differences import taken_up
from storage import changes, configuration, names
from storage.changes import Applied

log = logging.getLogger("parkwatch.configuration")

#: Seconds a worker lets pass before it takes a new catalogue up: who tells people about alarms has to know it first.
WORKERS_WAIT = 2.0

_Fingerprint = tuple[tuple[str, int, int, int], ...]


@dataclass(slots=True)
class _Loading:
    """A folder that is being loaded, or was: ``found`` is the catalogue, or what is wrong."""

    token: str
    fingerprint: _Fingerprint
    due: float
    found: Catalogue | str | None = None


class CatalogueWatch:
    """Follows the configuration that is in force, for the ``piece`` whose heartbeat has that name.

    ``wait``: seconds between the first word of a new version and its being taken up. ``patience``: seconds that a piece
    which asks seldom gives the folder to be loaded; others ask again.
    """

    def __init__(
        self,
        folder: Path,
        catalogue: Catalogue,
        client: redis.Redis,
        piece: str,
        *,
        wait: float = 0.0,
        patience: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._client = client
        self._piece = piece
        self._wait = wait
        self._patience = patience
        self._clock = clock
        self._loading: _Loading | None = None
        self._told = ""
        self._settled = ""

    def current(self) -> Catalogue:
        """Return the catalogue to work by: a new object if it has changed.

        Raises ``redis.RedisError``; the catalogue that one has is still good then.
        """
        applied = changes.applied(self._client)
        if applied is None or self._catalogue.version == applied.version or self._settled == applied.token:
            self._loading = None
        else:
            self._follow(applied)
        self._tell()
        return self._catalogue

    @property
    def settling(self) -> bool:
        """Whether another version is on its way, so that it pays to ask again soon."""
        return self._loading is not None and not isinstance(self._loading.found, str)

    def _follow(self, applied: Applied) -> None:
        loading, seen = self._loading, _fingerprint(self._folder)
        if loading is None or (loading.token, loading.fingerprint) != (applied.token, seen):
            due = loading.due if loading and loading.token == applied.token else self._clock() + self._wait
            loading = self._loading = _Loading(applied.token, seen, due)
            self._load(applied, loading)
        if isinstance(loading.found, Catalogue) and self._clock() >= loading.due:
            self._take_up(applied, loading.found)

    def _take_up(self, applied: Applied, found: Catalogue) -> None:
        before, self._loading, self._settled = self._catalogue.version, None, applied.token
        # The same after all: another parkwatch, which has numbered it otherwise, has applied what we began with.
        if found.version != before:
            self._catalogue = taken_up(self._catalogue, found)
            log.info("works by configuration %s instead of %s, applied by %s", found.version, before, applied.by)

    def _load(self, applied: Applied, loading: _Loading) -> None:
        """Load the folder beside the piece's work, which must not stand still for it."""
        arguments = (self._folder, applied, loading)
        thread = threading.Thread(target=_load, args=arguments, name="configuration", daemon=True)
        thread.start()
        if self._patience:
            thread.join(self._patience)

    def _tell(self) -> None:
        if self._told != self._catalogue.version:
            self._client.hset(names.CONFIGURATION_RUNNING, self._piece, self._catalogue.version)
            self._told = self._catalogue.version


def _load(folder: Path, applied: Applied, loading: _Loading) -> None:
    try:
        found = configuration.load(folder)
        content = configuration.digest(folder)
    except configuration.ConfigurationError as error:
        wrong = f"it can't be used: {'; '.join(map(str, error.problems[:3]))}"
    except OSError as error:
        wrong = f"it can't be read: {error}"
    else:
        if found.version == applied.version or content == applied.content:
            loading.found = found
            return
        wrong = f"it holds version {found.version}: was it edited by hand, or is it the folder of another machine?"
    log.error("configuration %s is in force, but not in %s: %s. The one before is kept", applied.version, folder, wrong)
    loading.found = wrong


def _fingerprint(folder: Path) -> _Fingerprint:
    """Return what changes when a file of the folder does."""
    found = []
    for name, path in configuration.files(folder).items():
        try:
            known = path.stat()
        except OSError:
            # It goes away just now: that is a change, too.
            found.append((name, 0, 0, 0))
        else:
            found.append((name, known.st_mtime_ns, known.st_size, known.st_ino))
    return tuple(found)
