"""References in the configuration: a text, or where a secret one is found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from park.catalogue import Reference, ReferenceKind


def resolve(reference: Reference, environ: Mapping[str, str] = os.environ) -> str:
    """Return the text ``reference`` stands for; raises ``LookupError`` or ``OSError`` saying what to set."""
    if reference.kind is ReferenceKind.TEXT:
        return reference.value
    if reference.kind is ReferenceKind.FILE:
        return Path(reference.value).read_text(encoding="utf-8").strip()
    text = environ.get(reference.value, "")
    if not text:
        raise LookupError(f"the environment variable {reference.value} is not set")
    return text
