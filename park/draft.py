"""What has been read of a configuration so far, while it is read."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection

import msgspec

from park.catalogue import Zone
from park.documents import ZONES, AnyName, Documents
from park.limits import Guidance, Limit
from park.quantities import Quantity
from park.rows import Path


@dataclasses.dataclass
class Draft(Documents):
    """The documents, and what has become of their rows."""

    zones: dict[str, Zone] = dataclasses.field(default_factory=dict)
    quantities: dict[str, Quantity] = dataclasses.field(default_factory=dict)
    guidances: dict[str, Guidance] = dataclasses.field(default_factory=dict)
    limits: dict[str, Limit] = dataclasses.field(default_factory=dict)
    limit_paths: dict[str, Path] = dataclasses.field(default_factory=dict)
    replaces: dict[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    laxer: set[str] = dataclasses.field(default_factory=set)

    def known_sites(self, zones: Collection[str]) -> frozenset[str]:
        """Return the sites of ``zones`` (of all, if empty), right or wrong."""
        content = self.documents.get(ZONES)
        table = content.get("zones") if isinstance(content, dict) else None
        if not isinstance(table, dict):
            return AnyName()
        chosen = (zone for name, zone in table.items() if not zones or name in zones)
        sites = (zone.get("sites") for zone in chosen if isinstance(zone, dict))
        return frozenset(name for table in sites if isinstance(table, dict) for name in table)


def fingerprint(content: object) -> str:
    """Return a short hash of ``content``: the same content has the same one wherever it is loaded."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:8]
