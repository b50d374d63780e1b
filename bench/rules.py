"""What one reading costs, by rule kind: nanoseconds on one core, in the engine that runs and in the backtest.

    python -m bench.rules

Readings come one a minute and wander well below the lowest set-point, so that a few in a thousand are beyond it: what
is measured is the daily round, not the alarm. Means count with all that their readings lead to: statistics and results.
"""

from __future__ import annotations

import argparse
import statistics as spread
import time
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from park.backtest import Course, Means
from park.evaluate import Record, Watch, evaluate, hold_derived, hold_results
from park.limits import Kind, Limit
from park.means import MINUTE, Method, Sample
from park.readings import Reading
from park.statistics import Statistic, Statistics, follow
from park.vector import Stretch
from park.words import Quality
from tests.making import SERIES, limit, point, quality_limit, two_levels

BEGIN = 1_767_196_800_000  # 2026-01-01, China's
SILENT_AFTER = 180_000

LIMITS: dict[str, Limit | None] = {
    "none": None,
    "threshold": two_levels(deadband=1.0, on_delay=60_000, off_delay=120_000),
    "quality": quality_limit(on_delay=60_000),
    "mean: hour": limit(kind=Kind.MEAN, of=Statistic.HOUR),
    "mean: rolling 15 min": limit(kind=Kind.MEAN, of=Statistic.ROLLING_15_MIN),
    "mean: rolling 8 h": limit(kind=Kind.MEAN, of=Statistic.ROLLING_8_H),
    "rate": limit(kind=Kind.RATE, window=600_000, set_points=(point("high", 2.0),)),
    "flatline": limit(kind=Kind.FLATLINE, window=7_200_000, tolerance=0.01, set_points=(point("high", 7_200_000.0),)),
    "negative list": limit(kind=Kind.NEGATIVE_LIST),
    "vote, budget (per value)": limit(kind=Kind.VOTE, needs=2),
}


def history(count: int) -> Stretch:
    """Return a reading a minute."""
    chance = np.random.default_rng(1)
    t = BEGIN + np.arange(count, dtype=np.int64) * MINUTE
    level = np.repeat(chance.exponential(1.6, count // 240 + 1), 240)[:count]
    return Stretch(t, np.maximum(0.0, level + chance.normal(0.0, 0.6, count)), np.zeros(count, np.int8))


def by_engine(rule: Limit | None, readings: list[Reading]) -> None:
    """Take readings one by one, as a worker does with its batches."""
    watch, record = Watch(SERIES, (rule,) if rule else (), SILENT_AFTER), Record()
    if rule is not None and rule.kind is Kind.MEAN:
        _means(watch, readings)
    elif rule is not None and rule.kind is Kind.VOTE:
        for reading in readings:
            record, _ = hold_derived(record, watch, reading, reading.t)
    else:
        for reading in readings:
            record, _ = evaluate(record, watch, (reading,), reading.t)


def _means(watch: Watch, readings: list[Reading]) -> None:
    record, state, method = Record(), Statistics(), Method()
    for reading in readings:
        state, results, _ = follow(state, Sample(reading.t, reading.value), method)
        if results:
            record, _ = hold_results(record, watch, results, reading.t, 2 * method.allowance)


def by_backtest(rule: Limit, stretch: Stretch) -> None:
    """Take them as a backtest does."""
    course = Course(SERIES, rule, SILENT_AFTER)
    if rule.kind is Kind.MEAN:
        means = Means(Method(), [course])
        means.take(stretch)
        means.finish()
    else:
        course.take(stretch)


def cost(work: Callable[[], None], count: int, runs: int) -> float:
    """Return the nanoseconds per reading, the median of some runs."""
    return spread.median(_timed(work) for _ in range(runs)) / count


def _timed(work: Callable[[], None]) -> int:
    began = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - began


def _rows(count: int, runs: int) -> Iterator[tuple[str, str, str]]:
    stretch = history(count)
    readings = [Reading(SERIES, int(t), float(v), Quality.GOOD, int(t)) for t, v in zip(stretch.t, stretch.value)]  # noqa: B905
    many = history(20 * count)
    for name, rule in LIMITS.items():
        engine = cost(lambda rule=rule: by_engine(rule, readings), count, runs)  # type: ignore[misc]
        quick = ""
        if rule is not None and rule.kind is not Kind.VOTE:
            slow = rule.kind in {Kind.RATE, Kind.FLATLINE}
            taken = stretch if slow else many
            quick = f"{cost(lambda rule=rule, taken=taken: by_backtest(rule, taken), len(taken), runs):,.0f}"  # type: ignore[misc]
        yield name, f"{engine:,.0f}", quick


def main() -> None:
    """Measure every kind and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    table = Table("rule", "engine, ns", "backtest, ns")
    for row in _rows(asked.readings, asked.runs):
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
