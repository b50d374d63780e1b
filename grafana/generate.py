"""Writes the dashboards: ``python -m grafana.generate``. What is no longer made is taken away."""

from __future__ import annotations

import json
from pathlib import Path

from grafana.boards import BOARDS
from grafana.language import LANGUAGES
from park.catalogue import Catalogue
from storage.configuration import load

FOLDER = Path(__file__).resolve().parent / "dashboards"


def files(catalogue: Catalogue) -> dict[str, str]:
    """Return the text of every file, by its path below ``dashboards``."""
    found = {}
    for t in LANGUAGES:
        for board in BOARDS:
            made = board(catalogue, t)
            found[f"{t.code}/{made.name}.json"] = json.dumps(made.json(), ensure_ascii=False, indent=1) + "\n"
    return found


def write(catalogue: Catalogue, folder: Path = FOLDER) -> int:
    """Write all files; return how many there are."""
    wanted = files(catalogue)
    for path, text in wanted.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    for file in folder.rglob("*.json"):
        if file.relative_to(folder).as_posix() not in wanted:
            file.unlink()
    return len(wanted)


if __name__ == "__main__":
    print(f"wrote {write(load(FOLDER.parent.parent / 'config'))} dashboards")
