"""Clients of accounts at MiniMax: one of each kind for each account, shared by the threads of this process."""

import functools

from django.conf import settings

from conduit.outbound.addresses import Allowed
from videos.minimax.client import CallLimits, Client
from videos.minimax.images import Images
from videos.minimax.provider import Provider
from videos.minimax.v1 import MiniMaxV1
from videos.minimax.v2 import MiniMaxV2

# An image is made while its call waits, so it takes more than an ordinary answer.
IMAGE_PATIENCE = 3
# Threads of a worker that call beside those that ask how jobs go: as many as it has by default, and more.
OTHER_THREADS = 64
# Clients that are kept: an account whose key or address changes gets another.
KEPT = 256


def provider_at(base_url: str, key: str, *, api: str) -> Provider:
    """The client of the account with that key, for that version of the API, "v1" or "v2"; ValueError for another."""
    return _provider(api, _client(base_url, key, _limits(), settings.OUTBOUND_ALLOWED), settings.MAX_CLIP_BYTES)


def images_at(base_url: str, key: str) -> Images:
    """The account's client for images."""
    return Images(_client(base_url, key, _limits(patience=IMAGE_PATIENCE), settings.OUTBOUND_ALLOWED))


def _limits(patience: float = 1) -> CallLimits:
    return CallLimits(
        connect_seconds=settings.MINIMAX_CONNECT_SECONDS,
        read_seconds=settings.MINIMAX_READ_SECONDS * patience,
        download_seconds=settings.MINIMAX_DOWNLOAD_SECONDS,
        connections=settings.ASKING_THREADS + OTHER_THREADS,
    )


@functools.lru_cache(maxsize=KEPT)
def _client(base_url: str, api_key: str, limits: CallLimits, allowed: Allowed) -> Client:
    return Client(base_url, api_key, limits, allowed)


@functools.lru_cache(maxsize=KEPT)
def _provider(api: str, client: Client, max_clip_bytes: int) -> Provider:
    match api:
        case "v1":
            return MiniMaxV1(client, max_clip_bytes=max_clip_bytes)
        case "v2":
            return MiniMaxV2(client, max_clip_bytes=max_clip_bytes)
    raise ValueError(f"MiniMax's API has no version {api}")
