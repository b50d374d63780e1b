"""Sessions in Redis: who is logged in, until when.

A browser holds a random token, Redis its SHA-256: who reads Redis can't log in with what is there. A session ends
when it was not used for ``IDLE``, ``LONGEST`` after it began, on log-out, and when the user's revision changes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

import msgspec
import redis

from storage import names
from storage.clock import Clock
from storage.users import User, Users

IDLE = 12 * 3_600_000
"""How long a session lives unused, ms: a shift."""
LONGEST = 7 * 24 * 3_600_000
"""How long a session lives at most, ms."""

_TOUCH_EVERY = 60_000
_TOKEN_BYTES = 32


class _Session(msgspec.Struct, frozen=True):
    """What Redis holds; times in ms since 1970."""

    name: str
    revision: str
    began: int
    used: int


_SESSION = msgspec.json.Decoder(_Session)


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions; every method raises ``redis.RedisError`` while Redis is away."""

    client: redis.Redis
    users: Users
    clock: Clock

    def begin(self, user: User) -> str:
        """Begin a session and return its token."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now = self.clock.now()
        self._write(token, _Session(user.name, user.revision, now, now), new=True)
        return token

    def user(self, token: str) -> User | None:
        """Whose session it is, if it holds; asking counts as use."""
        stored = self.client.get(names.session(_hashed(token)))
        if stored is None:
            return None
        session = _SESSION.decode(stored)
        user = self._holds(session)
        if user is None:
            self.end(token)
        elif self.clock.now() - session.used >= _TOUCH_EVERY:
            self._write(token, msgspec.structs.replace(session, used=self.clock.now()), new=False)
        return user

    def _holds(self, session: _Session) -> User | None:
        user = self.users.get(session.name)
        same = user is not None and user.revision == session.revision
        return user if same and self.clock.now() < _end(session) else None

    def end(self, token: str) -> None:
        """End the session."""
        self.client.delete(names.session(_hashed(token)))

    def _write(self, token: str, session: _Session, *, new: bool) -> None:
        # Only where it still is: a log-out at the same moment must stay one.
        lives = max(_end(session) - self.clock.now(), 1)
        self.client.set(names.session(_hashed(token)), msgspec.json.encode(session), px=lives, nx=new, xx=not new)


def csrf_of(token: str) -> str:
    """The session's CSRF token: who knows the session's token can tell it, and nobody the other way round."""
    return hmac.new(token.encode(), b"parkwatch csrf", hashlib.sha256).hexdigest()


def _end(session: _Session) -> int:
    return min(session.used + IDLE, session.began + LONGEST)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
