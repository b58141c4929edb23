"""Every status code, on every call: what the engine is told to do about it."""

import pytest

from tests.support.lookalike import DROP, Answer, LookAlike
from videos.minimax.errors import Blame, MiniMaxError, Outcome
from videos.minimax.provider import JobState, Order, Phase
from videos.minimax.v1 import MiniMaxV1

# (base_resp.status_code, outcome and error_code after a create, outcome and error_code after another call)
AGAIN, LATER, FINAL = (Outcome.AGAIN, "provider_error"), (Outcome.LATER, "rate_limit"), (Outcome.FINAL, "invalid_request")
AUTH, QUOTA = (Outcome.OPERATOR, "provider_auth"), (Outcome.OPERATOR, "provider_quota")
POLICY = (Outcome.FINAL, "content_policy_violation")
UNKNOWN = (Outcome.UNKNOWN, "provider_timeout")
CODES = [
    *[(code, AGAIN, AGAIN) for code in (1000, 1013, 1024, 1033)],
    (1001, UNKNOWN, (Outcome.AGAIN, "provider_timeout")),
    *[(code, LATER, LATER) for code in (1002, 1039, 1041, 2045, 2056)],
    *[(code, AUTH, AUTH) for code in (1004, 2049, 2038, 2061)],
    *[(code, QUOTA, QUOTA) for code in (1008, 1028, 1030)],
    *[(code, POLICY, POLICY) for code in (1026, 1027)],
    *[(code, FINAL, FINAL) for code in (2013, 1042)],
    *[(code, AGAIN, AGAIN) for code in (4711, -1)],
]
WORDS = {"content_policy_violation": "content policy", "provider_quota": "quota", "rate_limit": "rate limit"}
HTTP = [
    *[(status, FINAL, FINAL) for status in (400, 413, 422)],
    *[(status, AUTH, AUTH) for status in (401, 403, 404, 405, 301, 302, 307, 308)],
    (402, QUOTA, QUOTA),
    *[(status, LATER, LATER) for status in (429, 503, 529)],
    *[(status, AGAIN, AGAIN) for status in (409, 418)],
    *[(status, UNKNOWN, AGAIN) for status in (303, 408, 500, 502, 504, 524)],
]


def call(client: MiniMaxV1, minimax: LookAlike, name: str, *answers: Answer) -> MiniMaxError | JobState | object:
    """What a call comes to that is answered so; failures are returned too."""
    job = minimax.make_job({"model": "video-01", "prompt": "a cat"})
    minimax.next(name, *answers)
    try:
        match name:
            case "create":
                return client.create(Order("video-01", "a cat"))
            case "query":
                return client.query(job.task_id)
            case _:
                return client.locate(job.file_id)
    except MiniMaxError as error:
        return error


def verdict(error: MiniMaxError) -> tuple[Outcome, str]:
    return error.outcome, error.code


@pytest.mark.parametrize(("code", "after_create", "after_others"), CODES)
@pytest.mark.parametrize("spelling", [int, str])
def test_a_status_code_inside_http_200_is_classified_on_every_call(client, minimax, code, after_create, after_others, spelling):
    created, located, queried = (call(client, minimax, name, Answer(code=spelling(code))) for name in ("create", "retrieve", "query"))
    if after_others is POLICY:
        assert queried.phase is Phase.FAILED
        queried = queried.error
    assert verdict(created) == after_create
    assert verdict(located) == verdict(queried) == after_others
    assert {created.provider_code, located.provider_code, queried.provider_code} == {code}
    assert all(error.trace_id.startswith("trace-") for error in (created, located, queried))


@pytest.mark.parametrize("code", [code for code, *_ in CODES])
def test_people_read_our_words_and_never_minimax_s(client, minimax, code):
    error = call(client, minimax, "create", Answer(code=code, message="<b>SENSITIVE</b>"))
    assert "SENSITIVE" not in error.message + str(error)
    assert WORDS.get(error.code, "") in error.message


@pytest.mark.parametrize(("status", "after_create", "after_others"), HTTP)
@pytest.mark.parametrize(
    "body",
    [
        b"<html>no</html>",
        b'{"error": "no"}',
        b'{"status": "fail", "message": "no"}',
        b'{"task_id": "7", "status": "Processing", "file": {"download_url": "http://elsewhere.invalid/"}}',
        b"",
    ],
)
def test_an_http_status_counts_where_the_body_says_nothing(client, minimax, status, after_create, after_others, body):
    refused = Answer(status, body=body, headers={"Content-Type": "text/html", "Location": "http://elsewhere.invalid/"})
    assert verdict(call(client, minimax, "create", refused)) == after_create
    assert verdict(call(client, minimax, "query", refused)) == after_others
    assert verdict(call(client, minimax, "retrieve", refused)) == after_others


