"""MiniMax-H3's API: real HTTP statuses, records in place of files, and a cancel that must be believed only from the record."""

import base64
import threading
from dataclasses import replace

import pytest

from tests.support.clients import v2_client_of
from tests.support.lookalike import DROP, Answer, LookAlike
from tests.support.lookalike_v2 import error
from tests.support.pictures import jpeg, png
from videos.minimax.errors import MiniMaxError, Outcome
from videos.minimax.provider import Order, Phase
from videos.minimax.v2 import MiniMaxV2

ORDER = Order("MiniMax-H3", "a cat", seconds=4, resolution="768P", ratio="9:16")
AGAIN, LATER, INVALID = (Outcome.AGAIN, "provider_error"), (Outcome.LATER, "rate_limit"), (Outcome.FINAL, "invalid_request")
AUTH, QUOTA = (Outcome.OPERATOR, "provider_auth"), (Outcome.OPERATOR, "provider_quota")
POLICY, UNKNOWN = (Outcome.FINAL, "content_policy_violation"), (Outcome.UNKNOWN, "provider_timeout")
GONE = (Outcome.FINAL, "provider_error")


@pytest.fixture
def client(minimax: LookAlike) -> MiniMaxV2:
    return v2_client_of(minimax)


def failure(act) -> MiniMaxError:
    with pytest.raises(MiniMaxError) as caught:
        act()
    return caught.value


def verdict(act) -> tuple[Outcome, str]:
    caught = failure(act)
    return caught.outcome, caught.code


def refused(http: int, message: str = "no", kind: str = "some_error") -> Answer:
    """An error of V2's own."""
    return Answer(http, message=message, fields={"error": {"type": kind, "message": message, "http_code": str(http)}})


# ---- An ordinary day --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("numeric", [True, False])
def test_a_job_goes_from_prompt_to_a_fresh_link_each_time(numeric):
    with LookAlike(numeric_ids=numeric, video=lambda job: b"\0\0\0\x18ftypisom" + bytes(100)) as minimax:
        client = v2_client_of(minimax)
        task_id = client.create(ORDER)
        assert task_id == minimax.jobs[0].task_id
        states = [client.query(task_id) for _ in minimax.statuses_v2]
        assert [state.phase for state in states] == [Phase.QUEUED, Phase.RUNNING, Phase.SUCCEEDED]
        assert [state.file_id for state in states] == [None, None, task_id]
        first, second = (client.locate(task_id).url for _ in range(2))
        assert first != second
        for url in (first, second):
            with client.download(url, expected_size=None) as clip:
                assert clip.read() == minimax.video(minimax.jobs[0])
        assert ["Authorization" in request.headers for request in minimax.calls("download")] == [False, False]


def test_only_what_was_asked_for_is_sent_and_the_first_frame_goes_as_a_data_url(minimax, client):
    client.create(Order("MiniMax-H3", "a cat"))
    client.create(replace(ORDER, first_frame=jpeg(), prompt_optimizer=False))
    plain, full = (create.json for create in minimax.creates)
    assert plain == {"model": "MiniMax-H3", "content": [{"type": "text", "text": "a cat"}]}
    assert full.pop("content") == [
        {"type": "text", "text": "a cat"},
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/jpeg;base64,{base64.b64encode(jpeg()).decode()}"},
            "role": "first_frame",
        },
    ]
    assert full == {"model": "MiniMax-H3", "resolution": "768P", "ratio": "9:16", "duration": 4}


def test_a_frame_that_is_no_image_is_not_sent(minimax, client):
    for content in (b"", b"GIF89a", b"<html>"):
        with pytest.raises(ValueError, match="JPG, PNG or WebP"):
            client.create(replace(ORDER, first_frame=content))
    assert not minimax.requests


@pytest.mark.parametrize("spelling", ["{}/", "{}/v1", "{}/v2/"])
def test_a_base_url_may_be_pasted_in_any_spelling(minimax, spelling):
    assert v2_client_of(minimax, base_url=spelling.format(minimax.url)).create(ORDER)


def test_an_unknown_status_means_still_running(minimax, client):
    task_id = client.create(ORDER)
    for status in ("reticulating", "", "Succeeding"):
        minimax.next("query", Answer(status=status, fields={"task": {"id": task_id, "status": status}}))
        assert client.query(task_id).phase is Phase.RUNNING


