"""Handing out turns: the next task in line is called as soon as an account has room.

A turn goes by shares (tasks.shares) and takes no place of the account's yet: the task takes it when its intent to order is stored
(videos.accounts.choosing), so that a process which dies in between costs a moment of one turn, and nothing is doubled. Several hosts
may deal at once: of each line one at a time does. Accounts that can make the same models share a line.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from conduit import clock
from keys import known_models
from tasks import dispatch, shares
from tasks.models import ACTIVE, Lane, Task
from tasks.paused import Holds
from tasks.shares import Flow, Tree, Waiting
from videos.account_models import AccountState, ProviderAccount
from videos.accounts import choosing, plans, spending
from videos.accounts.pace import CATCHES_UP
from videos.minimax.errors import RATE
from videos.queue_models import CALL_COUNTS_FOR, IN_LINE, QueuedCreate

log = structlog.get_logger(__name__)

# Calls of one deal at most, for accounts without a pace; and tasks that leave a line at once for which no account is left.
AT_ONCE = 50
RELEASED_AT_ONCE = 200
# When to look again while nobody knows when an account has room.
LOOKS_AGAIN_SECONDS = 1.0


class Kind(NamedTuple):
    """What decides which accounts may make a clip: the version of the API, the model as it was asked for and at MiniMax, and the roles of
    the pictures that it is made with."""

    api: str
    model: str
    upstream: str
    roles: str = ""


@dataclass(frozen=True)
class Line:
    """Those that wait for the same accounts."""

    name: str
    api: str
    accounts: Mapping[int, ProviderAccount]
    pools: Mapping[Kind, frozenset[int]]  # the accounts that may make it


class _Head(NamedTuple):
    task_id: UUID
    key_id: int
    team_id: int | None
    api: str
    model: str
    upstream: str
    roles: str
    seconds: int
    had_turn: bool

    @property
    def kind(self) -> Kind:
        return Kind(self.api, self.model, self.upstream, self.roles)


def deal(now: datetime | None = None) -> float | None:
    """Call those whose turn it is. Seconds until the next may be called; None when nobody waits."""
    now = now or clock.now()
    kinds = [Kind(*row) for row in QueuedCreate.objects.waiting().order_by().values_list(*Kind._fields).distinct()]
    if not kinds:
        return None
    lines, left_over = lines_of(kinds, now)
    for kind in left_over:
        _release(kind, now)
    return min((_deal_in(line, now) for line in lines), default=LOOKS_AGAIN_SECONDS)


def lines_of(kinds: Sequence[Kind], now: datetime) -> tuple[list[Line], list[Kind]]:
    """The lines of these kinds, and those kinds that no line helps: sending them is paused, or no account takes them in a while."""
    accounts = list(ProviderAccount.objects.filter(state=AccountState.ON))
    hindrances = choosing.hindrances_of(accounts, now)
    hopeful = [account for account in accounts if account.pk not in hindrances or hindrances[account.pk].cause == RATE]
    holds, names = Holds(now), known_models.all_models()
    pools: dict[Kind, frozenset[int]] = {}
    for kind in kinds:
        called = {kind.model, *next((of_model for of_model in names if kind.model in of_model), ())}
        able = frozenset(account.pk for account in hopeful if _may_make(account, kind, called, now))
        pools[kind] = frozenset() if holds.end(Lane.PROVIDER, kind.model) else able
    by_id = {account.pk: account for account in accounts}
    return list(_joined(pools, by_id)), [kind for kind, pool in pools.items() if not pool]


def _may_make(account: ProviderAccount, kind: Kind, names: set[str], now: datetime) -> bool:
    if account.api != kind.api or not account.may_make(names) or not account.may_take([role for role in kind.roles.split(",") if role]):
        return False
    refused_until = plans.refused_until(account, kind.upstream)
    return refused_until is None or refused_until <= now


def _joined(pools: Mapping[Kind, frozenset[int]], accounts: Mapping[int, ProviderAccount]) -> Iterator[Line]:
    """One line for all that have an account in common, also by others in between."""
    left = {kind: pool for kind, pool in pools.items() if pool}
    while left:
        ids = set(next(iter(left.values())))
        while more := [pool for pool in left.values() if pool & ids and not pool <= ids]:
            ids.update(*more)
        mine = {kind: left.pop(kind) for kind, pool in list(left.items()) if pool & ids}
        api = next(iter(mine)).api
        yield Line(f"{api}:{min(ids)}", api, {pk: accounts[pk] for pk in ids}, mine)


# ---- One line -------------------------------------------------------------------------------------------------------------


def _deal_in(line: Line, now: datetime) -> float:
    """Seconds until one more may be called."""
    room = rooms(line, now)
    if sum(room.values()) > 0:
        with transaction.atomic():
            if shares.lock(line.name):
                _call_next(line, _without_called(line, room, now), now)
        room = rooms(line, clock.now())
    return _until_room(line, room, now)


def rooms(line: Line, now: datetime) -> dict[int, int]:
    """How many orders each account takes at this moment."""
    hindrances = choosing.hindrances_of(list(line.accounts.values()), now)
    bounded = [pk for pk, account in line.accounts.items() if account.jobs_in_flight]
    in_flight = spending.in_flight(bounded, now) if bounded else {}
    return {
        pk: 0 if pk in hindrances else min(_turns(account, now), (account.jobs_in_flight or AT_ONCE) - in_flight.get(pk, 0))
        for pk, account in line.accounts.items()
    }


def _turns(account: ProviderAccount, now: datetime) -> int:
    if account.cause:
        return 1  # the one that tries it
    interval = account.interval_at(now)
    if not interval:
        return AT_ONCE
    due = max(account.next_create_at or now, now - CATCHES_UP)
    return max(0, (now - due) // interval + 1)


def _without_called(line: Line, room: Mapping[int, int], now: datetime) -> Counter[int]:
    called = QueuedCreate.objects.called(now).filter(api=line.api).values_list("account", flat=True)
    found = Counter(room)
    found.subtract(pk for pk in called if pk in room)
    return +found


def _until_room(line: Line, room: Mapping[int, int], now: datetime) -> float:
    """An account whose room was just dealt out has some again after its interval, which the task that was called writes down."""
    known = [account.next_create_at for pk, account in line.accounts.items() if not room[pk] and account.next_create_at]
    ahead = [(moment - now).total_seconds() for moment in known if moment > now]
    return min(ahead, default=LOOKS_AGAIN_SECONDS)


def _call_next(line: Line, room: Counter[int], now: datetime) -> None:
    """Belongs into the transaction that has locked the line."""
    _call_again(line, now)
    heads = _heads(line, sum(room.values()))
    known, changed = shares.read(line.name), shares.Shares()
    flows = shares.flows({(head.key_id, head.team_id) for head in heads})
    while room:
        able = [head for head in heads if line.pools[head.kind] & room.keys()]
        if not able:
            break
        head, paid = _next(able, flows, known | changed)
        heads.remove(head)
        [account, *_] = choosing.by_weight([line.accounts[pk] for pk in line.pools[head.kind] & room.keys()])
        if _call(head, account, now):
            changed |= paid
            room -= Counter([account.pk])
    shares.write(line.name, changed)
    if not heads and not QueuedCreate.objects.waiting().filter(api=line.api).exists():
        shares.forget(line.name)


def _next(able: Sequence[_Head], flows: Mapping[int, Flow], known: shares.Shares) -> tuple[_Head, shares.Shares]:
    """Whose turn it is, and what it pays."""
    if again := min((head for head in able if head.had_turn), default=None, key=lambda head: head.task_id):
        return again, {}
    tree = Tree(known, (Waiting(head, flows[head.key_id], float(head.seconds), head.task_id) for head in able))
    served = tree.serve()
    assert served is not None  # noqa: S101 - there is at least one
    return served.subject, tree.changed


def _heads(line: Line, count: int) -> list[_Head]:
    """The first of each key and model, as many as may be called."""
    place = Window(RowNumber(), partition_by=[F("key_id"), *map(F, Kind._fields)], order_by=["-had_turn", "-is_begun", "task_id"])
    rows = QueuedCreate.objects.waiting().of_living().filter(api=line.api).annotate(place=place).filter(place__lte=count)
    heads = [_Head(*row) for row in rows.order_by("-had_turn", "-is_begun", "task_id").values_list(*_Head._fields)]
    return [head for head in heads if head.kind in line.pools]


def _call_again(line: Line, now: datetime) -> None:
    """Those that were called and did not come: their worker died, or is held up. They come first when it is found to be so."""
    QueuedCreate.objects.filter(api=line.api, called_at__lte=now - CALL_COUNTS_FOR).update(called_at=None, account=None, had_turn=True)


def _call(head: _Head, account: ProviderAccount, now: datetime) -> bool:
    """Make its step due; False when it is not in line any more."""
    if not Task.objects.filter(pk=head.task_id, status__in=ACTIVE, waits_for__in=IN_LINE).update(next_step_at=now):
        return False
    QueuedCreate.objects.filter(pk=head.task_id).update(called_at=now, account=account)
    dispatch.hint_on_commit(Lane.PROVIDER)
    return True


def _release(kind: Kind, now: datetime) -> None:
    """Have those leave the line whom no account takes in a while: each looks for itself, and shows what it waits for."""
    with transaction.atomic():
        ids = list(QueuedCreate.objects.waiting().filter(**kind._asdict()).order_by("task").values_list("pk", flat=True)[:RELEASED_AT_ONCE])
        living = Task.objects.active().filter(pk__in=ids, waits_for__in=IN_LINE)
        living.update(waits_for="", queue_position=None, next_step_at=now, updated_at=now)
        QueuedCreate.objects.filter(pk__in=ids).delete()
