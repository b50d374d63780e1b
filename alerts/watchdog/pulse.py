"""The pulse: an outside URL that is asked for while all is well, and not otherwise (a dead man's switch)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx

from park.words import Names
from storage import watch
from storage.watch import Check, Kind

log = logging.getLogger("parkwatch.watchdog")

#: Seconds a pulse may take to get out.
TIMEOUT = 5.0
_SENT = Names("", "")


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
            found = [check.words for check in unwell]
            reason = Names("；".join(each.zh for each in found), "; ".join(each.en for each in found))
            starting = self._said is None and now - self._since < self._patience
            if not starting or unwell[0].kind is Kind.REDIS:
                self._say(frozenset((check.kind, check.of) for check in unwell), f"no pulse: {reason.en}")
        else:
            reason = self._send()
            if reason is _SENT:
                self._sent = now if self._client else 0
            self._say(reason.en, f"the pulse does not get out: {reason.en}" if reason.en else "")
        self.state = watch.Pulse(self._client is not None, self._sent, reason.en, reason.zh)

    def _send(self) -> Names:
        """Ask for the URL; return why that failed, if it did."""
        if self._client is None or self._url is None:
            return _SENT
        try:
            with self._client.stream("GET", self._url) as answer:
                code = answer.status_code
                return (
                    _SENT if answer.is_success else Names(f"{self._where} 返回 {code}", f"{self._where} answers {code}")
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = type(error).__name__
            return Names(f"{self._where} 无响应（{why}）", f"{self._where} does not answer ({why})")

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
