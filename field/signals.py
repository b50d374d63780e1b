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


def _scatter(seed: int, key: int, index: int) -> float:
    """Hash three integers to [-1, 1) (the finaliser of splitmix64, twice)."""
    return _mix(_mix(seed * 0x9E3779B97F4A7C15 + key) + index * 0xD1B54A32D192ED03) / (1 << 63) - 1


def _mix(value: int) -> int:
    value &= _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class Signal(Protocol):
    """How one quantity of one sensor moves, in the quantity's canonical unit."""

    def at(self, t: int, key: str, noise: Noise) -> float:
        """Value at ``t`` (ms) for the series ``key``."""

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

    def bounds(self) -> tuple[float, float]:
        """Least and greatest level, %."""
        return self.low - self.jitter, self.high + self.jitter


@dataclass(frozen=True)
class Totaliser:
    """A meter that counts up, faster by day: ``rate`` per hour on average, ``swing`` (0..1) of it by the hour."""

    rate: float
    swing: float = 0.4
    peak_hour: float = 14.0

    def at(self, t: int, key: str, noise: Noise) -> float:
        """Total since 2024-01-01; never falls."""
        del key, noise
        turn = 2 * math.pi / 24
        hours = (t - COUNTERS_SINCE) / HOUR
        return self.rate * (hours + self.swing / turn * (math.sin(turn * (hours - self.peak_hour))))

    def bounds(self) -> tuple[float, float]:
        """Only the lower end is known."""
        return 0.0, math.inf


def _hour(t: int) -> float:
    return ((t + SHANGHAI_OFFSET) % DAY) / HOUR


def _trapezium(turn: float) -> float:
    """1 for the first quarter of the turn, falling in the second, 0 in the third, rising in the last."""
    quarter, rest = divmod(turn * 4, 1.0)
    return (1.0, 1.0 - rest, 0.0, rest)[int(quarter) % 4]
