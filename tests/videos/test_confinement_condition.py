"""What a media worker says of its kernel."""

import socket

import pytest

from conduit.conditions.models import Standing
from videos import confinement
from videos.jobs import sweep

pytestmark = pytest.mark.django_db(transaction=True)


def standing() -> list[tuple[str, str]]:
    return list(Standing.objects.filter(name="media_confinement").values_list("subject", "detail"))


def test_a_kernel_without_landlock_is_told_by_its_host_until_it_has_it(media, monkeypatch):
    monkeypatch.setattr(confinement, "lacking", lambda: ["Landlock"])
    sweep()
    assert standing() == [(socket.gethostname(), "Missing: Landlock.")]
    monkeypatch.setattr(confinement, "lacking", list)
    sweep()
    assert standing() == []
