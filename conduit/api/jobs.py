"""Celery's entrance to what the API remembers."""

from celery import shared_task

from conduit.api import idempotency


@shared_task
def forget_expired_answers() -> None:
    idempotency.forget_expired()
