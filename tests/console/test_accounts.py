"""Nobody gives rights that he has not, or takes over somebody who may more; each change of an account is audited."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.test import Client

from keys.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

MANAGES_ACCOUNTS = ("add_user", "change_user", "delete_user", "view_user", "add_group", "change_group", "delete_group", "view_group")


def may(*codenames):
    return Permission.objects.filter(codename__in=codenames)


def staff(name, *codenames, **more):
    user = get_user_model().objects.create_user(name, password="a long password", is_staff=True, **more)
    user.user_permissions.set(may(*codenames))
    return user


def logged_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def manager():
    return staff("mo", *MANAGES_ACCOUNTS, "view_task")


@pytest.fixture
def as_manager(manager):
    return logged_in(manager)


def form_of(user, **changed):
    fields = {"username": user.username, "is_staff": "on", "is_active": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    return {name: value for name, value in (fields | changed).items() if value is not None}


def test_a_member_of_staff_cannot_make_himself_superuser(as_manager, manager):
    as_manager.post(f"/admin/auth/user/{manager.pk}/change/", form_of(manager, is_superuser="on"))

    manager.refresh_from_db()
    assert not manager.is_superuser


def test_a_member_of_staff_cannot_give_himself_or_others_what_he_has_not(as_manager, manager):
    other = staff("ann")
    for user in (manager, other):
        permission = may("change_videomodel").get()
        answer = as_manager.post(f"/admin/auth/user/{user.pk}/change/", form_of(user, user_permissions=[permission.pk]))
        assert "user_permissions" in answer.context["adminform"].form.errors

    assert not may("change_videomodel").filter(user__in=[manager, other])


def test_a_member_of_staff_gives_and_takes_what_he_has(as_manager):
    ann = staff("ann")

    as_manager.post(f"/admin/auth/user/{ann.pk}/change/", form_of(ann, user_permissions=[may("view_task").get().pk]))
    assert get_user_model().objects.get(pk=ann.pk).has_perm("tasks.view_task")

    as_manager.post(f"/admin/auth/user/{ann.pk}/change/", form_of(ann))
    assert not get_user_model().objects.get(pk=ann.pk).has_perm("tasks.view_task")


@pytest.mark.parametrize("more", [{"is_superuser": True}, {"is_superuser": True, "is_active": False}, {}])
def test_nobody_takes_over_somebody_who_may_more(as_manager, more):
    above = staff("ceo", "change_virtualkey", **more)

    assert as_manager.post(f"/admin/auth/user/{above.pk}/change/", form_of(above, email="mo@example.com")).status_code == 403
    password = {"password1": "another long one", "password2": "another long one", "usable_password": "true"}
    assert as_manager.post(f"/admin/auth/user/{above.pk}/password/", password).status_code == 403
    assert as_manager.post(f"/admin/auth/user/{above.pk}/delete/", {"post": "yes"}).status_code == 403
    as_manager.post("/admin/auth/user/", {"action": "delete_selected", "_selected_action": above.pk, "post": "yes"})

    above.refresh_from_db()
    assert (above.email, above.check_password("a long password")) == ("", True)


def test_rights_that_come_from_a_group_count(as_manager):
    above = staff("ann")
    operators = Group.objects.create(name="operators")
    operators.permissions.set(may("change_virtualkey"))
    above.groups.add(operators)

    assert as_manager.post(f"/admin/auth/user/{above.pk}/change/", form_of(above, email="x@example.com")).status_code == 403


def test_a_group_that_holds_more_can_neither_be_changed_nor_joined(as_manager, manager):
    operators = Group.objects.create(name="operators")
    operators.permissions.set(may("change_virtualkey", "view_task"))
    viewers = Group.objects.create(name="viewers")
    viewers.permissions.set(may("view_task"))

    assert as_manager.post(f"/admin/auth/group/{operators.pk}/change/", {"name": "mine"}).status_code == 403
    assert as_manager.post(f"/admin/auth/group/{operators.pk}/delete/", {"post": "yes"}).status_code == 403
    beyond = as_manager.post(f"/admin/auth/group/{viewers.pk}/change/", {"name": "v", "permissions": [may("change_virtualkey").get().pk]})
    assert "permissions" in beyond.context["adminform"].form.errors
    joined = as_manager.post(f"/admin/auth/user/{manager.pk}/change/", form_of(manager, groups=[operators.pk]))
    assert "groups" in joined.context["adminform"].form.errors


def test_a_superuser_may_everything_and_each_change_is_audited_without_a_password(admin):
    ann = staff("ann")
    viewers = Group.objects.create(name="viewers")

    admin.post(f"/admin/auth/user/{ann.pk}/change/", form_of(ann, is_superuser="on", groups=[viewers.pk]))
    password = {"password1": "another long one", "password2": "another long one", "usable_password": "true"}
    admin.post(f"/admin/auth/user/{ann.pk}/password/", password)
    admin.post("/admin/auth/user/add/", {"username": "bob", **password})
    admin.post(f"/admin/auth/group/{viewers.pk}/change/", {"name": "watchers", "permissions": [may("view_task").get().pk]})
    admin.post(f"/admin/auth/user/{ann.pk}/delete/", {"post": "yes"})

    assert not get_user_model().objects.filter(username="ann")
    rows = list(AuditEntry.objects.order_by("pk").values_list("who", "action", "target", "changes"))
    bob = get_user_model().objects.get(username="bob")
    assert [row[:3] for row in rows] == [
        ("root", "change", f"user:{ann.pk}"),
        ("root", "set password", f"user:{ann.pk}"),
        ("root", "create", f"user:{bob.pk}"),
        ("root", "change", f"group:{viewers.pk}"),
        ("root", "delete", f"user:{ann.pk}"),
    ]
    assert rows[0][3]["is_superuser"] == [False, True]
    assert rows[0][3]["groups"] == [[], ["viewers"]]
    assert rows[3][3]["name"] == ["viewers", "watchers"]
    assert "long" not in str(rows)


def test_rows_deleted_from_the_list_are_audited_each(admin):
    users = [staff(name) for name in ("ann", "bob")]

    admin.post("/admin/auth/user/", {"action": "delete_selected", "_selected_action": [user.pk for user in users], "post": "yes"})

    assert set(AuditEntry.objects.filter(action="delete").values_list("target", flat=True)) == {f"user:{user.pk}" for user in users}


def test_one_s_own_password_is_changed_where_the_old_one_is_asked_for(as_manager, manager):
    for answer in (
        as_manager.get(f"/admin/auth/user/{manager.pk}/password/"),
        as_manager.post(f"/admin/auth/user/{manager.pk}/password/", {"password1": "another long one", "password2": "another long one"}),
    ):
        assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/password_change/")
    manager.refresh_from_db()
    assert manager.check_password("a long password")
