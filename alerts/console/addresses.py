"""Whose request it is: the client's address, by the connection, or as a reverse proxy says that we trust."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

Networks = Sequence[IPv4Network | IPv6Network]
UNKNOWN = "unknown"

# Who has one address of an IPv6 network has all of its last 64 bits.
_IPV6_PREFIX = 64


def networks(texts: Sequence[str]) -> Networks:
    """Read addresses and networks; raises ``ValueError``."""
    return [ip_network(text) for text in texts]


def client_address(scope: Scope, trusted: Networks) -> str:
    """Return the address that failures are counted for; an IPv6 one as its network.

    ``X-Forwarded-For`` is read from its end, and only as far as trusted proxies wrote it: what stands before that,
    anybody may have invented.
    """
    client = scope.get("client")
    hops = [client[0] if client else ""]
    if trusted:
        said = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
        hops += [hop.strip() for hop in reversed(said.split(",")) if hop.strip()]
    farthest = next((hop for hop in hops if not _is_trusted(hop, trusted)), hops[-1])
    return _grouped(farthest)


def _is_trusted(hop: str, trusted: Networks) -> bool:
    try:
        address = ip_address(hop)
    except ValueError:
        return False
    return any(address in network for network in trusted)


def _grouped(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return UNKNOWN
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), _IPV6_PREFIX), strict=False))
