"""MiniMax's images: one made from a prompt, as the first frame of a clip, and frames as MiniMax takes them."""

import base64
import binascii
import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from videos.minimax import errors, reading
from videos.minimax.client import Client
from videos.minimax.download import Download, is_image

# MiniMax takes no larger one as a frame.
IMAGE_BYTES_MAX = 20 * 1024**2
# Such an image in base64, and what stands around it.
_ANSWER_BYTES_MAX = IMAGE_BYTES_MAX // 3 * 4 + 64 * 1024


@dataclass(frozen=True)
class MadeImage:
    """An image that was made: behind `url` for a day, or, where MiniMax sent it along, its `content`."""

    url: str | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)


class Images:
    """Makes images, each within one call: the client's read limit is to be the time that takes."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, *, prompt: str, aspect_ratio: str, upstream: str = "image-01", prompt_optimizer: bool | None = None) -> MadeImage:
        """Make one image, and bill it. MiniMaxError with Outcome.UNKNOWN when that may have been done although no answer came."""
        fields: dict[str, object] = {
            "model": upstream,
            "prompt": prompt,
            "aspect_ratio": aspect_ratio,
            "response_format": "url",
            "n": 1,
        } | ({} if prompt_optimizer is None else {"prompt_optimizer": prompt_optimizer})
        answer = self._client.call("image", "POST", "/v1/image_generation", fields=fields, bytes_max=_ANSWER_BYTES_MAX)
        self._client.accept(answer)
        data = reading.mapping(answer.body.get("data"))
        if url := reading.link(_first(data.get("image_urls"))):
            return MadeImage(url=url)
        if content := _decoded(_first(data.get("image_base64"))):
            return MadeImage(content=content)
        # It counts as failed what its moderation withheld.
        if reading.positive(reading.mapping(answer.body.get("metadata")).get("failed_count")):
            raise self._client.error(errors.OUTPUT_REFUSED, answer)
        self._client.useless(answer)

    def open(self, made: MadeImage) -> AbstractContextManager[Download]:
        """Open the image as a file that storages can save; see `download`."""
        return _held(made.content) if made.content else self.download(made.url or "")

    def download(self, url: str) -> AbstractContextManager[Download]:
        """Open the image behind a link. LinkExpired when it is dead, another MiniMaxError when what comes is no image or too large."""
        return self._client.open(url, is_right=is_image, expected_size=None, max_bytes=IMAGE_BYTES_MAX)


def data_url(image: bytes) -> str:
    """The image as MiniMax takes it for a frame; ValueError when it is no JPG, PNG or WebP."""
    if not is_image(image):
        raise ValueError("a frame is a JPG, PNG or WebP image")
    kind = "jpeg" if image.startswith(b"\xff") else "png" if image.startswith(b"\x89") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


@contextmanager
def _held(content: bytes) -> Iterator[Download]:
    yield Download(_Body(content), is_right=is_image, size=len(content), max_bytes=IMAGE_BYTES_MAX)


class _Body(io.BytesIO):
    """Bytes at hand, read as an answer's body is."""

    def read(self, size: int | None = -1, /, *, decode_content: bool = False) -> bytes:
        return super().read(size)


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else None


def _decoded(value: object) -> bytes | None:
    if not isinstance(value, str):
        return None
    try:
        content = base64.b64decode(value.rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if is_image(content) else None
