"""The second factor of an account: codes of an authenticator app, and ten recovery codes for when it is lost.

An account has one when it has a confirmed TOTP device. A session has shown it when it holds that device's id: one that began before
the account had it, or before it was renewed, has not. Wrong codes are throttled by django-otp, longer with each, for each of the two
kinds of codes on its own, so that a person who is kept from the one may use the other.
"""

import secrets
from base64 import b32encode
from datetime import datetime
from typing import Any

import segno
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.safestring import SafeString, mark_safe
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from keys import audit

SHOWN_WITH = "second_factor"
RECOVERY_CODES = 10
_APP_DIGITS = 6
# Nothing that is read as something else; 50 bits.
_LETTERS, _CODE_LENGTH = "abcdefghjkmnpqrstuvwxyz23456789", 10


class WrongCode(Exception):
    """It was not the right one."""


class TooSoon(Exception):
    """No code is looked at before that moment, since too many were wrong."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


def with_devices(users: QuerySet[User]) -> QuerySet[User]:
    """Accounts that know the id of their device, so that asking for it costs no query."""
    device = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True).order_by("-pk").values("pk")[:1]
    return users.annotate(**{SHOWN_WITH: Subquery(device)})


def device_id_of(user: User) -> int | None:
    """The id of the device that the account's codes come from. Accounts that a request came with know it already."""
    if hasattr(user, SHOWN_WITH):
        shown: int | None = getattr(user, SHOWN_WITH)
        return shown
    found: int | None = TOTPDevice.objects.filter(user=user, confirmed=True).order_by("-pk").values_list("pk", flat=True).first()
    return found


def is_satisfied(user: User, session: SessionBase) -> bool:
    """Whether everything was shown that is asked for: the second factor if the account has one, or must have one."""
    device = device_id_of(user)
    return settings.CONSOLE_SECOND_FACTOR != "required" if device is None else session.get(SHOWN_WITH) == device


def must_enrol(user: User | AnonymousUser) -> bool:
    """Whether the account has to get one before it sees anything."""
    return isinstance(user, User) and settings.CONSOLE_SECOND_FACTOR == "required" and device_id_of(user) is None


def shown(user: User, session: SessionBase) -> None:
    """Note in the session that the account's second factor was shown with it."""
    session[SHOWN_WITH] = device_id_of(user)


def check(user: User, code: str) -> None:
    """See that it is a code of the account's: of its app now, or one of its recovery codes, which is then used up.

    Raises:
        WrongCode: it is not.
        TooSoon: it was not looked at.
    """
    code = _tidy(code)
    devices: Any = TOTPDevice if len(code) == _APP_DIGITS else StaticDevice
    with transaction.atomic():
        refusal = _refusal(devices.objects.select_for_update().filter(user=user, confirmed=True).order_by("-pk").first(), code)
        if devices is StaticDevice and not refusal:
            audit.record(who=user.get_username(), action="use recovery code", target=user, left=recovery_codes_left(user))
    if refusal:
        raise refusal


def _refusal(device: Any, code: str) -> WrongCode | TooSoon | None:
    """Why that code is not taken. Raised when the transaction is over, in which the device counts what was wrong."""
    if device is None:
        return WrongCode()
    may_try, why = device.verify_is_allowed()
    if not may_try:
        return TooSoon(why["locked_until"])
    return None if device.verify_token(code) else WrongCode()


def _tidy(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()[:16]


# ---- Getting one, and losing it -----------------------------------------------------------------------------------------


def begin(user: User) -> TOTPDevice:
    """The device that is not confirmed yet: the same until it is."""
    return begun(user) or TOTPDevice.objects.create(user=user, confirmed=False, name="authenticator app")


def begun(user: User) -> TOTPDevice | None:
    """The first: a page that was opened twice at once may have begun two."""
    return TOTPDevice.objects.filter(user=user, confirmed=False).order_by("pk").first()


def confirm(user: User, code: str) -> None:
    """Make the device that was begun the account's, in place of a former one. Its codes open the console from then on.

    Raises:
        WrongCode: its app shows another.
        TooSoon: it was not looked at.
    """
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).order_by("pk").first()
        refusal = _refusal(device, _tidy(code))
        if device and not refusal:
            former, _ = TOTPDevice.objects.filter(user=user, confirmed=True).delete()
            TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
            device.confirmed = True
            device.save(update_fields=["confirmed"])
            setattr(user, SHOWN_WITH, device.pk)
            audit.record(action="renew second factor" if former else "set up second factor", target=user)
    if refusal:
        raise refusal


def new_recovery_codes(user: User) -> tuple[StaticDevice, list[str]]:
    """Ten that nobody has seen, in place of the former ones, and what they belong to."""
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH)) for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        StaticDevice.objects.filter(user=user).delete()
        device = StaticDevice.objects.create(user=user, name="recovery codes")
        StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
        audit.record(action="make recovery codes", target=user)
    return device, [f"{code[:5]}-{code[5:]}" for code in codes]


def recovery_codes_left(user: User) -> int:
    return int(StaticToken.objects.filter(device__user=user).count())


def remove(user: User, *, who: str = audit.WHOEVER) -> bool:
    """Let the account's password alone open the console, or, where a second factor is a must, have it set up anew."""
    with transaction.atomic():
        removed, _ = TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        if removed:
            audit.record(who=who, action="remove second factor", target=user)
    setattr(user, SHOWN_WITH, None)
    return bool(removed)


def forget_failures(name: str) -> None:
    """Look at the next code of that account at once, however many were wrong."""
    for devices in (TOTPDevice, StaticDevice):
        devices.objects.filter(user__username=name).update(throttling_failure_count=0, throttling_failure_timestamp=None)


def secret_of(device: TOTPDevice) -> str:
    """As an app takes it by hand, in groups of four."""
    secret = b32encode(device.bin_key).decode()
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def picture_of(device: TOTPDevice) -> SafeString:
    """What an app reads with a camera: an SVG, black on white whatever the page's colours are."""
    return mark_safe(segno.make(device.config_url, error="m").svg_inline(scale=5, border=3, dark="#000", light="#fff"))  # noqa: S308 - ours
