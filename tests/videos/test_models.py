"""GET /v1/models"""

from decimal import Decimal

import pytest

from videos.models import VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

SIZES = ["720x480", "1280x720", "1920x1080", "720x1280", "1080x1920"]


@pytest.fixture
def another():
    model = VideoModel.objects.create(
        name="a-model",
        upstream="x",
        natives=[{"resolution": "720P", "width": 1280, "height": 720, "durations": [6]}],
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
    assert listed(consumer) == {
        "object": "list",
        "data": [
            {
                "id": "video-01",
                "object": "model",
                "aliases": ["minimax-video"],
                "durations": list(range(1, 61)),
                "resolutions": SIZES,
                "price": {
                    "base": "0.2000",
                    "per_seconds": 6,
                    "factors": {"720x480": "0.8", "1280x720": "1", "1920x1080": "1.5", "720x1280": "1", "1080x1920": "1.5"},
                    "currency": "USD",
                },
            }
        ],
    }


def test_what_is_listed_can_be_asked_for_at_the_price_that_is_listed(consumer, another):
    for model in listed(consumer)["data"]:
        price = model["price"]
        for resolution in model["resolutions"]:
            task = consumer.generate(model=model["id"], resolution=resolution)
            assert Decimal(task["cost"]["estimated"]) == Decimal(price["base"]) * Decimal(price["factors"][resolution])


def test_models_are_listed_by_name_and_factors_are_plain_numbers(consumer, another):
    first, second = listed(consumer)["data"]

    assert (first["id"], second["id"]) == ("a-model", "video-01")
    assert first["price"]["factors"] == {"1280x720": "10"}


def test_a_disabled_model_and_one_without_a_price_are_not_listed(consumer, another):
    another.factors.all().delete()
    VideoModel.objects.filter(name="video-01").update(enabled=False)

    assert listed(consumer)["data"] == []


def test_listing_costs_two_queries_however_many_models_there_are(consumer, another, django_assert_num_queries):
    with django_assert_num_queries(2):
        listed(consumer)


def test_a_key_is_shown_the_models_that_it_may_use(consumer, another):
    consumer.key.model_names = ["minimax-video"]
    consumer.key.save(update_fields=["model_names"])

    assert [model["id"] for model in listed(consumer)["data"]] == ["video-01"]
