"""Wrong passwords: how many are heard of a name from an address, of an address, and of a name from anywhere.

An attempt is counted before its password is looked at, and taken back when it was right: however many come at once, no more are
heard than may be wrong. One count follows another, over all processes. Counts are forgotten when nothing was added to them for as
long as a lock lasts, and so is a lock itself when it is over.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import F, QuerySet, Sum
from django.http import HttpRequest

from conduit import clock
from conduit.api.network import client_address, network_of
from conduit.console.security import second_factor
from conduit.console.security.models import LastAddress, Lock, LockKind
from conduit.postgresql.one_by_one import one_by_one
from keys import audit

# So many wrong passwords lock.
LIMITS = {LockKind.PAIR: 5, LockKind.ADDRESS: 30, LockKind.NAME: 50}


@dataclass(frozen=True)
class Attempt:
    """Somebody gives a password, or a code, for a name. Of IPv6 the address is the network that one client has."""

    name: str
    address: str


def attempt_of(request: HttpRequest, name: str | None) -> Attempt:
    return Attempt((name or "")[:255], network_of(client_address(request)))


def begin(attempt: Attempt) -> Lock | None:
    """Count it, before anybody looks at what was given; or give the lock because of which nobody will."""
    if lock := _lock_on(attempt, clock.now()):  # an address that is locked out keeps nobody waiting
        return lock
    with one_by_one(AccessAttempt):
        now = clock.now()
        if lock := _lock_on(attempt, now):
            return lock
        forget_old(now)
        _lock_what_is_full(attempt, now)
        if lock := _lock_on(attempt, now):
            return lock
        _add_to_count(attempt, now)
    return None


def failed(attempt: Attempt) -> Lock | None:
    """What was given was wrong: the lock that this was one too many for, if it was."""
    with one_by_one(AccessAttempt):
        now = clock.now()
        _lock_what_is_full(attempt, now)
        return _lock_on(attempt, now)


def take_back(attempt: Attempt) -> None:
    """It was right, or nobody has looked: as if it had not been."""
    with one_by_one(AccessAttempt):
        _counted(LockKind.PAIR, attempt).filter(failures_since_start__gt=0).update(failures_since_start=F("failures_since_start") - 1)


def got_in(attempt: Attempt, user: User) -> None:
    """Everything that was asked for was given: what was wrong before, from there, is forgotten."""
    if not attempt.address:
        return
    with one_by_one(AccessAttempt):
        _counted(LockKind.PAIR, attempt).delete()
        LastAddress.objects.update_or_create(user=user, defaults={"address": attempt.address})


def unlock(locks: QuerySet[Lock], *, who: str) -> int:
    """Hear again what these keep out, as if nothing had been wrong. How many there were."""
    with one_by_one(AccessAttempt):
        found = list(locks)
        for lock in found:
            _counted(LockKind(lock.kind), Attempt(lock.name, lock.address)).delete()
            second_factor.forget_failures(lock.name)
            _record("unlock", lock, who=who)
        Lock.objects.filter(pk__in=[lock.pk for lock in found]).delete()
    return len(found)


def forget_old(now: datetime) -> None:
    """Delete counts and locks that are over."""
    AccessAttempt.objects.filter(attempt_time__lte=now - _span()).delete()
    Lock.objects.filter(until__lte=now).delete()


def _lock_on(attempt: Attempt, now: datetime) -> Lock | None:
    """The one that ends last. A lock of the name does not hold where it last got in."""
    locks = Lock.objects.active(now).on(name=attempt.name, address=attempt.address)
    if LastAddress.objects.filter(user__username=attempt.name, address=attempt.address).exists():
        locks = locks.exclude(kind=LockKind.NAME)
    return locks.order_by("-until").first()


def _lock_what_is_full(attempt: Attempt, now: datetime) -> None:
    for kind, limit in LIMITS.items():
        failures = _counted(kind, attempt).aggregate(sum=Sum("failures_since_start"))["sum"] or 0
        if failures < limit:
            continue
        name, address = ("" if kind == LockKind.ADDRESS else attempt.name), ("" if kind == LockKind.NAME else attempt.address)
        is_known = User.objects.filter(username=name).exists()
        told = {"is_known": is_known, "failures": failures, "began_at": now, "until": now + _span()}
        lock, is_new = Lock.objects.get_or_create(kind=kind, name=name, address=address, defaults=told)
        if is_new:
            _record("lock", lock, who=audit.NOBODY)


def _record(action: str, lock: Lock, *, who: str) -> None:
    """The name is told where an account has it: another may be a password, typed in the wrong field."""
    told = {"kind": lock.kind, "name": lock.name, "address": lock.address, "failures": lock.failures, "until": lock.until}
    if not lock.name or User.objects.filter(username=lock.name).exists():
        audit.record(who=who, action=action, target=lock, **told)
    else:
        audit.record(who=who, action=action, target=audit.target_of(lock), **{**told, "name": ""})


def _counted(kind: LockKind, attempt: Attempt) -> QuerySet[AccessAttempt]:
    """The rows whose counts make up the one that such a lock goes by: there is one for each name and address."""
    rows: QuerySet[AccessAttempt] = AccessAttempt.objects.all()
    if kind != LockKind.ADDRESS:
        rows = rows.filter(username=attempt.name)
    return rows if kind == LockKind.NAME else rows.filter(ip_address=_stored(attempt))


def _add_to_count(attempt: Attempt, now: datetime) -> None:
    rows = _counted(LockKind.PAIR, attempt)
    if not rows.update(failures_since_start=F("failures_since_start") + 1, attempt_time=now):
        AccessAttempt.objects.create(username=attempt.name, ip_address=_stored(attempt), failures_since_start=1)
        rows.update(attempt_time=now)  # it was created by this host's clock


def _stored(attempt: Attempt) -> str | None:
    """As the library's column has it: without the network's size, and nothing where there is no address."""
    return attempt.address.partition("/")[0] or None


def _span() -> timedelta:
    return timedelta(seconds=settings.LOGIN_LOCK_SECONDS)
