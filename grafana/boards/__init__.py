"""One file per dashboard of the set."""

from __future__ import annotations

from collections.abc import Callable

from grafana.board import Dashboard
from grafana.boards import alarms, circular, emissions, evaluation, health, overview, sensor, water, zone
from grafana.language import Language
from park.catalogue import Catalogue

BOARDS: tuple[Callable[[Catalogue, Language], Dashboard], ...] = (
    overview.dashboard,
    zone.dashboard,
    emissions.dashboard,
    water.dashboard,
    circular.dashboard,
    evaluation.dashboard,
    alarms.dashboard,
    sensor.dashboard,
    health.dashboard,
)
