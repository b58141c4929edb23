"""What processes note of what they do, and hand in together."""

import asyncio
import time

import pytest
from django.db import OperationalError

from conduit.api.routes import OTHER, route_of
from conduit.metrics import loop_lag, note, note_seconds, totals
from tasks.metrics import LEASES_LOST
from tasks.realtime.metrics import TOLD_IN
from tests.support.calling import count_call

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def test_what_several_processes_note_adds_up_and_goes_on_after_a_restart(process, scrape):
    for seconds in (0.5, 3.0, 9000.0):
        one = process()  # each time one that has just been started
        one.note(LEASES_LOST, ("media",), 1)
        one.note(TOLD_IN, (), seconds)
        one.hand_in()
        one.hand_in()
    now = scrape()

    assert now("conduit_leases_lost_total", lane="media") == 3
    assert [now("conduit_event_told_seconds_bucket", le=le) for le in ("0.25", "0.5", "4.0", "4096.0", "+Inf")] == [0, 1, 2, 2, 3]
    assert now("conduit_event_told_seconds_sum") == pytest.approx(9003.5)
    assert now("conduit_event_told_seconds_count") == 3


def test_what_could_not_be_handed_in_is_handed_in_later_and_once(process, scrape, monkeypatch):
    one = process()
    one.note(LEASES_LOST, ("media",), 1)
    with monkeypatch.context() as away:
        away.setattr(totals.Tally, "write", _away)
        with pytest.raises(OperationalError):
            one.hand_in()
    one.note(LEASES_LOST, ("media",), 1)
    one.hand_in()

    assert scrape()("conduit_leases_lost_total", lane="media") == 2


def _away(tally):
    raise OperationalError


def test_a_command_that_nobody_watches_notes_nothing(scrape):
    note(LEASES_LOST, "media")
    note_seconds(TOLD_IN, seconds=1)

    assert scrape()("conduit_event_told_seconds_count") is None


def test_requests_are_counted_by_route_method_and_status(own, consumer, client, scrape):
    task_id = consumer.generate()["task_id"]
    consumer.get(f"/v1/tasks/{task_id}")
    consumer.get("/v1/tasks/nonsense")
    client.get("/no/such/path")
    client.generic("BREW", "/v1/tasks")
    own.hand_in()
    now = scrape()

    assert now("conduit_requests_total", route="/v1/video/generations", method="POST", status="202") == 1
    assert now("conduit_requests_total", route="/v1/tasks/{task_id}", method="GET", status="200") == 1
    assert now("conduit_requests_total", route="/v1/tasks/{task_id}", method="GET", status="404") == 1
    assert now("conduit_requests_total", route=OTHER) == now("conduit_requests_total", method="other") == 1
    assert now("conduit_request_seconds_count", route="/v1/tasks/{task_id}") == 2


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("/v1/tasks", "/v1/tasks"),
        ("/v1/tasks/018f/events", "/v1/tasks/{task_id}/events"),
        ("/v1/admin/tasks/cancel", "/v1/admin/tasks/cancel"),
        ("/v1/admin/tasks/018f", "/v1/admin/tasks/{task_id}"),
        ("/v1/models/a/b/c", "/v1/models/{name}"),
        ("/media/018f/video.mp4", "/media/{task_id}/{name}"),
        ("/admin/tasks/task/018f/change/", "/admin/"),
        ("/admin", "/admin/"),
        ("/static/console/console.css", "/static/"),
        ("/health", "/health"),
        ("/v1", OTHER),
        ("/v1/tasks/018f/nonsense", OTHER),
        ("/v1/**", OTHER),
        ("/wp-login.php", OTHER),
        ("*", OTHER),
        ("", "/"),
    ],
)
def test_whatever_path_is_asked_for_its_route_is_one_of_few(path, route):
    assert route_of(path) == route


def test_an_event_loop_that_was_kept_waiting_tells_for_how_long():
    async def held_up():
        lag = loop_lag.LoopLag(asyncio.get_running_loop())
        lag.watch()
        await asyncio.sleep(0)
        quiet = lag.worst
        await asyncio.sleep(0.01)
        time.sleep(0.3)
        await asyncio.sleep(0.01)
        return quiet, lag.worst

    quiet, worst = asyncio.run(held_up())

    assert quiet < 0.1
    assert worst > 0.15


def test_calls_to_minimax_are_counted_by_how_they_were_answered(own, scrape):
    for how in ({}, {"code": None, "is_error": False}, {"http": None, "code": None, "call": "query"}):
        count_call(**how)
    own.hand_in()
    now = scrape()

    assert now("conduit_minimax_calls_total", model="video-01", call="create", answer="rate", code="1002") == 1
    assert now("conduit_minimax_calls_total", call="create", answer="fine", code="0") == 1
    assert now("conduit_minimax_calls_total", call="query", answer="none") == 1
    assert now("conduit_minimax_call_seconds_count", call="create") == 2
    assert now("conduit_minimax_call_seconds_count", call="query") is None
