"""The groups that are shipped: what each opens, and that a site keeps what it made of them."""

import re
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from conduit.console.pages import _pages
from conduit.console.security.models import Role
from conduit.console.security.roles import ROLES, apply_roles
from keys import scopes
from keys.models import AuditEntry, ManagementKey, Scope, VirtualKey
from keys.services import create_management_key
from tasks import pauses
from tasks.models import Pause, PauseKind
from videos.models import BlockedTerm, VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

LISTS = [
    "keys/virtualkey/", "keys/team/", "keys/managementkey/", "keys/usagecost/", "keys/budgetwindow/", "keys/budgetalert/",
    "audit/", "tasks/pause/", "videos/timing/", "videos/videomodel/", "videos/blockedterm/", "auth/user/", "auth/group/",
]  # fmt: skip
FORMS_OF_A_KEY = {f"{name}-{count}_FORMS": 0 for name in ("budgets", "secrets") for count in ("TOTAL", "INITIAL")}


def in_role(name: str) -> Client:
    user = User.objects.create_user(f"an {name}", password="a long password", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


def rights_of(name: str) -> set[str]:
    return named(Permission.objects.filter(group__name=name))


def named(permissions) -> set[str]:
    return {f"{app}.{codename}" for app, codename in permissions.values_list("content_type__app_label", "codename")}


@pytest.fixture
def pause():
    return pauses.begin(who="root", kind=PauseKind.MEDIA)


def test_a_viewer_sees_every_list_and_no_button(consumer, pause):
    viewer = in_role("viewer")

    for path in LISTS:
        answer = viewer.get(f"/admin/{path}")
        assert answer.status_code == 200, path
        page = answer.content.decode()
        assert "addlink" not in page, path
        assert 'name="action"' not in page, path
    for path in (f"keys/virtualkey/{consumer.key.pk}/change/", f"tasks/pause/{pause.pk}/change/"):
        page = viewer.get(f"/admin/{path}").content.decode()
        assert 'type="submit"' not in page.partition('id="content-main"')[2].partition("</form>")[0], path


def test_a_viewer_is_refused_by_hand(consumer, pause):
    viewer = in_role("viewer")
    model = VideoModel.objects.first()
    written = [
        (f"keys/virtualkey/{consumer.key.pk}/change/", FORMS_OF_A_KEY | {"name": "mine"}),
        ("keys/virtualkey/add/", FORMS_OF_A_KEY | {"name": "mine"}),
        ("keys/managementkey/add/", {"name": "mine", "scopes": ["read"]}),
        ("keys/usagecost/add/", {"entry": "credit", "key": consumer.key.pk, "amount": "5", "why": "gift"}),
        ("tasks/pause/add/", {"kind": "sending"}),
        (f"tasks/pause/{pause.pk}/delete/", {"post": "yes"}),
        (f"videos/videomodel/{model.pk}/change/", {}),
        ("videos/blockedterm/add/", {"term": "x"}),
        ("auth/user/add/", {"username": "bob"}),
    ]
    before = AuditEntry.objects.count()

    for path, form in written:
        assert viewer.post(f"/admin/{path}", form).status_code == 403, path
    assert viewer.post(f"/admin/keys/virtualkey/{consumer.key.pk}/rotate/", {"old": "now"}).status_code == 403
    for action in ("rotate", "delete_for_good"):
        viewer.post("/admin/keys/virtualkey/", {"action": action, "confirmed": "yes", "_selected_action": [consumer.key.pk]})

    assert AuditEntry.objects.count() == before
    assert list(Pause.objects.all()) == [pause]
    assert VirtualKey.objects.get().deleted_at is None


def test_no_page_of_our_own_has_a_form_that_changes_anything_for_a_viewer(consumer):
    viewer, task_id = in_role("viewer"), consumer.generate()["task_id"]
    routes = {page.route.replace("<uuid:task_id>", task_id) for page in _pages if not page.route.startswith("second-factor")}
    assert len(routes) > 10

    for route in routes:
        answer = viewer.get(f"/admin/{route}")
        assert answer.status_code in (200, 302, 403, 404), route
        forms = re.findall(r'<form[^>]*method="post"[^>]*>', answer.getvalue().decode())
        # Logging out, and keeping a search of one's own, are everybody's.
        assert [form for form in forms if "/logout/" not in form and "/searches/" not in form] == [], route


def test_a_viewer_reads_no_secret_and_nothing_that_stands_for_one(consumer):
    viewer = in_role("viewer")
    key, secret = create_management_key(name="billing", who="root")
    user = User.objects.get()
    pages = [f"keys/virtualkey/{consumer.key.pk}/change/", f"keys/managementkey/{key.pk}/change/", f"auth/user/{user.pk}/change/"]

    shown = "".join(viewer.get(f"/admin/{path}").content.decode() for path in pages)

    salt_and_hash = user.password.split("$")[-2:]
    hidden = [
        secret,
        consumer.secret,
        key.secret_hash,
        consumer.key.secrets.get().secret_hash,
        *salt_and_hash,
        salt_and_hash[0][:6],
        "algorithm",
    ]
    assert [value for value in hidden if value in shown] == []


def test_an_operator_makes_changes_disables_and_rotates_keys_and_pauses_work(consumer, pause):
    operator = in_role("operator")

    assert operator.post("/admin/keys/virtualkey/add/", FORMS_OF_A_KEY | {"name": "made", "enabled": "on"}).status_code in (200, 302)
    made = VirtualKey.objects.get(name="made")
    operator.post(f"/admin/keys/virtualkey/{made.pk}/change/", FORMS_OF_A_KEY | {"name": "changed"})
    operator.post(f"/admin/keys/virtualkey/{made.pk}/rotate/", {"old": "later", "replacing": made.secrets.get().prefix})
    operator.post(f"/admin/tasks/pause/{pause.pk}/delete/", {"post": "yes"})

    made.refresh_from_db()
    assert (made.name, made.enabled, made.secrets.count()) == ("changed", False, 2)
    assert not Pause.objects.exists()
    assert rights_of("operator") >= {"tasks.cancel_task", "tasks.retry_task", "tasks.pause_work"}


def test_an_operator_changes_neither_money_nor_models_nor_people_and_deletes_no_key(consumer):
    operator = in_role("operator")
    budget = {"budgets-TOTAL_FORMS": 1, "budgets-0-period": "daily", "budgets-0-time_zone": "UTC", "budgets-0-amount": "5"}

    operator.post(f"/admin/keys/virtualkey/{consumer.key.pk}/change/", FORMS_OF_A_KEY | budget | {"name": "rich", "enabled": "on"})
    operator.post("/admin/keys/virtualkey/", {"action": "delete_for_good", "confirmed": "yes", "_selected_action": [consumer.key.pk]})
    for path in ("keys/usagecost/add/", "keys/managementkey/add/", "keys/team/add/", "videos/videomodel/add/", "auth/user/add/"):
        assert operator.post(f"/admin/{path}", {}).status_code == 403, path

    key = VirtualKey.objects.get()
    assert (key.budgets.count(), key.deleted_at) == (0, None)


def test_an_administrator_does_everything_and_makes_accounts_of_each_role_but_no_superuser():
    administrator = in_role("administrator")
    bob = User.objects.create_user("bob", password="a long password")
    form = {"username": "bob", "is_active": "on", "is_staff": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    groups = [group.pk for group in Group.objects.filter(name__in=ROLES)]

    administrator.post(f"/admin/auth/user/{bob.pk}/change/", form | {"groups": groups, "is_superuser": "on"})
    administrator.post("/admin/videos/blockedterm/add/", {"term": "a word", "note": ""})

    bob.refresh_from_db()
    assert (bob.is_staff, bob.is_superuser, sorted(bob.groups.values_list("name", flat=True))) == (True, False, sorted(ROLES))
    assert BlockedTerm.objects.get().term == "a word"
    assert named(Permission.objects.filter(content_type__app_label__in=["keys", "tasks", "videos"])) <= rights_of("administrator")


@pytest.mark.parametrize(
    ("role", "scope"), [("viewer", Scope.READ), ("operator", Scope.OPERATE), ("operator", Scope.KEYS), ("administrator", Scope.MONEY)]
)
def test_a_role_has_the_rights_that_a_scope_of_programs_stands_for(role, scope):
    in_role(role)
    user = User.objects.get()

    assert scopes.may_give(user, [scope])
    if role != "administrator":
        assert not scopes.may_give(user, [Scope.MONEY])
    assert not ManagementKey.objects.exists()


def test_a_later_migration_gives_what_is_new_and_undoes_nothing_that_the_site_has_changed(monkeypatch):
    viewers, operators = Group.objects.get(name="viewer"), Group.objects.get(name="operator")
    retry, term = Permission.objects.get(codename="retry_task"), Permission.objects.get(codename="add_blockedterm")
    operators.permissions.remove(retry)
    operators.permissions.add(term)
    operators.name = "night shift"
    operators.save()
    viewers.delete()
    content = ContentType.objects.get_for_model(Pause)
    Permission.objects.create(content_type=content, codename="view_something_new", name="Can view something new")

    for _ in range(2):
        apply_roles()

    codenames = set(operators.permissions.values_list("codename", flat=True))
    assert codenames >= {"view_something_new", "add_blockedterm", "cancel_task"}
    assert "retry_task" not in codenames
    assert not Group.objects.filter(name__in=["viewer", "operator"]).exists()


def test_a_group_that_a_site_has_made_itself_gets_no_right_of_a_role():
    Role.objects.all().delete()
    Group.objects.all().delete()
    theirs = Group.objects.create(name="operator")

    apply_roles()

    assert not theirs.permissions.exists()
    assert "cancel_task" in Group.objects.get(name="Conduit operator").permissions.values_list("codename", flat=True)


def test_who_could_stop_work_before_it_was_one_right_may_go_on():
    content = ContentType.objects.get_for_model(Pause)
    former = [Permission.objects.create(content_type=content, codename=f"{verb}_pause", name=verb) for verb in ("add", "change", "delete")]
    ann, bob = (User.objects.create_user(name) for name in ("ann", "bob"))
    shift = Group.objects.create(name="shift")
    ann.user_permissions.add(*former)
    bob.user_permissions.add(former[1])
    shift.permissions.add(former[0])

    for _ in range(2):
        import_module("tasks.migrations.0009_rights_of_their_own").one_right_for_pauses(apps, None)

    assert ann.has_perm("tasks.pause_work")
    assert not bob.has_perm("tasks.pause_work")
    assert [permission.codename for permission in shift.permissions.all()] == ["pause_work"]
    assert not Permission.objects.filter(pk__in=[permission.pk for permission in former]).exists()