def test_each_create_opens_a_connection_of_its_own(minimax, client):
    for _ in range(3):
        client.query(client.create(ORDER))
    assert len({create.connection for create in minimax.creates}) == 3
    assert len({query.connection for query in minimax.calls("query")}) == 1


def test_the_log_tells_trace_ids_and_neither_key_nor_prompt_nor_frame(minimax, client, caplog):
    order = replace(ORDER, prompt="a secret garden", first_frame=png())
    minimax.next("create", refused(500, f"no luck with {minimax.key} and data:image/png;base64,AAAA (1000)"))
    caught = failure(lambda: client.create(order))
    told = repr([record.msg for record in caplog.records]) + repr(order) + repr(caught)
    assert caught.trace_id == "trace-1" in told
    assert "no luck with *** and data:***" in told
    assert not any(secret in told for secret in (minimax.key, "garden", "AAAA", "iVBOR"))


def test_the_request_id_in_a_body_stands_in_for_a_missing_trace_id(minimax, client):
    task_id = client.create(ORDER)
    minimax.next("query", replace(refused(500), headers={"Trace-Id": None}))
    assert failure(lambda: client.query(task_id)).trace_id == "request-1"


# ---- Errors -----------------------------------------------------------------------------------------------------------

ERRORS = [
    *[(refused(http), INVALID, INVALID) for http in (400, 422)],
    *[(refused(http), AUTH, AUTH) for http in (401, 403)],
    (refused(402), QUOTA, QUOTA),
    *[(refused(http), LATER, LATER) for http in (429, 529)],
    *[(refused(http), UNKNOWN, AGAIN) for http in (500, 502, 504)],
    (refused(404), AUTH, GONE),
    (refused(500, "internal error (1000)"), AGAIN, AGAIN),
    (refused(500, "timeout (1001)"), UNKNOWN, (Outcome.AGAIN, "provider_timeout")),
    (refused(400, "insufficient balance (1008)"), QUOTA, QUOTA),
    (refused(429, "usage limit exceeded (2056)."), LATER, LATER),
    (refused(400, "input new_sensitive (1026)"), POLICY, POLICY),
    (refused(422, "the text was found to be sensitive"), POLICY, POLICY),
    (refused(400, "no", "content_policy_violation"), POLICY, POLICY),
    (refused(400, "invalid params, (9999)"), INVALID, INVALID),
    (refused(401, "the key is case sensitive"), AUTH, AUTH),
    *[(Answer(code=code), expected, expected) for code, expected in ((1002, LATER), (2049, AUTH), (1008, QUOTA), ("2013", INVALID))],
    (Answer(400, code=1026), POLICY, POLICY),
    *[(Answer(http, body=b"<html>no</html>"), expected, expected) for http, expected in ((429, LATER), (401, AUTH), (404, AUTH))],
    (Answer(500, body=b"<html>no</html>"), UNKNOWN, AGAIN),
]


@pytest.mark.parametrize(
    ("answer", "after_create", "after_query"),
    ERRORS,
    ids=lambda value: str(getattr(value, "message", value)) if isinstance(value, Answer) else "",
)
def test_an_error_is_classified_whether_it_comes_as_http_status_code_or_words(minimax, client, answer, after_create, after_query):
    task_id = client.create(ORDER)
    minimax.next("create", answer)
    minimax.next("query", answer, answer)
    assert verdict(lambda: client.create(ORDER)) == after_create
    assert verdict(lambda: client.query(task_id)) == after_query
    assert verdict(lambda: client.locate(task_id)) == after_query


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b""),
        Answer(body=b"[]"),
        Answer(body=b"<html>welcome</html>"),
        Answer(body=b"[" * 200_000),
        Answer(fields={"task_id": None, "task": None}),
        Answer(fields={"task_id": {}, "task": []}),
        Answer(fields={"task_id": DROP, "task": {"status": "succeeded"}}),
        Answer(fields={"task_id": "", "task": {"id": "somebody-elses", "status": "succeeded", "content": {"url": "http://a/"}}}),
        Answer(body=b'{"type": "error", "error": "no"}'),
    ],
)
def test_garbage_leaves_a_create_unknown_and_asks_the_others_again(minimax, client, answer):
    task_id = client.create(ORDER)
    minimax.next("create", answer)
    minimax.next("query", answer, answer)
    assert verdict(lambda: client.create(ORDER)) == UNKNOWN
    assert verdict(lambda: client.query(task_id)) == AGAIN
    assert verdict(lambda: client.locate(task_id)) == AGAIN


