"""What MiniMax checks before it accepts a job or an image."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from videos.minimax.sandbox.catalogue import IMAGE_MODEL, IMAGE_PIXELS, MODELS
from videos.minimax.sandbox.messages import Refused
from videos.minimax.sandbox.pictures import Frame, Unfit
from videos.minimax.sandbox.shapes import V2_PIXELS

PROMPT_LONGEST = {"v1": 2000, "v2": 7000, "image": 1500}
IMAGES_MOST = 9
# Stands for everything that MiniMax's moderation refuses.
FORBIDDEN_WORD = "forbidden-by-minimax"
_URL_LONGEST = 2000
_ROLES = ("first_frame", "last_frame")
_REFERENCE = "reference_image"

# Looks at an image behind a URL or data URL, and keeps it; None for what the sandbox cannot reach. Raises Unfit.
Look = Callable[[str], Frame | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    model: str
    prompt: str
    length: int
    size: str
    # V2's ratio; V1 has none.
    ratio: str = ""
    first_frame: Frame | None = None
    # How many pictures it is given, frames included.
    images: int = 0
    watermark: bool = False
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class WantedImages:
    prompt: str
    ratio: str
    count: int
    as_base64: bool


def read_body(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(2013, "the body is not JSON") from None
    if not isinstance(fields, dict):
        raise Refused(2013, "the body is not a JSON object")
    return fields


def check_v1(fields: dict[str, Any], look: Look) -> Wanted:
    """The job that these fields of V1 ask for; raises Refused."""
    name = _model(fields, "v1")
    prompt = _prompt(fields.get("prompt"), "v1")
    for flag in ("prompt_optimizer", "fast_pretreatment", "aigc_watermark"):
        if not isinstance(fields.get(flag, True), bool):
            raise Refused(2013, f"{flag} must be a boolean")
    first, last = (fields.get(f"{role}_image") for role in _ROLES)
    return _wanted(name, prompt, fields, first, last, look, references=_subjects(fields.get("subject_reference")))


def check_v2(fields: dict[str, Any], look: Look) -> Wanted:
    """The job that these fields of V2 ask for; raises Refused."""
    name = _model(fields, "v2")
    content = fields.get("content")
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise Refused(2013, "content must be a list of objects")
    texts = [item.get("text") for item in content if item.get("type") == "text"]
    images = [item for item in content if item.get("type") == "image_url"]
    if len(texts) != 1 or len(texts) + len(images) != len(content):
        raise Refused(2013, "content must hold one text, and beside it nothing but image_url items")
    prompt = _prompt(texts[0], "v2")
    ratio = fields.get("ratio", "16:9")
    if not isinstance(ratio, str) or ratio not in V2_PIXELS["768P"]:
        raise Refused(2013, f"ratio must be one of {', '.join(V2_PIXELS['768P'])}")
    frames: dict[str, Any] = {}
    references: list[Any] = []
    for item in images:
        role, image = item.get("role", "first_frame"), item.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image or ""
        if role == _REFERENCE:
            references.append(url)
        elif not isinstance(role, str) or role not in _ROLES or role in frames:
            raise Refused(2013, f"the role of an image must be {_REFERENCE}, or {' or '.join(_ROLES)}, each at most once")
        else:
            frames[role] = url
    if references and frames:
        raise Refused(2013, "frames and references cannot be given together")
    first, last = (frames.get(role) for role in _ROLES)
    return _wanted(name, prompt, fields, first, last, look, ratio=ratio, references=references)


def _subjects(value: Any) -> list[Any]:
    """The pictures of V1's `subject_reference`."""
    if value is None:
        return []
    sound = isinstance(value, list) and all(isinstance(one, dict) and isinstance(one.get("image"), list) for one in value)
    if not sound:
        raise Refused(2013, "subject_reference must be a list of objects, each with a list of images")
    return [image for one in value for image in one["image"]]


def check_images(fields: dict[str, Any]) -> WantedImages:
    """The images that these fields ask for; raises Refused."""
    if fields.get("model") != IMAGE_MODEL:
        raise Refused(2013, "model is not known")
    prompt = _prompt(fields.get("prompt"), "image")
    ratio, count, form = fields.get("aspect_ratio", "1:1"), fields.get("n", 1), fields.get("response_format", "url")
    if not isinstance(ratio, str) or ratio not in IMAGE_PIXELS:
        raise Refused(2013, f"aspect_ratio must be one of {', '.join(IMAGE_PIXELS)}")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= IMAGES_MOST:
        raise Refused(2013, f"n must be a number from 1 to {IMAGES_MOST}")
    if form not in ("url", "base64"):
        raise Refused(2013, "response_format must be url or base64")
    if not isinstance(fields.get("prompt_optimizer", True), bool):
        raise Refused(2013, "prompt_optimizer must be a boolean")
    _moderate(prompt)
    return WantedImages(prompt, ratio, count, as_base64=form == "base64")


def _model(fields: dict[str, Any], api: str) -> str:
    name = fields.get("model")
    if not isinstance(name, str) or name not in MODELS or MODELS[name].api != api:
        raise Refused(2013, "model is not known")
    return name


def _prompt(prompt: Any, kind: str) -> str:
    longest = PROMPT_LONGEST[kind]
    if not isinstance(prompt, str) or not 1 <= len(prompt) <= longest:
        raise Refused(2013, f"prompt must have 1 to {longest} characters")
    return prompt


def _wanted(
    name: str, prompt: str, fields: dict[str, Any], first: Any, last: Any, look: Look, *, ratio: str = "", references: list[Any]
) -> Wanted:
    model = MODELS[name]
    length, size = fields.get("duration", model.default_length), fields.get("resolution", model.default_size)
    if isinstance(length, bool) or not isinstance(length, int):
        raise Refused(2013, "duration must be an integer")
    if not isinstance(size, str):
        raise Refused(2013, "resolution must be a string")
    if last is not None and not model.takes_last_frame:
        raise Refused(2013, "last_frame_image is not supported by this model")
    if len(references) > model.references_most:
        raise Refused(2013, f"this model takes at most {model.references_most} references")
    refusal = model.refusal(length, size, has_frame=first is not None)
    if refusal:
        raise Refused(2013, refusal)
    first_frame = _look(first, "first_frame_image", look)
    _look(last, "last_frame_image", look)
    for reference in references:
        _look(reference, "a reference", look)
    _moderate(prompt)
    images = len(references) + (first is not None) + (last is not None)
    return Wanted(name, prompt, length, size, ratio, first_frame, images, fields.get("aigc_watermark") is True, _callback_url(fields))


def _callback_url(fields: dict[str, Any]) -> str:
    url = fields.get("callback_url") or ""
    if not isinstance(url, str) or len(url) > _URL_LONGEST:
        raise Refused(2013, "callback_url must be a URL")
    return url


def _look(image: Any, name: str, look: Look) -> Frame | None:
    if image is None:
        return None
    if not isinstance(image, str):
        raise Refused(2013, f"{name} must be a string")
    try:
        return look(image)
    except Unfit as error:
        raise Refused(2013, f"{name}: {error}") from None


def _moderate(prompt: str) -> None:
    if FORBIDDEN_WORD in prompt.lower():
        raise Refused(1026)
