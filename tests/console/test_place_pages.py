"""The console's Processes and Doctor, and the same through the management API and commands."""

import socket
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client

from conduit import clock, doctor
from conduit.conditions import Severity, drains
from conduit.conditions.looking import look
from conduit.console import doctor_page
from conduit.metrics import own
from conduit.metrics.models import OwnFigures
from keys.models import AuditEntry
from tasks import leases
from tasks.models import Lane
from tests.conditions.conftest import state
from tests.support.managing import make_manager

pytestmark = pytest.mark.django_db

HERE = socket.gethostname()


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.setattr(drains, "KNOWN_SECONDS", 0.0)
    monkeypatch.setattr(own, "_more", [])


@pytest.fixture
def worker(monkeypatch):
    """Has a worker of this host tell of itself, with so many steps at hand."""

    def tell(steps=0):
        monkeypatch.setattr(own, "_more", [lambda: [(own.STEPS, (), steps)]])
        own.tell("provider")

    return tell


@pytest.fixture
def questions(monkeypatch):
    monkeypatch.setattr("conduit.doctor.registry._questions", [])
    doctor.register(
        doctor.Question("tea", lambda: [doctor.Finding("There is tea."), doctor.Finding("No milk.", Severity.DEGRADED, "Buy some.")]),
        doctor.Question("ledger", lambda: 1 / 0, takes_long=True),
    )


def taken():
    return [lease.task_id for lane in Lane.values for lease in leases.take_due(clock.now(), lane=lane, limit=10)]


# ---- Processes ----


def test_processes_are_told_by_host_and_those_that_are_silent_are_not(admin_client, worker, django_assert_max_num_queries):
    worker(steps=3)
    own.tell("web")
    OwnFigures.objects.filter(kind="web").update(told_at=F("told_at") - timedelta(seconds=60))
    with django_assert_max_num_queries(12):
        text = admin_client.get("/admin/processes/").content.decode()

    assert HERE in text
    assert f"provider@{HERE}" in text
    assert "3 steps at hand" in text
    assert f"web@{HERE}" not in text


def test_a_drained_host_begins_no_step_and_wants_no_requests_until_that_is_ended(admin_client, client, worker, consumer):
    worker()
    consumer.generate()
    assert client.get("/health/ready").status_code == 200
    admin_client.post("/admin/processes/drain/", {"host": HERE, "does": "drain"})
    look()

    assert state("drained").holds is True
    assert taken() == []
    assert client.get("/health/ready").json()["because"] == ["drained"]
    assert "drained: nothing at hand" in admin_client.get("/admin/processes/").content.decode()

    admin_client.post("/admin/processes/drain/", {"host": HERE, "does": "end"})
    assert len(taken()) == 1
    assert client.get("/health/ready").status_code == 200
    assert state("drained").holds is False
    done = AuditEntry.objects.filter(target=f"host:{HERE}").order_by("id").values_list("action", flat=True)
    assert list(done) == ["drain", "end drain"]


def test_a_program_drains_a_host_once_and_one_that_nobody_knows_not(worker):
    worker(steps=2)
    manager = make_manager()

    [host] = manager("GET", "hosts").json()["data"]
    assert (host["id"], host["drained"], host["steps"], host["processes"][0]["kind"]) == (HERE, False, 2, "provider")
    for _ in range(2):
        assert manager("POST", f"hosts/{HERE}/drain").json()["drained"] is True
    assert manager("DELETE", f"hosts/{HERE}/drain").json()["drained"] is False
    assert manager("POST", "hosts/nowhere/drain").status_code == 404
    assert AuditEntry.objects.filter(target=f"host:{HERE}").count() == 2


def test_a_command_drains_a_host_waits_for_its_work_and_ends_that(worker, monkeypatch):
    from conduit.console.commands.management.commands import drain

    monkeypatch.setattr(drain, "NOTICE_SECONDS", 0.0)
    worker()
    said = StringIO()
    call_command("drain", HERE, stdout=said)
    call_command("drain", HERE, "--end", stdout=said)

    assert said.getvalue().splitlines() == [f"{HERE} is drained: its workers have nothing at hand.", f"{HERE} takes work again."]
    with pytest.raises(CommandError, match="is not drained"):
        call_command("drain", HERE, "--end")
    with pytest.raises(CommandError, match="No process of that host"):
        call_command("drain", "nowhere")
    assert "manage.py drain" in AuditEntry.objects.first().who


# ---- The doctor ----


def test_the_doctor_is_asked_by_a_button_and_leaves_out_what_reads_everything(admin_client, questions):
    before = admin_client.get("/admin/doctor/").content.decode()
    after = admin_client.post("/admin/doctor/").content.decode()

    assert "There is tea." not in before
    assert after.index("No milk.") < after.index("There is tea.")
    assert "Buy some." in after
    assert "ZeroDivisionError" not in after
    assert "also asks about ledger" in after
    assert AuditEntry.objects.filter(action="ask", target="doctor").count() == 1


def test_while_one_asks_another_is_told_so(admin_client, questions):
    with doctor_page._asking:
        assert "Somebody is asking" in admin_client.post("/admin/doctor/").content.decode()


def test_a_program_asks_the_doctor_with_a_post(questions):
    manager = make_manager()
    report = manager("POST", "doctor").json()

    assert (report["object"], report["status"]) == ("doctor_report", "degraded")
    assert [finding["status"] for finding in report["findings"]] == ["well", "degraded"]
    assert manager("GET", "doctor").status_code == 405


def test_who_may_only_look_sees_processes_and_asks_and_drains_nothing(django_user_model):
    from django.contrib.auth.models import Permission

    user = django_user_model.objects.create_user("sam", password="a long password", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_task"))
    sam = Client()
    sam.force_login(user)

    assert sam.get("/admin/processes/").status_code == 200
    assert sam.get("/admin/doctor/").status_code == 403
    assert sam.post("/admin/processes/drain/", {"host": HERE, "does": "drain"}).status_code == 403
