"""The figures as Prometheus reads them, and processes that note what they do."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from django.conf import LazySettings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from conduit.metrics import noting
from conduit.metrics.models import Snapshot
from conduit.metrics.noting import Notes

TOKEN = "a-token-of-prometheus-alone"


class Scraped:
    """What one scrape told."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}

    def __call__(self, name: str, **labels: str) -> float | None:
        """The one figure of that name with these labels; None when there is none."""
        found = [
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) < 2, found
        return found[0] if found else None


@pytest.fixture
def scrape(db: None, settings: LazySettings) -> Callable[[], Scraped]:
    """Scrapes, with nothing kept of what was read before."""
    settings.METRICS_TOKEN = TOKEN

    def now() -> Scraped:
        Snapshot.objects.all().delete()
        answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200, answer.content
        return Scraped(answer.content.decode())

    return now


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Notes]:
    """Makes the notes of a process, which hands them in when it is told to."""
    monkeypatch.setattr(Notes, "_run", lambda self: None)

    def make() -> Notes:
        notes = Notes()
        notes.begin()
        return notes

    return make


@pytest.fixture
def own(process: Callable[[], Notes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Notes]:
    """The notes of this process."""
    notes = process()
    monkeypatch.setattr(noting, "note", notes.note)
    yield notes
    with suppress(IndexError):
        notes._noted.clear()
