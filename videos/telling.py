"""Videos in webhooks, by the names that OpenAI's clients know."""

from collections.abc import Sequence

from tasks.models import DEADLINE_EXCEEDED, Status


def told_as(status: Status, error_code: str) -> Sequence[str]:
    """What an event of a video is called beside its task's: what its deadline ended has failed there (videos.dialects.openai.wire)."""
    if status == Status.COMPLETED:
        return ("video.completed",)
    if status == Status.FAILED or (status == Status.CANCELLED and error_code == DEADLINE_EXCEEDED):
        return ("video.failed",)
    return ()
