"""The auditor: no alarm that somebody has to hear of may be without an entry in the outbox, and none of those late."""

from __future__ import annotations

import redis

from park.alarms import Acknowledgement, Availability
from park.catalogue import Catalogue
from park.oncall import chain_for
from storage.audit import Paged, Waiting, waiting
from storage.states import ParkStates, Snapshot
from storage.watch import Fault, Problem

#: ms an entry of the outbox may wait after its time.
LATE_AFTER = 30_000


class Auditor:
    """Looks at alarms and outbox. They are read one after the other, so what is missing has to be missing twice."""

    def __init__(self, client: redis.Redis, catalogue: Catalogue) -> None:
        self._client = client
        self._oncall = catalogue.oncall
        self._states = ParkStates(client, catalogue)
        self._suspects: frozenset[Paged] = frozenset()

    def audit(self, now: int) -> tuple[Problem, ...]:
        """Return what is wrong at ``now`` (ms). Raises ``redis.RedisError``."""
        alarms = self._states.alarms()
        found = waiting(self._client, now, LATE_AFTER)
        owed = {_paged(alarm): alarm for alarm in alarms if self._is_owed(alarm, found)}
        missing = {page: alarm for page, alarm in owed.items() if page not in found.pages}
        confirmed = [alarm for page, alarm in missing.items() if page in self._suspects]
        self._suspects = frozenset(missing)
        return (
            *(Problem(Fault.MISSING, alarm.zone, alarm.alarm) for alarm in confirmed),
            *(Problem(Fault.OVERDUE, late.zone, late.entry, late.late) for late in found.late),
        )

    def _is_owed(self, alarm: Snapshot, found: Waiting) -> bool:
        """Whether a chain still has to tell people of the alarm."""
        chain = chain_for(self._oncall, alarm.zone, alarm.priority) if _is_paged(alarm) else None
        return chain is not None and found.stopped.get(alarm.alarm) != alarm.paged


def by_zone(problems: tuple[Problem, ...]) -> dict[str, int]:
    """Count problems by zone."""
    zones: dict[str, int] = {}
    for problem in problems:
        zones[problem.zone] = zones.get(problem.zone, 0) + 1
    return zones


def _is_paged(alarm: Snapshot) -> bool:
    return (
        alarm.paged > 0
        and alarm.acknowledgement == Acknowledgement.UNACKNOWLEDGED
        and alarm.availability == Availability.IN_SERVICE
    )


def _paged(alarm: Snapshot) -> Paged:
    return Paged(alarm.alarm, alarm.paged)
