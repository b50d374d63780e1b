"""Channels as they are configured: one way to people each, in ``alerts.yaml`` or as a person's contact."""

from __future__ import annotations

import enum

import msgspec

from park.words import Priority


class ReferenceKind(enum.StrEnum):
    """Where the text that a :class:`Reference` stands for is found."""

    TEXT = "text"
    ENVIRONMENT = "environment"
    FILE = "file"


class Reference(msgspec.Struct, frozen=True):
    """A text that may be secret: as it is, the name of the environment variable or the path of its file."""

    kind: ReferenceKind
    value: str


class ChannelKind(enum.StrEnum):
    """What speaks to a channel: one file each in ``alerts/channels/``."""

    APPRISE = "apprise"
    WEBHOOK = "webhook"
    TERMINAL = "terminal"


class ChannelRoute(msgspec.Struct, frozen=True):
    """One way to people, and what goes there.

    ``zones`` is empty for every zone. Pages less urgent than ``min_priority`` don't go there, and notices (an
    alarm returned) only if ``notices``. ``secret`` signs a webhook (Standard Webhooks). A terminal's ``url`` is
    empty. ``grouped`` is ``None`` if nobody said so: then :attr:`groups` decides by kind.
    """

    name: str
    kind: ChannelKind
    url: Reference
    language: str = "zh"
    zones: tuple[str, ...] = ()
    min_priority: Priority = Priority.LOW
    notices: bool = True
    secret: Reference | None = None
    grouped: bool | None = None

    @property
    def groups(self) -> bool:
        """Whether pages of one zone become one message: for what people read, not for what programs read."""
        return self.kind is not ChannelKind.WEBHOOK if self.grouped is None else self.grouped
