"""A completed task with a file in the storage, as delivery finds it."""

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from conduit import clock
from keys.services import create_key
from tasks.models import Status, Task
from videos.models import Video, VideoModel
from videos.planning import plan

PLAN = plan(
    VideoModel(
        upstream="video-01",
        sends_size=False,
        natives=[{"resolution": "720P", "width": 1280, "height": 720, "fps": 25, "clips": {"6": "0.43"}}],
    ),
    duration=6,
    resolution="1280x720",
    expected=lambda seconds, resolution: 120.0,
)


def finished_video(content: bytes, thumbnail: bytes = b"a picture", *, status: str = Status.COMPLETED) -> Video:
    """A video whose files hold these bytes; `status` is its task's."""
    key, _ = create_key(name="delivery")
    task = Task.objects.create(
        key=key,
        kind="video_generation",
        model="minimax-video",
        status=status,
        stage=status,
        error="It failed." if status == Status.FAILED else "",
        error_code="provider_error" if status == Status.FAILED else "",
        progress=100 if status == Status.COMPLETED else 0,
        price=1,
        charged=1,
        next_step_at=None,
        ended_at=clock.now(),
    )
    return Video.objects.create(
        task=task,
        prompt="a cat",
        duration=6,
        resolution="1280x720",
        aspect_ratio="16:9",
        upstream="video-01",
        plan=PLAN.as_json(),
        file=default_storage.save(f"results/{task.pk}/video-0123456789abcdef", ContentFile(content)),
        thumbnail=default_storage.save(f"results/{task.pk}/thumbnail-0123456789abcdef", ContentFile(thumbnail)),
        size_bytes=len(content),
        thumbnail_bytes=len(thumbnail),
    )
