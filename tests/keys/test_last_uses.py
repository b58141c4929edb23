"""When and from where a key was last used."""

from datetime import timedelta
from ipaddress import ip_network

import pytest

from conduit import clock
from keys import rates
from keys.jobs import note_last_uses
from keys.models import VirtualKey
from tests.support.valkey import ValkeyForTests

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PATH = "/v1/tasks"


@pytest.fixture(autouse=True)
def own_valkey(settings):
    server = ValkeyForTests()
    server.start()
    settings.REDIS_URL = server.url
    yield
    server.stop()


def last_use(consumer):
    note_last_uses()
    return VirtualKey.objects.values_list("last_used_at", "last_used_from").get(pk=consumer.key.pk)


def test_a_call_writes_nothing_and_is_noted_soon_after(consumer, django_assert_num_queries):
    with django_assert_num_queries(1):
        consumer.get("/v1/tasks/unknown")

    at, address = last_use(consumer)

    near = timedelta(minutes=1)  # Redis's clock told it, and the database's is asked
    assert clock.now() - near < at < clock.now() + near
    assert address == "127.0.0.1"


def test_a_key_that_was_never_used_says_so(consumer):
    assert last_use(consumer) == (None, None)


def test_the_newest_use_counts(consumer, settings):
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    for address in ("203.0.113.1", "2001:db8::2"):
        consumer.get(PATH, **{"X-Forwarded-For": address})

    assert last_use(consumer)[1] == "2001:db8::2"


def test_a_link_local_address_is_noted_without_its_zone(consumer):
    consumer.http.get(PATH, REMOTE_ADDR="fe80::1%eth0")

    assert last_use(consumer)[1] == "fe80::1"


def test_each_key_has_its_own(make_consumer):
    used, unused = make_consumer("ann"), make_consumer("bob")
    used.get(PATH)

    assert last_use(used)[0] is not None
    assert last_use(unused)[0] is None


def test_a_use_from_no_address_is_noted_without_one(consumer):
    consumer.http.get(PATH, REMOTE_ADDR="")

    at, address = last_use(consumer)

    assert (at is not None, address) == (True, None)


def test_a_key_that_is_not_used_again_is_not_written_again(consumer, django_assert_num_queries):
    consumer.get(PATH)
    first = last_use(consumer)

    with django_assert_num_queries(0):
        note_last_uses()

    assert last_use(consumer) == first


def test_a_use_is_not_lost_when_its_writing_was_interrupted(consumer):
    consumer.get(PATH)
    rates.take_last_uses()  # and then the process died

    assert last_use(consumer)[0] is not None


def test_an_older_use_never_replaces_a_newer_one(consumer):
    consumer.get(PATH)
    newer = clock.now() + timedelta(hours=1)
    VirtualKey.objects.update(last_used_at=newer)

    assert last_use(consumer)[0] == newer
