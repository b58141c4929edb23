"""Work on the files themselves: looking into a clip, and making the video out of all of them."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog
from django.conf import settings
from django.core.files.storage import default_storage
from django.db.utils import DatabaseError

from conduit import clock
from conduit.metrics import note, note_seconds
from tasks import lifecycle
from tasks.insisting import AWAY
from tasks.leases import LeaseLost
from tasks.models import Lane, Status
from tasks.written import StandingFields
from videos import failures, rendering
from videos.catalogue import learn
from videos.engine import layout
from videos.engine.job import ASSEMBLED_GOAL, Job, fail, is_held, try_again, wait_for_storage
from videos.engine.written import ClipFields, VideoFields
from videos.exchange_models import Timing
from videos.failures import Failure
from videos.media import Harm, MediaError, ReaderStopped, Target, cut
from videos.metrics import ASSEMBLED_IN, STORED, STORED_IN
from videos.models import Clip, ClipState, Video
from videos.rendering import Rendered
from videos.stages import Stage
from videos.storage import STORAGE_ERRORS, forget, forgotten_upon
from videos.waiting import growing_pause

log = structlog.get_logger(__name__)

# A file that made its reader die, or kept its processors busy beyond the limit, this often is taken for a hostile one.
UNFINISHED_ASSEMBLIES_MAX = 4
# Clips beyond the plan, when those of the plan were far too short.
FURTHER_CLIPS_MAX = 2
# The pause before a clip that the storage lost is fetched again is that of a step which failed so often.
LOST_CLIP_ATTEMPTS = 5
# How often an assembly that goes on writes how far it is, in seconds.
PROGRESS_SECONDS = 2.0


def look_into(job: Job, clip: Clip) -> None:
    """See what the clip really is, before anything more is bought that goes on from it."""
    if is_held(job, Lane.MEDIA) or _is_over(job):
        return
    wants_frame = job.after is not None
    _waits_no_more(job, job.fetched_goal)
    try:
        with job.lease.kept_alive():
            facts, frame = rendering.probe_clip(task_id=job.task.pk, clip_file=clip.file, token=job.lease.token, wants_frame=wants_frame)
    except FILE_ERRORS as error:
        _not_done(job, error)
        return
    if not facts.may_last(clip.seconds, job.plan.fps):
        log.warning("clip cannot be what was ordered", ordered_seconds=clip.seconds, seconds=facts.seconds, pictures=facts.pictures)
        if frame:
            forget(frame)
        _fail_unplayable(job, failures.MISTIMED)
        return
    found: ClipFields = {"width": facts.width, "height": facts.height, "fps": facts.fps, "frames": facts.frames, "last_frame": frame}
    leg: StandingFields = {}
    if not job.after:
        last = job.leg(ASSEMBLED_GOAL, job.task.rest_seconds, rest=0, floor=job.fetched_goal)
        leg = {"stage": Stage.ASSEMBLING, **last}  # type: ignore[typeddict-item]  # mypy wants what may be left out named
    with forgotten_upon(LeaseLost, *filter(None, [frame])):
        job.write(clip=found | {"state": ClipState.READY, "ready_at": clock.now()}, video=_FORGIVEN, **leg)


def assemble(job: Job) -> None:
    """Make the deliverable file and its thumbnail, store both, and complete the task; or buy what is still missing."""
    if is_held(job, Lane.MEDIA):
        return
    if _too_short(job):
        _buy_another(job)
        return
    if _is_over(job):
        return
    began = clock.now()
    _waits_no_more(job, ASSEMBLED_GOAL)
    try:
        with job.lease.kept_alive():
            delivered = rendering.render_and_store(
                task_id=job.task.pk,
                clip_files=[clip.file for clip in job.videos],
                target=_target(job.video),
                token=job.lease.token,
                on_progress=_teller(job),
            )
    except FILE_ERRORS as error:
        _not_done(job, error)
        return
    with forgotten_upon(LeaseLost, delivered.file, delivered.thumbnail):
        _complete(job, delivered, began)


def _waits_no_more(job: Job, goal: int) -> None:
    """Have a task that was told that it waits for this say that it is at work. It may as well be told a moment later."""
    if job.task.waits_for:
        with suppress(*AWAY):
            job.note(insists=False, waits_for="", queue_position=None, **job.leg(goal, job.task.rest_seconds, rest=0))


def _too_short(job: Job) -> bool:
    """Whether the clips lack more than may be made up. Those of another rate are shown at the first one's."""
    shown_at = job.videos[0].fps or job.plan.fps
    frames = [max(1, round((clip.frames or 0) * shown_at / (clip.fps or shown_at))) for clip in job.videos]
    return cut(frames, shown_at, job.video.duration).needs_another


def _buy_another(job: Job) -> None:
    """The clips lack more than may be made up: one more is made, unless that did not help before."""
    further = job.plan.another()
    if further is None or len(job.clips) >= len(job.plan.clips) + FURTHER_CLIPS_MAX:
        fail(job, failures.TOO_SHORT)
        return
    log.warning("clips are too short: a further one is bought", frames=[clip.frames for clip in job.videos])
    layout.add(job, further)


