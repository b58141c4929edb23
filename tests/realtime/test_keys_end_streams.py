"""A key that is no longer good ends its streams within seconds, and says why."""

from datetime import timedelta

import pytest

from conduit import clock
from keys.models import VirtualKey
from keys.services import change_key, delete_key, rotate_key

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def disable(key):
    change_key(key, who="test", enabled=False)


def expire(key):
    VirtualKey.objects.filter(pk=key.pk).update(expires_at=clock.now())


def delete(key):
    delete_key(key, who="test")


def rotate(key):
    rotate_key(key, who="test", grace=timedelta())


def move_away(key):
    change_key(key, who="test", ip_ranges=["203.0.113.0/24"])


@pytest.mark.parametrize(
    ("end", "code", "status"),
    [
        (disable, "api_key_disabled", 401),
        (expire, "api_key_expired", 401),
        (delete, "invalid_api_key", 401),
        (rotate, "api_key_expired", 401),
        (move_away, "ip_not_allowed", 403),
    ],
)
def test_streams_of_a_key_that_may_no_longer_be_used_are_closed_with_the_reason(listen, consumer, make_consumer, end, code, status):
    other = listen.socket(secret=make_consumer("another").secret)
    socket, events, hub = listen.socket(), listen.events(), listen.hub()

    end(consumer.key)

    assert socket.rest()[-1]["error"]["code"] == events.rest()[-1]["error"]["code"] == code
    assert socket.close_code == 4000 + status
    hub.rest()
    assert "key" in hub.closing["error"]
    assert "allowReconnect" not in hub.closing
    other.send("ping")
    assert other.next() == {"type": "pong"}


def test_a_secret_in_its_time_of_grace_keeps_its_streams_and_a_new_one_opens_others(listen, consumer):
    socket = listen.socket()
    renewed = rotate_key(consumer.key, who="test", grace=timedelta(hours=1))
    listen.socket(secret=renewed)
    task_id = consumer.generate()["task_id"]

    assert socket.next()["task"]["task_id"] == task_id
