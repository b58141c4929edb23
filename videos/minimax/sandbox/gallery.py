"""The images that image-01 made: a journal of what was asked for, from which each is drawn whenever it is wanted."""

import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from videos.minimax.sandbox.accounts import MAIN
from videos.minimax.sandbox.catalogue import IMAGE_MODEL, IMAGE_PIXELS, IMAGE_PRICE
from videos.minimax.sandbox.creation import WantedImages
from videos.minimax.sandbox.jsonlines import JsonLines
from videos.minimax.sandbox.pictures import make_jpeg
from videos.minimax.sandbox.shapes import scaled

_PATH = re.compile(r"/download/images/([0-9]{1,20})/([0-9])\.jpg")


@dataclass(frozen=True, slots=True)
class ImageOrder:
    """What one call asked for, and was billed."""

    order_id: int
    prompt: str
    pixels: tuple[int, int]
    count: int
    created_at: float
    account: str = MAIN

    @property
    def model(self) -> str:
        return IMAGE_MODEL

    @property
    def price(self) -> str:
        """In USD."""
        return str(IMAGE_PRICE * self.count)

    def image(self, number: int) -> "Image":
        return Image(self, number)


@dataclass(frozen=True, slots=True)
class Image:
    order: ImageOrder
    number: int

    @property
    def path(self) -> str:
        return f"/download/images/{self.order.order_id}/{self.number}.jpg"

    def jpeg(self) -> bytes:
        return make_jpeg(self.order.prompt, self.number, self.order.pixels)


class Gallery:
    """Every image that was ever made in this home. Safe to use from any thread."""

    def __init__(self, home: Path, *, clock: Callable[[], float], scale: int) -> None:
        self._clock = clock
        self._scale = scale
        self._lock = threading.Lock()
        self._journal = JsonLines(home / "images.jsonl")
        self._orders = {record["order_id"]: ImageOrder(**record | {"pixels": tuple(record["pixels"])}) for record in self._journal}

    def make(self, wanted: WantedImages, *, account: str = MAIN) -> ImageOrder:
        """The images of one call, in the journal before this returns."""
        with self._lock:
            now = self._clock()
            order_id = max(int(now * 100_000), max(self._orders, default=0) + 1)
            order = ImageOrder(order_id, wanted.prompt, scaled(IMAGE_PIXELS[wanted.ratio], self._scale), wanted.count, now, account)
            self._journal.append(asdict(order))
            self._orders[order_id] = order
            return order

    def at(self, path: str) -> Image | None:
        """The image behind the path of a link."""
        found = _PATH.fullmatch(path)
        order = self._orders.get(int(found[1])) if found else None
        return order.image(int(found[2])) if found and order and int(found[2]) < order.count else None

    def newest_first(self) -> list[ImageOrder]:
        with self._lock:
            return list(reversed(self._orders.values()))

    def close(self) -> None:
        self._journal.close()
