"""Work on the files themselves: looking into a clip, and making the video out of all of them."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import structlog
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from tasks import lifecycle
from tasks.leases import LeaseLost
from tasks.models import Status
from videos import assembly, failures
from videos.assembly import Delivered
from videos.catalogue import learn
from videos.engine import layout
from videos.engine.job import ASSEMBLED_GOAL, Job, fail, pause, try_again, wait_for_storage
from videos.media import Harm, MediaError, ReaderStopped, Wish, cut
from videos.models import Clip, ClipState, Timing, Video
from videos.stages import Stage
from videos.storage import STORAGE_ERRORS, forgotten_upon

log = structlog.get_logger(__name__)

# A file that made its reader die this often is taken for a hostile one.
UNFINISHED_ASSEMBLIES_MAX = 4
# Clips beyond the plan, when those of the plan were far too short.
FURTHER_CLIPS_MAX = 2
# The pause before a clip that the storage lost is fetched again is that of a step which failed so often.
LOST_CLIP_ATTEMPTS = 5
# How often an assembly that goes on writes how far it is, in seconds.
PROGRESS_SECONDS = 2.0


def look_into(job: Job, clip: Clip) -> None:
    """See what the clip really is, before anything more is bought that goes on from it."""
    looked = _with_the_files(
        job,
        lambda: assembly.look_into(task_id=job.task.pk, clip_file=clip.file, token=job.lease.token, wants_frame=job.after is not None),
    )
    if looked is None:
        return
    facts, last_frame = looked
    found = {"width": facts.width, "height": facts.height, "fps": facts.fps, "frames": facts.frames, "last_frame": last_frame}
    leg = {} if job.after else {"stage": Stage.ASSEMBLING, **job.leg(ASSEMBLED_GOAL, job.task.rest_seconds, rest=0, floor=job.fetched_goal)}
    with forgotten_upon(LeaseLost, *filter(None, [last_frame])):
        job.write(clip=found | {"state": ClipState.READY}, video=_ORDERLY, **leg)


def assemble(job: Job) -> None:
    """Make the deliverable file and its thumbnail, store both, and complete the task; or buy what is still missing."""
    clips = job.videos
    found = cut([clip.frames or 0 for clip in clips], clips[0].fps or job.plan.fps, job.video.duration)
    if found.needs_another:
        _buy_another(job)
        return
    delivered = _with_the_files(
        job,
        lambda: assembly.deliver(
            task_id=job.task.pk,
            clip_files=[clip.file for clip in clips],
            wish=_wish(job.video),
            token=job.lease.token,
            on_progress=_teller(job),
        ),
    )
    if delivered is not None:
        with forgotten_upon(LeaseLost, delivered.file, delivered.thumbnail):
            _complete(job, delivered)


def _buy_another(job: Job) -> None:
    """The clips lack more than may be made up: one more is made, unless that did not help before."""
    further = job.plan.another()
    if further is None or len(job.clips) >= len(job.plan.clips) + FURTHER_CLIPS_MAX:
        fail(job, failures.TOO_SHORT)
        return
    log.warning("clips are too short: a further one is bought", frames=[clip.frames for clip in job.videos])
    layout.add(job, further)


def _wish(video: Video) -> Wish:
    width, height = map(int, video.resolution.split("x"))
    return Wish(width=width, height=height, seconds=video.duration)


# ---- What can happen to a file ------------------------------------------------------------------------------------------

_ORDERLY = {"unfinished_assemblies": 0}
_Result = TypeVar("_Result")


def _with_the_files(job: Job, work: Callable[[], _Result]) -> _Result | None:
    """What the work on the task's files comes to; None when it came to nothing, and what follows from that is written."""
    if job.video.unfinished_assemblies >= UNFINISHED_ASSEMBLIES_MAX:
        _fail_unplayable(job)
        return None
    job.note(video={"unfinished_assemblies": job.video.unfinished_assemblies + 1})
    try:
        with job.lease.kept_alive():
            return work()
    except MediaError as error:
        log.warning("work on a file failed", error=str(error), harm=error.harm.value)
        if error.harm is Harm.REFUSED:
            _fail_unplayable(job)
        else:
            try_again(job)  # it may have been the machine: what harms its reader each time is counted
    except ReaderStopped as error:
        log.warning("work on a file was stopped", error=str(error))
        try_again(job, video=_ORDERLY)
    except FileNotFoundError as error:
        log.error("stored clip is gone", error=str(error))
        _fetch_again(job, error)
    except STORAGE_ERRORS as error:
        wait_for_storage(job, error, video=_ORDERLY)
    return None


