"""What stands at the far end of a delivery: an HTTP server and a mail server that keep what they get."""

from __future__ import annotations

import email
import email.policy
import json
import threading
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from parkwatch.servers import free_port
from tests.servers import eventually


@dataclass(frozen=True, slots=True)
class Caught:
    """One request. ``at`` is its arrival in ms since 1970; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: int

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass(slots=True)
class Answer:
    """How the catcher answers, after ``delay`` seconds."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0


class Catcher:
    """A real HTTP server on loopback that records requests and answers what it is told to."""

    def __init__(self) -> None:
        self.requests: list[Caught] = []
        self._lasting = Answer()
        self._next: list[Answer] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._server = _HttpServer(("127.0.0.1", free_port()), self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """Where to send; any path below it is caught as well."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, status: int = 200, *, times: int | None = None, delay: float = 0.0, body: bytes = b"") -> None:
        """Answer like this from now on, or for the next ``times`` requests only."""
        self._set(Answer(status, body=body, delay=delay), times)

    def redirect(self, to: str, *, times: int | None = None) -> None:
        """Answer with a redirection to ``to``."""
        self._set(Answer(307, headers={"Location": to}), times)

    def wait_for(self, count: int, *, within: float = 10.0) -> list[Caught]:
        """Wait for ``count`` requests and return all there are."""
        eventually(
            lambda: len(self.requests) >= count, within=within, why=lambda: f"{count} requests, got {self.requests}"
        )
        return list(self.requests)

    def clear(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self.requests.clear()

    def take(self, request: Caught) -> Answer:
        """Record a request; return how to answer it. Called by the server's threads."""
        with self._lock:
            self.requests.append(request)
            answer = self._next.pop(0) if self._next else self._lasting
        self._ending.wait(answer.delay)
        return answer

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _set(self, answer: Answer, times: int | None) -> None:
        with self._lock:
            if times is None:
                self._lasting, self._next = answer, []
            else:
                self._next += [answer] * times


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], catcher: Catcher) -> None:
        super().__init__(address, _Handler)
        self.catcher = catcher

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, as a killed one does, is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _HttpServer

    def _serve(self) -> None:
        at = time.time_ns() // 1_000_000
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            # Whoever sent it was killed in the middle: half a request reached nobody.
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.catcher.take(Caught(self.command, self.path, headers, body, at))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 -- http.server looks for these names

    def log_message(self, *_: object) -> None:
        """The test prints what it wants to see."""


class MailCatcher:
    """A real mail server on loopback that keeps messages; ``refuse`` makes it answer 4xx or 5xx instead."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.refuse: str | None = None
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a message; aiosmtpd calls this by its name."""
        if self.refuse:
            return self.refuse
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        message = email.message_from_bytes(raw, _class=EmailMessage, policy=email.policy.default)
        message["X-Envelope-To"] = ", ".join(envelope.rcpt_tos)
        self.messages.append(message)
        return "250 kept"

    def wait_for(self, count: int, *, within: float = 10.0) -> list[EmailMessage]:
        """Wait for ``count`` messages and return all there are."""
        eventually(lambda: len(self.messages) >= count, within=within, why=f"{count} mails")
        return list(self.messages)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._controller.stop()
