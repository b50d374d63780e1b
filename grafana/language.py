"""In which language a dashboard speaks."""

from __future__ import annotations

from dataclasses import dataclass

from park.words import Names


@dataclass(frozen=True, slots=True)
class Language:
    """``zh`` or ``en``; called with a text in both, it returns the one to show."""

    code: str

    def __call__(self, zh: str, en: str) -> str:
        """Return the text to show."""
        return zh if self.code == "zh" else en

    def name(self, names: Names) -> str:
        """Return the name to show."""
        return names.get(self.code)

    def field(self, name: str) -> str:
        """Return the field that holds a text in this language: ``name_zh``."""
        return f"{name}_{self.code}"


LANGUAGES = (Language("zh"), Language("en"))
