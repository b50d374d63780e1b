"""Feedback: what became of a sensor's messages, told on its own topic, not more than once a minute per matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from park.sensors import Sensor
from park.topics import PREFIX, Rejected, feedback_topic
from storage.clock import Clock

QUIET = 60_000
_REMEMBERED = 10_000


class Feedback:
    """Publishes feedback; ``publish(topic, payload)`` may drop it while the broker is away."""

    def __init__(self, publish: Callable[[str, bytes], None], clock: Clock) -> None:
        self._publish = publish
        self._clock = clock
        self._told: dict[tuple[str, str], int] = {}

    def rejected(self, topic: str, problem: Rejected) -> None:
        """Say that messages on ``topic`` are rejected, why, and what to send instead."""
        now = self._clock.now()
        if now - self._told.get((topic, problem.code), -QUIET) < QUIET:
            return
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told[topic, problem.code] = now
        content = {
            "event": "rejected",
            "topic": topic,
            "code": problem.code,
            "reason": problem.reason,
            "fix": problem.fix,
            "reason_zh": problem.reason_zh,
            "fix_zh": problem.fix_zh,
            "at": now,
        }
        self._publish(feedback_topic(topic), msgspec.json.encode(content))

    def registered(self, sensor: Sensor, limits: Mapping[str, list[str]]) -> None:
        """Say that a sensor is known, as what, and which limits hold for it."""
        content = {
            "event": "registered",
            "sensor": sensor.key,
            "location": sensor.location,
            "interval": sensor.interval,
            "limits": limits,
            "at": self._clock.now(),
        }
        self._publish(feedback_topic(f"{PREFIX}/{sensor.key}"), msgspec.json.encode(content))
