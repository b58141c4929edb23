"""Real MiniMax clients for tests, with limits that end a bad answer within the test's patience."""

from tests.support.lookalike import LookAlike
from videos.minimax.client import MiniMaxV1


def client_of(minimax: LookAlike, **overrides: object) -> MiniMaxV1:
    settings = {
        "base_url": minimax.url,
        "api_key": minimax.key,
        "connect_seconds": 2.0,
        "read_seconds": 5.0,
        "download_seconds": 20.0,
        "max_clip_bytes": 10 * 1024**2,
    }
    return MiniMaxV1(**settings | overrides)
