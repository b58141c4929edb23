"""The ASGI application that daphne serves."""

import asyncio
import gc
import os
import sys
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "conduit.settings")

import django

try:
    django.setup(set_prefix=False)
except ImproperlyConfigured as error:
    sys.exit(f"conduit: {error}")

from django.conf import settings
from django.db import connection
from django.urls import get_resolver

from conduit import clock, traces
from conduit.api import routes
from conduit.api.errors import NotFound, Unauthenticated
from conduit.checks import refuse_unsafe_start
from conduit.console.errors import CONSOLE
from conduit.console.live.consumer import LiveConsumer, login_in
from conduit.console.live.pump import pump
from conduit.console.security.sessions import is_logged_in
from conduit.metrics import loop_lag, noting, own
from conduit.signalr import HubServer, Options, Refused
from conduit.web import quick_creates, quick_reads
from conduit.web.arrivals import Arrivals
from conduit.web.daphne_patches import patch_daphne
from conduit.web.draining import drain_at_sigterm
from conduit.web.guards import guarded
from conduit.web.handler import OneHopHandler
from conduit.web.live import live
from conduit.web.newcomers import Newcomers
from conduit.web.refusals import refused_with
from conduit.web.router import Router
from conduit.web.sheets import WaitingForSheets
from conduit.web.tracing import traced
from conduit.web.waiting import OPENAI, Waiting
from tasks.realtime import endpoints
from tasks.realtime import metrics as realtime_metrics
from tasks.realtime.feeds import feeds
from tasks.realtime.hub import TaskHub, authenticate
from tasks.realtime.seats import seats
from tasks.realtime.websocket import tasks_socket
from videos.callbacks import addresses as callback_addresses
from videos.callbacks.receiver import Receiver

refuse_unsafe_start()
clock.start()
if "daphne.server" in sys.modules:  # and not a test that only looks at the application
    own.also(realtime_metrics.told)
    noting.tell("web")

HUB_PATH = "/hubs/video-generation"
routes.add(HUB_PATH, f"{HUB_PATH}/negotiate")
hub_options = Options(
    # One seat for each connection, among those of all streams.
    seats=seats(),
    connections=settings.STREAMS_MAX,
    connections_per_owner=settings.STREAMS_PER_KEY,
    owner_of=lambda caller: str(caller.key_id),
    outstanding_bytes=settings.STREAM_OUTSTANDING_BYTES,
    cors=lambda origin: settings.CORS_ALLOW_ALL_ORIGINS or origin in settings.CORS_ALLOWED_ORIGINS,
)
hub = HubServer(TaskHub, path=HUB_PATH, authenticate=authenticate, redis_url=settings.REDIS_URL, options=hub_options)


async def may_send_much(scope: dict[str, Any]) -> bool:
    """Whether a request with a long body comes from a client of the hub or from somebody who is logged in to the console."""
    try:
        if scope["path"] == HUB_PATH:
            await authenticate(scope)
            return True
        return await feeds().in_thread(partial(is_logged_in, login_in(scope)[0]))
    except (Refused, Unauthenticated):
        return False


patch_daphne(body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE, more_of={HUB_PATH: hub_options.post_bytes}, admits=may_send_much)
Arrivals(settings.WEB_BOUNDS).watch()
newcomers = Newcomers(settings.WEB_BOUNDS)
newcomers.watch()
django_application = OneHopHandler()
watched = loop_lag.watched(django_application)
hub_application = traced(guarded(hub))
# SQLite has one writer at a time, whose turn nothing on the loop may wait for.
reads = quick_reads.QuickReads(django_application) if connection.vendor == "postgresql" else django_application
creates = quick_creates.QuickCreates(reads) if connection.vendor == "postgresql" else django_application
application = Router(
    known=newcomers.known,
    http=watched,
    websocket=traced(refused_with(NotFound("There is no WebSocket at this path."))),
    paths={
        "http": {
            "/health/live$": traced(live, logged=False),
            HUB_PATH: hub_application,
            quick_reads.ROOT: Waiting(reads, reading=reads),
            f"{quick_creates.PATH}$": Waiting(traces.traced(creates, f"POST {quick_creates.PATH}"), reading=reads),
            quick_reads.MADE_AT: Waiting(reads, reading=reads),
            OPENAI: Waiting(WaitingForSheets(watched), reading=watched),
            callback_addresses.ROOT: traced(Receiver(), logged=False),
        },
        "websocket": {
            HUB_PATH: hub_application,
            "/ws/tasks": traced(guarded(tasks_socket)),
            **{f"{path}$": traced(guarded(socket)) for path, socket in endpoints.sockets().items()},
            f"{CONSOLE}live/$": traced(guarded(LiveConsumer.as_asgi(), for_own_pages=True)),
        },
    },
)
# A full garbage collection stops every stream: 0.2 s of processor time with 1,000 connections, and by default one comes every few
# seconds. What was imported is never garbage; of the rest, they come as rarely as conduit/__init__.py says. What looks at the newest
# alone comes more often than there, and is short: with 110,000 objects in one look the loop stood still for 46 to 82 ms in a flood.
get_resolver().url_patterns  # noqa: B018 - imports every view now, and not with the first request
gc.freeze()  # as it is: to collect first takes a tenth of a second of each start, and finds 0.2 MB
gc.set_threshold(1_000, 5, 200)
# A thread at work on rows keeps the event loop waiting for so many seconds at most (5 ms unless told), each time that it wakes.
sys.setswitchinterval(0.001)
drain_at_sigterm(
    lambda: application.under_way + hub.waiting,
    begin=[lambda: feeds().drain(), lambda: pump().drain(), hub.leave],
    end=[
        hub.stop,
        lambda: asyncio.to_thread(noting.end),
        lambda: asyncio.to_thread(traces.end),
        *(quick.close for quick in (reads, creates) if isinstance(quick, quick_reads.QuickReads | quick_creates.QuickCreates)),
    ],
)
