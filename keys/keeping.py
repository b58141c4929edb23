"""How long what a key's tasks made, and what was asked for, is kept."""

from datetime import timedelta

from django.conf import settings

from keys.models import VirtualKey


def results_kept_for(key: VirtualKey) -> timedelta | None:
    """From the end of a task on; None: for good."""
    return _days(settings.RESULTS_KEPT_DAYS if key.results_kept_days is None else key.results_kept_days)


def prompts_kept_for(key: VirtualKey) -> timedelta | None:
    """The same of prompts and metadata."""
    return _days(settings.PROMPTS_KEPT_DAYS if key.prompts_kept_days is None else key.prompts_kept_days)


def _days(days: int) -> timedelta | None:
    return timedelta(days=days) if days else None
