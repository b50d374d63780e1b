"""From figures to one page of HTML that needs nothing else: styles and plots are in it, and it may ask nobody."""

from __future__ import annotations

import functools
from importlib.metadata import version
from pathlib import Path

import jinja2
from markupsafe import Markup

from park.indicator_terms import Better
from park.indicators import IndicatorResult
from park.kpis import PARK, Kpi, target_text, value_text
from park.limits import Limit, Side
from park.network_graph import site_names
from park.words import Names
from reports import forms, plots, words
from reports.attention import findings, tile_of_load, tile_of_residues
from reports.report import Report
from reports.sections.exchange import Carried
from reports.sections.indicators import missing_names
from reports.sections.loads import Budget
from reports.sections.water import Point, Pollutant

LANGUAGES = ("zh", "en")
_TEMPLATES = Path(__file__).parent / "templates"


def page(report: Report, language: str) -> str:
    """Return the report as HTML in ``language`` (``zh`` or ``en``)."""
    speaking = _Speaking(report, language)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "num": forms.number,
        "pct": forms.percent,
        "when": forms.moment,
        "day": forms.day,
        "unit": forms.unit,
        "name": lambda names: names.get(language),
        "dur": functools.partial(forms.duration, language=language),
        "word": functools.partial(words.word, language=language),
    }
    return environment.get_template("report.html").render(
        r=report,
        q=report.question,
        m=report.material,
        language=language,
        t=speaking.say,
        s=speaking,
        style=Markup((_TEMPLATES / "report.css").read_text()),  # noqa: S704 - ours
        version=version("parkwatch"),
        month=forms.month_names(report.question.begin).get(language),
        made=forms.whole_moment(report.question.now),
        findings=findings(report),
        load_tile=tile_of_load(report),
        residue_tile=tile_of_residues(report),
    )


class _Speaking:
    """What templates need beyond the figures: words and drawings in one language."""

    def __init__(self, report: Report, language: str) -> None:
        self._report = report
        self._language = language

    def say(self, chinese: str, english: str) -> str:
        """Return the text in the report's language."""
        return Names(chinese, english).get(self._language)

    def point(self, limit: Limit) -> str:
        """Return the number of a limit with its side: ``≤ 50 mg/L``."""
        sign = "≤" if limit.side is Side.HIGH else "≥"
        return f"{sign} {forms.number(limit.shown(limit.set_points[0].at))} {forms.unit(limit.unit)}"

    def kpi(self, kpi: Kpi, value: float | None) -> str:
        """Return a KPI's value; durations in the report's language."""
        if kpi.unit == "duration" and value is not None:
            return forms.duration(value, self._language)
        return "–" if value is None else value_text(kpi, value)

    def target(self, kpi: Kpi) -> str:
        """Return a KPI's target."""
        if kpi.unit == "duration" and kpi.most is not None:
            return f"≤ {forms.duration(kpi.most, self._language)}"
        return target_text(kpi)

    def scope(self, zone: str) -> str:
        """Return what a column of KPIs is about."""
        if zone == PARK:
            return self.say("全园区", "whole park")
        return self._report.material.labels.zone(zone).get(self._language)

    def better(self, better: Better | None) -> str:
        """Return the sign of a target."""
        return "≤" if better is Better.LOW else "≥"

    def missing(self, result: IndicatorResult | None) -> str:
        """Return what nothing is known of, for an indicator."""
        return missing_names(self._report.material, result).get(self._language)

    def alarms(self) -> Markup:
        """Draw the alarms of every day."""
        safety = self._report.safety
        counts = {priority.value: found for priority, found in safety.daily.items()}
        return plots.stacked_days(self._report.question.days, counts, self.say("每日报警次数", "Alarms per day"))

    def pollutant(self, pollutant: Pollutant) -> Markup:
        """Draw the day means of a pollutant and its limit."""
        limit = pollutant.limit
        limits = [] if limit is None else [(limit.set_points[0].at, self.point(limit))]
        dots = [plots.Dot(each.begin, each.value, each.valid) for each in pollutant.days]
        title = f"{pollutant.names.get(self._language)} {forms.unit(pollutant.unit)}"
        return plots.days_line(self._report.question.days, dots, limits, title, forms.unit(pollutant.unit))

    def flow(self, point: Point) -> Markup:
        """Draw the water of every day (m3) at a measuring point."""
        days = point.flow.days.items() if point.flow else ()
        dots = [plots.Dot(day, amount, hours == _DAY_HOURS) for day, (amount, hours) in days]
        return plots.days_line(self._report.question.days, dots, [], self.say("日排水量", "Water per day"), "m³/d")

    def budget(self, budget: Budget) -> Markup:
        """Draw how much of a budget is used."""
        forecast = None if budget.forecast is None else budget.forecast / budget.budget
        title = self.say("许可量使用情况", "Use of the budget")
        return plots.bullet(budget.share, forecast, budget.warn / budget.budget, title)

    def bar(self, share: float | None) -> Markup:
        """Draw a share."""
        return plots.share_bar(share, forms.percent(share))

    def ribbons(self) -> Markup:
        """Draw who gave what to whom, by mass."""
        flows = [self._ribbon(each) for each in self._report.network.drawn]
        return plots.ribbons(flows, self.say("物料交换（吨）", "Exchanges by mass (t)"))

    def _ribbon(self, each: Carried) -> plots.Ribbon:
        flow = each.flow
        told = f"{flow.names.get(self._language)}: {forms.number(each.tonnes)} t"
        residue = plots.KEPT if flow.is_exchange else plots.LEFT
        colour = residue if each.kind.residue else plots.OTHER
        return plots.Ribbon(self._end(flow.source), self._end(flow.target), each.tonnes or 0.0, colour, told)

    def _end(self, end: str) -> str:
        """Return what an end of a flow is called; of sites with the same name, by their enterprises."""
        catalogue = self._report.material.catalogue
        names = site_names(catalogue, end)
        same = sum(site.names == names for zone in catalogue.zones.values() for site in zone.sites.values())
        enterprise = catalogue.economy.enterprise_of(end)
        return (enterprise.names if same > 1 and enterprise else names).get(self._language)

    def signed(self, value: float) -> str:
        """Return a number with its sign; what rounds to nothing has none."""
        text = f"{value:+.1f}"
        return text.lstrip("+-") if float(text) == 0.0 else text


_DAY_HOURS = 24
