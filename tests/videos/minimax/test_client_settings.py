"""The client that the settings ask for."""

import pytest
from django.conf import settings
from django.test import override_settings

from tests.support.lookalike import LookAlike
from videos.minimax.account import provider_for
from videos.minimax.provider import Order, Phase


@pytest.fixture
def limits():
    if not settings.configured:
        settings.configure()
    with override_settings(
        MINIMAX_CONNECT_SECONDS=2.0,
        MINIMAX_READ_SECONDS=5.0,
        MINIMAX_DOWNLOAD_SECONDS=10.0,
        MAX_CLIP_BYTES=1024**2,
        MINIMAX_API_KEY="a key",
    ):
        yield


def test_the_account_in_the_settings_is_the_one_that_is_called(limits):
    with LookAlike(key="a key") as minimax, override_settings(MINIMAX_BASE_URL=minimax.url):
        client = provider_for("v1")
        assert client.query(client.create(Order("video-01", "a cat"))).phase is Phase.PREPARING
        with client.download(client.locate(minimax.jobs[0].file_id).url, expected_size=None) as clip:
            assert clip.read() == minimax.video(minimax.jobs[0])


def test_a_process_has_one_client_for_one_account(limits):
    with override_settings(MINIMAX_BASE_URL="https://api.minimax.io"):
        first = provider_for("v1")
        assert provider_for("v1") is first
        with override_settings(MINIMAX_API_KEY="another key"):
            assert provider_for("v1") is not first
