"""Keys, teams and management keys as an administrator makes and changes them."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from conduit import clock
from keys import budget_owners, services
from keys.models import AuditEntry, Budget, BudgetWindow, KeySecret, ManagementKey, Team, VirtualKey
from keys.services import change_key, create_management_key, delete_key
from tests.support.audits import forget_audit
from tests.support.secrets import secrets_on
from videos.models import VideoModel

pytestmark = pytest.mark.django_db

NO_ROWS = {f"{name}-{count}_FORMS": 0 for name in ("budgets", "secrets") for count in ("TOTAL", "INITIAL")}
KEYS = "keys/virtualkey/"


def budgets(*rows, **more):
    """The form's rows of budgets: those with an `id` are known already."""
    known = sum("id" in row for row in rows)
    form = {"budgets-TOTAL_FORMS": len(rows), "budgets-INITIAL_FORMS": known}
    for number, row in enumerate(rows):
        form |= {f"budgets-{number}-{name}": value for name, value in ({"time_zone": "UTC"} | row).items()}
    return form | more


@pytest.fixture
def send(admin):
    """Send a form and follow it to where it leads; a secret is on that page alone."""
    return lambda path, form: admin.post(f"/admin/{path}", NO_ROWS | form, follow=True)


@pytest.fixture
def act(send):
    return lambda action, *keys: send(KEYS, {"action": action, "_selected_action": [key.pk for key in keys]})


@pytest.fixture
def confirm(send):
    form = {"action": "delete_for_good", "confirmed": "yes"}
    return lambda *keys: send(KEYS, form | {"_selected_action": [key.pk for key in keys]})


@pytest.fixture
def rotate(send):
    return lambda key, old: send(f"{KEYS}{key.pk}/rotate/", {"old": old, "replacing": key.secrets.first().prefix})


def works(secret):
    return Client().get("/v1/models", headers={"X-API-Key": secret}).status_code == 200


def audited():
    return [(row.who, row.action, row.target.split(":")[0]) for row in AuditEntry.objects.order_by("id")]


def test_a_new_key_shows_its_secret_on_a_page_of_its_own_and_on_no_other(send, page):
    [secret] = secrets_on(send(f"{KEYS}add/", {"name": "ann", "enabled": "on"}))

    assert works(secret)
    key = VirtualKey.objects.get()
    for path in (KEYS, f"{KEYS}{key.pk}/change/", "audit/", f"audit/?target=key:{key.pk}", ""):
        assert secret not in page(path)
    assert (key.name, key.enabled, key.expires_at) == ("ann", True, None)
    assert audited() == [("root", "create", "key")]


def test_a_form_that_is_refused_makes_no_secret(admin):
    answer = admin.post(f"/admin/{KEYS}add/", NO_ROWS | {"name": "ann"} | budgets({"period": "daily", "amount": "-1"}))

    assert not secrets_on(answer)
    assert not KeySecret.objects.exists()


def test_a_key_is_made_with_its_end_limits_and_budgets(send):
    team = budget_owners.create_team(name="film", who="root")
    form = {
        "name": "ann", "team": team.pk, "expires_at_0": "2031-01-31", "expires_at_1": "12:00", "creates_per_minute": 60,
        "model_names": ["minimax-video", "video-01"], "ip_ranges": "10.0.0.0/8", "largest_resolution": "1280x720", "highest_price": "0.5",
    }  # fmt: skip

    send(f"{KEYS}add/", form | budgets({"period": "daily", "amount": "2"}, {"period": "total", "amount": "9"}))

    key = VirtualKey.objects.get()
    assert (key.enabled, key.expires_at.isoformat(), key.team) == (False, "2031-01-31T12:00:00+00:00", team)
    assert (key.creates_per_minute, key.largest_resolution, key.highest_price) == (60, "1280x720", Decimal("0.5"))
    assert (key.model_names, key.ip_ranges) == (["minimax-video", "video-01"], ["10.0.0.0/8"])
    assert [(budget.period, budget.amount) for budget in key.budgets.all()] == [("daily", 2), ("total", 9)]
    assert audited()[1:] == [("root", "create", "key"), ("root", "create", "budget"), ("root", "create", "budget")]


