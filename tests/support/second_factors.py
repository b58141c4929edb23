"""An authenticator app in a test's hand."""

import time

from django.contrib.auth.models import User
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from conduit.console.security import second_factor


def code_of(device: TOTPDevice, *, steps: int = 0) -> str:
    """What the app shows so many half minutes from now."""
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = time.time() + steps * device.step
    return f"{totp.token():06d}"


def enrolled(user: User) -> tuple[TOTPDevice, list[str]]:
    """Its device, whose present code was used up, and its recovery codes."""
    device = second_factor.begin(user)
    second_factor.confirm(user, code_of(device))
    _, codes = second_factor.new_recovery_codes(user)
    return TOTPDevice.objects.get(user=user), codes
