"""The audit's page: rows in words that lead on, a search that its address holds, and nothing for whoever may not see it."""

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from conduit import clock
from conduit.console.audit.words import action_in_words
from keys import audit, budget_owners
from keys.models import AuditEntry, Team
from keys.services import change_key, create_key
from tests.support.links import links_of
from videos.models import VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PATH = "/admin/audit/"


@pytest.fixture
def shown(admin):
    """The page's text for a search, such as `shown(who="ann")`."""

    def get(**asked):
        answer = admin.get(PATH, asked)
        assert answer.status_code == 200
        return answer.content.decode()

    return get


def rows_of(page):
    return page.count('<td class="when">')


def test_a_change_is_told_in_words_with_what_was_before_and_after(shown):
    model = VideoModel.objects.first()
    audit.record(who="ann", action="change", target=model, base_price=["0.5800", "0.0100"], enabled=[True, False])

    page = shown()

    assert ("ann" in page, ">changed</a>" in page, ">video model</a>" in page) == (True, True, True)
    assert f'<a class="target" href="/admin/videos/videomodel/{model.pk}/change/">{model.name}</a>' in page
    assert "base price</span> <del>0.5800</del>" in page
    assert "<ins>0.0100</ins>" in page
    assert ("<del>yes</del>" in page, "<ins>no</ins>" in page) == (True, True)


def test_of_two_lists_what_came_and_went_is_told(shown):
    audit.record(who="ann", action="change", target="user:7", groups=[["viewer", "night"], ["viewer", "operator"]])

    assert "without night, with operator" in shown()


def test_what_is_empty_is_told_where_it_changed_and_not_where_it_never_was_anything_else(shown):
    audit.record(who="ann", action="create", target="team:7", note="", until=None, members=[])
    audit.record(who="ann", action="change", target="team:7", note=["", "new"])

    page = shown()
    assert (page.count('<div class="change">'), "<del>empty</del>" in page) == (1, True)


def test_moments_are_told_to_the_second_with_their_zone(shown):
    audit.record(who="ann", action="change", target="team:7", until=[None, "2026-11-29T07:39:10.363171+00:00"])

    assert "<ins>2026-11-29 07:39:10 UTC</ins>" in shown()


def test_the_address_of_a_search_holds_only_what_was_filled_in(admin):
    answer = admin.get(PATH, {"q": "film", "who": "", "did": "", "since": ""})

    assert (answer.status_code, answer.headers["Location"]) == (302, f"{PATH}?q=film")


def test_many_fields_fold_away(shown):
    audit.record(who="ann", action="create", target="team:7", **{f"field_{number}": number for number in range(6)})

    assert "<summary>2 more</summary>" in shown()


def test_every_action_of_ours_has_words():
    root = Path(__file__).resolve().parents[2]
    source = "".join(path.read_text() for room in ("conduit", "keys", "tasks", "videos") for path in (root / room).rglob("*.py"))
    actions = set(re.findall(r'audit\.(?:record|write)\([^)]*?action="([^"{]+)"', source))

    assert {"create", "log in", "upload bill"} <= actions
    assert [action for action in sorted(actions) if action_in_words(action) == action] == []


def test_a_name_leads_to_its_page_while_that_exists(shown, admin):
    team = budget_owners.create_team(name="film", who="ann")
    assert f'href="/admin/keys/team/{team.pk}/change/">film</a>' in shown()
    budget_owners.delete_team(team, who="ann")

    page = shown()
    assert f"/admin/keys/team/{team.pk}/change/" not in page
    assert 'title="All of it: it has no page of its own, or none any more">film</a>' in page


def test_a_name_leads_nowhere_for_whoever_may_not_see_its_page():
    team = budget_owners.create_team(name="film", who="ann")
    client = _staff("view_auditentry")

    page = client.get(PATH).content.decode()
    assert ("film" in page, f"/admin/keys/team/{team.pk}" in page) == (True, False)


def test_a_task_leads_to_the_page_of_tasks(shown, consumer):
    task = consumer.generate("a cat")["task_id"]
    audit.record(who="ann", action="cancel", target=f"task:{task}")

    assert f'href="/admin/tasks/{task}/"' in shown()


def test_a_budget_leads_to_whose_it_is(shown):
    key, _ = create_key(name="bob", who="ann", budgets=[{"period": "total", "amount": 1}])

    assert f'<a href="/admin/keys/virtualkey/{key.pk}/change/">key:{key.pk}</a>' in shown(kind="budget")


def test_each_value_of_a_row_filters_and_keeps_what_was_asked_for(shown):
    AuditEntry.objects.create(who="ann", action="delete", target="team:7", address="10.0.0.1", target_name="film")
    AuditEntry.objects.create(who="bob", action="create", target="key:8", address="10.0.0.2")
    page = shown(q="film")

    asked = [parse_qs(urlsplit(link).query) for link in links_of(page) if link.startswith(f"{PATH}?")]
    for name, value in {"who": "ann", "did": "delete", "kind": "team", "target": "team:7", "from": "10.0.0.1"}.items():
        assert {"q": ["film"], name: [value]} in asked
        assert rows_of(shown(**{name: value})) == 1


