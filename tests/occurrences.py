"""An independent count of what a CSV file should give: written without parkwatch, to check it by."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

MISSING = -200.0


class Count(NamedTuple):
    """How often a column rises above a threshold, how many cells are good, how many are missing."""

    occurrences: int
    good: int
    bad: int


def count(path: Path, column: str, threshold: float) -> Count:
    """Count by hand: no deadband, no delay, and a missing value neither raises nor clears."""
    with path.open(encoding="utf-8", newline="") as lines:
        cells = [float(row[column]) for row in csv.DictReader(lines)]
    return count_values(cells, threshold)


def count_values(cells: list[float], threshold: float) -> Count:
    """As :func:`count`, of bare values."""
    good = [cell for cell in cells if cell != MISSING]
    above = [cell > threshold for cell in good]
    rises = sum(now and not before for before, now in zip([False, *above], above, strict=False))
    return Count(rises, len(good), len(cells) - len(good))
