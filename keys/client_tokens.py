"""Client tokens: secrets of minutes for browsers and other places where no key should be. Each is made with a key's secret, opens less
than the key, and ends with it.

While a call with a token is answered, the key that it is answered for carries the token (VirtualKey.client_token): code that is handed
the key is handed its bounds.

What a token may make is counted from the ledger's rows of the tasks that it made, within the transaction of the next create, while the
key is locked (keys.locks): of two creates at once the second sees the first, and one that died has left no row.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet

from conduit import clock, statements
from conduit.api.errors import Forbidden, Unauthenticated
from conduit.batches import BATCH
from conduit.statements import Statement, Steps, insert
from keys import audit
from keys.budgets import InsufficientQuota, usd
from keys.client_token_models import ClientToken, ClientTokenTask
from keys.models import KeySecret, UsageCost, VirtualKey
from keys.services import hash_secret

PREFIX = "condt_ct_"
_RANDOM_BYTES = 32
# Longer than any key's secret, which may begin in the same way by chance.
_CHARACTERS = len(PREFIX) + len(secrets.token_urlsafe(_RANDOM_BYTES))
# Characters of a token that are kept to tell it from others.
_SHOWN = 15
# How long one is good, in seconds.
SECONDS_LEAST, SECONDS_MOST, SECONDS_DEFAULT = 60, 3600, 600
TASKS_MOST, TASKS_DEFAULT = 1000, 1
# For so long a client that still sends a token is told that it has ended; later it is unknown.
KEPT = timedelta(days=1)


class Right(Enum):
    """What a call is, for a token that makes it."""

    READ = "read one task"  # of those that its key shows to it (TaskQuerySet.for_key)
    READ_KEY = "read what is the key's"
    CREATE = "create"  # or what belongs to it: prices, models, what to do with what was made
    NEVER = "never"


@dataclass(frozen=True)
class Bounds:
    """What a token that creates may make. Amounts are USD."""

    tasks: int
    usd: Decimal | None = None  # None: what the key may
    models: Sequence[str] = ()  # none: those of the key


@dataclass(frozen=True)
class Used:
    """What a token has made: how many tasks, and the USD that they hold or cost."""

    tasks: int
    usd: Decimal


# ---- Its life ------------------------------------------------------------------------------------------------------------


def create_token(
    secret: KeySecret, *, seconds: int = SECONDS_DEFAULT, task_id: UUID | None = None, bounds: Bounds | None = None
) -> tuple[ClientToken, str]:
    """A new token of that secret, and its text, which exists nowhere else."""
    text = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    now = clock.now()
    token = ClientToken.objects.create(
        secret=secret,
        prefix=text[:_SHOWN],
        token_hash=hash_secret(text),
        task_id=task_id,
        creates=bounds is not None,
        tasks_max=bounds.tasks if bounds else None,
        usd_max=bounds.usd if bounds else None,
        model_names=list(bounds.models) if bounds else [],
        created_at=now,
        expires_at=now + timedelta(seconds=seconds),
    )
    return token, text


def is_client_token(text: str) -> bool:
    """Whether that is one, or looks like it."""
    return len(text) == _CHARACTERS and text.startswith(PREFIX)


def find(text: str) -> KeySecret | None:
    """The secret that made the token of that text, with its key, which carries the token; usable or not. None: nobody has it."""
    token = ClientToken.objects.filter(token_hash=hash_secret(text)).select_related("secret__key__team").first()
    if token is None:
        return None
    token.secret.key.client_token = token
    return token.secret


def check_living(token: ClientToken) -> None:
    """Raises Unauthenticated when its time is over."""
    if token.expires_at <= clock.now():
        raise Unauthenticated(
            f"This client token ended on {token.expires_at:%Y-%m-%d %H:%M:%S} UTC. Whoever made it can make another.",
            code="api_key_expired",
        )


def forget_ended() -> None:
    """Remove those that nobody is told of any more, with what they made noted."""
    old = ClientToken.objects.filter(expires_at__lte=clock.now() - KEPT).order_by("expires_at").values_list("pk", flat=True)
    while pks := list(old[:BATCH]):
        ClientToken.objects.filter(pk__in=pks).delete()


# ---- What it may -----------------------------------------------------------------------------------------------------------


def check_right(key: VirtualKey, right: Right) -> None:
    """Raises Forbidden when the call came with a token that may not do this."""
    token = key.client_token
    if token is None:
        return
    if right is Right.NEVER:
        raise Forbidden("A client token may not do this: it takes the API key itself, which stays on your server.")
    if right is Right.CREATE and not token.creates:
        raise Forbidden("This client token only reads. One that was made with `create` may do this.")
    if right is Right.READ_KEY and token.task_id:
        raise Forbidden(f"This client token reads one task: GET /v1/tasks/{token.task_id}.")


def check_made(key: VirtualKey, task_id: UUID) -> None:
    """Raises Forbidden when the call came with a token that did not make the task."""
    token = key.client_token
    if token and not ClientTokenTask.objects.filter(pk=task_id, token=token).exists():
        raise Forbidden("This client token may cancel, retry and delete only what it made itself.", param="task_id")


def reserving(token: ClientToken, *, task_id: UUID, amount: Decimal) -> Steps[list[Statement]]:
    """That the token makes a task of that price (USD), if it may; gives what is then to be written. Its key is locked.

    Raises:
        Unauthenticated: the token has ended since the call was authenticated.
        InsufficientQuota: it made as many as it may, or has less left than the price.
    """
    [rows] = yield [_counting(token)]
    if not rows:
        raise Unauthenticated("This client token is not known here any more.")
    expires_at, tasks, held = rows[0]
    token.expires_at = expires_at
    check_living(token)
    _check_bounds(token, Used(tasks, held), amount)
    return [insert(ClientTokenTask(task_id=task_id, token=token))]


def used(token: ClientToken) -> Used:
    """What it has made by now."""
    [[(_, tasks, held)]] = statements.do(_counting(token))
    return Used(tasks, held)


def _check_bounds(token: ClientToken, used: Used, amount: Decimal) -> None:
    if token.tasks_max is not None and used.tasks >= token.tasks_max:
        many = "1 task" if token.tasks_max == 1 else f"{token.tasks_max} tasks"
        raise InsufficientQuota(f"This client token has a quota of {many}, and made as many. Whoever made it can make another.")
    if token.usd_max is not None and used.usd + amount > token.usd_max:
        raise InsufficientQuota(
            f"This client token has a quota of {usd(token.usd_max)}, of which {usd(left(token, used))} is left, and this request costs "
            f"{usd(amount)}. What its tasks hold and do not cost comes back when they end."
        )


def left(token: ClientToken, used: Used) -> Decimal:
    """USD that a token with a bound of them has left."""
    return max(Decimal(0), (token.usd_max or Decimal(0)) - used.usd)


def _counting(token: ClientToken) -> Statement:
    """When it ends, how many tasks it made, and the USD that these hold or cost."""
    return Statement(_COUNTS, [token.pk], [ClientToken._meta.get_field("expires_at"), None, UsageCost._meta.get_field("amount")])


_TOKENS, _MADE, _COSTS = (model._meta.db_table for model in (ClientToken, ClientTokenTask, UsageCost))
_COUNTS = f"""
SELECT t.expires_at, (SELECT count(*) FROM {_MADE} m WHERE m.token_id = t.id),
    (SELECT COALESCE(SUM(CASE WHEN c.entry = 'hold' THEN c.amount ELSE -c.amount END), 0)
     FROM {_MADE} m JOIN {_COSTS} c ON c.task_id = m.task_id
     WHERE m.token_id = t.id AND c.entry IN ('hold', 'release', 'refund'))
FROM {_TOKENS} t WHERE t.id = %s
"""  # noqa: S608 - our own words


# ---- Those of a key, for operators -------------------------------------------------------------------------------------


def living(key: VirtualKey) -> QuerySet[ClientToken]:
    """The key's tokens that have not ended, newest first, each with its secret and the number of tasks that it made, `made_count`."""
    tokens = ClientToken.objects.filter(secret__key=key, expires_at__gt=clock.now())
    return tokens.select_related("secret").annotate(made_count=Count("made"))


def end_all(key: VirtualKey, *, who: str) -> int:
    """End every client token of the key now; the key itself goes on. How many there were."""
    with transaction.atomic():
        now = clock.now()
        ended = ClientToken.objects.filter(secret__key=key, expires_at__gt=now).update(expires_at=now)
        if ended:
            audit.record(who=who, action="end client tokens", target=key, client_tokens=(ended, 0))
    return ended
