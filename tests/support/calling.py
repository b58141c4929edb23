"""Calls to MiniMax as workers count them."""

import time
from typing import Any

from videos.call_counts import CallCounts
from videos.minimax.exchanges import Exchange


def count_call(**how: Any) -> None:
    """Count one call: by default a create of video-01 that was refused for its rate."""
    said: dict[str, Any] = {"call": "create", "method": "POST", "path": "/v1/video_generation", "milliseconds": 300, "http": 200}
    counts = CallCounts()
    counts.note(Exchange(**said | {"ended_at": time.monotonic(), "upstream": "video-01", "code": 1002} | how))
    counts.hand_in()
