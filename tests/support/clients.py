"""Real MiniMax clients for tests, with limits that end a bad answer within the test's patience."""

from typing import Any

from conduit.outbound.addresses import Allowed
from tests.support.lookalike import LookAlike
from videos.minimax.client import CallLimits, Client
from videos.minimax.images import Images
from videos.minimax.v1 import MiniMaxV1
from videos.minimax.v2 import MiniMaxV2

# Where look-alikes listen, at whatever port.
LOOPBACK = Allowed.parse("127.0.0.1:*")
MAX_CLIP_BYTES = 10 * 1024**2


def http_client(
    base_url: str, api_key: str = "key", *, connect_seconds: float = 15.0, read_seconds: float = 30.0, download_seconds: float = 60.0
) -> Client:
    return Client(base_url, api_key, CallLimits(connect_seconds, read_seconds, download_seconds), LOOPBACK)


def client_of(minimax: LookAlike, *, max_clip_bytes: int = MAX_CLIP_BYTES, **overrides: Any) -> MiniMaxV1:
    return MiniMaxV1(http_client(**_account(minimax) | overrides), max_clip_bytes=max_clip_bytes)


def v1_at(base_url: str, **limits: Any) -> MiniMaxV1:
    """A client for whatever listens there."""
    return MiniMaxV1(http_client(base_url, **limits), max_clip_bytes=MAX_CLIP_BYTES)


def v2_client_of(minimax: LookAlike, *, max_clip_bytes: int = MAX_CLIP_BYTES, **overrides: Any) -> MiniMaxV2:
    return MiniMaxV2(http_client(**_account(minimax) | overrides), max_clip_bytes=max_clip_bytes)


def images_of(minimax: LookAlike, **overrides: Any) -> Images:
    return Images(http_client(**_account(minimax) | overrides))


def _account(minimax: LookAlike) -> dict[str, Any]:
    return {"base_url": minimax.url, "api_key": minimax.key}
