"""Signed links: the same for a whole span, good for at least one, and nobody else's work."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from videos.links import LinkRefused, check, expires_at, media_url

TASK = UUID("0198c0de-0000-7000-8000-000000000001")
OTHER = UUID("0198c0de-0000-7000-8000-000000000002")
SPAN = 3600
BEGIN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)  # a whole hour: the start of a span
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def a_span_of_an_hour(settings):
    settings.MEDIA_LINK_SPAN_SECONDS = SPAN
    settings.PUBLIC_URL = "https://videos.example"


def parts(url: str) -> tuple[str, str]:
    query = parse_qs(urlsplit(url).query)
    return query["expires"][0], query["signature"][0]


def refused(task: UUID, name: str, expires: str, signature: str, now: datetime = BEGIN) -> str:
    with pytest.raises(LinkRefused) as caught:
        check(task, name, expires, signature, now)
    return caught.value.reason


def test_a_link_is_absolute_and_names_the_task_and_the_file():
    url = urlsplit(media_url(TASK, "video.mp4", BEGIN))
    assert (url.scheme, url.netloc, url.path) == ("https", "videos.example", f"/media/{TASK}/video.mp4")


def test_a_link_stays_the_same_for_its_span_and_changes_with_the_next():
    last = BEGIN + timedelta(seconds=SPAN) - SECOND
    assert media_url(TASK, "video.mp4", BEGIN) == media_url(TASK, "video.mp4", last)
    assert media_url(TASK, "video.mp4", BEGIN) != media_url(TASK, "video.mp4", last + SECOND)


@pytest.mark.parametrize("into_the_span", [0, 1, 1800, SPAN - 1, SPAN - 0.001])
def test_a_link_lives_for_one_to_two_spans_from_when_it_is_handed_out(into_the_span):
    now = BEGIN + timedelta(seconds=into_the_span)
    assert timedelta(seconds=SPAN) <= expires_at(now) - now <= timedelta(seconds=2 * SPAN)
    check(TASK, "video.mp4", *parts(media_url(TASK, "video.mp4", now)), now + timedelta(seconds=SPAN))


def test_a_link_ends_when_it_says():
    end = expires_at(BEGIN)
    link = parts(media_url(TASK, "video.mp4", BEGIN))
    check(TASK, "video.mp4", *link, end - SECOND)
    assert refused(TASK, "video.mp4", *link, now=end) == "expired"


def test_a_link_opens_nothing_but_its_own_file():
    expires, signature = parts(media_url(TASK, "video.mp4", BEGIN))
    assert refused(OTHER, "video.mp4", expires, signature) == "invalid"
    assert refused(TASK, "thumbnail.jpg", expires, signature) == "invalid"
    assert refused(TASK, "video.mp4", str(int(expires) + SPAN), signature) == "invalid"


@pytest.mark.parametrize("change", ["", "a", "+5", " ", "0", "-1", "1e9", "١٧٦٣٨٠٥٦٠٠", "9" * 5000])
def test_an_end_that_is_no_plain_number_is_invalid(change):
    _, signature = parts(media_url(TASK, "video.mp4", BEGIN))
    assert refused(TASK, "video.mp4", change, signature) == "invalid"


@pytest.mark.parametrize("change", ["", "=", "é", "\ud800", "A" * 43, "A" * 5000])
def test_a_signature_that_is_not_ours_is_invalid(change):
    expires, signature = parts(media_url(TASK, "video.mp4", BEGIN))
    assert refused(TASK, "video.mp4", expires, change) == "invalid"
    assert refused(TASK, "video.mp4", expires, signature + change + "=") == "invalid"


def test_an_old_links_end_does_not_tell_whether_its_signature_was_right():
    assert refused(TASK, "video.mp4", "1", "A" * 43) == "invalid"


def test_links_outlive_a_change_of_the_secret_that_keeps_the_old_one_as_a_fallback(settings):
    link = parts(media_url(TASK, "video.mp4", BEGIN))
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another secret"
    assert refused(TASK, "video.mp4", *link) == "invalid"
    settings.SECRET_KEY_FALLBACKS = [old]
    check(TASK, "video.mp4", *link, BEGIN)
    assert parts(media_url(TASK, "video.mp4", BEGIN)) != link
