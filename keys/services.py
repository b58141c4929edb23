"""The life of a key: made, changed, rotated, deleted, and found by its secret."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from conduit import clock
from conduit.api.errors import Conflict, Forbidden, NotFound
from keys import audit, budget_owners
from keys.models import KeySecret, ManagementKey, Team, VirtualKey

SECRET_PREFIX = "condt_"  # noqa: S105 - the public start of every secret
MANAGEMENT_PREFIX = "condt_admin_"
# How long the old secret works beside the new one, unless the caller says otherwise.
GRACE = timedelta(hours=24)
GRACE_MAX = timedelta(days=30)
# Secrets of a key that work at once: rotations with grace add up, and each opens everything.
SECRETS_MAX = 10
# Secrets that have ended are kept so far, so that a client that still sends one is told that it ended; older ones are unknown.
_ENDED_KEPT = 20
# Characters of a secret that are kept to tell it from others.
_SHOWN = 12
_SHOWN_MANAGEMENT = 18


def hash_secret(secret: str) -> str:
    """SHA-256 in hex. The secret is 256 random bits: nothing to guess, so a slow hash would only slow each request."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create_key(
    *,
    name: str,
    expires_at: datetime | None = None,
    team: Team | None = None,
    budgets: Sequence[Mapping[str, Any]] = (),
    who: str = "",
    **limits: Any,
) -> tuple[VirtualKey, str]:
    """A new key and its secret, which exists nowhere else. `limits` are VirtualKey's fields; `budgets` as in budget_owners.set_budgets."""
    with transaction.atomic():
        budget_owners.lock_joined(team)
        key = VirtualKey.objects.create(name=name, expires_at=expires_at, team=team, **limits)
        audit.record(who=who, action="create", target=key, name=name, expires_at=expires_at, team=team, **limits)
        secret = _add_secret(key)
        budget_owners.set_budgets(key, budgets, who=who)
    return key, secret


def change_key(key: VirtualKey, *, who: str, **fields: Any) -> None:
    """Write what differs, with what it was before.

    Raises:
        Conflict: the key was deleted.
        InvalidRequest: the team that it shall join was deleted.
    """
    with transaction.atomic():
        _lock_living(key)
        budget_owners.lock_joined(fields.get("team"))
        budget_owners.change(key, who=who, **fields)


def rotate_key(key: VirtualKey, *, who: str, grace: timedelta = GRACE, replacing: str | None = None) -> str:
    """A new secret for the key; every older one works until `grace` is over, or its own end if that comes first.

    `replacing`: what the secret begins with that is the newest that the caller knows of. So a form that is sent twice rotates once.

    Raises:
        Conflict: the key was deleted, was rotated meanwhile, or has as many secrets as may work at once.
    """
    with transaction.atomic():
        # Two rotations at once must not leave two secrets without an end.
        _lock_living(key)
        _check_newest(replacing, getattr(key.secrets.first(), "prefix", ""))
        now = clock.now()
        end = now + grace
        key.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=end)).update(expires_at=end)
        _check_room(key, now)
        ended = key.secrets.filter(expires_at__lte=now).order_by("-expires_at", "-pk").values_list("pk", flat=True)
        key.secrets.filter(pk__in=list(ended[_ENDED_KEPT:])).delete()
        audit.record(who=who, action="rotate", target=key, old_secrets_end_at=end)
        return _add_secret(key)


def delete_key(key: VirtualKey, *, who: str) -> None:
    """Refuse the key from now on, for good. Its tasks, costs and audit stay; again changes nothing."""
    with transaction.atomic():
        now = clock.now()
        if VirtualKey.objects.filter(pk=key.pk, deleted_at=None).update(deleted_at=now):
            key.deleted_at = now
            audit.record(who=who, action="delete", target=key, name=key.name)


def create_management_key(*, name: str, who: str, **bounds: Any) -> tuple[ManagementKey, str]:
    """A new management key and its secret, which exists nowhere else. `bounds` are ManagementKey's fields."""
    secret = _new_management_secret()
    with transaction.atomic():
        key = ManagementKey.objects.create(name=name, prefix=secret[:_SHOWN_MANAGEMENT], secret_hash=hash_secret(secret), **bounds)
        audit.record(who=who, action="create", target=key, name=name, **bounds)
    return key, secret


