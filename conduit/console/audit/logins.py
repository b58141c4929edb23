"""Who logged in, who logged out, and whose password was tried, as rows of the audit."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest

from conduit.api.callers import request_at_hand
from keys import audit

FAILED = "fail to log in"
# The target of a log-in that names no account. What was typed there is not kept: it may be a password, typed in the wrong field.
UNKNOWN = "unknown account"


class LoginForm(AdminAuthenticationForm):
    """Django's own, which tells nobody of a right password that opens nothing here."""

    def confirm_login_allowed(self, user: User) -> None:
        try:
            super().confirm_login_allowed(user)
        except ValidationError:
            audit.record(who=audit.NOBODY, action=FAILED, target=user, because="the account may not enter the console")
            raise


@receiver(user_logged_in)
def _logged_in(*, user: Any, **_: Any) -> None:
    if request_at_hand():  # else a test gave somebody a session
        audit.record(action="log in", target=user)


@receiver(user_logged_out)
def _logged_out(*, user: Any, **_: Any) -> None:
    if user and request_at_hand():  # no user: a session that had ended by then
        audit.record(action="log out", target=user)


@receiver(user_login_failed)
def _failed(*, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """One row whether there is such an account or not, so that the time it takes tells neither.

    None while a lock keeps it from being looked at: the lock has its row, and further tries must not fill the audit.
    """
    if getattr(request, "login_is_not_heard", False):
        return
    users = get_user_model()
    account = users._default_manager.filter(**{users.USERNAME_FIELD: str(credentials.get("username", ""))[:150]}).first()
    audit.record(who=audit.NOBODY, action=FAILED, target=account or UNKNOWN)
