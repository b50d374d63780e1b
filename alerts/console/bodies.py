"""What the API takes: bodies of requests. ``by`` is never among them: it is who is logged in."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LONGEST_TEXT = 500
MOST_AT_ONCE = 300
_MOST = 2**53
_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"

Number = Annotated[int, Field(ge=1, le=_MOST)]
Comment = Annotated[str, Field(max_length=LONGEST_TEXT, pattern=_ONE_LINE, description="one line, may be empty")]
Reason = Annotated[
    str, Field(min_length=1, max_length=LONGEST_TEXT, pattern=_ONE_LINE, description="why; one line, not empty")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)


class AcknowledgeBody(_Body):
    """What a person saw and says; ``occurrence`` and ``version`` as the alarm showed them."""

    occurrence: Number
    version: Number
    comment: Comment = ""


class SeenAlarm(_Body):
    """An alarm as a person saw it."""

    alarm: Annotated[str, Field(min_length=1, max_length=400)]
    occurrence: Number
    version: Number


class AcknowledgeManyBody(_Body):
    """Several alarms as a person saw them, and one comment for all."""

    alarms: Annotated[list[SeenAlarm], Field(min_length=1, max_length=MOST_AT_ONCE)]
    comment: Comment = ""


class ShelveBody(_Body):
    """For how long: ``minutes``, or ``until`` (ms since 1970); and why."""

    minutes: Annotated[int, Field(ge=1, le=100_000)] | None = None
    until: Annotated[int, Field(ge=1, le=_MOST)] | None = None
    reason: Reason

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.minutes is None) == (self.until is None):
            raise ValueError("give either minutes or until")
        return self

    def end(self, now: int) -> int:
        """Return the end (ms) of a shelving that begins ``now``."""
        return self.until if self.until is not None else now + (self.minutes or 0) * 60_000


class ReasonBody(_Body):
    """Why."""

    reason: Reason


class CommentBody(_Body):
    """What there is to say, which may be nothing."""

    comment: Comment = ""
