"""Microsoft's own functional tests ask for these, over every transport and protocol; tests/browser does it from a page."""

import pytest

from tests.signalr.client import Node
from tests.signalr.expected import CASES, expected
from tests.signalr.servers import Service
from tests.signalr.wires import Wire


@pytest.mark.parametrize("case", CASES)
def test_microsofts_client_sees_what_it_sees_of_aspnet(two: Service, node: Node, wire: Wire, case: str) -> None:
    assert node.case(case, url=two.url, transport=wire.transport, protocol=wire.protocol) == expected(case, wire)
