"""What rooms that keep secrets sealed tell while SECRET_KEY is being changed."""

from collections.abc import Callable

from conduit.conditions.registry import Condition, Findings, Severity


def sealed_before(*, name: str, what: str, command: str, look: Callable[[], Findings], leads_to: str) -> Condition:
    """The condition of secrets that `manage.py COMMAND` seals anew. `what`: such as "Keys of MiniMax accounts"."""
    return Condition(
        name=name,
        severity=Severity.NOTICE,
        says=f"{what} are still sealed with a former SECRET_KEY.",
        found_by="SECRET_KEY as it is now does not open them, and one of SECRET_KEY_FALLBACKS does.",
        what_to_do=f"When all processes run with the new SECRET_KEY, run `manage.py {command}`; then the former may leave "
        "SECRET_KEY_FALLBACKS.",
        look=look,
        leads_to=leads_to,
    )
