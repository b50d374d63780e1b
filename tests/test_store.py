"""Storing: in InfluxDB, or on disk while it is away; done is only what is safe."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.lines import line
from ingest.store import Parcel, Store, Token
from storage.influx import Influx
from storage.spool import Spool
from tests import servers
from tests.making import full_disk, reading, recently
from tests.servers import eventually

BAD_LINE = 'reading,quantity=h2s,sensor=gd-01,site=unit-1,zone=north v="text" {}'


class Storing:
    """A store with what it reports, its spool and its InfluxDB."""

    def __init__(self, influx: servers.Influx, database: str, path: Path, cap_bytes: int) -> None:
        self.influx = influx
        self.database = database
        self.path = path
        self.start = recently()
        self.acknowledged: list[Token] = []
        self.rejected: list[tuple[str, str]] = []
        self.spools: list[Spool] = []
        self._cap = cap_bytes
        self.store = Store(Influx(influx.url, database), self._open, self.acknowledged.extend, self._refuse)

    def put(self, *numbers: int) -> None:
        """Put one parcel for each number: a reading that many seconds after the start, acknowledged by it."""
        for number in numbers:
            text = line(reading(number, float(number), self.start)).encode()
            self.store.put(Parcel(text, 1, [(number, 1)]))

    def numbers(self) -> list[int]:
        """Acknowledged so far."""
        return [number for number, _ in self.acknowledged]

    def stored(self) -> list[float]:
        """Values in InfluxDB, by time."""
        return [row["v"] for row in self.influx.query(self.database, "SELECT v FROM raw.reading")]

    def _open(self) -> Spool:
        spool = Spool(self.path, self._cap)
        # SQLite waits five seconds for a lock unless told.
        spool._db.execute("PRAGMA busy_timeout = 50")
        self.spools.append(spool)
        return spool

    def _refuse(self, text: str, reason: str) -> None:
        self.rejected.append((text, reason))


Start = Callable[..., Storing]


@pytest.fixture(scope="module")
def _mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Influx]:
    server = servers.Influx(tmp_path_factory.mktemp("influx"))
    yield server
    server.kill()


@pytest.fixture
def own_influx(_mortal: servers.Influx) -> servers.Influx:
    """An InfluxDB of this file's own, which every test may kill."""
    _mortal.start()
    return _mortal


@pytest.fixture
def begin(own_influx: servers.Influx, tmp_path: Path) -> Iterator[Start]:
    """Begin to store into a database of the test's own; all stores are stopped after the test."""
    database = tmp_path.name
    begun: list[Storing] = []

    def start(cap_bytes: int = 1 << 30, *, now: bool = True) -> Storing:
        storing = Storing(own_influx, database, tmp_path / "spool" / "ingest-0.sqlite", cap_bytes)
        begun.append(storing)
        if now:
            storing.store.start()
        return storing

    yield start
    for storing in begun:
        if storing.store.alive:
            storing.store.stop(10.0)
            assert not storing.store.alive


def test_what_is_put_in_is_stored_in_order_and_then_acknowledged(begin: Start) -> None:
    storing = begin()
    storing.put(*range(50))
    eventually(lambda: len(storing.numbers()) == 50)
    assert storing.numbers() == list(range(50))
    assert storing.stored() == [float(number) for number in range(50)]
    assert (storing.store.waiting, storing.store.dropped, storing.rejected) == (0, 0, [])


def test_message_without_readings_is_acknowledged(begin: Start) -> None:
    storing = begin()
    storing.store.put(Parcel(b"", 0, [(7, 1)]))
    eventually(lambda: storing.numbers() == [7])


def test_storing_again_changes_nothing(begin: Start) -> None:
    storing = begin()
    storing.put(1, 2)
    storing.put(1, 2)
    eventually(lambda: storing.numbers() == [1, 2, 1, 2])
    assert storing.stored() == [1.0, 2.0]


def test_line_of_another_type_is_reported_and_all_others_are_stored(begin: Start) -> None:
    storing = begin(now=False)
    storing.put(0)
    storing.store.start()
    eventually(lambda: storing.numbers() == [0])
    bad = BAD_LINE.format(storing.start + 7_000)
    texts = [line(reading(number, float(number), storing.start)) for number in range(1, 40)]
    texts.insert(17, bad)
    storing.store.put(Parcel("\n".join(texts).encode(), 40, [(1, 1)]))
    eventually(lambda: storing.numbers() == [0, 1])
    assert storing.stored() == [float(number) for number in range(40)]
    ((text, reason),) = storing.rejected
    assert text == bad
    assert "field type conflict" in reason


def test_influx_away_from_the_start(begin: Start, own_influx: servers.Influx) -> None:
    own_influx.kill()
    storing = begin()
    storing.put(1, 2, 3)
    eventually(lambda: storing.numbers() == [1, 2, 3])
    eventually(lambda: storing.store.waiting == 3)
    own_influx.start()
    eventually(lambda: storing.store.waiting == 0)
    assert storing.stored() == [1.0, 2.0, 3.0]


