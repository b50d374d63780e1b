"""parkwatch's pieces as processes, for tests that stop, kill and listen to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

from tests.servers import eventually

_STOP_SECONDS = 10.0
#: A command that does its work and ends: starting Python alone takes seconds where everything runs at once.
_END_SECONDS = 60.0


class Piece:
    """One ``python -m parkwatch ...`` process and all that it has printed."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], *, tracebacks: bool) -> None:
        self.arguments = tuple(arguments)
        self.tracebacks = tracebacks
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PARKWATCH_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "parkwatch", *arguments],
            env={**inherited, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __str__(self) -> str:
        return f"parkwatch {' '.join(self.arguments)} (process {self.pid})"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """What it has printed so far, both streams."""
        return "".join(self._lines)

    def wait_for(self, text: str, *, within: float = 60.0) -> None:
        """Wait until ``text`` has been printed."""
        eventually(
            lambda: text in self.output, within=within, why=lambda: f"{self} has not said {text!r}:\n{self.output}"
        )

    def wait(self, within: float = _END_SECONDS) -> int:
        """Wait for its end; return the exit status."""
        status = self._process.wait(within)
        self._reader.join(within)
        return status

    def stop(self, within: float = _STOP_SECONDS) -> int:
        """Ask it to stop (SIGTERM); return the exit status. Killed, and the test failed, if it does not."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self} did not stop within {within} s of SIGTERM:\n{self.output}") from None

    def kill(self) -> None:
        """``kill -9``, with whatever it has started."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._lines.append(line.decode("utf-8", errors="replace"))


class Spawn:
    """Starts pieces for one test and ends them after it."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []

    def __call__(self, arguments: Sequence[str], environment: Mapping[str, str], *, tracebacks: bool = False) -> Piece:
        """Start ``parkwatch ARGUMENTS``; ``tracebacks``: printing one is allowed."""
        piece = Piece(arguments, environment, tracebacks=tracebacks)
        self.pieces.append(piece)
        return piece

    def end(self) -> None:
        """Kill what is left; fail if a piece printed a traceback that it was not allowed to."""
        for piece in self.pieces:
            piece.kill()
        wrong = [piece for piece in self.pieces if not piece.tracebacks and "Traceback (most recent" in piece.output]
        if wrong:
            raise AssertionError("\n".join(f"{piece} printed a traceback:\n{piece.output}" for piece in wrong))
