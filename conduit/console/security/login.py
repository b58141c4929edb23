"""Logging in: the password first, then the code where the account has a second factor."""

from datetime import datetime
from typing import Any, cast

from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME, login
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.contrib.auth.views import LoginView
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from conduit import clock
from conduit.console.audit.logins import LoginForm
from conduit.console.moments import time_of_day
from conduit.console.pages import render
from conduit.console.security import attempts, second_factor
from conduit.console.security.lockout import locked_page

# After the right password a person has so long for the code, in seconds.
CODE_SECONDS = 300
_WAITING = "waits_for_code"
_BACKEND = "conduit.console.security.backends.Accounts"


class PasswordStep(LoginView):
    """Django's own; a person with a second factor is then asked for it, and is not logged in before."""

    next_page = "admin:index"

    def form_valid(self, form: Any) -> HttpResponse:
        user: User = form.get_user()
        if second_factor.device_id_of(user) is None:
            return super().form_valid(form)
        attempts.take_back(attempts.attempt_of(self.request, user.get_username()))
        _ask_for_code(self.request.session, user, self.get_success_url())
        return HttpResponseRedirect(reverse("admin:login-code"))


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=32,
        label="Code",
        help_text="The six digits that your authenticator app shows, or one of your recovery codes.",
        widget=forms.TextInput({"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false", "autocapitalize": "none"}),
    )


def code_step(request: HttpRequest) -> HttpResponseBase:
    """The page that asks for the code, after the right password."""
    found = _who_waits(request.session)
    if found is None:
        return HttpResponseRedirect(reverse("admin:login"))
    user, leads_to = found
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        credentials = {"username": user.get_username()}
        if not AxesProxyHandler.is_allowed(request, credentials):
            return locked_page(request)
        try:
            second_factor.check(user, form.cleaned_data["code"])
            return _logged_in(request, user, leads_to)
        except second_factor.WrongCode:
            user_login_failed.send(sender=__name__, credentials=credentials, request=request)  # counted, and a lock may come of it
            form.add_error("code", "This is not the code. Give the one that the app shows now, or a recovery code that you have not used.")
        except second_factor.TooSoon as refusal:
            attempts.take_back(attempts.attempt_of(request, user.get_username()))
            form.add_error("code", too_soon(refusal.until))
    return render(request, "console/security/code.html", {"form": form, "account": user}, title="Second factor")


def too_soon(until: datetime) -> str:
    return f"Too many codes were wrong: this one was not looked at. The next is from {time_of_day(until)} on."


def _ask_for_code(session: SessionBase, user: User, leads_to: str) -> None:
    session.cycle_key()
    session[_WAITING] = {"user": user.pk, "hash": user.get_session_auth_hash(), "since": clock.now().timestamp(), "leads_to": leads_to}


def _who_waits(session: SessionBase) -> tuple[User, str] | None:
    """The account whose password was right a moment ago and still is its own, and where it wants to go."""
    waiting = session.get(_WAITING)
    if not waiting or clock.now().timestamp() - waiting["since"] > CODE_SECONDS:
        return None
    user = User.objects.filter(pk=waiting["user"], is_active=True).first()
    return (user, waiting["leads_to"]) if user and user.get_session_auth_hash() == waiting["hash"] else None


def _logged_in(request: HttpRequest, user: User, leads_to: str) -> HttpResponse:
    login(request, user, backend=_BACKEND)
    request.session.pop(_WAITING, None)
    second_factor.shown(user, request.session)
    if not url_has_allowed_host_and_scheme(leads_to, allowed_hosts={request.get_host()}):
        leads_to = reverse("admin:index")
    return HttpResponseRedirect(leads_to)


def password_step(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The login page, as Django's admin shows it."""
    site = admin.site
    context = {**site.each_context(request), "title": "Log in", "subtitle": None, "app_path": request.get_full_path(), **context}
    if REDIRECT_FIELD_NAME not in (request.GET | request.POST):
        context[REDIRECT_FIELD_NAME] = reverse("admin:index")
    view = PasswordStep.as_view(extra_context=context, authentication_form=LoginForm, template_name="admin/login.html")
    return cast(HttpResponse, view(request))
