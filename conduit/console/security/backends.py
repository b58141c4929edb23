"""Accounts of the console, behind the count of wrong passwords (axes, first in AUTHENTICATION_BACKENDS)."""

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User

from conduit.console.security import second_factor


class Accounts(ModelBackend):
    """Django's own."""

    def get_user(self, user_id: int) -> User | None:
        """With the device of its second factor, so that asking for it costs no query."""
        user = second_factor.with_devices(User.objects.filter(pk=user_id)).first()
        return user if user and self.user_can_authenticate(user) else None
