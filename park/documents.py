"""The configuration's documents while they are read: rows by their shape, names that are known, what is wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import pydantic

from park import rows
from park.rows import Path, Problem, shortened, suggestion
from park.words import Names

ZONES, QUANTITIES, GUIDANCE, ALERTS, ONCALL, SUPPRESSION, PARK = (
    "zones.yaml",
    "quantities.yaml",
    "guidance.yaml",
    "alerts.yaml",
    "oncall.yaml",
    "suppression.yaml",
    "park.yaml",
)
LIMITS = "limits/"
ENTERPRISES, FLOWS, FIGURES, INDICATORS, EVALUATION, ACCESS = (
    "enterprises.yaml",
    "flows.yaml",
    "figures.yaml",
    "indicators.yaml",
    "evaluation.yaml",
    "access.yaml",
)

UNREADABLE = object()
"""Stands in ``documents`` for a file that could not be parsed: it is reported elsewhere, and may hold any name."""

# What a file holds besides its rows: the first key must be there, the others may be left out.
_KEYS = {
    ALERTS: ("channels", "delivery"),
    ONCALL: ("people", "rotas", "chains", "quiet_hours"),
    FLOWS: ("kinds", "flows", "balances"),
    EVALUATION: ("schemes", "smart"),
    ACCESS: ("zones", "processes", "plan"),
    INDICATORS: ("indicators", "benchmarks", "factors"),
}

_Row = TypeVar("_Row", bound=rows.Row)


class AnyName(frozenset[str]):
    """The names of a document that can't be told: every name may be among them."""

    __slots__ = ()

    def __contains__(self, name: object) -> bool:
        return True


@dataclasses.dataclass
class Documents:
    """Plain parsed documents by their path in the configuration folder, and the problems found so far."""

    documents: Mapping[str, Any]
    problems: list[Problem] = dataclasses.field(default_factory=list)

    def report(self, path: Path, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(path, message))

    def shape(self, model: type[_Row], value: object, path: Path) -> _Row | None:
        """Return ``value`` as a row, or report why it is none."""
        if not isinstance(value, dict):
            self.report(path, f"{shortened(value)} is not a row; write keys and values, such as {_outline(model)}")
            return None
        try:
            return model.model_validate(value)
        except pydantic.ValidationError as error:
            self.problems += rows.shape_problems(model, error, path)
            return None

    def table(self, document: str, key: str) -> dict[str, Any]:
        """Return the named rows under a key of a document; a document that is not there is empty."""
        content = self._content(document, key, dict)
        return content if isinstance(content, dict) else {}

    def rows(self, document: str, key: str) -> list[Any]:
        """Return the list of rows under a key of a document."""
        content = self._content(document, key, list)
        return content if isinstance(content, list) else []

    def _content(self, document: str, key: str, kind: type) -> object:
        content = self.documents.get(document, UNREADABLE)
        keys = _KEYS.get(document, (key,))
        if content is UNREADABLE or (key != keys[0] and (not isinstance(content, dict) or key not in content)):
            return None
        if not isinstance(content, dict) or key not in content:
            self.report((document,), f"{key!r} is missing; the file begins with a line {key}:")
            return None
        if key == keys[0]:
            self._surplus(document, content, keys)
        if not isinstance(content[key], kind):
            form = "names with rows below them" if kind is dict else "a list, each row beginning with '- ', or []"
            self.report((document, key), f"{key!r} can't be {shortened(content[key])}; write {form}")
        return content[key]

    def _surplus(self, document: str, content: dict[str, Any], keys: tuple[str, ...]) -> None:
        for other in content.keys() - set(keys):
            holds = " and ".join(map(repr, keys)) if len(keys) > 1 else f"only {keys[0]!r}"
            self.report((document, other), f"unknown key {other!r}; this file holds {holds}")

    def known(self, document: str, key: str) -> frozenset[str]:
        """Return the names that a document speaks of, right or wrong, without reporting anything."""
        content = self.documents.get(document, {key: {}} if document == GUIDANCE else UNREADABLE)
        table = content.get(key, {} if document in _KEYS else None) if isinstance(content, dict) else None
        return frozenset(table) if isinstance(table, dict) else AnyName()

    def unknown(self, path: Path, what: str, words: Collection[str], known: Collection[str]) -> None:
        """Report each of ``words`` that is not ``known``; ``path`` leads to the list they stand in."""
        for index, word in enumerate(words):
            if word not in known:
                self.report((*path, index), f"unknown {what} {word!r}; {suggestion(word, known)}")

    def check_segment(self, path: Path, name: str) -> None:
        """Report ``name`` if it can't become part of a topic or an id."""
        try:
            rows.segment(name)
        except ValueError as error:
            self.report(path, str(error))


def names_of(row: rows.NamesRow) -> Names:
    """Return a text in both languages."""
    return Names(zh=row.zh, en=row.en)


def _outline(model: type[rows.Row]) -> str:
    keys = {field.alias or name: field.is_required() for name, field in model.model_fields.items()}
    required = [key for key, needed in keys.items() if needed]
    return "{" + ", ".join(f"{key}: ..." for key in required or keys) + "}"
