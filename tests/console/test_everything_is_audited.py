"""Whatever is changed on a page of a model or through the management API leaves rows: who it was, what was there before and is after."""

import socket
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django import forms
from django.contrib import admin as django_admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.forms.models import model_to_dict
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from conduit import clock
from conduit.conditions.models import DrainedHost
from conduit.console.audit.guard import Unaudited
from conduit.console.audit.model_pages import Audited
from conduit.console.security.models import Lock
from conduit.metrics import own
from keys import budget_owners
from keys.models import AuditEntry, Team, VirtualKey
from keys.services import create_management_key
from tasks import pauses, runs
from tasks.models import Pause, Task
from tasks.notifications import endpoints
from tasks.notifications.models import Delivery, TaskTarget
from tasks.notifications.sending import Outcome
from tasks.run_models import Action
from tests.support import browser_forms
from tests.support.accounts import add_account
from tests.support.audits import forget_audit
from tests.support.client_tokens import with_token
from tests.support.ending import end
from tests.support.managing import make_manager
from tests.support.planned_clips import planned_clip
from videos.exchange_models import Timing
from videos.models import BlockedTerm, ResolutionFactor, VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

SITE = django_admin.site
MODELS = sorted(SITE._registry, key=lambda model: model._meta.label_lower)
ADDRESS = "198.51.100.4"


def named(model):
    return model._meta.label_lower


@pytest.fixture
def rows(consumer):
    """A row of every model that somebody may change or delete."""
    budget_owners.set_budgets(consumer.key, [{"period": "daily", "amount": Decimal(5)}], who="root")
    budget_owners.create_team(name="film", budgets=[{"period": "total", "amount": Decimal(1)}], who="root")
    create_management_key(name="billing", who="root")
    task = end(consumer.generate("a cat")["task_id"], "completed")
    planned_clip(task.pk, state="located", billed=Decimal("0.43"), provider_task_id="7", sent_at=clock.now())
    Timing.objects.create(upstream="video-01", seconds=6, resolution="720P", made_in=100, delivered_in=2)
    BlockedTerm.objects.create(term="gore")
    model = VideoModel.objects.first()
    VideoModel.objects.create(**model_to_dict(model, exclude=["id"]) | {"name": "z-spare", "aliases": [], "base_price": 1})
    model = VideoModel.objects.get(name="z-spare")
    model.factors.create(resolution="1280x720", factor=1)
    pauses.begin(who="root", kind="sending")
    Lock.objects.create(kind="address", address="203.0.113.7", failures=30, began_at=clock.now(), until=clock.now() + timedelta(hours=1))
    Group.objects.create(name="night shift")
    get_user_model().objects.create_user("bob")
    forget_audit()


@pytest.fixture
def administrator(admin):
    admin.defaults["REMOTE_ADDR"] = ADDRESS
    return admin


@pytest.fixture
def may(django_user_model):
    """Whether the administrator may do that with rows of the model: `may("change", model)`."""
    request = RequestFactory().get("/")

    def asked(what, model, *row):
        request.user = django_user_model.objects.get(username="root")
        return getattr(SITE._registry[model], f"has_{what}_permission")(request, *row)

    return asked


def each(things):
    """One after the other, each with the rows as they were made."""
    for thing in things:
        with transaction.atomic():
            yield thing
            transaction.set_rollback(True)


def a_row(model):
    """One that is not needed for the test itself."""
    row = model._default_manager.exclude(
        pk__in=get_user_model().objects.filter(username="root") if model is get_user_model() else []
    ).last()
    assert row is not None, f"make a row of {model._meta.label} in the fixture `rows`"
    return row


def address_of(model, *rest):
    return "/".join(["/admin", model._meta.app_label, model._meta.model_name, *map(str, rest), ""])


def filled_in(page):
    """What a browser would send of the form, after the page that asks once more where there is one."""
    return browser_forms.filled_in(page.content.decode(), f"{page.context['opts'].model_name}_form") | {"_reviewed": "1"}


def other(page):
    """Name and value of a field of the page's form that can be changed without a thought."""
    for bound in page.context["adminform"].form:
        value, field = bound.value(), bound.field
        if isinstance(field, forms.CharField) and not isinstance(field, forms.JSONField) and bound.name != "password":
            return bound.name, f"{value or ''}x"
        if isinstance(field, forms.DecimalField | forms.IntegerField):
            return bound.name, (value or 0) + 1
    raise AssertionError(f"say how {page.request['PATH_INFO']} is changed")


def told(target):
    """The one row of it, which says who and from where."""
    [row] = AuditEntry.objects.filter(target=target)
    assert (row.who, row.address, row.actor.partition(":")[0]) == ("root", ADDRESS, "user")
    return row


