"""What can be wrong with the place that videos are made in, beside what every place can have."""

import socket
from uuid import UUID

import structlog

from conduit import conditions
from conduit.conditions import Condition, Severity
from videos.media.confinement import lacking
from videos.minimax.errors import CallRefused

log = structlog.get_logger(__name__)

CONFINEMENT = Condition(
    name="media_confinement",
    severity=Severity.NOTICE,
    says="A process that reads videos could reach more than its own files, if a video took it over.",
    found_by="Each media worker looks what its kernel offers, once a minute and before it works on a file.",
    what_to_do="Run `media` on Linux 5.13 or newer with Landlock among its security modules (`lsm=landlock,…`), "
    "and let containers make its system calls and seccomp's; until then give `media` a machine or a user of its own.",
)

REFUSALS = Condition(
    name="outbound_refused",
    severity=Severity.DEGRADED,
    says="Finished videos cannot be fetched, or MiniMax not be called, because OUTBOUND_ALLOWED does not list where that leads.",
    found_by="A worker was sent to an address that is not public, or to an unusual port, while it worked on a task.",
    what_to_do="If that host is MiniMax's, its storage or a proxy of yours, add it to OUTBOUND_ALLOWED and restart the workers; "
    "tasks go on by themselves.",
)

WORDS = Condition(
    name="minimax_words",
    severity=Severity.NOTICE,
    says="MiniMax, or a proxy before it, uses a word for how a job stands that is not known here.",
    found_by="A worker was answered so when it asked for a job. The job counts as running, and is asked for again.",
    what_to_do="See what MiniMax's console says of the tasks that are named. If the word means done or failed, their time limit "
    "(GENERATING_SECONDS_MAX) ends them, and a newer version of Conduit may know it.",
)
# The words that this process has met and logged, each with the task that it met it with first.
_met: dict[str, UUID] = {}
_MET_MAX = 50


def report_word(word: str, *, task_id: UUID, upstream: str) -> None:
    """Say that a job's status was told by a word that nobody knows. It lapses when no job is told so any more."""
    if word not in _met and len(_met) < _MET_MAX:
        _met[word] = task_id
        log.warning("a word for a job's status that is not known", word=word, upstream=upstream)
    if word in _met:
        conditions.report(WORDS.name, subject=word, detail=f"The first was task {_met[word]}.")


def report_confinement() -> None:
    """Say what is missing here, or that nothing is."""
    missing = lacking()
    conditions.report(CONFINEMENT.name, subject=socket.gethostname(), detail=f"Missing: {', '.join(missing)}." if missing else None)


def report_refusal(error: CallRefused) -> None:
    """Say which host was not called, and why. It lapses when no task is sent there any more."""
    conditions.report(REFUSALS.name, subject=error.host, detail=error.why)
