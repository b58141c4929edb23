"""What can be wrong with the place that videos are made in, beside what every place can have."""

import socket

from conduit import conditions
from conduit.conditions import Condition, Severity
from videos.media.confinement import lacking
from videos.minimax.errors import CallRefused

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


def report_confinement() -> None:
    """Say what is missing here, or that nothing is."""
    missing = lacking()
    conditions.report(CONFINEMENT.name, subject=socket.gethostname(), detail=f"Missing: {', '.join(missing)}." if missing else None)


def report_refusal(error: CallRefused) -> None:
    """Say which host was not called, and why. It lapses when no task is sent there any more."""
    conditions.report(REFUSALS.name, subject=error.host, detail=error.why)
