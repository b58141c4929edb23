"""What becomes of an account by how MiniMax answers: a breaker of its own for each, by cause.

A wrong key, an empty balance, and errors or silence again and again set it aside: nothing is ordered with it, others take over. From
time to time one waiting task tries it: first its test, which costs nothing, then its own order; an answer that is one ends it. Rates
set nothing aside: they slow everybody's orders down (videos.accounts.pace), or everybody's questions (videos.accounts.asking). A model
that the account's plan does not have is set aside alone (videos.accounts.plans). What is the caller's or the policy's doing, or unknown, is
no matter of the account's. A process that is killed leaves no more than a trial that is tried again later.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction

from conduit import clock
from tasks.insisting import AWAY
from tasks.models import Task
from videos.account_models import ProviderAccount
from videos.accounts import asking, pace, plans
from videos.minimax.errors import Blame, MiniMaxError
from videos.minimax.exchanges import TEXT_MAX
from videos.stages import Stage
from videos.waiting import growing_pause

log = structlog.get_logger(__name__)

# So many calls in a row that had no answer, or an error of MiniMax's own, are no single bad answers any more.
FAILURES_MAX = 5
# What waits for an account, by what it was set aside for.
_WAIT_IN = {
    Blame.ACCOUNT_KEY: Stage.WAITING_FOR_PROVIDER_KEY,
    Blame.ACCOUNT_BALANCE: Stage.WAITING_FOR_PROVIDER_BALANCE,
    Blame.PROVIDER: Stage.WAITING_FOR_PROVIDER,
}


def failed(account: ProviderAccount, error: MiniMaxError, *, ordering: bool, upstream: str = "") -> None:
    """A call with the account came to nothing. `account` as it was when the call began; `ordering`: something was ordered with it, of
    that model of MiniMax's."""
    match error.blame:
        case Blame.ACCOUNT_KEY if upstream and error.provider_code == plans.NOT_IN_PLAN:
            _change(account, lambda row, now: plans.refused(row, upstream, error, now))
        case Blame.CALLER | Blame.POLICY:
            answered(account, ordering=ordering)
        case Blame.RATE if ordering:
            _change(account, lambda row, now: pace.refused(row, error, now))
        case Blame.RATE:
            _change(account, lambda row, now: asking.slow_down(row, now))
        case Blame.ACCOUNT_KEY | Blame.ACCOUNT_BALANCE:
            _change(account, lambda row, now: _set_aside(row, error, now, is_trial=account.is_on_trial))
        case Blame.PROVIDER:
            _change(account, lambda row, now: _count(row, error, now, ordering=ordering, is_trial=account.is_on_trial))


def answered(account: ProviderAccount, *, ordering: bool, upstream: str = "") -> None:
    """A call with the account was answered as one that is well answers it. Writes only where there was trouble when it began."""
    if upstream in account.refused_models:
        _change(account, lambda row, now: plans.accepted(row, upstream))
    if not (account.cause or account.failed_orders or account.failed_reads or account.refusals):
        return
    cause = account.cause
    if _change(account, lambda row, now: _recover(row, ordering=ordering)) and cause:
        log.info("account is well again", account=account.name, cause=cause)
        wake(cause)


def claim_trial(account: ProviderAccount, now: datetime) -> bool:
    """Whether the caller is the one that tries an account that was set aside: nobody else does for as long as a step may take."""
    claimed = ProviderAccount.objects.filter(pk=account.pk, cause=account.cause, tries_at=account.tries_at)
    account.is_on_trial = bool(claimed.update(tries_at=now + timedelta(seconds=settings.LEASE_SECONDS)))
    return account.is_on_trial


def try_now(account: ProviderAccount) -> None:
    """Have a waiting task try an account that was set aside without waiting longer."""
    ProviderAccount.objects.filter(pk=account.pk).exclude(cause="").update(tries_at=clock.now())
    wake(account.cause)


def wake(*causes: str) -> None:
    """Have tasks that wait for an account look for one now. What is lost here comes a minute later."""
    stages = [_WAIT_IN[Blame(cause)] for cause in causes]
    now = clock.now()
    with suppress(*AWAY):
        Task.objects.active().unleased(now).filter(stage__in=stages, next_step_at__gt=now).update(next_step_at=now)


def _change(account: ProviderAccount, change: Callable[[ProviderAccount, datetime], list[str]]) -> bool:
    """Have `change` change the row and name the fields, which are written. While the database is away nothing is: the next call tells."""
    with suppress(*AWAY), transaction.atomic():
        row = ProviderAccount.objects.select_for_update(no_key=True).filter(pk=account.pk).first()
        # What a key or an address was told that it has no more says nothing of those that it has.
        if row is None or (row.sealed_secret, row.base_url) != (account.sealed_secret, account.base_url):
            return False
        fields = change(row, clock.now())
        if fields:
            row.save(update_fields=fields)
        return bool(fields)
    return False


def _set_aside(row: ProviderAccount, error: MiniMaxError, now: datetime, *, is_trial: bool) -> list[str]:
    if row.cause == error.blame and not is_trial:
        return []
    if row.cause != error.blame:
        row.cause, row.since, row.tries = error.blame, now, 0
        log.error("account set aside", account=row.name, cause=row.cause, code=error.provider_code)
    row.code, row.said = error.provider_code, (error.said or error.message)[:TEXT_MAX]
    row.tries = min(row.tries + 1, 1000)
    row.tries_at = now + growing_pause(row.tries)
    return ["cause", "since", "code", "said", "tries", "tries_at"]


def _count(row: ProviderAccount, error: MiniMaxError, now: datetime, *, ordering: bool, is_trial: bool) -> list[str]:
    name = "failed_orders" if ordering else "failed_reads"
    failures = min(getattr(row, name) + 1, 1000)
    setattr(row, name, failures)
    # What it was set aside for already says more.
    trips = failures >= FAILURES_MAX and row.cause in ("", Blame.PROVIDER)
    return [name, *(_set_aside(row, error, now, is_trial=is_trial) if trips else ())]


def _recover(row: ProviderAccount, *, ordering: bool) -> list[str]:
    """An order that was answered proves everything; a question proves the key, and that somebody answers."""
    row.failed_reads = 0
    changed = ["failed_reads"]
    if ordering:
        row.failed_orders = row.refusals = 0
        changed += ["failed_orders", "refusals"]
    proven = ordering or row.cause == Blame.ACCOUNT_KEY or (row.cause == Blame.PROVIDER and row.failed_orders < FAILURES_MAX)
    return [*changed, *(forgive(row) if row.cause and proven else ())]


def forgive(row: ProviderAccount) -> list[str]:
    """Change a row to one that nothing is known against, and tell the names of the fields."""
    row.cause, row.since, row.code, row.said, row.tries, row.tries_at = "", None, None, "", 0, None
    return ["cause", "since", "code", "said", "tries", "tries_at"]
