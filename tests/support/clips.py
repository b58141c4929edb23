"""What the look-alike's models make, and from which parameters."""

import functools
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import av

NATIVE_SIZE_ONLY = {"video-01", "T2V-01", "T2V-01-Director", "I2V-01", "I2V-01-live"}
HAILUO = {"MiniMax-Hailuo-02", "MiniMax-Hailuo-2.3", "MiniMax-Hailuo-2.3-Fast"}
HAILUO_MAKES = {("768P", 6), ("768P", 10), ("1080P", 6)}
NEEDS_FRAME = {"I2V-01", "I2V-01-live", "MiniMax-Hailuo-2.3-Fast"}


@functools.cache
def make_mp4(width: int = 160, height: int = 90, seconds: float = 1.0, fps: int = 25) -> bytes:
    """A small H.264 file whose grey changes from frame to frame."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(round(seconds * fps)):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane, grey in zip(frame.planes, (16 + number * 5 % 200, 128, 128), strict=True):
                plane.update(bytes([grey]) * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def wrong_parameters(fields: Mapping[str, Any]) -> str:
    """What the model tables have against a create, empty when nothing."""
    model, prompt, frame = fields.get("model"), fields.get("prompt"), fields.get("first_frame_image")
    duration, resolution = fields.get("duration"), fields.get("resolution")
    if unknown := fields.keys() - {
        "model",
        "prompt",
        "prompt_optimizer",
        "duration",
        "resolution",
        "first_frame_image",
        "last_frame_image",
        "subject_reference",
        "aigc_watermark",
        "callback_url",
    }:
        return f"unknown fields {sorted(unknown)}"
    if not isinstance(prompt, str) or not 1 <= len(prompt) <= 2000:
        return "prompt must have 1 to 2000 characters"
    if model in NEEDS_FRAME and not frame:
        return f"{model} needs a first frame"
    if model in NATIVE_SIZE_ONLY:
        return "this model takes neither duration nor resolution" if duration is not None or resolution is not None else ""
    if model not in HAILUO:
        return f"unknown model {model}"
    wanted = (resolution or "768P", duration or 6)
    return "" if wanted in HAILUO_MAKES or (frame and wanted in {("512P", 6), ("512P", 10)}) else f"{model} cannot make {wanted}"
