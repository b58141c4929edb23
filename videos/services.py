"""Starting generations: everything that happens in a request."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from conduit import statements, traces
from conduit.api.errors import Conflict, Forbidden, InvalidRequest
from conduit.api.idempotency import Idempotency
from conduit.statements import Steps
from keys import keeping, limits, price_factors
from keys.models import VirtualKey
from tasks import lifecycle, outlooks
from tasks.models import CAN_BE_RETRIED, Task, TaskEvent
from tasks.notifications.audience import Audience
from tasks.outlooks import Lines
from tasks.pauses import refusal_of_new_work
from tasks.requests import RetryRequest
from videos import kept_catalogue
from videos.catalogue import Offer
from videos.kept_catalogue import Catalogue, Planned
from videos.models import Resolution, Video
from videos.presentation import KIND, accepted, show
from videos.requests import GenerationRequest

# Where the first leg of a task's progress ends, in percent: waiting to be taken.
QUEUED_GOAL = 2
# How long a task usually waits to be taken, in seconds.
QUEUED_SECONDS = 1.0


@dataclass(frozen=True)
class Quote:
    """What a request that would be accepted means and costs."""

    offer: Offer
    price: Decimal  # USD
    price_factor: Decimal  # of the key, within that
    planned: Planned


def quote(wanted: GenerationRequest, *, key: VirtualKey, catalogue: Catalogue) -> Quote:
    """The quote for a request of this key, without a query.

    Raises:
        ApiError: what creating it would raise, but for what only holds at that moment: budgets and tasks in flight.
    """
    if wanted.webhook and key.client_token:
        raise Forbidden("A client token may not have webhooks sent: the API key itself may.", param="webhook_url")
    offer = catalogue.offer_for(wanted)
    factor = price_factors.of(key)
    price = offer.price(duration=wanted.duration, resolution=wanted.resolution, price_factor=factor, images=len(wanted.inputs))
    limits.check_request(key, model_names=offer.model.names, seconds=wanted.duration, resolution=wanted.resolution, price=price)
    if not price:
        raise InvalidRequest(f"{wanted.model} has no price for {wanted.duration} s at {wanted.resolution}.", param="model")
    planned = catalogue.plan(offer, duration=wanted.duration, resolution=wanted.resolution, inputs=wanted.inputs)
    _check_prompt_optimizer(wanted, offer, planned)
    catalogue.check_prompt(wanted.prompt)
    return Quote(offer, price, factor, planned)


def _check_prompt_optimizer(wanted: GenerationRequest, offer: Offer, planned: Planned) -> None:
    if wanted.prompt_optimizer is None:
        return
    if not offer.model.takes_prompt_optimizer:
        raise InvalidRequest(f"{wanted.model} does not have `prompt_optimizer`: leave it out.", param="prompt_optimizer")
    if wanted.prompt_optimizer and len(planned.plan.clips) > 1:
        raise InvalidRequest(
            f"`prompt_optimizer` cannot be on for this length and size: {wanted.model} makes them of {len(planned.plan.clips)} parts, and "
            "each would be given other words.",
            param="prompt_optimizer",
        )


# What is done first in the transaction that makes a task.
First = Callable[[Task], Steps[None]]


def keeping_answer(idempotency: Idempotency | None, answer: Callable[[Task], dict[str, Any]] = accepted) -> First | None:
    """The call is taken, with the answer that will show the task."""
    return (lambda task: idempotency.claiming(answer(task), about=task.pk)) if idempotency else None


def start_generation(
    *,
    key: VirtualKey,
    wanted: GenerationRequest,
    retry_of: Task | None = None,
    remix_of: Task | None = None,
    first: First | None = None,
) -> Task:
    """Accept a request: its price is held, and its task, video and first event are written, in one transaction.

    `first` is what is done in it before, such as taking the call (`keeping_answer`).

    Raises:
        ApiError: it is refused, and nothing was written.
    """
    quoted, lines = _quote_of_now(wanted, key)
    task = planned(key=key, wanted=wanted, quoted=quoted, retry_of=retry_of, remix_of=remix_of, lines=lines)
    with transaction.atomic():
        event = statements.run(starting(task, first))
        transaction.on_commit(lambda: tell_created(event), robust=True)
    return task


def starting(task: Task, first: First | None, *, audience: Audience | None = None) -> Steps[TaskEvent]:
    """The steps of that transaction, for a task that `planned` gave; its first event, which `tell_created` tells when it is committed."""
    if first:
        yield from first(task)
    webhook = [task.webhook] if task.webhook else []
    return (yield from lifecycle.creating(task, task.video, *webhook, audience=audience))


def tell_created(event: TaskEvent) -> None:
    """Of a task that is written: tasks.lifecycle.tell_created, with what only a video shows."""
    lifecycle.tell_created(event, lambda: show(event.task, event.created_at))


def planned(
    *, key: VirtualKey, wanted: GenerationRequest, quoted: Quote, retry_of: Task | None, remix_of: Task | None = None, lines: Lines
) -> Task:
    """The task and its video, not written yet. `lines`: what it has to expect of those in which it may have to wait."""
    task = Task(
        key=key,
        team_id=key.team_id,
        kind=KIND,
        model=wanted.model,
        metadata=wanted.metadata,
        traceparent=traces.current(),
        retry_of=retry_of,
        price=quoted.price,
        price_factor=quoted.price_factor,
        leg_goal=QUEUED_GOAL,
        leg_seconds=QUEUED_SECONDS,
        rest_seconds=quoted.planned.seconds,
    )
    task.results_kept_for, task.prompts_kept_for = keeping.results_kept_for(key), keeping.prompts_kept_for(key)
    if wanted.expires_in is not None:
        task.deadline_at = task.created_at + timedelta(seconds=wanted.expires_in)
    video = Video(
        task_id=task.pk,
        prompt=wanted.prompt,
        duration=wanted.duration,
        resolution=wanted.resolution,
        aspect_ratio=wanted.aspect_ratio,
        remix_of=remix_of,
        prompt_optimizer=wanted.prompt_optimizer,
        upstream=quoted.offer.model.upstream,
        plan=quoted.planned.stored,
    )
    # Not the other way too: two that hold each other are left for the garbage collection, which stops the event loop.
    Task._meta.get_field("video").set_cached_value(task, video)
    if wanted.webhook:
        task.webhook = wanted.webhook.target(task_id=task.pk, key_id=key.pk)
    outlooks.expect(task, lines)
    return task


def retry_generation(
    *,
    key: VirtualKey,
    original: Task,
    own: RetryRequest,
    first: First | None = None,
) -> Task:
    """A new task for what a failed one asked for, at today's price and factor; the original stays as it is.

    `own` is what the retry has of its own, and does not take over.

    Raises:
        Conflict: the original did not fail, and was not ended by its deadline.
    """
    wanted = replace(_asked_again(original), expires_in=own.expires_in, webhook=own.webhook)
    return start_generation(key=key, wanted=wanted, retry_of=original, first=first)


def quote_of_retry(original: Task) -> Quote:
    """What retrying a failed task would mean and cost today.

    Raises:
        ApiError: what retrying it would be refused for, but for what only holds at that moment: budgets and tasks in flight.
    """
    return _quote_of_now(_asked_again(original), original.key)[0]


def _quote_of_now(wanted: GenerationRequest, key: VirtualKey) -> tuple[Quote, Lines]:
    """Raises Overloaded, too, while new work is refused."""
    version, is_stopped, lines = kept_catalogue.state(key.pk)
    quoted = quote(wanted, key=key, catalogue=kept_catalogue.at(version))
    if is_stopped:
        raise refusal_of_new_work()
    return quoted, lines


def _asked_again(original: Task) -> GenerationRequest:
    if not original.is_retryable:
        raise Conflict(f"This task is {original.status}: {CAN_BE_RETRIED}", code="task_not_retryable")
    video = original.video
    if video.is_without_prompt:
        raise Conflict("What this task asked for was deleted, so that it cannot be retried.", code="task_not_retryable")
    return GenerationRequest(
        model=original.model,
        prompt=video.prompt,
        duration=video.duration,
        resolution=Resolution(video.resolution),
        aspect_ratio=video.aspect_ratio,
        metadata=original.metadata,
        prompt_optimizer=video.prompt_optimizer,
    )
