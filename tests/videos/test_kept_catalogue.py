"""A web process keeps the catalogue, and knows at each create whether it is still the one of now."""

from decimal import Decimal

import pytest
from django.db import connection, models

from tests.conftest import Consumer
from tests.support.envelopes import refused
from videos import kept_catalogue
from videos.catalogue import learn
from videos.exchange_models import Timing
from videos.models import BlockedTerm, ResolutionFactor, VideoModel
from videos.requests import GenerationRequest

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no version: the catalogue is read each time there"),
]

PATH = "/v1/video/generations"
GOOD = {"model": "minimax-video", "prompt": "a cat"}


def version():
    return kept_catalogue.state().version


@pytest.fixture
def reads(monkeypatch):
    """The versions that were read, in order."""
    found = []
    read = kept_catalogue.read
    monkeypatch.setattr(kept_catalogue, "read", lambda version: found.append(version) or read(version))
    return found


OTHERS = {
    models.BooleanField: lambda value: not value,
    models.JSONField: lambda value: [*value, "another"] if isinstance(value, list) else {"another": 1},
    models.DecimalField: lambda value: (value or 0) + 1,
    models.IntegerField: lambda value: value + 1,
    models.CharField: lambda value: f"{value}x"[-2:],
    models.ForeignKey: lambda value: VideoModel.objects.exclude(pk=value).values_list("pk", flat=True)[0],
    models.DateTimeField: lambda value: value.replace(year=2000),
}


def columns(model):
    return [field for field in model._meta.concrete_fields if not field.primary_key and field.name != "learned"]


@pytest.mark.parametrize(
    ("model", "name"), [(model, field.attname) for model in (VideoModel, ResolutionFactor, BlockedTerm) for field in columns(model)]
)
def test_a_change_of_any_column_makes_another_version_however_it_is_written(model, name):
    BlockedTerm.objects.create(term="gore")
    row = model.objects.first()
    ResolutionFactor.objects.exclude(pk=row.pk).delete()  # so that no other has what it gets
    field = next(field for field in columns(model) if field.attname == name)
    other = next(other for kind, other in OTHERS.items() if isinstance(field, kind))
    before = version()

    model.objects.filter(pk=row.pk).update(**{name: other(getattr(row, name))})

    assert version() != before


@pytest.mark.parametrize(
    "change",
    [
        lambda: BlockedTerm.objects.bulk_create([BlockedTerm(term="gore")]),
        lambda: ResolutionFactor.objects.first().delete(),
        lambda: VideoModel.objects.filter(name="minimax-h3").delete(),
        lambda: VideoModel.objects.create(name="new", upstream="new", natives=[], typical_seconds=1, base_price=1),
    ],
)
def test_a_row_that_comes_or_goes_makes_another_version(change):
    before = version()
    change()

    assert version() != before


def test_what_changes_nothing_makes_no_version():
    before = version()
    VideoModel.objects.update(base_price=models.F("base_price"))

    assert version() == before


def test_what_finished_clips_teach_makes_no_version_and_is_seen_a_little_later(consumer, monkeypatch, reads):
    first = consumer.generate()["eta_seconds"]
    before = version()
    Timing.objects.create(upstream="video-01", seconds=6, resolution="720P", made_in=40.0, delivered_in=2.0)
    learn(upstream="video-01", seconds=6, resolution="720P")

    assert version() == before
    assert consumer.generate()["eta_seconds"] == first
    monkeypatch.setattr(kept_catalogue._catalogue, "seconds", 0)
    assert consumer.generate()["eta_seconds"] < first
    assert len(reads) == 2


def test_the_catalogue_is_read_once_for_many_creates_and_estimates(consumer, reads):
    for _ in range(3):
        consumer.generate()
        assert consumer.post(f"{PATH}/estimate", GOOD).status_code == 200

    assert reads == [version()]


def test_a_change_holds_for_the_next_create(consumer, reads):
    assert consumer.generate()["cost"]["estimated"] == "0.2000"
    VideoModel.objects.filter(name="video-01").update(base_price=Decimal("0.4"))
    assert consumer.generate()["cost"]["estimated"] == "0.4000"
    ResolutionFactor.objects.filter(model__name="video-01", resolution="1280x720").update(factor=Decimal("0.5"))
    assert consumer.generate()["cost"]["estimated"] == "0.2000"
    BlockedTerm.objects.create(term="cat")
    refused(consumer.post(PATH, GOOD), 400, "content_policy_violation", "prompt")
    BlockedTerm.objects.all().delete()
    consumer.generate()

    assert len(reads) == 5


def test_without_a_version_the_catalogue_is_read_each_time(consumer: Consumer, reads):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM videos_catalogueversion")
    consumer.generate()
    consumer.generate()

    assert reads == [None, None]


def test_of_two_models_with_one_name_the_first_has_it(consumer):
    VideoModel.objects.filter(name="minimax-h3").update(aliases=["video-01"])

    assert kept_catalogue.at(version()).offer_for(_wanted("video-01")).model.name == "minimax-h3"


def _wanted(model):
    return GenerationRequest.parse(GOOD | {"model": model})
