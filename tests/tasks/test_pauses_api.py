"""/v1/admin/pauses, and new work that is refused"""

from datetime import timedelta

import pytest

from conduit import clock
from conduit.api.formats import rfc3339
from keys.models import AuditEntry
from keys.services import create_management_key
from tasks.models import Pause
from tests.support.audits import forget_audit
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.managing import Manager, make_manager
from tests.support.racing import in_threads
from videos.models import VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

CREATE = "/v1/video/generations"
WANTED = {"model": "minimax-video", "prompt": "a cat"}
WORDS = "We move house. Back at noon."


@pytest.fixture
def manager(db):
    manager = make_manager("ops")
    forget_audit()
    return manager


def audited():
    return [(row.action, row.target, row.who) for row in AuditEntry.objects.order_by("id")]


def ahead(**by):
    return rfc3339(clock.now() + timedelta(**by))


def test_a_pause_is_made_read_listed_changed_and_ended_and_each_change_is_audited(manager):
    until = ahead(hours=1)
    answer = manager("POST", "pauses", {"kind": "sending", "model": "minimax-video", "reason": "MiniMax is ill"})
    made = answer.json()
    who = str(manager.key)

    assert (answer.status_code, answer.headers["Location"]) == (201, f"/v1/admin/pauses/{made['id']}")
    assert made == {
        "id": made["id"], "object": "pause", "kind": "sending", "model": "video-01", "until": None, "reason": "MiniMax is ill",
        "message": None, "created_at": made["created_at"], "created_by": who,
    }  # fmt: skip
    assert manager.done("GET", f"pauses/{made['id']}") == made
    assert manager.done("GET", "pauses") == {
        "object": "list", "data": [made], "first_id": made["id"], "last_id": made["id"], "has_more": False,
    }  # fmt: skip
    changed = manager.done("PATCH", f"pauses/{made['id']}", {"until": until, "reason": None})
    assert changed == made | {"until": until, "reason": None}
    assert manager.done("DELETE", f"pauses/{made['id']}") == {"id": made["id"], "object": "pause", "deleted": True}
    assert manager.done("GET", "pauses")["data"] == []
    refused(manager("DELETE", f"pauses/{made['id']}"), 404, "not_found", "pause_id")
    assert audited() == [(action, f"pause:{made['id']}", who) for action in ("pause", "change", "resume")]


def test_an_idempotency_key_makes_one_pause(manager):
    first, again = (manager("POST", "pauses", {"kind": "media"}, **{"Idempotency-Key": "k"}) for _ in range(2))

    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (201, first.json(), "true")
    assert Pause.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "kind"),
        ({"kind": "everything"}, "kind"),
        ({"kind": "media", "model": "video-01"}, "model"),
        ({"kind": "sending", "model": "unknown"}, "model"),
        ({"kind": "sending", "model": 7}, "model"),
        ({"kind": "sending", "message": "no"}, "message"),
        ({"kind": "new_work", "message": " "}, "message"),
        ({"kind": "new_work", "message": "x" * 201}, "message"),
        ({"kind": "media", "reason": "a\0b"}, "reason"),
        ({"kind": "media", "until": "noon"}, "until"),
        ({"kind": "media", "until": "2020-01-01T00:00:00Z"}, "until"),
        ({"kind": "media", "who": "me"}, "who"),
    ],
)
def test_what_is_wrong_with_a_pause_is_named_and_nothing_is_stopped(manager, body, param):
    assert f"`{param}`" in refused(manager("POST", "pauses", body), 400, "invalid_request", param)
    assert not Pause.objects.exists()


@pytest.mark.parametrize(("body", "param"), [({"kind": "media"}, "kind"), ({"message": "no"}, "message"), ({"until": 7}, "until")])
def test_what_is_wrong_with_a_change_is_named(manager, body, param):
    pause = manager.done("POST", "pauses", {"kind": "sending"})

    refused(manager("PATCH", f"pauses/{pause['id']}", body), 400, "invalid_request", param)
    assert manager.done("GET", f"pauses/{pause['id']}") == pause


def test_what_is_paused_already_is_not_paused_twice(manager):
    manager.done("POST", "pauses", {"kind": "sending", "model": "video-01"})

    refused(manager("POST", "pauses", {"kind": "sending", "model": "minimax-video"}), 409, "conflict")
    manager.done("POST", "pauses", {"kind": "sending"})
    refused(manager("POST", "pauses", {"kind": "sending"}), 409, "conflict")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_several_who_pause_the_same_at_once_one_does(manager):
    answers = in_threads(*[lambda: manager("POST", "pauses", {"kind": "media"}).status_code] * 4)

    assert sorted(answers) == [201, 409, 409, 409]
    assert [action for action, *_ in audited()] == ["pause"]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_several_who_end_a_pause_at_once_one_does(manager):
    address = f"pauses/{manager.done('POST', 'pauses', {'kind': 'media'})['id']}"

    answers = in_threads(*[lambda: manager("DELETE", address).status_code] * 4)

    assert sorted(answers) == [200, 404, 404, 404]
    assert [action for action, *_ in audited()] == ["pause", "resume"]


