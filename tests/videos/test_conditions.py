"""What workers say of the place that they make videos in."""

import socket

import pytest

from conduit.conditions import reports
from conduit.conditions.models import Standing
from conduit.outbound.addresses import Allowed
from tasks.models import Status
from tests.support.lookalike import Answer
from videos import conditions
from videos.jobs import sweep

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    """What this process has said is kept in its memory, beyond what a test rolls back."""
    monkeypatch.setattr(reports, "_said", {})


def standing(name: str = "media_confinement") -> list[tuple[str, str]]:
    return list(Standing.objects.filter(name=name).values_list("subject", "detail"))


def test_a_kernel_without_landlock_is_told_by_its_host_until_it_has_it(media, monkeypatch):
    monkeypatch.setattr(conditions, "lacking", lambda: ["Landlock"])
    sweep()
    assert standing() == [(socket.gethostname(), "Missing: Landlock.")]
    monkeypatch.setattr(conditions, "lacking", list)
    sweep()
    assert standing() == []


def test_a_clip_whose_link_leads_inside_waits_in_plain_sight_and_is_fetched_by_a_good_link(consumer, driver, minimax):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, "located")
    minimax.next("download", Answer(302, body=b"", headers={"Location": "http://169.254.169.254/latest/meta-data?Signature=secret"}))
    task = driver.step(task_id)
    assert task.is_active
    why = "169.254.169.254 is no public address, and OUTBOUND_ALLOWED does not list it for port 80"
    assert standing("outbound_refused") == [("169.254.169.254", why)]
    assert driver.finish(task_id).status == Status.COMPLETED


def test_a_minimax_inside_that_is_not_allowed_is_the_operators_to_allow(consumer, driver, minimax, settings):
    settings.OUTBOUND_ALLOWED = Allowed()
    task_id = consumer.generate()["task_id"]
    assert driver.step(task_id).stage == "waiting_for_provider_key"
    assert [subject for subject, _ in standing("outbound_refused")] == ["127.0.0.1"]
    assert minimax.requests == []
    settings.OUTBOUND_ALLOWED = Allowed.parse("127.0.0.1:*")
    assert driver.finish(task_id).status == Status.COMPLETED
