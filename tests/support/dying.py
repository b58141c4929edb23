"""Cancels a task and dies of SIGKILL after the commit, before anything is published: `python -m tests.support.dying TASK`."""

import os
import signal
import sys
from uuid import UUID

import django


def main(task_id: str) -> None:
    django.setup()
    from django.db import transaction

    from tasks import lifecycle
    from tasks.models import Status

    with transaction.atomic():
        transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
        lifecycle.move(UUID(task_id), Status.CANCELLED, stage="cancelled")


if __name__ == "__main__":
    main(sys.argv[1])