def test_saving_a_key_keeps_its_secret_shows_none_and_audits_what_changed(send, consumer):
    change_key(consumer.key, who="root", model_names=["minimax-video"], ip_ranges=["10.0.0.0/8"], creates_per_minute=5)
    secret = KeySecret.objects.get().secret_hash
    forget_audit()

    answer = send(f"{KEYS}{consumer.key.pk}/change/", {"name": "renamed", "model_names": "minimax-video"})

    assert not secrets_on(answer)
    key = VirtualKey.objects.get()
    assert (key.name, key.enabled, key.model_names, key.ip_ranges, key.creates_per_minute) == (
        "renamed",
        False,
        ["minimax-video"],
        [],
        None,
    )
    assert KeySecret.objects.get().secret_hash == secret
    [entry] = AuditEntry.objects.all()
    assert (entry.who, entry.target) == ("root", f"key:{key.pk}")
    assert entry.changes == {
        "name": ["somebody", "renamed"],
        "enabled": [True, False],
        "creates_per_minute": [5, None],
        "ip_ranges": [["10.0.0.0/8"], []],
    }


def test_saving_a_key_as_it_is_changes_and_audits_nothing(send, consumer):
    change_key(consumer.key, who="root", model_names=["a", "b"], largest_resolution="720x1280")
    before = audited()
    form = {"name": "somebody", "enabled": "on", "model_names": ["a", "b"], "largest_resolution": "720x1280"}

    send(f"{KEYS}{consumer.key.pk}/change/", form)

    assert audited() == before


def test_budgets_are_changed_raised_added_and_removed_beside_their_key(send, consumer):
    budget_owners.set_budgets(consumer.key, [{"period": period, "amount": Decimal(2)} for period in ("daily", "total")], who="root")
    consumer.generate()
    daily, total = Budget.objects.order_by("pk")
    forget_audit()
    rows = [
        {"id": daily.pk, "period": "daily", "amount": "2", "raised_to": "5", "raised_until_0": "2999-01-01", "raised_until_1": "00:00"},
        {"id": total.pk, "period": "total", "amount": "2", "DELETE": "on"},
        {"period": "weekly", "amount": "7"},
    ]

    send(f"{KEYS}{consumer.key.pk}/change/", {"name": "somebody", "enabled": "on"} | budgets(*rows))

    assert {budget.period: (budget.amount, budget.raised_to) for budget in Budget.objects.all()} == {"daily": (2, 5), "weekly": (7, None)}
    assert BudgetWindow.objects.get(budget=daily).held == Decimal("0.2")
    assert sorted(audited()) == [("root", "change", "budget"), ("root", "create", "budget"), ("root", "delete", "budget")]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"creates_per_minute": 0}, "must be a whole number from 1"),
        ({"largest_resolution": "big"}, "big is not one of the available choices"),
        ({"highest_price": "0"}, "must be more than 0"),
        ({"ip_ranges": "10.0.0.0/8, localhost"}, "list addresses or networks"),
        ({"name": "a\u202eb"}, "`name` holds the character U+202E"),
        ({"expires_at_0": "2020-01-31", "expires_at_1": "12:00"}, "`expires_at` must be in the future"),
        ({"model_names": ["minimax-video", "minimax-vidoe"]}, "`models` holds &#x27;minimax-vidoe&#x27;, which is no model here"),
        (budgets({"period": "daily", "amount": "-1"}), "must be an amount of USD"),
        (
            budgets({"period": "daily", "amount": "1", "raised_to": "2", "raised_until_0": "2020-01-01", "raised_until_1": "00:00"}),
            "`raised_until` must be in the future",
        ),
        (
            budgets({"period": "daily", "amount": "1", "raised_to": "2", "raised_until_0": "soon", "raised_until_1": "00:00"}),
            "Enter a valid date",
        ),
        (budgets({"period": "daily", "amount": "1", "time_zone": "Mars/Olympus"}), "not a time zone"),
        (budgets({"period": "daily", "amount": "1", "raised_to": "2"}), "a raise has an amount and an end"),
        (budgets({"period": "daily", "amount": "1"}, {"period": "daily", "amount": "2"}), "one budget for each period"),
    ],
)
def test_what_the_api_refuses_the_console_refuses_too_in_its_words(send, form, words):
    answer = send(f"{KEYS}add/", {"name": "ann"} | form)

    assert words in answer.content.decode()
    assert not VirtualKey.objects.exists()


