"""The links of a page."""

from html import unescape
from re import findall


def links_of(page: str) -> list[str]:
    """Where they lead, in their order."""
    return [unescape(link) for link in findall(r'<a [^>]*href="([^"]*)"', page)]
