"""Conduit: from a prompt to a video, through MiniMax, for many people."""

import gc

# What a process loads stays: looking through it for garbage again and again took a seventh of each start (1.98 s of processor
# time, 1.69 without). Set before anything else is loaded, and kept: a process that serves connections wants rare collections too.
gc.set_threshold(10_000, 10, 10)

# Importing the Celery application here makes it the current one in every process, so that hints find the broker.
from conduit.celery import app as celery_app  # noqa: E402 - after the threshold
from conduit.hardening import harden_process  # noqa: E402 - after the threshold

harden_process()

__all__ = ["celery_app"]
