"""Webhooks in the console: who is told, what came of it, and what can be done about it"""

import re
from contextlib import closing
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conduit import clock
from keys.models import AuditEntry, Team
from tasks.notifications import endpoints
from tasks.notifications.models import Delivery, Endpoint, Mail, State
from tests.notifications.conftest import Sends
from tests.support.receiving import Receiver

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def receiver(settings):
    settings.OUTBOUND_HTTP = True
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def endpoint(consumer, receiver):
    made, _ = endpoints.create(name="batch", url=f"{receiver.url}/a", event_types=["task.queued"], key=consumer.key)
    return made


@pytest.fixture
def viewer():
    account = get_user_model().objects.create_user("eve", is_staff=True)
    account.groups.add(Group.objects.get(name="viewer"))
    client = Client()
    client.force_login(account)
    return client


def test_the_list_finds_endpoints_by_name_owner_and_state(page, endpoint):
    team = Team.objects.create(name="film")
    endpoints.create(name="of the team", url="https://example.com/", event_types=["task.failed"], team=team)
    other, _ = endpoints.create(name="of everybody", url="https://example.com/", event_types=["account.unavailable"])
    endpoints.change(other, enabled=False)

    text = page("webhooks/")
    assert [name in text for name in ("batch", "of the team", "of everybody", "team film", "the whole place")] == [True] * 5
    assert "of the team" not in page("webhooks/?q=batch")
    assert "batch" in page(f"webhooks/?key={endpoint.key_id}")
    disabled = page("webhooks/?state=disabled")
    assert ("of everybody" in disabled, "batch" in disabled) == (True, False)
    assert "No endpoint is found by that" in page("webhooks/?q=nothing")
    assert '<a href="/admin/webhooks/"' in page()


def test_an_endpoint_is_tested_and_its_log_shows_what_came(admin, page, endpoint, receiver):
    receiver.answers["/a"] = (503, {}, b"<b>not</b> now")

    said = admin.post(f"/admin/webhooks/{endpoint.public_id}/test/", {"type": "task.queued"}, follow=True).content.decode()

    assert "It answered 503" in said
    text = page(f"webhooks/{endpoint.public_id}/")
    assert "given up" in text
    assert "&lt;b&gt;not&lt;/b&gt; now" in text
    assert "(a test)" in text
    assert [row.action for row in AuditEntry.objects.filter(target=f"endpoint:{endpoint.pk}")] == ["test", "create"]


def test_what_was_given_up_is_sent_again_from_its_row_or_all_of_it(admin, endpoint, receiver):
    receiver.answers["/a"] = 500
    for _ in range(2):
        endpoints.send_test(endpoint, "task.queued")
    first, second = Delivery.objects.order_by("pk")

    admin.post(f"/admin/webhooks/{endpoint.public_id}/again/", {"delivery": first.pk})
    assert set(Delivery.objects.filter(state=State.PENDING)) == {first}
    admin.post(f"/admin/webhooks/{endpoint.public_id}/again/", {"all": "1"})
    assert set(Delivery.objects.filter(state=State.PENDING)) == {first, second}


def test_a_secret_is_shown_to_its_maker_once_made_or_replaced(admin, endpoint):
    wanted = {"name": "place", "url": "https://example.com/", "event_types": ["account.unavailable", "task.failed"]}
    answer = admin.post("/admin/webhooks/add/", wanted, follow=True)
    [secret] = re.findall(r'value="(whsec_[^"]+)"', answer.content.decode())
    made = Endpoint.objects.get(name="place")
    assert (made.is_place, made.secret_hint[-4:]) == (True, secret[-4:])
    assert secret not in answer.request["PATH_INFO"]

    again = admin.post(f"/admin/webhooks/{made.public_id}/rotate/", {"old": "later"}, follow=True).content.decode()

    [other] = re.findall(r'value="(whsec_[^"]+)"', again)
    assert other != secret
    made.refresh_from_db()
    assert made.old_secret_ends_at is not None


def test_what_cannot_be_is_said_beside_its_field(admin, endpoint):
    place = f"/admin/webhooks/{endpoint.public_id}/change/"

    said = admin.post(place, {"name": "batch", "url": "https://10.0.0.1/", "event_types": ["task.queued"]}).content.decode()

    assert "must lead to a public address" in said
    endpoint.refresh_from_db()
    assert "10.0.0.1" not in endpoint.url


def test_an_endpoint_is_changed_switched_and_deleted(admin, endpoint, receiver):
    place = f"/admin/webhooks/{endpoint.public_id}"
    admin.post(f"{place}/change/", {"name": "other", "url": endpoint.url, "event_types": ["task.failed"]})
    admin.post(f"{place}/switch/", {"to": "off"})
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.event_types, endpoint.disabled_for) == ("other", ["task.failed"], "Its owner disabled it.")
    admin.post(f"{place}/switch/", {"to": "on"})
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is None

    assert b"It has received everything" in admin.get(f"{place}/delete/").content
    admin.post(f"{place}/delete/")

    assert not Endpoint.objects.exists()
    assert {"change", "disable", "enable", "delete"} <= {row.action for row in AuditEntry.objects.all()}


