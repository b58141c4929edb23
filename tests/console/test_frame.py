"""The frame around every page of the console: the way through it, for whoever may go there."""

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from conduit.console.templatetags.console import span, usd

pytestmark = pytest.mark.django_db


def places(text: str) -> list[str]:
    return [
        part.partition("</a>")[0].partition(">")[2] for part in text.partition('class="places"')[2].partition("</ul>")[0].split("<a ")[1:]
    ]


def staff(*rights: str) -> Client:
    user = get_user_model().objects.create_user("sam", password="a long password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def test_every_place_is_one_click_away(page):
    assert places(page("settings/")) == ["Now", "Tasks", "Keys", "Money", "Models", "Webhooks", "Audit", "Settings"]


def test_who_may_see_only_tasks_is_led_to_nothing_else(db):
    text = staff("view_task").get("/admin/settings/").content.decode()

    assert places(text) == ["Now", "Tasks", "Settings"]
    assert 'id="frame-search"' in text


def test_who_may_not_see_tasks_is_offered_no_search_for_them(db):
    assert 'id="frame-search"' not in staff("view_team").get("/admin/settings/").content.decode()


@pytest.mark.parametrize(
    ("path", "place"),
    [("", "Now"), ("keys/virtualkey/add/", "Keys"), ("settings/", "Settings"), ("auth/user/", "Settings"), ("webhooks/mails/", "Webhooks")],
)
def test_the_place_where_one_is_is_marked(page, path, place):
    assert f'aria-current="page">{place}</a>' in page(path)


def test_who_is_not_logged_in_sees_no_way_through(client):
    text = client.get(reverse("admin:login")).content.decode()

    assert places(text) == []
    assert "frame-search" not in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "-"), (0.44, "0.4 s"), (52, "52 s"), (100, "1 m 40 s"), (59.7, "1 m 0 s"), (11_100, "3 h 5 m"), (187_200, "2 d 4 h")],
)
def test_a_span_of_time_is_told_in_its_two_largest_units(seconds, words):
    assert span(seconds) == words


@pytest.mark.parametrize(("amount", "words"), [(None, "-"), ("0.2", "0.2000 USD"), ("1204.5", "1,204.50 USD")])
def test_money_has_its_unit(amount, words):
    assert usd(amount and Decimal(amount)) == words
