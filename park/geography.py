"""The map of the park as GeoJSON (RFC 7946), out of the configuration: no tile and no service from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from park.catalogue import Catalogue, Site, Zone
from park.words import Names

Json = dict[str, Any]
Corner = tuple[float, float]


def geojson(catalogue: Catalogue) -> Json:
    """Return zone outlines, areas of sites and points for their labels.

    Property ``kind`` is ``zone``, ``area``, ``zone-label`` or ``area-label``; ``zone`` and ``site`` are names of the
    configuration (``site`` is empty for a zone), ``zh`` and ``en`` what people read.
    """
    return {"type": "FeatureCollection", "features": list(_features(catalogue))}


def _features(catalogue: Catalogue) -> Iterator[Json]:
    for zone in catalogue.zones.values():
        yield from _zone(zone)
        for site in zone.sites.values():
            yield from _site(zone.name, site)


def _zone(zone: Zone) -> Iterator[Json]:
    if zone.outline:
        yield _polygon("zone", zone.outline, zone.name, "", zone.names)
        # Above it, where no plant is in the way.
        top = max(latitude for latitude, _ in zone.outline)
        yield _point("zone-label", (top, _middle(zone.outline)[1]), zone.name, "", zone.names)


def _site(zone: str, site: Site) -> Iterator[Json]:
    if site.area:
        yield _polygon("area", site.area, zone, site.name, site.names)
        yield _point("area-label", _middle(site.area), zone, site.name, site.names)


def _polygon(kind: str, corners: Sequence[Corner], zone: str, site: str, names: Names) -> Json:
    ring = list(corners) if _is_counterclockwise(corners) else list(reversed(corners))
    coordinates = [[_position(corner) for corner in (*ring, ring[0])]]
    return _feature({"type": "Polygon", "coordinates": coordinates}, kind, zone, site, names)


def _point(kind: str, at: Corner, zone: str, site: str, names: Names) -> Json:
    return _feature({"type": "Point", "coordinates": _position(at)}, kind, zone, site, names)


def _feature(geometry: Json, kind: str, zone: str, site: str, names: Names) -> Json:
    properties = {"kind": kind, "zone": zone, "site": site, "zh": names.zh, "en": names.en}
    return {"type": "Feature", "id": "/".join(filter(None, (kind, zone, site))), "properties": properties} | {
        "geometry": geometry
    }


def _position(corner: Corner) -> list[float]:
    """Return a corner in GeoJSON's order: longitude first."""
    return [round(corner[1], 6), round(corner[0], 6)]


def _middle(corners: Sequence[Corner]) -> Corner:
    return (
        sum(latitude for latitude, _ in corners) / len(corners),
        sum(longitude for _, longitude in corners) / len(corners),
    )


def _is_counterclockwise(corners: Sequence[Corner]) -> bool:
    """Whether the corners run as RFC 7946 wants them, by the sign of the area that they enclose."""
    following = (*corners[1:], corners[0])
    return sum(x1 * y2 - x2 * y1 for (y1, x1), (y2, x2) in zip(corners, following, strict=True)) > 0