def test_whoever_may_only_view_does_nothing(viewer, endpoint):
    place = f"/admin/webhooks/{endpoint.public_id}"
    text = viewer.get(f"{place}/").content.decode()

    assert "batch" in text
    assert not [word for word in ("Send it", "Another secret", "Delete…", "Disable") if word in text]
    for path in ("change", "switch", "rotate", "delete", "test", "again"):
        assert viewer.post(f"{place}/{path}/", {"to": "off", "old": "now", "type": "task.queued"}).status_code == 403
    assert viewer.post("/admin/webhooks/add/", {}).status_code == 403


def test_pages_ask_few_queries_however_much_there_is(admin, endpoint, receiver):
    for _ in range(3):
        endpoints.send_test(endpoint, "task.queued")
    admin.get("/admin/webhooks/")

    def queries(path):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert admin.get(path).status_code == 200
        return [query["sql"] for query in asked if "notifications_" in query["sql"]]

    assert len(queries("/admin/webhooks/")) == 2
    # The endpoint, a count for each state, deliveries with their messages, and tries.
    assert len(queries(f"/admin/webhooks/{endpoint.public_id}/")) == 6


def test_mails_are_listed_with_what_the_server_said_and_a_viewer_sees_them(page, viewer):
    wanted = [("ann@example.com", "Key ann ends", "pending", "SMTPException: not now"), ("ops@example.com", "Storage", "delivered", "")]
    for to, subject, state, problem in wanted:
        ended_at = clock.now() if state == "delivered" else None
        Mail.objects.create(to=to, subject=subject, body="<b>It is so.", state=state, problem=problem, attempts=1, ended_at=ended_at)

    text = page("webhooks/mails/")
    assert [words in text for words in ("Key ann ends", "SMTPException: not now", "Storage", "&lt;b&gt;It is so.")] == [True] * 4
    assert "Storage" not in page("webhooks/mails/?q=ann@")
    assert "Key ann ends" not in page("webhooks/mails/?state=sent")
    assert "No mail is found by that" in page("webhooks/mails/?state=given+up")
    assert 'href="/admin/webhooks/mails/"' in page("webhooks/")
    assert viewer.get("/admin/webhooks/mails/").status_code == 200


def test_a_tasks_page_leads_to_all_that_was_told_of_it_and_sends_it_again(admin, page, viewer, consumer, endpoint, receiver):
    task_id = consumer.generate(webhook_url=f"{receiver.url}/own", webhook_events=["task.queued"])["task_id"]
    with closing(Sends()) as sends:
        sends()
    address = f"tasks/{task_id}/webhooks/"

    assert f'href="/admin/{address}"' in page(f"tasks/{task_id}/")
    text = page(address)
    assert [words in text for words in (f"{receiver.url}/own", "its <code>webhook_url</code>", "batch of key somebody</a>")] == [True] * 3
    own = Delivery.objects.get(endpoint=None)
    assert (own.state, viewer.post(f"/admin/{address}", {"delivery": own.pk}).status_code) == (State.DELIVERED, 403)
    assert "It is sent again." in admin.post(f"/admin/{address}", {"delivery": own.pk}, follow=True).content.decode()
    assert Delivery.objects.get(pk=own.pk).state == State.PENDING
    other = consumer.generate()["task_id"]
    Delivery.objects.filter(task_id=other).delete()
    assert "Nobody was told" in page(f"tasks/{other}/webhooks/")
    assert admin.post(f"/admin/tasks/{other}/webhooks/", {"delivery": own.pk}).status_code == 404


def test_what_was_told_within_a_time_is_sent_again(admin, consumer, endpoint):
    consumer.generate()
    with closing(Sends()) as sends:
        sends()
    again = f"/admin/webhooks/{endpoint.public_id}/again/"

    assert "0 deliveries" in admin.post(again, {"after": "2020-01-01T00:00", "before": "2020-01-02T00:00"}, follow=True).content.decode()
    assert "Say from when" in admin.post(again, {"after": "2020-13-01T00:00", "before": ""}, follow=True).content.decode()
    after, before = (f"{clock.now() + timedelta(minutes=by):%Y-%m-%dT%H:%M}" for by in (-5, 5))
    assert "1 delivery is" in admin.post(again, {"after": after, "before": before}, follow=True).content.decode()


def test_a_keys_own_secret_is_rotated_on_a_page_of_its_own_and_shown_for_a_while(admin, page, viewer, consumer):
    path = f"/admin/keys/{consumer.key.pk}/webhook-secret/"
    assert f'href="{path}"' in page(f"keys/virtualkey/{consumer.key.pk}/change/")
    assert "made when it is first needed" in admin.get(path).content.decode()

    made = admin.post(path, {"old": "later"})

    secret = consumer.get("/v1/key/webhook_secret").json()["signing_secret"]
    for _ in range(2):
        assert secret in admin.get(made.url).content.decode()
    assert made.url in admin.get(path).content.decode()
    assert AuditEntry.objects.get(action="rotate_webhook_secret").target == f"key:{consumer.key.pk}"
    assert [viewer.get(address).status_code for address in (path, made.url)] == [403, 403]
