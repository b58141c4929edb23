"""Every page of the console opens, shows no secret, and changes only what an administrator may change."""

from decimal import Decimal

import pytest
from django.contrib import admin as django_admin
from django.test import Client

from conduit import clock
from keys import budget_owners
from keys.models import Budget, BudgetAlert, BudgetWindow, KeySecret, ManagementKey, Team, UsageCost, VirtualKey
from keys.services import create_management_key
from tasks import pauses
from tasks.models import Pause, Task
from tests.support.ending import end
from tests.support.planned_clips import planned_clip
from videos.account_models import ProviderAccount
from videos.exchange_models import Timing
from videos.models import BlockedTerm, Clip, Video, VideoModel

pytestmark = pytest.mark.django_db

LINK = "https://minimax.example/clip.mp4?token=opens-the-clip"
READ_ONLY = [
    "keys/usagecost",
    "keys/budgetwindow",
    "keys/budgetalert",
    "tasks/task",
    "tasks/taskevent",
    "videos/video",
    "videos/clip",
    "videos/timing",
]


def path_of(model):
    return f"{model._meta.app_label}/{model._meta.model_name}"


CORRECTED = ["keys/usagecost"]  # by rows of its own, which an administrator adds
OURS = sorted(path_of(model) for model in django_admin.site._registry if model._meta.app_label in ("keys", "tasks", "videos"))


@pytest.fixture
def rows(consumer):
    """A row of everything, so that no page is empty."""
    budget_owners.set_budgets(consumer.key, [{"period": "daily", "amount": Decimal("0.5")}], who="root")
    budget_owners.create_team(name="film", budgets=[{"period": "total", "amount": Decimal(1)}], who="root")
    create_management_key(name="billing", who="root")
    task = end(consumer.generate("a cat")["task_id"], "completed")
    planned_clip(task.pk, state="located", billed=Decimal("0.43"), provider_task_id="7", sent_at=clock.now(), download_url=LINK)
    end(consumer.generate("a dog")["task_id"], "failed")
    consumer.generate("a bird")
    Timing.objects.create(upstream="video-01", seconds=6, resolution="720P", made_in=100, delivered_in=2)
    BlockedTerm.objects.create(term="gore")
    pauses.begin(who="root", kind="sending")
    Budget.objects.update(amount=100)  # half of it was used up, which left an alert: what comes now has room
    return consumer


def test_every_model_of_ours_is_in_the_console():
    money = (Team, ManagementKey, BudgetWindow, BudgetAlert)
    models = (
        *money,
        VirtualKey,
        UsageCost,
        Task,
        Task.events.rel.related_model,
        Pause,
        VideoModel,
        BlockedTerm,
        Video,
        Clip,
        Timing,
        ProviderAccount,
    )

    assert sorted(path_of(model) for model in models) == OURS


@pytest.mark.parametrize("path", OURS)
def test_a_list_and_each_of_its_rows_open_and_show_no_secret(admin, page, rows, path):
    model = next(model for model in django_admin.site._registry if path_of(model) == path)

    listed = admin.get(f"/admin/{path}/", follow=True)  # to the console's own, where there is one
    assert listed.status_code == 200
    texts = [listed.content.decode(), *(page(f"{path}/{row.pk}/change/") for row in model._default_manager.all())]

    assert len(texts) > 1
    for text in texts:
        assert rows.secret not in text
        assert KeySecret.objects.get().secret_hash not in text
        assert ManagementKey.objects.get().secret_hash not in text
        assert "opens-the-clip" not in text


@pytest.mark.parametrize("path", OURS)
def test_a_list_can_be_searched_and_filtered(admin, rows, path):
    for query in ("?q=cat", f"?q={Task.objects.first().pk}", "?q=%00", "?status__exact=failed", "?state__exact=made"):
        assert admin.get(f"/admin/{path}/{query}").status_code in (200, 302)


@pytest.mark.parametrize("path", OURS)
def test_a_list_costs_no_query_for_each_row(admin, rows, path, django_assert_max_num_queries):
    for _ in range(5):
        end(rows.generate()["task_id"], "completed")

    with django_assert_max_num_queries(14):
        admin.get(f"/admin/{path}/")


@pytest.mark.parametrize("path", sorted(set(OURS) - set(READ_ONLY)) + CORRECTED)
def test_what_administrators_write_has_a_page_to_add_it(page, path):
    assert "<form" in page(f"{path}/add/")


@pytest.mark.parametrize("path", READ_ONLY)
def test_what_only_the_engine_writes_cannot_be_added_changed_or_deleted(admin, rows, path):
    model = next(model for model in django_admin.site._registry if path_of(model) == path)
    row = model._default_manager.first()
    before = list(model._default_manager.order_by("pk").values())

    assert admin.get(f"/admin/{path}/add/").status_code == (200 if path in CORRECTED else 403)
    assert admin.post(f"/admin/{path}/{row.pk}/change/", {"status": "completed", "amount": "0"}).status_code == 403
    assert admin.post(f"/admin/{path}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin.post(f"/admin/{path}/", {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}).status_code in (
        200,
        302,
        403,
    )
    assert list(model._default_manager.order_by("pk").values()) == before


def test_the_front_page_and_its_logs_open(page, rows):
    assert "Conduit" in page()
    page("auth/user/")


def test_strangers_and_people_without_rights_are_sent_to_the_login(django_user_model):
    django_user_model.objects.create_user("ann", password="x")
    stranger, ann = Client(), Client()
    ann.force_login(django_user_model.objects.get())

    for client in (stranger, ann):
        answer = client.get("/admin/tasks/task/")
        assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/admin/login/")


def test_a_virtual_key_opens_no_page_of_the_console(consumer):
    assert consumer.get("/admin/tasks/task/").status_code == 302


def test_an_administrator_lists_a_term(admin, consumer):
    admin.post("/admin/videos/blockedterm/add/", {"term": "gore"})

    answer = consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "much gore"})
    assert answer.json()["error"]["code"] == "content_policy_violation"
