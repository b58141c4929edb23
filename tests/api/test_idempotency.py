"""Idempotency-Key: what is sent again is answered again, and done once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conduit.api.idempotency import Idempotency
from conduit.api.jobs import forget_expired_answers
from conduit.api.models import KeptAnswer
from keys.models import Budget, VirtualKey
from tasks.models import Task
from tests.support.ending import end
from tests.support.envelopes import refused
from videos.models import BlockedTerm, VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PATH = "/v1/video/generations"
GOOD = {"model": "minimax-video", "prompt": "a cat"}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def create(consumer, key, **changed):
    return consumer.post(PATH, GOOD | changed, **{"Idempotency-Key": key})


def retry(consumer, task_id, key, body=None):
    return consumer.post(f"{PATH}/{task_id}/retry", body, **{"Idempotency-Key": key})


def created(answer) -> str:
    """The task of an answer that did something."""
    assert answer.status_code == 202, answer.content
    assert "Idempotent-Replayed" not in answer.headers
    return answer.json()["task_id"]


def replayed(answer, first) -> None:
    """Check that the answer is the first one's, and says so."""
    assert (answer.status_code, answer.headers.get("Idempotent-Replayed")) == (202, "true"), answer.content
    assert answer.content == first.content
    for name in ("Location", "Content-Type"):
        assert answer.headers[name] == first.headers[name]


def test_a_create_that_is_sent_again_is_answered_as_before_and_done_once(consumer, ledger):
    first = create(consumer, "k")
    task_id = created(first)
    end(task_id, "failed")

    again = create(consumer, "k")

    replayed(again, first)
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert Task.objects.count() == 1
    assert [entry for entry, _ in ledger(task_id)].count("hold") == 1


def test_a_first_answer_is_as_one_without_the_header(consumer):
    plain, first = consumer.post(PATH, GOOD), create(consumer, "k")

    assert set(first.json()) == set(plain.json())
    assert {name for name in plain.headers if name != "Content-Length"} <= set(first.headers)
    assert first.headers["Content-Type"] == plain.headers["Content-Type"] == "application/json"
    assert first.headers["Location"] == f"/v1/tasks/{first.json()['task_id']}"


def test_a_retry_that_is_sent_again_is_done_once(consumer):
    failed = consumer.generate()["task_id"]
    end(failed, "failed")

    first = retry(consumer, failed, "k")

    assert first.json()["retry_of"] == failed
    replayed(retry(consumer, failed, "k"), first)
    assert Task.objects.filter(retry_of=failed).count() == 1


@pytest.mark.parametrize(
    "body",
    [
        '{"prompt": "a c\\u0061t", "model": "minimax-video", "metadata": {"b": "2", "a": "1"}}',
        '{"model":"minimax-video","prompt":"a cat","metadata":{"a":"1","b":"2"}}\n',
    ],
)
def test_spaces_escapes_and_the_order_of_names_do_not_make_another_body(consumer, body):
    first = create(consumer, "k", metadata={"a": "1", "b": "2"})

    replayed(consumer.http.post(PATH, body, content_type="application/json", headers={"Idempotency-Key": "k"}), first)


@pytest.mark.parametrize("changed", [{"prompt": "a dog"}, {"duration": 7}, {"metadata": {"a": "1"}}, {"duration": "no"}])
def test_another_body_is_a_conflict_and_does_nothing(consumer, changed):
    first = create(consumer, "k")

    message = refused(create(consumer, "k", **changed), 409, "idempotency_conflict", "Idempotency-Key")

    assert "another body" in message
    assert Task.objects.count() == 1
    replayed(create(consumer, "k"), first)


def test_an_id_in_upper_case_is_the_same_call(consumer):
    failed = consumer.generate()["task_id"]
    end(failed, "failed")

    first = retry(consumer, failed.upper(), "k")

    created(first)
    replayed(retry(consumer, failed, "k"), first)
    assert Task.objects.filter(retry_of=failed).count() == 1


def test_another_body_of_a_retry_is_a_conflict(consumer):
    failed = consumer.generate()["task_id"]
    end(failed, "failed")
    created(retry(consumer, failed, "k"))

    refused(retry(consumer, failed, "k", {"why": "again"}), 409, "idempotency_conflict", "Idempotency-Key")


