"""A configuration that is not in force yet: a folder, or one file that stands in for the one of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from park.catalogue import Catalogue
from storage import configuration


class CandidateError(Exception):
    """There is no such configuration; the text says what to write instead."""


@dataclass(frozen=True)
class Candidate:
    """A configuration: ``folder``, and ``instead`` files that stand in for those of the same name there."""

    folder: Path
    instead: Mapping[str, Path] = field(default_factory=dict)

    def files(self) -> dict[str, Path]:
        """Return its files, by their name in a configuration folder."""
        return configuration.files(self.folder, self.instead)

    def load(self) -> Catalogue:
        """Return its catalogue; raises :class:`storage.configuration.ConfigurationError`."""
        return configuration.load(self.folder, self.instead)

    def contents(self) -> dict[str, Any]:
        """Return what its files hold, right or wrong."""
        return configuration.contents(self.folder, self.instead)


def candidate(folder: Path, new: Path) -> Candidate:
    """Return what ``new`` stands for: a folder for itself, a file with all else as in ``folder``.

    Raises :class:`CandidateError`.
    """
    if new.is_dir():
        return Candidate(new)
    if not new.is_file():
        raise CandidateError(
            f"there is no {new}; write a configuration folder, or a file that stands in for the one of the same name "
            f"in {folder}, such as limits/tanks.yaml"
        )
    if new.suffix != ".yaml":
        raise CandidateError(f"{new} does not end in .yaml, so parkwatch would not read it; rename it")
    return Candidate(folder, {configuration.name_of(new): new})
