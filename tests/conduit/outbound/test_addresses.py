"""Which addresses may be called, and what OUTBOUND_ALLOWED adds to them."""

from ipaddress import ip_address

import pytest

from conduit.outbound.addresses import Allowed, is_public

PUBLIC = [
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "192.169.0.1",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "64:ff9b::101:101",  # 1.1.1.1 through NAT64
    "::ffff:1.1.1.1",
]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "168.63.129.16",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:101:101::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_on_the_internet_is_public(address):
    assert is_public(ip_address(address))
    assert Allowed().permits(address, ip_address(address), 443, 443)
    assert not Allowed().permits(address, ip_address(address), 8443, 443)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_of_our_own_a_group_s_or_one_in_disguise_is_not(address):
    assert not is_public(ip_address(address))
    assert not Allowed().permits(address, ip_address(address), 443, 443)


@pytest.mark.parametrize(
    ("entries", "host", "address", "port", "permitted"),
    [
        ("10.0.0.5", "10.0.0.5", "10.0.0.5", 443, True),
        ("10.0.0.5", "files.example", "10.0.0.5", 443, True),
        ("10.0.0.5", "10.0.0.5", "10.0.0.5", 8443, False),  # an address without a port is no exception to ports
        ("10.0.0.5", "10.0.0.6", "10.0.0.6", 443, False),
        ("10.0.0.5:8443", "10.0.0.5", "10.0.0.5", 8443, True),
        ("10.0.0.5:8443", "10.0.0.5", "10.0.0.5", 443, False),  # nor is one with a port an exception to all
        ("10.0.0.5:*", "10.0.0.5", "10.0.0.5", 9, True),
        ("10.0.0.5", "10.0.0.5", "::ffff:10.0.0.5", 443, True),
        ("10.0.0.0/8", "10.9.9.9", "10.9.9.9", 443, True),
        ("10.0.0.0/8:9000", "10.9.9.9", "10.9.9.9", 9000, True),
        ("10.0.0.0/8:9000", "11.9.9.9", "11.9.9.9", 9000, False),
        ("fd00::5", "fd00::5", "fd00::5", 443, True),
        ("fd00::/8", "fd00::5", "fd00::5", 443, True),
        ("[fd00::5]:9000", "fd00::5", "fd00::5", 9000, True),
        ("[fd00::/8]:9000", "fd00::5", "fd00::5", 9000, True),
        ("[fd00::]/8:9000", "fd00::5", "fd00::5", 443, False),
        ("[fd00::5]", "fd00::5", "fd00::5", 443, True),
        ("minio", "minio", "10.0.0.7", 443, True),
        ("minio", "minio", "10.0.0.7", 9000, False),
        ("minio:9000", "MinIO.", "10.0.0.7", 9000, True),
        ("minio:9000", "minio.evil.example", "10.0.0.7", 9000, False),
        ("files.example:8443", "files.example", "1.1.1.1", 8443, True),  # a public host at a port of its own
        ("files.example:8443", "other.example", "1.1.1.1", 8443, False),
        (" a.example , 10.0.0.0/8:80 ,", "10.1.1.1", "10.1.1.1", 80, True),
        ("0.0.0.0/0", "::1", "::1", 443, False),
    ],
)
def test_an_entry_is_an_exception_to_addresses_and_where_it_has_a_port_to_ports(entries, host, address, port, permitted):
    assert Allowed.parse(entries).permits(host, ip_address(address), port, 443) is permitted


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.0/33",
        "300.1.1.1",
        "a host",
        "https://minio",
        "minio:0",
        "minio:65536",
        "minio:http",
        "minio/24",
        "[fd00::1",
        "[minio]:1",
        "*",
        "*.a",
        "-a",
    ],
)
def test_what_is_no_entry_is_named(entry):
    with pytest.raises(ValueError, match="is no host, address or network") as caught:
        Allowed.parse(f"10.0.0.1,{entry}")
    assert repr(entry) in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "everything"),
    [
        ("0.0.0.0/0", True),
        ("::/0", True),
        ("[::/0]:443", True),
        ("0.0.0.0/1,128.0.0.0/1", True),
        ("0.0.0.0/1,128.0.0.0/2", False),
        ("10.0.0.0/8,minio:9000", False),
        ("", False),
    ],
)
def test_a_list_that_holds_every_address_is_known(entries, everything):
    assert Allowed.parse(entries).covers_everything() is everything


@pytest.mark.parametrize(
    ("entries", "host", "port", "possible"),
    [
        ("", "api.minimax.io", 443, True),
        ("", "api.minimax.io", 8443, False),
        ("api.minimax.io:8443", "api.minimax.io", 8443, True),
        ("", "10.0.0.5", 443, False),
        ("10.0.0.5", "10.0.0.5", 443, True),
        ("", "localhost", 443, False),
        ("", "[::1]", 443, False),
        ("10.0.0.0/8:8443", "proxy.inside", 8443, True),  # it may be there
    ],
)
def test_what_can_be_told_without_looking_a_name_up_is_told(entries, host, port, possible):
    assert Allowed.parse(entries).may_permit(host, port, 443) is possible
