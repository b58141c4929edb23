"""Creates that OpenAI's clients send again by themselves.

They repeat a call that was cut off, timed out or answered 408, 409, 429 or 5xx, twice, without an idempotency key; but each try says
in `x-stainless-retry-count` which it is. So a try with a count of one or more is answered with the task of an earlier one that asked
for the same, where there is one.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta

from django.db.models import F

from conduit import batches, clock
from keys import locks
from keys.models import VirtualKey
from tasks.models import Task
from videos.models import RepeatableCreate

HEADER = "x-stainless-retry-count"
# Clients wait at most 60 s before they try again, twice.
REPEATED_WITHIN = timedelta(seconds=120)
# A count beyond it counts as it: no client tries more often.
COUNT_MAX = 14
KEPT = timedelta(hours=1)


def count_of(headers: Mapping[str, str]) -> int:
    """Which try of its call a request is: 0 is the first, and what no client of theirs sends."""
    sent = headers.get(HEADER, "")
    return min(int(sent), COUNT_MAX) if sent.isascii() and sent.isdigit() and len(sent) < 10 else 0


def hash_of(fields: Mapping[str, object]) -> str:
    """Of what was asked for, however it was written down."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def made_before(key: VirtualKey, fields_hash: str, count: int) -> Task | None:
    """The task of an earlier try of this call; None for a first try, and where there is none.

    Belongs into the transaction that makes the task otherwise. The key is locked until it ends: a try that is still at work is
    waited for. Each task answers each count once, so that two clients that ask for the same get two.
    """
    if not count:
        return None
    locks.lock_key(key)
    earlier = RepeatableCreate.objects.filter(
        key=key, fields_hash=fields_hash, created_at__gt=clock.now() - REPEATED_WITHIN, retry_count__lt=count
    ).order_by("created_at")
    for create in earlier:
        if not create.answered & (1 << count):
            RepeatableCreate.objects.filter(pk=create.pk).update(answered=F("answered").bitor(1 << count))
            return Task.objects.for_key(key).get(pk=create.pk)
    return None


def remember(task: Task, fields_hash: str, count: int) -> None:
    """Belongs into the transaction that makes the task."""
    RepeatableCreate.objects.create(task=task, key=task.key, fields_hash=fields_hash, retry_count=count, created_at=clock.now())


def forget_old() -> None:
    """Remove what no client repeats any more."""
    batches.delete(RepeatableCreate.objects.filter(created_at__lt=clock.now() - KEPT))
