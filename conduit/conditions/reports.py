"""What processes themselves know and say."""

import os
import socket
import threading
import time

import structlog
from django.db import Error
from django.db.models.functions import Now

from conduit.conditions.models import DETAIL_CHARACTERS, SUBJECT_CHARACTERS, Standing, moment
from conduit.conditions.registry import named
from conduit.logs import without_secrets

log = structlog.get_logger(__name__)

# A report that is still true is written anew after so long, and lapses when that failed to come twice.
REPEAT_SECONDS = 50
LAPSES_SECONDS = 150
# Of one condition: what a process sees wrong in more places than this is one thing gone wrong.
SUBJECTS_MAX = 50

_lock = threading.Lock()
_said: dict[tuple[int, str, str], tuple[str | None, float]] = {}


def reporter() -> str:
    """This process, as it stands beside what it reports."""
    return f"{socket.gethostname()}:{os.getpid()}"[:SUBJECT_CHARACTERS]


def report(name: str, *, subject: str, detail: str | None) -> None:
    """See conduit.conditions.report."""
    subject = short(subject, SUBJECT_CHARACTERS)
    detail = None if detail is None else short(detail, DETAIL_CHARACTERS)
    said = (os.getpid(), named(name).name, subject)  # a forked child has said nothing yet
    with _lock:
        if not _is_news(said, detail):
            return
        try:
            _write(name, subject, detail)
        except Error as error:
            log.warning("condition not reported", condition=name, subject=subject, error=type(error).__name__)
        else:
            _said[said] = (detail, time.monotonic())


def _is_news(said: tuple[int, str, str], detail: str | None) -> bool:
    before, at = _said.get(said, ("", 0.0))
    if said in _said and before == detail:
        return detail is not None and time.monotonic() - at >= REPEAT_SECONDS
    of_it = [other for other, (held, _) in _said.items() if other[:2] == said[:2] and held is not None]
    return detail is None or said in of_it or len(of_it) < SUBJECTS_MAX


def _write(name: str, subject: str, detail: str | None) -> None:
    if detail is None:
        Standing.objects.filter(name=name, subject=subject, reporter=reporter()).delete()
        return
    row = Standing(name=name, subject=subject, reporter=reporter(), detail=detail, since=Now(), lapses_at=moment(LAPSES_SECONDS))
    Standing.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["name", "subject", "reporter"],
        update_fields=["detail", "lapses_at"],
    )


def short(text: str, characters: int) -> str:
    """One line of it, without what looks like a credential."""
    line = " ".join(without_secrets(text).replace("\0", "").split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"
