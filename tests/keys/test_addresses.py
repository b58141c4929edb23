"""Where a key may be used from, however its ranges and the caller's address are written."""

import pytest

from conduit.api.errors import Forbidden
from keys import limits
from keys.models import VirtualKey


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [
        ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.1"),
        ("::ffff:10.1.2.3", "10.1.2.3", "10.1.2.4"),
        ("::ffff:0:0/96", "203.0.113.9", "2001:db8::1"),
        ("::/0", "2001:db8::1", "203.0.113.9"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.0.0.1"),
        ("2001:db8::/32", "2001:0DB8:0::1", "2001:db9::1"),
        ("10.1.2.3/8", "10.9.9.9", ""),
    ],
)
def test_an_address_of_a_range_is_let_in_and_no_other(written, inside, outside):
    key = VirtualKey(ip_ranges=["192.0.2.1", written])

    limits.check_address(key, inside)
    with pytest.raises(Forbidden, match="may not be used from"):
        limits.check_address(key, outside)
