"""When a session of the console ends: by itself after so long without use, and after so long in any case.

Both moments are kept in the session. The one of its last use is written once in a while only, so that a page that is read costs no
write; what pages ask for by themselves is no use.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.utils.timesince import timesince

from conduit import clock
from conduit.api.callers import known_as

BEGAN_AT, USED_AT = "began_at", "used_at"
# Of the idle time: so late a session's last use may be written.
_WRITTEN_AFTER = 1 / 30
_CONSOLE = "/admin/"
# What a page asks for without anybody at it.
_ASKED_BY_PAGES = "/admin/live/"


@receiver(user_logged_in, dispatch_uid="conduit.console.security.sessions")
def begin(request: HttpRequest, **_: Any) -> None:
    """Note when the session began, as it is logged in."""
    request.session[BEGAN_AT] = request.session[USED_AT] = clock.now().timestamp()


def why_ended(session: SessionBase) -> str:
    """In words why nobody is logged in with it any more; empty while somebody is."""
    now = clock.now().timestamp()
    if now - session.get(USED_AT, 0) > settings.SESSION_IDLE_SECONDS:
        return f"You were logged out after {_span(settings.SESSION_IDLE_SECONDS)} without use."
    if now - session.get(BEGAN_AT, 0) > settings.SESSION_COOKIE_AGE:
        return f"You were logged out: log in again after {_span(settings.SESSION_COOKIE_AGE)}."
    return ""


def is_logged_in(session_key: str) -> bool:
    """Whether that session, which a browser says is its own, is somebody's. Asks the database."""
    session = SessionStore(session_key)
    return SESSION_KEY in session and not why_ended(session)


def _span(seconds: float) -> str:
    now = clock.now()
    return timesince(now - timedelta(seconds=seconds), now)


class SessionEnds:
    """Middleware: a request with a session that has ended is nobody's, and is told why; else its use is noted."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(_CONSOLE) and SESSION_KEY in request.session:
            self._look_at(request)
        return self.get_response(request)

    @staticmethod
    def _look_at(request: HttpRequest) -> None:
        if why := why_ended(request.session):
            request.session.flush()
            messages.info(request, why)
            return
        known_as(request, f"login {request.session[SESSION_KEY]}")
        if not request.path.startswith(_ASKED_BY_PAGES):
            now = clock.now().timestamp()
            if now - request.session[USED_AT] > settings.SESSION_IDLE_SECONDS * _WRITTEN_AFTER:
                request.session[USED_AT] = now
