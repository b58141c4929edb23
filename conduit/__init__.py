"""Conduit: from a prompt to a video, through MiniMax, for many people."""

# Importing the Celery application here makes it the current one in every process, so that hints find the broker.
from conduit.celery import app as celery_app
from conduit.hardening import harden_process

harden_process()

__all__ = ["celery_app"]
