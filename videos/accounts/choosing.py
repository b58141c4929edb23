"""Which account a clip is ordered with: of those that may make it and have room, by weight."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.conf import settings

from conduit import clock
from keys import known_models
from tasks.models import Task
from videos.account_models import AccountState, ProviderAccount
from videos.accounts import breakers, pace, plans, spending
from videos.minimax import errors
from videos.minimax.account import provider_at
from videos.minimax.errors import Blame, Cause, MiniMaxError
from videos.models import Clip
from videos.queue_models import QueuedCreate

log = structlog.get_logger(__name__)

# What hinders every account is told by the first of these: what passes by itself before what somebody has to do.
_FIRST = (errors.RATE, errors.UNREACHABLE, errors.QUOTA, errors.ACCOUNT, errors.NO_KEY, errors.NO_ACCOUNT)
_ASIDE = {Blame.ACCOUNT_KEY: errors.ACCOUNT, Blame.ACCOUNT_BALANCE: errors.QUOTA, Blame.PROVIDER: errors.UNREACHABLE}


@dataclass(frozen=True)
class Hindrance:
    """Why an account takes no order now, and until when; None: until somebody changes that."""

    cause: Cause
    until: datetime | None = None


class NoRoom(Exception):
    """No account takes the clip now: `error` says why as a call would, and `until` when to look again, where that is known."""

    def __init__(self, hindrance: Hindrance, until: datetime | None) -> None:
        super().__init__(hindrance)
        self.error = MiniMaxError(*hindrance.cause)
        self.until = until

    @property
    def passes(self) -> bool:
        """Whether it is the pace alone, or that others come before it: what a line is for."""
        return self.error.blame is Blame.RATE


class Taken(Exception):
    """The room that an account had is another's by now: nothing was written."""


def choose(task: Task, clip: Clip, order: Callable[[ProviderAccount], None], *, called: QueuedCreate | None = None) -> ProviderAccount:
    """Have `order` write that the clip is ordered with an account; that account.

    It is called with one after the other that seems to have room, until one still has (it calls `take`, and lets Taken pass).
    `called`: its turn has come, in the line where others stand.

    Raises:
        NoRoom: none has, or it is others' turn.
    """
    now, found = clock.now(), _candidates(task, clip)
    hindrances = _hindrances(found, clip, now)
    free = by_weight([account for account in found if account.pk not in hindrances])
    if called is None and free and all(account.is_bounded for account in free) and QueuedCreate.objects.filter(api=clip.api).exists():
        raise NoRoom(Hindrance(errors.RATE), now)
    # An account that may be tried is tried before others are used: a task that goes on with those would never find it well again.
    for account in sorted(free, key=lambda account: (not account.cause, called is None or account.pk != called.account_id)):
        is_wanting = (account.cause and not _passes_trial(account, now)) or not plans.may_try(account, clip.upstream, now)
        if is_wanting:
            hindrances |= _hindrances([_fresh(account)], clip, now)
            continue
        try:
            order(account)
        except Taken:
            log.info("another order took the account's room", account=account.name)
            hindrances |= _hindrances([_fresh(account)], clip, now) or {account.pk: Hindrance(errors.RATE, now)}
        else:
            return account
    raise _no_room(hindrances)


def take(account: ProviderAccount, clip: Clip, now: datetime) -> None:
    """Take a place and a turn of the account's; belongs into the transaction that stores the intent, before the clip is written.

    Raises:
        Taken: others were quicker.
    """
    if not account.is_bounded:
        return
    # Others that order with it meanwhile wait, so that no two take the last place.
    row = ProviderAccount.objects.select_for_update(no_key=True).filter(pk=account.pk).first()
    if row is None or row.state != AccountState.ON:
        raise Taken
    if account.is_on_trial:
        row.tries_at = None  # it is this very order that tries it
    row.refused_models.pop(clip.upstream, None)  # or the model
    if _hindrances([row], clip, now):
        raise Taken
    ProviderAccount.objects.filter(pk=row.pk).update(next_create_at=pace.after_order(row, now))


