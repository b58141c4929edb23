"""Making videos for OpenAI's clients: once, however often a client sends the same call."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from conduit.api.errors import ApiError, InvalidRequest
from conduit.api.idempotency import Idempotency
from keys.models import VirtualKey
from tasks.models import Status, Task
from videos.dialects.openai import repeats
from videos.dialects.openai.requests import create_request, remix_request
from videos.dialects.openai.wire import accepted
from videos.requests import GenerationRequest
from videos.services import keeping_answer, start_generation

# What the request of ours is called by, and here.
_CALLED = {"duration": "seconds", "resolution": "size"}


def create(*, key: VirtualKey, data: Any, count: int, idempotency: Idempotency | None) -> Task:
    """A new video, or the one of an earlier try of the same call. `count`: which try this is (repeats.count_of).

    Raises:
        ApiError, ValidationError: it is refused, and nothing was written.
    """
    wanted = create_request(data)
    asked = {"model": wanted.model, "prompt": wanted.prompt, "seconds": wanted.duration, "size": wanted.resolution}
    return _once(asked, wanted, key=key, count=count, idempotency=idempotency)


def remix(original: Task, *, key: VirtualKey, data: Any, count: int, idempotency: Idempotency | None) -> Task:
    """The same of a completed video with another prompt."""
    if original.status != Status.COMPLETED:
        raise InvalidRequest(f"Only a completed video can be remixed, and this one is {original.status}.", param="video_id")
    wanted = remix_request(data, original)
    asked = {"remix_of": str(original.pk), "prompt": wanted.prompt}
    return _once(asked, wanted, key=key, count=count, idempotency=idempotency, remix_of=original)


def _once(
    asked: Mapping[str, object],
    wanted: GenerationRequest,
    *,
    key: VirtualKey,
    count: int,
    idempotency: Idempotency | None,
    remix_of: Task | None = None,
) -> Task:
    """`asked`: what tells one call from another."""
    with _in_its_words():
        return _made_once(asked, wanted, key=key, count=count, idempotency=idempotency, remix_of=remix_of)


@contextmanager
def _in_its_words() -> Iterator[None]:
    """A refusal names what this wire calls the parameter at fault."""
    try:
        yield
    except ApiError as error:
        if called := _CALLED.get(error.param or ""):
            error.message = error.message.replace(f"`{error.param}`", f"`{called}`")
            error.param = called
        raise


def _made_once(
    asked: Mapping[str, object],
    wanted: GenerationRequest,
    *,
    key: VirtualKey,
    count: int,
    idempotency: Idempotency | None,
    remix_of: Task | None,
) -> Task:
    if idempotency:  # it says which call this is
        return start_generation(key=key, wanted=wanted, remix_of=remix_of, first=keeping_answer(idempotency, accepted))
    if wanted.webhook:
        asked = {**asked, "webhook": [wanted.webhook.url, *wanted.webhook.event_types]}
    fields_hash = repeats.hash_of(asked)
    with transaction.atomic():
        if made := repeats.made_before(key, fields_hash, count):
            return made
        task = start_generation(key=key, wanted=wanted, remix_of=remix_of)
        repeats.remember(task, fields_hash, count)
    return task
