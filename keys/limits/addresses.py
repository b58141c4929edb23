"""Where a key may be used from."""

from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from conduit.api.errors import Forbidden
from keys.models import ManagementKey, VirtualKey

# What an IPv6 address begins with before the IPv4 address that it stands for (RFC 4291, 2.5.5.2).
_MAPPED_BITS = 96


def check_address(key: VirtualKey | ManagementKey, address: str) -> None:
    """Raises Forbidden when the key may not be used from there."""
    if key.ip_ranges and not _is_within(address, tuple(key.ip_ranges)):
        raise Forbidden(
            f"This key may not be used from {address or 'an unknown address'}. An administrator can allow more addresses.",
            code="ip_not_allowed",
        )


def _is_within(address: str, ranges: tuple[str, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in _networks(ranges))


@lru_cache
def _networks(ranges: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    """What is no range lets nobody in."""
    found = []
    for text in ranges:
        with suppress(ValueError):
            found.append(_unmapped(ip_network(text, strict=False)))
    return found


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """A network of IPv4 addresses written inside IPv6 as what it is: such addresses are compared as IPv4."""
    first = network.network_address
    inside = first.ipv4_mapped if isinstance(first, IPv6Address) and network.prefixlen >= _MAPPED_BITS else None
    return IPv4Network((inside, network.prefixlen - _MAPPED_BITS)) if inside else network
