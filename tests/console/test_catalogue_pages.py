"""An administrator decides which models there are, what they mean at MiniMax and what they cost, without a release."""

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conduit.api.errors import Conflict
from keys import budget_owners
from keys.models import AuditEntry
from keys.services import change_key
from tests.support.envelopes import refused
from videos.catalogue import delete
from videos.margins import losses
from videos.models import ResolutionFactor, Video, VideoModel
from videos.planning import Plan

pytestmark = pytest.mark.django_db

FAST = {"resolution": "768P", "width": 1366, "height": 768, "fps": 24, "clips": {"6": "0.19", "10": "0.32"}}


def natives_filled(*rows):
    """The fields of the table of sizes, filled in."""
    filled = {}
    for number, row in enumerate(rows):
        prefix = f"natives-{number}-"
        filled |= {prefix + name: row.get(name, "") for name in ("resolution", "ratio", "width", "height", "fps")}
        filled |= {prefix + "needs_frame": "on"} if row.get("needs_frame") else {}
        for place, (seconds, cost) in enumerate(row["clips"].items()):
            filled |= {f"{prefix}{place}-seconds": seconds, f"{prefix}{place}-cost": cost}
    return filled


class ModelPage:
    """The form of one model, filled in as it opens."""

    def __init__(self, admin, name):
        self._admin = admin
        self._model = VideoModel.objects.get(name=name)
        self.path = f"/admin/videos/videomodel/{self._model.pk}/change/"

    def filled(self, *, natives=None, **changes):
        opened = self._admin.get(self.path).context
        [factors] = [inline.formset for inline in opened["inline_admin_formsets"]]
        filled = natives_filled(*(self._model.natives if natives is None else natives))
        for form in (opened["adminform"].form, factors.management_form, *factors.forms):
            filled |= {field.html_name: field.value() for field in form if field.value() not in (None, False) and field.name != "natives"}
        return {name: value for name, value in (filled | changes).items() if value is not None}

    def review(self, **changes):
        """The page between filling in and saving."""
        answer = self._admin.post(self.path, self.filled(**changes))
        assert answer.status_code == 200, answer
        return answer

    def save(self, accept=False, **changes):
        """What the reviewed form's button does."""
        sent = dict(self.review(**changes).context["sent"])
        return self._admin.post(self.path, sent | {"_reviewed": "1"} | ({"_accept_loss": "1"} if accept else {}))

    def errors(self, **changes):
        """What the page says is wrong, by field."""
        return self.review(**changes).context["adminform"].form.errors


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


def test_before_a_model_is_saved_its_videos_prices_costs_and_margins_are_shown(model_page, consumer):
    text = model_page("minimax-h3").review(base_price="0.70").content.decode()

    assert "Save minimax-h3?" in text
    assert "0.7000 USD" in text
    assert "now 0.5800 USD" in text
    assert "4 x MiniMax-H3 15 s 768P" in text
    assert "loses money" not in text
    assert VideoModel.objects.get(name="minimax-h3").base_price == Decimal("0.58")


def test_a_price_below_minimaxs_is_asked_about_and_told_until_it_is_accepted(model_page, page):
    assert (
        "1 s at 720x480 would be sold for 0.1600 USD, and MiniMax bills 0.3200 USD"
        in model_page("minimax-h3").review(base_price="0.24").content.decode()
    )
    saved(model_page("minimax-h3").save(base_price="0.24"))
    assert "minimax-h3" in losses()
    assert "1 s at 720x480 are sold for 0.1600 USD, and MiniMax bills 0.32 USD." in page("videos/videomodel/")

    saved(model_page("minimax-h3").save(accept=True))

    assert "minimax-h3" not in losses()
    assert AuditEntry.objects.filter(action="accept loss").get().changes["worst"].startswith("1 s at 720x480")


def test_an_accepted_loss_is_told_again_when_it_grows_and_not_when_it_shrinks(model_page):
    saved(model_page("minimax-h3").save(accept=True, base_price="0.24"))

    saved(model_page("minimax-h3").save(base_price="0.25"))
    assert "minimax-h3" not in losses()
    saved(model_page("minimax-h3").save(base_price="0.23"))
    assert "minimax-h3" in losses()


def test_an_accepted_loss_is_told_again_when_the_price_rose_and_falls_again(model_page):
    saved(model_page("minimax-h3").save(accept=True, base_price="0.24"))
    saved(model_page("minimax-h3").save(base_price="0.70"))  # it loses nothing

    saved(model_page("minimax-h3").save(base_price="0.25"))

    assert "minimax-h3" in losses()


def test_a_price_factor_by_which_a_model_loses_money_is_told(model_page, make_consumer, page):
    film = budget_owners.create_team(name="film", who="root", price_factor=Decimal("0.5"))
    ann, bob = make_consumer("ann"), make_consumer("bob")
    change_key(ann.key, who="root", team=film)
    change_key(bob.key, who="root", price_factor=Decimal("0.3"), model_names=["video-01"])

    assert "to team film (price factor 0.5), and MiniMax bills" in losses()["minimax-h3"]
    assert "to key bob (price factor 0.3), and MiniMax bills" in losses()["video-01"]
    assert "would be sold for" in model_page("minimax-h3").review().content.decode()
    assert "to team film (price factor 0.5)" in page(f"models/{VideoModel.objects.get(name='minimax-h3').pk}/margins/")
    saved(model_page("minimax-h3").save(accept=True))
    assert "minimax-h3" not in losses()
    change_key(ann.key, who="root", enabled=False)
    assert "to key bob" in losses()["video-01"]


