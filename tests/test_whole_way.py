"""From MQTT to a webhook, with every piece and every server real."""

from __future__ import annotations

import pytest

from tests.catchers import Catcher
from tests.pieces import Spawn
from tests.servers import Influx
from tests.whole import Whole


@pytest.fixture
def whole(environment: dict[str, str], spawn_piece: Spawn, influx: Influx, catcher: Catcher) -> Whole:
    return Whole(environment, spawn_piece, influx, catcher)


def test_replayed_recording_gives_exactly_what_an_independent_count_gives(whole: Whole) -> None:
    whole.start()
    assert whole.replay().wait(within=60) == 0
    whole.expect()
