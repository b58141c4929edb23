"""The conditions that need no other room to be known."""

from conduit.conditions.looking import LOOKS
from conduit.conditions.reading import CONTROL, DATABASE
from conduit.conditions.registry import Condition, Severity, register


def register_basic_conditions() -> None:
    register(
        Condition(
            name=DATABASE,
            severity=Severity.UNAVAILABLE,
            says="The database does not answer.",
            found_by="Whoever asks how the place is cannot read it.",
            what_to_do="Start PostgreSQL, and see that DATABASE_URL leads to it from this host.",
        ),
        Condition(
            name=CONTROL,
            severity=Severity.UNAVAILABLE,
            says="No control process is at work: nothing that is due is handed out.",
            found_by="Nobody has looked at the place for 30 seconds.",
            what_to_do="Start the Procfile's `control`, and see its log when it runs already.",
        ),
        Condition(
            name=LOOKS,
            severity=Severity.DEGRADED,
            says="Something cannot be looked at: whether it is well is not known.",
            found_by="A look of the control process failed.",
            what_to_do="See the log of `control` for the error.",
        ),
    )
