"""Starting generations: everything that happens in a request."""

from django.conf import settings
from django.db import transaction

from conduit.api.errors import Conflict
from keys.models import VirtualKey
from tasks import lifecycle
from tasks.models import Status, Task
from videos.catalogue import Offer, nearest_native, offer_for
from videos.models import Resolution, Timing, Video
from videos.policy import check_prompt
from videos.presentation import KIND
from videos.requests import GenerationRequest

# Progress of a task: waiting ends at 2 %, being made at 95, being fetched at 97, being assembled at 99.
QUEUED_GOAL = 2
# How long a task usually waits to be taken, and how long delivery takes until a finished one tells, in seconds.
QUEUED_SECONDS = 1.0
DELIVERY_SECONDS = 3.0


def quote(wanted: GenerationRequest) -> Offer:
    """The offer for a request that would be accepted; raises what creating it would raise."""
    offer = offer_for(wanted)
    check_prompt(wanted.prompt)
    return offer


def start_generation(*, key: VirtualKey, wanted: GenerationRequest, retry_of: Task | None = None) -> Task:
    """Accept a request: its price is held, and its task, video and first event are written, in one transaction."""
    offer = quote(wanted)
    model = offer.model
    native = nearest_native(model, duration=wanted.duration, resolution=wanted.resolution)
    known = Timing.objects.typical(upstream=model.upstream, seconds=native.seconds, resolution=native.resolution)
    made_in, delivered_in = known or (model.typical_seconds * settings.MINIMAX_TIME_SCALE, DELIVERY_SECONDS)
    task = Task(
        key=key,
        kind=KIND,
        model=wanted.model,
        metadata=wanted.metadata,
        retry_of=retry_of,
        price=offer.price(duration=wanted.duration, resolution=wanted.resolution),
        leg_goal=QUEUED_GOAL,
        leg_seconds=QUEUED_SECONDS,
        rest_seconds=made_in + delivered_in,
    )
    task.video = video = Video(
        task=task,
        prompt=wanted.prompt,
        duration=wanted.duration,
        resolution=wanted.resolution,
        aspect_ratio=wanted.aspect_ratio,
        upstream=model.upstream,
        native_resolution=native.resolution,
        native_seconds=native.seconds,
        sends_size=model.sends_size,
        expected_seconds=made_in,
    )
    with transaction.atomic():
        lifecycle.create(task)
        video.save(force_insert=True)
    return task


def retry_generation(*, key: VirtualKey, original: Task) -> Task:
    """A new task for what a failed one asked for, at today's price; the original stays as it is.

    Raises:
        Conflict: the original did not fail.
    """
    if original.status != Status.FAILED:
        raise Conflict(f"This task is {original.status}: only a failed one can be retried.", code="task_not_retryable")
    video = original.video
    wanted = GenerationRequest(
        model=original.model,
        prompt=video.prompt,
        duration=video.duration,
        resolution=Resolution(video.resolution),
        aspect_ratio=video.aspect_ratio,
        metadata=original.metadata,
    )
    return start_generation(key=key, wanted=wanted, retry_of=original)
