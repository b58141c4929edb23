"""What can be wrong with the place: one table, which `/health` and the console read. Nothing else keeps a list of its own.

A room registers its conditions when its app is ready:

    conditions.register(Condition(
        name="storage", severity=Severity.DEGRADED,
        says="Files cannot be stored.", found_by="A worker writes, reads and deletes a file each minute.",
        what_to_do="Check that the bucket exists and that its keys may write.",
    ))

Whether it holds becomes known in one of two ways:

- `look`: a function without arguments that the control process calls every few seconds. It returns what the condition
  holds for now, as a mapping of subjects (a lane, an account; "" for the whole place) to details; empty: it does not hold.
  It may query the database (few and cheap queries) and Redis, never MiniMax or the storage. `CannotTell` leaves things as
  they were kept.
- `report(name, subject=…, detail=…)` by a process that itself knows, such as of its own host's clock. It repeats that at
  least once a minute while it holds, and says `detail=None` when it does not; what it no longer repeats lapses.

What holds is kept in rows, with since when by the database's clock; `reading.place()` gives all of it in two queries.
Details are for operators, one short sentence each: nothing secret, and no figure that changes by itself (each change is a write).
"""

from conduit.conditions.registry import CannotTell, Condition, Severity, register

__all__ = ["CannotTell", "Condition", "Severity", "refresh", "register", "report"]


def report(name: str, *, subject: str = "", detail: str | None) -> None:
    """Say that a registered condition holds for a subject as this process sees it (None: that it does not).

    Call it at least once a minute, outside transactions; it writes when something changed and about once a minute. It never
    raises for a database that is away: what was not written is said with the next call.
    """
    from conduit.conditions import reports  # models cannot be imported while apps are being set up

    reports.report(name, subject=subject, detail=detail)


def refresh(name: str) -> None:
    """Call a condition's look now: what it tells was changed by this process, and should be seen at once. Outside transactions."""
    from conduit.conditions import looking

    looking.refresh(name)
