"""Rolling means over the latest blocks: 15 min (PC-STEL) and 8 h (PC-TWA) of minutes, 8 h of hours (O3).

They follow closed blocks (:mod:`park.means`), so that gaps and bad data count the same everywhere. A rolling mean is
valid if enough of its blocks are; it moves with every block, the invalid ones included.
"""

from __future__ import annotations

import math

import msgspec

from park.means import DAY, HOUR, Mean, Span


class Window(msgspec.Struct, frozen=True):
    """``size`` blocks of ``span``, of which ``enough`` must be valid."""

    span: Span
    size: int
    enough: int


#: GBZ 2.1-2019: PC-STEL is a mean over 15 min, PC-TWA over 8 h. Validity as for an hour (75 %): own practice.
STEL = Window(Span.MINUTE, 15, 12)
TWA = Window(Span.MINUTE, 480, 360)
#: HJ 663-2013: at least 6 of 8 hours (knowledge).
EIGHT_HOURS = Window(Span.HOUR, 8, 6)


class Rolling(msgspec.Struct, frozen=True, array_like=True):
    """The valid blocks in the window: their beginnings (ms) and values, oldest first."""

    begins: tuple[int, ...] = ()
    values: tuple[float, ...] = ()


class Rolled(msgspec.Struct, frozen=True):
    """The mean over the window that ends at ``end`` (ms); ``valid`` if enough of its ``count`` blocks were."""

    end: int
    value: float | None
    valid: bool
    count: int


def roll(rolling: Rolling, mean: Mean, window: Window) -> tuple[Rolling, Rolled]:
    """Move the window to the end of ``mean``, the block after the last one."""
    begins, values = rolling.begins, rolling.values
    if mean.valid and mean.value is not None:
        begins, values = (*begins, mean.begin), (*values, mean.value)
    oldest = mean.end - window.size * window.span.ms
    gone = next((index for index, begin in enumerate(begins) if begin >= oldest), len(begins))
    begins, values = begins[gone:], values[gone:]
    value = math.fsum(values) / len(values) if values else None
    return Rolling(begins, values), Rolled(mean.end, value, len(values) >= window.enough, len(values))


class Greatest(msgspec.Struct, frozen=True, array_like=True):
    """The greatest of a day's 8 h means so far: ``count`` were valid of those that end in the day from ``begin`` on."""

    begin: int = 0
    value: float | None = None
    count: int = 0


#: HJ 663-2013: a day's greatest 8 h mean needs at least 14 of them (knowledge).
ENOUGH_OF_DAY = 14


def greatest(state: Greatest, rolled: Rolled) -> tuple[Greatest, list[Greatest]]:
    """Take one 8 h mean into the day in which its last hour lies; return the days that are finished by it.

    A day is finished by its last hour, or, if that is missing, by the next one there is.
    """
    begin = Span.DAY.begin(rolled.end - HOUR)
    finished = [state] if state.begin and state.begin != begin else []
    if begin != state.begin:
        state = Greatest(begin)
    if rolled.valid and rolled.value is not None:
        value = rolled.value if state.value is None else max(state.value, rolled.value)
        state = Greatest(begin, value, state.count + 1)
    if rolled.end < begin + DAY:
        return state, finished
    return Greatest(), [*finished, state]
