"""Celery's entrance to what is known of keys."""

from celery import shared_task

from keys.last_uses import write_last_uses


@shared_task
def note_last_uses() -> None:
    write_last_uses()
