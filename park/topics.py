"""The MQTT contract's topics: what a topic speaks of, and how to write it when it is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

from park.words import Names

PREFIX = "park"
FEEDBACK = "parkwatch/feedback"

_SEGMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHAPES = (
    "park/{zone}/{site}/{sensor}/{quantity}, park/{zone}/{site}/{sensor}, park/{zone}/{site}/{sensor}/$meta "
    "or park/{zone}/{gateway}/$state"
)
_PUBLISH = Names(f"请发布到 {_SHAPES.replace(' or ', ' 或 ')}", f"publish to {_SHAPES}")


class Rejected(Exception):
    """A message that can't be taken: ``code`` for counting, the reason, and ``fix``: what to send instead.

    Both in English, which programs may rely on, and in Chinese (``_zh``).
    """

    def __init__(self, code: str, reason: Names, fix: Names) -> None:
        super().__init__(f"{reason.en}; {fix.en}")
        self.code = code
        self.reason, self.reason_zh = reason.en, reason.zh
        self.fix, self.fix_zh = fix.en, fix.zh


@dataclass(frozen=True, slots=True)
class Values:
    """Readings of one sensor; ``quantity`` is ``None`` if the payload names them."""

    zone: str
    site: str
    sensor: str
    quantity: str | None


@dataclass(frozen=True, slots=True)
class Meta:
    """A sensor's descriptor."""

    zone: str
    site: str
    sensor: str


@dataclass(frozen=True, slots=True)
class GatewayState:
    """A gateway's ``online``/``offline``."""

    zone: str
    gateway: str


Address = Values | Meta | GatewayState


def parse(topic: str, prefix: str = PREFIX) -> Address:
    """Return what ``topic`` speaks of; raises :class:`Rejected` with the way to write it."""
    head = prefix + "/"
    if not topic.startswith(head):
        raise Rejected("topic", Names(f"主题不以 {head} 开头", f"the topic does not begin with {head}"), _PUBLISH)
    segments = topic[len(head) :].split("/")
    *place, last = segments
    named = place if last.startswith("$") else segments
    for segment in named:
        if not _SEGMENT.fullmatch(segment):
            raise Rejected(
                "topic",
                Names(f"主题中不允许使用层级 {segment[:80]!r}", f"the topic's segment {segment[:80]!r} is not allowed"),
                Names(
                    "每级用 1 至 63 个字符：a-z、0-9 和 -，以字母或数字开头",
                    "use 1 to 63 characters a-z, 0-9 and -, beginning with a letter or digit",
                ),
            )
    return _address(segments)


def _address(segments: list[str]) -> Address:
    match segments:
        case [zone, gateway, "$state"]:
            return GatewayState(zone, gateway)
        case [zone, site, sensor, "$meta"]:
            return Meta(zone, site, sensor)
        case [*_, last] if last.startswith("$"):
            raise Rejected(
                "topic", Names(f"此处没有 {last[:80]!r}", f"{last[:80]!r} is not known at this place"), _PUBLISH
            )
        case [zone, site, sensor]:
            return Values(zone, site, sensor, None)
        case [zone, site, sensor, quantity]:
            return Values(zone, site, sensor, quantity)
        case _:
            count = len(segments) + 1
            raise Rejected(
                "topic", Names(f"没有 {count} 级的主题", f"a topic of {count} segments is not known"), _PUBLISH
            )


def feedback_topic(topic: str, prefix: str = PREFIX) -> str:
    """Return where a sensor's owner hears of ``topic``: zone, site and sensor as far as they can be written."""
    named = list(takewhile(_SEGMENT.fullmatch, topic.removeprefix(prefix + "/").split("/")[:3]))
    return "/".join([FEEDBACK, *named]) if named else f"{FEEDBACK}/unreadable"