def elsewhere(task: Task, clip: Clip, *, than: ProviderAccount) -> bool:
    """Whether another account takes the clip now."""
    others = [account for account in _candidates(task, clip) if account.pk != than.pk]
    return len(_hindrances(others, clip, clock.now())) < len(others)


def when(task: Task, clip: Clip) -> datetime | None:
    """When to look for an account again, where that is known."""
    found = _candidates(task, clip)
    hindrances = _hindrances(found, clip, clock.now())
    return _no_room(hindrances).until if len(hindrances) == len(found) else None


def _passes_trial(account: ProviderAccount, now: datetime) -> bool:
    """Whether an account that was set aside may be ordered with once: this process is the one that tries it, and its test finds nothing."""
    if not breakers.claim_trial(account, now):
        return False
    try:
        provider_at(account.address, account.key, api=account.api).test()
    except MiniMaxError as error:
        breakers.failed(account, error, ordering=False)
        return False
    return True


def _fresh(account: ProviderAccount) -> ProviderAccount:
    return ProviderAccount.objects.get(pk=account.pk)


def _candidates(task: Task, clip: Clip) -> list[ProviderAccount]:
    """Those that are on and may make the clip."""
    names = {task.model, *known_models.names_of(task.model)}
    found = ProviderAccount.objects.filter(kind=f"minimax_{clip.api}", state=AccountState.ON)
    return [account for account in found if account.may_make(names) and account.may_take(clip.roles)]


def by_weight(accounts: Collection[ProviderAccount]) -> list[ProviderAccount]:
    """In an order of chance in which each is first as often as its weight says."""
    return sorted(accounts, key=lambda account: random.expovariate(account.weight))


def _hindrances(accounts: Sequence[ProviderAccount], clip: Clip, now: datetime) -> dict[int, Hindrance]:
    return hindrances_of(accounts, now, upstream=clip.upstream, cost=clip.cost)


def hindrances_of(
    accounts: Sequence[ProviderAccount], now: datetime, *, upstream: str = "", cost: Decimal = Decimal(0)
) -> dict[int, Hindrance]:
    """Of those that take no order of that model at MiniMax, and cost (USD), now, why, by id. Four queries at most, and none for accounts
    without limits."""
    bounded = [account.pk for account in accounts if account.jobs_in_flight]
    in_flight = spending.in_flight(bounded, now) if bounded else {}
    limited = [account.pk for account in accounts if account.monthly_limit is not None]
    spent = spending.spent(limited, now) if limited else {}
    found: dict[int, Hindrance] = {}
    for account in accounts:
        pk = account.pk
        if (until := plans.refused_until(account, upstream)) and until > now and not _is_aside(account, now):
            found[pk] = Hindrance(errors.ACCOUNT, until)
        elif hindrance := _hindrance(account, cost, now, in_flight.get(pk, 0), spent.get(pk, Decimal(0))):
            found[pk] = hindrance
    return found


def _is_aside(account: ProviderAccount, now: datetime) -> bool:
    return bool(not account.key or (account.cause and account.tries_at and account.tries_at > now))


def _hindrance(account: ProviderAccount, cost: Decimal, now: datetime, in_flight: int, spent: Decimal) -> Hindrance | None:
    if not account.key:
        return Hindrance(errors.NO_KEY)
    if account.cause and account.tries_at and account.tries_at > now:
        return Hindrance(_ASIDE[Blame(account.cause)], account.tries_at)
    if account.monthly_limit is not None and spent + cost > account.monthly_limit:
        return Hindrance(errors.QUOTA)
    if account.jobs_in_flight and in_flight >= account.jobs_in_flight:
        return Hindrance(errors.RATE, now + timedelta(seconds=settings.MINIMAX_POLL_SECONDS))
    if account.next_create_at and account.next_create_at > now:
        return Hindrance(errors.RATE, account.next_create_at)
    return None


def _no_room(hindrances: dict[int, Hindrance]) -> NoRoom:
    found = sorted(hindrances.values(), key=lambda hindrance: _FIRST.index(hindrance.cause))
    if not found:
        return NoRoom(Hindrance(errors.NO_ACCOUNT), None)
    return NoRoom(found[0], min((hindrance.until for hindrance in found if hindrance.until), default=None))
