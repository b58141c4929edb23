"""What Celery's worker does while its broker is away: it goes on."""

import time
from typing import Any

from celery.worker import loops as celerys_loops
from celery.worker.consumer import Consumer as CelerysConsumer
from celery.worker.state import maybe_shutdown
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.utils.functional import fxrange

loops: Any = celerys_loops  # what it does with timers has no public name

# Between two tries to reach the broker, in seconds: the first, so much more for each further one, and at most.
FIRST_PAUSE, LONGER, LONGEST_PAUSE = 1.0, 1.0, 5.0
# How soon a worker notices meanwhile that it is to end.
SLICE_SECONDS = 0.5


class Consumer(CelerysConsumer):
    """Celery's own sleeps between two tries to reach the broker, and with it the loop that gives work to the pool's processes, takes
    their results and ends those that take too long. This one runs the loop meanwhile, for work that was found without the broker.
    """

    hub: Any  # None where a worker has no such loop
    controller: Any

    def ensure_connected(self, conn: Connection) -> Connection:
        """The connection once it is established, however long that takes."""
        if self.hub is None:
            return super().ensure_connected(conn)
        for pause in fxrange(FIRST_PAUSE, LONGEST_PAUSE, LONGER, repeatlast=True):
            maybe_shutdown()
            try:
                conn.ensure_connection(max_retries=0)
            except OperationalError as error:
                self.broker_connection_retry_attempt += 1
                self.on_connection_error_before_connected(error)
                self._go_on(pause)
            else:
                break
        self.first_connection_attempt = False
        self.broker_connection_retry_attempt = 0
        return conn

    def _go_on(self, seconds: float) -> None:
        """Run the loop for so long, and leave it as it was found: Celery registers all anew when it is connected."""
        hub = self.hub
        before = loops._timer_entries(hub.timer)
        self.controller.register_with_event_loop(hub)
        of_the_pool = loops._timer_entries(hub.timer) - before
        until = time.monotonic() + seconds
        try:
            loop = hub.create_loop()
            while (left := until - time.monotonic()) > 0:
                maybe_shutdown()
                hub.call_later(min(left, SLICE_SECONDS), _wake)
                try:
                    next(loop)
                except StopIteration:
                    loop = hub.create_loop()
        finally:
            loops._cancel_timer_entries(hub.timer, of_the_pool)
            hub.reset()


def _wake() -> None:
    """Ends the loop's wait for events."""
