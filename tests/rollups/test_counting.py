"""Roll-ups go on from the last row that was counted, and count each once."""

from decimal import Decimal

import pytest
from django.core.management import call_command

from conduit import clock
from conduit.rollups.jobs import roll_up
from conduit.rollups.steps import DAY, HOUR, MONTH, midnight
from keys import rollups as money
from tasks import rollups
from tasks.rollups import Counts, What
from tests.support.ending import end
from videos.now import now_of

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
    empty = now_of(HOUR)
    assert empty.live.standing.queued == 0
    consumer.generate()
    roll_up()

    full = now_of(HOUR)

    assert (full.live.standing.queued, full.spanned.total.created, full.live.subscribers) == (1, 1, 0)
    assert full.live.today.money.held == full.live.standing.held > Decimal(0)
    assert [key.name for key in full.spanned.top_keys] == ["somebody"]


def test_counting_all_anew_gives_the_same(consumer):
    end(consumer.generate()["task_id"], "completed")
    roll_up()
    before = counted(), money.total(midnight(clock.now()))

    call_command("rebuild_rollups")

    assert (counted(), money.total(midnight(clock.now()))) == before
