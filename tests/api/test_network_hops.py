"""Hops of X-Forwarded-For as other proxies than nginx write them."""

from ipaddress import ip_network

import pytest

from conduit.api.network import nearest_client


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.9:51234", "203.0.113.9"),
        ("[2001:db8:ffff::7]:443", "2001:db8:ffff::7"),
        ("198.51.100.1:80, 203.0.113.9:51234, 10.0.0.7:8080", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:51234", "203.0.113.9"),
        ("2001:db8::1:443", "2001:db8::1:443"),  # without brackets it is all address
        ("203.0.113.9:port", "10.1.2.3"),
        ("203.0.113.9:", "10.1.2.3"),
        ("[203.0.113.9:80", "10.1.2.3"),
        (":80", "10.1.2.3"),
    ],
)
def test_a_hop_may_have_a_port_and_garbage_still_ends_the_trust(settings, forwarded, client):
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]

    assert nearest_client("10.1.2.3", forwarded) == client
