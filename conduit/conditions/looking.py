"""The control process looks: it calls each condition's look, and keeps what came of it."""

import threading
import time
from collections.abc import Callable, Mapping
from itertools import groupby

import structlog
from django.db import close_old_connections, transaction
from django.db.models.functions import Now

from conduit.conditions.models import DETAIL_CHARACTERS, SUBJECT_CHARACTERS, LastLook, Standing, moment
from conduit.conditions.registry import CannotTell, Findings, Severity, named, registered
from conduit.conditions.reports import SUBJECTS_MAX, short

log = structlog.get_logger(__name__)

# Between two looks; sooner while the place is unavailable, so that the end of that is seen soon.
LOOK_SECONDS, LOOK_SECONDS_UNAVAILABLE = 3.0, 0.5
# What is kept counts as old when nobody looked for so long.
OLD_SECONDS = 30.0
LOOKS = "looks"
# Of what holds the log of a start has so many lines at most.
LOGGED_MAX = 100


def start() -> None:
    """Look for as long as this process lives, in a thread: what keeps its other work waiting must not keep this waiting too."""
    threading.Thread(target=_look_on, name="conditions", daemon=True).start()


def _look_on() -> None:
    over, pause, began, is_told = threading.Event(), 0.0, time.monotonic(), False
    while not over.wait(pause):
        try:
            close_old_connections()
            look(pause * 0.8)
            # By then the others that were started with it are heard.
            if not is_told and time.monotonic() - began > OLD_SECONDS:
                log_what_holds()
                is_told = True
            pause = LOOK_SECONDS_UNAVAILABLE if _is_unavailable() else LOOK_SECONDS
        except Exception:
            log.exception("conditions not looked at")
            pause = LOOK_SECONDS
            close_old_connections()


def log_what_holds() -> None:
    """A line for each condition and subject: the log of a start tells too what began long before it, such as a price below its cost."""
    names = [condition.name for condition in registered()]
    rows = Standing.objects.current().filter(name__in=names).order_by("name", "subject", "since")
    for (name, subject), (row, *_) in groupby(rows[:LOGGED_MAX], key=lambda row: (row.name, row.subject)):
        log.warning("condition holds", condition=name, subject=subject, detail=row.detail)


def _is_unavailable() -> bool:
    grave = [condition.name for condition in registered() if condition.severity is Severity.UNAVAILABLE]
    return Standing.objects.current().filter(name__in=grave).exists()


def look(after: float = 0) -> bool:
    """Call every look and keep what was found; False when somebody else began to within so many seconds."""
    _ensure_row()
    if not LastLook.objects.filter(pk=LastLook.ONLY, begun_at__lte=moment(-after)).update(begun_at=Now()):
        return False
    found: dict[str, Findings] = {}
    failed: dict[str, str] = {}
    for condition in registered():
        if condition.look:
            _call(condition.name, condition.look, found, failed)
    found[LOOKS] = failed
    with transaction.atomic():
        LastLook.objects.select_for_update().get(pk=LastLook.ONLY)  # a process that looked meanwhile waits
        _keep({name: _bounded(findings) for name, findings in found.items()})
        Standing.objects.lapsed().delete()
        LastLook.objects.filter(pk=LastLook.ONLY).update(looked_at=Now())
    return True


def _ensure_row() -> None:
    LastLook.objects.bulk_create([LastLook(begun_at=moment(-3600))], ignore_conflicts=True)


def refresh(name: str) -> None:
    """See conduit.conditions.refresh. A look that is under way may write what was before; the next one puts that right."""
    look_at = named(name).look
    if look_at is None:
        return
    _ensure_row()
    with transaction.atomic():
        LastLook.objects.select_for_update().get(pk=LastLook.ONLY)
        _keep({name: _bounded(look_at())})


def _call(name: str, look_at: Callable[[], Findings], found: dict[str, Findings], failed: dict[str, str]) -> None:
    try:
        found[name] = look_at()
    except CannotTell:
        return
    except Exception as error:
        log.exception("look failed", condition=name)
        failed[name] = f"The look failed ({type(error).__name__}); the control process's log says more."


def _bounded(findings: Findings) -> dict[str, str]:
    """At most so many subjects, the last of them standing for those that were left out."""
    short_ones = {short(subject, SUBJECT_CHARACTERS): short(detail, DETAIL_CHARACTERS) for subject, detail in sorted(findings.items())}
    if len(short_ones) <= SUBJECTS_MAX:
        return short_ones
    kept = dict(list(short_ones.items())[: SUBJECTS_MAX - 1])
    return kept | {"…": f"and {len(short_ones) - len(kept)} more"}


def _keep(found: Mapping[str, Mapping[str, str]]) -> None:
    """Make the rows what was found, writing only what differs; conditions that no look told of stay as they are."""
    kept = {(row.name, row.subject): row for row in Standing.objects.looked()}
    wanted = {(name, subject): detail for name, findings in found.items() for subject, detail in findings.items()}
    names = {condition.name for condition in registered()}
    ended = [row.pk for key, row in kept.items() if key not in wanted and (row.name in found or row.name not in names)]
    if ended:
        Standing.objects.filter(pk__in=ended).delete()
    for (name, subject), detail in wanted.items():
        if (row := kept.get((name, subject))) is None:
            Standing.objects.create(name=name, subject=subject, detail=detail, since=Now())
        elif row.detail != detail:
            Standing.objects.filter(pk=row.pk).update(detail=detail)
