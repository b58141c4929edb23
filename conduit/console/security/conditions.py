"""What can be wrong with log-ins."""

from conduit import clock
from conduit.conditions import Condition, Severity
from conduit.conditions.registry import Findings
from conduit.console.moments import time_of_day
from conduit.console.security.models import Lock


def _locks() -> Findings:
    locks = Lock.objects.active(clock.now())
    return {str(lock): f"{lock.failures} wrong passwords or codes, locked until {time_of_day(lock.until)}." for lock in locks}


LOG_INS_LOCKED = Condition(
    name="log_ins_locked",
    severity=Severity.NOTICE,
    says="Log-ins are locked after wrong passwords.",
    found_by="5 came for a name from an address, 30 from an address, or 50 for a name from anywhere.",
    what_to_do="Unlock people who only forgot their password. Where many are tried, find out who knows the console's address.",
    look=_locks,
    leads_to="security/lock/",
)
