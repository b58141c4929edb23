"""What is sent: one form that Standard Webhooks' readers and OpenAI's both understand."""

import json
from collections.abc import Mapping
from typing import Any

from conduit.api.formats import rfc3339
from tasks.notifications.models import Message

# Receivers take a small body at once; what would make it larger is a long prompt.
BODY_BYTES = 20_000
_CUT = "…"


def body_of(message: Message, data: Mapping[str, Any]) -> bytes:
    """The body, less than BODY_BYTES long: a prompt for which there is no room is cut, and ends in an ellipsis."""
    event = {
        "id": message.id,
        "object": "event",
        "type": message.type,
        "created_at": int(message.happened_at.timestamp()),
        "timestamp": rfc3339(message.happened_at),
        "data": dict(data),
    }
    body = _encoded(event)
    prompt = data.get("prompt")
    if len(body) < BODY_BYTES or not isinstance(prompt, str):
        return body
    left = len(prompt)
    while len(body) >= BODY_BYTES and left > 0:
        left = max(0, left - max(1, (len(body) - BODY_BYTES) // 6 + 1))
        body = _encoded(event | {"data": dict(data) | {"prompt": prompt[:left] + _CUT}})
    return body


def _encoded(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
