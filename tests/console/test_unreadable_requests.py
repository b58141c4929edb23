"""What nobody can read, in an address or a form, is said to be so: no page of the console crashes at it."""

from itertools import product

import pytest
from django.contrib import admin as django_admin
from django.urls import reverse

from tests.support.marks import soak_on_sqlite
from videos.models import VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

LISTS = sorted(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist" for model in django_admin.site._registry)
# What is read by a list's own columns, filters and search.
QUERIES = [
    "created_at__year=99999999999", "created_at__month=99", "created_at__gte=x", "date_joined__year=99999999999", "created_at__day=0",
    "id=99999999999999999999999", "id__exact=-1e400", "pk=%00", "q=%00", "q=%ED%A0%80", "q=" + "x" * 3000, "status__exact=%00",
    "key__id__exact=9" + "9" * 30, "task__id=x", "last_used_from=999.1.1.1", "_facets=True",
]  # fmt: skip
# What Django reads alike for each list, and our paging for each long one: asked of lists of both kinds.
OF_ANY_LIST = ["p=99999999999999999999", "p=-1", "o=99999999999999.x", "all=", "_to_field=nope", "e=1", "nope__nope=1"]
ASKED_ALL = {f"admin:{name}_changelist" for name in ("auth_group", "keys_virtualkey", "keys_usagecost", "videos_clip")}


@pytest.fixture
def crashing(admin):
    """The console's client, to which a crash is a 500 as it is to a browser."""
    admin.raise_request_exception = False
    return admin


@pytest.mark.parametrize("name", LISTS)
@soak_on_sqlite
def test_a_list_answers_every_query_string_without_a_crash(crashing, consumer, name):
    consumer.generate()

    assert set(LISTS) >= ASKED_ALL
    queries = QUERIES + (OF_ANY_LIST if name in ASKED_ALL else [])
    answers = {query: crashing.get(f"{reverse(name)}?{query}").status_code for query in queries}

    assert {query: code for query, code in answers.items() if code not in (200, 302, 400)} == {}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)  # as it is served: what the database refuses spoils no later query
def test_a_number_that_only_the_database_refuses_is_no_crash(crashing):
    assert crashing.get("/admin/keys/usagecost/?amount__gt=1e999999").status_code in (200, 400)  # SQLite takes it


def test_what_cannot_be_read_is_a_page_that_says_so(crashing, consumer):
    consumer.generate()

    answer = crashing.get("/admin/tasks/taskevent/?created_at__year=99999999999")

    assert answer.status_code == 400
    assert "cannot be read" in answer.content.decode()


@pytest.mark.parametrize("name", LISTS)
@soak_on_sqlite
def test_the_page_of_a_row_that_cannot_be_is_not_found(crashing, name):
    rows = ["9" * 40, "%00", "x" * 500, "_5B_5B", "-1"]

    answers = {row: crashing.get(f"{reverse(name)}{row}/change/").status_code for row in rows}

    assert {row: code for row, code in answers.items() if code not in (302, 400, 404)} == {}


@pytest.mark.parametrize("name", LISTS)
@soak_on_sqlite
def test_an_action_on_rows_that_cannot_be_changes_nothing(crashing, name):
    for action, chosen in product(("delete_selected", "rotate", "delete_for_good"), ("x", "9" * 40, "\0")):
        answer = crashing.post(reverse(name), {"action": action, "_selected_action": chosen, "post": "yes"})
        assert answer.status_code in (200, 302, 400, 403)


@pytest.mark.parametrize(
    "model", ["keys/virtualkey", "keys/managementkey", "keys/team", "keys/usagecost", "videos/videomodel", "auth/user"]
)
@soak_on_sqlite
def test_a_form_that_is_filled_in_by_its_address_says_what_it_cannot_read(crashing, model):
    wrong = ["expires_at=x", "team=x", "enabled=x", "limits=%00", "creates_per_day=x", "scopes=x", "base_price=x", "key=9e9"]

    answers = {query: crashing.get(f"/admin/{model}/add/?{query}").status_code for query in wrong}

    assert {query: code for query, code in answers.items() if code not in (200, 302, 400)} == {}


@pytest.mark.parametrize("nested", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, "[" + "9" * 10_000 + "]", '["\\u0000"]', "\0"])
@pytest.mark.parametrize("field", ["natives", "aliases"])
@soak_on_sqlite
def test_a_form_says_which_field_cannot_be_read(crashing, field, nested):
    model = VideoModel.objects.order_by("pk").first()
    assert model
    form = crashing.get(f"/admin/videos/videomodel/{model.pk}/change/").context["adminform"].form
    kept = {name: form[name].value() for name in form.fields}
    factors = {"factors-TOTAL_FORMS": 0, "factors-INITIAL_FORMS": 0}

    answer = crashing.post(
        f"/admin/videos/videomodel/{model.pk}/change/", {name: value or "" for name, value in kept.items()} | factors | {field: nested}
    )

    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors


def test_a_moment_that_no_column_holds_is_told_beside_its_field(crashing, consumer):
    answer = crashing.post(
        f"/admin/keys/virtualkey/{consumer.key.pk}/change/",
        {"name": "ann", "expires_at_0": "9999-12-31", "expires_at_1": "23:59:59.9999999999", "creates_per_minute": "9" * 40},
    )

    assert answer.status_code == 200
    assert "creates_per_minute" in answer.context["adminform"].form.errors
