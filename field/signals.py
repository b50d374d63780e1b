"""Signals: how a measured value moves through the day. Pure functions of time and a seed.

A value at a time depends on nothing but (seed, key, time): the noise is a hash, not a stream, so it doesn't
matter who asks how often or in which order. Every signal knows its bounds, which is how the simulated park
proves that it raises no alarm on a quiet day.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: Many values at once; times among them are ms.
Values = NDArray[np.float64]

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

#: Asia/Shanghai is UTC+8 all year.
SHANGHAI_OFFSET = 8 * HOUR

#: Counters count from here: 2024-01-01 00:00 in Asia/Shanghai.
COUNTERS_SINCE = 1_704_038_400_000

_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Noise:
    """Reproducible noise: the same for the same seed, key and time, in [-1, 1]."""

    seed: int

    def white(self, key: str, index: int) -> float:
        """Noise that knows nothing of its neighbours."""
        return _scatter(self.seed, zlib.crc32(key.encode()), index)

    def smooth(self, key: str, t: int, period: int) -> float:
        """Noise that wanders: a new direction every ``period`` ms, without corners."""
        knot, rest = divmod(t, period)
        blend = (1 - math.cos(math.pi * rest / period)) / 2
        return self.white(key, knot) * (1 - blend) + self.white(key, knot + 1) * blend

    def white_many(self, key: str, index: Values) -> Values:
        """As :meth:`white`, for many whole numbers at once."""
        start = np.uint64((self.seed * _SEEDS + zlib.crc32(key.encode())) & _MASK)
        hashed = _mix_many(
            _mix_many(np.full(1, start, np.uint64)) + index.astype(np.int64).astype(np.uint64) * _INDEXES
        )
        found: Values = hashed.astype(np.float64) / (1 << 63) - 1.0
        return found

    def smooth_many(self, key: str, t: Values, period: int) -> Values:
        """As :meth:`smooth`, for many times at once."""
        knot, rest = np.divmod(t, period)
        blend = (1 - np.cos(math.pi * rest / period)) / 2
        found: Values = self.white_many(key, knot) * (1 - blend) + self.white_many(key, knot + 1) * blend
        return found


_SEEDS = 0x9E3779B97F4A7C15
_INDEXES = np.uint64(0xD1B54A32D192ED03)


def _scatter(seed: int, key: int, index: int) -> float:
    """Hash three integers to [-1, 1) (the finaliser of splitmix64, twice)."""
    return _mix(_mix(seed * _SEEDS + key) + index * int(_INDEXES)) / (1 << 63) - 1


def _mix(value: int) -> int:
    value &= _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def _mix_many(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # 64-bit integers overflow as _MASK cuts.
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


class Signal(Protocol):
    """How one quantity of one sensor moves, in the quantity's canonical unit."""

    def at(self, t: int, key: str, noise: Noise) -> float:
        """Value at ``t`` (ms) for the series ``key``."""

    def many(self, t: Values, key: str, noise: Noise) -> Values:
        """Values at the times ``t`` (ms), as :meth:`at` has them one by one."""

    def bounds(self) -> tuple[float, float]:
        """Least and greatest value that can ever come."""


@dataclass(frozen=True)
class Steady:
    """A level with a daily swing, a slow wander and a little jitter; never below ``floor``.

    ``swing`` peaks at ``peak_hour`` (Asia/Shanghai). Signals with the same ``together`` wander together, as
    the gases of a stack do with its load.
    """

    level: float
    swing: float = 0.0
    wander: float = 0.0
    jitter: float = 0.0
    peak_hour: float = 15.0
    period: int = 20 * MINUTE
    together: str = ""
    floor: float = 0.0

    def at(self, t: int, key: str, noise: Noise) -> float:
        """Value at ``t``."""
        daily = math.cos(2 * math.pi * (_hour(t) - self.peak_hour) / 24)
        slow = noise.smooth(f"{self.together or key}/slow", t, self.period)
        fast = noise.white(f"{key}/fast", t)
        return max(self.floor, self.level + self.swing * daily + self.wander * slow + self.jitter * fast)

    def many(self, t: Values, key: str, noise: Noise) -> Values:
        """Values at the times ``t``."""
        daily = np.cos(2 * math.pi * (np.mod(t + SHANGHAI_OFFSET, DAY) / HOUR - self.peak_hour) / 24)
        slow = noise.smooth_many(f"{self.together or key}/slow", t, self.period)
        fast = noise.white_many(f"{key}/fast", t)
        moved: Values = self.level + self.swing * daily + self.wander * slow + self.jitter * fast
        return np.maximum(self.floor, moved)

    def bounds(self) -> tuple[float, float]:
        """Least and greatest value."""
        reach = abs(self.swing) + abs(self.wander) + abs(self.jitter)
        return max(self.floor, self.level - reach), self.level + reach


@dataclass(frozen=True)
class TankLevel:
    """A tank that is emptied and filled in turn: rest, fall, rest, rise, a quarter of ``cycle`` each.

    Two tanks whose ``phase`` differs by a half hand the same liquid to and fro: one falls as the other rises.
    """

    low: float = 32.0
    high: float = 74.0
    cycle: int = 8 * HOUR
    phase: float = 0.0
    jitter: float = 0.15

    def at(self, t: int, key: str, noise: Noise) -> float:
        """Level at ``t``, %."""
        turn = (t / self.cycle + self.phase) % 1.0
        return self.low + (self.high - self.low) * _trapezium(turn) + self.jitter * noise.white(f"{key}/fast", t)

    def many(self, t: Values, key: str, noise: Noise) -> Values:
        """Levels at the times ``t``, %."""
        turn = np.mod(t / self.cycle + self.phase, 1.0)
        shape = np.interp(turn, (0.0, 0.25, 0.5, 0.75, 1.0), (1.0, 1.0, 0.0, 0.0, 1.0))
        found: Values = self.low + (self.high - self.low) * shape + self.jitter * noise.white_many(f"{key}/fast", t)
        return found

    def bounds(self) -> tuple[float, float]:
        """Least and greatest level, %."""
        return self.low - self.jitter, self.high + self.jitter


def _hour(t: int) -> float:
    return ((t + SHANGHAI_OFFSET) % DAY) / HOUR


def _trapezium(turn: float) -> float:
    """1 for the first quarter of the turn, falling in the second, 0 in the third, rising in the last."""
    quarter, rest = divmod(turn * 4, 1.0)
    return (1.0, 1.0 - rest, 0.0, rest)[int(quarter) % 4]
