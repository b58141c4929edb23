"""Workers and beat by name: which are at work, which are missed."""

import socket
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from conduit import heartbeats
from conduit.conditions import processes
from conduit.conditions.looking import look
from conduit.conditions.models import Process
from conduit.conditions.processes import _Look
from conduit.stack.ports import free_port
from tests.conditions.conftest import details, state

pytestmark = pytest.mark.django_db

LANES = ("provider_workers", "media_workers", "notifications_workers", "beat", "control")
EVERYBODY = ("provider@a:1", "provider@a:2", "media@a:3", "control@a:4", "beat@a:5", "notifications@a:6")


@pytest.fixture(autouse=True)
def server(monkeypatch):
    """The Redis of the beats, without any."""
    monkeypatch.setattr(processes, "_look", _Look())
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    client.delete("conduit:beats", "conduit:beats:left")
    yield client
    client.delete("conduit:beats", "conduit:beats:left")
    client.close()


@pytest.fixture
def silence(server):
    """Nothing has been heard of it for so many seconds, as Redis and the rows know it."""

    def make(name, seconds=60):
        server.zincrby("conduit:beats", -seconds, name)
        Process.objects.update(began_at=timezone.now() - timedelta(days=3))  # all that are there began long before
        Process.objects.filter(name=name).update(heard_at=timezone.now() - timedelta(seconds=seconds))

    return make


@pytest.fixture
def redis_away(settings):
    @contextmanager
    def away():
        url, settings.REDIS_URL = settings.REDIS_URL, f"redis://127.0.0.1:{free_port()}/0"
        try:
            yield
        finally:
            settings.REDIS_URL = url

    return away


def beat(*names):
    for name in names:
        heartbeats.beat(name)


def missed():
    look()
    return set(details("processes"))


def empty_lanes():
    look()
    return {name for name in LANES if state(name).holds}


def test_a_place_where_all_are_at_work_misses_nobody():
    beat(*EVERYBODY)

    assert missed() == set()
    assert empty_lanes() == set()


def test_a_place_that_never_had_workers_says_so_of_each_kind():
    assert empty_lanes() == set(LANES)
    assert missed() == set()


def test_one_dead_of_two_is_named_and_its_lane_goes_on(silence):
    beat(*EVERYBODY)
    look()
    silence("provider@a:2")

    assert missed() == {"provider@a:2"}
    assert details("processes")["provider@a:2"].startswith("Last heard at 20")
    assert empty_lanes() == set()


@pytest.mark.parametrize(("name", "lane"), [("beat@a:5", "beat"), ("media@a:3", "media_workers"), ("control@a:4", "control")])
def test_the_last_of_its_kind_is_named_and_leaves_its_lane_empty(silence, name, lane):
    beat(*EVERYBODY)
    look()
    silence(name)

    assert missed() == {name}
    assert empty_lanes() == {lane}


def test_one_that_says_that_it_ends_is_not_missed():
    beat(*EVERYBODY)
    look()
    heartbeats.deregister("provider@a:2")

    assert missed() == set()
    assert not Process.objects.filter(name="provider@a:2").exists()


def test_one_that_ends_and_comes_back_by_the_same_name_is_at_work_again(silence):
    beat("media@pod:1")
    look()
    heartbeats.deregister("media@pod:1")
    beat("media@pod:1")
    look()
    assert state("media_workers").holds is False

    silence("media@pod:1")
    assert missed() == {"media@pod:1"}


def test_whoever_is_started_in_the_place_of_a_dead_one_ends_its_being_missed(silence):
    beat(*EVERYBODY)
    look()
    silence("provider@a:2")
    beat("provider@b:9", "media@a:9")  # of another host, of another kind
    assert missed() == {"provider@a:2"}

    beat("provider@a:8")
    assert missed() == set()


def test_one_newcomer_takes_the_place_of_one(silence):
    beat(*EVERYBODY)
    look()
    silence("provider@a:1", 90)
    silence("provider@a:2", 60)
    beat("provider@a:8")

    assert missed() == {"provider@a:2"}
    assert missed() == {"provider@a:2"}


def test_one_that_was_there_before_takes_nobodys_place(silence):
    beat("provider@a:1", "provider@a:2")
    look()
    silence("provider@a:2", 40)

    assert missed() == {"provider@a:2"}


def test_whoever_began_before_a_dead_ones_last_beat_does_not_take_its_place(server):
    for name, seconds in (("provider@a:1", 5), ("provider@a:2", 4)):
        beat(name)
        server.zincrby("conduit:beats", -seconds, name)
        look()
    beat("provider@a:1")  # too soon after its first to be written
    look()
    server.zincrby("conduit:beats", -40, "provider@a:1")
    Process.objects.update(heard_at=F("heard_at") - timedelta(seconds=40), began_at=F("began_at") - timedelta(seconds=40))

    assert missed() == {"provider@a:1"}


def test_a_dead_one_is_missed_for_a_day_or_until_it_is_forgotten(silence, capsys):
    beat(*EVERYBODY)
    look()
    silence("provider@a:1", 23 * 3600)
    silence("provider@a:2", 25 * 3600)
    assert missed() == {"provider@a:1"}

    call_command("forget_process", "provider@a:1")
    assert missed() == set()
    with pytest.raises(CommandError, match=r"Known: beat@a:5, control@a:4, media@a:3"):
        call_command("forget_process", "provider@a:1")


def test_names_outlive_a_redis_that_forgot_them(server, silence):
    beat(*EVERYBODY)
    look()
    silence("provider@a:2")
    server.delete("conduit:beats")
    beat(*(name for name in EVERYBODY if name != "provider@a:2"))

    assert missed() == {"provider@a:2"}


def test_while_redis_is_away_redis_is_named_and_nobody_is_missed_for_it(redis_away):
    beat(*EVERYBODY)
    look()
    with redis_away():
        look()
        assert details("redis") == {"": "No answer (ConnectionError)."}
        Process.objects.update(heard_at=timezone.now() - timedelta(minutes=5))
        assert missed() == set()
        assert empty_lanes() == set()


def test_after_redis_was_away_everybody_has_the_time_to_be_heard_again(server, redis_away):
    beat(*EVERYBODY)
    look()
    with redis_away():
        look()
    server.delete("conduit:beats")
    Process.objects.update(heard_at=timezone.now() - timedelta(minutes=5))
    assert missed() == set()
    assert empty_lanes() == set()
    assert state("redis").holds is False

    processes._look.judges_from = 0
    assert missed() == set(EVERYBODY)
    assert empty_lanes() == set(LANES)


def test_rows_are_written_when_somebody_comes_and_then_seldom():
    beat(*EVERYBODY)
    look()
    rows = list(Process.objects.order_by("pk").values())
    beat(*EVERYBODY)
    look()

    assert list(Process.objects.order_by("pk").values()) == rows


def test_a_name_tells_kind_host_and_process():
    name = heartbeats.own_name("media")

    assert heartbeats.kind_of(name) == "media"
    assert heartbeats.host_of(name) == socket.gethostname()


def test_a_process_is_alive_while_it_was_heard_lately(server):
    assert not heartbeats.heard().alive
    beat("media@a:3")
    assert heartbeats.heard().alive == {"media@a:3"}
    server.zincrby("conduit:beats", -heartbeats.LATELY_SECONDS, "media@a:3")
    assert not heartbeats.heard().alive
