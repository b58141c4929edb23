"""The second factor of the person who is logged in: setting it up, seeing it, renewing it, switching it off."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice

from conduit.console import new_secrets
from conduit.console.pages import account, page, render
from conduit.console.security import second_factor
from conduit.console.security.entry import may_enter
from conduit.console.security.login import CodeForm, too_soon


@page("second-factor/", name="second-factor")
def second_factor_page(request: HttpRequest) -> HttpResponseBase:
    """Each of its forms asks for a code: of the device that is being set up, or of the one that there is."""
    user = account(request)
    form = CodeForm(request.POST or None)
    done = _DOES.get(request.POST.get("do", ""))
    if request.method == "POST" and done and form.is_valid():
        try:
            return done(request, user, form.cleaned_data["code"])
        except second_factor.WrongCode:
            form.add_error("code", "This is not the code. Give the one that the app shows now.")
        except second_factor.TooSoon as refusal:
            form.add_error("code", too_soon(refusal.until))
    has_one = second_factor.device_id_of(user) is not None
    device = second_factor.begun(user) if has_one else second_factor.begin(user)
    context: dict[str, Any] = {"form": form, "has_one": has_one, "left": second_factor.recovery_codes_left(user), **_standing(request)}
    if device:
        context |= {"picture": second_factor.picture_of(device), "secret": second_factor.secret_of(device)}
    return _never_kept(render(request, "console/security/second_factor.html", context, title="Your second factor"))


@page("second-factor/codes/", name="second-factor-codes")
def recovery_codes_page(request: HttpRequest) -> HttpResponseBase:
    """The recovery codes that were just made: for ten minutes, in the session in which they were made alone."""
    device = StaticDevice.objects.filter(user=account(request)).first()
    waiting = new_secrets.newest(request.session, device) if device else None
    context = {"codes": waiting.secret.split() if waiting else [], "until": waiting and waiting.until, **_standing(request)}
    return _never_kept(render(request, "console/security/recovery_codes.html", context, title="Your recovery codes"))


def _confirm(request: HttpRequest, user: User, code: str) -> HttpResponseBase:
    second_factor.confirm(user, code)
    second_factor.shown(user, request.session)
    request.session.cycle_key()
    return _show_new_codes(request, user)


def _renew(request: HttpRequest, user: User, code: str) -> HttpResponseBase:
    second_factor.check(user, code)
    second_factor.begin(user)
    return HttpResponseRedirect(reverse("admin:second-factor"))


def _make_codes(request: HttpRequest, user: User, code: str) -> HttpResponseBase:
    second_factor.check(user, code)
    return _show_new_codes(request, user)


def _switch_off(request: HttpRequest, user: User, code: str) -> HttpResponseBase:
    if settings.CONSOLE_SECOND_FACTOR == "required":
        raise PermissionDenied
    second_factor.check(user, code)
    second_factor.remove(user)
    messages.success(request, "Your second factor is off: your password alone opens the console.")
    return HttpResponseRedirect(reverse("admin:second-factor"))


_DOES: dict[str, Callable[[HttpRequest, User, str], HttpResponseBase]] = {
    "confirm": _confirm,
    "renew": _renew,
    "codes": _make_codes,
    "off": _switch_off,
}


def _show_new_codes(request: HttpRequest, user: User) -> HttpResponseBase:
    device, codes = second_factor.new_recovery_codes(user)
    new_secrets.keep(request.session, device, " ".join(codes))
    return HttpResponseRedirect(reverse("admin:second-factor-codes"))


def _standing(request: HttpRequest) -> dict[str, Any]:
    """What the templates ask: a person who has to set it up sees nothing of the console beside it."""
    return {"is_a_must": settings.CONSOLE_SECOND_FACTOR == "required", "has_permission": may_enter(account(request), request.session)}


def _never_kept(answer: HttpResponseBase) -> HttpResponseBase:
    answer.headers["Cache-Control"] = "no-store"
    return answer
