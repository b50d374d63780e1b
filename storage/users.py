"""Who may log in to the console: a file with names, roles and argon2id hashes, made by ``parkwatch user``.

Writers replace the file as a whole while they hold a lock beside it; readers notice a replaced file by themselves.
A file that is missing, unreadable or not understood lets nobody in.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import functools
import logging
import os
import re
import secrets
import threading
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import argon2
import msgspec

from park.words import Names

log = logging.getLogger("parkwatch.users")

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
FIRST_USER = "engineer"

_HASHER = argon2.PasswordHasher()
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_FEWEST_DIFFERENT = 5
_LEAST_BESIDE_NAME = 6
# One a line; what is shorter than SHORTEST_PASSWORD need not be there.
_COMMONEST = frozenset((Path(__file__).parent / "common_passwords.txt").read_text(encoding="utf-8").split())

# For passwords that people read from a terminal: nothing that looks like another character.
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"


class UsersError(Exception):
    """The users can't be read or not be changed like this; the text says what to do instead."""


class Role(enum.Enum):
    """What a user may do; each may do what the one before may. Compare with :meth:`may`."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"

    def may(self, needed: Role) -> bool:
        """Whether this role is ``needed`` or above it."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who may log in.

    ``revision`` changes with password, role and ``disabled``: sessions that began under another one have ended.
    """

    name: str
    names: Names
    role: Role
    hash: str
    revision: str
    disabled: bool = False

    def __repr__(self) -> str:
        """Without the hash: it must not get into a log."""
        return f"User({self.name!r}, {self.role.value})"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's content."""

    users: tuple[User, ...]


class Users:
    """The users' file, for who asks. Thread-safe; what changed in the file holds from the next call on.

    A file that can't be used is said in the log (once for each reason), and there are no users then.
    """

    def __init__(self, file: Path, hasher: argon2.PasswordHasher = _HASHER) -> None:
        self.file = file
        self._hasher = hasher
        self._lock = threading.Lock()
        self._seen: _Stamp | None = None
        self._users: dict[str, User] = {}
        self._said = ""
        # Checked for who is unknown or disabled, so that the answer takes as long as for who is not.
        self._nobodys_hash = _nobodys_hash(hasher)

    def get(self, name: str) -> User | None:
        """The user of that name who may log in, or ``None``."""
        found = self._current().get(name)
        return None if found is None or found.disabled else found

    def verify(self, name: str, password: str) -> User | None:
        """The user of that name if the password is theirs and they may log in; one hash is checked in any case."""
        found = self.get(tidy_name(name))
        right = self._matches(found.hash if found else self._nobodys_hash, password)
        return found if right else None

    def count(self) -> int:
        """How many may log in."""
        return sum(not user.disabled for user in self._current().values())

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, tidy_password(password[: LONGEST_PASSWORD + 1]))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    def _current(self) -> dict[str, User]:
        with self._lock:
            try:
                seen = _stamp(self.file)
                if seen != self._seen:
                    self._users = read(self.file)
                    self._seen, self._said = seen, ""
                    self._tell()
            except UsersError as error:
                self._users, self._seen = {}, None
                self._say(str(error))
            return self._users

    def _tell(self) -> None:
        enabled = sum(not user.disabled for user in self._users.values())
        log.info("%d may log in (%s)", enabled, self.file)
        if self._seen and self._seen.mode & 0o077:
            log.warning("the users' file %s can be read by others: chmod 600 it", self.file)

    def _say(self, trouble: str) -> None:
        if trouble != self._said:
            self._said = trouble
            log.error("nobody can log in: %s", trouble)


# -- reading and changing the file ---------------------------------------------------------------------------------


