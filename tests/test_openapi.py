"""The API against its own schema: whatever is sent, no 5xx, and every answer is as the schema says (schemathesis)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from alerts.console.answers import describe
from alerts.console.api import api
from tests.alerting import SERIES
from tests.consoles import ALARM, Console
from tests.servers import Redis

_CHECKS = [
    checks.not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]

bounded = settings(
    max_examples=25,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def console(redis: Redis, home: Path) -> Iterator[Console]:
    with Console(redis.url, home) as running_console:
        running_console.raise_alarm()
        running_console.raise_alarm(SERIES.replace("hf-01", "hf-02"), level=2, value=9000.0)
        running_console.read(SERIES.replace("hf-01", "hf-03"))
        yield running_console


def description() -> dict[str, Any]:
    """The API's schema, as ``GET /api/openapi.json`` gives it."""
    app = FastAPI(title="parkwatch console")
    app.include_router(api)
    return describe(app)


OPERATIONS = [cast("Any", found).ok() for found in schemathesis.openapi.from_dict(description()).get_all_operations()]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_whatever_is_sent_the_answer_is_one_that_the_schema_has(console: Console, operation: Any) -> None:
    web = console.log_in("wang")

    @bounded
    @given(case=operation.as_strategy(), real=strategies.booleans())
    def ask(case: Any, *, real: bool) -> None:
        if real and "alarm" in (case.path_parameters or {}):
            case.path_parameters["alarm"] = ALARM
        case.call_and_validate(
            base_url=console.base,
            headers={"x-csrf-token": web.headers["x-csrf-token"]},
            cookies={"parkwatch-session": web.cookies["parkwatch-session"]},
            checks=_CHECKS,
        )

    ask()


def test_the_schema_that_is_served_is_the_one_that_is_held_against(console: Console) -> None:
    assert console.web.get("/api/openapi.json").json() == json.loads(json.dumps(description()))


def test_the_schema_names_every_route_and_its_refusals(console: Console) -> None:
    paths = console.web.get("/api/openapi.json").json()["paths"]
    assert set(paths) == {
        "/api/alarms",
        "/api/alarms/{alarm}",
        "/api/ack",
        *(f"/api/alarms/{{alarm}}/{what}" for what in ("ack", "shelve", "unshelve", "remove", "restore", "reset")),
        *(f"/api/{name}" for name in ("journal", "sensors", "oncall", "kpis", "health")),
    }
    assert {"200", "401", "403", "404", "409", "422", "503"} <= set(
        paths["/api/alarms/{alarm}/ack"]["post"]["responses"]
    )
