"""The clips of a task as rows: from its plan, and from what a failed task that it retries already has."""

from dataclasses import asdict, replace
from itertools import takewhile

from conduit import clock
from videos import late_money
from videos.engine.step import Step
from videos.models import Clip, ClipState
from videos.planning import PlannedClip
from videos.stages import Stage

# What MiniMax is asked for: two clips that agree in it are interchangeable.
ASKED = ("makes", "start", "api", "upstream", "seconds", "resolution", "ratio", "sends_size", "inputs", "watermark")
# A clip that MiniMax accepted and did not fail: it is billed, so it is worth taking over at whatever point it stands.
BOUGHT = frozenset({ClipState.SUBMITTED, ClipState.MADE, ClipState.LOCATED, ClipState.STORED, ClipState.READY})
_TAKEN = ("state", "provider_task_id", "file_id", "file", "width", "height", "fps", "frames", "last_frame", "account_id")


def lay_out(step: Step) -> Step | None:
    """Write the rows of all clips; None when the step ends with that, because a failed task's were taken over."""
    clips = [Clip(video=step.video, number=number, **asdict(planned)) for number, planned in enumerate(step.plan.clips)]
    taken = _take_over(step, clips)
    laid = replace(step, clips=clips)

    def write() -> None:
        if taken:
            if step.task.retry_of:  # its money before the event: the key before the place in its history
                step.lease.keep()
                late_money.give_back(step.task.retry_of)
            # MiniMax has worked on it already.
            leg = laid.leg(laid.made_goal, laid.to_make_seconds, rest=step.task.rest_seconds - laid.making_seconds)
            laid.write(begins=True, stage=Stage.PREPARING, **leg)
        else:
            laid.note()
        Clip.objects.bulk_create(clips)

    step.lease.insist(write)
    return None if taken else laid


def _take_over(step: Step, clips: list[Clip]) -> bool:
    """Give the new rows what the failed task has of them: every clip up to the first that it lacks, since each goes on from the last."""
    if step.task.retry_of_id is None:
        return False
    earlier = Clip.objects.filter(video_id=step.task.retry_of_id).order_by("number")
    pairs = list(takewhile(lambda pair: _is_same(*pair), zip(clips, earlier, strict=False)))
    now = clock.now()
    for clip, good in pairs:
        for name in _TAKEN:
            setattr(clip, name, getattr(good, name))
        clip.state = ClipState.MADE if good.state == ClipState.LOCATED and good.makes == Clip.Makes.VIDEO else good.state
        clip.taken_from_id = good.taken_from_id or good.pk  # the one whose files it shares
        clip.submitted_at = good.submitted_at
        # The time limits of this task begin now.
        clip.sent_at = now
        clip.made_at = now if good.made_at else None
    return bool(pairs)


def _is_same(clip: Clip, earlier: Clip) -> bool:
    lost = earlier.makes == Clip.Makes.IMAGE and earlier.state == ClipState.LOCATED  # its link cannot be asked for again
    lost |= earlier.called_off_at is not None and not earlier.billed  # MiniMax has cancelled it
    return earlier.state in BOUGHT and not lost and all(getattr(clip, name) == getattr(earlier, name) for name in ASKED)


def add(step: Step, planned: PlannedClip) -> None:
    """One more clip behind the last, which is looked into once more for the frame from which it goes on."""
    last = step.clips[-1]
    last.state = ClipState.STORED
    further = Clip(video=step.video, number=last.number + 1, **asdict(planned))

    def write() -> None:
        replace(step, clips=[*step.clips, further]).at(last).write(clip={"state": ClipState.STORED})
        further.save(force_insert=True)

    step.lease.insist(write)
