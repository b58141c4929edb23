"""Client tokens on the hub, the WebSocket and event streams, as browsers send them: in the address."""

import pytest
import requests

from conduit import clock
from keys.models import ClientToken
from keys.services import change_key
from tests.support.client_tokens import with_token
from tests.support.ending import end

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def in_address(listen, secret):
    return listen.events(secret="", path=f"/v1/events?access_token={secret}")


def test_a_token_of_one_task_is_told_of_that_alone_on_every_kind_of_stream(listen, consumer):
    mine, other = consumer.generate()["task_id"], consumer.generate()["task_id"]
    token = with_token(consumer, task_id=mine).secret
    socket, events, hub = listen.socket(secret=token), in_address(listen, token), listen.hub(secret=token)
    assert [stream.until_type("task.snapshot")["task"]["task_id"] for stream in (socket, events)] == [mine, mine]
    assert hub.invoke("SubscribeToTask", mine)["taskId"] == mine
    with pytest.raises(RuntimeError, match="no task of that id"):
        hub.invoke("SubscribeToTask", other)
    hub.invoke("UnsubscribeFromTask", mine)

    end(other, "cancelled")
    end(mine, "cancelled")

    for stream, name in ((socket, "task.cancelled"), (events, "task.cancelled"), (hub, "VideoGenerationCancelled")):
        stream.until_type(name)
        assert {message.get("taskId") or message["task"]["task_id"] for message in stream.seen} == {mine}
    foreign = listen.socket(secret=token, path=f"/ws/tasks/{other}")
    assert foreign.rest()[-1]["error"]["code"] == "task_not_found"
    assert requests.get(f"{listen.web.url}/v1/tasks/{other}/events?access_token={token}", timeout=30).status_code == 404


def test_a_token_of_the_key_is_told_of_all_its_tasks(listen, consumer):
    token = with_token(consumer).secret
    hub = listen.hub(secret=token).joined()

    task_id = with_token(consumer, create={}).generate()["task_id"]

    end(task_id, "cancelled")
    assert hub.until_type("VideoGenerationCancelled")["taskId"] == task_id


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (lambda key: ClientToken.objects.filter(creates=False).update(expires_at=clock.now()), "api_key_expired"),
        (lambda key: ClientToken.objects.filter(creates=False).delete(), "invalid_api_key"),
        (lambda key: change_key(key, who="test", enabled=False), "api_key_disabled"),
    ],
    ids=["over", "gone", "disabled"],
)
def test_streams_end_with_their_token_and_those_of_others_go_on_unless_the_key_ends(listen, consumer, stop, code):
    token, other = with_token(consumer).secret, with_token(consumer, create={}).secret
    socket, events, hub = listen.socket(secret=token), in_address(listen, token), listen.hub(secret=token)
    of_key, of_other = listen.socket(), listen.socket(secret=other)

    stop(consumer.key)

    assert socket.rest()[-1]["error"]["code"] == events.rest()[-1]["error"]["code"] == code
    assert socket.close_code == 4401
    hub.rest()
    assert "allowReconnect" not in hub.closing
    for stream in (of_key, of_other):
        if code == "api_key_disabled":
            assert stream.rest()[-1]["error"]["code"] == code
        else:
            stream.send("ping")
            assert stream.next() == {"type": "pong"}


def test_a_read_with_a_token_waits_for_the_end_of_its_task(listen, consumer):
    task_id = consumer.generate()["task_id"]
    token = with_token(consumer, task_id=task_id).secret

    answer = requests.get(
        f"{listen.web.url}/v1/tasks/{task_id}", headers={"Authorization": f"Bearer {token}", "Prefer": "wait=1"}, timeout=30
    )

    assert (answer.status_code, answer.json()["task_id"]) == (200, task_id)
    assert answer.elapsed.total_seconds() > 0.9