def test_influx_killed_in_the_middle_spools_and_drains(begin: Start, own_influx: servers.Influx) -> None:
    storing = begin()
    storing.put(1, 2)
    eventually(lambda: storing.numbers() == [1, 2])
    own_influx.kill()
    storing.put(3, 4)
    eventually(lambda: storing.numbers() == [1, 2, 3, 4])
    storing.put(5)
    eventually(lambda: storing.store.waiting == 3)
    own_influx.start()
    storing.put(6)
    eventually(lambda: storing.store.waiting == 0 and storing.numbers() == [1, 2, 3, 4, 5, 6])
    assert storing.stored() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_what_waits_on_disk_is_drained_by_the_next_process_oldest_first(
    begin: Start, own_influx: servers.Influx, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_influx.kill()
    first = begin()
    for number in range(1, 6):
        first.put(number)
        eventually(lambda: first.store.waiting == number)  # noqa: B023 - used at once
    first.store.stop(10.0)
    own_influx.start()
    written: list[bytes] = []
    write = Influx.write

    def keep(self: Influx, lines: bytes) -> None:
        written.append(lines)
        write(self, lines)

    monkeypatch.setattr(Influx, "write", keep)
    second = begin()
    eventually(lambda: len(written) == 5 and second.store.waiting == 0)
    assert second.stored() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [text.split(b" v=")[1][:3] for text in written] == [b"1.0", b"2.0", b"3.0", b"4.0", b"5.0"]


def test_nothing_is_acknowledged_before_it_is_safe(begin: Start, own_influx: servers.Influx, tmp_path: Path) -> None:
    own_influx.kill()
    storing = begin()
    storing.put(1)
    eventually(lambda: storing.numbers() == [1])
    with closing(Spool(tmp_path / "spool" / "ingest-0.sqlite")) as other:
        chunk = other.oldest()
    assert chunk is not None
    assert b"v=1.0" in chunk.lines


def test_full_spool_drops_the_oldest_and_counts(begin: Start, own_influx: servers.Influx) -> None:
    own_influx.kill()
    size = len(line(reading(1, 1.0, recently())))
    storing = begin(cap_bytes=2 * size + 1)
    for number in range(1, 6):
        storing.put(number)
        eventually(lambda: storing.numbers()[-1:] == [number])  # noqa: B023 - used at once
    eventually(lambda: storing.store.waiting == 2)
    assert storing.store.dropped == 3
    own_influx.start()
    eventually(lambda: storing.store.waiting == 0)
    assert storing.stored() == [4.0, 5.0]


def test_full_disk_is_retried_and_nothing_is_acknowledged_meanwhile(
    begin: Start, own_influx: servers.Influx, caplog: pytest.LogCaptureFixture
) -> None:
    own_influx.kill()
    storing = begin()
    eventually(lambda: storing.spools)
    with full_disk():
        storing.put(1)
        eventually(lambda: caplog.text.count("can't be written") >= 2)
        assert storing.numbers() == []
        assert storing.store.alive
    eventually(lambda: storing.numbers() == [1])
    eventually(lambda: storing.store.waiting == 1)


def test_locked_spool_is_retried(begin: Start, own_influx: servers.Influx, caplog: pytest.LogCaptureFixture) -> None:
    own_influx.kill()
    storing = begin()
    storing.put(1)
    eventually(lambda: storing.numbers() == [1])
    with closing(sqlite3.connect(storing.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        storing.put(2)
        eventually(lambda: "can't be written" in caplog.text)
        assert storing.numbers() == [1]
        other.execute("ROLLBACK")
    eventually(lambda: storing.numbers() == [1, 2])


def test_spool_that_can_not_be_emptied_is_retried(
    begin: Start, own_influx: servers.Influx, caplog: pytest.LogCaptureFixture
) -> None:
    own_influx.kill()
    storing = begin()
    storing.put(1)
    eventually(lambda: storing.store.waiting == 1)
    own_influx.start()
    with full_disk():
        eventually(lambda: "can't be emptied" in caplog.text)
        assert storing.store.alive
    eventually(lambda: storing.store.waiting == 0)
    assert storing.stored() == [1.0]


def test_stopping_finishes_what_was_put_in(begin: Start) -> None:
    storing = begin()
    storing.put(*range(200))
    storing.store.stop(10.0)
    assert not storing.store.alive
    assert storing.numbers() == list(range(200))
    assert len(storing.stored()) == 200


def test_stopping_while_influx_is_away_leaves_everything_on_disk(
    begin: Start, own_influx: servers.Influx, tmp_path: Path
) -> None:
    own_influx.kill()
    storing = begin()
    storing.put(1, 2, 3)
    storing.store.stop(10.0)
    assert not storing.store.alive
    assert storing.numbers() == [1, 2, 3]
    with closing(Spool(tmp_path / "spool" / "ingest-0.sqlite")) as spool:
        assert spool.waiting == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_stopping_with_influx_away_and_a_full_disk_acknowledges_nothing(
    begin: Start, own_influx: servers.Influx, caplog: pytest.LogCaptureFixture
) -> None:
    own_influx.kill()
    storing = begin()
    eventually(lambda: storing.spools)
    with full_disk():
        storing.put(1)
        eventually(lambda: "can't be written" in caplog.text)
        storing.store.stop(10.0)
    assert storing.numbers() == []
