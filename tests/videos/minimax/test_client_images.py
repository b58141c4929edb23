"""Images for a first frame: made within one call, fetched with care."""

import base64
import threading

import pytest

from tests.support.clients import images_of
from tests.support.lookalike import Answer, LookAlike
from tests.support.pictures import jpeg, png
from videos.minimax.errors import LinkExpired, MiniMaxError, Outcome
from videos.minimax.images import IMAGE_BYTES_MAX, Images

POLICY = (Outcome.FINAL, "content_policy_violation")


@pytest.fixture
def images(minimax: LookAlike) -> Images:
    return images_of(minimax)


def make(images: Images) -> bytes:
    with images.open(images.create(prompt="a cat", aspect_ratio="9:16")) as file:
        return file.read()


def verdict(images: Images) -> tuple[Outcome, str]:
    with pytest.raises(MiniMaxError) as caught:
        make(images)
    return caught.value.outcome, caught.value.code


def test_an_image_is_made_and_fetched_without_a_bearer(minimax, images):
    made = images.create(prompt="a cat", aspect_ratio="9:16", prompt_optimizer=False)
    with images.open(made) as file:
        assert file.read() == jpeg()
    assert minimax.calls("image")[0].json == {
        "model": "image-01",
        "prompt": "a cat",
        "aspect_ratio": "9:16",
        "response_format": "url",
        "n": 1,
        "prompt_optimizer": False,
    }
    assert "Authorization" not in minimax.calls("download-image")[0].headers
    with pytest.raises(LinkExpired), images.download(made.url):
        pass


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_an_image_that_came_with_the_answer_is_read_like_a_download(minimax, images, prefix):
    minimax.next("image", Answer(fields={"data": {"image_base64": [prefix + base64.b64encode(png()).decode()]}}))
    assert make(images) == png()
    assert minimax.calls("download-image") == []


@pytest.mark.parametrize("content", [jpeg(), png(), b"RIFF\x04\0\0\0WEBPVP8 "])
def test_jpg_png_and_webp_are_taken(minimax, images, content):
    minimax.next("download-image", Answer(body=content))
    assert make(images) == content


@pytest.mark.parametrize("content", [b"", b"GIF89a" * 9, b"<svg/>", b"RIFF\x04\0\0\0WAVEfmt ", b"\0\0\0\x18ftypisom"])
def test_what_is_no_image_is_refused(minimax, images, content):
    minimax.next("download-image", Answer(body=content, headers={"Content-Type": "image/jpeg"}))
    assert verdict(images) == (Outcome.AGAIN, "provider_error")


def test_an_image_that_is_too_large_is_refused(minimax, images):
    minimax.next("download-image", Answer(body=jpeg(), padding=IMAGE_BYTES_MAX, chunked=True))
    assert verdict(images) == (Outcome.AGAIN, "provider_error")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(code=1026), POLICY),
        (Answer(code=1008), (Outcome.OPERATOR, "provider_quota")),
        (Answer(code=1002), (Outcome.LATER, "rate_limit")),
        (Answer(code=2013), (Outcome.FINAL, "invalid_request")),
        (Answer(fields={"data": {"image_urls": []}, "metadata": {"success_count": "0", "failed_count": "1"}}), POLICY),
        (Answer(fields={"data": None}), (Outcome.UNKNOWN, "provider_timeout")),
        (Answer(fields={"data": {"image_base64": ["R0lGODlh"]}}), (Outcome.UNKNOWN, "provider_timeout")),
        (Answer(cut_after=0), (Outcome.UNKNOWN, "provider_timeout")),
        (Answer(502, body=b"<html>"), (Outcome.UNKNOWN, "provider_timeout")),
    ],
)
def test_a_failure_is_classified_like_a_create_s(minimax, images, answer, expected):
    minimax.next("image", answer)
    assert verdict(images) == expected


def test_an_image_has_a_time_limit_of_its_own(minimax):
    images = images_of(minimax, read_seconds=0.2)
    minimax.next("image", Answer(hold=threading.Event()))
    assert verdict(images) == (Outcome.UNKNOWN, "provider_timeout")
