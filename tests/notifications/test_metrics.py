"""What Prometheus is told of webhooks"""

import pytest

from conduit import metrics as told
from tasks.notifications import metrics

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def noted(monkeypatch):
    found = []
    monkeypatch.setattr(told, "note", lambda metric, *labels: found.append((metric.name, *labels)))
    monkeypatch.setattr(told, "note_seconds", lambda metric, *labels, seconds: found.append((metric.name, *labels)))
    return found


def test_tries_are_counted_by_their_answer_and_what_is_pending_is_told(consumer, receiver, make_endpoint, sends, noted):
    make_endpoint("/a", "task.queued", key=consumer.key)
    make_endpoint("/b", "task.queued", key=consumer.key)
    receiver.answers["/b"] = 503
    consumer.generate()

    sends()

    assert sorted(noted) == sorted(
        [
            *[("conduit_webhook_tries_total", "2xx"), ("conduit_webhook_tries_total", "5xx")],
            *[("conduit_webhook_answered_seconds",)] * 2,
            ("conduit_webhook_received_seconds",),
        ]
    )
    assert [(sample.metric, sample.labels, sample.value) for sample in metrics.STANDING.read()] == [
        ("conduit_webhooks_pending", (), 1), ("conduit_webhooks_oldest_due_seconds", (), 0), ("conduit_webhook_endpoints", ("well",), 1),
        ("conduit_webhook_endpoints", ("failing",), 1), ("conduit_webhook_endpoints", ("disabled",), 0), ("conduit_mails_pending", (), 0),
    ]  # fmt: skip