def test_an_error_is_not_kept_and_the_same_key_may_succeed_later(consumer):
    VideoModel.objects.update(enabled=False)
    refused(create(consumer, "k"), 404, "model_not_found", "model")
    refused(create(consumer, "k", duration="no"), 400, "invalid_request", "duration")
    assert KeptAnswer.objects.count() == 0

    VideoModel.objects.update(enabled=True)
    first = create(consumer, "k")

    created(first)
    replayed(create(consumer, "k"), first)


def test_a_crash_in_the_middle_leaves_no_claim(consumer, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("tasks.lifecycle._event_of", lambda *args: 1 / 0)
        refused(create(consumer, "k"), 500, "internal_error")
    assert KeptAnswer.objects.count() == 0

    created(create(consumer, "k"))
    assert Task.objects.count() == 1


def test_a_claim_that_was_never_answered_binds_nobody(consumer):
    created(create(consumer, "k"))
    KeptAnswer.objects.update(answer=None)

    refused(create(consumer, "k", duration="no"), 400, "invalid_request", "duration")
    created(create(consumer, "k", prompt="a dog"))
    assert KeptAnswer.objects.get().answer["status"] == 202


def test_a_claim_that_was_never_answered_does_not_bring_back_the_answer_that_expired_before(consumer, monkeypatch):
    old = created(create(consumer, "k"))
    KeptAnswer.objects.update(expires_at=NOON)
    claiming = Idempotency.claiming
    with monkeypatch.context() as patch:
        patch.setattr(Idempotency, "claiming", lambda self, answer, **about: claiming(self))
        created(create(consumer, "k"))

    assert created(create(consumer, "k")) != old


def test_the_first_answer_has_the_very_bytes_that_were_kept(consumer, monkeypatch):
    """A task that is shown once more may have come nearer to its end meanwhile."""
    monkeypatch.setattr("videos.views.show", lambda task, now: {"eta_seconds": "a second less"})

    first = create(consumer, "k")

    assert first.json()["status"] == "queued"
    replayed(create(consumer, "k"), first)


def test_what_was_accepted_is_answered_again_whatever_would_refuse_it_by_now(consumer):
    failed = consumer.generate()["task_id"]
    end(failed, "failed")
    first, second = create(consumer, "k"), retry(consumer, failed, "k")

    BlockedTerm.objects.create(term="cat")
    VideoModel.objects.update(enabled=False)

    replayed(create(consumer, "k"), first)
    replayed(retry(consumer, failed, "k"), second)
    refused(create(consumer, "k", prompt="a dog"), 409, "idempotency_conflict", "Idempotency-Key")


def test_money_that_is_spent_and_limits_that_are_full_do_not_refuse_a_call_that_was_accepted(consumer):
    Budget.objects.create(key=consumer.key, period="total", amount="0.2000")
    VirtualKey.objects.update(tasks_in_flight=1)
    first = create(consumer, "k")

    VirtualKey.objects.update(highest_price="0.1000", model_names=["another"])
    replayed(create(consumer, "k"), first)
    VirtualKey.objects.update(highest_price=None, model_names=[])
    replayed(create(consumer, "k"), first)
    assert create(consumer, "other").status_code == 429


def test_a_call_that_was_refused_for_want_of_money_succeeds_with_the_same_key_once_there_is_some(consumer):
    budget = Budget.objects.create(key=consumer.key, period="total", amount="0.1000")
    assert create(consumer, "k").status_code == 402

    Budget.objects.filter(pk=budget.pk).update(amount="0.2000")
    first = create(consumer, "k")

    created(first)
    replayed(create(consumer, "k"), first)


def test_another_virtual_keys_same_idempotency_key_is_independent(make_consumer):
    ann, bob = make_consumer("ann"), make_consumer("bob")

    tasks = {created(create(ann, "k")), created(create(bob, "k", prompt="a dog"))}

    assert len(tasks) == 2
    assert create(bob, "k", prompt="a dog").json()["prompt"] == "a dog"


def test_the_same_idempotency_key_on_another_path_is_independent(consumer):
    tasks = [created(create(consumer, "k")), created(create(consumer, "l"))]
    for task_id in tasks:
        end(task_id, "failed")

    retries = [created(retry(consumer, task_id, "k")) for task_id in tasks]

    assert len({*tasks, *retries}) == 4


@pytest.mark.parametrize("sent", ["", " ", "a b", "a\tb", "\u00e4", "x" * 256, "a\x7f"])
def test_a_malformed_header_is_refused_by_name(consumer, sent):
    message = refused(create(consumer, sent), 400, "invalid_request", "Idempotency-Key")

    assert "255" in message
    assert Task.objects.count() == 0


@pytest.mark.parametrize("sent", ["x" * 255, "!", '"7f9c"', "~".join("#$%&'*+,-./:;<=>?@[\\]^_`{|}")])
def test_any_visible_ascii_of_up_to_255_characters_will_do(consumer, sent):
    first = create(consumer, sent)

    created(first)
    replayed(create(consumer, sent), first)


@pytest.mark.parametrize("task_id", ["%00", "%FF", "x" * 300, "01a20278-ca5c-7589-8260-f58625356f59"])
def test_a_retry_of_a_task_that_there_is_not_is_404_with_the_header_too(consumer, task_id):
    refused(retry(consumer, task_id, "k"), 404, "task_not_found", "task_id")


def test_an_answer_is_kept_for_24_hours(consumer, time_travel):
    time_travel.move_to(NOON, tick=False)
    first = create(consumer, "k")

    time_travel.move_to(NOON + timedelta(hours=24, seconds=-1), tick=False)
    replayed(create(consumer, "k"), first)

    time_travel.move_to(NOON + timedelta(hours=24), tick=False)
    second = create(consumer, "k", prompt="a dog")
    assert created(second) != first.json()["task_id"]
    replayed(create(consumer, "k", prompt="a dog"), second)


def test_an_answer_that_expired_is_not_given_even_where_the_call_is_refused_now(consumer, time_travel):
    time_travel.move_to(NOON, tick=False)
    create(consumer, "k")
    VideoModel.objects.update(enabled=False)

    time_travel.move_to(NOON + timedelta(hours=24), tick=False)

    refused(create(consumer, "k"), 404, "model_not_found", "model")


def test_expired_answers_are_forgotten_and_others_stay(consumer, time_travel):
    time_travel.move_to(NOON, tick=False)
    create(consumer, "old")
    time_travel.move_to(NOON + timedelta(hours=1), tick=False)
    young = create(consumer, "young")

    time_travel.move_to(NOON + timedelta(hours=24), tick=False)
    forget_expired_answers()

    assert KeptAnswer.objects.count() == 1
    replayed(create(consumer, "young"), young)


def test_the_header_costs_one_query(consumer):
    consumer.post(PATH, GOOD)  # the catalogue is kept from now on
    with CaptureQueriesContext(connection) as without:
        consumer.post(PATH, GOOD)
    with CaptureQueriesContext(connection) as with_header:
        create(consumer, "k")

    assert len(with_header) == len(without) + 1


def test_an_answer_says_whose_it_is_and_one_that_the_release_before_kept_is_found(consumer):
    first = create(consumer, "k")
    assert KeptAnswer.objects.get().owner_kind == "key"

    with connection.cursor() as cursor:
        columns = "owner, call_hash, body_hash, answer, subject, expires_at"  # as it writes them
        cursor.execute(f"CREATE TEMPORARY TABLE before AS SELECT {columns} FROM api_keptanswer")
        cursor.execute("DELETE FROM api_keptanswer")
        cursor.execute(f"INSERT INTO api_keptanswer ({columns}) SELECT {columns} FROM before")
        cursor.execute("DROP TABLE before")

    replayed(create(consumer, "k"), first)
    assert KeptAnswer.objects.get().owner_kind == ""


def test_neither_the_idempotency_key_nor_the_secret_is_stored(consumer):
    create(consumer, "a-key-that-may-be-a-secret")

    [row] = KeptAnswer.objects.values()
    assert "a-key-that-may-be-a-secret" not in str(row)
    assert consumer.secret not in str(row)
