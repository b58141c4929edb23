"""Where a request came from, behind proxies or not."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

from conduit.outbound.addresses import unmapped

# As proxies write a hop: some add the port, and an IPv6 address then stands in brackets.
_HOP = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^:]+))(?::[0-9]{1,5})?")


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    hop = _HOP.fullmatch(text.strip())
    try:
        address = ip_address(hop["bracketed"] or hop["plain"] if hop else text.strip())
    except ValueError:
        return None
    return unmapped(address)


def _is_ours(address: IPv4Address | IPv6Address | None) -> bool:
    return address is not None and any(address in network for network in settings.TRUSTED_PROXIES)


def is_proxy(address: str) -> bool:
    """Whether it is one of our own proxies, who speak for others."""
    return _is_ours(_parsed(address))


def client_address(request: HttpRequest) -> str:
    """The address of the client: the nearest hop that is not one of our own proxies (TRUSTED_PROXIES).

    X-Forwarded-For is read from its end, the part that our proxies wrote; what a client put there itself is never
    believed.
    """
    return nearest_client(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def nearest_client(nearest: str, forwarded_for: str) -> str:
    """The same from the peer's address and the X-Forwarded-For header, for what is no request of Django's."""
    forwarded = [hop for hop in forwarded_for.split(",") if hop.strip()]
    while forwarded and _is_ours(_parsed(nearest)):
        hop = _parsed(forwarded.pop())
        if hop is None:  # nonsense in the header: the proxy that passed it on is the last address that we know
            break
        nearest = str(hop)
    return nearest


def network_of(address: str) -> str:
    """What one client has of addresses: of IPv6 it is given a whole /64."""
    parsed = _parsed(address)
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address
