"""Rotating, changing and deleting keys, and the audit of it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.test import Client

from conduit import clock
from conduit.api.errors import Conflict
from keys import budget_owners
from keys.models import AuditEntry, Budget, BudgetWindow, KeySecret, UsageCost
from keys.services import change_key, create_key, delete_key, ended, find_key, rotate_key
from tests.conftest import Consumer
from tests.support.audits import forget_audit
from tests.support.envelopes import refused
from tests.support.racing import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def works(secret):
    return Client().get("/v1/models", headers={"X-API-Key": secret}).status_code == 200


def audited():
    return [(row.who, row.action, row.target, row.changes) for row in AuditEntry.objects.order_by("id")]


def test_both_secrets_work_in_the_grace_time_and_the_new_one_alone_after_it(consumer, time_travel):
    began = clock.now()
    time_travel.move_to(began, tick=False)
    new = rotate_key(consumer.key, who="root", grace=timedelta(hours=1))

    assert (works(consumer.secret), works(new)) == (True, True)
    time_travel.move_to(began + timedelta(minutes=59, seconds=59), tick=False)
    assert (works(consumer.secret), works(new)) == (True, True)
    time_travel.move_to(began + timedelta(hours=1), tick=False)
    assert (works(consumer.secret), works(new)) == (False, True)


def test_a_rotation_without_grace_ends_the_old_secret_at_once(consumer):
    new = rotate_key(consumer.key, who="root", grace=timedelta(0))

    assert (works(consumer.secret), works(new)) == (False, True)


def test_a_second_rotation_lengthens_no_secret_that_already_has_an_end(consumer, time_travel):
    began = clock.now()
    time_travel.move_to(began, tick=False)
    second = rotate_key(consumer.key, who="root", grace=timedelta(hours=1))
    third = rotate_key(consumer.key, who="root", grace=timedelta(hours=2))

    time_travel.move_to(began + timedelta(minutes=90), tick=False)
    assert [works(secret) for secret in (consumer.secret, second, third)] == [False, True, True]


def test_a_second_rotation_shortens_a_grace_that_is_longer_than_its_own(consumer):
    second = rotate_key(consumer.key, who="root", grace=timedelta(hours=1))
    third = rotate_key(consumer.key, who="root", grace=timedelta(0))

    assert [works(secret) for secret in (consumer.secret, second, third)] == [False, False, True]


def test_tasks_stay_readable_with_the_new_secret(consumer):
    task_id = consumer.generate()["task_id"]
    new = rotate_key(consumer.key, who="root", grace=timedelta(0))

    assert Client().get(f"/v1/tasks/{task_id}", headers={"X-API-Key": new}).status_code == 200


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_rotations_at_once_leave_one_secret_without_an_end(make_consumer):
    key = make_consumer().key

    in_threads(*[lambda: rotate_key(key, who="root")] * 4)

    assert KeySecret.objects.filter(key=key).count() == 5
    assert KeySecret.objects.filter(key=key, expires_at=None).count() == 1


def test_a_deleted_key_is_refused_and_its_history_stays(consumer):
    task_id = consumer.generate()["task_id"]

    delete_key(consumer.key, who="root")

    assert refused(consumer.get("/v1/models"), 401, "invalid_api_key")
    assert consumer.key.tasks.get().pk.hex == task_id.replace("-", "")
    assert UsageCost.objects.filter(key=consumer.key).exists()


def test_a_key_is_deleted_once(consumer):
    delete_key(consumer.key, who="root")
    first = AuditEntry.objects.count()
    delete_key(consumer.key, who="root")

    assert AuditEntry.objects.count() == first


def test_a_key_has_ten_secrets_at_once_and_a_rotation_without_grace_always_works(consumer):
    for _ in range(9):
        rotate_key(consumer.key, who="root")

    with pytest.raises(Conflict, match="10 secrets of this key still work"):
        rotate_key(consumer.key, who="root")
    newest = rotate_key(consumer.key, who="root", grace=timedelta(0))

    assert [secret.prefix for secret in consumer.key.secrets.all() if not ended(secret)] == [newest[:12]]


def test_secrets_that_ended_are_kept_to_be_told_apart_and_not_for_ever(consumer):
    for _ in range(40):
        newest = rotate_key(consumer.key, who="root", grace=timedelta(0))

    assert consumer.key.secrets.count() == 21
    assert find_key(newest) == consumer.key


@pytest.mark.parametrize("change", [lambda key: change_key(key, who="root", enabled=True), lambda key: rotate_key(key, who="root")])
def test_a_deleted_key_can_neither_be_changed_nor_rotated_by_who_read_it_before(consumer, change):
    with_old_eyes = type(consumer.key).objects.get(pk=consumer.key.pk)
    delete_key(consumer.key, who="root")

    with pytest.raises(Conflict, match="was deleted on"):
        change(with_old_eyes)
    assert KeySecret.objects.count() == 1


def test_a_change_is_audited_with_what_was_before_and_nothing_when_nothing_differs():
    key, _ = create_key(name="ann", who="root", highest_price=Decimal("0.5"))
    forget_audit()

    change_key(key, who="ann", name="bob", enabled=True, highest_price=Decimal("0.50"))
    change_key(key, who="ann", name="bob")

    assert audited() == [("ann", "change", f"key:{key.pk}", {"name": ["ann", "bob"]})]


def test_every_step_of_a_key_is_audited():
    key, secret = create_key(name="ann", who="root")
    change_key(key, who="root", enabled=False)
    new = rotate_key(key, who="root")
    delete_key(key, who="root")

    rows = audited()
    assert [action for _, action, _, _ in rows] == ["create", "change", "rotate", "delete"]
    assert secret not in str(rows)
    assert new not in str(rows)


def test_a_change_that_is_rolled_back_leaves_no_audit(consumer, monkeypatch):
    before = audited()

    def fail(*args, **kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("keys.services._add_secret", fail)
    with pytest.raises(RuntimeError):
        rotate_key(consumer.key, who="root")

    assert audited() == before
    assert KeySecret.objects.get().expires_at is None


def test_a_budget_that_stays_keeps_its_counters_and_one_that_is_left_out_goes(consumer):
    budget_owners.set_budgets(
        consumer.key, [{"period": "daily", "amount": Decimal(2)}, {"period": "total", "amount": Decimal(9)}], who="root"
    )
    consumer.generate()
    daily = Budget.objects.get(period="daily")
    forget_audit()

    budget_owners.set_budgets(
        consumer.key, [{"period": "daily", "amount": Decimal(3)}, {"period": "weekly", "amount": Decimal(5)}], who="root"
    )

    assert {budget.period: budget.amount for budget in Budget.objects.all()} == {"daily": Decimal(3), "weekly": Decimal(5)}
    assert BudgetWindow.objects.get(budget=daily).held == Decimal("0.2")
    assert sorted((action, changes.get("period")) for _, action, _, changes in audited()) == [
        ("change", None),
        ("create", "weekly"),
        ("delete", "total"),
    ]


def test_a_team_with_keys_cannot_be_deleted_not_even_when_they_are(db):
    team = budget_owners.create_team(name="film", who="root")
    key, _ = create_key(name="ann", team=team)
    delete_key(key, who="root")
    before = audited()

    with pytest.raises(Conflict, match="renamed, not deleted"):
        budget_owners.delete_team(team, who="root")
    assert audited() == before


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_budgets_can_be_replaced_while_tasks_are_created_and_nobody_waits_for_ever(make_consumer):
    team = budget_owners.create_team(name="film", who="root")
    consumer = make_consumer()
    change_key(consumer.key, who="root", team=team, tasks_in_flight=1000)

    def create():
        return [Consumer(consumer.key, consumer.secret).generate()["status"] for _ in range(12)]

    def replace(owner):
        for round in range(12):
            periods = [("daily", "total"), ("weekly", "total", "monthly"), ("monthly", "daily")][round % 3]
            budget_owners.set_budgets(owner, [{"period": period, "amount": Decimal(1000 + round)} for period in periods], who="root")
        return []

    done = in_threads(create, create, lambda: replace(consumer.key), lambda: replace(team))

    assert done[0] + done[1] == ["queued"] * 24
    call_command("check_ledger")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_who_give_a_key_the_same_budget_give_it_one(make_consumer):
    key = make_consumer().key

    in_threads(*[lambda: budget_owners.set_budgets(key, [{"period": "daily", "amount": Decimal(1)}], who="root")] * 4)

    assert Budget.objects.count() == 1
