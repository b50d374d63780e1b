"""Channels: how a message leaves. One file per kind; a service that Apprise speaks needs only a URL.

A channel never raises for what its service does: it returns an outcome, and delivery decides what follows.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from alerts.grouping import Digest
from alerts.messages import Message

Content = Message | Digest
"""What is sent: one alarm, or many of a zone in one."""


class Sent(msgspec.Struct, frozen=True):
    """The service took the message."""

    reason: str = ""


class Transient(msgspec.Struct, frozen=True):
    """It may work later; ``after`` is how long (s) the service asks to be left alone."""

    reason: str
    after: float = 0.0


class Permanent(msgspec.Struct, frozen=True):
    """It will never work like this: somebody has to change the configuration or the receiver."""

    reason: str


Outcome = Sent | Transient | Permanent


class Channel(Protocol):
    """One way out.

    ``attempts`` is how often a message is tried before it counts as failed, ``at_once`` how many may be under way
    at the same time.
    """

    @property
    def attempts(self) -> int:
        """Tries before a message counts as failed."""
        ...

    @property
    def at_once(self) -> int:
        """How many messages may be under way at the same time."""
        ...

    async def send(self, delivery: str, message: Content, language: str, now: int) -> Outcome:
        """Send ``message``; ``delivery`` identifies it over all repetitions, ``now`` is the time in ms."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


class Unusable:
    """A channel whose configuration can't work: every message fails with the reason, visibly."""

    attempts = 1
    at_once = 16

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def send(self, delivery: str, message: Content, language: str, now: int) -> Outcome:
        """Refuse."""
        del delivery, message, language, now
        return Permanent(self._reason)

    async def close(self) -> None:
        """Nothing is open."""