def test_a_pause_whose_end_has_come_stands_in_nobodys_way_and_its_end_is_audited(manager, time_travel):
    time_travel.move_to(clock.now())
    first = manager.done("POST", "pauses", {"kind": "media", "until": ahead(minutes=5)})
    time_travel.shift(301)

    manager.done("POST", "pauses", {"kind": "media"})

    assert ("resume", f"pause:{first['id']}", "the pause's own end") in audited()


def test_who_may_only_read_stops_nothing_and_who_may_only_operate_reads_nothing(manager):
    pause = manager.done("POST", "pauses", {"kind": "media"})
    reader, operator = (Manager(*create_management_key(name=scope, who="root", scopes=[scope])) for scope in ("read", "operate"))

    assert reader.done("GET", "pauses")["data"] == [pause]
    for method, path in (("POST", "pauses"), ("PATCH", f"pauses/{pause['id']}"), ("DELETE", f"pauses/{pause['id']}")):
        refused(reader(method, path, {}), 403, "scope_not_allowed")
    refused(operator("GET", "pauses"), 403, "scope_not_allowed")
    operator.done("DELETE", f"pauses/{pause['id']}")


def test_a_virtual_key_opens_no_pauses(consumer):
    refused(consumer.get("/v1/admin/pauses"), 401, "invalid_api_key")


# ---- New work -----------------------------------------------------------------------------------------------------------


def test_new_work_is_refused_in_the_operators_words_until_that_is_over(manager, consumer):
    failed = end(consumer.generate()["task_id"], "failed")
    pause = manager.done("POST", "pauses", {"kind": "new_work", "message": WORDS})

    create = consumer.post(CREATE, WANTED)
    retry = consumer.post(f"{CREATE}/{failed.pk}/retry")
    of_operator = manager("POST", f"tasks/{failed.pk}/retry")

    for answer in (create, retry, of_operator):
        assert refused(answer, 503, "overloaded") == WORDS
        assert answer.headers["Retry-After"] == "60"
    assert consumer.get("/v1/tasks").json()["data"] == [consumer.task(str(failed.pk))]
    manager.done("DELETE", f"pauses/{pause['id']}")
    assert consumer.post(CREATE, WANTED).status_code == 202


def test_a_refusal_without_words_of_its_own_says_that_nothing_is_accepted_and_when_to_come_back(manager, consumer, time_travel):
    time_travel.move_to(clock.now(), tick=False)
    manager.done("POST", "pauses", {"kind": "new_work", "until": ahead(minutes=10), "reason": "secret plans"})

    answer = consumer.post(CREATE, WANTED)

    words = refused(answer, 503, "overloaded")
    assert "not accepted right now" in words
    assert "secret plans" not in words
    assert answer.headers["Retry-After"] == "600"
    time_travel.shift(601)
    assert consumer.post(CREATE, WANTED).status_code == 202


def test_estimates_reads_and_cancels_go_on_while_new_work_is_refused(manager, consumer):
    task_id = consumer.generate()["task_id"]
    manager.done("POST", "pauses", {"kind": "new_work"})

    assert consumer.post(f"{CREATE}/estimate", WANTED).status_code == 200
    assert consumer.task(task_id)["status"] == "queued"
    assert consumer.get("/v1/models").status_code == 200
    assert consumer.delete(f"{CREATE}/{task_id}").status_code == 200


def test_what_was_accepted_before_is_answered_again_and_what_was_refused_may_be_sent_again(manager, consumer):
    first = consumer.post(CREATE, WANTED, **{"Idempotency-Key": "before"})
    pause = manager.done("POST", "pauses", {"kind": "new_work"})

    again = consumer.post(CREATE, WANTED, **{"Idempotency-Key": "before"})
    new = consumer.post(CREATE, WANTED, **{"Idempotency-Key": "new"})
    manager.done("DELETE", f"pauses/{pause['id']}")
    new_again = consumer.post(CREATE, WANTED, **{"Idempotency-Key": "new"})

    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (202, first.json(), "true")
    refused(new, 503, "overloaded")
    assert (new_again.status_code, "Idempotent-Replayed" in new_again.headers) == (202, False)


def test_a_request_that_could_never_be_made_is_told_so_rather_than_to_come_back(manager, consumer):
    manager.done("POST", "pauses", {"kind": "new_work"})

    refused(consumer.post(CREATE, WANTED | {"duration": 61}), 400, "invalid_request", "duration")


def test_other_pauses_refuse_no_new_work(manager, consumer):
    manager.done("POST", "pauses", {"kind": "sending"})
    manager.done("POST", "pauses", {"kind": "media"})

    assert consumer.post(CREATE, WANTED).status_code == 202


def test_a_model_that_is_gone_keeps_its_pause_from_nothing(manager):
    pause = manager.done("POST", "pauses", {"kind": "sending", "model": "video-01"})
    VideoModel.objects.filter(name="video-01").update(name="video-02", aliases=[])

    assert manager.done("GET", f"pauses/{pause['id']}")["model"] == "video-01"
    manager.done("DELETE", f"pauses/{pause['id']}")
