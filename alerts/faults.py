"""Where a delivery process can be made to die: the places between a transition and the record of its end.

For tests of what a ``kill -9`` does; in service nothing happens there.
"""

from __future__ import annotations

import enum


class Point(enum.StrEnum):
    """A place that every message passes, in this order; each is named after what has just been done."""

    CLAIMED = "claimed"
    PLANNED = "planned"
    EXPANDED = "expanded"
    GATHERED = "gathered"
    SEALED = "sealed"
    BEGUN = "begun"
    SENT = "sent"
    FELL_THROUGH = "fell-through"
    RECORDED = "recorded"


class Faults:
    """Lets every point pass."""

    def passing(self, point: Point) -> None:
        """Be told that ``point`` is being passed."""
