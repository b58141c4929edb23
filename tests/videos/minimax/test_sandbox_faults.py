"""Each fault of the sandbox, through both of its doors."""

import threading
import time
from pathlib import Path

import pytest
import requests

from tests.videos.minimax.sandbox_driver import LONG_ENOUGH, Driver, driven, until
from videos.minimax.sandbox import Misspelt
from videos.minimax.sandbox.faults import Directive, parse_directive, parse_prompt

# A waiting answer is waited for this long: enough to be told from one that came at once.
SLOW = 0.25


# ---- The grammar ----------------------------------------------------------------------------------------------------


def test_directives_are_read_out_of_a_prompt() -> None:
    assert parse_prompt("a cat [sandbox: create status=1002 times=2; Download CUT] on [SANDBOX:slow=0.5 times=always] a mat") == (
        Directive("create", "status", 1002, 2),
        Directive("download", "cut"),
        Directive("create", "slow", 0.5, None),
    )


def test_an_ordinary_prompt_has_no_directives() -> None:
    assert parse_prompt("children in a sandbox [close up], sandbox: fail=1026") == ()


@pytest.mark.parametrize(
    ("text", "call"),
    [("lost", "create"), ("truncate", "download"), ("wrongtype", "download"), ("expired", "download"), ("fail=1026", "create")],
)
def test_a_fault_without_a_call_means_its_usual_one(text: str, call: str) -> None:
    assert parse_directive(text).call == call


@pytest.mark.parametrize(
    "prompt",
    [
        "[sandbox: ]",
        "[sandbox: explode]",
        "[sandbox: create]",
        "[sandbox: upload cut]",
        "[sandbox: download lost]",
        "[sandbox: download status=1002]",
        "[sandbox: status]",
        "[sandbox: status=0]",
        "[sandbox: status=x]",
        "[sandbox: status=1002.5]",
        "[sandbox: http=200]",
        "[sandbox: slow=601]",
        "[sandbox: slow=nan]",
        "[sandbox: cut=1]",
        "[sandbox: cut times=0]",
        "[sandbox: cut times=often]",
        "[sandbox: cut times]",
        "[sandbox: cut; cut]",
        "[sandbox: cut;]",
        "[sandbox: fail=1026 times=2]",
        "[sandbox: numbers times=2]",
        "[sandbox: numbers=1]",
        "[sandbox: frames]",
        "[sandbox: frames=0]",
        "[sandbox: frames=+x]",
        "[sandbox: frames=+1000]",
        "[sandbox: frames-jitter=-1]",
        "[sandbox: frames=3; frames=3]",
        "[sandbox: query numbers]",
        "[sandbox: list lost]",
        "[sandbox: withheld=1]",
        "[sandbox: fail=1026",
        "[sandbox fail=1026]",
        "[sandbox: cut] and [sandbox: lost",
    ],
)
def test_a_misspelt_directive_is_answered_with_2013_and_what_would_be_right(driver: Driver, prompt: str) -> None:
    answer = driver.create(f"a cat {prompt}")
    assert answer["base_resp"]["status_code"] == 2013
    assert len(answer["base_resp"]["status_msg"]) > len("invalid params, ")
    assert answer["task_id"] == ""


# ---- In a prompt ----------------------------------------------------------------------------------------------------


def jobs_with(driver: Driver, prompt: str) -> int:
    return sum(job["prompt"] == prompt for job in driver.sandbox.jobs())


@pytest.mark.parametrize(("fault", "code"), [("status=1008", 1008), ("rate-limit", 1002)])
def test_a_create_is_refused_as_often_as_asked_and_then_accepted(driver: Driver, fault: str, code: int) -> None:
    prompt = f"a cat [sandbox: create {fault} times=2]"
    codes = [driver.create(prompt)["base_resp"]["status_code"] for _ in range(3)]
    assert codes == [code, code, 0]
    assert jobs_with(driver, prompt) == 1


def test_the_next_create_with_the_same_prompt_meets_its_faults_anew(driver: Driver) -> None:
    prompt = "again [sandbox: status=1000]"
    codes = [driver.create(prompt)["base_resp"]["status_code"] for _ in range(4)]
    assert codes == [1000, 0, 1000, 0]


def test_faults_of_one_call_strike_in_the_order_written(driver: Driver) -> None:
    prompt = "in order [sandbox: create http=502; create status=1033 times=2; create garbage]"
    told = [driver.post(model="video-01", prompt=prompt) for _ in range(5)]
    assert [response.status_code for response in told] == [502, 200, 200, 200, 200]
    assert [response.headers["Content-Type"].split(";")[0] for response in told] == [
        "text/html",
        "application/json",
        "application/json",
        "text/html",
        "application/json",
    ]
    assert jobs_with(driver, prompt) == 1


def test_a_cut_create_made_no_job_and_a_lost_one_did(driver: Driver) -> None:
    for fault, made in (("cut", 0), ("lost", 1)):
        prompt = f"gone [sandbox: create {fault}]"
        with pytest.raises(requests.ConnectionError):
            driver.create(prompt)
        assert jobs_with(driver, prompt) == made
        entry = driver.sandbox.log()[-1]
        assert (entry["http"], "task_id" in entry, entry["faults"]) == (None, bool(made), [f"create {fault}"])