def test_an_expired_key_a_raise_that_is_over_and_a_model_that_is_gone_do_not_keep_the_rest_from_being_changed(send, consumer):
    past = datetime(2020, 1, 31, 12, tzinfo=UTC)
    raised = {"period": "daily", "amount": Decimal(1), "raised_to": Decimal(2), "raised_until": past}
    change_key(consumer.key, who="root", expires_at=past, model_names=["gone"])
    budget_owners.set_budgets(consumer.key, [raised], who="root")
    row = {"id": Budget.objects.get().pk, "amount": "3", "raised_to": "4", "raised_until_0": "2020-01-31", "raised_until_1": "12:00:00"}
    form = {"name": "renamed", "enabled": "on", "expires_at_0": "2020-01-31", "expires_at_1": "12:00:00", "model_names": "gone"}

    send(f"{KEYS}{consumer.key.pk}/change/", form | budgets(row))

    assert (VirtualKey.objects.get().name, Budget.objects.get().amount) == ("renamed", 3)


def test_models_and_sizes_are_chosen_from_those_that_there_are(page):
    text = page(f"{KEYS}add/")

    assert re.findall(r'name="model_names" value="([^"]*)"', text) == [model.name for model in VideoModel.objects.order_by("name")]
    assert "video-01 (also minimax-video)" in text
    sizes = text.partition('name="largest_resolution"')[2].partition("</select>")[0]
    assert re.findall(r'<option value="([^"]*)"', sizes) == ["", "720x480", "1280x720", "1920x1080"]


def test_a_model_and_a_size_that_are_gone_stay_with_the_key_and_are_marked_until_somebody_takes_them_away(send, page, consumer):
    change_key(consumer.key, who="root", model_names=["minimax-video", "gone"], largest_resolution="640x360")
    where = f"{KEYS}{consumer.key.pk}/change/"

    text = page(where)
    assert re.findall(r'name="model_names" value="([^"]*)"[^>]* checked', text) == ["minimax-video", "gone"]
    assert ("gone: no model here any more" in text, "640x360: no size of a video here" in text) == (True, True)
    send(where, {"name": "somebody", "enabled": "on", "model_names": ["minimax-video"], "largest_resolution": "1280x720"})

    key = VirtualKey.objects.get()
    assert (key.model_names, key.largest_resolution) == (["minimax-video"], "1280x720")
    assert "no model here any more" not in page(where)


def test_who_may_not_change_budgets_reads_a_price_factor_and_changes_none(consumer, django_user_model):
    staff = django_user_model.objects.create_user("sam", is_staff=True)
    staff.user_permissions.add(*Permission.objects.filter(codename__in=["view_virtualkey", "change_virtualkey"]))
    change_key(consumer.key, who="root", price_factor=Decimal("0.8"))
    client = Client()
    client.force_login(staff)

    client.post(f"/admin/{KEYS}{consumer.key.pk}/change/", NO_ROWS | {"name": "renamed", "enabled": "on", "price_factor": "0.1"})

    key = VirtualKey.objects.get()
    assert (key.name, key.price_factor) == ("renamed", Decimal("0.8"))


@pytest.mark.parametrize("path", [f"{KEYS}add/", "keys/team/add/", "keys/managementkey/add/"])
def test_a_name_is_kept_as_it_is_read(send, path):
    send(path, {"name": "  Ann\u00a0 O\u0308zil ", "enabled": "on", "scopes": ["read"]})

    [made] = [*VirtualKey.objects.all(), *Team.objects.all(), *ManagementKey.objects.all()]
    assert made.name == "Ann \u00d6zil"


def test_the_list_tells_which_keys_work_and_finds_them_by_state(page, make_consumer):
    keys = {state: make_consumer(f"key-{state}").key for state in ("active", "disabled", "expired", "deleted")}
    change_key(keys["disabled"], who="root", enabled=False, expires_at=clock.now() - timedelta(days=1))
    change_key(keys["expired"], who="root", expires_at=clock.now() - timedelta(seconds=1))
    delete_key(keys["deleted"], who="root")

    for state, key in keys.items():
        found = page(f"{KEYS}?state={state}")
        assert set(re.findall(r"key-\w+", found)) == {key.name}
        assert f'<td class="field-state">{state}</td>' in found
        assert ("icon-yes" in found, "icon-no" in found) == (state == "active", state != "active")
    assert len(re.findall(r'class="field-state"', page(KEYS))) == 4


def test_a_rotation_shows_the_new_secret_and_the_old_one_works_on(rotate, page, consumer):
    [secret] = secrets_on(rotate(consumer.key, "later"))

    assert (works(secret), works(consumer.secret)) == (True, True)
    assert secret not in page(KEYS)
    assert audited()[-1] == ("root", "rotate", "key")


