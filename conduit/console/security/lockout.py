"""What django-axes asks of us at every log-in, and what a person who is locked out reads."""

import math
from typing import Any

from axes.handlers.base import AxesHandler
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from conduit import clock
from conduit.api.network import network_of
from conduit.console.pages import render
from conduit.console.security import attempts
from conduit.console.security.models import Lock


class Handler(AxesHandler):
    """The library's hooks, with the rules of conduit.console.security.attempts."""

    def is_allowed(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        """Counts the attempt, before its password is looked at."""
        _locked_by(request, attempts.begin(_attempt(request, credentials)))
        request.login_is_not_heard = request.axes_locked_out
        return not request.axes_locked_out

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
        if request is not None and not request.axes_locked_out:
            _locked_by(request, attempts.failed(_attempt(request, credentials)))

    def user_logged_in(self, sender: Any, request: Any, user: User, **_: Any) -> None:
        attempts.got_in(attempts.attempt_of(request, user.get_username()), user)

    def reset_attempts(self, *, ip_address: str | None = None, username: str | None = None, ip_or_username: bool = False) -> int:
        """What the library's own commands call."""
        given = {"name": username, "address": ip_address and network_of(ip_address)}
        return attempts.unlock(Lock.objects.filter(**{field: value for field, value in given.items() if value}), who="")

    def post_save_access_attempt(self, instance: Any, **_: Any) -> None:
        pass

    def post_delete_access_attempt(self, instance: Any, **_: Any) -> None:
        pass


def _attempt(request: HttpRequest, credentials: dict[str, Any] | None) -> attempts.Attempt:
    return attempts.attempt_of(request, (credentials or {}).get("username"))


def _locked_by(request: Any, lock: Lock | None) -> None:
    request.axes_locked_out, request.login_lock = lock is not None, lock


def locked_page(request: HttpRequest, answer: HttpResponse | None = None, credentials: Any = None) -> HttpResponse:
    """Says what is locked and until when; whether there is such an account it does not say."""
    lock: Lock = request.login_lock  # type: ignore[attr-defined]
    page = render(request, "admin/locked.html", {"lock": lock}, title="Locked for a while", status=429)
    page.headers["Retry-After"] = str(max(1, math.ceil((lock.until - clock.now()).total_seconds())))
    page.headers["Cache-Control"] = "no-store"
    return page.render()
