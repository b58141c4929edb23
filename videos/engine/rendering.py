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
from tasks.written import ProgressFields
from videos import failures, rendering
from videos.catalogue import learn
from videos.engine import clip_rows
from videos.engine.step import ASSEMBLED_GOAL, Step, fail, is_held, try_again, wait_for_storage
from videos.engine.written import ClipFields, VideoFields
from videos.exchange_models import Timing
from videos.failures import Failure
from videos.media.cutting import cut
from videos.media.errors import Harm, MediaError, ReaderStopped
from videos.media.facts import Target
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


def probe(step: Step, clip: Clip) -> None:
    """See what the clip really is, before anything more is bought that goes on from it."""
    if is_held(step, Lane.MEDIA) or _is_over(step):
        return
    wants_frame = step.after is not None
    _waits_no_more(step, step.fetched_goal)
    try:
        with step.lease.kept_alive():
            facts, frame = rendering.probe_clip(task_id=step.task.pk, clip_file=clip.file, token=step.lease.token, wants_frame=wants_frame)
    except FILE_ERRORS as error:
        _not_done(step, error)
        return
    if not facts.may_last(clip.seconds, step.plan.fps):
        log.warning("clip cannot be what was ordered", ordered_seconds=clip.seconds, seconds=facts.seconds, pictures=facts.pictures)
        if frame:
            forget(frame)
        _fail_unplayable(step, failures.MISTIMED)
        return
    found: ClipFields = {"width": facts.width, "height": facts.height, "fps": facts.fps, "frames": facts.frames, "last_frame": frame}
    leg: ProgressFields = {}
    if not step.after:
        last = step.leg(ASSEMBLED_GOAL, step.task.rest_seconds, rest=0, floor=step.fetched_goal)
        leg = {"stage": Stage.ASSEMBLING, **last}  # type: ignore[typeddict-item]  # mypy wants what may be left out named
    with forgotten_upon(LeaseLost, *filter(None, [frame])):
        step.write(clip=found | {"state": ClipState.READY, "ready_at": clock.now()}, video=_FORGIVEN, **leg)


def render(step: Step) -> None:
    """Make the deliverable file and its thumbnail, store both, and complete the task; or buy what is still missing."""
    if is_held(step, Lane.MEDIA):
        return
    if _too_short(step):
        _buy_another(step)
        return
    if _is_over(step):
        return
    began = clock.now()
    _waits_no_more(step, ASSEMBLED_GOAL)
    try:
        with step.lease.kept_alive():
            delivered = rendering.render_and_store(
                task_id=step.task.pk,
                clip_files=[clip.file for clip in step.videos],
                target=_target(step.video),
                token=step.lease.token,
                on_progress=_teller(step),
            )
    except FILE_ERRORS as error:
        _not_done(step, error)
        return
    with forgotten_upon(LeaseLost, delivered.file, delivered.thumbnail):
        _complete(step, delivered, began)


def _waits_no_more(step: Step, goal: int) -> None:
    """Have a task that was told that it waits for this say that it is at work. It may as well be told a moment later."""
    if step.task.waits_for:
        with suppress(*AWAY):
            step.note(insists=False, waits_for="", queue_position=None, **step.leg(goal, step.task.rest_seconds, rest=0))


def _too_short(step: Step) -> bool:
    """Whether the clips lack more than may be made up. Those of another rate are shown at the first one's."""
    shown_at = step.videos[0].fps or step.plan.fps
    frames = [max(1, round((clip.frames or 0) * shown_at / (clip.fps or shown_at))) for clip in step.videos]
    return cut(frames, shown_at, step.video.duration).needs_another


def _buy_another(step: Step) -> None:
    """The clips lack more than may be made up: one more is made, unless that did not help before."""
    further = step.plan.another()
    if further is None or len(step.clips) >= len(step.plan.clips) + FURTHER_CLIPS_MAX:
        fail(step, failures.TOO_SHORT)
        return
    log.warning("clips are too short: a further one is bought", frames=[clip.frames for clip in step.videos])
    clip_rows.add(step, further)


def _target(video: Video) -> Target:
    width, height = map(int, video.resolution.split("x"))
    return Target(width=width, height=height, seconds=video.duration)


# ---- What can happen to a file ------------------------------------------------------------------------------------------

# What work on files may end with instead of its result.
FILE_ERRORS = (MediaError, *STORAGE_ERRORS)
# The files were read to their end.
_FORGIVEN: VideoFields = {"unfinished_assemblies": 0}


