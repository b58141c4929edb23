"""Conduit loaded whole, once for all forks of a process: what many forks do of their own, such as die, should be all that they cost."""

import functools
import gc
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.test import Client
    from django.test.client import ClientHandler


def load() -> None:
    """Everything that a request and what follows from it need, before the first connection: nothing that forks may share."""
    import django

    django.setup()
    for name in ("conduit.urls", "conduit.channel_layer", "celery.app.events", "celery.events", "tests.support.ending"):
        import_module(name)
    handler()
    from conduit.celery import app

    # What sends hints looks for its parts when it is first used.
    for part in (app.backend, app.amqp.producer_pool, app.connection_for_write().transport):
        assert part  # it is made by being asked for, and connects later
    gc.freeze()  # a fork that looks through all this for garbage would make it its own


@functools.cache
def handler() -> "ClientHandler":
    """As a server has one; each client would load the middleware, which reads the folders of all static files."""
    from django.test import Client

    made = Client().handler
    made.load_middleware()
    return made


def client(**headers: str) -> "Client":
    """A client of that handler, which sends these headers."""
    from django.test import Client

    made = Client(headers=headers)
    made.handler = handler()
    return made
