"""Celery's entrance to what is kept of log-ins."""

from celery import shared_task
from django.contrib.sessions.models import Session

from conduit import clock
from conduit.console.security import attempts


@shared_task
def forget_what_is_over() -> None:
    """Delete sessions that log nobody in any more, and what was counted of wrong passwords, names that were typed included."""
    now = clock.now()
    Session.objects.filter(expire_date__lt=now).delete()
    attempts.forget_old(now)
