"""How videos register with `tasks`."""

from tasks.kinds import Column, Kind
from videos.deletion import delete_media
from videos.ended import stories_of_ended
from videos.hub import hub_event
from videos.links import expires_at
from videos.lookup import tasks_with_provider_id
from videos.models import Video
from videos.presentation import (
    KIND,
    RELATED_FOR_OPERATORS,
    SHOWN,
    details_for_operators,
    owed_of_many,
    owed_when_cancelled,
    show,
    show_to_operators,
)
from videos.services import retry_generation
from videos.stages import WAITS
from videos.telling import told_as

VIDEO_GENERATION = Kind(
    name=KIND,
    job="videos.jobs.advance_generation",
    job_after_cancel="videos.jobs.call_off",
    related=("video",),
    show=show,
    shown={"video": SHOWN},
    clock_of_ended=expires_at,
    owed_when_cancelled=owed_when_cancelled,
    owed_of_many=owed_of_many,
    hub_event=hub_event,
    also_told_as=told_as,
    waits=WAITS,
    retry=retry_generation,
    related_for_operators=RELATED_FOR_OPERATORS,
    show_to_operators=show_to_operators,
    details_for_operators=details_for_operators,
    with_provider_id=tasks_with_provider_id,
    delete_media=delete_media,
    work="generate_video",
    stories_of_ended=stories_of_ended,
    searched={"prompt": Column.of(Video, "prompt"), "size": Column.of(Video, "resolution"), "seconds": Column.of(Video, "duration")},
)
