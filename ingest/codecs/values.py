"""The contract's own format: a bare number, ``{"v", "t", "u", "q"}``, many quantities, or an array of those."""

from __future__ import annotations

import json
import math

import msgspec

from park.topics import Rejected
from park.words import Names

Number = float | None


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One object of a payload: a value or values by quantity; time, unit and quality as sent."""

    v: float | dict[str, float | None] | None
    t: float | str | None = None
    u: str | dict[str, str] | None = None
    q: str | None = None


_DECODER = msgspec.json.Decoder(float | Sample | list[Sample] | None)
_OBJECT = '{"v": 3.2, "t": "2026-01-01T00:00:00Z", "u": "ppm", "q": "good"}'
_SHAPE = Names(f"请发送一个数、{_OBJECT}，或这种对象的数组", f"send a number, {_OBJECT}, or an array of such objects")
_LONGEST = 250
_NOT_A_NUMBER = frozenset({b"nan", b"-nan", b"+nan", b"inf", b"-inf", b"+inf", b"infinity", b"-infinity"})


def decode(payload: bytes) -> list[Sample]:
    """Return the samples of ``payload``; a missing or non-finite value comes as ``None``.

    Raises :class:`park.topics.Rejected`.
    """
    try:
        content = _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        content = _lenient(payload, error)
    if isinstance(content, Sample):
        return [content]
    if isinstance(content, list):
        return content
    return [Sample(content)]


def _lenient(payload: bytes, error: Exception) -> float | Sample | list[Sample] | None:
    """Take what JSON forbids but loggers send: NaN and infinities, which mean that there is no value."""
    if payload.strip().lower() in _NOT_A_NUMBER:
        return None
    try:
        content = json.loads(payload, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as problem:
        why = str(problem)[:_LONGEST]
        raise Rejected(
            "malformed", Names(f"内容不是 JSON（{why}）", f"the payload is no JSON ({why})"), _SHAPE
        ) from error
    try:
        return msgspec.convert(content, float | Sample | list[Sample] | None)
    except ValueError as problem:
        # A wrong type, or text that is no Unicode (half of a surrogate pair).
        why = str(problem)[:_LONGEST]
        reason = Names(f"内容的形式不对（{why}）", f"the payload has the wrong form ({why})")
        raise Rejected("type", reason, _SHAPE) from error


def finite(value: float | None) -> float | None:
    """``value`` as a float, or ``None`` if it is no finite number."""
    return float(value) if value is not None and math.isfinite(value) else None
