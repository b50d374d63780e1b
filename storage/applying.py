"""Putting a configuration in force: into the folder whole or not at all, the versions before and after kept."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from park.catalogue import Catalogue
from park.differences import Difference
from storage import changes, configuration
from storage.candidates import Candidate
from storage.changes import Applied, Change, OvertakenError
from storage.settings import Settings

log = logging.getLogger("parkwatch.storage")


class ApplyError(Exception):
    """The configuration could not be put in force, and nothing has changed; the text says why and what to do."""


def _reason(error: OSError) -> str:
    if error.errno == errno.EROFS:
        return f"{error.strerror}; in containers it is mounted so: docs/containers.md says how limits change there"
    return error.strerror or type(error).__name__


class Applying:
    """The configuration folder, while nobody else changes it."""

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        self._folder = settings.config
        self._kept = settings.home / "configurations"
        self._client = client
        self._before = changes.applied(client)

    def in_force(self) -> Catalogue:
        """Return the configuration in force: the one applied last if it was kept, else what the folder holds.

        So a folder that somebody has edited by hand, or that a killed ``apply`` has left half changed, is compared with
        what the pieces run by. Raises :class:`storage.configuration.ConfigurationError`.
        """
        if self._before:
            kept = self._kept / self._before.version
            # One that an older parkwatch has kept may not be readable any more.
            with suppress(configuration.ConfigurationError):
                return configuration.load(kept)
        return configuration.load(self._folder)

    @property
    def version(self) -> str:
        """The version that was applied last; empty if none ever was."""
        return self._before.version if self._before else ""

    def up_to_date(self, version: str) -> bool:
        """Whether both the folder and the running pieces have ``version`` already."""
        with suppress(configuration.ConfigurationError):
            there = configuration.load(self._folder).version
            return there == version and (self._before is None or self._before.version == version)
        return False

    def apply(self, candidate: Candidate, difference: Difference, *, by: str, why: str, now: int) -> Change:
        """Put ``candidate`` in force, or raise :class:`ApplyError` and leave everything as it was."""
        change = Change(at=now, by=by, why=why, token=secrets.token_hex(8), difference=difference)
        texts = {name: path.read_bytes() for name, path in candidate.files().items()}
        before = {name: path.read_bytes() for name, path in configuration.files(self._folder).items()}
        try:
            self._keep(difference.old, before)
            self._keep(difference.new, texts)
            with _written(self._folder, before, texts):
                self._check(difference.new)
                self._record(change)
        except OSError as error:
            raise ApplyError(f"{error.filename or self._folder} can't be written ({_reason(error)})") from error
        except OvertakenError as error:
            raise ApplyError(str(error)) from error
        except redis.RedisError as error:
            raise ApplyError(f"Redis does not take the change ({error})") from error
        return change

    def _keep(self, version: str, texts: Mapping[str, bytes]) -> None:
        """Keep a configuration under its version, whole."""
        final = self._kept / version
        if final.is_dir():
            return
        draft = self._kept / f".{version}.{secrets.token_hex(4)}"
        try:
            for name, text in texts.items():
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                (draft / name).write_bytes(text)
            if configuration.load(draft).version == version:
                draft.rename(final)
        except configuration.ConfigurationError:
            # Edited by hand into something that can't be used: it is not the version it would be kept as.
            log.warning("%s can't be used as it is, so it is not kept", self._folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _check(self, version: str) -> None:
        try:
            there = configuration.load(self._folder).version
        except configuration.ConfigurationError as error:
            raise ApplyError(f"the files have changed while they were applied: {error}") from error
        if there != version:
            raise ApplyError(
                f"the files have changed while they were applied ({there} instead of {version}); try again"
            )

    def _record(self, change: Change) -> None:
        try:
            changes.record(self._client, change, configuration.digest(self._folder), self._before)
        except redis.RedisError:
            # Was it taken, and only the answer lost?
            if not self._taken(change.token):
                raise

    def _taken(self, token: str) -> bool:
        with suppress(redis.RedisError):
            found: Applied | None = changes.applied(self._client)
            return found is not None and found.token == token
        return False


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the configuration folder for this process; raises :class:`ApplyError` if another one does."""
    try:
        held = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ApplyError(f"{folder} can't be opened ({error.strerror})") from error
    try:
        _lock(held, folder)
        yield
    finally:
        os.close(held)


def _lock(held: int, folder: Path) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ApplyError(f"somebody else is applying a configuration to {folder} just now; try again") from error


@contextmanager
def _written(folder: Path, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[None]:
    """Change the files in ``folder``; whatever goes wrong within, they are as they were.

    Everything is on disk beside its place first, so that a full disk is noticed before anything has changed.
    """
    changed = {name: text for name, text in after.items() if before.get(name) != text}
    gone = before.keys() - after.keys()
    drafts = {name: folder / f"{name}.new" for name in changed}
    try:
        for name, text in changed.items():
            _write(drafts[name], text, folder / name)
        for name, draft in drafts.items():
            draft.replace(folder / name)
        for name in gone:
            (folder / name).unlink()
        yield
    except BaseException:
        _restore(folder, before, {*changed, *gone})
        raise
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def _write(path: Path, text: bytes, like: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if like.exists():
        shutil.copymode(like, path)


def _restore(folder: Path, before: Mapping[str, bytes], names: set[str]) -> None:
    for name in names:
        path = folder / name
        if name not in before:
            path.unlink(missing_ok=True)
        elif not path.is_file() or path.read_bytes() != before[name]:
            _write(folder / f"{name}.new", before[name], path)
            (folder / f"{name}.new").replace(path)


def wait_for_pieces(
    client: redis.Redis, version: str, looks: int, pause: Callable[[], None]
) -> tuple[list[str], list[str]]:
    """Return which living pieces run by ``version``, and which don't after so many ``looks``."""
    pieces: dict[str, str] = {}
    for _ in range(looks):
        pieces = changes.running(client)
        if all(running == version for running in pieces.values()):
            break
        pause()
    followed = sorted(piece for piece, running in pieces.items() if running == version)
    return followed, sorted(pieces.keys() - set(followed))
