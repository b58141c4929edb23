"""GET /v1/models"""

from decimal import Decimal

import pytest

from keys.models import VirtualKey
from tests.support.envelopes import refused
from videos.models import VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

SIZES = ["720x480", "1280x720", "1920x1080", "720x1280", "1080x1920"]


@pytest.fixture
def another():
    model = VideoModel.objects.create(
        name="a-model",
        upstream="x",
        natives=[{"resolution": "720P", "width": 1280, "height": 720, "fps": 25, "clips": {"6": "0.43", "10": "0.86"}}],
        typical_seconds=60,
        base_price="1.5",
    )
    model.factors.create(resolution="1280x720", factor="10")
    return model


def listed(consumer):
    answer = consumer.get("/v1/models")
    assert answer.status_code == 200
    return answer.json()


def test_the_contracts_model_is_there_from_the_start(consumer):
    [shown] = [model for model in listed(consumer)["data"] if model["id"] == "video-01"]

    assert listed(consumer)["object"] == "list"
    assert shown == {
        "id": "video-01",
        "object": "model",
        "created": int(VideoModel.objects.get(name="video-01").created_at.timestamp()),
        "owned_by": "minimax",
        "aliases": ["minimax-video"],
        "durations": list(range(1, 61)),
        "resolutions": SIZES,
        "price": {
            "base": "0.2000",
            "per_seconds": 6,
            "least_seconds": 1,
            "factors": {"720x480": "0.8", "1280x720": "1", "1920x1080": "1.5", "720x1280": "1", "1080x1920": "1.5"},
            "price_factor": "1",
            "currency": "USD",
        },
    }


def test_what_is_listed_can_be_asked_for_at_the_price_that_is_listed(consumer, another):
    for model in listed(consumer)["data"]:
        price = model["price"]
        for resolution in model["resolutions"]:
            task = consumer.generate(model=model["id"], resolution=resolution)
            assert Decimal(task["cost"]["estimated"]) == Decimal(price["base"]) * Decimal(price["factors"][resolution])


def test_models_are_listed_by_name_and_factors_are_plain_numbers(consumer, another):
    models = listed(consumer)["data"]

    assert [model["id"] for model in models] == [
        *("a-model", "minimax-h3", "minimax-h3-max", "minimax-hailuo-02", "minimax-hailuo-2.3", "video-01")
    ]
    assert models[0]["price"]["factors"] == {"1280x720": "10"}


def test_a_model_lists_the_durations_that_may_be_asked_for(consumer, another):
    assert listed(consumer)["data"][0]["durations"] == list(range(1, 11))  # nothing goes on from its clips
    assert "at most 10 s" in refused(
        consumer.post("/v1/video/generations", {"model": "a-model", "prompt": "a cat", "duration": 11}), 400, "invalid_request", "duration"
    )
    consumer.generate(model="a-model", duration=10)


def test_a_disabled_model_and_one_without_a_price_are_not_listed(consumer, another):
    another.factors.all().delete()
    VideoModel.objects.exclude(name="a-model").update(enabled=False)

    assert listed(consumer)["data"] == []


def test_listing_costs_two_queries_however_many_models_there_are(consumer, another, django_assert_num_queries):
    with django_assert_num_queries(2):
        listed(consumer)


def test_a_key_is_shown_the_models_that_it_may_use(consumer, another):
    consumer.key.model_names = ["minimax-video"]
    consumer.key.save(update_fields=["model_names"])

    assert [model["id"] for model in listed(consumer)["data"]] == ["video-01"]


def test_each_model_says_whose_it_is_and_since_when_it_is_there(consumer, another):
    for model in listed(consumer)["data"]:
        assert model["owned_by"] == "minimax"
        assert model["created"] == int(VideoModel.objects.get(name=model["id"]).created_at.timestamp())


@pytest.mark.parametrize("name", ["video-01", "minimax-video"])
def test_one_model_is_read_by_any_of_its_names(consumer, name):
    answer = consumer.get(f"/v1/models/{name}")

    assert answer.json() == next(model for model in listed(consumer)["data"] if model["id"] == "video-01")


def test_a_name_with_slashes_is_a_name(consumer):
    VideoModel.objects.filter(name="video-01").update(aliases=["minimax/video-01"])

    assert consumer.get("/v1/models/minimax/video-01").json()["id"] == "video-01"


def test_a_model_that_there_is_not_and_one_that_the_key_may_not_use_are_told_apart(consumer):
    VirtualKey.objects.update(model_names=["minimax-video"])

    refused(consumer.get("/v1/models/unknown"), 404, "model_not_found", "model")
    refused(consumer.get("/v1/models/minimax-h3"), 403, "model_not_allowed", "model")
