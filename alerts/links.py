"""One-tap links: a signed address that opens one alarm for one person, and lets that person acknowledge it.

Pure. A link stands for one occurrence: a later one is paged anew, with a link of its own. Opening a link never acts;
see :mod:`alerts.console.taps` for what it shows.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from itsdangerous import BadData, URLSafeSerializer

VALID_FOR = 24 * 3_600_000
"""How long a link acts, ms."""

# With a salt of its own, what is signed with the same key elsewhere is no link.
_SALT = "parkwatch.tap"


class Tap(msgspec.Struct, frozen=True, array_like=True):
    """What a link says; ``issued_at`` in ms since 1970."""

    alarm: str
    occurrence: int
    person: str
    issued_at: int


class Expired(msgspec.Struct, frozen=True):
    """A link that was good and is too old to act; ``tap`` still says which alarm it was."""

    tap: Tap


class Invalid(msgspec.Struct, frozen=True):
    """No link of ours: changed, cut off, or signed with another key."""


def tap_link(secret_key: str, console_url: str, alarm: str, occurrence: int, person: str, issued_at: int) -> str:
    """Return the address that lets ``person`` acknowledge this occurrence of ``alarm``; ``issued_at`` in ms."""
    token = _serializer(secret_key).dumps([alarm, occurrence, person, issued_at])
    return f"{console_url}/tap/{token}"


def read_tap(secret_key: str, token: str, now: int, valid_for: int = VALID_FOR) -> Tap | Expired | Invalid:
    """Return what the link's last part says at ``now``, which is good for ``valid_for`` (both ms)."""
    try:
        content: Any = _serializer(secret_key).loads(token)
        tap = msgspec.convert(content, Tap)
    except (BadData, msgspec.ValidationError):
        return Invalid()
    return tap if now < tap.issued_at + valid_for else Expired(tap)


def _serializer(secret_key: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret_key, salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    )