def test_success_without_a_link_is_asked_again(minimax, client):
    task_id = client.create(ORDER)
    for content in (None, {}, {"url": ""}, {"url": "ftp://elsewhere/"}):
        minimax.next("query", Answer(fields={"task": {"id": task_id, "status": "succeeded", "content": content}}))
        state = client.query(task_id)
        assert (state.phase, state.odd_word) == (Phase.RUNNING, "succeeded, without a file")


@pytest.mark.parametrize(
    ("status", "fault", "expected"),
    [
        ("failed", {"code": 1026, "message": "no"}, POLICY),
        ("failed", {"code": "1027", "message": "no"}, POLICY),
        ("FAILED", {"code": "OutputSensitive", "message": "the generated video may contain sensitive content"}, POLICY),
        ("failed", {"code": "2013", "message": "no"}, INVALID),
        ("failed", {"code": 1008, "message": "no"}, GONE),
        ("failed", {"code": "whatever", "message": None}, GONE),
        ("failed", None, GONE),
        ("cancelled", None, GONE),
        ("canceled", None, GONE),
        ("expired", None, GONE),
    ],
)
def test_a_job_that_ended_badly_is_an_answer_and_final(minimax, client, status, fault, expected):
    task_id = client.create(ORDER)
    minimax.next("query", Answer(fields={"task": {"id": task_id, "status": status, "error": fault}}))
    state = client.query(task_id)
    assert state.phase is Phase.FAILED
    assert (state.error.outcome, state.error.code) == expected


def test_people_never_read_minimax_s_words(minimax, client):
    for http in (400, 401, 402, 422, 429, 500, 529):
        minimax.next("create", refused(http, "<b>RAW</b>"))
        caught = failure(lambda: client.create(ORDER))
        assert "RAW" not in caught.message + str(caught)


def test_an_answer_that_takes_too_long_ends_in_time(minimax):
    task_id = v2_client_of(minimax).create(ORDER)
    client = v2_client_of(minimax, read_seconds=0.3)
    for call in ("create", "query", "cancel", "list"):
        minimax.next(call, Answer(hold=threading.Event()))
    assert verdict(lambda: client.create(ORDER)) == UNKNOWN
    assert verdict(lambda: client.query(task_id)) == AGAIN


# ---- Cancel -----------------------------------------------------------------------------------------------------------


def test_a_queued_job_is_cancelled_and_saying_so_again_changes_nothing(minimax, client):
    task_id = client.create(ORDER)
    assert client.cancel(task_id) is True
    assert client.cancel(task_id) is True
    assert len(minimax.calls("cancel")) == 1
    assert client.query(task_id).phase is Phase.FAILED


@pytest.mark.parametrize("queries", [1, 2])
def test_a_job_that_runs_or_is_over_is_left_as_it_is(minimax, client, queries):
    task_id = client.create(ORDER)
    for _ in range(queries):
        client.query(task_id)
    assert client.cancel(task_id) is False
    assert minimax.calls("cancel") == []


def test_a_job_that_began_in_between_is_not_taken_for_cancelled(minimax, client):
    task_id = client.create(ORDER)
    minimax.next("cancel", refused(400, "the task is running (2013)"))
    assert client.cancel(task_id) is False


def test_a_job_whose_record_went_is_not_taken_for_cancelled(minimax, client):
    task_id = client.create(ORDER)
    minimax.next("cancel", Answer(fields={}))
    minimax.next("query", Answer(status="queued"), refused(404))
    assert client.cancel(task_id) is False


def test_a_cancel_whose_answer_was_lost_is_settled_by_the_record(minimax, client):
    task_id = client.create(ORDER)
    minimax.next("cancel", Answer(cut_after=0))
    assert client.cancel(task_id) is True


def test_a_cancel_that_could_not_be_done_says_so_and_can_be_tried_again(minimax, client):
    task_id = client.create(ORDER)
    minimax.next("cancel", refused(429))
    minimax.next("query", Answer(status="queued"), Answer(status="queued"))
    assert verdict(lambda: client.cancel(task_id)) == LATER
    assert client.cancel(task_id) is True


def test_an_id_cannot_lead_to_another_address(minimax, client):
    assert error(404, "no such task")["type"] == "error"
    assert verdict(lambda: client.query("../../v1/query?x=")) == GONE
    assert minimax.requests[-1].path == "/v2/query/video_generation/..%2F..%2Fv1%2Fquery%3Fx%3D"
