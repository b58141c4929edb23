"""OpenAI's Videos API over the same tasks, byte by byte as its clients send and read it."""

import uuid
from functools import partial

import pytest
from django.db import connection

from conduit import clock
from keys.models import UsageCost, VirtualKey
from tasks.models import Task
from tasks.notifications.models import TaskTarget
from tests.support.finished_videos import finished_video
from tests.support.racing import in_threads
from videos.dialects.openai import repeats
from videos.models import RepeatableCreate, ResolutionFactor, VideoModel

pytestmark = pytest.mark.django_db

WANTED = {"prompt": "a cat", "seconds": "4", "size": "1280x720"}


def multipart(fields, boundary="xyz", of_part=""):
    """As httpx writes a form without files; `of_part`: a line more in each part."""
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n{of_part}\r\n{value}\r\n' for name, value in fields.items()]
    return "".join([*parts, f"--{boundary}--\r\n"]).encode(), f"multipart/form-data; boundary={boundary}"


def post(consumer, wanted, path="/v1/videos", **headers):
    return consumer.http.post(path, *multipart(wanted), headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_create_is_answered_with_a_video_that_is_a_task_too(consumer, ledger):
    answer = post(consumer, WANTED | {"model": "minimax-video"})

    assert answer.status_code == 200
    video = answer.json()
    task = consumer.task(video["id"])
    assert video == {
        "id": task["task_id"],
        "object": "video",
        "model": "minimax-video",
        "status": "queued",
        "progress": 0,
        "created_at": int(Task.objects.get().created_at.timestamp()),
        "completed_at": None,
        "expires_at": None,
        "seconds": "4",
        "size": "1280x720",
        "prompt": "a cat",
        "remixed_from_video_id": None,
        "error": None,
    }
    assert (task["prompt"], task["duration"], task["resolution"], task["cost"]["held"]) == ("a cat", 4, "1280x720", "0.1333")
    assert [entry for entry, _ in ledger(video["id"])] == ["hold"]
    assert consumer.get(f"/v1/videos/{video['id']}").json() == video


@pytest.mark.parametrize(
    "send",
    [
        lambda consumer: post(consumer, WANTED),
        lambda consumer: consumer.http.post("/v1/videos", *multipart(WANTED, of_part="Content-Type: text/plain; charset=utf-8\r\n")),
        lambda consumer: consumer.post("/v1/videos", WANTED),
        lambda consumer: consumer.post("/v1/videos", WANTED | {"seconds": 4, "model": None, "input_reference": None}),
    ],
    ids=["multipart", "parts with a type", "JSON", "JSON with numbers and nulls"],
)
def test_each_way_in_which_clients_write_it_is_the_same_request(consumer, send):
    answer = send(consumer)

    assert answer.status_code == 200, answer.content
    assert {name: answer.json()[name] for name in ("model", "prompt", "seconds", "size")} == {
        "model": "minimax-video", "prompt": "a cat", "seconds": "4", "size": "1280x720",
    }  # fmt: skip


def test_what_a_client_leaves_out_is_what_openai_made_of_it(consumer):
    video = post(consumer, {"prompt": "a cat"}).json()

    assert (video["model"], video["seconds"], video["size"]) == ("minimax-video", "4", "720x1280")


def test_an_alias_that_an_administrator_adds_is_the_model_that_is_shown(consumer):
    VideoModel.objects.filter(name="video-01").update(aliases=["minimax-video", "sora-2"])

    assert post(consumer, WANTED | {"model": "sora-2"}).json()["model"] == "sora-2"


@pytest.mark.parametrize(
    ("wanted", "param", "words"),
    [
        ({"prompt": "a cat", "size": "1024x1792"}, "size", "720x480, 1280x720, 1920x1080, 720x1280, 1080x1920"),
        ({"prompt": "a cat", "seconds": "61"}, "seconds", "from 1 to 60"),
        ({"prompt": "a cat", "seconds": "4.5"}, "seconds", "from 1 to 60"),
        ({"seconds": "4"}, "prompt", "required"),
        ({"prompt": " "}, "prompt", "blank"),
        ({"prompt": "a cat", "duration": "4"}, "duration", "not a parameter"),
        ({"prompt": "a cat", "input_reference": "x"}, "input_reference", "not supported"),
        ({"prompt": "a cat", "input_reference[image_url]": "https://example.com/a.png"}, "input_reference", "not supported"),
    ],
)
def test_bad_input_is_refused_by_name(consumer, wanted, param, words):
    answer = post(consumer, wanted)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert words in answer.json()["error"]["message"]
    assert not Task.objects.exists()


def test_a_size_that_the_model_does_not_make_is_refused_by_its_name_here_with_those_that_it_makes(consumer):
    ResolutionFactor.objects.filter(model__name="video-01", resolution="1920x1080").delete()

    answer = post(consumer, WANTED | {"size": "1920x1080"})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "size")
    assert "1280x720" in answer.json()["error"]["message"]


def test_a_length_that_the_key_may_not_have_is_refused_by_its_name_here(consumer):
    VirtualKey.objects.update(longest_seconds=3)

    answer = post(consumer, WANTED)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "seconds")


