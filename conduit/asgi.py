"""The ASGI application that daphne serves."""

import os

from channels.routing import ProtocolTypeRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "conduit.settings")

import django

django.setup(set_prefix=False)

from conduit.checks import refuse_unsafe_start  # noqa: E402
from conduit.handler import OneHopHandler, refuse_websocket  # noqa: E402

refuse_unsafe_start()
application = ProtocolTypeRouter({"http": OneHopHandler(), "websocket": refuse_websocket})
