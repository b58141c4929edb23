"""Sending as a part of Celery's worker, of the one that listens to the queue `notifications`: that worker does nothing else.

One thread makes deliveries of what happened, claims those that are due and writes what came of them; many call receivers, and wait.
"""

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from celery import bootsteps
from django.conf import settings
from django.db import DataError, IntegrityError, close_old_connections, connection
from django.db import Error as DatabaseFailure

from conduit import clock, traces
from tasks.notifications import alerts, claims, knocking, mails, metrics, outcomes, parcels
from tasks.notifications.claims import Claim
from tasks.notifications.outbox import FanOut
from tasks.notifications.outcomes import Tried
from tasks.notifications.sending import Outcome, Parcel, send

log = structlog.get_logger(__name__)

QUEUE = "notifications"
# What is claimed, and written back, in one go at most.
BATCH = 200
# Of a sender's connections, what receivers that fail have together at most: for tries in their turn, and with those out of turn.
FAILING_SHARE, CALLED_SHARE = 3 / 8, 1 / 2
# Between two looks when nothing was found, when something was, and after an error, in seconds.
LOOK_SECONDS, BUSY_SECONDS, ERROR_SECONDS = 0.5, 0.02, 1.0
# Between two looks for mails.
MAIL_SECONDS = 2.0
# How long a worker that ends waits for the tries that are under way: as long as one may take, and a little.
END_SECONDS = 12.0


class SendsNotifications(bootsteps.StartStopStep):
    """Celery's part of it."""

    requires = ("celery.worker.components:Pool",)

    def include_if(self, parent: Any) -> bool:
        return QUEUE in parent.app.amqp.queues.consume_from

    def create(self, parent: Any) -> Any:
        return Sender()

    def close(self, parent: Any) -> None:
        self.obj.close()


