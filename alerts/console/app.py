"""The alarm console: a JSON API and pages for people who watch the park, behind a log-in.

``wiring`` says what it works with, ``api``, ``pages`` and ``forms`` are its routes, ``views`` what they show;
``login``, ``guard`` and ``taps`` say who may. This module puts them together and serves them.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from alerts.console import answers
from alerts.console.answers import TroubleError
from alerts.console.api import api
from alerts.console.bare import opens_page, refusal
from alerts.console.forms import forms
from alerts.console.guard import Refusal
from alerts.console.login import install
from alerts.console.maps import maps
from alerts.console.pages import pages
from alerts.console.views.text import WORDS
from alerts.console.wiring import Dependencies, address, own_names, wire
from alerts.reloading import following
from alerts.tasks import cancel
from park.catalogue import Catalogue
from storage.clock import SystemClock
from storage.settings import Settings

__all__ = ["address", "create_app", "own_names", "serve", "wire"]

_HERE = Path(__file__).resolve().parent
_BEAT_EVERY = 5.0


def create_app(wired: Dependencies) -> FastAPI:
    """Return the console."""
    # The interactive documentation would load its parts from elsewhere.
    app = FastAPI(
        title="parkwatch console", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json", lifespan=_lifespan
    )
    app.state.dependencies = wired
    app.openapi = lambda: answers.describe(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    for router in (api, pages, forms, maps):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    app.add_exception_handler(RedisError, _away)
    app.add_exception_handler(HTTPException, answers.answer_no_such_page)
    app.add_exception_handler(TroubleError, answers.answer_trouble)
    app.add_exception_handler(RequestValidationError, answers.answer_invalid)
    install(app, wired.auth, wired.hosts, wired.taps)
    return app


def adopt(app: FastAPI, catalogue: Catalogue) -> None:
    """Show and act by another catalogue from now on; people and queues are those of the start."""
    wired: Dependencies = app.state.dependencies
    app.state.dependencies = wired.adopt(catalogue)


async def _away(request: Request, error: Exception) -> Response:
    """Redis went away after the gate had asked it who this is."""
    if opens_page(request.headers):
        return refusal(request, Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "redis-away", WORDS["away"]))
    return await answers.answer_away(request, error)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    wired: Dependencies = app.state.dependencies
    tasks = [asyncio.create_task(wired.hub.run()), asyncio.create_task(_beat(wired))]
    try:
        yield
    finally:
        wired.hub.close()
        await cancel(tasks)


async def _beat(wired: Dependencies) -> None:
    while True:
        # While Redis is away nobody could read it; the hub says so in the log.
        with contextlib.suppress(RedisError, OSError):
            await wired.beat()
        await asyncio.sleep(_BEAT_EVERY)


# -- running it --------------------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """uvicorn, leaving signals to us: open event streams have to be ended first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def serve(settings: Settings, catalogue: Catalogue) -> None:
    """Run the console until SIGTERM or SIGINT."""
    asyncio.run(_serve(settings, catalogue))


async def _serve(settings: Settings, catalogue: Catalogue) -> None:
    host, port = address(settings)
    wired, close = wire(settings, catalogue, SystemClock())
    app = create_app(wired)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        # Whom to believe about addresses is the log-in's to say.
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)

    def stop() -> None:
        wired.hub.close()
        server.should_exit = True

    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop)
    try:
        async with following(settings, catalogue, "console", lambda found: adopt(app, found)):
            await server.serve()
    finally:
        await close()