def _target(video: Video) -> Target:
    width, height = map(int, video.resolution.split("x"))
    return Target(width=width, height=height, seconds=video.duration)


# ---- What can happen to a file ------------------------------------------------------------------------------------------

# What work on files may end with instead of its result.
FILE_ERRORS = (MediaError, *STORAGE_ERRORS)
# The files were read to their end.
_FORGIVEN: VideoFields = {"unfinished_assemblies": 0}


def _is_over(job: Job) -> bool:
    """Whether the task has waited too long for a step that other processes began and did not live to end; then it was failed."""
    late = failures.overdue(job.task, job.clips, clock.now()) if job.task.attempts > 1 else None
    if late:
        fail(job, late)
    return late is not None


def _not_done(job: Job, error: Exception) -> None:
    """What follows from work on the task's files that came to nothing."""
    log.warning("work on a file came to nothing", error=str(error), kind=type(error).__name__)
    match error:
        case MediaError(harm=Harm.REFUSED):
            _fail_unplayable(job)
        case MediaError():
            _blame(job)
        case ReaderStopped():
            try_again(job)
        case FileNotFoundError() if lost := _lost_clip(job):
            _fetch_again(job, lost)
        case _:
            wait_for_storage(job, error)


def _blame(job: Job) -> None:
    """The reader died of the files or wore itself out over them. It may have been the machine, but not each time."""
    unfinished = job.video.unfinished_assemblies + 1
    if unfinished >= UNFINISHED_ASSEMBLIES_MAX:
        _fail_unplayable(job)
    else:
        try_again(job, video={"unfinished_assemblies": unfinished})


def _fail_unplayable(job: Job, failure: Failure = failures.UNPLAYABLE) -> None:
    """No retry takes over the clip at hand; nor any of those that could not be assembled, since which is bad is not known."""

    def write() -> None:
        fail(job, failure, clip={"state": ClipState.FAILED} if job.row else None)
        if job.clip is None:
            Clip.objects.filter(pk__in=[clip.pk for clip in job.videos]).update(state=ClipState.FAILED)

    job.lease.insist(write)


def _lost_clip(job: Job) -> Clip | None:
    """The first clip whose file the storage does not hold any more, if it was one."""
    kept = (clip for clip in job.videos if clip.state in (ClipState.STORED, ClipState.READY))
    with suppress(*STORAGE_ERRORS):  # it cannot tell now
        return next((clip for clip in kept if not default_storage.exists(clip.file)), None)
    return None


def _fetch_again(job: Job, lost: Clip) -> None:
    """MiniMax still has what the storage lost. It may lose the next one too, so there is a pause."""
    lost.state = ClipState.MADE
    gone: ClipFields = {"state": ClipState.MADE, "file": ""}
    due = clock.now() + growing_pause(LOST_CLIP_ATTEMPTS)
    try_again(job.at(lost), clip=gone, stage=Stage.DOWNLOADING, next_step_at=due, attempts=0)


def _teller(job: Job) -> Callable[[float], None]:
    """Writes how far an assembly is, from time to time, if the database is there. It raises LeaseLost, which stops the assembly, when
    nobody wants it any more."""
    began = told = time.monotonic()

    def tell(share: float) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < PROGRESS_SECONDS or not 0 < share < 1:
            return
        told = now
        reached = job.fetched_goal + int((ASSEMBLED_GOAL - job.fetched_goal) * share)
        leg = job.leg(ASSEMBLED_GOAL, (now - began) / share * (1 - share), rest=0, floor=reached)
        with suppress(*AWAY):
            job.note(insists=False, **leg)

    return tell


# ---- The end ------------------------------------------------------------------------------------------------------------


def _complete(job: Job, delivered: Rendered, began: datetime) -> None:
    now = clock.now()
    facts, first = delivered.facts, job.videos[0]

    def write() -> None:
        # Nothing in here waits for anybody but who changes this task, its key or its team: what it takes, they wait too.
        if not lifecycle.move(job.task.pk, Status.COMPLETED, lease=job.lease, stage="completed", stage_since=now, progress=100):
            raise LeaseLost
        Video.objects.filter(pk=job.task.pk).update(
            assembling_at=began,
            assembled_at=delivered.made_at,
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

    job.lease.insist(write)
    note_seconds(ASSEMBLED_IN, seconds=(delivered.made_at - began).total_seconds())
    note_seconds(STORED_IN, seconds=(now - delivered.made_at).total_seconds())
    note(STORED, amount=facts.size_bytes + facts.thumbnail_bytes)
    try:
        _learn(job, now)
    except DatabaseError as error:
        log.warning("timings not learned", error=type(error).__name__)


def _learn(job: Job, now: datetime) -> None:
    """Keep how long the clips took that this task had made, for the estimates of later ones. The task is over: this may be lost."""
    own = [clip for clip in job.videos if clip.taken_from_id is None]
    delivered_in = (now - max(clip.made_at or now for clip in job.clips) - job.task.paused_for).total_seconds() / len(job.videos)
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
