"""Celery's entrance to what is kept of log-ins."""

from celery import shared_task
from django.contrib.sessions.models import Session

from conduit import clock


@shared_task
def forget_ended_sessions() -> None:
    """Delete those that log nobody in any more, whatever they hold."""
    Session.objects.filter(expire_date__lt=clock.now()).delete()
