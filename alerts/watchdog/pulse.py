"""The pulse: an outside URL that is asked for while all is well, and not otherwise (a dead man's switch)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx

from storage import watch
from storage.watch import Check, Kind

log = logging.getLogger("parkwatch.watchdog")

#: Seconds a pulse may take to get out.
TIMEOUT = 5.0


class Pulse:
    """Asks for ``url`` when told that all is well. The URL is a secret: only its host is ever logged.

    After a start the others may need ``patience`` (ms) until they show life: nothing is said of that, but if Redis is
    away.
    """

    def __init__(self, url: str | None, patience: int = 0) -> None:
        self._url = url
        self._where = urlsplit(url).hostname if url else None
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=False) if url else None
        self._sent = 0
        self._said: object = None
        self._patience = patience
        self._since: int | None = None
        self.state = watch.Pulse(wanted=url is not None)
        if not url:
            log.warning("PARKWATCH_PULSE_URL is not set: nobody outside notices when parkwatch dies")

    def close(self) -> None:
        """Close the connection."""
        if self._client:
            self._client.close()

    def beat(self, checks: Iterable[Check], now: int) -> None:
        """Send the pulse if every check is well; say, once, why it does not go out, and that it does again."""
        self._since = now if self._since is None else self._since
        unwell = [check for check in checks if not check.well]
        if unwell:
            reason = "; ".join(map(str, unwell))
            starting = self._said is None and now - self._since < self._patience
            if not starting or unwell[0].kind is Kind.REDIS:
                self._say(frozenset((check.kind, check.of) for check in unwell), f"no pulse: {reason}")
        else:
            reason = self._send()
            if not reason:
                self._sent = now if self._client else 0
            self._say(reason, f"the pulse does not get out: {reason}" if reason else "")
        self.state = watch.Pulse(wanted=self._client is not None, sent=self._sent, reason=reason)

    def _send(self) -> str:
        """Ask for the URL; return why that failed, if it did."""
        if self._client is None or self._url is None:
            return ""
        try:
            with self._client.stream("GET", self._url) as answer:
                return "" if answer.is_success else f"{self._where} answers {answer.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{self._where} does not answer ({type(error).__name__})"

    def _say(self, matter: object, text: str) -> None:
        """Log ``text`` if the matter is a new one; an empty text is the good news."""
        if matter == self._said:
            return
        first, self._said = self._said is None, matter
        if text:
            log.error("%s", text)
        elif not first and self._client:
            log.warning("the pulse goes out again")
        else:
            log.info("every canary is fresh%s", f"; the pulse goes to {self._where}" if self._client else "")
