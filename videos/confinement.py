"""Whether this host's kernel can keep a process that reads strangers' files from everything else."""

import socket

from conduit import conditions
from conduit.conditions import Condition, Severity
from videos.media.confinement import lacking

CONFINEMENT = Condition(
    name="media_confinement",
    severity=Severity.NOTICE,
    says="A process that reads videos could reach more than its own files, if a video took it over.",
    found_by="Each media worker looks what its kernel offers, once a minute and before it works on a file.",
    what_to_do="Run `media` on Linux 5.13 or newer with Landlock among its security modules (`lsm=landlock,…`), "
    "and let containers make its system calls and seccomp's; until then give `media` a machine or a user of its own.",
)


def report_confinement() -> None:
    """Say what is missing here, or that nothing is."""
    missing = lacking()
    conditions.report(CONFINEMENT.name, subject=socket.gethostname(), detail=f"Missing: {', '.join(missing)}." if missing else None)
