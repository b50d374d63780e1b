"""The disk spool: what it takes it keeps, in order, up to its cap, whatever happens to the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.spool import Chunk, Spool
from tests.making import full_disk, many

Open = Callable[..., Spool]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "ingest-0.sqlite"


@pytest.fixture
def opened(path: Path) -> Iterator[Open]:
    """Open spools on ``path``; all are closed after the test."""
    spools: list[Spool] = []

    def open_(cap_bytes: int = 1 << 30) -> Spool:
        spools.append(Spool(path, cap_bytes))
        return spools[-1]

    yield open_
    for spool in spools:
        spool.close()


def drained(spool: Spool) -> list[bytes]:
    """Take everything out, oldest first."""
    found = []
    while chunk := spool.oldest():
        found.append(chunk.lines)
        spool.done(chunk)
    return found


def test_oldest_comes_first(opened: Open) -> None:
    spool = opened()
    assert spool.oldest() is None
    for number in range(20):
        assert spool.add(b"line %d" % number, 1) == 0
    assert spool.waiting == 20
    assert drained(spool) == [b"line %d" % number for number in range(20)]
    assert spool.waiting == 0


def test_what_was_taken_survives_reopening(opened: Open) -> None:
    opened().add(b"one", 3)
    opened().add(b"two", 4)
    third = opened()
    assert third.waiting == 7
    assert drained(third) == [b"one", b"two"]


def test_what_was_taken_survives_without_closing(path: Path, opened: Open, tmp_path: Path) -> None:
    opened().add(b"one", 3)
    # As after kill -9: a copy of the files as they lie there, taken while they are open.
    other = tmp_path / "after-the-crash"
    other.mkdir()
    for file in path.parent.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    with closing(Spool(other / path.name)) as found:
        assert drained(found) == [b"one"]


def test_beyond_the_cap_the_oldest_go_and_are_counted(opened: Open) -> None:
    spool = opened(cap_bytes=10)
    assert spool.add(b"aaaa", 1) == 0
    assert spool.add(b"bbbb", 2) == 0
    assert spool.add(b"cccc", 4) == 1
    assert spool.add(b"dddddddd", 8) == 6
    assert (spool.waiting, spool.dropped) == (8, 7)
    assert drained(spool) == [b"dddddddd"]


def test_exactly_the_cap_fits(opened: Open) -> None:
    spool = opened(cap_bytes=8)
    spool.add(b"aaaa", 1)
    assert spool.add(b"bbbb", 1) == 0


def test_more_than_the_cap_at_once_is_dropped_itself_and_counted(opened: Open) -> None:
    spool = opened(cap_bytes=8)
    spool.add(b"aaaa", 1)
    assert spool.add(b"b" * 9, 5) == 6
    assert (spool.waiting, spool.oldest()) == (0, None)


def test_count_of_what_was_dropped_survives_reopening(opened: Open) -> None:
    spool = opened(cap_bytes=4)
    spool.add(b"aaaa", 3)
    spool.add(b"bbbb", 4)
    again = opened(cap_bytes=4)
    assert (again.dropped, again.waiting) == (3, 4)
    assert again.add(b"cccc", 5) == 4
    assert again.dropped == 7


def test_done_makes_room(opened: Open) -> None:
    spool = opened(cap_bytes=8)
    spool.add(b"aaaa", 1)
    spool.add(b"bbbb", 1)
    chunk = spool.oldest()
    assert chunk is not None
    spool.done(chunk)
    assert spool.add(b"cccc", 1) == 0
    assert drained(spool) == [b"bbbb", b"cccc"]


def test_full_disk_changes_nothing_and_later_goes_on(opened: Open) -> None:
    spool = opened()
    spool.add(b"one", 1)
    for _ in range(3):
        with full_disk(), pytest.raises(sqlite3.OperationalError):
            spool.add(b"x" * 100_000, 9)
    assert (spool.waiting, spool.dropped) == (1, 0)
    spool.add(b"two", 1)
    assert spool.waiting == 2
    assert drained(spool) == [b"one", b"two"]


def test_full_disk_drops_nothing_for_the_cap(opened: Open) -> None:
    spool = opened(cap_bytes=100_002)
    spool.add(b"one", 1)
    with full_disk(), pytest.raises(sqlite3.OperationalError):
        spool.add(b"x" * 100_000, 9)
    assert (spool.waiting, spool.dropped, spool.oldest()) == (1, 0, Chunk(1, 1, b"one"))
    assert spool.add(b"x" * 100_000, 9) == 1


def test_what_can_not_be_removed_stays(opened: Open) -> None:
    spool = opened()
    spool.add(b"one", 1)
    chunk = spool.oldest()
    assert chunk is not None
    with full_disk(), pytest.raises(sqlite3.OperationalError):
        spool.done(chunk)
    assert (spool.waiting, spool.oldest()) == (1, chunk)
    assert drained(spool) == [b"one"]


def test_locked_file_changes_nothing_and_later_goes_on(path: Path, opened: Open) -> None:
    spool = opened()
    spool._db.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            spool.add(b"one", 1)
        assert spool.waiting == 0
        other.execute("ROLLBACK")
    spool.add(b"one", 1)
    assert spool.waiting == 1


@given(
    st.lists(st.one_of(st.none(), st.tuples(st.integers(1, 5), st.integers(1, 12))), max_size=25), st.integers(5, 30)
)
@many
def test_books_balance_whatever_comes(steps: list[tuple[int, int] | None], cap: int) -> None:
    """What went in is either there, was taken out, or was counted as dropped; order and cap hold."""
    with closing(Spool(Path(":memory:"), cap)) as spool:
        kept: list[tuple[int, bytes]] = []
        dropped = 0
        for number, step in enumerate(steps):
            if step is None:
                chunk = spool.oldest()
                if chunk is not None:
                    spool.done(chunk)
                    assert (chunk.readings, chunk.lines) == kept.pop(0)
            else:
                readings, size = step
                kept.append((readings, bytes([number]) * size))
                gone = 0
                while sum(len(lines) for _, lines in kept) > cap:
                    gone += kept.pop(0)[0]
                assert spool.add(bytes([number]) * size, readings) == gone
                dropped += gone
            assert spool.waiting == sum(readings for readings, _ in kept)
            assert spool.dropped == dropped
        assert drained(spool) == [lines for _, lines in kept]
