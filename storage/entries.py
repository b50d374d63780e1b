"""What lies in the outbox, what became of it, and what each is called.

An entry's id says what it is: ``page:``, ``step:``, ``send:``, ``bucket:``, ``group:``, ``flood:``, ``canary:``. All
times are server times in ms unless a field says otherwise.
"""

from __future__ import annotations

import enum

import msgspec

from park.alarms import Transition
from park.floods import Flood
from park.sensors import Sensor


class Page(msgspec.Struct, frozen=True, tag_field="kind", tag="page"):
    """A committed transition that somebody should hear of; not yet decided who."""

    transition: Transition


class Step(msgspec.Struct, frozen=True, tag_field="kind", tag="step"):
    """The next call of an escalation chain: ``number`` counts the chain's calls from 0.

    ``transition`` is the page, ``base`` the time from which the chain's times count. ``held``: quiet hours have put
    it off. A number behind the last call means: everybody has been called, look whether anybody has acknowledged.
    A chain that nobody has answered begins again: ``first`` is the number of the first call of this round.
    """

    transition: Transition
    number: int
    base: int
    held: bool = False
    first: int = 0


class Send(msgspec.Struct, frozen=True, tag_field="kind", tag="send"):
    """One message to one channel.

    ``content`` is the composed message, kept so that a repetition says the same; ``attempts`` counts the tries
    so far and ``reason`` is why the latest failed. ``queued`` is when the page was expanded (ms). ``person`` is empty
    for a channel that is nobody's own; ``step`` is the number of the call, ``None`` for what no chain has caused.
    ``hastened``: the chain's next call has been brought forward, since this one takes so long.
    """

    transition: Transition
    channel: str
    language: str
    content: msgspec.Raw
    queued: int
    attempts: int = 0
    reason: str = ""
    person: str = ""
    step: int | None = None
    hastened: bool = False


class Bucket(msgspec.Struct, frozen=True, tag_field="kind", tag="bucket"):
    """Where the messages of one zone to one channel gather until they leave as a group; they lie in a hash of its own.

    ``flood`` is the flood it gathers for; ``flood_ended`` (ms) is 0 while that lasts.
    """

    zone: str
    channel: str
    flood: Flood | None = None
    flood_ended: int = 0


class Group(msgspec.Struct, frozen=True, tag_field="kind", tag="group"):
    """A bucket that has been sealed: one message in place of ``sends``, which have no content of their own any more."""

    zone: str
    channel: str
    language: str
    sends: tuple[Send, ...]
    content: msgspec.Raw
    queued: int
    attempts: int = 0
    reason: str = ""
    hastened: bool = False

    @property
    def person(self) -> str:
        """Whose channel it is; all of a bucket are for the same."""
        return self.sends[0].person


class FloodWatch(msgspec.Struct, frozen=True, tag_field="kind", tag="flood"):
    """A zone whose flood lasts: when it is due, see whether it still does."""

    zone: str


class Canary(msgspec.Struct, frozen=True, tag_field="kind", tag="canary"):
    """A zone's canary on its way: published at ``t``, committed by the worker at ``at`` (ms)."""

    zone: str
    t: int
    at: int


Letter = Send | Group
"""What leaves as one message."""

Body = Page | Step | Send | Bucket | Group | FloodWatch | Canary

NO_CONTENT = msgspec.Raw(b"null")


class Standing(msgspec.Struct, frozen=True):
    """An alarm's snapshot (``pw:standing``), as far as telling people of it goes."""

    occurrence: int
    raised_t: int
    acknowledgement: str = ""
    acknowledged_by: str = ""
    availability: str = "in-service"
    condition: str = ""
    latched: bool = False
    paged: int = 0

    @property
    def unacknowledged(self) -> bool:
        """Whether it waits for somebody to take note."""
        return self.acknowledgement == "unacknowledged"

    @property
    def stands(self) -> bool:
        """Active, or returned and latched."""
        return self.latched or self.condition in {"active", "pending-off"}