def _is_over(step: Step) -> bool:
    """Whether the task has waited too long for a step that other processes began and did not live to end; then it was failed."""
    late = failures.overdue(step.task, step.clips, clock.now()) if step.task.attempts > 1 else None
    if late:
        fail(step, late)
    return late is not None


def _not_done(step: Step, error: Exception) -> None:
    """What follows from work on the task's files that came to nothing."""
    log.warning("work on a file came to nothing", error=str(error), kind=type(error).__name__)
    match error:
        case MediaError(harm=Harm.REFUSED):
            _fail_unplayable(step)
        case MediaError():
            _blame(step)
        case ReaderStopped():
            try_again(step)
        case FileNotFoundError() if lost := _lost_clip(step):
            _fetch_again(step, lost)
        case _:
            wait_for_storage(step, error)


def _blame(step: Step) -> None:
    """The reader died of the files or wore itself out over them. It may have been the machine, but not each time."""
    unfinished = step.video.unfinished_assemblies + 1
    if unfinished >= UNFINISHED_ASSEMBLIES_MAX:
        _fail_unplayable(step)
    else:
        try_again(step, video={"unfinished_assemblies": unfinished})


def _fail_unplayable(step: Step, failure: Failure = failures.UNPLAYABLE) -> None:
    """No retry takes over the clip at hand; nor any of those that could not be assembled, since which is bad is not known."""

    def write() -> None:
        fail(step, failure, clip={"state": ClipState.FAILED} if step.row else None)
        if step.clip is None:
            Clip.objects.filter(pk__in=[clip.pk for clip in step.videos]).update(state=ClipState.FAILED)

    step.lease.insist(write)


def _lost_clip(step: Step) -> Clip | None:
    """The first clip whose file the storage does not hold any more, if it was one."""
    kept = (clip for clip in step.videos if clip.state in (ClipState.STORED, ClipState.READY))
    with suppress(*STORAGE_ERRORS):  # it cannot tell now
        return next((clip for clip in kept if not default_storage.exists(clip.file)), None)
    return None


def _fetch_again(step: Step, lost: Clip) -> None:
    """MiniMax still has what the storage lost. It may lose the next one too, so there is a pause."""
    lost.state = ClipState.MADE
    gone: ClipFields = {"state": ClipState.MADE, "file": ""}
    due = clock.now() + growing_pause(LOST_CLIP_ATTEMPTS)
    try_again(step.at(lost), clip=gone, stage=Stage.DOWNLOADING, next_step_at=due, attempts=0)


def _teller(step: Step) -> Callable[[float], None]:
    """Writes how far an assembly is, from time to time, if the database is there. It raises LeaseLost, which stops the assembly, when
    nobody wants it any more."""
    began = told = time.monotonic()

    def tell(share: float) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < PROGRESS_SECONDS or not 0 < share < 1:
            return
        told = now
        reached = step.fetched_goal + int((ASSEMBLED_GOAL - step.fetched_goal) * share)
        leg = step.leg(ASSEMBLED_GOAL, (now - began) / share * (1 - share), rest=0, floor=reached)
        with suppress(*AWAY):
            step.note(insists=False, **leg)

    return tell


# ---- The end ------------------------------------------------------------------------------------------------------------


def _complete(step: Step, delivered: Rendered, began: datetime) -> None:
    now = clock.now()
    facts, first = delivered.facts, step.videos[0]

    def write() -> None:
        # Nothing in here waits but for changes of this task, its key or its team: what it takes, they wait too.
        if not lifecycle.move(step.task.pk, Status.COMPLETED, lease=step.lease, stage="completed", stage_since=now, progress=100):
            raise LeaseLost
        Video.objects.filter(pk=step.task.pk).update(
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
            source_clips=len(step.videos),
            speed=facts.speed,
        )

    step.lease.insist(write)
    note_seconds(ASSEMBLED_IN, seconds=(delivered.made_at - began).total_seconds())
    note_seconds(STORED_IN, seconds=(now - delivered.made_at).total_seconds())
    note(STORED, amount=facts.size_bytes + facts.thumbnail_bytes)
    try:
        _learn(step, now)
    except DatabaseError as error:
        log.warning("timings not learned", error=type(error).__name__)


def _learn(step: Step, now: datetime) -> None:
    """Keep how long the clips took that this task had made, for the estimates of later ones. The task is over: this may be lost."""
    own = [clip for clip in step.videos if clip.taken_from_id is None]
    delivered_in = (now - max(clip.made_at or now for clip in step.clips) - step.task.paused_for).total_seconds() / len(step.videos)
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
