"""Accounts of the console, behind the count of wrong passwords (axes, first in AUTHENTICATION_BACKENDS)."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

from conduit.console.passwords import TooManyLogins
from conduit.console.security import attempts, second_factor


class Accounts(ModelBackend):
    """Django's own. A password that nobody looked at, because too many came at once, does not count as a wrong one."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **rest: Any
    ) -> User | None:
        try:
            return super().authenticate(request, username=username, password=password, **rest)
        except TooManyLogins:
            if request:
                attempts.take_back(attempts.attempt_of(request, username))
            raise

    def get_user(self, user_id: int) -> User | None:
        """With the device of its second factor, so that asking for it costs no query."""
        user = second_factor.with_devices(User.objects.filter(pk=user_id)).first()
        return user if user and self.user_can_authenticate(user) else None