def target_of(row):
    from keys.audit import target_of

    return target_of(row)


def test_the_site_watches_every_page_of_a_model_whoever_wrote_it():
    assert [named(model) for model in MODELS if not isinstance(SITE._registry[model], Audited)] == []


def test_a_field_that_is_changed_says_what_it_was_and_is(administrator, rows, may):
    changed = [model for model in MODELS if may("change", model) and may("change", model, a_row(model))]
    assert {"videos.videomodel", "videos.blockedterm", "auth.user", "auth.group", "keys.team"} <= set(map(named, changed))
    for model in each(changed):
        row = a_row(model)
        page = administrator.get(address_of(model, row.pk, "change"))
        name, value = other(page)
        before = getattr(row, name)

        answer = administrator.post(address_of(model, row.pk, "change"), filled_in(page) | {name: value})

        assert answer.status_code == 302, answer.context["errors"]
        after = getattr(model._default_manager.get(pk=row.pk), name)
        entry = told(target_of(row))
        assert (before != after, entry.action) == (True, "change")
        assert entry.changes == {name: [shown(before), shown(after)]}


def shown(value):
    return f"{value:.4f}" if isinstance(value, Decimal) else value


def test_a_row_that_is_deleted_says_what_it_was(administrator, rows, may):
    deleted = [model for model in MODELS if may("delete", model) and may("delete", model, a_row(model))]
    assert {"videos.videomodel", "videos.blockedterm", "auth.user", "auth.group", "keys.team"} <= set(map(named, deleted))
    for model in each(deleted):
        row = a_row(model)

        answer = administrator.post(address_of(model, row.pk, "delete"), {"post": "yes"})

        assert answer.status_code == 302
        entry = told(target_of(row))
        assert (entry.target_name, entry.action in ("delete", "resume", "unlock")) == (str(row), True)
        assert entry.changes
        assert not model._default_manager.filter(pk=row.pk)


def test_no_action_changes_anything_without_a_row(administrator, rows):
    request = RequestFactory().get("/")
    request.user = get_user_model().objects.get(username="root")
    actions = [(model, action) for model in MODELS for action in SITE._registry[model].get_actions(request)]
    for model, action in each(actions):
        row, before = a_row(model), table_of(model)
        # What would be written and not recorded raises Unaudited.
        administrator.post(address_of(model), {"action": action, "_selected_action": row.pk, "post": "yes", "confirmed": "yes"})
        assert table_of(model) == before or AuditEntry.objects.filter(who="root").exists()


def table_of(model):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {model._meta.db_table} ORDER BY 1")
        return cursor.fetchall()


def test_a_price_says_what_it_was(administrator, rows):
    model = VideoModel.objects.get(name="z-spare")
    page = administrator.get(address_of(VideoModel, model.pk, "change"))

    administrator.post(address_of(VideoModel, model.pk, "change"), filled_in(page) | {"base_price": "0.01", "factors-0-factor": "0.5"})

    assert told(f"videomodel:{model.pk}").changes == {"base_price": ["1.0000", "0.0100"]}
    assert told(f"resolutionfactor:{model.factors.get().pk}").changes == {"factor": ["1.0000", "0.5000"]}


def test_sizes_that_come_and_go_with_a_models_form_are_rows_of_their_own(administrator, rows):
    model = VideoModel.objects.get(name="z-spare")
    gone = model.factors.get()
    page = administrator.get(address_of(VideoModel, model.pk, "change"))
    new = {
        "factors-TOTAL_FORMS": 2,
        "factors-1-model": model.pk,
        "factors-1-resolution": "720x480",
        "factors-1-factor": 2,
        "factors-1-id": "",
        "factors-0-DELETE": "on",
    }

    answer = administrator.post(address_of(VideoModel, model.pk, "change"), filled_in(page) | new)

    assert answer.status_code == 302
    assert (told(f"resolutionfactor:{gone.pk}").action, told(f"resolutionfactor:{gone.pk}").changes["factor"]) == ("delete", "1.0000")
    made = ResolutionFactor.objects.get(model=model)
    assert (told(f"resolutionfactor:{made.pk}").action, told(f"resolutionfactor:{made.pk}").changes["model"]) == ("create", "z-spare")
    assert not AuditEntry.objects.filter(target=f"videomodel:{model.pk}")


def test_a_deleted_model_says_its_sizes_and_a_deleted_group_its_members(administrator, rows):
    model, group = VideoModel.objects.get(name="z-spare"), Group.objects.get(name="night shift")
    group.user_set.add(get_user_model().objects.get(username="bob"))

    administrator.post(address_of(VideoModel, model.pk, "delete"), {"post": "yes"})
    administrator.post(address_of(Group), {"action": "delete_selected", "_selected_action": group.pk, "post": "yes"})

    assert told(f"videomodel:{model.pk}").changes["factors"] == ["1280x720 at 1.000"]
    assert told(f"group:{group.pk}").changes["user_set"] == ["bob"]


