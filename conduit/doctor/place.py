"""The place as it is known without asking: who beats, and what holds."""

from collections.abc import Iterator

import redis

from conduit import heartbeats
from conduit.conditions.reading import place
from conduit.conditions.registry import Severity
from conduit.doctor.registry import Finding


def processes_beat() -> Iterator[Finding]:
    """Each process by its name. One that is missed is a condition."""
    try:
        heard = heartbeats.heard()
    except redis.RedisError:
        yield Finding("Who is at work is not known while Redis is away.", Severity.DEGRADED, "See redis above.")
        return
    for name, age in sorted(heard.ages.items()):
        if name in heard.alive:
            yield Finding(f"{name} is at work.")
        elif name not in heard.left:
            yield Finding(
                f"{name} was last heard {age:.0f} s ago.",
                Severity.DEGRADED,
                "Start it again, or stop it in good order if it is meant to be gone.",
            )
    if not heard.alive:
        yield Finding("No worker is at work.", Severity.UNAVAILABLE, "Start the lines of the Procfile.")


def nothing_holds() -> Iterator[Finding]:
    """Each row of the table of conditions, as it was kept."""
    at_hand = place()
    if not at_hand.is_known:
        yield Finding("What holds is not known while the database is away.", Severity.DEGRADED, "See database above.")
        return
    for state in at_hand.states:
        condition = state.condition
        if not state.holds:
            yield Finding(f"{condition.name}: does not hold.")
        for one in state.subjects:
            about = f" ({one.subject})" if one.subject else ""
            yield Finding(f"{condition.name}{about}: {condition.says} {one.detail}".rstrip(), condition.severity, condition.what_to_do)
