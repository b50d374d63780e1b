"""Which limits would leave the person who is paged without a word about what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from park.documents import GUIDANCE, LIMITS
from park.rows import shortened


def without_response(documents: Mapping[str, Any]) -> dict[str, str]:
    """Return, by limit id, why there is no response text; ``documents`` may be wrong in any way."""
    blocks = _table(documents.get(GUIDANCE), "guidance", dict)
    found: dict[str, str] = {}
    for name in sorted(name for name in documents if name.startswith(LIMITS)):
        for row in _table(documents[name], "limits", list):
            if isinstance(row, dict) and isinstance(row.get("id"), str):
                why = _missing(row.get("guidance"), blocks)
                found |= {row["id"]: why} if why else {}
    return found


def _missing(guidance: object, blocks: Mapping[str, Any]) -> str:
    if guidance is None:
        return "it has no guidance"
    if isinstance(guidance, dict):
        return "" if _told(guidance) else "its guidance has no response in both languages"
    if not isinstance(guidance, str) or guidance not in blocks:
        return f"its guidance {shortened(guidance)} is not in {GUIDANCE}"
    return "" if _told(blocks[guidance]) else f"its guidance {guidance!r} has no response in both languages"


def _told(block: object) -> bool:
    response = block.get("response") if isinstance(block, dict) else None
    return isinstance(response, dict) and all(str(response.get(language) or "").strip() for language in ("zh", "en"))


def _table(document: object, key: str, kind: type) -> Any:  # noqa: ANN401 - as the file has it
    content = document.get(key) if isinstance(document, dict) else None
    return content if isinstance(content, kind) else kind()
