"""How MiniMax answers is counted by who asks, without a write for each call."""

import time

import pytest
from django.db import OperationalError, connection

from conduit.rollups.steps import DAY, HOUR
from videos import rollups
from videos.call_counts import CallCounts
from videos.minimax.exchanges import Exchange
from videos.rollups import Code

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def said(call="query", *, milliseconds=100, **answered):
    is_error = answered.pop("is_error", bool(answered.get("code")))
    return Exchange(
        call=call, method="GET", path="/", milliseconds=milliseconds, ended_at=time.monotonic(), upstream="video-01", is_error=is_error,
        **({"http": 200} | answered),
    )  # fmt: skip


@pytest.fixture
def calls():
    """Counts, and hands in when a test says so."""
    return CallCounts()


def test_calls_are_counted_by_how_they_went(calls, django_assert_num_queries):
    with django_assert_num_queries(0):
        for _ in range(96):
            calls.note(said())
        calls.note(said("create", code=1002))
        calls.note(said("create", http=529, is_error=True))
        calls.note(said("create", code=1008))
        calls.note(said(http=None, is_error=True, milliseconds=30_000))
        calls.note(said("download", milliseconds=90_000))

    calls.hand_in()
    calls.hand_in()  # again hands in nothing

    for span in (HOUR, DAY):
        (health,) = rollups.health(span)
        assert (health.upstream, health.calls, health.fine, health.rates, health.errors, health.unanswered) == (
            "video-01",
            101,
            97,
            2,
            1,
            1,
        )
        assert health.success == 97 / 99
        assert 0.08 < health.times.p95 < 0.12
        assert rollups.codes(span) == [Code(0, "none", 1), Code(529, "rate", 1), Code(1002, "rate", 1), Code(1008, "error", 1)]


def test_what_cannot_be_handed_in_is_handed_in_later(calls, monkeypatch):
    calls.note(said())

    def away(*_):
        raise OperationalError

    with connection.execute_wrapper(away), pytest.raises(OperationalError):
        calls.hand_in()
    calls.note(said())
    calls.hand_in()

    assert rollups.health(HOUR)[0].calls == 2
