"""`/metrics`: who may read it, what it tells, and that it tells the same whoever is asked."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conduit import clock, scraping
from conduit.api.pacing import Pace
from conduit.conditions.looking import look
from conduit.conditions.reading import _without_database
from conduit.metrics import Count, Gauge, Reading, Times, exposition, own, place, registry
from conduit.metrics.models import OwnFigures, Snapshot
from conduit.rollups.jobs import roll_up
from tests.metrics.conftest import TOKEN, Scraped
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.managing import make_manager
from videos.models import Clip

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def _anew(monkeypatch):
    monkeypatch.setattr(scraping, "pace", Pace(per_second=0.01, burst=20, times_in_all=10))
    monkeypatch.setattr(place, "FRESH_SECONDS", 50.0)  # longer than a test takes on the busiest machine


@pytest.fixture
def table(monkeypatch):
    """Metrics and readings that a test registers are gone with it."""
    monkeypatch.setattr(registry, "_metrics", dict(registry._metrics))
    monkeypatch.setattr(registry, "_readings", {})


# ---- Who may read it ----


def test_it_tells_whoever_shows_the_token_a_management_key_or_a_login_and_nobody_else(settings, client, admin_client, consumer):
    settings.METRICS_TOKEN = TOKEN
    manager = make_manager()

    assert client.get("/metrics", headers=BEARER).status_code == 200
    assert manager.http.get("/metrics", headers={"Authorization": f"Bearer {manager.secret}"}).status_code == 200
    assert admin_client.get("/metrics").status_code == 200
    for headers in ({}, {"Authorization": "Bearer something else"}, {"Authorization": f"Bearer {consumer.secret}"}):
        message = refused(client.get("/metrics", headers=headers), 401, "invalid_api_key")
        assert "METRICS_TOKEN" in message


def test_without_a_token_in_the_settings_an_empty_one_opens_nothing(settings, client):
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


def test_a_target_may_be_an_address_that_is_no_host_of_ours(settings, client):
    settings.METRICS_TOKEN = TOKEN

    assert client.get("/metrics", headers=BEARER | {"Host": "10.0.0.11:8000"}).status_code == 200


def test_it_is_read_and_never_kept(settings, client):
    settings.METRICS_TOKEN = TOKEN
    answer = client.get("/metrics", headers=BEARER)

    assert (answer["Content-Type"], answer["Cache-Control"]) == ("text/plain; version=0.0.4; charset=utf-8", "no-store")
    assert client.post("/metrics", headers=BEARER).status_code == 405


def test_whoever_guesses_tokens_is_slowed_down_and_keeps_prometheus_from_nothing(settings, client):
    settings.METRICS_TOKEN = TOKEN
    answers = [client.get("/metrics", headers={"Authorization": f"Bearer {guess}"}).status_code for guess in range(25)]

    assert answers[-1] == 429
    assert client.get("/metrics", headers=BEARER).status_code == 200


# ---- What it tells ----


def test_every_metric_is_there_before_anything_happened(scrape):
    assert {family.name for family in scrape().families.values()} >= {
        metric.name.removesuffix("_total") for metric in registry.registered()
    }


def test_tasks_and_money_are_counted_once_however_often_they_are_rolled_up_or_counted_anew(consumer, scrape):
    first, second, third, _ = (consumer.generate()["task_id"] for _ in range(4))
    end(first, "completed")
    end(second, "failed")
    end(third, "cancelled")
    for _ in range(3):
        roll_up()
    call_command("rebuild_rollups")
    now = scrape()

    assert now("conduit_tasks_created_total", model="minimax-video") == 4
    assert now("conduit_tasks_ended_total", status="completed", cause="") == 1
    assert now("conduit_tasks_ended_total", status="failed", cause="provider_error") == 1
    assert now("conduit_tasks_ended_total", status="cancelled") == 1
    assert now("conduit_task_done_seconds_count", model="minimax-video") == 1
    assert now("conduit_task_done_seconds_bucket", le="+Inf") == now("conduit_task_done_seconds_bucket", le="4096.0") == 1
    assert now("conduit_money_usd_total", entry="hold") == pytest.approx(0.8)
    assert now("conduit_money_usd_total", entry="capture") == pytest.approx(0.2)
    assert (now("conduit_tasks", status="queued"), now("conduit_money_held_usd")) == (1, pytest.approx(0.2))


def test_what_minimax_bills_and_does_not_bill_after_all_only_grows(consumer, scrape):
    clip = Clip.objects.create(
        video_id=consumer.generate()["task_id"],
        number=0,
        api="v1",
        upstream="video-01",
        seconds=6,
        cost="0.19",
        billed="0.19",
        expected_seconds=1,
    )
    roll_up()
    Clip.objects.filter(pk=clip.pk).update(billed=Decimal(0))
    roll_up()
    now = scrape()

    assert now("conduit_minimax_billed_usd_total", model="video-01") == pytest.approx(0.19)
    assert now("conduit_minimax_billed_back_usd_total", model="video-01") == pytest.approx(0.19)


def test_a_condition_that_holds_is_told_with_the_number_of_its_subjects(scrape, consumer):
    look()
    before = scrape()
    consumer.generate()
    look()

    assert before("conduit_condition_subjects", condition="late_steps") == 0
    assert before("conduit_condition_subjects", condition="storage", severity="degraded") == 0


def test_nothing_is_told_of_whose_it_is_or_what_was_asked_for(make_consumer, scrape):
    ann = make_consumer("a key of ann's")
    task = ann.generate("a secret prompt")
    end(task["task_id"], "failed")
    roll_up()
    text = scrape().text

    for hidden in (ann.secret, ann.secret[:12], ann.key.name, "secret prompt", task["task_id"], TOKEN):
        assert hidden not in text


# ---- The whole place, read once ----


def reading_of(values):
    gauge = Gauge("conduit_tea_cups", "Cups.")
    return Reading("tea", (gauge,), lambda: [gauge.of(value=next(values))])


def test_the_place_is_read_once_for_all_who_ask_and_anew_when_that_is_old(table, settings, client):
    settings.METRICS_TOKEN = TOKEN
    registry.register(reading=reading_of(iter((1, 2))))

    def cups():
        return Scraped(client.get("/metrics", headers=BEARER).content.decode())("conduit_tea_cups")

    assert [cups(), cups(), cups()] == [1, 1, 1]
    Snapshot.objects.update(begun_at=F("begun_at") - timedelta(seconds=place.FRESH_SECONDS))
    assert [cups(), cups()] == [2, 2]


def test_while_one_reads_others_are_told_what_was_read_before(table):
    registry.register(reading=reading_of(iter((1,))))
    place.snapshot()
    Snapshot.objects.update(begun_at=timezone.now(), read_at=F("read_at") - timedelta(seconds=20))

    samples, age = place.snapshot()

    assert samples == [("conduit_tea_cups", (), 1)]
    assert age == pytest.approx(20, abs=5)


def test_a_reading_that_fails_is_told_and_keeps_no_other_from_being_told(table, scrape):
    registry.register(reading=reading_of(iter((1,))))
    milk = Gauge("conduit_milk_jugs", "Jugs.")
    registry.register(reading=Reading("milk", (milk,), lambda: [milk.of(value=1 / 0)]))
    now = scrape()

    assert (now("conduit_tea_cups"), now("conduit_milk_jugs"), now("conduit_reading_failed", reading="milk")) == (1, None, 1)


def test_a_scrape_asks_six_queries_and_the_one_that_reads_the_place_seventeen_more(settings, client, consumer):
    settings.METRICS_TOKEN = TOKEN
    consumer.generate()
    roll_up()

    def queries():
        with CaptureQueriesContext(connection) as captured:
            client.get("/metrics", headers=BEARER)
        return len([query for query in captured if "SAVEPOINT" not in query["sql"]])

    queries()
    again = queries()
    Snapshot.objects.update(begun_at=F("begun_at") - timedelta(seconds=60))

    assert (again, queries()) == (6, 23)


def test_while_the_database_is_away_that_is_told_and_no_count_begins_anew(scrape, monkeypatch):
    monkeypatch.setattr(exposition, "conditions_now", lambda: _without_database(clock.now()))
    now = scrape()

    assert now("conduit_condition_subjects", condition="database") == 1
    assert set(now.families) == {"conduit_condition_subjects"}


def test_a_database_that_goes_away_in_the_middle_of_a_scrape_makes_no_count_begin_anew(scrape, monkeypatch):
    def away():
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(place, "_kept", away)

    assert set(scrape().families) == {"conduit_condition_subjects"}


# ---- Each process ----


def test_each_process_at_work_tells_of_itself_and_of_one_that_ended_or_fell_silent_nothing_is_told(scrape):
    own.tell("web")
    own.tell("beat")
    now = scrape()
    assert now("conduit_process_info", kind="web") == now("conduit_process_info", kind="beat") == 1
    assert now("conduit_process_memory_bytes", kind="web") > 1e6
    assert now("conduit_process_open_files", kind="web") < now("conduit_process_open_files_limit", kind="web")

    own.leave("beat")
    assert scrape()("conduit_process_info", kind="beat") is None
    OwnFigures.objects.update(told_at=F("told_at") - timedelta(seconds=own.FRESH_SECONDS + 1))
    assert scrape()("conduit_process_info", kind="web") is None


# ---- The registry ----


def test_a_name_is_taken_once_and_ends_as_prometheus_wants_it(table):
    registry.register(Count("conduit_tea_total", "Tea."))

    for metric in (
        Count("conduit_tea_total", "Tea."),
        Count("conduit_tea", "Tea."),
        Gauge("conduit_milk_total", "Milk."),
        Times("conduit_tea_time", "Tea."),
        Gauge("tea", "Tea."),
    ):
        with pytest.raises(ValueError, match=r"already|does not end|no name"):
            registry.register(metric)