def test_a_slow_create_is_accepted_before_its_answer_comes(driver: Driver) -> None:
    prompt = f"slow [sandbox: slow={SLOW}]"
    started = time.monotonic()
    driver.accepted(prompt)
    assert time.monotonic() - started >= SLOW
    with pytest.raises(requests.ReadTimeout):
        driver.http.post(
            f"{driver.sandbox.url}/v1/video_generation",
            json={"model": "video-01", "prompt": prompt},
            headers={"Authorization": "Bearer sandbox"},
            timeout=SLOW / 5,
        )
    until(lambda: jobs_with(driver, prompt) == 2)


def test_a_slow_answer_goes_together_with_another_fault(driver: Driver) -> None:
    started = time.monotonic()
    assert driver.create(f"both [sandbox: slow={SLOW}; status=1001]")["base_resp"]["status_code"] == 1001
    assert time.monotonic() - started >= SLOW


def test_faults_of_a_query_are_counted_for_each_job(driver: Driver) -> None:
    prompt = "asked [sandbox: query status=1001; query http=500; query garbage; query cut]"
    for task_id in (driver.accepted(prompt), driver.accepted(prompt)):
        assert driver.query(task_id)["base_resp"]["status_code"] == 1001
        assert driver.get("/v1/query/video_generation", task_id=task_id).status_code == 500
        assert driver.get("/v1/query/video_generation", task_id=task_id).text.startswith("<html>")
        with pytest.raises(requests.ConnectionError):
            driver.query(task_id)
        assert driver.query(task_id)["status"] == "Preparing"


@pytest.mark.parametrize(("fault", "status", "code"), [("fail=1026", "Fail", 1026), ("failed=1027", "Failed", 1027), ("fail=0", "Fail", 0)])
def test_a_job_ends_as_failed_with_its_code(driver: Driver, fault: str, status: str, code: int) -> None:
    prompt = f"bad end [sandbox: {fault}]"
    task_id = driver.accepted(prompt)
    assert driver.query(task_id)["base_resp"]["status_code"] == 0
    answer = driver.ended(prompt)
    assert (answer["status"], answer["base_resp"]["status_code"], answer["file_id"]) == (status, code, "")


def test_a_stuck_job_never_ends(driver: Driver) -> None:
    task_id = driver.accepted("for ever [sandbox: stuck]")
    driver.clock.move(LONG_ENOUGH * 1000)
    assert driver.query(task_id)["status"] == "Processing"
    assert driver.sandbox.jobs()[0]["fraction"] < 1


def test_an_unknown_status_is_told_until_the_job_succeeds(driver: Driver) -> None:
    task_id = driver.accepted("odd [sandbox: unknown-status]")
    assert driver.query(task_id)["status"] not in {"Preparing", "Queueing", "Processing", "Success", "Fail", "Failed"}
    driver.clock.move(LONG_ENOUGH)
    assert driver.query(task_id)["status"] == "Success"


def test_an_unknown_status_can_be_told_once(driver: Driver) -> None:
    task_id = driver.accepted("odd once [sandbox: query unknown-status]")
    driver.clock.move(LONG_ENOUGH)
    first, second = driver.query(task_id), driver.query(task_id)
    assert (first["status"], first["file_id"], second["status"]) == ("Warming", "", "Success")


def test_ids_can_be_numbers_in_every_answer(driver: Driver) -> None:
    task_id = driver.create("numbers [sandbox: numeric-ids]")["task_id"]
    driver.clock.move(LONG_ENOUGH)
    answer = driver.query(task_id)
    file = driver.retrieve(answer["file_id"])["file"]
    assert [type(each) for each in (task_id, answer["task_id"], answer["file_id"], file["file_id"])] == [int] * 4


def test_each_fault_of_a_retrieve(driver: Driver) -> None:
    prompt = "file [sandbox: retrieve status=1000; retrieve http=503; retrieve garbage; retrieve cut; retrieve expired]"
    file_id = driver.ended(prompt)["file_id"]
    assert driver.retrieve(file_id)["base_resp"]["status_code"] == 1000
    assert driver.get("/v1/files/retrieve", file_id=file_id).status_code == 503
    assert driver.get("/v1/files/retrieve", file_id=file_id).text.startswith("<html>")
    with pytest.raises(requests.ConnectionError):
        driver.retrieve(file_id)
    assert driver.download(driver.retrieve(file_id)["file"]["download_url"]).status_code == 403
    assert driver.download(driver.retrieve(file_id)["file"]["download_url"]).status_code == 200


def test_each_fault_of_a_download(driver: Driver) -> None:
    link = driver.link("clip [sandbox: download http=500; download cut; truncate; wrongtype; expired; download slow=0.01]")
    assert driver.download(link).status_code == 500
    with pytest.raises(requests.ConnectionError):
        driver.download(link)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        driver.download(link)
    page = driver.download(link)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert driver.download(link).status_code == 403
    whole = driver.download(link)
    assert (whole.status_code, whole.headers["Content-Type"]) == (200, "video/mp4")


