"""A request's `traceparent` is kept with what it makes, and gone on with by workers; spans go to a collector where one is named."""

import sys
from contextlib import closing

import pytest
import structlog
from django.db import connection
from django.test.utils import CaptureQueriesContext
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from conduit import opentelemetry_exporter, traces
from conduit.opentelemetry_exporter import Exporter
from tasks import ends
from tasks.models import Task
from tests.notifications.conftest import Sends
from tests.support import nursery
from tests.support.ending import end
from tests.support.marks import SOAK_ON_SQLITE
from tests.support.receiving import Receiver

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def spans(settings, monkeypatch):
    """What a collector was sent."""
    told = InMemorySpanExporter()
    monkeypatch.setattr(opentelemetry_exporter, "BatchSpanProcessor", SimpleSpanProcessor)
    exporter = Exporter(told)
    monkeypatch.setattr(traces, "_exporter", lambda: exporter)
    return told.get_finished_spans


def trace_of(span):
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


# ---- What is kept ----


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (SENT, SENT),
        (f" {SENT} ", SENT),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"cc-{TRACE}-{SPAN}-01-what.comes.later", SENT),
        (f"00-{TRACE}-{SPAN}-01-more", ""),
        (f"ff-{TRACE}-{SPAN}-01", ""),
        (f"00-{'0' * 32}-{SPAN}-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (SENT.upper(), ""),
        (f"00-{TRACE}-{SPAN}", ""),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_what_is_no_traceparent_is_none(sent, kept):
    assert traces.parsed(sent) == kept


def test_a_task_keeps_the_trace_of_who_asked_for_it_in_the_same_number_of_queries(consumer):
    def create(**headers):
        with CaptureQueriesContext(connection) as captured:
            task_id = consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat"}, **headers).json()["task_id"]
        return Task.objects.get(pk=task_id).traceparent, len(captured)

    create()
    plain, traced, garbled = create(), create(traceparent=SENT), create(traceparent="nonsense")

    assert [plain[0], traced[0], garbled[0]] == ["", SENT, ""]
    assert plain[1] == traced[1]


def test_a_retry_has_the_trace_of_who_asked_for_it(consumer):
    failed = consumer.generate()["task_id"]
    end(failed, "failed")

    again = consumer.post(f"/v1/video/generations/{failed}/retry", {}, traceparent=SENT).json()

    assert Task.objects.get(pk=again["task_id"]).traceparent == SENT
    assert Task.objects.get(pk=failed).traceparent == ""


def test_lines_of_the_log_name_the_trace_while_it_is_served_and_worked_on():
    with traces.serving("POST /v1/tea", SENT):
        assert structlog.contextvars.get_contextvars()["trace"] == TRACE
        assert traces.current() == SENT
    with traces.step("brew", SENT):
        assert structlog.contextvars.get_contextvars()["trace"] == TRACE
    assert "trace" not in structlog.contextvars.get_contextvars()
    assert traces.current() == ""


# ---- What a collector is sent ----


def test_a_request_has_a_span_of_its_own_in_the_trace_that_it_named_and_the_task_is_kept_with_that(spans, consumer):
    answer = consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat"}, traceparent=SENT)

    [span] = spans()
    assert span.name == "POST /v1/video/generations"
    assert (trace_of(span)[0], f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert Task.objects.get(pk=answer.json()["task_id"]).traceparent == f"00-{TRACE}-{trace_of(span)[1]}-01"


def test_steps_go_on_with_the_tasks_trace_are_linked_to_it_and_say_what_they_worked_on(spans, consumer, driver, minimax, media):
    task_id = consumer.generate("a secret prompt")["task_id"]
    [request] = spans()

    driver.finish(task_id)
    ends.tell([task_id])

    *steps, whole = spans()[1:]
    assert {span.name for span in steps} >= {"step planned", "step submitted", "step stored", "step assemble"}
    for span in (*steps, whole):
        assert trace_of(span)[0] == trace_of(request)[0]
        assert [link.context.span_id for link in span.links] == [request.context.span_id]
        assert (span.attributes["task_id"], span.attributes["upstream"]) == (task_id, "video-01")
        assert "secret" not in str(span.attributes)
    assert (whole.name, whole.attributes["provider"], whole.attributes["status"]) == ("generate_video", "minimax", "completed")
    assert whole.end_time - whole.start_time == pytest.approx(whole.attributes["seconds"] * 1e9, abs=2e6)


def test_each_try_of_a_webhook_is_a_span_of_its_tasks_trace_and_says_what_came_of_it(spans, consumer, settings):
    settings.OUTBOUND_HTTP = True
    with Receiver() as receiver, closing(Sends()) as sends:
        receiver.answers["/secret"] = 500
        wanted = {"model": "minimax-video", "prompt": "a cat", "webhook_url": f"{receiver.url}/secret", "webhook_events": ["task.queued"]}
        task_id = consumer.post("/v1/video/generations", wanted, traceparent=SENT).json()["task_id"]
        sends()

    request, tried = spans()
    assert (tried.name, trace_of(tried)[0]) == ("webhook task.queued", TRACE)
    assert [link.context.span_id for link in tried.links] == [request.context.span_id]
    assert (tried.attributes["task_id"], tried.attributes["attempts"], tried.attributes["status_code"]) == (task_id, 0, 500)
    assert (tried.status.status_code, tried.status.description) == (StatusCode.ERROR, "It answered 500.")
    assert "secret" not in str(tried.attributes)


def test_an_error_is_told_by_its_kind_alone(spans):
    with pytest.raises(ValueError, match="hunter2"), traces.step("brew", SENT):
        raise ValueError("password=hunter2")

    [span] = spans()
    assert (span.status.status_code, span.status.description, span.events) == (StatusCode.ERROR, "ValueError", ())


def test_a_trace_that_is_not_sampled_is_kept_and_sent_nowhere(spans, consumer):
    unsampled = f"00-{TRACE}-{SPAN}-00"
    answer = consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat"}, traceparent=unsampled)

    assert spans() == ()
    kept = Task.objects.get(pk=answer.json()["task_id"]).traceparent
    assert (traces.trace_id_of(kept), kept[-2:]) == (TRACE, "00")


def test_without_a_collector_nothing_of_the_sdk_is_imported(tmp_path):
    code = (
        "import django, sys; django.setup(); from conduit import traces\n"
        "with traces.step('brew', ''): pass\n"
        "sys.exit('conduit.opentelemetry_exporter' in sys.modules or 'opentelemetry.exporter' in sys.modules)"
    )
    environment = {"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "conduit.settings", "CONDUIT_HOME": str(tmp_path)}
    process = nursery.run([sys.executable, "-c", code], environment)
    assert process.returncode == 0, process.stderr
