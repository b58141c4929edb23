"""The client of an account."""

import pytest
from django.conf import settings
from django.test import override_settings

from tests.support.lookalike import LookAlike
from videos.minimax.account import provider_at
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
    ):
        yield


def test_the_account_is_called_at_its_address_with_its_key(limits):
    with LookAlike(key="a key") as minimax:
        client = provider_at(minimax.url, "a key", api="v1")
        assert client.query(client.create(Order("video-01", "a cat"))).phase is Phase.PREPARING
        with client.download(client.locate(minimax.jobs[0].file_id).url, expected_size=None) as clip:
            assert clip.read() == minimax.video(minimax.jobs[0])


def test_a_process_has_one_client_for_one_account_until_its_key_changes(limits):
    first = provider_at("https://api.minimax.io", "a key", api="v1")
    assert provider_at("https://api.minimax.io", "a key", api="v1") is first
    assert provider_at("https://api.minimax.io", "another key", api="v1") is not first
    assert provider_at("https://api.minimax.io", "a key", api="v2") is not first
