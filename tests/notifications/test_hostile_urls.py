"""Addresses that shall not be called: refused when they are given where that can be known, and again at each try"""

import socket

import pytest

from conduit.outbound import guard
from conduit.outbound.addresses import Allowed
from conduit.outbound.urls import fault_of
from tasks.notifications.models import Delivery, Endpoint, Try
from tests.support.envelopes import refused

BOTH = ("https", "http")
WANTED = {"name": "a", "event_types": ["task.queued"]}

# Known to be hostile without a look-up.
HOSTILE = [
    # private, loopback, link-local, metadata, groups, reserved
    "https://127.0.0.1/", "https://127.255.255.254/", "https://10.0.0.1/", "https://172.16.3.4/", "https://192.168.1.1/", "https://0.0.0.0/",
    "https://169.254.169.254/latest/meta-data/", "https://100.64.0.1/", "https://224.0.0.1/", "https://255.255.255.255/",
    "https://168.63.129.16/", "https://198.18.0.1/",
    # the same addresses in other spellings
    "https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.1/", "https://127.1/", "https://0177.0.0.1/",
    "https://127.0.0.01/", "https://10.1/", "https://0xa9.0xfe.0xa9.0xfe/", "https://127.0.0.1./",
    # IPv6, mapped and translated
    "https://[::1]/", "https://[::]/", "https://[fe80::1]/", "https://[fd00:ec2::254]/", "https://[ff02::1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[::ffff:8.8.8.8]/", "https://[64:ff9b::a9fe:a9fe]/", "https://[64:ff9b::8.8.8.8]/",
    "https://[2002:7f00:1::]/", "https://[2001:0:7f00:1::]/", "https://[::127.0.0.1]/",
    # names that are none of others'
    "https://localhost/", "https://LOCALHOST./", "https://a.localhost/",
    # who one is, and where else it might lead
    "https://user:secret@example.com/", "https://user@example.com/", "https://example.com@127.0.0.1/", "https://127.0.0.1#@example.com/",
    "https://example.com\\@127.0.0.1/", "https://127.0.0.1%2f@example.com/", "https://exa mple.com/", "https://127。0。0。1/",
    "https://example.com\r\nHost: localhost/", "https:///example.com", "https://[::1%25lo]/", "https://%31%32%37.0.0.1/",
    # ports and schemes
    "https://example.com:22/", "https://example.com:6379/", "https://example.com:80/", "https://example.com:99999/", "http://example.com:443/",
    "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com/", "example.com", "javascript:alert(1)", "https://",
]  # fmt: skip
FINE = ["https://example.com/", "https://example.com:443/a?b=c", "https://1.1.1.1/", "https://[2606:4700::1111]/x", "http://example.com/"]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_address_is_refused_when_it_is_given(url):
    assert fault_of(url, allowed=Allowed(), schemes=BOTH)


@pytest.mark.parametrize("url", FINE)
def test_an_ordinary_address_is_taken(url):
    assert fault_of(url, allowed=Allowed(), schemes=BOTH) is None


def test_what_the_place_allows_is_taken():
    allowed = Allowed.parse("10.0.0.5:8443,hooks.internal")

    assert fault_of("https://10.0.0.5:8443/", allowed=allowed, schemes=("https",)) is None
    assert fault_of("https://hooks.internal/", allowed=allowed, schemes=("https",)) is None
    assert fault_of("https://10.0.0.6:8443/", allowed=allowed, schemes=("https",))


@pytest.mark.django_db
def test_the_refusal_names_the_parameter_and_nothing_is_made(consumer, settings):
    settings.OUTBOUND_ALLOWED = Allowed()
    for url in HOSTILE:
        refused(consumer.post("/v1/webhook_endpoints", WANTED | {"url": url}), 400, "invalid_request", "url")
    assert not Endpoint.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:10.0.0.1"], ["64:ff9b::a00:1"], ["1.1.1.1", "127.0.0.1"]],
)
def test_a_name_that_leads_inside_is_not_called_and_its_owner_is_not_told_where_it_led(
    consumer, receiver, sends, settings, monkeypatch, addresses
):
    settings.OUTBOUND_ALLOWED = Allowed()
    made = consumer.post("/v1/webhook_endpoints", WANTED | {"url": "http://hooks.example.com/a"})
    assert made.status_code == 200
    monkeypatch.setattr(guard, "getaddrinfo", lambda host, port: [_answer(address, port) for address in addresses])
    consumer.generate()

    sends()

    assert receiver.received == []
    [tried] = Try.objects.all()
    assert tried.problem == "It leads to an address that may not be called from here."
    assert Delivery.objects.get().attempts == 1


@pytest.mark.django_db
def test_a_name_that_is_looked_up_again_between_check_and_connection_is_called_where_it_was_checked(consumer, receiver, sends, monkeypatch):
    port = int(receiver.url.rpartition(":")[2])
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    asked: list[str] = []

    def look_up(host: str, port: int) -> list[object]:
        asked.append(host)
        return [_answer(address, port) for address in next(answers)]

    monkeypatch.setattr(guard, "getaddrinfo", look_up)
    consumer.post("/v1/webhook_endpoints", WANTED | {"url": f"http://hooks.example.com:{port}/a"})
    consumer.generate()

    sends()

    assert (len(receiver.received), asked) == (1, ["hooks.example.com"])


def _answer(address: str, port: int) -> tuple[object, ...]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (family, socket.SOCK_STREAM, 6, "", (address, port))
