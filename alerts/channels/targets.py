"""Where webhooks may go: the networks and host names of ``webhook_targets``, looked at when connecting.

The address that was checked is the address that is connected to, so a name that resolves to something else a moment
later (DNS rebinding) leads nowhere.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

import httpcore
import httpx

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Forbidden(Exception):
    """The address is none that webhooks may call; the text says what to do, and does not hold the address."""


class Targets:
    """Which hosts and addresses may be called. A loopback address may only if it is listed itself, or ``localhost``."""

    def __init__(self, targets: Iterable[str]) -> None:
        self._names = set[str]()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for target in targets:
            try:
                self._networks.append(ipaddress.ip_network(target))
            except ValueError:
                self._names.add(target.lower().rstrip("."))

    def allow(self, host: str, address: Address) -> bool:
        """Whether ``address``, which ``host`` resolved to, may be called."""
        plain = getattr(address, "ipv4_mapped", None) or address
        if any(plain in network for network in self._networks):
            return True
        name = host.lower().rstrip(".")
        return name in self._names and (name == "localhost" or not _own(plain))


def _own(address: Address) -> bool:
    return address.is_loopback or address.is_unspecified or address.is_link_local


class TargetTransport(httpx.AsyncHTTPTransport):
    """httpx's transport, connecting to allowed addresses only; :class:`Forbidden` is raised for others."""

    def __init__(self, targets: Targets, connections: int) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=connections,
            max_keepalive_connections=connections,
            network_backend=_Guarded(targets),
        )


class _Guarded(httpcore.AsyncNetworkBackend):
    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        allowed = [address for address in await _resolve(host, port, timeout) if self._targets.allow(host, address)]
        if not allowed:
            raise Forbidden("webhook_targets in config/alerts.yaml does not allow the channel's address; add it there")
        return await self._inner.connect_tcp(str(allowed[0]), port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        del path, timeout, socket_options
        raise Forbidden("webhooks are called over the network")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _resolve(host: str, port: int, seconds: float | None) -> list[Address]:
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise httpcore.ConnectTimeout("the name was not resolved in time") from error
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("the name can't be resolved") from error
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
