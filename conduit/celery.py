"""The Celery application: `celery -A conduit …`."""

import atexit
import os
from typing import Any

from celery import Celery
from celery.signals import (
    after_task_publish,
    beat_init,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "conduit.settings")
# Celery makes Django's checks, which load every view, and throws away what they find. Ours are made in _refuse_unsafe_start.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

# The prefork worker's main process, as its children know it.
_worker_pid: int | None = None

app = Celery("conduit", task_cls="conduit.messages:TimelyTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")
# By name: they need Django's models.
app.steps["worker"] |= {
    "conduit.worker:MindsChildren",
    "tasks.finding:FindsWork",
    "tasks.notifications.worker:SendsNotifications",
    "videos.asking.worker:AsksMiniMax",
}


@setup_logging.connect
def _keep_our_logging(**kwargs: Any) -> None:
    """Being connected is all: Celery then leaves the logs as conduit.logs set them up."""
    import logging.config

    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
    logging.captureWarnings(True)


@worker_init.connect
@beat_init.connect
def _refuse_unsafe_start(**kwargs: Any) -> None:
    from conduit.checks import refuse_unsafe_start

    refuse_unsafe_start()


@worker_init.connect
def _read_the_clock(**kwargs: Any) -> None:
    from conduit import clock

    clock.start()


@worker_init.connect
def _count_calls(**kwargs: Any) -> None:
    from videos import call_counts

    call_counts.start()


@worker_init.connect
def _count_what_is_done(**kwargs: Any) -> None:
    """Before its children are forked, each of which counts for itself."""
    from conduit.metrics import noting

    noting.begin()


@worker_shutdown.connect
@worker_process_shutdown.connect
def _hand_in_what_was_noted(**kwargs: Any) -> None:
    from conduit import traces
    from conduit.metrics import noting

    noting.end()
    traces.end()


@worker_init.connect
def _remember_the_parent(**kwargs: Any) -> None:
    global _worker_pid
    _worker_pid = os.getpid()


@worker_ready.connect
def _beat_while_alive(sender: Any, **kwargs: Any) -> None:
    """From its main loop: a worker whose threads are all busy is not taken for dead, and one whose loop hangs is.

    On its way out it finishes the step at hand, which may take minutes, and takes no other.
    """
    from conduit.heartbeats import BEAT_SECONDS, Pulse

    pulse = Pulse(queue.name for queue in sender.task_consumer.queues)
    worker_shutting_down.connect(lambda **_: pulse.end(), weak=False)
    pulse.beat()
    sender.timer.call_repeatedly(BEAT_SECONDS, pulse.beat)


@worker_ready.connect
def _tell_of_the_worker(sender: Any, **kwargs: Any) -> None:
    from celery.worker import state

    from conduit.metrics import noting, own

    own.also(lambda: [(own.STEPS, (), len(state.active_requests))])
    noting.tell(", ".join(sorted(queue.name for queue in sender.task_consumer.queues)))


@beat_init.connect
def _tell_of_beat(**kwargs: Any) -> None:
    from conduit.metrics import noting

    noting.tell("beat")
    atexit.register(noting.end)


@beat_init.connect
def _beat_of_beat(**kwargs: Any) -> None:
    """It is alive while it sends what is due: a tick each second."""
    from conduit.heartbeats import Pulse

    pulse = Pulse(["beat"])
    after_task_publish.connect(lambda **_: pulse.beat_now_and_then(), weak=False)
    atexit.register(pulse.end)


@worker_ready.connect
def _check_the_storage(sender: Any, **kwargs: Any) -> None:
    """A worker that works on files knows whether they can be stored before it orders any."""
    from videos import storage_check

    if {"provider", "media"} & {queue.name for queue in sender.task_consumer.queues}:
        storage_check.start()


@worker_ready.connect
def _hand_out_turns(sender: Any, **kwargs: Any) -> None:
    """A worker that orders at MiniMax also calls the tasks whose turn it is."""
    from videos.accounts import dealer

    if "provider" in {queue.name for queue in sender.task_consumer.queues}:
        dealer.start()


@worker_ready.connect
def _look_at_the_place(sender: Any, **kwargs: Any) -> None:
    """The worker that does the upkeep also looks at how the place is."""
    from conduit.conditions import looking

    if "control" in {queue.name for queue in sender.task_consumer.queues}:
        looking.start()


@worker_process_init.connect
def _die_with_the_worker(**kwargs: Any) -> None:
    """A media child must not outlive a worker that was killed. (A solo worker is its own only process.)"""
    from conduit.stack.lifeline import die_with_parent

    if os.getpid() != _worker_pid:
        die_with_parent(_worker_pid)
