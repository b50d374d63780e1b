"""Apprise: e-mail, DingTalk, WeCom, Feishu and a hundred more services, each by a URL.

The URL holds the service's password or token, so neither it nor Apprise's own log lines, which may quote it, are
ever written anywhere: the reason of a failure names the service and what to try.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

from alerts.channels import Content, Outcome, Sent, Transient
from park.alarms import Notify
from park.words import Priority

LONGEST = 30.0
"""s after which a service that has not answered counts as failed (Apprise itself gives up after 4 s of silence)."""

log = logging.getLogger("parkwatch.apprise")


class AppriseChannel:
    """One Apprise URL. Raises ``ValueError`` if Apprise can't read it; the text does not hold it.

    Apprise only says that it did not work, not why: a wrong password looks like a server that is away. So every
    failure is tried again, but fewer times than a webhook's.
    """

    attempts = 10
    at_once = 4

    def __init__(self, url: str, *, longest: float = LONGEST) -> None:
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        # One service, in the calling thread: no thread pools of Apprise's own that outlive a stop.
        self._apprise = Apprise(asset=AppriseAsset(app_id="parkwatch", async_mode=False, service_timeout=0))
        if not self._apprise.add(url.strip()) or len(self._apprise) != 1:
            raise ValueError("Apprise can't read the channel's URL; compare it with the service's page of its manual")
        self._service = str(self._apprise[0].service_name)
        self._longest = longest

    async def send(self, delivery: str, message: Content, language: str, now: int) -> Outcome:
        """Send the text in ``language``."""
        del delivery, now
        try:
            async with asyncio.timeout(self._longest):
                taken = await _in_thread(lambda: self._notify(message, language))
        except TimeoutError:
            return Transient(f"{self._service} has not answered for {self._longest:g} s")
        if taken:
            return Sent(self._service)
        return Transient(f"{self._service} did not take the message; try its URL with the apprise command")

    async def close(self) -> None:
        """Nothing stays open."""

    def _notify(self, message: Content, language: str) -> bool:
        text = message.text(language)
        try:
            return bool(
                self._apprise.notify(
                    title=text.title, body=text.text, notify_type=_type(message), body_format=NotifyFormat.TEXT
                )
            )
        except Exception as error:  # noqa: BLE001 - a hundred plugins by others; their text may quote the URL
            log.warning("Apprise's %s plugin failed with %s", self._service, type(error).__name__)
            return False


_TYPES = {Priority.CRITICAL: NotifyType.FAILURE, Priority.HIGH: NotifyType.FAILURE}


def _type(message: Content) -> NotifyType:
    if message.notify is not Notify.PAGE:
        return NotifyType.SUCCESS
    return _TYPES.get(message.priority, NotifyType.WARNING)


async def _in_thread(call: Callable[[], bool]) -> bool:
    """Run ``call`` in a thread that a stopping process does not wait for (the lease brings the message back)."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bool] = loop.create_future()

    def settle(*, taken: bool) -> None:
        if not answer.done():
            answer.set_result(taken)

    def work() -> None:
        taken = call()
        try:
            loop.call_soon_threadsafe(functools.partial(settle, taken=taken))
        except RuntimeError:
            log.info("a message was answered after the stop; it may be sent again")

    threading.Thread(target=work, name="apprise", daemon=True).start()
    return await answer
