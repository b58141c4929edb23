"""Budgets that are replaced while their keys create: never over budget, never negative, and every counter is its rows' sum."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db.models import Sum

from keys import budget_owners, services
from keys.models import Budget, BudgetWindow, Period, Team, UsageCost
from keys.services import create_key
from tasks.models import Task
from tests.support.crowds import ROOT, at_once
from tests.support.databases import database_url
from tests.support.ending import end
from tests.support.racing import in_threads

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.sqlite]

PRICE = Decimal("0.2")
ROOM = 10
GOOD = {"model": "minimax-video", "prompt": "a cat"}
PATH = "/v1/video/generations"


def total(amount):
    return {"period": Period.TOTAL, "amount": Decimal(amount)}


class Administrators:
    """One after the other changes the key's and the team's budgets, each in a process of its own, until it is killed."""

    def __init__(self, key, team, other):
        ids = [str(row.pk) for row in (key, team, other)]
        environment = os.environ | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "conduit.settings", "LOG_LEVEL": "ERROR"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.administrators", *ids, str(ROOM * PRICE)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._killed = set()

    def change(self, times):
        """Wait until the one at work made so many rounds of changes more; gives its process id."""
        rounds = 0
        while rounds < times:
            pid = int(self._process.stdout.readline())
            rounds += pid not in self._killed
        return pid

    def kill(self, pid):
        self._killed.add(pid)
        os.kill(pid, signal.SIGKILL)

    def end(self):
        """End them all, whoever is at work. Again is fine."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate(timeout=30)


@pytest.fixture
def administrators():
    """Starts administrators of a key and its teams, who end with the test."""
    started = []

    def start(*rows):
        started.append(Administrators(*rows))
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.mark.parametrize(("creates", "processes"), [(16, 2), pytest.param(64, 4, marks=pytest.mark.soak)])
def test_creates_while_an_administrator_replaces_budgets_moves_the_key_and_raises_keep_to_the_budget(administrators, creates, processes):
    """He is killed in the middle, again and again: what he had not committed never was."""
    team, other = Team.objects.create(name="film"), Team.objects.create(name="music")
    key, secret = create_key(name="ann", team=team, budgets=[total(ROOM * PRICE)], who="root")
    budget_owners.set_budgets(team, [total(ROOM * PRICE)], who="root")
    answers = []
    creating = threading.Thread(target=lambda: answers.extend(at_once([secret] * creates, processes=processes)))
    at_work = administrators(key, team, other)
    at_work.change(times=1)
    creating.start()
    kills = 0
    while creating.is_alive():
        at_work.kill(at_work.change(times=5))
        kills += 1
    at_work.end()

    counted = Counter((answer["status"], answer["code"]) for answer in answers)
    assert set(counted) == {(202, None), (402, "insufficient_quota")}, counted
    assert kills
    # Each of the key's budgets, at any moment, had room for so many: one that began from zero would have let in more.
    assert counted[202, None] == ROOM == Task.objects.count()
    call_command("check_ledger")


def test_a_budget_that_is_replaced_while_creates_run_binds_each_of_them(make_consumer):
    consumer = make_consumer()
    wanted = [[total("1")], [{"period": Period.DAILY, "amount": Decimal(1)}], [], [total("1")]]

    def administrate():
        for budgets in wanted * 2:
            budget_owners.set_budgets(consumer.key, budgets, who="root")

    def create():
        return [consumer.post(PATH, GOOD).status_code for _ in range(6)]

    in_threads(administrate, create, create, create)

    held = UsageCost.objects.aggregate(held=Sum("amount"))["held"] or 0
    assert [(window.held, window.spent) for window in BudgetWindow.objects.all()] == [(held, 0)]
    call_command("check_ledger")


def test_tasks_that_end_while_their_budget_is_added_are_counted_once(make_consumer):
    team = Team.objects.create(name="film")
    consumer = make_consumer()
    services.change_key(consumer.key, who="root", team=team)
    tasks = [consumer.generate()["task_id"] for _ in range(12)]

    def administrate():
        for number in range(6):
            budget_owners.set_budgets(consumer.key, [total("100")] if number % 2 else [], who="root")
            budget_owners.set_budgets(team, [] if number % 2 else [total("100")], who="root")
        budget_owners.set_budgets(team, [total("100")], who="root")

    in_threads(
        administrate,
        lambda: [end(task_id, "completed") for task_id in tasks[:6]],
        lambda: [end(task_id, "failed") for task_id in tasks[6:]],
    )

    assert [(window.held, window.spent) for window in BudgetWindow.objects.all()] == [(0, 6 * PRICE)] * 2
    call_command("check_ledger")


def test_two_administrators_at_once_leave_one_set_of_budgets(make_consumer):
    consumer = make_consumer()
    consumer.generate()

    in_threads(*[lambda: budget_owners.set_budgets(consumer.key, [total("5")], who="root")] * 4)

    assert Budget.objects.count() == BudgetWindow.objects.count() == 1
    call_command("check_ledger")
