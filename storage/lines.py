"""Line protocol of points that hold texts by people: what is escaped how."""

from __future__ import annotations

import math
from collections.abc import Mapping

Field = str | float | int | bool | None

_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_TEXT = str.maketrans({"\\": r"\\", '"': r"\""})


def line(measurement: str, tags: Mapping[str, str], fields: Mapping[str, Field], time: int) -> bytes:
    """Return one line; ``time`` in whatever precision it is written with.

    A field that is ``None``, or a number that is not finite, is left out. A text may hold anything,
    line ends too: such a line must not be split at them. Tags are topic segments and configured names.
    """
    key = ",".join([measurement, *(f"{name}={value.translate(_TAG)}" for name, value in tags.items() if value)])
    shown = ((name, _field(value)) for name, value in fields.items())
    return f"{key} {','.join(f'{name}={value}' for name, value in shown if value)} {time}".encode()


def _field(value: Field) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value}i"
        case float():
            return repr(value) if math.isfinite(value) else ""
        case str():
            return f'"{value.translate(_TEXT)}"'
