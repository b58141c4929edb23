"""The ASGI application that daphne serves."""

import os
import sys

from channels.routing import ProtocolTypeRouter
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "conduit.settings")

import django

try:
    django.setup(set_prefix=False)
except ImproperlyConfigured as error:
    sys.exit(f"conduit: {error}")

from conduit.checks import refuse_unsafe_start
from conduit.handler import OneHopHandler, refuse_websocket

os.umask(0o077)  # database, media and logs are their owner's alone
refuse_unsafe_start()
application = ProtocolTypeRouter({"http": OneHopHandler(), "websocket": refuse_websocket})