def test_a_picture_is_refused_by_name(consumer):
    head = 'Content-Disposition: form-data; name="input_reference"; filename="a.png"\r\nContent-Type: image/png'
    body = f"--b\r\n{head}\r\n\r\nPNG\r\n--b--\r\n".encode()
    answer = consumer.http.post("/v1/videos", body, "multipart/form-data; boundary=b")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input_reference")


@pytest.mark.parametrize("body", [b"", b"--b", b"no form"])
def test_a_broken_form_is_400(consumer, body):
    answer = consumer.http.post("/v1/videos", body, "multipart/form-data; boundary=b")

    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("path", ["edits", "extensions", "characters"])
def test_what_is_not_made_here_says_so(consumer, path):
    answer = consumer.post(f"/v1/videos/{path}", {})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


def test_every_answer_says_when_to_ask_again(consumer):
    answers = [post(consumer, WANTED), post(consumer, {}), consumer.get("/v1/videos"), consumer.get("/v1/videos/nothing")]

    assert [answer.headers["openai-poll-after-ms"] for answer in answers] == ["1500"] * 4


@pytest.mark.parametrize(
    ("status", "shown", "code"),
    [("completed", "completed", None), ("failed", "failed", "provider_error"), ("cancelled", "failed", "cancelled")],
)
def test_each_end_has_the_word_that_clients_know(consumer, status, shown, code):
    video = finished_video(b"mp4", status=status)
    Task.objects.update(key=consumer.key)

    found = consumer.get(f"/v1/videos/{video.pk}").json()

    assert (found["status"], found["error"] and found["error"]["code"]) == (shown, code)
    assert (found["completed_at"] is None) == (status != "completed")
    if code:
        assert found["error"]["message"]


def test_another_keys_video_is_not_found(consumer, make_consumer):
    video = post(make_consumer("other"), WANTED).json()

    for path in (f"/v1/videos/{video['id']}", f"/v1/videos/{video['id']}/content", "/v1/videos/no-id"):
        assert (consumer.get(path).status_code, consumer.get(path).json()["error"]["code"]) == (404, "video_not_found")
    assert consumer.get("/v1/videos").json()["data"] == []
    assert consumer.get(f"/v1/videos?after={video['id']}").status_code == 400


def test_lists_lead_by_the_last_id_to_the_end_in_both_orders(consumer):
    made = [post(consumer, WANTED).json()["id"] for _ in range(5)]

    for order, expected in (("asc", made), ("desc", made[::-1])):
        found, after = [], ""
        while True:
            page = consumer.get(f"/v1/videos?limit=2&order={order}{after}").json()
            assert (page["object"], page["first_id"], page["last_id"]) == ("list", page["data"][0]["id"], page["data"][-1]["id"])
            found += [video["id"] for video in page["data"]]
            after = f"&after={page['last_id']}"
            if not page["has_more"]:
                break
        assert found == expected
    assert consumer.get("/v1/videos?order=newest").json()["error"]["param"] == "order"


# ---- Content and remixes


def test_the_content_is_the_file_by_its_owners_key_alone(consumer, make_consumer, media):
    video = finished_video(b"0123456789", b"a picture")
    Task.objects.update(key=consumer.key)

    answer = consumer.get(f"/v1/videos/{video.pk}/content", Accept="application/binary")
    assert (answer.status_code, b"".join(answer.streaming_content), answer.headers["Content-Type"]) == (200, b"0123456789", "video/mp4")
    part = consumer.get(f"/v1/videos/{video.pk}/content?variant=video", Range="bytes=2-4")
    assert (part.status_code, b"".join(part.streaming_content)) == (206, b"234")
    assert b"".join(consumer.get(f"/v1/videos/{video.pk}/content?variant=thumbnail").streaming_content) == b"a picture"
    assert consumer.get(f"/v1/videos/{video.pk}/content?variant=gif").json()["error"]["param"] == "variant"
    assert make_consumer("other").get(f"/v1/videos/{video.pk}/content").status_code == 404


def test_content_that_its_owner_deleted_is_gone(consumer, media):
    video = finished_video(b"mp4")
    Task.objects.update(key=consumer.key)
    consumer.delete(f"/v1/tasks/{video.pk}/media")

    for variant in ("video", "thumbnail", "spritesheet"):
        answer = consumer.get(f"/v1/videos/{video.pk}/content?variant={variant}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "media_deleted")


@pytest.mark.parametrize(
    ("given", "types"),
    [({}, ["video.completed", "video.failed"]), ({"webhook_events": ["task.queued"]}, ["task.queued"])],
    ids=["OpenAI's own", "those that it names"],
)
def test_a_create_and_a_remix_may_say_where_webhooks_of_it_go(consumer, media, given, types):
    original = finished_video(b"mp4")
    Task.objects.update(key=consumer.key)
    hook = {"webhook_url": "https://app.example.com/hooks"} | given

    for path, wanted in (("/v1/videos", WANTED), (f"/v1/videos/{original.pk}/remix", {"prompt": "a dog"})):
        made = consumer.post(path, wanted | hook)
        target = TaskTarget.objects.get(task_id=made.json()["id"])
        assert (target.url, target.event_types) == (hook["webhook_url"], types)


def test_where_webhooks_go_is_part_of_what_a_try_repeats(consumer):
    one = consumer.post("/v1/videos", WANTED | {"webhook_url": "https://app.example.com/one"}).json()
    other = consumer.post("/v1/videos", WANTED | {"webhook_url": "https://app.example.com/two"}, **{"x-stainless-retry-count": "1"}).json()
    same = consumer.post("/v1/videos", WANTED | {"webhook_url": "https://app.example.com/one"}, **{"x-stainless-retry-count": "1"}).json()

    assert (same["id"], other["id"] != one["id"]) == (one["id"], True)


@pytest.mark.parametrize("url", ["ftp://app.example.com", "http://127.0.0.1/hooks", "nowhere"])
def test_an_address_that_may_not_be_called_is_refused_by_name(consumer, url):
    answer = post(consumer, WANTED | {"webhook_url": url})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "webhook_url")