def test_the_form_holds_the_search_and_each_part_can_be_taken_away(shown):
    AuditEntry.objects.create(who="ann", action="delete", target="team:7", target_name="film")
    page = shown(q="film", who="ann", did="delete")

    assert 'value="film"' in page
    assert '<option value="delete" selected>deleted</option>' in page
    assert {f"{PATH}?who=ann&did=delete", f"{PATH}?q=film&did=delete", f"{PATH}?q=film&who=ann"} <= set(links_of(page))


def test_pages_lead_from_newest_to_oldest_and_back(admin, shown):
    rows = [AuditEntry.objects.create(who="ann", action="change", target=f"team:{number}") for number in range(70)]
    first = shown(who="ann")
    assert rows_of(first) == 50
    [older] = [link for link in links_of(first) if "before=" in link]

    second = admin.get(older).content.decode()

    assert (rows_of(second), rows_of(first)) == (20, 50)
    assert tuple(
        f"team%3A{number}&" in page + "&" or f'team%3A{number}"' in page for number, page in ((69, first), (0, first), (0, second))
    ) == (True, False, True)
    assert "Back to the newest" in second
    assert not any("before=" in link for link in links_of(second))
    assert rows[0].pk


def test_a_span_is_understood_as_dates_and_as_browsers_send_them(shown):
    AuditEntry.objects.create(who="ann", action="change", target="team:1", created_at=clock.now() - timedelta(days=3))
    AuditEntry.objects.create(who="ann", action="change", target="team:2")
    day = f"{clock.now() - timedelta(days=1):%Y-%m-%d}"

    assert rows_of(shown(who="ann", since=day)) == 1
    assert rows_of(shown(who="ann", until=f"{day}T12:00")) == 1
    assert rows_of(shown(who="ann", since=f"{day}T12:00:00Z")) == 1


def test_a_moment_that_is_none_is_told_beside_its_field(shown):
    page = shown(since="yesterday")

    assert "`since` must be an RFC 3339 date" in page
    assert 'aria-describedby="audit-since-problem"' in page


def test_a_search_that_finds_nothing_says_so(shown):
    assert "Nothing like that is in the audit" in shown(who="nobody")


def test_a_search_that_looked_at_as_much_as_it_may_says_how_far_and_leads_on(shown, monkeypatch):
    monkeypatch.setattr("keys.audit_search.LOOKED_AT", 3)
    for number in range(5):
        AuditEntry.objects.create(who="ann", action="change", target=f"team:{number}")

    page = shown(q="no-such-word")
    assert ("Nothing like that since" in page, "Look further back" in page) == (True, True)


@pytest.mark.parametrize(
    "asked", [{"before": "x"}, {"before": "9" * 30}, {"since": "9999-12-31T23:59:59-14:00"}, {"who": "x" * 1000}, {"q": "% _ ' \" \\ <b>"}]
)
def test_whatever_stands_in_the_address_is_answered(shown, asked):
    shown(**asked)


def test_what_is_told_is_text_and_no_markup(shown):
    AuditEntry.objects.create(who="<b>ann</b>", action="<i>", target="team:<u>", target_name="<s>", changes={"<em>": ["<a>", "<q>"]})

    page = shown()
    assert not any(tag in page for tag in ("<b>ann", "<i>", "<u>", "<s>", "<em>", "<q>"))


def test_only_who_may_view_the_audit_sees_it_and_its_place():
    other, viewer = _staff("view_task"), _staff("view_auditentry")

    assert (other.get(PATH).status_code, viewer.get(PATH).status_code, Client().get(PATH).status_code) == (403, 200, 302)
    assert 'href="/admin/audit/"' in viewer.get(PATH).content.decode()


def test_there_is_no_way_to_add_change_or_delete_a_row(admin):
    row = AuditEntry.objects.create(who="ann", action="change", target="team:1")

    for path in ("add/", f"{row.pk}/change/", f"{row.pk}/delete/"):
        assert admin.get(f"/admin/keys/auditentry/{path}").status_code == 404
    assert admin.post(PATH, {"who": "bob"}).status_code in (200, 405)
    assert AuditEntry.objects.get(pk=row.pk).who == "ann"


def test_the_history_of_a_row_is_what_the_audit_says_of_it(admin):
    team = Team.objects.create(name="film")

    assert admin.get(f"/admin/keys/team/{team.pk}/history/").headers["Location"] == f"{PATH}?target=team%3A{team.pk}"
    assert _staff("view_team").get(f"/admin/keys/team/{team.pk}/history/").status_code == 200


def test_a_page_costs_the_same_queries_however_many_rows_it_shows(admin, django_assert_max_num_queries):
    key, _ = create_key(name="bob", who="ann")
    for number in range(40):
        change_key(key, who="ann", name=f"bob {number}")
        budget_owners.create_team(name=f"team {number}", who="ann")

    admin.get(PATH)
    # Session, account and what holds of the place; the rows; three lists to choose from; the pages of two kinds.
    with django_assert_max_num_queries(12):
        admin.get(PATH)


def _staff(*codenames):
    user = get_user_model().objects.create_user(f"with {codenames[0]}", password="a long password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client