def test_a_rotation_can_end_the_old_secret_at_once(rotate, consumer):
    [secret] = secrets_on(rotate(consumer.key, "now"))

    assert (works(secret), works(consumer.secret)) == (True, False)


def test_keys_are_rotated_one_at_a_time_and_not_when_they_are_deleted(act, admin, make_consumer):
    ann, bob, gone = (make_consumer(name).key for name in ("ann", "bob", "gone"))
    delete_key(gone, who="root")

    for keys in ((ann, bob), (gone,)):
        assert "Choose one key" in act("rotate", *keys).content.decode()
    assert admin.get(f"/admin/{KEYS}{gone.pk}/rotate/").status_code == 403
    assert act("rotate", ann).redirect_chain == [(f"/admin/{KEYS}{ann.pk}/rotate/", 302)]
    assert KeySecret.objects.count() == 3


def test_a_key_cannot_be_removed_but_is_deleted_for_good_with_its_history(admin, confirm, page, consumer):
    task_id = consumer.generate()["task_id"]

    assert admin.post(f"/admin/{KEYS}{consumer.key.pk}/delete/", {"post": "yes"}).status_code == 403
    confirm(consumer.key)

    assert not works(consumer.secret)
    assert task_id in page("tasks/")
    assert audited()[-1] == ("root", "delete", "key")
    # Its page opens, to be read.
    assert 'name="_save"' not in page(f"{KEYS}{consumer.key.pk}/change/")
    assert admin.post(f"/admin/{KEYS}{consumer.key.pk}/change/", NO_ROWS | {"name": "back"}).status_code == 403


def test_keys_are_deleted_only_after_a_page_that_names_them_and_says_what_it_means(act, confirm, make_consumer):
    ann, bob, gone, stays = (make_consumer(name) for name in ("ann", "bob", "gone", "stays"))
    delete_key(gone.key, who="root")
    chosen = (ann.key, bob.key, gone.key)

    asked = act("delete_for_good", *chosen).content.decode()

    assert "these keys are refused for good" in asked
    assert ("Delete 2 keys for good" in asked, "gone</a>" in asked) == (True, False)
    assert all(works(one.secret) for one in (ann, bob))
    assert "Deleted for good: bob, ann." in confirm(*chosen).content.decode()
    assert [works(one.secret) for one in (ann, bob, stays)] == [False, False, True]
    assert "Already deleted." in act("delete_for_good", gone.key).content.decode()


@pytest.mark.parametrize("action", ["change", "rotate"])
def test_a_key_that_somebody_deletes_at_the_same_moment_is_told_as_deleted(admin, monkeypatch, consumer, action):
    service = getattr(services, f"{action}_key")

    def a_moment_too_late(key, **how):
        delete_key(key, who="somebody quicker")
        return service(key, **how)

    monkeypatch.setattr(services, f"{action}_key", a_moment_too_late)
    path, form = {
        "change": (f"{KEYS}{consumer.key.pk}/change/", NO_ROWS | {"name": "renamed"}),
        "rotate": (f"{KEYS}{consumer.key.pk}/rotate/", {"old": "later", "replacing": consumer.key.secrets.get().prefix}),
    }[action]

    answer = admin.post(f"/admin/{path}", form, follow=True)

    assert (answer.status_code, "for good. Make a new one." in answer.content.decode()) == (200, True)
    assert not secrets_on(answer)


def test_who_may_only_look_can_neither_rotate_nor_delete(consumer, django_user_model):
    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_virtualkey"))
    client = Client()
    client.force_login(viewer)

    for action in ("rotate", "delete_for_good"):
        client.post(f"/admin/{KEYS}", {"action": action, "confirmed": "yes", "_selected_action": [consumer.key.pk]})
    assert client.post(f"/admin/{KEYS}{consumer.key.pk}/rotate/", {"old": "now"}).status_code == 403

    assert works(consumer.secret)
    assert KeySecret.objects.count() == 1


def test_a_team_is_made_with_budgets_renamed_and_deleted_with_an_audit(send):
    send("keys/team/add/", {"name": "film"} | budgets({"period": "monthly", "amount": "100"}))
    team = Team.objects.get()
    assert team.budgets.get().amount == 100
    BudgetWindow.objects.create(budget=team.budgets.get(), starts_at="2026-06-01T00:00:00Z")

    send(f"keys/team/{team.pk}/change/", {"name": "cinema"} | budgets({"id": team.budgets.get().pk, "period": "monthly", "amount": "100"}))
    assert Team.objects.get().name == "cinema"
    send(f"keys/team/{team.pk}/delete/", {"post": "yes"})

    assert not Team.objects.exists()
    assert audited() == [
        ("root", "create", "team"),
        ("root", "create", "budget"),
        ("root", "change", "team"),
        ("root", "delete", "budget"),
        ("root", "delete", "team"),
    ]


