"""What a worker does with the messages that wait, in the test's own process."""

from queue import Empty

from celery import current_app
from celery.app import app_or_default
from celery.worker.request import Request

from tasks import hints


def take_messages(queue: str) -> int:
    """Run the jobs that wait in that queue, one after the other, as Celery's worker does; how many there were."""
    taken = 0
    hints.sender.flush()
    current_app.loader.import_default_modules()
    with current_app.connection_for_read() as wire, wire.SimpleQueue(queue) as waiting:
        while True:
            try:
                message = waiting.get(block=False)
            except Empty:
                return taken
            Request(message, app=app_or_default()).execute()
            message.ack()
            taken += 1
