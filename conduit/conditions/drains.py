"""Hosts that are drained: their workers begin no step, and their web processes send balancers elsewhere. What is at hand is finished."""

import socket
import time

from conduit.conditions.models import DrainedHost
from conduit.conditions.registry import Condition, Findings, Severity

# What was found counts for so long in a process.
KNOWN_SECONDS = 1.0

_found = (-float("inf"), False)


def is_drained() -> bool:
    """Whether this host is. One query now and then; may be asked before every step."""
    global _found
    at, found = _found
    if time.monotonic() - at > KNOWN_SECONDS:
        found = DrainedHost.objects.filter(host=socket.gethostname()).exists()
        _found = (time.monotonic(), found)
    return found


def _drained() -> Findings:
    return {row.host: f"By {row.by}." for row in DrainedHost.objects.order_by("host")}


DRAINED = Condition(
    name="drained",
    severity=Severity.NOTICE,
    says="A host is drained: its processes finish what they have, and take nothing new.",
    found_by="Somebody drained it (console, Processes; `manage.py drain`).",
    what_to_do="When its work is done let it take work again: `manage.py drain HOST --end`, or the console's Processes.",
    look=_drained,
    leads_to="processes/",
)
