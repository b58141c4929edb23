"""Addresses that callers give us to call back: what can be said of one before its name is looked up."""

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from conduit.outbound.addresses import Allowed

URL_CHARACTERS = 2000

_USUAL_PORTS = {"http": 80, "https": 443}
# What a URL is made of (RFC 3986), without a fragment, which is sent to nobody. Two readers may see two hosts in anything else.
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
_PLACE = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
# A last label that some reader takes for a number, and the name with it for an address: 127.1, 0x7f.1, 2130706433, 017700000001.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


def fault_of(url: str, *, allowed: Allowed, schemes: Collection[str]) -> str | None:
    """What is wrong with it as an address that we shall call, as the end of a sentence about it; None: nothing that can be seen.

    Where its name leads is looked up, and checked, whenever it is called (conduit.outbound.guard).
    """
    if len(url) > URL_CHARACTERS:
        return f"may have at most {URL_CHARACTERS} characters"
    if not _CHARACTERS.fullmatch(url):
        return "must be a URL of plain ASCII without spaces, backslashes and #; write other characters as %XX, and names as xn--…"
    try:
        parts = urlsplit(url)
    except ValueError:
        return "must be a URL, such as https://example.com/hooks"
    if parts.scheme not in schemes:
        return f"must begin with {' or '.join(f'{scheme}://' for scheme in sorted(schemes, reverse=True))}"
    if "@" in parts.netloc:
        return "must not hold a user's name or password"
    place = _PLACE.fullmatch(parts.netloc)
    if place is None:
        return "must name a host, such as https://example.com/hooks"
    usual = _USUAL_PORTS[parts.scheme]
    return _fault_of_place(place["host"].lower(), int(place["port"] or usual), usual, allowed)


def _fault_of_place(host: str, port: int, usual_port: int, allowed: Allowed) -> str | None:
    if fault := _fault_of_spelling(host):
        return fault
    if allowed.may_permit(host, port, usual_port):
        return None
    if port != usual_port and allowed.may_permit(host, usual_port, usual_port):
        return f"must use port {usual_port}: {port} is not allowed here"
    return "must lead to a public address: this one is private, local or reserved"


def _fault_of_spelling(host: str) -> str | None:
    """An address is written in one way, so that nobody reads another in it."""
    text = host.strip("[]")
    try:
        address = ip_address(text)
    except ValueError:
        if host.startswith("["):
            return "must name a host, such as https://example.com/hooks"
        labels = host.rstrip(".").split(".")
        if not all(labels) or _NUMBER.fullmatch(labels[-1]):
            return "must name a host, or an address in its usual form, such as 192.0.2.1"
        return None
    if host.startswith("[") != (address.version == 6) or (address.version == 4 and str(address) != text):
        return "must name a host, or an address in its usual form, such as 192.0.2.1"
    if address.version == 6 and (address.ipv4_mapped or address.sixtofour or address.teredo or text.startswith("64:ff9b:")):
        return "must not hold an IPv4 address in an IPv6 one"
    return None
