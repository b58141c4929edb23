"""Deleting what was kept for its time: results, and prompts with metadata (RESULTS_KEPT_DAYS, PROMPTS_KEPT_DAYS, or the key's own).

A task's row says when, from its end on; those whose time has come are found by indexes that hold no others. Each batch is one
transaction, so that a process may die at any line.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
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


def forget_old(now: datetime) -> int:
    """Delete what has been kept long enough; how many results and prompts. Files go with the next sweeps (videos.sweeping)."""
    return _all(now, "results_end_at", _results) + _all(now, "prompts_end_at", _prompts)


def _all(now: datetime, column: str, forget: Callable[[Sequence[UUID], datetime], None]) -> int:
    count = 0
    for _ in range(BATCHES):
        with transaction.atomic():
            over = Task.objects.filter(kind=KIND, **{f"{column}__lte": now}).order_by(column)
            if connection.features.has_select_for_update_skip_locked:
                over = over.select_for_update(skip_locked=True, no_key=True)
            ids = list(over.values_list("pk", flat=True)[:BATCH])
            if ids:
                forget(ids, now)
                Task.objects.filter(pk__in=ids).update(**{column: None}, updated_at=now)
        count += len(ids)
        if len(ids) < BATCH:
            break
    if count:
        log.info("deleted what was kept long enough", what=column.removesuffix("_end_at"), count=count)
    return count


def _results(ids: Sequence[UUID], now: datetime) -> None:
    for task_id in ids:
        idempotency.forget_in_answers(about=task_id, instead={"result": None})
    Video.objects.filter(pk__in=ids).update(file="", thumbnail="", swept_at=None, result_ended_at=now)
    Spritesheet.objects.filter(pk__in=ids).delete()


def _prompts(ids: Sequence[UUID], now: datetime) -> None:
    for task_id in ids:
        idempotency.forget_in_answers(about=task_id, instead={"prompt": None, "metadata": {}})
    Video.objects.filter(pk__in=ids).update(prompt="", prompt_ended_at=now)
    Task.objects.filter(pk__in=ids).update(metadata={})
    # MiniMax may have repeated in them what it was sent.
    Exchange.objects.filter(video__in=ids).update(request="", answer="", message="")
