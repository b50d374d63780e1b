"""KPIs of the alarm system itself, of the month, against their targets."""

from __future__ import annotations

import msgspec

from park.kpis import KPIS, PARK, Figures, Kpi, Ledger, Span
from park.oncall import operators, people_of
from reports.material import Material


class Cell(msgspec.Struct, frozen=True):
    """A figure; ``met`` is ``None`` if there is no target, or nothing to hold against it."""

    value: float | None
    met: bool | None


class Line(msgspec.Struct, frozen=True):
    """A KPI with a cell per column."""

    kpi: Kpi
    cells: tuple[Cell, ...]


class Column(msgspec.Struct, frozen=True):
    """A zone, or :data:`park.kpis.PARK`; or the same in the month before."""

    zone: str
    before: bool
    figures: Figures


class KpiSection(msgspec.Struct, frozen=True):
    """The section; ``missed`` targets in the first column."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    missed: tuple[Kpi, ...]
    judged: int


def kpi_section(material: Material) -> KpiSection:
    """Return the figures of the section."""
    question = material.question
    ledger = Ledger(material.journal_begin)
    ledger.add(entry for entry in material.journal if entry.at < question.until)
    within = {limit.id: limit.guidance.respond_within_s * 1000 for limit in material.catalogue.limits}
    scopes = [PARK, *question.zones] if question.whole else list(question.zones)
    month = Span("month", question.begin, question.until)
    columns = [
        Column(zone, before=False, figures=ledger.figures(zone, [month], _operators(material, zone), within)[0])
        for zone in scopes
    ]
    if material.journal and material.journal[0].at < question.begin:
        before = Span("month", question.before, question.begin)
        found = ledger.figures(scopes[0], [before], _operators(material, scopes[0]), within)[0]
        columns.append(Column(scopes[0], before=True, figures=found))
    lines = tuple(
        Line(kpi, tuple(Cell(kpi.value(column.figures), kpi.met(column.figures)) for column in columns)) for kpi in KPIS
    )
    return KpiSection(
        columns=tuple(columns),
        lines=lines,
        missed=tuple(line.kpi for line in lines if line.cells[0].met is False),
        judged=sum(line.cells[0].met is not None for line in lines),
    )


def _operators(material: Material, zone: str) -> int:
    """How many people share the alarms; somebody may have the duty of several zones."""
    oncall, at = material.catalogue.oncall, material.question.until - 1
    if zone != PARK:
        return operators(oncall, zone, at)
    zones = material.question.zones
    first = [chain.steps[0] for chain in oncall.chains if any(chain.covers_zone(each) for each in zones)]
    return max(1, len({person.name for step in first for person in people_of(oncall, step, at)}))
