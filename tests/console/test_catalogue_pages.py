"""An administrator decides which models there are, what they mean at MiniMax and what they cost, without a release."""

import json

import pytest

from tests.support.envelopes import refused
from videos.models import ResolutionFactor, Video, VideoModel
from videos.planning import Plan

pytestmark = pytest.mark.django_db

FAST = {"resolution": "768P", "width": 1366, "height": 768, "fps": 24, "clips": {"6": "0.19", "10": "0.32"}}


class ModelPage:
    """The form of one model, filled in as it opens."""

    def __init__(self, admin, name):
        self._admin = admin
        self._path = f"/admin/videos/videomodel/{VideoModel.objects.get(name=name).pk}/change/"

    def save(self, **changes):
        opened = self._admin.get(self._path).context
        [factors] = [inline.formset for inline in opened["inline_admin_formsets"]]
        filled = {}
        for form in (opened["adminform"].form, factors.management_form, *factors.forms):
            filled |= {field.html_name: field.value() for field in form if field.value() not in (None, False)}
        return self._admin.post(self._path, {name: value for name, value in (filled | changes).items() if value is not None})

    def errors(self, **changes):
        """What the page says is wrong, by field."""
        answer = self.save(**changes)
        assert answer.status_code == 200
        return answer.context["adminform"].form.errors


@pytest.fixture
def model_page(admin):
    return lambda name: ModelPage(admin, name)


def saved(answer):
    assert answer.status_code == 302, answer.context["errors"]


def plan_of(task):
    return Plan.from_json(Video.objects.get(pk=task["task_id"]).plan)


def test_an_administrator_changes_a_price(model_page, consumer):
    saved(model_page("video-01").save(base_price="0.4"))

    assert consumer.generate()["cost"]["estimated"] == "0.4000"
    assert ResolutionFactor.objects.filter(model__name="video-01").count() == 5


def test_a_price_that_no_task_could_be_held_for_is_refused(model_page):
    assert "base_price" in model_page("video-01").errors(base_price="1000.01")


def test_an_administrator_is_warned_of_a_price_that_does_not_cover_minimaxs(model_page, page):
    saved(model_page("minimax-h3").save(base_price="0.48"))
    assert "costs more than it brings" not in page("videos/videomodel/")

    saved(model_page("minimax-h3").save(base_price="0.24"))
    assert "1 s at 720x480 are sold for 0.1600 USD, and MiniMax bills 0.32 USD." in page("videos/videomodel/")


def test_minimax_video_can_mean_another_upstream_model(model_page, consumer):
    before = consumer.generate(duration=20)
    saved(
        model_page("video-01").save(
            upstream="MiniMax-Hailuo-2.3", upstream_with_frame="MiniMax-Hailuo-2.3-Fast", sends_size="on", natives=json.dumps([FAST])
        )
    )

    after = consumer.generate(duration=20)

    assert [(clip.upstream, clip.seconds, clip.resolution, clip.sends_size) for clip in plan_of(after).clips] == [
        ("MiniMax-Hailuo-2.3", 10, "768P", True),
        ("MiniMax-Hailuo-2.3-Fast", 10, "768P", True),
    ]
    assert after["cost"] == before["cost"]
    assert [clip.upstream for clip in plan_of(before).clips] == ["video-01", "I2V-01", "I2V-01", "I2V-01"]


def test_the_alias_can_move_to_another_model(model_page, consumer):
    assert "already has the name minimax-video" in str(model_page("minimax-h3").errors(aliases='["minimax-video"]'))
    saved(model_page("video-01").save(aliases="[]"))
    saved(model_page("minimax-h3").save(aliases='["minimax-video"]'))

    task = consumer.generate(duration=30)

    assert {(clip.api, clip.upstream, clip.seconds) for clip in plan_of(task).clips} == {("v2", "MiniMax-H3", 15)}
    assert (task["model"], task["cost"]["estimated"]) == ("minimax-video", "2.9000")


def test_a_model_that_was_switched_off_is_no_longer_there(model_page, consumer):
    saved(model_page("minimax-h3").save(enabled=None))

    answer = consumer.post("/v1/video/generations", {"model": "minimax-h3", "prompt": "a cat"})
    refused(answer, 404, "model_not_found", "model")


def test_portrait_can_be_the_centre_of_a_landscape_video(model_page, consumer):
    saved(model_page("video-01").save(portrait="crop"))

    assert [(clip.makes, clip.upstream) for clip in plan_of(consumer.generate(resolution="720x1280")).clips] == [("video", "video-01")]


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("natives", "{", "valid JSON"),
        ("natives", "7", "A list such as"),
        ("natives", json.dumps([FAST, FAST | {"resolution": "1080P", "height": "tall"}]), "Entry 2: `height`"),
        ("natives", json.dumps([FAST | {"clips": {"6": "cheap"}}]), "the cost of 6 s"),
        ("aliases", '"x"', "A list of other names"),
        ("base_price", "-1", "greater than or equal to 0"),
        ("least_seconds", "0", "greater than or equal to 1"),
        ("takes_ratio", "on", None),
    ],
)
def test_the_page_says_which_part_is_wrong(model_page, consumer, field, value, fault):
    errors = model_page("video-01").errors(**{field: value})

    assert list(errors) == [field if fault else "natives"]
    assert (fault or "720P needs a `ratio`") in str(errors)
    assert consumer.generate()["cost"]["estimated"] == "0.2000"


def test_a_model_needs_a_price_for_at_least_one_size(admin):
    form = {
        "name": "new", "aliases": "[]", "enabled": "on", "api": "v1", "upstream": "x", "natives": json.dumps([FAST]), "portrait": "image",
        "prompt_limit": 2000, "typical_seconds": 60, "base_price": "1", "least_seconds": 6,
        "factors-TOTAL_FORMS": 1, "factors-INITIAL_FORMS": 0,
    }  # fmt: skip

    assert "at least 1" in admin.post("/admin/videos/videomodel/add/", form).content.decode()
    priced = form | {"factors-0-resolution": "1280x720", "factors-0-factor": "1"}
    assert admin.post("/admin/videos/videomodel/add/", priced).status_code == 302
    assert VideoModel.objects.get(name="new").factors.count() == 1
