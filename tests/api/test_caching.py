"""What belongs to a key stays out of caches that others share."""

import pytest

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path",
    ["/v1/key", "/v1/usage", "/v1/usage?format=csv", "/v1/models", "/v1/tasks", "/v1/tasks/unknown", "/v1/unknown", "/v1/admin/keys"],
)
def test_an_answer_that_belongs_to_a_key_is_stored_nowhere(consumer, path):
    assert consumer.get(path).headers["Cache-Control"] == "private, no-store"


def test_so_is_the_answer_to_a_create_and_one_without_a_key(consumer, client):
    created = consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat"})

    assert (created.status_code, created.headers["Cache-Control"]) == (202, "private, no-store")
    assert client.get("/v1/tasks").headers["Cache-Control"] == "private, no-store"


def test_a_task_with_an_etag_may_be_kept_by_its_owner_who_asks_each_time(consumer):
    answer = consumer.get(f"/v1/tasks/{consumer.generate()['task_id']}")

    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["ETag"]