class Sender:
    def __init__(self, connections: int | None = None) -> None:
        self._connections = connections or settings.WEBHOOK_CONNECTIONS
        self._callers = ThreadPoolExecutor(self._connections, thread_name_prefix="calls receivers")
        self._tried: queue.SimpleQueue[Tried] = queue.SimpleQueue()
        self._unwritten: list[Tried] = []
        self._fan_out = FanOut()
        self._under_way = self._failing = 0  # tries; and those of them whose receiver failed before
        self._over, self._woken = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="sends notifications", daemon=True)
        self._mailer = threading.Thread(target=self._mail_on, name="sends mails", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._mailer.start()

    def close(self) -> None:
        """Claim nothing more."""
        self._over.set()
        self._woken.set()

    def stop(self) -> None:
        """Write what is answered within a while; the leases of the rest lapse."""
        self.close()
        self._thread.join(END_SECONDS)

    terminate = close

    def _go_on(self) -> None:
        until = None
        while until is None or (self._under_way and time.monotonic() < until):
            try:
                close_old_connections()
                pause = self.look()
            except Exception as error:
                log.warning("did not look for webhooks", error=type(error).__name__, exc_info=not isinstance(error, DatabaseFailure))
                connection.close()
                pause = ERROR_SECONDS
            if self._woken.wait(pause):
                self._over.wait(BUSY_SECONDS)  # what comes in the same moment is written together
            self._woken.clear()
            if self._over.is_set() and until is None:
                until = time.monotonic() + END_SECONDS
        self._callers.shutdown(wait=False, cancel_futures=True)
        connection.close()

    def _mail_on(self) -> None:
        """Look for what operators are told, and send mails: however slow the mail server is, webhooks do not wait for it."""
        while not self._over.wait(MAIL_SECONDS):
            try:
                close_old_connections()
                alerts.look()
                mails.send_due()
            except Exception as error:
                log.warning("did not look for mails", error=type(error).__name__, exc_info=not isinstance(error, DatabaseFailure))
                connection.close()
        connection.close()

    def look(self) -> float:
        """Do all that there is to do now, and wait for nobody; how long to wait before the next time."""
        self._write()
        if self._over.is_set():
            return BUSY_SECONDS
        told = self._fan_out()
        found = self._claimed(min(BATCH, self._connections - self._under_way))
        self._begin(found)
        return BUSY_SECONDS if told or found else LOOK_SECONDS

    def _claimed(self, room: int) -> list[Claim]:
        """So many at most; of receivers that fail no more than leaves the others room, and those that are knocked at some of theirs."""
        if room <= 0:
            return []
        tried = max(1, int(self._connections * FAILING_SHARE)) - self._failing
        found = claims.claim(clock.now(), room, failing=tried)
        called = max(1, int(self._connections * CALLED_SHARE)) - self._failing - sum(claim.fails for claim in found)
        left = min(room - len(found), called)
        return found + (knocking.knock(clock.now(), left) if left > 0 else [])

    @property
    def is_idle(self) -> bool:
        return not self._under_way

    def _begin(self, found: list[Claim]) -> None:
        try:
            self._pack(found)
        except DatabaseFailure:
            raise
        except Exception:
            # One of which no body can be made must not keep back those beside it.
            log.exception("webhooks could not be made")
            for claim in found:
                self._pack_alone(claim)

    def _pack_alone(self, claim: Claim) -> None:
        try:
            self._pack([claim])
        except DatabaseFailure:
            raise
        except Exception:
            log.exception("a webhook could not be made", message_id=claim.delivery.message_id)
            self._count([claim])
            self._tried.put(Tried(claim, Outcome(clock.now(), 0.0, problem="It could not be made.", is_ours=True)))

    def _pack(self, found: list[Claim]) -> None:
        if not found:
            return
        ready, left = parcels.packed(found, clock.now())
        self._count(found)
        for unsendable in left:
            outcome = Outcome(clock.now(), 0.0, problem=unsendable.why, is_final=unsendable.is_final, is_ours=True)
            self._tried.put(Tried(unsendable.claim, outcome))
        for claim, parcel in ready:
            self._callers.submit(self._call, claim, parcel)

    def _count(self, claimed: list[Claim], by: int = 1) -> None:
        self._under_way += by * len(claimed)
        self._failing += by * sum(claim.fails for claim in claimed)

    def _call(self, claim: Claim, parcel: Parcel) -> None:
        began_at, message = clock.now(), claim.delivery.message
        with traces.step(f"webhook {message.type}", message.traceparent, _facts(claim)):
            try:
                outcome = send(parcel)
            except Exception:
                log.exception("a webhook could not be sent", message_id=parcel.message_id)
                outcome = Outcome(began_at, 0.0, problem="It could not be sent.", is_ours=True)
            traces.say({"status_code": outcome.status_code}, problem=outcome.problem)
        self._tried.put(Tried(claim, outcome))
        self._woken.set()

    def _write(self) -> None:
        """What was tried since. While the database is away it is kept, and written when it is back, where its leases still hold."""
        while True:
            while len(self._unwritten) < BATCH and not self._tried.empty():
                self._unwritten.append(self._tried.get())
            if not self._unwritten:
                return
            try:
                outcomes.write(self._unwritten)
            except (DataError, IntegrityError):
                self._write_one_by_one()
            metrics.note(self._unwritten)
            self._count([one.claim for one in self._unwritten], -1)
            self._unwritten = []

    def _write_one_by_one(self) -> None:
        """What the database does not take must not keep back what was tried beside it: its lease lapses."""
        for one in self._unwritten:
            try:
                outcomes.write([one])
            except (DataError, IntegrityError):
                log.exception("what came of a webhook was not written", delivery=one.claim.delivery.pk)


def _facts(claim: Claim) -> dict[str, str | int | None]:
    """What a span says of a try: never the address, whose path or query may be all the authorization that its owner asks for."""
    delivery = claim.delivery
    return {
        "task_id": str(delivery.task_id) if delivery.task_id else None,
        "message_id": delivery.message_id,
        "endpoint": delivery.endpoint.public_id if delivery.endpoint else None,
        "attempts": delivery.attempts,
    }
