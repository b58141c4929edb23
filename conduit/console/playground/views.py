"""What is at `/`."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt

from conduit.api.views import unknown_path
from videos.models import Resolution
from videos.requests import DURATION_DEFAULT, DURATION_MAX

# Lengths that are a click away, in seconds; any other is typed.
LENGTHS = (3, 6, 10, 20, 30, 60)
SIZE_DEFAULT = Resolution.R1280X720
# The side of the square in which sizes are drawn, and of the largest of them within it.
_SQUARE, _LARGEST = 32, 28


@dataclass(frozen=True)
class Size:
    """A size of videos and its picture, drawn to scale."""

    value: str
    chosen: bool
    width: float
    height: float

    @property
    def x(self) -> float:
        return (_SQUARE - self.width) / 2

    @property
    def y(self) -> float:
        return (_SQUARE - self.height) / 2

    @property
    def words(self) -> str:
        return self.value.replace("x", "\u00d7")


@csrf_exempt  # a POST too is told that nothing is here
def front(request: HttpRequest) -> HttpResponse:
    """The playground, or a short page where PLAYGROUND is off."""
    if request.method not in ("GET", "HEAD"):
        return unknown_path(request)
    context = {
        "sizes": _sizes(),
        "lengths": LENGTHS,
        "length": DURATION_DEFAULT,
        "longest": DURATION_MAX,
        "sandbox": settings.MINIMAX_SANDBOX,
        "public_url": settings.PUBLIC_URL,
    }
    return HttpResponse(render_to_string("playground/page.html" if settings.PLAYGROUND else "playground/short.html", context))


def _sizes() -> list[Size]:
    sides = {value: tuple(map(int, value.split("x"))) for value in Resolution.values}
    scale = _LARGEST / max(max(both) for both in sides.values())
    return [
        Size(value, value == SIZE_DEFAULT, round(width * scale, 1), round(height * scale, 1)) for value, (width, height) in sides.items()
    ]
