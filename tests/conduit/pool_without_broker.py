"""A worker with one process that ends after each job, told of by a line for each thing that it did; its broker may be away.

    python -m tests.conduit.pool_without_broker URL

The process of the first job is not called ended by the kernel until the pool was registered with the worker's loop a second time, as
a busy host does for a moment. The process that is to do the last job is stopped before: it never takes it.
"""

import os
import signal
import sys
from typing import Any

from billiard.popen_fork import Popen
from celery import Celery, bootsteps, signals
from celery.apps.worker import Worker
from celery.concurrency.asynpool import AsynPool
from django.conf import settings

import conduit.worker  # noqa: F401 - with what the product connects to signals

registered = 0
polled, registers = Popen.poll, AsynPool.register_with_event_loop


def poll(self: Popen, flag: int = os.WNOHANG) -> Any:
    return polled(self, flag) if registered > 1 else None


def register_with_event_loop(self: AsynPool, hub: Any) -> None:
    global registered
    registered += 1
    registers(self, hub)


class GivesJobs(bootsteps.StartStopStep):
    """Gives the pool one job after the other, by the worker's loop."""

    requires = ("celery.worker.components:Pool",)

    def create(self, parent: Any) -> None:
        pass

    def start(self, parent: Any) -> None:
        parent.hub.call_soon(self.give, parent, 1)

    def give(self, worker: Any, number: int) -> None:
        worker.pool.apply_async(abs, (number,), callback=lambda _: self.done(worker, number))

    def done(self, worker: Any, number: int) -> None:
        print("done", number, flush=True)
        if number == 1:
            worker.hub.call_soon(self.give, worker, 2)
        elif number == 2:
            worker.hub.call_later(0.5, self.stop_next, worker)
        else:
            os._exit(0)

    def stop_next(self, worker: Any) -> None:
        """Once the process of the second job was replaced."""
        pool = worker.pool._pool
        if pool._waiting_to_start or not all(child._is_alive() for child in pool._pool):
            worker.hub.call_later(0.1, self.stop_next, worker)
            return
        for child in pool._pool:
            os.kill(child.pid, signal.SIGSTOP)
        self.give(worker, 3)


if __name__ == "__main__":
    settings.configure(LEASE_SECONDS=1.0)
    Popen.poll, AsynPool.register_with_event_loop = poll, register_with_event_loop  # type: ignore[method-assign]
    for name in signals.__all__:
        getattr(signals, name).receivers = []  # what the product does then needs a database
    app = Celery("test", broker=sys.argv[1])
    app.conf.update(
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_consumer="conduit.worker:Consumer",
        worker_max_tasks_per_child=1,
        worker_redirect_stdouts=False,
    )
    app.steps["worker"] |= {"conduit.worker:MindsChildren", GivesJobs}
    Worker(app=app, pool="prefork", concurrency=1, without_gossip=True, without_mingle=True, quiet=True).start()
    sys.exit(1)
