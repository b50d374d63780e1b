"""Shards: a zone's sites are spread over its workers, a whole site always on one."""

from __future__ import annotations

import zlib


def shard_of(zone: str, site: str, shards: int) -> str:
    """Name of the shard that evaluates ``site``: ``zone.N``; stable across machines and restarts."""
    return f"{zone}.{zlib.crc32(site.encode()) % shards}"


def queue_of(shard: str) -> str:
    """Name of the shard's Celery queue."""
    return f"shard.{shard}"
