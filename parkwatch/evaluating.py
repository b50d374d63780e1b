"""Evaluate enterprises, and keep what comes of it: for the command, and after each import of figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from park import periods
from park.catalogue import Catalogue
from park.economy import Economy
from park.evaluation import Evaluation, Scheme, evaluate, fields, moved
from park.figures import Book, Reported
from park.smart import SmartShare, smart_share
from storage import evaluations, names
from storage.evaluations import EvaluationStore
from storage.influx import Influx
from storage.reported import ReportedStore


def evaluated(economy: Economy, scheme: Scheme, year: int, book: Book) -> Evaluation:
    """Return the evaluation of a year, held against the year before."""
    enterprises = economy.enterprises.values()
    before = evaluate(scheme, year - 1, enterprises, book)
    return moved(scheme, before, evaluate(scheme, year, enterprises, book))


def smart(park: Catalogue, year: int, book: Book) -> dict[str, SmartShare]:
    """Return how smart the park (``all``) and its zones were in a year; nothing if no target is configured."""
    target = park.economy.smart
    if target is None:
        return {}
    span = periods.year(year)
    everyone = list(park.economy.enterprises.values())
    found = {names.EVERYWHERE: smart_share(target, everyone, book, span.begin, span.end)}
    for zone in park.zones:
        theirs = [each for each in everyone if each.zone == zone]
        found[zone] = smart_share(target, theirs, book, span.begin, span.end)
    return found


def keep(park: Catalogue, years: Iterable[int], book: Book, store: EvaluationStore, now: int) -> None:
    """Evaluate those of ``years`` that have begun by every scheme, and write what comes of it.

    A year that is not over is provisional: what is not reported yet is carried on. Raises what ``store`` raises.
    """
    begun = sorted(year for year in set(years) if periods.year(year).begin <= now)
    store.write([text for year in begun for text in _lines(park, year, book)])


def renew(park: Catalogue, reported: Iterable[Reported], influx: Influx, now: int) -> None:
    """Evaluate the years that ``reported`` is about, and the years after, which are held against them.

    Raises what InfluxDB raises (:mod:`storage.influx`).
    """
    years = {periods.year_of(moment) for each in reported for moment in (each.begin, each.end - 1)}
    if years:
        book = ReportedStore(influx).book(park.economy.figures)
        keep(park, range(min(years), max(years) + 2), book, EvaluationStore(influx), now)


def _lines(park: Catalogue, year: int, book: Book) -> Iterator[bytes]:
    for scheme in park.economy.schemes.values():
        found = evaluated(park.economy, scheme, year, book)
        yield from evaluations.encode(found)
        yield from evaluations.encode_fields(scheme.name, names.EVERYWHERE, year, fields(scheme, found))
    for zone, share in smart(park, year, book).items():
        yield evaluations.encode_smart(zone, periods.year(year).begin, share)
