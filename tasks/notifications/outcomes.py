"""What is written of tries: in the log, of the delivery, and of the endpoint."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Coalesce

from conduit import clock
from tasks.notifications import disabling, event_types
from tasks.notifications.claims import Claim
from tasks.notifications.models import WORDS_CHARACTERS, Delivery, Endpoint, FailingHost, State, TaskTarget, Try
from tasks.notifications.sending import Outcome

# The pause before each try, in seconds: the first at once, the last two days after the one before it.
PAUSES = (0, 5, 60, 300, 1800, 7200, 21_600, 43_200, 86_400, 172_800)
# Of each pause, so that what failed together does not come together.
JITTER = 0.1
# An endpoint with no success for so long is not called any more.
DISABLED_AFTER = timedelta(days=5)
TOO_LONG = "It failed for five days."
GONE = "It answered 410: nothing is there any more."


@dataclass(frozen=True)
class Tried:
    claim: Claim
    outcome: Outcome


def write(tried: Sequence[Tried]) -> None:
    """Keep what came of these tries, in one transaction. Of one whose lease lapsed only the log tells: somebody else tries it."""
    now = clock.now()
    with transaction.atomic():
        still = Delivery.objects.pending().filter(pk__in=[one.claim.delivery.pk for one in tried]).select_for_update().order_by("pk")
        held = {row.pk: row.lease_token for row in still}
        Try.objects.bulk_create(
            [logged(one.claim.delivery, one.outcome) for one in tried if one.claim.delivery.pk in held and _is_told(one)]
        )
        own = [one for one in tried if held.get(one.claim.delivery.pk) == one.claim.token]
        _arrived([one for one in own if one.outcome.arrived], now)
        # By their receivers: two senders that write of the same ones in different orders would wait for each other.
        for one in sorted(own, key=lambda one: one.claim.delivery.target):
            if not one.outcome.arrived:
                _failed(one, now)


def _is_told(one: Tried) -> bool:
    """Whether it is in the log: a receiver that is away for days would fill it with what found that out."""
    return one.outcome.arrived or not one.claim.is_knock


def logged(delivery: Delivery, outcome: Outcome) -> Try:
    """The row of a try in the log, not written yet."""
    return Try(
        delivery=delivery,
        began_at=outcome.began_at,
        milliseconds=round(outcome.seconds * 1000),
        status_code=outcome.status_code,
        problem=outcome.problem[:WORDS_CHARACTERS],
        head=outcome.head,
    )


def _arrived(own: Sequence[Tried], now: datetime) -> None:
    for one in own:
        delivery = one.claim.delivery
        Delivery.objects.filter(pk=delivery.pk).update(
            state=State.DELIVERED,
            ended_at=now,
            attempts=delivery.attempts + 1,
            status_code=one.outcome.status_code,
            problem="",
            lease_token=None,
            lease_until=None,
        )
    endpoints = {pk for one in own if (pk := one.claim.delivery.endpoint_id) is not None}
    hosts = {one.claim.delivery.target for one in own if one.claim.delivery.endpoint_id is None}
    failing = set(Endpoint.objects.filter(pk__in=endpoints).exclude(failing_since=None).values_list("public_id", flat=True))
    if hosts and (back := FailingHost.objects.filter(pk__in=hosts).values_list("pk", flat=True)):
        failing |= set(back)
        FailingHost.objects.filter(pk__in=hosts).delete()
    for target in failing | {one.claim.delivery.target for one in own if one.claim.delivery.attempts}:
        # It is back: what waits for it need not wait for the times of its tries.
        Delivery.objects.pending().filter(target=target, next_try_at__gt=now).update(next_try_at=now)
    Endpoint.objects.filter(pk__in=endpoints).update(failing_since=None, succeeded_at=now)


def _failed(one: Tried, now: datetime) -> None:
    delivery, outcome = one.claim.delivery, one.outcome
    if one.claim.is_knock and not outcome.is_gone and not outcome.is_final:
        Delivery.objects.filter(pk=delivery.pk).update(lease_token=None, lease_until=None)
        if not outcome.is_ours:
            _note_failure(delivery, outcome, now)
        return
    attempts = delivery.attempts + 1
    fields = {
        "attempts": attempts,
        "status_code": outcome.status_code,
        "problem": outcome.problem[:WORDS_CHARACTERS],
        "lease_token": None,
        "lease_until": None,
    }
    # Of progress the newest alone matters, and another follows.
    is_over = outcome.is_gone or outcome.is_final or delivery.message.type == event_types.PROGRESS
    if is_over or attempts >= len(PAUSES):
        Delivery.objects.filter(pk=delivery.pk).update(state=State.FAILED, ended_at=now, **fields)
    else:
        again = now + _pause(attempts, outcome)
        Delivery.objects.filter(pk=delivery.pk).update(next_try_at=again, **fields)
        # Those of its task wait for it anyway: looking for what is due need not meet them before.
        behind = Delivery.objects.pending().filter(target=delivery.target, task_id=delivery.task_id, pk__gt=delivery.pk)
        if delivery.task_id:
            behind.filter(next_try_at__lt=again).update(next_try_at=again)
    if not outcome.is_ours:
        _note_failure(delivery, outcome, now)


def _pause(attempts: int, outcome: Outcome) -> timedelta:
    usual = PAUSES[attempts] * random.uniform(1, 1 + JITTER)  # noqa: S311 - nobody guards anything by it
    return timedelta(seconds=max(usual, outcome.retry_after or 0.0))


def _note_failure(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    # A receiver that asks for less haste is not called before.
    tried_at = now + timedelta(seconds=outcome.retry_after or 0.0)
    if delivery.endpoint is None:
        if outcome.is_gone and delivery.task_id:
            TaskTarget.objects.filter(pk=delivery.task_id).update(gone_at=now)
            disabling.give_up(Delivery.objects.filter(target=delivery.target, task_id=delivery.task_id), GONE, now)
            return
        host = FailingHost(target=delivery.target, failing_since=now, tried_at=tried_at)
        FailingHost.objects.bulk_create([host], update_conflicts=True, unique_fields=["target"], update_fields=["tried_at"])
        return
    Endpoint.objects.filter(pk=delivery.endpoint.pk).update(failing_since=Coalesce("failing_since", Value(now)), tried_at=tried_at)
    if outcome.is_gone:
        disabling.disable(delivery.endpoint, GONE)
    elif delivery.endpoint.failing_since and delivery.endpoint.failing_since <= now - DISABLED_AFTER:
        disabling.disable(delivery.endpoint, TOO_LONG)