def test_a_team_with_keys_stays(send, consumer):
    team = budget_owners.create_team(name="film", who="root")
    change_key(consumer.key, who="root", team=team)

    send(f"keys/team/{team.pk}/delete/", {"post": "yes"})

    assert Team.objects.get() == team


@pytest.mark.parametrize("step", ["change", "lock"])
def test_a_team_that_somebody_deletes_at_the_same_moment_is_told_as_deleted(admin, monkeypatch, step):
    team = budget_owners.create_team(name="film", who="root")
    do = getattr(budget_owners, step)

    def a_moment_too_late(row, **how):
        Team.objects.all().delete()
        return do(row, **how)

    monkeypatch.setattr(budget_owners, step, a_moment_too_late)

    answer = admin.post(f"/admin/keys/team/{team.pk}/change/", NO_ROWS | {"name": "cinema"}, follow=True)

    assert (answer.status_code, "deleted meanwhile" in answer.content.decode()) == (200, True)


@pytest.mark.parametrize("removed", [True, False])
def test_a_budget_that_somebody_deletes_at_the_same_moment_is_neither_changed_nor_deleted_twice(admin, monkeypatch, consumer, removed):
    budget_owners.set_budgets(consumer.key, [{"period": "daily", "amount": Decimal(1)}], who="root")
    row = {"id": Budget.objects.get().pk, "amount": "3"} | ({"DELETE": "on"} if removed else {})
    lock = budget_owners.lock

    def a_moment_too_late(owner):
        monkeypatch.setattr(budget_owners, "lock", lock)
        budget_owners.set_budgets(VirtualKey.objects.get(pk=owner.pk), [], who="somebody quicker")
        lock(owner)

    monkeypatch.setattr(budget_owners, "lock", a_moment_too_late)

    answer = admin.post(f"/admin/{KEYS}{consumer.key.pk}/change/", {"name": "renamed"} | NO_ROWS | budgets(row), follow=True)

    assert (answer.status_code, "deleted meanwhile" in answer.content.decode()) == (200, not removed)
    assert AuditEntry.objects.filter(action="delete").count() == int(removed)


def test_several_teams_are_deleted_each_with_its_audit(send):
    teams = [budget_owners.create_team(name=name, who="root") for name in ("film", "music")]

    send("keys/team/", {"action": "delete_selected", "_selected_action": [team.pk for team in teams], "post": "yes"})

    assert not Team.objects.exists()
    assert audited()[2:] == [("root", "delete", "team")] * 2


def test_a_management_key_is_made_here_and_shows_its_secret_once(send, page):
    [secret] = secrets_on(send("keys/managementkey/add/", {"name": "billing", "enabled": "on", "scopes": ["read"]}))

    assert secret.startswith("condt_admin_")
    headers = {"Authorization": f"Bearer {secret}"}
    assert Client().get("/v1/admin/keys", headers=headers).status_code == 200
    key = ManagementKey.objects.get()
    for path in ("keys/managementkey/", f"keys/managementkey/{key.pk}/change/", "audit/"):
        assert secret not in page(path)

    send(f"keys/managementkey/{key.pk}/change/", {"name": "billing", "scopes": ["read"]})
    assert Client().get("/v1/admin/keys", headers=headers).json()["error"]["code"] == "api_key_disabled"
    assert audited() == [("root", "create", "management_key"), ("root", "change", "management_key")]


def test_a_management_key_cannot_be_deleted(admin):
    key, _ = create_management_key(name="billing", who="root")

    assert admin.post(f"/admin/keys/managementkey/{key.pk}/delete/", {"post": "yes"}).status_code == 403
    assert ManagementKey.objects.exists()


def test_the_day_and_the_time_of_a_moment_have_labels_of_their_own(page, consumer):
    text = page(f"keys/virtualkey/{consumer.key.pk}/change/")

    assert re.search(r'name="expires_at_0"[^>]* aria-label="Date"', text)
    assert re.search(r'name="expires_at_1"[^>]* aria-label="Time \(UTC\)"', text)
    assert re.search(r'name="budgets-__prefix__-raised_until_1"[^>]* aria-label="Time \(UTC\)"', text)
