"""Printing that nobody has to wait for.

A terminal that is stopped (Ctrl-S), a pager, a log collector that hangs: whoever writes to them directly stands still
until they are read again. What prints here goes through a thread of its own and, when too much waits, is left out and
counted, so that a page never waits for a screen.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time

MOST = 2_000
"""Texts that may wait to be printed; what comes then is left out."""

STUCK_AFTER = 5.0
"""s after which something that does not take a text counts as stuck."""


class Printer:
    """Writes texts to a file descriptor, in order; a log handler may use it as its stream."""

    def __init__(self, fd: int, *, most: int = MOST, stuck_after: float = STUCK_AFTER) -> None:
        self._fd = fd
        self._stuck_after = stuck_after
        self._texts: queue.Queue[str | None] = queue.Queue(most)
        self._writing_since: float | None = None
        self._broken = False
        self.lost = 0
        # A daemon, and no buffered file: a process can stop though a write of it never ends.
        self._thread = threading.Thread(target=self._work, name="printing", daemon=True)
        self._thread.start()

    def say(self, line: str) -> bool:
        """Print ``line`` when its turn comes; return whether there is a reader, as far as that is known."""
        return self.write(f"{line}\n")

    def write(self, text: str) -> bool:
        """Print ``text`` when its turn comes; return whether there is a reader, as far as that is known."""
        try:
            self._texts.put_nowait(text)
        except queue.Full:
            self.lost += 1
        return not self._stuck()

    def flush(self) -> None:
        """Do nothing: nobody waits here."""

    def close(self, within: float = 1.0) -> None:
        """Print what waits, for ``within`` s at most."""
        try:
            self._texts.put(None, timeout=within)
        except queue.Full:
            return
        self._thread.join(within)

    def _stuck(self) -> bool:
        since = self._writing_since
        return self._broken or (since is not None and time.monotonic() - since > self._stuck_after)

    def _work(self) -> None:
        while (text := self._texts.get()) is not None:
            self._writing_since = time.monotonic()
            if self.lost:
                lost, self.lost = self.lost, 0
                text = f"({lost} texts were left out: nothing could be printed here)\n{text}"
            self._broken = not _written(self._fd, text.encode(errors="replace"))
            self._writing_since = None


def _written(fd: int, content: bytes) -> bool:
    """Write all of it; return whether that was possible."""
    try:
        while content:
            content = content[os.write(fd, content) :]
    except OSError:
        # The reader has gone for good, and with it the only place to say so.
        return False
    return True


def unhinder_log(printer: Printer) -> None:
    """Let what is logged to a stream go through ``printer``."""
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setStream(printer)