def test_a_price_that_is_changed_by_whoever_accepts_its_loss_is_told_too(administrator, rows):
    model = VideoModel.objects.get(name="z-spare")
    page = administrator.get(address_of(VideoModel, model.pk, "change"))

    administrator.post(address_of(VideoModel, model.pk, "change"), filled_in(page) | {"base_price": "0.01", "_accept_loss": "1"})

    told = dict(AuditEntry.objects.filter(target=f"videomodel:{model.pk}").values_list("action", "changes"))
    assert set(told) == {"accept loss", "change"}
    assert told["change"]["base_price"] == ["1.0000", "0.0100"]


def test_a_model_that_is_needed_is_not_told_as_deleted(administrator, rows):
    model = VideoModel.objects.exclude(name="z-spare").first()
    administrator.post(address_of(VideoModel), {"action": "delete_selected", "_selected_action": model.pk, "post": "yes"})

    assert VideoModel.objects.filter(pk=model.pk).exists() != AuditEntry.objects.filter(action="delete").exists()


def test_a_form_that_is_saved_as_it_is_leaves_no_row(administrator, rows):
    model = VideoModel.objects.get(name="z-spare")
    page = administrator.get(address_of(VideoModel, model.pk, "change"))

    answer = administrator.post(address_of(VideoModel, model.pk, "change"), filled_in(page))
    assert answer.status_code == 302, answer.context["errors"]
    assert not AuditEntry.objects.exists()


def test_a_page_that_forgets_the_audit_is_refused_and_undone(administrator, rows, monkeypatch):
    def forgetful(self, request, teams):
        teams.update(name="mine")

    admin_class = type(SITE._registry[Team])
    monkeypatch.setattr(admin_class, "get_actions", lambda self, request: {"forget": (forgetful, "forget", "forget")})
    team = Team.objects.get(name="film")

    with pytest.raises(Unaudited, match="wrote to keys_team and recorded nothing"):
        administrator.post(address_of(Team), {"action": "forget", "_selected_action": team.pk})
    assert Team.objects.filter(name="film")


def test_an_audit_that_cannot_be_written_undoes_the_change(administrator, rows, monkeypatch):
    monkeypatch.setattr("conduit.console.audit.model_pages.audit.write", lambda **row: 1 / 0)
    model = VideoModel.objects.get(name="z-spare")
    page = administrator.get(address_of(VideoModel, model.pk, "change"))

    with pytest.raises(ZeroDivisionError):
        administrator.post(address_of(VideoModel, model.pk, "change"), filled_in(page) | {"base_price": "0.01"})
    assert VideoModel.objects.get(name="z-spare").base_price == 1


# ---- The management API --------------------------------------------------------------------------------------------------

# What each call that is no read is sent; `{}` is the id of a row that the fixture made.
CALLS = {
    ("POST", "keys"): {"name": "cutting room"},
    ("PATCH", "keys/<key_id>"): {"name": "sound"},
    ("DELETE", "keys/<key_id>/media"): None,
    ("DELETE", "keys/<key_id>/client_tokens"): None,
    ("DELETE", "keys/<key_id>"): None,
    ("POST", "keys/<key_id>/rotate"): {},
    ("POST", "keys/<key_id>/webhook_secret/rotate"): {},
    ("POST", "key/rotate"): {},
    ("POST", "teams"): {"name": "sound"},
    ("PATCH", "teams/<team_id>"): {"name": "sound", "budgets": []},
    ("DELETE", "teams/<team_id>"): None,
    ("POST", "tasks/<task_id>/cancel"): None,
    ("POST", "tasks/<task_id>/retry"): None,
    ("POST", "tasks/<task_id>/reconcile"): {"outcome": "give_up"},
    ("DELETE", "tasks/<task_id>/media"): None,
    ("POST", "tasks/cancel"): {"q": "dog"},
    ("POST", "tasks/retry"): {"q": "bird"},
    ("POST", "runs/<run_id>/stop"): None,
    ("POST", "pauses"): {"kind": "media"},
    ("PATCH", "pauses/<pause_id>"): {"reason": "MiniMax is ill"},
    ("DELETE", "pauses/<pause_id>"): None,
    ("POST", "accounts"): {"name": "west", "kind": "minimax_v1", "base_url": "https://minimax.example", "key": "k"},
    ("POST", "accounts/<account_id>/test"): None,
    ("PATCH", "accounts/<account_id>"): {"state": "draining"},
    ("DELETE", "accounts/<account_id>"): None,
    ("POST", "webhook_endpoints"): {"name": "a", "url": "https://example.com/", "event_types": ["task.queued"]},
    ("POST", "webhook_endpoints/<endpoint_id>"): {"name": "b"},
    ("POST", "webhook_endpoints/<endpoint_id>/rotate_secret"): {},
    ("POST", "webhook_endpoints/<endpoint_id>/test"): {"event_type": "task.queued"},
    ("POST", "webhook_endpoints/<endpoint_id>/deliveries/<delivery_id>/redeliver"): {},
    ("POST", "webhook_endpoints/<endpoint_id>/redeliver"): {"status": "failed"},
    ("POST", "tasks/<task_id>/webhook_deliveries/redeliver"): {"status": "failed"},
    ("DELETE", "webhook_endpoints/<endpoint_id>"): None,
    ("POST", "hosts/<host>/drain"): None,
    ("DELETE", "hosts/<host>/drain"): None,
    ("POST", "doctor"): None,
}


