"""The map of the park as GeoJSON: what Grafana draws below the sensors, without asking anybody outside.

It holds what ``config/zones.yaml`` says and nothing of what is measured, so it needs no log-in; Grafana fetches it by
whatever name it knows the console (docs/grafana.md).
"""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from alerts.console.guard import MAP
from alerts.console.wiring import Wired
from park.geography import geojson

maps = APIRouter(include_in_schema=False)


@maps.get(MAP)
async def zones(wired: Wired) -> Response:
    """Return zone outlines, areas of sites, and where their labels stand."""
    body = msgspec.json.encode(geojson(wired.catalogue))
    return Response(body, media_type="application/geo+json", headers={"cache-control": "max-age=300"})
