"""Accounts at MiniMax in the console."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client

from conduit import clock
from keys.models import AuditEntry
from tests.support.accounts import add_account
from tests.support.lookalike import LookAlike
from videos.account_models import AccountState, ProviderAccount

pytestmark = pytest.mark.django_db

LIST = "/admin/videos/provideraccount/"
KEY = "mm-key-that-nobody-sees-again"
FORM = {
    "name": "east", "kind": "minimax_v1", "base_url": "https://minimax.example/v1", "key": KEY, "state": "on", "weight": "10",
    "creates_per_minute": "20", "jobs_in_flight": "", "monthly_limit": "",
}  # fmt: skip


@pytest.fixture
def east():
    with LookAlike(key="east-key") as server:
        yield add_account("east", server.url, "east-key"), server


def in_role(name):
    user = get_user_model().objects.create_user(f"an {name}", password="a long password", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


def test_an_account_is_added_changed_and_deleted_and_its_key_is_never_shown_again(admin, page):
    assert admin.post(f"{LIST}add/", FORM).status_code == 302
    account = ProviderAccount.objects.get(name="east")
    assert (account.key, account.base_url) == (KEY, "https://minimax.example")

    form = page(f"videos/provideraccount/{account.pk}/change/")
    assert KEY not in form
    assert account.sealed_secret not in form
    assert "Its key was set on" in form
    kept = {name: value for name, value in FORM.items() if name not in ("kind", "key")} | {"weight": "20", "key": ""}
    assert admin.post(f"{LIST}{account.pk}/change/", kept).status_code == 302
    account.refresh_from_db()
    assert (account.weight, account.key) == (20, KEY)
    assert admin.post(f"{LIST}{account.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not ProviderAccount.objects.filter(name="east").exists()

    rows = AuditEntry.objects.filter(target=f"provideraccount:{account.pk}").order_by("id")
    assert [row.action for row in rows] == ["create", "change", "delete"]
    assert rows[1].changes == {"weight": [10, 20]}
    assert KEY not in str([row.changes for row in rows])


def test_what_the_management_api_refuses_the_form_refuses_in_its_words(admin):
    answer = admin.post(f"{LIST}add/", FORM | {"base_url": "https://10.0.0.5"})

    assert "OUTBOUND_ALLOWED does not list it: add 10.0.0.5." in answer.content.decode()


def test_the_list_tells_how_each_account_is_in_a_fixed_number_of_queries(admin, page, django_assert_num_queries):
    add_account("west", "https://minimax.example", "k", cause="account_balance", since=clock.now(), code=1008, said="insufficient balance")

    text = page("videos/provideraccount/")

    assert "Its balance or quota is used up" in text
    assert "code 1008 (insufficient balance)" in text
    assert "environment (V1)" in text
    assert "as they come" in text
    assert 'aria-current="page">Models' in text
    with django_assert_num_queries(QUERIES):
        admin.get(LIST)
    for number in range(5):
        add_account(f"more {number}", "https://minimax.example", "k", creates_per_minute=number + 1)
    with django_assert_num_queries(QUERIES):
        admin.get(LIST)


QUERIES = 11


def test_its_test_is_a_button_that_says_what_came_of_it_and_leaves_a_row(admin, page, east):
    account, server = east
    address = f"{LIST}{account.pk}/test/"
    assert f'formaction="{address}"' in page("videos/provideraccount/")

    assert admin.get(address).status_code == 405
    assert "It answers, and its key is accepted." in admin.post(address, follow=True).content.decode()
    server.key = "another"
    assert "does not accept" in admin.post(address, follow=True).content.decode()

    assert AuditEntry.objects.filter(action="test", target=f"provideraccount:{account.pk}").count() == 2
    assert "Its key is not accepted" in page("videos/provideraccount/")


def test_draining_says_first_what_will_happen(admin, page, east):
    account, _ = east

    asked = page(f"videos/provideraccount/{account.pk}/switch/draining/")
    assert "Nothing new will be ordered with it." in asked
    assert "MiniMax is making nothing for it." in asked
    assert admin.post(f"{LIST}{account.pk}/switch/draining/").status_code == 302

    assert ProviderAccount.objects.get(pk=account.pk).state == AccountState.DRAINING
    row = AuditEntry.objects.get(target=f"provideraccount:{account.pk}")
    assert (row.who, row.changes) == ("root", {"state": ["on", "draining"]})
    assert admin.get(f"{LIST}{account.pk}/switch/away/").status_code == 404


def test_operators_add_test_and_switch_and_viewers_see(east):
    account, _ = east
    operator, viewer = in_role("operator"), in_role("viewer")

    assert operator.post(f"{LIST}{account.pk}/switch/off/").status_code == 302
    assert ProviderAccount.objects.get(pk=account.pk).state == AccountState.OFF
    assert operator.post(f"{LIST}{account.pk}/test/").status_code == 302
    assert operator.post(f"{LIST}add/", FORM | {"name": "west"}).status_code == 302
    seen = viewer.get(LIST).content.decode()
    assert "east" in seen
    assert "formaction" not in seen
    assert viewer.post(f"{LIST}add/", FORM).status_code == 403
    assert viewer.post(f"{LIST}{account.pk}/switch/on/").status_code == 403
    assert viewer.post(f"{LIST}{account.pk}/test/").status_code == 403
    assert 'name="key"' not in viewer.get(f"{LIST}{account.pk}/change/").content.decode()


def test_the_environments_account_has_no_place_for_a_key_and_is_not_deleted(admin, page):
    account = ProviderAccount.objects.environments("minimax_v1")

    form = page(f"videos/provideraccount/{account.pk}/change/")

    assert "Its key is MINIMAX_API_KEY of the environment" in form
    assert 'name="key"' not in form
    assert 'name="base_url"' not in form
    assert admin.post(f"{LIST}{account.pk}/delete/", {"post": "yes"}).status_code == 403
    fields = {"name": "first", "state": "on", "weight": "50", "creates_per_minute": "", "jobs_in_flight": "3", "monthly_limit": "9.5"}
    assert admin.post(f"{LIST}{account.pk}/change/", fields).status_code == 302
    account.refresh_from_db()
    assert (account.name, account.jobs_in_flight, account.base_url, account.from_environment) == ("first", 3, "", True)