def writes_of_the_api():
    """Method and path of every call below /v1/admin/ that is no read."""
    for route, pattern in patterns(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None)
        if route.startswith("v1/admin/") and view:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                if hasattr(view, method.lower()):
                    yield method, route.removeprefix("v1/admin/").replace("<str:", "<").replace("<path:", "<")


def patterns(found, before=""):
    for pattern in found:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern


def test_every_write_of_the_management_api_is_tried_here():
    assert sorted(writes_of_the_api()) == sorted(CALLS)


@pytest.fixture
def failed_webhooks(monkeypatch):
    """An endpoint, and a task, with webhooks that were given up; nobody is called. Gives the endpoint, a delivery, and the task's id."""
    monkeypatch.setattr("tasks.notifications.endpoints.send", lambda parcel: Outcome(clock.now(), 0.1, 500, "It answered 500."))
    endpoint, _ = endpoints.create(name="a", url="https://example.com/", event_types=["task.queued"])
    tested = [endpoints.send_test(endpoint, "task.queued").delivery for _ in range(2)]
    task_id = uuid4()
    TaskTarget.objects.create(task_id=task_id, key=VirtualKey.objects.first(), url="https://example.com/")
    Delivery.objects.create(message=tested[0].message, target="key 1", task_id=task_id, state="failed", ended_at=clock.now())
    return endpoint, tested[0], task_id


def test_every_write_of_the_management_api_leaves_a_row_that_names_the_key_and_the_address(rows, consumer, failed_webhooks, monkeypatch):
    monkeypatch.setattr("conduit.doctor.registry._questions", [])  # nobody is called
    own.tell("web")
    DrainedHost.objects.create(host="gone", since=clock.now(), by="ops")
    hosts = {"POST": socket.gethostname(), "DELETE": "gone", "PATCH": ""}
    endpoint, delivery, hooked = failed_webhooks
    manager = make_manager("ops")
    manager.http.defaults["REMOTE_ADDR"] = ADDRESS
    ended = end(consumer.generate("a fish")["task_id"], "failed").pk
    failed = end(consumer.generate("a bird")["task_id"], "failed").pk
    tasks = {"media": ended, "cancel": consumer.generate("a dog")["task_id"], "retry": failed}
    tasks["redeliver"] = hooked
    tasks["reconcile"] = consumer.generate("a lost fox")["task_id"]
    planned_clip(tasks["reconcile"], state="submitting", sent_at=clock.now(), creates=1)
    Task.objects.filter(pk=tasks["reconcile"]).update(stage="reconciling")
    run = runs.begin(Action.CANCEL, who="root", search_text="dog", chosen=None)
    with_token(consumer)
    ids = {
        "<key_id>": consumer.key.pk,
        "<team_id>": Team.objects.get(name="film").pk,
        "<pause_id>": Pause.objects.get().pk,
        "<run_id>": run.pk,
        "<account_id>": add_account("east", "http://127.0.0.1:9", "k").pk,
        "<endpoint_id>": endpoint.public_id,
        "<delivery_id>": delivery.pk,
    }
    forget_audit()
    for method, path in each(CALLS):
        *_, last = path.split("/")
        filled = "/".join(str((ids | {"<task_id>": tasks.get(last), "<host>": hosts[method]}).get(part, part)) for part in path.split("/"))

        answer = manager(method, filled, CALLS[method, path])

        assert answer.status_code < 300, answer.content
        entries = list(AuditEntry.objects.all())
        assert entries, (method, path)
        assert {(entry.who.partition(" (")[0], entry.address, entry.actor) for entry in entries} == {
            ("ops", ADDRESS, f"management_key:{manager.key.pk}")
        }


def test_djangos_own_history_is_no_page_here():
    assert LogEntry not in SITE._registry