def test_a_download_can_drip_and_is_whole_in_the_end(driver: Driver) -> None:
    link = driver.link(f"drops [sandbox: drip={SLOW}]")
    started = time.monotonic()
    dripped = driver.download(link).content
    assert time.monotonic() - started >= SLOW / 2
    assert dripped == driver.download(link).content


# ---- At the control API ---------------------------------------------------------------------------------------------


def order(driver: Driver, **fault: object) -> requests.Response:
    return driver.http.post(f"{driver.sandbox.url}/sandbox/faults", json=fault, timeout=60)


def test_a_fault_ordered_at_the_control_api_strikes_the_next_calls_that_match(driver: Driver) -> None:
    assert order(driver, on="create", fault="status=1002", times=2, match="dog").status_code == 201
    prompts = ("a cat", "a dog", "a big dog", "a dog")
    assert [driver.create(prompt)["base_resp"]["status_code"] for prompt in prompts] == [0, 1002, 1002, 0]
    assert driver.sandbox.log()[-2]["faults"] == ["control: create status=1002"]


def test_an_ordered_fault_can_name_a_task_and_strike_until_it_is_cleared(driver: Driver) -> None:
    one, other = driver.accepted("a cat"), driver.accepted("a cat")
    order(driver, on="query", fault="http=500", times=None, match=one)
    assert [driver.get("/v1/query/video_generation", task_id=each).status_code for each in (one, one, other)] == [500, 500, 200]
    assert driver.http.delete(f"{driver.sandbox.url}/sandbox/faults", timeout=60).status_code == 200
    assert driver.query(one)["status"] == "Preparing"


def test_an_ordered_fault_of_a_job_waits_for_a_create_that_is_accepted(driver: Driver) -> None:
    driver.sandbox.fault("create", "numeric-ids")
    driver.sandbox.fault("create", "fail=1027", match="doomed")
    refused, accepted = driver.create("doomed [sandbox: rate-limit]"), driver.create("doomed [sandbox: rate-limit]")
    driver.clock.move(LONG_ENOUGH)
    answer = driver.query(accepted["task_id"])
    assert (refused["task_id"], type(accepted["task_id"])) == ("", int)
    assert (answer["status"], answer["base_resp"]["status_code"]) == ("Fail", 1027)
    assert isinstance(driver.create("doomed")["task_id"], int) is False


def test_concurrent_calls_share_the_times_of_a_fault(driver: Driver) -> None:
    driver.sandbox.fault("create", "status=1002", times=5)
    codes: list[int] = []

    def create() -> None:
        response = requests.post(
            f"{driver.sandbox.url}/v1/video_generation",
            json={"model": "video-01", "prompt": "crowd"},
            headers={"Authorization": "Bearer sandbox"},
            timeout=60,
        )
        codes.append(response.json()["base_resp"]["status_code"])

    threads = [threading.Thread(target=create) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [0] * 11 + [1002] * 5


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{",
        "[" * 100_000,
        "{}",
        '{"on": "upload", "fault": "cut"}',
        '{"on": "query", "fault": "lost"}',
        '{"on": "query", "fault": "cut times=2"}',
        '{"on": "query", "fault": 5}',
        '{"on": "query", "fault": "cut", "times": 0}',
        '{"on": "query", "fault": "cut", "times": true}',
        '{"on": "query", "fault": "cut", "match": 1}',
        '{"on": "query", "fault": "cut", "often": 1}',
        '{"on": "list", "fault": "numbers"}',
    ],
)
def test_a_bad_order_is_refused_with_what_would_be_right(driver: Driver, body: str) -> None:
    response = driver.http.post(f"{driver.sandbox.url}/sandbox/faults", data=body, timeout=60)
    assert response.status_code == 400
    assert response.json()["error"]


def test_the_python_door_refuses_what_the_http_one_does(driver: Driver) -> None:
    with pytest.raises(Misspelt, match="not a fault"):
        driver.sandbox.fault("query", "explode")
    driver.sandbox.fault("query", "status=1001", times=None)
    driver.sandbox.clear_faults()
    assert driver.query(driver.accepted("a cat"))["base_resp"]["status_code"] == 0


def test_stopping_does_not_wait_for_slow_answers(tmp_path: Path) -> None:
    gone = threading.Event()
    with driven(tmp_path) as driver:

        def ask() -> None:
            with pytest.raises(requests.ConnectionError):
                requests.post(
                    f"{driver.sandbox.url}/v1/video_generation",
                    json={"model": "video-01", "prompt": "a cat [sandbox: slow=60]"},
                    headers={"Authorization": "Bearer sandbox"},
                    timeout=30,
                )
            gone.set()

        threading.Thread(target=ask, daemon=True).start()
        until(lambda: bool(driver.sandbox.jobs()))
    assert gone.wait(25)