@pytest.mark.parametrize(("http", "code", "outcome"), [(500, 1002, LATER), (429, 1008, QUOTA), (401, 1026, POLICY), (503, 1001, UNKNOWN)])
def test_a_status_code_wins_over_the_http_status(client, minimax, http, code, outcome):
    assert verdict(call(client, minimax, "create", Answer(http, code=code))) == outcome


def test_an_http_error_without_a_task_counts_although_its_status_code_says_fine(client, minimax):
    assert verdict(call(client, minimax, "create", Answer(429, code=0, fields={"task_id": ""}))) == LATER
    assert call(client, minimax, "create", Answer(500, code=0, accepted=True)) == minimax.jobs[-1].task_id


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html>welcome</html>"),
        Answer(body=b""),
        Answer(body=b"[]"),
        Answer(body=b"null"),
        Answer(body=b"\xff\xfe{}"),
        Answer(body=b"[" * 200_000),
        Answer(body=b'{"task_id": "1", "status": "Processing", "x": "', padding=2 * 1024**2),
        Answer(body=b"not gzip", headers={"Content-Encoding": "gzip"}),
        Answer(fields={"task_id": None, "status": None, "file": None}),
        Answer(fields={"task_id": {}, "status": 7, "file": []}),
        Answer(fields={"task_id": True, "status": True, "file": {"download_url": "ftp://elsewhere/clip"}}),
        Answer(fields={"task_id": "1\x00", "status": DROP, "file": {"download_url": None}}),
        Answer(fields={"task_id": "1" * 65, "status": DROP, "file": {}, "base_resp": DROP}),
        Answer(fields={"task_id": 0, "status": DROP, "file": "x", "base_resp": {"status_code": "weird"}}),
        Answer(fields={"task_id": 0, "status": DROP, "file": "x", "base_resp": {"status_code": True}}),
        Answer(fields={"padding": "x" * 2 * 1024**2}),
        Answer(body=b'{"task_id": ' + b"9" * 5000 + b"}"),
    ],
    ids=lambda answer: repr(answer.body[:12] if answer.body is not None else answer.fields)[:60],
)
def test_garbage_leaves_a_create_unknown_and_asks_the_others_again(client, minimax, answer):
    assert verdict(call(client, minimax, "create", answer)) == UNKNOWN
    assert verdict(call(client, minimax, "query", answer)) == AGAIN
    assert verdict(call(client, minimax, "retrieve", answer)) == AGAIN


@pytest.mark.parametrize("status", ["Fail", "FAILED", " fail "])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, (Outcome.FINAL, "provider_error")),
        (1000, (Outcome.FINAL, "provider_error")),
        (1002, (Outcome.FINAL, "provider_error")),
        (1008, (Outcome.FINAL, "provider_error")),
        (1026, POLICY),
        (1027, POLICY),
        (2013, FINAL),
    ],
)
def test_a_job_that_failed_is_an_answer_and_final_whatever_code_stands_beside_it(client, minimax, status, code, expected):
    state = call(client, minimax, "query", Answer(code=code, status=status))
    assert state.phase is Phase.FAILED
    assert verdict(state.error) == expected
    assert WORDS.get(state.error.code, "") in state.error.message


def test_a_running_job_s_call_error_is_not_the_job_s_failure(client, minimax):
    assert verdict(call(client, minimax, "query", Answer(code=1000, status="Processing"))) == AGAIN


def test_success_without_a_file_is_asked_again(client, minimax):
    for file_id in ("", 0, None, "0"):
        state = call(client, minimax, "query", Answer(status="Success", fields={"file_id": file_id}))
        assert (state.phase, state.odd_word) == (Phase.RUNNING, "success, without a file")


def test_an_error_can_be_copied_across_processes():
    import pickle

    error = pickle.loads(pickle.dumps(MiniMaxError(Outcome.FINAL, "invalid_request", "no", Blame.CALLER, 2013, "t")))
    assert (error.outcome, error.code, error.message, error.provider_code, error.trace_id) == (
        Outcome.FINAL,
        "invalid_request",
        "no",
        2013,
        "t",
    )
