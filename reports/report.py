"""The figures of all sections together."""

from __future__ import annotations

import dataclasses

from reports.material import Material, Question
from reports.sections.compliance import ComplianceSection, compliance
from reports.sections.data import DataSection, data_section
from reports.sections.enterprises import EvaluationSection, SmartSection, evaluation_section, smart_section
from reports.sections.exchange import Network, network
from reports.sections.indicators import Indicators, indicators
from reports.sections.kpi import KpiSection, kpi_section
from reports.sections.loads import Budget, loads
from reports.sections.safety import Safety, safety
from reports.sections.water import Point, water


@dataclasses.dataclass(frozen=True)
class Report:
    """A report's figures, section by section."""

    question: Question
    material: Material
    safety: Safety
    compliance: ComplianceSection
    water: tuple[Point, ...]
    loads: tuple[Budget, ...]
    indicators: Indicators
    network: Network
    evaluation: EvaluationSection
    kpis: KpiSection
    data: DataSection
    smart: SmartSection


def report_of(material: Material) -> Report:
    """Return all figures that ``material`` gives."""
    return Report(
        question=material.question,
        material=material,
        safety=safety(material),
        compliance=compliance(material),
        water=water(material),
        loads=loads(material),
        indicators=indicators(material),
        network=network(material),
        evaluation=evaluation_section(material),
        kpis=kpi_section(material),
        data=data_section(material),
        smart=smart_section(material),
    )
