"""The Procfile's own workers and beat, killed and stopped: what the place says of them."""

import socket
from datetime import timedelta

import pytest
import redis
from django.conf import settings as django_settings
from django.utils import timezone

from conduit.conditions.models import LastLook, Process
from conduit.conditions.reading import place
from tests.conditions.conftest import details
from tests.signalr.wires import until
from tests.support.procfile_processes import ProcfileProcess
from videos.margins import LOSSES

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.soak]

# Six processes that start at once take a busy machine a minute.
SECONDS = 180


@pytest.fixture
def start():
    """Starts lines of the Procfile; whatever still runs is killed in the end."""
    started = []

    def begin(*names):
        mine = [ProcfileProcess(name) for name in names]
        started.extend(mine)
        return mine

    yield begin
    for process in started:
        process.kill()


@pytest.fixture
def later():
    """A minute passes for all beats: who lives beats again, whoever is dead has been silent for as long."""
    Process.objects.all().delete()
    with redis.Redis.from_url(django_settings.REDIS_URL) as server:
        server.delete("conduit:beats", "conduit:beats:left")

        def pass_by():
            for name in server.zrange("conduit:beats", 0, -1):
                server.zincrby("conduit:beats", -60, name)
            for row in Process.objects.all():
                row.heard_at, row.began_at = (at - timedelta(seconds=60) for at in (row.heard_at, row.began_at))
                row.save()

        yield pass_by
        server.flushall()


def holding():
    """What is wrong with the processes: that the default model loses money as it is shipped has nothing to do with them."""
    return {state.condition.name for state in place().holding} - {LOSSES.name}


def last_beat(name):
    with redis.Redis.from_url(django_settings.REDIS_URL) as server:
        return server.zscore("conduit:beats", name)


def named(kind, process):
    return f"{kind}@{socket.gethostname()}:{process.pid}"


def test_what_is_dead_is_named_and_what_ended_in_good_order_is_not_missed(start, later):
    first, second, control, beat, media, _ = start("worker", "worker", "control", "beat", "media", "notifications")
    until(lambda: holding() == set() and Process.objects.count() == 6, SECONDS)
    assert timezone.now() - place().looked_at < timedelta(seconds=60)

    # It beats once more, after the other began: else that could have been started in its place.
    beaten = last_beat(named("provider", first))
    until(lambda: last_beat(named("provider", first)) > beaten, SECONDS)
    first.kill()
    later()
    until(lambda: details("processes").keys() == {named("provider", first)}, SECONDS)
    until(lambda: holding() == {"processes"}, SECONDS)

    beat.kill()
    later()
    until(lambda: details("processes").keys() == {named("provider", first), named("beat", beat)}, SECONDS)
    until(lambda: holding() == {"processes", "beat"}, SECONDS)

    (another,) = start("beat")
    until(lambda: holding() == {"processes"}, SECONDS)
    assert details("processes").keys() == {named("provider", first)}

    for process in (second, media, another):
        assert process.stop() == 0
    until(lambda: holding() == {"processes", "provider_workers", "media_workers", "beat"}, SECONDS)
    assert details("processes").keys() == {named("provider", first)}

    control.kill()  # nobody looks any more, so whoever reads finds out
    LastLook.objects.update(looked_at=timezone.now() - timedelta(seconds=60))
    assert "as old as this" in details("control")[""]
