"""Deleting what was kept for its time: results, and prompts with metadata (RESULTS_KEPT_DAYS, PROMPTS_KEPT_DAYS, or the key's own).

A task's row says when, from its end on; those whose time has come are found by indexes that hold no others. Each batch is one
transaction, so that a process may die at any line.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction

from conduit.api import idempotency
from tasks.models import Task
from videos.exchange_models import Exchange
from videos.models import Video
from videos.presentation import KIND
from videos.sheet_models import Spritesheet

log = structlog.get_logger(__name__)

# Tasks of one transaction, and transactions of one run.
BATCH, BATCHES = 100, 50


# What kept answers show of a task instead (conduit.api.idempotency).
_NO_RESULT: Mapping[str, Any] = {"result": None}
_NO_PROMPT: Mapping[str, Any] = {"prompt": None, "metadata": {}}


def forget_old(now: datetime) -> int:
    """Delete what has been kept long enough; how many results and prompts. Files go with the next sweeps (videos.cleanup)."""
    return _all(now, "results_end_at", _results, _NO_RESULT) + _all(now, "prompts_end_at", _prompts, _NO_PROMPT)


def _all(now: datetime, column: str, forget: Callable[[Sequence[UUID], datetime], None], instead: Mapping[str, Any]) -> int:
    count = 0
    for _ in range(BATCHES):
        with transaction.atomic():
            over = Task.objects.filter(kind=KIND, **{f"{column}__lte": now}).order_by(column)
            ids = list(over.values_list("pk", flat=True)[:BATCH])
            for task_id in ids:  # before the tasks, as a deletion of one's media takes them
                idempotency.forget_in_answers(about=task_id, instead=instead)
            ours = over.filter(pk__in=ids)
            if connection.features.has_select_for_update_skip_locked:
                ours = ours.select_for_update(skip_locked=True, no_key=True)
            found = list(ours.values_list("pk", flat=True))
            if found:
                forget(found, now)
                Task.objects.filter(pk__in=found).update(**{column: None}, updated_at=now)
        count += len(found)
        if len(found) < BATCH:
            break
    if count:
        log.info("deleted what was kept long enough", what=column.removesuffix("_end_at"), count=count)
    return count


def _results(ids: Sequence[UUID], now: datetime) -> None:
    Video.objects.filter(pk__in=ids).update(file="", thumbnail="", swept_at=None, result_ended_at=now)
    Spritesheet.objects.filter(pk__in=ids).delete()


def _prompts(ids: Sequence[UUID], now: datetime) -> None:
    Video.objects.filter(pk__in=ids).update(prompt="", prompt_ended_at=now)
    Task.objects.filter(pk__in=ids).update(metadata={})
    # MiniMax may have repeated in them what it was sent.
    Exchange.objects.filter(video__in=ids).update(request="", answer="", message="")