class Situation(msgspec.Struct, frozen=True):
    """What Redis knows around an entry: the sensor, the alarm as it stands, the contacts told of the occurrence."""

    sensor: Sensor | None = None
    standing: Standing | None = None
    told: frozenset[str] = frozenset()

    def since(self, transition: Transition) -> int | None:
        """Return since when (event time, ms) the occurrence of ``transition`` lasts, if that is still known."""
        known = self.standing
        return known.raised_t if known and known.occurrence == transition.occurrence else None


class Item(msgspec.Struct, frozen=True):
    """A claimed entry; ``body`` is ``None`` if it can't be read, and ``problem`` then says why.

    ``taken_over``: a message that another process held when it died, so it may have left before.
    """

    id: str
    body: Body | None
    problem: str = ""
    situation: Situation = Situation()
    taken_over: bool = False


class Claim(msgspec.Struct, frozen=True):
    """What a claim brought, and when the next entry comes due (ms; ``None`` if the outbox is empty)."""

    items: tuple[Item, ...]
    next_due: int | None


class Result(enum.StrEnum):
    """What became of an entry in the end.

    ``undeliverable`` is a page that reaches nobody, ``unwanted`` one that nobody asked for. ``ended`` is a chain that
    somebody or something has stopped, ``exhausted`` one whose calls nobody has answered. ``held`` is a call that waits
    for the end of the quiet hours.
    """

    SENT = "sent"
    FAILED = "failed"
    UNDELIVERABLE = "undeliverable"
    UNWANTED = "unwanted"
    ENDED = "ended"
    EXHAUSTED = "exhausted"
    HELD = "held"
    FLOOD_BEGAN = "flood-began"
    FLOOD_ENDED = "flood-ended"


class Record(msgspec.Struct, frozen=True):
    """One entry of the stream ``pw:delivered``, field ``delivery``.

    ``queued`` is when the page was committed, ``claimed`` when it was taken up, ``begun`` and ``ended`` frame the
    last attempt (all ms; 0 where there was none). ``group`` is the id of the message it left with, if it left with
    others. ``taken_over``: another process died with it, so it may have left twice.
    """

    id: str
    result: Result
    reason: str = ""
    alarm: str = ""
    occurrence: int = 0
    version: int = 0
    channel: str = ""
    attempts: int = 0
    queued: int = 0
    claimed: int = 0
    begun: int = 0
    ended: int = 0
    person: str = ""
    step: int | None = None
    group: str = ""
    taken_over: bool = False


def occurrence_id(transition: Transition) -> str:
    """Return what the contacts told of an occurrence are kept under."""
    return f"{transition.alarm}:{transition.occurrence}"


def page_id(transition: Transition) -> str:
    """Return the outbox id of the page of ``transition``."""
    return f"page:{_told(transition)}"


def step_id(transition: Transition, number: int) -> str:
    """Return the outbox id of call ``number`` (from 0) of the chain that the page of ``transition`` began."""
    return f"step:{_told(transition)}:{number}"


def send_id(transition: Transition, channel: str, step: int | None = None) -> str:
    """Return the outbox id of the message of ``transition`` to ``channel``, as a call of a chain if ``step`` is one."""
    number = "" if step is None else f"{step}:"
    return f"send:{_told(transition)}:{number}{channel}"


def bucket_id(zone: str, channel: str) -> str:
    """Return the outbox id of the bucket in which messages of ``zone`` to ``channel`` gather."""
    return f"bucket:{zone}:{channel}"


def flood_id(zone: str) -> str:
    """Return the outbox id under which the flood of ``zone`` is watched."""
    return f"flood:{zone}"


def canary_id(zone: str) -> str:
    """Return the outbox id of the canary of ``zone``: a later one takes the place of one that still waits."""
    return f"canary:{zone}"


def encode_canary(zone: str, t: int, at: int) -> bytes:
    """Return what a worker's commit puts in ``pw:outbox:items`` for a canary."""
    return msgspec.json.encode(Canary(zone, t, at))


def encode_page(transition: Transition) -> bytes:
    """Return what a worker's commit puts in ``pw:outbox:items`` for ``transition``."""
    return msgspec.json.encode(Page(transition))


def _told(transition: Transition) -> str:
    return f"{transition.alarm}:{transition.occurrence}:{transition.version}"
