"""What MiniMax checks before it accepts a job."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from videos.minimax.sandbox.catalogue import DEFAULT_LENGTH, MODELS

PROMPT_LONGEST = 2000
IMAGE_LARGEST = 20 * 1024 * 1024
# Stands for everything that MiniMax's moderation refuses.
FORBIDDEN_WORD = "forbidden-by-minimax"

_DATA_URL = re.compile(r"data:image/(?:jpeg|jpg|png|webp);base64,", re.IGNORECASE)


class Refused(Exception):
    """MiniMax would not accept this create: `code` is its base_resp code."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Wanted:
    model: str
    prompt: str
    length: int
    size: str


def read_body(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(2013, "the body is not JSON") from None
    if not isinstance(fields, dict):
        raise Refused(2013, "the body is not a JSON object")
    return fields


def check(fields: dict[str, Any]) -> Wanted:
    """The job that these fields ask for; raises Refused."""
    name, prompt = fields.get("model"), fields.get("prompt")
    if not isinstance(name, str) or name not in MODELS:
        raise Refused(2013, "model is not known")
    if not isinstance(prompt, str) or not 1 <= len(prompt) <= PROMPT_LONGEST:
        raise Refused(2013, f"prompt must have 1 to {PROMPT_LONGEST} characters")
    for flag in ("prompt_optimizer", "fast_pretreatment"):
        if not isinstance(fields.get(flag, True), bool):
            raise Refused(2013, f"{flag} must be a boolean")
    model = MODELS[name]
    length, size = fields.get("duration", DEFAULT_LENGTH), fields.get("resolution", model.default_size)
    if isinstance(length, bool) or not isinstance(length, int):
        raise Refused(2013, "duration must be an integer")
    if not isinstance(size, str):
        raise Refused(2013, "resolution must be a string")
    frame = fields.get("first_frame_image")
    if frame is not None:
        _check_image(frame)
    refusal = model.refusal(length, size, has_frame=frame is not None)
    if refusal:
        raise Refused(2013, refusal)
    if FORBIDDEN_WORD in prompt.lower():
        raise Refused(1026)
    return Wanted(model=name, prompt=prompt, length=length, size=size)


def _check_image(image: Any) -> None:
    if not isinstance(image, str):
        raise Refused(2013, "first_frame_image must be a string")
    if image.startswith(("http://", "https://")):
        return
    start = _DATA_URL.match(image)
    if start is None:
        raise Refused(2013, "first_frame_image must be a URL, or a data URL of a JPG, PNG or WebP image")
    try:
        content = base64.b64decode(image[start.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise Refused(2013, "first_frame_image is not valid base64") from None
    if not 0 < len(content) < IMAGE_LARGEST:
        raise Refused(2013, "first_frame_image must be smaller than 20 MB")
