"""Whose a request is, told to whoever shares out what requests take (threads) as soon as it is known."""

from django.http import HttpRequest

KNOWN_AS = "conduit.known_as"


def known_as(request: HttpRequest, name: str) -> None:
    """From now on this request, and those that come with the same secret, count as `name`'s."""
    if tell := getattr(request, "scope", {}).get(KNOWN_AS):
        tell(name)
