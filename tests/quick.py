"""Hypothesis with few examples, the same ones every time: for mutation testing (docs/mutation.md)."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("quick", max_examples=25, derandomize=True, deadline=None, database=None)
settings.load_profile("quick")
