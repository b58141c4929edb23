from ipaddress import ip_network

import pytest
from django.test import RequestFactory

from conduit.api.network import client_address

PROXIES = [ip_network(entry) for entry in ["10.0.0.0/8", "192.0.2.1", "2001:db8:1::/48"]]


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        pytest.param("203.0.113.9", None, "203.0.113.9", id="no proxy"),
        pytest.param("203.0.113.9", "198.51.100.1", "203.0.113.9", id="a stranger's header is not believed"),
        pytest.param("10.1.2.3", None, "10.1.2.3", id="the proxy itself"),
        pytest.param("10.1.2.3", "203.0.113.9", "203.0.113.9", id="one proxy"),
        pytest.param("10.1.2.3", "198.51.100.1, 203.0.113.9", "203.0.113.9", id="what the client wrote before it is not believed"),
        pytest.param("10.1.2.3", "203.0.113.9, 192.0.2.1, 10.9.9.9", "203.0.113.9", id="a chain of ours"),
        pytest.param("10.1.2.3", "10.5.5.5, 203.0.113.9, 10.9.9.9", "203.0.113.9", id="one of ours that the client made up"),
        pytest.param("10.1.2.3", "10.5.5.5, 10.6.6.6", "10.5.5.5", id="ours all the way"),
        pytest.param("10.1.2.3", "203.0.113.9, nonsense", "10.1.2.3", id="garbage ends the trust"),
        pytest.param("10.1.2.3", "nonsense, 203.0.113.9", "203.0.113.9", id="garbage behind the client"),
        pytest.param("10.1.2.3", "203.0.113.9,  , ", "203.0.113.9", id="empty hops"),
        pytest.param("10.1.2.3", "", "10.1.2.3", id="an empty header"),
        pytest.param("10.1.2.3", "203.0.113.9\x00", "10.1.2.3", id="a NUL"),
        pytest.param("10.1.2.3", "999.1.1.1", "10.1.2.3", id="no address"),
        pytest.param("2001:db8:1::5", "2001:db8:ffff::7", "2001:db8:ffff::7", id="IPv6"),
        pytest.param("2001:db8:1::5", "[2001:db8:ffff::7]", "2001:db8:ffff::7", id="IPv6 in brackets"),
        pytest.param("2001:db8:1::5", "2001:DB8:FFFF:0:0:0:0:7", "2001:db8:ffff::7", id="IPv6 written at length"),
        pytest.param("2001:db8:2::5", "2001:db8:ffff::7", "2001:db8:2::5", id="a stranger over IPv6"),
        pytest.param("::ffff:10.1.2.3", "203.0.113.9", "203.0.113.9", id="a proxy's IPv4 inside IPv6"),
        pytest.param("10.1.2.3", "::ffff:203.0.113.9", "203.0.113.9", id="a client's IPv4 inside IPv6"),
        pytest.param("fe80::1%eth0", "203.0.113.9", "fe80::1%eth0", id="an address with a zone"),
        pytest.param("", "203.0.113.9", "", id="a unix socket"),
    ],
)
def test_the_client_is_the_nearest_hop_that_is_not_our_proxy(settings, remote, forwarded, address):
    settings.TRUSTED_PROXIES = PROXIES
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}

    assert client_address(RequestFactory().get("/", REMOTE_ADDR=remote, **headers)) == address


def test_without_trusted_proxies_nothing_is_believed():
    request = RequestFactory().get("/", REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="203.0.113.9")

    assert client_address(request) == "127.0.0.1"


def test_a_very_long_chain_is_read_from_its_end(settings):
    settings.TRUSTED_PROXIES = PROXIES
    chain = ", ".join(["203.0.113.9"] + ["10.0.0.1"] * 5000)

    assert client_address(RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=chain)) == "203.0.113.9"