def _fail_unplayable(job: Job) -> None:
    """No retry takes over the clip at hand; nor any of those that could not be assembled, since which is bad is not known."""
    with transaction.atomic():
        fail(job, failures.UNPLAYABLE, clip={"state": ClipState.FAILED})
        if job.clip is None:
            Clip.objects.filter(pk__in=[clip.pk for clip in job.videos]).update(state=ClipState.FAILED)


def _fetch_again(job: Job, error: Exception) -> None:
    """MiniMax still has what the storage lost. It may lose the next one too, so there is a pause."""
    kept = (clip for clip in job.videos if clip.state in (ClipState.STORED, ClipState.READY))
    lost = next((clip for clip in kept if not default_storage.exists(clip.file)), None)
    if lost is None:
        wait_for_storage(job, error, video=_ORDERLY)  # it was another file, such as one of the scratch folder
        return
    lost.state = ClipState.MADE
    gone = {"state": ClipState.MADE, "file": ""}
    due = timezone.now() + pause(LOST_CLIP_ATTEMPTS)
    try_again(job, clip=gone, video=_ORDERLY, stage=Stage.DOWNLOADING, next_step_at=due, attempts=0)


def _teller(job: Job) -> Callable[[float], None]:
    """Writes how far an assembly is, from time to time. It raises LeaseLost, which stops the assembly, when nobody wants it any more."""
    began = told = time.monotonic()

    def tell(share: float) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < PROGRESS_SECONDS or not 0 < share < 1:
            return
        told = now
        reached = job.fetched_goal + int((ASSEMBLED_GOAL - job.fetched_goal) * share)
        leg = job.leg(ASSEMBLED_GOAL, (now - began) / share * (1 - share), rest=0, floor=reached)
        job.note(**leg)
        for name, value in leg.items():
            setattr(job.task, name, value)

    return tell


# ---- The end ------------------------------------------------------------------------------------------------------------


def _complete(job: Job, delivered: Delivered) -> None:
    now = timezone.now()
    facts, first = delivered.facts, job.videos[0]
    with transaction.atomic():
        moved = lifecycle.move(job.task.pk, Status.COMPLETED, lease=job.lease, stage="completed", stage_since=now, progress=100)
        if not moved:
            raise LeaseLost
        Video.objects.filter(pk=job.task.pk).update(
            file=delivered.file,
            thumbnail=delivered.thumbnail,
            size_bytes=facts.size_bytes,
            thumbnail_bytes=facts.thumbnail_bytes,
            width=facts.width,
            height=facts.height,
            fps=facts.fps,
            seconds=facts.duration_seconds,
            source_width=first.width,
            source_height=first.height,
            source_fps=first.fps,
            source_clips=len(job.videos),
            speed=facts.speed,
        )
        _learn(job, now)
    log.info("task completed", seconds=round((now - job.task.created_at).total_seconds(), 1))


def _learn(job: Job, now: datetime) -> None:
    """Keep how long the clips took that this task had made, for the estimates of later ones."""
    own = [clip for clip in job.videos if clip.taken_from_id is None]
    delivered_in = (now - max(clip.made_at or now for clip in job.clips)).total_seconds() / len(job.videos)
    Timing.objects.bulk_create(
        Timing(
            upstream=clip.upstream,
            seconds=clip.seconds,
            resolution=clip.resolution,
            # At MiniMax's own pace: what the sandbox taught is no less true of the real one.
            made_in=clip.made_in_seconds / settings.MINIMAX_TIME_SCALE,
            delivered_in=delivered_in,
        )
        for clip in own
    )
    for upstream, seconds, resolution in sorted({(clip.upstream, clip.seconds, clip.resolution) for clip in own}):
        learn(upstream=upstream, seconds=seconds, resolution=resolution)
