"""Sums without rounding: the order of what is added does not matter, not even to the last bit.

A sum is a tuple of floats that do not overlap (Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997), whose
exact sum is what has been added; there are rarely more than three. ``math.fsum`` of it is the sum, rounded once.
"""

from __future__ import annotations

Sum = tuple[float, ...]

NOTHING: Sum = ()


def added(total: Sum, value: float) -> Sum:
    """Return ``total`` with ``value``, which must be finite, added to it."""
    parts: list[float] = []
    for part in total:
        larger, smaller = (value, part) if abs(value) >= abs(part) else (part, value)
        value = larger + smaller
        rest = smaller - (value - larger)
        if rest:
            parts.append(rest)
    parts.append(value)
    return tuple(parts)
