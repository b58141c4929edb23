"""Addresses that shall not be called: refused when they are given where that can be known, and again at each try"""

import pytest

from conduit.outbound import guard
from conduit.outbound.addresses import Allowed
from conduit.outbound.urls import fault_of
from tasks.models import Task
from tasks.notifications import signing
from tasks.notifications.models import Delivery, Endpoint, Try
from tests.support.envelopes import refused
from tests.support.naming import NameServer, asking
from tests.support.receiving import Receiver

BOTH = ("https", "http")
REFUSED = "It leads to an address that may not be called from here."
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
    made = consumer.post("/v1/webhook_endpoints", WANTED | {"url": FINE[0]}).json()
    for url in HOSTILE:
        refused(consumer.post("/v1/webhook_endpoints", WANTED | {"url": url}), 400, "invalid_request", "url")
        refused(consumer.post(f"/v1/webhook_endpoints/{made['id']}", {"url": url}), 400, "invalid_request", "url")
        video = {"model": "minimax-video", "prompt": "a cat", "webhook_url": url}
        refused(consumer.post("/v1/video/generations", video), 400, "invalid_request", "webhook_url")
    assert Endpoint.objects.get().url == FINE[0]
    assert not Task.objects.exists()


@pytest.mark.django_db
def test_none_is_called_when_it_is_there_all_the_same(consumer, sends, settings, monkeypatch):
    """Such as one that an older version, or other settings, took."""
    settings.OUTBOUND_ALLOWED, settings.OUTBOUND_HTTP = Allowed(), True
    opened: list[object] = []
    monkeypatch.setattr(guard, "_opened", lambda place, *_: opened.append(place))
    secret = signing.fields_of(signing.new_secret())
    rows = [Endpoint(key=consumer.key, name="a", url=url, event_types=["task.queued"], wants_tasks=True, **secret) for url in HOSTILE]
    Endpoint.objects.bulk_create(rows)
    consumer.generate()

    sends()

    assert opened == []
    assert list(Try.objects.values_list("problem", flat=True)) == [REFUSED] * len(HOSTILE)


# ---- Names, which a real DNS server of the test's own answers for ----


@pytest.fixture
def names(monkeypatch):
    with NameServer() as server:
        monkeypatch.setattr(guard, "getaddrinfo", asking(server, guard.getaddrinfo))
        yield server


@pytest.mark.django_db
@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:10.0.0.1"], ["64:ff9b::a00:1"], ["1.1.1.1", "127.0.0.1"]],
)
def test_a_name_that_leads_inside_is_not_called_and_its_owner_is_not_told_where_it_led(
    consumer, receiver, sends, settings, names, addresses
):
    settings.OUTBOUND_ALLOWED = Allowed()
    made = consumer.post("/v1/webhook_endpoints", WANTED | {"url": "http://hooks.example.com/a"})
    assert made.status_code == 200
    names.answers["hooks.example.com"] = [addresses]
    consumer.generate()

    sends()

    assert names.asked == ["hooks.example.com"]
    assert receiver.received == []
    [tried] = Try.objects.all()
    assert tried.problem == REFUSED
    assert Delivery.objects.get().attempts == 1


@pytest.mark.django_db
def test_a_name_that_leads_elsewhere_between_check_and_connection_is_called_where_it_was_checked(consumer, receiver, sends, names):
    port = int(receiver.url.rpartition(":")[2])
    names.answers["hooks.example.com"] = [["127.0.0.1"], ["127.0.0.2"]]
    with Receiver("127.0.0.2", port) as inside:
        consumer.post("/v1/webhook_endpoints", WANTED | {"url": f"http://hooks.example.com:{port}/a"})
        consumer.generate()
        sends()
        assert (len(receiver.received), names.asked) == (1, ["hooks.example.com"])

        consumer.generate("the next try, which asks anew")
        sends()

    assert (len(receiver.received), len(names.asked), inside.received) == (1, 2, [])
    assert [tried.problem for tried in Try.objects.all()] == ["", REFUSED]
