"""Whose files are worked on next, and what those that wait for it are told."""

from datetime import timedelta

import pytest

from conduit import clock
from keys.services import change_key
from tasks import leases
from tasks.models import Lane, Task
from tests.support.scarcity import crowd
from videos import media_shares

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def made(make_consumer):
    """So many videos of a key, all made: they wait to be assembled."""

    def made(name, count, ago=60.0, **fields):
        consumer = make_consumer(name)
        ids = crowd(consumer.key, count)
        began = clock.now() - timedelta(seconds=ago)
        now = {"status": "processing", "lane": Lane.MEDIA, "stage": "assembling", "waits_for": "", "next_step_at": began, "progress": 90}
        Task.objects.filter(pk__in=ids).update(**now, leg_goal=99, leg_started_at=began, leg_seconds=4, rest_seconds=0, **fields)
        return consumer, ids

    return made


def claimed(limit=1):
    """Whose step a worker takes next; it does it at once."""
    claims = leases.claim_due(clock.now(), lane=Lane.MEDIA, limit=limit)
    ids = [claim.task_id for claim in claims]
    Task.objects.filter(pk__in=ids).update(next_step_at=clock.now() + timedelta(hours=1), lease_until=None)
    return ids


def test_with_three_hundred_videos_of_one_key_waiting_anothers_comes_after_at_most_one_of_them(made):
    _, hogs = made("hog", 300)
    for _ in range(5):
        assert claimed()[0] in hogs
    _, [single] = made("single", 1, ago=0.1)

    assert single in claimed() + claimed()


def test_keys_share_the_media_workers_by_weight(made):
    (_, of_light), (heavy, of_heavy) = made("light", 40), made("heavy", 40)
    change_key(heavy.key, who="root", weight=3)

    first = [task_id for _ in range(10) for task_id in claimed(limit=2)]

    assert len([task_id for task_id in first if task_id in of_heavy]) == 15
    assert len([task_id for task_id in first if task_id in of_light]) == 5


def test_those_that_wait_say_so_with_their_place_and_the_backlog_in_the_time_left(made):
    hog, hogs = made("hog", 30)
    Task.objects.filter(pk=hogs[0]).update(lease_until=clock.now() + timedelta(minutes=1), attempts=1)
    single, [late] = made("single", 1, ago=0.1)

    media_shares.survey()

    told = single.task(str(late))
    assert (told["waiting_for"], told["queue_position"], told["stage"]) == ("media", 2, "assembling")
    places = sorted(Task.objects.filter(waits_for="media").values_list("queue_position", flat=True))
    assert places == list(range(1, 31))
    last = Task.objects.get(queue_position=30)
    left = hog.task(str(last.pk))["eta_seconds"]
    assert abs(left - (30 * media_shares.USUAL_SECONDS + 4)) <= 2
    assert hog.task(str(hogs[0]))["waiting_for"] is None


def test_what_finds_a_free_worker_is_not_told_that_it_waits(made):
    consumer, [only] = made("single", 1)

    media_shares.survey()

    assert consumer.task(str(only))["waiting_for"] is None
    assert claimed() == [only]
