"""Django's ASGI handler, fitted to synchronous views."""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.core.signals import request_started
from django.db import close_old_connections
from django.http import HttpResponseBase, StreamingHttpResponse
from django.urls import set_script_prefix

from conduit.api.always import put_on
from conduit.api.callers import KNOWN_AS, Pause, client_known, pausable
from conduit.api.errors import ApiError, Overloaded, TooManyRequests, classify
from conduit.api.network import network_of
from conduit.console import passwords
from conduit.console.live.consumer import login_in
from conduit.streams.gate import Gate, gate_of
from conduit.web.backpressure import at_the_readers_pace
from conduit.web.fair_threads import Caller, FairThreads, Tell
from conduit.web.holding import Holding
from conduit.web.lines import lines_of_keys
from conduit.web.logins import too_many_logins
from conduit.web.refusals import client_of, refused_with
from conduit.web.tracing import traced
from tasks.realtime.connections import secret_in

# Threads that read pieces of files for downloads: a storage that hangs holds up downloads, and nothing else.
FILE_THREADS = 4
READY_PATH = "/health/ready"
_CONSOLE = "/admin/"
# Requests that look at passwords and wait for their turn, of one address; and for how long (seconds): a hash takes some tenths of one.
PASSWORDS_WAITING = 20
PASSWORD_PATIENCE_SECONDS = 10.0
# What a secret is answered that opens nothing, or nothing from there.
_REFUSED = (401, 403)


class OneHopHandler(ASGIHandler):
    """Does all of a request that may block in one hop to one of a few threads that live on, and that callers share.

    Every middleware and view here is synchronous. Django's own handler would make a thread for each request, and go there
    and back four times. It also streams a synchronous body piece by piece, where Django's would read the whole of it into
    memory first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads = FairThreads(settings.WEB_THREADS)
        self._passwords = FairThreads(
            passwords.AT_ONCE, waiting_per_caller=PASSWORDS_WAITING, patience=PASSWORD_PATIENCE_SECONDS, name="password"
        )
        self._holding = Holding()
        self._files = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="files")

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            body_file = await self.read_body(receive)
        except RequestAborted:
            return
        is_for_password = passwords.are_looked_at(scope["method"], scope["path"])
        try:
            response = await self._answer(scope, body_file, self._passwords if is_for_password else self._threads)
        except Exception as error:  # noqa: BLE001 - classify knows what each means, and logs what nobody foresaw
            body_file.close()
            refusal = classify(error).with_traceback(None)  # which holds this frame, that holds it: a circle
            await self._hold(scope, refusal.status)
            refuse = too_many_logins if is_for_password and isinstance(refusal, TooManyRequests | Overloaded) else refused_with(refusal)
            await traced(refuse)(scope, receive, send)
            return
        await self._hold(scope, response.status_code)
        if isinstance(response, StreamingHttpResponse):
            await self._stream(response, gate_of(scope), receive, send)
        else:
            await self.send_response(response, send)

    async def _answer(self, scope: Mapping[str, Any], body_file: Any, threads: FairThreads) -> HttpResponseBase:
        """Done in a thread when it is its turn, and as often as it gives the thread back in order to wait. A request that has begun is
        finished even if its client has gone: it may have been committed."""
        caller, scope = caller_of(scope), pausable(scope)
        async with self._line(scope, caller):
            while True:
                try:
                    return await threads.run(caller, partial(self._respond, scope, body_file))
                except Pause as paused:
                    await asyncio.sleep(paused.seconds)
                    body_file.seek(0)
                    scope = pausable(scope, paused.known)

    async def _hold(self, scope: Mapping[str, Any], status: int) -> None:
        if status in _REFUSED or status == TooManyRequests.status:
            caller = caller_of(scope)
            await self._holding.hold(self._threads.owner_of(caller) or f"address {caller.address}")

    def _line(self, scope: Mapping[str, Any], caller: Caller) -> AbstractAsyncContextManager[None]:
        """Where calls stand that lock their key's row, when it is known whose they are. A secret that nobody knows goes alone anyway."""
        owner = self._threads.owner_of(caller) if _moves_money(scope["method"], scope["path"]) else ""
        return lines_of_keys().turn(owner) if owner else nullcontext()

    def _respond(self, scope: Mapping[str, Any], body_file: Any, known_as: Tell) -> HttpResponseBase:
        """Runs in a thread, with the signals that give database connections back."""

        def tell(owner: str) -> None:
            known_as(owner)
            if owner:
                client_known(scope)

        scope = {**scope, KNOWN_AS: tell}
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body_file)
        try:
            response = self.get_response(request) if request else cast(HttpResponseBase, refusal)
        except Pause:
            close_old_connections()
            raise
        put_on(response)  # on one too that never came as far as the middleware
        if response.status_code in _REFUSED:
            known_as("")
        if response.streaming:
            close_old_connections()  # a client that downloads slowly must not keep one meanwhile
        else:
            response.close()
        return response

    async def _stream(self, response: StreamingHttpResponse, gate: Gate | None, receive: Any, send: Any) -> None:
        """Send until the body ends or the client goes away."""
        if paced_by := getattr(response, "paced_by", None):
            paced_by(gate)  # a stream that lives on the loop, and knows what to do when nobody reads it
        elif not response.is_async:
            pieces = iter(cast(Iterator[bytes], response.streaming_content))
            response.streaming_content = at_the_readers_pace(pieces, gate, self._files)
        sending = asyncio.create_task(self.send_response(response, send))
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await asyncio.to_thread(response.close)

    def create_request(self, scope: Mapping[str, Any], body_file: Any) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """A body that came in chunks has no length in its headers, and would be taken for an empty one."""
        if not any(name == b"content-length" for name, _ in scope["headers"]):
            length = body_file.seek(0, 2)
            body_file.seek(0)
            if length:
                scope = {**scope, "headers": [*scope["headers"], (b"content-length", str(length).encode())]}
        return super().create_request(scope, body_file)


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """The sender of the request, as far as it says so itself."""
    address = network_of(client_of(scope))
    if scope["path"] == READY_PATH:
        # Balancers often have the address of those that they send: what these take must not make us look full.
        return Caller(f"{address} as balancer")
    try:
        shown = login_in(scope)[0] if scope["path"].startswith(_CONSOLE) else secret_in(scope)
    except ApiError:  # none
        return Caller(address)
    return Caller(address, hashlib.sha256(shown.encode()).hexdigest())


def _moves_money(method: str, path: str) -> bool:
    """Whether a call of a key creates, retries or cancels; all of these lock its row. Those that manage lock rows of many."""
    return method in ("POST", "DELETE") and path.startswith("/v1/") and not path.startswith("/v1/admin/") and not path.endswith("/estimate")