def read(file: Path) -> dict[str, User]:
    """Return the users by name; raises :class:`UsersError` if the file is missing or can't be used."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error
    try:
        users = msgspec.json.decode(content, type=_File).users
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsersError(
            f"{file} is not a users' file ({error}): put a copy back, or move it away and add the users anew"
        ) from error
    return {user.name: user for user in users}


def add(file: Path, name: str, role: Role, password: str, names: Names | None = None) -> User:
    """Add a user, and the file if there is none; raises :class:`UsersError`."""
    name = tidy_name(name)
    if not _NAME.fullmatch(name):
        raise UsersError(f"{name!r} can't be a user's name: write 1 to 63 of a-z, 0-9, '.', '_' and '-', as li.wei")
    check_password(password, name)
    user = User(name, names or Names(name, name), role, _hash(password), _revision())
    with _changing(file) as users:
        if name in users:
            raise UsersError(f"there is a user {name} already: `parkwatch user password {name}` gives a new password")
        users[name] = user
    return user


def change(
    file: Path,
    name: str,
    *,
    role: Role | None = None,
    password: str | None = None,
    disabled: bool | None = None,
    names: Names | None = None,
) -> User:
    """Change what is given; all sessions of the user end. Raises :class:`UsersError`."""
    name = tidy_name(name)
    changes: dict[str, object] = {"role": role, "disabled": disabled, "names": names}
    if password is not None:
        check_password(password, name)
        changes["hash"] = _hash(password)
    wanted = {field: value for field, value in changes.items() if value is not None}
    with _changing(file) as users:
        _known(users, name)
        users[name] = msgspec.structs.replace(users[name], revision=_revision(), **wanted)
        return users[name]


def remove(file: Path, name: str) -> None:
    """Remove a user; raises :class:`UsersError`."""
    name = tidy_name(name)
    with _changing(file) as users:
        _known(users, name)
        del users[name]


def first_user(file: Path, name: str = FIRST_USER, make: Callable[[], str] | None = None) -> str | None:
    """Make the file with one engineer, unless it is there; return the password, or ``None`` if nothing was made.

    The password is random (``make`` replaces that) and stored as its hash only: whoever calls has to show it.
    """
    if file.exists():
        return None
    password = (make or readable_password)()
    try:
        add(file, name, Role.ENGINEER, password, Names("工程师", "Engineer"))
    except UsersError:
        # Somebody else has just made it.
        if file.exists():
            return None
        raise
    return password


def readable_password() -> str:
    """A random password (79 bits) that can be read out and typed: ``xxxx-xxxx-xxxx-xxxx``."""
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(4)) for _ in range(4))


def tidy_name(name: str) -> str:
    """A user's name as it is stored: what was typed, in small letters."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def tidy_password(password: str) -> str:
    """A password as it is hashed: an input method's full-width letters are the same as plain ones."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, name: str) -> None:
    """Raise :class:`UsersError` if the password is too easy to guess."""
    tidy = tidy_password(password)
    plain = tidy.casefold()
    if len(tidy) < SHORTEST_PASSWORD:
        raise UsersError(f"the password has fewer than {SHORTEST_PASSWORD} characters: take a longer one")
    if len(tidy) > LONGEST_PASSWORD:
        raise UsersError(f"the password has more than {LONGEST_PASSWORD} characters: take a shorter one")
    if plain in _COMMONEST or len(set(plain)) < _FEWEST_DIFFERENT:
        raise UsersError(
            "the password is one of those that are tried first: take another, of several words for example"
        )
    if name in plain and len(plain) - len(name) < _LEAST_BESIDE_NAME:
        raise UsersError("the password is little more than the user's name: take another")


def _hash(password: str) -> str:
    return _HASHER.hash(tidy_password(password))


@functools.cache
def _nobodys_hash(hasher: argon2.PasswordHasher) -> str:
    return hasher.hash(secrets.token_hex(16))


def _revision() -> str:
    # Random rather than counted: a user who is removed and added again must not meet an old session.
    return secrets.token_hex(8)


def _known(users: dict[str, User], name: str) -> None:
    if name not in users:
        raise UsersError(f"there is no user {name}; `parkwatch user list` shows those there are")


class _Stamp(NamedTuple):
    """What tells one state of a file from another."""

    inode: int
    changed: int
    size: int
    mode: int


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except OSError as error:
        raise _unreadable(file, error) from error
    return _Stamp(found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)


def _unreadable(file: Path, error: OSError) -> UsersError:
    if isinstance(error, FileNotFoundError):
        return UsersError(f"there is no users' file {file}: make it with `parkwatch user add NAME --role engineer`")
    return UsersError(f"the users' file {file} can't be read ({error.strerror}): let parkwatch's user read it")


@contextlib.contextmanager
def _changing(file: Path) -> Iterator[dict[str, User]]:
    """Hold the file, give its users, and write them when the block ends well."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.with_name(f"{file.name}.lock").open("a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            users = read(file) if file.exists() else {}
            yield users
            _replace(file, msgspec.json.format(msgspec.json.encode(_File(tuple(users.values()))), indent=2))
    except OSError as error:
        raise UsersError(f"the users' file {file} can't be written ({error.strerror})") from error


def _replace(file: Path, content: bytes) -> None:
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    if os.geteuid() == 0:
        # Changed by root, it still belongs to whom the console runs as.
        owner = (file if file.exists() else file.parent).stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
    draft.replace(file)