def rotate_management_key(
    key: ManagementKey, *, who: str, grace: timedelta = GRACE, by_secret: str = "", replacing: str | None = None
) -> str:
    """A new secret for the key; the one before works until `grace` is over, and any older one no more.

    `by_secret`: the secret that asks, when a program does. One that was replaced may have been replaced because others know it.
    `replacing`: as in rotate_key.

    Raises:
        Forbidden: that secret is not the newest.
        Conflict: it was rotated meanwhile.
        NotFound: the key was deleted meanwhile.
    """
    secret = _new_management_secret()
    with transaction.atomic():
        locked = ManagementKey.objects.select_for_update(no_key=True).filter(pk=key.pk).first()
        if locked is None:
            raise NotFound("This was deleted meanwhile.")
        if by_secret and hash_secret(by_secret) != locked.secret_hash:
            raise Forbidden("This secret was replaced: rotate the key with the newer one, or have an administrator do it.")
        _check_newest(replacing, locked.prefix)
        key.old_secret_hash, key.old_secret_ends_at = locked.secret_hash, clock.now() + grace
        key.prefix, key.secret_hash = secret[:_SHOWN_MANAGEMENT], hash_secret(secret)
        key.save(update_fields=["old_secret_hash", "old_secret_ends_at", "prefix", "secret_hash"])
        audit.record(who=who, action="rotate", target=key, old_secret_ends_at=key.old_secret_ends_at)
    return secret


def find_management_key(secret: str) -> ManagementKey | None:
    """The key of that secret, usable or not, in one query; of one that was rotated away, until its grace time is over."""
    hashed = hash_secret(secret)
    in_its_grace_time = Q(old_secret_hash=hashed, old_secret_ends_at__gt=clock.now())
    return ManagementKey.objects.filter(Q(secret_hash=hashed) | in_its_grace_time).first()


def _new_management_secret() -> str:
    return MANAGEMENT_PREFIX + secrets.token_urlsafe(32)


def _lock_living(key: VirtualKey) -> None:
    """Make others that change the key wait; raises Conflict when it was deleted meanwhile."""
    deleted_at = VirtualKey.objects.select_for_update(no_key=True).values_list("deleted_at", flat=True).get(pk=key.pk)
    if deleted_at:
        raise Conflict(f"This key was deleted on {deleted_at:%Y-%m-%d %H:%M} UTC, for good. Make a new one.")


def _check_newest(seen: str | None, newest: str) -> None:
    if seen is not None and seen != newest:
        raise Conflict(f"This key was rotated meanwhile: its newest secret begins with {newest}. Rotate it again if that was not you.")


def _check_room(key: VirtualKey, now: datetime) -> None:
    ends = list(key.secrets.filter(expires_at__gt=now).order_by("expires_at").values_list("expires_at", flat=True))
    if len(ends) >= SECRETS_MAX:
        raise Conflict(
            f"{len(ends)} secrets of this key still work, and no more may. Rotate it without a grace time, which ends them all now, "
            f"or after {ends[0]:%Y-%m-%d %H:%M} UTC, when the first of them ends."
        )


def _add_secret(key: VirtualKey) -> str:
    secret = SECRET_PREFIX + secrets.token_urlsafe(32)
    KeySecret.objects.create(key=key, prefix=secret[:_SHOWN], secret_hash=hash_secret(secret))
    return secret


def find_secret(secret: str) -> KeySecret | None:
    """The row of that secret with its key and team, usable or not: one query for right, wrong and disabled ones alike."""
    return KeySecret.objects.filter(secret_hash=hash_secret(secret)).select_related("key__team").first()


def find_key(secret: str) -> VirtualKey | None:
    """The key of that secret, enabled or not; None when nobody has it (any more)."""
    found = find_secret(secret)
    return found.key if found and not ended(found) and not found.key.deleted_at else None


def ended(secret: KeySecret) -> bool:
    """Whether it was rotated away and its grace time is over."""
    return secret.expires_at is not None and secret.expires_at <= clock.now()
