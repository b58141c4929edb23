"""Log-ins of the console: no more at once than passwords are looked at at once. The rest wait a little, and then see a page."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from conduit.api.network import network_of
from conduit.api.policy import HEADER
from conduit.api.turns import Turns
from conduit.console.passwords import AT_ONCE, TooManyLogins, too_many_logins_page
from conduit.console.security.policy import page_policy
from conduit.web.fair_threads import CALLER, Caller
from conduit.web.refusals import Application, client_of
from conduit.web.tracing import traced

# How long one waits for its turn, in seconds, give or take a half: those who come together are not refused together. It costs no
# thread; and who tries passwords one after the other, tries few.
PATIENCE_SECONDS = 1.0
# More than wait at once, of one address and of all, get no turn.
WAITING_OF_ADDRESS, WAITING_MAX = 20, 100
# So many of those hear of it as late as if they had waited: told at once, a program that tries passwords comes again at once, some
# hundred times a second.
HELD_MAX = 100
# Whose a log-in is while it has its turn: whoever fills the threads of an address does not keep it from ending.
_OURS = Caller("log-ins")


class LoginTurns:
    """The application of the login form, for AT_ONCE posts at once, one of each address. Belongs to one event loop."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._refuse = traced(_refuse)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._own_turns = Turns(1)
        self._waiting = self._held = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["method"] != "POST":
            await self._application(scope, receive, send)
            return
        async with AsyncExitStack() as turn:
            if await self._has_turn(turn, network_of(client_of(scope))):
                await self._application({**scope, CALLER: _OURS}, receive, send)
                return
        await self._refuse(scope, receive, send)

    async def _has_turn(self, turn: AsyncExitStack, address: str) -> bool:
        patience = PATIENCE_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        if self._waiting >= WAITING_MAX or self._own_turns.wanted(address) > WAITING_OF_ADDRESS:
            await self._hold(patience)
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(patience):
                await turn.enter_async_context(self._own_turns.of(address))
                await turn.enter_async_context(self._turns)
                return True
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1

    async def _hold(self, patience: float) -> None:
        if self._held < HELD_MAX:
            self._held += 1
            try:
                await asyncio.sleep(patience)
            finally:
                self._held -= 1


async def _refuse(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    error, page = TooManyLogins(), too_many_logins_page().encode()
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page)), "Cache-Control": "no-store", **error.headers}
    headers[HEADER] = page_policy()
    given = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": given})
    await send({"type": "http.response.body", "body": page})
