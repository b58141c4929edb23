"""Celery's entrance to what is known of keys."""

from celery import shared_task

from keys import audit_retention, client_tokens
from keys.last_uses import write_last_uses


@shared_task
def note_last_uses() -> None:
    write_last_uses()


@shared_task
def forget_client_tokens() -> None:
    client_tokens.forget_ended()


@shared_task
def forget_old_audit() -> None:
    audit_retention.forget_old()
