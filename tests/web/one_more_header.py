"""The product with one header more on each answer: `daphne tests.web.one_more_header:application`."""

from conduit.api import always
from conduit.asgi import application

__all__ = ["application"]

always.HEADERS["X-One-More"] = "told"
