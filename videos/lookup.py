"""Finding tasks by what MiniMax calls them."""

from uuid import UUID

from videos.exchange_models import Exchange
from videos.models import Clip


def tasks_with_provider_id(text: str) -> list[UUID]:
    """The tasks for which MiniMax gave that id: of a job, of a file, or else of a call that is one of the newest (its trace id)."""
    return Clip.objects.tasks_with_provider_id(text) or Exchange.objects.tasks_with_trace(text)