def test_a_video_that_is_not_made_has_no_content(consumer):
    video = post(consumer, WANTED).json()

    answer = consumer.get(f"/v1/videos/{video['id']}/content")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "video_not_ready")


def test_a_remix_is_a_new_task_with_another_prompt(consumer, media):
    original = finished_video(b"mp4")
    Task.objects.update(key=consumer.key)

    remix = consumer.post(f"/v1/videos/{original.pk}/remix", {"prompt": "a dog"}).json()

    assert remix["remixed_from_video_id"] == str(original.pk)
    assert (remix["prompt"], remix["model"], remix["seconds"], remix["size"]) == ("a dog", "minimax-video", "6", "1280x720")
    under_way = consumer.post(f"/v1/videos/{remix['id']}/remix", {"prompt": "a bird"})
    assert (under_way.status_code, under_way.json()["error"]["param"]) == (400, "video_id")
    assert consumer.post(f"/v1/videos/{original.pk}/remix", {}).json()["error"]["param"] == "prompt"


# ---- Creates that clients send again


def again(consumer, count, wanted=WANTED, **headers):
    return post(consumer, wanted, x_stainless_retry_count=str(count), **headers).json()["id"]


def test_a_try_that_is_sent_again_is_the_same_task_however_its_form_is_written(consumer):
    first = again(consumer, 0)
    body, kind = multipart(WANTED, boundary="another")
    second = consumer.http.post("/v1/videos", body, kind, headers={"x-stainless-retry-count": "1"}).json()["id"]

    assert (second, again(consumer, 2)) == (first, first)
    assert (Task.objects.count(), UsageCost.objects.count()) == (1, 1)


def test_first_tries_are_never_taken_for_each_other(consumer):
    assert len({again(consumer, 0), again(consumer, 0), post(consumer, WANTED).json()["id"]}) == 3


def test_each_task_answers_each_count_once(consumer):
    first, second = again(consumer, 0), again(consumer, 0)

    assert {again(consumer, 1), again(consumer, 1)} == {first, second}
    third = again(consumer, 1)  # a try whose first never came
    assert third not in (first, second)
    assert {again(consumer, 2) for _ in range(3)} == {first, second, third}


def test_a_try_is_not_answered_with_another_request_another_keys_or_an_old_one(consumer, make_consumer, time_travel):
    first = again(consumer, 0)

    assert again(consumer, 1, WANTED | {"prompt": "a dog"}) != first
    assert again(make_consumer("other"), 1) != first
    time_travel.move_to(clock.now() + repeats.REPEATED_WITHIN)
    assert again(consumer, 1) != first


@pytest.mark.parametrize("count", ["", "-1", "one", "1e3", "²", "9" * 40])
def test_a_count_that_no_client_sends_is_a_first_try(consumer, count):
    first = again(consumer, 0)

    assert again(consumer, count) != first


def test_an_idempotency_key_says_which_call_it_is(consumer):
    name = str(uuid.uuid4())
    first = post(consumer, WANTED, idempotency_key=name, x_stainless_retry_count="0")
    second = post(consumer, WANTED, idempotency_key=name, x_stainless_retry_count="1")

    assert (second.json(), second.headers["Idempotent-Replayed"]) == (first.json(), "true")
    other = post(consumer, WANTED | {"prompt": "a dog"}, idempotency_key=name)
    assert (other.status_code, other.headers["x-should-retry"]) == (409, "false")


def test_what_nobody_repeats_any_more_is_forgotten(consumer, time_travel):
    again(consumer, 0)
    repeats.forget_old()
    assert RepeatableCreate.objects.exists()

    time_travel.move_to(clock.now() + repeats.KEPT)
    repeats.forget_old()

    assert not RepeatableCreate.objects.exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite writes one at a time")
def test_tries_at_once_are_one_task_for_each_first_try(make_consumer):
    consumer = make_consumer("ann")
    firsts = {again(consumer, 0) for _ in range(4)}

    found = in_threads(*[partial(again, consumer, 1 + number % 2) for number in range(8)])

    assert sorted(found) == sorted([*firsts, *firsts])
    assert {str(pk) for pk in Task.objects.values_list("pk", flat=True)} == firsts
