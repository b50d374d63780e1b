"""Webhook: the message as JSON by HTTP POST, signed as Standard Webhooks has it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from datetime import UTC, datetime

import httpx
from httpx import codes
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from alerts import grouping, messages
from alerts.channels import Content, Outcome, Permanent, Sent, Transient
from alerts.channels.targets import Forbidden, Targets, TargetTransport
from alerts.messages import Message

TIMEOUT = httpx.Timeout(5.0, connect=3.0)
LONGEST = 15.0
"""s that one attempt may take altogether: whoever answers a byte at a time must not hold the channel up."""
_TRY_LATER = frozenset({codes.REQUEST_TIMEOUT, codes.TOO_EARLY, codes.TOO_MANY_REQUESTS})
_SHORT = 65_536
_LONGEST_ASKED_FOR = 600.0


class WebhookChannel:
    """POSTs to one address; any 2xx answer means that the receiver has it.

    ``secret`` is ``whsec_<base64>``; without one messages go out unsigned. Redirects are not followed: they
    would carry what happens in the park to an address that nobody configured. ``targets`` are the addresses it may
    connect to. Raises ``ValueError`` if address or secret can't be used; the text holds neither.
    """

    attempts = 12
    at_once = 8

    def __init__(
        self,
        url: str,
        secret: str | None,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        longest: float = LONGEST,
        targets: Targets | None = None,
    ) -> None:
        self._url = _address(url)
        self._signer = _signer(secret) if secret else None
        self._longest = longest
        limits = httpx.Limits(max_connections=self.at_once, max_keepalive_connections=self.at_once)
        self._client = httpx.AsyncClient(
            timeout=timeout,
            follow_redirects=False,
            # The address is the operator's own: no detour that the environment asks for, and no .netrc password.
            trust_env=False,
            limits=limits,
            transport=TargetTransport(targets, self.at_once) if targets else None,
            headers={"content-type": "application/json", "user-agent": "parkwatch"},
        )

    async def send(self, delivery: str, message: Content, language: str, now: int) -> Outcome:
        """POST the message; it carries both languages, so ``language`` does not matter."""
        del language
        body = messages.payload(message) if isinstance(message, Message) else grouping.payload(message)
        headers = self._headers(delivery, body, now)
        outcome: Outcome | None = None
        try:
            # Streamed, and the answer's body left alone: the status says it all, a receiver can't fill our memory.
            async with (
                asyncio.timeout(self._longest),
                self._client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                outcome = _judge(answer)
                if _is_short(answer):
                    await _read_to_its_end(answer)
        except Forbidden as error:
            return Permanent(str(error))
        except TimeoutError:
            # Once the status is there it counts, whatever becomes of the rest.
            return outcome or Transient(f"the receiver has not answered within {self._longest:g} s")
        except httpx.TransportError as error:
            return outcome or Transient(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        return outcome

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _headers(self, delivery: str, body: bytes, now: int) -> dict[str, str]:
        id_ = webhook_id(delivery)
        headers = {"webhook-id": id_, "webhook-timestamp": str(now // 1000)}
        if self._signer:
            at = datetime.fromtimestamp(now // 1000, UTC)
            headers["webhook-signature"] = self._signer.sign(id_, at, body.decode())
        return headers


def webhook_id(delivery: str) -> str:
    """Return the ``webhook-id`` of a delivery: stable over retries, without the full stop that signing uses."""
    return delivery.replace(".", "/")


def _address(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url.strip())
    except httpx.InvalidURL:
        address = httpx.URL("")
    if address.scheme not in {"http", "https"} or not address.host:
        raise ValueError("the webhook's address is no http:// or https:// URL")
    return address


def _signer(secret: str) -> Webhook:
    try:
        # The library skips what is no base64, and would sign with what is left.
        key = base64.b64decode(secret.strip().removeprefix("whsec_"), validate=True)
        return Webhook(key)
    except (ValueError, EmptyWebhookSecretError) as error:
        raise ValueError("the webhook's secret is not of the form whsec_<base64>") from error


def _is_short(answer: httpx.Response) -> bool:
    length = answer.headers.get("content-length", "")
    return length.isdigit() and int(length) <= _SHORT


async def _read_to_its_end(answer: httpx.Response) -> None:
    """Read what is left of an answer, so that the connection can be used again; nobody looks at it."""
    async for _ in answer.aiter_raw():
        pass


def _judge(answer: httpx.Response) -> Outcome:
    status = answer.status_code
    said = f"HTTP {status} {answer.reason_phrase}".rstrip()
    if answer.is_success:
        return Sent(said)
    if answer.is_redirect:
        return Permanent(f"{said}: redirects are not followed; configure the final address")
    if answer.is_server_error or status in _TRY_LATER:
        return Transient(said, _asked_for(answer))
    if status == codes.GONE:
        return Permanent(f"{said}: the receiver is gone for good; remove the channel")
    return Permanent(f"{said}: the receiver refuses the message")


def _asked_for(answer: httpx.Response) -> float:
    """Seconds of ``Retry-After``; its form as a date is left to the backoff."""
    with contextlib.suppress(ValueError):
        return min(_LONGEST_ASKED_FOR, max(0.0, float(answer.headers.get("retry-after", "0"))))
    return 0.0
