"""Which addresses may be called: those of the public internet, and what OUTBOUND_ALLOWED adds."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Self

Address = IPv4Address | IPv6Address

# IANA's special-purpose addresses, groups and what is reserved; and the one public address that leads inside: Azure's host answers its
# machines there, their secrets included. `is_global` holds for groups, and for more in one Python than in the next.
_IPV4_NOT_PUBLIC = tuple(
    map(
        ip_network,
        ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
         "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
         "168.63.129.16/32"),
    )
)  # fmt: skip
# All that is handed out to hosts, and what in it is not: protocols' own (Teredo among them), examples, 6to4 with an IPv4 address inside.
_IPV6_PUBLIC = ip_network("2000::/3")
_IPV6_NOT_PUBLIC = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
# How a network without IPv4 reaches it: the last 32 bits are the IPv4 address that is really called.
_NAT64 = ip_network("64:ff9b::/96")

_ENTRY = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<bare>[^:\[\]]+))(?P<length>/\d+)?(?::(?P<port>\d+|\*))?")
_NAME = re.compile(r"(?:[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")
_PORTS = range(1, 65536)


def unmapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address only spells in another way, else the address itself."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def is_public(address: Address) -> bool:
    """Whether it is an address of one host on the internet: not ours, not a group's, not another address in disguise."""
    address = unmapped(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _IPV4_NOT_PUBLIC)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _IPV6_PUBLIC and not any(address in network for network in _IPV6_NOT_PUBLIC)


@dataclass(frozen=True)
class Entry:
    """One entry of OUTBOUND_ALLOWED: a host's name or a network, and which port beside the usual one (0: any)."""

    place: str | IPv4Network | IPv6Network
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError, which says how an entry looks, when this is none."""
        try:
            return cls(ip_network(text, strict=False), None)  # IPv6 without brackets has no port
        except ValueError:
            pass
        found = _ENTRY.fullmatch(text)
        if found is None or not _is_port(found["port"]):
            raise _not_an_entry(text)
        port = _port(found["port"])
        try:
            return cls(ip_network((found["v6"] or found["bare"]) + (found["length"] or ""), strict=False), port)
        except ValueError:
            name = (found["bare"] or "").lower().rstrip(".")
            # A last label of digits is an address that was mistyped, never a name.
            if found["length"] or not _NAME.fullmatch(name) or name.rpartition(".")[2].isdigit():
                raise _not_an_entry(text) from None
            return cls(name, port)

    def holds_for(self, host: str, address: Address, port: int, usual_port: int) -> bool:
        there = self.place == host if isinstance(self.place, str) else address.version == self.place.version and address in self.place
        return there and (self.port == 0 or port == (usual_port if self.port is None else self.port))


@dataclass(frozen=True)
class Allowed:
    """The exceptions to what may be called; without entries there is none."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From entries separated by commas. ValueError names the first that is none."""
        return cls(tuple(Entry.parse(entry.strip()) for entry in text.split(",") if entry.strip()))

    def permits(self, host: str, address: Address, port: int, usual_port: int) -> bool:
        """Whether `address`, which `host` (a name or an address) stands for, may be called at `port`; `usual_port` is its scheme's."""
        host, address = host.lower().rstrip("."), unmapped(address)
        if port == usual_port and is_public(address):
            return True
        return any(entry.holds_for(host, address, port, usual_port) for entry in self.entries)

    def may_permit(self, host: str, port: int, usual_port: int) -> bool:
        """The same without asking what a name stands for: False only when it is known now that nothing of it may be called."""
        host = host.strip("[]").lower().rstrip(".")
        try:
            return self.permits(host, ip_address(host), port, usual_port)
        except ValueError:
            inside = host == "localhost" or host.endswith(".localhost")
            # A network in the list may be where the name leads.
            return (port == usual_port and not inside) or any(
                entry.place == host or not isinstance(entry.place, str) for entry in self.entries if entry.port in (port, 0, None)
            )

    def covers_everything(self) -> bool:
        """Whether no address of one kind, IPv4 or IPv6, is left to refuse."""
        four = [entry.place for entry in self.entries if isinstance(entry.place, IPv4Network)]
        six = [entry.place for entry in self.entries if isinstance(entry.place, IPv6Network)]
        return any(one.prefixlen == 0 for one in collapse_addresses(four)) or any(one.prefixlen == 0 for one in collapse_addresses(six))


def _is_port(text: str | None) -> bool:
    return text in (None, "*") or int(text or 0) in _PORTS


def _port(text: str | None) -> int | None:
    return None if text is None else 0 if text == "*" else int(text)


def _not_an_entry(text: str) -> ValueError:
    return ValueError(f"{text!r} is no host, address or network, with or without :PORT (IPv6 with a port in brackets)")
