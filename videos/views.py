"""The endpoints of video generations."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from conduit import clock
from conduit.api.errors import NotFound
from conduit.api.formats import money
from conduit.api.idempotency import Idempotency, idempotent
from conduit.api.views import tagged
from keys import price_factors
from keys.client_tokens import Right, check_made
from keys.keyed_view import KeyedView
from keys.limits import allows_model, check_model
from keys.models import VirtualKey
from tasks.models import Task
from tasks.presentation import cost, location, show
from tasks.requests import RetryRequest
from tasks.views import TaskListView, cancelled, task_of
from videos import kept_catalogue
from videos.catalogue import PRICED_SECONDS, Offer, offers
from videos.deletion import delete_media
from videos.kept_catalogue import no_such_model
from videos.planning import longest
from videos.presentation import KIND, show_whole
from videos.requests import DURATION_MAX, GenerationRequest
from videos.services import keeping_answer, quote, retry_generation, start_generation

_READ_ELSEWHERE = {"GET": "A video is read with GET /v1/video/generations/{id}."}


def _accepted(task: Task) -> Response:
    return Response(show_whole(task, clock.now()), status=202, headers=location(task))


# Whose the models are.
OWNED_BY = "minimax"


def _generation_of(key: VirtualKey, task_id: str) -> Task:
    task = task_of(key, task_id)
    if task.kind != KIND:
        raise NotFound("This key has no video generation of that id.", code="task_not_found", param="task_id")
    return task


def _own_generation_of(key: VirtualKey, task_id: str) -> Task:
    task = _generation_of(key, task_id)
    check_made(key, task.pk)
    return task


class GenerationsView(TaskListView):
    creates = True
    kind = KIND
    instead = {"DELETE": "One video is cancelled with DELETE /v1/video/generations/{id}."}
    token_may = {"GET": Right.READ_KEY, "POST": Right.CREATE}

    @idempotent
    def post(self, request: Request, idempotency: Idempotency | None) -> Response:
        wanted = GenerationRequest.parse(request.data)
        return _accepted(start_generation(key=self.key, wanted=wanted, first=keeping_answer(idempotency)))


class GenerationView(KeyedView):
    instead = {"POST": "A video is asked for with POST /v1/video/generations, and once more with POST /v1/video/generations/{id}/retry."}
    token_may = {"GET": Right.READ, "DELETE": Right.CREATE}

    def get(self, request: Request, task_id: str) -> HttpResponse:
        return tagged(request, show(_generation_of(self.key, task_id), clock.now()))

    def delete(self, request: Request, task_id: str) -> Response:
        return cancelled(self.key, str(_generation_of(self.key, task_id).pk))


class MediaView(KeyedView):
    token_may = {"DELETE": Right.CREATE}

    def delete(self, request: Request, task_id: str) -> Response:
        delete_media(_own_generation_of(self.key, task_id))
        return Response(show(task_of(self.key, task_id), clock.now()))


class RetryView(KeyedView):
    creates = True
    instead = _READ_ELSEWHERE
    token_may = {"POST": Right.CREATE}

    @idempotent
    def post(self, request: Request, task_id: str, idempotency: Idempotency | None) -> Response:
        original, own = _own_generation_of(self.key, task_id), RetryRequest.parse(request.data)
        return _accepted(retry_generation(key=self.key, original=original, own=own, first=keeping_answer(idempotency)))


class EstimateView(KeyedView):
    creates = True
    instead = {"GET": "An estimate is asked for with POST and the body of the video."}
    token_may = {"POST": Right.CREATE}

    def post(self, request: Request) -> Response:
        wanted = GenerationRequest.parse(request.data)
        catalogue = kept_catalogue.at(kept_catalogue.state().version)
        quoted = quote(wanted, key=self.key, catalogue=catalogue)
        return Response(
            {
                "object": "estimate",
                "type": KIND,
                "model": wanted.model,
                "duration": wanted.duration,
                "resolution": wanted.resolution,
                "aspect_ratio": wanted.aspect_ratio,
                "price_factor": price_factors.written(quoted.price_factor),
                "cost": cost(estimated=quoted.price),
            }
        )


class ModelsView(KeyedView):
    token_may = {"GET": Right.CREATE}

    def get(self, request: Request) -> Response:
        key = self.key
        return Response({"object": "list", "data": [_shown(offer, key) for offer in offers() if allows_model(key, offer.model.names)]})


class ModelView(KeyedView):
    token_may = {"GET": Right.CREATE}

    def get(self, request: Request, name: str) -> Response:
        offer = next((offer for offer in offers() if name in offer.model.names), None)
        if offer is None:
            raise no_such_model()
        check_model(self.key, offer.model.names)
        return Response(_shown(offer, self.key))


def _shown(offer: Offer, key: VirtualKey) -> dict[str, Any]:
    return {
        "id": offer.model.name,
        "object": "model",
        "created": int(offer.model.created_at.timestamp()),
        "owned_by": OWNED_BY,
        "aliases": offer.model.aliases,
        "durations": list(range(1, min(DURATION_MAX, longest(offer.model) or DURATION_MAX) + 1)),
        "resolutions": list(offer.factors),
        "price": {
            "base": money(offer.model.base_price),
            "per_seconds": PRICED_SECONDS,
            "least_seconds": offer.model.least_seconds,
            "factors": {resolution: price_factors.written(factor) for resolution, factor in offer.factors.items()},
            "price_factor": price_factors.written(price_factors.of(key)),
            "currency": "USD",
        },
    }
