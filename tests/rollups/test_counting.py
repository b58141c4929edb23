"""Roll-ups go on from the last row that was counted, and count each once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db.models import F

from conduit import clock
from conduit.conditions import Severity
from conduit.conditions.looking import look
from conduit.conditions.reading import place
from conduit.rollups import registry
from conduit.rollups.jobs import forget_old_roll_ups, roll_up
from conduit.rollups.steps import DAY, HOUR, MONTH, midnight
from keys import rollups as money
from keys.models import Team, UsageCost, VirtualKey
from keys.rollup_models import MoneyCount
from keys.rollups import Money
from tasks import rollups
from tasks.retention import forget_old_events
from tasks.rollup_models import TaskCount
from tasks.rollups import Counts, What
from tests.conditions.conftest import details
from tests.support.ending import end
from videos import rollups as videos
from videos.models import Clip
from videos.now import live, spanned
from videos.rollup_models import BilledCount
from videos.rollups import Bill

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def counted(span=HOUR):
    return rollups.total(rollups.chart(span))


def test_what_happened_is_counted_once_in_each_span_however_often_it_is_rolled_up(consumer):
    first, second, _ = (consumer.generate()["task_id"] for _ in range(3))
    end(first, "completed")
    end(second, "failed")

    for _ in range(3):
        roll_up()

    for span in (HOUR, DAY, MONTH):
        assert counted(span) == Counts(created=3, started=1, completed=1, failed=1)
        assert [(cause.error_code, cause.count) for cause in rollups.causes(span)] == [("provider_error", 1)]
        assert rollups.times(span, What.QUEUED).count == rollups.times(span, What.DONE).count == 1
    assert money.total(midnight(clock.now())).tasks == 3


def test_the_page_of_now_can_be_read_of_an_empty_place_and_of_one_at_work(consumer):
    assert (live().workload.queued, spanned(HOUR).total.created) == (0, 0)
    consumer.generate()
    roll_up()

    now, hour = live(), spanned(HOUR)

    assert (now.workload.queued, hour.total.created, now.subscribers) == (1, 1, 0)
    assert now.today.money.held == now.workload.held > Decimal(0)
    assert [key.name for key in hour.top_keys] == ["somebody"]


def test_counting_all_anew_gives_the_same(consumer):
    end(consumer.generate()["task_id"], "completed")
    clip(consumer.generate()["task_id"], billed="0.19")
    roll_up()
    before = figures()
    TaskCount.objects.update(count=F("count") + 5)
    MoneyCount.objects.update(charged=9)
    BilledCount.objects.update(billed=9)

    call_command("rebuild_rollups")

    assert figures() == before
    roll_up()
    assert figures() == before


def test_what_was_counted_of_events_that_are_forgotten_stays_when_all_is_counted_anew(consumer, settings, time_travel):
    start = clock.now()
    time_travel.move_to(start - timedelta(days=settings.EVENTS_KEPT_DAYS + 1))
    end(consumer.generate()["task_id"], "cancelled")
    assert forget_old_events(start) == 0  # nobody has counted them
    roll_up()
    time_travel.move_to(start)
    end(consumer.generate()["task_id"], "failed")
    roll_up()

    assert forget_old_events(clock.now()) == 2
    call_command("rebuild_rollups")

    assert counted(MONTH) == Counts(created=2, failed=1, cancelled=1)


def test_rows_are_forgotten_by_their_steps(consumer, time_travel):
    start = clock.now()
    time_travel.move_to(start - timedelta(days=4))
    consumer.generate()
    roll_up()
    assert {row.step for row in TaskCount.objects.all()} == {60, 600, 21600}
    time_travel.move_to(start)

    forget_old_roll_ups()

    assert {row.step for row in TaskCount.objects.all()} == {row.step for row in MoneyCount.objects.all()} == {21600}
    assert counted(MONTH).created == 1


def test_what_is_billed_of_a_clip_is_corrected_where_it_was_counted(consumer, time_travel):
    start = clock.now()
    time_travel.move_to(start - timedelta(days=3))
    first, second = (clip(consumer.generate()["task_id"], billed="0.19", submitted_at=clock.now()) for _ in range(2))
    roll_up()
    day = clock.now().date()
    assert videos.bills_by(videos.bills_of_days(day, day), "upstream") == {("video-01",): Bill(2, Decimal("0.38"))}
    time_travel.move_to(start)

    Clip.objects.filter(pk=first.pk).update(billed=0)  # MiniMax failed it
    Clip.objects.filter(pk=second.pk).update(billed="0.20")
    roll_up()

    assert videos.bills_by(videos.bills_of_days(day, day), "upstream") == {("video-01",): Bill(1, Decimal("0.20"))}
    assert videos.bill(midnight(clock.now())) == Bill()
    assert not Clip.objects.to_count().exists()


def test_money_is_added_up_by_day_key_team_and_model(make_consumer):
    ann, bob = make_consumer("ann"), make_consumer("bob")
    team = Team.objects.create(name="film")
    VirtualKey.objects.filter(pk=bob.key.pk).update(team=team)
    for one, status in ((ann, "completed"), (bob, "completed"), (bob, "failed")):
        end(one.generate()["task_id"], status)
    roll_up()
    today = clock.now().date()
    price = UsageCost.objects.filter(entry="hold").first().amount

    rows = money.of_days(today, today)

    assert [(share.id, share.name, share.money.tasks, share.money.charged) for share in money.by_key(rows)] == [
        (bob.key.pk, "bob", 2, price),
        (ann.key.pk, "ann", 1, price),
    ]
    assert [(share.id, share.name, share.money.released) for share in money.by_team(rows)] == [(team.pk, "film", price), (None, "", 0)]
    assert [(share.name, share.money.net) for share in money.by_model(money.of_month(today))] == [("minimax-video", 2 * price)]
    assert [(day.day, day.money.held) for day in money.by_day(money.of_days(today, today, team_id=team.pk))] == [(today, 2 * price)]
    assert money.total(midnight(clock.now())) == sum((share.money for share in money.by_key(rows)), Money())


def test_figures_that_are_behind_are_a_condition_until_they_have_caught_up(consumer, time_travel):
    now = clock.now()
    time_travel.move_to(now - timedelta(minutes=5), tick=False)
    clip(consumer.generate()["task_id"], billed="0.19", submitted_at=clock.now())
    look()
    assert details("roll_ups") == {}
    time_travel.move_to(now)

    look()

    left = f"What was written from {now - timedelta(minutes=5):%Y-%m-%d %H:%M} UTC on is not counted."
    assert details("roll_ups") == {"tasks": left, "ledger": left}
    assert next(state for state in place().holding if state.condition.name == "roll_ups").condition.severity is Severity.NOTICE
    roll_up()
    look()
    assert details("roll_ups") == {}


def test_counting_that_fails_is_told_and_keeps_no_other_kind_from_being_counted(consumer, monkeypatch):
    def fails():
        raise RuntimeError

    consumer.generate()
    broken = replace(registry._registered["tasks"], roll_up=fails)
    with monkeypatch.context() as patched:
        patched.setitem(registry._registered, "tasks", broken)
        roll_up()
    assert details("roll_ups") == {"tasks": "Counting failed (RuntimeError)."}
    assert money.total(midnight(clock.now())).tasks == 1

    roll_up()

    assert details("roll_ups") == {}
    assert counted().created == 1


def figures():
    since = midnight(clock.now())
    return counted(), money.total(since), money.by_key(money.of_month(since.date())), videos.bill(since)


def clip(task_id, **fields):
    facts = {"api": "v1", "upstream": "video-01", "cost": "0.19", "expected_seconds": 9, "state": "submitted", "provider_task_id": task_id}
    return Clip.objects.create(video_id=task_id, number=0, **facts | fields)
