"""Pictures that a video is given, `prompt_optimizer` and watermarks: from the plan to what MiniMax is sent and asks for."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from conduit.api.errors import InvalidRequest
from tests.support.accounts import add_account, without_the_environments
from tests.support.envelopes import refused
from tests.support.lookalike import Answer, LookAlike
from tests.support.marks import SOAK_ON_SQLITE
from tests.support.pictures import png
from videos.accounts import choosing
from videos.accounts.choosing import NoRoom
from videos.catalogue import offers
from videos.models import Clip, ClipState, Video, VideoModel
from videos.planning import Plan, plan
from videos.requests import GenerationRequest
from videos.services import start_generation

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]


def given(*roles: str) -> list[Any]:
    return [{"role": role, "file": f"{number}.png"} for number, role in enumerate(roles)]


def plan_of(name: str, duration: int, *roles: str, resolution: str = "1280x720") -> Plan:
    model = VideoModel.objects.get(name=name)
    return plan(model, duration=duration, resolution=resolution, expected=lambda seconds, size: 1.0, inputs=given(*roles))


def started(consumer, model: str, *inputs: Any, duration: int = 4) -> Video:
    """A video of these pictures, as a call that takes them will start it."""
    wanted = GenerationRequest.parse({"model": model, "prompt": "a cat", "duration": duration})
    wanted = GenerationRequest(**vars(wanted) | {"inputs": tuple(inputs)})
    return start_generation(key=consumer.key, wanted=wanted).video


def stored(*roles: str) -> list[Any]:
    return [{"role": role, "file": default_storage.save(f"inputs/{role}.png", ContentFile(png(1280, 720)))} for role in roles]


def test_a_first_frame_is_the_first_clips_and_a_last_frame_the_last_ones():
    first, second = plan_of("minimax-hailuo-02", 20, "last_frame", "first_frame").clips

    assert (first.start, [one["role"] for one in first.inputs]) == ("given", ["first_frame"])
    assert (second.start, [one["role"] for one in second.inputs]) == ("previous", ["last_frame"])


def test_a_video_that_is_given_its_first_frame_needs_none_made():
    assert [clip.makes for clip in plan_of("video-01", 6, resolution="720x1280").clips] == ["image", "video"]

    [clip] = plan_of("video-01", 6, "first_frame", resolution="720x1280").clips

    assert (clip.makes, clip.start, clip.upstream) == ("video", "given", "I2V-01")


@pytest.mark.parametrize(
    ("model", "count", "surcharge"),
    [("minimax-h3", 5, "0"), ("minimax-h3", 7, "0.08"), ("minimax-h3-max", 2, "0"), ("minimax-h3-max", 4, "0.148")],
)
def test_pictures_beyond_the_free_ones_cost_minimaxs_surcharge_and_ours(model, count, surcharge):
    [clip] = plan_of(model, 4, *["reference"] * count).clips
    offer = next(offer for offer in offers() if offer.model.name == model)
    prices = [offer.price(duration=4, resolution="1280x720", images=images) for images in (0, count)]

    assert (clip.surcharge, clip.cost) == (Decimal(surcharge), Decimal("0.32") + Decimal(surcharge))
    assert prices[1] - prices[0] == Decimal(surcharge) * Decimal("1.25")


@pytest.mark.parametrize(
    ("model", "duration", "roles"),
    [
        ("video-01", 6, ["last_frame"]),
        ("minimax-hailuo-2.3", 6, ["reference"]),
        ("minimax-h3", 6, ["first_frame"] * 2),
        ("minimax-h3", 6, ["reference"] * 10),
        ("minimax-h3", 6, ["first_frame", "reference"]),
        ("minimax-h3", 16, ["reference"]),
    ],
)
def test_what_a_model_does_not_take_is_refused(model, duration, roles):
    with pytest.raises(InvalidRequest) as refusal:
        plan_of(model, duration, *roles)
    assert refusal.value.param == "inputs"


def test_a_plan_of_before_there_were_inputs_can_be_read():
    stored_plan = plan_of("video-01", 12).as_json()
    for clip in (*stored_plan["clips"], stored_plan["further"]):
        for name in ("inputs", "surcharge", "watermark"):
            del clip[name]

    assert Plan.from_json(stored_plan) == plan_of("video-01", 12)


@pytest.mark.parametrize(
    ("model", "roles", "sent"),
    [
        ("minimax-hailuo-02", ["first_frame", "last_frame"], {"first_frame_image", "last_frame_image"}),
        ("minimax-h3", ["first_frame", "last_frame"], {"first_frame", "last_frame"}),
        ("minimax-h3-max", ["reference"] * 3, {"reference_image"}),
    ],
)
def test_pictures_are_sent_in_their_roles(consumer, driver, minimax: LookAlike, media, model, roles, sent):
    video = started(consumer, model, *stored(*roles))

    driver.until(video.pk.hex, ClipState.SUBMITTED)

    [create] = minimax.creates
    images = {name for name in create.json if name.endswith("_image")} or {item.get("role") for item in create.json["content"][1:]}
    clip = Clip.objects.get()
    assert images == sent
    assert (clip.start, len(clip.inputs), clip.cost) == ("given" if "first_frame" in roles else "text", len(roles), clip.billed)


def test_the_sandbox_takes_pictures_and_bills_those_beyond_the_free_ones(consumer, driver, sandbox, media):
    video = started(consumer, "minimax-h3-max", *stored(*["reference"] * 3))

    driver.until(video.pk.hex, ClipState.STORED)

    assert Decimal(sandbox.bill()["total_usd"]) == Clip.objects.get().billed == Decimal("0.32") + Decimal("0.074")


def test_a_picture_that_the_storage_lost_makes_the_task_wait_for_the_storage(consumer, driver, minimax, media):
    video = started(consumer, "minimax-h3", *given("first_frame"))

    assert driver.step(video.pk.hex).stage == "waiting_for_storage" or driver.step(video.pk.hex).stage == "waiting_for_storage"
    assert not minimax.creates


def test_an_account_gets_no_clip_with_pictures_that_it_may_not_be_given(consumer, minimax):
    text_alone = add_account("text alone", minimax.url, "key", input_roles=[])
    video = started(consumer, "minimax-hailuo-02", *given("first_frame"), duration=6)
    clip = Clip(video=video, api="v1", inputs=given("first_frame"), cost=0, expected_seconds=1)
    of_text = Clip(video=video, api="v1", cost=0, expected_seconds=1)
    without_the_environments()

    with pytest.raises(NoRoom):
        choosing.choose(video.task, clip, lambda chosen: None)
    assert choosing.choose(video.task, of_text, lambda chosen: None) == text_alone


# ---- prompt_optimizer and watermark --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [True, False, None])
def test_prompt_optimizer_is_sent_as_it_was_asked_for_and_again_by_a_retry(consumer, driver, minimax, media, wanted):

    minimax.next("query", Answer(status="Fail", code=1027))
    task_id = consumer.generate(prompt_optimizer=wanted)["task_id"]
    assert driver.finish(task_id).status == "failed"
    again = consumer.post(f"/v1/video/generations/{task_id}/retry").json()["task_id"]
    driver.finish(again)

    assert [create.json.get("prompt_optimizer") for create in minimax.creates] == [wanted] * 2
    assert Video.objects.get(pk=UUID(again)).prompt_optimizer is wanted


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"model": "minimax-h3", "prompt_optimizer": True}, "minimax-h3 does not have"),
        ({"model": "minimax-h3", "prompt_optimizer": False}, "minimax-h3 does not have"),
        ({"prompt_optimizer": True, "duration": 12}, "of 2 parts"),
        ({"prompt_optimizer": "yes"}, "must be true or false"),
    ],
)
@pytest.mark.parametrize("path", ["", "/estimate"])
def test_prompt_optimizer_is_refused_where_it_means_nothing(consumer, body, says, path):
    wanted = {"model": "minimax-video", "prompt": "a cat"} | body

    assert says in refused(consumer.post(f"/v1/video/generations{path}", wanted), 400, "invalid_request", "prompt_optimizer")


def test_it_may_be_off_for_a_chain(consumer):
    consumer.generate(prompt_optimizer=False, duration=12)


def test_a_models_watermark_is_planned_and_sent(consumer, driver, minimax, media):
    VideoModel.objects.filter(name="video-01").update(watermark=True)
    task_id = consumer.generate()["task_id"]
    VideoModel.objects.filter(name="video-01").update(watermark=False)

    driver.until(task_id, ClipState.SUBMITTED)

    assert minimax.creates[0].json["aigc_watermark"] is True
    assert Clip.objects.get().watermark is True


@pytest.mark.parametrize("name", ["watermark", "takes_prompt_optimizer"])
def test_what_version_2_does_not_have_cannot_be_set_for_it(name):
    model = VideoModel.objects.get(name="minimax-h3")
    setattr(model, name, True)

    with pytest.raises(ValidationError, match="version 1 alone"):
        model.full_clean()
