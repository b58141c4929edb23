"""A page does with the echo hub what Microsoft's own functional tests do: the cases that tests/signalr runs in node."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.settings import VALKEY
from tests.signalr.conftest import ROOMY
from tests.signalr.expected import CASES, expected
from tests.signalr.servers import Service
from tests.signalr.wires import WIRES, Wire

RUN = """async ([name, options]) => {
  const { casesOf } = await import("/cases.mjs");
  return await casesOf(signalR, signalR.protocols.msgpack.MessagePackHubProtocol)(name, options);
}"""


@pytest.fixture(scope="module")
def echo() -> Iterator[Service]:
    service = Service(VALKEY.url, processes=2, **ROOMY)
    yield service
    service.close()


@pytest.fixture(scope="module")
def elsewhere(browser: Browser, origin: str) -> Iterator[Page]:
    """One page of another origin for all cases."""
    page = browser.new_page()
    page.goto(f"{origin}/")
    yield page
    page.close()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.short)
def test_a_page_sees_what_it_sees_of_aspnet(elsewhere: Page, echo: Service, wire: Wire, case: str) -> None:
    options: dict[str, Any] = {"url": echo.url, "transport": wire.transport, "protocol": wire.protocol, "token": "secret-page"}
    assert elsewhere.evaluate(RUN, [case, options]) == expected(case, wire)
