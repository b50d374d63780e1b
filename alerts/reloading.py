"""Following the configuration in force beside asynchronous work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from redis import RedisError

from alerts.tasks import cancel
from park.catalogue import Catalogue
from storage.queue import redis_client
from storage.reload import CatalogueWatch
from storage.settings import Settings

#: Seconds between two looks; less while another configuration is being loaded, because workers only wait so long.
_EVERY = 1.0
_SOON = 0.1


@contextlib.asynccontextmanager
async def following(
    settings: Settings, catalogue: Catalogue, piece: str, adopt: Callable[[Catalogue], None]
) -> AsyncIterator[None]:
    """Call ``adopt`` with every catalogue that comes in force meanwhile."""
    client = redis_client(settings.redis_url)
    watch = CatalogueWatch(settings.config, catalogue, client, piece)
    task = asyncio.create_task(_follow(watch, catalogue, adopt))
    try:
        yield
    finally:
        await cancel([task])
        client.close()


async def _follow(watch: CatalogueWatch, catalogue: Catalogue, adopt: Callable[[Catalogue], None]) -> None:
    while True:
        # While Redis is away nothing can be changed either; its other users say so in the log.
        with contextlib.suppress(RedisError, OSError):
            found = await asyncio.to_thread(watch.current)
            if found is not catalogue:
                catalogue = found
                adopt(found)
        await asyncio.sleep(_SOON if watch.settling else _EVERY)
