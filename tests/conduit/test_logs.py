"""One JSON line an event, with the request that it belongs to and without secrets."""

import io
import json
import logging
import logging.config
import threading
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from conduit.logs import levels_of, logging_config, without_secrets
from tests.support.envelopes import refused

SECRET = "condt_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What every logger writes, formatted as in production."""
    config = logging_config(level="DEBUG")
    handler = logging.StreamHandler(io.StringIO())
    formatter = config["formatters"]["json"]
    handler.setFormatter(formatter["()"](**{name: value for name, value in formatter.items() if name != "()"}))
    here = threading.get_ident()
    handler.addFilter(lambda record: threading.get_ident() == here)  # what tests before left running has its own to say
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel("DEBUG")
    structlog.contextvars.clear_contextvars()
    yield handler.stream
    root.removeHandler(handler)
    root.setLevel(level)


def events(written: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_when_how_bad_and_where(written):
    structlog.get_logger("tests").warning("two\nlines", number=7, text="\u732b", odd="\ud800", nothing=None)

    [event] = events(written)
    assert written.getvalue().count("\n") == 1
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "two\nlines",
        "level": "warning",
        "logger": "tests",
        "number": 7,
        "text": "\u732b",
        "odd": "\ud800",
        "nothing": None,
    }


def test_a_line_of_somebody_elses_library_looks_the_same(written):
    logging.getLogger("elsewhere").error("lost %s of %d", "one", 2)

    [event] = events(written)
    assert (event["event"], event["level"], event["logger"]) == ("lost one of 2", "error", "elsewhere")


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"Authorization: Bearer {SECRET}",
        "Authorization: Bearer eyJhbGciOi.abc.def",
        "authorization: bearer s3cr3t-t0k3n",
        "GET /hubs/video-generation?access_token=s3cr3t-t0k3n&id=1",
        "https://x/media/1/video.mp4?expires=1&signature=s3cr3t-t0k3n",
        "https://s3/x?X-Amz-Credential=s3cr3t-t0k3n&X-Amz-Signature=s3cr3t-t0k3n",
        "postgres://conduit:s3cr3t-t0k3n@db/conduit",
        "redis://:s3cr3t-t0k3n@cache:6379/0",
        "condt_admin_s3cr3t-t0k3n",
        "?API_KEY=s3cr3t-t0k3n",
    ],
)
def test_no_secret_is_written_wherever_it_stands(written, text):
    log = structlog.get_logger("tests")
    log.info(text)
    log.info("nested", deep={"list": [text, (text,)]}, bytes=text.encode(), error=RuntimeError(text), exception=text)
    logging.getLogger("elsewhere").info("message %s", text)
    try:
        raise RuntimeError(text)
    except RuntimeError as error:
        log.error("crashed", exc_info=error)
        logging.getLogger("elsewhere").exception("crashed")

    assert len(events(written)) == 5
    for secret in (SECRET, SECRET[6:], "s3cr3t-t0k3n", "eyJhbGciOi"):
        assert secret not in written.getvalue()
    assert "***" in written.getvalue()
    assert "RuntimeError" in events(written)[3]["exception"]


@pytest.mark.parametrize(
    "text",
    [
        "a cat",
        "condt_",
        "by ops (condt_admin_1kp6C8…)",
        "condt_kwXmae…",
        "tokens=7",
        "the bearer of news",
        "https://host:8000/path",
        "user@example.org",
        "",
    ],
)
def test_what_is_no_secret_stays(text):
    assert without_secrets(text) == text


@pytest.mark.django_db
def test_a_request_is_one_line_with_its_id_and_no_query(written, consumer):
    consumer.get("/v1/tasks?access_token=s3cr3t-t0k3n", **{"X-Request-ID": "mine"})

    [event] = [event for event in events(written) if event["logger"] == "conduit.request"]
    assert event.pop("ms") >= 0
    assert event.pop("timestamp")
    assert event == {
        "event": "request", "level": "info", "logger": "conduit.request", "request_id": "mine",
        "method": "GET", "path": "/v1/tasks", "status": 200, "client": "127.0.0.1",
    }  # fmt: skip


@pytest.mark.django_db
def test_no_line_of_a_request_holds_its_key(written, consumer, monkeypatch):
    monkeypatch.setattr("videos.views.offers", lambda: 1 / 0)

    refused(consumer.get(f"/v1/models?access_token={consumer.secret}"), 500, "internal_error")
    consumer.get(f"/v1/tasks/{consumer.secret}")
    consumer.http.get("/v1/tasks", headers={"X-API-Key": consumer.secret})

    assert "ZeroDivisionError" in written.getvalue()
    assert consumer.secret not in written.getvalue()
    secret_hash = consumer.key.secrets.get().secret_hash
    assert secret_hash not in "".join(line for line in written.getvalue().splitlines() if "django.db" not in line)


@pytest.mark.django_db
def test_everything_that_is_logged_in_a_request_carries_its_id(written, consumer, monkeypatch):
    monkeypatch.setattr("videos.views.offers", lambda: 1 / 0)

    consumer.get("/v1/models", **{"X-Request-ID": "mine"})

    ours = [event for event in events(written) if event["logger"].startswith("conduit")]
    assert len(ours) == 2
    assert {event["request_id"] for event in ours} == {"mine"}


@pytest.mark.django_db
def test_one_requests_id_does_not_stay_for_the_next(written, consumer):
    consumer.get("/v1/models", **{"X-Request-ID": "first"})
    consumer.get("/v1/models")

    first, second = [event["request_id"] for event in events(written) if event["logger"] == "conduit.request"]
    assert first == "first"
    assert second.startswith("req_")


@pytest.mark.django_db
def test_what_the_thread_did_before_is_not_told_of_a_request(written, consumer):
    structlog.contextvars.bind_contextvars(task_id="of an earlier job")

    consumer.get("/v1/models")

    assert "of an earlier job" not in written.getvalue()


@pytest.mark.django_db
def test_static_files_do_not_fill_the_log_and_those_that_are_not_there_are_told_of(written, client):
    client.get("/static/admin/css/base.css").close()
    client.get("/static/../admin/nowhere")

    [line] = [event for event in events(written) if event["logger"] == "conduit.request"]
    assert (line["path"], line["status"]) == ("/static/../admin/nowhere", 404)


def test_single_loggers_have_levels_of_their_own():
    levels = levels_of(["conduit.request=warning", " videos=DEBUG "])
    config = logging_config(level="INFO", levels=levels)

    assert levels == {"conduit.request": "WARNING", "videos": "DEBUG"}
    assert config["loggers"]["conduit.request"] == {"level": "WARNING"}
    assert config["loggers"]["celery.beat"] == {"level": "WARNING"}


@pytest.mark.parametrize("entry", ["videos", "videos=LOUD", "=INFO", "a b=INFO"])
def test_what_is_no_logger_and_level_is_named(entry):
    with pytest.raises(ValueError, match="is no logger and level"):
        levels_of([entry])


def test_a_logger_is_heard_by_tests_also_after_settings_were_read_again():
    log = structlog.get_logger("early")
    log.info("kept at its first use")

    logging_config(level="INFO")
    with capture_logs() as told:
        log.info("heard")

    assert [line["event"] for line in told] == ["heard"]