def test_the_page_of_the_margins_accepts_the_loss_of_the_default_model(admin, page):
    model = VideoModel.objects.get(name="video-01")
    assert list(losses()) == ["video-01"]
    assert "loses money" in page("models/")

    answer = admin.post(f"/admin/models/{model.pk}/margins/")

    assert answer.status_code == 302
    assert losses() == {}
    assert "loss accepted" in page("models/")


def test_whoever_may_only_look_accepts_no_loss(client, db):
    viewer = get_user_model().objects.create_user("vera", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_videomodel"))
    client.force_login(viewer)
    path = f"/admin/models/{VideoModel.objects.get(name='video-01').pk}/margins/"

    assert '<button class="button plain">Accept' not in client.get(path).content.decode()
    assert client.post(path).status_code == 403
    assert "video-01" in losses()


def test_the_models_page_asks_the_database_as_often_for_two_models_as_for_four(admin, django_assert_num_queries, page):
    page("models/")  # what is kept of plans is made
    with CaptureQueriesContext(connection) as four:
        page("models/")
    VideoModel.objects.exclude(name__in=["video-01", "minimax-h3"]).delete()
    with django_assert_num_queries(len(four)):
        page("models/")


def test_a_model_that_is_needed_since_its_page_asked_is_not_deleted(consumer):
    model = VideoModel.objects.get(name="minimax-h3")
    consumer.generate(model="minimax-h3")

    with pytest.raises(Conflict, match="disable it instead"):
        delete(model)

    assert VideoModel.objects.filter(pk=model.pk).exists()


def test_a_model_that_the_default_name_or_a_task_needs_cannot_be_deleted(admin, consumer, model_page):
    consumer.generate(model="minimax-h3")
    for name, why in (("video-01", "give it to another model first"), ("minimax-h3", "disable it instead")):
        path = f"/admin/videos/videomodel/{VideoModel.objects.get(name=name).pk}/delete/"
        assert why in admin.get(path).content.decode()
        admin.post(path, {"post": "yes"})
        chosen = {"action": "delete_selected", "_selected_action": VideoModel.objects.get(name=name).pk, "post": "yes"}
        assert why in admin.post("/admin/videos/videomodel/", chosen).content.decode()
        assert VideoModel.objects.filter(name=name).exists()

    unused = VideoModel.objects.get(name="minimax-hailuo-02")
    admin.post(f"/admin/videos/videomodel/{unused.pk}/delete/", {"post": "yes"})
    assert not VideoModel.objects.filter(pk=unused.pk).exists()


def test_a_size_that_is_emptied_is_taken_away_and_lengths_are_not_told_twice(model_page):
    model = VideoModel.objects.get(name="minimax-h3")
    saved(model_page("minimax-h3").save(natives=model.natives[:1]))
    assert VideoModel.objects.get(pk=model.pk).natives == model.natives[:1]

    filled = model_page("minimax-h3").filled() | {"natives-0-0-seconds": "5", "natives-0-1-seconds": "5"}
    [error] = model_page("minimax-h3")._admin.post(model_page("minimax-h3").path, filled).context["adminform"].form.errors["natives"]
    assert error == "Entry 1: 5 stands there twice."


def test_a_form_that_was_only_opened_changes_nothing(model_page):
    before = VideoModel.objects.values().get(name="minimax-h3")
    saved(model_page("minimax-h3").save())
    assert VideoModel.objects.values().get(name="minimax-h3") == before


def test_minimax_video_can_mean_another_upstream_model(model_page, consumer):
    before = consumer.generate(duration=20)
    saved(
        model_page("video-01").save(
            upstream="MiniMax-Hailuo-2.3", upstream_with_frame="MiniMax-Hailuo-2.3-Fast", sends_size="on", natives=[FAST]
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
    assert "already has the name minimax-video" in str(model_page("minimax-h3").errors(aliases="minimax-video"))
    saved(model_page("video-01").save(aliases=""))
    saved(model_page("minimax-h3").save(aliases="minimax-video"))

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
        ("natives", [], "This field is required"),
        ("natives", [FAST, FAST | {"resolution": "1080P", "height": "tall"}], "Entry 2: `height`"),
        ("natives", [FAST | {"clips": {"6": "cheap"}}], "the cost of 6 s"),
        ("aliases", "x, x", "A list of other names"),
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
        "name": "new", "aliases": "", "enabled": "on", "api": "v1", "upstream": "x", "portrait": "image", **natives_filled(FAST),
        "prompt_limit": 2000, "typical_seconds": 60, "base_price": "1", "least_seconds": 6,
        "factors-TOTAL_FORMS": 1, "factors-INITIAL_FORMS": 0,
    }  # fmt: skip

    assert "at least 1" in admin.post("/admin/videos/videomodel/add/", form).content.decode()
    priced = form | {"factors-0-resolution": "1280x720", "factors-0-factor": "1"}
    assert "Save new?" in admin.post("/admin/videos/videomodel/add/", priced).content.decode()
    assert admin.post("/admin/videos/videomodel/add/", priced | {"_reviewed": "1"}).status_code == 302
    assert VideoModel.objects.get(name="new").factors.count() == 1
