"""POST /v1/video/generations/estimate"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keys.models import UsageCost
from tasks.models import Task
from tests.support.envelopes import refused
from videos.models import BlockedTerm, VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PATH = "/v1/video/generations/estimate"
GOOD = {"model": "minimax-video", "prompt": "a cat"}


def test_an_estimate_says_what_the_request_would_cost(consumer):
    answer = consumer.post(PATH, GOOD | {"duration": "9", "aspect_ratio": "9:16"})

    assert answer.status_code == 200
    assert answer.json() == {
        "object": "estimate",
        "type": "video_generation",
        "model": "minimax-video",
        "duration": 9,
        "resolution": "720x1280",
        "aspect_ratio": "9:16",
        "price_factor": "1",
        "cost": {"estimated": "0.3000", "held": None, "charged": None, "currency": "USD"},
    }


@pytest.mark.parametrize("wanted", [{}, {"duration": 60, "resolution": "1920x1080"}, {"duration": 1, "resolution": "720x480"}])
def test_an_estimate_is_what_the_create_then_costs(consumer, wanted):
    estimated = consumer.post(PATH, GOOD | wanted).json()["cost"]["estimated"]

    assert consumer.generate(**wanted)["cost"]["estimated"] == estimated


@pytest.mark.parametrize(
    ("wanted", "price"),
    [
        ({"model": "minimax-h3", "duration": 1}, "0.3867"),  # as its shortest clip of four seconds
        ({"model": "minimax-h3", "duration": 60, "resolution": "1080x1920"}, "9.4250"),
        ({"model": "minimax-hailuo-2.3", "duration": 2}, "0.5800"),
        ({"model": "minimax-hailuo-02", "duration": 10, "resolution": "1920x1080"}, "1.6917"),
    ],
)
def test_each_model_has_its_own_price(consumer, wanted, price):
    assert consumer.post(PATH, GOOD | wanted).json()["cost"]["estimated"] == price


def test_an_estimate_starts_nothing_and_writes_nothing(consumer):
    with CaptureQueriesContext(connection) as queries:
        consumer.post(PATH, GOOD)

    assert {query["sql"].partition(" ")[0] for query in queries} == {"SELECT"}
    assert (Task.objects.count(), UsageCost.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [({"prompt": " "}, "prompt"), ({"duration": 0}, "duration"), ({"seed": 1}, "seed"), ({"resolution": "1x1"}, "resolution")],
)
def test_an_estimate_refuses_what_a_create_refuses(consumer, wanted, param):
    estimated = refused(consumer.post(PATH, GOOD | wanted), 400, "invalid_request", param)

    assert estimated == refused(consumer.post("/v1/video/generations", GOOD | wanted), 400, "invalid_request", param)


def test_an_estimate_obeys_the_content_policy(consumer):
    BlockedTerm.objects.create(term="cat")

    refused(consumer.post(PATH, GOOD), 400, "content_policy_violation", "prompt")


def test_an_estimate_for_a_disabled_model_is_404(consumer):
    VideoModel.objects.update(enabled=False)

    refused(consumer.post(PATH, GOOD), 404, "model_not_found", "model")
