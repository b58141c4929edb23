"""Which ASGI application answers what."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from conduit.api.callers import CLIENT_KNOWN
from conduit.api.errors import ApiError
from conduit.web.backpressure import with_gate
from conduit.web.knocking import check_knock, note_good
from conduit.web.refusals import Application, refused_with
from conduit.web.targets import with_one_path
from conduit.web.tracing import traced


class Router:
    """The root application: each path's own, or the one for all others of that protocol. Counts what is under way."""

    def __init__(
        self,
        *,
        http: Application,
        websocket: Application,
        paths: Mapping[str, Mapping[str, Application]],
        known: Callable[[Any], None] = lambda send: None,
    ) -> None:
        """`paths`: by protocol, applications by the path that they and what is below it belong to; a path that ends in `$` is
        one alone. `known` is told the `send` of a client that has shown who it is."""
        self._known = known
        self._others = {"http": http, "websocket": websocket}
        self._paths = paths
        self.under_way = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.under_way += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self.under_way -= 1

    async def _answer(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            asked = with_one_path(scope)
            scope = with_gate(asked, send)
            # Not with the scope that holds it: each request would be a circle, for the garbage collection to find.
            scope[CLIENT_KNOWN] = partial(self._is_known, asyncio.get_running_loop(), asked, send)
            application = self._application(scope)
            await check_knock(scope)
        except ApiError as error:
            application = traced(refused_with(error))
        await application(scope, receive, send)

    def _is_known(self, loop: asyncio.AbstractEventLoop, scope: Mapping[str, Any], send: Any) -> None:
        self._known(send)
        note_good(loop, scope)

    def _application(self, scope: Mapping[str, Any]) -> Application:
        path, paths = scope["path"], self._paths.get(scope["type"], {})
        if alone := paths.get(f"{path}$"):
            return alone
        for root, application in paths.items():
            if path == root or path.startswith(f"{root}/"):
                return application
        return self._others[scope["type"]]
